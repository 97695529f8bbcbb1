import json
import time
from pathlib import Path

import numpy as np
import pytest

from lambda_api.app import start
from lambda_api.contract import BMI_RANGE, Record, columns, example
from lambda_api.service import Service
from lambda_api.telemetry import BINNINGS, Telemetry
from pipeline.records import COLUMNS, bmi, random_records

ODD = {"Age": 37.25, "Height": 1.7345, "Weight": 81.875, "FCVC": 2.125, "NCP": 3.375, "CH2O": 1.625, "FAF": 0.875}


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


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
            binning.counts(
                frame[name].to_numpy(dtype=object if name not in ODD and isinstance(values[0], str) else float)
            )
            == expected
        ), name


def test_a_prediction_is_one_line_of_bins_class_and_latency(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    answered = service.answer([Record.model_validate(example() | ODD)])

    Telemetry("3").predicted("id-1", answered, time.perf_counter())

    (line,) = lines(capsys)
    metrics = line.pop("_aws")
    latency = line.pop("LatencyMs")
    assert line == {
        "event": "prediction",
        "request_id": "id-1",
        "model_version": "3",
        "Predictions": 1,
        "Confidence": answered.confidences[0],
        "prediction": answered.labels[0],
        "warnings": len(answered.answers[0]["warnings"]),
        "bins": {
            "Gender": 0,
            "Age": 5,
            "Height": 14,
            "Weight": 12,
            "family_history_with_overweight": 1,
            "FAVC": 1,
            "FCVC": 1,
            "NCP": 2,
            "CAEC": 1,
            "SMOKE": 0,
            "CH2O": 1,
            "SCC": 0,
            "FAF": 1,
            "TUE": 1,
            "CALC": 1,
            "MTRANS": 3,
            "BMI": 8,
        },
        "start": "cold",
    }
    assert isinstance(latency, float)
    assert isinstance(metrics, dict)
    assert metrics["CloudWatchMetrics"] == [
        {
            "Namespace": "ObesityLevels",
            "Dimensions": [["model_version"]],
            "Metrics": [
                {"Name": "Predictions", "Unit": "Count"},
                {"Name": "LatencyMs", "Unit": "Milliseconds"},
                {"Name": "Confidence", "Unit": "None"},
            ],
        }
    ]


def test_no_value_of_a_record_is_ever_written(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    record = Record.model_validate(example() | ODD)
    telemetry = Telemetry("3")

    telemetry.predicted("id", service.answer([record]), 0.0)
    telemetry.predicted_batch("id", service.answer([record, record]), 0.0)

    written = capsys.readouterr().out
    values = [str(value) for value in ODD.values()] + [
        f'"{getattr(record, c.name)}"' for c in columns() if not c.is_number
    ]
    assert [value for value in [*values, str(record.bmi), str(round(record.bmi, 2))] if value in written] == []


def test_a_batch_is_one_line_that_only_counts(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    people = [Record.model_validate(example() | {"Age": age}) for age in (12, 24, 24)]
    answered = service.answer(people)

    Telemetry("3").predicted_batch("id-2", answered, time.perf_counter())

    (line,) = lines(capsys)
    bins = line["bins"]
    assert isinstance(bins, dict)
    assert (line["event"], line["Predictions"], line["levels"]) == ("batch", 3, answered.levels())
    assert list(bins) == [*COLUMNS, "BMI"]
    assert bins["Age"] == [1, 0, 2] + [0] * 17
    assert {sum(counts) for counts in bins.values()} == {3}


def test_the_first_answer_is_cold_and_the_first_after_a_restore_says_so(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    telemetry = Telemetry("3")
    for restored in (False, False, True, False):
        if restored:
            telemetry.restored()
        telemetry.predicted("id", service.example(), 0.0)

    assert [line["start"] for line in lines(capsys)] == ["cold", "warm", "restored", "warm"]


def test_a_bug_is_logged_with_its_place_and_without_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ZeroDivisionError("Weight was 81.875")

    try:
        fail()
    except ZeroDivisionError as error:
        Telemetry("3").failed("id-3", error)

    (line,) = lines(capsys)
    trace = line["trace"]
    assert isinstance(trace, list)
    assert (line["event"], line["error"], line["Errors"]) == ("error", "ZeroDivisionError", 1)
    assert trace[-1].endswith(" fail")
    assert "81.875" not in str(line)


def test_the_environment_names_where_the_metrics_are_counted(
    model_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app = start({"OBESITY_MODEL_DIR": str(model_dir), "OBESITY_NAMESPACE": "ObesityLevels/staging"})

    app.state.telemetry.refused("id", 422, {})

    (line,) = lines(capsys)
    assert isinstance(line["_aws"], dict)
    assert [block["Namespace"] for block in line["_aws"]["CloudWatchMetrics"]] == ["ObesityLevels/staging"]
