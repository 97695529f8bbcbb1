"""Batch prediction: what goes through, what is rejected and why, and what leaves everything as it was."""

import csv
import math
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import parquet
from pydantic import ValidationError

from lambda_api import contract
from lambda_api.contract import BMI_RANGE, LEVELS, Record, columns, parse_number
from lambda_api.model import Model
from pipeline.data import tables
from pipeline.data.records import CATEGORIES, COLUMNS, NUMBERS, feed, random_records
from pipeline.errors import DataError
from pipeline.files import Layout
from pipeline.model.predict import ANSWERS, checked, predict

GOOD = {name: str(value) for name, value in contract.example().items()}
HEADER = ",".join(COLUMNS)


@pytest.fixture(scope="session")
def model(small_layout: Layout) -> Model:
    return Model.load(small_layout.model)


def line(**changes: str) -> str:
    return ",".join((GOOD | changes)[name] for name in COLUMNS)


def write(path: Path, *lines: str, header: str = HEADER) -> Path:
    path.write_bytes("".join(f"{row}\n" for row in (header, *lines)).encode())
    return path


def cells(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream))


def good_records(rows: int, seed: int) -> pd.DataFrame:
    frame = random_records(3 * rows, seed)
    body = frame["Weight"] / frame["Height"] ** 2
    return frame[(body > BMI_RANGE[0]) & (body < BMI_RANGE[1])].head(rows).reset_index(drop=True)


def accepted(values: dict[str, object]) -> bool:
    try:
        Record.model_validate(values)
    except ValidationError:
        return False
    return True


# What is scored


def test_input_columns_pass_through_as_they_are_and_answers_follow(tmp_path: Path, model: Model) -> None:
    source = tmp_path / "people.csv"
    spellings = {"Height": "1.650", "Weight": "+72", "Age": "2.4e1", "FAF": " 1 "}
    names = ["note", *reversed(COLUMNS), "id"]
    row = ['says "no", twice\r\nthen yes', *((GOOD | spellings)[name] for name in reversed(COLUMNS)), "007"]
    with source.open("w", newline="", encoding="utf-8-sig") as stream:
        csv.writer(stream).writerows([names, row])
    result = predict(source, tmp_path / "out.csv", model)
    label, probabilities = model.predict(feed(pd.DataFrame([contract.example()])))
    texts = [f"{probability:.6f}" for probability in [probabilities.max(), *probabilities[0]]]
    header, answered = cells(tmp_path / "out.csv")
    assert header == [*names, "prediction", "confidence", *(f"p_{level}" for level in LEVELS)]
    assert answered[: len(row) + 1] == [*row, label[0]]
    assert [f"{float(text):.6f}" for text in answered[len(row) + 1 :]] == texts
    assert (result.rows, result.scored, result.rejected, result.rejects) == (1, 1, 0, None)
    assert result.levels == {str(level): int(level == label[0]) for level in LEVELS}
    assert result.mean_confidence == probabilities.max()


@pytest.mark.parametrize("note", ['5" tall', "a,b", "a\rb", "a\nb", " spaced ", "caf\u00e9"])
def test_any_text_in_another_column_reads_back_as_it_was(tmp_path: Path, model: Model, note: str) -> None:
    with (tmp_path / "in.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([[note, *COLUMNS], [note, *GOOD.values()]])
    predict(tmp_path / "in.csv", tmp_path / "out.csv", model)
    assert [row[0] for row in cells(tmp_path / "out.csv")] == [note, note]


@pytest.mark.parametrize("suffix_in", ["csv", "parquet"])
@pytest.mark.parametrize("suffix_out", ["csv", "parquet"])
def test_any_two_formats_give_the_answers_of_the_graph_in_the_order_of_the_rows(
    tmp_path: Path, model: Model, suffix_in: str, suffix_out: str
) -> None:
    frame = good_records(500, seed=5).assign(id=range(500))
    source, target = tmp_path / f"in.{suffix_in}", tmp_path / f"out.{suffix_out}"
    frame.to_csv(source, index=False) if suffix_in == "csv" else frame.to_parquet(source, index=False)
    result = predict(source, target, model, chunk_rows=7)
    labels, probabilities = model.predict(feed(frame))
    got = pd.read_csv(target) if suffix_out == "csv" else pd.read_parquet(target)
    pd.testing.assert_frame_equal(
        got[list(COLUMNS)].astype(frame[list(COLUMNS)].dtypes), frame[list(COLUMNS)], check_exact=True
    )
    assert got["id"].astype(int).tolist() == list(range(500))
    assert got["prediction"].tolist() == labels.tolist()
    tolerance = 5.1e-7 if suffix_out == "csv" else 1e-15  # a power in a vector register is not quite the one alone
    assert np.abs(got[list(ANSWERS[2:])].to_numpy() - probabilities).max() <= tolerance
    assert result.levels == {str(level): int((labels == level).sum()) for level in LEVELS}
    assert result.mean_confidence == pytest.approx(probabilities.max(axis=1).mean(), rel=1e-12)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, target.name])


def test_rows_and_quoted_line_breaks_survive_the_borders_of_blocks(
    tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "BLOCK_BYTES", 512)
    frame = good_records(300, seed=6).assign(note=[f'line {n}\r\n"{n}",\nend' for n in range(300)])
    frame.to_csv(tmp_path / "in.csv", index=False, lineterminator="\r\n")
    result = predict(tmp_path / "in.csv", tmp_path / "out.csv", model)
    labels, _ = model.predict(feed(frame))
    header, *rows = cells(tmp_path / "out.csv")
    assert result.rows == 300
    assert [row[header.index("note")] for row in rows] == frame["note"].tolist()
    assert [row[header.index("prediction")] for row in rows] == labels.tolist()


def test_parquet_columns_of_any_number_and_any_string_type_are_scored(tmp_path: Path, model: Model) -> None:
    kinds = {
        "Age": pa.array([24], pa.int8()),
        "Height": pa.array([1.65], pa.float32()),
        "Weight": pa.array([Decimal("72.10")]),
        "FCVC": pa.array([2], pa.uint64()),
        "NCP": pa.array([3], pa.int64()).dictionary_encode(),
        "CH2O": pa.array([np.float16(2)], pa.float16()),
        "CAEC": pa.array(["Sometimes"]).dictionary_encode(),
        "CALC": pa.array(["no"], pa.large_string()),
        "MTRANS": pa.array(["Bike"], pa.string_view()),
    }
    plain = {name: pa.array([value]) for name, value in contract.example().items()}
    parquet.write_table(pa.table(plain | kinds), tmp_path / "in.parquet")
    predict(tmp_path / "in.parquet", tmp_path / "out.parquet", model)
    values = contract.example() | {"Height": float(np.float32(1.65)), "Weight": 72.1, "CALC": "no", "MTRANS": "Bike"}
    _, probabilities = model.predict(feed(pd.DataFrame([values])))
    out = parquet.read_table(tmp_path / "out.parquet")
    assert [out[name][0].as_py() for name in ANSWERS[2:]] == probabilities[0].tolist()
    assert out.schema.field("Height").type == pa.float32()


def test_progress_ends_at_the_size_of_the_file(tmp_path: Path, model: Model) -> None:
    steps: list[tuple[int, int]] = []
    frame = good_records(100, seed=7)
    frame.to_csv(tmp_path / "in.csv", index=False)
    frame.to_parquet(tmp_path / "in.parquet", index=False)
    size = (tmp_path / "in.csv").stat().st_size
    for name, total in (("in.csv", size), ("in.parquet", 100)):
        steps.clear()
        predict(
            tmp_path / name,
            tmp_path / "out.csv",
            model,
            chunk_rows=10,
            progress=lambda _, done, of: steps.append((done, of)),
        )
        assert (steps[0], steps[-1]) == ((0, total), (total, total))
        assert len(steps) == 11
        assert steps == sorted(steps)


# What is rejected


def test_bad_rows_are_named_with_column_and_reason_and_good_rows_are_scored(tmp_path: Path, model: Model) -> None:
    source = write(
        tmp_path / "in.csv",
        line(),
        line(CAEC="Never", Age="old"),
        line(),
        line(Height="165"),
        line(Height="1.0", Weight="72"),
        line(Weight=""),
        line(FAF="nan", TUE="1e999"),
    )
    result = predict(source, tmp_path / "out.csv", model)
    assert (result.rows, result.scored, result.rejected) == (7, 2, 5)
    assert result.rejects == tmp_path / "out.rejects.csv"
    body = (
        "Height and Weight make a BMI outside 10.0 to 70.0 kg/m2: give Height in metres (not cm or inches) "
        "and Weight in kilograms (not pounds)"
    )
    assert cells(result.rejects) == [
        ["row", "column", "reason"],
        ["3", "Age", "got 'old', expected a number from 10 to 110"],
        ["3", "CAEC", "got 'Never', expected one of 'no', 'Sometimes', 'Frequently', 'Always'"],
        ["5", "Height", "got 165.0, expected a number from 1 to 2.5"],
        ["6", "Height and Weight", body],
        ["7", "Weight", "got '', expected a number from 20 to 300"],
        ["8", "FAF", "got 'nan', expected a number from 0 to 3"],
        ["8", "TUE", "got inf, expected a number from 0 to 2"],
    ]
    assert len(cells(tmp_path / "out.csv")) == 3


def test_nulls_and_infinities_of_parquet_are_rejected_with_the_row_a_spreadsheet_would_show(
    tmp_path: Path, model: Model
) -> None:
    table = {name: [value] * 4 for name, value in contract.example().items()}
    table |= {"Age": [24.0, None, math.inf, math.nan], "SMOKE": ["no", "no", None, "no"]}
    parquet.write_table(pa.table(table), tmp_path / "in.parquet")
    result = predict(tmp_path / "in.parquet", tmp_path / "out.parquet", model, rejects=tmp_path / "bad.csv")
    assert cells(tmp_path / "bad.csv")[1:] == [
        ["3", "Age", "got None, expected a number from 10 to 110"],
        ["4", "Age", "got inf, expected a number from 10 to 110"],
        ["4", "SMOKE", "got None, expected one of 'no', 'yes'"],
        ["5", "Age", "got nan, expected a number from 10 to 110"],
    ]
    assert (result.scored, len(pd.read_parquet(tmp_path / "out.parquet"))) == (1, 1)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_of_bad_rows_only_gives_an_output_without_rows(tmp_path: Path, model: Model, suffix: str) -> None:
    source = write(tmp_path / "in.csv", line(Age="9"), line(Age="111"))
    result = predict(source, tmp_path / f"out.{suffix}", model)
    got = pd.read_csv(tmp_path / "out.csv") if suffix == "csv" else pd.read_parquet(tmp_path / "out.parquet")
    assert (list(got), len(got)) == ([*COLUMNS, *ANSWERS], 0)
    assert (result.rejected, result.mean_confidence) == (2, None)


def test_rejects_of_an_earlier_run_are_removed_when_nothing_is_rejected(tmp_path: Path, model: Model) -> None:
    source = write(tmp_path / "in.csv", line(Age="9"))
    rejects = predict(source, tmp_path / "out.csv", model).rejects
    assert rejects is not None
    assert rejects.exists()
    predict(write(source, line()), tmp_path / "out.csv", model)
    assert not rejects.exists()


def test_a_row_number_counts_all_rows_of_earlier_chunks(tmp_path: Path, model: Model) -> None:
    rows = [line() for _ in range(50)]
    rows[40] = line(Age="9")
    result = predict(write(tmp_path / "in.csv", *rows), tmp_path / "out.csv", model, chunk_rows=8)
    assert result.rejects is not None
    assert [row[0] for row in cells(result.rejects)] == ["row", "42"]


def test_empty_rows_are_no_rows_but_count_as_a_spreadsheet_counts_them(tmp_path: Path, model: Model) -> None:
    rows = ["", line(), "", "," * 15, line(Age="9"), line(), "", ""]
    source = tmp_path / "in.csv"
    source.write_bytes("\r\n".join(["", "", HEADER, *rows]).encode())
    result = predict(source, tmp_path / "out.csv", model)
    assert (result.rows, result.scored, result.rejected) == (3, 2, 1)
    assert result.rejects is not None
    assert cells(result.rejects)[1][:2] == ["8", "Age"]


def test_minus_zero_is_zero(tmp_path: Path, model: Model) -> None:
    source = write(tmp_path / "in.csv", line(FAF="-0"))
    predict(source, tmp_path / "out.parquet", model)
    assert math.copysign(1, pd.read_parquet(tmp_path / "out.parquet")["FAF"][0]) == 1


# The contract decides: whole columns at once must find what the validator finds


def finite(values: Iterable[object]) -> list[float]:
    """The values as doubles, NaN where they are infinite or text: no contract's range holds either."""
    return [float(value) if isinstance(value, float) and math.isfinite(value) else math.nan for value in values]


def near(low: float, high: float) -> st.SearchStrategy[float]:
    edges = [low, high, math.nextafter(low, -math.inf), math.nextafter(high, math.inf)]
    edges += [math.nextafter(low, math.inf), math.nextafter(high, -math.inf), -0.0, math.nan, math.inf, -math.inf]
    return st.sampled_from(edges) | st.floats(low, high) | st.floats()


NUMBERS_ODDLY_WRITTEN = ["1e2", "1E+1", ".5", "2.", "+2", "-0", "02", "2e0", "1e400", "1e-400", "2." + "0" * 30 + "1"]
NUMBERS_WITH_SPACE_OR_OTHER_DIGITS = [" 21 ", "\t2", "2\n", "\u20032", "\u0662\u0661"]
NO_NUMBERS = ["nan", "NaN", "inf", "-inf", "infinity", "nan(2)", "null", "None", "True", "", " ", "2d", "0x10", "1_0"]
ODD_TEXT = st.sampled_from(
    [*NUMBERS_ODDLY_WRITTEN, *NUMBERS_WITH_SPACE_OR_OTHER_DIGITS, *NO_NUMBERS, "1e", "++2", "+-2", "1,5", "2f"]
)


def column_cells(column: contract.Column) -> st.SearchStrategy[str]:
    if column.is_number:
        good = st.floats(column.low, column.high).map(repr)
        return good | near(column.low, column.high).map(repr) | ODD_TEXT | st.text("0123456789.eE+- ", max_size=8)
    near_misses = [
        f" {column.categories[0]}",
        column.categories[0].upper(),
        "",
        "None",
        "\0",
        f"{column.categories[0]}\0",
    ]
    return st.sampled_from(column.categories) | st.sampled_from([*column.categories, *near_misses])


@st.composite
def text_batches(draw: st.DrawFn) -> dict[str, list[str]]:
    """Tables of which most columns are good, so that a single bad cell decides."""
    rows = draw(st.integers(1, 4))
    table = {name: [value] * rows for name, value in GOOD.items()}
    for column in draw(st.lists(st.sampled_from(columns()), min_size=1, max_size=3, unique=True)):
        table[column.name] = draw(st.lists(column_cells(column), min_size=rows, max_size=rows))
    return table


@given(text_batches())
def test_text_is_accepted_at_once_exactly_where_the_validator_accepts_it(table: dict[str, list[str]]) -> None:
    rows = [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]
    typed = [{name: parse_number(cell) if name in NUMBERS else cell for name, cell in row.items()} for row in rows]
    chunk = checked(pa.record_batch({name: pa.array(cells) for name, cells in table.items()}))
    assert chunk.good.tolist() == [accepted(dict(row)) for row in typed]
    for name in NUMBERS:
        np.testing.assert_array_equal(finite(chunk.numbers[name]), finite([row[name] for row in typed]))


@pytest.mark.parametrize("cell", ["1e2", " 21 ", "1_000", "nan", "inf", "0x10", "\u0662\u0661", "+21", "21.", "1e-400"])
@pytest.mark.parametrize("beside", ["21", "x"])
def test_every_way_to_write_a_number_means_what_clean_says(cell: str, beside: str) -> None:
    table = {name: pa.array([value] * 2) for name, value in GOOD.items()} | {"Age": pa.array([cell, beside])}
    got = checked(pa.record_batch(table)).numbers["Age"]
    np.testing.assert_array_equal(finite(got), finite([parse_number(cell), parse_number(beside)]))


@given(st.data(), st.sampled_from([pa.float64(), pa.float32(), pa.int64(), pa.uint8()]))
def test_typed_numbers_are_accepted_at_once_exactly_where_the_validator_accepts_them(
    data: st.DataObject, kind: pa.DataType
) -> None:
    column = data.draw(st.sampled_from([column for column in columns() if column.is_number]))
    values = st.integers(0, 255) if pa.types.is_integer(kind) else near(column.low, column.high)
    drawn = data.draw(st.lists(st.none() | values, min_size=1, max_size=5))
    with np.errstate(over="ignore"):
        typed = pa.array([None if value is None else kind.to_pandas_dtype()(value) for value in drawn], kind)
    table = {name: pa.array([value] * len(typed)) for name, value in contract.example().items()} | {column.name: typed}
    expected = [accepted(contract.example() | {column.name: value}) for value in typed.to_pylist()]
    assert checked(pa.record_batch(table)).good.tolist() == expected


@given(st.floats(1.0, 2.5), st.sampled_from(BMI_RANGE), st.integers(-2, 2))
@example(1.0, 70.0, 0)
def test_bodies_at_the_limits_are_judged_as_the_validator_judges_them(height: float, limit: float, steps: int) -> None:
    weight = limit * (height * height)
    for _ in range(abs(steps)):
        weight = math.nextafter(weight, math.inf * steps)
    values = contract.example() | {"Height": height, "Weight": weight}
    batch = pa.record_batch({name: pa.array([value]) for name, value in values.items()})
    assert checked(batch).good.tolist() == [accepted(values)]


def test_random_records_are_judged_as_the_validator_judges_them() -> None:
    frame = random_records(2000, seed=9)
    frame["Height"] = frame["Height"].where(np.arange(2000) % 3 > 0, 1.2)
    expected = [accepted(row) for row in frame.to_dict("records")]
    assert checked(pa.RecordBatch.from_pandas(frame, preserve_index=False)).good.tolist() == expected
    assert 0 < sum(expected) < len(expected)


# What leaves everything as it was


def raw(content: bytes, name: str = "in.csv") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def typed(**changes: pa.Array) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        plain = {name: pa.array([value]) for name, value in contract.example().items()}
        parquet.write_table(pa.table(plain | changes), folder / "in.parquet")
        return folder / "in.parquet"

    return make


def cut_parquet(folder: Path) -> Path:
    source = folder / "in.parquet"
    good_records(2000, seed=1).to_parquet(source)
    content = bytearray(source.read_bytes())
    content[4:3000] = bytes(2996)
    source.write_bytes(content)
    return source


ROW = line()
BROKEN = {
    "is empty": raw(b""),
    "is empty: expected a header and at least one row": raw(f"{HEADER}\n".encode()),
    "is empty: expected a header": raw(f"{HEADER}\n\n\r\n".encode()),
    "missing column FAVC": raw(f"{HEADER.replace('FAVC', 'favc')}\n{ROW}\n".encode()),
    "column 'Age' occurs 2 times": raw(f"{HEADER},Age\n{ROW},24\n".encode()),
    "missing column Gender": raw(f"{HEADER}\n{ROW}\n".replace(",", ";").encode()),
    "has a column prediction already": raw(f"{HEADER},prediction\n{ROW},x\n".encode()),
    "row 3: 15 cells, expected 16": raw(f"{HEADER}\n{ROW}\n{ROW.removesuffix(',Public_Transportation')}\n".encode()),
    "row 1201: 17 cells, expected 16": raw(f"{HEADER}\n{(ROW + chr(10)) * 1199}{ROW},1\n".encode()),
    "not UTF-8 text": raw(f"{HEADER},name\n{ROW},Jos\xe9\n".encode("latin-1")),
    "not UTF-8": raw(f"{HEADER},name\n{f'{ROW},a{chr(10)}' * 20000}{ROW},Jos\xe9\n".encode("latin-1")),
    "not UTF-8 text:": raw(f"{HEADER}\n{ROW}\n".encode("utf-16")),
    "ends inside a quoted cell": raw(f'{HEADER},note\n{ROW},"open\n{ROW},x\n{ROW},y\n'.encode()),
    "a row is longer than": raw(f"{HEADER},note\n{ROW},{'x' * 3_000_000}\n".encode()),
    "not a Parquet file": raw(f"{HEADER}\n{ROW}\n".encode(), "in.parquet"),
    "Parquet file, or damaged": cut_parquet,
    "column Age is of type bool, expected a number from 10 to 110": typed(Age=pa.array([True])),
    "column Age is of type string, expected a number": typed(Age=pa.array(["24"])),
    "column SMOKE is of type int64, expected one of 'no', 'yes'": typed(SMOKE=pa.array([0])),
    "column tags of type list<element: string> cannot be written as CSV": typed(tags=pa.array([["a"]])),
    "in.csv cannot be read: No such file or directory": lambda folder: folder / "in.csv",
    "is a folder": lambda folder: folder,
    "names a file of type '.xlsx'; expected one that ends in .csv or .parquet": raw(b"PK", "in.xlsx"),
}


@pytest.mark.parametrize(("message", "make"), BROKEN.items(), ids=BROKEN)
def test_a_broken_file_is_refused_and_nothing_is_touched(
    tmp_path: Path, model: Model, message: str, make: Callable[[Path], Path]
) -> None:
    before = {"out.csv": "old output", "out.rejects.csv": "old rejects"}
    (tmp_path / "given").mkdir()
    source = make(tmp_path / "given")
    for name, content in before.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError) as refusal:
        predict(source, tmp_path / "out.csv", model)
    assert message in str(refusal.value)
    assert {path.name: path.read_text() for path in tmp_path.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    ("target", "rejects", "message"),
    [
        ("in.csv", None, "are the same file"),
        ("out.csv", "in.csv", "are the same file"),
        ("out.csv", "out.csv", "are the same file"),
        ("out.json", None, "names a file of type '.json'; expected one that ends in .csv or .parquet"),
        ("folder.csv", None, "is a folder"),
        ("in.csv/out.csv", None, "cannot be written: File exists"),
    ],
)
def test_an_output_that_would_lose_rows_or_cannot_be_is_refused(
    tmp_path: Path, model: Model, target: str, rejects: str | None, message: str
) -> None:
    source = write(tmp_path / "in.csv", line())
    (tmp_path / "folder.csv").mkdir()
    before = source.read_bytes()
    with pytest.raises(DataError, match=message):
        predict(source, tmp_path / target, model, rejects=tmp_path / rejects if rejects else None)
    assert source.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.csv", "in.csv"]


def test_a_run_that_is_interrupted_leaves_both_old_files_whole(tmp_path: Path, model: Model) -> None:
    source = write(tmp_path / "in.csv", *[line(Age="9"), line()] * 50)
    for name in ("out.csv", "out.rejects.csv"):
        (tmp_path / name).write_text("old")

    def interrupt(_: str, done: int, __: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(source, tmp_path / "out.csv", model, chunk_rows=10, progress=interrupt)
    assert {path.name: path.read_text() for path in tmp_path.iterdir() if path != source} == {
        "out.csv": "old",
        "out.rejects.csv": "old",
    }


def test_no_message_quotes_a_cell_of_a_broken_file(tmp_path: Path, model: Model) -> None:
    source = write(tmp_path / "in.csv", line(), line(Gender="Jane Doe") + ",surplus")
    with pytest.raises(DataError, match="row 3: 17 cells, expected 16") as refusal:
        predict(source, tmp_path / "out.csv", model)
    assert "Jane" not in str(refusal.value)


def test_every_contract_column_is_either_number_or_category() -> None:
    batch = pa.RecordBatch.from_pandas(good_records(3, seed=2), preserve_index=False)
    chunk = checked(batch)
    assert (set(chunk.numbers), set(chunk.positions)) == (set(NUMBERS), set(CATEGORIES))
    assert chunk.good.tolist() == [True] * 3
