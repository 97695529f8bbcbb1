"""Golden answers, from services that give them, that give others, or that serve another model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from golden_hook.golden import NoAnswerError, SendRequest, differences
from lambda_api.requests import Reader
from lambda_api.service import Service

READER = Reader(6_000_000, 5_000)


@pytest.fixture(scope="module")
def golden(model_dir: Path) -> bytes:
    return (model_dir / "golden.json").read_bytes()


@pytest.fixture(scope="module")
def send(service: Service) -> SendRequest:
    """Sends requests to the small model's own service."""

    def answer(method: str, path: str, body: bytes | None) -> tuple[int, Any]:
        if (method, path) == ("GET", "/model_info"):
            return 200, service.info().model_dump(mode="json")
        assert body is not None
        if path == "/predict":
            return 200, service.answer([READER.one("application/json", body)]).answers[0]
        return 200, {"predictions": service.answer(READER.batch("application/json", body)).answers}

    return answer


def changed(send: SendRequest, where: str, change: Callable[[Any], object]) -> SendRequest:
    """The same service, but for one path."""

    def send_changed(method: str, path: str, body: bytes | None) -> tuple[int, Any]:
        status, answer = send(method, path, body)
        if path == where:
            answer = json.loads(json.dumps(answer))
            change(answer)
        return status, answer

    return send_changed


def test_the_model_that_the_golden_answers_were_made_with_passes(golden: bytes, send: SendRequest) -> None:
    assert differences(golden, send) == ()


def test_other_golden_answers_or_another_model_are_named_by_their_digests(golden: bytes, send: SendRequest) -> None:
    other = golden + b"\n"
    (difference,) = differences(other, send)
    assert difference.startswith("the model that answers has golden_sha256 ")
    (difference,) = differences(golden, changed(send, "/model_info", lambda info: info.update(model_sha256="0" * 64)))
    assert difference.startswith(f"the model that answers has model_sha256 {'0' * 64}, expected ")
    assert difference.endswith(": package and build again")


def test_another_class_is_reported_with_its_record_and_the_expected_one(golden: bytes, send: SendRequest) -> None:
    expected = json.loads(golden)["cases"][1]["prediction"]

    def change(answer: Any) -> None:
        answer["predictions"][1]["prediction"] = "Nothing"

    assert differences(golden, changed(send, "/predict_batch", change)) == (
        f"/predict_batch, record 2: Nothing, expected {expected}",
    )


def test_a_probability_that_differs_by_more_than_rounding_is_reported(golden: bytes, send: SendRequest) -> None:
    def change(answer: Any) -> None:
        answer["probabilities"]["Obesity_Type_I"] += 0.25

    assert differences(golden, changed(send, "/predict", change)) == (
        "/predict, record 1: a probability differs by 2.5e-01",
    )


def test_many_differences_are_counted(golden: bytes, send: SendRequest) -> None:
    def change(answer: Any) -> None:
        for one in answer["predictions"]:
            one["prediction"] = "Nothing"

    shown = differences(golden, changed(send, "/predict_batch", change))
    assert len(shown) == 6
    assert shown[-1] == f"(+{len(json.loads(golden)['cases']) - 5} more)"


@pytest.mark.parametrize("path", ["/model_info", "/predict", "/predict_batch"])
def test_an_answer_other_than_200_is_reported(golden: bytes, send: SendRequest, path: str) -> None:
    def send_changed(method: str, where: str, body: bytes | None) -> tuple[int, Any]:
        return (503, {}) if where == path else send(method, where, body)

    assert differences(golden, send_changed) == (f"{path} answers 503, expected 200",)


def test_a_service_that_does_not_answer_is_reported_with_the_reason(golden: bytes) -> None:
    def send_changed(_method: str, path: str, _body: bytes | None) -> tuple[int, Any]:
        raise NoAnswerError(f"{path}: timed out")

    assert differences(golden, send_changed) == ("/model_info: timed out",)
