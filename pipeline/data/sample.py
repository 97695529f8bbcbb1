"""Aggregated figures of the real data -> a thousand synthetic records, the same bytes for the same profile and seed.

The sample lets everything run with no network: tests, a first try, a fork without access. Only `profile.json` was
made from real people. It holds seven quantiles and rounded shares for each level and column, from the 1st to the 99th
percentile, and nothing else, so that no single person shows. Weight is not profiled; it is drawn as BMI times height
squared. The standard library's generator makes the records, because its stream never changes.
"""

import csv
import io
import random
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from lambda_api.contract import BMI_RANGE, LEVELS, TARGET, Record, columns, fingerprint
from pipeline.errors import DataError, ModelFileError
from pipeline.files import read_bytes, write_json, write_text
from pipeline.params import SampleParams

if TYPE_CHECKING:
    import pandas as pd

PROFILE = Path("data/sample/profile.json")
RECORDS = Path("data/sample/records.csv")

QUANTILES = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
DECIMALS = 2
"""Of profiled figures and of the records' numbers; a share below half a percent is rounded away with its person."""


class LevelProfile(BaseModel):
    """One level: its share of the rows, quantiles of each number and of BMI, shares of each category."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    share: float
    quantiles: dict[str, list[float]]
    shares: dict[str, dict[str, float]]


class Profile(BaseModel):
    """The aggregated figures of a table, for the contract with this fingerprint."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    contract: str
    levels: dict[str, LevelProfile]


def profile(frame: "pd.DataFrame") -> Profile:
    """The aggregated figures of records with levels."""
    from pipeline.data.records import bmi

    frame = frame.assign(BMI=bmi(frame))
    numbers = [column.name for column in columns() if column.is_number and column.name != "Weight"] + ["BMI"]
    levels = {}
    for level in LEVELS:
        rows = frame[frame[TARGET] == level]
        if len(rows):
            levels[str(level)] = LevelProfile(
                share=round(len(rows) / len(frame), 3),
                quantiles={name: rows[name].quantile(list(QUANTILES)).round(DECIMALS).tolist() for name in numbers},
                shares={
                    column.name: {
                        category: round(float((rows[column.name] == category).mean()), DECIMALS)
                        for category in column.categories
                    }
                    for column in columns()
                    if not column.is_number
                },
            )
    return Profile(contract=fingerprint(), levels=levels)


def _drawn(quantiles: Sequence[float], chance: random.Random) -> float:
    position = chance.uniform(QUANTILES[0], QUANTILES[-1])
    for (low, high), (start, end) in zip(pairwise(QUANTILES), pairwise(quantiles), strict=True):
        if position <= high:
            return start + (end - start) * (position - low) / (high - low)
    return quantiles[-1]


def _record(level: LevelProfile, chance: random.Random) -> dict[str, str | float]:
    record: dict[str, str | float] = {}
    for column in columns():
        if column.name == "Weight":
            continue  # needs the height
        if column.is_number:
            record[column.name] = round(_drawn(level.quantiles[column.name], chance), DECIMALS)
        else:
            shares = level.shares[column.name]
            record[column.name] = chance.choices(list(shares), list(shares.values()))[0]
    height = float(record["Height"])
    bmi = min(max(_drawn(level.quantiles["BMI"], chance), BMI_RANGE[0]), BMI_RANGE[1])
    return record | {"Weight": round(bmi * height * height, DECIMALS)}


def generate(source: Profile, params: SampleParams) -> str:
    """The records as CSV text, `params.rows` of them, levels mixed."""
    chance = random.Random(params.seed)  # noqa: S311  generates records, guards no secret
    names, shares = list(source.levels), [level.share for level in source.levels.values()]
    header = [*(column.name for column in columns()), TARGET]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, header, lineterminator="\n")
    writer.writeheader()
    for name in chance.choices(names, shares, k=params.rows):
        record = _record(source.levels[name], chance)
        Record.model_validate(record)
        writer.writerow(record | {TARGET: name})
    return text.getvalue()


def load_profile(path: Path = PROFILE) -> Profile:
    """The profile in a JSON file.

    Raises:
        ModelFileError: No such file, no profile, or one for another contract.
    """
    try:
        loaded = Profile.model_validate_json(read_bytes(path, "pipeline sample --profile"))
    except ValidationError as error:
        raise ModelFileError(f"{path} is not a profile: {error.error_count()} value(s) do not fit") from None
    if loaded.contract != fingerprint():
        raise ModelFileError(f"{path} was made for another contract: make it again with `pipeline sample --profile`")
    return loaded


def run(params: SampleParams, profile_path: Path = PROFILE, target: Path = RECORDS) -> str:
    """Write the records that the profile makes to `target`; the text that was written."""
    text = generate(load_profile(profile_path), params)
    write_text(target, text)
    return text


def write_profile(frame: "pd.DataFrame", path: Path = PROFILE) -> Profile:
    """Profile cleaned records into `path`.

    Raises:
        DataError: The records are the sample itself.
    """
    from pipeline.data.records import ORIGIN

    if (frame[ORIGIN] == "sample").any():
        raise DataError("the sample is not profiled again: give real records")
    made = profile(frame)
    write_json(path, made.model_dump())
    return made
