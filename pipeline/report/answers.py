"""answers.csv, or the fold graphs of a champion -> each record's answer by a graph that never saw it.

Answers are taken only if they are the very ones that a metrics.json was made from, so that pairs compare what the
figures describe.
"""

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.errors import ModelFileError
from pipeline.files import Layout, Report, flat, number


@dataclass(frozen=True)
class RecordAnswer:
    """What a graph that never saw a record says about it."""

    fold: str
    predicted: str


Answers = Mapping[tuple[str, str], RecordAnswer]
"""By record key and true level; both, because a corrected level keeps the key."""


@dataclass(frozen=True)
class RecordChanges:
    """How many records, by key, are only here, only in the base, in both with another level, and in both as they were.

    `added_right` of the added ones are answered right, out of fold.
    """

    added: int
    added_right: int
    removed: int
    changed: int
    same: int


def rows_of(content: bytes | None, columns: set[str]) -> list[dict[str, str]] | None:
    """The rows of a CSV that has these columns; None for anything else."""
    if content is None:
        return None
    reader = csv.DictReader(io.StringIO(content.decode("utf-8", "replace"), newline=""))
    try:
        rows = list(reader)
    except csv.Error:
        return None
    return rows if columns <= set(reader.fieldnames or ()) else None


def answers_of(content: bytes | None, metrics: Report | None) -> Answers | None:
    """The answers in an answers.csv, if `metrics` was made from them."""
    rows = rows_of(content, {"record", "fold", "actual", "predicted"}) or []
    return _of_metrics(
        {(row["record"], row["actual"]): RecordAnswer(row["fold"], row["predicted"]) for row in rows}, metrics
    )


def answers_of_graphs(champion: Layout, layout: Layout, metrics: Report | None) -> Answers | None:
    """The answers of an exported champion's fold graphs to the records of a layout, if `metrics` was made from them.

    None where graphs or records are not here, or the graphs were made for another contract.
    """
    from lambda_api.contract import LEVELS, TARGET
    from pipeline.data.folds import fold_of
    from pipeline.data.records import FOLD, KEY, load_processed
    from pipeline.model.evaluate import answer, load_graphs

    try:
        graphs = load_graphs({int(path.stem): path.read_bytes() for path in champion.folds.glob("*.onnx")})
        frame = load_processed(layout.records)
    except ModelFileError:
        return None
    if not graphs:
        return None
    folds = [fold_of(key, len(graphs)) for key in frame[KEY]]
    predicted = answer(graphs, frame.assign(**{FOLD: folds}), FOLD).predicted.tolist()
    rows = zip(frame[KEY], frame[TARGET], folds, predicted, strict=True)
    answers = {(key, level): RecordAnswer(str(fold), str(LEVELS[place])) for key, level, fold, place in rows}
    return _of_metrics(answers, metrics)


def record_changes(base: Answers | None, this: Answers | None) -> RecordChanges | None:
    """Which records the answers of both sides are about; None where one side has none."""
    if base is None or this is None:
        return None
    levels: list[dict[str, set[str]]] = [{}, {}]
    for side, answers in zip(levels, (base, this), strict=True):
        for record, level in answers:
            side.setdefault(record, set()).add(level)
    old, new = levels
    both = old.keys() & new.keys()
    changed = sum(old[record] != new[record] for record in both)
    added = new.keys() - old
    right = {record for (record, level), answer in this.items() if answer.predicted == level}
    return RecordChanges(len(added), len(added & right), len(old.keys() - new), changed, len(both) - changed)


def _of_metrics(answers: Answers, metrics: Report | None) -> Answers | None:
    accuracy = number(flat(dict(metrics or {})).get("out_of_fold.accuracy"))
    right = sum(answer.predicted == level for (_, level), answer in answers.items()) / max(len(answers), 1)
    return answers if answers and accuracy is not None and math.isclose(right, accuracy, abs_tol=1e-6) else None
