"""Two snapshots' figures and answers -> how a figure differs, and whether that is more than noise.

Where both snapshots have their answers, the same records are compared in pairs, which sees small differences. Elsewhere
the two figures' own intervals are combined (Newcombe's square-and-add) as if the rows were different ones, so that a
small difference may be missed.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from pipeline.files import number
from pipeline.intervals import Pairs, newcombe
from pipeline.model.scores import LOWER_IS_BETTER
from pipeline.report.snapshot import Snapshot, dotted

MAIN: tuple[tuple[str, str], ...] = (
    ("accuracy, out of fold", "out_of_fold.accuracy"),
    ("accuracy, holdout", "holdout.accuracy"),
    ("accuracy, collected rows", "slices.origin.collected.accuracy"),
    ("accuracy, groups held out", "grouped.accuracy"),
    ("plausible people", "plausible_people.out_of_fold.agreement"),
    ("recall of the worst level", "worst_level_recall"),
    ("F1 macro, out of fold", "out_of_fold.f1_macro"),
    ("quadratic kappa, out of fold", "out_of_fold.quadratic_kappa"),
    ("calibration error, out of fold", "out_of_fold.ece"),
    ("log loss, out of fold", "out_of_fold.log_loss"),
)
"""The figures of the first table: what to call each, and where metrics.json has it."""

DECIDING = frozenset(
    {"out_of_fold.accuracy", "slices.origin.collected.accuracy", "plausible_people.out_of_fold.agreement"}
)
"""What the verdict is about: the recipe on all rows, on real people, and on people whose habits say nothing."""


@dataclass(frozen=True)
class FigureChange:
    """One figure on both sides; `own` is the interval of `this`, `low` and `high` bound the difference.

    The difference is this minus base; in `pairs` of answers to the same records it is that on those records. None where
    there is no such figure, or no interval is possible.
    """

    label: str
    key: str
    base: float | None
    this: float | None
    own: tuple[float, float] | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    pairs: int | None = None

    @property
    def moved(self) -> Literal[-1, 0, 1]:
        """1 for better beyond noise, -1 for worse beyond noise, 0 for anything else."""
        if self.low is None or self.high is None or self.low <= 0 <= self.high:
            return 0
        return 1 if (self.low > 0) != (self.key.rpartition(".")[2] in LOWER_IS_BETTER) else -1


class Pairing:
    """Which records both sides answered, and the interval of a difference on any part of them."""

    def __init__(self, base: Snapshot | None, this: Snapshot, confidence: float) -> None:
        self.base, self.this = (base.answers or {}) if base else {}, this.answers or {}
        self.keys = self.base.keys() & self.this.keys()
        self.confidence = confidence
        self.holdout = str(this.params.get("split.holdout"))

    def chosen(self, key: str) -> Callable[[tuple[str, str]], bool] | None:
        """Which records a figure is about; None if answers alone cannot tell."""
        if key == "out_of_fold.accuracy":
            return lambda _: True
        if key == "holdout.accuracy":
            return lambda record: self.base[record].fold == self.this[record].fold == self.holdout
        if key.startswith("levels.") and key.endswith(".recall"):
            level = key.removeprefix("levels.").removesuffix(".recall")
            return lambda record: record[1] == level
        return None

    def pairs(self, key: str) -> Pairs | None:
        """The records that a figure is about, by who gets them right; None if there are none on both sides."""
        chosen = self.chosen(key)
        records = [record for record in self.keys if chosen(record)] if chosen else []
        right = Counter((self.this[r].predicted == r[1], self.base[r].predicted == r[1]) for r in records)
        return Pairs(right[True, False], right[False, True], len(records)) if records else None


def figures_of(side: Snapshot | None) -> dict[str, float]:
    """Every number of metrics.json under its dotted name."""
    leaves = dotted(side.metrics if side and side.metrics else {})
    return {key: figure for key, value in leaves.items() if (figure := number(value)) is not None}


def figure_change(
    label: str, key: str, old: Mapping[str, float], new: Mapping[str, float], pairing: Pairing
) -> FigureChange:
    """How a figure differs: in pairs where it can be told from answers, else by the two figures' own intervals."""
    base, this = (_bounded(side, key) for side in (old, new))
    figure = FigureChange(label, key, old.get(key), new.get(key), own=this[1:] if this else None)
    if figure.base is None or figure.this is None:
        return figure
    if pairs := pairing.pairs(key):
        one_sided = 0.5 + pairing.confidence / 2
        low = pairs.lower_bound(one_sided)
        high = -Pairs(pairs.only_champion, pairs.only_challenger, pairs.total).lower_bound(one_sided)
        return replace(figure, difference=pairs.difference, low=low, high=high, pairs=pairs.total)
    figure = replace(figure, difference=figure.this - figure.base)
    if base is None or this is None:
        return figure
    low, high = newcombe(base, this)
    return replace(figure, low=low, high=high)


def _bounded(side: Mapping[str, float], key: str) -> tuple[float, float, float] | None:
    """A figure with its low and high; None if one of them is not there."""
    names = (key, f"{key}_low", f"{key}_high")
    return (side[names[0]], side[names[1]], side[names[2]]) if all(name in side for name in names) else None
