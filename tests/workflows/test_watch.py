"""watch.yml, run as GitHub runs it, day after day: a log in CloudWatch, one issue, one retraining."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.github.issue import TITLE
from tests.fakes.hub import Hub
from tests.fakes.ran import Ran
from tests.fixtures.service_log import Person, log, shuffled_people

pytestmark = pytest.mark.xdist_group("runs")

GROUP = "/aws/lambda/obesity-levels-prod"
WATCHING_ROLE = "arn:aws:iam::123456789012:role/watch"


Days = tuple[Hub, list[tuple[Ran, list[str]]]]


def asked(hub: Hub, people: Sequence[Person], hours_ago: int) -> None:
    """People ask the service, a second apart."""
    logs, until = hub.client("logs"), datetime.now(UTC) - timedelta(hours=hours_ago)
    events = [
        {"timestamp": json.loads(line)["_aws"]["Timestamp"], "message": line}
        for line in log(people, until, version="1")
    ]
    for first in range(0, len(events), 100):
        logs.put_log_events(logGroupName=GROUP, logStreamName="one", logEvents=events[first : first + 100])


@pytest.fixture(scope="module")
def days(first_hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Days:
    """Three days of a team that retrains on drift: heavier people, the same again, people as they were.

    Each day's run, and what it asked GitHub for.
    """
    hub = first_hub.clone(tmp_path_factory.mktemp("watched") / "hub", "watched")
    logs = hub.client("logs")
    logs.create_log_group(logGroupName=GROUP)
    logs.create_log_stream(logGroupName=GROUP, logStreamName="one")
    asked(hub, shuffled_people()[:500], hours_ago=3)
    asked(hub, shuffled_people(15)[500:700], hours_ago=2)
    runs = []
    for day in range(3):
        if day == 2:
            asked(hub, shuffled_people()[700:900], hours_ago=1)
        known = len(hub.github.asked)
        ran = hub.dispatch("watch", WATCH_LOG=f"cloudwatch:{GROUP}", RETRAIN_ON_DRIFT="true")
        assert ran.jobs == {"watch": "success", "report": "success"}, ran.said
        runs.append((ran, hub.github.asked[known:]))
    return hub, runs


def test_a_drift_opens_one_issue_updates_it_and_closes_it_when_it_is_over(days: Days) -> None:
    hub, runs = days
    github = hub.github
    assert [asked for _, asked in runs] == [["open", "start", "update"], ["update"], ["POST", "close"]]
    (issue,) = github.issues
    assert (issue["title"], issue["label"], issue["state"]) == (TITLE, "drift", "closed")
    assert issue["body"].splitlines()[2].startswith("## Drift in version 1 since ")
    assert "| `Weight` |" in issue["body"]
    assert "[Pictures of each column over time](https://github.example/artifacts/drift)" in issue["body"]
    (last,) = github.comments
    assert last["body"].startswith("The drift is over. Steady: no drift in version 1")


def test_a_drift_starts_one_retraining_with_the_reason(days: Days) -> None:
    ((workflow, order),) = days[0].github.started
    assert (workflow, order["ref"]) == ("retrain.yml", "main")
    assert order["inputs"]["reason"].startswith("drift, issue #20: Drift in version 1 since ")


def test_a_run_hands_over_result_text_and_pictures_and_its_summary_is_the_text(days: Days) -> None:
    _, runs = days
    artifact = runs[-1][0].artifacts / "drift"
    assert sorted(path.name for path in artifact.iterdir()) == ["drift-1.png", "drift.json", "issue.md"]
    assert (artifact / "issue.md").read_text(encoding="utf-8").strip() in runs[-1][0].said


def test_only_the_job_that_reads_the_log_becomes_the_role(days: Days) -> None:
    assert days[0].written("roles") == [WATCHING_ROLE] * 3


def test_without_a_log_to_watch_the_run_says_what_to_set(first_hub: Hub, tmp_path: Path) -> None:
    hub = first_hub.clone(tmp_path / "hub", "unwatched")
    ran = hub.dispatch("watch")
    assert ran.jobs == {"no log is set": "success"}
    ((_, title, text),) = ran.annotations("notice")
    assert (title, text.startswith("No log is watched. Set the variable WATCH_LOG")) == ("watch", True)
    assert hub.written("roles") == []
