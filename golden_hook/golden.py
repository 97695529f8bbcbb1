"""golden.json and a way to ask a service in -> how the service answers otherwise; nothing if it is the very model.

golden.json is made when a model is exported: records that nobody gave, and what the graph answers to them. The model
that answers names its own digest and that of its golden.json, so that neither can be taken for another's. Standard
library only: the same few lines judge a version before it gets traffic, and the address after a deployment.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any

Ask = Callable[[str, str, bytes | None], tuple[int, Any]]
"""Called with method, path and body; the answer's status and JSON value. Raises `SilentError` where there is none."""

TOLERANCE = 1e-6
"""The service rounds probabilities to six decimals."""

SHOWN = 5


class SilentError(Exception):
    """The service did not answer; the text says what it did instead."""


def differences(golden: bytes, ask: Ask) -> tuple[str, ...]:
    """How a service answers otherwise than golden.json says, in words; empty if it does not.

    Args:
        golden: The file's bytes.
        ask: Asks the service.
    """
    try:
        expected = json.loads(golden)
        return _identity(golden, expected, ask) or _answers(expected["cases"], ask)
    except SilentError as error:
        return (str(error),)


def _identity(golden: bytes, expected: dict[str, Any], ask: Ask) -> tuple[str, ...]:
    status, info = ask("GET", "/model_info", None)
    if status != 200:  # noqa: PLR2004  HTTP's own number
        return (f"/model_info answers {status}, expected 200",)
    wanted = {"golden_sha256": hashlib.sha256(golden).hexdigest(), "model_sha256": expected["model_sha256"]}
    return tuple(
        f"the model that answers has {name} {info.get(name)}, expected {value}: package and build again"
        for name, value in wanted.items()
        if info.get(name) != value
    )


def _answers(cases: list[dict[str, Any]], ask: Ask) -> tuple[str, ...]:
    first, records = cases[0]["record"], [case["record"] for case in cases]
    one, many = _asked(ask, "/predict", first), _asked(ask, "/predict_batch", {"records": records})
    given = [("/predict, record 1", one, cases[0])]
    given += [
        (f"/predict_batch, record {number}", answer, case)
        for number, (answer, case) in enumerate(zip(many["predictions"], cases, strict=True), 1)
    ]
    found = [f"{where}: {words}" for where, answer, case in given if (words := _difference(answer, case))]
    return (*found[:SHOWN], *([f"(+{len(found) - SHOWN} more)"] if len(found) > SHOWN else []))


def _asked(ask: Ask, path: str, value: object) -> Any:
    status, answer = ask("POST", path, json.dumps(value).encode())
    if status != 200:  # noqa: PLR2004
        raise SilentError(f"{path} answers {status}, expected 200")
    return answer


def _difference(answer: dict[str, Any], case: dict[str, Any]) -> str | None:
    if answer["prediction"] != case["prediction"]:
        return f"{answer['prediction']}, expected {case['prediction']}"
    pairs = zip(answer["probabilities"].values(), case["probabilities"], strict=True)
    furthest = max(abs(one - other) for one, other in pairs)
    return f"a probability differs by {furthest:.1e}" if furthest > TOLERANCE else None
