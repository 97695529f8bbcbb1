"""Arrival times in -> what Lambda makes of them: who waits for a cold start, who is refused, how many environments.

A simulation by events, under AWS's quotas. An execution environment answers one request at a time. A request takes the
idle environment that answered last, so that the others may grow old and end; without an idle one it starts another, if
the quotas give. Nobody who is refused tries again. Times are those of the function: what lies before it (network,
gateway, placement) is AWS's, is not known here, and is left out. The same seed always makes the same day.
"""

import heapq
import math
import random
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Fate = Literal["ready", "warm", "cold", "refused by gateway", "refused by lambda"]


@dataclass(frozen=True)
class Quotas:
    """What a new account is given, per region.

    Attributes:
        concurrency: Requests in work at the same time.
            https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
        new: Environments that may start at once, refilled within `refill` seconds.
            https://docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html
        refill: Seconds.
        a_second: Requests a second for each unit of `concurrency`, taken together: AWS counts the sum, not what one
            environment does. The same for each environment that is always ready.
            https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html
        gateway: Requests a second that API Gateway lets through.
            https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
        burst: Requests above that it lets through at once; AWS sets it, 5,000 is what accounts report.
    """

    concurrency: int = 1_000
    new: int = 1_000
    refill: float = 10.0
    a_second: int = 10
    gateway: float = 10_000.0
    burst: float = 5_000.0


@dataclass(frozen=True)
class Function:
    """How long the function takes, as measured, and how long its environments live.

    Attributes:
        warm: Seconds of single answers, drawn from at random.
        cold: Seconds of a first answer with all that precedes it.
        idle: Seconds after which an environment that nobody asks ends. AWS does not say; people have measured from 5
            to 60 minutes.
        ready: Environments that wait from the start and never end (provisioned concurrency). They are taken from the
            account's concurrency; what exceeds them, or their requests a second, goes to ordinary ones.
    """

    warm: Sequence[float]
    cold: Sequence[float]
    idle: float = 300.0
    ready: int = 0


@dataclass(frozen=True)
class Outcome:
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


class Bucket:
    """Tokens that come back at a steady rate, up to a size; full at first."""

    def __init__(self, rate: float, size: float) -> None:
        self._rate, self._size = rate, size
        self._tokens, self._time = size, 0.0

    def take(self, time: float) -> bool:
        """Whether there was a token at that time; it is gone then. Times never go back."""
        self._tokens = min(self._size, self._tokens + (time - self._time) * self._rate)
        self._time = time
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class _Fleet:
    """The environments of one function, at a time that only moves on."""

    def __init__(self, idle: float, ready: int) -> None:
        self._longest_idle = idle
        # When each is done, and whether it is one of those that are always ready.
        self._busy: list[tuple[float, bool]] = []
        # Since when each has been idle, the longest first.
        self._idle: deque[float] = deque()
        self.ready, self._all_ready = ready, ready
        self.busiest = self.alive = 0

    def move_to(self, time: float) -> None:
        """Let environments finish, and end those that nobody has asked for too long."""
        while self._busy and self._busy[0][0] <= time:
            done, ready = heapq.heappop(self._busy)
            if ready:
                self.ready += 1
            else:
                self._idle.append(done)
        while self._idle and self._idle[0] < time - self._longest_idle:
            self._idle.popleft()

    @property
    def any_idle(self) -> bool:
        """Whether an ordinary environment is idle."""
        return bool(self._idle)

    @property
    def ordinary_in_work(self) -> int:
        """Environments at work that are not always ready."""
        return len(self._busy) - (self._all_ready - self.ready)

    def work(self, time: float, seconds: float, *, ready: bool) -> None:
        """Put an environment to work: one that is always ready, or the one idle last, or a new one."""
        if ready:
            self.ready -= 1
        elif self._idle:
            self._idle.pop()
        heapq.heappush(self._busy, (time + seconds, ready))
        self.busiest = max(self.busiest, len(self._busy))
        self.alive = max(self.alive, len(self._busy) + len(self._idle) + self.ready)


class _Account:
    """The quotas on the way to a fleet."""

    def __init__(self, quotas: Quotas, fleet: _Fleet) -> None:
        self._fleet, self._ordinary = fleet, quotas.concurrency - fleet.ready
        self._gateway = Bucket(quotas.gateway, quotas.burst)
        self._starts = Bucket(quotas.new / quotas.refill, quotas.new)
        self._all, self._ready = (
            Bucket(units * quotas.a_second, units * quotas.a_second) for units in (quotas.concurrency, fleet.ready)
        )

    def fate(self, time: float) -> Fate:
        """What becomes of a request that arrives now."""
        if not self._gateway.take(time):
            return "refused by gateway"
        if not self._all.take(time):
            return "refused by lambda"
        if self._fleet.ready and self._ready.take(time):
            return "ready"
        if self._fleet.ordinary_in_work >= self._ordinary:
            return "refused by lambda"
        if self._fleet.any_idle:
            return "warm"
        return "cold" if self._starts.take(time) else "refused by lambda"


def simulate(arrivals: Iterable[float], function: Function, quotas: Quotas | None = None, seed: int = 1) -> Outcome:
    """What becomes of requests that arrive at these seconds, in order; `quotas` None is a new account.

    Raises:
        ValueError: Nobody is answered.
    """
    draw, fleet = random.Random(seed), _Fleet(function.idle, function.ready)  # noqa: S311  a simulation
    account = _Account(quotas or Quotas(), fleet)
    lasting: dict[Fate, Sequence[float]] = {"ready": function.warm, "warm": function.warm, "cold": function.cold}
    fates: Counter[Fate] = Counter()
    times: list[float] = []
    for time in arrivals:
        fleet.move_to(time)
        fate = account.fate(time)
        fates[fate] += 1
        if known := lasting.get(fate):
            seconds = known[int(draw.random() * len(known))]
            fleet.work(time, seconds, ready=fate == "ready")
            times.append(seconds)
    if not times:
        raise ValueError("nobody was answered: there is nothing to tell")
    return Outcome(
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
