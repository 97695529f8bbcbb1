"""A run on GitHub -> the claims of the token that GitHub gives to its jobs.

Subjects: docs.github.com/actions/reference/security/oidc ("Example subject claims", "Immutable subject claims"): an
environment goes before the event, and a colon within a name becomes %3A. A job that calls no reusable workflow has its
own workflow's path as `job_workflow_ref` too (openclaw/clawhub#3348); one that does has the called workflow's, at the
caller's commit if it is called by `./`. Ids are in the subject alone: job_workflow_ref keeps the plain names.
"""

from dataclasses import dataclass

MAIN = "refs/heads/main"
MERGE = "refs/pull/7/merge"


@dataclass(frozen=True)
class Run:
    """A job of a run; by default of deploy.yml on main in ada's repository.

    Attributes:
        workflow: The file that holds the job: of a job that a reusable workflow has, that workflow.
        ref: The ref that started the run, as GITHUB_REF.
        event: GitHub's name of what started it.
        environment: The environment that the job names.
        repository: As GitHub writes it.
        owner_id: The owner's number.
        repository_id: The repository's number.
        actor: Who started it.
        immutable: Whether the repository was made since July 2026, or asked for ids in its subjects.
    """

    workflow: str = "deploy.yml"
    ref: str = MAIN
    event: str = "push"
    environment: str = ""
    repository: str = "ada/obesity-levels"
    owner_id: str = "11"
    repository_id: str = "22"
    actor: str = "ada"
    immutable: bool = False

    def claims(self, audience: str = "sts.amazonaws.com") -> dict[str, str]:
        """The claims that a trust policy may ask for, and some that AWS does not pass on to it."""
        owner, _, name = self.repository.partition("/")
        whose = f"{owner}@{self.owner_id}/{name}@{self.repository_id}" if self.immutable else self.repository
        what = "pull_request" if self.event == "pull_request" else f"ref:{self.ref}"
        if self.environment:
            what = f"environment:{self.environment.replace(':', '%3A')}"
        path = f"{self.repository}/.github/workflows/{self.workflow}@{self.ref}"
        claims = {
            "aud": audience,
            "sub": f"repo:{whose}:{what}",
            "actor": self.actor,
            "event_name": self.event,
            "job_workflow_ref": path,
            "ref": self.ref,
            "repository": self.repository,
            "repository_id": self.repository_id,
            "repository_owner_id": self.owner_id,
            "workflow": self.workflow.removesuffix(".yml"),
            "workflow_ref": path,
        }
        return claims | ({"environment": self.environment} if self.environment else {})
