"""A scenario -> in how many simulated checks the watch raises an alarm, and by which measures.

People are whole records drawn with replacement from a population; the shipped graph answers each of them through the
service, and the watch reads the service's own log. A check draws a reference and one window of requests, and asks the
watch's own judge. Every check has a seed of its own, so that any of them can be repeated alone.
"""

import contextlib
import io
import random
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import pandas as pd
from pydantic import ValidationError

from benchmarks.drift.scenarios import Change, Person, Scenario, same
from benchmarks.measure import ROOT
from lambda_api.contract import Record
from lambda_api.service import Service
from lambda_api.telemetry import Telemetry
from pipeline.data.records import COLUMNS, load_processed
from pipeline.files import Layout
from pipeline.model.guards import plausible_people
from pipeline.watch.entries import EntryReader, LogEntry
from pipeline.watch.settings import WatchSettings
from pipeline.watch.windows import VersionTracker

BLOCK = 500
"""Checks that a process does at once; a test repeats the first block of the document's first line."""

MISTYPED = 0.02
"""Share of requests that are refused."""

REFUSED = LogEntry(0, "1")

Pool = Sequence[LogEntry]
"""The log's entries of a population, to draw requests from."""


@dataclass(frozen=True)
class AlarmCounts:
    """How many checks raised an alarm, and by which measures."""

    alarms: int
    checks: int
    measures: Counter[str]

    def __add__(self, other: "AlarmCounts") -> "AlarmCounts":
        return AlarmCounts(self.alarms + other.alarms, self.checks + other.checks, self.measures + other.measures)


def populations(layout: Layout) -> dict[str, list[Person]]:
    """People to draw from, by name."""
    frame = load_processed(layout.records)
    collected = frame[frame["origin"] == "collected"].reset_index(drop=True)
    tables = {
        "collected": collected,
        "sample": pd.read_csv(ROOT / "data/sample/records.csv", keep_default_na=False),
        "plausible": plausible_people(collected, 2, seed=1),
    }
    return {
        name: [{str(column): value for column, value in row.items()} for row in table[list(COLUMNS)].to_dict("records")]
        for name, table in tables.items()
    }


def pool(service: Service, people: Sequence[Person], change: Change = same) -> Pool:
    """What the service logs when each of the people asks once, read back by the watch."""
    log, telemetry, chance = io.StringIO(), Telemetry("1"), random.Random(1)  # noqa: S311  a simulation
    with contextlib.redirect_stdout(log):
        for person in people:
            changed = change(person, chance)
            values = {name: value if isinstance(value, str) else float(value) for name, value in changed.items()}
            try:
                telemetry.predicted("id", service.answer([Record.model_validate(values)]), 0.0)
            except ValidationError:
                telemetry.refused("id", 422, {})
    return list(EntryReader().entries(log.getvalue().splitlines()))


def requests(chance: random.Random, people: Pool, count: int, scenario: Scenario) -> Pool:
    """So many requests, a few of them mistyped."""
    drawn: list[LogEntry] = []
    while len(drawn) < count:
        drawn += chance.choices(people, k=scenario.at_once) * scenario.each
    return [REFUSED if chance.random() < MISTYPED else entry for entry in drawn[:count]]


def alarms_of(scenario: Scenario, check: int, before: Pool, after: Pool) -> list[str]:
    """The measures that drift in one check; none is no alarm."""
    chance = random.Random(f"{scenario.name}/{check}")  # noqa: S311  the same check each time
    tracker = VersionTracker(WatchSettings(scenario.window, scenario.reference))
    for entry in requests(chance, before, 2 * scenario.reference, scenario):
        if not tracker.has_reference:
            tracker.add(entry)
    for entry in requests(chance, after, scenario.window, scenario):
        tracker.add(entry)
    return [measure.name for measure in tracker.summary(active=True, training=None).drifted]


def run_checks(scenario: Scenario, checks: range, before: Pool, after: Pool) -> AlarmCounts:
    """The outcome of some of a scenario's checks."""
    drifting = [alarms_of(scenario, check, before, after) for check in checks]
    return AlarmCounts(sum(map(bool, drifting)), len(checks), Counter(name for names in drifting for name in names))


def run_blocks(scenario: Scenario, before: Pool, after: Pool, workers: Executor) -> list[AlarmCounts]:
    """The outcomes of all of a scenario's checks, for each block of them."""
    starts = range(0, scenario.checks, BLOCK)
    blocks = [range(start, min(start + BLOCK, scenario.checks)) for start in starts]
    sent = replace(scenario, change=same)  # a closure cannot be sent to another process, and is not needed there
    futures = [workers.submit(run_checks, sent, checks, before, after) for checks in blocks]
    return [future.result() for future in futures]
