"""GitHub's expressions, `${{ ... }}`: read, evaluated, or evaluated as far as their contexts are known.

Values, comparisons and functions as in https://docs.github.com/en/actions/reference/evaluate-expressions-in-workflows-and-actions.
A context that a key of the workflow file may not use is an error, as on GitHub ("Unrecognized named-value").
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.fakes.expression_tree import ExpressionError, Node, calls, parse

Contexts = Mapping[str, Any]
STATUS = ("success", "failure", "cancelled", "always")
INSIDE = re.compile(r"\$\{\{(?P<code>(?:'[^']*'|[^'])*?)\}\}")
LATER = object()
"""Stands for what is only known while the job runs."""


def truthy(value: Any) -> bool:
    """Whether a value counts as true: all but false, 0, '' and null."""
    return value not in {False, "", None} if not isinstance(value, dict | list) else True


def text_of(value: Any) -> str:
    """A value as it stands in a longer text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(int(value)) if value == int(value) else repr(value)
    return value if isinstance(value, str) else "Array" if isinstance(value, list) else "Object"


def _number(value: Any) -> float:
    if value is None or isinstance(value, bool | int | float):
        return float(value or 0)
    try:
        return float(value or 0) if isinstance(value, str) else float("nan")
    except ValueError:
        return float("nan")


def equal(left: Any, right: Any) -> bool:
    """GitHub's `==`: texts without regard to case, values of two kinds as numbers."""
    if isinstance(left, str) and isinstance(right, str):
        return left.casefold() == right.casefold()
    if isinstance(left, dict | list) or isinstance(right, dict | list):
        return left is right
    return (left is None and right is None) or _number(left) == _number(right)


def _compare(sign: str, left: Any, right: Any) -> bool:
    if sign in {"==", "!="}:
        return equal(left, right) is (sign == "==")
    pair = (left.casefold(), right.casefold()) if isinstance(left, str) and isinstance(right, str) else None
    one, other = pair or (_number(left), _number(right))
    return {"<": one < other, "<=": one <= other, ">": one > other, ">=": one >= other}[sign]


def _contains(where: Any, what: Any) -> bool:
    if isinstance(where, list):
        return any(equal(item, what) for item in where)
    return text_of(what).casefold() in text_of(where).casefold()


def _from_json(text: Any) -> Any:
    try:
        return json.loads(text_of(text))
    except ValueError as error:
        raise ExpressionError(f"Error parsing fromJson: {text_of(text)!r}: {error}") from error


def _format(pattern: Any, *values: Any) -> str:
    def filled(match: re.Match[str]) -> str:
        return {"{{": "{", "}}": "}"}.get(match[0]) or text_of(values[int(match[1])])

    return re.sub(r"\{\{|\}\}|\{(\d+)\}", filled, text_of(pattern))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "contains": _contains,
    "startswith": lambda text, start: text_of(text).casefold().startswith(text_of(start).casefold()),
    "endswith": lambda text, end: text_of(text).casefold().endswith(text_of(end).casefold()),
    "format": _format,
    "join": lambda values, sign=",": text_of(sign).join(map(text_of, values if isinstance(values, list) else [values])),
    "tojson": lambda value: json.dumps(value, indent=2),
    "fromjson": _from_json,
}


def _index(value: Any, key: Any) -> Any:
    if key == "*":
        return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    if isinstance(value, list):
        return value[int(key)] if isinstance(key, float) and key < len(value) else _each(value, key)
    if isinstance(value, dict):
        return next((item for name, item in value.items() if name.casefold() == text_of(key).casefold()), None)
    return None


def _each(values: list[Any], key: Any) -> list[Any]:
    return [found for value in values if (found := _index(value, key)) is not None]


def evaluate(node: Node, contexts: Contexts, status: Mapping[str, bool] | None = None) -> Any:
    """The value of a tree; LATER where it depends on what `contexts` holds as LATER.

    Args:
        node: From `parse`.
        contexts: The contexts that may be used here; those known later are LATER.
        status: What success(), failure(), cancelled() and always() say here; without it they are known later.

    Raises:
        ExpressionError: A context or function that GitHub does not have here, or JSON that is none.
    """
    if node.kind == "literal":
        return node.value
    if node.kind == "name":
        if node.value.lower() not in contexts:
            raise ExpressionError(f"Unrecognized named-value: '{node.value}'")
        return contexts[node.value.lower()]
    if node.kind in {"&&", "||"}:
        left = evaluate(node.parts[0], contexts, status)
        goes_on = left is not LATER and truthy(left) is (node.kind == "&&")
        return evaluate(node.parts[1], contexts, status) if goes_on else left
    values = [evaluate(part, contexts, status) for part in node.parts]
    if any(value is LATER for value in values):
        return LATER
    return _called(node.value, values, status or {}) if node.kind == "call" else _operated(node.kind, values)


def _called(name: str, values: list[Any], status: Mapping[str, bool]) -> Any:
    if name.lower() in {*STATUS, "hashfiles"}:
        return status.get(name.lower(), LATER)
    if name.lower() not in FUNCTIONS:
        raise ExpressionError(f"Unrecognized function: '{name}'")
    return FUNCTIONS[name.lower()](*values)


def _operated(kind: str, values: list[Any]) -> Any:
    if kind == "not":
        return not truthy(values[0])
    return _index(*values) if kind == "index" else _compare(kind, *values)


def condition(code: str) -> Node:
    """The tree of an `if`, which asks for success() as well where it names no function of the status."""
    match = INSIDE.fullmatch(code.strip())
    tree = parse((match["code"] if match else code).strip() or "success()")
    return tree if calls(tree) & set(STATUS) else Node("&&", parts=(Node("call", "success"), tree))


def filled(value: Any, contexts: Contexts) -> Any:
    """A piece of a workflow file with each expression replaced by its value; one alone keeps its type."""
    if isinstance(value, dict):
        return {filled(key, contexts): filled(item, contexts) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, contexts) for item in value]
    if not isinstance(value, str):
        return value
    if whole := INSIDE.fullmatch(value.strip()):
        return evaluate(parse(whole["code"]), contexts)
    return INSIDE.sub(lambda match: text_of(evaluate(parse(match["code"]), contexts)), value)
