"""GitHub's expressions, `${{ ... }}`: read, evaluated, or evaluated as far as their contexts are known.

Values, comparisons and functions as in https://docs.github.com/en/actions/reference/evaluate-expressions-in-workflows-and-actions.
A context that a key of the workflow file may not use is an error, as on GitHub ("Unrecognized named-value").
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Contexts = Mapping[str, Any]
STATUS = ("success", "failure", "cancelled", "always")
TOKEN = re.compile(
    r"\s*(?:(?P<number>-?\d+(?:\.\d+)?)|'(?P<text>(?:[^']|'')*)'|(?P<name>[A-Za-z_][\w-]*)"
    r"|(?P<sign>&&|\|\||==|!=|<=|>=|[<>!()\[\],.*]))"
)
INSIDE = re.compile(r"\$\{\{(?P<code>(?:'[^']*'|[^'])*?)\}\}")
WORDS = {"true": True, "false": False, "null": None}
LATER = object()
"""Stands for what is only known while the job runs."""


class ExpressionError(Exception):
    """What GitHub refuses to evaluate."""


@dataclass(frozen=True)
class Node:
    """One operation of an expression: `kind` is literal, name, index, call, not, or the operator itself."""

    kind: str
    value: Any = None
    parts: tuple["Node", ...] = ()


def parse(code: str) -> Node:
    """An expression's text as a tree.

    Raises:
        ExpressionError: It is no expression.
    """
    tokens, position = [], 0
    while code[position:].strip():
        match = TOKEN.match(code, position)
        if not match:
            raise ExpressionError(f"Unexpected symbol: {code[position:].strip()!r} in {code!r}")
        tokens.append((match.lastgroup or "", match[match.lastgroup or 0]))
        position = match.end()
    parser = _Parser([*tokens, ("end", "")], code)
    tree = parser.operation(0)
    parser.expect("")
    return tree


LEVELS = (("||",), ("&&",), ("==", "!="), ("<", "<=", ">", ">="))


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]], code: str) -> None:
        self.tokens, self.code = tokens, code

    def expect(self, sign: str) -> None:
        if self.tokens.pop(0)[1] != sign:
            raise ExpressionError(f"Unexpected end or symbol in expression {self.code!r}")

    def operation(self, level: int) -> Node:
        if level == len(LEVELS):
            return self.unary()
        left = self.operation(level + 1)
        while self.tokens[0][0] == "sign" and self.tokens[0][1] in LEVELS[level]:
            sign = self.tokens.pop(0)[1]
            left = Node(sign, parts=(left, self.operation(level + 1)))
        return left

    def unary(self) -> Node:
        if self.tokens[0] == ("sign", "!"):
            self.tokens.pop(0)
            return Node("not", parts=(self.unary(),))
        return self.reached(self.single())

    def single(self) -> Node:
        kind, text = self.tokens.pop(0)
        if kind == "number":
            return Node("literal", float(text))
        if kind == "text":
            return Node("literal", text.replace("''", "'"))
        if kind == "name" and self.tokens[0] == ("sign", "("):
            return Node("call", text, tuple(self.listed(")")))
        if kind == "name":
            return Node("literal", WORDS[text.lower()]) if text.lower() in WORDS else Node("name", text)
        if (kind, text) == ("sign", "("):
            inner = self.operation(0)
            self.expect(")")
            return inner
        raise ExpressionError(f"Unexpected symbol: {text!r} in expression {self.code!r}")

    def listed(self, end: str) -> Iterable[Node]:
        self.tokens.pop(0)
        while self.tokens[0] != ("sign", end):
            yield self.operation(0)
            if self.tokens[0] == ("sign", ","):
                self.tokens.pop(0)
        self.tokens.pop(0)

    def reached(self, node: Node) -> Node:
        while self.tokens[0] in {("sign", "."), ("sign", "[")}:
            opened = self.tokens.pop(0)[1]
            if opened == ".":
                node = Node("index", parts=(node, Node("literal", self.tokens.pop(0)[1])))
            else:
                node = Node("index", parts=(node, self.operation(0)))
                self.expect("]")
        return node


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
    if node.kind == "call" and node.value.lower() in (*STATUS, "hashfiles"):
        return (status or {}).get(node.value.lower(), LATER)
    if node.kind in {"&&", "||"}:
        left = evaluate(node.parts[0], contexts, status)
        if left is LATER or truthy(left) is not (node.kind == "&&"):
            return left
        return evaluate(node.parts[1], contexts, status)
    values = [evaluate(part, contexts, status) for part in node.parts]
    if any(value is LATER for value in values):
        return LATER
    if node.kind == "not":
        return not truthy(values[0])
    if node.kind == "index":
        return _index(*values)
    if node.kind == "call":
        if node.value.lower() not in FUNCTIONS:
            raise ExpressionError(f"Unrecognized function: '{node.value}'")
        return FUNCTIONS[node.value.lower()](*values)
    return _compare(node.kind, *values)


def names(node: Node) -> set[str]:
    """The contexts that a tree names."""
    own = {node.value.lower()} if node.kind == "name" else set()
    return own.union(*(names(part) for part in node.parts))


def calls(node: Node) -> set[str]:
    """The functions that a tree calls."""
    own = {node.value.lower()} if node.kind == "call" else set()
    return own.union(*(calls(part) for part in node.parts))


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
