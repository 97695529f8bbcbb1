"""A role's trust policy and the tokens of this repository's runs -> what is wrong with whom the role trusts.

A role cannot be assumed from a laptop to try it: only GitHub gives its tokens, and only to runs. So the policy is read
and asked here with the claims of the runs that must get the role, and of runs that must not.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from pipeline.errors import CloudError
from pipeline.gh import Repository
from pipeline.ship.stages import STAGES, Stage

_PROVIDER = "token.actions.githubusercontent.com"
_MAIN, _BRANCH, _MERGE = "refs/heads/main", "refs/heads/another", "refs/pull/1/merge"
_NO_ID = "0"

RoleKind = Literal["read", "publish", "watch", "deploy"]
WORKFLOWS: Mapping[RoleKind, tuple[str, ...]] = {
    "read": ("pull-request.yml",),
    "publish": ("retrain.yml",),
    "watch": ("watch.yml",),
    "deploy": ("deploy.yml", "rollback.yml"),
}
"""The files with the jobs that take each kind of role."""


@dataclass(frozen=True)
class Job:
    """A job that asks for a role.

    Attributes:
        workflow: The file that the job is written in.
        ref: What its run was started on.
        stage: The environment that it names; empty for none.
        repository_id: The repository's number.
        actor: Who started the run.
    """

    workflow: str
    ref: str
    stage: str
    repository_id: str
    actor: str = "somebody"

    def claims(self, repository: Repository, *, immutable: bool) -> dict[str, str]:
        """The claims of the job's token, under the names that a policy has for them.

        Source: docs.github.com/actions/reference/security/oidc; AWS passes on those that are named here (IAM User
        Guide, "Available keys for AWS OIDC federation").
        """
        names = repository.full_name
        if immutable:
            names = f"{repository.owner}@{repository.owner_id}/{repository.name}@{self.repository_id}"
        kind = "pull_request" if self.ref == _MERGE else f"ref:{self.ref}"
        claims = {
            "aud": "sts.amazonaws.com",
            "sub": f"repo:{names}:{f'environment:{self.stage}' if self.stage else kind}",
            "actor": self.actor,
            "job_workflow_ref": f"{repository.full_name}/.github/workflows/{self.workflow}@{self.ref}",
            "ref": self.ref,
            "repository": repository.full_name,
            "repository_id": self.repository_id,
            "repository_owner_id": repository.owner_id,
        } | ({"environment": self.stage} if self.stage else {})
        return {f"{_PROVIDER}:{name}": value for name, value in claims.items()}


def faults(
    policy: Mapping[str, Any], kind: RoleKind, stage: Stage | None, repository: Repository, *, immutable: bool
) -> Iterator[str]:
    """What is wrong with whom a role trusts, in words; nothing if it is right.

    Args:
        policy: The role's trust policy.
        kind: What the role is for.
        stage: The stage that a role for deployments is for.
        repository: This repository.
        immutable: Whether the subjects of its tokens hold its number.

    Raises:
        CloudError: The policy has a condition that is not known here.
    """

    def trusts(job: Job) -> bool:
        return _accepts(policy, job.claims(repository, immutable=immutable))

    needed, others = _jobs(kind, stage, repository)
    for job in needed:
        if not trusts(job):
            yield f"refuses {job.workflow}"
    for words, job in others.items():
        if trusts(job):
            yield f"accepts {words}"


def _jobs(kind: RoleKind, stage: Stage | None, repository: Repository) -> tuple[list[Job], dict[str, Job]]:
    """The jobs that must get a role, and those that must not, by what they are."""
    ref = _MERGE if kind == "read" else _MAIN
    needed = [Job(workflow, ref, stage or "", repository.id) for workflow in WORKFLOWS[kind]]
    first = needed[0]
    if kind == "read":
        needed.append(replace(first, ref=_BRANCH))  # on a commit of the bot, and in the merge queue
    others = {"a repository of the same name with another number": replace(first, repository_id=_NO_ID)}
    if kind == "read":
        others["Dependabot"] = replace(first, actor="dependabot[bot]")
    else:
        others[f"{first.workflow} on a branch"] = replace(first, ref=_BRANCH)
        others["other workflows"] = replace(first, workflow="another.yml")
    if stage:
        others["other stages"] = replace(first, stage=next(other for other in STAGES if other != stage))
    return needed, others


def _accepts(policy: Mapping[str, Any], claims: Mapping[str, str]) -> bool:
    statements = _listed(policy["Statement"])
    effects = {
        statement["Effect"]
        for statement in statements
        if "sts:AssumeRoleWithWebIdentity" in _listed(statement.get("Action", ()))
        and all(
            _holds(operator, _listed(values), claims.get(_canonical(key)))
            for operator, tests in statement.get("Condition", {}).items()
            for key, values in tests.items()
        )
    }
    return effects == {"Allow"}


def _holds(operator: str, values: list[str], actual: str | None) -> bool:
    if operator.endswith("IfExists"):
        return actual is None or _holds(operator.removesuffix("IfExists"), values, actual)
    if operator == "StringNotEquals":
        return actual not in values
    if operator == "StringNotLike":
        return actual is None or not any(_like(value, actual) for value in values)
    if operator not in {"StringEquals", "StringLike"}:
        raise CloudError(f"the trust policy has a condition {operator}, which is not known here")
    if actual is None:
        return False
    return any(_like(value, actual) if operator == "StringLike" else value == actual for value in values)


def _like(pattern: str, text: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text, re.DOTALL) is not None


def _canonical(key: str) -> str:
    """A condition's key; IAM compares keys in any case, and values letter by letter."""
    return key.lower()


def _listed(value: Any) -> list[Any]:
    """What may be one or several, as several."""
    return list(value) if isinstance(value, list | tuple) else [value]
