"""Lines of the service's log about people of the sample, quicker than asking a model: the BMI rule answers."""

import csv
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lambda_api.bins import BINNINGS, BINS_ID
from lambda_api.contract import LEVELS, bmi_level, columns

ROOT = Path(__file__).parents[1]
START = 1_790_000_000_000
"""Of every log here, in milliseconds: 2026-09-21, 14:13:20 UTC."""

MINUTE = 60_000

Person = Mapping[str, str | float]
Change = Callable[[Person], Person]


def people() -> list[Person]:
    """The sample's records, without their levels."""
    with (ROOT / "data/sample/records.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{c.name: float(row[c.name]) if c.is_number else row[c.name] for c in columns()} for row in rows]


def places(person: Person) -> tuple[dict[str, int], str]:
    """The bins of one person, and the level by the BMI rule."""
    bmi = float(person["Weight"]) / float(person["Height"]) ** 2
    values = {**person, "BMI": bmi}
    return {name: binning.place(values[name]) for name, binning in BINNINGS.items()}, str(bmi_level(bmi))


def event(kind: str, time: int, version: str = "3", **more: object) -> bytes:
    """One line of the log."""
    head = {"_aws": {"Timestamp": time}, "event": kind, "request_id": "id", "model_version": version}
    return json.dumps(head | more).encode() + b"\n"


def prediction(person: Person, time: int, version: str = "3", **more: object) -> bytes:
    """The line of one answer."""
    bins, level = places(person)
    told = {"Predictions": 1, "Confidence": 0.9, "prediction": level, "warnings": 0, "bins_id": BINS_ID, "bins": bins}
    return event("prediction", time, version, **told | more)


def batch(asked: Sequence[Person], time: int, version: str = "3", **more: object) -> bytes:
    """The line of a batch."""
    found = [places(person) for person in asked]
    bins = {
        name: [sum(bins[name] == place for bins, _ in found) for place in range(binning.count)]
        for name, binning in BINNINGS.items()
    }
    levels = Counter(level for _, level in found)
    told = {
        "Predictions": len(asked),
        "levels": {str(level): levels[str(level)] for level in LEVELS},
        "mean_confidence": 0.8,
        "warned": 0,
        "bins_id": BINS_ID,
        "bins": bins,
    }
    return event("batch", time, version, **told | more)


def refusal(time: int, version: str = "3") -> bytes:
    """The line of a request that was refused."""
    return event("refusal", time, version, Refusals=1, status=422, problems={"Height less_than_equal": 1})


@dataclass
class Visits:
    """People of the sample who ask one after the other, a minute apart; the same ones for the same seed."""

    seed: int = 0
    version: str = "3"
    time: int = START
    _all: list[Person] = field(default_factory=people)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)  # noqa: S311  invents visitors

    def some(self, count: int) -> list[Person]:
        """People, drawn with replacement."""
        return self._chance.choices(self._all, k=count)

    def ask(self, count: int, change: Change = lambda person: person) -> list[bytes]:
        """Lines of so many single answers."""
        lines = []
        for person in self.some(count):
            self.time += MINUTE
            lines.append(prediction(change(person), self.time, self.version))
        return lines

    def ask_together(self, count: int, change: Change = lambda person: person) -> bytes:
        """The line of one batch."""
        self.time += MINUTE
        return batch([change(person) for person in self.some(count)], self.time, self.version)

    def refused(self, count: int) -> list[bytes]:
        """Lines of so many refusals."""
        lines = []
        for _ in range(count):
            self.time += MINUTE
            lines.append(refusal(self.time, self.version))
        return lines


def older(person: Person) -> Person:
    """The same person 12 years later: nobody misses that."""
    return {**person, "Age": float(person["Age"]) + 12}
