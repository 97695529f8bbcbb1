"""params.yaml: every key known, typed and possible, or an error that names it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from pipeline.errors import ParamsError
from pipeline.params import Grid, Params, load
from tests.paths import ROOT

PROJECT = ROOT / "params.yaml"


@pytest.fixture
def refusal(tmp_path: Path) -> Callable[[str], str]:
    """What `load` says about a file with this text, after its path."""

    def message(text: str) -> str:
        path = tmp_path / "params.yaml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ParamsError) as error:
            load(path)
        return str(error.value).removeprefix(str(path))

    return message


def with_value(key: str, value: object) -> str:
    """The project's parameters as text, one of them changed; a value of `...` takes the key away."""
    content: dict[str, Any] = YAML(typ="safe").load(PROJECT.read_text(encoding="utf-8"))
    *blocks, last = key.split(".")
    block = content
    for name in blocks:
        block = block[name]
    if value is ...:
        del block[last]
    else:
        block[last] = value
    return json.dumps(content).replace("NaN", ".nan").replace("Infinity", ".inf")  # JSON is YAML, but for these


def test_the_projects_own_file_is_valid_and_frozen(params: Params) -> None:
    assert load(PROJECT) == params
    assert (params.forest.random_state, params.split.holdout, params.registry.model_name) == (
        42,
        0,
        "obesity_classifier",
    )
    with pytest.raises(ValueError, match="frozen"):
        params.forest.random_state = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (
            "forest.n_trees",
            "criterion, max_depth, max_features, min_samples_leaf, n_estimators, random_state",
        ),
        ("calibration.exponents.stopp", "start, step, stop"),
        (
            "forets",
            "calibration, data, evaluate, forest, gate, parity, registry, sample, split, train",
        ),
    ],
)
def test_an_unknown_key_is_reported_with_those_that_may_be(
    refusal: Callable[[str], str], key: str, expected: str
) -> None:
    assert refusal(with_value(key, 50)) == f" is not valid:\n  {key}: is unknown, expected one of {expected}"


def test_a_missing_key_is_reported_exactly(refusal: Callable[[str], str]) -> None:
    assert refusal(with_value("gate.floors.holdout_accuracy", ...)) == (
        " is not valid:\n  gate.floors.holdout_accuracy: is missing"
    )


def test_everything_wrong_is_reported_at_once_and_sorted(refusal: Callable[[str], str]) -> None:
    lines = refusal("{forest: {n_estimators: 0, trees: 1}, nonsense: 1}").splitlines()
    places = [line.split(":")[0].strip() for line in lines[1:]]
    assert places == sorted(places)
    assert {"forest.n_estimators", "forest.trees", "forest.criterion", "nonsense", "split", "gate"} <= set(places)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("forest.n_estimators", "50"),
        ("forest.n_estimators", True),
        ("forest.n_estimators", 50.0),
        ("forest.n_estimators", None),
        ("forest.n_estimators", [50]),
        ("forest.n_estimators", 0),
        ("forest.n_estimators", 2001),
        ("forest.max_features", 0),
        ("forest.max_features", 18),
        ("forest.max_features", "sqrt"),
        ("forest.max_depth", 0),
        ("forest.min_samples_leaf", 0),
        ("forest.min_samples_leaf", 0.1),
        ("forest.criterion", "Gini"),
        ("forest.random_state", -1),
        ("forest.random_state", None),
        ("forest.random_state", 2**32),
        ("split.folds", 2),
        ("split.folds", 21),
        ("split.holdout", -1),
        ("train.shuffled_copies", -1),
        ("train.shuffled_copies", 1.5),
        ("data.sha256", "abc"),
        ("data.sha256", "G" * 64),
        ("data.sha256", 28),
        ("data.collected_rows", -1),
        ("data.collected_rows", "498"),
        ("calibration.exponents.start", 0),
        ("calibration.exponents.start", 0.09),
        ("calibration.exponents.stop", 21),
        ("calibration.exponents.step", 0),
        ("calibration.exponents.step", -0.1),
        ("calibration.exponents.step", float("nan")),
        ("parity.random_records", 0),
        ("parity.max_probability_difference", 0.01),
        ("parity.max_probability_difference", float("nan")),
        ("evaluate.confidence", 1),
        ("evaluate.confidence", 95),
        ("evaluate.confidence", 0.5),
        ("evaluate.resamples", 99),
        ("registry.model_name", "obesity classifier"),
        ("registry.model_name", "a/b"),
        ("registry.staging_threshold", 85),
        ("registry.staging_threshold", True),
        ("registry.staging_threshold", "0.85"),
        ("registry.staging_threshold", float("nan")),
        ("gate.margin", -0.01),
        ("gate.margin", float("inf")),
        ("gate.floors.plausible_people", 1.01),
    ],
)
def test_a_mistyped_or_impossible_value_is_reported_with_its_key(
    refusal: Callable[[str], str], key: str, value: object
) -> None:
    lines = refusal(with_value(key, value)).splitlines()
    assert len(lines) == 2
    assert lines[1].startswith(f"  {key}: ")
    assert lines[1].endswith(f", got {value!r}")


def test_a_holdout_that_is_no_fold_is_refused(refusal: Callable[[str], str]) -> None:
    assert "  split: Value error, holdout is fold 5, but the folds are 0 to 4" in refusal(
        with_value("split.holdout", 5)
    )


def test_a_grid_without_any_candidate_is_refused(refusal: Callable[[str], str]) -> None:
    message = refusal(with_value("calibration.exponents", {"start": 3.0, "stop": 1.0, "step": 0.1}))
    assert "  calibration.exponents: Value error, stop 1 is before start 3, so there is no candidate" in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "the whole file: Input should be a valid dictionary", id="empty"),
        pytest.param("# nothing\n", "the whole file: Input should be a valid dictionary", id="comment"),
        pytest.param("- a\n- b\n", "the whole file: Input should be a valid dictionary", id="list"),
        pytest.param("just text", "the whole file: Input should be a valid dictionary", id="text"),
        pytest.param("1: 2", "is not valid", id="a number as key"),
        pytest.param("forest: {n_estimators: 50", "is not YAML", id="unclosed"),
        pytest.param("a: b: c", "is not YAML", id="two colons"),
        pytest.param("\tforest: 1", "is not YAML", id="tab"),
        pytest.param("forest: 1\nforest: 2\n", "is not YAML", id="a key twice"),
        pytest.param("x: 2026-13-45", "is not YAML", id="a date that is none"),
        pytest.param("[" * 400, "is not YAML", id="deep"),
        pytest.param("x: !!python/object/apply:os.getcwd []", "is not YAML", id="a Python object"),
        pytest.param("a: &a [*a]", "is not valid", id="an endless list"),
    ],
)
def test_a_file_that_is_no_table_of_parameters_is_refused(
    refusal: Callable[[str], str], text: str, message: str
) -> None:
    assert message in refusal(text)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ParamsError, match="is not YAML"):
        load(path)


def test_a_missing_file_is_reported_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    with pytest.raises(ParamsError) as error:
        load(path)
    assert str(error.value) == f"{path} cannot be read (No such file or directory): run from the project's root"


@pytest.mark.parametrize(
    ("start", "stop", "step", "values"),
    [
        (1.0, 1.0, 0.1, (1.0,)),
        (1.0, 1.4, 0.1, (1.0, 1.1, 1.2, 1.3, 1.4)),
        (1.0, 2.0, 0.4, (1.0, 1.4, 1.8)),
        (1.0, 2.0, 5.0, (1.0,)),
        (0.1, 0.3, 0.1, (0.1, 0.2, 0.3)),
    ],
)
def test_a_grid_goes_from_start_to_stop_and_never_beyond(
    start: float, stop: float, step: float, values: tuple[float, ...]
) -> None:
    assert Grid(start=start, stop=stop, step=step).values() == values


@given(st.integers(10, 2000), st.integers(0, 500), st.integers(1, 500))
def test_a_grid_of_hundredths_has_each_of_them_once(start: int, more: int, step: int) -> None:
    stop = min(start + more, 2000)
    grid = Grid(start=start / 100, stop=stop / 100, step=step / 100)
    assert grid.values() == tuple(value / 100 for value in range(start, stop + 1, step))
