"""This folder and this machine -> the repository on GitHub, or the finding that says why there is none to look at."""

from pathlib import Path
from typing import Any

from pipeline import gh
from pipeline.doctor.finding import Finding, cannot_tell
from pipeline.errors import GitError
from pipeline.gh import ask

WORKFLOWS = Path(".github/workflows")
MAIN = "main"
_ORIGIN = "git remote set-url origin https://github.com/OWNER/NAME.git"


def find_origin() -> tuple[Finding, str]:
    """The finding about origin, and OWNER/NAME if it is on github.com."""
    try:
        place = gh.origin()
    except GitError as error:
        return Finding("origin", "wrong", str(error)), ""
    if place is None:
        seen = "this folder is no clone of a repository on GitHub"
        return Finding("origin", "wrong", seen, _ORIGIN.replace("set-url", "add")), ""
    host, full_name = place
    if not gh.is_github(host):
        seen = f"is on {host}: only github.com is supported, neither GitHub Enterprise Server nor ghe.com"
        return Finding("origin", "wrong", seen, _ORIGIN), ""
    return Finding("origin", "ok", f"github.com/{full_name}"), full_name


def find_login() -> Finding:
    """Whether gh is there and logged in."""
    if not gh.installed():
        return Finding(
            "gh", "wrong", "GitHub's command line is not installed", "install it from https://cli.github.com"
        )
    me = ask("user")
    if me.ok:
        return Finding("gh", "ok", f"logged in as {me.value['login']}")
    if me.status == 401:  # noqa: PLR2004  of HTTP
        return Finding("gh", "wrong", me.reason, "gh auth login")
    return cannot_tell("gh", me)


def check_repository(value: Any) -> Finding:
    """Whether it has the branch that everything runs on; and what a private one does without."""
    name, branch = value["full_name"], value["default_branch"]
    if branch != MAIN:
        remedy = f"gh api --silent --method POST repos/{name}/branches/{branch}/rename -f new_name={MAIN}"
        return Finding("repository", "wrong", f"the default branch is {branch}; the workflows run on {MAIN}", remedy)
    kind = f"{value['visibility']}{', a fork' if value['fork'] else ''}"
    if value["visibility"] == "public":
        return Finding("repository", "ok", f"{name}, {kind}")
    without = "without GitHub Enterprise Cloud models are not attested; their SHA-256 is compared"
    return Finding("repository", "note", f"{name}, {kind}: {without}")
