"""The graphs and the records -> every figure, each on rows its graph never saw, with an interval where one is possible.

What is measured is the ONNX file, not the scikit-learn object. `holdout` is the shipped graph on the fold it never
saw; `out_of_fold` pools all folds, each answered by the graph that never saw it, and is the larger and steadier
measure of the recipe. The BMI rule and a guesser of the commonest level stand beside the model on the same rows.

Intervals: Wilson's for shares; for the rest, resampling of the confusion matrix with a fixed seed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lambda_api.contract import LEVELS, TARGET, Level
from lambda_api.model import Model, ModelError
from pipeline.data.records import COLUMNS, FOLD, GROUP_FOLD, KEY, NO_GROUP, ORIGIN, feed, load_processed, rule_levels
from pipeline.errors import ModelFileError
from pipeline.files import Layout, read_bytes, write_csv, write_json
from pipeline.model.guards import plausible_people
from pipeline.model.scores import BINS, Answers, Counts, Scores, confusion, positions, scores, share
from pipeline.params import EvaluateParams, Params

DECIMALS = 6

AGE_BANDS: tuple[tuple[str, float], ...] = (("under 18", 18), ("18 to 20", 21), ("21 to 25", 26), ("26 to 34", 35))
"""Name and upper limit in years, not included; everybody else is `35 or over`."""

PERMUTATIONS = 3


def answer(models: dict[int, Model], frame: pd.DataFrame, column: str) -> Answers:
    """Each record's answer by the model for its value in `column`; a row without a model raises KeyError."""
    predicted = np.empty(len(frame), dtype="int64")
    probabilities = np.empty((len(frame), len(LEVELS)))
    which = frame[column].to_numpy()
    for value in np.unique(which):
        rows = which == value
        labels, probabilities[rows] = models[int(value)].predict(feed(frame[rows]))
        predicted[rows] = positions(labels)
    return Answers(frame, positions(frame[TARGET]), predicted, probabilities)


def _rule_answers(answers: Answers) -> Counts:
    return positions(rule_levels(answers.frame))


def baselines(answers: Answers, commonest: int, params: EvaluateParams) -> dict[str, Scores]:
    """The BMI rule and the guesser of the commonest training level, on the very same rows."""
    rows = {"bmi_rule": _rule_answers(answers), "majority": np.full(len(answers.truth), commonest)}
    return {name: share(answers.truth == predicted, params) for name, predicted in rows.items()}


def per_level(answers: Answers, params: EvaluateParams) -> dict[str, Scores]:
    """Precision, recall with interval, F1, and the BMI rule's recall, of each level that occurs."""
    matrix = confusion(answers.truth, answers.predicted)
    rule = _rule_answers(answers) == answers.truth
    table: dict[str, Scores] = {}
    for index, level in enumerate(LEVELS):
        here = answers.truth == index
        if not here.any():
            continue
        answered, hits = int(matrix[:, index].sum()), int(matrix[index, index])
        table[str(level)] = share(answers.right[here], params, "recall") | {
            "precision": hits / answered if answered else 0.0,
            "f1": 2 * hits / (answered + int(here.sum())),
            "bmi_rule_recall": float(rule[here].mean()),
        }
    return table


def age_band(age: float) -> str:
    """The name of the band an age in years falls into."""
    return next((name for name, limit in AGE_BANDS if age < limit), "35 or over")


def slices(answers: Answers, params: EvaluateParams) -> dict[str, dict[str, Scores]]:
    """Accuracy of the model and of the BMI rule by sex, age band and origin; origin only where it is known."""
    frame = answers.frame
    rule = _rule_answers(answers) == answers.truth
    groups = {
        "sex": frame["Gender"].to_numpy(dtype=object),
        "age": np.array([age_band(age) for age in frame["Age"]], dtype=object),
        "origin": frame[ORIGIN].to_numpy(dtype=object),
    }
    table: dict[str, dict[str, Scores]] = {}
    for name, values in groups.items():
        present = [value for value in sorted(set(values)) if value != "unknown"]
        if present:
            table[name] = {
                value: share(answers.right[values == value], params)
                | {"bmi_rule_accuracy": float(rule[values == value].mean())}
                for value in present
            }
    return table


def plausible(ask: Callable[[pd.DataFrame], Answers], frame: pd.DataFrame, params: EvaluateParams) -> Scores:
    """How often the model agrees with the BMI rule on plausible people made from these records."""
    people = plausible_people(frame, params.plausible_people_per_record, params.seed)
    people[TARGET] = rule_levels(people)
    answers = ask(people)
    scores = share(answers.right, params, "agreement")
    heavy_men = (people["Gender"] == "Male").to_numpy() & (people[TARGET] == Level.OBESITY_TYPE_III).to_numpy()
    if heavy_men.any():
        scores["men_type_iii"] = float(answers.right[heavy_men].mean())
    return scores


def importances(models: dict[int, Model], answers: Answers, seed: int) -> dict[str, float]:
    """Out-of-fold accuracy lost when a column is shuffled, mean of `PERMUTATIONS` shuffles."""
    random = np.random.RandomState(seed)
    lost = {}
    for name in COLUMNS:
        right = []
        for _ in range(PERMUTATIONS):
            shuffled = answers.frame[name].to_numpy()[random.permutation(len(answers.frame))]
            right.append(answer(models, answers.frame.assign(**{name: shuffled}), FOLD).right.mean())
        lost[name] = float(answers.right.mean() - np.mean(right))
    return lost


@dataclass(frozen=True)
class Evaluation:
    """All figures, the tables behind the plots, and the out-of-fold answers."""

    metrics: dict[str, Any]
    plots: dict[str, pd.DataFrame]
    answers: pd.DataFrame


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return round(value, DECIMALS) if isinstance(value, float) else value


def evaluate(frame: pd.DataFrame, folds: dict[int, Model], grouped: dict[int, Model], params: Params) -> Evaluation:
    """Every figure of the recipe on these records.

    Args:
        frame: Records as `clean` makes them.
        folds: For each fold the graph that never saw it.
        grouped: The same for group folds; empty where origins are unknown, and that figure is then absent.
        params: The parameters.
    """
    pooled = answer(folds, frame, FOLD)
    holdout = pooled[(frame[FOLD] == params.split.holdout).to_numpy()]
    commonest = int(np.bincount(positions(frame.loc[frame[FOLD] != params.split.holdout, TARGET])).argmax())
    ev = params.evaluate
    levels = per_level(pooled, ev)
    metrics: dict[str, Any] = {
        "holdout": scores(holdout, ev) | {"baselines": baselines(holdout, commonest, ev)},
        "out_of_fold": scores(pooled, ev) | {"baselines": baselines(pooled, commonest, ev)},
        "levels": levels,
        "worst_level_recall": min(score["recall"] for score in levels.values()),
        "slices": slices(pooled, ev),
        "plausible_people": {
            "out_of_fold": plausible(lambda people: answer(folds, people, FOLD), frame, ev),
            "holdout": plausible(lambda people: answer(folds, people, FOLD), holdout.frame, ev),
        },
        "confidence": ev.confidence,
    }
    if grouped:
        known = frame[frame[GROUP_FOLD] != NO_GROUP]
        adjusted = answer(grouped, known, GROUP_FOLD)
        metrics["grouped"] = share(adjusted.right, ev) | {
            "baselines": baselines(adjusted, commonest, ev),
            "levels": per_level(adjusted, ev),
        }
    return Evaluation(_rounded(metrics), _plots(pooled, folds, levels, ev), _answer_table(pooled))


def _answer_table(answers: Answers) -> pd.DataFrame:
    names = np.array([str(level) for level in LEVELS], dtype=object)
    return pd.DataFrame(
        {
            KEY: answers.frame[KEY],
            FOLD: answers.frame[FOLD],
            "actual": names[answers.truth],
            "predicted": names[answers.predicted],
            "confidence": answers.probabilities.max(axis=1).round(DECIMALS),
        }
    )


def _plots(
    answers: Answers, folds: dict[int, Model], levels: dict[str, Scores], params: EvaluateParams
) -> dict[str, pd.DataFrame]:
    names = np.array([str(level) for level in LEVELS], dtype=object)
    pairs = pd.DataFrame({"actual": names[answers.truth], "predicted": names[answers.predicted]})
    confidence = answers.probabilities.max(axis=1)
    bins = pd.Series(np.minimum((confidence * BINS).astype(int), BINS - 1), name="bin")
    reliability = pd.DataFrame({"confidence": confidence, "accuracy": answers.right.astype(float)}).groupby(bins)
    lost = importances(folds, answers, params.seed)
    return {
        "confusion": pairs.sort_values(["actual", "predicted"], ignore_index=True),
        "reliability": reliability.mean().assign(rows=reliability.size()).round(DECIMALS).reset_index(),
        "importances": pd.DataFrame(lost.items(), columns=["column", "lost"])
        .round(DECIMALS)
        .sort_values("lost", ascending=False, kind="stable", ignore_index=True),
        "levels": pd.DataFrame([{"level": name, **score} for name, score in levels.items()]).round(DECIMALS),
    }


def load_graphs(graphs: dict[int, bytes]) -> dict[int, Model]:
    """Checked models from serialized graphs.

    Raises:
        ModelFileError: A graph was made for another contract or is no model.
    """
    try:
        return {number: Model(graph) for number, graph in graphs.items()}
    except ModelError as error:
        raise ModelFileError(str(error)) from None


def run(out: Layout, params: Params) -> Evaluation:
    """Measure the graphs in `out`; write `out.metrics`, `out.plots` and `out.answers`."""
    frame = load_processed(out.records, params.split.folds)
    folds = {fold: read_bytes(out.folds / f"{fold}.onnx", "pipeline train") for fold in range(params.split.folds)}
    if read_bytes(out.model, "pipeline train") != folds[params.split.holdout]:
        raise ModelFileError(
            f"{out.model} is not the graph that never saw fold {params.split.holdout}: run `pipeline train` again"
        )
    groups = sorted(set(frame[GROUP_FOLD]) - {NO_GROUP})
    grouped = {fold: read_bytes(out.grouped / f"{fold}.onnx", "pipeline train") for fold in groups}
    evaluation = evaluate(frame, load_graphs(folds), load_graphs(grouped), params)
    for name, table in evaluation.plots.items():
        write_csv(out.plots / f"{name}.csv", table)
    write_csv(out.answers, evaluation.answers)
    write_json(out.metrics, evaluation.metrics)
    return evaluation
