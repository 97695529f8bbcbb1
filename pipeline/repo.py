"""git and DVC, each asked in one place: what was committed, how the stages run, where data is pushed and fetched.

The only module that starts git, and the only one that imports or starts DVC. DVC takes a second to import, so that is
done by the function that needs it; the stages run in a process of their own, the same on a laptop as on a runner.
"""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.errors import GitError, InputError, PipelineError, RaceLostError, SourceError, StageError
from pipeline.progress import Progress

STAGES_FILE, PARAMS_FILE = "dvc.yaml", "params.yaml"

_STARTED = re.compile(r"(?:Running stage '(?P<run>[^']+)':|Stage '(?P<cached>[^']+)' is cached)")
_FAILED = re.compile(r"ERROR: failed to reproduce '(?P<stage>[^']+)': failed to run: .*, exited with (?P<code>-?\d+)$")
_BUSY = ("Unable to acquire lock", "is busy, it is being blocked by")
_PATIENCE = 20.0
"""Seconds that an interrupted stage may take to end; one that was started with SIGINT ignored does not see it."""
_NO_GIT = 127
_NO_CREDENTIALS = {"NoCredentialsError", "ProfileNotFound"}
"""What S3's client raises on a machine that has no credentials, or not the profile that .dvc/config names."""
_SHELL_SIGNALS = 128
"""What a shell adds to the number of the signal that ended its command."""


def git(*arguments: str, root: Path = Path()) -> bytes:
    """What a git command prints.

    Raises:
        GitError: It fails, or there is no git; the text is git's own reason, which names the remedy.
    """
    done = run_git(*arguments, root=root)
    if done.returncode:
        raise GitError(f"git {arguments[0]}: {_reason(done)}")
    return done.stdout


def git_or_none(*arguments: str, root: Path = Path()) -> bytes | None:
    """What a git command prints; None where it finds nothing, or where there is no git or no repository.

    Raises:
        GitError: There is a repository that git refuses to read, as one that another user owns.
    """
    done = run_git(*arguments, root=root)
    if done.returncode == 0:
        return done.stdout
    repository = run_git("rev-parse", "--git-dir", root=root)
    if repository.returncode not in {0, _NO_GIT} and b"not a git repository" not in repository.stderr:
        raise GitError(f"git {arguments[0]}: {_reason(repository)}")
    return None


def run_git(
    *arguments: str, root: Path = Path(), stdin: bytes | None = None, environment: Mapping[str, str] = os.environ
) -> "subprocess.CompletedProcess[bytes]":
    """How a git command ends and what it prints; 127 where there is no git.

    Args:
        arguments: The command; never a secret, which every user of the machine could read there.
        root: Where it runs.
        stdin: What it reads; None: what this process reads.
        environment: Its environment, but for the language.
    """
    command = ["git", *arguments]
    try:
        english = {**environment, "LC_ALL": "C"}  # a reason is recognized by its words
        return subprocess.run(command, cwd=root, env=english, input=stdin, capture_output=True, check=False)
    except OSError as error:
        return subprocess.CompletedProcess(command, _NO_GIT, b"", str(error).encode())


def _reason(done: "subprocess.CompletedProcess[bytes]") -> str:
    return done.stderr.decode(errors="replace").strip() or f"exited with {done.returncode}"


def commit_of(root: Path, rev: str) -> str:
    """The commit that a revision names, 40 digits.

    Raises:
        InputError: There is no such commit here.
        GitError: git refuses to read this repository.
    """
    commit = _commit_or_none(root, rev)
    if commit is None:
        raise InputError(
            f"no commit {rev!r} here: name a branch, a tag or a commit of this git repository; in a shallow clone, "
            "fetch it first (`git fetch --unshallow`, or fetch-depth: 0 for actions/checkout)"
        )
    return commit


def committed(root: Path, commit: str, path: str) -> bytes | None:
    """A file's bytes in a commit; None if the commit has no such file, or a folder of that name.

    Raises:
        GitError: git cannot read it.
    """
    if b" blob " not in git("ls-tree", "-z", commit, "--", f"./{path}", root=root):
        return None
    return git("show", f"{commit}:./{path}", root=root)


def uncommitted(*paths: str, root: Path = Path()) -> tuple[str, ...] | None:
    """The files in git below these paths that differ from the last commit; None where nothing was ever committed.

    Raises:
        GitError: git refuses to read this folder.
    """
    if git_or_none("rev-parse", "--verify", "--quiet", "HEAD", root=root) is None:
        return None
    names = git("diff", "--name-only", "--relative", "HEAD", "--", *paths, root=root)
    return tuple(names.decode().splitlines())


def changed_files(*paths: str, root: Path = Path()) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The files below these paths that differ from the last commit: those in git, deleted ones too, and new ones.

    What git ignores is not new.

    Raises:
        GitError: git refuses to read this folder.
    """
    known = git("diff", "--name-only", "--relative", "--no-renames", "HEAD", "--", *paths, root=root)
    new = git("ls-files", "--others", "--exclude-standard", "--", *paths, root=root)
    return tuple(known.decode().splitlines()), tuple(new.decode().splitlines())


def ignored(*paths: str, root: Path = Path()) -> frozenset[str]:
    """Those of the paths that .gitignore names, whether or not they are in git."""
    names = git_or_none("check-ignore", "--no-index", "--", *paths, root=root) if paths else None
    return frozenset((names or b"").decode().splitlines())


def model_files(root: Path = Path()) -> tuple[str, ...]:
    """The files and folders in git that decide what the stages make: all that they depend on but do not make, sorted.

    Raises:
        InputError: dvc.yaml is not there, or holds no stages.
    """
    try:
        stages = YAML(typ="safe").load((root / STAGES_FILE).read_bytes())["stages"].values()
    except (OSError, YAMLError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{root / STAGES_FILE} holds no stages of DVC ({type(error).__name__})") from None
    outs = [out for stage in stages for kind in ("outs", "metrics", "plots") for out in stage.get(kind, ())]
    made = {out if isinstance(out, str) else next(iter(out)) for out in outs}
    needed = {dep for stage in stages for dep in stage.get("deps", ())} - made
    return tuple(sorted({STAGES_FILE, PARAMS_FILE, *needed}))


def default_base(root: Path) -> str | None:
    """The commit that this work started from; None if there is none before it.

    On a branch it is the merge base with main, in a pull request with its target branch. On main itself it is HEAD
    while anything in the working tree differs from it, else the commit before. On GitHub a pull request is checked out
    as its merge commit with today's target, and a merge queue's group names what it is merged onto: what differs from
    these is what the author changed.

    Raises:
        GitError: git refuses to read this repository.
    """
    head = _commit_or_none(root, "HEAD")
    if head is None:
        return None
    if merged_onto := _merged_onto(root, head):
        return merged_onto
    target = os.environ.get("GITHUB_BASE_REF") or "main"
    branches = (f"refs/remotes/origin/{target}", f"refs/heads/{target}")
    shared = (git_or_none("merge-base", "HEAD", branch, root=root) for branch in branches)
    base = next((commit.decode().strip() for commit in shared if commit), head)
    if base != head or git("status", "--porcelain", "--untracked-files=no", root=root):
        return base
    return _commit_or_none(root, "HEAD~1")


def _merged_onto(root: Path, head: str) -> str | None:
    """What GitHub merged the checked out pull requests onto; None for anything else."""
    event, described = os.environ.get("GITHUB_EVENT_NAME"), os.environ.get("GITHUB_EVENT_PATH")
    if event == "merge_group":
        group = json.loads(Path(described).read_bytes()).get("merge_group", {}) if described else {}
        return _commit_or_none(root, str(group.get("base_sha"))) or _commit_or_none(root, "HEAD^1")
    merged = event == "pull_request" and head != os.environ.get("HEAD_SHA") and _commit_or_none(root, "HEAD^2")
    return _commit_or_none(root, "HEAD^1") if merged else None


def _commit_or_none(root: Path, rev: str) -> str | None:
    commit = git_or_none("rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}", root=root)
    return commit.decode().strip() if commit else None


def repro(*, force: bool = False) -> Generator[str]:
    """Run the DVC stages here that are not up to date; every line that DVC and the stages print, as it comes.

    Safe to repeat: stages replace their files whole. A caller that stops reading, as by Ctrl-C, ends them first; close
    the iterator (`contextlib.closing`), so that this happens at once.

    Args:
        force: Run every stage, whatever it is known to have made.

    Raises:
        StageError: A stage failed, with that stage's exit code; it has said why itself.
        KeyboardInterrupt: A stage was interrupted.
        RaceLostError: Another process is running the stages here.
        InputError: DVC cannot work here; it has said why itself.
    """
    command = [sys.executable, "-m", "dvc", "repro", *(("--force", "--no-run-cache") if force else ())]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"  # stages say `python`
    failure = list[str]()
    with subprocess.Popen(
        command,
        env=os.environ | {"PATH": path, "PYTHONUNBUFFERED": "1", "DVC_NO_ANALYTICS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        process_group=0,  # so that all of them can be ended together
    ) as process:
        try:
            for line in process.stdout or ():
                if line.startswith("ERROR: "):
                    failure = [line]
                elif failure:
                    failure.append(line)
                yield line.rstrip("\n")
            process.wait()
        finally:
            _end(process)
    if process.returncode:
        raise _failure("".join(failure))


def stage_started(line: str) -> str | None:
    """The name of the stage that DVC starts, or fetches from its cache of runs, in a line of `repro`.

    >>> stage_started("Running stage 'train':")
    'train'
    """
    found = _STARTED.match(line)
    return (found["run"] or found["cached"]) if found else None


def _end(process: "subprocess.Popen[str]") -> None:
    """Interrupt DVC and its stage, if they still run, and wait; a second Ctrl-C, or no end in time, kills them."""
    if process.poll() is not None:
        return
    try:
        _signal(process, signal.SIGINT)
        process.communicate(timeout=_PATIENCE)
    except (KeyboardInterrupt, subprocess.TimeoutExpired) as error:
        _signal(process, signal.SIGKILL)
        process.wait()
        if isinstance(error, KeyboardInterrupt):
            raise


def _signal(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:  # they ended meanwhile
        return


def _failure(said: str) -> BaseException:
    """What DVC's last words mean."""
    if any(words in said for words in _BUSY):
        return RaceLostError("another process is running the stages here: wait, then run again")
    failed = _FAILED.match(said.splitlines()[0] if said else "")
    if not failed:
        return InputError("`dvc repro` failed; it says above why")
    stage, code = failed["stage"], int(failed["code"])
    number = -code if code < 0 else max(code - _SHELL_SIGNALS, 0)
    if number == signal.SIGINT:
        return KeyboardInterrupt()
    if number:
        return PipelineError(f"stage {stage} was killed by signal {number}; run again")
    return StageError(f"stage {stage} failed; fix what it says above and run again", code)


def dvc_push(progress: Progress) -> str | None:
    """Push data and models to DVC's default remote, if there is one.

    Returns:
        Why nothing was pushed, where this machine has no credentials at all for the remote, as in a fork of a
        repository that names its owner's bucket; else None.

    Raises:
        SourceError: The remote cannot be written with the credentials that there are.
    """
    from dvc.repo import Repo

    with Repo() as repo:
        name = repo.config["core"].get("remote")
        if name is None:
            return None
        progress("push data and models to DVC's remote", 0, 1)
        try:
            repo.push()
        except Exception as error:  # noqa: BLE001  each kind of remote raises its own, as S3's NoCredentialsError
            what = f"DVC's remote {name} cannot be written: {' '.join(str(error).split())} ({type(error).__name__})"
            if type(error).__name__ in _NO_CREDENTIALS:
                return what
            raise SourceError(f"{what}. Check it with `dvc push`, or name another with `dvc remote add`") from None
    return None


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
