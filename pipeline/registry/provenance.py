"""Nothing in -> who acts, when, and from which commit: what every entry in the registry is signed with."""

import getpass
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

UNKNOWN = "unknown"


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)


def whoami() -> str:
    """Who acts: GitHub's actor, git's user, or the login."""
    try:
        return os.environ.get("GITHUB_ACTOR") or _git("config", "user.name") or getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        return f"uid {os.getuid()}"


def commit_tags() -> dict[str, str]:
    """The commit of this code, and whether anything was changed since; `UNKNOWN` where there is no repository."""
    commit = _git("rev-parse", "HEAD")
    dirty = str(bool(_git("status", "--porcelain"))).lower()
    return {"git_commit": commit or UNKNOWN, "git_dirty": dirty if commit else UNKNOWN}


def _git(*arguments: str) -> str:
    """What a git command prints about this code, stripped; empty where there is no git or no repository."""
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
