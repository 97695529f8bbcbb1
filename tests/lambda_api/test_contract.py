"""The contract: what a record may be, which level a body has, and when a model of yesterday still fits."""

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, ValidationError

from lambda_api import contract
from lambda_api.contract import LEVELS, RISK, TARGET, Record, bmi_level, columns, example, fingerprint

NUMBERS = [column.name for column in columns() if column.is_number]
CHOICES = [column.name for column in columns() if not column.is_number]
NOT_NUMBERS = ["24", "", "tall", True, False, None, [24.0], {"value": 24.0}, b"24", 24j]
NOT_FINITE = [math.nan, math.inf, -math.inf]
NOT_CHOICES = ["", "Yes", "YES", "yes ", True, False, None, 1, 1.0, ["yes"], b"yes"]


def complaints(values: object) -> list[tuple[str, tuple[int | str, ...]]]:
    """Type and place of everything that the contract has against the values."""
    with pytest.raises(ValidationError) as refusal:
        Record.model_validate(values)
    return [(error["type"], error["loc"]) for error in refusal.value.errors()]


@pytest.fixture
def fresh() -> Iterator[None]:
    """The derived columns and the fingerprint are remembered; forget them before and after a change of the contract."""
    columns.cache_clear()
    fingerprint.cache_clear()
    yield
    columns.cache_clear()
    fingerprint.cache_clear()


def test_the_example_is_a_valid_record_of_exactly_the_contracts_columns() -> None:
    assert list(example()) == [column.name for column in columns()]
    assert Record.model_validate(example()).model_dump() == example()


def test_a_whole_number_is_a_number_and_a_record_cannot_be_changed() -> None:
    record = Record.model_validate(example() | {"Age": 24, "NCP": 3})
    assert record.Age == 24.0
    with pytest.raises(ValidationError):
        record.Age = 25.0  # type: ignore[misc]


@pytest.mark.parametrize("column", [column.name for column in columns()])
def test_a_missing_column_is_refused_by_name(column: str) -> None:
    values = example()
    del values[column]
    assert complaints(values) == [("missing", (column,))]


@pytest.mark.parametrize("name", ["NObeyesdad", "age", "BMI", "", "Gender "])
def test_an_unknown_column_is_refused_by_name(name: str) -> None:
    assert complaints(example() | {name: "yes"}) == [("extra_forbidden", (name,))]


@pytest.mark.parametrize("values", [None, [], "record", 1, [example()]])
def test_only_an_object_can_be_a_record(values: object) -> None:
    assert [place for _, place in complaints(values)] == [()]


@pytest.mark.parametrize("column", NUMBERS)
@pytest.mark.parametrize("value", NOT_NUMBERS, ids=repr)
def test_what_is_not_a_number_is_never_taken_for_one(column: str, value: object) -> None:
    assert complaints(example() | {column: value}) == [("float_type", (column,))]


@pytest.mark.parametrize("column", NUMBERS)
@pytest.mark.parametrize("value", NOT_FINITE)
def test_a_number_that_is_not_finite_is_refused(column: str, value: float) -> None:
    assert [place for _, place in complaints(example() | {column: value})] == [(column,)]


@pytest.mark.parametrize("column", CHOICES)
@pytest.mark.parametrize("value", NOT_CHOICES, ids=repr)
def test_what_is_not_one_of_the_categories_is_refused(column: str, value: object) -> None:
    assert complaints(example() | {column: value}) == [("literal_error", (column,))]


@pytest.mark.parametrize("column", CHOICES)
def test_half_a_surrogate_pair_is_refused_as_no_text_at_all(column: str) -> None:
    assert complaints(example() | {column: "\ud800"}) == [("string_unicode", (column,))]


@pytest.mark.parametrize("column", [column for column in columns() if column.is_number], ids=lambda c: c.name)
def test_a_range_is_closed_and_ends_one_step_further(column: contract.Column) -> None:
    smallest, largest = {"Height": 1.0, "Weight": 20.0}, {"Height": 2.5, "Weight": 300.0}
    for inside, body in ((column.low, smallest), (column.high, largest)):
        record = Record.model_validate(example() | body | {column.name: inside})
        assert getattr(record, column.name) == inside
    below, above = math.nextafter(column.low, -math.inf), math.nextafter(column.high, math.inf)
    assert complaints(example() | {column.name: below}) == [("greater_than_equal", (column.name,))]
    assert complaints(example() | {column.name: above}) == [("less_than_equal", (column.name,))]


@pytest.mark.parametrize(
    ("height", "weight", "where"),
    [
        pytest.param(165, 72, ("Height",), id="height in cm"),
        pytest.param(65, 72, ("Height",), id="height in inches"),
        pytest.param(5.4, 72, ("Height",), id="height in feet"),
        pytest.param(1.65, 700, ("Weight",), id="weight far too high"),
        pytest.param(1.50, 160, (), id="weight in pounds"),
        pytest.param(2.2, 40, (), id="too light for the height"),
        pytest.param(1.0, 70.1, (), id="just above the highest BMI"),
    ],
)
def test_an_impossible_body_is_refused(height: float, weight: float, where: tuple[str, ...]) -> None:
    kinds = complaints(example() | {"Height": height, "Weight": weight})
    assert [place for _, place in kinds] == [where]
    if not where:
        assert kinds == [("impossible_body", ())]


def test_the_limits_of_a_possible_body_belong_to_it() -> None:
    assert Record.model_validate(example() | {"Height": 1.0, "Weight": 70.0}).bmi == 70.0
    assert Record.model_validate(example() | {"Height": 2.0, "Weight": 40.0}).bmi == 10.0
    assert complaints(example() | {"Height": 2.0, "Weight": 39.99}) == [("impossible_body", ())]


def test_an_impossible_body_is_answered_with_its_remedy_and_without_its_own_figures() -> None:
    with pytest.raises(ValidationError) as refusal:
        Record.model_validate(example() | {"Height": 1.50, "Weight": 165.5})
    (error,) = refusal.value.errors()
    assert error["msg"] == (
        "Height and Weight make a BMI outside 10.0 to 70.0 kg/m2: give Height in metres (not cm or inches) "
        "and Weight in kilograms (not pounds)"
    )


def test_every_offence_is_reported_at_once() -> None:
    values = example() | {"Age": "24", "CAEC": "Never", "extra": 1}
    del values["SMOKE"]
    assert sorted(complaints(values)) == [
        ("extra_forbidden", ("extra",)),
        ("float_type", ("Age",)),
        ("literal_error", ("CAEC",)),
        ("missing", ("SMOKE",)),
    ]


# A BMI written with two decimals is rounded to one as the double that it is: 24.95 is stored a little below, 39.95 a
# little above.
@pytest.mark.parametrize(
    ("bmi", "level"),
    [
        (10.0, "Insufficient_Weight"),
        (18.44, "Insufficient_Weight"),
        (18.45, "Insufficient_Weight"),
        (18.46, "Normal_Weight"),
        (18.5, "Normal_Weight"),
        (24.94, "Normal_Weight"),
        (24.95, "Normal_Weight"),
        (24.96, "Overweight_Level_I"),
        (25.0, "Overweight_Level_I"),
        (26.94, "Overweight_Level_I"),
        (26.95, "Overweight_Level_I"),
        (26.96, "Overweight_Level_II"),
        (27.0, "Overweight_Level_II"),
        (29.94, "Overweight_Level_II"),
        (29.95, "Overweight_Level_II"),
        (29.96, "Obesity_Type_I"),
        (30.0, "Obesity_Type_I"),
        (34.94, "Obesity_Type_I"),
        (34.95, "Obesity_Type_II"),
        (34.96, "Obesity_Type_II"),
        (35.0, "Obesity_Type_II"),
        (39.94, "Obesity_Type_II"),
        (39.95, "Obesity_Type_III"),
        (39.96, "Obesity_Type_III"),
        (40.0, "Obesity_Type_III"),
        (70.0, "Obesity_Type_III"),
    ],
)
def test_the_rule_gives_a_body_mass_index_its_level(bmi: float, level: str) -> None:
    assert bmi_level(bmi) == level


def test_levels_run_from_lightest_to_heaviest_and_each_has_a_plain_reading() -> None:
    assert [str(level) for level in LEVELS] == [
        "Insufficient_Weight",
        "Normal_Weight",
        "Overweight_Level_I",
        "Overweight_Level_II",
        "Obesity_Type_I",
        "Obesity_Type_II",
        "Obesity_Type_III",
    ]
    assert [bmi_level(bmi) for bmi in (17, 20, 26, 28, 32, 37, 45)] == list(LEVELS)
    assert list(RISK) == list(LEVELS)


def test_columns_stand_in_the_order_of_the_published_file(real_csv: Path) -> None:
    with real_csv.open(newline="") as stream:
        assert [*(column.name for column in columns()), TARGET] == next(csv.reader(stream))


def test_a_column_says_in_words_what_it_expects() -> None:
    described = {column.name: column for column in columns()}
    assert described["Height"] == contract.Column(
        "Height", "Body height, in metres", "m", low=1.0, high=2.5, decimals=2, example=1.65
    )
    assert described["Height"].expected == "a number from 1 to 2.5"
    assert described["CAEC"].categories == ("no", "Sometimes", "Frequently", "Always")
    assert described["CAEC"].expected == "one of 'no', 'Sometimes', 'Frequently', 'Always'"


def test_the_fingerprint_is_the_one_that_models_in_the_field_carry() -> None:
    # Changing this line makes every deployed model unloadable: retrain, and deploy model and service together.
    assert fingerprint() == "65014578583ee28785d17603c1b127345c79908344d31d173f910c12497d6b61"


@pytest.mark.usefixtures("fresh")
def test_rewording_the_contract_leaves_the_fingerprint_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint()

    class Reworded(Record):
        Age: float = Field(
            ge=10, le=110, description="How old?", examples=[99], json_schema_extra={"unit": "a", "decimals": 2}
        )

    fingerprint.cache_clear()
    columns.cache_clear()
    monkeypatch.setattr(contract, "Record", Reworded)
    assert columns()[1].description == "How old?"
    assert fingerprint() == before


class WiderAge(Record):
    Age: float = Field(ge=9, le=110, json_schema_extra={"unit": "years", "decimals": 0})


class AnotherSex(Record):
    Gender: Literal["Female", "Male", "Other"]  # type: ignore[assignment]


class SexesTurned(Record):
    Gender: Literal["Male", "Female"]


class OneMoreColumn(Record):
    Sleep: float = Field(ge=0, le=24, json_schema_extra={"unit": "h", "decimals": 0})


class AgeAsChoice(Record):
    Age: Literal["young", "old"]  # type: ignore[assignment]


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("Record", WiderAge, id="a range"),
        pytest.param("Record", AnotherSex, id="a new category"),
        pytest.param("Record", SexesTurned, id="the order of categories"),
        pytest.param("Record", OneMoreColumn, id="a new column"),
        pytest.param("Record", AgeAsChoice, id="a type"),
        pytest.param("LEVELS", LEVELS[::-1], id="the order of levels"),
        pytest.param("LEVELS", LEVELS[:-1], id="a level less"),
        pytest.param("BMI_CUTS", (18.5, 25.0, 27.5, 30.0, 35.0, 40.0), id="a limit of the rule"),
        pytest.param("BMI_RANGE", (10.0, 80.0), id="the possible bodies"),
    ],
)
def test_any_change_that_a_model_depends_on_changes_the_fingerprint(
    monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    before = fingerprint()
    fingerprint.cache_clear()
    columns.cache_clear()
    monkeypatch.setattr(contract, name, value)
    assert fingerprint() != before


@pytest.mark.usefixtures("fresh")
def test_the_order_of_columns_is_part_of_the_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    before, turned = fingerprint(), (*columns()[1:], columns()[0])
    fingerprint.cache_clear()
    monkeypatch.setattr(contract, "columns", lambda: turned)
    assert fingerprint() != before
    fingerprint.cache_clear()
    monkeypatch.setattr(contract, "columns", lambda: (turned[-1], *turned[:-1]))
    assert fingerprint() == before
