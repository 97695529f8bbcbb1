"""The folder that a run hands over -> the files of its result, or a refusal to take any of it.

A result is the lock, the reports and the model card: what a run makes and git keeps. On a pull request the folder comes
from code that nobody has reviewed, and whoever commits it may write. So only files of these names are taken, as text
and of a modest size; whatever else lies there, or a link, refuses the whole folder.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.errors import InputError
from pipeline.repo import ignored

RESULT = re.compile(r"dvc\.lock|docs/model-card\.md|reports/[\w.-]+\.json|reports/plots/[\w.-]+\.csv", re.ASCII)
LOCK = "dvc.lock"

PATCH = "results.patch"
"""The same as a patch that `git apply` takes: for a person; never read here."""

DELETED = "deleted.txt"
"""The results that the run did not make any more, one path a line."""

MAX_BYTES, MAX_FILES = 2_000_000, 100


def results_among(paths: Iterable[str]) -> tuple[str, ...]:
    """The paths that are results, the lock first and then sorted; a file that git ignores is none."""
    named = sorted({path for path in paths if RESULT.fullmatch(path)}, key=lambda path: (path != LOCK, path))
    left_out = ignored(*named)
    return tuple(path for path in named if path not in left_out)


def may_make_another(changed: Iterable[str], model_files: Iterable[str]) -> bool:
    """Whether a change of these files may change the results, or is one of them.

    Args:
        changed: The files.
        model_files: The files and folders that decide what a run makes.
    """
    makers = [re.escape(file) for file in model_files]
    decides = re.compile(f"(?:{'|'.join(makers)})(?:/.*)?|{RESULT.pattern}", re.DOTALL)
    return any(decides.fullmatch(name) for name in changed)


@dataclass(frozen=True)
class HandedOver:
    """The results that differ from the commit that a run was on: their content by path, None for one that is gone."""

    files: Mapping[str, bytes | None]

    @classmethod
    def from_folder(cls, folder: Path) -> "HandedOver":
        """What lies in a folder that `pipeline ci lock` wrote; nothing, if there is no such folder.

        Raises:
            InputError: Something else lies there.
        """
        contents = _contents(folder)
        contents.pop(PATCH, None)
        deleted = contents.pop(DELETED, b"").decode().splitlines()
        paths = [*contents, *deleted]
        if others := sorted(set(paths) - set(results_among(paths))):
            raise InputError(f"{folder} holds {others[0]!r}, which is no result: nothing of it is committed")
        if LOCK in contents and not _is_lock(contents[LOCK]):
            raise InputError(f"{folder / LOCK} is no lock of DVC: nothing of the folder is committed")
        return cls({**dict.fromkeys(deleted), **contents})

    def differing(self, blobs: Mapping[str, str]) -> dict[str, bytes | None]:
        """The files that a tree has otherwise; `blobs` are the tree's files, git's hash of each by its path."""
        return {path: content for path, content in self.files.items() if _hash(content) != blobs.get(path)}


def _contents(folder: Path) -> dict[str, bytes]:
    if folder.is_symlink():
        raise InputError(f"{folder} is a link: nothing of it is committed")
    paths, size = list[Path](), 0
    for place, folders, names in os.walk(folder):
        for path in (Path(place, name) for name in [*folders, *names]):
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise InputError(f"{path} is a link: nothing of {folder} is committed")
        paths += [Path(place, name) for name in names]
        size += sum(Path(place, name).stat().st_size for name in names)
        if size > MAX_BYTES or len(paths) > MAX_FILES:
            largest = f"{MAX_FILES} files of {MAX_BYTES:,} bytes together"
            raise InputError(f"{folder} holds {len(paths)} files of {size:,} bytes, expected at most {largest}")
    contents = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    for name, content in contents.items():
        try:
            content.decode()
        except UnicodeDecodeError:
            raise InputError(f"{folder / name} is not UTF-8: nothing of the folder is committed") from None
    return contents


def _is_lock(content: bytes) -> bool:
    try:
        lock = YAML(typ="safe").load(content)
    except (YAMLError, ValueError, RecursionError):
        return False
    return isinstance(lock, Mapping) and isinstance(lock.get("stages"), Mapping)


def _hash(content: bytes | None) -> str | None:
    """What git calls a file with this content; None for none."""
    if content is None:
        return None
    return sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
