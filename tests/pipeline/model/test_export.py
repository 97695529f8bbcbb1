"""Export: one graph that answers exactly as the Pipeline, the same bytes everywhere, or no graph."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from lambda_api.contract import LEVELS, TARGET, columns, fingerprint
from lambda_api.model import Model
from pipeline.data.records import CATEGORIES, COLUMNS, NUMBERS, bmi, feed, load_processed, random_records, rule_levels
from pipeline.errors import ParityError
from pipeline.files import Layout, digest
from pipeline.model import train
from pipeline.model.export import to_onnx
from pipeline.model.parity import (
    UNKNOWN,
    ParityCheck,
    compare,
    on_thresholds,
    prove,
    refuse_differences,
    with_unknown_categories,
)
from pipeline.params import Params

DATA_SHA256 = "d" * 64


@pytest.fixture(scope="module")
def records(small_layout: Layout) -> pd.DataFrame:
    return load_processed(small_layout.records)


@pytest.fixture(scope="module")
def fitted(records: pd.DataFrame, small_params: Params) -> Pipeline:
    return train.fit(records, small_params, exponent=2.5, jobs=1)


@pytest.fixture(scope="module")
def graph(fitted: Pipeline) -> bytes:
    return to_onnx(fitted, DATA_SHA256)


def tensor(model: onnx.ModelProto, name: str) -> tuple[onnx.TensorProto, NDArray[np.float64]]:
    """A constant of the graph or of its trees, and its values."""
    ensemble = next(node for node in model.graph.node if node.op_type == "TreeEnsemble")
    tensors = {item.name: item for item in model.graph.initializer}
    tensors |= {item.name: item.t for item in ensemble.attribute if item.type == onnx.AttributeProto.TENSOR}
    return tensors[name], onnx.numpy_helper.to_array(tensors[name])


def tampered(graph: bytes, name: str, change: Callable[[NDArray[np.float64]], object]) -> bytes:
    """The graph with other values in one constant."""
    model = onnx.load_from_string(graph)
    place, values = tensor(model, name)
    place.CopyFrom(onnx.numpy_helper.from_array(np.asarray(change(values), dtype=values.dtype), place.name))
    return bytes(model.SerializeToString())


def test_the_graph_takes_the_columns_of_the_contract_and_gives_label_and_probabilities(graph: bytes) -> None:
    model = onnx.load_from_string(graph)
    kinds = {onnx.TensorProto.DOUBLE: "double", onnx.TensorProto.STRING: "string"}

    def described(items: list[onnx.ValueInfoProto]) -> list[tuple[str, str, list[int | None]]]:
        return [
            (
                item.name,
                kinds[item.type.tensor_type.elem_type],
                [size.dim_value or None for size in item.type.tensor_type.shape.dim],
            )
            for item in items
        ]

    assert described(list(model.graph.input)) == [
        (column.name, "double" if column.is_number else "string", [None, 1]) for column in columns()
    ]
    assert described(list(model.graph.output)) == [("label", "string", [None]), ("probabilities", "double", [None, 7])]


def test_the_graph_says_what_it_was_made_for_and_not_when_or_where(graph: bytes) -> None:
    model = onnx.load_from_string(graph)
    assert {item.key: item.value for item in model.metadata_props} == {
        "contract": fingerprint(),
        "data_sha256": DATA_SHA256,
        "format": "1",
        "levels": json.dumps([str(level) for level in LEVELS]),
    }
    assert [(item.domain, item.version) for item in model.opset_import] == [("", 21), ("ai.onnx.ml", 5)]
    assert (model.graph.name, model.doc_string, model.graph.doc_string) == ("obesity_level", "", "")


def test_the_same_pipeline_always_gives_the_same_bytes(fitted: Pipeline, graph: bytes) -> None:
    assert to_onnx(fitted, DATA_SHA256) == graph
    assert to_onnx(fitted, "e" * 64) != graph


def test_fresh_processes_with_other_hash_seeds_and_cores_give_the_same_bytes(
    small_layout: Layout, small_params_file: Path, records: pd.DataFrame, small_params: Params
) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from pipeline import files, params\n"
        "from pipeline.data import records\n"
        "from pipeline.model import export, train\n"
        "frame, tunables = records.load_processed(Path(sys.argv[1])), params.load(Path(sys.argv[2]))\n"
        "model = train.fit(frame, tunables, 2.0, int(sys.argv[3]))\n"
        "print(files.digest(export.to_onnx(model, 'd' * 64)))\n"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(small_layout.records), str(small_params_file), jobs],
            env=os.environ | {"PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed, jobs in (("0", "1"), ("1", "2"))
    ]
    digests = [process.communicate()[0].strip() for process in running]
    assert digests == [digest(to_onnx(train.fit(records, small_params, 2.0, jobs=1), DATA_SHA256))] * 2


@pytest.mark.parametrize(
    "forest",
    [
        pytest.param({}, id="pure leaves"),
        pytest.param({"n_estimators": 1}, id="one tree"),
        pytest.param({"n_estimators": 2}, id="two trees, many ties"),
        pytest.param({"max_depth": 1}, id="stumps"),
        pytest.param({"max_depth": 3, "max_features": 17}, id="limited depth"),
        pytest.param({"min_samples_leaf": 7}, id="large leaves"),
        pytest.param({"min_samples_leaf": 400}, id="single leaves"),
        pytest.param({"criterion": "entropy", "n_estimators": 30}, id="entropy"),
    ],
)
def test_any_forest_is_exported_exactly(records: pd.DataFrame, small_params: Params, forest: dict[str, object]) -> None:
    params = small_params.model_copy(update={"forest": small_params.forest.model_copy(update=forest)})
    model = train.fit(records, params, exponent=3.1, jobs=1)
    content = to_onnx(model, DATA_SHA256)
    parity = prove(model, content, records, params.parity)
    trees = model[-1].forest_.estimators_
    assert (parity.model_sha256, parity.model_bytes) == (digest(content), len(content))
    assert (parity.trees, parity.nodes) == (params.forest.n_estimators, sum(tree.tree_.node_count for tree in trees))
    assert {name: (c.records, c.label_flips) for name, c in parity.comparisons.items()} == {
        "data": (len(records), 0),
        "random": (500, 0),
        "rounded": (500, 0),
        "on_thresholds": (500, 0),
        "unknown_categories": (100, 0),
    }
    assert max(c.max_probability_difference for c in parity.comparisons.values()) < 1e-14


def test_a_forest_of_some_levels_only_is_exported_exactly(records: pd.DataFrame, small_params: Params) -> None:
    few = records[records[TARGET].isin(["Obesity_Type_III", "Normal_Weight"])]
    model = train.fit(few, small_params, exponent=1.0, jobs=1)
    prove(model, to_onnx(model, DATA_SHA256), records, small_params.parity)
    one = records[records[TARGET] == "Obesity_Type_I"]
    model = train.fit(one, small_params, jobs=1)
    content = to_onnx(model, DATA_SHA256)
    prove(model, content, records, small_params.parity)
    assert set(Model(content).predict(feed(records))[0]) == {"Obesity_Type_I"}


def test_unknown_categories_are_answered_as_the_pipeline_answers_them(fitted: Pipeline, graph: bytes) -> None:
    frame = with_unknown_categories(200, seed=1)
    share = (frame[list(CATEGORIES)] == UNKNOWN).to_numpy().mean()
    assert 0.45 < share < 0.55
    for text in ("", "NO", "nan", "\N{SNOWMAN}" * 1000):
        odd = frame.assign(**dict.fromkeys(CATEGORIES, text)).astype(dict.fromkeys(CATEGORIES, object))
        comparison = compare(fitted, Model(graph), odd)
        assert (comparison.records, comparison.label_flips) == (200, 0)


def test_records_on_thresholds_really_are(fitted: Pipeline) -> None:
    frame = on_thresholds(fitted, 2000, seed=3)
    names = list(fitted[0].get_feature_names_out())
    trees = [tree.tree_ for tree in fitted[-1].forest_.estimators_]
    split = np.concatenate([tree.feature for tree in trees])
    cuts = np.concatenate([tree.threshold for tree in trees])
    values = {name: frame[name].to_numpy() for name in NUMBERS} | {"BMI": bmi(frame)}
    for name, column in values.items():
        own = np.unique(cuts[split == names.index(name)])
        assert own.size
        # A quarter of the rows sit on the threshold itself, another on its float32; all within one float32 step.
        # Weight and the index share the rows, and an index can be made to within one rounding only.
        exact, least = (0.05, 0.4) if name in {"Weight", "BMI"} else (0.2, 1.0)
        assert np.isin(column, own).mean() > exact
        nearest = np.abs(column[:, None] - own[None]).min(axis=1)
        assert (nearest <= np.abs(column) * 2.0**-22).mean() >= least


def test_a_threshold_between_two_float32_is_rounded_down(fitted: Pipeline, graph: bytes) -> None:
    trees = [tree.tree_ for tree in fitted[-1].forest_.estimators_]
    cuts = np.concatenate([tree.threshold[tree.children_left >= 0] for tree in trees])
    _, splits = tensor(onnx.load_from_string(graph), "nodes_splits")
    assert splits.dtype == np.float32
    assert (splits <= cuts).all()
    assert (np.nextafter(splits, np.float32(np.inf)) > cuts).all()
    assert (cuts.astype("float32") > cuts).any()  # else rounding to nearest would do, and nothing be tested here


WRONG: dict[str, Callable[[bytes], bytes]] = {
    "thresholds rounded up": lambda graph: tampered(
        graph, "nodes_splits", lambda cuts: np.nextafter(cuts, np.float32(np.inf))
    ),
    "one threshold moved": lambda graph: tampered(
        graph, "nodes_splits", lambda cuts: np.concatenate([cuts[:1] + 5, cuts[1:]])
    ),
    "another exponent": lambda graph: tampered(graph, "exponent", lambda exponent: exponent + 1e-6),
    "a vote counted twice": lambda graph: tampered(graph, "leaf_weights", lambda ones: [2.0, *ones[1:]]),
    "two levels swapped": lambda graph: tampered(graph, "leaf_weights", lambda ones: ones[::-1] * 0),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_graph_that_answers_otherwise_is_refused(
    fitted: Pipeline,
    graph: bytes,
    records: pd.DataFrame,
    small_params: Params,
    wrong: Callable[[bytes], bytes],
) -> None:
    changed = wrong(graph)
    assert changed != graph
    with pytest.raises(ParityError, match="does not answer as the Pipeline does"):
        prove(fitted, changed, records, small_params.parity)


def test_the_graph_of_another_forest_is_refused(fitted: Pipeline, records: pd.DataFrame, small_params: Params) -> None:
    seed = small_params.forest.model_copy(update={"random_state": 43})
    other = train.fit(records, small_params.model_copy(update={"forest": seed}), exponent=2.5, jobs=1)
    with pytest.raises(ParityError):
        prove(fitted, to_onnx(other, DATA_SHA256), records, small_params.parity)


def test_a_refusal_names_each_battery_that_differs_with_its_figures() -> None:
    comparisons = {
        "data": ParityCheck(10, 0, 1e-16),
        "random": ParityCheck(1000, 3, 0.25),
        "rounded": ParityCheck(1000, 0, 2e-9),
        "on_thresholds": ParityCheck(5, 0, float("nan")),
    }
    with pytest.raises(ParityError) as refusal:
        refuse_differences(comparisons, 1e-9)
    assert str(refusal.value) == (
        "the ONNX graph does not answer as the Pipeline does\n"
        "  random: 3 of 1000 labels, probabilities by up to 0.25\n"
        "  rounded: 0 of 1000 labels, probabilities by up to 2e-09\n"
        "  on_thresholds: 0 of 5 labels, probabilities by up to nan\n"
        "expected 0 labels and at most 1e-09. No graph was written."
    )


def test_a_comparison_counts_labels_and_takes_the_largest_difference(fitted: Pipeline, graph: bytes) -> None:
    frame = random_records(300, seed=5)
    sharper = tampered(graph, "exponent", lambda exponent: exponent * 2)
    comparison = compare(fitted, Model(sharper), frame)
    expected = fitted.predict_proba(frame[list(COLUMNS)]) - Model(sharper).predict(feed(frame))[1]
    assert (comparison.records, comparison.label_flips) == (300, 0)
    assert comparison.max_probability_difference == np.abs(expected).max() > 0.01
    turned = tampered(graph, "leaf_weights", lambda ones: -ones)
    assert compare(fitted, Model(turned), frame).label_flips > 250


def test_the_graph_learnt_the_rule_not_a_constant(graph: bytes) -> None:
    frame = random_records(500, seed=6)
    assert (Model(graph).predict(feed(frame))[0] == rule_levels(frame)).mean() > 0.85
