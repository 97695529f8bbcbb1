"""Registered versions -> in which parameters and metrics two differ, and which one is best by a metric."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pipeline.errors import RegistryError
from pipeline.model.scores import LOWER_IS_BETTER
from pipeline.registry.catalogue import Catalogue
from pipeline.registry.versions import Version

_SUGGESTED = 12


@dataclass(frozen=True)
class Difference:
    """A parameter or metric that two versions do not share; None where a version lacks it."""

    kind: Literal["param", "metric"]
    name: str
    a: str | float | None
    b: str | float | None


@dataclass(frozen=True)
class Best:
    """The version with the best value of a metric; of equals the oldest."""

    name: str
    version: int
    metric: str
    value: float
    higher_is_better: bool


def compare(catalogue: Catalogue, one: Version, other: Version) -> tuple[Difference, ...]:
    """Parameters, then metrics, that differ between two versions, by name."""
    params = _differences("param", catalogue.params(one), catalogue.params(other))
    return params + _differences("metric", catalogue.metrics(one), catalogue.metrics(other))


def best(catalogue: Catalogue, name: str, metric: str, *, higher_is_better: bool | None = None) -> Best:
    """The version with the best value of a metric.

    Args:
        catalogue: Where to look.
        name: The model.
        metric: A dotted name, such as `holdout.accuracy`.
        higher_is_better: None decides by the name: calibration error, Brier score and log loss are best low.

    Raises:
        RegistryError: No version has such a metric; the text names similar ones.
    """
    figures = {version.number: catalogue.metrics(version) for version in catalogue.versions(name)}
    having = {number: values[metric] for number, values in figures.items() if metric in values}
    if not having:
        known = {key for values in figures.values() for key in values}
        raise RegistryError(f"no version of {name} has the metric {metric!r}: try {_similar(metric, known)}")
    higher = _last(metric) not in LOWER_IS_BETTER if higher_is_better is None else higher_is_better
    value = (max if higher else min)(having.values())
    number = min(number for number, figure in having.items() if figure == value)
    return Best(name, number, metric, value, higher)


def _similar(metric: str, known: set[str]) -> str:
    near = {key for key in known if _last(metric) in key and not key.endswith(("_low", "_high"))} or known
    return ", ".join(sorted(near)[:_SUGGESTED]) or "none"


def _last(metric: str) -> str:
    return metric.rpartition(".")[2]


def _differences(
    kind: Literal["param", "metric"], a: Mapping[str, str | float], b: Mapping[str, str | float]
) -> tuple[Difference, ...]:
    names = sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))
    return tuple(Difference(kind, name, a.get(name), b.get(name)) for name in names)
