"""A registered version -> its listing, and its graphs and reports in a folder, each proven by its SHA-256."""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.errors import RegistryError
from pipeline.files import digest, write_bytes
from pipeline.registry.store import Store
from pipeline.registry.versions import RESULT_FILE, RESULT_TAG, Version

Checked = Callable[[str, str], bytes]
"""A path and the SHA-256 that its content must have in; the content out."""


def fetch(store: Store, version: Version, folder: Path) -> None:
    """Write everything that a version's listing names below a folder laid out as `Layout`, or nothing.

    Raises:
        RegistryError: An artefact is missing, or not what was registered; nothing was written.
    """
    with _checked(store, version) as checked:
        listed = _listing(version, checked)["files"]
        _refuse_strays(version, listed)
        contents = {path: checked(path, sha256) for path, sha256 in listed.items()}
    for path, content in contents.items():
        write_bytes(folder / path, content)


def listing(store: Store, version: Version) -> dict[str, Any]:
    """What `pipeline.model.result` listed of a version when it was registered.

    Raises:
        RegistryError: The listing is missing, or not what was registered.
    """
    with _checked(store, version) as checked:
        return _listing(version, checked)


def _listing(version: Version, checked: Checked) -> dict[str, Any]:
    return dict(json.loads(checked(RESULT_FILE, version.tags.get(RESULT_TAG, ""))))


@contextmanager
def _checked(store: Store, version: Version) -> Iterator[Checked]:
    """A function that gives a version's artefact, if it has the SHA-256 that it should have."""
    with tempfile.TemporaryDirectory() as temporary, store.client() as client:

        def checked(path: str, sha256: str) -> bytes:
            where = f"{path} of {version.name} version {version.number}, in {store.shown_uri},"
            content = _download(client, version.run_id, path, Path(temporary), where)
            if digest(content) != sha256:
                raise RegistryError(
                    f"{where} has SHA-256 {digest(content)}, expected {sha256}: it is damaged. Restore the "
                    "store's artefacts, or register the result again in a new store"
                )
            return content

        yield checked


def _download(client: Any, run_id: str, path: str, folder: Path, where: str) -> bytes:
    try:
        return Path(client.download_artifacts(run_id, path, folder)).read_bytes()
    except Exception as error:  # noqa: BLE001  each kind of artefact store raises its own
        raise RegistryError(f"{where} cannot be had: {str(error).strip()[:300]}") from None


def _refuse_strays(version: Version, listed: list[str]) -> None:
    for path in map(PurePosixPath, listed):
        if path.is_absolute() or ".." in path.parts:
            raise RegistryError(f"{version.name} version {version.number} lists {path}, outside its own folder")
