"""The champion, or any finished layout -> a folder of model.onnx and manifest.json that the service starts from.

golden.json lies beside them, for the hook that judges a new version before it gets traffic.

What the manifest says is read from the files of that very result and from the registry, never from the working tree:
the package of a champion is the same on every machine that reaches the registry. Before anything is replaced, the
service itself must start from the new folder.
"""

import tempfile
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

MODEL_FOLDER = Path("build/model")
"""Where the service finds its model unless told otherwise: `make serve` and the build of the Lambda."""

GOLDEN_FILE = "golden.json"

OPENAPI = Path("docs/openapi.json")

LIBRARIES = ("numpy", "onnx", "onnxruntime", "pandas", "pydantic", "scikit-learn", "skl2onnx")
"""Whose versions decide what a model's bytes are, or what it answers."""

UNREGISTERED = "unregistered"


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
    if which == CHAMPION and registry.champion(name) is None:
        raise RegistryError(
            f"{name} has no champion in {registry.store.shown_uri}: train and judge one with `make run`, "
            "or package a finished layout with --from FOLDER"
        )
    with tempfile.TemporaryDirectory() as temporary:
        version = registry.fetch(name, which, Path(temporary))
        origin = _Origin(
            model_version=str(version.number),
            registered_model=name,
            trained_on=version.created,
            git_commit=_known(version, "git_commit"),
            verdict=_verdict(registry.history(name), version),
        )
        return _package(Layout(Path(temporary)), origin, out)


def package_layout(layout: Layout, out: Path = MODEL_FOLDER) -> Manifest:
    """Write the model of a finished layout into a folder; it is marked as never registered.

    Raises:
        ModelFileError: The layout is incomplete, or the service does not start from it; nothing was written.
    """
    return _package(layout, _Origin(UNREGISTERED), out)


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
    last = next((move for move in reversed(moves) if move.version == version.number), None)
    return {key: value for key, value in last.as_json().items() if key != "who"} if last else None


def _package(layout: Layout, origin: _Origin, out: Path) -> Manifest:
    graph, golden = read_bytes(layout.model, "pipeline train"), read_bytes(layout.golden, "pipeline train")
    data = read_json(layout.data_report, "pipeline clean")
    try:
        manifest = Manifest(
            **vars(origin),
            source=data["source"],
            data_sha256=data["sha256"],
            model_sha256=digest(graph),
            golden_sha256=digest(golden),
            contract=fingerprint(),
            metrics=read_json(layout.metrics, "pipeline evaluate"),
            libraries={name: installed(name) for name in LIBRARIES},
            support={column.name: _support(data["columns"][column.name]) for column in columns()},
            bins_id=BINS_ID,
            bins=_bins(data),
        )
    except (KeyError, ValueError) as error:
        raise ModelFileError(f"{layout.data_report} does not belong to this version: run `pipeline clean`") from error
    with tempfile.TemporaryDirectory() as temporary:
        _write(Path(temporary), graph, golden, manifest)
        _starts(Path(temporary))
    _write(out, graph, golden, manifest)
    return manifest


def _support(found: dict[str, float]) -> Support:
    if "min" in found:
        return Support(low=found["min"], high=found["max"])
    return Support(categories=tuple(sorted(category for category, count in found.items() if count)))


def _bins(data: dict[str, Any]) -> dict[str, Bins]:
    known = data.get("bins", {})  # a version registered before the counts were made has none
    found = {
        name: Bins(
            edges=() if binning.places else tuple(binning.edges()),
            categories=tuple(binning.places),
            counts=tuple(known[name]) if known else None,
        )
        for name, binning in BINNINGS.items()
    }
    levels = tuple(data["levels"][level] for level in LEVELS)
    return found | {TARGET: Bins(categories=tuple(map(str, LEVELS)), counts=levels)}


def _write(folder: Path, graph: bytes, golden: bytes, manifest: Manifest) -> None:
    """The manifest last: whoever finds a new model beside an old manifest refuses it by its digest."""
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
