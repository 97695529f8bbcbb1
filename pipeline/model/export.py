"""A fitted Pipeline -> one self-contained ONNX graph that answers exactly as it does, or no graph at all.

skl2onnx converts the Pipeline; this project adds converters for the two steps where exactness is decided: the body
mass index stays in double precision, and the forest becomes one integer-vote `TreeEnsemble`. Sixteen named inputs
(double or string, [N, 1]), outputs `label` (string, [N]) and `probabilities` (double, [N, 7], in `LEVELS` order).
The same Pipeline always gives the same bytes: no timestamp, no uuid, nothing ordered by hash.

Thresholds are rounded down to float32: scikit-learn compares a float32 feature with a double threshold, and
`x <= t` holds for a float32 x exactly when `x <= floor32(t)` does.
"""

import json
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from lambda_api.contract import LEVELS, columns, fingerprint
from lambda_api.model import FORMAT_VERSION
from pipeline.model.features import BodyMassIndex
from pipeline.model.forest import VotingForest, leaf_levels

# onnxruntime 1.32 runs both; TreeEnsemble needs ai.onnx.ml 5, which skl2onnx 1.20 does not know.
OPSET, ML_OPSET, CONVERTER_ML_OPSET, IR_VERSION = 21, 5, 3, 10


def _shape_bmi(operator: Any) -> None:
    from skl2onnx.common.data_types import DoubleTensorType

    operator.outputs[0].type = DoubleTensorType([None, 1])


def _convert_bmi(scope: Any, operator: Any, container: Any) -> None:
    table = operator.inputs[0].full_name
    names = {name: scope.get_unique_variable_name(name) for name in ("first", "second", "height", "weight", "square")}
    container.add_initializer(names["first"], onnx.TensorProto.INT64, [1], [0])
    container.add_initializer(names["second"], onnx.TensorProto.INT64, [1], [1])
    container.add_node("Gather", [table, names["first"]], [names["height"]], name="bmi_height", axis=1)
    container.add_node("Gather", [table, names["second"]], [names["weight"]], name="bmi_weight", axis=1)
    container.add_node("Mul", [names["height"], names["height"]], [names["square"]], name="bmi_square")
    container.add_node("Div", [names["weight"], names["square"]], [operator.outputs[0].full_name], name="bmi")


def _shape_forest(operator: Any) -> None:
    from skl2onnx.common.data_types import DoubleTensorType, StringTensorType

    operator.outputs[0].type = StringTensorType([None])
    operator.outputs[1].type = DoubleTensorType([None, len(LEVELS)])


def _floor32(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    nearest = thresholds.astype("float32")
    return np.where(nearest > thresholds, np.nextafter(nearest, np.float32(-np.inf)), nearest)


def _tree_attributes(forest: VotingForest) -> dict[str, object]:
    """All trees as attributes of one TreeEnsemble; its seven leaves, one vote for each level, are shared by all."""
    features: list[int] = []
    splits: list[NDArray[np.float32]] = []
    branches: dict[bool, tuple[list[int], list[int]]] = {True: ([], []), False: ([], [])}
    roots = []
    for estimator in forest.forest_.estimators_:
        tree, votes = estimator.tree_, leaf_levels(estimator)
        inner = np.flatnonzero(tree.children_left >= 0)
        offset = len(features)
        roots.append(offset)
        if not len(inner):  # a tree of one leaf: a node both of whose branches are that leaf
            features.append(0)
            splits.append(np.zeros(1, "float32"))
            for ids, leaves in branches.values():
                ids.append(int(votes[0]))
                leaves.append(1)
            continue
        place = np.full(tree.node_count, -1)
        place[inner] = offset + np.arange(len(inner))
        features += tree.feature[inner].tolist()
        splits.append(_floor32(tree.threshold[inner]))
        for side, children in ((True, tree.children_left[inner]), (False, tree.children_right[inner])):
            ids, leaves = branches[side]
            ids += np.where(place[children] >= 0, place[children], votes[children]).tolist()
            leaves += (place[children] < 0).astype(int).tolist()
    return {
        "aggregate_function": 1,
        "post_transform": 0,
        "n_targets": len(LEVELS),
        "tree_roots": roots,
        "nodes_featureids": features,
        "nodes_modes": onnx.numpy_helper.from_array(np.zeros(len(features), "uint8"), "nodes_modes"),
        "nodes_splits": onnx.numpy_helper.from_array(np.concatenate(splits), "nodes_splits"),
        "nodes_truenodeids": branches[True][0],
        "nodes_trueleafs": branches[True][1],
        "nodes_falsenodeids": branches[False][0],
        "nodes_falseleafs": branches[False][1],
        "leaf_targetids": list(range(len(LEVELS))),
        "leaf_weights": onnx.numpy_helper.from_array(np.ones(len(LEVELS), "float32"), "leaf_weights"),
    }


def _convert_forest(scope: Any, operator: Any, container: Any) -> None:
    forest: VotingForest = operator.raw_operator
    trees = len(forest.forest_.estimators_)
    label, probabilities = (output.full_name for output in operator.outputs)

    def name(hint: str) -> str:
        return str(scope.get_unique_variable_name(hint))

    def constant(hint: str, kind: int, values: list[object], shape: list[int]) -> str:
        full = name(hint)
        container.add_initializer(full, kind, shape, values)
        return full

    def node(kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        container.add_node(kind, inputs, [output], name=f"forest_{output}", **attributes)
        return output

    double, text, whole = onnx.TensorProto.DOUBLE, onnx.TensorProto.STRING, onnx.TensorProto.INT64
    features = node("Cast", [operator.inputs[0].full_name], name("features"), to=onnx.TensorProto.FLOAT)
    votes = node(
        "TreeEnsemble",
        [features],
        name("votes"),
        op_domain="ai.onnx.ml",
        op_version=CONVERTER_ML_OPSET,
        **_tree_attributes(forest),
    )
    winner = node("ArgMax", [votes], name("winner"), axis=1, keepdims=0)
    node("Gather", [constant("levels", text, [str(level).encode() for level in LEVELS], [len(LEVELS)]), winner], label)
    exact = node("Cast", [votes], name("exact_votes"), to=double)
    shares = node("Div", [exact, constant("trees", double, [float(trees)], [])], name("shares"))
    least = constant("least_share", double, [0.5 / trees], [])
    clipped = node("Max", [shares, least], name("clipped_shares"))
    sharp = node("Pow", [clipped, constant("exponent", double, [forest.exponent], [])], name("sharpened"))
    total = node("ReduceSum", [sharp, constant("axis", whole, [1], [1])], name("total"), keepdims=1)
    node("Div", [sharp, total], probabilities)


def _register_converters() -> None:
    from skl2onnx import update_registered_converter

    update_registered_converter(BodyMassIndex, "BodyMassIndex", _shape_bmi, _convert_bmi)
    update_registered_converter(
        VotingForest, "VotingForest", _shape_forest, _convert_forest, options={"zipmap": [True, False]}
    )


def to_onnx(pipeline: Pipeline, data_sha256: str) -> bytes:
    """The fitted Pipeline as a serialized ONNX model; equal Pipelines give equal bytes.

    Args:
        pipeline: Encoder and `VotingForest`, fitted on a table of records.
        data_sha256: Digest of the raw file it was trained on, kept in the metadata.
    """
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType, StringTensorType

    _register_converters()
    inputs = [
        (column.name, DoubleTensorType([None, 1]) if column.is_number else StringTensorType([None, 1]))
        for column in columns()
    ]
    model = convert_sklearn(
        pipeline,
        name="obesity_level",
        initial_types=inputs,
        final_types=[("label", StringTensorType([None])), ("probabilities", DoubleTensorType([None, len(LEVELS)]))],
        target_opset={"": OPSET, "ai.onnx.ml": CONVERTER_ML_OPSET},
        options={VotingForest: {"zipmap": False}},
    )
    del model.opset_import[:]
    model.opset_import.extend([onnx.helper.make_opsetid("", OPSET), onnx.helper.make_opsetid("ai.onnx.ml", ML_OPSET)])
    model.ir_version = IR_VERSION
    metadata = {
        "contract": fingerprint(),
        "data_sha256": data_sha256,
        "format": FORMAT_VERSION,
        "levels": json.dumps([str(level) for level in LEVELS]),
    }
    onnx.helper.set_model_props(model, dict(sorted(metadata.items())))
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def exponent_of(graph: bytes) -> float | None:
    """What a serialized graph of this module raises its vote shares to; None if it is another's graph."""
    constants = {constant.name: constant for constant in onnx.load_from_string(graph).graph.initializer}
    return float(onnx.numpy_helper.to_array(constants["exponent"])) if "exponent" in constants else None
