"""The roles of the two templates, and whether they may do something."""

from collections.abc import Iterable, Mapping
from typing import Any

from tests.fakes.cloudformation import Stack
from tests.fakes.iam import allows, statements
from tests.fixtures.templates import read

Policy = Mapping[str, Any]

OWNER = {"GitHubOwner": "ada", "GitHubRepository": "obesity-levels"}
NUMBERS = {"GitHubOwnerId": "11", "GitHubRepositoryId": "22"}


def bootstrap(**parameters: str) -> Stack:
    """The one-time stack, its bucket and boundary named as AWS would."""
    names = {
        "Bucket.Arn": "arn:aws:s3:::bucket",
        "Boundary": "arn:aws:iam::123456789012:policy/obesity-levels-boundary",
    }
    return Stack(
        read("infra/bootstrap.yaml"), OWNER | {"AWS::StackName": "obesity-levels-bootstrap"} | parameters, names
    )


def policies(stack: Stack, role: str) -> list[Policy]:
    """The documents of a role, its own and the managed ones."""
    properties = stack.resources[role]["Properties"]
    managed = [stack.resources[name]["Properties"] for name in properties.get("ManagedPolicyArns", [])]
    return [policy["PolicyDocument"] for policy in [*properties.get("Policies", []), *managed]]


def everything(stack: Stack) -> list[Mapping[str, Any]]:
    """Every statement of the policies that a stack makes for roles."""
    inline = [role.get("Policies", []) for role in stack.of("AWS::IAM::Role").values()]
    documents = [policy["PolicyDocument"] for policies_of_role in inline for policy in policies_of_role]
    return statements(
        [*documents, *(policy["PolicyDocument"] for policy in stack.of("AWS::IAM::ManagedPolicy").values())]
    )


def may(documents: Iterable[Policy], action: str, resource: str, **context: str) -> bool:
    """Whether policies together allow an action; `stage` is the role's tag."""
    keys = {"stage": "aws:PrincipalTag/stage", "boundary": "iam:PermissionsBoundary", "tagged": "aws:RequestTag/stage"}
    keys |= {"passed_to": "iam:PassedToService"}
    combined = {"Statement": statements(documents)}
    return allows(combined, action, resource, {keys[name]: value for name, value in context.items()})
