"""The data and a file of new labelled records -> the grown data, and what a person should know before taking it.

New records are judged beside those of their own origin that are there: how far each column moved, and how often the
BMI rule gives the label. They go behind the last row of their origin, and every other byte of the data stays as it is.
A record's fold is its hash, so its position decides nothing but its origin.
"""

import codecs
import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lambda_api.contract import LEVELS, TARGET, columns
from pipeline.changes.comparison import Drift, drift
from pipeline.clean import origins, read_text_table, typed
from pipeline.errors import DataError
from pipeline.files import digest
from pipeline.params import DataParams
from pipeline.records import COLUMNS, key, rule_levels
from pipeline.verdict import at_most

TOLERANCE, SURE = 0.1, 0.99
"""New labels contradict if we are this sure that the BMI rule agrees with them this much less than with the old."""

DEVIATIONS = 3
"""A mean or share that moved by more standard errors than this is told to be beyond chance."""


@dataclass(frozen=True)
class Agreement:
    """How many labels the BMI rule gives as well."""

    agreed: int
    records: int

    @property
    def share(self) -> float:
        """Of all records."""
        return self.agreed / self.records


@dataclass(frozen=True)
class Moved:
    """How far a column of the new records lies from the old, and whether that is more than chance explains."""

    drift: Drift
    beyond_chance: bool


@dataclass(frozen=True)
class Additions:
    """The data grown by new records, and what is to be known of them.

    `known` rows were in the data already, `repeated` ones in the file itself; neither is added again. `beside` names
    the old records that the new ones are judged beside: those of the same origin, or all.
    """

    content: bytes
    collected_rows: int | None
    base_sha256: str
    name: str
    origin: str
    added: int
    known: int
    repeated: int
    levels: Mapping[str, int]
    beside: str
    moved: tuple[Moved, ...]
    rule: Agreement
    rule_before: Agreement

    @property
    def sha256(self) -> str:
        """The digest of the grown data."""
        return digest(self.content)

    @property
    def contradicts(self) -> bool:
        """Whether the labels are surely further from the records' own bodies than those that are there."""
        return at_most(self.rule.agreed, self.rule.records, self.rule_before.share - TOLERANCE) < 1 - SURE


def grown(raw: bytes, new: bytes, name: str, data: DataParams, *, synthetic: bool = False) -> Additions:
    """The data with the records of a file that it does not have yet.

    Args:
        raw: The data as it is pinned.
        new: A CSV with the sixteen columns and the level, in any order.
        name: What to call that file.
        data: What params.yaml says of the data.
        synthetic: The new records are interpolated, not collected.

    Raises:
        DataError: A row breaks the contract or contradicts another one, or none of them is new.
    """
    table, there = read_text_table(new, name), read_text_table(raw, "the data")
    if TARGET not in table:
        raise DataError(f"{name}: missing column {TARGET}: new records need the answers")
    frame, old = typed(table, name), typed(there, "the data")
    fresh, known = _fresh(frame.set_index(table.index), old.set_index(there.index), name)
    chosen = table.index.isin(fresh)
    frame = frame[chosen]
    # Where origins are not known, position says nothing: at the end, then.
    first = not synthetic and data.collected_rows is not None
    behind = data.collected_rows if first and data.collected_rows is not None else len(old)
    content = inserted(raw, table.loc[fresh, list(there.columns)].to_numpy().tolist(), behind)
    origin = "unknown" if data.collected_rows is None else "synthetic" if synthetic else "collected"
    kin = old[origins(len(old), "real", data.collected_rows) == origin]
    kin, beside = (kin, origin) if len(kin) else (old, "all")
    return Additions(
        content=content,
        collected_rows=behind + len(frame) if first else data.collected_rows,
        base_sha256=digest(raw),
        name=name,
        origin=origin,
        added=len(frame),
        known=known,
        repeated=len(table) - len(frame) - known,
        levels={str(level): int((frame[TARGET] == level).sum()) for level in LEVELS},
        beside="all" if beside == "unknown" else beside,
        moved=_moved(kin, frame),
        rule=_agreement(frame),
        rule_before=_agreement(kin),
    )


def _fresh(new: pd.DataFrame, old: pd.DataFrame, name: str) -> tuple[list[int], int]:
    """The rows that are new, and how many of the others the data has already.

    Raises:
        DataError: The same sixteen answers have two levels, or nothing is new.
    """
    there, here, fresh, known, bad = _places(old), dict[str, tuple[int, str]](), list[int](), 0, list[str]()
    for row, record, level in _keyed(new):
        levels = there.get(record, {})
        first, said = here.setdefault(record, (row, level))
        if level in levels:
            known += 1
        elif levels:
            other = next(iter(levels))
            bad.append(f"row {row}: {level}, but row {levels[other]} of the data has the same answers and {other}")
        elif said != level:
            bad.append(f"row {row}: {level}, but row {first} has the same answers and {said}")
        elif first == row:
            fresh.append(row)
    if bad:
        raise DataError(f"{name}: {len(bad)} record(s) contradict others; nothing was written:", bad)
    if not fresh:
        raise DataError(f"{name}: the data has all of its {len(new)} record(s) already; nothing was written")
    return fresh, known


def _places(old: pd.DataFrame) -> dict[str, dict[str, int]]:
    """By key and level, the first row that has both."""
    places: dict[str, dict[str, int]] = {}
    for row, record, level in _keyed(old):
        places.setdefault(record, {}).setdefault(level, row)
    return places


def _keyed(frame: pd.DataFrame) -> list[tuple[int, str, str]]:
    """Row number, key and level of each record."""
    values = frame[list(COLUMNS)].astype(object).itertuples(index=False, name=None)
    return [(row, key(record), level) for row, record, level in zip(frame.index, values, frame[TARGET], strict=True)]


def inserted(raw: bytes, rows: Sequence[Sequence[str]], behind: int) -> bytes:
    """A CSV with rows behind its first `behind` ones, ended as its header is; every other byte as it was."""
    mark = codecs.BOM_UTF8 if raw.startswith(codecs.BOM_UTF8) else b""
    lines = list(io.StringIO(raw.removeprefix(mark).decode(), newline=""))
    reader = csv.reader(lines, strict=True)
    ends = [reader.line_num for row in reader if row]  # how many lines were read when each row was complete
    head, tail = "".join(lines[: ends[behind]]), "".join(lines[ends[behind] :])
    end = lines[0][len(lines[0].rstrip("\r\n")) :]
    between = "" if head.endswith(("\r", "\n")) else end
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=end).writerows(rows)
    return mark + f"{head}{between}{text.getvalue()}{tail}".encode()


def _agreement(frame: pd.DataFrame) -> Agreement:
    return Agreement(int((rule_levels(frame) == frame[TARGET].to_numpy(dtype=object)).sum()), len(frame))


def _moved(old: pd.DataFrame, new: pd.DataFrame) -> tuple[Moved, ...]:
    """Every column that moved at all and the level, the furthest first."""
    return tuple(
        Moved(found, _beyond_chance(old[found.column], new[found.column]))
        for found in drift(_summary(old), _summary(new))
    )


def _summary(frame: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Of each column what `reports/data.json` says of it; of the level its counts."""
    found = {TARGET: _counts(frame[TARGET])}
    for column in columns():
        values = frame[column.name]
        if column.is_number:
            found[column.name] = {
                "min": float(values.min()),
                "max": float(values.max()),
                "mean": float(values.mean()),
                "std": float(values.std(ddof=0)),
            }
        else:
            found[column.name] = _counts(values)
    return found


def _counts(values: "pd.Series[Any]") -> dict[str, float]:
    return {str(value): float(count) for value, count in values.value_counts().items()}


def _beyond_chance(old: "pd.Series[Any]", new: "pd.Series[Any]") -> bool:
    """Whether the mean, or the share of any category, lies further away than samples of one population do."""
    scatter = DEVIATIONS * math.sqrt(1 / len(old) + 1 / len(new))
    if pd.api.types.is_numeric_dtype(old):
        return bool(abs(new.mean() - old.mean()) > scatter * old.std(ddof=0))
    shares, theirs = (side.value_counts(normalize=True) for side in (new, old))
    pooled = pd.concat([old, new]).value_counts(normalize=True)
    gap = shares.reindex(pooled.index, fill_value=0) - theirs.reindex(pooled.index, fill_value=0)
    return bool((gap.abs() > scatter * (pooled * (1 - pooled)) ** 0.5).any())
