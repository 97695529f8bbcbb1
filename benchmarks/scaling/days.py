"""How long the function takes -> simulated days of it, as Markdown: quiet, steady and bursty ones, and 10,000 a second.

The days are synthetic; each is seeded, so the same measurements always make the same tables.
"""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

from benchmarks.scaling.measurements import Size
from benchmarks.scaling.quotas import Quotas
from benchmarks.scaling.simulation import Function, TrafficOutcome, arrivals, simulate
from pipeline.report.markdown import table

DAY, MINUTE = 86_400, 60

QUIET_A_DAY, STEADY_PAUSE = 200, 10
LEAST, MOST = 0.2, 1.5
"""Requests a second of the bursty day: at four in the morning, and at four in the afternoon."""
BURSTS, BURST_A_SECOND = 8, 100
IDLE_MINUTES = (5, 15, 60)

MANY, TOO_MANY, STEP_SECONDS, RISE_SECONDS = 10_000, 12_000, 10, 20
RAISED = 6_000
"""Requests at once, of an account whose quota was raised."""
READY = 900
"""As many environments as may be kept ready of an account's first thousand."""

_BLOCKS = "▁▂▃▄▅▆▇█"


@cache
def quiet() -> tuple[float, ...]:
    """A day with a request every few minutes."""
    rate = QUIET_A_DAY / DAY
    return tuple(arrivals(lambda _: rate, rate, DAY))


@cache
def steady() -> tuple[float, ...]:
    """A day with a request every few seconds."""
    return tuple(arrivals(lambda _: 1 / STEADY_PAUSE, 1 / STEADY_PAUSE, DAY))


@cache
def bursty() -> tuple[float, ...]:
    """A day with fewer requests at night and some minutes with many, as after a newsletter."""

    def calm(time: float) -> float:
        return LEAST + (MOST - LEAST) * (1 - math.cos(2 * math.pi * (time / DAY - 4 / 24))) / 2

    draw = random.Random(1)  # noqa: S311  a simulation
    times = list(arrivals(calm, MOST, DAY))
    for burst in range(BURSTS):
        start = draw.random() * (DAY - MINUTE)
        times += [start + time for time in arrivals(lambda _: BURST_A_SECOND, BURST_A_SECOND, MINUTE, seed=burst)]
    return tuple(sorted(times))


DAYS: Mapping[str, Callable[[], tuple[float, ...]]] = {
    f"quiet: {QUIET_A_DAY} are expected": quiet,
    f"steady: one every {STEADY_PAUSE} s": steady,
    "bursty": bursty,
}


@cache
def step() -> tuple[float, ...]:
    """Many a second from the first moment on."""
    return tuple(arrivals(lambda _: MANY, MANY, STEP_SECONDS))


@cache
def rise(rate: int = MANY) -> tuple[float, ...]:
    """From nothing to so many a second within some seconds, and a few seconds more."""
    return tuple(arrivals(lambda time: rate * min(1.0, time / RISE_SECONDS), rate, RISE_SECONDS + 5))


def function(size: Size, idle_minutes: float = IDLE_MINUTES[0]) -> Function:
    """The function as it was measured with one size of memory."""
    warm, cold = ([value / 1000 for value in values] for values in (size.spaced, size.first))
    return Function(warm, cold, idle=idle_minutes * MINUTE)


def cold_share(size: Size) -> float:
    """Share of the bursty day's requests that start an environment, if idle ones end after the shortest time."""
    return simulate(bursty(), function(size)).cold_share


def calm(size: Size) -> str:
    """The table of days, for several lives of an idle environment."""
    rows = [
        [name, f"{minutes} min", *_figures(simulate(day(), function(size, minutes)))]
        for name, day in DAYS.items()
        for minutes in IDLE_MINUTES
    ]
    return table(("day", "idle for", *_HEAD), rows, left=2)


def shape() -> str:
    """The bursty day's requests, a block for each half hour."""
    counts = [0] * 48
    for time in bursty():
        counts[int(time / 1800)] += 1
    return "".join(_BLOCKS[math.ceil(count / max(counts) * len(_BLOCKS)) - 1] for count in counts)


def many(size: Size) -> str:
    """The table of many requests a second, under the quotas of a new account and others."""
    usual = function(size)
    ready = replace(usual, ready=READY)
    cases = {
        f"all at once, nothing warm, {STEP_SECONDS} s": simulate(step(), usual),
        f"the same with a concurrency of {RAISED:,}": simulate(step(), usual, Quotas(concurrency=RAISED)),
        f"the same with {READY} environments kept ready": simulate(step(), ready),
        f"risen to within {RISE_SECONDS} s, and 5 s more": simulate(rise(), usual),
        f"risen to {TOO_MANY:,}, and 5 s more": simulate(rise(TOO_MANY), usual),
    }
    rows = [[name, quotas_allow(outcome), *_figures(outcome)] for name, outcome in cases.items()]
    return table((f"{MANY:,} requests a second", "do the quotas allow it?", *_HEAD), rows, left=2)


_HEAD = ("requests", "cold", "median", "95%", "99%", "most busy", "most alive")


def _figures(outcome: TrafficOutcome) -> list[str]:
    times = [f"{value * 1000:,.1f} ms" for value in (outcome.median, outcome.p95, outcome.p99)]
    cold = f"{outcome.cold:,} ({outcome.cold_share:.2%})"
    return [f"{outcome.requests:,}", cold, *times, f"{outcome.busiest:,}", f"{outcome.environments:,}"]


def quotas_allow(outcome: TrafficOutcome) -> str:
    """Whether the quotas allowed every request, else who refused how many."""
    refusals = {"the gateway": outcome.refused_by_gateway, "Lambda": outcome.refused_by_lambda}
    parts = [f"{count:,} refused by {who}" for who, count in refusals.items() if count]
    return f"no: {' and '.join(parts)}" if parts else "yes"
