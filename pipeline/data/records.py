"""The contract as tables: how records lie in a DataFrame, which key each one has, and random records.

A table of records has the contract's columns in its order, numbers as float64 and categories as Python strings. A
record's key is the SHA-256 of its sixteen values, so it is the same in every file, at every position and in every
year; its fold is that key modulo the number of folds. The level is not part of the key: correcting an answer never
moves a person across the line between training and test.
"""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lambda_api.contract import BMI_RANGE, TARGET, bmi_level, columns
from pipeline.errors import ModelFileError
from pipeline.files import read_bytes

COLUMNS: tuple[str, ...] = tuple(column.name for column in columns())
NUMBERS: tuple[str, ...] = tuple(column.name for column in columns() if column.is_number)
CATEGORIES: tuple[str, ...] = tuple(column.name for column in columns() if not column.is_number)

KEY, ORIGIN, FOLD, GROUP_FOLD = "record", "origin", "fold", "group_fold"
NO_GROUP = -1
"""Columns that `clean` adds: the key, where the row comes from, its fold, and the fold of its nearest survey answer, or
`NO_GROUP`."""

PROCESSED: tuple[str, ...] = (KEY, *COLUMNS, TARGET, ORIGIN, FOLD, GROUP_FOLD)


def key(values: tuple[object, ...]) -> str:
    """The key of one record, 64 hex digits; `values` in the contract's order, numbers as Python floats."""
    return hashlib.sha256(json.dumps(values, separators=(",", ":")).encode()).hexdigest()


def load_processed(path: Path, folds: int | None = None) -> pd.DataFrame:
    """records.csv as `clean` wrote it, numbers read back to the very same doubles.

    Args:
        path: The file.
        folds: How many folds its records must be dealt to; None takes any.

    Raises:
        ModelFileError: The file is missing, damaged, or dealt to another number of folds.
    """
    content = read_bytes(path, "pipeline clean")
    try:
        frame = pd.read_csv(
            io.BytesIO(content),
            dtype={KEY: object, TARGET: object, ORIGIN: object, **dict.fromkeys(CATEGORIES, object)}
            | dict.fromkeys(NUMBERS, "float64"),
            keep_default_na=False,
        )
    except ValueError:  # pandas' own errors are all of this kind
        frame = pd.DataFrame()
    if tuple(frame.columns) != PROCESSED:
        raise ModelFileError(f"{path} is not what `pipeline clean` writes: run it again")
    if folds is not None and set(frame[FOLD]) != set(range(folds)):
        raise ModelFileError(
            f"{path} has folds {sorted(set(frame[FOLD]))}, expected 0 to {folds - 1} as in params.yaml: "
            "run `pipeline clean` again"
        )
    return frame


def bmi(frame: pd.DataFrame) -> NDArray[np.float64]:
    """Body mass index of each record in kg/m2, unrounded."""
    height = frame["Height"].to_numpy("float64")
    return np.asarray(frame["Weight"].to_numpy("float64") / (height * height))


def rule_levels(frame: pd.DataFrame) -> NDArray[np.object_]:
    """The level that the BMI rule alone gives to each record."""
    return np.array([str(bmi_level(value)) for value in bmi(frame).tolist()], dtype=object)


def codes(frame: pd.DataFrame) -> NDArray[np.float64]:
    """The records as numbers, shape (n, 16): a category is its position in the contract, an unknown one is -1."""
    table = np.empty((len(frame), len(COLUMNS)))
    for index, column in enumerate(columns()):
        if column.is_number:
            table[:, index] = frame[column.name].to_numpy("float64")
        else:
            position = {category: place for place, category in enumerate(column.categories)}
            table[:, index] = [position.get(value, -1) for value in frame[column.name]]
    return table


def feed(frame: pd.DataFrame) -> dict[str, NDArray[Any]]:
    """A table of records as the graph's inputs, each of shape (n, 1)."""
    return {
        column.name: frame[column.name].to_numpy("float64" if column.is_number else object).reshape(-1, 1)
        for column in columns()
    }


def random_records(rows: int, seed: int) -> pd.DataFrame:
    """Records anywhere in the contract: uniform in every column, weight through a uniform BMI; the same for a seed."""
    random = np.random.RandomState(seed)  # its streams are frozen by numpy's policy, unlike Generator's
    table: dict[str, object] = {}
    for column in columns():
        if column.is_number:
            table[column.name] = random.uniform(column.low, column.high, rows)
        else:
            table[column.name] = np.array(column.categories, dtype=object)[
                random.randint(len(column.categories), size=rows)
            ]
    frame = pd.DataFrame(table).astype(dict.fromkeys(CATEGORIES, object))
    weight = random.uniform(*BMI_RANGE, rows) * frame["Height"] ** 2
    limits = next(column for column in columns() if column.name == "Weight")
    frame["Weight"] = weight.clip(limits.low, limits.high)
    return frame


def rounded(frame: pd.DataFrame) -> pd.DataFrame:
    """The records as people would type them: each number rounded to its column's usual decimals."""
    return frame.assign(
        **{column.name: frame[column.name].round(column.decimals) for column in columns() if column.is_number}
    )
