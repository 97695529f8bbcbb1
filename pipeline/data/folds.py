"""Records -> the fold of each one: by its own hash, and by its group where origins are known."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lambda_api.contract import TARGET
from pipeline.data.records import NO_GROUP, ORIGIN, codes
from pipeline.errors import DataError


def group_folds(frame: pd.DataFrame, folds: int) -> NDArray[np.int64]:
    """The fold of each record's group, `NO_GROUP` where origins are unknown.

    A synthetic row was interpolated between collected ones, so a group is a collected record with all synthetic ones
    of its level that lie nearest to it (Euclidean over `codes`, each column divided by its deviation). Leaving out a
    fold of groups leaves out people together with most of what was made from them. Some levels grew from a handful of
    people, so groups are dealt level by level, the largest first, to the fold that has fewest rows of the level.
    """
    points = codes(frame)
    deviation = points.std(axis=0)
    points = points / np.where(deviation > 0, deviation, 1)
    level = frame[TARGET].to_numpy(dtype=object)
    collected, synthetic = (frame[ORIGIN] == "collected").to_numpy(), (frame[ORIGIN] == "synthetic").to_numpy()
    group_fold = np.full(len(frame), NO_GROUP)
    for name in np.unique(level[collected | synthetic]):
        here, sources = (collected | synthetic) & (level == name), np.flatnonzero(collected & (level == name))
        if not len(sources):
            raise DataError(f"all rows of level {name} are synthetic: data.collected_rows in params.yaml is too small")
        distance = ((points[here, None, :] - points[None, sources, :]) ** 2).sum(axis=2)
        group = distance.argmin(axis=1)
        dealt, load = np.zeros(len(sources), dtype="int64"), np.zeros(folds, dtype="int64")
        sizes = np.bincount(group, minlength=len(sources))
        for place in np.argsort(-sizes, kind="stable"):
            dealt[place] = load.argmin()
            load[dealt[place]] += sizes[place]
        group_fold[here] = dealt[group]
    return group_fold


def fold_of(record_key: str, folds: int) -> int:
    """The fold of a record among `folds`, 0-based; depends on nothing but the record."""
    return int(record_key, 16) % folds
