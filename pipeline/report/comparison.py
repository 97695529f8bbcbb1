"""Two snapshots -> what differs between them, and whether that is more than noise.

A difference counts only if its whole interval lies on one side of zero.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lambda_api.contract import LEVELS
from pipeline.data.shift import Drift, drift, mapping
from pipeline.files import Report, number
from pipeline.report.answers import RecordChanges, record_changes
from pipeline.report.differences import DECIDING, MAIN, FigureChange, Pairing, figure_change, figures_of
from pipeline.report.snapshot import Snapshot, dotted
from pipeline.report.verdict import ReportedVerdict

Outcome = Literal["better", "worse", "mixed", "no difference", "unchanged", "not comparable", "nothing"]

CONFIDENCE = 0.95
"""Where a report does not say its own."""


class _Absent:
    """The value of something that is not there; null is a value of its own."""

    def __repr__(self) -> str:
        return "absent"


ABSENT = _Absent()


@dataclass(frozen=True)
class Change:
    """A named value on both sides, `ABSENT` where it is not there."""

    name: str
    base: object
    this: object


@dataclass(frozen=True)
class ConfusionChange:
    """Counts by true and predicted level, on both sides."""

    levels: tuple[str, ...]
    base: Mapping[tuple[str, str], int]
    this: Mapping[tuple[str, str], int]

    @property
    def moved(self) -> int:
        """How many cells differ."""
        return sum(self.base.get(cell, 0) != self.this.get(cell, 0) for cell in self.base.keys() | self.this.keys())


@dataclass(frozen=True)
class Comparison:
    """Everything that the comment says, as values."""

    outcome: Outcome
    base: Snapshot | None
    this: Snapshot
    confidence: float
    figures: tuple[FigureChange, ...] = ()
    levels: tuple[FigureChange, ...] = ()
    slices: tuple[FigureChange, ...] = ()
    confusion: ConfusionChange | None = None
    params: tuple[Change, ...] = ()
    data: tuple[Change, ...] = ()
    balance: tuple[Change, ...] = ()
    drift: tuple[Drift, ...] = ()
    records: RecordChanges | None = None
    paired: int | None = None
    same_recipe: bool | None = None

    @property
    def decisive(self) -> tuple[FigureChange, ...]:
        """The figures that the outcome is about."""
        return tuple(figure for figure in self.figures if figure.key in DECIDING)

    @property
    def model(self) -> Change:
        """SHA-256 of the graphs."""
        sides = ((side.parity or {}).get("model_sha256", ABSENT) if side else ABSENT for side in (self.base, self.this))
        return Change("SHA-256", *sides)

    @property
    def verdict(self) -> ReportedVerdict | None:
        """What the gate decided, if it judged this very model."""
        return ReportedVerdict.of(self.this.verdict, self.model.this)

    @property
    def base_name(self) -> str:
        """What the base is called, without its commit."""
        return self.base.name.partition(" (")[0] if self.base else "base"

    @property
    def is_sample(self) -> bool:
        """Whether this model was made from the sample of invented people."""
        return _source(self.this) == "sample"

    @property
    def stale(self) -> bool:
        """Whether what is committed is not what these files make, or there is nothing yet."""
        return bool(self.this.stale) or self.other_model_file or self.this.metrics is None

    @property
    def other_model_file(self) -> bool:
        """Whether models/model.onnx is not the model that the reports describe."""
        file = self.this.model_file_sha256
        return bool(file and self.this.parity) and file != self.model.this

    @property
    def irreproducible(self) -> bool:
        """Whether the same code, data and parameters made another model than the base's."""
        base, this = self.model.base, self.model.this
        return bool(self.same_recipe) and ABSENT not in (base, this) and base != this


def compare(base: Snapshot | None, this: Snapshot) -> Comparison:
    """The comparison of `this` with `base`, None if there is none.

    Models made from different kinds of data are not measured against each other: then all figures of `this` are new.
    """
    reported = number((this.metrics or {}).get("confidence"))
    confidence = reported if reported and 0 < reported < 1 else CONFIDENCE
    against = base if base and _source(base) == _source(this) else None
    pairing = Pairing(against, this, confidence)
    old, new = figures_of(against), figures_of(this)
    named = [(label, key) for label, key in MAIN if key in old or key in new]
    figures = tuple(figure_change(label, key, old, new, pairing) for label, key in named)
    levels = _levels(_part(against, "levels"), _part(this, "levels"))
    return Comparison(
        outcome=_outcome(base, this, figures),
        base=base,
        this=this,
        confidence=confidence,
        figures=figures,
        levels=tuple(figure_change(level, f"levels.{level}.recall", old, new, pairing) for level in levels),
        slices=tuple(figure_change(label, key, old, new, pairing) for label, key in _slices(against, this)),
        confusion=_confusion(against, this),
        params=_changes(base.params, this.params) if base and base.params else (),
        data=_changes(_facts(base), _facts(this)),
        balance=_counts(_data(base, "levels"), _data(this, "levels")),
        drift=drift(_data(base, "columns"), _data(this, "columns")),
        records=record_changes(base.answers if base else None, this.answers),
        paired=len(pairing.keys) or None,
        same_recipe=_same_recipe(against, this),
    )


def _outcome(base: Snapshot | None, this: Snapshot, figures: Iterable[FigureChange]) -> Outcome:
    if base is None or base.metrics is None or this.metrics is None:
        return "nothing"
    if _source(base) != _source(this):
        return "not comparable"
    if base.metrics == this.metrics and base.model_sha256 == this.model_sha256:
        return "unchanged"
    moved = {figure.moved for figure in figures if figure.key in DECIDING}
    return {(True, True): "mixed", (True, False): "better", (False, True): "worse"}.get(  # type: ignore[return-value]
        (1 in moved, -1 in moved), "no difference"
    )


def _source(side: Snapshot) -> object:
    return (side.data or {}).get("source")


def _part(side: Snapshot | None, name: str) -> Report:
    return mapping((side.metrics or {}).get(name)) if side else {}


def _data(side: Snapshot | None, name: str) -> Report:
    return mapping((side.data or {}).get(name)) if side else {}


def _levels(*names: Iterable[str]) -> list[str]:
    """Levels in their order, whatever else there is after them."""
    present = {name for some in names for name in some}
    known = [str(level) for level in LEVELS if level in present]
    return [*known, *sorted(present - set(known))]


def _slices(base: Snapshot | None, this: Snapshot) -> list[tuple[str, str]]:
    """Every slice of either side: what to call it, and its accuracy's name."""
    slices = {
        (group, name)
        for side in (base, this)
        for group, names in _part(side, "slices").items()
        for name in mapping(names)
    }
    return [(f"{group}: {name}", f"slices.{group}.{name}.accuracy") for group, name in sorted(slices)]


def _changes(base: Mapping[str, object], this: Mapping[str, object]) -> tuple[Change, ...]:
    """What differs, by name."""
    return tuple(
        Change(name, base.get(name, ABSENT), this.get(name, ABSENT))
        for name in sorted(base.keys() | this.keys())
        if base.get(name, ABSENT) != this.get(name, ABSENT)
    )


def _counts(base: Report, this: Report) -> tuple[Change, ...]:
    return tuple(Change(name, base.get(name, ABSENT), this.get(name, ABSENT)) for name in _levels(base, this))


def _confusion(base: Snapshot | None, this: Snapshot) -> ConfusionChange | None:
    if base is None or base.confusion is None or this.confusion is None:
        return None
    return ConfusionChange(tuple(_levels(*base.confusion, *this.confusion)), base.confusion, this.confusion)


def _facts(side: Snapshot | None) -> Mapping[str, Any]:
    """What `clean` found, but for the levels and the columns."""
    leaves = dotted(side.data or {}) if side else {}
    return {key: value for key, value in leaves.items() if not key.startswith(("columns.", "levels."))}


def _same_recipe(base: Snapshot | None, this: Snapshot) -> bool | None:
    """Whether both locks name the same code, data and parameters for training; None where one is stale or names none.

    A stale lock names what the results were *not* made from.
    """
    sides = [side.stages.get("train") for side in (base, this) if side and not side.stale]
    if len(sides) != 2 or not all(isinstance(side, Mapping) and side.get("deps") for side in sides):  # noqa: PLR2004  both sides
        return None
    old, new = ({"deps": side["deps"], "params": side.get("params")} for side in sides if side)
    return bool(old == new)
