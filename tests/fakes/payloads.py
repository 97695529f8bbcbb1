"""What GitHub tells a run about what started it."""

from collections.abc import Mapping
from typing import Any

from tests.fakes.github import REPOSITORY
from tests.fakes.order import OWNER, OWNER_ID, REPOSITORY_ID
from tests.fakes.ran import Ran
from tests.fakes.repository_settings import RepositorySettings

FORK_ID = 33


def whole(event: Mapping[str, Any], settings: RepositorySettings, actor: str) -> dict[str, Any]:
    """An event with what each of them has: the repository, and who caused it."""
    repository = {
        "full_name": REPOSITORY,
        "name": REPOSITORY.split("/")[1],
        "owner": {"login": OWNER, "id": int(OWNER_ID)},
        "id": int(REPOSITORY_ID),
        "private": settings.private,
        "visibility": "private" if settings.private else "public",
        "fork": settings.fork,
        "default_branch": "main",
        "html_url": f"https://github.example/{REPOSITORY}",
    }
    return {"sender": {"login": actor}, **event, "repository": repository}


def pull_request(number: int, commits: Mapping[str, str], repository: str, branch: str, actor: str) -> dict[str, Any]:
    """A pull request.

    Args:
        number: Its number.
        commits: base, which is as old as the pull request (https://github.com/lablup/backend.ai/pull/11862), head and
            merge, which is made anew with the newest main.
        repository: Where its commits were made: this repository or a fork of it.
        branch: The branch there.
        actor: Whose it is.
    """
    fork, owner = repository != REPOSITORY, repository.split("/", maxsplit=1)[0]
    source = {"full_name": repository, "fork": fork, "id": FORK_ID if fork else int(REPOSITORY_ID)}
    source["owner"] = {"login": owner}
    return {
        "number": number,
        "state": "open",
        "user": {"login": actor},
        "base": {"sha": commits["base"], "ref": "main", "repo": {"full_name": REPOSITORY}},
        "head": {
            "sha": commits["head"],
            "ref": branch,
            "label": f"{repository.split('/', maxsplit=1)[0]}:{branch}",
            "repo": source,
        },
        "merge_commit_sha": commits["merge"],
    }


def ended_run(ran: Ran) -> dict[str, Any]:
    """A run that has ended, as `workflow_run` describes it.

    Of a fork's it does not say for which pull request it was: https://github.com/actions/runner/issues/3444.
    """
    request, github = ran.event.get("pull_request"), ran.github
    here = {"full_name": REPOSITORY, "fork": False, "id": int(REPOSITORY_ID), "owner": {"login": OWNER}}
    head = request["head"] if request else {"sha": github["sha"], "ref": github["ref_name"], "repo": here}
    known = request is not None and not head["repo"]["fork"]
    return {
        "id": ran.number,
        "name": github["workflow"],
        "path": f".github/workflows/{ran.workflow}.yml",
        "event": github["event_name"],
        "status": "completed",
        "conclusion": ran.conclusion,
        "run_attempt": ran.attempt,
        "head_sha": head["sha"],
        "head_branch": head["ref"],
        "head_repository": head["repo"],
        "actor": {"login": github["actor"]},
        "html_url": f"https://github.example/{REPOSITORY}/actions/runs/{ran.number}",
        "pull_requests": [{"number": request["number"], "head": head, "base": request["base"]}] if known else [],
    }
