"""One CSV, one answer: cleaning, adding records, batch prediction and the service read cells and rows alike."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_api.contract import TARGET, example, is_blank_row, parse_number
from lambda_api.requests import Reader, RequestError
from pipeline.data import tables
from pipeline.data.additions import grown
from pipeline.data.clean import read_text_table, typed
from pipeline.data.records import COLUMNS
from pipeline.errors import DataError
from pipeline.model.predict import checked
from pipeline.params import Params

VALUES = {name: str(value) for name, value in example().items()}
LEVEL = "Overweight_Level_I"
OTHER = VALUES | {"Weight": "45"}

ReadAges = Callable[[list[str]], list[float] | None]
"""Lines of a CSV without the level -> the ages that were read, or None where the file or one of its rows is refused."""


def line(age: str = "30", values: dict[str, str] = VALUES) -> str:
    return ",".join((values | {"Age": age})[name] for name in COLUMNS)


HEADER = ",".join(COLUMNS)


def labelled(lines: list[str]) -> bytes:
    """The lines with the level as one more cell wherever there is a record or the header."""
    ends = {HEADER: f",{TARGET}"}
    return "\n".join(text + ends.get(text, "" if is_blank(text) else f",{LEVEL}") for text in lines).encode()


def is_blank(text: str) -> bool:
    return not text.replace(",", "").replace('"', "").strip()


def cleaned(lines: list[str]) -> list[float]:
    return [float(age) for age in typed(read_text_table(labelled(lines), "data.csv"), "data.csv")["Age"]]


def predicted(path: Path, lines: list[str]) -> list[float]:
    path.write_bytes("\n".join(lines).encode())
    with tables.reading(path, chunk_rows=2) as table:
        parts = [checked(chunk.batch) for chunk in table.chunks]
    if not all(part.good.all() for part in parts):
        raise DataError("a row is rejected")
    return [float(age) for part in parts for age in part.numbers["Age"]]


def answer(read: Callable[[], list[float]]) -> list[float] | None:
    try:
        return read()
    except (DataError, RequestError):
        return None


@pytest.fixture(params=["clean", "ingest --add", "predict", "/predict_batch"])
def read_ages(request: pytest.FixtureRequest, tmp_path: Path, params: Params) -> ReadAges:
    """One of the four places that take a CSV from outside."""

    def clean(lines: list[str]) -> list[float]:
        return cleaned(lines)

    def add(lines: list[str]) -> list[float]:
        base = "\n".join([HEADER, line("18", OTHER)])
        data = params.data.model_copy(update={"collected_rows": 1})
        content = grown(labelled(base.split("\n")), labelled(lines), "new.csv", data).content
        return [float(age) for age in typed(read_text_table(content, "data.csv"), "data.csv")["Age"]][1:]

    def predict(lines: list[str]) -> list[float]:
        return predicted(tmp_path / "in.csv", lines)

    def predict_batch(lines: list[str]) -> list[float]:
        body = "\n".join(lines).encode()
        return [record.Age for record in Reader(6_000_000, 5_000).batch("text/csv", body)]

    take = {"clean": clean, "ingest --add": add, "predict": predict, "/predict_batch": predict_batch}[request.param]

    return lambda lines: answer(lambda: take(lines))


@pytest.fixture
def bounded() -> Iterator[None]:
    """Fails a test that would run for minutes or hours; what is linear needs a few milliseconds."""

    def stop(_signal: int, _frame: object) -> None:
        raise TimeoutError("still reading: the work grows faster than the text")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    ("cell", "age"),
    [
        ("24", 24.0),
        (" 24", 24.0),
        ("21 ", 21.0),
        ("\t21  ", 21.0),
        ("\u00a021\u2003", 21.0),
        ('"\n21\r\n"', 21.0),
        ('"24"', 24.0),
        ("24.", 24.0),
        ("+24", 24.0),
        ("2.4e1", 24.0),
        ("240E-1", 24.0),
        ("024", 24.0),
        ("", None),
        ("  ", None),
        ("2 4", None),
        ("24 years", None),
        ('"24,5"', None),
        ("24_0", None),
        ("0x18", None),
        ("\u0662\u0664", None),
        ("--24", None),
        ("24e", None),
        (".", None),
        ("nan", None),
        ("inf", None),
        ("1e400", None),
        ("9", None),
    ],
)
def test_a_cell_is_the_same_number_or_refused_on_every_input_path(
    read_ages: ReadAges, cell: str, age: float | None
) -> None:
    assert read_ages([HEADER, line(cell)]) == (None if age is None else [age])


@pytest.mark.parametrize("column", ["Gender", "MTRANS"])
def test_a_category_with_blanks_around_it_is_refused_on_every_input_path(read_ages: ReadAges, column: str) -> None:
    assert read_ages([HEADER, line(values=VALUES | {column: f" {VALUES[column]}"})]) is None


NOTHING = {
    "an empty line": "",
    "blanks": "   ",
    "a tab": "\t",
    "as many commas as the header": "," * 15,
    "fewer commas": ",,",
    "more commas": "," * 40,
    "commas and blanks": " ,\t" + "," * 13 + "\u00a0,",
    "quoted nothing": ",".join(['""'] * 16),
    "quoted blanks over two lines": '" \n ",""',
}


@pytest.mark.parametrize("row", NOTHING.values(), ids=NOTHING)
def test_a_row_without_anything_in_any_cell_is_no_row_on_any_input_path(read_ages: ReadAges, row: str) -> None:
    lines = [HEADER, row, line("21"), row, row, line("22"), line("23"), row]
    assert read_ages(lines) == [21.0, 22.0, 23.0]


@pytest.mark.parametrize("row", ["", "   ", "," * 15, ",,"])
def test_rows_without_anything_may_stand_before_the_header_on_every_input_path(read_ages: ReadAges, row: str) -> None:
    assert read_ages([row, row, HEADER, row, line("21")]) == [21.0]


@pytest.mark.parametrize("row", ["", "," * 15, ",,"])
def test_a_header_over_rows_without_anything_is_an_empty_file_on_every_input_path(
    read_ages: ReadAges, row: str
) -> None:
    assert read_ages([HEADER, row, row]) is None


@pytest.mark.parametrize(
    "row", ["x", ",x", "," * 14 + "x", "," * 500 + "x", line() + ",", ",".join(['"'] * 16), '""""', '"""",,']
)
def test_a_row_with_anything_in_it_is_never_skipped(read_ages: ReadAges, row: str) -> None:
    assert read_ages([HEADER, line("21"), row]) is None


@given(st.lists(st.text(' ,"\t\u2003', max_size=8), min_size=1, max_size=3))
def test_rows_of_separators_blanks_and_quotes_are_read_alike(
    tmp_path_factory: pytest.TempPathFactory, rows: list[str]
) -> None:
    lines = [HEADER, line("21"), *rows, line("22")]
    path = tmp_path_factory.getbasetemp() / "rows.csv"
    assert answer(lambda: predicted(path, lines)) == answer(lambda: cleaned(lines))


def test_skipped_rows_count_in_row_numbers_as_a_spreadsheet_counts_them(tmp_path: Path, params: Params) -> None:
    lines = [",,", HEADER, "", line("21"), ",,,", "," * 15, "", " , ", line("22"), ",", line("9"), "," * 16]
    with pytest.raises(DataError, match=r"\n  row 11, Age: got 9\.0"):
        cleaned(lines)
    with pytest.raises(DataError, match=r"\n  row 11, Age: got 9\.0"):
        grown(labelled([HEADER, line()]), labelled(lines), "new.csv", params.data)
    path = tmp_path / "in.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    with tables.reading(path, chunk_rows=2) as table:
        rows = np.concatenate([chunk.rows for chunk in table.chunks])
    assert rows.tolist() == [4, 9, 11]


def test_the_row_number_of_a_ragged_row_counts_skipped_rows_as_well(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("\n".join(["", HEADER, ",,", line(), ",,", line() + ",1"]), encoding="utf-8")
    with pytest.raises(DataError, match="row 6: 17 cells"), tables.reading(path, chunk_rows=2) as table:
        list(table.chunks)


def test_skipped_rows_count_across_the_borders_of_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "BLOCK_BYTES", 256)
    lines = [HEADER]
    for number in range(300):
        lines += [",,"] * (number % 4) + [line(str(20 + number % 50))]
    path = tmp_path / "in.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    with tables.reading(path, chunk_rows=7) as table:
        rows = np.concatenate([chunk.rows for chunk in table.chunks])
    assert rows.tolist() == [number for number, text in enumerate(lines, 1) if len(text) > 2 and text != HEADER]


def test_a_grown_file_keeps_rows_without_anything_where_they_are(params: Params) -> None:
    data = params.data.model_copy(update={"collected_rows": 1})
    raw = labelled([HEADER, "," * 16, line("21"), ",,", line("22")]) + b"\n"
    additions = grown(raw, labelled([HEADER, line("23")]), "new.csv", data)
    expected = labelled([HEADER, "," * 16, line("21"), line("23"), ",,", line("22")]) + b"\n"
    assert (additions.content, additions.collected_rows) == (expected, 2)


@pytest.mark.parametrize("cell", ["1" * 130_000 + "x", "1." + "1" * 130_000 + "x", "1e" + "1" * 130_000 + "x"])
@pytest.mark.usefixtures("bounded")
def test_a_long_cell_that_is_almost_a_number_is_refused_on_every_input_path_without_trying_all_its_parts(
    read_ages: ReadAges, cell: str
) -> None:
    assert read_ages([HEADER, line(cell)]) is None


@pytest.mark.parametrize("text", ["1" * 10**6 + "x", "." + "1" * 10**6 + "e", "1e" + "1" * 10**6 + "x", "+" * 10**6])
@pytest.mark.usefixtures("bounded")
def test_a_million_digits_that_are_no_number_are_read_once(text: str) -> None:
    assert parse_number(text) is text


@pytest.mark.parametrize(
    ("row", "blank"), [([], True), ([""], True), ([" ", "\t", "\u2003"], True), (["", "0"], False), (['"'], False)]
)
def test_a_row_is_blank_if_no_cell_holds_anything(row: list[str], *, blank: bool) -> None:
    assert is_blank_row(row) is blank
