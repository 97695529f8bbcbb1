"""What happened in -> one line of JSON on standard output each; health data never leaves the process by this door.

A prediction's line says which bin each column fell into, never its value; a batch's line only counts. The lines are
CloudWatch's embedded metric format as well, so counters and latencies need no call to any API. The drift watch reads
the bins back: `BINNINGS` says what they mean.
"""

import sys
import time
import traceback
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_json

from lambda_api.contract import BMI_RANGE, Column, columns
from lambda_api.service import Answered

BMI = Column("BMI", "Body mass index", unit="kg/m2", low=BMI_RANGE[0], high=BMI_RANGE[1], decimals=1)
BINNED: tuple[Column, ...] = (*columns(), BMI)
"""The columns of a line's bins."""

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
            found = Counter(values.ravel().tolist())
            return [found[category] for category in self.places]
        steps = (np.rint(values.ravel() * self.scale).astype("int64") - self.low) // self.width
        counts: list[int] = np.bincount(np.minimum(steps, self.count - 1), minlength=self.count).tolist()
        return counts

    def edges(self) -> list[float]:
        """The lower limit of each bin of a number, after rounding; the last bin is closed above."""
        return [(self.low + place * self.width) / self.scale for place in range(self.count)]


BINNINGS: Mapping[str, Binning] = {column.name: Binning.of(column) for column in BINNED}


_UNITS = {"LatencyMs": "Milliseconds", "BatchLatencyMs": "Milliseconds", "Confidence": "None"}


class Telemetry:
    """Writes the lines of one process; knows whether it has answered before."""

    def __init__(self, model_version: str, namespace: str = "ObesityLevels") -> None:
        self._model_version = model_version
        self._namespace = namespace
        self._start = "cold"

    def restored(self) -> None:
        """The process was restored from a snapshot: its next answer is neither cold nor warm."""
        self._start = "restored"

    def predicted(self, request_id: str, answered: Answered, started: float) -> None:
        """One answer: its bins, class and latency; `started` as `time.perf_counter` gave it."""
        values = {name: values.item() for name, values in answered.feed.items()} | {BMI.name: answered.bmi[0]}
        self._write(
            "prediction",
            request_id,
            {"Predictions": 1, "LatencyMs": _since(started), "Confidence": answered.confidences[0]},
            prediction=answered.labels[0],
            warnings=len(answered.answers[0]["warnings"]),
            bins={name: binning.place(values[name]) for name, binning in BINNINGS.items()},
            start=self._started(),
        )

    def predicted_batch(self, request_id: str, answered: Answered, started: float) -> None:
        """A batch: how many records, of which levels and in which bins."""
        table = {**answered.feed, BMI.name: np.array(answered.bmi)}
        counts = {name: binning.counts(table[name]) for name, binning in BINNINGS.items()}
        self._write(
            "batch",
            request_id,
            {"Predictions": len(answered.labels), "BatchLatencyMs": _since(started)},
            levels=answered.levels(),
            mean_confidence=answered.mean_confidence(),
            warned=sum(bool(answer["warnings"]) for answer in answered.answers),
            bins=counts,
            start=self._started(),
        )

    def refused(self, request_id: str, status: int, problems: Mapping[str, int]) -> None:
        """A request that was not answered; `problems` counts what was wrong, by contract column and kind."""
        self._write("refusal", request_id, {"Refusals": 1}, status=status, problems=dict(problems))

    def failed(self, request_id: str, error: BaseException) -> None:
        """A bug: where it happened, but not the error's text, which may hold a value."""
        frames = traceback.extract_tb(error.__traceback__)
        where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        self._write("error", request_id, {"Errors": 1}, error=type(error).__name__, trace=where)

    def _started(self) -> str:
        start, self._start = self._start, "warm"
        return start

    def _write(self, event: str, request_id: str, metrics: dict[str, float], **more: object) -> None:
        line = {
            "_aws": {
                "Timestamp": int(time.time() * 1000),
                "CloudWatchMetrics": [
                    {
                        "Namespace": self._namespace,
                        "Dimensions": [["model_version"]],
                        "Metrics": [{"Name": name, "Unit": _UNITS.get(name, "Count")} for name in metrics],
                    }
                ],
            },
            "event": event,
            "request_id": request_id,
            "model_version": self._model_version,
            **metrics,
            **more,
        }
        sys.stdout.write(to_json(line).decode() + "\n")
        sys.stdout.flush()


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
