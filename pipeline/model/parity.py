"""A Pipeline and its graph -> the proof that both answer alike, on the data and on records made to differ."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from lambda_api.model import Model
from pipeline.data.records import CATEGORIES, COLUMNS, NUMBERS, feed, random_records, rounded
from pipeline.errors import ParityError
from pipeline.files import digest
from pipeline.model.forest import VotingForest
from pipeline.params import ParityParams

FIGURE_DECIMALS = 12
"""Of probabilities in files whose bytes must not depend on the processor."""

UNKNOWN = "\N{SNOWMAN}"
"""A category that no contract has."""


@dataclass(frozen=True)
class ParityCheck:
    """The Pipeline's and the graph's answers to the same records."""

    records: int
    label_flips: int
    max_probability_difference: float


@dataclass(frozen=True)
class Parity:
    """Which graph was proven equal, and how: one comparison for each kind of records."""

    model_sha256: str
    comparisons: dict[str, ParityCheck]
    model_bytes: int
    nodes: int
    trees: int

    def as_json(self) -> dict[str, object]:
        """Plain values for `reports/parity.json`, probabilities to `FIGURE_DECIMALS`.

        The digits after those are the processor's: power is not rounded alike everywhere, and a report must be.
        """
        plain = asdict(self)
        for comparison in plain["comparisons"].values():
            comparison["max_probability_difference"] = round(comparison["max_probability_difference"], FIGURE_DECIMALS)
        return plain


def compare(pipeline: Pipeline, model: Model, frame: pd.DataFrame) -> ParityCheck:
    """The Pipeline's and the graph's answers to a table of records, label by label and probability by probability."""
    forest: VotingForest = pipeline[-1]
    expected = forest.predict_proba(pipeline[:-1].transform(frame[list(COLUMNS)]))
    labels, got = model.predict(feed(frame))
    flips = int((labels != forest.classes_[expected.argmax(axis=1)]).sum())
    return ParityCheck(len(frame), flips, float(np.abs(expected - got).max(initial=0.0)))


def on_thresholds(pipeline: Pipeline, rows: int, seed: int) -> pd.DataFrame:
    """Random records in which every number, and the body mass index, sits on a split threshold or one step beside it.

    Steps are to the neighbouring float32 and the neighbouring double, where a comparison in another precision flips.
    """
    frame = random_records(rows, seed)
    random = np.random.RandomState(seed + 1)
    names = list(pipeline[0].get_feature_names_out())
    trees = [tree.tree_ for tree in pipeline[-1].forest_.estimators_]
    split = np.concatenate([tree.feature for tree in trees])
    thresholds = np.concatenate([tree.threshold for tree in trees])

    def beside(cuts: NDArray[np.float64]) -> NDArray[np.float64]:
        chosen = random.choice(np.unique(cuts), rows)
        single = chosen.astype("float32")
        toward = random.choice([-np.inf, np.inf], rows)
        steps = [chosen, np.nextafter(chosen, toward), single, np.nextafter(single, toward.astype("float32"))]
        return np.choose(random.randint(len(steps), size=rows), [step.astype("float64") for step in steps])

    for name in NUMBERS:
        if (cuts := thresholds[split == names.index(name)]).size:
            frame[name] = beside(cuts)
    if (cuts := thresholds[split == names.index("BMI")]).size:
        half = random.randint(2, size=rows) == 0  # the other half keeps weights on their own thresholds
        frame.loc[half, "Weight"] = (beside(cuts) * frame["Height"] ** 2)[half]
    return frame


def with_unknown_categories(rows: int, seed: int) -> pd.DataFrame:
    """Random records in which about half of the categories are ones that no contract has."""
    frame = random_records(rows, seed)
    random = np.random.RandomState(seed + 1)
    for name in CATEGORIES:
        frame.loc[random.randint(2, size=rows) == 0, name] = UNKNOWN
    return frame


def prove(pipeline: Pipeline, graph: bytes, frame: pd.DataFrame, params: ParityParams) -> Parity:
    """That the graph answers as the Pipeline does, with every figure.

    Args:
        pipeline: The fitted Pipeline.
        graph: What `to_onnx` made of it.
        frame: All records of the data, of the training side or not.
        params: How many records of each other kind.

    Raises:
        ParityError: Any label differs, or a probability by more than `max_probability_difference`.
    """
    model = Model(graph, threads=0)
    batteries: dict[str, Callable[[], pd.DataFrame]] = {
        "data": lambda: frame,
        "random": lambda: random_records(params.random_records, params.seed),
        "rounded": lambda: rounded(random_records(params.rounded_records, params.seed + 10)),
        "on_thresholds": lambda: on_thresholds(pipeline, params.threshold_records, params.seed + 20),
        "unknown_categories": lambda: with_unknown_categories(params.unknown_records, params.seed + 30),
    }
    comparisons = {name: compare(pipeline, model, make()) for name, make in batteries.items()}
    refuse_differences(comparisons, params.max_probability_difference)
    trees = pipeline[-1].forest_.estimators_
    return Parity(digest(graph), comparisons, len(graph), sum(tree.tree_.node_count for tree in trees), len(trees))


def refuse_differences(comparisons: dict[str, ParityCheck], tolerance: float) -> None:
    """Check that no label differs, and no probability by more than `tolerance`.

    Raises:
        ParityError: One does; the text has the figures of each kind of records that differs.
    """
    bad = [
        f"  {name}: {c.label_flips} of {c.records} labels, probabilities by up to {c.max_probability_difference:g}"
        for name, c in comparisons.items()
        if c.label_flips or not c.max_probability_difference <= tolerance
    ]
    if bad:
        expected = f"expected 0 labels and at most {tolerance:g}. No graph was written."
        raise ParityError("\n".join(["the ONNX graph does not answer as the Pipeline does", *bad, expected]))
