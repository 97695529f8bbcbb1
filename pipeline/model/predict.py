"""A CSV or Parquet file of records in -> the same rows with their answers out, in memory that never grows with it.

Every row is judged by the contract. Whole columns are compared at once with the contract's own ranges and categories;
rows that fail are handed, one by one, to the validator that judges requests, which says why. Bad rows go to a file of
rejects, good ones are scored; a file that is broken as a whole (a column missing, not UTF-8, ragged) gives nothing.
Chunks are judged, scored and formatted side by side, each on one core, and written in the file's order.
"""

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lambda_api.contract import BMI_RANGE, LEVELS, columns, parse_number
from lambda_api.model import Model
from pipeline.data import tables
from pipeline.data.clean import check_header, offences
from pipeline.data.records import CATEGORIES, COLUMNS, NUMBERS
from pipeline.data.tables import Chunk, Form, Sink, Table
from pipeline.errors import DataError
from pipeline.files import replacing
from pipeline.progress import Progress, no_progress

_T = TypeVar("_T")
_R = TypeVar("_R")

CHUNK_ROWS = 1 << 15
MOST_WORKERS = 8
"""With more, workers only wait for the thread that reads and writes."""

DECIMALS = 6
"""Of confidence and probabilities in a CSV; Parquet keeps the doubles."""

PREDICTION, CONFIDENCE = "prediction", "confidence"
ANSWERS: tuple[str, ...] = (PREDICTION, CONFIDENCE, *(f"p_{level}" for level in LEVELS))
"""Columns that are added, in order."""

# Text that pyarrow is sure to read as Python's float does; anything else is left to `parse_number`.
_PLAIN_NUMBER = r"^-?[0-9]{1,15}(\.[0-9]{1,15})?$"


@dataclass(frozen=True)
class PredictionSummary:
    """What became of a file; `rejects` is None where no row was bad, `mean_confidence` where none was scored."""

    source: Path
    target: Path
    rejects: Path | None
    rows: int
    scored: int
    rejected: int
    levels: dict[str, int]
    mean_confidence: float | None


@dataclass(frozen=True)
class CheckedRows:
    """Rows as the contract sees them: numbers or NaN, positions of categories or -1, and which rows are good."""

    numbers: dict[str, NDArray[np.float64]]
    positions: dict[str, NDArray[np.int64]]
    good: NDArray[np.bool_]

    def kept(self) -> Self:
        """The good rows alone."""
        numbers = {name: values[self.good] for name, values in self.numbers.items()}
        positions = {name: values[self.good] for name, values in self.positions.items()}
        return type(self)(numbers, positions, self.good[self.good])


@dataclass(frozen=True)
class ChunkSummary:
    """What became of one chunk; `confidence` is a sum."""

    rows: int
    rejected: int
    levels: Counter[str]
    confidence: float


def predict(
    source: Path,
    target: Path,
    model: Model,
    rejects: Path | None = None,
    chunk_rows: int = CHUNK_ROWS,
    progress: Progress = no_progress,
) -> PredictionSummary:
    """Score every good row of `source` into `target`, and say in `rejects` what is wrong with the others.

    The output has all columns of the input, unchanged and in order, then `ANSWERS`. Columns may come in any order, and
    others than the contract's are kept. A cell of a CSV is a number if `parse_number` says so; in Parquet, contract
    columns have fitting types (any number, any string). Bad rows are no error, not even if all are bad: then the output
    has no rows. Without bad rows there is no rejects file, and one that an earlier run left there is removed.

    Args:
        source: A .csv or .parquet file.
        target: Likewise; the formats may differ. Replaced whole, or not at all.
        model: The graph, best opened with one thread: cores are kept busy by several chunks at a time.
        rejects: A CSV with row (as a spreadsheet counts, the header being row 1; the first record of a Parquet file is
            row 2 too), column and reason, a line for each offence; default `<target's stem>.rejects.csv` beside it.
        chunk_rows: How many rows to score at once; memory grows with it.
        progress: Called with how much is done, in bytes of a CSV and in rows of a Parquet file.

    Raises:
        DataError: `source` is not a readable table with every contract column once, already has one of `ANSWERS`, or
            an output cannot be written. Nothing was written; what was there is untouched.
    """
    rejects = rejects or target.with_name(f"{target.stem}.rejects.csv")
    form = tables.kind(target)
    _refuse_places(source, target, rejects)
    with tables.reading(source, chunk_rows) as table:
        _refuse_schema(table, source)
        try:
            parts = _write(
                table, model, target, form, rejects, progress=lambda done: progress("score", done, table.total)
            )
        except OSError as error:
            raise DataError(f"{target} or {rejects} cannot be written: {error.strerror or error}") from None
    rows, rejected = sum(part.rows for part in parts), sum(part.rejected for part in parts)
    levels = sum((part.levels for part in parts), Counter[str]())
    return PredictionSummary(
        source=source,
        target=target,
        rejects=rejects if rejected else None,
        rows=rows,
        scored=rows - rejected,
        rejected=rejected,
        levels={str(level): levels[level] for level in LEVELS},
        mean_confidence=sum(part.confidence for part in parts) / (rows - rejected) if rows > rejected else None,
    )


def _refuse_places(source: Path, target: Path, rejects: Path) -> None:
    named = {"the input": source, "the output": target, "the rejects": rejects}
    if len({path.resolve() for path in named.values()}) < len(named):
        listed = ", ".join(f"{name} {path}" for name, path in named.items())
        raise DataError(f"two of {listed} are the same file: rows would be lost; name another")
    if directories := [str(path) for path in named.values() if path.is_dir()]:
        raise DataError(f"{', '.join(directories)}: is a folder; expected the name of a file")


def _refuse_schema(table: Table, source: Path) -> None:
    check_header(table.schema.names, str(source), extra_allowed=None)
    if taken := sorted(set(table.schema.names) & set(ANSWERS)):
        raise DataError(f"{source}: has a column {', '.join(taken)} already: rename or remove it")
    problems = [
        f"column {column.name} is of type {table.schema.field(column.name).type}, expected {column.expected}"
        for column in columns()
        if not table.is_text and not _fits(table.schema.field(column.name).type, number=column.is_number)
    ]
    if problems:
        raise DataError(f"{source}: columns of other types than the contract's:", problems)


def _fits(kind: pa.DataType, *, number: bool) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if number:
        return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _write(
    table: Table, model: Model, target: Path, form: Form, rejects: Path, *, progress: Callable[[int], None]
) -> list[ChunkSummary]:
    parts, bad = [], None
    progress(0)
    with ExitStack() as stack:  # is left last in, first out: rejects take their place before the output does
        temporary = stack.enter_context(replacing(target))
        sink = stack.enter_context(tables.writing(temporary, _output_schema(table, form), form))
        workers = min(os.cpu_count() or 1, MOST_WORKERS)
        pool = stack.enter_context(ThreadPoolExecutor(workers))
        answers = _in_order(pool, lambda chunk: _answered(chunk, model, sink, form), table.chunks, workers + 1)
        for part, rows, lines, done in answers:
            sink.write(rows)
            if lines and bad is None:
                bad = stack.enter_context(stack.enter_context(replacing(rejects)).open("wb"))
                bad.write(tables.csv_line(["row", "column", "reason"]))
            if bad is not None:
                bad.write(lines)
            parts.append(part)
            progress(done)
    if bad is None:
        rejects.unlink(missing_ok=True)
    return parts


def _in_order(pool: ThreadPoolExecutor, work: Callable[[_T], _R], items: Iterable[_T], ahead: int) -> Iterator[_R]:
    """The results in the items' order, with at most `ahead` items taken before their results are."""
    waiting: deque[Future[_R]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _output_schema(table: Table, form: Form) -> pa.Schema:
    """The input's columns, then `ANSWERS`; numbers that were text are numbers in Parquet."""
    fields = list(table.schema)
    if table.is_text and form == "parquet":
        fields = [pa.field(field.name, pa.float64()) if field.name in NUMBERS else field for field in fields]
    fields += [pa.field(name, pa.string() if name == PREDICTION else pa.float64()) for name in ANSWERS]
    return pa.schema(fields, metadata=table.schema.metadata)


def _answered(chunk: Chunk, model: Model, sink: Sink, form: Form) -> tuple[ChunkSummary, Any, bytes, int]:
    """One chunk's figures, its encoded rows for the output, its lines for the rejects, and how far it reaches."""
    batch = chunk.batch
    judged = checked(batch)
    bad = np.flatnonzero(~judged.good)
    lines = b"".join(_reject_lines(batch, int(place), int(chunk.rows[place])) for place in bad)
    if len(bad):
        batch, judged = batch.filter(pa.array(judged.good)), judged.kept()
    labels, probabilities = _scores(model, judged)
    confidence = probabilities.max(axis=1, initial=0.0)
    summary = ChunkSummary(len(chunk.batch), len(bad), Counter(labels.tolist()), float(confidence.sum()))
    answers = np.column_stack([confidence, probabilities])
    if form == "csv":
        answers = answers.round(DECIMALS)
    given = [
        pa.array(judged.numbers[name])
        if form == "parquet" and name in NUMBERS and pa.types.is_string(column.type)
        else column
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    added = [pa.array(labels, pa.string()), *(pa.array(column) for column in np.ascontiguousarray(answers.T))]
    rows = pa.RecordBatch.from_arrays([*given, *added], names=[*batch.schema.names, *ANSWERS])
    return summary, sink.encode(rows), lines, chunk.done


def _scores(model: Model, rows: CheckedRows) -> tuple[NDArray[np.object_], NDArray[np.float64]]:
    if not len(rows.good):
        return np.empty(0, dtype=object), np.empty((0, len(LEVELS)))
    feed: dict[str, NDArray[Any]] = {name: values.reshape(-1, 1) for name, values in rows.numbers.items()}
    for column in columns():
        if not column.is_number:
            names = np.array(column.categories, dtype=object)  # every row shares these few strings
            feed[column.name] = names[rows.positions[column.name]].reshape(-1, 1)
    return model.predict(feed)


def checked(batch: pa.RecordBatch) -> CheckedRows:
    """The rows of a batch, judged exactly as `Record.model_validate` judges each."""
    good = np.ones(len(batch), dtype=bool)
    numbers, positions = {}, {}
    for column in columns():
        values = batch.column(column.name)
        if column.is_number:
            numbers[column.name] = table = _numbers(values)
            good &= (table >= column.low) & (table <= column.high)
        else:
            places = pc.index_in(pc.cast(values, pa.string()), value_set=pa.array(column.categories))
            positions[column.name] = place = pc.fill_null(places, -1).to_numpy()
            good &= place >= 0
    with np.errstate(all="ignore"):  # rows that are bad already may hold anything
        bmi = numbers["Weight"] / (numbers["Height"] * numbers["Height"])
    return CheckedRows(numbers, positions, good & (bmi >= BMI_RANGE[0]) & (bmi <= BMI_RANGE[1]))


def _numbers(values: pa.Array) -> NDArray[np.float64]:
    """A column as doubles, NaN where a cell is null or no number."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_decimal(values.type):
        values = pc.cast(values, pa.string())  # the way to the nearest double
    if pa.types.is_string(values.type):
        return _read(values)
    return np.asarray(pc.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False))


def _read(cells: pa.StringArray) -> NDArray[np.float64]:
    """Text as doubles: at once if all of it is numbers, else what is not plainly one by `parse_number`."""
    try:
        return np.asarray(pc.cast(cells, pa.float64()).to_numpy(zero_copy_only=False) + 0.0)  # minus zero is zero
    except pa.ArrowInvalid:
        plain = pc.match_substring_regex(cells, _PLAIN_NUMBER)
    values = pc.cast(pc.if_else(plain, cells, "nan"), pa.float64()).to_numpy(zero_copy_only=False).copy()
    for place in np.flatnonzero(~plain.to_numpy(zero_copy_only=False)):
        value = parse_number(cells[int(place)].as_py())
        values[place] = value if isinstance(value, float) else np.nan
    return np.asarray(values + 0.0)


def _reject_lines(batch: pa.RecordBatch, place: int, row: int) -> bytes:
    reasons = offences({name: _value(batch.column(name)[place], name) for name in COLUMNS}, row)
    assert reasons, f"row {row}: refused, but the validator accepts it"  # noqa: S101  a bug here, never the user's
    lines = b""
    for reason in reasons:
        where, _, why = reason.partition(": ")
        lines += tables.csv_line([str(row), where.partition(", ")[2], why])
    return lines


def _value(cell: pa.Scalar, name: str) -> object:
    value = cell.as_py()
    if name in CATEGORIES:
        return value
    return float(value) if isinstance(value, Decimal) else parse_number(value) if isinstance(value, str) else value
