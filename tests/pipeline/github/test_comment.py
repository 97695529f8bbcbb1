"""One comment on a pull request, whatever is pushed and whatever the report holds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import InputError, ModelFileError, SourceError
from pipeline.github.api import GitHub
from pipeline.github.comment import post_comment, read_report, sanitize
from pipeline.github.run import FinishedRun
from pipeline.report.markdown import COMMENT_MARKER
from tests.fakes.github import BOT, READ_ONLY, RUN_URL, SHA, TOKEN, FakeGitHub, event, pull, serving

REPORT = "## Better\n\n| a | b |\n"
POSTED = (
    f"{COMMENT_MARKER}\n## Better\n\n| a | b |\n\n"
    f"<sub>Made by the code of this pull request at 12345678, in [this run]({RUN_URL}).</sub>\n"
)


@pytest.fixture
def fake() -> Iterator[FakeGitHub]:
    with serving(FakeGitHub(pulls=[pull()])) as running:
        yield running


def post(fake: FakeGitHub, report: str | None = REPORT, *, token: str = TOKEN, **changes: object) -> str:
    run = FinishedRun.from_event(event(**changes))  # type: ignore[arg-type]
    with GitHub(fake.address, token) as github:
        return post_comment(github, run, report)


def test_the_first_report_is_one_comment_and_the_next_takes_its_place(fake: FakeGitHub) -> None:
    assert post(fake) == "commented on pull request 7"
    assert [(item["number"], item["body"]) for item in fake.comments] == [(7, POSTED)]
    assert post(fake, "## Worse\n") == "updated the comment on pull request 7"
    assert [item["body"] for item in fake.comments] == [POSTED.replace("## Better\n\n| a | b |", "## Worse")]
    assert fake.asked == ["POST", "PATCH"]


def test_the_same_report_again_changes_nothing(fake: FakeGitHub) -> None:
    post(fake)
    assert post(fake) == "the comment on pull request 7 is up to date"
    assert fake.asked == ["POST"]


def test_the_comment_is_found_behind_hundreds_of_others(fake: FakeGitHub) -> None:
    for number in range(150):
        fake.add(7, f"comment {number}", "somebody")
    post(fake)
    post(fake, "## Worse\n")
    assert (len(fake.comments), fake.asked) == (151, ["POST", "PATCH"])


@pytest.mark.parametrize(("body", "login"), [(f"{COMMENT_MARKER}\nmine", "somebody"), (f"look: {COMMENT_MARKER}", BOT)])
def test_a_marker_of_somebody_else_or_elsewhere_is_not_taken_for_the_comment(
    fake: FakeGitHub, body: str, login: str
) -> None:
    fake.add(7, body, login)
    post(fake)
    assert [item["body"] for item in fake.comments] == [body, POSTED]


def test_a_fork_is_found_by_its_branch_and_commit(fake: FakeGitHub) -> None:
    fake.pulls = [pull(6, "us"), pull(8, "somebody", sha="0" * 40), pull(9, "somebody")]
    assert post(fake, fork=True) == "commented on pull request 9"


@pytest.mark.parametrize(
    "changes",
    [None, {"state": "closed"}, {"sha": "0" * 40}, {"branch": "another"}],
    ids=["no pull request", "closed", "moved on", "of another branch"],
)
@pytest.mark.parametrize("fork", [False, True])
def test_a_run_without_an_open_pull_request_at_its_commit_posts_nothing(
    fake: FakeGitHub, changes: dict[str, str] | None, fork: bool
) -> None:
    fake.pulls = [] if changes is None else [pull(owner="somebody" if fork else "us", **changes)]
    assert post(fake, fork=fork) == f"no open pull request ends at {SHA[:8]} any more: no comment"
    assert fake.asked == []


def test_a_run_that_ends_late_does_not_take_the_place_of_a_newer_commits_comment(fake: FakeGitHub) -> None:
    newer = "f" * 40
    fake.pulls = [pull(sha=newer)]
    post(fake, "## Newer\n", sha=newer)
    assert post(fake, "## Older\n") == f"no open pull request ends at {SHA[:8]} any more: no comment"
    assert [item["body"].splitlines()[1] for item in fake.comments] == ["## Newer"]


def test_a_dispatched_run_comments_on_the_pull_request_of_its_commit(fake: FakeGitHub) -> None:
    assert post(fake, started_by="workflow_dispatch") == "commented on pull request 7"
    fake.pulls = []
    assert post(fake, started_by="workflow_dispatch") == f"no open pull request ends at {SHA[:8]} any more: no comment"


@pytest.mark.parametrize("conclusion", ["action_required", "cancelled", "skipped", "stale", "neutral"])
def test_a_run_that_did_not_do_its_work_posts_nothing(fake: FakeGitHub, conclusion: str) -> None:
    assert post(fake, None, conclusion=conclusion) == f"the run ended with {conclusion}: no comment"
    assert post(fake, conclusion=conclusion) == f"the run ended with {conclusion}: no comment"
    assert fake.asked == []


def test_a_success_without_a_report_only_updates_an_earlier_comment(fake: FakeGitHub) -> None:
    assert post(fake, None) == "pull request 7 does not change the model: no comment"
    assert fake.comments == []
    post(fake)
    post(fake, None)
    assert "This pull request does not change the model." in fake.comments[0]["body"]


@pytest.mark.parametrize("conclusion", ["failure", "timed_out"])
def test_a_failure_without_a_report_says_that_there_is_none(fake: FakeGitHub, conclusion: str) -> None:
    post(fake, None, conclusion=conclusion)
    assert f"**No report: the run ended with {conclusion} before it wrote one.**" in fake.comments[0]["body"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ask @us/owners and @me", "ask @\u200bus/owners and @\u200bme"),
        (f"a\n{COMMENT_MARKER}\n", "a"),
        ("a <!-- hidden\nlines --> b <!-- open", "a  b "),
        ("nul\x00", "nul"),
        ("x" * 64_001, "x" * 64_000 + "\n\n(shortened: the whole report is in the run's artifact)"),
    ],
)
def test_a_strangers_text_mentions_nobody_hides_nothing_and_is_shortened(text: str, expected: str) -> None:
    assert sanitize(text) == expected.rstrip()


def test_a_report_of_any_length_is_a_comment_that_github_takes(fake: FakeGitHub) -> None:
    assert post(fake, "é" * 200_000) == "commented on pull request 7"
    assert "(shortened: the whole report is in the run's artifact)" in fake.comments[0]["body"]


def test_the_report_is_read_as_text_and_a_missing_one_is_none(tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    assert read_report(path) is None
    path.write_text(REPORT, encoding="utf-8")
    assert read_report(path) == REPORT
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ModelFileError, match="not UTF-8"):
        read_report(path)


def test_a_link_to_a_file_of_the_runner_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    (tmp_path / "report.md").symlink_to(tmp_path / "secret")
    assert read_report(tmp_path / "report.md") is None


def test_a_run_on_anything_but_a_pull_request_is_refused(fake: FakeGitHub) -> None:
    with pytest.raises(InputError, match="started by push, expected pull_request or workflow_dispatch"):
        post(fake, started_by="push")
    with pytest.raises(InputError, match="workflow_run"):
        FinishedRun.from_event({"pull_request": {}})


def test_a_refusal_and_an_unreachable_github_say_what_was_asked(fake: FakeGitHub) -> None:
    with pytest.raises(SourceError, match="refuses GET /repos/us/obesity/pulls: 401 Bad credentials"):
        post(fake, token="another")
    with (
        GitHub("http://127.0.0.1:9", TOKEN) as nowhere,
        pytest.raises(SourceError, match="cannot be reached"),
    ):
        nowhere.request("POST", "/repos", json={})


def test_a_token_that_may_only_read_is_refused_in_githubs_words(fake: FakeGitHub) -> None:
    with pytest.raises(SourceError, match="comments: 403 Resource not accessible by integration"):
        post(fake, token=READ_ONLY)
