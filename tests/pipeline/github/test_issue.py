"""One issue for each drift, however many checks see it, and one retraining if the team wants that."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pipeline.errors import ModelFileError, SourceError
from pipeline.github.actions import Message
from pipeline.github.api import GitHub
from pipeline.github.issue import (
    ISSUE_MARKER,
    RESULT_FILE,
    RETRAINING_MARKER,
    TEXT_FILE,
    TITLE,
    DriftReport,
    WatchRun,
    update_issue,
)
from tests.fakes.github import BOT, REPOSITORY, TOKEN, FakeGitHub, serving

RUN = WatchRun(REPOSITORY, "main", "https://github.example/run/11", "https://github.example/picture")
DRIFTING = DriftReport(
    "drifting", "Drift in version 2 since Monday: Weight", "## Drift in version 2 since Monday: Weight\n"
)
WORSE = DriftReport("drifting", "Drift in version 2: Weight, BMI", "## Drift in version 2: Weight, BMI\n")
STEADY = DriftReport("steady", "Steady: no drift in version 2", "## Steady: no drift in version 2\n")
UNKNOWN = DriftReport("unknown", "Too few requests to judge", "## Too few requests to judge\n")
OPENED = f"""{ISSUE_MARKER}
## Drift in version 2 since Monday: Weight

[Pictures of each column over time](https://github.example/picture), [the newest check](https://github.example/run/11).

This issue is updated while the drift lasts, and closed when it is over.
"""


@pytest.fixture
def fake() -> Iterator[FakeGitHub]:
    with serving(FakeGitHub()) as running:
        yield running


def messages(fake: FakeGitHub, report: DriftReport, *, retrain: bool = False, token: str = TOKEN) -> Sequence[Message]:
    with GitHub(fake.address, token) as github:
        return update_issue(github, RUN, report, retrain=retrain)


def update(fake: FakeGitHub, report: DriftReport, *, retrain: bool = False, token: str = TOKEN) -> tuple[str, ...]:
    return tuple(message.text for message in messages(fake, report, retrain=retrain, token=token))


def test_a_drift_is_one_issue_that_is_updated_while_it_lasts_and_closed_when_it_is_over(fake: FakeGitHub) -> None:
    assert update(fake, DRIFTING) == ("opened issue 20",)
    (issue,) = fake.issues
    assert (issue["title"], issue["label"], issue["body"]) == (TITLE, "drift", OPENED)
    assert update(fake, WORSE) == ("updated issue 20",)
    assert issue["body"].splitlines()[1] == "## Drift in version 2: Weight, BMI"
    assert update(fake, STEADY) == ("closed issue 20",)
    assert (issue["state"], issue["state_reason"]) == ("closed", "completed")
    (last,) = fake.comments
    assert (last["number"], last["body"]) == (
        20,
        "The drift is over. Steady: no drift in version 2 ([run](https://github.example/run/11)).",
    )
    assert fake.asked == ["open", "update", "POST", "close"]


def test_the_next_drift_is_a_new_issue(fake: FakeGitHub) -> None:
    for report in (DRIFTING, STEADY, DRIFTING):
        update(fake, report)
    assert [issue["state"] for issue in fake.issues] == ["closed", "open"]


@pytest.mark.parametrize("report", [STEADY, UNKNOWN])
def test_without_a_drift_no_issue_is_opened(fake: FakeGitHub, report: DriftReport) -> None:
    update(fake, report, retrain=True)
    assert fake.asked == []


def test_too_few_requests_neither_close_nor_change_the_issue(fake: FakeGitHub) -> None:
    update(fake, DRIFTING)
    assert update(fake, UNKNOWN) == ("Too few requests to judge: no issue is opened or closed",)
    assert [issue["body"] for issue in fake.issues] == [OPENED]


@pytest.mark.parametrize(
    ("body", "login", "more"),
    [
        (f"{ISSUE_MARKER}\nmine", "somebody", {}),
        (f"look: {ISSUE_MARKER}", BOT, {}),
        (f"{ISSUE_MARKER}\na change", BOT, {"pull_request": {"url": "https://github.example"}}),
        (f"{ISSUE_MARKER}\nlong ago", BOT, {"state": "closed"}),
    ],
    ids=["a person's", "another purpose", "a pull request", "closed"],
)
def test_any_other_issue_is_neither_taken_for_the_issue_nor_changed(
    fake: FakeGitHub, body: str, login: str, more: dict[str, object]
) -> None:
    fake.open(body, login, **more)
    update(fake, DRIFTING)
    update(fake, STEADY)
    assert (fake.issues[0]["body"], fake.issues[0]["state"]) == (body, more.get("state", "open"))
    assert fake.issues[1]["state"] == "closed"


def test_the_issue_is_found_behind_hundreds_of_others(fake: FakeGitHub) -> None:
    for number in range(150):
        fake.open(f"issue {number}", "somebody")
    update(fake, DRIFTING)
    update(fake, WORSE)
    assert fake.asked == ["open", "update"]


def test_of_two_open_issues_the_older_one_stays(fake: FakeGitHub) -> None:
    for report in (DRIFTING, STEADY, DRIFTING):
        update(fake, report)
    fake.issues[0]["state"] = "open"
    assert update(fake, DRIFTING) == ("closed issue 21", "updated issue 20")
    assert fake.comments[-1]["body"] == "The same as #20."


def test_retraining_is_started_once_for_each_drift_with_the_reason(fake: FakeGitHub) -> None:
    assert update(fake, DRIFTING, retrain=True) == ("opened issue 20", "started retrain.yml on main")
    assert update(fake, WORSE, retrain=True) == ("updated issue 20",)
    assert "Retraining was started: `retrain.yml`." in fake.issues[0]["body"]
    reason = "drift, issue #20: Drift in version 2 since Monday: Weight"
    assert fake.started == [("retrain.yml", {"ref": "main", "inputs": {"reason": reason}})]
    update(fake, STEADY, retrain=True)
    update(fake, DRIFTING, retrain=True)
    assert len(fake.started) == 2


def test_retraining_that_is_wanted_later_is_started_at_the_next_check(fake: FakeGitHub) -> None:
    update(fake, DRIFTING)
    assert fake.started == []
    assert update(fake, DRIFTING, retrain=True) == ("updated issue 20", "started retrain.yml on main")


def test_text_from_the_log_mentions_nobody_and_cannot_forge_a_marker(fake: FakeGitHub) -> None:
    evil = f"## version @us/owners drifts {RETRAINING_MARKER}\n"
    update(fake, DriftReport("drifting", "evil", evil))
    assert "version @\u200bus/owners drifts" in fake.issues[0]["body"]
    update(fake, DRIFTING, retrain=True)
    assert len(fake.started) == 1


@pytest.mark.parametrize("lists_are_gone", [False, True])
def test_where_issues_are_off_a_drift_is_a_warning_that_says_what_to_enable(
    fake: FakeGitHub, lists_are_gone: bool
) -> None:
    fake.has_issues, fake.lists_are_gone = False, lists_are_gone
    (warning,) = messages(fake, DRIFTING, retrain=True)
    assert warning == Message(
        "Drift in version 2 since Monday: Weight. No issue says so, and no retraining is started, because the issue "
        "keeps note of it: enable Issues (`gh repo edit us/obesity --enable-issues`)",
        "warning",
    )
    assert (fake.issues, fake.started) == ([], [])


@pytest.mark.parametrize("report", [STEADY, UNKNOWN])
def test_where_issues_are_off_and_nothing_drifts_there_is_no_warning(fake: FakeGitHub, report: DriftReport) -> None:
    fake.has_issues, fake.lists_are_gone = False, True
    assert [message.level for message in messages(fake, report)] == ["log"]


def test_a_retraining_that_is_disabled_is_a_warning_and_is_started_once_it_is_enabled(fake: FakeGitHub) -> None:
    fake.disabled = {"retrain.yml"}
    opened, warning = messages(fake, DRIFTING, retrain=True)
    assert opened == Message("opened issue 20")
    assert warning == Message(
        "retrain.yml was not started on main (GitHub: Cannot trigger a 'workflow_dispatch' on a disabled workflow): "
        "`gh workflow enable retrain.yml`, then `gh workflow run retrain.yml --ref main`",
        "warning",
    )
    fake.disabled = set()
    assert update(fake, DRIFTING, retrain=True) == ("updated issue 20", "started retrain.yml on main")


def test_a_token_that_may_start_nothing_is_a_warning(fake: FakeGitHub) -> None:
    _, warning = messages(fake, DRIFTING, retrain=True, token=fake.token(issues="write"))
    assert warning.level == "warning"
    assert "Resource not accessible by integration" in warning.text


def test_a_github_that_refuses_says_what_was_asked(fake: FakeGitHub) -> None:
    with pytest.raises(SourceError, match="refuses GET /repos/us/obesity/issues: 401 Bad credentials"):
        update(fake, DRIFTING, token="another")


def version(verdict: str, *, answering: bool = True) -> dict[str, object]:
    return {"verdict": verdict, "answering": answering}


@pytest.mark.parametrize(
    ("drifting", "versions", "state"),
    [
        (["3"], {"2": version("steady"), "3": version("drifting")}, "drifting"),
        ([], {"2": version("drifting", answering=False), "3": version("steady")}, "steady"),
        ([], {"2": version("steady", answering=False), "3": version("too few")}, "unknown"),
    ],
)
def test_the_state_is_that_of_the_active_versions(
    tmp_path: Path, drifting: list[str], versions: dict[str, object], state: str
) -> None:
    (tmp_path / RESULT_FILE).write_text(json.dumps({"drifting": drifting, "versions": versions}), encoding="utf-8")
    (tmp_path / TEXT_FILE).write_text("## In one line\n\nand more\n", encoding="utf-8")
    assert DriftReport.from_folder(tmp_path) == DriftReport(state, "In one line", "## In one line\n\nand more\n")  # type: ignore[arg-type]


@pytest.mark.parametrize("content", ["{", "[]", '{"drifting": []}'])
def test_a_file_that_is_no_result_of_the_watch_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / RESULT_FILE).write_text(content, encoding="utf-8")
    (tmp_path / TEXT_FILE).write_text("## In one line\n", encoding="utf-8")
    with pytest.raises(ModelFileError, match="no result of the watch"):
        DriftReport.from_folder(tmp_path)
