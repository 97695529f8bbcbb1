"""An environment on GitHub -> its newest deployment that succeeded: which commit, at which address.

Source: docs.github.com/en/rest/deployments/deployments and .../statuses; each job with an `environment` makes one.
"""

from dataclasses import dataclass

from pipeline.github.api import GitHub

LOOKED_AT = 10
"""Deployments; those that were refused, cancelled or failed lie between the newest and the one that users see."""


@dataclass(frozen=True)
class Deployment:
    """The commit that a job deployed, and the address that it gave; None where it gave none."""

    commit: str
    url: str | None


def newest_deployment(github: GitHub, repository: str, environment: str) -> Deployment | None:
    """The newest deployment to an environment that succeeded; None if there is none.

    Raises:
        SourceError: GitHub cannot be reached, or refuses the request.
    """
    path = f"/repos/{repository}/deployments"
    asked = {"environment": environment, "per_page": LOOKED_AT}
    for deployment in github.request("GET", path, params=asked):
        newest, *_ = github.request("GET", f"{path}/{deployment['id']}/statuses", params={"per_page": 1}) or [{}]
        if newest.get("state") == "success":
            return Deployment(deployment["sha"], newest.get("environment_url") or None)
    return None
