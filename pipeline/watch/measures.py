"""The contract's bins -> the measures that are watched, and the place of each measure's bins in one array.

One array holds the bins of all measures, one measure after the other. A window is then counted and compared in a few
array operations, however many columns the contract has.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lambda_api.bins import BINNINGS, Binning
from lambda_api.contract import LEVELS

CountArray = NDArray[np.int64]
"""One count for each bin of each measure, `TOTAL_BINS` long."""

PREDICTION, WARNED, ERRORS = "prediction", "warned", "errors"
"""What is watched besides the columns and BMI: predicted levels, records with a warning, requests without an answer."""


@dataclass(frozen=True)
class Measure:
    """One thing that is watched, with its bins.

    Attributes:
        name: A column, `BMI`, or one of the three names above.
        labels: One for each bin; a number's bins are labelled by their lower limits.
        ordered: Whether the bins have an order, so that a shift up or down means something.
        middles: Middle of each bin in the column's unit; empty for a measure that is no number.
    """

    name: str
    labels: tuple[str, ...]
    ordered: bool = False
    middles: tuple[float, ...] = ()


def _column_measure(name: str, binning: Binning) -> Measure:
    if binning.places:
        return Measure(name, tuple(binning.places))
    edges = binning.edges()
    half = (binning.width - 1) / binning.scale / 2  # the values in a bin are whole steps of 1/scale
    return Measure(name, tuple(f"{edge:g}" for edge in edges), ordered=True, middles=tuple(e + half for e in edges))


MEASURES: tuple[Measure, ...] = (
    *(_column_measure(name, binning) for name, binning in BINNINGS.items()),
    Measure(PREDICTION, tuple(map(str, LEVELS)), ordered=True),
    Measure(WARNED, ("no", "yes")),
    Measure(ERRORS, ("answered", "not answered")),
)
NAMES: tuple[str, ...] = tuple(measure.name for measure in MEASURES)

SIZES = np.array([len(measure.labels) for measure in MEASURES])
"""How many bins each measure has."""

STARTS = np.cumsum(SIZES) - SIZES
"""Index of each measure's first bin in the array."""

TOTAL_BINS = int(SIZES.sum())
