"""Arrival times in -> who waits for a cold start on Lambda, who is refused, and how many environments there are.

A simulation by events, under AWS's quotas. Refused requests are not repeated. Times are those of the function: what
lies before it (network, gateway, placement) is AWS's, is not known here, and is left out. The same seed always makes
the same day.
"""

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.scaling.fleet import Account, Fate, Fleet
from benchmarks.scaling.quotas import Quotas


@dataclass(frozen=True)
class Function:
    """How long the function takes, as measured, and how long its environments live.

    Attributes:
        warm: Seconds of single answers, drawn from at random.
        cold: Seconds of a first answer with all that precedes it.
        idle: Seconds after which an idle environment ends. AWS does not say; people have measured from 5
            to 60 minutes.
        ready: Environments that wait from the start and never end (provisioned concurrency). They are taken from the
            account's concurrency; what exceeds them, or their requests a second, goes to ordinary ones.
    """

    warm: Sequence[float]
    cold: Sequence[float]
    idle: float = 300.0
    ready: int = 0


@dataclass(frozen=True)
class TrafficOutcome:
    """What became of all requests; times in seconds, of those answered."""

    requests: int
    cold: int
    refused_by_gateway: int
    refused_by_lambda: int
    median: float
    p95: float
    p99: float
    busiest: int
    """Most environments in work at the same time."""
    environments: int
    """Most environments alive at the same time."""

    @property
    def answered(self) -> int:
        """Requests that got an answer."""
        return self.requests - self.refused_by_gateway - self.refused_by_lambda

    @property
    def cold_share(self) -> float:
        """Of the answered requests, those that waited for a cold start."""
        return self.cold / self.answered


def simulate(
    arrivals: Iterable[float], function: Function, quotas: Quotas | None = None, seed: int = 1
) -> TrafficOutcome:
    """What becomes of requests that arrive at these seconds, in order; `quotas` None is a new account.

    Raises:
        ValueError: No request is answered.
    """
    random_numbers, fleet = random.Random(seed), Fleet(function.idle, function.ready)  # noqa: S311  a simulation
    account = Account(quotas or Quotas(), fleet)
    seconds_of: dict[Fate, Sequence[float]] = {"ready": function.warm, "warm": function.warm, "cold": function.cold}
    fates: Counter[Fate] = Counter()
    times: list[float] = []
    for time in arrivals:
        fleet.move_to(time)
        fate = account.fate(time)
        fates[fate] += 1
        if known := seconds_of.get(fate):
            seconds = known[int(random_numbers.random() * len(known))]
            fleet.work(time, seconds, ready=fate == "ready")
            times.append(seconds)
    if not times:
        raise ValueError("no request was answered, so there are no times")
    return TrafficOutcome(
        requests=fates.total(),
        cold=fates["cold"],
        refused_by_gateway=fates["refused by gateway"],
        refused_by_lambda=fates["refused by lambda"],
        **_percentiles(times),
        busiest=fleet.busiest,
        environments=fleet.alive,
    )


def _percentiles(times: list[float]) -> dict[str, float]:
    ranked = sorted(times)
    return {
        name: ranked[math.ceil(share * len(ranked)) - 1]
        for name, share in (("median", 0.5), ("p95", 0.95), ("p99", 0.99))
    }


Rate = Callable[[float], float]
"""Requests a second expected at a second."""


def arrivals(rate: Rate, highest: float, seconds: float, seed: int = 1) -> Iterator[float]:
    """Seconds at which independent people arrive who are expected at a rate that is never above `highest`.

    Only `random()` is drawn: that sequence is the same in every version of Python.
    """
    draw, time = random.Random(seed), 0.0  # noqa: S311  a simulation
    while True:
        time -= math.log(1 - draw.random()) / highest
        if time >= seconds:
            return
        if draw.random() * highest < rate(time):
            yield time
