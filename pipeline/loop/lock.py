"""The committed lock and reports, and those that the stages have just made -> which are stale, and what differs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.files import write_bytes
from pipeline.repo import git

LOCK = Path("dvc.lock")
HANDED_OVER = Path("build/report")
"""What a run hands over: the report, the report files, and the lock that should have been committed."""


@dataclass(frozen=True)
class StaleFile:
    """A committed file that is not what the code makes, and what differs in it."""

    path: Path
    what: str


def stale_files() -> tuple[StaleFile, ...]:
    """The lock and the reports that were committed and are not what `ci.repro` has just made.

    A stale lock is put back as it was committed, so that the report describes what was pushed; the one that should
    have been committed goes to `HANDED_OVER`.

    Raises:
        GitError: git cannot say what was committed.
    """
    changed = git("diff", "--name-only", "HEAD", "--", str(LOCK), "reports").decode().splitlines()
    files = tuple(
        StaleFile(Path(name), _differing_stages() if name == str(LOCK) else "its content") for name in changed
    )
    if any(file.path == LOCK for file in files):
        write_bytes(HANDED_OVER / LOCK, LOCK.read_bytes())
        write_bytes(LOCK, _committed_lock())
    return files


def _committed_lock() -> bytes:
    return git("show", f"HEAD:./{LOCK}")


def _differing_stages() -> str:
    yaml = YAML(typ="safe")
    committed, made = (yaml.load(text)["stages"] for text in (_committed_lock(), LOCK.read_bytes()))
    names = sorted(name for name in committed.keys() | made.keys() if committed.get(name) != made.get(name))
    return "; ".join(f"stage {name}: {_differing(committed.get(name, {}), made.get(name, {}))}" for name in names)


def _differing(committed: dict[str, Any], made: dict[str, Any]) -> str:
    def parts(stage: dict[str, Any]) -> dict[str, object]:
        files = {file["path"]: file["md5"] for file in [*stage.get("deps", []), *stage.get("outs", [])]}
        return files | dict(stage.get("params", {}).get("params.yaml", {}))

    old, new = parts(committed), parts(made)
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return ", ".join(names) or "its command"
