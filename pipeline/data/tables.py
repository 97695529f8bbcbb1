"""A CSV or Parquet file in -> its rows in chunks, and chunks -> such a file out, in memory that never grows with it.

A CSV is read as text, so that what a table passes on comes out as it went in: `1.50` stays `1.50`. Only cells that
need quotes are written with them. A row of a CSV without anything in any cell is no row, but counts. What the file has
wrong (encoding, header, ragged rows, a truncated end) is a DataError; what its cells say is judged elsewhere.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
from numpy.typing import NDArray
from pyarrow import parquet

from lambda_api.contract import is_blank_row
from pipeline.errors import DataError

BLOCK_BYTES = 1 << 20
"""How much of a CSV is parsed at once; no row may be longer."""

FIRST_ROW = 2
"""Number of a file's first record, as a spreadsheet counts rows: the header is row 1, in Parquet too."""

Form = Literal["csv", "parquet"]

NEEDS_QUOTES = '[",\r\n]'

_BLANKS = "".join(filter(str.isspace, map(chr, range(0x3001))))
"""What `str.strip` strips: all of Unicode's blanks lie below U+3001."""

_BLANK_ROW = re.compile(r'(?:"\s*"|\s*)(?:,(?:"\s*"|\s*))*')
"""The text of a row for which `is_blank_row` holds; pyarrow shows a ragged row as text only."""


@dataclass(frozen=True)
class Chunk:
    """Some rows of a file, the number of each, and how many bytes or rows of the file are read by now."""

    batch: pa.RecordBatch
    rows: NDArray[np.int64]
    done: int


@dataclass(frozen=True)
class Table:
    """An open file: its columns, whether its cells are all text, its size in bytes or rows, and its chunks."""

    schema: pa.Schema
    is_text: bool
    total: int
    chunks: Iterator[Chunk]


@dataclass(frozen=True)
class Sink:
    """An open output: `encode` is slow and may run in any thread, `write` takes what it returns, in order."""

    encode: Callable[[pa.RecordBatch], Any]
    write: Callable[[Any], object]


def kind(path: Path) -> Form:
    """The format that a file's name says.

    Raises:
        DataError: The name ends otherwise.
    """
    match path.suffix.lower():
        case ".csv":
            return "csv"
        case ".parquet":
            return "parquet"
        case suffix:
            raise DataError(f"{path}: names a file of type {suffix!r}; expected one that ends in .csv or .parquet")


@contextmanager
def reading(path: Path, chunk_rows: int) -> Iterator[Table]:
    """The file, open, in chunks of at most `chunk_rows` rows.

    Raises:
        DataError: It cannot be read or is not what its name says; while chunks are taken, too.
    """
    opened = {"csv": _open_csv, "parquet": _open_parquet}[kind(path)]
    with opened(path, chunk_rows) as table:
        yield table


@contextmanager
def _readable(path: Path, what: str, ragged: Sequence[str] = ()) -> Iterator[None]:
    """Errors of the libraries as a DataError that quotes nothing of the file but which rows are `ragged`."""
    try:
        yield
    except (UnicodeDecodeError, pa.ArrowInvalid) as error:
        if ragged:
            raise DataError(f"{path}: a row has other than the header's number of cells:", ragged) from None
        if isinstance(error, UnicodeDecodeError) or "UTF8" in str(error):
            raise DataError(f"{path}: not UTF-8 text: save it as CSV UTF-8") from None
        if "straddl" in str(error):
            raise DataError(f"{path}: a row is longer than {BLOCK_BYTES >> 20} MB: is a quote missing?") from None
        raise DataError(f"{path}: not a {what} file, or damaged: make it again") from None
    except csv.Error as error:
        raise DataError(f"{path}: not a CSV file: {error}") from None
    except (OSError, pa.ArrowException) as error:
        reason = getattr(error, "strerror", None) or f"not a {what} file, or damaged"
        raise DataError(f"{path} cannot be read: {reason}") from None


class _Bytes(io.FileIO):
    r"""A file of which no read ends between `\r` and `\n`: pyarrow drops a block's first `\n` then, even in quotes."""

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size) or b""
        if len(content) > 1 and content.endswith(b"\r"):
            self.seek(-1, io.SEEK_CUR)
            return content[:-1]
        return content


def _header(path: Path) -> tuple[int, list[str]]:
    """How many rows without anything stand before the header, and the header."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = enumerate(csv.reader(stream, strict=True))
        before, header = next(((place, row) for place, row in rows if not is_blank_row(row)), (0, []))
        if not header or not any(line.strip() for line in stream):
            raise _empty(path)
        return before, header


def _empty(path: Path) -> DataError:
    return DataError(f"{path}: is empty: expected a header and at least one row")


class _RaggedRows:
    """What pyarrow asks about a row of another length than the header: whether to skip it or to give up.

    Args:
        first: The number of the row after the header.

    Attributes:
        refused: A line for each row that is neither a record nor blank.
    """

    def __init__(self, first: int) -> None:
        self.refused: list[str] = []
        self._first = first
        self._skipped, self._given = 0, 0
        self._passed = 0  # of the skipped ones, those before the rows given so far
        self._gaps: dict[int, int] = {}  # before which of the rows that pyarrow gives how many were skipped, in order

    def __call__(self, row: arrow_csv.InvalidRow) -> Literal["skip", "error"]:
        if _BLANK_ROW.fullmatch(row.text):
            place = row.number - self._first - self._skipped
            self._gaps[place] = self._gaps.get(place, 0) + 1
            self._skipped += 1
            return "skip"
        self.refused.append(f"row {row.number}: {row.actual_columns} cells, expected {row.expected_columns}")
        return "error"

    def numbers(self, rows: int) -> NDArray[np.int64]:
        """The numbers of the next rows that pyarrow gives."""
        places = np.arange(self._given, self._given + rows)
        skipped = np.cumsum([self._passed, *self._gaps.values()])
        numbers: NDArray[np.int64] = self._first + places + skipped[np.searchsorted([*self._gaps], places, "right")]
        self._given += rows
        for place in [place for place in self._gaps if place < self._given]:
            self._passed += self._gaps.pop(place)
        return numbers


def _without_blank_rows(batch: pa.RecordBatch, rows: NDArray[np.int64]) -> tuple[pa.RecordBatch, NDArray[np.int64]]:
    """The rows that hold anything, and their numbers; pyarrow gives an empty line as a row of empty cells."""
    blank = _is_blank(batch.columns[0])
    if not pc.any(blank).as_py():
        return batch, rows
    for column in batch.columns[1:]:
        blank = pc.and_(blank, _is_blank(column))
    held = pc.invert(blank)
    return batch.filter(held), rows[held.to_numpy(zero_copy_only=False)]


def _is_blank(cells: pa.StringArray) -> pa.BooleanArray:
    return pc.equal(pc.utf8_trim(cells, _BLANKS), "")


@contextmanager
def _open_csv(path: Path, chunk_rows: int) -> Iterator[Table]:
    def chunks() -> Iterator[Chunk]:
        last, any_rows = "", False
        with _readable(path, "CSV", ragged.refused):
            for block in reader:
                for start in range(0, len(block), chunk_rows):
                    batch = block.slice(start, chunk_rows)
                    last = batch.columns[-1][-1].as_py()
                    held, rows = _without_blank_rows(batch, ragged.numbers(len(batch)))
                    any_rows = any_rows or len(held) > 0
                    yield Chunk(held, rows, min(stream.tell(), size))
        _refuse_open_quote(path, last)
        if not any_rows:
            raise _empty(path)

    with _readable(path, "CSV"):
        before, header = _header(path)
        stream = _Bytes(path)
    ragged = _RaggedRows(FIRST_ROW + before)
    with stream:
        size = path.stat().st_size
        with _readable(path, "CSV", ragged.refused):
            reader = arrow_csv.open_csv(
                stream,
                # One thread: only then are ragged rows numbered, and scoring keeps the other cores busy.
                arrow_csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False, skip_rows=before),
                arrow_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=ragged),
                arrow_csv.ConvertOptions(column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False),
            )
        yield Table(reader.schema, is_text=True, total=size, chunks=chunks())


def _refuse_open_quote(path: Path, last_cell: str) -> None:
    """Pyarrow reads a file that ends inside a quoted cell, and the rows in that cell would be lost silently."""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 1024))
        tail = stream.read().rstrip(b"\r\n")
    if any(end in last_cell for end in "\r\n") and not tail.endswith(b'"'):
        raise DataError(f"{path}: ends inside a quoted cell: a quote is missing, or the file was cut")


@contextmanager
def _open_parquet(path: Path, chunk_rows: int) -> Iterator[Table]:
    def chunks() -> Iterator[Chunk]:
        row = FIRST_ROW
        with _readable(path, "Parquet"):
            for batch in file.iter_batches(chunk_rows):
                rows = np.arange(row, row + len(batch))
                row += len(batch)
                yield Chunk(batch, rows, row - FIRST_ROW)

    with _readable(path, "Parquet"):
        # Buffered: pages are read as they are needed, not a whole row group at once.
        file = parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
    with file:
        if not file.metadata.num_rows:
            raise DataError(f"{path}: is empty: expected at least one row")
        yield Table(file.schema_arrow, is_text=False, total=file.metadata.num_rows, chunks=chunks())


@contextmanager
def writing(path: Path, schema: pa.Schema, form: Form) -> Iterator[Sink]:
    """An output at `path` that takes batches of `schema`.

    Raises:
        DataError: A column's type has no text form, so it cannot be in a CSV.
    """
    if form == "parquet":
        with parquet.ParquetWriter(path, schema) as writer:
            yield Sink(lambda batch: batch, writer.write_batch)
        return
    for field in schema:
        try:
            _text(pa.nulls(0, field.type))
        except pa.ArrowException:
            message = f"column {field.name} of type {field.type} cannot be written as CSV: name a .parquet file"
            raise DataError(message) from None
    with path.open("wb") as stream:
        stream.write(csv_line(schema.names))
        yield Sink(csv_text, stream.write)


def csv_line(cells: list[str]) -> bytes:
    r"""One row of a CSV with `\n`, cells quoted where they need it."""
    return _joined([_quoted(pa.array([cell])) for cell in cells])


def csv_text(batch: pa.RecordBatch) -> bytes:
    r"""The rows of a CSV without a header; null is an empty cell, floats are the shortest text that reads back."""
    columns = [_text(column) for column in batch.columns]
    text = _joined(columns)
    separators = {b",": len(batch) * (len(columns) - 1), b"\n": len(batch), b'"': 0, b"\r": 0}
    if any(text.count(separator) != count for separator, count in separators.items()):  # a cell holds one itself
        text = _joined([_quoted(column) for column in columns])
    return text


def _joined(columns: list[pa.Array]) -> bytes:
    rows = pc.binary_join_element_wise(*columns, ",")
    block = pc.binary_join(pa.ListArray.from_arrays(pa.array([0, len(rows)], pa.int32()), rows), "\n")
    return bytes(block[0].as_buffer()) + b"\n"


def _text(column: pa.Array) -> pa.Array:
    return pc.fill_null(pc.cast(column, pa.string()), "")


def _quoted(column: pa.Array) -> pa.Array:
    doubled = pc.replace_substring(column, '"', '""')
    return pc.if_else(
        pc.match_substring_regex(column, NEEDS_QUOTES), pc.binary_join_element_wise('"', doubled, '"', ""), column
    )
