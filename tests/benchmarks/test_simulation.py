"""What becomes of requests under Lambda's quotas, worked out by hand for a few arrivals."""

import itertools
from collections.abc import Iterator

import pytest

from benchmarks.scaling.fleet import TokenBucket
from benchmarks.scaling.quotas import Quotas
from benchmarks.scaling.simulation import Function, TrafficOutcome, arrivals, simulate

TENTH = Function(warm=[0.1], cold=[1.0])


@pytest.mark.parametrize(
    ("times", "function", "quotas", "fates"),
    [
        # One after another: the first is cold, the environment is used again and again.
        ([0, 1, 1.1, 1.3], TENTH, Quotas(), (1, 0, 0, 1, 1)),
        # A request that comes while it is busy waits for another one to start.
        ([0, 0.5, 2, 2.05], TENTH, Quotas(), (2, 0, 0, 2, 2)),
        # After five idle minutes it is gone; a little earlier it is not.
        ([0, 301.1], TENTH, Quotas(), (2, 0, 0, 1, 1)),
        ([0, 300.9], TENTH, Quotas(), (1, 0, 0, 1, 1)),
        # The one that answered last is asked first, so the other grows old, and two at once start another.
        ([0, 0.5, 200, 250, 302, 302], TENTH, Quotas(), (3, 0, 0, 2, 2)),
        # No more at once than the account may have.
        ([0, 0, 0], TENTH, Quotas(concurrency=2), (2, 0, 1, 2, 2)),
        # No more new ones than come back in time: one at once, another after ten seconds.
        ([0, 0.1, 10.1], Function([0.1], [20.0]), Quotas(new=1), (2, 0, 1, 2, 2)),
        # No more a second than ten for each unit of concurrency, however quick: fifteen in 0.14 s meet 11.4 tokens.
        ([0, *(1 + n / 100 for n in range(15))], Function([0.001], [0.5]), Quotas(concurrency=1), (1, 0, 4, 1, 1)),
        # No more than the gateway lets through: two at once, then one a second.
        ([0, 1.5, 1.5, 1.5, 2.5], Function([0.1], [0.1]), Quotas(gateway=1, burst=2), (2, 1, 0, 2, 2)),
        # Environments kept ready are never cold and never end; only what exceeds them starts.
        ([0, 900, 900, 900], Function([0.1], [1.0], ready=2), Quotas(), (1, 0, 0, 3, 3)),
        # They have ten requests a second each, and of fifteen in 0.14 s four must start others.
        ([n / 100 for n in range(15)], Function([0.001], [0.5], ready=1), Quotas(), (4, 0, 0, 4, 5)),
        # They are taken from the account's concurrency: one is left for the others.
        ([0, 0, 0], Function([0.1], [1.0], ready=1), Quotas(concurrency=2), (1, 0, 1, 2, 2)),
    ],
)
def test_a_few_arrivals_have_the_fate_worked_out_by_hand(
    times: list[float], function: Function, quotas: Quotas, fates: tuple[int, ...]
) -> None:
    outcome = simulate(times, function, quotas)
    counts = (outcome.cold, outcome.refused_by_gateway, outcome.refused_by_lambda)
    assert (*counts, outcome.busiest, outcome.environments) == fates
    assert outcome.requests == len(times)


def test_times_and_environments_are_those_of_answered_requests() -> None:
    times = [0.0, 0.5, *(2.0 + step for step in range(98))]
    assert simulate(times, TENTH) == TrafficOutcome(
        requests=100,
        cold=2,
        refused_by_gateway=0,
        refused_by_lambda=0,
        median=0.1,
        p95=0.1,
        p99=1.0,
        busiest=2,
        environments=2,
    )


def test_shares_are_of_the_answered() -> None:
    outcome = TrafficOutcome(10, 2, 1, 4, median=0.1, p95=0.1, p99=0.1, busiest=1, environments=1)
    assert (outcome.answered, outcome.cold_share) == (5, 0.4)


def test_no_arrivals_at_all_are_refused() -> None:
    with pytest.raises(ValueError, match="no request was answered"):
        simulate([], TENTH)


def test_the_same_seed_makes_the_same_day_and_another_seed_another() -> None:
    def day(seed: int) -> list[float]:
        return list(arrivals(lambda _: 5.0, 5.0, 60, seed))

    varied = Function(warm=[0.1, 0.2, 0.3], cold=[1.0, 2.0])
    assert day(1) == day(1) != day(2)
    assert simulate(day(1), varied) == simulate(day(1), varied)
    # Written down: the day must not change with a version of Python, or documents would.
    assert [round(time, 6) for time in day(1)[:3]] == FIRST


FIRST = [0.028858, 0.317452, 0.454264]


def test_people_arrive_at_the_rate_that_is_expected() -> None:
    times = list(arrivals(lambda time: 100.0 if time < 50 else 10.0, 100.0, 100))
    early = sum(time < 50 for time in times)
    assert times == sorted(times)
    assert early == pytest.approx(5_000, abs=4 * 5_000**0.5)
    assert len(times) - early == pytest.approx(500, abs=4 * 500**0.5)


def test_a_bucket_gives_what_came_back_and_never_more_than_it_holds() -> None:
    def taken(times: Iterator[float]) -> list[bool]:
        bucket = TokenBucket(rate=1.0, size=2.0)
        return [bucket.take(time) for time in times]

    assert taken(iter([0, 0, 0, 0.5, 1.0, 1.0])) == [True, True, False, False, True, False]
    assert taken(itertools.repeat(100.0, 3)) == [True, True, False]
