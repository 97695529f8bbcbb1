"""A log group of a CloudWatch that runs in this process: page after page, and every way in which it can refuse."""

import json
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline import aws
from pipeline.errors import LogError, SourceError
from pipeline.watch import WatchSettings, watch_lines, watch_log
from pipeline.watch.summary import LineCounts
from tests.fixtures.aws import SECRET
from tests.fixtures.service_log import MINUTE, Visits, older

NOW = datetime.now(UTC)


@pytest.fixture
def client(logs_client: Any) -> Any:
    return logs_client


def put(client: Any, lines: list[bytes], streams: int = 2) -> str:
    """A log group with these lines, dealt out to streams as several Lambda instances write them."""
    group = f"/aws/lambda/obesity-levels-{uuid.uuid4().hex}"
    client.create_log_group(logGroupName=group)
    for place in range(streams):
        client.create_log_stream(logGroupName=group, logStreamName=f"{place}")
        events = []
        for line in lines[place::streams]:
            when = json.loads(line)["_aws"]["Timestamp"]
            events += [{"timestamp": when, "message": line.decode()}]
            events += [{"timestamp": when, "message": "REPORT RequestId: 1f2e\n"}]
        for start in range(0, len(events), 1000):
            client.put_log_events(logGroupName=group, logStreamName=f"{place}", logEvents=events[start : start + 1000])
    return group


def recent() -> Visits:
    """Visits of the last day: CloudWatch takes no older ones."""
    return Visits(time=int(time.time() * 1000) - 1440 * MINUTE)


@pytest.fixture
def lines() -> list[bytes]:
    visits = recent()
    return [*visits.ask(900), *visits.ask(300, older)]


def test_a_log_group_is_read_page_by_page_and_says_what_a_file_would(client: Any, lines: list[bytes]) -> None:
    positions: list[tuple[int, int]] = []
    group = put(client, lines)
    summary = watch_log(f"cloudwatch:{group}", NOW, progress=lambda _, done, total: positions.append((done, total)))
    assert summary.lines == LineCounts(read=1200, used=1200, broken=0, foreign=0)
    assert summary.as_json()["versions"] == watch_lines(lines).as_json()["versions"]
    assert summary.drifting_versions == ("3",)
    assert positions
    assert all(0 <= done <= total for done, total in positions)


def test_lines_before_since_are_read_only_until_a_reference_is_kept(
    client: Any,
    lines: list[bytes],
    tmp_path: Path,
) -> None:
    group, kept = put(client, lines), tmp_path / "reference.json"
    settings = WatchSettings(since=NOW - timedelta(minutes=500))
    first = watch_log(f"cloudwatch:{group}", NOW, settings, kept)
    again = watch_log(f"cloudwatch:{group}", NOW, settings, kept)
    assert first.lines.read == 1200
    assert again.lines.read < 300
    assert [check.versions["3"].as_json()["windows"] for check in (first, again)] == [
        first.versions["3"].as_json()["windows"]
    ] * 2
    assert (first.drifting_versions, again.drifting_versions) == (("3",), ("3",))


def test_a_group_that_does_not_exist_is_named_with_the_command_that_lists_them(client: Any) -> None:
    assert client
    with pytest.raises(SourceError) as raised:
        watch_log("cloudwatch:/aws/lambda/gone", NOW)
    assert str(raised.value) == (
        "cloudwatch:/aws/lambda/gone cannot be read: there is no log group /aws/lambda/gone in this region and "
        "account: `aws logs describe-log-groups` lists them"
    )


def test_a_group_without_a_line_of_the_service_is_refused(client: Any) -> None:
    with pytest.raises(LogError, match="none of its 0 lines has a prediction's bins"):
        watch_log(f"cloudwatch:{put(client, [])}", NOW)


@pytest.mark.parametrize("name", ["", "with spaces", "a" * 600])
def test_a_name_that_no_group_can_have_is_refused_in_one_line(client: Any, name: str) -> None:
    assert client
    with pytest.raises(SourceError, match=r"^cloudwatch:.* cannot be read"):
        watch_log(f"cloudwatch:{name}", NOW)


def test_an_unreachable_network_is_reported_in_one_line_without_a_secret(
    client: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert client
    monkeypatch.setattr(aws, "ATTEMPTS", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(SourceError) as raised:
        watch_log("cloudwatch:/aws/lambda/any", NOW)
    assert str(raised.value) == (
        "cloudwatch:/aws/lambda/any cannot be read (EndpointConnectionError): check the network, AWS_ENDPOINT_URL "
        "and the region, then try again"
    )
    assert SECRET not in str(raised.value)
