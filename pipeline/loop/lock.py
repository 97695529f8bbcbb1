"""The committed results, and those that the stages have just made -> which are stale, and what a commit needs.

Results are the lock, the reports and the model card. Where they differ from the commit, the run hands over those that
differ, so that a workflow or a person commits them and nobody has to train again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

from ruamel.yaml import YAML

from pipeline.files import Layout, write_bytes, write_text
from pipeline.github.results import DELETED, PATCH, files_among, may_make_another
from pipeline.params import Params
from pipeline.repo import changed_files, commit_of, committed, git, model_files
from pipeline.report.write import model_card

LOCK = Path("dvc.lock")
MERGE = 2
"""Parents of a merge commit."""

HANDED_OVER = Path("build/report")
"""Where a run leaves its report, and the report files."""

RESULTS = Path("build/results")
"""Where it leaves the results that differ from the commit."""


@dataclass(frozen=True)
class StaleFile:
    """A committed file that is not what the code makes, and what differs in it."""

    path: Path
    what: str


@dataclass(frozen=True)
class LockCheck:
    """The committed results against those of this run.

    Attributes:
        stale: What differs.
        update_first: Whether main changed what makes the results since the branch left it. Then this run is of a merge
            of both, and its results are neither's, so none are handed over.
    """

    stale: tuple[StaleFile, ...]
    update_first: bool


def check_lock(params: Params, *, event: str | None, keep: bool) -> LockCheck:
    """Compare, and leave in `RESULTS` what the commit needs: the files, and the same as a patch.

    Args:
        params: The parameters, for the model card, which is made here from this run's reports.
        event: What started the run on GitHub; a pull request's commit is a merge commit.
        keep: Leave the new lock and card where they are, for what is published with them: DVC pushes by the lock. Else
            they are put back as they were committed, so that the report describes what was pushed.

    Raises:
        GitError: git cannot say what was committed.
        InputError: The merge commit's parents are not here.
        ModelFileError: A report is missing or damaged.
    """
    rmtree(RESULTS, ignore_errors=True)
    card = Layout().model_card
    write_text(card, model_card(Layout(), params.data.published))
    known, new = changed_files(str(LOCK), "reports", card.as_posix())
    paths = files_among([*known, *new])
    if not paths:
        return LockCheck((), update_first=False)
    stale = tuple(StaleFile(Path(path), _differing_stages() if path == str(LOCK) else "its content") for path in paths)
    # The merge queue's branch is nobody's to commit to; the pull request's own run makes its results.
    update_first = event == "merge_group" or (event == "pull_request" and _merged_with_another_model())
    if not update_first:
        _hand_over(paths, [path for path in paths if path in new])
    if not keep:
        _put_back(LOCK, card)
    return LockCheck(stale, update_first)


def _merged_with_another_model() -> bool:
    """Whether HEAD merges a branch with a main that changed what makes the results, or the results."""
    header = git("cat-file", "commit", "HEAD").partition(b"\n\n")[0]
    if header.count(b"\nparent ") != MERGE:
        return False
    changed = git("diff", "--name-only", "--relative", "--no-renames", commit_of(Path(), "HEAD^2"), "HEAD")
    return may_make_another(changed.decode().splitlines(), model_files())


def _hand_over(paths: Iterable[str], new: list[str]) -> None:
    deleted = []
    for path in paths:
        if Path(path).is_file():
            write_bytes(RESULTS / path, Path(path).read_bytes())
        else:
            deleted.append(f"{path}\n")
    if deleted:
        write_text(RESULTS / DELETED, "".join(deleted))
    if new:  # so that the patch has them
        git("add", "--intent-to-add", "--", *new)
    try:
        patch = git("diff-index", "--patch", "--binary", "--full-index", "--no-renames", "HEAD", "--", *paths)
    finally:
        if new:
            git("reset", "--quiet", "--", *new)
    write_bytes(RESULTS / PATCH, patch)


def _put_back(*paths: Path) -> None:
    for path in paths:
        content = committed(Path(), "HEAD", path.as_posix())
        if content is None:
            path.unlink(missing_ok=True)
        else:
            write_bytes(path, content)


def _differing_stages() -> str:
    if not LOCK.is_file():
        return "it is gone"
    texts = committed(Path(), "HEAD", str(LOCK)) or b"stages: {}", LOCK.read_bytes()
    before, made = (YAML(typ="safe").load(text)["stages"] for text in texts)
    names = sorted(name for name in before.keys() | made.keys() if before.get(name) != made.get(name))
    return "; ".join(f"stage {name}: {_differing(before.get(name, {}), made.get(name, {}))}" for name in names)


def _differing(before: Mapping[str, Any], made: Mapping[str, Any]) -> str:
    def parts(stage: Mapping[str, Any]) -> dict[str, object]:
        files = {file["path"]: file["md5"] for file in [*stage.get("deps", []), *stage.get("outs", [])]}
        return files | dict(stage.get("params", {}).get("params.yaml", {}))

    old, new = parts(before), parts(made)
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return ", ".join(names) or "its command"
