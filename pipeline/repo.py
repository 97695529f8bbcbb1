"""git and DVC, each asked in one place: what was committed, how the stages run, where data is pushed and fetched.

The only module that starts git or imports DVC; both take a second, so they are loaded when first asked.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from pipeline.errors import InputError, PipelineError, RaceLostError, SourceError
from pipeline.progress import Fold, Progress, Say, no_progress

INTERRUPTED = (-2, 130)
"""What a stage exits with that Ctrl-C ended: by the signal, or by typer."""


def git(root: Path, *arguments: str) -> bytes | None:
    """What a git command prints; None where it fails, or there is no git or no repository."""
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=False)  # noqa: S607
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def commit_of(root: Path, rev: str) -> str:
    """The commit that a revision names, 40 digits.

    Raises:
        InputError: There is no such commit here.
    """
    found = git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}")
    if found is None:
        raise InputError(
            f"no commit {rev!r} here: name a branch, a tag or a commit of this git repository; in a shallow clone, "
            "fetch it first (`git fetch --unshallow`, or fetch-depth: 0 for actions/checkout)"
        )
    return found.decode().strip()


def default_base(root: Path) -> str | None:
    """The commit that this work started from; None if there is none before it.

    On a branch it is the merge base with main, in a pull request with its target branch. On main itself it is HEAD
    while anything in the working tree differs from it, else the commit before.
    """
    if git(root, "rev-parse", "HEAD") is None:
        return None
    target, head = os.environ.get("GITHUB_BASE_REF") or "main", commit_of(root, "HEAD")
    places = (f"refs/remotes/origin/{target}", f"refs/heads/{target}")
    found = next((commit for place in places if (commit := git(root, "merge-base", "HEAD", place))), None)
    base = found.decode().strip() if found else head
    if base != head or git(root, "status", "--porcelain", "--untracked-files=no"):
        return base
    before = git(root, "rev-parse", "--verify", "--quiet", "HEAD~1")
    return before.decode().strip() if before else None


def git_or_fail(*arguments: str) -> bytes:
    """What a git command prints.

    Raises:
        PipelineError: It fails; the text is git's own reason.
    """
    try:
        return subprocess.run(["git", *arguments], capture_output=True, check=True).stdout  # noqa: S607
    except subprocess.CalledProcessError as error:
        raise PipelineError(f"git {arguments[0]}: {error.stderr.decode(errors='replace').strip()}") from None


def dvc_repro(progress: Progress = no_progress) -> tuple[str, ...]:
    """Bring every DVC stage here up to date; the names of those that had to run.

    Raises:
        PipelineError: A stage failed, with that stage's exit code; it has said why itself.
        RaceLostError: Another process is running the stages.
    """
    progress("dvc repro", 0, 1)
    from dvc.exceptions import DvcException, ReproductionError
    from dvc.repo import Repo

    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"  # stages say `python`
    try:
        with Repo() as repo:
            return tuple(stage.addressing for stage in repo.reproduce())
    except ReproductionError as error:
        raise _failure(error, error.__cause__) from None
    except DvcException as error:
        raise _failure(error, error) from None


def _failure(error: Exception, cause: BaseException | None) -> PipelineError:
    from dvc.lock import LockError
    from dvc.stage.exceptions import StageCmdFailedError

    if isinstance(cause, LockError):
        return RaceLostError(f"another process is running the stages here: wait, then run again. DVC says: {cause}")
    if not isinstance(cause, StageCmdFailedError):
        return PipelineError(f"dvc: {error}" if cause in (None, error) else f"dvc: {error}: {cause}")
    code = int(found[1]) if (found := re.search(r"exited with (-?\d+)", str(cause))) else 1
    if code in INTERRUPTED:
        raise KeyboardInterrupt
    if code < 0:
        return PipelineError(f"{error}: the system ended it with signal {-code}; run again")
    failure = PipelineError(f"{error}; mend what it says above and run again")
    failure.exit_code = code  # type: ignore[misc]
    return failure


def dvc_repro_anew(say: Say, fold: Fold) -> None:
    """Run every DVC stage anew, whatever it is known to have made.

    Args:
        say: Called with every line that DVC and its stages print.
        fold: Turns those lines into what is said.

    Raises:
        PipelineError: A stage failed, with that stage's exit code.
    """
    said = list[str]()

    def heard(stream: Iterable[str]) -> Iterable[str]:
        for line in stream:
            said.append(line.rstrip("\n"))
            yield said[-1]

    order = [sys.executable, "-m", "dvc", "repro", "--force", "--no-run-cache"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"  # stages say `python`
    environment = os.environ | {"PATH": path, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        order, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in fold(heard(process.stdout or ())):
            say(line)
    if process.returncode:
        failure = PipelineError("a stage failed; it says above what and how to mend it")
        if code := re.search(r"exited with (\d+)", "\n".join(said)):
            failure.exit_code = int(code[1])  # type: ignore[misc]
        raise failure


def dvc_push(progress: Progress) -> None:
    """Push data and models to DVC's default remote, if there is one.

    Raises:
        SourceError: The remote cannot be written.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    with Repo() as repo:
        if repo.config["core"].get("remote") is None:
            return
        progress("push data and models to DVC's remote", 0, 1)
        try:
            repo.push()
        except DvcException as error:
            raise SourceError(f"DVC's remote cannot be written: {error}") from None


def remote_is_set() -> bool:
    """Whether DVC has a default remote here, to which the grown data can be pushed."""
    from dvc.config import Config, ConfigError

    try:
        return bool(Config.from_cwd()["core"].get("remote"))
    except ConfigError:
        return False


def dvc_md5(path: Path) -> str:
    """What DVC locks a file or a folder as; of a folder all that is in it counts but bytecode.

    Source: dvc_data/hashfile/tree.py, `Tree.as_bytes` and `Tree.digest`.
    """
    if path.is_file():
        return _md5(path.read_bytes())
    files = sorted(file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    listed = [{"md5": _md5(file.read_bytes()), "relpath": file.relative_to(path).as_posix()} for file in files]
    listed.sort(key=lambda entry: entry["relpath"])
    return f"{_md5(json.dumps(listed, sort_keys=True).encode())}.dir"


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def dvc_read(path: Path, most: int = -1, *, root: Path = Path(), rev: str | None = None) -> bytes:
    """The bytes of a file that DVC keeps, from its cache, else from its remote.

    Args:
        path: The file, from `root`.
        most: How many bytes to read at the most; -1 reads all.
        root: The repository.
        rev: The commit; None reads what dvc.lock says now.

    Raises:
        SourceError: There is no DVC repository, or neither cache nor remote has the file.
    """
    if not (root / ".dvc").is_dir():
        raise SourceError("no DVC repository here")
    import dvc.api

    repo = None if rev is None else str(root.absolute())
    try:
        with dvc.api.open(path.as_posix(), repo=repo, rev=rev, mode="rb") as stream:
            return bytes(stream.read(most))
    except Exception as error:  # noqa: BLE001  each kind of remote raises its own, as S3's NoCredentialsError
        raise SourceError(f"not there ({type(error).__name__})") from None
