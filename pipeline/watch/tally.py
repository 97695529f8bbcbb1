"""Pieces of the log -> counts of one stretch of time: how many records fell into each bin of each measure.

All measures lie one behind the other in one array, so that a window is counted and judged in a few operations however
many columns the contract has.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lambda_api.bins import BINNINGS, Binning
from lambda_api.contract import LEVELS

Counts = NDArray[np.int64]

PREDICTION, WARNED, ERRORS = "prediction", "warned", "errors"
"""What is watched besides the columns and BMI: levels answered, records with a warning, requests without an answer."""


@dataclass(frozen=True)
class Measure:
    """One thing that is watched: what its bins are called, and whether they have an order worth testing.

    Attributes:
        name: A column, `BMI`, or one of the three above.
        labels: Of its bins; a number's by the lower limit.
        ordered: Whether a shift up or down means something.
        middles: Of a number's bins, in the column's unit; empty for what is no number.
    """

    name: str
    labels: tuple[str, ...]
    ordered: bool = False
    middles: tuple[float, ...] = ()


def _measure(name: str, binning: Binning) -> Measure:
    if binning.places:
        return Measure(name, tuple(binning.places))
    edges = binning.edges()
    half = (binning.width - 1) / binning.scale / 2  # the values of a bin are whole steps of 1/scale
    return Measure(name, tuple(f"{edge:g}" for edge in edges), ordered=True, middles=tuple(e + half for e in edges))


MEASURES: tuple[Measure, ...] = (
    *(_measure(name, binning) for name, binning in BINNINGS.items()),
    Measure(PREDICTION, tuple(map(str, LEVELS)), ordered=True),
    Measure(WARNED, ("no", "yes")),
    Measure(ERRORS, ("answered", "not answered")),
)
NAMES: tuple[str, ...] = tuple(measure.name for measure in MEASURES)

SIZES = np.array([len(measure.labels) for measure in MEASURES])
STARTS = np.cumsum(SIZES) - SIZES
"""Where each measure's bins begin in the array."""

SIZE = int(SIZES.sum())


class Piece(NamedTuple):
    """One line of ours: an answer, a batch of answers, or a request that got none.

    Attributes:
        time: Milliseconds since 1970.
        version: Of the model.
        records: Answered; none for a request that was refused or failed.
        confidence: Mean of the records'.
        places: Of a single answer, in the array.
        counts: Of a batch, the array itself.
    """

    time: int
    version: str
    records: int = 0
    confidence: float = 0.0
    places: Sequence[int] = ()
    counts: Counts | None = None

    @property
    def weight(self) -> int:
        """Records asked about, as far as the log knows: a request without an answer counts as one."""
        return self.records or 1


@dataclass(frozen=True, eq=False)
class Tally:
    """The counts of a stretch of time.

    Attributes:
        counts: Of every bin of every measure, in the order of `MEASURES`.
        records: Answered.
        confidence: Mean of the records'.
        start: Of the first record, milliseconds since 1970.
        end: Of the last one.
        largest: Records of the largest batch in it.
    """

    counts: Counts
    records: int
    confidence: float
    start: int
    end: int
    largest: int

    @classmethod
    def of(cls, pieces: Sequence[Piece], unanswered: int = 0) -> "Tally":
        """The counts of pieces in time order, and of `unanswered` requests that are not among them."""
        counts = np.bincount(_indices(pieces), minlength=SIZE)
        for piece in pieces:
            if piece.counts is not None:
                counts += piece.counts
        answered = sum(1 for piece in pieces if piece.records)
        start = STARTS[NAMES.index(ERRORS)]
        counts[start : start + 2] = answered, len(pieces) - answered + unanswered
        records = sum(piece.records for piece in pieces)
        confidence = sum(piece.records * piece.confidence for piece in pieces) / max(records, 1)
        return cls(counts, records, confidence, pieces[0].time, pieces[-1].time, max(piece.records for piece in pieces))

    def measured(self, name: str) -> Counts:
        """The counts of one measure."""
        place = NAMES.index(name)
        found: Counts = self.counts[STARTS[place] : STARTS[place] + SIZES[place]]
        return found

    def share(self, name: str) -> float | None:
        """Share of the last bin of a measure; None where nothing was counted."""
        counts = self.measured(name)
        total = int(counts.sum())
        return int(counts[-1]) / total if total else None


def _indices(pieces: Iterable[Piece]) -> NDArray[np.int64]:
    return np.fromiter(chain.from_iterable(piece.places for piece in pieces), dtype=np.int64)
