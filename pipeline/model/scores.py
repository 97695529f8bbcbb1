"""Answers -> scores: accuracy, averages over classes, calibration, each with an interval where one is possible."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lambda_api.contract import LEVELS
from pipeline.intervals import wilson
from pipeline.params import EvaluateParams

BINS = 10
"""Equal bins of confidence for the calibration error and the reliability plot."""

LOWER_IS_BETTER = frozenset({"ece", "brier", "log_loss"})
"""Scores of which less is better, by the last part of their name."""

Counts = NDArray[np.int64]

Scores = dict[str, float]


@dataclass(frozen=True)
class Answers:
    """Records with the truth and a graph's answers, row by row; levels as positions in `LEVELS`."""

    frame: pd.DataFrame
    truth: Counts
    predicted: Counts
    probabilities: NDArray[np.float64]

    def __getitem__(self, chosen: NDArray[np.bool_]) -> "Answers":
        return Answers(self.frame[chosen], self.truth[chosen], self.predicted[chosen], self.probabilities[chosen])

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each answer is the truth."""
        return np.asarray(self.truth == self.predicted)


def positions(levels: "pd.Series[Any] | NDArray[np.object_]") -> Counts:
    """Level names as positions in `LEVELS`."""
    place = {str(level): index for index, level in enumerate(LEVELS)}
    return np.array([place[level] for level in levels], dtype="int64")


def confusion(truth: Counts, predicted: Counts) -> Counts:
    """Counts (7, 7), true level by row, predicted by column."""
    size = len(LEVELS)
    return np.bincount(truth * size + predicted, minlength=size * size).reshape(size, size)


def matrix_scores(matrices: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Scores of confusion matrices (..., 7, 7), each of shape (...); averages are over levels that occur."""
    rows, columns_ = matrices.sum(axis=-1), matrices.sum(axis=-2)
    hits = np.diagonal(matrices, axis1=-2, axis2=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = np.where(rows > 0, hits / rows, np.nan)
        precision = np.where(columns_ > 0, hits / columns_, np.where(rows > 0, 0.0, np.nan))
        f1 = np.where(rows + columns_ > 0, 2 * hits / (rows + columns_), np.nan)
    total = rows.sum(axis=-1)
    distance = np.abs(np.subtract.outer(np.arange(len(LEVELS)), np.arange(len(LEVELS))))
    by_chance = rows[..., :, None] * columns_[..., None, :] / total[..., None, None]
    squared = (distance**2 * matrices).sum(axis=(-2, -1)) / np.maximum(
        (distance**2 * by_chance).sum(axis=(-2, -1)), 1e-12
    )
    weight = rows / total[..., None]
    return {
        "accuracy": hits.sum(axis=-1) / total,
        "f1_macro": np.nanmean(np.where(rows > 0, f1, np.nan), axis=-1),
        "f1_weighted": np.nansum(weight * f1, axis=-1),
        "precision_macro": np.nanmean(np.where(rows > 0, precision, np.nan), axis=-1),
        "precision_weighted": np.nansum(weight * precision, axis=-1),
        "recall_macro": np.nanmean(recall, axis=-1),
        "recall_weighted": np.nansum(weight * recall, axis=-1),
        "within_one_level": (matrices * (distance <= 1)).sum(axis=(-2, -1)) / total,
        "quadratic_kappa": 1 - squared,
    }


def probability_scores(answers: Answers) -> Scores:
    """Expected calibration error over `BINS` bins of confidence, Brier score (0 to 2), and log loss in nats."""
    rows = np.arange(len(answers.truth))
    confidence = answers.probabilities.max(axis=1)
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gap = np.bincount(bins, answers.right - confidence, minlength=BINS)
    wanted = np.zeros_like(answers.probabilities)
    wanted[rows, answers.truth] = 1
    return {
        "ece": float(np.abs(gap).sum() / len(rows)),
        "brier": float(((answers.probabilities - wanted) ** 2).sum(axis=1).mean()),
        "log_loss": float(-np.log(answers.probabilities[rows, answers.truth]).mean()),
    }


def share(right: NDArray[np.bool_], params: EvaluateParams, name: str = "accuracy") -> Scores:
    """A share of rows with Wilson's interval and the number of rows."""
    low, high = wilson(int(right.sum()), len(right), params.confidence)
    return {"rows": len(right), name: float(right.mean()), f"{name}_low": low, f"{name}_high": high}


def scores(answers: Answers, params: EvaluateParams) -> Scores:
    """Every overall score of the answers, with intervals."""
    matrix = confusion(answers.truth, answers.predicted)
    random = np.random.RandomState(params.seed)
    total = int(matrix.sum())
    resampled = random.multinomial(total, matrix.ravel() / total, size=params.resamples).reshape(-1, *matrix.shape)
    point, spread = matrix_scores(matrix[None].astype(float)), matrix_scores(resampled.astype(float))
    tail = 50 * (1 - params.confidence)
    bounded: Scores = {}
    for name, value in point.items():
        low, high = np.percentile(spread[name], [tail, 100 - tail])
        bounded |= {name: float(value[0]), f"{name}_low": float(low), f"{name}_high": float(high)}
    close = np.abs(answers.truth - answers.predicted) <= 1
    shares = share(answers.right, params) | share(close, params, "within_one_level")
    return bounded | shares | probability_scores(answers)
