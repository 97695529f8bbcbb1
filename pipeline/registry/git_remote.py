"""A git remote -> git commands that reach it from a temporary repository, and its refusals as one line each.

A repository of its own, because a fetch without history would make the clone itself a shallow one, and because nothing
in the clone may change. Of the clone only the remote's address and git's settings are read. On GitHub's runner the
token comes from GITHUB_TOKEN; elsewhere git has its own credentials.
"""

import base64
import os
import re
from collections.abc import Iterable
from pathlib import Path
from subprocess import CompletedProcess

from pipeline.errors import RegistryError
from pipeline.repo import git_or_none, run_git

_REMOTE = "the-kept-registry"
"""The remote's name in the temporary repository, where the clone's own remotes are known as well."""
_NAME, _MAIL = "pipeline registry", "pipeline@localhost"
_SHOWN = 400
"""Characters of git's own words that an error repeats."""

_USER = re.compile(r"(?<=://)[^/@\s]+@")
_ELSEWHERE = {
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_QUARANTINE_PATH",
    "GIT_WORK_TREE",
}
"""What points at the clone where this runs in one of its hooks."""

_ADVICE = (
    (
        r"(error:|HTTP) 40[13]|[Pp]ermission .*denied|Authentication failed|could not read (Username|Password)",
        "git's credentials do not allow it; a workflow needs GITHUB_TOKEN for the step, and `contents: write` to push",
    ),
    (
        r"not found|does not appear to be a git repository",
        "there is no such repository, or these credentials may not see it: check the address (`git remote -v`)",
    ),
    (
        r"Could not resolve|unable to access|[Tt]imed out|Connection|hung up|(error:|HTTP) 5\d\d",
        "check the network, then try again",
    ),
    (r"rejected", "the remote refuses the push, and nothing was changed there"),
)


class GitRemote:
    """A git remote, and a temporary repository to reach it from.

    Args:
        address: The name of a remote of the clone, a path, or a URL without credentials.
        url: What errors call it.
        folder: An empty folder for the temporary repository.
        clone: Where the remote's name and git's settings are looked up.

    Raises:
        RegistryError: The address is none, or names a remote that the clone does not have.
    """

    def __init__(self, address: str, url: str, folder: Path, clone: Path) -> None:
        self._url = url
        fetched, pushed = _addresses(address, clone)
        self._secrets, headers = _token()
        settings = [
            *_settings_of(clone),
            (f"remote.{_REMOTE}.url", fetched),
            *([(f"remote.{_REMOTE}.pushurl", pushed)] if pushed else []),
            ("core.hooksPath", os.devnull),
            ("gc.auto", "0"),  # it would go on in the background while the folder is deleted
            ("maintenance.auto", "false"),
            ("http.lowSpeedLimit", "1000"),  # a connection that stalls ends, after a minute
            ("http.lowSpeedTime", "60"),
            *headers,
        ]
        self._environment = _environment(folder, settings)
        self.local("init", "--quiet", "--bare", "--template=", "--object-format=sha1")

    def local(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """What a command prints that needs the temporary repository only.

        Raises:
            RegistryError: It fails, as where the disk is full or there is no git.
        """
        done = run_git(*arguments, stdin=stdin, environment=self._environment)
        if done.returncode:
            raise RegistryError(f"{self._url}: git {arguments[0]} fails here: {self._shown(said(done))}")
        return done.stdout

    def ask(self, command: str, *options: str, arguments: Iterable[str]) -> "CompletedProcess[bytes]":
        """How a command ends that asks the remote; its name stands between options and arguments."""
        return run_git(command, *options, _REMOTE, *arguments, stdin=b"", environment=self._environment)

    def refusal(self, action: str, done: "CompletedProcess[bytes]") -> RegistryError:
        """The error for a command that the remote did not do, with git's reason and what to do about it."""
        reason = said(done)
        advice = next((advice for words, advice in _ADVICE if re.search(words, reason)), "check with `git ls-remote`")
        return RegistryError(f"{self._url} cannot be {action} ({self._shown(reason)}): {advice}")

    def _shown(self, reason: str) -> str:
        for secret in self._secrets:
            reason = reason.replace(secret, "***")
        return _USER.sub("", reason)[:_SHOWN]


def said(done: "CompletedProcess[bytes]") -> str:
    """The reason that git gives, in one line: what the remote said, the errors, and what became of a push."""
    refused = [line.split("\t")[-1] for line in done.stdout.decode(errors="replace").splitlines() if line[:1] == "!"]
    lines = [line.removeprefix("remote:").strip() for line in done.stderr.decode(errors="replace").splitlines()]
    telling = [line for line in lines if line and not line.startswith(("hint:", "error: failed to push some refs"))]
    return "; ".join([*telling, *refused]) or f"exited with {done.returncode}"


def _addresses(remote: str, clone: Path) -> tuple[str, str | None]:
    """Where a remote is fetched from, and where it is pushed to if that is another place."""
    if not remote or remote.startswith("-") or _may_hold_secret(remote):
        raise RegistryError(
            "the address of a registry in git is git:REMOTE, the name of a remote such as git:origin, a path or a URL, "
            "without a user's name, a password or a token: git has its own credentials"
        )
    fetched, pushed = (_setting(f"remote.{remote}.{kind}", clone) for kind in ("url", "pushurl"))
    if fetched is None and not re.search(r"[/:]", remote) and not (clone / remote).exists():
        raise RegistryError(
            f"there is no git remote {remote} here: `git remote -v` lists them, `git remote add {remote} URL` adds it"
        )
    top = git_or_none("rev-parse", "--show-toplevel", root=clone) if fetched else None
    start = Path(os.fsdecode(top).rstrip("\n")) if top else clone.absolute()
    return _absolute(fetched or remote, start), _absolute(pushed, start) if pushed else None


def _may_hold_secret(address: str) -> bool:
    """Whether a URL names a user with a password, or anything else than a host and a path; ssh needs a user's name."""
    scheme, is_url, rest = address.partition("://")
    if not is_url:
        return False
    if scheme.lower() == "ssh":
        return ":" in rest.partition("/")[0].rpartition("@")[0] or "?" in rest
    return "::" in scheme or re.search(r"[@?#\s]", rest) is not None


def _setting(name: str, clone: Path) -> str | None:
    """The first value of a setting of the clone; None if it has none, or there is no clone."""
    values = git_or_none("config", "--get-all", name, root=clone)
    return os.fsdecode(values).splitlines()[0] if values else None


def _absolute(address: str, start: Path) -> str:
    """The address itself; of a path, which git would take from the temporary repository, the whole path."""
    return address if re.match(r"[^/]*:", address) else str((start / address).resolve())


def _settings_of(clone: Path) -> list[tuple[str, str]]:
    """The clone's own settings, as one that includes their file: keys, proxies and rewritten addresses may be there."""
    file = git_or_none("rev-parse", "--git-path", "config", root=clone)
    return [("include.path", str((clone / os.fsdecode(file).rstrip("\n")).resolve()))] if file else []


def _token() -> tuple[tuple[str, ...], list[tuple[str, str]]]:
    """On a runner, what must not be shown of GITHUB_TOKEN, and the settings with which git sends it to GitHub only.

    A checkout may have left such a header already, and GitHub refuses two: https://github.com/actions/checkout/issues/162.
    So an empty one comes first, which to git means none.
    """
    server, token = os.environ.get("GITHUB_SERVER_URL", "").rstrip("/"), os.environ.get("GITHUB_TOKEN", "")
    if not token or not server.startswith("https://"):
        return (), []
    basic = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    key = f"http.{server}/.extraheader"
    return (token, basic), [(key, ""), (key, f"AUTHORIZATION: basic {basic}")]


def _environment(folder: Path, settings: Iterable[tuple[str, str]]) -> dict[str, str]:
    """This process's environment, for the temporary repository; the settings are in no command and no file."""
    inherited = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    first = int(inherited.get("GIT_CONFIG_COUNT") or 0)
    numbered = list(enumerate(settings, first))
    return {
        **inherited,
        "GIT_DIR": str(folder),
        "GIT_INDEX_FILE": str(folder / "index"),
        "GIT_TERMINAL_PROMPT": "0",
        **{f"GIT_{who}_NAME": _NAME for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": _MAIL for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_CONFIG_KEY_{number}": name for number, (name, _) in numbered},
        **{f"GIT_CONFIG_VALUE_{number}": value for number, (_, value) in numbered},
        "GIT_CONFIG_COUNT": str(first + len(numbered)),
    }
