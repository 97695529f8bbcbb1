"""params.yaml in -> one frozen, typed value out; an unknown or missing key is an error that names it."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.errors import ParamsError

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class DataParams(_Block):
    """Which file is the data, which one is published and where, and how many first rows are survey answers."""

    url: Annotated[str, StringConstraints(pattern=r"^https?://")]
    published: Sha256
    sha256: Sha256
    collected_rows: Annotated[int, Field(ge=0)] | None


class SampleParams(_Block):
    """How the embedded sample is made, and which file it is."""

    rows: Count
    seed: Seed
    sha256: Sha256


class SplitParams(_Block):
    """How many folds, and which one the shipped model never sees."""

    folds: Annotated[int, Field(ge=3, le=20)]
    holdout: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _holdout_is_a_fold(self) -> "SplitParams":
        if self.holdout >= self.folds:
            message = f"holdout is fold {self.holdout}, but the folds are 0 to {self.folds - 1}"
            raise ValueError(message)
        return self


class ForestParams(_Block):
    """Arguments of scikit-learn's RandomForestClassifier, by its own names."""

    n_estimators: Annotated[int, Field(ge=1, le=2000)]
    max_features: Annotated[int, Field(ge=1, le=17)]
    max_depth: Annotated[int, Field(ge=1)] | None
    min_samples_leaf: Count
    criterion: Literal["gini", "entropy", "log_loss"]
    random_state: Seed


class TrainParams(_Block):
    """What is done to the training rows before the fit."""

    shuffled_copies: Annotated[int, Field(ge=0, le=10)]


class Grid(_Block):
    """Candidates from start in equal steps up to stop, which is one of them if a step ends there."""

    start: Annotated[float, Field(ge=0.1)]
    stop: Annotated[float, Field(le=20)]
    step: Annotated[float, Field(ge=0.001)]

    @model_validator(mode="after")
    def _stop_is_not_before_start(self) -> "Grid":
        if self.stop < self.start:
            message = f"stop {self.stop:g} is before start {self.start:g}, so there is no candidate"
            raise ValueError(message)
        return self

    def values(self) -> tuple[float, ...]:
        """The candidates, rounded so that 0.1 + 0.2 is 0.3."""
        steps = int((self.stop - self.start) / self.step + 1e-6)
        return tuple(round(self.start + i * self.step, 6) for i in range(steps + 1))


class CalibrationParams(_Block):
    """How votes become probabilities."""

    exponents: Grid


class ParityParams(_Block):
    """How hard the graph is compared with the Pipeline."""

    random_records: Count
    rounded_records: Count
    threshold_records: Count
    unknown_records: Count
    max_probability_difference: Annotated[float, Field(ge=0, le=1e-6)]
    seed: Seed


class EvaluateParams(_Block):
    """How intervals and the plausible people are made."""

    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    resamples: Annotated[int, Field(ge=100)]
    plausible_people_per_record: Count
    seed: Seed


class RegistryParams(_Block):
    """The registered model's name and the accuracy that earns the stage tag Staging."""

    model_name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]+$")]
    staging_threshold: Share


class Floors(_Block):
    """What a model must reach whatever the champion does."""

    holdout_accuracy: Share
    collected_accuracy: Share
    worst_class_recall: Share
    plausible_people: Share
    new_records: Share


class GateParams(_Block):
    """When a challenger becomes champion."""

    margin: Share
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    guard_tolerance: Share
    floors: Floors


class Params(_Block):
    """The whole of params.yaml."""

    data: DataParams
    sample: SampleParams
    split: SplitParams
    forest: ForestParams
    train: TrainParams
    calibration: CalibrationParams
    parity: ParityParams
    evaluate: EvaluateParams
    registry: RegistryParams
    gate: GateParams


def load(path: Path = Path("params.yaml")) -> Params:
    """The parameters in a YAML file.

    Raises:
        ParamsError: The file is missing, is not YAML, or a key is unknown, missing, mistyped or impossible.
    """
    try:
        content = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParamsError(f"{path} cannot be read ({error.strerror}): run from the project's root") from None
    except (YAMLError, ValueError, RecursionError) as error:  # ValueError: no UTF-8, or a date that is none
        raise ParamsError(f"{path} is not YAML: {error}") from None
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        lines = [f"  {_problem_text(item)}" for item in error.errors(include_url=False)]
        raise ParamsError("\n".join([f"{path} is not valid:", *sorted(lines)])) from None


def _problem_text(item: ErrorDetails) -> str:
    key = ".".join(map(str, item["loc"])) or "the whole file"
    match item["type"]:
        case "missing":
            return f"{key}: is missing"
        case "extra_forbidden":
            return f"{key}: is unknown, expected one of {', '.join(_keys_beside(item['loc']))}"
        case _:
            return f"{key}: {item['msg']}, got {item['input']!r}"


def _keys_beside(place: tuple[int | str, ...]) -> list[str]:
    block: Any = Params
    for name in place[:-1]:
        block = block.model_fields[name].annotation
    return sorted(block.model_fields)
