import json
import time
from pathlib import Path

import pytest

from lambda_api.app import start
from lambda_api.bins import BINS_ID
from lambda_api.contract import Record, columns, example
from lambda_api.service import Service
from lambda_api.telemetry import Telemetry
from pipeline.data.records import COLUMNS

ODD = {"Age": 37.25, "Height": 1.7345, "Weight": 81.875, "FCVC": 2.125, "NCP": 3.375, "CH2O": 1.625, "FAF": 0.875}


ALWAYS = ("_aws", "event", "request_id", "model_version")


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


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
        "bins_id": BINS_ID,
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
    assert line["bins_id"] == BINS_ID
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


def test_metrics_alone_say_nothing_that_follows_from_a_persons_answers(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    telemetry, answered = Telemetry("3", "metrics"), service.example()
    telemetry.predicted("id", answered, 0.0)
    telemetry.predicted_batch("id", answered, 0.0)
    telemetry.refused("id", 422, {"Age less_than_equal": 1})

    assert [sorted(line) for line in lines(capsys)] == [
        sorted([*ALWAYS, "Predictions", "LatencyMs", "Confidence", "start"]),
        sorted([*ALWAYS, "Predictions", "BatchLatencyMs", "mean_confidence", "start"]),
        sorted([*ALWAYS, "Refusals", "status"]),
    ]


def test_telemetry_that_is_off_tells_of_bugs_only(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    telemetry, answered = Telemetry("3", "off"), service.example()
    telemetry.predicted("id", answered, 0.0)
    telemetry.predicted_batch("id", answered, 0.0)
    telemetry.refused("id", 422, {"Age less_than_equal": 1})
    telemetry.failed("id", ZeroDivisionError())

    assert [line["event"] for line in lines(capsys)] == ["error"]
