"""A finished layout -> its result as one value: what it is known by, what it consists of, and its figures.

Every file is read once, here, and what was read goes with the value: registering and judging it read nothing again.

A *result* is what the pure flow made: the shipped graph, the fold graphs, the golden answers and the reports of data,
parity and metrics, byte by byte, with the parameters that made them. Its listing names them with their SHA-256, and
the listing's own SHA-256 is the key: the same result is never registered twice. The listing also has a short hash of
every record, so that a later gate can tell which records this result was not judged on.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from lambda_api.contract import TARGET
from lambda_api.model import Model, ModelError
from pipeline.data.records import KEY, load_processed
from pipeline.errors import ModelFileError
from pipeline.files import Layout, Report, digest, flat, read_bytes
from pipeline.params import Params

RECORD_ID_DIGITS = 6
"""Enough to recognise a record among some thousands, too few to find out by trial whose it is: many thousand possible
records share each one. Of 16.8 million pairs of records, one pair shares it by chance."""

FORMAT = 2
"""Counts up when Pipelines stored by earlier code can no longer be loaded: each result is then registered once more."""

MAKING = {"split", "forest", "train", "calibration", "parity", "evaluate"}
"""Blocks of params.yaml that shape a result; the others name files, or judge."""


@dataclass(frozen=True)
class Result:
    """What a layout holds: its key, the listing that the key is the digest of, the main figures, and all that was read.

    `files` are the bytes of every file of the result by its path from the layout's root, `parity` is the report of that
    name, and `records` the cleaned table, which is no file of the result.
    """

    sha256: str
    listing: bytes
    model_sha256: str
    data_sha256: str
    source: str
    metrics: dict[str, float]
    layout: Layout = field(repr=False)
    files: Mapping[str, bytes] = field(repr=False)
    parity: Report = field(repr=False)
    records: pd.DataFrame = field(repr=False, compare=False)

    @property
    def fold_graphs(self) -> dict[int, bytes]:
        """The graph that never saw a fold, by the fold's number."""
        return fold_graphs(self.files)


def fold_graphs(files: Mapping[str, bytes]) -> dict[int, bytes]:
    """The graph that never saw a fold, by the fold's number, among the files of a result."""
    folder = Layout().folds
    return {int(Path(path).stem): content for path, content in files.items() if Path(path).parent == folder}


def result_of(layout: Layout, params: Params) -> Result:
    """The result that lies in a layout.

    Raises:
        ModelFileError: A file is missing, or they are not of one run: the graph is of other data than the report.
    """
    contents = _contents(layout, params.split.folds)
    data, metrics, golden, parity = (
        _json(contents, path, made_by)
        for path, made_by in (
            (layout.data_report, "pipeline clean"),
            (layout.metrics, "pipeline evaluate"),
            (layout.golden, "pipeline train"),
            (layout.parity, "pipeline train"),
        )
    )
    graph = _graph(layout, contents[layout.model])
    made_for = {report.get("model_sha256") for report in (golden, parity)}
    if graph.metadata.get("data_sha256") != data["sha256"] or made_for != {graph.sha256}:
        raise ModelFileError(
            f"{layout.model}, {layout.golden}, {layout.parity} and {layout.data_report} are of different runs: "
            "make them again with `pipeline train` and `pipeline evaluate`"
        )
    files = {path.relative_to(layout.root).as_posix(): content for path, content in contents.items()}
    records = load_processed(layout.records)
    listing = {
        "format": FORMAT,
        "files": {path: digest(content) for path, content in files.items()},
        "params": flat(params.model_dump(include=MAKING)),
        "records": sorted(set(record_ids(records))),
    }
    text = json.dumps(listing, indent=2, sort_keys=True).encode()
    return Result(
        sha256=digest(text),
        listing=text,
        model_sha256=graph.sha256,
        data_sha256=data["sha256"],
        source=data["source"],
        metrics={key: float(value) for key, value in flat(metrics).items()},
        layout=layout,
        files=files,
        parity=parity,
        records=records,
    )


def record_ids(frame: pd.DataFrame) -> list[str]:
    """A few hex digits for each record and its level; a record whose level was corrected has another id."""
    pairs = zip(frame[KEY], frame[TARGET], strict=True)
    return [hashlib.sha256(f"{record} {level}".encode()).hexdigest()[:RECORD_ID_DIGITS] for record, level in pairs]


def _contents(layout: Layout, folds: int) -> dict[Path, bytes]:
    """Every file of a result with its bytes."""
    graphs = [layout.folds / f"{fold}.onnx" for fold in range(folds)]
    made_by = {layout.data_report: "pipeline clean", layout.metrics: "pipeline evaluate"}
    paths = [layout.model, *graphs, layout.golden, layout.data_report, layout.parity, layout.metrics]
    return {path: read_bytes(path, made_by.get(path, "pipeline train")) for path in paths}


def _json(contents: Mapping[Path, bytes], path: Path, made_by: str) -> dict[str, Any]:
    try:
        return dict(json.loads(contents[path]))
    except (ValueError, TypeError) as error:
        raise ModelFileError(f"{path} is not a report ({error}): make it again with `{made_by}`") from None


def _graph(layout: Layout, content: bytes) -> Model:
    try:
        return Model(content, str(layout.model))
    except ModelError as error:
        raise ModelFileError(str(error)) from None
