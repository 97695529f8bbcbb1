"""A registry's ref in a real git remote: what the clone, its settings, the remote and the network do to it."""

import base64
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from pipeline.errors import RegistryError
from pipeline.registry import git_ref
from pipeline.registry.git_ref import REF, GitRef
from pipeline.registry.place import open_place
from tests.fakes.git_host import READER, REPOSITORY, WRITER, GitHost, git_host
from tests.paths import ROOT


def git(folder: Path, *arguments: str) -> str:
    """What git prints, with the identity of the tests."""
    identity = {f"GIT_{who}_{what}": "me@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    order = ["git", "-c", "commit.gpgsign=false", *arguments]
    done = subprocess.run(order, cwd=folder, env=os.environ | identity, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(autouse=True)
def _nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without git's settings, and no runner."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in ("XDG_CONFIG_HOME", "GITHUB_TOKEN", "GITHUB_SERVER_URL", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "home").mkdir()


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """A bare repository with two commits on main."""
    folder = tmp_path / "remote.git"
    git(tmp_path, "init", "-q", "--bare", "-b", "main", str(folder))
    git(tmp_path, "clone", "-q", str(folder), "author")
    for name in ("first", "second"):
        (tmp_path / "author" / name).write_text(name, encoding="utf-8")
        git(tmp_path / "author", "add", name)
        git(tmp_path / "author", "commit", "-q", "-m", name)
    git(tmp_path / "author", "push", "-q", "origin", "HEAD:main")
    return folder


@pytest.fixture
def clone(remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of it, where the test runs."""
    git(tmp_path, "clone", "-q", str(remote), "clone")
    monkeypatch.chdir(tmp_path / "clone")
    return tmp_path / "clone"


def write(body: bytes, address: str = "git:origin") -> str | None:
    """Replace what is kept by a state with one object of its own."""
    with open_place(address) as place:
        stored = place.get("state.json")
        place.put(f"pieces/{body.decode()}", body * 3, None)
        return place.put("state.json", body, stored and stored[1], [f"pieces/{body.decode()}"])


def read(address: str = "git:origin") -> bytes | None:
    with open_place(address) as place:
        stored = place.get("state.json")
        return stored and stored[0]


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Every file below a folder with its bytes, and every folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")
    }


def test_the_ref_is_neither_branch_nor_tag_and_a_clone_has_nothing_of_it(
    clone: Path, remote: Path, tmp_path: Path
) -> None:
    assert clone.is_dir()
    commit = write(b"1")
    assert git(remote, "for-each-ref", "--format=%(refname) %(objectname)", "refs/registry") == f"{REF} {commit}"
    git(tmp_path, "clone", "-q", str(remote), "another")
    assert REF not in git(tmp_path / "another", "for-each-ref")
    git(tmp_path / "another", "fetch", "-q", "--all", "--tags")
    assert REF not in git(tmp_path / "another", "for-each-ref")


def test_each_state_is_one_commit_upon_the_one_before_with_what_it_names_and_no_more(clone: Path, remote: Path) -> None:
    assert clone.is_dir()
    commits = [write(b"1"), write(b"2"), write(b"3")]
    assert git(remote, "rev-list", REF).split() == commits[::-1]
    listed = [git(remote, "ls-tree", "-r", "--name-only", str(commit)).split() for commit in commits]
    assert listed == [[f"pieces/{number}", "state.json"] for number in (1, 2, 3)]
    assert git(remote, "log", "-1", "--format=%an <%ae> %cn <%ce>", REF) == " ".join(
        ["pipeline registry <pipeline@localhost>"] * 2
    )


def detached(clone: Path, tmp_path: Path) -> Path:
    del tmp_path
    git(clone, "checkout", "-q", "--detach", "HEAD^")
    return clone


def shallow(clone: Path, tmp_path: Path) -> Path:
    remote = git(clone, "remote", "get-url", "origin")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{remote}", "shallow")
    return tmp_path / "shallow"


def worktree(clone: Path, tmp_path: Path) -> Path:
    git(clone, "worktree", "add", "-q", str(tmp_path / "tree"))
    return tmp_path / "tree"


def bare(clone: Path, tmp_path: Path) -> Path:
    git(tmp_path, "clone", "-q", "--bare", git(clone, "remote", "get-url", "origin"), "bare.git")
    return tmp_path / "bare.git"


def without_blobs(clone: Path, tmp_path: Path) -> Path:
    remote = git(clone, "remote", "get-url", "origin")
    git(Path(remote), "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "-q", "--filter=blob:none", "--no-checkout", f"file://{remote}", "partial")
    return tmp_path / "partial"


def with_changes(clone: Path, tmp_path: Path) -> Path:
    del tmp_path
    (clone / "first").write_text("changed", encoding="utf-8")
    (clone / "third").write_text("staged", encoding="utf-8")
    git(clone, "add", "third")
    return clone


Kind = Callable[[Path, Path], Path]
KINDS = [detached, shallow, worktree, bare, without_blobs, with_changes]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_any_kind_of_clone_reads_and_writes_and_is_left_as_it_was(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    write(b"1")
    folder = kind(clone, tmp_path)
    monkeypatch.chdir(folder)
    before, history = snapshot(folder), git(folder, "rev-list", "--all")
    assert read() == b"1"
    assert write(b"2")
    assert read() == b"2"
    assert snapshot(folder) == before
    assert git(folder, "rev-list", "--all") == history


SETTINGS = """\
[fetch]
    prune = true
    pruneTags = true
    fsckObjects = true
    writeCommitGraph = true
    recurseSubmodules = true
[transfer]
    fsckObjects = true
[push]
    default = matching
    followTags = true
    gpgSign = true
    recurseSubmodules = check
    useForceIfIncludes = true
[commit]
    gpgSign = true
[gpg]
    program = false
[user]
    useConfigOnly = true
[submodule]
    recurse = true
[init]
    templateDir = {template}
    defaultObjectFormat = sha256
[core]
    hooksPath = {hooks}
    autocrlf = true
    safecrlf = true
[safe]
    bareRepository = explicit
[remote "origin"]
    mirror = true
    fetch = +refs/*:refs/*
    tagOpt = --tags
"""


def test_whatever_a_person_set_for_git_the_registry_is_read_and_written_and_no_hook_runs(
    clone: Path, remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DEFAULT_HASH", "sha256")
    hooks, template = tmp_path / "hooks", tmp_path / "template/hooks"
    for folder in (hooks, template):
        folder.mkdir(parents=True)
        for name in ("pre-push", "reference-transaction", "post-index-change"):
            (folder / name).write_text("#!/bin/sh\necho no hook should run >&2\nexit 1\n", encoding="utf-8")
            (folder / name).chmod(0o755)
    git(remote, "config", "core.hooksPath", "hooks")  # it is on another machine, where a person's settings are unknown
    text = SETTINGS.format(hooks=hooks, template=template.parent)
    (tmp_path / "home/.gitconfig").write_text(text, encoding="utf-8")
    before = snapshot(clone)
    assert write(b"1\r")
    assert write(b"2\n")
    assert read() == b"2\n"
    assert snapshot(clone) == before


def test_from_a_hook_of_the_clone_its_index_is_left_alone(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot(clone)
    for name, value in {"GIT_DIR": ".git", "GIT_INDEX_FILE": ".git/index", "GIT_WORK_TREE": "."}.items():
        monkeypatch.setenv(name, value)
    assert write(b"1")
    assert read() == b"1"
    assert snapshot(clone) == before


def test_what_is_set_in_the_clone_alone_holds_too(clone: Path, remote: Path) -> None:
    git(clone, "remote", "set-url", "origin", "short:remote.git")
    git(clone, "config", f"url.{remote.parent}/.insteadOf", "short:")
    assert write(b"1")
    assert read(f"git:{remote}") == b"1"


def test_a_remote_is_written_where_it_is_pushed_to(clone: Path, remote: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(remote), "mirror.git")
    git(clone, "remote", "set-url", "--push", "origin", str(tmp_path / "mirror.git"))
    assert write(b"1")
    assert read() is None
    assert read(f"git:{tmp_path}/mirror.git") == b"1"


@pytest.mark.parametrize("address", ["git:../remote.git", "git:{remote}", "git:file://{remote}", "git:upstream"])
def test_a_remote_is_a_name_a_path_or_a_url(clone: Path, remote: Path, address: str) -> None:
    git(clone, "remote", "add", "upstream", "../remote.git")
    assert write(b"1", address.format(remote=remote))
    assert git(remote, "cat-file", "blob", f"{REF}:state.json") == "1"


def test_outside_of_a_clone_a_path_is_enough(remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nowhere").mkdir()
    monkeypatch.chdir(tmp_path / "nowhere")
    assert write(b"1", f"git:{remote}")
    with pytest.raises(RegistryError, match=r"there is no git remote origin here: .*`git remote add origin URL`"):
        read()


TOKEN = "ghp_a-secret"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "--upload-pack=touch /tmp/x",
        f"https://{TOKEN}@github.com/us/obesity",
        f"https://me:{TOKEN}@github.com/us/obesity",
        f"ssh://me:{TOKEN}@github.com/us/obesity",
    ],
)
def test_an_address_with_a_secret_or_an_option_is_refused_and_not_repeated(clone: Path, address: str) -> None:
    assert clone.is_dir()
    with pytest.raises(RegistryError, match="without a user's name, a password or a token") as refused:
        read(f"git:{address}")
    assert TOKEN not in str(refused.value)


def test_a_remote_that_moved_between_reading_and_pushing_refuses_and_keeps_what_it_has(
    clone: Path, remote: Path
) -> None:
    assert clone.is_dir()
    first = write(b"1")
    with open_place("git:origin") as place:
        assert place.get("state.json") == (b"1", first)
        second = write(b"2")
        assert place.put("state.json", b"3", first, []) is None
        assert place.get("state.json") == (b"2", second)
    assert git(remote, "rev-parse", REF) == second


def test_a_ref_that_was_deleted_meanwhile_is_not_brought_back(clone: Path, remote: Path) -> None:
    assert clone.is_dir()
    first = write(b"1")
    with open_place("git:origin") as place:
        assert place.get("state.json") == (b"1", first)
        git(remote, "update-ref", "-d", REF)
        assert place.put("state.json", b"2", first, []) is None
        assert place.get("state.json") is None
    assert git(remote, "for-each-ref", "refs/registry") == ""


def hook(remote: Path, name: str, script: str) -> None:
    path = remote / "hooks" / name
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def test_a_push_that_the_remote_refuses_says_why_and_changes_nothing(clone: Path, remote: Path) -> None:
    assert clone.is_dir()
    first = write(b"1")
    # As GitHub refuses a file of more than 100 MB.
    hook(remote, "pre-receive", "echo 'error: File pieces/x is 123.00 MB; this exceeds the limit of 100.00 MB'; exit 1")
    with pytest.raises(RegistryError) as refused:
        write(b"2")
    assert str(refused.value) == (
        "git:origin cannot be written (error: File pieces/x is 123.00 MB; this exceeds the limit of 100.00 MB; "
        "[remote rejected] (pre-receive hook declined)): the remote refuses the push, and nothing was changed there"
    )
    assert git(remote, "rev-parse", REF) == first


def test_a_ref_that_another_push_holds_for_a_moment_is_tried_again(
    clone: Path, remote: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert clone.is_dir()
    write(b"1")
    lock = remote / f"{REF}.lock"
    lock.touch()
    waited = list[float]()

    def pause(seconds: float) -> None:
        waited.append(seconds)
        lock.unlink(missing_ok=True)

    monkeypatch.setattr(git_ref.time, "sleep", pause)
    assert write(b"2")
    assert waited == [0.5]
    lock.touch()
    monkeypatch.setattr(git_ref.time, "sleep", waited.append)
    with pytest.raises(RegistryError, match=r"cannot be written \(.*File exists"):
        write(b"3")
    assert waited == [0.5, 0.5, 1.0, 2.0]


def test_a_push_whose_answer_was_lost_finds_its_own_commit(
    clone: Path, remote: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert clone.is_dir()
    first = write(b"1")
    real = subprocess.run(["sh", "-c", "command -v git"], capture_output=True, text=True, check=True).stdout.strip()
    (tmp_path / "bin").mkdir()
    lost = f'#!/bin/sh\n{real} "$@" || exit $?\n[ "$1" != push ] || {{ echo "fatal: hung up" >&2; exit 128; }}\n'
    (tmp_path / "bin/git").write_text(lost, encoding="utf-8")
    (tmp_path / "bin/git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}")
    second = write(b"2")
    assert second not in {None, first}
    assert git(remote, "rev-parse", REF) == second


KILLED = """
    import os, signal
    from pipeline.registry import git_ref
    from pipeline.registry.place import open_place

    def killed(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    git_ref.GitRef._push = killed
    with open_place("git:origin") as place:
        etag = place.get("state.json")[1]
        place.put("pieces/new", b"new", None)
        place.put("state.json", b"2", etag, ["pieces/new"])
"""


def test_a_writer_that_is_killed_half_way_leaves_the_remote_and_the_clone_as_they_were(
    clone: Path, remote: Path, tmp_path: Path
) -> None:
    write(b"1")
    before = snapshot(remote), snapshot(clone)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", dedent(KILLED)], cwd=clone, env=environment, check=False)
    assert done.returncode == -9
    assert (snapshot(remote), snapshot(clone)) == before
    assert write(b"2")


def test_the_history_is_cut_off_by_the_commands_in_the_decision_and_the_registry_goes_on(
    clone: Path, remote: Path, tmp_path: Path
) -> None:
    assert clone.is_dir()
    first, second = write(b"1"), write(b"2")
    text = (ROOT / "docs/decisions/0018-github-keeps-the-registry.md").read_text(encoding="utf-8")
    (commands,) = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    identity = {f"GIT_{who}_{what}": "me@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    script = commands.replace("ADDRESS", str(remote))
    subprocess.run(["bash", "-euc", script], cwd=tmp_path, env=os.environ | identity, check=True)
    assert git(remote, "rev-list", "--count", REF) == "1"
    with open_place("git:origin") as place:
        stored = place.get("state.json")
        assert stored
        assert stored[0] == b"2"
        assert stored[1] not in {first, second}
    assert write(b"3")


def test_nothing_is_left_in_the_temporary_folder(clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert clone.is_dir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    write(b"1")
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_state_that_names_what_is_not_there_is_refused(clone: Path) -> None:
    assert clone.is_dir()
    with (
        open_place("git:origin") as place,
        pytest.raises(RegistryError, match="has no pieces/ab/gone, which its state"),
    ):
        place.put("state.json", b"", None, ["pieces/ab/gone"])


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (
            "git:/nowhere/x.git",
            r"'/nowhere/x.git' does not appear to be a git repository.*: there is no such repository",
        ),
        ("git:http://127.0.0.1:9/us/obesity.git", r"unable to access .*: check the network, then try again"),
    ],
)
def test_a_remote_that_cannot_be_reached_says_what_to_do_in_one_line(clone: Path, address: str, message: str) -> None:
    assert clone.is_dir()
    with pytest.raises(RegistryError, match=message) as refused:
        read(address)
    assert str(refused.value).startswith(f"{address} cannot be read (")
    assert "\n" not in str(refused.value)


def test_without_git_it_says_so(remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    with pytest.raises(RegistryError, match=r"git init fails here: .*No such file or directory: 'git'"):
        GitRef(f"git:{remote}", tmp_path / "folder")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHost]:
    """A host with a repository, a clone of it in which the test runs, and a runner's environment without a token."""
    (tmp_path / "host").mkdir()
    with git_host(tmp_path / "host") as host:
        git(tmp_path, "init", "-q", "runner")
        git(tmp_path / "runner", "remote", "add", "origin", f"{host.address}/{REPOSITORY}")
        monkeypatch.chdir(tmp_path / "runner")
        for name, value in host.environment.items():
            monkeypatch.setenv(name, value)
        yield host


def test_a_job_that_may_write_keeps_the_registry_in_its_repository(
    host: GitHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.private = True
    monkeypatch.setenv("GITHUB_TOKEN", WRITER)
    commits = [write(b"1"), write(b"2" * 2_000_000)]
    assert git(host.repository, "rev-list", REF).split() == commits[::-1]
    assert read() == b"2" * 2_000_000
    assert {status for _, status in host.asked} == {200}


def test_a_job_that_may_only_read_reads_and_is_told_what_it_needs_to_write(
    host: GitHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", WRITER)
    write(b"1")
    host.private = True
    monkeypatch.setenv("GITHUB_TOKEN", READER)
    assert read() == b"1"
    with pytest.raises(RegistryError) as refused:
        write(b"2")
    assert str(refused.value) == (
        f"git:origin cannot be written (Permission to {REPOSITORY}.git denied to github-actions[bot].; fatal: unable "
        f"to access '{host.address}/{REPOSITORY}/': The requested URL returned error: 403): git's credentials do not "
        "allow it; a workflow needs GITHUB_TOKEN for the step, and `contents: write` to push"
    )


def test_without_a_token_a_public_repository_is_read_and_nothing_asks_for_a_password(
    host: GitHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read() is None
    needs = r"could not read Username .*: git's credentials do not allow it; a workflow needs GITHUB_TOKEN"
    with pytest.raises(RegistryError, match=needs):
        write(b"1")
    host.private = True
    with pytest.raises(RegistryError, match=needs):
        read()
    monkeypatch.setenv("GITHUB_TOKEN", "expired")
    with pytest.raises(RegistryError, match="git's credentials do not allow it"):
        read()
    git(Path(), "remote", "set-url", "origin", f"{host.address}/us/other")
    with pytest.raises(
        RegistryError, match=r"Repository not found.*: there is no such repository, or these credentials"
    ):
        read()


def test_a_header_that_a_checkout_left_is_replaced_and_not_sent_besides(
    host: GitHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = base64.b64encode(b"x-access-token:old").decode()
    git(Path(), "config", f"http.{host.address}/.extraheader", f"AUTHORIZATION: basic {stale}")
    monkeypatch.setenv("GITHUB_TOKEN", WRITER)
    assert write(b"1")
    assert {status for _, status in host.asked} == {200}


def test_settings_that_the_environment_gives_to_git_hold_besides(
    host: GitHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(Path(), "remote", "set-url", "origin", "hub:us/obesity")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{host.address}/.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "hub:")
    assert read() is None


def test_the_token_goes_to_no_other_host(host: GitHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other").mkdir()
    with git_host(tmp_path / "other") as other:
        both = tmp_path / "both.pem"
        both.write_bytes(host.certificate.read_bytes() + other.certificate.read_bytes())
        monkeypatch.setenv("GIT_SSL_CAINFO", str(both))
        monkeypatch.setenv("GITHUB_TOKEN", WRITER)
        with pytest.raises(RegistryError, match="could not read Username"):
            write(b"1", f"git:{other.address}/{REPOSITORY}")


def test_the_token_is_in_no_command_and_in_no_text(
    host: GitHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = subprocess.run(["sh", "-c", "command -v git"], capture_output=True, text=True, check=True).stdout.strip()
    (tmp_path / "bin").mkdir()
    # A git that writes down its arguments and says its settings aloud, as with GIT_TRACE_CURL.
    spy = f'#!/bin/sh\necho "$@" >> {tmp_path}/commands\nenv | grep ^GIT_CONFIG_VALUE >&2\nexec {real} "$@"\n'
    (tmp_path / "bin/git").write_text(spy, encoding="utf-8")
    (tmp_path / "bin/git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("GITHUB_TOKEN", READER)
    with pytest.raises(RegistryError) as refused:
        write(b"1")
    commands, secrets = (tmp_path / "commands").read_text(encoding="utf-8"), [READER]
    secrets.append(base64.b64encode(f"x-access-token:{READER}".encode()).decode())
    assert "push" in commands
    for secret in secrets:
        assert secret not in commands
        assert secret not in str(refused.value)
    assert "***" in str(refused.value)
    assert host.repository.is_dir()


@pytest.mark.parametrize(
    "address",
    [
        f"git:https://{TOKEN}@host/a.git",
        f"git:HTTPS://{TOKEN}@host/a.git",
        f"git: https://x:{TOKEN}@host/a.git",
        f"git:http::https://x:{TOKEN}@host/a.git",
        f"git:https://x:{TOKEN}/{TOKEN}@host/a.git",
        f"git:https://host/a.git?private_token={TOKEN}",
        f"git:ssh://git:{TOKEN}@host/a.git",
    ],
)
def test_an_address_that_may_hold_a_token_is_refused_without_showing_it(address: str) -> None:
    with (
        pytest.raises(RegistryError, match="without a user's name, a password or a token") as refused,
        open_place(address),
    ):
        pass
    assert TOKEN not in str(refused.value)


def test_a_token_in_the_remotes_own_address_is_not_shown(host: GitHost) -> None:
    host.private = True
    git(Path(), "remote", "set-url", "origin", host.address.replace("//", f"//{TOKEN}@") + f"/{REPOSITORY}")
    with pytest.raises(RegistryError, match=r"could not read Password for 'https://127\.0\.0\.1:") as refused:
        read()
    assert TOKEN not in str(refused.value)
