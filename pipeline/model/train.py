"""Cleaned records -> the graph that ships, the graphs that never saw each fold, and the proof that they are exact.

The shipped model is the one that never saw fold `split.holdout`; the other folds' models exist to measure the recipe
on every record, each answered by a model that had not seen it. They travel with the shipped model, so that a later
challenger can be compared with it on any data, row by row, with neither having seen the row.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline

from lambda_api.contract import BMI_RANGE, LEVELS, TARGET
from lambda_api.model import Model
from pipeline.data.records import (
    COLUMNS,
    FOLD,
    GROUP_FOLD,
    NO_GROUP,
    bmi,
    feed,
    load_processed,
    random_records,
    rounded,
)
from pipeline.errors import ModelFileError
from pipeline.files import Layout, digest, read_json, write_bytes, write_json
from pipeline.model.export import to_onnx
from pipeline.model.features import encoder
from pipeline.model.forest import VotingForest, probabilities
from pipeline.model.parity import FIGURE_DECIMALS, Parity, compare, prove, refuse_differences
from pipeline.params import Params
from pipeline.progress import Progress, no_progress

BODY = ("Height", "Weight")
"""The columns that a shuffled copy leaves with their level."""

GOLDEN_PER_LEVEL = 3


@dataclass(frozen=True)
class TrainingResult:
    """The fitted Pipeline that ships, all graphs, and the proof."""

    pipeline: Pipeline
    graph: bytes
    folds: tuple[bytes, ...]
    grouped: tuple[bytes, ...]
    parity: Parity


def with_shuffled_copies(frame: pd.DataFrame, copies: int, seed: int) -> pd.DataFrame:
    """The rows, then copies of them in which all columns but `BODY` and the level are shuffled, together.

    The copies say that habits do not make a level by themselves; without them the forest learns which habits the
    synthetic rows of a level happen to share, and answers real bodies wrongly.
    """
    random = np.random.RandomState(seed)
    habits = [name for name in COLUMNS if name not in BODY]
    tables = [frame]
    for _ in range(copies):
        shuffled = frame[habits].iloc[random.permutation(len(frame))].set_axis(frame.index)
        tables.append(frame.assign(**{name: shuffled[name] for name in habits}))
    return pd.concat(tables, ignore_index=True)


def pipeline_of(params: Params, exponent: float, jobs: int) -> Pipeline:
    """The unfitted Pipeline: raw records (n, 16) in, level names or probabilities (n, 7) out."""
    forest = RandomForestClassifier(**params.forest.model_dump(), n_jobs=jobs)
    return Pipeline([("features", encoder()), ("forest", VotingForest(forest, exponent))])


def fit(frame: pd.DataFrame, params: Params, exponent: float = 1.0, jobs: int = -1) -> Pipeline:
    """The Pipeline fitted on a table of records with levels; `exponent` is taken as given."""
    rows = with_shuffled_copies(frame, params.train.shuffled_copies, params.forest.random_state)
    return pipeline_of(params, exponent, jobs).fit(rows[list(COLUMNS)], rows[TARGET].to_numpy(dtype=object))


def log_loss(votes: NDArray[np.int64], truth: NDArray[np.int64], trees: int, exponent: float) -> float:
    """Mean negative log probability of the true level when votes are sharpened by the exponent, in nats."""
    return float(-np.log(probabilities(votes, trees, exponent)[np.arange(len(truth)), truth]).mean())


def calibrate(frame: pd.DataFrame, params: Params, jobs: int = -1) -> float:
    """The vote exponent with the lowest log loss on these rows, each voted on by a forest that did not see its fold."""
    votes, truth = [], []
    position = {str(level): index for index, level in enumerate(LEVELS)}
    for fold in sorted(frame[FOLD].unique()):
        inside, outside = frame[frame[FOLD] != fold], frame[frame[FOLD] == fold]
        model = fit(inside, params, jobs=jobs)
        votes.append(model[-1].votes(model[:-1].transform(outside[list(COLUMNS)])))
        truth += [position[level] for level in outside[TARGET]]
    trees, counts, answers = params.forest.n_estimators, np.concatenate(votes), np.array(truth)
    return min(params.calibration.exponents.values(), key=lambda a: log_loss(counts, answers, trees, a))


def fit_calibrated(frame: pd.DataFrame, params: Params, jobs: int = -1) -> Pipeline:
    """The Pipeline fitted and calibrated on these rows and no others."""
    return fit(frame, params, calibrate(frame, params, jobs), jobs)


def golden(graph: bytes, seed: int) -> dict[str, object]:
    """Generated records with the graph's answers, a few for each level that it answers at all."""
    frame = rounded(random_records(2000, seed))
    index = bmi(frame)
    frame = frame[(index > BMI_RANGE[0] + 1) & (index < BMI_RANGE[1] - 1)]
    labels, probs = Model(graph).predict(feed(frame))
    chosen = [place for level in LEVELS for place in np.flatnonzero(labels == level)[:GOLDEN_PER_LEVEL]]
    cases = [
        {
            "record": frame[list(COLUMNS)].iloc[place].to_dict(),
            "prediction": str(labels[place]),
            "probabilities": probs[place].round(FIGURE_DECIMALS).tolist(),
        }
        for place in chosen
    ]
    return {"model_sha256": digest(graph), "cases": cases}


def train(
    frame: pd.DataFrame, data_sha256: str, params: Params, jobs: int = -1, progress: Progress = no_progress
) -> TrainingResult:
    """Every graph that the records and the parameters make, proven equal to its Pipeline.

    Args:
        frame: Records as `clean` makes them, columns `PROCESSED`.
        data_sha256: Digest of the raw file, for the graphs' metadata.
        params: The parameters.
        jobs: Processor cores to fit with; changes nothing but the time.
        progress: Called with progress.

    Raises:
        ParityError: A graph is not equal to its Pipeline.
    """
    grouped_rows = frame[frame[GROUP_FOLD] != NO_GROUP]
    total = params.split.folds * (1 + bool(len(grouped_rows))) + 1
    folds, shipped = [], None
    for fold in range(params.split.folds):
        progress(f"fit without fold {fold}", fold, total)
        model = fit_calibrated(frame[frame[FOLD] != fold], params, jobs)
        graph = to_onnx(model, data_sha256)
        same = compare(model, Model(graph), frame)
        refuse_differences({f"fold {fold}": same}, params.parity.max_probability_difference)
        folds.append(graph)
        if fold == params.split.holdout:
            shipped = model
    assert shipped is not None  # noqa: S101  params guarantee it; mypy cannot know
    grouped = []
    for fold in range(params.split.folds if len(grouped_rows) else 0):
        progress(f"fit without group {fold}", len(folds) + fold, total)
        grouped.append(to_onnx(fit(frame[frame[GROUP_FOLD] != fold], params, jobs=jobs), data_sha256))
    progress("prove the graph exact", total - 1, total)
    graph = folds[params.split.holdout]
    parity = prove(shipped, graph, frame, params.parity)
    progress("trained", total, total)
    return TrainingResult(shipped, graph, tuple(folds), tuple(grouped), parity)


def _data_sha256(report: Path) -> str:
    content = read_json(report, "pipeline clean")
    if not (isinstance(content, dict) and isinstance(content.get("sha256"), str)):
        raise ModelFileError(f"{report} does not say which data it describes: make it again with `pipeline clean`")
    return str(content["sha256"])


def run(out: Layout, params: Params, jobs: int = -1, progress: Progress = no_progress) -> TrainingResult:
    """Train on `out.records`; write `out.model`, `out.folds`, `out.grouped`, `out.golden` and `out.parity`."""
    frame = load_processed(out.records, params.split.folds)
    trained = train(frame, _data_sha256(out.data_report), params, jobs, progress)
    for folder, graphs in ((out.folds, trained.folds), (out.grouped, trained.grouped)):
        folder.mkdir(parents=True, exist_ok=True)
        for fold, graph in enumerate(graphs):
            write_bytes(folder / f"{fold}.onnx", graph)
        for stale in set(folder.iterdir()) - {folder / f"{fold}.onnx" for fold in range(len(graphs))}:
            stale.unlink()
    write_json(out.golden, golden(trained.graph, params.parity.seed))
    write_json(out.parity, trained.parity.as_json())
    write_bytes(out.model, trained.graph)
    return trained
