"""A request at a time -> what becomes of it: the environments of one function under an account's quotas.

An execution environment answers one request at a time. A request takes the idle environment that answered last, so that
the others may grow old and end; without an idle one it starts another, if the quotas allow it.
"""

import heapq
from collections import deque
from typing import Literal

from benchmarks.scaling.quotas import Quotas

Fate = Literal["ready", "warm", "cold", "refused by gateway", "refused by lambda"]


class TokenBucket:
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


class Fleet:
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
        """Let environments finish, and end those that were idle for too long."""
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


class Account:
    """The quotas on the way to a fleet."""

    def __init__(self, quotas: Quotas, fleet: Fleet) -> None:
        self._fleet, self._ordinary = fleet, quotas.concurrency - fleet.ready
        self._gateway = TokenBucket(quotas.gateway, quotas.burst)
        self._starts = TokenBucket(quotas.new / quotas.refill, quotas.new)
        self._all, self._ready = (
            TokenBucket(units * quotas.a_second, units * quotas.a_second) for units in (quotas.concurrency, fleet.ready)
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
