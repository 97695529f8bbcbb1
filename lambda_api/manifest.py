"""manifest.json -> what is known about the model beside it: where it comes from and what was measured.

`pipeline package` writes the file from the champion, the service reads it at start, and `/model_info` shows it. The
two sides share this one description of it.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from lambda_api.contract import Record, columns

MODEL_FILE, MANIFEST_FILE = "model.onnx", "manifest.json"

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class ManifestError(ValueError):
    """manifest.json is missing, damaged or describes something else; the text says which, and what to do."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Support(_Part):
    """What the training data held in one column: the least and the greatest number, or the categories that occur."""

    low: float | None = None
    high: float | None = None
    categories: tuple[str, ...] = ()


class Bins(_Part):
    """How one column is counted, in the log and here: by category, or by a number's lower limits after rounding."""

    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    counts: tuple[int, ...] | None = Field(
        description="Training records in each bin; null for a version that was registered before they were counted"
    )


class Manifest(_Part):
    """All that is known about one packaged model."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"title": "Manifest"})

    model_version: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = Field(
        description="What every answer carries: the registry's version, or where else the model comes from",
        examples=["3"],
    )
    registered_model: str | None = Field(description="Name in the registry; null for a model that was never registered")
    source: Literal["real", "sample", "other"] = Field(
        description="Data it was trained on: the UCI file, the embedded sample, or any other table"
    )
    trained_on: str | None = Field(description="When the registry received it, UTC; null if it was never registered")
    git_commit: str | None = Field(description="The commit it was made from; null outside a repository")
    data_sha256: Sha256
    model_sha256: Sha256
    golden_sha256: Sha256 = Field(description="Of golden.json: what this model must answer before it gets traffic")
    contract: Sha256 = Field(description="Fingerprint of the columns, ranges, categories and levels it was made for")
    metrics: dict[str, Any] = Field(description="As measured by `pipeline evaluate`, each with its rows and interval")
    verdict: dict[str, Any] | None = Field(description="What the gate decided; null if it was never judged")
    libraries: dict[str, str] = Field(description="Versions it was made with")
    support: dict[str, Support] = Field(description="What the training data held in each column")
    bins_id: str = Field(description="Of the bins below; every line of the log carries the one it was written with")
    bins: dict[str, Bins] = Field(description="The bins of each column, of BMI, and of the level")


def load(folder: Path) -> Manifest:
    """The manifest in a folder.

    Raises:
        ManifestError: There is none, it is not a manifest, or it does not know every column.
    """
    path = folder / MANIFEST_FILE
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ManifestError(f"{path} cannot be read ({error.strerror}): make it with `pipeline package`") from None
    except ValidationError as error:
        what = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise ManifestError(f"{path} is not a manifest ({what}): make it again with `pipeline package`") from None
    if missing := sorted(set(Record.model_fields) - set(manifest.support)):
        raise ManifestError(f"{path} lacks the training range of {', '.join(missing)}: make it again")
    for column in columns():
        known = manifest.support[column.name]
        if column.is_number and (known.low is None or known.high is None):
            raise ManifestError(f"{path} lacks the training range of {column.name}: make it again")
    return manifest
