"""Whether AWS gives a role to a job's token, by the trust policies of infra/bootstrap.yaml themselves."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from tests.fakes.github import REPOSITORY

ROLE = "arn:aws:iam::123456789012:role"
NAMES = {
    f"{ROLE}/publish": "PublishRole",
    f"{ROLE}/read": "ReadRole",
    f"{ROLE}/watch": "WatchRole",
    **{f"{ROLE}/deploy-{stage}": f"Deploy{stage.capitalize()}Role" for stage in ("dev", "staging", "prod")},
}
"""The roles' addresses in these tests, and what the template calls them."""


@cache
def _roles() -> dict[str, Any]:
    from tests.fakes.cloudformation import Stack
    from tests.fixtures.templates import read

    owner, name = REPOSITORY.split("/")
    given = {"GitHubOwner": owner, "GitHubRepository": name, "GitHubOwnerId": "11", "GitHubRepositoryId": "22"}
    names = {"Bucket.Arn": "arn:aws:s3:::bucket", "Boundary": "arn:aws:iam::123456789012:policy/boundary"}
    stack = Stack(read("infra/bootstrap.yaml"), given | {"AWS::StackName": "bootstrap"}, names)
    return {name: role["AssumeRolePolicyDocument"] for name, role in stack.of("AWS::IAM::Role").items()}


def trusts(role: str, claims: Mapping[str, str]) -> bool:
    """Whether a role of the template trusts a token; no other role does."""
    from tests.fakes import iam

    return role in NAMES and iam.trusts(_roles()[NAMES[role]], claims)
