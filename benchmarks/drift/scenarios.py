"""What may change between a reference and a window, as lines of docs/drift.md and functions of one person."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline.watch.settings import DEFAULT

CHECKS, FALSE_CHECKS = 2_000, 20_000

Person = dict[str, Any]
Change = Callable[[Person, random.Random], Person]


@dataclass(frozen=True)
class Scenario:
    """What changes between reference and window.

    Attributes:
        name: The line of the document; the seeds of its checks are made of it.
        change: What becomes of each person of the window.
        population: Of those of `checks.populations`.
        window: Requests of the window.
        reference: Records of the reference.
        checks: How often the simulation is repeated.
        each: How often each person asks.
        at_once: People who ask in turn, where each asks several times.
    """

    name: str
    change: Change
    population: str = "collected"
    window: int = DEFAULT.window
    reference: int = DEFAULT.reference
    checks: int = CHECKS
    each: int = 1
    at_once: int = 1


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


@dataclass(frozen=True)
class Section:
    """A table of the document, and what is to be said about it."""

    title: str
    scenarios: tuple[Scenario, ...]
    note: str = ""


SECTIONS = (
    Section(
        "Nothing changes: false alarms",
        FALSE,
        "The limits assume that requests are independent of each other. Where people ask again with an answer "
        "changed, or a monitor asks the same thing all day, the reference shows it and the limits widen (the design "
        "effect); what is left of the error is in the lines about people who ask several times. Times of day are not "
        "learnt: a window should span a day, and where a day has more requests than a window, make the window larger.",
    ),
    Section(
        "Bodies",
        BODIES,
        "How small a shift is seen depends on how different people are and on how many are compared: of plausible "
        "people five kilograms are a sixth of a standard deviation, which no test on 200 of them can see. A larger "
        "window sees smaller shifts, up to what the reference allows.",
    ),
    Section("Habits", HABITS),
    Section("Units and forms", UNITS),
    Section(
        "Not caught",
        MISSED,
        "The service never learns the true levels, so the watch cannot see that the same people should now get other "
        "answers; only new labelled data can show it (`pipeline ingest`, the gate). The watch also misses changes that "
        "leave every single column as it was, and changes that are too small.",
    ),
)
