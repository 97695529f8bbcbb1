"""The watch of one run after another: references outlive the runner and the log, and none is lost."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline import aws
from pipeline.errors import RaceLostError
from pipeline.github.issue import DriftReport
from pipeline.loop import watch as ci_watch
from pipeline.watch import WatchSettings, WatchSummary
from tests.fixtures.service_log import log, shuffled_people

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = "registry/references.json"
WEEK = WatchSettings(since=NOW - timedelta(days=7))


@dataclass(frozen=True)
class Store:
    """A bucket, and the references that are kept in it."""

    client: Any
    name: str

    @property
    def url(self) -> str:
        return f"s3://{self.name}/registry"

    def write(self, body: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=KEY, Body=body)

    def read(self) -> bytes:
        content: bytes = self.client.get_object(Bucket=self.name, Key=KEY)["Body"].read()
        return content


@pytest.fixture
def store(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(tmp_path)
    return Store(aws.client("s3"), bucket)


def look(store: str | None, heavier: float = 0, *, first: int = 0, count: int = 700) -> WatchSummary:
    """What a run finds whose log holds so many people, so much heavier than usual from the 500th on."""
    lines = [
        *log(shuffled_people()[first:500], NOW - timedelta(hours=1)),
        *log(shuffled_people(heavier)[500 : first + count], NOW),
    ]
    Path("service.log").write_text("\n".join(lines), encoding="utf-8")
    return ci_watch.watch("service.log", store, NOW, WEEK)


def test_a_run_leaves_the_result_the_text_and_a_picture(store: Store) -> None:
    assert look(store.url, heavier=15).drifting_versions == ("2",)
    assert sorted(path.name for path in ci_watch.FOLDER.iterdir()) == ["drift-2.png", "drift.json", "issue.md"]
    report = DriftReport.from_folder(ci_watch.FOLDER)
    assert report.state == "drifting"
    assert report.headline.startswith("Drift in version 2 since 2026-11-23 11:")
    assert (ci_watch.FOLDER / "drift-2.png").read_bytes().startswith(b"\x89PNG")


def test_what_was_normal_outlives_the_log(store: Store) -> None:
    assert look(store.url).drifting_versions == ()
    assert DriftReport.from_folder(ci_watch.FOLDER).state == "steady"
    before = json.loads(store.read())["versions"]
    assert (list(before), before["2"]["records"]) == (["2"], 500)
    ci_watch.REFERENCES.unlink()  # the next runner is empty
    assert look(store.url, heavier=15, first=500, count=200).drifting_versions == ("2",)
    assert json.loads(store.read())["versions"] == before


def test_without_a_place_for_references_the_log_alone_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert look(None, heavier=15).drifting_versions == ("2",)
    assert look(None, heavier=15, first=500, count=200).versions["2"].verdict == "too few"


def test_a_run_that_loses_the_race_for_the_references_is_refused(store: Store) -> None:
    def meanwhile(*_: object) -> None:
        store.write(b"theirs")

    Path("service.log").write_text("\n".join(log(shuffled_people()[:700], NOW)), encoding="utf-8")
    with pytest.raises(RaceLostError, match=r"another run wrote .*: run again"):
        ci_watch.watch("service.log", store.url, NOW, WEEK, meanwhile)
    assert store.read() == b"theirs"
