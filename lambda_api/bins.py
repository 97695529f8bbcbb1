"""The contract -> the bins that a value falls into: what the log holds of a person, and what the watch counts.

Service, cleaning and watch share this one description, so that a bin means the same in a line of the log, in the
model's manifest and in a verdict on drift. Imports the contract and numpy only.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lambda_api.contract import BMI_RANGE, Column, columns

BMI = Column("BMI", "Body mass index", unit="kg/m2", low=BMI_RANGE[0], high=BMI_RANGE[1], decimals=1)
BINNED: tuple[Column, ...] = (*columns(), BMI)
"""What is binned, in this order everywhere."""

# A shift of 5 kg, about 2 kg/m2, must move people to other bins. Every other number is a rating of a few whole steps.
_WIDTHS: Mapping[str, float] = {"Age": 5, "Height": 0.05, "Weight": 5, "BMI": 2}

# Below this many values Python is done before numpy has begun.
_FEW = 20


@dataclass(frozen=True)
class Binning:
    """How one column's values fall into bins: a category into its place, a number by whole steps above the lowest.

    Numbers are rounded first, as people round when they answer. Steps are counted in whole units of the last decimal
    kept, so that no edge is a matter of floating point.
    """

    places: Mapping[str, int]
    scale: int
    low: int
    width: int
    count: int

    @classmethod
    def of(cls, column: Column) -> Self:
        """The binning of one column."""
        if not column.is_number:
            return cls(
                {category: place for place, category in enumerate(column.categories)}, 1, 0, 1, len(column.categories)
            )
        scale = 10**column.decimals if column.name in _WIDTHS else 1
        low, high = round(column.low * scale), round(column.high * scale)
        width = round(_WIDTHS.get(column.name, 1) * scale)
        return cls({}, scale, low, width, (high - low) // width + (column.name not in _WIDTHS))

    def place(self, value: str | float) -> int:
        """The bin of one value of the contract, from 0."""
        if isinstance(value, str):
            return self.places[value]
        return min((round(value * self.scale) - self.low) // self.width, self.count - 1)

    def counts(self, values: NDArray[Any]) -> list[int]:
        """How many values fall into each bin."""
        if len(values) < _FEW:
            placed = Counter(map(self.place, values.ravel().tolist()))
            return [placed[place] for place in range(self.count)]
        if self.places:
            counted = Counter(values.ravel().tolist())
            return [counted[category] for category in self.places]
        steps = (np.rint(values.ravel() * self.scale).astype("int64") - self.low) // self.width
        counts: list[int] = np.bincount(np.minimum(steps, self.count - 1), minlength=self.count).tolist()
        return counts

    def edges(self) -> list[float]:
        """The lower limit of each bin of a number, after rounding; the last bin is closed above."""
        return [(self.low + place * self.width) / self.scale for place in range(self.count)]


BINNINGS: Mapping[str, Binning] = {column.name: Binning.of(column) for column in BINNED}

BINS_ID = hashlib.sha256(
    json.dumps([[name, asdict(binning)] for name, binning in BINNINGS.items()], separators=(",", ":")).encode()
).hexdigest()[:12]
"""Changes with the meaning of any bin's number: lines with different ids cannot be compared."""
