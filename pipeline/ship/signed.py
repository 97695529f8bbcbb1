"""What is to be deployed -> files that can be signed and verified: the model before it is built in, then the package.

A signature is about the bytes of one file. The model is one; a package is a folder, so `contents` lists it as
`sha256sum` would, and that listing is signed. Equal folders give equal listings; a changed folder's listing has no
signature.

The registry's files are fetched once, by `fetch`: `pipeline package` takes them from `CANDIDATE`, where they were
verified, and `pipeline deploy --no-build` takes what was built of them.
"""

from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ModelFileError
from pipeline.files import Layout, file_digest, write_text
from pipeline.params import Params
from pipeline.progress import Progress, no_progress

CANDIDATE = Path("build/candidate")
"""Where the version to be deployed is fetched to; laid out as `Layout`."""

PACKAGE = Path(".aws-sam/build")
"""What `make package` builds and `sam deploy` uploads: every function's folder, and the template."""

MODEL_IN_PACKAGE = Path("ApiFunction/model/model.onnx")
LISTING = Path("build/package.sha256")


@dataclass(frozen=True)
class FetchedVersion:
    """The version that `CANDIDATE` holds, and the SHA-256 of its graph."""

    version: int
    sha256: str

    def as_outputs(self) -> dict[str, str]:
        """The outputs for the steps that follow."""
        return {"version": str(self.version), "sha256": self.sha256}


def fetch(
    params: Params, store: str | None, which: str, sha256: str | None = None, progress: Progress = no_progress
) -> FetchedVersion:
    """Fetch a registered version, by number or alias, to `CANDIDATE`; nothing of it is loaded.

    Args:
        params: The parameters.
        store: Where the registry is kept between runs; None where MLFLOW_TRACKING_URI names a server.
        which: A version's number or alias.
        sha256: What its graph must be; None if it is not known.
        progress: Called with progress.

    Raises:
        RegistryError: There is no such version, or the registry cannot be reached.
        ModelFileError: Its graph is another one than was asked for.
    """
    from pipeline.registry import Registry
    from pipeline.registry.remote_store import pull

    registry = Registry()
    if store:
        progress(f"pull the registry from {store}", 0, 1)
        pull(registry.store, store)
    version = registry.fetch(params.registry.model_name, which, CANDIDATE).number
    graph = file_digest(Layout(CANDIDATE).model)
    if sha256 and graph != sha256:
        raise ModelFileError(
            f"version {version} has the graph {graph}, expected {sha256}, which was judged: "
            "the registry was changed in between. Deploy again, with the version that you mean"
        )
    return FetchedVersion(version, graph)


def contents(sha256: str, package: Path = PACKAGE) -> str:
    """Write `LISTING`: the SHA-256 and path of every file of a built package; the SHA-256 of the listing.

    Args:
        sha256: Of the graph that must be in it.
        package: The built package.

    Raises:
        ModelFileError: There is no package, or it holds another graph.
    """
    model = package / MODEL_IN_PACKAGE
    if not model.is_file():
        raise ModelFileError(f"{package} has no {MODEL_IN_PACKAGE}: build it with `make package`")
    if file_digest(model) != sha256:
        raise ModelFileError(f"{model} has SHA-256 {file_digest(model)}, expected {sha256}, which was verified")
    files = sorted(path for path in package.rglob("*") if path.is_file())
    write_text(LISTING, "".join(f"{file_digest(path)}  {path.relative_to(package).as_posix()}\n" for path in files))
    return file_digest(LISTING)
