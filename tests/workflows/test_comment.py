"""comment.yml, run as GitHub runs it, against a GitHub that listens on this machine."""

from collections.abc import Iterator

import pytest

from tests.fakes.github import FakeGitHub, event, pull, serving
from tests.fakes.hub import Hub
from tests.fakes.ran import Ran

pytestmark = pytest.mark.xdist_group("workflows")


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    with serving(FakeGitHub(pulls=[pull(owner="somebody")])) as fake:
        yield fake


def finished(hub: Hub, github: FakeGitHub, report: str) -> Ran:
    """What GitHub runs when the run of a fork's pull request has ended and left a report."""
    (hub.artifacts / "report").mkdir(parents=True, exist_ok=True)
    (hub.artifacts / "report/report.md").write_text(report, encoding="utf-8")
    return hub.act("workflow_run", "comment", event(fork=True), api=github.address)


def test_a_pull_request_gets_one_comment_and_then_an_update_of_the_same(first_hub: Hub, github: FakeGitHub) -> None:
    assert finished(first_hub, github, "## Better\n").jobs == {"comment": "success"}
    assert finished(first_hub, github, "## Worse\n").jobs == {"comment": "success"}
    assert github.asked == ["POST", "PATCH"]
    assert [(item["number"], item["body"].splitlines()[1]) for item in github.comments] == [(7, "## Worse")]


def test_a_run_that_was_not_for_a_pull_request_gets_no_comment(first_hub: Hub, github: FakeGitHub) -> None:
    finished = event()
    finished["workflow_run"]["event"] = "push"
    ran = first_hub.act("workflow_run", "comment", finished, api=github.address)
    assert (ran.jobs, github.asked) == ({}, [])
