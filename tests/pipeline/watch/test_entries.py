"""A line of a log is the service's and fits, or it is counted as broken or foreign; every number in it is checked."""

import json

import pytest

from lambda_api.bins import BINNINGS
from lambda_api.service import Service
from lambda_api.settings import Detail
from lambda_api.telemetry import Telemetry
from pipeline.watch.counts import BinCounts
from pipeline.watch.entries import EntryReader, LogEntry, parse_line
from pipeline.watch.measures import ERRORS, PREDICTION, WARNED
from tests.fixtures.service_log import START, batch, event, people, prediction, refusal

ONE, *REST = people()
GOOD = prediction(ONE, START)
BATCH = batch(REST[:5], START)


def changed(line: bytes, **keys: object) -> bytes:
    return json.dumps(json.loads(line) | keys).encode()


def rebinned(line: bytes, **bins: object) -> bytes:
    return changed(line, bins=json.loads(line)["bins"] | bins)


def test_an_answer_is_read_with_its_bins_level_and_warning() -> None:
    entry = parse_line(prediction(ONE, START, "v1.2", Confidence=0.75, warnings=2))
    assert isinstance(entry, LogEntry)
    assert (entry.time, entry.version, entry.records, entry.confidence) == (START, "v1.2", 1, 0.75)
    counts = BinCounts.of_entries([entry])
    bins = json.loads(GOOD)["bins"]
    assert {name: counts.of_measure(name).tolist().index(1) for name in BINNINGS} == bins
    assert counts.of_measure(PREDICTION).sum() == 1
    assert (counts.of_measure(WARNED).tolist(), counts.of_measure(ERRORS).tolist()) == ([0, 1], [1, 0])


def test_a_batch_is_read_as_the_same_counts_as_its_records_one_by_one() -> None:
    whole, single = parse_line(BATCH), [parse_line(prediction(person, START)) for person in REST[:5]]
    assert isinstance(whole, LogEntry)
    assert whole.records == 5
    singles = [entry for entry in single if isinstance(entry, LogEntry)]
    columns = [*BINNINGS, PREDICTION, WARNED]
    together, apart = BinCounts.of_entries([whole]), BinCounts.of_entries(singles)
    assert [together.of_measure(name).tolist() for name in columns] == [
        apart.of_measure(name).tolist() for name in columns
    ]


def test_what_the_service_writes_is_read(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    telemetry, answered = Telemetry("7"), service.example()
    telemetry.predicted("id", answered, 0.0)
    telemetry.predicted_batch("id", answered, 0.0)
    telemetry.refused("id", 422, {"Age greater_than_equal": 1})
    telemetry.failed("id", ZeroDivisionError())

    reader = EntryReader()
    entries = list(reader.entries(capsys.readouterr().out.splitlines()))

    assert (reader.read, reader.used) == (4, 4)
    assert [(entry.version, entry.records) for entry in entries] == [("7", 1), ("7", 1), ("7", 0), ("7", 0)]


@pytest.mark.parametrize("detail", ["metrics", "off"])
def test_lines_without_bins_are_foreign(service: Service, capsys: pytest.CaptureFixture[str], detail: Detail) -> None:
    Telemetry("7", detail).predicted("id", service.example(), 0.0)
    Telemetry("7", detail).predicted_batch("id", service.example(), 0.0)
    assert set(map(parse_line, capsys.readouterr().out.splitlines())) <= {"foreign"}


@pytest.mark.parametrize(
    "line",
    [
        b"2026-09-21T14:13:20.000Z " + GOOD,
        b"2026-09-21T14:13:20 2026/09/21/[5]abc " + GOOD,
        GOOD.decode(),
        GOOD.rstrip(),
        json.dumps(json.loads(GOOD), sort_keys=True).encode(),
    ],
    ids=["export", "tail", "text", "no line end", "other order"],
)
def test_a_line_of_the_service_is_read_as_other_tools_print_it(line: bytes | str) -> None:
    assert parse_line(line) == parse_line(GOOD)


FOREIGN = {
    "platform": b"REPORT RequestId: 1f2e Duration: 1.2 ms",
    "empty object": b"{}",
    "list": b"[1]",
    "another program's text": b"WARN {not json}",
    "other program": b'{"level": "info", "event": "prediction"}',
    "other metrics": b'{"_aws": {"Timestamp": 1}, "Queue": 3}',
    "other event": event("startup", START),
    "other bins": changed(GOOD, bins_id="0123456789ab"),
    "no bins": changed(GOOD, bins=None),
    "a column less": changed(GOOD, bins={"Age": 1}),
    "a column more": rebinned(GOOD, Blood=1),
    "beyond the last bin": rebinned(GOOD, SMOKE=2),
    "before the first bin": rebinned(GOOD, SMOKE=-1),
    "batch with a bin more": rebinned(BATCH, SMOKE=[4, 1, 0]),
    "batch that does not add up": rebinned(BATCH, SMOKE=[4, 0]),
    "batch with less than none": rebinned(BATCH, SMOKE=[6, -1]),
    "batch of text": rebinned(BATCH, SMOKE=["4", "1"]),
    "batch of more warnings than records": changed(BATCH, warned=6),
}
BROKEN = {
    "cut short": GOOD[:300],
    "cut very short": b'{"_a',
    "cut after a time": b"2026-09-21T14:13:20.000Z " + GOOD[:300],
    "none": None,
    "not UTF-8": GOOD.replace(b'"id"', b'"\xff"'),
    "deep": b'{"_aws":' + b"[" * 100_000,
    "no time": changed(GOOD, _aws={}),
    "no metrics": changed(GOOD, _aws=7),
    "time in text": changed(GOOD, _aws={"Timestamp": "now"}),
    "impossible time": changed(GOOD, _aws={"Timestamp": 10**30}),
    "no version": event("prediction", START, None),  # type: ignore[arg-type]
    "version of markup": changed(GOOD, model_version="<b>"),
    "long version": changed(GOOD, model_version="3" * 65),
    "bin in text": rebinned(GOOD, SMOKE="0"),
    "half a bin": rebinned(GOOD, SMOKE=0.5),
    "unknown level": changed(GOOD, prediction="Obese"),
    "level of a list": changed(GOOD, prediction=[1]),
    "too confident": changed(GOOD, Confidence=1.5),
    "no confidence": changed(GOOD, Confidence=None),
    "NaN": GOOD.replace(b"0.9", b"NaN"),
    "no warnings": changed(GOOD, warnings=None),
    "empty batch": changed(BATCH, Predictions=0),
    "half a batch": changed(BATCH, Predictions=2.5),
    "batch without levels": changed(BATCH, levels={}),
    "batch without confidence": changed(BATCH, mean_confidence="high"),
    "batch of no lists": rebinned(BATCH, SMOKE=4),
}


@pytest.mark.parametrize("line", FOREIGN.values(), ids=list(FOREIGN))
def test_a_line_of_another_program_or_counted_in_other_bins_is_foreign(line: bytes) -> None:
    assert parse_line(line) == "foreign"


@pytest.mark.parametrize("line", BROKEN.values(), ids=list(BROKEN))
def test_a_line_that_cannot_be_read_is_broken(line: bytes) -> None:
    assert parse_line(line) == "broken"


def test_every_line_is_counted_once_and_empty_ones_not_at_all() -> None:
    reader = EntryReader()
    lines = [GOOD, b"\n", b"START", GOOD[:300], BATCH, b"  \n", refusal(START), *FOREIGN.values(), *BROKEN.values()]
    assert [entry.records for entry in reader.entries(lines)] == [1, 5, 0]
    assert (reader.read, reader.used) == (5 + len(FOREIGN) + len(BROKEN), 3)
    assert (reader.foreign, reader.broken) == (1 + len(FOREIGN), 1 + len(BROKEN))
