"""One idea, one name: a class name occurs once in the house."""

import ast
from collections import defaultdict

from tests.paths import ROOT

FOLDERS = ("pipeline", "lambda_api", "golden_hook", "benchmarks")


def classes() -> dict[str, list[str]]:
    """Each class's name -> the files that define a class of this name at their top."""
    places = defaultdict(list)
    for path in sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(path.relative_to(ROOT).as_posix())
    return places


def test_a_class_name_occurs_once() -> None:
    places_of = classes()
    assert len(places_of) > 100
    assert {name: places for name, places in places_of.items() if len(places) > 1} == {}
