"""A reference and a window -> how far each measure moved, and whether chance explains it.

Two figures are taken. The population stability index (PSI) sees any change of a distribution. The shift, the share of
pairs in which the recent value is the larger one, sees that a number went up or down, and does so with far fewer
records. Limits are not rules of thumb: they follow from how many records both sides have and how many bins were
compared, so that all measures together raise a false alarm in less than one check of a hundred (docs/drift.md).
"""

from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from pipeline.watch.tally import ERRORS, MEASURES, NAMES, PREDICTION, SIZES, STARTS, Counts, Tally

Floats = NDArray[np.float64]

BODY = ("BMI", PREDICTION)
"""What the answers hang on: more than half of the false alarms that are allowed are spent on seeing these shift."""

BODY_ALPHA = 0.003
OTHER_ALPHA = 0.004
"""Chance of a false alarm: of each shift in `BODY`, and of everything else together."""

LEAST = 100
"""A measure is judged where both sides have this many counts; below, the limits do not hold."""

LEAST_PSI, LEAST_SHIFT = 0.02, 0.04
"""Smaller changes never count, however many records prove them: a seventh of a standard deviation, about."""

_MOST_BINS, _RARE = 10, 0.02
_HALF = 0.5  # added to each bin, so that an empty one does not make the index infinite

_ORDERED = np.array([measure.ordered for measure in MEASURES])


@dataclass(frozen=True)
class Finding:
    """One measure that moved further than chance explains.

    Attributes:
        what: The measure.
        psi: Its index, and `limit`, what chance explains of it.
        shift: Share of pairs in which the recent value is the larger one, ties half; None without an order.
        shift_limit: How far from one half chance may take it.
        change: In words, from the reference to now.
    """

    what: str
    psi: float
    limit: float
    shift: float | None
    shift_limit: float | None
    change: str


@dataclass(frozen=True)
class Judgement:
    """Every measure's index, rounded; None where there was too little to judge; and what moved, the furthest first."""

    psi: dict[str, float | None]
    drifting: tuple[Finding, ...]


class Judge:
    """Compares windows with one reference.

    Args:
        reference: What is normal. Rare bins are joined by it alone, so that a window cannot choose its bins.
    """

    def __init__(self, reference: Tally) -> None:
        self._reference = reference
        self._groups, self._bins = _groups(reference.counts)
        self._starts = np.cumsum(self._bins) - self._bins
        self._joined = self._join(reference.counts)
        self._quantiles = np.array([psi_quantile(bins) for bins in self._bins.tolist()])

    def judge(self, window: Tally) -> Judgement:
        """How far the window is from the reference."""
        was, now = (np.add.reduceat(tally.counts, STARTS) for tally in (self._reference, window))
        enough = (was >= LEAST) & (now >= LEAST)
        factor = self._reference.design_effect * (1 / np.maximum(was, 1) + 1 / np.maximum(now, 1))
        psi, limit = self._psi(window), np.maximum(LEAST_PSI, self._quantiles * factor)
        shift, reach = self._shift(window)
        moved = np.maximum(psi / limit, np.where(_ORDERED, np.abs(shift - 0.5) / reach, 0))
        if (window.share(ERRORS) or 0) <= (self._reference.share(ERRORS) or 0):
            moved[NAMES.index(ERRORS)] = 0  # fewer errors than before are no reason for an alarm
        found = [
            Finding(
                what=NAMES[place],
                psi=_rounded(psi[place]),
                limit=_rounded(limit[place]),
                shift=_rounded(shift[place]) if _ORDERED[place] else None,
                shift_limit=_rounded(reach[place]) if _ORDERED[place] else None,
                change=change(NAMES[place], self._reference, window),
            )
            for place in np.argsort(-moved, kind="stable").tolist()
            if enough[place] and moved[place] > 1
        ]
        shown = [_rounded(value) if judged else None for value, judged in zip(psi, enough, strict=True)]
        return Judgement(dict(zip(NAMES, shown, strict=True)), tuple(found))

    def _psi(self, window: Tally) -> Floats:
        """The index of each measure."""
        was, now = (self._shares(counts) for counts in (self._joined, self._join(window.counts)))
        found: Floats = np.add.reduceat((now - was) * np.log(now / was), self._starts)
        return found

    def _shift(self, window: Tally) -> tuple[Floats, Floats]:
        """The shift of each measure, and how far from one half chance may take it."""
        shift, deviation = _superiority(self._reference.counts, window.counts)
        reach = DEVIATIONS * deviation * self._reference.design_effect**0.5
        return shift, np.maximum(LEAST_SHIFT, reach)

    def _join(self, counts: Counts) -> Floats:
        return np.bincount(self._groups, weights=counts, minlength=int(self._bins.sum())).astype("float64")

    def _shares(self, joined: Floats) -> Floats:
        filled = joined + _HALF
        return np.asarray(filled / np.repeat(np.add.reduceat(filled, self._starts), self._bins))


def _groups(counts: Counts) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each bin the joined bin that it belongs to, over all measures; and how many each measure has."""
    groups, sizes, offset = [], [], 0
    for start, size in zip(STARTS.tolist(), SIZES.tolist(), strict=True):
        shares = counts[start : start + size] / max(int(counts[start : start + size].sum()), 1)
        found = _tenths(shares) if size > _MOST_BINS else _without_rare(shares)
        groups.append(found + offset)
        sizes.append(int(found.max()) + 1)
        offset += sizes[-1]
    return np.concatenate(groups), np.array(sizes)


def _tenths(shares: Floats) -> NDArray[np.int64]:
    """Neighbours joined until each group holds a tenth; what is left over belongs to the last one."""
    found, group, held, left = np.zeros(len(shares), dtype=np.int64), 0, 0.0, 1.0
    for place, share in enumerate(shares.tolist()):
        found[place] = group
        held, left = held + share, left - share
        if held >= 1 / _MOST_BINS - 1e-9 and left >= 1 / _MOST_BINS - 1e-9:
            group, held = group + 1, 0.0
    # Where one bin holds nearly all, it stands against the rest.
    return found if group else (np.arange(len(shares)) != shares.argmax()).astype(np.int64)


def _without_rare(shares: Floats) -> NDArray[np.int64]:
    """Rare bins, those that never occurred among them, joined into one behind the others."""
    rare = shares < _RARE
    return np.where(rare, int((~rare).sum()), np.cumsum(~rare) - 1)


def _superiority(was: Counts, now: Counts) -> tuple[Floats, Floats]:
    """Share of pairs in which the recent value is the larger one, and its standard deviation without any change.

    Mann & Whitney's U divided by the number of pairs; the deviation is corrected for ties.
    """
    m, n = (np.maximum(np.add.reduceat(counts, STARTS), 1).astype("float64") for counts in (was, now))
    below = np.cumsum(was) - was
    below = below - np.repeat(below[STARTS], SIZES) + was / 2
    total = m + n
    ties = np.add.reduceat((was + now).astype("float64") ** 3, STARTS) / total**3
    return np.add.reduceat(below * now, STARTS) / (m * n), np.sqrt(np.maximum(1 - ties, 0) * total / (12 * m * n))


@cache
def psi_quantile(bins: int) -> float:
    """What chance alone makes of PSI in all but `_PSI_ALPHA` of comparisons, times 1/(1/m + 1/n).

    Without a change PSI is distributed about as chi-squared with one degree of freedom less than there are bins, times
    1/m + 1/n. Wilson & Hilferty (1931), doi:10.1073/pnas.17.12.684; for one degree of freedom the exact value.
    """
    freedom = bins - 1
    if freedom < 1:  # nothing was counted
        return np.inf
    if freedom == 1:
        return NormalDist().inv_cdf(1 - _PSI_ALPHA / 2) ** 2
    spread = 2 / (9 * freedom)
    return float(freedom * (1 - spread + NormalDist().inv_cdf(1 - _PSI_ALPHA) * spread**0.5) ** 3)


_PSI_ALPHA = OTHER_ALPHA / (len(MEASURES) + int(_ORDERED.sum()) - len(BODY))
DEVIATIONS = np.array([NormalDist().inv_cdf(1 - (BODY_ALPHA if name in BODY else _PSI_ALPHA) / 2) for name in NAMES])
"""How many standard deviations chance may move each measure."""


def _rounded(value: float) -> float:
    return round(float(value), 4)


def change(name: str, reference: Tally, window: Tally) -> str:
    """What a person would say: a number's mean, else the share of the bin that changed most, then and now."""
    measure = MEASURES[NAMES.index(name)]
    was, now = (tally.measured(name) / max(int(tally.measured(name).sum()), 1) for tally in (reference, window))
    if measure.middles:
        before, after = (float(shares @ np.array(measure.middles)) for shares in (was, now))
        return f"mean about {before:.3g} -> {after:.3g}"
    most = int(np.argmax(np.abs(now - was)))
    return f"{measure.labels[most]} {was[most]:.0%} -> {now[most]:.0%}"
