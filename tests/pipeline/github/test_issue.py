"""One issue for each drift, however often the watch looks, and one retraining if the team wants that."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import ModelFileError, SourceError
from pipeline.github import issue as drift
from pipeline.github.api import GitHub
from tests.fakes.github import BOT, REPOSITORY, TOKEN, FakeGitHub, serving

RUN = drift.Run(REPOSITORY, "main", "https://github.example/run/11", "https://github.example/picture")
DRIFTING = drift.Seen("drifting", "Version 2 drifts since Monday: Weight", "## Version 2 drifts since Monday: Weight\n")
WORSE = drift.Seen("drifting", "Version 2 drifts: Weight, BMI", "## Version 2 drifts: Weight, BMI\n")
STEADY = drift.Seen("steady", "Steady: version 2", "## Steady: version 2\n")
UNKNOWN = drift.Seen("unknown", "Too few requests to say", "## Too few requests to say\n")
OPENED = f"""{drift.COMMENT_MARKER}
## Version 2 drifts since Monday: Weight

[Pictures of each column over time](https://github.example/picture), [the run that looked last](https://github.example/run/11).

This issue is updated while the drift lasts, and closed when it is over.
"""


@pytest.fixture
def fake() -> Iterator[FakeGitHub]:
    with serving(FakeGitHub()) as found:
        yield found


def tell(fake: FakeGitHub, seen: drift.Seen, *, retrain: bool = False, token: str = TOKEN) -> tuple[str, ...]:
    with GitHub(fake.address, token) as github:
        return drift.tell(github, RUN, seen, retrain=retrain)


def test_a_drift_is_one_issue_that_is_updated_while_it_lasts_and_closed_when_it_is_over(fake: FakeGitHub) -> None:
    assert tell(fake, DRIFTING) == ("opened issue 20",)
    (issue,) = fake.issues
    assert (issue["title"], issue["label"], issue["body"]) == (drift.TITLE, "drift", OPENED)
    assert tell(fake, WORSE) == ("updated issue 20",)
    assert issue["body"].splitlines()[1] == "## Version 2 drifts: Weight, BMI"
    assert tell(fake, STEADY) == ("closed issue 20",)
    assert (issue["state"], issue["state_reason"]) == ("closed", "completed")
    (last,) = fake.comments
    assert (last["number"], last["body"]) == (
        20,
        "It is over: Steady: version 2 ([run](https://github.example/run/11)).",
    )
    assert fake.asked == ["open", "update", "POST", "close"]


def test_the_next_drift_is_a_new_issue(fake: FakeGitHub) -> None:
    for seen in (DRIFTING, STEADY, DRIFTING):
        tell(fake, seen)
    assert [issue["state"] for issue in fake.issues] == ["closed", "open"]


@pytest.mark.parametrize("seen", [STEADY, UNKNOWN])
def test_without_a_drift_nothing_is_said(fake: FakeGitHub, seen: drift.Seen) -> None:
    tell(fake, seen, retrain=True)
    assert fake.asked == []


def test_too_few_requests_neither_close_nor_change_the_issue(fake: FakeGitHub) -> None:
    tell(fake, DRIFTING)
    assert tell(fake, UNKNOWN) == ("Too few requests to say: nothing is opened or closed",)
    assert [issue["body"] for issue in fake.issues] == [OPENED]


@pytest.mark.parametrize(
    ("body", "login", "more"),
    [
        (f"{drift.COMMENT_MARKER}\nmine", "somebody", {}),
        (f"look: {drift.COMMENT_MARKER}", BOT, {}),
        (f"{drift.COMMENT_MARKER}\na change", BOT, {"pull_request": {"url": "https://github.example"}}),
        (f"{drift.COMMENT_MARKER}\nlong ago", BOT, {"state": "closed"}),
    ],
    ids=["a person's", "another purpose", "a pull request", "closed"],
)
def test_what_is_not_ours_is_neither_taken_for_the_issue_nor_touched(
    fake: FakeGitHub, body: str, login: str, more: dict[str, object]
) -> None:
    fake.open(body, login, **more)
    tell(fake, DRIFTING)
    tell(fake, STEADY)
    assert (fake.issues[0]["body"], fake.issues[0]["state"]) == (body, more.get("state", "open"))
    assert fake.issues[1]["state"] == "closed"


def test_the_issue_is_found_behind_hundreds_of_others(fake: FakeGitHub) -> None:
    for number in range(150):
        fake.open(f"issue {number}", "somebody")
    tell(fake, DRIFTING)
    tell(fake, WORSE)
    assert fake.asked == ["open", "update"]


def test_of_two_open_issues_the_older_one_stays(fake: FakeGitHub) -> None:
    for seen in (DRIFTING, STEADY, DRIFTING):
        tell(fake, seen)
    fake.issues[0]["state"] = "open"
    assert tell(fake, DRIFTING) == ("closed issue 21", "updated issue 20")
    assert fake.comments[-1]["body"] == "The same as #20."


def test_retraining_is_started_once_for_each_drift_with_the_reason(fake: FakeGitHub) -> None:
    assert tell(fake, DRIFTING, retrain=True) == ("opened issue 20", "started retrain.yml")
    assert tell(fake, WORSE, retrain=True) == ("updated issue 20",)
    assert "Retraining was started: `retrain.yml`." in fake.issues[0]["body"]
    reason = "drift, issue #20: Version 2 drifts since Monday: Weight"
    assert fake.started == [("retrain.yml", {"ref": "main", "inputs": {"reason": reason}})]
    tell(fake, STEADY, retrain=True)
    tell(fake, DRIFTING, retrain=True)
    assert len(fake.started) == 2


def test_who_wants_retraining_later_gets_it_at_the_next_look(fake: FakeGitHub) -> None:
    tell(fake, DRIFTING)
    assert fake.started == []
    assert tell(fake, DRIFTING, retrain=True) == ("updated issue 20", "started retrain.yml")


def test_text_from_the_log_mentions_nobody_and_cannot_pass_for_a_note_of_ours(fake: FakeGitHub) -> None:
    evil = f"## version @us/owners drifts {drift.RETRAINING}\n"
    tell(fake, drift.Seen("drifting", "evil", evil))
    assert "version @\u200bus/owners drifts" in fake.issues[0]["body"]
    tell(fake, DRIFTING, retrain=True)
    assert len(fake.started) == 1


def test_a_github_that_refuses_says_what_was_asked(fake: FakeGitHub) -> None:
    with pytest.raises(SourceError, match="refuses GET /repos/us/obesity/issues: 401"):
        tell(fake, DRIFTING, token="another")  # noqa: S106


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
def test_the_state_is_that_of_the_versions_that_answer(
    tmp_path: Path, drifting: list[str], versions: dict[str, object], state: str
) -> None:
    (tmp_path / drift.RESULT).write_text(json.dumps({"drifting": drifting, "versions": versions}), encoding="utf-8")
    (tmp_path / drift.TEXT).write_text("## In one line\n\nand more\n", encoding="utf-8")
    assert drift.Seen.of_folder(tmp_path) == drift.Seen(state, "In one line", "## In one line\n\nand more\n")  # type: ignore[arg-type]


@pytest.mark.parametrize("content", ["{", "[]", '{"drifting": []}'])
def test_a_result_that_is_none_of_the_watch_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / drift.RESULT).write_text(content, encoding="utf-8")
    (tmp_path / drift.TEXT).write_text("## In one line\n", encoding="utf-8")
    with pytest.raises(ModelFileError, match="no result of the watch"):
        drift.Seen.of_folder(tmp_path)
