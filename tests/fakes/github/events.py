"""What GitHub tells about a finished run and about a pull request, for tests that need no repository behind it."""

from typing import Any

from tests.fakes.github.answers import REPOSITORY

SHA = "1234567890abcdef1234567890abcdef12345678"
RUN_URL = f"https://github.example/{REPOSITORY}/actions/runs/11"


def event(
    *,
    fork: bool = False,
    sha: str = SHA,
    conclusion: str = "success",
    started_by: str = "pull_request",
    workflow: str = "pull-request.yml",
    branch: str = "change",
) -> dict[str, Any]:
    """An event of type `workflow_run`. For a fork it names no pull request (actions/runner#3444)."""
    owner = "somebody" if fork else REPOSITORY.partition("/")[0]
    run = {
        "event": started_by,
        "head_sha": sha,
        "head_branch": branch,
        "head_repository": {"id": 5, "full_name": f"{owner}/obesity", "owner": {"login": owner}},
        "html_url": RUN_URL,
        "id": 11,
        "conclusion": conclusion,
        "path": f".github/workflows/{workflow}",
        "pull_requests": [] if fork else [{"number": 7, "head": {"sha": sha, "ref": branch}}],
    }
    return {"repository": {"full_name": REPOSITORY, "default_branch": "main"}, "workflow_run": run}


def pull(
    number: int = 7, owner: str = "us", sha: str = SHA, state: str = "open", branch: str = "change", base: str = "main"
) -> dict[str, Any]:
    """A pull request."""
    return {
        "number": number,
        "state": state,
        "user": {"login": "somebody"},
        "head": {"label": f"{owner}:{branch}", "ref": branch, "sha": sha, "repo": {"full_name": f"{owner}/obesity"}},
        "base": {"ref": base},
    }
