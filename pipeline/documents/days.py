"""How long the function takes -> simulated days of it, as Markdown: quiet, steady and bursty ones, and 10,000 a second.

The days are invented; each is seeded, so the same measurements always make the same tables.
"""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from pipeline.changes.markdown import table
from pipeline.documents.measured import Size
from pipeline.service.scaling import Function, Outcome, Quotas, Rate, arrivals, simulate

DAY, MINUTE = 86_400, 60

QUIET_A_DAY, STEADY_A_SECOND = 200, 1.0
LEAST, MOST = 0.2, 1.5
"""Requests a second of the bursty day: at four in the morning, and at four in the afternoon."""
BURSTS, BURST_A_SECOND = 8, 60.0
MANY, FLOOD, RAMP = 10_000.0, 12_000.0, 30

_BLOCKS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Day:
    """People who arrive: at what rate, never above `highest`, for how long."""

    rate: Rate
    highest: float
    seconds: float = DAY

    def arrivals(self) -> list[float]:
        """When each of them arrives."""
        return list(arrivals(self.rate, self.highest, self.seconds))


def bursty() -> Day:
    """A day with its night, and minutes in which a newsletter went out."""
    draw = random.Random(1)  # noqa: S311  a simulation
    minutes = {int(draw.random() * DAY / MINUTE) for _ in range(BURSTS)}

    def rate(time: float) -> float:
        calm = LEAST + (MOST - LEAST) * (1 - math.cos(2 * math.pi * (time / DAY - 4 / 24))) / 2
        return calm + (BURST_A_SECOND if int(time / MINUTE) in minutes else 0.0)

    return Day(rate, MOST + BURST_A_SECOND)


DAYS: Mapping[str, Day] = {
    f"quiet, {QUIET_A_DAY} requests": Day(lambda _: QUIET_A_DAY / DAY, QUIET_A_DAY / DAY),
    "steady, one a second": Day(lambda _: STEADY_A_SECOND, STEADY_A_SECOND),
    "bursty": bursty(),
}


def of_size(size: Size, idle_minutes: float = 5) -> Function:
    """The function as it was measured with one size of memory."""
    warm, cold = ([value / 1000 for value in values] for values in (size.spaced, size.first))
    return Function(warm, cold, idle=idle_minutes * MINUTE)


def cold_share(size: Size) -> float:
    """Of the bursty day's requests, those that start an environment which lives five minutes."""
    return simulate(DAYS["bursty"].arrivals(), of_size(size)).cold_share


def calm(size: Size) -> str:
    """The table of days, for several lives of an idle environment."""
    rows = []
    for name, day in DAYS.items():
        times = day.arrivals()
        for minutes in (5, 15, 60):
            found = simulate(times, of_size(size, minutes))
            rows.append([name, f"{minutes} min", f"{found.requests:,}", *_told(found)])
    head = ("day", "idle for", "requests", "cold", "median", "95%", "99%", "busy at once", "alive at once")
    return table(head, rows, left=2)


def shape() -> str:
    """The bursty day's requests, a block for each half hour."""
    counts = [0] * 48
    for time in DAYS["bursty"].arrivals():
        counts[int(time / 1800)] += 1
    top = max(counts)
    return "".join(_BLOCKS[math.ceil(count / top * len(_BLOCKS)) - 1] for count in counts)


def many(size: Size) -> str:
    """The table of many requests a second, under the quotas of a new account and others."""
    function, new = of_size(size), Quotas()
    step, ramp = Day(lambda _: MANY, MANY, 20), Day(lambda time: MANY * min(1.0, time / RAMP), MANY, RAMP + 10)
    letter = replace(function, spacing=0.1)
    cases: dict[str, Callable[[], Outcome]] = {
        f"all at once, nothing warm, for {step.seconds:.0f} s": lambda: simulate(step.arrivals(), function),
        "the same with 200 environments kept ready": lambda: simulate(step.arrivals(), replace(function, ready=200)),
        "the same with a quota of 6,000 at once": lambda: simulate(
            step.arrivals(), function, replace(new, concurrency=6_000, new=6_000)
        ),
        f"risen to within {RAMP} s, then {ramp.seconds - RAMP:.0f} s more": lambda: simulate(ramp.arrivals(), function),
        "the same, ten a second for each environment by the letter": lambda: simulate(ramp.arrivals(), letter),
        f"{FLOOD:,.0f} a second, 200 environments kept ready": lambda: simulate(
            Day(lambda _: FLOOD, FLOOD, 20).arrivals(), replace(function, ready=200)
        ),
    }
    rows = []
    for name, case in cases.items():
        found = case()
        refused = (f"{found.refused_by_gateway:,}", f"{found.refused_by_lambda:,}")
        gave = "yes" if found.answered == found.requests else f"no: {1 - found.answered / found.requests:.2%} refused"
        rows.append([name, gave, f"{found.requests:,}", *refused, *_told(found)])
    head = ("10,000 a second", "do the quotas give?", "requests", "refused by gateway", "refused by Lambda", "cold")
    return table((*head, "median", "95%", "99%", "busy at once", "alive at once"), rows, left=2)


def _told(found: Outcome) -> list[str]:
    times = [f"{value * 1000:,.1f} ms" for value in (found.median, found.p95, found.p99)]
    return [f"{found.cold:,} ({found.cold_share:.2%})", *times, f"{found.busiest:,}", f"{found.environments:,}"]
