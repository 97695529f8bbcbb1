"""A job's text with all that GitHub knows before the job starts filled in; the rest is left for the runner."""

import json
from typing import Any

from tests.fakes.expression_tree import Node, parse
from tests.fakes.expressions import INSIDE, LATER, Contexts, condition, evaluate, text_of


def _quoted(value: Any) -> str:
    if value is None or isinstance(value, bool | int | float):
        return text_of(value) if value is not None else "null"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return f"fromJSON({_quoted(json.dumps(value))})"


def written(node: Node, contexts: Contexts) -> str:
    """A tree as text again, each part that is known replaced by its value."""
    value = evaluate(node, contexts)
    if node.kind == "name" and (value is LATER or LATER in value.values()):
        return str(node.value)
    if value is not LATER:
        return _quoted(value)
    if node.kind == "call":
        return f"{node.value}({', '.join(written(part, contexts) for part in node.parts)})"
    if node.kind == "not":
        return f"!({written(node.parts[0], contexts)})"
    if node.kind == "index":
        return f"{written(node.parts[0], contexts)}[{written(node.parts[1], contexts)}]"
    return f"({written(node.parts[0], contexts)} {node.kind} {written(node.parts[1], contexts)})"


def settled(value: Any, contexts: Contexts) -> Any:
    """A step or a job's environment with what is known filled in."""
    if isinstance(value, dict):
        return {
            key: written(condition(str(item)), contexts) if key == "if" else settled(item, contexts)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [settled(item, contexts) for item in value]
    if not isinstance(value, str):
        return value

    def part(code: str) -> str:
        tree = parse(code)
        known = evaluate(tree, contexts)
        return text_of(known) if known is not LATER else "${{ " + written(tree, contexts) + " }}"

    return INSIDE.sub(lambda match: part(match["code"]), value)
