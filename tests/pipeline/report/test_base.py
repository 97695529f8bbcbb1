"""What a report compares with: the commit that the work started from, what GitHub merged onto, or the champion."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.files import CHAMPION_FOLDER, Layout
from pipeline.repo import default_base
from pipeline.report.base import AUTO, against
from tests.fixtures.repository import away_from_github, begin, commit, git, write

METRICS = {"confidence": 0.95, "out_of_fold": {"accuracy": 0.5}}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit on main, which holds reports."""
    away_from_github(monkeypatch)
    return begin(tmp_path / "repository", reports__metrics_json=json.dumps(METRICS), params_yaml="forest: {trees: 5}\n")


def test_without_git_or_a_commit_there_is_no_base(tmp_path: Path) -> None:
    assert default_base(tmp_path) is None
    git(tmp_path, "init", "-q")
    assert default_base(tmp_path) is None


def test_on_main_the_base_is_head_while_anything_was_changed_else_the_commit_before(repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    assert default_base(repository) is None
    write(repository, params_yaml="a: 1\n")
    assert default_base(repository) == first
    commit(repository)
    assert default_base(repository) == first


def test_on_a_branch_the_base_is_where_it_left_main(repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    git(repository, "checkout", "-q", "-b", "mine")
    commit(repository)
    commit(repository)
    assert default_base(repository) == first


def test_in_a_pull_request_the_base_is_where_it_left_its_target(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(repository, "checkout", "-q", "-b", "release/1")
    left = commit(repository)
    git(repository, "clone", "-q", str(repository), str(tmp_path / "clone"))
    git(tmp_path / "clone", "checkout", "-q", "--detach")
    commit(tmp_path / "clone")
    monkeypatch.setenv("GITHUB_BASE_REF", "release/1")
    assert default_base(tmp_path / "clone") == left


@pytest.fixture
def merged(repository: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """A pull request as actions/checkout leaves it: merged with today's main, which moved since; main and the head.

    Nobody fetched today's main into a branch here, so `main` is still where the pull request left it.
    """
    git(repository, "checkout", "-q", "-b", "mine")
    write(repository, readme="better words\n")
    head = commit(repository)
    git(repository, "checkout", "-q", "--detach", "main")
    write(repository, params_yaml="forest: {trees: 3}\n")
    main = commit(repository)
    git(repository, "merge", "-q", "--no-ff", "-m", "Merge mine into main", "mine")
    monkeypatch.setenv("GITHUB_EVENT_NAME", "pull_request")
    monkeypatch.setenv("GITHUB_BASE_REF", "main")
    monkeypatch.setenv("HEAD_SHA", head)
    return main, head


def test_what_changed_on_main_alone_is_not_reported_as_the_pull_requests(
    repository: Path, merged: tuple[str, str]
) -> None:
    main, _ = merged
    assert default_base(repository) == main
    comparison = against(AUTO, root=repository)
    assert comparison.base
    assert (comparison.base.name, comparison.params) == (f"main ({main[:8]})", ())


def test_a_head_that_is_itself_a_merge_is_compared_with_where_it_left_main(
    repository: Path, merged: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main, head = merged
    git(repository, "checkout", "-q", "mine")
    git(repository, "merge", "-q", "--no-ff", "-m", "Merge main into mine", main)
    git(repository, "branch", "-f", "main", main)
    monkeypatch.setenv("HEAD_SHA", git(repository, "rev-parse", "HEAD"))
    assert git(repository, "rev-parse", "HEAD^1") == head
    assert default_base(repository) == main


@pytest.mark.parametrize("named", [True, False])
def test_a_merge_group_is_compared_with_what_it_is_merged_onto(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    first = git(repository, "rev-parse", "HEAD")
    git(repository, "checkout", "-q", "--detach")
    before = commit(repository)
    commit(repository)
    event = {"merge_group": {"base_sha": first if named else "0" * 40}}
    (tmp_path / "event.json").write_text(json.dumps(event), encoding="utf-8")
    monkeypatch.setenv("GITHUB_EVENT_NAME", "merge_group")
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(tmp_path / "event.json"))
    assert default_base(repository) == (first if named else before)


def test_a_commit_named_by_its_digits_is_called_main_on_github(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = git(repository, "rev-parse", "HEAD")
    names = []
    for server in ("", "https://github.com"):
        monkeypatch.setenv("GITHUB_SERVER_URL", server)
        monkeypatch.setenv("GITHUB_REPOSITORY", "o/r")
        comparison = against(first, root=repository)
        assert comparison.base
        names.append(comparison.base.name)
    assert names == [first[:8], f"main ({first[:8]})"]


def exported(root: Path, model: str = "c", **metrics: Any) -> None:
    """Leave an export of a champion as the gate does."""
    folder = Path(CHAMPION_FOLDER)
    write(
        root,
        **{
            f"{folder}/reports/metrics_json": json.dumps(METRICS | metrics),
            f"{folder}/reports/parity_json": json.dumps({"model_sha256": model}),
        },
    )


@pytest.fixture
def scheduled(repository: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A scheduled run on main's second commit; its first."""
    first = git(repository, "rev-parse", "HEAD")
    commit(repository)
    for name, value in {
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "o/r",
        "GITHUB_EVENT_NAME": "schedule",
        "GITHUB_REF": "refs/heads/main",
    }.items():
        monkeypatch.setenv(name, value)
    return first


def judged(root: Path, champion_sha256: str | None, champion: int | None = 3) -> None:
    """Leave the gate's verdict about this model."""
    verdict = {"outcome": "kept", "challenger_sha256": "b", "champion_sha256": champion_sha256, "champion": champion}
    write(root, reports__verdict_json=json.dumps(verdict), reports__parity_json='{"model_sha256": "b"}')


@pytest.mark.parametrize("event", ["schedule", "workflow_dispatch"])
def test_a_run_on_main_that_nobody_pushed_to_is_compared_with_the_champion(
    repository: Path, scheduled: str, monkeypatch: pytest.MonkeyPatch, event: str
) -> None:
    del scheduled
    monkeypatch.setenv("GITHUB_EVENT_NAME", event)
    exported(repository, out_of_fold={"accuracy": 0.25})
    judged(repository, champion_sha256="c")
    comparison = against(AUTO, root=repository)
    assert comparison.base
    assert (comparison.base.name, comparison.params) == ("champion (version 3)", ())
    assert [(figure.base, figure.this) for figure in comparison.figures] == [(0.25, 0.5)]


@pytest.mark.parametrize(
    ("environment", "champion"),
    [
        ({"GITHUB_EVENT_NAME": "push"}, "c"),
        ({"GITHUB_EVENT_NAME": "workflow_dispatch", "GITHUB_REF": "refs/heads/mine"}, "c"),
        ({}, "another"),
        ({}, None),
    ],
    ids=["a push", "another branch", "another took its place", "the gate asked none"],
)
def test_any_other_run_is_compared_with_a_commit(
    repository: Path,
    scheduled: str,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    champion: str | None,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    exported(repository)
    judged(repository, champion)
    comparison = against(AUTO, root=repository)
    assert comparison.base
    assert comparison.base.name == f"main ({scheduled[:8]})"


def test_without_an_export_a_scheduled_run_is_compared_with_a_commit(repository: Path, scheduled: str) -> None:
    comparison = against(AUTO, root=repository)
    assert comparison.base
    assert comparison.base.name == f"main ({scheduled[:8]})"


@pytest.fixture
def trained(small_layout: Layout, repository: Path) -> Layout:
    """A repository whose commit holds the reports of the small model, which lies there as the champion too.

    DVC, which would have its answers, is not there.
    """
    layout = Layout(repository)
    shutil.copytree(small_layout.root, repository, dirs_exist_ok=True)
    layout.answers.rename(repository / "answers.csv")
    commit(repository)
    (repository / "answers.csv").rename(layout.answers)
    for folder in ("models", "reports"):
        shutil.copytree(small_layout.root / folder, repository / CHAMPION_FOLDER / folder)
    return layout


def test_the_champions_graphs_give_the_answers_that_are_not_here(trained: Layout) -> None:
    comparison = against("HEAD", root=trained.root)
    assert comparison.base
    assert comparison.base.answers == comparison.this.answers
    assert comparison.paired == len(comparison.this.answers or {}) > 0


def test_other_graphs_or_other_data_give_no_answers_of_the_base(trained: Layout, other_layout: Layout) -> None:
    champion = Layout(trained.root / CHAMPION_FOLDER)
    data = trained.data_report.read_text(encoding="utf-8")
    trained.data_report.write_text(json.dumps(json.loads(data) | {"sha256": "0" * 64}), encoding="utf-8")
    assert against("HEAD", root=trained.root).paired is None
    trained.data_report.write_text(data, encoding="utf-8")
    folds = shutil.copytree(champion.folds, trained.root / "folds")
    shutil.copytree(other_layout.folds, champion.folds, dirs_exist_ok=True)
    assert against("HEAD", root=trained.root).paired is None
    shutil.copytree(folds, champion.folds, dirs_exist_ok=True)
    assert against("HEAD", root=trained.root).paired
    shutil.copy(other_layout.model, champion.model)
    assert against("HEAD", root=trained.root).paired is None
