"""Deployments of the fake GitHub: what each job with an environment leaves."""

from typing import TYPE_CHECKING, Any

from tests.fakes.github.answers import RefusedError, Request, answers

if TYPE_CHECKING:
    from tests.fakes.github import FakeGitHub


def deployed(environment: str, sha: str, *states: str, url: str = "") -> dict[str, Any]:
    """A deployment with its statuses, the newest first; `url` is what the job gave, empty until it succeeded.

    Source: docs.github.com/en/rest/deployments/statuses. An older deployment's newest status is "inactive" once a newer
    one succeeded.
    """
    statuses = [
        {"state": state, "environment_url": url if state in {"success", "inactive"} else ""} for state in states
    ]
    return {"environment": environment, "sha": sha, "statuses": statuses}


@answers("GET /deployments", "deployments:read")
def list_deployments(fake: "FakeGitHub", request: Request) -> Any:
    """The newest first."""
    wanted = request.query.get("environment")
    numbered = enumerate(fake.deployments, 1)
    listed = [(number, item) for number, item in numbered if wanted in {None, item["environment"]}]
    return [{"id": number, "sha": item["sha"], "environment": item["environment"]} for number, item in reversed(listed)]


@answers(r"GET /deployments/(\d+)/statuses", "deployments:read")
def list_statuses(fake: "FakeGitHub", request: Request) -> Any:
    """The newest first."""
    number = int(request.parts[0])
    if not 0 < number <= len(fake.deployments):
        raise RefusedError(404, "Not Found")
    return fake.deployments[number - 1]["statuses"]
