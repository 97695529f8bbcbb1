"""Which tests run: `--fast` and `--no-act` leave tests out by the fixtures that they need, never by a mark.

And what is said at the end: what was skipped because this machine lacks it (a failure where CI is true), and whether a
fast test imported what the fast ones do without.
"""

import os
import sys
from collections import Counter
from typing import Any, NoReturn

import pytest

ACT = "tests.fixtures.workflows"
HEAVY = (
    "tests.fixtures.trained",
    "tests.fixtures.registry",
    "tests.fixtures.project",
    "tests.fixtures.service",
    "tests.fixtures.runtime",
    "tests.fixtures.aws",
    "tests.fixtures.browser",
    "tests.fixtures.doctor",
    "tests.fixtures.github",
    "tests.fixtures.simulated",
    ACT,
)
"""A fixture of these needs a trained model, a registry, the whole program, a server, SAM, act, a browser or minutes."""

pytest_plugins = ("tests.fixtures.data", *HEAVY)

NOT_IN_FAST = ("mlflow", "skl2onnx", "moto")
INSTALLED, GIVEN = "not to be had here: ", "not given here: "
IMPORTED = pytest.StashKey[set[str]]()


def not_installed(what: str) -> NoReturn:
    """Skip a test because a tool is missing that `make test` installs where it can; this fails in CI."""
    pytest.skip(INSTALLED + what)


def not_given(what: str) -> NoReturn:
    """Skip a test because data is missing that not everybody may have; this is said at the end and fails nowhere."""
    pytest.skip(GIVEN + what)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="only tests whose fixtures need no model, process or server")
    parser.addoption("--no-act", action="store_true", help="all tests but those that run the workflow files with act")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[IMPORTED] = set()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out each test with a fixture, its own or one that those need, of the modules that an option names."""
    modules = set(HEAVY) if config.getoption("--fast") else {ACT} if config.getoption("--no-act") else set[str]()
    left_out = [item for item in items if fixture_modules(item) & modules]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not fixture_modules(item) & modules]


def fixture_modules(item: pytest.Item) -> set[str]:
    """The modules that define the fixtures of a test, directly or through others."""
    definitions: dict[str, Any] = item._fixtureinfo.name2fixturedefs  # type: ignore[attr-defined]
    return {definition.func.__module__ for sharing in definitions.values() for definition in sharing}


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Make the run fail for what its end will say; a worker hands what it imported to the process that says so."""
    config = session.config
    config.stash[IMPORTED] |= {name for name in NOT_IN_FAST if name in sys.modules}
    if hasattr(config, "workeroutput"):
        config.workeroutput["imported"] = sorted(config.stash[IMPORTED])
    elif session.exitstatus == pytest.ExitCode.OK and complaints(config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash[IMPORTED] |= set(getattr(node, "workeroutput", {}).get("imported", ()))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> Any:
    """Say last what was not tested here and why."""
    result = yield
    lines = [f"{count} skipped, {reason}" for reason, count in skipped(config).items()] + complaints(config)
    if lines:
        terminalreporter.section("not tested here")
        for line in lines:
            terminalreporter.write_line(line)
    return result


def skipped(config: pytest.Config) -> Counter[str]:
    """How many tests were skipped, by the reason."""
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    reports = reporter.stats.get("skipped", []) if reporter else []
    reasons = [str(report.longrepr[2]).removeprefix("Skipped: ") for report in reports]
    return Counter(reason for reason in reasons if reason.startswith((INSTALLED, GIVEN)))


def complaints(config: pytest.Config) -> list[str]:
    """Why a run in which every test passed fails all the same."""
    lines = []
    if os.environ.get("CI") == "true" and any(reason.startswith(INSTALLED) for reason in skipped(config)):
        lines.append("CI is true, where everything must be tested: this run fails")
    if config.getoption("--fast") and config.stash[IMPORTED]:
        names = ", ".join(sorted(config.stash[IMPORTED]))
        lines.append(f"a fast test, or a file at its top, imports {names}: import it in a fixture of {HEAVY[0]} or so")
    return lines
