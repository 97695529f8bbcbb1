"""Two snapshots -> what differs between them, and whether that is more than noise.

A difference counts only if its whole interval lies on one side of zero. Where both snapshots have their answers, the
same records are compared in pairs, which sees small differences. Elsewhere the two figures' own intervals are combined
(Newcombe's square-and-add) as if the rows were different ones, so that a small difference may be missed.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from lambda_api.contract import LEVELS
from pipeline.data.shift import Drift, drift, mapping
from pipeline.files import Report, number
from pipeline.intervals import Pairs, newcombe
from pipeline.model.scores import LOWER_IS_BETTER
from pipeline.repo import default_base
from pipeline.report.snapshot import AUTO, Answers, Snapshot, dotted, of_revision, of_tree

Outcome = Literal["better", "worse", "mixed", "no difference", "unchanged", "not comparable", "nothing"]

CONFIDENCE = 0.95
"""Where a report does not say its own."""

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
class RecordChanges:
    """How many records, by key, are only here, only in the base, in both with another level, and in both as they were.

    `added_right` of the added ones are answered right, out of fold.
    """

    added: int
    added_right: int
    removed: int
    changed: int
    same: int


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


def against(rev: str, folder: Path = Path(), root: Path = Path()) -> Comparison:
    """The comparison of the files below `folder` with a revision, `AUTO` for `default_base`.

    Raises:
        InputError: There is no such revision.
        ModelFileError: A report on either side is damaged.
    """
    base = default_base(root) if rev == AUTO else rev
    return compare(of_revision(root, base) if base else None, of_tree(root, folder))


def compare(base: Snapshot | None, this: Snapshot) -> Comparison:
    """The comparison of `this` with `base`, None if there is none.

    Models made from different kinds of data are not measured against each other: then all figures of `this` are new.
    """
    reported = number((this.metrics or {}).get("confidence"))
    confidence = reported if reported and 0 < reported < 1 else CONFIDENCE
    against = base if base and _source(base) == _source(this) else None
    pairing = _Pairing(against, this, confidence)
    old, new = _flat(against), _flat(this)
    named = [(label, key) for label, key in MAIN if key in old or key in new]
    figures = tuple(_figure(label, key, old, new, pairing) for label, key in named)
    levels = _levels(_part(against, "levels"), _part(this, "levels"))
    return Comparison(
        outcome=_outcome(base, this, figures),
        base=base,
        this=this,
        confidence=confidence,
        figures=figures,
        levels=tuple(_figure(level, f"levels.{level}.recall", old, new, pairing) for level in levels),
        slices=tuple(_figure(label, key, old, new, pairing) for label, key in _slices(against, this)),
        confusion=_confusion(against, this),
        params=_changes(base.params, this.params) if base else (),
        data=_changes(_facts(base), _facts(this)),
        balance=_counts(_data(base, "levels"), _data(this, "levels")),
        drift=drift(_data(base, "columns"), _data(this, "columns")),
        records=_records(base.answers if base else None, this.answers),
        paired=len(pairing.keys) or None,
        same_recipe=_same_recipe(against, this),
    )


class _Pairing:
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


def _flat(side: Snapshot | None) -> dict[str, float]:
    leaves = dotted(side.metrics if side and side.metrics else {})
    return {key: figure for key, value in leaves.items() if (figure := number(value)) is not None}


def _figure(
    label: str, key: str, old: Mapping[str, float], new: Mapping[str, float], pairing: _Pairing
) -> FigureChange:
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


def _outcome(base: Snapshot | None, this: Snapshot, figures: Iterable[FigureChange]) -> Outcome:
    if base is None or base.metrics is None or this.metrics is None:
        return "nothing"
    if _source(base) != _source(this):
        return "not comparable"
    if base.metrics == this.metrics and _digest(base) == _digest(this):
        return "unchanged"
    moved = {figure.moved for figure in figures if figure.key in DECIDING}
    return {(True, True): "mixed", (True, False): "better", (False, True): "worse"}.get(  # type: ignore[return-value]
        (1 in moved, -1 in moved), "no difference"
    )


def _digest(side: Snapshot) -> object:
    return (side.parity or {}).get("model_sha256")


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


def _records(base: Answers | None, this: Answers | None) -> RecordChanges | None:
    if base is None or this is None:
        return None
    levels: list[dict[str, set[str]]] = [{}, {}]
    for side, answers in zip(levels, (base, this), strict=True):
        for record, level in answers:
            side.setdefault(record, set()).add(level)
    old, new = levels
    both = old.keys() & new.keys()
    changed = sum(old[record] != new[record] for record in both)
    added = new.keys() - old
    right = {record for (record, level), answer in this.items() if answer.predicted == level}
    return RecordChanges(len(added), len(added & right), len(old.keys() - new), changed, len(both) - changed)


def _same_recipe(base: Snapshot | None, this: Snapshot) -> bool | None:
    """Whether both locks name the same code, data and parameters for training; None where one names none."""
    sides = [side.stages.get("train") for side in (base, this) if side]
    if len(sides) != 2 or not all(isinstance(side, Mapping) and side.get("deps") for side in sides):  # noqa: PLR2004  both sides
        return None
    old, new = ({"deps": side["deps"], "params": side.get("params")} for side in sides if side)
    return bool(old == new)
