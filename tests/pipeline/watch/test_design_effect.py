"""Repeated requests count for fewer people: the reference measures it, and the limits widen."""

from collections.abc import Sequence

import pytest

from pipeline.watch import watch_lines
from pipeline.watch.counts import design_effect
from pipeline.watch.entries import EntryReader, LogEntry
from tests.fixtures.service_log import MINUTE, START, Visits, batch, older, prediction


def entries(lines: Sequence[bytes]) -> list[LogEntry]:
    return list(EntryReader().entries(lines))


def asked(people: int, times: int, at_once: int = 1) -> list[bytes]:
    """The lines of people who ask several times each, so many of them in turn."""
    visits, lines, time = Visits(7), list[bytes](), START
    for _ in range(people // at_once):
        for person in visits.some(at_once) * times:
            time += MINUTE
            lines.append(prediction(person, time))
    return lines


@pytest.mark.parametrize(
    ("people", "times", "at_once", "low", "high"),
    [(500, 1, 1, 1.0, 1.2), (250, 2, 1, 1.7, 2.3), (168, 3, 1, 2.4, 3.6), (168, 3, 6, 2.4, 3.6), (50, 10, 1, 7, 12)],
)
def test_it_is_about_how_often_each_person_asked(
    people: int, times: int, at_once: int, low: float, high: float
) -> None:
    assert low <= design_effect(entries(asked(people, times, at_once))) <= high


def test_one_monitor_that_always_asks_the_same_among_people_is_no_repetition_of_people() -> None:
    probe, visits = prediction(Visits(3).some(1)[0], START), Visits(1)
    lines = [line for person in visits.ask(250) for line in (person, probe)]
    # Every second line is the probe: that is alike at every other lag, and unlike at the ones between.
    assert design_effect(entries(lines)) < 1.5


@pytest.mark.parametrize("lines", [[], asked(20, 2), [batch(Visits().some(500), START)]], ids=["none", "few", "batch"])
def test_too_few_requests_and_batches_say_nothing_about_it(lines: list[bytes]) -> None:
    assert design_effect(entries(lines)) == 1.0


def test_people_who_ask_three_times_raise_no_alarm_and_the_reference_says_why() -> None:
    summary = watch_lines(asked(300, 3))
    reference = summary.versions["3"].as_json()["reference"]
    assert 2.4 < reference["design_effect"] < 3.6
    assert summary.versions["3"].verdict == "steady"


def test_limits_widen_by_it() -> None:
    once, thrice = Visits(7), asked(168, 3)
    plain = watch_lines([*once.ask(504), *once.ask(200, older)]).versions["3"].drifted[0]
    later = Visits(8, time=START + 600 * MINUTE)
    wide = watch_lines([*thrice, *later.ask(200, older)]).versions["3"].drifted[0]
    assert 2.2 < wide.psi_limit / plain.psi_limit < 3.8
