"""Plausible people: real habits, another body, and the BMI rule as their truth."""

import numpy as np
import pandas as pd
import pytest

from pipeline.data.records import COLUMNS, FOLD, bmi, load_processed
from pipeline.files import Layout
from pipeline.model.guards import plausible_people


@pytest.fixture(scope="module")
def records(small_layout: Layout) -> pd.DataFrame:
    return load_processed(small_layout.records)


def test_each_record_gives_its_habits_to_so_many_people(records: pd.DataFrame) -> None:
    people = plausible_people(records, per_record=4, seed=1)
    kept = [name for name in records.columns if name not in {"Height", "Weight"}]
    expected = records.loc[np.repeat(np.arange(len(records)), 4), kept].reset_index(drop=True)
    pd.testing.assert_frame_equal(people[kept], expected)
    assert people.columns.tolist() == records.columns.tolist()


def test_a_body_says_nothing_about_the_record_whose_habits_it_has(records: pd.DataFrame) -> None:
    people = plausible_people(records, per_record=30, seed=1)
    own = np.repeat(bmi(records), 30)
    assert abs(np.corrcoef(own, bmi(people))[0, 1]) < 0.05
    assert people["Height"].dtype == people["Weight"].dtype == np.dtype("float64")


def test_the_index_is_spread_evenly_over_sixteen_to_fifty(records: pd.DataFrame) -> None:
    index = bmi(plausible_people(records, per_record=30, seed=1))
    assert 16 - 1e-9 <= index.min() < 16.1
    assert 49.9 < index.max() <= 50 + 1e-9
    counts, _ = np.histogram(index, bins=10, range=(16, 50))
    assert counts.min() > 0.9 * len(index) / 10


def test_heights_are_those_of_the_sex_within_two_and_a_half_deviations(records: pd.DataFrame) -> None:
    taller = records.assign(Height=records["Height"] / 10 + (records["Gender"] == "Male"))
    people = plausible_people(taller, per_record=30, seed=1)
    for sex in ("Female", "Male"):
        own = taller.loc[taller["Gender"] == sex, "Height"]
        heights = people.loc[people["Gender"] == sex, "Height"]
        spread = own.std(ddof=0)
        assert abs(heights.mean() - own.mean()) < 0.05 * spread
        assert heights.max() == pytest.approx(own.mean() + 2.5 * spread)
        assert heights.min() == pytest.approx(own.mean() - 2.5 * spread)


def test_people_are_the_same_for_a_seed(records: pd.DataFrame) -> None:
    first = plausible_people(records, per_record=2, seed=1)
    pd.testing.assert_frame_equal(first, plausible_people(records, per_record=2, seed=1), check_exact=True)
    assert not first.equals(plausible_people(records, per_record=2, seed=2))


def test_records_of_one_sex_only_or_one_alone_are_enough(records: pd.DataFrame) -> None:
    women = records[records["Gender"] == "Female"]
    assert len(plausible_people(women, per_record=2, seed=1)) == 2 * len(women)
    one = plausible_people(records.iloc[[5]], per_record=3, seed=1)
    assert one["Height"].tolist() == [records["Height"].iloc[5]] * 3


def test_the_given_records_stay_as_they_are(records: pd.DataFrame) -> None:
    before = records.copy()
    people = plausible_people(records, per_record=1, seed=1)
    people[list(COLUMNS)] = 0
    people[FOLD] = 9
    pd.testing.assert_frame_equal(records, before)
