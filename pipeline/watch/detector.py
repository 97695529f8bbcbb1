"""A reference and a window -> how far each measure moved, and whether chance explains it.

Two figures are computed. The population stability index (PSI) sees any change of a distribution. The shift, the share
of pairs in which the recent value is the larger one, sees that a number went up or down, and needs far fewer records
for it. The limits are computed from the number of records on both sides and the number of bins compared, such that all
measures together raise a false alarm in less than one check of a hundred (docs/drift.md).
"""

from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import Any

import numpy as np

from pipeline.watch.counts import BinCounts
from pipeline.watch.measures import ERRORS, MEASURES, NAMES, PREDICTION, SIZES, STARTS, CountArray
from pipeline.watch.merged_bins import Floats, MergedBins

KEY_MEASURES = ("BMI", PREDICTION)
"""The measures that matter most to the answers: more than half of the allowed false alarms go to seeing them shift."""

KEY_ALPHA = 0.003
OTHER_ALPHA = 0.004
"""Chance of a false alarm in one check: for the shift of each key measure, and for everything else together."""

MIN_COUNTS = 100
"""A measure is compared if both sides have this many counts; with fewer the limits do not hold."""

MIN_PSI, MIN_SHIFT = 0.02, 0.04
"""Smaller changes never count, however many records there are: about a seventh of a standard deviation."""

_ORDERED = np.array([measure.ordered for measure in MEASURES])


@dataclass(frozen=True)
class DriftedMeasure:
    """One measure that moved further than chance explains.

    Attributes:
        name: The measure's name.
        psi: Its population stability index.
        psi_limit: The highest index that chance explains.
        shift: Share of pairs in which the recent value is the larger one, ties counted half; None without an order.
        shift_limit: How far from one half chance can take the shift.
        change: The change in words, from the reference to the window.
    """

    name: str
    psi: float
    psi_limit: float
    shift: float | None
    shift_limit: float | None
    change: str

    def as_json(self) -> dict[str, Any]:
        """The measure as it stands in reports/drift.json."""
        return {
            "what": self.name,
            "psi": self.psi,
            "limit": self.psi_limit,
            "shift": self.shift,
            "shift_limit": self.shift_limit,
            "change": self.change,
        }


@dataclass(frozen=True)
class DriftResult:
    """How a window differs from its reference.

    Attributes:
        psi: Each measure's index, rounded; None if there were too few counts.
        drifted: The measures that moved further than chance explains, the furthest first.
    """

    psi: dict[str, float | None]
    drifted: tuple[DriftedMeasure, ...]


class DriftDetector:
    """Compares windows with one reference.

    Args:
        reference: The counts of normal requests.
    """

    def __init__(self, reference: BinCounts) -> None:
        self._reference = reference
        self._merged_bins = MergedBins(reference.counts)
        self._quantiles = np.array([psi_quantile(bins) for bins in self._merged_bins.sizes.tolist()])

    def compare(self, window: BinCounts) -> DriftResult:
        """How the window differs from the reference."""
        before, now = (np.add.reduceat(side.counts, STARTS) for side in (self._reference, window))
        enough = (before >= MIN_COUNTS) & (now >= MIN_COUNTS)
        factor = self._reference.design_effect * (1 / np.maximum(before, 1) + 1 / np.maximum(now, 1))
        psi, psi_limit = self._merged_bins.psi(window.counts), np.maximum(MIN_PSI, self._quantiles * factor)
        shift, shift_limit = self._shift(window)
        # How many times its limit each figure is; the larger one of the two counts.
        excess = np.maximum(psi / psi_limit, np.where(_ORDERED, np.abs(shift - 0.5) / shift_limit, 0))
        if (window.last_bin_share(ERRORS) or 0) <= (self._reference.last_bin_share(ERRORS) or 0):
            excess[NAMES.index(ERRORS)] = 0  # fewer errors than before are no reason for an alarm
        drifted = [
            DriftedMeasure(
                name=NAMES[index],
                psi=_rounded(psi[index]),
                psi_limit=_rounded(psi_limit[index]),
                shift=_rounded(shift[index]) if _ORDERED[index] else None,
                shift_limit=_rounded(shift_limit[index]) if _ORDERED[index] else None,
                change=describe_change(NAMES[index], self._reference, window),
            )
            for index in np.argsort(-excess, kind="stable").tolist()
            if enough[index] and excess[index] > 1
        ]
        rounded = [_rounded(value) if compared else None for value, compared in zip(psi, enough, strict=True)]
        return DriftResult(dict(zip(NAMES, rounded, strict=True)), tuple(drifted))

    def _shift(self, window: BinCounts) -> tuple[Floats, Floats]:
        """The shift of each measure, and how far from one half chance can take it."""
        shift, deviation = _superiority(self._reference.counts, window.counts)
        limit = DEVIATIONS * deviation * self._reference.design_effect**0.5
        return shift, np.maximum(MIN_SHIFT, limit)


def _superiority(before: CountArray, now: CountArray) -> tuple[Floats, Floats]:
    """Share of pairs in which the recent value is the larger one, and its standard deviation when nothing changes.

    Mann & Whitney's U divided by the number of pairs; the deviation is corrected for ties.
    """
    m, n = (np.maximum(np.add.reduceat(counts, STARTS), 1).astype("float64") for counts in (before, now))
    below = np.cumsum(before) - before
    below = below - np.repeat(below[STARTS], SIZES) + before / 2
    total = m + n
    ties = np.add.reduceat((before + now).astype("float64") ** 3, STARTS) / total**3
    return np.add.reduceat(below * now, STARTS) / (m * n), np.sqrt(np.maximum(1 - ties, 0) * total / (12 * m * n))


@cache
def psi_quantile(bins: int) -> float:
    """The PSI that chance alone exceeds in `_PSI_ALPHA` of comparisons, divided by 1/m + 1/n.

    If nothing changes, PSI is distributed approximately as chi-squared, with one degree of freedom fewer than there are
    bins, times 1/m + 1/n for m and n records. The quantile is that of Wilson & Hilferty (1931),
    doi:10.1073/pnas.17.12.684; for one degree of freedom the exact value.
    """
    freedom = bins - 1
    if freedom < 1:  # nothing was counted
        return np.inf
    if freedom == 1:
        return NormalDist().inv_cdf(1 - _PSI_ALPHA / 2) ** 2
    spread = 2 / (9 * freedom)
    return float(freedom * (1 - spread + NormalDist().inv_cdf(1 - _PSI_ALPHA) * spread**0.5) ** 3)


_PSI_ALPHA = OTHER_ALPHA / (len(MEASURES) + int(_ORDERED.sum()) - len(KEY_MEASURES))
DEVIATIONS = np.array(
    [NormalDist().inv_cdf(1 - (KEY_ALPHA if name in KEY_MEASURES else _PSI_ALPHA) / 2) for name in NAMES]
)
"""How many standard deviations chance can move each measure's shift."""


def _rounded(value: float) -> float:
    return round(float(value), 4)


def describe_change(name: str, reference: BinCounts, window: BinCounts) -> str:
    """A measure's change in words: a number's mean, else the share of the bin that changed most, before and now."""
    measure = MEASURES[NAMES.index(name)]
    before, now = (side.of_measure(name) / max(int(side.of_measure(name).sum()), 1) for side in (reference, window))
    if measure.middles:
        mean_before, mean_now = (float(shares @ np.array(measure.middles)) for shares in (before, now))
        return f"mean about {mean_before:.3g} -> {mean_now:.3g}"
    largest = int(np.argmax(np.abs(now - before)))
    return f"{measure.labels[largest]} {before[largest]:.0%} -> {now[largest]:.0%}"
