"""comment.yml, run as GitHub runs it, after a run of pull-request.yml that left a report."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.files import digest
from tests.fakes.hub import Hub
from tests.fakes.ran import Ran

pytestmark = pytest.mark.xdist_group("runs")

FORK = "somebody/obesity"


@pytest.fixture
def hub(first_hub: Hub, tmp_path: Path) -> Hub:
    """A hub of the test's own, with a branch that changes a document."""
    hub = first_hub.clone(tmp_path / "hub", f"hub-{digest(str(tmp_path).encode())[:16]}")
    (hub.repository.root / "README.md").write_text("# Better words\n", encoding="utf-8")
    hub.commit("Say it better")
    return hub


def reported(ran: Ran, report: str) -> Ran:
    """The same run as if it had trained and left a report."""
    folder = ran.artifacts / "report"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "report.md").write_text(report, encoding="utf-8")
    return ran


def test_a_pull_request_gets_one_comment_and_then_an_update_of_the_same(hub: Hub) -> None:
    ran = hub.pull_request(repository=FORK)
    for report in ("## Better\n", "## Worse\n"):
        assert hub.workflow_run("comment", reported(ran, report)).jobs["comment"] == "success"
    ((number, text),) = [(item["number"], item["body"]) for item in hub.github.comments]
    assert (number, text.splitlines()[1]) == (7, "## Worse")


def test_a_run_of_main_gets_no_comment(hub: Hub) -> None:
    ran = hub.pull_request()
    pushed = replace(ran, event={}, github={**ran.github, "event_name": "push"})
    assert hub.workflow_run("comment", pushed).jobs == {}
    assert hub.github.asked == []


def test_a_forks_run_is_commented_and_nothing_is_committed_to_its_branch(hub: Hub) -> None:
    ran = hub.workflow_run("comment", reported(hub.pull_request(repository=FORK), "## Better\n"))
    assert ran.jobs == {"comment": "success"}
    assert "commit the results" in ran.skipped
