"""The module that runs git and DVC: what is absent, what is refused, and how the stages run, fail and are stopped."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.errors import GitError, InputError, PipelineError, RaceLostError, SourceError, StageError
from pipeline.progress import no_progress
from pipeline.repo import (
    changed_files,
    commit_of,
    committed,
    default_base,
    dvc_push,
    git,
    git_or_none,
    ignored,
    model_files,
    repro,
    stage_started,
    uncommitted,
)
from tests.paths import ROOT


def order(*command: str, cwd: Path) -> str:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with one commit of one file."""
    order("git", "init", "-q", "-b", "main", cwd=tmp_path)
    (tmp_path / "kept.txt").write_bytes(b"kept\n")
    order("git", "add", "kept.txt", cwd=tmp_path)
    identity = ("-c", "user.name=ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")
    order("git", *identity, "commit", "-q", "-m", "x", cwd=tmp_path)
    return tmp_path


def test_what_was_committed_is_read_and_what_was_not_is_absent(repository: Path) -> None:
    head = commit_of(repository, "HEAD")
    assert committed(repository, head, "kept.txt") == b"kept\n"
    assert committed(repository, head, "other.txt") is None
    (repository / "folder").mkdir()
    assert committed(repository / "folder", head, "kept.txt") is None
    assert committed(repository / "folder", head, "../kept.txt") == b"kept\n"


def test_files_that_differ_from_the_last_commit_are_named(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert uncommitted("kept.txt", "absent.txt", root=repository) == ()
    (repository / "kept.txt").write_bytes(b"changed\n")
    (repository / "new.txt").write_bytes(b"not in git\n")
    assert uncommitted("kept.txt", "new.txt", root=repository) == ("kept.txt",)
    empty = tmp_path_factory.mktemp("empty")
    order("git", "init", "-q", cwd=empty)
    assert uncommitted("kept.txt", root=empty) is None


def test_changed_and_deleted_files_are_told_from_new_ones_and_ignored_ones_are_neither(repository: Path) -> None:
    (repository / ".gitignore").write_text("*.log\n", encoding="utf-8")
    for name in ("a.txt", "b.txt"):
        (repository / name).write_text(name, encoding="utf-8")
    order("git", "add", "--all", cwd=repository)
    order("git", "-c", "user.name=ada", "-c", "user.email=a@b", "commit", "-q", "-m", "x", cwd=repository)
    (repository / "a.txt").write_text("changed", encoding="utf-8")
    (repository / "b.txt").unlink()
    for name in ("new.txt", "new.log", "other.md"):
        (repository / name).write_text(name, encoding="utf-8")
    assert changed_files("a.txt", "b.txt", "new.txt", "new.log", root=repository) == (("a.txt", "b.txt"), ("new.txt",))
    assert ignored("a.txt", "new.log", "absent.log", root=repository) == {"new.log", "absent.log"}
    assert ignored(root=repository) == set()


def test_the_model_is_made_of_what_the_stages_need_and_do_not_make(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text(
        "stages:\n  one:\n    cmd: x\n    deps: [code/one]\n    outs:\n      - a.csv: {persist: true}\n"
        "  two:\n    cmd: x\n    deps: [a.csv, code/two.py]\n    metrics: [b.json]\n",
        encoding="utf-8",
    )
    assert model_files(tmp_path) == ("code/one", "code/two.py", "dvc.yaml", "params.yaml")
    for text in ("stages: 1\n", "[", ""):
        (tmp_path / "dvc.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=r"dvc\.yaml holds no stages of DVC"):
            model_files(tmp_path)


def test_make_knows_the_files_that_make_the_model_from_the_stages() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    (listed,) = re.findall(r"^CHANGES_MODEL := (.*)$", makefile, re.MULTILINE)
    assert set(listed.split()) == {*model_files(ROOT), "dvc.lock", "data"}


def test_without_git_or_a_repository_there_is_nothing_to_find(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    (tmp_path / ".git").rename(tmp_path / "moved")
    assert git_or_none("rev-parse", "HEAD", root=repository) is None
    assert default_base(repository) is None
    monkeypatch.setenv("PATH", "")
    assert git_or_none("rev-parse", "HEAD", root=repository) is None
    with pytest.raises(GitError, match=r"git status: .*No such file"):
        git("status", root=repository)


def test_a_repository_that_git_refuses_to_read_is_an_error_with_gits_reason_and_remedy(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = commit_of(repository, "HEAD")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # as in a container job
    refused = "dubious ownership in repository(.|\n)*git config --global --add safe.directory"
    for ask in (
        lambda: git("status", root=repository),
        lambda: git_or_none("rev-parse", "HEAD", root=repository),
        lambda: commit_of(repository, "HEAD~1"),
        lambda: committed(repository, head, "kept.txt"),
        lambda: default_base(repository),
    ):
        with pytest.raises(GitError, match=refused) as caught:
            ask()
        assert caught.value.exit_code == 2


def test_a_revision_that_is_not_here_is_bad_input(repository: Path) -> None:
    with pytest.raises(InputError, match="no commit 'v9' here"):
        commit_of(repository, "v9")


@pytest.mark.parametrize(
    ("line", "stage"),
    [
        ("Running stage 'train':", "train"),
        ("Stage 'train' is cached - skipping run, checking out outputs", "train"),
        ("Stage 'train' didn't change, skipping", None),
        ("> python -m pipeline train", None),
    ],
)
def test_a_stage_that_starts_is_distinguished_from_one_that_is_skipped(line: str, stage: str | None) -> None:
    assert stage_started(line) == stage


def stage(root: Path, command: str) -> None:
    """Make a shell command the one stage of a DVC project."""
    text = json.dumps({"stages": {"made": {"cmd": command, "outs": [{"made.txt": {"persist": True}}]}}})
    (root / "dvc.yaml").write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def initialized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DVC project without a stage."""
    root = tmp_path_factory.mktemp("initialized")
    order("git", "init", "-q", cwd=root)
    order(sys.executable, "-m", "dvc", "init", "-q", cwd=root)
    return root


@pytest.fixture
def project(initialized: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DVC project whose one stage writes a file."""
    root = Path(shutil.copytree(initialized, tmp_path / "project"))
    monkeypatch.chdir(root)
    stage(root, "echo first && echo made > made.txt")
    return root


def test_every_line_comes_and_a_stage_runs_again_only_if_something_changed_or_it_is_forced(project: Path) -> None:
    assert list(repro())[:3] == ["Running stage 'made':", "> echo first && echo made > made.txt", "first"]
    assert (project / "made.txt").read_text(encoding="utf-8") == "made\n"
    assert list(repro()) == ["Stage 'made' didn't change, skipping", "Data and pipelines are up to date."]
    assert "Running stage 'made':" in list(repro(force=True))


def test_a_stage_that_fails_is_named_with_its_own_exit_code(project: Path) -> None:
    stage(project, "exit 7")
    with pytest.raises(StageError, match=r"^stage made failed; fix what it says above and run again$") as caught:
        list(repro())
    assert caught.value.exit_code == 7


@pytest.mark.parametrize("command", ["kill -KILL $$", "sh -c 'kill -KILL $$'; exit $?"])
def test_a_stage_that_the_system_ends_is_not_called_wrong(project: Path, command: str) -> None:
    stage(project, command)
    with pytest.raises(PipelineError, match="was killed by signal 9; run again") as caught:
        list(repro())
    assert caught.value.exit_code == 1


def test_a_stage_that_is_interrupted_interrupts(project: Path) -> None:
    stage(project, "kill -INT $$")
    with pytest.raises(KeyboardInterrupt):
        list(repro())


def test_beside_another_process_that_runs_the_stages_it_is_refused(project: Path) -> None:
    busy = {"write": {str(project / "made.txt"): {"pid": os.getpid(), "cmd": "make run elsewhere"}}, "read": {}}
    (project / ".dvc/tmp/rwlock").write_text(json.dumps(busy), encoding="utf-8")
    lines = []
    with pytest.raises(RaceLostError, match="another process is running the stages here"):
        lines += [lines.append(line) for line in repro()]
    assert any("make run elsewhere" in line for line in lines)


def test_where_dvc_cannot_work_it_is_bad_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="it says above why"):
        list(repro())


LONG = "echo $$ > pid && echo started && while true; do echo working; sleep 0.1; done"


def gone(pid: int) -> bool:
    """Whether a process has ended, within half a minute."""
    for _ in range(300):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").is_file() and Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] == "Z":
            return True
        time.sleep(0.1)
    return False


def test_a_caller_that_stops_reading_leaves_no_stage_at_work(project: Path) -> None:
    stage(project, LONG)
    with closing(repro()) as lines:
        assert next(line for line in lines if line == "started")
    assert gone(int((project / "pid").read_text(encoding="utf-8")))


READER = "from pipeline.repo import repro\nfor line in repro(): print(line, flush=True)"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_ctrl_c_and_a_killed_command_leave_no_stage_at_work_and_the_next_one_runs(
    project: Path, number: signal.Signals
) -> None:
    stage(project, LONG)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", READER], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as reader:
        assert reader.stdout
        assert next(line for line in reader.stdout if line == "started\n")
        reader.send_signal(number)
        reader.stdout.read()
    assert gone(int((project / "pid").read_text(encoding="utf-8")))
    stage(project, "echo made > made.txt")
    for _ in range(50):  # after SIGKILL, DVC itself ends a moment after its stage
        try:
            list(repro())
            break
        except RaceLostError:
            time.sleep(0.2)
    assert (project / "made.txt").read_text(encoding="utf-8") == "made\n"


@pytest.fixture
def remote(project: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Gives the project, which has something to push, a remote of DVC; there are no credentials for any."""
    list(repro())
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(project))

    def add(url: str, **options: str) -> None:
        lines = ["[core]", "    remote = storage", "['remote \"storage\"']", f"    url = {url}"]
        lines += [f"    {name} = {value}" for name, value in options.items()]
        (project / ".dvc/config").write_text("\n".join(lines), encoding="utf-8")

    return add


Remote = Callable[..., None]


def test_data_is_pushed_to_dvcs_remote_if_there_is_one(remote: Remote, project: Path) -> None:
    assert dvc_push(no_progress) is None
    remote(f"{project}/store")
    assert dvc_push(no_progress) is None
    assert [path.read_bytes() for path in (project / "store").rglob("*") if path.is_file()] == [b"made\n"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "Unable to locate credentials (NoCredentialsError)"),
        ({"profile": "team"}, "The config profile (team) could not be found (ProfileNotFound)"),
    ],
)
def test_without_any_credentials_nothing_is_pushed_and_the_caller_is_told(
    remote: Remote, options: dict[str, str], why: str
) -> None:
    remote("s3://somebodys-bucket/dvc", **options)
    assert dvc_push(no_progress) == f"DVC's remote storage cannot be written: {why}"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("/proc/nowhere/store", r"No such file or directory: '/proc/nowhere' \(FileNotFoundError\)"),
        ("gs://somebodys-bucket/dvc", r"gs is supported, but requires 'dvc-gs' to be installed \(ImportError\)"),
        ("http://127.0.0.1:9/store", r"1 files failed to upload \(UploadError\)"),
    ],
)
def test_a_remote_that_cannot_be_written_is_one_line_whatever_kind_it_is(remote: Remote, url: str, why: str) -> None:
    remote(url)
    with pytest.raises(
        SourceError, match=rf"^DVC's remote storage cannot be written: .*{why}. Check it with"
    ) as refused:
        dvc_push(no_progress)
    assert "\n" not in str(refused.value)
