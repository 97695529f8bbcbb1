"""model.onnx -> answers: a table of records in, labels and seven probabilities each out.

A model file is untrusted input: it is opened only if its digest is the expected one (where one is given), and used
only if it was made for this contract, in this format, with these levels, inputs and outputs. What differs is named
and nothing is loaded.
"""

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # onnxruntime reads it at import, and sends usage data without it

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from lambda_api.contract import LEVELS, columns, fingerprint

FORMAT_VERSION = "1"
"""Version of what a graph's inputs, outputs and metadata mean."""


class ModelError(ValueError):
    """The model file is missing, damaged, or made for something else; the text says which, and what to do."""


class Model:
    """A checked ONNX graph, ready to answer; safe to call from several threads.

    Args:
        content: The serialized graph.
        source: Where it comes from, for messages.
        expected_sha256: Digest it must have; None accepts any graph of this contract.
        threads: Threads for one call; 0 takes all cores. One is best for single records.

    Raises:
        ModelError: It is not the expected graph, not one at all, or does not fit the contract.
    """

    def __init__(
        self, content: bytes, source: str = "the graph", expected_sha256: str | None = None, threads: int = 1
    ) -> None:
        self.sha256 = sha256(content).hexdigest()
        if expected_sha256 is not None and self.sha256 != expected_sha256:
            message = f"{source} has SHA-256 {self.sha256}, expected {expected_sha256}: build the package again"
            raise ModelError(message)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001  onnxruntime's own errors share no other class
            message = f"{source} is not a model that onnxruntime opens ({type(error).__name__}): train again"
            raise ModelError(message) from None
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        self._check(source)

    @classmethod
    def load(cls, path: Path, expected_sha256: str | None = None, threads: int = 1) -> Self:
        """The model in a file.

        Raises:
            ModelError: The file cannot be read, or as in the constructor.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            message = f"{path} cannot be read ({error.strerror}): make it with `make run`"
            raise ModelError(message) from None
        return cls(content, str(path), expected_sha256, threads)

    def _check(self, source: str) -> None:
        wanted = {
            "contract": fingerprint(),
            "format": FORMAT_VERSION,
            "levels": json.dumps([str(level) for level in LEVELS]),
        }
        for name, value in wanted.items():
            if self.metadata.get(name) != value:
                message = f"{source} was made for {name} {self.metadata.get(name)}, this code has {value}: train again"
                raise ModelError(message)
        kinds = {True: "tensor(double)", False: "tensor(string)"}
        inputs = [(item.name, item.type) for item in self._session.get_inputs()]
        outputs = [(item.name, item.type) for item in self._session.get_outputs()]
        if inputs != [(column.name, kinds[column.is_number]) for column in columns()] or outputs != [
            ("label", "tensor(string)"),
            ("probabilities", "tensor(double)"),
        ]:
            message = f"{source} has other inputs or outputs than the contract: train again"
            raise ModelError(message)

    def predict(self, feed: Mapping[str, NDArray[Any]]) -> tuple[NDArray[np.object_], NDArray[np.float64]]:
        """Labels (n,) and probabilities (n, 7) in `LEVELS` order.

        Args:
            feed: For each column an array of shape (n, 1): float64 for numbers, Python strings for categories. The
                graph does not validate: the contract stands in front of it.
        """
        label, probabilities = self._session.run(["label", "probabilities"], feed)
        return label, probabilities
