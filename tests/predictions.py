"""What the service writes into its log about people, made from records without a service."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache

import pandas as pd

from lambda_api.bins import BINNINGS, BINS_ID
from lambda_api.contract import BMI_RANGE, TARGET
from pipeline import sample
from pipeline.records import bmi, rule_levels
from tests.project import ROOT


@cache
def people(heavier: float = 0) -> pd.DataFrame:
    """The embedded sample's people in a fixed random order, each so much heavier, labelled by the BMI rule."""
    frame = pd.read_csv(ROOT / sample.RECORDS).sample(frac=1, random_state=0, ignore_index=True)
    frame["Weight"] += heavier
    frame = frame[(bmi(frame) >= BMI_RANGE[0]) & (bmi(frame) <= BMI_RANGE[1])]
    return frame.assign(BMI=bmi(frame), **{TARGET: rule_levels(frame)})


def log(frame: pd.DataFrame, until: datetime, version: str = "2") -> Iterator[str]:
    """One line for each of the people, a second apart, the last one at `until`."""
    start = until - timedelta(seconds=len(frame))
    for second, person in enumerate(frame.to_dict("records"), 1):
        yield json.dumps(
            {
                "_aws": {"Timestamp": int((start + timedelta(seconds=second)).timestamp() * 1000)},
                "event": "prediction",
                "model_version": version,
                "Confidence": 0.9,
                "prediction": person[TARGET],
                "warnings": 0,
                "bins_id": BINS_ID,
                "bins": {name: binning.place(person[name]) for name, binning in BINNINGS.items()},
            }
        )
