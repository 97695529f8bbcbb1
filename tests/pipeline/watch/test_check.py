"""The verdict: what is compared with what, when a drift starts, and when there are too few requests."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.errors import LogError, ModelFileError
from pipeline.files import write_json
from pipeline.watch import WatchSettings, references, watch_lines, watch_log
from pipeline.watch.measures import NAMES
from pipeline.watch.settings import parse_since
from pipeline.watch.summary import LineCounts, WatchSummary, iso
from tests.fixtures.service_log import MINUTE, START, Visits, older

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)


def verdicts(summary: WatchSummary) -> dict[str, str]:
    return {name: version.verdict for name, version in summary.versions.items()}


def windows(summary: WatchSummary, version: str = "3") -> list[int]:
    return [window.counts.records for window in summary.versions[version].windows]


def test_requests_like_the_first_ones_are_steady() -> None:
    summary = watch_lines(Visits().ask(1100))
    version = summary.versions["3"]
    assert (version.verdict, version.records, version.windows_compared, version.drifting_since) == (
        "steady",
        1100,
        3,
        None,
    )
    assert version.reference is not None
    assert (version.reference.records, version.reference.start) == (500, START + MINUTE)
    assert windows(summary) == [200, 200, 200]
    assert (summary.drifting_versions, summary.lines) == ((), LineCounts(read=1100, used=1100, broken=0, foreign=0))


def test_people_who_grew_older_are_reported_with_measure_amount_and_time() -> None:
    visits = Visits()
    summary = watch_lines([*visits.ask(900), *visits.ask(600, older)])
    version = summary.versions["3"]
    assert (summary.drifting_versions, version.verdict) == (("3",), "drifting")
    assert version.drifting_since == START + 901 * MINUTE
    (drifted,) = version.drifted
    assert drifted.name == "Age"
    assert drifted.psi > 2 * drifted.psi_limit
    assert drifted.shift is not None
    assert drifted.shift_limit is not None
    assert drifted.shift > 0.5 + 3 * drifted.shift_limit
    assert drifted.change == "mean about 24.8 -> 36.4"
    assert [bool(window.drift.drifted) for window in version.windows] == [False, False, True, True, True]


def test_a_drift_that_is_over_is_steady() -> None:
    visits = Visits()
    summary = watch_lines([*visits.ask(700), *visits.ask(200, older), *visits.ask(200)])
    assert [bool(w.drift.drifted) for w in summary.versions["3"].windows] == [False, True, False]
    assert (verdicts(summary), summary.versions["3"].drifting_since) == ({"3": "steady"}, None)


@pytest.mark.parametrize("asked", [1, 499, 500, 699])
def test_without_a_reference_and_a_window_there_are_too_few_requests(asked: int) -> None:
    summary = watch_lines(Visits().ask(asked))
    assert (verdicts(summary), summary.versions["3"].records) == ({"3": "too few"}, asked)
    assert (summary.versions["3"].reference is None) == (asked < 500)


def test_the_newest_requests_are_always_judged_even_if_some_were_judged_before() -> None:
    visits = Visits()
    summary = watch_lines([*visits.ask(900), *visits.ask(199, older)])
    version = summary.versions["3"]
    assert windows(summary) == [200, 200, 200]
    assert version.windows[-1].counts.start == START + 900 * MINUTE
    assert version.windows[-1].counts.end == START + 1099 * MINUTE
    assert version.verdict == "drifting"


def test_versions_in_one_log_are_kept_apart() -> None:
    old, new = Visits(1, "3"), Visits(2, "4", START + MINUTE // 2)
    lines = [*old.ask(900), *new.ask(900, older)]
    mixed = [line for pair in zip(lines[:900], lines[900:], strict=True) for line in pair]
    summary = watch_lines(mixed)
    assert verdicts(summary) == {"3": "steady", "4": "steady"}
    assert [windows(summary, name) for name in "34"] == [[200, 200], [200, 200]]


def test_a_version_that_others_have_replaced_raises_no_alarm() -> None:
    old = Visits(1, "3")
    lines = [*old.ask(700), *old.ask(200, older)]
    new = Visits(2, "4", old.time)
    summary = watch_lines([*lines, *new.ask(199)])
    assert (summary.drifting_versions, summary.versions["3"].active) == (("3",), True)
    summary = watch_lines([*lines, *new.ask(200)])
    assert (summary.drifting_versions, summary.versions["3"].active, verdicts(summary)["3"]) == ((), False, "drifting")


def test_lines_that_come_late_find_their_place() -> None:
    visits = Visits()
    lines = [*visits.ask(900), *visits.ask(400, older)]
    late = [line for start in range(0, 1300, 100) for line in reversed(lines[start : start + 100])]
    assert watch_lines(late).as_json() == watch_lines(lines).as_json()


def test_a_batch_is_never_split_and_fills_its_window_alone_or_with_requests_before_it() -> None:
    visits = Visits()
    summary = watch_lines([*visits.ask(500), *visits.ask(150), visits.ask_together(900), *visits.ask(200)])
    assert windows(summary) == [1050, 200]
    assert [window.counts.largest_batch for window in summary.versions["3"].windows] == [900, 1]
    assert verdicts(summary) == {"3": "steady"}


def test_a_batch_may_be_the_whole_reference() -> None:
    visits = Visits()
    summary = watch_lines([visits.ask_together(800), *visits.ask(200)])
    reference = summary.versions["3"].reference
    assert reference is not None
    assert (reference.records, windows(summary), verdicts(summary)) == (800, [200], {"3": "steady"})


def test_a_batch_of_other_people_is_a_drift_although_it_is_one_line() -> None:
    visits = Visits()
    summary = watch_lines([*visits.ask(700), visits.ask_together(5000, older)])
    assert verdicts(summary) == {"3": "drifting"}
    assert windows(summary) == [200, 5000]


def test_a_client_whose_unit_is_refused_is_a_drift_although_nothing_else_moves() -> None:
    visits = Visits()
    lines = [*visits.ask(300), *visits.refused(6), *visits.ask(200), *visits.ask(200)]
    for _ in range(30):
        lines += [*visits.ask(5), *visits.refused(2)]
    summary = watch_lines(lines)
    (drifted,) = summary.versions["3"].drifted
    assert (drifted.name, drifted.change) == ("errors", "answered 99% -> 71%")


def test_when_every_request_is_refused_the_columns_are_not_judged_but_the_refusals_are() -> None:
    visits = Visits()
    summary = watch_lines([*visits.ask(700), *visits.refused(500)])
    version = summary.versions["3"]
    assert [measure.name for measure in version.drifted] == ["errors"]
    assert version.windows[-1].as_json()["errors"] == 1.0
    assert {name for name, psi in version.windows[-1].drift.psi.items() if psi is not None} == {"errors"}


def test_fewer_refusals_than_before_are_good_news() -> None:
    visits = Visits()
    summary = watch_lines([*visits.ask(250), *visits.refused(150), *visits.ask(450)])
    assert summary.versions["3"].windows[-1].drift.psi["errors"] is not None
    assert verdicts(summary) == {"3": "steady"}


def test_only_windows_since_a_time_are_compared_but_the_reference_is_made_from_before() -> None:
    visits = Visits()
    lines = [*visits.ask(700), *visits.ask(400, older), *visits.ask(300)]
    since = datetime.fromtimestamp((START + 1101 * MINUTE) / 1000, UTC)
    summary = watch_lines(lines, WatchSettings(since=since))
    version = summary.versions["3"]
    assert version.reference is not None
    assert version.reference.start == START + MINUTE
    assert (version.windows[0].counts.start, version.windows_compared) == (START + 1101 * MINUTE, 2)
    assert verdicts(summary) == {"3": "steady"}


def test_a_reference_outlives_the_lines_that_it_was_made_from(tmp_path: Path) -> None:
    visits, log, kept = Visits(), tmp_path / "a.log", tmp_path / "kept/reference.json"
    first, later = visits.ask(700), visits.ask(400, older)
    log.write_bytes(b"".join(first))
    assert verdicts(watch_log(str(log), NOW, reference_file=kept)) == {"3": "steady"}
    written = kept.read_bytes()

    log.write_bytes(b"".join(later))
    assert verdicts(watch_log(str(log), NOW)) == {"3": "too few"}
    summary = watch_log(str(log), NOW, reference_file=kept)
    assert (verdicts(summary), windows(summary)) == ({"3": "drifting"}, [200, 200])

    log.write_bytes(b"".join([*first, *later]))
    again = watch_log(str(log), NOW, reference_file=kept)
    assert again.as_json() == watch_lines([*first, *later]).as_json() | {"log": str(log)}
    assert kept.read_bytes() == written


def test_a_reference_is_kept_once_it_is_complete_and_others_stay(tmp_path: Path) -> None:
    log, kept = tmp_path / "a.log", tmp_path / "reference.json"
    log.write_bytes(b"".join(Visits(1, "3").ask(499)))
    watch_log(str(log), NOW, reference_file=kept)
    assert not kept.exists()
    log.write_bytes(b"".join(Visits(1, "3").ask(500)))
    watch_log(str(log), NOW, reference_file=kept)
    log.write_bytes(b"".join(Visits(2, "4").ask(500)))
    watch_log(str(log), NOW, reference_file=kept)
    assert sorted(references.load(kept)) == ["3", "4"]


def test_a_kept_reference_holds_counts_and_no_person(tmp_path: Path) -> None:
    summary, path = watch_lines(Visits().ask(600)), tmp_path / "reference.json"
    references.save(path, summary.references)
    version = json.loads(path.read_text())["versions"]["3"]
    assert sorted(version) == ["confidence", "counts", "design_effect", "end", "largest", "records", "start"]
    assert sorted(version["counts"]) == sorted(NAMES)
    assert {sum(version["counts"][name]) for name in NAMES} == {500}


def test_a_reference_counted_in_other_bins_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "reference.json"
    references.save(path, watch_lines(Visits().ask(600)).references)
    write_json(path, json.loads(path.read_text()) | {"bins_id": "0123456789ab"})
    assert references.load(path) == {}


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"bins_id": "9053f62e14c5", "versions": {"3": {"counts": {}}}}'])
def test_a_reference_file_of_something_else_is_refused_and_stays(tmp_path: Path, content: str) -> None:
    log, path = tmp_path / "a.log", tmp_path / "reference.json"
    log.write_bytes(b"".join(Visits().ask(600)))
    path.write_text(content)
    with pytest.raises(ModelFileError, match=r"reference\.json holds no references: .* restore it, or delete it"):
        watch_log(str(log), NOW, reference_file=path)
    assert path.read_text() == content


def test_distance_from_the_training_data_is_information_and_no_alarm(model_dir: Path) -> None:
    manifest = references.load_manifest(model_dir)
    version = manifest.model_version
    summary = watch_lines(Visits(version=version).ask(900), manifest=manifest)
    distance = summary.versions[version].training_psi
    assert distance is not None
    assert max(value for value in distance.values() if value is not None) > 0.5
    assert (distance["warned"], distance["errors"]) == (None, None)
    assert verdicts(summary) == {version: "steady"}
    assert watch_lines(Visits(version="other").ask(900), manifest=manifest).versions["other"].training_psi is None


def test_a_log_without_a_line_of_the_service_says_what_was_expected() -> None:
    with pytest.raises(LogError) as raised:
        watch_lines([b"START RequestId: 1f2e", b"REPORT"])
    assert str(raised.value) == (
        "the log: none of its 2 lines has a prediction's bins; expected the output of the service with "
        "OBESITY_TELEMETRY=full and this contract"
    )


@pytest.mark.parametrize(("sizes", "name"), [({"window": 99}, "window"), ({"reference": 0}, "reference")])
def test_sizes_that_show_nothing_are_refused(sizes: dict[str, int], name: str) -> None:
    with pytest.raises(LogError, match=rf"^--{name}: got \d+, expected 100 or more"):
        WatchSettings(**sizes)


def test_the_json_has_the_keys_that_other_programs_read() -> None:
    visits = Visits()
    summary = watch_lines(
        [*visits.ask(500), *visits.ask(200, older)], WatchSettings(since=NOW - timedelta(days=365))
    ).as_json()
    version = summary["versions"]["3"]
    (window,) = version.pop("windows")
    drifted = version["drifting"]
    assert summary == {
        "since": "2025-11-23T10:00:00+00:00",
        "log": None,
        "window": 200,
        "lines": {"read": 700, "used": 700, "broken": 0, "foreign": 0},
        "drifting": ["3"],
        "versions": {"3": version},
    }
    assert version == {
        "verdict": "drifting",
        "answering": True,
        "records": 700,
        "reference": {
            "records": 500,
            "from": iso(START + MINUTE),
            "to": iso(START + 500 * MINUTE),
            "design_effect": 1.0,
        },
        "since": iso(START + 501 * MINUTE),
        "drifting": drifted,
        "windows_judged": 1,
        "training": None,
    }
    assert sorted(drifted[0]) == ["change", "limit", "psi", "shift", "shift_limit", "what"]
    assert sorted(window.pop("psi")) == sorted(NAMES)
    assert window == {
        "from": iso(START + 501 * MINUTE),
        "to": iso(START + 700 * MINUTE),
        "records": 200,
        "largest_batch": 1,
        "confidence": 0.9,
        "warned": 0.0,
        "errors": 0.0,
        "drifting": drifted,
    }
    json.dumps(summary, allow_nan=False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30m", datetime(2026, 11, 23, 9, 30, tzinfo=UTC)),
        ("12h", datetime(2026, 11, 22, 22, tzinfo=UTC)),
        ("7d", datetime(2026, 11, 16, 10, tzinfo=UTC)),
        ("2w", datetime(2026, 11, 9, 10, tzinfo=UTC)),
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20T08:00:00+02:00", datetime(2026, 11, 20, 6, tzinfo=UTC)),
    ],
)
def test_a_time_is_a_duration_before_now_or_a_date(text: str, expected: datetime) -> None:
    assert parse_since(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "0d", "-7d", "7", "7 days", "7y", "999999w", "yesterday", "2026-13-01"])
def test_any_other_time_is_refused(text: str) -> None:
    with pytest.raises(LogError, match=r"^--since: got '.*', expected 30m, 12h, 7d, 2w or a date"):
        parse_since(text, NOW)
