"""Cleaning: a CSV of the contract becomes records; any other is refused whole, with row and column."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_api.contract import LEVELS, TARGET, example, parse_number
from pipeline.data import clean
from pipeline.data.clean import DataReport
from pipeline.data.folds import fold_of
from pipeline.data.records import (
    COLUMNS,
    FOLD,
    GROUP_FOLD,
    KEY,
    NUMBERS,
    ORIGIN,
    PROCESSED,
    load_processed,
    rule_levels,
)
from pipeline.errors import DataError, ParamsError
from pipeline.files import Layout, digest
from pipeline.params import Params

HEADER = ",".join([*COLUMNS, TARGET])
ROW = ",".join([*(str(value) for value in example().values()), "Overweight_Level_I"])

IMPOSSIBLE_BODY = (
    "Height and Weight make a BMI outside 10.0 to 70.0 kg/m2: give Height in metres (not cm or inches) "
    "and Weight in kilograms (not pounds)"
)


def table(*rows: str, header: str = HEADER) -> bytes:
    return "\r\n".join([header, *rows, ""]).encode()


def cell(column: str, value: str, row: str = ROW) -> str:
    """The row with one cell changed."""
    cells = dict(zip([*COLUMNS, TARGET], row.split(","), strict=True)) | {column: value}
    return ",".join(cells.values())


def refusal(content: bytes, params: Params) -> str:
    with pytest.raises(DataError) as error:
        clean.clean(content, "data.csv", params)
    return str(error.value)


@pytest.fixture(scope="module")
def small(small_csv: Path) -> bytes:
    return small_csv.read_bytes()


@pytest.fixture
def stray(small: bytes) -> Callable[..., bytes]:
    """The small data set with rows put in at the place of its third row."""

    def put(*rows: str) -> bytes:
        lines = small.decode().splitlines()
        return "\n".join([*lines[:2], *rows, *lines[2:], ""]).encode()

    return put


def test_the_small_data_set_becomes_records_and_a_report(small: bytes, small_params: Params) -> None:
    frame, report = clean.clean(small, "small.csv", small_params)
    rows = len(small.splitlines()) - 1
    assert tuple(frame.columns) == PROCESSED
    assert frame.index.tolist() == list(range(rows))
    assert set(frame[ORIGIN]) == {"unknown"}
    assert set(frame[GROUP_FOLD]) == {-1}
    assert frame[FOLD].tolist() == [fold_of(key, 3) for key in frame[KEY]]
    assert frame[TARGET].tolist() == rule_levels(frame).tolist()
    expected = {
        "sha256": digest(small),
        "source": "other",
        "rows_read": rows,
        "duplicates_dropped": 0,
        "contradictions": 0,
        "records": rows,
        "levels": {str(level): int((frame[TARGET] == level).sum()) for level in LEVELS},
        "origins": {"unknown": rows},
        "folds": {str(fold): int((frame[FOLD] == fold).sum()) for fold in range(3)},
    }
    figures = asdict(report)
    described, binned = figures.pop("columns"), figures.pop("bins")
    assert figures == expected
    assert list(described) == list(COLUMNS)
    assert set(described["Age"]) == {"min", "max", "mean", "std"}
    assert described["Age"]["max"] == frame["Age"].max()
    assert described["SMOKE"] == {
        "no": int((frame["SMOKE"] == "no").sum()),
        "yes": int((frame["SMOKE"] == "yes").sum()),
    }
    assert list(binned) == [*COLUMNS, "BMI"]
    assert binned["SMOKE"] == list(described["SMOKE"].values())
    assert binned["FCVC"] == [int((frame["FCVC"].round() == answer).sum()) for answer in (1, 2, 3)]


def test_cleaning_writes_what_it_returns(small_csv: Path, small_params: Params, tmp_path: Path) -> None:
    out = Layout(tmp_path)
    report = clean.run(small_csv, out, small_params)
    frame, same = clean.clean(small_csv.read_bytes(), str(small_csv), small_params)
    assert report == same
    assert json.loads(out.data_report.read_text()) == asdict(report)
    pd.testing.assert_frame_equal(load_processed(out.records), frame, check_exact=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "data.csv: is empty: expected a header and at least one row", id="empty file"),
        pytest.param(b"\n\n\n", "data.csv: is empty: expected a header and at least one row", id="empty lines"),
        pytest.param(b"\xef\xbb\xbf", "data.csv: is empty: expected a header and at least one row", id="BOM only"),
        pytest.param(table(), "data.csv: is empty: expected a header and at least one row", id="header only"),
        pytest.param(
            table(ROW).replace(b"yes", b"s\xed"),
            "data.csv: not UTF-8 text (byte 115): save it as CSV UTF-8",
            id="Latin-1",
        ),
        pytest.param(
            table(ROW).decode().encode("utf-16"), "data.csv: not UTF-8 text (byte 0): save it as CSV UTF-8", id="UTF-16"
        ),
        pytest.param(
            table(ROW).decode().encode("utf-16-le"),
            "data.csv: holds zero bytes, so it is not a CSV text file: save it as CSV UTF-8",
            id="UTF-16 without BOM",
        ),
        pytest.param(
            table(ROW) + b"\0",
            "data.csv: holds zero bytes, so it is not a CSV text file: save it as CSV UTF-8",
            id="zero byte",
        ),
        pytest.param(
            table('"' + ROW),
            "data.csv: not a CSV file: unexpected end of data",
            id="a quote that never ends",
        ),
        pytest.param(
            table(cell("CAEC", "x" * 200_000)),
            "data.csv: not a CSV file: field larger than field limit (131072)",
            id="huge field",
        ),
        pytest.param(
            table(ROW, ROW + ",1", ROW.rsplit(",", 1)[0]),
            "data.csv: rows whose number of cells is not 17, the header's:\n  row 3: 18 cells\n  row 4: 16 cells",
            id="ragged rows",
        ),
    ],
)
def test_a_file_that_is_no_table_is_refused(content: bytes, message: str, params: Params) -> None:
    assert refusal(content, params) == message


@pytest.mark.parametrize(
    ("header", "problems"),
    [
        pytest.param(HEADER.replace("Height,", ""), ["missing column Height"], id="missing"),
        pytest.param(
            HEADER.replace("Age", "age"), ["missing column Age", "unknown column 'age'"], id="another spelling"
        ),
        pytest.param(
            HEADER.replace("Height", "Weight"),
            ["missing column Height", "column 'Weight' occurs 2 times"],
            id="duplicate",
        ),
        pytest.param(HEADER + "," + TARGET, [f"column '{TARGET}' occurs 2 times"], id="two levels"),
        pytest.param(HEADER + ",id", ["unknown column 'id'"], id="one more"),
        pytest.param(HEADER + ",", ["unknown column ''"], id="nameless"),
        pytest.param(
            HEADER.replace("Gender", "\ufeffGender"),
            ["missing column Gender", "unknown column '\\ufeffGender'"],
            id="two BOMs",
        ),
        pytest.param(
            HEADER.replace(",", ";"),
            [
                *(f"missing column {name}" for name in COLUMNS),
                "unknown column 'Gender;Age;Height;Weight;family_history...",
            ],
            id="semicolons",
        ),
    ],
)
def test_a_header_that_does_not_fit_is_refused(header: str, problems: list[str], params: Params) -> None:
    content = b"\xef\xbb\xbf" + table(ROW, header=header)
    expected = f"data.csv: the header does not fit; expected {', '.join(COLUMNS)}:"
    assert refusal(content, params) == "\n  ".join([expected, *problems])


def test_training_needs_the_levels_and_loading_does_not(params: Params, tmp_path: Path) -> None:
    content = table(ROW.rsplit(",", 1)[0], header=",".join(COLUMNS))
    assert refusal(content, params) == f"data.csv: missing column {TARGET}: training needs the answers"
    (tmp_path / "data.csv").write_bytes(content)
    assert clean.load(tmp_path / "data.csv").to_dict("records") == [
        {name: float(value) if name in NUMBERS else value for name, value in example().items()}
    ]


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("CAEC", "Never", "CAEC: got 'Never', expected one of 'no', 'Sometimes', 'Frequently', 'Always'"),
        ("CAEC", "", "CAEC: got '', expected one of 'no', 'Sometimes', 'Frequently', 'Always'"),
        ("SMOKE", "No", "SMOKE: got 'No', expected one of 'no', 'yes'"),
        ("SMOKE", " no", "SMOKE: got ' no', expected one of 'no', 'yes'"),
        ("Age", "old", "Age: got 'old', expected a number from 10 to 110"),
        ("Age", "", "Age: got '', expected a number from 10 to 110"),
        ("Age", "9", "Age: got 9.0, expected a number from 10 to 110"),
        ("Age", "nan", "Age: got 'nan', expected a number from 10 to 110"),
        ("Age", "inf", "Age: got 'inf', expected a number from 10 to 110"),
        ("Age", "1e400", "Age: got inf, expected a number from 10 to 110"),
        ("Age", "0x18", "Age: got '0x18', expected a number from 10 to 110"),
        ("Age", "2_4", "Age: got '2_4', expected a number from 10 to 110"),
        ("Age", "24 years", "Age: got '24 years', expected a number from 10 to 110"),
        ("Age", "\u0662\u0664", "Age: got '\u0662\u0664', expected a number from 10 to 110"),
        ("Age", "True", "Age: got 'True', expected a number from 10 to 110"),
        ("Height", "165", "Height: got 165.0, expected a number from 1 to 2.5"),
        ("Age", "x" * 99, f"Age: got '{'x' * 39}..., expected a number from 10 to 110"),
        (TARGET, "Obese", f"{TARGET}: got 'Obese', expected one of {', '.join(repr(str(level)) for level in LEVELS)}"),
        (
            "Weight",
            "199",
            f"Height and Weight: {IMPOSSIBLE_BODY}",
        ),
    ],
)
def test_a_bad_cell_is_reported_with_row_column_and_what_was_expected(
    stray: Callable[..., bytes], params: Params, column: str, value: str, message: str
) -> None:
    expected = f"data.csv: 1 value(s) break the contract; nothing was written:\n  row 3, {message}"
    assert refusal(stray(cell(column, value)), params) == expected


def test_a_quoted_line_end_is_inside_its_cell_and_counts_no_row(stray: Callable[..., bytes], params: Params) -> None:
    rows = [cell("CAEC", '"Some\ntimes"'), cell("Age", "9")]
    assert refusal(stray(*rows), params).splitlines()[1:] == [
        "  row 3, CAEC: got 'Some\\ntimes', expected one of 'no', 'Sometimes', 'Frequently', 'Always'",
        "  row 4, Age: got 9.0, expected a number from 10 to 110",
    ]


def test_an_empty_line_is_no_record_but_counts_as_a_row(stray: Callable[..., bytes], params: Params) -> None:
    assert "\n  row 5, Age: got 9.0," in refusal(stray("", "", cell("Age", "9")), params)
    assert refusal(table("", ROW, ROW + ",1"), params).endswith("\n  row 4: 18 cells")


def test_twenty_offenders_are_shown_in_the_order_of_rows_and_the_rest_is_counted(params: Params) -> None:
    rows = [cell(TARGET, "?", cell("SMOKE", "?", cell("Age", "?"))) for _ in range(10)]
    lines = refusal(table(ROW, *rows), params).splitlines()
    assert lines[0] == "data.csv: 30 value(s) break the contract; nothing was written:"
    assert [line.split(":")[0].strip() for line in lines[1:-1]] == [
        f"row {row}, {column}" for row in range(3, 10) for column in ("Age", "SMOKE", TARGET)
    ][:20]
    assert lines[-1] == "  (+10 more)"


@pytest.mark.parametrize(
    ("text", "value"),
    [("24", 24.0), (" 24 ", 24.0), ("24.", 24.0), (".5", 0.5), ("+1e1", 10.0), ("-3", -3.0), ("1E-2", 0.01)],
)
def test_a_decimal_number_is_read(text: str, value: float) -> None:
    assert parse_number(text) == value


@pytest.mark.parametrize(
    "text", ["", " ", ".", "e5", "1e", "1,5", "1 2", "--1", "1_000", "\uff11", "nan", "inf", "0b1"]
)
def test_text_that_is_no_decimal_number_stays_text(text: str) -> None:
    assert parse_number(text) is text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_is_read_back_exactly(value: float) -> None:
    assert parse_number(repr(value)) == value


def test_minus_zero_is_the_same_record_as_zero(stray: Callable[..., bytes], small_params: Params) -> None:
    frame, report = clean.clean(stray(cell("TUE", "0"), cell("TUE", "-0")), "data.csv", small_params)
    assert report.duplicates_dropped == 1
    _, other = clean.clean(stray(cell("TUE", "-0.0")), "data.csv", small_params)
    assert frame[KEY].tolist() == clean.clean(stray(cell("TUE", "-0.0")), "data.csv", small_params)[0][KEY].tolist()
    assert other.records == report.records


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: "\ufeff" + text, id="BOM"),
        pytest.param(lambda text: text.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(lambda text: text.replace("\n", "\r"), id="CR"),
        pytest.param(lambda text: text.rstrip("\n"), id="no last line end"),
        pytest.param(lambda text: text.replace("\n", "\n\n"), id="empty lines"),
        pytest.param(
            lambda text: "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in text.splitlines()),
            id="quoted cells",
        ),
        pytest.param(
            lambda text: "\n".join(",".join(line.split(",")[::-1]) for line in text.splitlines()),
            id="other column order",
        ),
    ],
)
def test_how_the_file_was_saved_changes_no_record(
    small: bytes, small_params: Params, change: Callable[[str], str]
) -> None:
    expected, _ = clean.clean(small, "small.csv", small_params)
    frame, _ = clean.clean(change(small.decode()).encode(), "small.csv", small_params)
    pd.testing.assert_frame_equal(frame, expected, check_exact=True)


def test_a_refused_file_leaves_what_was_there_untouched(
    small_csv: Path, stray: Callable[..., bytes], small_params: Params, tmp_path: Path
) -> None:
    out = Layout(tmp_path / "out")
    clean.run(small_csv, out, small_params)
    before = {path: path.read_bytes() for path in out.root.rglob("*") if path.is_file()}
    assert set(before) == {out.records, out.data_report}
    bad = tmp_path / "bad.csv"
    bad.write_bytes(stray(cell("CAEC", "Never")))
    with pytest.raises(DataError):
        clean.run(bad, out, small_params)
    assert {path: path.read_bytes() for path in out.root.rglob("*") if path.is_file()} == before


def test_a_refused_file_writes_nothing_where_nothing_was(tmp_path: Path, small_params: Params) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_bytes(table(cell("CAEC", "Never")))
    with pytest.raises(DataError):
        clean.run(bad, Layout(tmp_path / "out"), small_params)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()], ids=["missing", "folder"])  # noqa: ARG005  it makes nothing
def test_a_file_that_cannot_be_read_is_reported(
    tmp_path: Path, small_params: Params, make: Callable[[Path], None]
) -> None:
    path = tmp_path / "data.csv"
    make(path)
    with pytest.raises(DataError, match=r"data.csv cannot be read: "):
        clean.run(path, Layout(tmp_path / "out"), small_params)
    with pytest.raises(DataError, match=r"data.csv cannot be read: "):
        clean.load(path)


def test_duplicates_are_dropped_and_contradictions_kept_and_counted(
    stray: Callable[..., bytes], small: bytes, small_params: Params
) -> None:
    rows = len(small.splitlines()) - 1
    content = stray(ROW, ROW, cell(TARGET, "Normal_Weight"), ROW)
    frame, report = clean.clean(content, "data.csv", small_params)
    counts = (report.rows_read, report.duplicates_dropped, report.contradictions, report.records)
    assert counts == (rows + 4, 2, 1, rows + 2)
    same = frame[frame[KEY].duplicated(keep=False)]
    assert same[TARGET].tolist() == ["Overweight_Level_I", "Normal_Weight"]
    assert len(set(same[FOLD])) == 1


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([ROW], "1 different records of 1 level(s)"),
        ([cell("Age", str(20 + n / 8)) for n in range(60)], "60 different records of 1 level(s)"),
        (
            [cell("Age", str(20 + n / 8)) for n in range(48)] + [cell(TARGET, "Normal_Weight")],
            "49 different records of 2",
        ),
    ],
)
def test_too_little_to_train_on_is_refused(rows: list[str], message: str, params: Params) -> None:
    text = refusal(table(*rows), params)
    assert text.startswith(f"data.csv: {message}")
    assert text.endswith("expected 50 or more, of two levels or more, some in each of 5 folds")


def with_origins(params: Params, content: bytes, collected_rows: int | None) -> Params:
    data = params.data.model_copy(update={"sha256": digest(content), "collected_rows": collected_rows})
    return params.model_copy(update={"data": data})


def test_the_pinned_file_has_collected_and_synthetic_rows(small: bytes, small_params: Params) -> None:
    frame, report = clean.clean(small, "small.csv", with_origins(small_params, small, 200))
    assert report.source == "real"
    assert report.origins == {"collected": 200, "synthetic": len(frame) - 200}
    assert frame[ORIGIN].tolist() == ["collected"] * 200 + ["synthetic"] * (len(frame) - 200)
    assert set(frame[GROUP_FOLD]) == {0, 1, 2}


def test_the_pinned_file_with_origins_not_known_has_none(small: bytes, small_params: Params) -> None:
    frame, report = clean.clean(small, "small.csv", with_origins(small_params, small, None))
    assert (report.source, report.origins) == ("real", {"unknown": len(frame)})
    assert set(frame[GROUP_FOLD]) == {-1}


def test_the_sample_is_called_sample(small: bytes, small_params: Params) -> None:
    sample = small_params.sample.model_copy(update={"sha256": digest(small)})
    frame, report = clean.clean(small, "small.csv", small_params.model_copy(update={"sample": sample}))
    assert (report.source, report.origins) == ("sample", {"sample": len(frame)})
    assert set(frame[GROUP_FOLD]) == {-1}


def test_more_collected_rows_than_rows_is_a_wrong_parameter(small: bytes, small_params: Params) -> None:
    with pytest.raises(ParamsError, match=r"data\.collected_rows is 100000, but the file has"):
        clean.clean(small, "small.csv", with_origins(small_params, small, 100_000))


def test_a_level_without_a_collected_row_is_reported(small: bytes, small_params: Params) -> None:
    with pytest.raises(DataError, match=r"all rows of level .* are synthetic: data\.collected_rows .* is too small"):
        clean.clean(small, "small.csv", with_origins(small_params, small, 3))


def test_a_synthetic_row_is_in_the_group_fold_of_its_nearest_collected_row_of_the_same_level(
    small: bytes, small_params: Params
) -> None:
    header, *rows = small.decode().splitlines()
    copies = [cell("TUE", "1", row) if row.split(",")[13] != "1.0" else cell("TUE", "2", row) for row in rows]
    content = "\n".join([header, *rows, *copies, ""]).encode()
    frame, _ = clean.clean(content, "twice.csv", with_origins(small_params, content, len(rows)))
    group = frame[GROUP_FOLD].to_numpy()
    # A copy differs in one column by at most its range, so for nearly all the nearest collected row is its own source.
    assert np.mean(group[: len(rows)] == group[len(rows) :]) > 0.9
    for level in LEVELS:
        # Groups here are of similar size, so dealing the largest first leaves folds even, level by level.
        sizes = np.bincount(group[(frame[TARGET] == level).to_numpy()], minlength=3)
        assert sizes.max() - sizes.min() <= 4


@settings(max_examples=15)
@given(st.data())
def test_a_record_never_changes_its_fold_when_rows_come_go_or_move(
    small: bytes, small_params: Params, data: st.DataObject
) -> None:
    header, *rows = small.decode().splitlines()
    order = data.draw(st.permutations(range(len(rows))))
    kept = [rows[place] for place in order[: data.draw(st.integers(120, len(rows)))]]
    added = [cell("Age", repr(age)) for age in data.draw(st.lists(st.floats(10, 110), max_size=20))]
    frame, _ = clean.clean("\n".join([header, *added, *kept, ""]).encode(), "data.csv", small_params)
    before, _ = clean.clean(small, "small.csv", small_params)
    folds = dict(zip(before[KEY], before[FOLD], strict=True))
    folds_after = {key: fold for key, fold in zip(frame[KEY], frame[FOLD], strict=True) if key in folds}
    assert len(folds_after) >= len(kept)
    assert folds_after == {key: folds[key] for key in folds_after}


def test_correcting_a_level_moves_no_record(small: bytes, small_params: Params) -> None:
    header, *rows = small.decode().splitlines()
    corrected = "\n".join([header, *(cell(TARGET, LEVELS[n % 7], row) for n, row in enumerate(rows)), ""]).encode()
    before, after = (clean.clean(content, "small.csv", small_params)[0] for content in (small, corrected))
    assert before[[KEY, FOLD]].equals(after[[KEY, FOLD]])
    assert not before[TARGET].equals(after[TARGET])


def test_a_refusal_shows_no_cell_but_the_offending_one(stray: Callable[..., bytes], params: Params) -> None:
    text = refusal(stray(cell("CAEC", "Never", cell("Age", "33.25"))), params)
    assert "33.25" not in text


def test_the_report_has_figures_of_groups_only(small: bytes, small_params: Params) -> None:
    _, report = clean.clean(small, "small.csv", small_params)
    assert [field for field in DataReport.__dataclass_fields__ if field not in {"columns", "bins"}] == [
        "sha256",
        "source",
        "rows_read",
        "duplicates_dropped",
        "contradictions",
        "records",
        "levels",
        "origins",
        "folds",
    ]
    for figures in report.columns.values():
        assert sorted(figures) == ["max", "mean", "min", "std"] or sum(figures.values()) == report.records
    assert {sum(counts) for counts in report.bins.values()} == {report.records}


def test_the_real_file_has_these_figures(real_layout: Layout, params: Params) -> None:
    report = json.loads(real_layout.data_report.read_text())
    del report["columns"], report["bins"]
    assert report == {
        "sha256": params.data.published,
        "source": "real",
        "rows_read": 2111,
        "duplicates_dropped": 24,
        "contradictions": 0,
        "records": 2087,
        "levels": {
            "Insufficient_Weight": 267,
            "Normal_Weight": 282,
            "Overweight_Level_I": 276,
            "Overweight_Level_II": 290,
            "Obesity_Type_I": 351,
            "Obesity_Type_II": 297,
            "Obesity_Type_III": 324,
        },
        "origins": {"collected": 488, "synthetic": 1599},
        "folds": {"0": 433, "1": 419, "2": 412, "3": 391, "4": 432},
    }


def test_every_collected_row_of_the_real_file_has_the_level_of_the_bmi_rule(real_csv: Path) -> None:
    collected = clean.load(real_csv).iloc[:498]
    assert (collected[TARGET].to_numpy() == rule_levels(collected)).all()
    assert len(collected.drop_duplicates()) == 488
