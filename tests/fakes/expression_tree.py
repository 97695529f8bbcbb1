"""The text of one of GitHub's expressions -> a tree of its operations."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

TOKEN = re.compile(
    r"\s*(?:(?P<number>-?\d+(?:\.\d+)?)|'(?P<text>(?:[^']|'')*)'|(?P<name>[A-Za-z_][\w-]*)"
    r"|(?P<sign>&&|\|\||==|!=|<=|>=|[<>!()\[\],.*]))"
)
WORDS = {"true": True, "false": False, "null": None}
LEVELS = (("||",), ("&&",), ("==", "!="), ("<", "<=", ">", ">="))
"""The signs that bind least come first."""


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


def names(node: Node) -> set[str]:
    """The contexts that a tree names."""
    own = {node.value.lower()} if node.kind == "name" else set()
    return own.union(*(names(part) for part in node.parts))


def calls(node: Node) -> set[str]:
    """The functions that a tree calls."""
    own = {node.value.lower()} if node.kind == "call" else set()
    return own.union(*(calls(part) for part in node.parts))
