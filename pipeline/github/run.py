"""The event of a finished run, or a job's variables -> the run, and the pull request whose newest commit it checked.

What is read here GitHub itself says; nothing is taken from what the run handed over, which may be a stranger's.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import InputError
from pipeline.github.api import GitHub

PULL_REQUEST_EVENTS = ("pull_request", "workflow_dispatch")
"""What starts a run that checks a pull request: a dispatched one checks a commit of a workflow, which starts none."""

ENDED = ("success", "failure", "timed_out")
"""How a run ends that did its work. Others were cancelled, or wait for an approval ("action_required")."""


TRIES, SECONDS = 24, 5
"""How long a run may take to end after its last job started comment.yml."""


@dataclass(frozen=True)
class FinishedRun:
    """A finished run.

    Attributes:
        repository: The repository that the run belongs to, as OWNER/NAME.
        default_branch: Of that repository.
        workflow: The name of the workflow's file.
        event: What started it, such as "pull_request".
        source: The repository that its commit comes from, as OWNER/NAME; another one if that is a fork.
        branch: The branch of its commit, in `source`.
        sha: That commit; for a pull request the newest of its branch, not the merge commit that was checked out.
        url: The run's page.
        conclusion: GitHub's word for how it ended, such as "success".
    """

    repository: str
    default_branch: str
    workflow: str
    event: str
    source: str
    branch: str
    sha: str
    url: str
    conclusion: str

    @classmethod
    def of(cls, github: GitHub, event: Mapping[str, Any], wait: Callable[[float], None] = time.sleep) -> "FinishedRun":
        """The run of a `workflow_run` event; or the one whose number comment.yml was started with.

        Args:
            github: A session that may read actions.
            event: The event.
            wait: Called with seconds, while a run that started comment.yml in its last job has not ended.

        Raises:
            InputError: The event is of another type, or the run has not ended in time.
        """
        number = str((event.get("inputs") or {}).get("run", ""))
        if "workflow_run" in event or not number.isdecimal():
            return cls.from_event(event)
        path = f"/repos/{event['repository']['full_name']}/actions/runs/{number}"
        for _ in range(TRIES):
            run = github.request("GET", path)
            if run["status"] == "completed":
                return cls.from_event({**event, "workflow_run": run})
            wait(SECONDS)
        raise InputError(f"run {number} has not ended in {TRIES * SECONDS} seconds: run this job again")

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> "FinishedRun":
        """The run of a `workflow_run` event.

        Raises:
            InputError: The event is of another type.
        """
        try:
            run, repository = event["workflow_run"], event["repository"]
            return cls(
                repository=repository["full_name"],
                default_branch=repository["default_branch"],
                workflow=run["path"].partition("@")[0].rpartition("/")[2],
                event=run["event"],
                source=run["head_repository"]["full_name"],
                branch=run["head_branch"],
                sha=run["head_sha"],
                url=run["html_url"],
                conclusion=run["conclusion"],
            )
        except (KeyError, TypeError) as error:
            raise InputError(f"not an event of type workflow_run: {error} is missing") from None

    @property
    def path(self) -> str:
        """The repository's path in GitHub's API."""
        return f"/repos/{self.repository}"

    @property
    def is_of_fork(self) -> bool:
        """Whether the commit is another repository's."""
        return self.source != self.repository

    def refuse_other_events(self) -> None:
        """Check that the run can be a pull request's.

        Raises:
            InputError: Something else started it.
        """
        if self.event not in PULL_REQUEST_EVENTS:
            raise InputError(f"the run was started by {self.event}, expected {' or '.join(PULL_REQUEST_EVENTS)}")


@dataclass(frozen=True)
class MainRun:
    """A run on main.

    Attributes:
        repository: As OWNER/NAME.
        branch: The branch that the results are committed to.
        sha: The commit that the run trained.
        url: The run's page.
    """

    repository: str
    branch: str
    sha: str
    url: str

    @classmethod
    def of(cls, environment: Mapping[str, str], sha: str) -> "MainRun":
        """The run that this process is part of, as GitHub's variables name it.

        Raises:
            InputError: They do not.
        """
        names = ("GITHUB_REPOSITORY", "GITHUB_REF_NAME", "GITHUB_SERVER_URL", "GITHUB_RUN_ID")
        if missing := [name for name in names if not environment.get(name)]:
            raise InputError(f"{', '.join(missing)} not set: only a run on GitHub commits to a branch there")
        repository, branch, server, run = (environment[name] for name in names)
        return cls(repository, branch, sha, f"{server}/{repository}/actions/runs/{run}")

    @property
    def path(self) -> str:
        """The repository's path in GitHub's API."""
        return f"/repos/{self.repository}"


def find_pull_request(github: GitHub, run: FinishedRun) -> int | None:
    """Number of the open pull request whose newest commit is the run's; None if it was closed or got a newer one."""
    head = f"{run.source.partition('/')[0]}:{run.branch}"
    pulls = github.items(f"{run.path}/pulls", head=head, state="open")
    return next((item["number"] for item in pulls if item["head"]["sha"] == run.sha), None)
