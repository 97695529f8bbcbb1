"""How often the watch raises a false alarm, what it catches and what it does not: writes docs/drift.md.

    python benchmarks/drift.py              (needs the real data's layout; ten minutes of two cores)

People are invented by drawing whole records, with replacement, from a population; the shipped graph answers each of
them through the service, and what the watch is given is the service's own log. A check draws a reference of accepted
records and one window of requests, and asks the watch's own judge. One request in fifty is refused, as people mistype.
Every check has a seed of its own, so that any of them can be looked at alone.
"""

import contextlib
import io
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from lambda_api.contract import Record
from lambda_api.service import Service
from lambda_api.telemetry import Telemetry
from pipeline.data.records import COLUMNS, load_processed
from pipeline.files import Layout, write_text
from pipeline.intervals import wilson
from pipeline.model.guards import plausible_people
from pipeline.ship.package import package_layout
from pipeline.watch.detector import DEVIATIONS, KEY_ALPHA, OTHER_ALPHA, psi_quantile
from pipeline.watch.entries import EntryReader, LogEntry
from pipeline.watch.measures import MEASURES, NAMES
from pipeline.watch.settings import DEFAULT, WatchSettings
from pipeline.watch.windows import VersionTracker

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs/drift.md"

CHECKS, FALSE_CHECKS = 2_000, 20_000
BLOCK = 500
"""Checks that a process does at once; the first block of the first line is done again by a test."""

INTRO = """\
# What the watch sees

<!-- Made by benchmarks/drift.py; do not edit. -->

`pipeline watch` compares the newest requests of a version with its first ones. How it judges, and why so, is
[decision 13](decisions/0013-drift-against-the-first-requests.md); what to do about a verdict is in
[operations](operations.md). This page says how often it is wrong.

Every line is a simulation. A check draws a reference of 500 accepted records and one window of 200 requests, asks the
watch's own judge, and counts an alarm if any measure drifts: false alarms are those of a whole check, all measures
together. People are drawn as whole records, with replacement, and answered by the shipped model through the service,
whose log is what the watch reads. One request in fifty is refused, as people mistype. Unless a line says otherwise the
people are the 488 survey answers of the data, the only real people there are; *the embedded sample* has all levels in
equal shares, *plausible people* have body mass indexes spread evenly from 16 to 50. *Told by* names the measures that
raised the alarm, in how many of the checks.
"""

LEAST_SHOWN = 0.01
"""A measure that raises fewer alarms did so by chance."""

MISTYPED = 0.02
REFUSED = LogEntry(0, "1")

Person = dict[str, Any]
Change = Callable[[Person, random.Random], Person]
Pool = Sequence[LogEntry]


@dataclass(frozen=True)
class Scenario:
    """What changes between reference and window; `each` person asks so often, `at_once` people in turn."""

    name: str
    change: Change
    population: str = "collected"
    window: int = DEFAULT.window
    reference: int = DEFAULT.reference
    checks: int = CHECKS
    each: int = 1
    at_once: int = 1


@dataclass(frozen=True)
class Outcome:
    """How many of a scenario's checks raised an alarm, and by which measures."""

    alarms: int
    checks: int
    measures: Counter[str]


def plus(column: str, value: float, share: float = 1.0) -> Change:
    """A share of people has so much more of something."""
    return lambda person, chance: person | {column: person[column] + value} if chance.random() < share else person


def times(column: str, factor: float, share: float = 1.0) -> Change:
    """A share of people gives something in another unit."""
    return lambda person, chance: person | {column: person[column] * factor} if chance.random() < share else person


def answers(column: str, value: str | float, share: float) -> Change:
    """A share of people gives this answer, whatever it was before."""
    return lambda person, chance: person | {column: value} if chance.random() < share else person


def same(person: Person, chance: random.Random) -> Person:
    """Nothing changes."""
    del chance
    return person


def swapped(person: Person, chance: random.Random) -> Person:
    """A client confuses two columns."""
    del chance
    return person | {"FAF": min(person["TUE"], 3.0), "TUE": min(person["FAF"], 2.0)}


def rounded(person: Person, chance: random.Random) -> Person:
    """People give their weight in steps of five kilograms."""
    del chance
    return person | {"Weight": 5.0 * round(person["Weight"] / 5)}


FALSE = (
    Scenario("nothing changes: survey answers", same, checks=FALSE_CHECKS),
    Scenario("nothing changes: the embedded sample", same, "sample", checks=FALSE_CHECKS),
    Scenario("nothing changes: plausible people", same, "plausible", checks=FALSE_CHECKS),
    Scenario("nothing changes: window of 1,000", same, window=1_000, checks=FALSE_CHECKS),
    Scenario("nothing changes; each person asks 3 times", same, each=3),
    Scenario("nothing changes; each person asks 3 times, 3 people in turn", same, each=3, at_once=3),
    Scenario("nothing changes; each person asks twice", same, each=2),
)
BODIES = (
    *(Scenario(f"everybody {kilograms} kg heavier", plus("Weight", kilograms)) for kilograms in (2, 3, 5, 8)),
    Scenario("everybody 5 kg lighter", plus("Weight", -5)),
    Scenario("everybody 5 kg heavier: the embedded sample", plus("Weight", 5), "sample"),
    Scenario("everybody 5 kg heavier: plausible people", plus("Weight", 5), "plausible"),
    *(
        Scenario(f"everybody {kilograms} kg heavier, window of 1,000", plus("Weight", kilograms), window=1_000)
        for kilograms in (2, 3)
    ),
    Scenario("everybody 3 kg heavier, window and reference of 1,000", plus("Weight", 3), window=1_000, reference=1_000),
    Scenario("everybody 2 years older", plus("Age", 2)),
    Scenario("everybody 5 years older", plus("Age", 5)),
)
HABITS = (
    Scenario("30% now drive", answers("MTRANS", "Automobile", 0.3)),
    Scenario("20% now drive", answers("MTRANS", "Automobile", 0.2)),
    Scenario("5% ride a motorbike", answers("MTRANS", "Motorbike", 0.05)),
    Scenario("10% more smoke", answers("SMOKE", "yes", 0.1)),
)
UNITS = (
    Scenario("all give Height in centimetres", times("Height", 100)),
    Scenario("10% give Height in centimetres", times("Height", 100, 0.1)),
    Scenario("all give Weight in pounds", times("Weight", 2.2046)),
    Scenario("10% give Weight in pounds", times("Weight", 2.2046, 0.1)),
    Scenario("a form's default: all answer FCVC 2", answers("FCVC", 2.0, 1.0)),
    Scenario("a client confuses FAF and TUE", swapped),
)
MISSED = (
    Scenario("the same people, but their levels follow another norm now", same),
    Scenario("everybody 1 kg heavier", plus("Weight", 1)),
    Scenario("weights in steps of 5 kg", rounded),
    Scenario("a form's default: 25% answer FCVC 2", answers("FCVC", 2.0, 0.25)),
)
GROUPS = {
    "Nothing changes: false alarms": FALSE,
    "Bodies": BODIES,
    "Habits": HABITS,
    "Units and forms": UNITS,
    "Not caught": MISSED,
}
NOTES = {
    "Nothing changes: false alarms": (
        "The limits suppose that one request says nothing about the next. Where people ask again with an answer "
        "changed, or a monitor asks the same thing all day, the reference shows it and the limits widen (the design "
        "effect); what is left of the error is in the lines about people who ask several times. Times of day are not "
        "learnt: a window should span a day, and where a day has more requests than a window, make the window larger."
    ),
    "Bodies": (
        "How small a shift is seen depends on how different people are and on how many are compared: of plausible "
        "people five kilograms are a sixth of a standard deviation, which no test on 200 of them can see. A larger "
        "window sees smaller shifts, up to what the reference allows."
    ),
    "Not caught": (
        "No truth comes back to the service, so the watch cannot see that the same people should now get other "
        "answers; only new labelled data can (`pipeline ingest`, the gate). Neither does it see changes that leave "
        "every single column as it was, or too small ones."
    ),
}


def populations(layout: Layout) -> dict[str, list[Person]]:
    """People to draw from, by name."""
    frame = load_processed(layout.records)
    collected = frame[frame["origin"] == "collected"].reset_index(drop=True)
    sample = pd.read_csv(ROOT / "data/sample/records.csv", keep_default_na=False)
    found = {"collected": collected, "sample": sample, "plausible": plausible_people(collected, 2, seed=1)}
    return {name: people[list(COLUMNS)].to_dict("records") for name, people in found.items()}  # type: ignore[misc]


def pool(service: Service, people: Sequence[Person], change: Change) -> list[LogEntry]:
    """What the service logs when each of the people asks once, read back by the watch."""
    log, telemetry, chance = io.StringIO(), Telemetry("1"), random.Random(1)  # noqa: S311  invents people
    with contextlib.redirect_stdout(log):
        for person in people:
            changed = change(person, chance)
            values = {name: value if isinstance(value, str) else float(value) for name, value in changed.items()}
            try:
                telemetry.predicted("id", service.answer([Record.model_validate(values)]), 0.0)
            except ValidationError:
                telemetry.refused("id", 422, {})
    return list(EntryReader().entries(log.getvalue().splitlines()))


def requests(chance: random.Random, people: Pool, count: int, scenario: Scenario) -> list[LogEntry]:
    """So many requests, a few of them mistyped."""
    drawn: list[LogEntry] = []
    while len(drawn) < count:
        drawn += chance.choices(people, k=scenario.at_once) * scenario.each
    return [REFUSED if chance.random() < MISTYPED else entry for entry in drawn[:count]]


def block(scenario: Scenario, number: int, before: Pool, after: Pool) -> Outcome:
    """The outcome of `BLOCK` checks."""
    alarms, measures = 0, Counter[str]()
    for check in range(number * BLOCK, (number + 1) * BLOCK):
        chance = random.Random(f"{scenario.name}/{check}")  # noqa: S311  the same checks each time
        tracker = VersionTracker(WatchSettings(scenario.window, scenario.reference))
        for entry in requests(chance, before, 2 * scenario.reference, scenario):
            if not tracker.has_reference:
                tracker.add(entry)
        for entry in requests(chance, after, scenario.window, scenario):
            tracker.add(entry)
        drifted = tracker.summary(active=True, training=None).drifted
        alarms += bool(drifted)
        measures.update(measure.name for measure in drifted)
    return Outcome(alarms, BLOCK, measures)


def outcome(scenario: Scenario, before: Pool, after: Pool, workers: ProcessPoolExecutor) -> Outcome:
    """The outcome of all checks of a scenario."""
    blocks = scenario.checks // BLOCK
    found = list(
        workers.map(
            block, *zip(*[(replace(scenario, change=same), n, before, after) for n in range(blocks)], strict=True)
        )
    )
    return Outcome(
        sum(part.alarms for part in found),
        sum(part.checks for part in found),
        sum((part.measures for part in found), Counter[str]()),
    )


def row(scenario: Scenario, found: Outcome) -> str:
    """A line of the table."""
    low, high = wilson(found.alarms, found.checks, 0.95)
    common = [(name, count / found.checks) for name, count in found.measures.most_common(3)]
    told = [f"{name} {share:.0%}" for name, share in common if share >= LEAST_SHOWN]
    few = found.alarms < found.checks / 20
    return (
        f"| {scenario.name} | {found.alarms / found.checks:.2%} | {low:.2%} to {high:.2%} | {found.checks:,} | "
        f"{'' if few else ', '.join(told)} |"
    )


def limits() -> str:
    """The limits themselves, for a window and a reference of the usual size; needs no simulation."""
    factor = 1 / DEFAULT.window + 1 / DEFAULT.reference
    bins = "".join(f"| {bins} | {psi_quantile(bins) * factor:.3f} |\n" for bins in range(2, 11))
    reach = {name: float(DEVIATIONS[NAMES.index(name)]) * (factor / 12) ** 0.5 for name in ("BMI", "Age")}
    return (
        f"{len(MEASURES)} measures are judged, {sum(measure.ordered for measure in MEASURES)} of them by their shift "
        f"as well. A shift of BMI and of the prediction may each raise a false alarm in {KEY_ALPHA:.1%} of checks, "
        f"everything else together in {OTHER_ALPHA:.1%}. For a window of {DEFAULT.window} and a reference of "
        f"{DEFAULT.reference} that makes:\n\n"
        f"| bins compared | PSI that chance explains |\n| ---: | ---: |\n{bins}\n"
        f"A shift is a share of pairs; chance takes that of BMI and of the prediction {reach['BMI']:.1%} to either "
        f"side of one half, any other one {reach['Age']:.1%}, and less where many values are tied.\n"
    )


def main() -> None:
    """Simulate everything and write the document."""
    layout = Layout(ROOT)
    people = populations(layout)
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor() as workers:
        package_layout(layout, Path(folder))
        service = Service.load(Path(folder))
        sections, first = [], None
        for title, scenarios in GROUPS.items():
            lines = []
            for scenario in scenarios:
                before, after = (pool(service, people[scenario.population], c) for c in (same, scenario.change))
                if first is None:
                    first = block(scenario, 0, before, after).alarms
                found = outcome(scenario, before, after, workers)
                lines.append(row(scenario, found))
                print(lines[-1], flush=True)
            head = "| what changes | alarms | 95% interval | checks | told by |\n| --- | ---: | ---: | ---: | --- |"
            note = f"\n{NOTES[title]}\n" if title in NOTES else ""
            sections.append(f"## {title}\n\n{head}\n" + "\n".join(lines) + "\n" + note)
    note = f"Of the first {BLOCK} checks of the first line {first} raised an alarm; a test does them again.\n"
    write_text(DOCUMENT, "\n".join([INTRO, *sections, note, "## The limits\n", limits()]))
    print(f"wrote {DOCUMENT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
