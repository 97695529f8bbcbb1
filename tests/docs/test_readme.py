"""What the README shows is what happens: its targets exist, its commands run, its figures are the reports'."""

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from pipeline.cli.show import results as show
from pipeline.files import Layout
from tests.paths import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = sorted(
    {
        line.removeprefix("$ ")
        for block in re.findall(r"^```console\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
        if line.startswith("$ ")
    }
)
TARGETS = sorted(
    {command for command in COMMANDS if command.startswith("make ")} | set(re.findall(r"`(make [a-z-]+)[^`]*`", README))
)
PIPELINE_COMMANDS = [command for command in COMMANDS if command.startswith("pipeline ")]
DVC = [command for command in COMMANDS if command.startswith("dvc ")]


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_readme_has_no_other_kind_of_command() -> None:
    assert set(COMMANDS) == {c for c in COMMANDS if c in PIPELINE_COMMANDS or c in DVC or c in TARGETS}
    assert {"make run", "make test"} <= set(TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_every_make_target_of_the_readme_is_there(target: str) -> None:
    done = run(["make", "--dry-run", *target.split()[1:]], ROOT)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", PIPELINE_COMMANDS + DVC)
def test_every_command_of_the_readme_runs(command: str, trained_project: Path, tmp_path: Path) -> None:
    project = Path(shutil.copytree(trained_project, tmp_path / "project"))
    shutil.copy(next((project / "data/raw").glob("*.csv")), project / "new.csv")
    if command.startswith(("dvc ", "pipeline report")):  # compares with a commit
        for words in (("add", "-A"), ("-c", "user.name=me", "-c", "user.email=me@example.org", "commit", "-qm", "all")):
            run(["git", *words], project)
    done = run(shlex.split(command), project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("shipped_model")
def test_the_figures_in_the_readme_are_those_of_the_reports() -> None:
    console = Console(width=110, file=io.StringIO(), record=True)
    console.print(show.metrics(Layout(ROOT)))
    shown = [line.strip() for line in console.export_text().splitlines() if line.strip()]
    assert [line for line in shown if line not in {text.strip() for text in README.splitlines()}] == []


def test_the_notebook_lines_of_the_readme_run(trained_project: Path) -> None:
    code = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)[0]
    done = run([sys.executable, "-c", code], trained_project)
    assert done.returncode == 0, done.stderr
    assert "Obesity" in done.stdout or "Weight" in done.stdout
