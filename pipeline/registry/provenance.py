"""Nothing in -> who acts, when, and from which commit: what every entry in the registry is signed with."""

import getpass
import os
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import GitError
from pipeline.repo import git, git_or_none

UNKNOWN = "unknown"

_CODE = Path(__file__).parent


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)


def whoami() -> str:
    """Who acts: GitHub's actor, git's user, or the login."""
    try:
        return os.environ.get("GITHUB_ACTOR") or _git_user() or getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        return f"uid {os.getuid()}"


def commit_tags() -> dict[str, str]:
    """The commit of this code, and whether anything was changed since; `UNKNOWN` where there is no repository.

    Raises:
        GitError: There is a repository, and git refuses to read it.
    """
    commit = git_or_none("rev-parse", "--verify", "--quiet", "HEAD", root=_CODE)
    if commit is None:
        return {"git_commit": UNKNOWN, "git_dirty": UNKNOWN}
    dirty = bool(git("status", "--porcelain", root=_CODE))
    return {"git_commit": commit.decode().strip(), "git_dirty": str(dirty).lower()}


def _git_user() -> str:
    try:
        return (git_or_none("config", "user.name", root=_CODE) or b"").decode(errors="replace").strip()
    except GitError:  # the login is as good
        return ""
