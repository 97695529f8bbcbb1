"""A reference's bin counts -> fewer, larger bins, on which the population stability index (PSI) is computed.

The reference alone decides how bins are merged, so that no window can influence the bins it is compared in.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.watch.measures import SIZES, STARTS, CountArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

_MAX_BINS, _RARE_SHARE = 10, 0.02
_TENTH = 1 / _MAX_BINS - 1e-9  # a little less, because shares are sums of floats
_HALF = 0.5  # added to each bin, so that an empty one does not make the index infinite


class MergedBins:
    """The merged bins of every measure.

    Args:
        reference: The reference's counts of all bins.

    Attributes:
        sizes: How many merged bins each measure has.
    """

    def __init__(self, reference: CountArray) -> None:
        self._merged_bin, self.sizes = _merge_measures(reference)
        self._starts = np.cumsum(self.sizes) - self.sizes
        self._reference_shares = self._shares(reference)

    def psi(self, window: CountArray) -> Floats:
        """Each measure's population stability index: the sum over bins of difference times log ratio of the shares."""
        before, now = self._reference_shares, self._shares(window)
        index: Floats = np.add.reduceat((now - before) * np.log(now / before), self._starts)
        return index

    def _shares(self, counts: CountArray) -> Floats:
        """Each merged bin's share of its measure's counts, with `_HALF` added to each bin."""
        merged = np.bincount(self._merged_bin, weights=counts, minlength=int(self.sizes.sum())) + _HALF
        return np.asarray(merged / np.repeat(np.add.reduceat(merged, self._starts), self.sizes))


def _merge_measures(counts: CountArray) -> tuple[Indices, Indices]:
    """The merged bin that each bin belongs to, numbered over all measures; and how many each measure has."""
    merged_bins, sizes, offset = [], [], 0
    for start, size in zip(STARTS.tolist(), SIZES.tolist(), strict=True):
        measure = counts[start : start + size]
        shares = measure / max(int(measure.sum()), 1)
        merged = _merge_neighbours(shares) if size > _MAX_BINS else _merge_rare(shares)
        merged_bins.append(merged + offset)
        sizes.append(int(merged.max()) + 1)
        offset += sizes[-1]
    return np.concatenate(merged_bins), np.array(sizes)


def _merge_neighbours(shares: Floats) -> Indices:
    """Neighbouring bins merged until each merged bin holds a tenth; the last one also holds what is left over."""
    merged, index, held, left = np.zeros(len(shares), dtype=np.int64), 0, 0.0, 1.0
    for place, share in enumerate(shares.tolist()):
        merged[place] = index
        held, left = held + share, left - share
        if held >= _TENTH and left >= _TENTH:
            index, held = index + 1, 0.0
    if index:
        return merged
    # One bin holds nearly everything: compare it with all the others together.
    others: Indices = (np.arange(len(shares)) != shares.argmax()).astype(np.int64)
    return others


def _merge_rare(shares: Floats) -> Indices:
    """Rare bins and empty ones merged into one, behind the others."""
    rare = shares < _RARE_SHARE
    return np.where(rare, int((~rare).sum()), np.cumsum(~rare) - 1)
