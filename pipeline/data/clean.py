"""A raw CSV -> validated records with key, origin and folds, and a report on the file.

Every row goes through the same validator that judges requests. One bad row refuses the whole file, with row and
column of each offender: errors are corrected at their source, and no row is dropped silently. Rows are counted as a
spreadsheet shows them, the header being row 1.
"""

import csv
import io
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ValidationError

from lambda_api.bins import BINNINGS, BMI
from lambda_api.contract import LEVELS, TARGET, Record, columns, is_blank_row, parse_number
from pipeline.data.folds import fold_of, group_folds
from pipeline.data.records import (
    CATEGORIES,
    COLUMNS,
    FOLD,
    GROUP_FOLD,
    KEY,
    NUMBERS,
    ORIGIN,
    PROCESSED,
    bmi,
    key,
)
from pipeline.errors import DataError, ParamsError
from pipeline.files import Layout, digest, read_data, write_csv, write_json
from pipeline.params import Params

Source = Literal["real", "sample", "other"]
"""The pinned file, the embedded sample, or any other table."""

LEAST_RECORDS = 50
SHOWN_CHARACTERS = 40


@dataclass(frozen=True)
class DataReport:
    """What a file holds; aggregated figures only."""

    sha256: str
    source: Source
    rows_read: int
    duplicates_dropped: int
    contradictions: int
    records: int
    levels: dict[str, int]
    origins: dict[str, int]
    folds: dict[str, int]
    columns: dict[str, dict[str, float]]
    bins: dict[str, list[int]]


def read_text_table(content: bytes, name: str) -> pd.DataFrame:
    """A CSV's cells as text, the index being row numbers; every contract column once, the level or not, and no other.

    Raises:
        DataError: Not UTF-8, empty, ragged, or its header lacks, repeats or adds a column.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: not UTF-8 text (byte {error.start}): save it as CSV UTF-8") from None
    if "\0" in text:
        raise DataError(f"{name}: holds zero bytes, so it is not a CSV text file: save it as CSV UTF-8")
    try:
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        rows = {number: row for number, row in enumerate(reader, 1) if not is_blank_row(row)}
    except csv.Error as error:
        raise DataError(f"{name}: not a CSV file: {error}") from None
    if len(rows) < 2:  # noqa: PLR2004  a header and one row
        raise DataError(f"{name}: is empty: expected a header and at least one row")
    header = rows.pop(min(rows))
    check_header(header, name, extra_allowed=(TARGET,))
    if ragged := [f"row {number}: {len(row)} cells" for number, row in rows.items() if len(row) != len(header)]:
        raise DataError(f"{name}: rows whose number of cells is not {len(header)}, the header's:", ragged)
    return pd.DataFrame(list(rows.values()), columns=header, index=list(rows), dtype=object)


def check_header(header: list[str], name: str, extra_allowed: tuple[str, ...] | None) -> None:
    """Check that the header has every contract column once; `extra_allowed` None allows any other column too.

    Raises:
        DataError: It does not; the text names what is missing, repeated or unknown.
    """
    counts = Counter(header)
    problems = [f"missing column {column}" for column in COLUMNS if column not in counts]
    problems += [f"column {shown(name)} occurs {count} times" for name, count in sorted(counts.items()) if count > 1]
    if extra_allowed is not None:
        unknown = sorted(set(counts) - set(COLUMNS) - set(extra_allowed))
        problems += [f"unknown column {shown(column)}" for column in unknown]
    if problems:
        raise DataError(f"{name}: the header does not fit; expected {', '.join(COLUMNS)}:", problems)


def shown(value: object) -> str:
    """The value as Python writes it, cut short where it is long."""
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "..."


def offences(values: dict[str, object], row: int) -> list[str]:
    """What is wrong with one row by the contract, a line for each column; empty for a good one."""
    try:
        Record.model_validate(values)
    except ValidationError as error:
        known = {column.name: column for column in columns()}
        lines = []
        for item in error.errors(include_url=False, include_context=False):
            where = str(item["loc"][0]) if item["loc"] else "Height and Weight"
            if where in known:
                lines.append(f"row {row}, {where}: got {shown(item['input'])}, expected {known[where].expected}")
            else:
                lines.append(f"row {row}, {where}: {item['msg']}")
        return lines
    return []


def typed(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """The table with numbers as float64 and the columns in the contract's order, the level last if there is one.

    Args:
        table: Cells as text; its index has the row numbers that messages name.
        name: What to call the table.

    Raises:
        DataError: Any row breaks the contract.
    """
    parsed = {column: [parse_number(cell) for cell in table[column]] for column in NUMBERS}
    parsed |= {column: table[column].tolist() for column in CATEGORIES}
    bad: list[str] = []
    for row, values in zip(table.index, zip(*(parsed[column] for column in COLUMNS), strict=True), strict=True):
        bad += offences(dict(zip(COLUMNS, values, strict=True)), row)
    if TARGET in table:
        expected = "one of " + ", ".join(repr(str(level)) for level in LEVELS)
        bad += [
            f"row {row}, {TARGET}: got {shown(cell)}, expected {expected}"
            for row, cell in table[TARGET].items()
            if cell not in LEVELS
        ]
    if bad:
        bad.sort(key=lambda line: int(line.split(",", 1)[0].removeprefix("row ")))
        raise DataError(f"{name}: {len(bad)} value(s) break the contract; nothing was written:", bad)
    frame = pd.DataFrame({column: parsed[column] for column in COLUMNS})
    frame = frame.astype(dict.fromkeys(NUMBERS, "float64") | dict.fromkeys(CATEGORIES, "object"))
    return frame.assign(**{TARGET: table[TARGET].to_numpy(dtype=object)}) if TARGET in table else frame


def load(path: Path) -> pd.DataFrame:
    """A validated table of records from a CSV file, with the level if the file has it; rows as in the file.

    Raises:
        DataError: The file cannot be read or does not satisfy the contract.
    """
    return typed(read_text_table(read_data(path), str(path)), str(path))


def origins(rows: int, source: Source, collected_rows: int | None) -> NDArray[np.object_]:
    """Where each row comes from: collected, synthetic, sample, or unknown."""
    if source == "sample":
        return np.full(rows, "sample", dtype=object)
    if source == "other" or collected_rows is None:
        return np.full(rows, "unknown", dtype=object)
    if collected_rows > rows:
        raise ParamsError(f"data.collected_rows is {collected_rows}, but the file has {rows} rows")
    return np.where(np.arange(rows) < collected_rows, "collected", "synthetic").astype(object)


def clean(raw: bytes, name: str, params: Params) -> tuple[pd.DataFrame, DataReport]:
    """Records ready for training, columns `PROCESSED`, in the file's order, and the report on the file.

    Raises:
        DataError: The file breaks the contract, has no levels, or is too small to train and measure on.
    """
    sha256 = digest(raw)
    source: Source = {params.data.sha256: "real", params.sample.sha256: "sample"}.get(sha256, "other")  # type: ignore[assignment]
    table = read_text_table(raw, name)
    if TARGET not in table:
        raise DataError(f"{name}: missing column {TARGET}: training needs the answers")
    frame = typed(table, name)
    frame[ORIGIN] = origins(len(frame), source, params.data.collected_rows)
    unique = frame.drop_duplicates([*COLUMNS, TARGET], ignore_index=True)
    unique[KEY] = [key(values) for values in unique[list(COLUMNS)].astype(object).itertuples(index=False, name=None)]
    unique[FOLD] = [fold_of(value, params.split.folds) for value in unique[KEY]]
    unique[GROUP_FOLD] = group_folds(unique, params.split.folds)
    _refuse_small(unique, name, params.split.folds)
    report = DataReport(
        sha256=sha256,
        source=source,
        rows_read=len(frame),
        duplicates_dropped=len(frame) - len(unique),
        contradictions=int(unique[KEY].duplicated().sum()),
        records=len(unique),
        levels={str(level): int((unique[TARGET] == level).sum()) for level in LEVELS},
        origins={str(name): int(count) for name, count in unique[ORIGIN].value_counts().items()},
        folds={str(fold): int((unique[FOLD] == fold).sum()) for fold in range(params.split.folds)},
        columns=_summary(unique),
        bins=_bins(unique),
    )
    return unique[list(PROCESSED)].astype(dict.fromkeys((KEY, TARGET, ORIGIN), "object")), report


def _refuse_small(frame: pd.DataFrame, name: str, folds: int) -> None:
    if len(frame) < LEAST_RECORDS or frame[TARGET].nunique() < 2 or frame[FOLD].nunique() < folds:  # noqa: PLR2004  classes
        raise DataError(
            f"{name}: {len(frame)} different records of {frame[TARGET].nunique()} level(s) are too few to train and "
            f"measure on: expected {LEAST_RECORDS} or more, of two levels or more, some in each of {folds} folds"
        )


def _summary(frame: pd.DataFrame) -> dict[str, dict[str, float]]:
    summary: dict[str, dict[str, float]] = {}
    for column in columns():
        values = frame[column.name]
        if column.is_number:
            figures = {"min": values.min(), "max": values.max(), "mean": values.mean(), "std": values.std(ddof=0)}
            summary[column.name] = {name: round(float(figure), 6) for name, figure in figures.items()}
        else:
            summary[column.name] = {category: int((values == category).sum()) for category in column.categories}
    return summary


def _bins(frame: pd.DataFrame) -> dict[str, list[int]]:
    """Records in each bin of each column and of BMI, as the service's log counts them."""
    values = {name: frame[name].to_numpy() for name in COLUMNS} | {BMI.name: bmi(frame)}
    return {name: binning.counts(values[name]) for name, binning in BINNINGS.items()}


def run(raw: Path, out: Layout, params: Params) -> DataReport:
    """Clean the file `raw` into `out.records` and `out.data_report`."""
    frame, report = clean(read_data(raw), str(raw), params)
    write_csv(out.records, frame)
    write_json(out.data_report, asdict(report))
    return report
