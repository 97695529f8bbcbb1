"""The data and a file of new labelled records -> the grown data, and what a person should know before accepting it.

New records are judged beside those of their own origin that are there: how far each column moved, and how often the
BMI rule gives the label. They go behind the last row of their origin, and every other byte of the data stays as it is.
A record's fold is its hash, so its position decides nothing but its origin.
"""

import codecs
import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from lambda_api.contract import LEVELS, TARGET, is_blank_row
from pipeline.data.clean import origins, read_text_table, typed
from pipeline.data.records import COLUMNS, key, rule_levels
from pipeline.data.shift import ColumnShift, moved
from pipeline.errors import DataError
from pipeline.files import digest
from pipeline.intervals import binomial_cdf
from pipeline.params import DataParams

TOLERANCE, SURE = 0.1, 0.99
"""New labels contradict if we are this sure that the BMI rule agrees with them this much less than with the old."""


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
class Additions:
    """The data grown by new records, and how they compare with it.

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
    moved: tuple[ColumnShift, ...]
    rule: Agreement
    rule_before: Agreement

    @property
    def sha256(self) -> str:
        """The digest of the grown data."""
        return digest(self.content)

    @property
    def contradicts(self) -> bool:
        """Whether the new labels surely fit the records' BMI worse than the labels that are there."""
        return binomial_cdf(self.rule.agreed, self.rule.records, self.rule_before.share - TOLERANCE) < 1 - SURE


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
    frame = frame[table.index.isin(fresh)]
    origin, behind = _place(data, len(old), synthetic=synthetic)
    same_origin = old[origins(len(old), "real", data.collected_rows) == origin]
    beside = origin if len(same_origin) and origin != "unknown" else "all"
    same_origin = old if beside == "all" else same_origin
    return Additions(
        content=inserted(raw, table.loc[fresh, list(there.columns)].to_numpy().tolist(), behind),
        collected_rows=behind + len(frame) if origin == "collected" else data.collected_rows,
        base_sha256=digest(raw),
        name=name,
        origin=origin,
        added=len(frame),
        known=known,
        repeated=len(table) - len(frame) - known,
        levels={str(level): int((frame[TARGET] == level).sum()) for level in LEVELS},
        beside=beside,
        moved=moved(same_origin, frame),
        rule=_agreement(frame),
        rule_before=_agreement(same_origin),
    )


def _place(data: DataParams, rows: int, *, synthetic: bool) -> tuple[str, int]:
    """The origin of new records, and behind how many rows they go."""
    if data.collected_rows is None:
        return "unknown", rows
    return ("synthetic", rows) if synthetic else ("collected", data.collected_rows)


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
    bom = codecs.BOM_UTF8 if raw.startswith(codecs.BOM_UTF8) else b""
    lines = list(io.StringIO(raw.removeprefix(bom).decode(), newline=""))
    reader = csv.reader(lines, strict=True)
    ends = [reader.line_num for row in reader if not is_blank_row(row)]  # lines read when each row was complete
    head, tail = "".join(lines[: ends[behind]]), "".join(lines[ends[behind] :])
    end = lines[0][len(lines[0].rstrip("\r\n")) :]
    between = "" if head.endswith(("\r", "\n")) else end
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=end).writerows(rows)
    return bom + f"{head}{between}{text.getvalue()}{tail}".encode()


def _agreement(frame: pd.DataFrame) -> Agreement:
    return Agreement(int((rule_levels(frame) == frame[TARGET].to_numpy(dtype=object)).sum()), len(frame))
