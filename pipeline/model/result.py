"""A finished layout -> its result as one value: what it is known by, what it consists of, and its figures.

A *result* is what the pure flow made: the shipped graph, the fold graphs, the golden answers and the reports of data,
parity and metrics, byte by byte, with the parameters that made them. Its listing names them with their SHA-256, and
the listing's own SHA-256 is the key: the same result is never registered twice. The listing also has a mark of every
record, so that a later gate can tell which records this result was not judged on.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lambda_api.contract import TARGET
from lambda_api.model import Model, ModelError
from pipeline.data.records import KEY, load_processed
from pipeline.errors import ModelFileError
from pipeline.files import Layout, digest, flat, read_bytes, read_json
from pipeline.params import Params

MARK_DIGITS = 6
"""Enough to recognise a record among some thousands, too few to find out by trial whose it is: for each mark there are
many thousand people who could be. Two records in 16.8 million share one by chance."""

MAKING = {"split", "forest", "train", "calibration", "parity", "evaluate"}
"""Blocks of params.yaml that shape a result; the others name files, or judge."""


@dataclass(frozen=True)
class Result:
    """What a layout holds: its key, the listing that the key is the digest of, and the main figures."""

    sha256: str
    listing: bytes
    model_sha256: str
    data_sha256: str
    source: str
    metrics: dict[str, float]

    @property
    def files(self) -> tuple[str, ...]:
        """Every file of the result, relative to the layout's root."""
        return tuple(json.loads(self.listing)["files"])


def result_of(layout: Layout, params: Params) -> Result:
    """The result that lies in a layout.

    Raises:
        ModelFileError: A file is missing, or they are not of one run: the graph is of other data than the report.
    """
    contents = _contents(layout, params.split.folds)
    data, metrics = read_json(layout.data_report, "pipeline clean"), read_json(layout.metrics, "pipeline evaluate")
    graph = _graph(layout, contents[layout.model])
    made_for = {read_json(path, "pipeline train").get("model_sha256") for path in (layout.golden, layout.parity)}
    if graph.metadata.get("data_sha256") != data["sha256"] or made_for != {graph.sha256}:
        raise ModelFileError(
            f"{layout.model}, {layout.golden}, {layout.parity} and {layout.data_report} are of different runs: "
            "make them again with `pipeline train` and `pipeline evaluate`"
        )
    listing = {
        "files": {path.relative_to(layout.root).as_posix(): digest(content) for path, content in contents.items()},
        "params": flat(params.model_dump(include=MAKING)),
        "records": sorted(set(record_ids(load_processed(layout.records)))),
    }
    text = json.dumps(listing, indent=2, sort_keys=True).encode()
    figures = {key: float(value) for key, value in flat(metrics).items()}
    return Result(digest(text), text, graph.sha256, data["sha256"], data["source"], figures)


def record_ids(frame: pd.DataFrame) -> list[str]:
    """A few hex digits for each record and its level; a record whose level was corrected has another mark."""
    pairs = zip(frame[KEY], frame[TARGET], strict=True)
    return [hashlib.sha256(f"{record} {level}".encode()).hexdigest()[:MARK_DIGITS] for record, level in pairs]


def _contents(layout: Layout, folds: int) -> dict[Path, bytes]:
    """Every file of a result with its bytes."""
    graphs = [layout.folds / f"{fold}.onnx" for fold in range(folds)]
    made_by = {layout.data_report: "pipeline clean", layout.metrics: "pipeline evaluate"}
    paths = [layout.model, *graphs, layout.golden, layout.data_report, layout.parity, layout.metrics]
    return {path: read_bytes(path, made_by.get(path, "pipeline train")) for path in paths}


def _graph(layout: Layout, content: bytes) -> Model:
    try:
        return Model(content, str(layout.model))
    except ModelError as error:
        raise ModelFileError(str(error)) from None
