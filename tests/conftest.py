"""The root of the suite: its fixtures by what they need, and `--fast`, which leaves out what needs more than Python.

Nothing heavy is imported here or at the top of a module of fixtures, so that a file of pure functions need not wait.
"""

import os
import sys

import pytest
from hypothesis import settings

LIGHT = ("tests.fixtures.data",)
HEAVY = (
    "tests.fixtures.trained",
    "tests.fixtures.registry",
    "tests.fixtures.project",
    "tests.fixtures.service",
    "tests.fixtures.runtime",
    "tests.fixtures.aws",
    "tests.fixtures.browser",
    "tests.fixtures.workflows",
)
"""A fixture of these needs a trained model, a registry, a process, a server, SAM, act or a browser."""

pytest_plugins = (*LIGHT, *HEAVY)

NOT_IN_FAST = ("mlflow", "skl2onnx", "moto")

# Whole commands run in processes of their own; without the bytecode kept, importing MLflow takes longer than training.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# The machine's load must not fail a test, and a failure must be the same one on every machine.
settings.register_profile("project", deadline=None, derandomize=True, max_examples=50, database=None)
settings.load_profile("project")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="only tests without a fixture that needs a model or a process")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --fast, leave out every test with a heavy fixture, its own or one that those need."""
    if config.getoption("--fast"):
        heavy = [item for item in items if heavy_fixtures(item)]
        config.hook.pytest_deselected(items=heavy)
        items[:] = [item for item in items if not heavy_fixtures(item)]


def heavy_fixtures(item: pytest.Item) -> list[str]:
    """Names of the fixtures that a test needs, directly or through others, and that a heavy module defines."""
    definitions = getattr(item, "_fixtureinfo").name2fixturedefs  # noqa: B009  pytest's own has no public name
    return [name for name, found in definitions.items() if any(one.func.__module__ in HEAVY for one in found)]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """With --fast, fail if a test made this process import what the fast tests do without."""
    imported = [name for name in NOT_IN_FAST if name in sys.modules]
    if session.config.getoption("--fast") and imported:
        raise pytest.UsageError(f"a fast test, or a file at its top, imports {', '.join(imported)}: use a fixture")
