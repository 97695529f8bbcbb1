"""Stands for actions/upload-artifact 7: one of a name in an attempt, without hidden files; later attempts replace."""

import hashlib
import re
import shutil
from pathlib import Path

from standing import FACTS, HUB, fail, given, output

FORBIDDEN = re.compile(r'[":<>|*?\r\n\\/]')


def hidden(path: Path, start: Path) -> bool:
    """Whether a file, or a folder on the way to it, starts with a dot."""
    return any(part.startswith(".") for part in path.relative_to(start).parts)


def files(pattern: str) -> tuple[Path, list[Path]]:
    """What a path names, and the folder that the names in the artifact start from."""
    found = sorted(Path("/").glob(pattern.lstrip("/")) if pattern.startswith("/") else Path().glob(pattern))
    if len(found) == 1 and found[0].is_dir():
        return found[0], [path for path in found[0].rglob("*") if path.is_file()]
    every = [path for start in found for path in ([start] if start.is_file() else start.rglob("*")) if path.is_file()]
    folders = [path.parent for path in every]
    root = Path(*_common([folder.parts for folder in folders])) if folders else Path()
    return root, every


def _common(parts: list[tuple[str, ...]]) -> list[str]:
    return [names[0] for names in zip(*parts, strict=False) if len(set(names)) == 1]


name = given("name") or "artifact"
if FORBIDDEN.search(name):
    fail(f'The artifact name is not valid: {name}. Contains one of " : < > | * ? CR LF \\ /')
patterns = [line.strip() for line in given("path").splitlines() if line.strip()]
if not patterns:
    fail("Input required and not supplied: path")
roots, chosen = [], []
for pattern in patterns:
    root, found = files(pattern)
    roots.append(root)
    chosen += [path for path in found if given("hidden") == "true" or not hidden(path, root)]
start = roots[0] if len(roots) == 1 else Path(*_common([root.parts for root in roots]))
if not chosen:
    text = f"No files were found with the provided path: {given('path')}. No artifacts will be uploaded."
    if given("nothing") == "error":
        fail(text)
    print(text if given("nothing") == "ignore" else f"::warning::{text}")
else:
    run = HUB / "runs" / FACTS["run"]
    mark = run / f"names/{FACTS['attempt']}/{name}"
    if mark.exists() and given("overwrite") != "true":
        # https://github.com/actions/upload-artifact/issues/478
        conflict = "(409) Conflict: an artifact with this name already exists on the workflow run"
        fail(f"Failed to CreateArtifact: Received non-retryable error: Failed request: {conflict}")
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()
    folder = run / "artifacts" / name
    shutil.rmtree(folder, ignore_errors=True)
    digest = hashlib.sha256()
    for path in sorted(chosen):
        target = folder / path.relative_to(start)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)  # neither modes nor links survive
        digest.update(path.read_bytes())
    output("artifact-id", str(int(digest.hexdigest()[:8], 16)))
    output("artifact-digest", digest.hexdigest())
    output("artifact-url", f"https://github.example/artifacts/{name}")
