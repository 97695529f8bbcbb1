"""Golden answers against services that give them, give others, or are another model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from golden_hook.golden import Ask, SilentError, differences
from lambda_api.requests import Reader
from lambda_api.service import Service

READER = Reader(6_000_000, 5_000)


@pytest.fixture(scope="module")
def golden(model_dir: Path) -> bytes:
    return (model_dir / "golden.json").read_bytes()


@pytest.fixture(scope="module")
def asked(service: Service) -> Ask:
    """Asks the small model's own service."""

    def ask(method: str, path: str, body: bytes | None) -> tuple[int, Any]:
        if (method, path) == ("GET", "/model_info"):
            return 200, service.info().model_dump(mode="json")
        assert body is not None
        if path == "/predict":
            return 200, service.answer([READER.one("application/json", body)]).answers[0]
        return 200, {"predictions": service.answer(READER.batch("application/json", body)).answers}

    return ask


def changed(asked: Ask, where: str, change: Callable[[Any], object]) -> Ask:
    """The same service, but for one path."""

    def ask(method: str, path: str, body: bytes | None) -> tuple[int, Any]:
        status, answer = asked(method, path, body)
        if path == where:
            answer = json.loads(json.dumps(answer))
            change(answer)
        return status, answer

    return ask


def test_the_model_that_the_golden_answers_were_made_with_passes(golden: bytes, asked: Ask) -> None:
    assert differences(golden, asked) == ()


def test_another_file_of_golden_answers_or_another_model_is_told_by_its_digest(golden: bytes, asked: Ask) -> None:
    other = golden + b"\n"
    (told,) = differences(other, asked)
    assert told.startswith("the model that answers has golden_sha256 ")
    (told,) = differences(golden, changed(asked, "/model_info", lambda info: info.update(model_sha256="0" * 64)))
    assert told.startswith(f"the model that answers has model_sha256 {'0' * 64}, expected ")
    assert told.endswith(": package and build again")


def test_another_label_is_told_with_its_record_and_what_was_expected(golden: bytes, asked: Ask) -> None:
    expected = json.loads(golden)["cases"][1]["prediction"]

    def change(answer: Any) -> None:
        answer["predictions"][1]["prediction"] = "Nothing"

    assert differences(golden, changed(asked, "/predict_batch", change)) == (
        f"/predict_batch, record 2: Nothing, expected {expected}",
    )


def test_a_probability_that_moved_by_more_than_rounding_is_told(golden: bytes, asked: Ask) -> None:
    def change(answer: Any) -> None:
        answer["probabilities"]["Obesity_Type_I"] += 0.25

    assert differences(golden, changed(asked, "/predict", change)) == (
        "/predict, record 1: a probability differs by 2.5e-01",
    )


def test_many_differences_are_counted(golden: bytes, asked: Ask) -> None:
    def change(answer: Any) -> None:
        for one in answer["predictions"]:
            one["prediction"] = "Nothing"

    found = differences(golden, changed(asked, "/predict_batch", change))
    assert len(found) == 6
    assert found[-1] == f"(+{len(json.loads(golden)['cases']) - 5} more)"


@pytest.mark.parametrize("path", ["/model_info", "/predict", "/predict_batch"])
def test_an_answer_other_than_200_is_told(golden: bytes, asked: Ask, path: str) -> None:
    def ask(method: str, where: str, body: bytes | None) -> tuple[int, Any]:
        return (503, {}) if where == path else asked(method, where, body)

    assert differences(golden, ask) == (f"{path} answers 503, expected 200",)


def test_a_service_that_is_silent_is_told_in_its_own_words(golden: bytes) -> None:
    def ask(_method: str, path: str, _body: bytes | None) -> tuple[int, Any]:
        raise SilentError(f"{path}: timed out")

    assert differences(golden, ask) == ("/model_info: timed out",)
