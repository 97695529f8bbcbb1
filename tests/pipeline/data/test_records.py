"""Records as tables: keys and folds that never move, numbers that survive a file, random records."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from lambda_api.contract import BMI_RANGE, TARGET, Record, columns, example
from pipeline.data.folds import fold_of
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
    codes,
    feed,
    key,
    load_processed,
    random_records,
    rounded,
    rule_levels,
)
from pipeline.errors import ModelFileError
from pipeline.files import write_csv

EXAMPLE = pd.DataFrame([example()]).astype(dict.fromkeys(NUMBERS, "float64"))


@st.composite
def values(draw: DrawFn) -> tuple[str | float, ...]:
    """The sixteen values of a record, anywhere in the contract."""
    return tuple(
        draw(st.floats(column.low, column.high)) if column.is_number else draw(st.sampled_from(column.categories))
        for column in columns()
    )


def processed(frame: pd.DataFrame, folds: int = 3) -> pd.DataFrame:
    """The records as `clean` would write them."""
    keys = [key(row) for row in frame[list(COLUMNS)].astype(object).itertuples(index=False, name=None)]
    added = {KEY: keys, ORIGIN: "unknown", FOLD: [fold_of(one, folds) for one in keys], GROUP_FOLD: -1}
    return frame.assign(**added, **{TARGET: rule_levels(frame)})[list(PROCESSED)]


def test_columns_are_numbers_and_categories_and_together_the_contract() -> None:
    assert tuple(column.name for column in columns()) == COLUMNS
    assert sorted((*NUMBERS, *CATEGORIES)) == sorted(COLUMNS)
    assert NUMBERS == ("Age", "Height", "Weight", "FCVC", "NCP", "CH2O", "FAF", "TUE")


def test_the_key_of_a_record_is_the_same_in_every_year() -> None:
    # These two decide who is in which fold, for all data there will ever be: never change them.
    record = tuple(example().values())
    assert (
        key(tuple(float(v) if not isinstance(v, str) else v for v in record))
        == "8d6e00a5a355d1b443058c7e2c33e535ab736121bee1661a7a66ec552f94d805"
    )
    assert fold_of("8d6e00a5a355d1b443058c7e2c33e535ab736121bee1661a7a66ec552f94d805", 5) == 3


def test_a_fold_is_the_key_modulo_the_folds() -> None:
    assert [fold_of(format(number, "064x"), 5) for number in (0, 1, 4, 5, 12)] == [0, 1, 4, 0, 2]
    assert fold_of("f" * 64, 7) == (2**256 - 1) % 7


@given(values(), st.integers(0, 15), st.data())
def test_a_key_depends_on_every_value_and_on_nothing_else(
    record: tuple[str | float, ...], place: int, data: st.DataObject
) -> None:
    other = data.draw(values())[place]
    changed = (*record[:place], other, *record[place + 1 :])
    assert (key(changed) == key(record)) == (repr(other) == repr(record[place]))


def test_about_a_fifth_of_all_records_is_in_each_of_five_folds() -> None:
    frame = random_records(5000, seed=2).astype(object)
    folds = [fold_of(key(row), 5) for row in frame.itertuples(index=False, name=None)]
    assert np.bincount(folds).min() > 900  # 1000 expected, 28 the standard deviation


@given(st.lists(values(), min_size=1, max_size=5))
def test_numbers_come_back_from_a_file_as_the_very_same_doubles(
    tmp_path_factory: pytest.TempPathFactory, records: list[tuple[str | float, ...]]
) -> None:
    frame = processed(pd.DataFrame(records, columns=list(COLUMNS)))
    path = tmp_path_factory.mktemp("records") / "records.csv"
    write_csv(path, frame)
    read = load_processed(path)
    pd.testing.assert_frame_equal(read[list(NUMBERS)], frame[list(NUMBERS)], check_exact=True)
    assert [key(row) for row in read[list(COLUMNS)].astype(object).itertuples(index=False, name=None)] == list(
        read[KEY]
    )


def test_missing_records_are_reported_with_the_command_that_makes_them(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError) as refusal:
        load_processed(tmp_path / "records.csv")
    assert str(refusal.value) == f"{tmp_path / 'records.csv'} does not exist: make it with `pipeline clean`"


@pytest.mark.parametrize(
    "content", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00", b'"', b"record\n", b"Age\nold\n", ",".join(PROCESSED[1:]).encode()]
)
def test_a_file_that_clean_did_not_write_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "records.csv"
    path.write_bytes(content)
    with pytest.raises(ModelFileError) as refusal:
        load_processed(path)
    assert str(refusal.value) == f"{path} is not what `pipeline clean` writes: run it again"


def test_records_dealt_to_another_number_of_folds_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "records.csv"
    write_csv(path, processed(random_records(50, seed=1), folds=3))
    assert len(load_processed(path)) == len(load_processed(path, folds=3)) == 50
    with pytest.raises(ModelFileError) as refusal:
        load_processed(path, folds=5)
    assert str(refusal.value) == (
        f"{path} has folds [0, 1, 2], expected 0 to 4 as in params.yaml: run `pipeline clean` again"
    )


def test_the_rule_levels_a_table_by_its_bodies_alone() -> None:
    frame = pd.concat([EXAMPLE] * 3, ignore_index=True).assign(Height=2.0, Weight=[72.0, 99.84, 160.0])
    assert bmi(frame).tolist() == [18.0, 24.96, 40.0]
    assert rule_levels(frame).tolist() == ["Insufficient_Weight", "Overweight_Level_I", "Obesity_Type_III"]


def test_codes_are_positions_in_the_contract_and_an_unknown_category_is_minus_one() -> None:
    assert dict(zip(COLUMNS, codes(EXAMPLE)[0].tolist(), strict=True)) == {
        "Gender": 0,
        "Age": 24,
        "Height": 1.65,
        "Weight": 72,
        "family_history_with_overweight": 1,
        "FAVC": 1,
        "FCVC": 2,
        "NCP": 3,
        "CAEC": 1,
        "SMOKE": 0,
        "CH2O": 2,
        "SCC": 0,
        "FAF": 1,
        "TUE": 1,
        "CALC": 1,
        "MTRANS": 3,
    }
    assert codes(EXAMPLE.assign(MTRANS="Rocket"))[0, -1] == -1


def test_a_feed_has_one_column_array_for_each_column_in_the_contracts_order() -> None:
    fed = feed(random_records(7, seed=1))
    assert list(fed) == list(COLUMNS)
    assert {name: (array.shape, array.dtype) for name, array in fed.items()} == {
        name: ((7, 1), np.dtype("float64" if name in NUMBERS else object)) for name in COLUMNS
    }
    assert {type(value) for name in CATEGORIES for value in fed[name].ravel()} == {str}


def test_random_records_are_records_and_the_same_for_a_seed() -> None:
    frame = random_records(500, seed=7)
    for row in frame.to_dict("records"):
        Record.model_validate(row)
    pd.testing.assert_frame_equal(frame, random_records(500, seed=7), check_exact=True)
    assert not frame.equals(random_records(500, seed=8))


def test_random_records_reach_all_of_the_contract() -> None:
    frame = random_records(3000, seed=7)
    for column in columns():
        if column.is_number:
            reach = (column.high - column.low) * 0.02
            assert frame[column.name].min() < column.low + reach
            assert frame[column.name].max() > column.high - reach
        else:
            assert set(frame[column.name]) == set(column.categories)
    index = bmi(frame)
    assert index.min() < BMI_RANGE[0] + 1
    assert index.max() > BMI_RANGE[1] - 1


def test_rounded_records_have_the_decimals_that_people_type() -> None:
    frame = rounded(EXAMPLE.assign(Age=23.7, Height=1.6549, Weight=71.96, FCVC=2.5, NCP=3.4999))
    values = frame[["Age", "Height", "Weight", "FCVC", "NCP"]].iloc[0].tolist()
    assert values == [24.0, 1.65, 72.0, 2.0, 3.0]
