"""Training: what each graph may see, what is written, and what is never written."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
from sklearn.metrics import log_loss

from lambda_api.contract import LEVELS, TARGET, Record
from lambda_api.model import Model
from pipeline.data import clean
from pipeline.data.records import COLUMNS, FOLD, GROUP_FOLD, NUMBERS, feed, load_processed
from pipeline.errors import ModelFileError, ParityError
from pipeline.files import Layout, digest
from pipeline.model import train
from pipeline.params import Grid, Params

DATA_SHA256 = "d" * 64


@pytest.fixture(scope="module")
def records(pinned_layout: Layout) -> pd.DataFrame:
    return load_processed(pinned_layout.records)


@pytest.fixture(scope="module")
def trained(records: pd.DataFrame, pinned_params: Params) -> train.TrainingResult:
    return train.train(records, DATA_SHA256, pinned_params, jobs=1)


@pytest.fixture
def layout(pinned_layout: Layout, tmp_path: Path) -> Layout:
    """A copy of the trained layout, to be changed."""
    shutil.copytree(pinned_layout.root, tmp_path / "copy")
    return Layout(tmp_path / "copy")


def contents(layout: Layout) -> dict[Path, bytes]:
    return {path.relative_to(layout.root): path.read_bytes() for path in layout.root.rglob("*") if path.is_file()}


def exponent(graph: bytes) -> float:
    constants = {item.name: item for item in onnx.load_from_string(graph).graph.initializer}
    return float(onnx.numpy_helper.to_array(constants["exponent"]))


def test_shuffled_copies_keep_bodies_with_their_level_and_deal_all_habits_out_together(records: pd.DataFrame) -> None:
    rows = len(records)
    table = train.with_shuffled_copies(records, copies=2, seed=42)
    habits = [name for name in COLUMNS if name not in {"Height", "Weight"}]
    assert len(table) == 3 * rows
    pd.testing.assert_frame_equal(table.iloc[:rows], records)
    for start in (rows, 2 * rows):
        copy = table.iloc[start : start + rows].reset_index(drop=True)
        pd.testing.assert_frame_equal(copy[["Height", "Weight", TARGET]], records[["Height", "Weight", TARGET]])
        dealt, own = copy[habits].sort_values(habits), records[habits].sort_values(habits)
        pd.testing.assert_frame_equal(dealt.reset_index(drop=True), own.reset_index(drop=True))
        assert (copy["Age"] != records["Age"]).mean() > 0.9
    first, second = table["Age"].iloc[rows : 2 * rows].tolist(), table["Age"].iloc[2 * rows :].tolist()
    assert first != second


def test_shuffled_copies_are_the_same_for_a_seed_and_none_changes_nothing(records: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(
        train.with_shuffled_copies(records, 1, seed=1), train.with_shuffled_copies(records, 1, seed=1)
    )
    assert not train.with_shuffled_copies(records, 1, seed=1).equals(train.with_shuffled_copies(records, 1, seed=2))
    pd.testing.assert_frame_equal(train.with_shuffled_copies(records, 0, seed=1), records)


def test_copies_of_some_rows_are_made_of_these_rows_only(records: pd.DataFrame) -> None:
    some = records[records[FOLD] != 0]
    table = train.with_shuffled_copies(some, 1, seed=1)
    assert set(table["Age"]) == set(some["Age"])
    assert len(table) == 2 * len(some)


def test_the_forest_has_the_arguments_of_the_parameters(pinned_params: Params) -> None:
    forest = train.pipeline_of(pinned_params, exponent=2.0, jobs=3).get_params()
    expected = pinned_params.forest.model_dump() | {"n_jobs": 3, "class_weight": None, "bootstrap": True}
    assert {name: forest[f"forest__forest__{name}"] for name in expected} == expected
    assert forest["forest__exponent"] == 2.0


@pytest.mark.parametrize("column", [FOLD, GROUP_FOLD])
@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_graph_never_sees_the_rows_that_are_held_out_from_it(
    records: pd.DataFrame, trained: train.TrainingResult, pinned_params: Params, column: str, part: int
) -> None:
    # Poison: every value and every level of the held-out rows is another; a single look at them would show.
    held_out = (records[column] == part).to_numpy()
    poisoned = records.copy()
    poisoned.loc[held_out, TARGET] = [LEVELS[6 - LEVELS.index(level)] for level in poisoned.loc[held_out, TARGET]]
    poisoned.loc[held_out, "Age"] = 109.0
    again = train.train(poisoned, DATA_SHA256, pinned_params, jobs=1)
    before, after = (trained.folds, again.folds) if column == FOLD else (trained.grouped, again.grouped)
    assert [old == new for old, new in zip(before, after, strict=True)] == [number == part for number in range(3)]


def test_the_graph_that_ships_is_the_one_that_never_saw_the_holdout(
    records: pd.DataFrame, trained: train.TrainingResult, pinned_params: Params
) -> None:
    assert len(trained.folds) == len(trained.grouped) == len({*trained.folds, *trained.grouped}) / 2 == 3
    assert trained.graph == trained.folds[0]
    split = pinned_params.split.model_copy(update={"holdout": 2})
    other = train.train(records, DATA_SHA256, pinned_params.model_copy(update={"split": split}), jobs=2)
    assert other.graph == other.folds[2]
    # More cores and another holdout: the very same graphs.
    assert (other.folds, other.grouped) == (trained.folds, trained.grouped)
    assert other.parity.model_sha256 == digest(trained.folds[2])


def test_the_pipeline_that_ships_answers_as_the_graph_does(
    records: pd.DataFrame, trained: train.TrainingResult
) -> None:
    labels, probabilities = Model(trained.graph).predict(feed(records))
    assert trained.pipeline.predict(records[list(COLUMNS)]).tolist() == labels.tolist()
    expected = trained.pipeline.predict_proba(records[list(COLUMNS)])
    np.testing.assert_allclose(expected, probabilities, rtol=0, atol=1e-12)


def test_without_origins_there_are_no_grouped_graphs(records: pd.DataFrame, pinned_params: Params) -> None:
    trained = train.train(records.assign(**{GROUP_FOLD: -1}), DATA_SHA256, pinned_params, jobs=1)
    assert (len(trained.folds), trained.grouped) == (3, ())


def test_the_exponent_is_the_candidate_with_the_lowest_log_loss_out_of_fold(
    records: pd.DataFrame, pinned_params: Params
) -> None:
    names, losses = [str(level) for level in LEVELS], {}
    for candidate in (1.0, 2.0, 3.0, 4.0, 5.0):
        truth, answers = [], []
        for fold in range(3):
            model = train.fit(records[records[FOLD] != fold], pinned_params, exponent=candidate, jobs=1)
            here = records[records[FOLD] == fold]
            truth += [names.index(level) for level in here[TARGET]]
            answers.append(model.predict_proba(here[list(COLUMNS)]))
        losses[candidate] = log_loss(truth, np.concatenate(answers), labels=range(7))
    best = min(losses, key=lambda candidate: losses[candidate])
    assert best not in {1.0, 5.0}  # else the grid, not the data, would decide
    grid = pinned_params.calibration.model_copy(update={"exponents": Grid(start=1.0, stop=5.0, step=1.0)})
    params = pinned_params.model_copy(update={"calibration": grid})
    assert train.calibrate(records, params, jobs=1) == best
    assert train.calibrate(records, params, jobs=2) == best


def test_each_fold_has_an_exponent_of_its_own_from_the_grid(
    trained: train.TrainingResult, pinned_params: Params
) -> None:
    exponents = [exponent(graph) for graph in trained.folds]
    assert set(exponents) <= set(pinned_params.calibration.exponents.values())
    assert {exponent(graph) for graph in trained.grouped} == {1.0}


def test_golden_answers_are_possible_records_of_every_level_and_hold(pinned_layout: Layout) -> None:
    golden, content = json.loads(pinned_layout.golden.read_text()), pinned_layout.model.read_bytes()
    assert sorted(golden) == ["cases", "model_sha256"]
    assert golden["model_sha256"] == digest(content)
    frame = pd.DataFrame([case["record"] for case in golden["cases"]]).astype(dict.fromkeys(NUMBERS, "float64"))
    for case in golden["cases"]:
        Record.model_validate(case["record"])
    labels, probabilities = Model(content).predict(feed(frame))
    assert labels.tolist() == [case["prediction"] for case in golden["cases"]]
    expected = [case["probabilities"] for case in golden["cases"]]
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=1e-12)
    assert [case["prediction"] for case in golden["cases"]] == [str(level) for level in LEVELS for _ in range(3)]


def test_training_again_writes_the_same_files(layout: Layout, pinned_params: Params) -> None:
    before = contents(layout)
    for path in [path for path in before if path.parts[0] == "models"] + [Path("reports/parity.json")]:
        (layout.root / path).unlink()
    trained = train.run(layout, pinned_params, jobs=2)
    assert contents(layout) == before
    assert layout.model.read_bytes() == trained.graph
    assert json.loads(layout.parity.read_text()) == json.loads(json.dumps(trained.parity.as_json()))


def test_graphs_of_folds_that_are_no_more_and_halves_of_files_are_removed(
    layout: Layout, small_csv: Path, pinned_params: Params
) -> None:
    four = pinned_params.model_copy(update={"split": pinned_params.split.model_copy(update={"folds": 4})})
    clean.run(small_csv, layout, four)
    (layout.folds / ".0.onnx.killed.part").write_bytes(b"what a killed run left")
    train.run(layout, four, jobs=1)
    assert sorted(path.name for path in layout.folds.iterdir()) == [f"{fold}.onnx" for fold in range(4)]
    data = pinned_params.data.model_copy(update={"collected_rows": None})
    unknown = pinned_params.model_copy(update={"data": data})
    clean.run(small_csv, layout, unknown)
    train.run(layout, unknown, jobs=1)
    assert sorted(path.name for path in layout.folds.iterdir()) == [f"{fold}.onnx" for fold in range(3)]
    assert list(layout.grouped.iterdir()) == []


def intolerant(params: Params) -> Params:
    """Parameters that no graph can meet: onnxruntime and numpy differ in the last digit of a power."""
    return params.model_copy(update={"parity": params.parity.model_copy(update={"max_probability_difference": 0.0})})


def test_a_graph_that_is_not_equal_is_not_written_and_the_old_one_stays(layout: Layout, pinned_params: Params) -> None:
    before = contents(layout)
    with pytest.raises(ParityError):
        train.run(layout, intolerant(pinned_params), jobs=1)
    assert contents(layout) == before


def test_a_graph_that_is_not_equal_leaves_no_file_where_none_was(layout: Layout, pinned_params: Params) -> None:
    shutil.rmtree(layout.root / "models")
    with pytest.raises(ParityError):
        train.run(layout, intolerant(pinned_params), jobs=1)
    assert not (layout.root / "models").exists()


def test_training_without_records_says_what_to_run_first(tmp_path: Path, pinned_params: Params) -> None:
    with pytest.raises(ModelFileError, match=r"records.csv does not exist: make it with `pipeline clean`"):
        train.run(Layout(tmp_path), pinned_params)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("report", ["{}", "[]", '{"sha256": 7}'])
def test_training_without_knowing_the_data_says_what_to_run_again(
    layout: Layout, pinned_params: Params, report: str
) -> None:
    layout.data_report.write_text(report)
    before = contents(layout)
    with pytest.raises(ModelFileError, match=r"data.json does not say which data .* again with `pipeline clean`"):
        train.run(layout, pinned_params)
    assert contents(layout) == before


def test_training_on_records_of_other_folds_is_refused(layout: Layout, pinned_params: Params) -> None:
    five = pinned_params.model_copy(update={"split": pinned_params.split.model_copy(update={"folds": 5})})
    before = contents(layout)
    with pytest.raises(ModelFileError, match=r"has folds \[0, 1, 2\], expected 0 to 4"):
        train.run(layout, five)
    assert contents(layout) == before


def test_progress_is_reported_from_nothing_done_to_all(records: pd.DataFrame, pinned_params: Params) -> None:
    steps: list[tuple[str, int, int]] = []
    train.train(records, DATA_SHA256, pinned_params, jobs=1, progress=lambda *said: steps.append(said))
    assert [done for _, done, _ in steps] == list(range(8))
    assert {total for _, _, total in steps} == {7}
    assert [what for what, _, _ in steps][::7] == ["fit without fold 0", "trained"]
