"""The champion, or any finished layout -> a folder of model.onnx and manifest.json that the service starts from.

golden.json lies beside them, for the hook that judges a new version before it gets traffic.

What the manifest says is read from the files of that very result and from the registry, never from the working tree:
the package of a champion is the same on every machine that reaches the registry. What `pipeline ci fetch` left to be
verified is what is packaged. Before anything is replaced, the service itself must start from the new folder.
"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from lambda_api.bins import BINNINGS, BINS_ID
from lambda_api.contract import LEVELS, TARGET, columns, fingerprint
from lambda_api.manifest import MANIFEST_FILE, MODEL_FILE, Bins, Manifest, ManifestError, Support
from pipeline.errors import ModelFileError, RegistryError
from pipeline.files import Layout, digest, read_bytes, read_json, write_bytes, write_json
from pipeline.params import Params
from pipeline.progress import Progress, no_progress
from pipeline.registry import Registry
from pipeline.registry.history import Move
from pipeline.registry.versions import CHAMPION, Version
from pipeline.ship.signed import CANDIDATE

MODEL_FOLDER = Path("build/model")
"""Where the service finds its model by default: `make serve` and the build of the Lambda."""

GOLDEN_FILE = "golden.json"

OPENAPI = Path("docs/openapi.json")

LIBRARIES = ("numpy", "onnx", "onnxruntime", "pandas", "pydantic", "scikit-learn", "skl2onnx")
"""Whose versions decide what a model's bytes are, or what it answers."""

UNREGISTERED = "unregistered"

LAYOUT = Layout()


@dataclass(frozen=True)
class _Origin:
    """What the registry knows about a model, or nothing."""

    model_version: str
    registered_model: str | None = None
    trained_on: str | None = None
    git_commit: str | None = None
    verdict: dict[str, Any] | None = None


def package_registered(
    registry: Registry, name: str, which: int | str = CHAMPION, out: Path = MODEL_FOLDER
) -> Manifest:
    """Write a registered version, by default the champion, into a folder.

    Raises:
        RegistryError: There is no such version; nothing was written.
        ModelFileError: The service does not start from it; nothing was written.
    """
    version = chosen(registry, name, which)
    origin = _Origin(
        model_version=str(version.number),
        registered_model=name,
        trained_on=version.created,
        git_commit=_known(version, "git_commit"),
        verdict=_verdict(registry.history(name), version),
    )
    return _package(registry.files(version, CANDIDATE), origin, out)


def chosen(registry: Registry, name: str, which: int | str) -> Version:
    """The registered version that is to be packaged or deployed.

    Raises:
        RegistryError: There is no such version, or no champion yet; the text says what to do.
    """
    if which == CHAMPION and registry.champion(name) is None:
        raise RegistryError(
            f"{name} has no champion in {registry.store.shown_uri}: train and judge one with `make run`, "
            "or package a finished layout with --from FOLDER"
        )
    return registry.version(name, which)


def package_layout(layout: Layout, out: Path = MODEL_FOLDER) -> Manifest:
    """Write the model of a finished layout into a folder; it is marked as never registered.

    Raises:
        ModelFileError: The layout is incomplete, or the service does not start from it; nothing was written.
    """
    files = {
        path.relative_to(layout.root).as_posix(): read_bytes(path, made_by)
        for path, made_by in (
            (layout.model, "pipeline train"),
            (layout.golden, "pipeline train"),
            (layout.data_report, "pipeline clean"),
            (layout.metrics, "pipeline evaluate"),
        )
    }
    return _package(files, _Origin(UNREGISTERED), out)


def sample_layout(params: Params, progress: Progress = no_progress) -> Layout:
    """The finished layout of the embedded sample, made now if there is none."""
    from pipeline.data import sample
    from pipeline.files import SAMPLE_ROOT
    from pipeline.model import run

    layout = Layout(SAMPLE_ROOT)
    if not layout.metrics.is_file():
        run.run(sample.RECORDS, layout, params, progress=progress)
    return layout


def _known(version: Version, tag: str) -> str | None:
    value = version.tags.get(tag, "unknown")
    return None if value == "unknown" else value


def _verdict(moves: tuple[Move, ...], version: Version) -> dict[str, Any] | None:
    """The last promotion of a version, without the name of the person: the service is public."""
    own = (move for move in reversed(moves) if move.version == version.number and move.action != "refusal")
    last = next(own, None)
    return {key: value for key, value in last.as_json().items() if key != "who"} if last else None


def _package(files: Mapping[str, bytes], origin: _Origin, out: Path) -> Manifest:
    """Write a model into a folder.

    Args:
        files: The bytes of graph, golden answers and reports by their path from a layout's root.
        origin: What the registry knows about it.
        out: The folder.
    """
    graph, golden = files[LAYOUT.model.as_posix()], files[LAYOUT.golden.as_posix()]
    try:
        data, metrics = (json.loads(files[path.as_posix()]) for path in (LAYOUT.data_report, LAYOUT.metrics))
        manifest = Manifest(
            **vars(origin),
            source=data["source"],
            data_sha256=data["sha256"],
            model_sha256=digest(graph),
            golden_sha256=digest(golden),
            contract=fingerprint(),
            metrics=metrics,
            libraries={name: installed(name) for name in LIBRARIES},
            support={column.name: _support(data["columns"][column.name]) for column in columns()},
            bins_id=BINS_ID,
            bins=_bins(data),
        )
    except (KeyError, ValueError) as error:
        raise ModelFileError(f"{LAYOUT.data_report} does not belong to this version: run `pipeline clean`") from error
    with tempfile.TemporaryDirectory() as temporary:
        _write(Path(temporary), graph, golden, manifest)
        _starts(Path(temporary))
    _write(out, graph, golden, manifest)
    return manifest


def _support(column: dict[str, float]) -> Support:
    if "min" in column:
        return Support(low=column["min"], high=column["max"])
    return Support(categories=tuple(sorted(category for category, count in column.items() if count)))


def _bins(data: dict[str, Any]) -> dict[str, Bins]:
    known = data.get("bins", {})  # a version registered before the counts were made has none
    bins = {
        name: Bins(
            edges=() if binning.places else tuple(binning.edges()),
            categories=tuple(binning.places),
            counts=tuple(known[name]) if known else None,
        )
        for name, binning in BINNINGS.items()
    }
    levels = tuple(data["levels"][level] for level in LEVELS)
    return bins | {TARGET: Bins(categories=tuple(map(str, LEVELS)), counts=levels)}


def _write(folder: Path, graph: bytes, golden: bytes, manifest: Manifest) -> None:
    """Write the manifest last, so that a half-written folder fails the digest check."""
    write_bytes(folder / MODEL_FILE, graph)
    write_bytes(folder / GOLDEN_FILE, golden)
    write_json(folder / MANIFEST_FILE, manifest.model_dump(mode="json", exclude_defaults=False))


def _starts(folder: Path) -> None:
    from lambda_api.model import ModelError
    from lambda_api.service import Service

    try:
        Service.load(folder).example()
    except (ManifestError, ModelError) as error:
        raise ModelFileError(f"the service would not start from this model: {error}") from None


def openapi() -> dict[str, Any]:
    """The service's OpenAPI document, with the limits that it has by default."""
    from lambda_api.app import create_app
    from lambda_api.settings import Settings

    return create_app(Settings()).openapi()


def committed_openapi() -> Any:
    """The OpenAPI document as it lies in docs/."""
    return read_json(OPENAPI, "pipeline openapi")


def write_openapi(path: Path = OPENAPI) -> None:
    """Write the OpenAPI document."""
    write_json(path, openapi())
