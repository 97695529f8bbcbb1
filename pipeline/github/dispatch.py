"""A workflow file and a branch -> its run, or a warning that says how a person starts it.

A commit that a workflow makes starts no run, so that none starts itself for ever. A dispatch is GitHub's exception.
"""

from collections.abc import Mapping

from pipeline.github.actions import Message
from pipeline.github.api import GitHub, GitHubError

CHECKS = ("ci.yml", "pull-request.yml")
"""What checks a pull request; a commit of a workflow starts neither."""

REFUSED = (403, 404, 422)
"""May not; no such workflow; disabled, or its file on the branch cannot be dispatched."""


def start(github: GitHub, path: str, workflow: str, branch: str, inputs: Mapping[str, str] | None = None) -> Message:
    """Start a workflow on a branch. What GitHub refuses is a warning, for the rest can be done without it.

    Args:
        github: A session that may start workflows.
        path: The repository's path in GitHub's API.
        workflow: The name of the workflow's file.
        branch: Where it runs, with the file as it is there.
        inputs: Its inputs; None for a workflow without any.
    """
    body = {"ref": branch} | ({"inputs": dict(inputs)} if inputs else {})
    try:
        github.request("POST", f"{path}/actions/workflows/{workflow}/dispatches", json=body)
    except GitHubError as error:
        if error.status not in REFUSED:
            raise
        run = f"`gh workflow run {workflow} --ref {branch}`"
        remedy = f"`gh workflow enable {workflow}`, then {run}" if "disabled" in error.reason else run
        text = f"{workflow} was not started on {branch} (GitHub: {error.reason}): {remedy}"
        return Message(text, "warning")
    return Message(f"started {workflow} on {branch}")


def start_checks(github: GitHub, path: str, branch: str) -> tuple[Message, ...]:
    """Start what checks a pull request, on its branch."""
    return tuple(start(github, path, workflow, branch) for workflow in CHECKS)
