"""Records that are there and new ones -> how far each column of the new ones lies away, and whether by chance."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from lambda_api.contract import TARGET, columns
from pipeline.files import Report, number

DEVIATIONS = 3
"""A mean or share that moved by more standard errors than this is called beyond chance."""


@dataclass(frozen=True)
class Drift:
    """How far a column moved: a number's mean in deviations of the base, or the share of rows of other categories."""

    column: str
    kind: Literal["mean", "mix"]
    amount: float
    text: str


@dataclass(frozen=True)
class ColumnShift:
    """How far a column of the new records lies from the old, and whether that is more than chance explains."""

    drift: Drift
    beyond_chance: bool


def moved(old: pd.DataFrame, new: pd.DataFrame) -> tuple[ColumnShift, ...]:
    """Every column that moved at all and the level, the furthest first."""
    return tuple(
        ColumnShift(change, _beyond_chance(old[change.column], new[change.column]))
        for change in drift(_summary(old), _summary(new))
    )


def _summary(frame: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Of each column what `reports/data.json` says of it; of the level its counts."""
    summary = {TARGET: _counts(frame[TARGET])}
    for column in columns():
        values = frame[column.name]
        if column.is_number:
            summary[column.name] = {
                "min": float(values.min()),
                "max": float(values.max()),
                "mean": float(values.mean()),
                "std": float(values.std(ddof=0)),
            }
        else:
            summary[column.name] = _counts(values)
    return summary


def _counts(values: "pd.Series[Any]") -> dict[str, float]:
    return {str(value): float(count) for value, count in values.value_counts().items()}


def _beyond_chance(old: "pd.Series[Any]", new: "pd.Series[Any]") -> bool:
    """Whether the mean, or the share of any category, lies further away than samples of one population do."""
    scatter = DEVIATIONS * math.sqrt(1 / len(old) + 1 / len(new))
    if pd.api.types.is_numeric_dtype(old):
        return bool(abs(new.mean() - old.mean()) > scatter * old.std(ddof=0))
    new_shares, old_shares = (side.value_counts(normalize=True) for side in (new, old))
    pooled = pd.concat([old, new]).value_counts(normalize=True)
    gap = new_shares.reindex(pooled.index, fill_value=0) - old_shares.reindex(pooled.index, fill_value=0)
    return bool((gap.abs() > scatter * (pooled * (1 - pooled)) ** 0.5).any())


def mapping(value: object) -> Report:
    """The value if it is a mapping, else an empty one: a report of another version may hold anything."""
    return value if isinstance(value, Mapping) else {}


def drift(base: Report, this: Report) -> tuple[Drift, ...]:
    """The columns that moved at all, the furthest first; both sides as `columns` of reports/data.json."""
    changes = [
        moved
        for column in sorted(base.keys() & this.keys())
        if base[column] != this[column]
        and (moved := _column_drift(column, mapping(base[column]), mapping(this[column])))
    ]
    return tuple(sorted(changes, key=lambda moved: -moved.amount))


def _column_drift(column: str, base: Report, this: Report) -> Drift | None:
    old, new = ({key: number(value) or 0.0 for key, value in side.items()} for side in (base, this))
    if "mean" in old and "mean" in new:
        spread = old.get("std", 0.0)
        amount = abs(new["mean"] - old["mean"]) / spread if spread else math.inf if new["mean"] != old["mean"] else 0.0
        ends = ", ".join(
            f"{name} {old.get(name, 0):g} -> {new.get(name, 0):g}" for name in ("mean", "std", "min", "max")
        )
        return Drift(column, "mean", amount, ends)
    totals = sum(old.values()), sum(new.values())
    if not all(totals):
        return None
    shares = {
        name: (old.get(name, 0) / totals[0], new.get(name, 0) / totals[1]) for name in sorted(old.keys() | new.keys())
    }
    moved = sorted(shares, key=lambda name: (-round(abs(shares[name][1] - shares[name][0]), 9), name))
    told = ", ".join(f"{name} {shares[name][0]:.1%} -> {shares[name][1]:.1%}" for name in moved[:3])
    return Drift(column, "mix", sum(abs(a - b) for a, b in shares.values()) / 2, told)
