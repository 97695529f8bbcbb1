"""What a revision and the working tree hold, read from a real git repository; and the command that compares them."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.main import app
from pipeline.errors import InputError, ModelFileError
from pipeline.files import CHAMPION_FOLDER
from pipeline.report.answers import RecordAnswer
from pipeline.report.base import against
from pipeline.report.snapshot import of_revision, of_tree
from tests.fixtures.project import Project
from tests.fixtures.repository import away_from_github, begin, commit, git, write

METRICS = {"confidence": 0.95, "out_of_fold": {"accuracy": 0.5}}
ANSWERS = "record,fold,actual,predicted,confidence\n1,0,A,A,0.9\n2,1,A,B,0.8\n"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit on main, which holds reports."""
    away_from_github(monkeypatch)
    return begin(
        tmp_path / "repository",
        reports__metrics_json=json.dumps(METRICS),
        params_yaml="forest: {trees: 5, depth: null}\n",
    )


def test_a_revision_is_read_as_it_was_committed_whatever_lies_here_now(repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    write(repository, reports__metrics_json="{}", reports__data_json='{"records": 3}')
    committed, here = of_revision(repository, "main"), of_tree(repository)
    assert (committed.name, committed.metrics, committed.data) == (f"main ({first[:8]})", METRICS, None)
    assert committed.params == {"forest.trees": 5, "forest.depth": None}
    assert (here.name, here.metrics, here.data) == ("this", {}, {"records": 3})
    assert of_revision(repository, first[:10]).name == first[:8]


def test_a_project_below_the_repositorys_root_is_found(repository: Path) -> None:
    write(repository, sub__reports__metrics_json='{"holdout": {}}')
    commit(repository)
    assert of_revision(repository / "sub", "HEAD").metrics == {"holdout": {}}


@pytest.mark.parametrize("rev", ["nowhere", "", "--all", "HEAD~1", "main:reports"])
def test_a_revision_that_is_none_is_refused(repository: Path, rev: str) -> None:
    with pytest.raises(InputError, match=r"no commit .* fetch it first"):
        of_revision(repository, rev)


def test_a_folder_without_git_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no commit"):
        of_revision(tmp_path, "HEAD")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("reports__metrics_json", "{", r"reports/metrics.json \(.*\) is not JSON"),
        ("reports__data_json", "[]", r"reports/data.json \(.*\) is not a report"),
        ("params_yaml", "a: [", r"params.yaml \(.*\) is not YAML"),
    ],
)
def test_a_damaged_report_on_either_side_is_named(repository: Path, file: str, text: str, message: str) -> None:
    write(repository, **{file: text})
    with pytest.raises(ModelFileError, match=message):
        of_tree(repository)
    commit(repository)
    with pytest.raises(ModelFileError, match=message):
        of_revision(repository, "HEAD")


def test_answers_count_only_if_they_are_those_of_the_metrics(repository: Path) -> None:
    write(repository, reports__answers_csv=ANSWERS)
    assert of_tree(repository).answers == {("1", "A"): RecordAnswer("0", "A"), ("2", "A"): RecordAnswer("1", "B")}
    write(repository, reports__answers_csv=ANSWERS.replace(",B,", ",A,"))
    assert of_tree(repository).answers is None
    write(repository, reports__answers_csv="record\n1\n")
    assert of_tree(repository).answers is None


def test_a_package_counts_only_if_it_holds_this_model(repository: Path) -> None:
    write(repository, reports__parity_json='{"model_sha256": "a"}', build__package_json='{"model_sha256": "a"}')
    assert of_tree(repository).package == {"model_sha256": "a"}
    write(repository, build__package_json='{"model_sha256": "b"}')
    assert of_tree(repository).package is None


LOCK = """\
stages:
  train:
    deps: [{{path: code.py, md5: {md5}}}]
    params: {{params.yaml: {{forest: {{trees: 5, depth: null}}}}}}
    outs: [{{path: reports/metrics.json, md5: {out}}}]
"""


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(
    ("change", "stale"),
    [
        ({}, ()),
        ({"code.py": "print(2)"}, ("train: code.py is not what was locked",)),
        ({"params.yaml": "forest: {trees: 6, depth: null}"}, ("train: forest in params.yaml is not what was locked",)),
        (
            {"params.yaml": "forest: {trees: 5, depth: null, new: 1}"},
            ("train: forest in params.yaml is not what was locked",),
        ),
        ({"params.yaml": "forest: {trees: 5, depth: null}\nother: 1"}, ()),
        ({"reports/metrics.json": "{}"}, ("train: reports/metrics.json is not what was locked",)),
        ({"dvc.yaml": "stages: {train: {}, watch: {}}"}, ("stage watch is in dvc.yaml but not in dvc.lock",)),
    ],
)
def test_a_lock_that_is_not_of_the_files_here_is_stale(
    repository: Path, change: dict[str, str], stale: tuple[str, ...]
) -> None:
    text = json.dumps(METRICS)
    files = {"code.py": "print(1)", "dvc.yaml": "stages: {train: {}}"}
    files |= {"dvc.lock": LOCK.format(md5=md5("print(1)"), out=md5(text))}
    for name, content in (files | change).items():
        (repository / name).write_text(content, encoding="utf-8")
    assert of_tree(repository).stale == stale


@pytest.mark.parametrize(
    ("change", "stale"),
    [
        ({}, ()),
        ({"code.py": "print(2)"}, ("train: code.py is not what was locked",)),
        ({"params.yaml": "forest: {trees: 6, depth: null}"}, ("train: forest in params.yaml is not what was locked",)),
        ({"reports/metrics.json": "{}"}, ("train: reports/metrics.json is not what was locked",)),
    ],
)
def test_a_lock_that_is_not_of_the_files_in_its_commit_is_stale_there(
    repository: Path, change: dict[str, str], stale: tuple[str, ...]
) -> None:
    text = json.dumps(METRICS)
    lock = LOCK.format(md5=md5("print(1)"), out=md5(text)).replace("deps: [", "deps: [{path: folder, md5: 1.dir}, ")
    files = {"code.py": "print(1)", "params.yaml": "forest: {trees: 5, depth: null}", "dvc.lock": lock}
    for name, content in (files | {"folder/code.py": "", "reports/metrics.json": text} | change).items():
        (repository / name).parent.mkdir(exist_ok=True)
        (repository / name).write_text(content, encoding="utf-8")
    commit(repository)
    assert of_revision(repository, "HEAD").stale == stale


def test_two_commits_of_a_project_are_compared_by_the_command(trained_project: Path, tmp_path: Path) -> None:
    root = tmp_path / "project"
    shutil.copytree(trained_project, root, symlinks=True)
    project = Project(root)
    git(root, "checkout", "-q", "-b", "main")
    first = commit(root)
    unchanged = project.run("report", "--against", "main", "--refuse-worse")
    assert unchanged.returncode == 0
    assert re.match(
        r"## 🟡 FLOORS ONLY: \*\*\d\d\.\d\d% \[.*\]\*\* accuracy on records .*; there is no champion yet",
        unchanged.stdout,
    )
    assert f"The same model and figures as `main ({first[:8]})`." in unchanged.stdout
    project.set_params(forest={"n_estimators": 1, "max_features": 1})
    stale = project.run("report", "--against", "main")
    assert stale.stdout.startswith("## 🔧 FIX LOCK: ")
    assert "- train: forest in params.yaml is not what was locked" in stale.stdout
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # dvc.yaml says `python`
    command = [sys.executable, "-m", "dvc", "repro", "-q"]
    again = subprocess.run(
        command, cwd=root, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stdout + again.stderr
    worse = project.run("report", "--against", "auto", "--out", "build/report.md", "--refuse-worse")
    assert worse.returncode == 3
    text = (root / "build/report.md").read_text(encoding="utf-8")
    assert re.match(r"## ⛔ DO NOT MERGE: \*\*-\d+\.\d\d points \[-.*\] against main\*\* in ", text)
    assert f"Worse than `main ({first[:8]})`." in text
    assert " paired, 600 | ▼ worse |" in text  # DVC's cache still has what the first commit answered
    assert "| `forest.n_estimators` | `20` | `1` |" in text
    assert "dvc.lock is stale" not in text
    git(root, "config", "core.quotepath", "off")
    second = commit(root)
    change = against(first, root=root)
    assert (change.outcome, change.model.base == change.model.this, second != first) == ("worse", False, True)
    shutil.rmtree(root / ".dvc/cache")
    assert against(first, root=root).paired == 600  # it is the champion, whose graphs are here
    shutil.rmtree(root / CHAMPION_FOLDER)
    assert against(first, root=root).paired is None


@pytest.mark.parametrize("words", [("--out", "x.md"), ("--refuse-worse",)])
def test_options_of_a_comparison_need_a_commit(words: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="need --against REV"):
        CliRunner().invoke(app, ["report", *words], catch_exceptions=False)
