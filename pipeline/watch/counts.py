"""Entries of the log -> how many of their records fell into each bin of each measure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from pipeline.watch.entries import LogEntry
from pipeline.watch.measures import ERRORS, NAMES, SIZES, STARTS, TOTAL_BINS, CountArray


@dataclass(frozen=True, eq=False)
class BinCounts:
    """The bin counts of a stretch of time: a window, a reference, or the training data.

    Attributes:
        counts: One for each bin of each measure, in the order of `MEASURES`.
        records: How many were answered.
        confidence: Mean confidence of the records.
        start: Time of the first entry, in milliseconds since 1970.
        end: Time of the last entry.
        largest_batch: Records in the largest batch; 1 if there were single answers only.
        design_effect: See `design_effect`; measured for references only, else 1.
    """

    counts: CountArray
    records: int
    confidence: float
    start: int
    end: int
    largest_batch: int
    design_effect: float = 1.0

    @classmethod
    def of_entries(cls, entries: Sequence[LogEntry], unanswered: int = 0) -> "BinCounts":
        """The counts of entries in the order of time, plus `unanswered` requests that are not among them."""
        counts = np.bincount(_all_bin_indices(entries), minlength=TOTAL_BINS)
        for entry in entries:
            if entry.counts is not None:
                counts += entry.counts
        answered = sum(1 for entry in entries if entry.records)
        start = STARTS[NAMES.index(ERRORS)]
        counts[start : start + 2] = answered, len(entries) - answered + unanswered
        records = sum(entry.records for entry in entries)
        confidence = sum(entry.records * entry.confidence for entry in entries) / max(records, 1)
        largest = max(entry.records for entry in entries)
        return cls(counts, records, confidence, entries[0].time, entries[-1].time, largest)

    def of_measure(self, name: str) -> CountArray:
        """The counts of one measure's bins."""
        index = NAMES.index(name)
        counts: CountArray = self.counts[STARTS[index] : STARTS[index] + SIZES[index]]
        return counts

    def last_bin_share(self, name: str) -> float | None:
        """The share of a measure's last bin, such as that of errors; None if nothing was counted."""
        counts = self.of_measure(name)
        total = int(counts.sum())
        return int(counts[-1]) / total if total else None


MAX_LAG = 20
"""A person's next request is looked for among this many following requests."""


def design_effect(entries: Sequence[LogEntry]) -> float:
    """How much more these requests' counts vary than those of as many different people; 1 if not at all.

    People ask again with one answer changed, and monitors send the same request all day, so nearby requests are more
    alike than two random ones. The design effect (Kish 1965) is what that does to the variance of a count: 1 plus twice
    the sum of the autocorrelations, here over all columns together. Batches are left out: their lines only count.
    """
    table = np.array([entry.bin_indices for entry in entries if entry.bin_indices])
    if len(table) <= 2 * MAX_LAG:
        return 1.0
    counts = np.bincount(table.ravel())
    expected = float((counts * (counts - 1)).sum()) / (len(table) * (len(table) - 1))
    equal = [float((table[lag:] == table[:-lag]).sum()) / (len(table) - lag) for lag in range(1, MAX_LAG + 1)]
    effect = 1 + 2 * sum(share - expected for share in equal) / (table.shape[1] - expected)
    return max(1.0, float(effect))


def _all_bin_indices(entries: Sequence[LogEntry]) -> NDArray[np.int64]:
    return np.fromiter(chain.from_iterable(entry.bin_indices for entry in entries), dtype=np.int64)
