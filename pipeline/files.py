r"""Where the flow's files lie, and the one way they are written: whole, or not at all.

A file is written under a temporary name in its own folder and renamed, so a command that is killed leaves the old
file as it was. Text is UTF-8 with `\n`, JSON has sorted keys, floats are written as the shortest text that reads back
to the same double: the same values always make the same bytes.
"""

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import DataError, ModelFileError

if TYPE_CHECKING:
    import pandas as pd

RESULT_FILES = ("params.yaml", "dvc.lock", "reports", "docs/model-card.md")
"""What a pass of the loop changes of the files in git; committed together, they describe one result."""

RAW_NAME = "ObesityDataSet_raw_and_data_sinthetic.csv"


@dataclass(frozen=True)
class Layout:
    """Every file of the pure flow below one root; DVC's own layout is `Layout(Path())`."""

    root: Path = Path()

    @property
    def raw(self) -> Path:
        """The UCI file as published, never in git."""
        return self.root / "data/raw" / RAW_NAME

    @property
    def records(self) -> Path:
        """The cleaned records with key, origin, folds and level."""
        return self.root / "data/processed/records.csv"

    @property
    def data_report(self) -> Path:
        """What `clean` found."""
        return self.root / "reports/data.json"

    @property
    def model(self) -> Path:
        """The graph that ships."""
        return self.root / "models/model.onnx"

    @property
    def folds(self) -> Path:
        """Folder of `K.onnx`: the graph that never saw fold K."""
        return self.root / "models/folds"

    @property
    def grouped(self) -> Path:
        """Folder of `K.onnx`: the graph that never saw group fold K nor anything derived from it."""
        return self.root / "models/grouped"

    @property
    def golden(self) -> Path:
        """Generated records, with the answers that the shipped graph must give."""
        return self.root / "models/golden.json"

    @property
    def parity(self) -> Path:
        """How the graph was proven equal to the Pipeline."""
        return self.root / "reports/parity.json"

    @property
    def metrics(self) -> Path:
        """Every measured figure."""
        return self.root / "reports/metrics.json"

    @property
    def answers(self) -> Path:
        """Every record's key, true level and out-of-fold answer; an output of DVC, never in git."""
        return self.root / "reports/answers.csv"

    @property
    def plots(self) -> Path:
        """Folder of the CSV files that DVC draws."""
        return self.root / "reports/plots"

    @property
    def verdict(self) -> Path:
        """What the gate decided, and why."""
        return self.root / "reports/verdict.json"

    @property
    def figures(self) -> Path:
        """Folder of PNG pictures; not an output of DVC."""
        return self.root / "reports/figures"

    @property
    def model_card(self) -> Path:
        """The model card, generated from the reports."""
        return self.root / "docs/model-card.md"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; it takes the place of `path` only if the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Replace `path` with `content`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Replace `path` with UTF-8 text, line ends as given."""
    write_bytes(path, content.encode())


def write_json(path: Path, value: object) -> None:
    """Replace `path` with JSON: sorted keys, two spaces, no NaN, a line end."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n")


def write_csv(path: Path, frame: "pd.DataFrame") -> None:
    """Replace `path` with the frame as CSV without its index."""
    write_text(path, frame.to_csv(index=False, lineterminator="\n"))


def read_bytes(path: Path, made_by: str) -> bytes:
    """The bytes of a file that another command makes.

    Raises:
        ModelFileError: There is no such file; the text names `made_by`, the command that makes it.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelFileError(f"{path} does not exist: make it with `{made_by}`") from None
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror}") from None


def read_data(path: Path) -> bytes:
    """The bytes of a file that a person gives.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


def read_json(path: Path, made_by: str) -> Any:
    """The JSON value in a file that another command makes.

    Raises:
        ModelFileError: There is no such file, or it is not JSON.
    """
    try:
        return json.loads(read_bytes(path, made_by))
    except ValueError as error:
        raise ModelFileError(f"{path} is not JSON ({error}): make it again with `{made_by}`") from None


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """The leaves of nested dicts under dotted names.

    >>> flat({"holdout": {"accuracy": 0.5}, "confidence": 0.95})
    {'holdout.accuracy': 0.5, 'confidence': 0.95}
    """
    if not isinstance(value, dict):
        return {prefix: value}
    leaves: dict[str, Any] = {}
    for key, item in value.items():
        leaves |= flat(item, f"{prefix}.{key}" if prefix else str(key))
    return leaves


def digest(content: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file in hex, read in pieces.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None


Report = Mapping[str, Any]


def number(value: object) -> float | None:
    """The value if it is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


SAMPLE_ROOT = Path("runs/sample")

SAMPLE_STORE = f"sqlite:///{SAMPLE_ROOT.as_posix()}/mlflow.db"

CHAMPION_FOLDER = "models/champion"
"""Where the champion is exported to below a layout's root: itself laid out as `Layout`."""
