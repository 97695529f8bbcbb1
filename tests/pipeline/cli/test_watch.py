"""The command: its exit codes, what it writes, and what it leaves alone."""

import json
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.watch import app
from pipeline.errors import InputError
from pipeline.watch import watch_lines
from tests.fixtures.project import Command
from tests.fixtures.service_log import Visits, older


@pytest.fixture
def run(command: Command, tmp_path: Path) -> Command:
    """Runs the command in the test's folder with next to nothing in its environment."""
    return partial(command, "watch", folder=tmp_path, environment={"PATH": "", "HOME": str(tmp_path)})


def test_steady_exits_with_0_and_writes_result_and_picture(run: Command, tmp_path: Path) -> None:
    lines = Visits().ask(700)
    (tmp_path / "a.log").write_bytes(b"".join(lines))
    done = run("--log", "a.log")
    assert (done.returncode, done.stderr.splitlines()[1:]) == (0, [])
    assert "steady" in done.stdout
    assert json.loads((tmp_path / "reports/drift.json").read_text()) == watch_lines(lines).as_json() | {"log": "a.log"}
    assert sorted(path.name for path in (tmp_path / "reports").rglob("*")) == ["drift-3.png", "drift.json", "figures"]


def test_drifting_exits_with_3_in_one_line_and_writes_all_that_was_asked_for(run: Command, tmp_path: Path) -> None:
    visits = Visits()
    (tmp_path / "a.log").write_bytes(b"".join([*visits.ask(700), *visits.ask(200, older)]))
    done = run(
        *("--log", "*.log", "--since", "2026-09-01", "--window", "150", "--reference", "400"),
        *("--reference-file", "kept.json", "--out", "o.json", "--figures", "f", "--markdown", "issue.md"),
    )
    assert (done.returncode, done.stderr.splitlines()[1:]) == (
        3,
        ["DriftRefusal: drift in version 3 since 2026-09-22 01:54: Age"],
    )
    assert json.loads((tmp_path / "o.json").read_text())["drifting"] == ["3"]
    assert (tmp_path / "issue.md").read_text().startswith("## Drift in version 3 since 2026-09-22 01:54: Age\n")
    assert json.loads((tmp_path / "kept.json").read_text())["versions"]["3"]["records"] == 400
    assert (tmp_path / "f/drift-3.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--log", "gone.log"], "LogError: --log gone.log: no such file; expected FILE, a pattern in quotes, or "),
        (["--log", "*.gz"], "LogError: --log *.gz: no file matches the pattern; "),
        (["--log", "other.txt"], "LogError: other.txt: none of its 1 lines has a prediction's bins; "),
        (["--log", "a.log", "--since", "soon"], "LogError: --since: got 'soon', expected 30m, 12h, 7d, 2w or a date"),
        (["--log", "a.log", "--window", "10"], "LogError: --window: got 10, expected 100 or more"),
        (["--log", "a.log", "--model", "nowhere"], "ModelFileError: nowhere/manifest.json cannot be read"),
        (["--log", "a.log", "--reference-file", "other.txt"], "ModelFileError: other.txt holds no references: "),
    ],
)
def test_bad_input_is_refused_with_a_remedy_and_leaves_the_last_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.log").write_bytes(b"".join(Visits().ask(700)))
    (tmp_path / "other.txt").write_text("START RequestId: 1f2e\n")
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/drift.json").write_text("the last one")
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, InputError)
    assert f"{type(done.exception).__name__}: {done.exception}".startswith(message)
    assert (tmp_path / "reports/drift.json").read_text() == "the last one"
    assert (tmp_path / "other.txt").read_text() == "START RequestId: 1f2e\n"


def test_bad_input_exits_with_2_and_without_a_traceback(run: Command) -> None:
    done = run("--log", "gone.log")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith("LogError: --log gone.log: no such file")
    assert "Traceback" not in done.stderr
