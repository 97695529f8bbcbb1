"""A dispatched run says how it ended by a status, because its own checks do not count."""

from collections.abc import Iterator

import pytest

from pipeline.errors import InputError, SourceError
from pipeline.github.actions import Message
from pipeline.github.api import GitHub
from pipeline.github.checks import post_status
from pipeline.github.run import FinishedRun
from tests.fakes.github import RUN_URL, SHA, TOKEN, FakeGitHub, event, serving


@pytest.fixture
def fake() -> Iterator[FakeGitHub]:
    with serving(FakeGitHub()) as running:
        yield running


def post(fake: FakeGitHub, token: str = TOKEN, **changes: object) -> Message:
    run = FinishedRun.from_event(event(**({"started_by": "workflow_dispatch"} | changes)))  # type: ignore[arg-type]
    with GitHub(fake.address, token) as github:
        return post_status(github, run)


def test_the_status_has_the_name_of_the_required_check(fake: FakeGitHub) -> None:
    assert post(fake).text == f"status model of {SHA[:8]}: success"
    assert post(fake, workflow="ci.yml", conclusion="timed_out").text == f"status ci of {SHA[:8]}: failure"
    assert fake.statuses == [
        {
            "sha": SHA,
            "context": "model",
            "state": "success",
            "target_url": RUN_URL,
            "description": "pull-request.yml, started for a commit that a workflow made, passed",
        },
        {
            "sha": SHA,
            "context": "ci",
            "state": "failure",
            "target_url": RUN_URL,
            "description": "ci.yml, started for a commit that a workflow made, ended with timed_out",
        },
    ]


@pytest.mark.parametrize(
    ("conclusion", "state"),
    [
        ("success", "success"),
        ("failure", "failure"),
        ("cancelled", "failure"),
        ("startup_failure", "failure"),
        ("skipped", None),
        ("action_required", None),
    ],
)
def test_only_what_passed_is_a_success_and_what_did_not_run_is_nothing(
    fake: FakeGitHub, conclusion: str, state: str | None
) -> None:
    post(fake, conclusion=conclusion)
    assert [status["state"] for status in fake.statuses] == ([state] if state else [])


@pytest.mark.parametrize(
    "changes", [{"started_by": "pull_request"}, {"workflow": "retrain.yml"}, {"fork": True}], ids=str
)
def test_any_other_run_gets_no_status(fake: FakeGitHub, changes: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"expected ci\.yml or pull-request\.yml, started by workflow_dispatch"):
        post(fake, **changes)
    assert fake.asked == []


def test_a_token_that_may_not_is_refused_in_githubs_words(fake: FakeGitHub) -> None:
    with pytest.raises(SourceError, match="403 Resource not accessible by integration"):
        post(fake, token=fake.token(contents="write"))
