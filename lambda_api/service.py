"""Validated records in -> complete answers out: the model, what is known about it, and the BMI rule beside it.

Knows nothing of HTTP. Records are turned into columns once, and everything that can be done by column is: a batch then
costs about as much as the graph itself.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from lambda_api import manifest as manifests
from lambda_api.contract import LEVELS, RISK, Column, Level, Record, bmi_level, columns, example, fingerprint
from lambda_api.manifest import Manifest, ManifestError
from lambda_api.model import Model

DECIMALS = 6
"""Of a probability in an answer: smaller differences say nothing, and a batch is a fifth smaller."""

_NAMES = tuple(column.name for column in columns())
_LEVELS = tuple(str(level) for level in LEVELS)
_RISK = {str(level): risk for level, risk in RISK.items()}


class _Shape(BaseModel):
    """What an answer looks like, for the document and the tests; answers themselves are made as dictionaries."""

    model_config = ConfigDict(defer_build=True)


class Warned(_Shape):
    """A column whose value lies outside what the model was trained on; the answer may be worth less."""

    loc: list[str] = Field(examples=[["Age"]])
    msg: str = Field(examples=["outside the 14 to 61 that the model was trained on"])


class Answer(_Shape):
    """What the model says about one record, and what the BMI rule alone says."""

    prediction: Level
    probabilities: dict[Level, float] = Field(description="Calibrated, of each level, from lightest to heaviest")
    confidence: float = Field(ge=0, le=1, description="Probability of the predicted level")
    risk_level: Literal["Low", "Medium", "High"] = Field(description="A plain reading of the level, not medical advice")
    bmi: float = Field(description="Body mass index in kg/m2")
    bmi_class: Level = Field(description="The level by the BMI rule alone")
    warnings: list[Warned] = Field(description="What lies outside the training data; empty as a rule")


class Prediction(Answer):
    """The answer to one record."""

    model_version: str = Field(examples=["3"])


class Summary(_Shape):
    """A batch at a glance."""

    records: int = Field(ge=1)
    levels: dict[Level, int] = Field(description="Predictions of each level, all seven named")
    mean_confidence: float = Field(ge=0, le=1)


class BatchPrediction(_Shape):
    """The answers to a batch, in its order."""

    predictions: list[Answer]
    summary: Summary
    model_version: str = Field(examples=["3"])


class Feature(_Shape):
    """One column that a record must have."""

    name: str
    description: str
    unit: str | None = None
    low: float | None = None
    high: float | None = None
    categories: list[str] | None = None


class ModelInfo(Manifest):
    """The manifest of the model that answers, with its levels and columns."""

    model_config = ConfigDict(defer_build=True)

    levels: list[Level]
    features: list[Feature]


@dataclass(frozen=True)
class AnsweredRecords:
    """Answers as JSON-ready dictionaries of `Answer`'s shape, and the arrays they were made from."""

    answers: list[dict[str, Any]]
    feed: dict[str, NDArray[Any]]
    bmi: list[float]
    labels: list[str]
    confidences: list[float]

    def levels(self) -> dict[str, int]:
        """Predictions of each level, all seven named."""
        counts = Counter(self.labels)
        return {level: counts[level] for level in _LEVELS}

    def mean_confidence(self) -> float:
        """Mean probability of the predicted levels."""
        return round(sum(self.confidences) / len(self.confidences), DECIMALS)


@dataclass(frozen=True)
class Service:
    """A model that answers, and its manifest."""

    model: Model
    manifest: Manifest

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The model and manifest in a folder.

        Raises:
            ManifestError: The manifest is missing, damaged, or was made for another contract.
            ModelError: The model is missing, damaged, or not the one in the manifest.
        """
        manifest = manifests.load(folder)
        if manifest.contract != fingerprint():
            raise ManifestError(
                f"{folder}: the model was made for contract {manifest.contract}, this code has {fingerprint()}: "
                "train again, or deploy the code that belongs to the model"
            )
        return cls(Model.load(folder / manifests.MODEL_FILE, manifest.model_sha256), manifest)

    def answer(self, records: Sequence[Record]) -> AnsweredRecords:
        """The answers to one or more records, in their order."""
        table = dict(zip(_NAMES, zip(*map(attrgetter(*_NAMES), records), strict=True), strict=True))
        feed = {
            column.name: np.array(table[column.name], dtype="float64" if column.is_number else object).reshape(-1, 1)
            for column in columns()
        }
        predicted, probabilities = self.model.predict(feed)
        labels: list[str] = predicted.tolist()
        shares = probabilities.round(DECIMALS).tolist()
        confidences = [max(row) for row in shares]
        bmi = [record.bmi for record in records]
        answers = [
            {
                "prediction": label,
                "probabilities": dict(zip(_LEVELS, row, strict=True)),
                "confidence": confidence,
                "risk_level": _RISK[label],
                "bmi": round(index, 2),
                "bmi_class": bmi_level(index),
                "warnings": [],
            }
            for label, row, confidence, index in zip(labels, shares, confidences, bmi, strict=True)
        ]
        for column in columns():
            self._warn(column, table[column.name], answers)
        return AnsweredRecords(answers, feed, bmi, labels, confidences)

    def _warn(self, column: Column, values: tuple[Any, ...], answers: list[dict[str, Any]]) -> None:
        known = self.manifest.support[column.name]
        if not column.is_number:
            outside = {value for value in column.categories if value not in known.categories}
            for value, answer in zip(values, answers, strict=True) if outside else ():
                if value in outside:
                    answer["warnings"].append(
                        {"loc": [column.name], "msg": "a category that the model was not trained on"}
                    )
            return
        low, high = known.low, known.high
        assert low is not None and high is not None  # noqa: S101, PT018  the manifest was checked; mypy cannot know
        if low <= min(values) and max(values) <= high:
            return
        message = f"outside the {low:g} to {high:g} that the model was trained on"
        for value, answer in zip(values, answers, strict=True):
            if not low <= value <= high:
                answer["warnings"].append({"loc": [column.name], "msg": message})

    def example(self) -> AnsweredRecords:
        """The answer to the contract's own example: proof that the model answers at all."""
        return self.answer([Record.model_validate(example())])

    def info(self) -> ModelInfo:
        """The manifest, the levels and the columns."""
        features = [
            Feature(
                name=column.name, description=column.description, unit=column.unit, low=column.low, high=column.high
            )
            if column.is_number
            else Feature(name=column.name, description=column.description, categories=list(column.categories))
            for column in columns()
        ]
        return ModelInfo(**dict(self.manifest), levels=list(LEVELS), features=features)
