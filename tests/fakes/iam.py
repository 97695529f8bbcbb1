"""Policies, an action and a resource -> whether AWS would allow it; and a token -> whether a role would trust it.

As much of IAM as the templates here use; an operator or key that it does not know raises KeyError.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

Context = Mapping[str, str]

PROVIDER = "token.actions.githubusercontent.com"
PASSED_ON = {"aud", "sub", "actor", "actor_id", "enterprise_id", "environment", "job_workflow_ref", "ref", "repository"}
PASSED_ON |= {"repository_id", "repository_owner_id", "workflow"}
"""The claims of GitHub's token that a trust policy can ask for; STS knows no other, so a condition on one never holds.

IAM User Guide, "Available keys for AWS OIDC federation", tab GitHub; since January 2026: aws.amazon.com/about-aws/
whats-new/2026/01/aws-sts-supports-validation-identity-provider-claims. Before, only `sub` and `aud` were passed on
(aws-actions/configure-aws-credentials#912), and `workflow_ref` or `event_name` still are not.
"""


def allows(policy: Mapping[str, Any], action: str, resource: str, context: Context | None = None) -> bool:
    """Whether a policy's statements allow an action: one says so, and none denies it."""
    context = context or {}
    effects = {
        statement["Effect"]
        for statement in policy["Statement"]
        if any(_like(pattern.lower(), action.lower()) for pattern in listed(statement["Action"]))
        and any(_like(_filled(pattern, context), resource) for pattern in listed(statement["Resource"]))
        and _meets(statement.get("Condition", {}), context)
    }
    return effects == {"Allow"}


def trusts(policy: Mapping[str, Any], claims: Context) -> bool:
    """Whether a role's trust policy accepts the claims of GitHub's token."""
    context = {f"{PROVIDER}:{name}": value for name, value in claims.items() if name in PASSED_ON}
    return any(
        statement["Effect"] == "Allow"
        and statement["Action"] == "sts:AssumeRoleWithWebIdentity"
        and _meets(statement["Condition"], context)
        for statement in policy["Statement"]
    )


def listed(value: Any) -> list[str]:
    """What may be one or many, as many."""
    return value if isinstance(value, list) else [value]


def statements(policies: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """All statements of several policies."""
    return [statement for policy in policies for statement in policy["Statement"]]


def _filled(pattern: str, context: Context) -> str:
    """A pattern with its variables filled in; one that has no value makes it match nothing."""
    return re.sub(r"\$\{(.+?)\}", lambda variable: context.get(variable[1], "\0"), pattern)


def _like(pattern: str, text: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text, re.DOTALL) is not None


def _meets(condition: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    return all(
        _holds(operator, [_filled(value, context) for value in listed(values)], context.get(key))
        for operator, tests in condition.items()
        for key, values in tests.items()
    )


def _holds(operator: str, values: list[str], actual: str | None) -> bool:
    if operator.endswith("IfExists") and actual is None:
        return True
    if operator == "StringNotEquals":  # which a missing key meets: IAM User Guide, "Condition operators"
        return actual not in values
    if actual is None:
        return False
    compare = {"StringEquals": str.__eq__, "StringLike": _like, "ArnLike": _like, "Bool": str.__eq__}
    return any(compare[operator.removesuffix("IfExists")](value, actual) for value in values)
