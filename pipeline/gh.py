"""Questions to GitHub by its command line `gh`, with the login of the person at the keyboard; no token passes here.

The only module that starts `gh`. What a workflow tells GitHub with its own token is in pipeline/github.
"""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import Any

from pipeline.errors import InputError
from pipeline.repo import git_or_none

HOST = "github.com"

_SECONDS = 60
_NOT_LOGGED_IN = 4
"""gh's exit code; its own manual, `gh help exit-codes`."""
_STATUS = re.compile(r"HTTP (\d{3})")
_PLACE = r"(?P<host>[^/:]+){}(?P<full_name>[\w-]+/[\w.-]+?)(?:\.git)?/?"
_ADDRESSES = (
    re.compile(r"(?:https?|ssh|git)://(?:[^@/]*@)?" + _PLACE.format(r"(?::\d+)?/")),
    re.compile(r"(?:[^@/:]+@)?" + _PLACE.format(":/?")),  # as scp writes it
)
_HOSTS = {HOST, f"www.{HOST}", f"ssh.{HOST}"}
_PLAIN = {"NO_COLOR": "1", "GH_PROMPT_DISABLED": "1", "GH_NO_UPDATE_NOTIFIER": "1"}
_COLOURED = {"CLICOLOR_FORCE", "GH_FORCE_TTY"}


@dataclass(frozen=True)
class GhAnswer:
    """What GitHub answered to one question.

    Attributes:
        status: Of HTTP; 401 where gh is not logged in, 0 where GitHub could not be asked at all.
        value: The content, if the status is 200; the items of all pages, if all were asked for.
        reason: GitHub's words for why not, such as "Not Found (HTTP 404)".
    """

    status: int
    value: Any = None
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether there is a value."""
        return self.status == 200  # noqa: PLR2004  of HTTP


@dataclass(frozen=True)
class Repository:
    """A repository on GitHub, as it writes itself: who may take a role of AWS is decided letter by letter.

    Attributes:
        owner: The user or organisation.
        name: Its name there.
        owner_id: The owner's number; empty if gh cannot ask for it.
        id: The repository's number; empty like the owner's.
        visibility: public, private or internal; empty if it is not known.
    """

    owner: str
    name: str
    owner_id: str = ""
    id: str = ""
    visibility: str = ""

    @property
    def full_name(self) -> str:
        """The name as OWNER/NAME."""
        return f"{self.owner}/{self.name}"


def installed() -> bool:
    """Whether gh is on PATH."""
    return shutil.which("gh") is not None


def ask(path: str, items: str | None = None) -> GhAnswer:
    """GitHub's answer to a GET of its REST API.

    Args:
        path: Such as "repos/OWNER/NAME".
        items: For a list: its key in each page, "" for a page that is the list. All pages are read.
    """
    paged = () if items is None else ("--paginate",)
    environment = {name: value for name, value in os.environ.items() if name not in _COLOURED} | _PLAIN
    command = ["gh", "api", "--hostname", HOST, "--method", "GET", *paged, path]
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False
        )
    except OSError as error:
        return GhAnswer(0, reason=f"gh cannot be started: {error.strerror}")
    except subprocess.TimeoutExpired:
        return GhAnswer(0, reason=f"no answer in {_SECONDS} seconds")
    if done.returncode == 0:
        try:
            return GhAnswer(200, _content(done.stdout.decode(), items))
        except (ValueError, LookupError, TypeError):
            return GhAnswer(0, reason="the answer is not what GitHub's API describes: update gh")
    reason = done.stderr.decode(errors="replace").strip().partition("\n")[0].removeprefix("gh: ")
    if done.returncode == _NOT_LOGGED_IN:
        return GhAnswer(401, reason="gh is not logged in")
    status = _STATUS.search(reason)
    return GhAnswer(int(status[1]) if status else 0, reason=reason or f"gh exited with {done.returncode}")


def _content(text: str, items: str | None) -> Any:
    """The value; of pages, which gh prints one after the other, all items."""
    if items is None:
        return json.loads(text)
    decoder, collected, position = json.JSONDecoder(), list[Any](), 0
    while position < len(text):
        page, position = decoder.raw_decode(text, position)
        collected += page[items] if items else page
        position += len(text[position:]) - len(text[position:].lstrip())
    return collected


def origin() -> tuple[str, str] | None:
    """Host and OWNER/NAME of this clone's `origin`; None if there is no origin, or it is a folder.

    Raises:
        GitError: git refuses to read this clone.
    """
    address = (git_or_none("remote", "get-url", "origin") or b"").decode().strip()
    place = next((found for pattern in _ADDRESSES if (found := pattern.fullmatch(address))), None)
    return (place["host"].lower(), place["full_name"]) if place else None


def is_github(host: str) -> bool:
    """Whether a host is github.com, by any of its names; GitHub Enterprise Server is not."""
    return host in _HOSTS


def find_repository(full_name: str | None) -> Repository:
    """The repository OWNER/NAME, or the one that `origin` of this clone points to, as GitHub writes it if gh can ask.

    Raises:
        InputError: The name is not OWNER/NAME; or there is no name, and origin is not on GitHub.
        GitError: git refuses to read this clone.
    """
    if full_name is None:
        place = origin()
        if place is None or not is_github(place[0]):
            raise InputError("origin is not on GitHub: name the repository, make bootstrap REPOSITORY=owner/name")
        full_name = place[1]
    owner, slash, name = full_name.partition("/")
    if not (owner and slash and name) or "/" in name:
        raise InputError(f"--repository: got {full_name!r}, expected owner/name")
    answer = ask(f"repos/{full_name}")
    return repository_of(answer.value) if answer.ok else Repository(owner, name)


def repository_of(value: Any) -> Repository:
    """The repository that GitHub describes."""
    return Repository(
        value["owner"]["login"], value["name"], str(value["owner"]["id"]), str(value["id"]), value["visibility"]
    )
