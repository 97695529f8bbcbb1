"""A record and its seven possible answers: the one schema that everything else is derived from.

The API, OpenAPI, data cleaning, encoder categories, ONNX inputs, MLflow signature, sample generator, web form, drift
bins and the data dictionary all read this module; none of them repeats a column, a range or a category. It
imports pydantic and the standard library only, because it runs on every cold start.

Ranges say what a person can be, not what the model was trained on: a record outside the training data is answered
with a warning, a record of an impossible person is refused.
"""

import hashlib
import json
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

TARGET = "NObeyesdad"
"""Name of the column that holds the level in a CSV with answers."""

YesNo = Literal["no", "yes"]
Frequency = Literal["no", "Sometimes", "Frequently", "Always"]

# No two parts can take the same character, so a long cell that is almost a number costs its length, no more.
# (Possessive quantifiers would say so too, but Python before 3.11.5 matches them wrongly: cpython#106052.)
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


class Level(StrEnum):
    """The seven answers, from lightest to heaviest; the order of `probabilities` everywhere."""

    INSUFFICIENT_WEIGHT = "Insufficient_Weight"
    NORMAL_WEIGHT = "Normal_Weight"
    OVERWEIGHT_LEVEL_I = "Overweight_Level_I"
    OVERWEIGHT_LEVEL_II = "Overweight_Level_II"
    OBESITY_TYPE_I = "Obesity_Type_I"
    OBESITY_TYPE_II = "Obesity_Type_II"
    OBESITY_TYPE_III = "Obesity_Type_III"


LEVELS: tuple[Level, ...] = tuple(Level)

# Upper limits of all levels but the last, in kg/m2 of BMI rounded to one decimal. Source: Palechor & de la Hoz
# Manotas (2019), doi:10.1016/j.dib.2019.104344, after WHO and the Mexican norm; all survey rows of the file obey them.
BMI_CUTS: tuple[float, ...] = (18.5, 25.0, 27.0, 30.0, 35.0, 40.0)

# kg/m2. Below 10 nobody survives, and above 70 the record is far likelier to be in pounds.
BMI_RANGE: tuple[float, float] = (10.0, 70.0)

RISK: dict[Level, Literal["Low", "Medium", "High"]] = {
    Level.INSUFFICIENT_WEIGHT: "Medium",
    Level.NORMAL_WEIGHT: "Low",
    Level.OVERWEIGHT_LEVEL_I: "Medium",
    Level.OVERWEIGHT_LEVEL_II: "Medium",
    Level.OBESITY_TYPE_I: "High",
    Level.OBESITY_TYPE_II: "High",
    Level.OBESITY_TYPE_III: "High",
}
"""A plain reading of the level for people, not a clinical risk."""


def _number(low: float, high: float, unit: str, description: str, example: float, decimals: int) -> Any:
    return Field(
        ge=low,
        le=high,
        allow_inf_nan=False,
        description=description,
        examples=[example],
        json_schema_extra={"unit": unit, "decimals": decimals},
    )


def _choice(description: str, example: str) -> Any:
    return Field(description=description, examples=[example])


class Record(BaseModel):
    """One person's sixteen answers, named as the columns of the UCI file.

    Raises:
        pydantic.ValidationError: A column is missing, unknown, of another type, outside its range or not one of its
            categories, or height and weight make an impossible body mass index.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    Gender: Annotated[Literal["Female", "Male"], _choice("Sex as answered in the survey", "Female")]
    Age: Annotated[float, _number(10, 110, "years", "Age", 24, 0)]
    Height: Annotated[float, _number(1.0, 2.5, "m", "Body height, in metres", 1.65, 2)]
    Weight: Annotated[float, _number(20, 300, "kg", "Body weight, in kilograms", 72, 1)]
    family_history_with_overweight: Annotated[
        YesNo, _choice("Has a family member suffered or suffers from overweight?", "yes")
    ]
    FAVC: Annotated[YesNo, _choice("Eats high-caloric food frequently?", "yes")]
    FCVC: Annotated[
        float, _number(1, 3, "1 = never, 2 = sometimes, 3 = always", "Vegetables in meals, how often", 2, 0)
    ]
    NCP: Annotated[float, _number(1, 4, "meals a day", "Main meals a day", 3, 0)]
    CAEC: Annotated[Frequency, _choice("Eats food between meals, how often", "Sometimes")]
    SMOKE: Annotated[YesNo, _choice("Smokes?", "no")]
    CH2O: Annotated[float, _number(1, 3, "1 = under 1 l, 2 = 1 to 2 l, 3 = over 2 l", "Water a day", 2, 0)]
    SCC: Annotated[YesNo, _choice("Monitors the calories eaten?", "no")]
    FAF: Annotated[
        float,
        _number(0, 3, "0 = none, 1 = 1 or 2 days, 2 = 2 or 4 days, 3 = 4 or 5 days a week", "Physical activity", 1, 0),
    ]
    TUE: Annotated[
        float, _number(0, 2, "0 = 0 to 2 h, 1 = 3 to 5 h, 2 = over 5 h a day", "Time with technological devices", 1, 0)
    ]
    CALC: Annotated[Frequency, _choice("Drinks alcohol, how often", "Sometimes")]
    MTRANS: Annotated[
        Literal["Walking", "Bike", "Motorbike", "Public_Transportation", "Automobile"],
        _choice("Usual means of transport", "Public_Transportation"),
    ]

    @model_validator(mode="after")
    def _is_a_possible_body(self) -> "Record":
        low, high = BMI_RANGE
        if not low <= self.bmi <= high:
            raise PydanticCustomError(
                "impossible_body",
                "Height and Weight make a BMI outside {low} to {high} kg/m2: give Height in metres (not cm or inches) "
                "and Weight in kilograms (not pounds)",
                {"low": low, "high": high},
            )
        return self

    @property
    def bmi(self) -> float:
        """Body mass index in kg/m2, unrounded."""
        return self.Weight / (self.Height * self.Height)


def bmi_level(bmi: float) -> Level:
    """The level that the survey's own rule gives to a body mass index in kg/m2, rounded to one decimal first.

    >>> bmi_level(24.96)
    <Level.OVERWEIGHT_LEVEL_I: 'Overweight_Level_I'>
    """
    return LEVELS[bisect_right(BMI_CUTS, round(bmi, 1))]


@dataclass(frozen=True)
class Column:
    """One column of the contract: a number with a closed range, or a choice among ordered categories."""

    name: str
    description: str
    unit: str = ""
    low: float = 0.0
    high: float = 0.0
    decimals: int = 0
    categories: tuple[str, ...] = ()
    example: str | float = ""

    @property
    def is_number(self) -> bool:
        """Whether values are numbers; otherwise they are one of `categories`."""
        return not self.categories

    @property
    def expected(self) -> str:
        """What a value may be, in words, for error messages and documents."""
        if self.is_number:
            return f"a number from {self.low:g} to {self.high:g}"
        return "one of " + ", ".join(repr(category) for category in self.categories)


def _column(name: str) -> Column:
    field = Record.model_fields[name]
    description, example = field.description or "", (field.examples or [""])[0]
    if categories := get_args(field.annotation):
        return Column(name, description, categories=categories, example=example)
    limits = {key: getattr(item, key) for item in field.metadata for key in ("ge", "le") if hasattr(item, key)}
    extra = field.json_schema_extra
    assert isinstance(extra, dict)  # noqa: S101  every number is made by _number; mypy cannot know
    return Column(
        name,
        description,
        unit=str(extra["unit"]),
        low=float(limits["ge"]),
        high=float(limits["le"]),
        decimals=int(str(extra["decimals"])),
        example=example,
    )


@cache
def columns() -> tuple[Column, ...]:
    """The sixteen columns, in the order of the file and of the graph's inputs."""
    return tuple(_column(name) for name in Record.model_fields)


@cache
def fingerprint() -> str:
    """SHA-256 of all that a model depends on: columns, types, ranges, categories, BMI limits and levels, in order.

    Wording, units and examples do not count: rewording a description must not refuse a good model.
    """
    parts: Sequence[object] = (
        [[c.name, c.low, c.high, c.categories] for c in columns()],
        BMI_CUTS,
        BMI_RANGE,
        LEVELS,
    )
    return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()


def parse_number(cell: str) -> float | str:
    """The decimal number in a CSV's cell, or the cell itself where it holds none; in time linear in its length.

    Blanks around a number do not count, minus zero is zero, and what is too large for a double is infinite. Every
    place that takes a CSV reads its cells by this rule.

    >>> parse_number(" 24"), parse_number("2.4e1 "), parse_number("24 years")
    (24.0, 24.0, '24 years')
    """
    stripped = cell.strip()
    return float(stripped) + 0.0 if _NUMBER.fullmatch(stripped) else cell


def is_blank_row(row: Sequence[str]) -> bool:
    """Whether a CSV's row has nothing but blanks in any cell: it is no record, but counts in row numbers."""
    return not any(cell.strip() for cell in row)


def example() -> dict[str, str | float]:
    """A plausible record, made of the columns' own examples; no person gave it."""
    return {column.name: column.example for column in columns()}
