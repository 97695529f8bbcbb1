"""References kept in a file, because logs expire: what was normal for a version must outlive its first lines.

Counts only. A reference is kept as it was first made; later runs never change it.
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
from pipeline.watch.tally import MEASURES, NAMES, PREDICTION, SIZE, SIZES, STARTS, Tally


def load(path: Path) -> dict[str, Tally]:
    """The references in a file, by version.

    None if there is no file yet, or if it was counted in other bins: lines of those times cannot be compared any more
    either.

    Raises:
        ModelFileError: It is something else.
    """
    if not path.exists():
        return {}
    try:
        value = json.loads(read_bytes(path, "pipeline watch --reference-file"))
        if value["bins_id"] != BINS_ID:
            return {}
        return {str(version): _tally(item) for version, item in value["versions"].items()}
    except (ValueError, LookupError, TypeError, AttributeError):
        raise ModelFileError(
            f"{path} holds no references: `pipeline watch --reference-file` writes one; restore it, or delete it to "
            "take the first requests in the log"
        ) from None


def store(path: Path, references: Mapping[str, Tally]) -> None:
    """Write the references, whole or not at all."""
    write_json(path, {"bins_id": BINS_ID, "versions": {name: _json(tally) for name, tally in references.items()}})


def _json(tally: Tally) -> dict[str, Any]:
    counts = {name: tally.measured(name).tolist() for name in NAMES}
    return {**{name: value for name, value in vars(tally).items() if name != "counts"}, "counts": counts}


def _tally(item: dict[str, Any]) -> Tally:
    counts = [item["counts"][measure.name] for measure in MEASURES]
    if [len(found) for found in counts] != SIZES.tolist():
        raise ValueError("other bins")
    whole = {name: int(item[name]) for name in ("records", "start", "end", "largest")}
    return Tally(np.concatenate(counts).astype(np.int64), confidence=float(item["confidence"]), **whole)


def manifest(model: Path) -> Manifest:
    """The manifest of a packaged model.

    Raises:
        ModelFileError: There is none, or it is none of ours.
    """
    try:
        return manifests.load(model)
    except ManifestError as error:
        raise ModelFileError(str(error)) from None


def training(manifest: Manifest) -> Tally | None:
    """The training records that a manifest counts; None if it does not, or in other bins."""
    if manifest.bins_id != BINS_ID or any(known.counts is None for known in manifest.bins.values()):
        return None
    counts = np.zeros(SIZE, dtype=np.int64)
    for name, known in manifest.bins.items():
        start = STARTS[NAMES.index(name if name in NAMES else PREDICTION)]
        found = known.counts or ()
        counts[start : start + len(found)] = found
    return Tally(counts, int(counts[: SIZES[0]].sum()), 0.0, 0, 0, 0)
