import subprocess
import sys

import numpy as np
import pytest

from lambda_api.bins import BINNINGS, BINS_ID
from lambda_api.contract import BMI_RANGE
from pipeline.data.records import COLUMNS, bmi, random_records
from tests.paths import ROOT


@pytest.mark.parametrize(
    ("column", "value", "place"),
    [
        ("Gender", "Female", 0),
        ("Gender", "Male", 1),
        ("CALC", "Always", 3),
        ("Age", 10, 0),
        ("Age", 14.4, 0),
        ("Age", 14.6, 1),
        ("Age", 110, 19),
        ("Height", 1.0, 0),
        ("Height", 1.649, 13),
        ("Height", 1.644, 12),
        ("Height", 2.5, 29),
        ("Weight", 74.94, 10),
        ("Weight", 74.96, 11),
        ("Weight", 300, 55),
        ("FCVC", 1.4, 0),
        ("FCVC", 1.6, 1),
        ("FCVC", 3, 2),
        ("FAF", 0, 0),
        ("FAF", 3, 3),
        ("BMI", 10, 0),
        ("BMI", 24.0, 7),
        ("BMI", 70, 29),
    ],
)
def test_a_value_falls_into_the_bin_that_its_rounding_belongs_to(column: str, value: str | float, place: int) -> None:
    assert BINNINGS[column].place(value) == place


@pytest.mark.parametrize(
    ("column", "edges"),
    [
        ("Height", [1.0, 1.05, 1.1]),
        ("Age", [10.0, 15.0, 20.0]),
        ("Weight", [20.0, 25.0, 30.0]),
        ("NCP", [1.0, 2.0, 3.0, 4.0]),
        ("BMI", [10.0, 12.0, 14.0]),
    ],
)
def test_bins_can_be_read_back_by_their_lower_limits(column: str, edges: list[float]) -> None:
    assert BINNINGS[column].edges()[: len(edges)] == edges


def test_counting_a_column_agrees_with_placing_each_value() -> None:
    frame = random_records(3000, seed=9)
    frame["BMI"] = bmi(frame).clip(*BMI_RANGE)
    for name, binning in BINNINGS.items():
        values = frame[name].tolist()
        expected = np.bincount([binning.place(value) for value in values], minlength=binning.count).tolist()
        assert (
            binning.counts(frame[name].to_numpy(dtype=object if isinstance(values[0], str) else float)) == expected
        ), name


def test_the_columns_and_the_body_mass_index_are_binned_in_their_order() -> None:
    assert list(BINNINGS) == [*COLUMNS, "BMI"]


def test_the_name_of_the_bins_is_the_same_in_every_process() -> None:
    command = [sys.executable, "-c", "from lambda_api.bins import BINS_ID; print(BINS_ID)"]
    done = subprocess.run(command, cwd=ROOT, env={"PYTHONHASHSEED": "7"}, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == BINS_ID
    # Changing a bin changes this name and makes every stored reference useless.
    assert BINS_ID == "9053f62e14c5"
