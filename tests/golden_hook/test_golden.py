"""Golden answers, from services that give them, that give others, or that serve another model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from golden_hook.golden import CallService, NoAnswerError, differences
from lambda_api.requests import Reader
from lambda_api.service import Service

READER = Reader(6_000_000, 5_000)


@pytest.fixture(scope="module")
def golden(model_dir: Path) -> bytes:
    return (model_dir / "golden.json").read_bytes()


@pytest.fixture(scope="module")
def call(service: Service) -> CallService:
    """Sends requests to the small model's own service."""

    def answer(method: str, path: str, body: bytes | None) -> tuple[int, Any]:
        if (method, path) == ("GET", "/model_info"):
            return 200, service.info().model_dump(mode="json")
        assert body is not None
        if path == "/predict":
            return 200, service.answer([READER.one("application/json", body)]).answers[0]
        return 200, {"predictions": service.answer(READER.batch("application/json", body)).answers}

    return answer


def changed(call: CallService, where: str, change: Callable[[Any], object]) -> CallService:
    """The same service, but for one path."""

    def changed_call(method: str, path: str, body: bytes | None) -> tuple[int, Any]:
        status, answer = call(method, path, body)
        if path == where:
            answer = json.loads(json.dumps(answer))
            change(answer)
        return status, answer

    return changed_call


def test_the_model_that_the_golden_answers_were_made_with_passes(golden: bytes, call: CallService) -> None:
    assert differences(golden, call) == ()


def test_other_golden_answers_or_another_model_are_named_by_their_digests(golden: bytes, call: CallService) -> None:
    other = golden + b"\n"
    (difference,) = differences(other, call)
    assert difference.startswith("the model that answers has golden_sha256 ")
    (difference,) = differences(golden, changed(call, "/model_info", lambda info: info.update(model_sha256="0" * 64)))
    assert difference.startswith(f"the model that answers has model_sha256 {'0' * 64}, expected ")
    assert difference.endswith(": package and build again")


def test_another_class_is_reported_with_its_record_and_the_expected_one(golden: bytes, call: CallService) -> None:
    expected = json.loads(golden)["cases"][1]["prediction"]

    def change(answer: Any) -> None:
        answer["predictions"][1]["prediction"] = "Nothing"

    assert differences(golden, changed(call, "/predict_batch", change)) == (
        f"/predict_batch, record 2: Nothing, expected {expected}",
    )


def test_a_probability_that_differs_by_more_than_rounding_is_reported(golden: bytes, call: CallService) -> None:
    def change(answer: Any) -> None:
        answer["probabilities"]["Obesity_Type_I"] += 0.25

    assert differences(golden, changed(call, "/predict", change)) == (
        "/predict, record 1: a probability differs by 2.5e-01",
    )


def test_many_differences_are_counted(golden: bytes, call: CallService) -> None:
    def change(answer: Any) -> None:
        for one in answer["predictions"]:
            one["prediction"] = "Nothing"

    shown = differences(golden, changed(call, "/predict_batch", change))
    assert len(shown) == 6
    assert shown[-1] == f"(+{len(json.loads(golden)['cases']) - 5} more)"


@pytest.mark.parametrize("path", ["/model_info", "/predict", "/predict_batch"])
def test_an_answer_other_than_200_is_reported(golden: bytes, call: CallService, path: str) -> None:
    def changed_call(method: str, where: str, body: bytes | None) -> tuple[int, Any]:
        return (503, {}) if where == path else call(method, where, body)

    assert differences(golden, changed_call) == (f"{path} answers 503, expected 200",)


def test_a_service_that_does_not_answer_is_reported_with_the_reason(golden: bytes) -> None:
    def changed_call(_method: str, path: str, _body: bytes | None) -> tuple[int, Any]:
        raise NoAnswerError(f"{path}: timed out")

    assert differences(golden, changed_call) == ("/model_info: timed out",)
