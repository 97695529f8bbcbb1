"""A registered version -> its listing, and its graphs and reports as bytes or in a folder, each proven by its SHA-256.

What already lies in the folder with the right SHA-256 is not copied again.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.errors import RegistryError
from pipeline.files import digest, write_bytes
from pipeline.registry.store import Store
from pipeline.registry.versions import RESULT_FILE, RESULT_TAG, Version

Checked = Callable[[str, str], bytes]
"""A path and the SHA-256 that its content must have in; the content out."""


def read(store: Store, version: Version, listed: Mapping[str, str], folder: Path) -> dict[str, bytes]:
    """The bytes of what a version's listing names, by path.

    Args:
        store: Where the version is.
        version: The version.
        listed: SHA-256 of each file by its path, as the listing says.
        folder: Laid out as `Layout`; what lies there already with its SHA-256 is taken from there.

    Raises:
        RegistryError: An artefact is missing, or not what was registered.
    """
    here = {path: content for path, sha256 in listed.items() if (content := _held(folder / path, sha256)) is not None}
    return here | _download(store, version, {path: listed[path] for path in listed.keys() - here.keys()})


def write(contents: Mapping[str, bytes], folder: Path) -> None:
    """Write files below a folder; one that lies there already with the same bytes stays untouched."""
    for path, content in contents.items():
        if _held(folder / path, digest(content)) is None:
            write_bytes(folder / path, content)


def listing(store: Store, version: Version) -> dict[str, Any]:
    """What `pipeline.model.result` listed of a version when it was registered.

    Raises:
        RegistryError: The listing is missing, or not what was registered.
    """
    with _checked(store, version) as checked:
        listed = dict(json.loads(checked(RESULT_FILE, version.tags.get(RESULT_TAG, ""))))
    _refuse_strays(version, listed["files"])
    return listed


def _held(path: Path, sha256: str) -> bytes | None:
    """The bytes of a file, if they have this SHA-256."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    return content if digest(content) == sha256 else None


def _download(store: Store, version: Version, listed: Mapping[str, str]) -> dict[str, bytes]:
    if not listed:
        return {}
    with _checked(store, version) as checked:
        return {path: checked(path, sha256) for path, sha256 in listed.items()}


@contextmanager
def _checked(store: Store, version: Version) -> Iterator[Checked]:
    """A function that gives a version's artefact, if it has the SHA-256 that it should have."""
    with tempfile.TemporaryDirectory() as temporary, store.client() as client:

        def checked(path: str, sha256: str) -> bytes:
            where = f"{path} of {version.name} version {version.number}, in {store.shown_uri},"
            content = _artefact(client, version.run_id, path, Path(temporary), where)
            if digest(content) != sha256:
                raise RegistryError(
                    f"{where} has SHA-256 {digest(content)}, expected {sha256}: it is damaged. Restore the "
                    "store's artefacts, or register the result again in a new store"
                )
            return content

        yield checked


def _artefact(client: Any, run_id: str, path: str, folder: Path, where: str) -> bytes:
    try:
        return Path(client.download_artifacts(run_id, path, folder)).read_bytes()
    except Exception as error:  # noqa: BLE001  each kind of artefact store raises its own
        raise RegistryError(f"{where} cannot be downloaded: {str(error).strip()[:300]}") from None


def _refuse_strays(version: Version, listed: list[str]) -> None:
    for path in map(PurePosixPath, listed):
        if path.is_absolute() or ".." in path.parts:
            raise RegistryError(f"{version.name} version {version.number} lists {path}, outside its own folder")
