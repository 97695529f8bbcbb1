"""The served graph: answers for the right file, one clear refusal for any other."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
import pytest

from lambda_api import contract
from lambda_api.contract import LEVELS
from lambda_api.model import Model, ModelError
from pipeline.data.records import COLUMNS, feed, load_processed, random_records
from pipeline.files import Layout

Change = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def graph(small_layout: Layout) -> bytes:
    return small_layout.model.read_bytes()


def changed(graph: bytes, **metadata: str | None) -> bytes:
    """The graph with other metadata; None takes an entry away."""
    model = onnx.load_from_string(graph)
    entries = {item.key: item.value for item in model.metadata_props} | metadata
    onnx.helper.set_model_props(model, {key: value for key, value in entries.items() if value is not None})
    return bytes(model.SerializeToString())


def renamed(graph: bytes, old: str, new: str) -> bytes:
    """The graph with one input or output called something else."""
    model = onnx.load_from_string(graph)
    for item in (*model.graph.input, *model.graph.output):
        item.name = new if item.name == old else item.name
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [new if name == old else name for name in names]
    return bytes(model.SerializeToString())


def turned(graph: bytes) -> bytes:
    """The graph with its first two inputs in the other order."""
    model = onnx.load_from_string(graph)
    inputs = list(model.graph.input)
    del model.graph.input[:]
    model.graph.input.extend([inputs[1], inputs[0], *inputs[2:]])
    return bytes(model.SerializeToString())


def test_a_file_answers_every_record_with_a_label_and_seven_probabilities(small_layout: Layout) -> None:
    frame = load_processed(small_layout.records)
    labels, probabilities = Model.load(small_layout.model).predict(feed(frame))
    assert labels.shape == (len(frame),)
    assert probabilities.shape == (len(frame), 7)
    assert probabilities.dtype == np.float64
    assert labels.tolist() == [LEVELS[place] for place in probabilities.argmax(axis=1)]
    assert {type(label) for label in labels.tolist()} == {str}
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=0, atol=1e-12)


def test_no_records_get_no_answers(graph: bytes) -> None:
    labels, probabilities = Model(graph).predict(feed(random_records(5, seed=1).iloc[:0]))
    assert (labels.shape, probabilities.shape) == ((0,), (0, 7))


def test_a_model_knows_its_digest_and_what_it_was_made_for(graph: bytes) -> None:
    model = Model(graph, expected_sha256=sha256(graph).hexdigest())
    assert model.sha256 == sha256(graph).hexdigest()
    assert model.metadata["contract"] == contract.fingerprint()
    assert sorted(model.metadata) == ["contract", "data_sha256", "format", "levels"]


def test_a_missing_file_is_reported_with_its_path_and_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with pytest.raises(ModelError) as refusal:
        Model.load(path)
    assert str(refusal.value) == f"{path} cannot be read (No such file or directory): make it with `make run`"


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot be read \(Is a directory\): make it with `make run`"):
        Model.load(tmp_path)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        pytest.param(lambda _: b"", "InvalidArgument", id="empty"),
        pytest.param(lambda _: b"not a model", "InvalidProtobuf", id="text"),
        pytest.param(lambda graph: graph[: len(graph) // 2], "InvalidProtobuf", id="truncated"),
        pytest.param(lambda graph: graph[::-1], "InvalidProtobuf", id="turned round"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(graph: bytes, tmp_path: Path, damage: Change, why: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(damage(graph))
    with pytest.raises(ModelError) as refusal:
        Model.load(path)
    assert str(refusal.value) == f"{path} is not a model that onnxruntime opens ({why}): train again"


def test_a_file_with_another_digest_is_refused_before_it_is_opened() -> None:
    # b"" would be refused by onnxruntime with another text, had it been asked.
    actual, wanted = sha256(b"").hexdigest(), "0" * 64
    with pytest.raises(ModelError) as refusal:
        Model(b"", "model.onnx", wanted)
    assert str(refusal.value) == f"model.onnx has SHA-256 {actual}, expected {wanted}: build the package again"


@pytest.mark.parametrize("flip", [0, 1000, -1])
def test_one_changed_bit_is_another_file(graph: bytes, flip: int) -> None:
    damaged = bytearray(graph)
    damaged[flip] ^= 1
    with pytest.raises(ModelError, match="has SHA-256"):
        Model(bytes(damaged), expected_sha256=sha256(graph).hexdigest())


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        (
            {"contract": "f" * 64},
            f"was made for contract {'f' * 64}, this code has {contract.fingerprint()}: train again",
        ),
        ({"contract": None}, f"was made for contract None, this code has {contract.fingerprint()}: train again"),
        ({"format": "2"}, "was made for format 2, this code has 1: train again"),
        ({"levels": json.dumps(list(LEVELS[::-1]))}, "train again"),
        ({"levels": None}, "was made for levels None"),
    ],
)
def test_a_graph_for_something_else_is_refused_by_name(
    graph: bytes, metadata: dict[str, str | None], text: str
) -> None:
    with pytest.raises(ModelError) as refusal:
        Model(changed(graph, **metadata), "model.onnx")
    assert text in str(refusal.value)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda graph: renamed(graph, "Age", "age"), id="an input's name"),
        pytest.param(lambda graph: renamed(graph, "probabilities", "scores"), id="an output's name"),
        pytest.param(turned, id="the order of inputs"),
    ],
)
def test_a_graph_with_other_inputs_or_outputs_is_refused(graph: bytes, change: Change) -> None:
    with pytest.raises(ModelError) as refusal:
        Model(change(graph), "model.onnx")
    assert str(refusal.value) == "model.onnx has other inputs or outputs than the contract: train again"


def test_threads_share_one_model_and_get_the_answers_of_one_thread(graph: bytes) -> None:
    model, batches = Model(graph), [feed(random_records(rows, seed=rows)) for rows in range(1, 41)]
    alone = [model.predict(batch) for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(model.predict, batches))
    for (labels, probabilities), (labels_alone, probabilities_alone) in zip(together, alone, strict=True):
        assert labels.tolist() == labels_alone.tolist()
        assert probabilities.tobytes() == probabilities_alone.tobytes()


def test_a_batch_is_answered_like_its_records_one_by_one_with_one_thread_or_all(graph: bytes) -> None:
    # Not bit for bit: onnxruntime raises to the exponent with other instructions in a batch, 1 or 2 ulp apart.
    batch = feed(random_records(50, seed=9))
    labels, probabilities = Model(graph, threads=0).predict(batch)
    single = Model(graph)
    for row in range(50):
        label, probability = single.predict({name: values[row : row + 1] for name, values in batch.items()})
        assert label[0] == labels[row]
        np.testing.assert_allclose(probability[0], probabilities[row], rtol=1e-13, atol=0)


def test_a_missing_input_is_an_error_not_an_answer(graph: bytes) -> None:
    batch = feed(random_records(3, seed=1))
    del batch[COLUMNS[3]]
    with pytest.raises(ValueError, match="Weight"):
        Model(graph).predict(batch)


def test_telemetry_of_onnxruntime_is_off_before_it_is_imported() -> None:
    # A fresh process without CI set: onnxruntime sends nothing where CI is set, whatever the other settings are.
    code = (
        "import sys, os\n"
        "class Watch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'onnxruntime': print('at import:', os.environ.get('ORT_DISABLE_TELEMETRY'))\n"
        "sys.meta_path.insert(0, Watch())\n"
        "import lambda_api.model\n"
    )
    clean = {key: value for key, value in os.environ.items() if key not in {"CI", "ORT_DISABLE_TELEMETRY"}}
    done = subprocess.run([sys.executable, "-c", code], env=clean, capture_output=True, text=True, check=True)
    assert done.stdout == "at import: 1\n"
