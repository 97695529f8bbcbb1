"""Counts -> intervals and probabilities, each with its source.

Written out, although scipy.stats has `wilson` and `binomial_cdf`: its results differ in the last digits of a double, so
committed reports would change, and importing it takes a second that every command here would wait for.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np


def newcombe(base: tuple[float, float, float], this: tuple[float, float, float]) -> tuple[float, float]:
    """The interval of a difference from two figures, each with its own low and high; as if they were independent.

    Source: Newcombe (1998), method 10, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I
    """
    (old, old_low, old_high), (new, new_low, new_high) = base, this
    return (
        new - old - math.hypot(new - new_low, old_high - old),
        new - old + math.hypot(new_high - new, old - old_low),
    )


def wilson(right: int, rows: int, confidence: float) -> tuple[float, float]:
    """Wilson's interval of a share; (0, 1) without rows. Source: Wilson (1927), doi:10.2307/2276774."""
    if not rows:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, scale = right / rows, 1 + z * z / rows
    middle = (share + z * z / (2 * rows)) / scale
    half = z / scale * float(np.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows)))
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True)
class Pairs:
    """How many records only one of two models gets right, among all that both answered."""

    only_challenger: int
    only_champion: int
    total: int

    @property
    def difference(self) -> float:
        """The challenger's accuracy minus the champion's."""
        return (self.only_challenger - self.only_champion) / self.total

    def lower_bound(self, confidence: float) -> float:
        """What the difference is above with this one-sided confidence: Wald's, half a pair added to each side.

        Agresti & Min (2005), doi:10.1002/sim.1781, show that the added pairs keep its promise on few differences.
        """
        b, c, n = self.only_challenger + 0.5, self.only_champion + 0.5, self.total + 2
        error = math.sqrt((b + c) - (b - c) ** 2 / n) / n
        return (b - c) / n - NormalDist().inv_cdf(confidence) * error


def binomial_cdf(right: int, records: int, share: float) -> float:
    """How likely no more than `right` of `records` are right, if each is with probability `share`; exact (binomial)."""
    if right >= records or share <= 0:
        return 1.0
    if share >= 1:
        return 0.0

    def exactly(k: int) -> float:
        ways = math.lgamma(records + 1) - math.lgamma(k + 1) - math.lgamma(records - k + 1)
        return math.exp(ways + k * math.log(share) + (records - k) * math.log1p(-share))

    return min(1.0, math.fsum(exactly(k) for k in range(right + 1)))
