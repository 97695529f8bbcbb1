"""What `pipeline doctor` says of a role's trust policy: right as infra/bootstrap.yaml makes it, wrong in words else."""

import copy
from typing import Any

import pytest

from pipeline.errors import CloudError
from pipeline.gh import Repository
from pipeline.ship.stages import Stage
from pipeline.ship.trust import WORKFLOWS, RoleKind, faults
from tests.fakes.iam import trusts
from tests.fakes.oidc import MAIN, MERGE, Run
from tests.infra.roles import NUMBERS, bootstrap

OURS = Repository("ada", "obesity-levels", "11", "22", "public")
PROVIDER = "token.actions.githubusercontent.com"
ROLES: list[tuple[str, RoleKind, Stage | None]] = [
    ("ReadRole", "read", None),
    ("PublishRole", "publish", None),
    ("WatchRole", "watch", None),
    ("DeployDevRole", "deploy", "dev"),
    ("DeployStagingRole", "deploy", "staging"),
    ("DeployProdRole", "deploy", "prod"),
]
Policy = dict[str, Any]


def policy_of(role: str, **parameters: str) -> Policy:
    stack = bootstrap(**(parameters or NUMBERS))
    return stack.resources[role]["Properties"]["AssumeRolePolicyDocument"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("immutable", [True, False])
@pytest.mark.parametrize(("role", "kind", "stage"), ROLES)
def test_the_roles_that_bootstrap_makes_are_right(
    role: str, kind: RoleKind, stage: Stage | None, immutable: bool
) -> None:
    assert list(faults(policy_of(role), kind, stage, OURS, immutable=immutable)) == []


@pytest.mark.parametrize(
    ("claim", "value", "fault"),
    [
        ("ref", None, []),  # job_workflow_ref says the ref as well
        ("job_workflow_ref", None, ["accepts other workflows"]),
        ("repository_id", None, ["accepts a repository of the same name with another number"]),
        ("sub", "repo:ada/obesity-levels:environment:staging", ["refuses deploy.yml", "refuses rollback.yml"]),
        ("sub", "repo:Ada/obesity-levels:environment:prod", ["refuses deploy.yml", "refuses rollback.yml"]),
        ("sub", None, ["accepts other stages"]),
        ("aud", "https://github.com/ada", ["refuses deploy.yml", "refuses rollback.yml"]),
        ("job_workflow_ref", "ada/obesity-levels/.github/workflows/deploy.yml@refs/heads/main", ["refuses rollback"]),
    ],
)
def test_each_condition_that_is_missing_or_wrong_is_named(claim: str, value: str | None, fault: list[str]) -> None:
    policy = copy.deepcopy(policy_of("DeployProdRole"))
    equals = policy["Statement"][0]["Condition"]["StringEquals"]
    equals[f"{PROVIDER}:{claim}"] = value
    if value is None:
        del equals[f"{PROVIDER}:{claim}"]

    said = list(faults(policy, "deploy", "prod", OURS, immutable=False))
    assert len(said) == len(fault)
    assert all(one.startswith(part) for one, part in zip(said, fault, strict=True))


def test_the_roles_of_an_older_bootstrap_are_open_to_every_branch_and_workflow() -> None:
    equals = {f"{PROVIDER}:aud": "sts.amazonaws.com", f"{PROVIDER}:sub": "repo:ada/obesity-levels:environment:prod"}
    policy = {
        "Statement": {
            "Effect": "Allow",
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": equals},
        }
    }
    assert list(faults(policy, "deploy", "prod", OURS, immutable=False)) == [
        "accepts a repository of the same name with another number",
        "accepts deploy.yml on a branch",
        "accepts other workflows",
    ]


def test_a_pattern_is_matched_and_dependabot_is_seen() -> None:
    like = {f"{PROVIDER}:sub": "repo:ada/*", f"{PROVIDER}:repository_id": "22"}
    policy = {
        "Statement": [
            {"Effect": "Allow", "Action": ["sts:AssumeRoleWithWebIdentity"], "Condition": {"StringLike": like}}
        ]
    }
    assert list(faults(policy, "read", None, OURS, immutable=False)) == ["accepts Dependabot"]


def test_a_role_made_without_numbers_refuses_the_tokens_of_a_new_repository() -> None:
    policy = policy_of("PublishRole", GitHubRepositoryId="")
    assert list(faults(policy, "publish", None, OURS, immutable=True)) == ["refuses retrain.yml"]


def test_a_condition_that_is_not_known_is_no_verdict() -> None:
    policy = {
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {"Bool": {"x": "y"}}}]
    }
    with pytest.raises(CloudError, match="a condition Bool, which is not known here"):
        list(faults(policy, "read", None, OURS, immutable=False))


@pytest.mark.parametrize(("role", "kind", "stage"), ROLES)
def test_it_asks_with_the_very_tokens_that_github_gives(role: str, kind: RoleKind, stage: Stage | None) -> None:
    """The fake STS, which knows nothing of this code, gives these runs the role."""
    event, ref = ("pull_request", MERGE) if kind == "read" else ("push", MAIN)
    for workflow in WORKFLOWS[kind]:
        run = Run(workflow, ref, event, environment=stage or "")
        assert trusts(policy_of(role), run.claims())
