"""golden.json and a way to send requests -> how a service's answers differ; nothing if it serves that very model.

golden.json is made when a model is exported: synthetic records, and the graph's answers to them. The service names the
digests of its model and of its golden.json, so that no other model and no other file passes. Standard library only,
because the same few lines check a new version before it gets traffic and the address after a deployment.
"""

import hashlib
import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

CallService = Callable[[str, str, bytes | None], tuple[int, Any]]
"""Called with method, path and body; returns status and JSON value. Raises `NoAnswerError` if no answer comes."""

TOLERANCE = 1e-6
"""The service rounds probabilities to six decimals."""

SHOWN = 5


class NoAnswerError(Exception):
    """The service did not answer; the text says what happened instead."""


def differences(golden: bytes, call: CallService) -> tuple[str, ...]:
    """How a service's answers differ from golden.json, in words; empty if they do not.

    Args:
        golden: The file's bytes.
        call: Sends a request to the service.
    """
    try:
        expected = json.loads(golden)
        return _digest_differences(golden, expected, call) or _answer_differences(expected["cases"], call)
    except NoAnswerError as error:
        return (str(error),)


def _digest_differences(golden: bytes, expected: dict[str, Any], call: CallService) -> tuple[str, ...]:
    status, info = call("GET", "/model_info", None)
    if status != HTTPStatus.OK:
        return (f"/model_info answers {status}, expected 200",)
    digests = {"golden_sha256": hashlib.sha256(golden).hexdigest(), "model_sha256": expected["model_sha256"]}
    return tuple(
        f"the model that answers has {name} {info.get(name)}, expected {digest}: package and build again"
        for name, digest in digests.items()
        if info.get(name) != digest
    )


def _answer_differences(cases: list[dict[str, Any]], call: CallService) -> tuple[str, ...]:
    records = [case["record"] for case in cases]
    single, batch = _post(call, "/predict", records[0]), _post(call, "/predict_batch", {"records": records})
    answers = [("/predict, record 1", single, cases[0])]
    answers += [
        (f"/predict_batch, record {number}", answer, case)
        for number, (answer, case) in enumerate(zip(batch["predictions"], cases, strict=True), 1)
    ]
    all_differences = [
        f"{where}: {difference}" for where, answer, case in answers if (difference := _difference(answer, case))
    ]
    hidden = len(all_differences) - SHOWN
    return (*all_differences[:SHOWN], *([f"(+{hidden} more)"] if hidden > 0 else []))


def _post(call: CallService, path: str, value: object) -> Any:
    status, answer = call("POST", path, json.dumps(value).encode())
    if status != HTTPStatus.OK:
        raise NoAnswerError(f"{path} answers {status}, expected 200")
    return answer


def _difference(answer: dict[str, Any], case: dict[str, Any]) -> str | None:
    if answer["prediction"] != case["prediction"]:
        return f"{answer['prediction']}, expected {case['prediction']}"
    pairs = zip(answer["probabilities"].values(), case["probabilities"], strict=True)
    largest = max(abs(probability - expected) for probability, expected in pairs)
    return f"a probability differs by {largest:.1e}" if largest > TOLERANCE else None
