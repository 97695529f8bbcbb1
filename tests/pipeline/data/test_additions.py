"""New records go behind those of their origin, byte for byte, and are judged beside them before they are taken."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest

from lambda_api.contract import TARGET
from pipeline.data.additions import Additions, Agreement, grown, inserted
from pipeline.data.clean import clean
from pipeline.data.records import COLUMNS, ORIGIN
from pipeline.data.shift import ColumnShift, Drift
from pipeline.errors import DataError, ParamsError
from pipeline.params import DataParams, Params

HEADER = [*COLUMNS, TARGET]
HABITS = "yes,no,2,3,Sometimes,no,2,no,0,1,no,Public_Transportation"
HEAD = ",".join(HEADER)


def line(age: str, weight: str, level: str, gender: str = "Female") -> str:
    return f"{gender},{age},1.60,{weight},{HABITS},{level}"


NORMAL, HEAVY, THIN = (
    line("21", "60", "Normal_Weight"),
    line("30", "100.0", "Obesity_Type_II"),
    line("40", "40", "Insufficient_Weight"),
)
DATA = f"{HEAD}\r\n{NORMAL}\r\n{HEAVY}\r\n{THIN}\r\n".encode()


@pytest.fixture(scope="module")
def data(params: Params) -> DataParams:
    """The first two rows of three were collected."""
    return params.data.model_copy(update={"collected_rows": 2})


def new(*rows: str) -> bytes:
    return "\n".join([HEAD, *rows, ""]).encode()


@pytest.mark.parametrize(
    ("raw", "behind", "expected"),
    [
        (b"h\r\n1\r\n2\r\n", 1, b"h\r\n1\r\nx\r\ny,z\r\n2\r\n"),
        (b"h\n1\n2", 2, b"h\n1\n2\nx\ny,z\n"),
        (b"h\n1\n2", 0, b"h\nx\ny,z\n1\n2"),
        (b"\xef\xbb\xbfh\n\n1\n\n2\n", 1, b"\xef\xbb\xbfh\n\n1\nx\ny,z\n\n2\n"),  # an empty line is no row
        (b'h\n"1\n"\n2\n', 1, b'h\n"1\n"\nx\ny,z\n2\n'),
        (b"h\r1\r2\r", 1, b"h\r1\rx\ry,z\r2\r"),
    ],
)
def test_rows_go_behind_others_and_every_other_byte_stays(raw: bytes, behind: int, expected: bytes) -> None:
    assert inserted(raw, [["x"], ["y", "z"]], behind) == expected


def test_collected_records_follow_the_collected_ones_and_keep_their_numbers_as_they_are_written(
    data: DataParams,
) -> None:
    fresh = line("22.50", "61.0", "Normal_Weight", "Male")
    additions = grown(DATA, new(fresh), "new.csv", data)
    assert additions.content == f"{HEAD}\r\n{NORMAL}\r\n{HEAVY}\r\n{fresh}\r\n{THIN}\r\n".encode()
    assert (additions.origin, additions.collected_rows, additions.added) == ("collected", 3, 1)


@pytest.mark.parametrize(("collected", "origin"), [(2, "synthetic"), (None, "unknown")])
def test_synthetic_records_and_those_of_unknown_origin_go_to_the_end(
    data: DataParams, collected: int | None, origin: str
) -> None:
    fresh = line("22", "61", "Normal_Weight")
    known = data.model_copy(update={"collected_rows": collected})
    additions = grown(DATA, new(fresh), "new.csv", known, synthetic=collected is not None)
    assert additions.content == DATA + f"{fresh}\r\n".encode()
    assert (additions.origin, additions.collected_rows) == (origin, collected)


def test_columns_in_another_order_are_put_into_the_datas_order(data: DataParams) -> None:
    fresh = line("22", "61", "Normal_Weight")
    turned = "\n".join(",".join(reversed(row.split(","))) for row in (HEAD, fresh)).encode()
    assert grown(DATA, turned, "new.csv", data).content == grown(DATA, new(fresh), "new.csv", data).content


def test_what_is_there_already_or_twice_in_the_file_is_counted_and_not_added_again(data: DataParams) -> None:
    fresh = line("22", "61", "Normal_Weight")
    rows = (NORMAL.replace("1.60,60,", "1.6,60.0,"), fresh, HEAVY, fresh, fresh.replace("22", "22.0"))
    additions = grown(DATA, new(*rows), "new.csv", data)
    assert (additions.added, additions.known, additions.repeated) == (1, 2, 2)
    assert additions.content == grown(DATA, new(fresh), "new.csv", data).content


def test_everything_known_is_nothing_to_add(data: DataParams) -> None:
    with pytest.raises(DataError) as refused:
        grown(DATA, new(HEAVY, THIN), "new.csv", data)
    assert str(refused.value) == "new.csv: the data has all of its 2 record(s) already; nothing was written"


def test_a_record_with_another_level_than_the_same_one_has_is_refused_with_both_places(data: DataParams) -> None:
    rows = (
        line("22", "61", "Normal_Weight"),
        NORMAL.replace("Normal_Weight", "Obesity_Type_I"),
        line("22", "61", "Overweight_Level_I"),
    )
    with pytest.raises(DataError) as refused:
        grown(DATA, new(*rows), "new.csv", data)
    assert str(refused.value).splitlines() == [
        "new.csv: 2 record(s) contradict others; nothing was written:",
        "  row 3: Obesity_Type_I, but row 2 of the data has the same answers and Normal_Weight",
        "  row 4: Overweight_Level_I, but row 2 has the same answers and Normal_Weight",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (new(NORMAL.replace("Public_Transportation", "Rocket")), "row 2, MTRANS: got 'Rocket', expected one of"),
        (new(line("22", "61", "Fine")), "row 2, NObeyesdad: got 'Fine', expected one of"),
        (new(*(NORMAL, "a,b")), "row 3: 2 cells"),
        (f"{HEAD.removesuffix(f',{TARGET}')}\n{NORMAL.rpartition(',')[0]}\n".encode(), f"missing column {TARGET}"),
        (b"", "is empty"),
    ],
)
def test_a_file_that_breaks_the_contract_is_refused(data: DataParams, content: bytes, said: str) -> None:
    with pytest.raises(DataError) as refused:
        grown(DATA, content, "new.csv", data)
    assert said in str(refused.value)


def test_more_collected_rows_than_there_are_is_an_error_of_the_parameters(data: DataParams) -> None:
    with pytest.raises(ParamsError, match=r"data\.collected_rows is 9, but the file has 3 rows"):
        grown(DATA, new(line("22", "61", "Normal_Weight")), "n", data.model_copy(update={"collected_rows": 9}))


def test_new_records_are_judged_beside_those_of_their_own_origin(data: DataParams) -> None:
    rows = (line("60", "61", "Normal_Weight"), line("30", "61", "Obesity_Type_I"))
    additions = grown(DATA, new(*rows), "new.csv", data)
    assert (additions.beside, additions.rule, additions.rule_before) == ("collected", Agreement(1, 2), Agreement(2, 2))
    age = Drift("Age", "mean", 4.333333333333333, "mean 25.5 -> 45, std 4.5 -> 15, min 21 -> 30, max 30 -> 60")
    assert ColumnShift(age, beyond_chance=True) in additions.moved
    alone = grown(DATA, new(*rows), "new.csv", data.model_copy(update={"collected_rows": 0}))
    assert (alone.beside, alone.rule_before) == ("all", Agreement(3, 3))


@pytest.mark.parametrize(
    ("rule", "before", "contradicts"),
    [
        (Agreement(29, 200), Agreement(498, 498), True),
        (Agreement(188, 200), Agreement(498, 498), False),
        (Agreement(166, 200), Agreement(498, 498), True),
        (Agreement(0, 1), Agreement(498, 498), False),  # one label proves nothing
        (Agreement(0, 3), Agreement(498, 498), True),
        (Agreement(29, 200), Agreement(30, 200), False),  # a rule that hardly ever agreed refuses nothing
        (Agreement(0, 200), Agreement(10, 200), False),
    ],
)
def test_labels_contradict_if_the_bmi_rule_surely_gives_far_fewer_of_them_than_of_those_there(
    data: DataParams, rule: Agreement, before: Agreement, *, contradicts: bool
) -> None:
    additions = grown(DATA, new(line("22", "61", "Normal_Weight")), "new.csv", data)
    assert replace(additions, rule=rule, rule_before=before).contradicts is contradicts


def test_the_grown_file_is_clean_and_no_old_record_changed_its_origin(small_csv_bytes: bytes, params: Params) -> None:
    rows = list(csv.reader(io.StringIO(small_csv_bytes.decode())))
    base, added = ("\n".join(map(",".join, part)).encode() for part in (rows[:250], [rows[0], *rows[250:]]))
    known = params.data.model_copy(update={"collected_rows": 200})
    additions = grown(base, added, "new.csv", known)
    after, report = clean(additions.content, "grown", with_data(params, additions))
    before, _ = clean(base, "base", with_data(params, replace(additions, content=base, collected_rows=200)))
    old, now = (dict(zip(frame["record"], frame[ORIGIN], strict=True)) for frame in (before, after))
    assert {record: now[record] for record in old} == old
    assert {now[record] for record in now.keys() - old} == {"collected"}
    assert report.records == len(rows) - 1


@pytest.fixture(scope="module")
def small_csv_bytes(small_csv: Path) -> bytes:
    return small_csv.read_bytes()


def with_data(params: Params, additions: Additions) -> Params:
    pinned = {"sha256": additions.sha256, "collected_rows": additions.collected_rows}
    return params.model_copy(update={"data": params.data.model_copy(update=pinned)})
