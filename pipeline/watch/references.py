"""A file <-> the references of all versions: logs expire, and a reference must outlive the lines it was made from.

The file holds counts only. A reference is kept as it was first made; later checks never change it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lambda_api import manifest as manifests
from lambda_api.bins import BINS_ID
from lambda_api.manifest import Manifest, ManifestError
from pipeline.errors import ModelFileError
from pipeline.files import read_bytes, write_json
from pipeline.watch.counts import BinCounts
from pipeline.watch.measures import MEASURES, NAMES, PREDICTION, SIZES, STARTS, TOTAL_BINS, CountArray


def load(path: Path) -> dict[str, BinCounts]:
    """The references in a file, by version.

    Empty if there is no file yet, or if its references were counted in other bins: the log's lines of that time cannot
    be compared any more either.

    Raises:
        ModelFileError: The file holds something else.
    """
    if not path.exists():
        return {}
    try:
        value = json.loads(read_bytes(path, "pipeline watch --reference-file"))
        if value["bins_id"] != BINS_ID:
            return {}
        return {str(version): _from_json(reference) for version, reference in value["versions"].items()}
    except (ValueError, LookupError, TypeError, AttributeError):
        raise ModelFileError(
            f"{path} holds no references: `pipeline watch --reference-file` writes one; restore it, or delete it to "
            "take the first requests in the log"
        ) from None


def save(path: Path, references: Mapping[str, BinCounts]) -> None:
    """Write the references, whole or not at all."""
    write_json(path, {"bins_id": BINS_ID, "versions": {name: _as_json(counts) for name, counts in references.items()}})


def _as_json(reference: BinCounts) -> dict[str, Any]:
    return {
        "counts": {name: reference.of_measure(name).tolist() for name in NAMES},
        "records": reference.records,
        "confidence": reference.confidence,
        "start": reference.start,
        "end": reference.end,
        "largest": reference.largest_batch,
        "design_effect": reference.design_effect,
    }


def _from_json(reference: dict[str, Any]) -> BinCounts:
    counts = [reference["counts"][measure.name] for measure in MEASURES]
    if [len(measure_counts) for measure_counts in counts] != SIZES.tolist():
        raise ValueError("other bins")
    return BinCounts(
        counts=np.concatenate(counts).astype(np.int64),
        records=int(reference["records"]),
        confidence=float(reference["confidence"]),
        start=int(reference["start"]),
        end=int(reference["end"]),
        largest_batch=int(reference["largest"]),
        design_effect=float(reference["design_effect"]),
    )


def load_manifest(model: Path) -> Manifest:
    """The manifest of a packaged model.

    Raises:
        ModelFileError: There is none, or it is no manifest of `pipeline package`.
    """
    try:
        return manifests.load(model)
    except ManifestError as error:
        raise ModelFileError(str(error)) from None


def training_counts(manifest: Manifest) -> BinCounts | None:
    """The training records that a manifest counts; None if it counts none, or in other bins."""
    if manifest.bins_id != BINS_ID or any(column.counts is None for column in manifest.bins.values()):
        return None
    counts: CountArray = np.zeros(TOTAL_BINS, dtype=np.int64)
    for name, column in manifest.bins.items():
        start = STARTS[NAMES.index(name if name in NAMES else PREDICTION)]
        column_counts = column.counts or ()
        counts[start : start + len(column_counts)] = column_counts
    return BinCounts(counts, int(counts[: SIZES[0]].sum()), 0.0, 0, 0, 0)
