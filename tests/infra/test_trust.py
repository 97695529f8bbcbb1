"""Only tokens of one kind of run of one repository may take a role of infra/bootstrap.yaml."""

import re
from dataclasses import replace

import pytest

from tests.fakes.cloudformation import Stack
from tests.fakes.iam import trusts
from tests.fakes.oidc import MERGE, Run
from tests.infra.roles import NUMBERS, bootstrap

ON_A_BRANCH = (
    Run("pull-request.yml", "refs/heads/x", "workflow_dispatch", actor="github-actions[bot]"),
    Run("pull-request.yml", "refs/heads/gh-readonly-queue/main/pr-7-0123", "merge_group"),
)
RUNS = [
    ("ReadRole", Run("pull-request.yml", MERGE, "pull_request")),
    *(("ReadRole", run) for run in ON_A_BRANCH),
    ("PublishRole", Run("retrain.yml")),
    ("PublishRole", Run("retrain.yml", event="workflow_dispatch")),
    ("WatchRole", Run("watch.yml", event="workflow_dispatch")),
    ("WatchRole", Run("watch.yml", event="schedule")),
    *(
        (f"Deploy{stage.capitalize()}Role", Run(workflow, environment=stage))
        for stage in ("dev", "staging", "prod")
        for workflow in ("deploy.yml", "rollback.yml")
    ),
]
"""Every job of ours that takes a role. A reusable workflow's job counts as the reusable workflow's."""

PROD = Run(environment="prod")
REFUSED = {
    "prod from a branch": replace(PROD, ref="refs/heads/x"),
    "prod from a branch that is named like main": replace(PROD, ref="refs/heads/refs/heads/main"),
    "prod from a tag main": replace(PROD, ref="refs/tags/main"),
    "prod from a pull request": replace(PROD, ref=MERGE, event="pull_request"),
    "prod from another workflow on main": replace(PROD, workflow="retrain.yml"),
    "prod from a workflow whose name ends the same": replace(PROD, workflow="evil-deploy.yml"),
    "prod for another audience": PROD,
    "an environment that differs in case": replace(PROD, environment="Prod"),
    "an environment that is no stage": replace(PROD, environment="production"),
    "deploy.yml without an environment": Run(),
    "retrain.yml in an environment": Run("retrain.yml", environment="registry"),
    "retrain.yml on a branch": Run("retrain.yml", "refs/heads/x", "workflow_dispatch"),
    "retrain.yml in a pull request's branch of that name": Run("retrain.yml", "refs/heads/refs/pull/7/merge"),
    "another workflow on main": Run("ci.yml"),
    "refresh.yml, which runs packages that nobody looked at": Run("refresh.yml", event="schedule"),
    "comment.yml": Run("comment.yml", event="workflow_run"),
    "watch.yml on a branch": Run("watch.yml", "refs/heads/x", "workflow_dispatch"),
    "another workflow on a branch": Run("ci.yml", "refs/heads/x", "workflow_dispatch"),
    "a workflow on a branch whose name ends the same": Run("evil-pull-request.yml", "refs/heads/x"),
    "pull-request.yml with newer packages": Run("pull-request.yml", "refs/heads/refresh", "workflow_dispatch"),
    "pull-request.yml on a tag": Run("pull-request.yml", "refs/tags/x", "workflow_dispatch"),
    "pull-request.yml that Dependabot starts on a branch": Run(
        "pull-request.yml", "refs/heads/x", actor="dependabot[bot]"
    ),
    "pull-request.yml on a branch of a fork": Run(
        "pull-request.yml", "refs/heads/x", repository="bob/obesity-levels", owner_id="33", repository_id="44"
    ),
    "pull-request.yml on a branch of a repository of the same name": Run(
        "pull-request.yml", "refs/heads/x", repository_id="23"
    ),
    "Dependabot's pull request": Run("pull-request.yml", MERGE, "pull_request", actor="dependabot[bot]"),
    "a fork's own main": Run("retrain.yml", repository="bob/obesity-levels", owner_id="33", repository_id="44"),
    "a fork's prod": replace(PROD, repository="bob/obesity-levels", owner_id="33", repository_id="44"),
    "a repository of the same name with another id": replace(PROD, repository_id="23"),
    "a pull request there": Run("pull-request.yml", MERGE, "pull_request", repository_id="23"),
    "a repository whose name differs in case": replace(PROD, repository="ada/Obesity-Levels"),
    "a repository whose name begins the same": replace(PROD, repository="ada/obesity-levels-fork", repository_id="44"),
}


def takers(stack: Stack, claims: dict[str, str]) -> list[str]:
    """The roles that trust a token."""
    roles = stack.of("AWS::IAM::Role").items()
    return [name for name, role in roles if trusts(role["AssumeRolePolicyDocument"], claims)]


@pytest.mark.parametrize("immutable", [False, True])
@pytest.mark.parametrize(("role", "run"), RUNS)
def test_a_role_is_for_one_kind_of_run_of_this_repository_in_both_ways_of_writing_it(
    role: str, run: Run, immutable: bool
) -> None:
    assert takers(bootstrap(**NUMBERS), replace(run, immutable=immutable).claims()) == [role]


@pytest.mark.parametrize("immutable", [False, True])
@pytest.mark.parametrize("name", REFUSED)
def test_no_role_is_for(name: str, immutable: bool) -> None:
    audience = "https://github.com/ada" if "audience" in name else "sts.amazonaws.com"

    assert takers(bootstrap(**NUMBERS), replace(REFUSED[name], immutable=immutable).claims(audience)) == []


@pytest.mark.parametrize(
    "subject",
    [
        "repo:adam/obesity-levels:{}",
        "repo:ada@11/obesity-levels@23:{}",
        "repo:ada@111/obesity-levels@22:{}",
        "repo:ada@11/obesity-levels:{}",
        "repo:ada@11/other@44/obesity-levels@22:{}",
        "repo:bob/evil:ref:refs/heads/repo:ada/obesity-levels:{}",
        "repo:ada/obesity-levels:ref:refs/heads/x:{}",
        "repo:ada/obesity-levels:{}:x",
        "repo:ada/obesity-levels:{}x",
        "repo:ada/obesity-levels:environment:{}",
        "repo:ada/obesity-levels:*",
        "repo:*",
        "*",
        "",
    ],
)
@pytest.mark.parametrize(("role", "run"), [(role, run) for role, run in RUNS if run not in ON_A_BRANCH])
def test_a_subject_that_only_resembles_ours_gets_no_role(role: str, run: Run, subject: str) -> None:
    """All other claims are right here, so that the subject alone decides; on a branch, any branch is ours."""
    claims = run.claims()
    forged = subject.format(claims["sub"].split(":", 2)[2])

    assert takers(bootstrap(**NUMBERS), claims | {"sub": forged}) == [], role


@pytest.mark.parametrize("claim", ["sub", "aud", "ref", "job_workflow_ref", "repository_id"])
def test_each_claim_alone_refuses_prod(claim: str) -> None:
    claims = PROD.claims()

    assert takers(bootstrap(**NUMBERS), claims | {claim: f"{claims[claim]}x"}) == []
    assert takers(bootstrap(**NUMBERS), {name: value for name, value in claims.items() if name != claim}) == []


def test_without_numbers_only_the_old_way_of_writing_it_is_trusted() -> None:
    stack = bootstrap()

    assert takers(stack, PROD.claims()) == ["DeployProdRole"]
    assert takers(stack, replace(PROD, immutable=True).claims()) == []
    assert takers(stack, PROD.claims() | {"sub": "repo:ada@/obesity-levels@:environment:prod"}) == []


def test_a_condition_on_a_claim_that_sts_does_not_pass_on_never_holds() -> None:
    """Such a policy is accepted by IAM and then refuses everybody; the fake must not be kinder."""
    statement = {
        "Effect": "Allow",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {"token.actions.githubusercontent.com:event_name": "push"}},
    }

    assert PROD.claims()["event_name"] == "push"
    assert not trusts({"Statement": [statement]}, PROD.claims())


def test_the_only_pattern_of_a_condition_is_any_branch_at_the_end_for_reading() -> None:
    """A pattern elsewhere is what a branch or a repository could be named like."""
    for name, role in bootstrap(**NUMBERS).of("AWS::IAM::Role").items():
        for statement in role["AssumeRolePolicyDocument"]["Statement"]:
            patterns = statement["Condition"].pop("StringLike", {})
            assert set(statement["Condition"]) <= {"StringEquals", "StringNotEquals"}, name
            assert not re.search(r"[*?]", str(statement["Condition"])), name
            values = [
                value for listed in patterns.values() for value in ([listed] if isinstance(listed, str) else listed)
            ]
            assert all(
                re.fullmatch(r"[^*?]+[:@]refs/heads/\*|repo:[^*?]+:ref:refs/heads/\*", value) for value in values
            )
            assert not values or name == "ReadRole"


def test_numbers_are_given_together_or_not_at_all() -> None:
    assert bootstrap().refusals() == bootstrap(**NUMBERS).refusals() == []
    assert bootstrap(GitHubOwnerId="11").refusals() == [
        "GitHubOwnerId and GitHubRepositoryId are given together or not at all."
    ]


def test_a_provider_that_the_account_has_is_used_instead_of_a_second_one() -> None:
    existing = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
    stack = bootstrap(OidcProvider=existing)

    assert stack.of("AWS::IAM::OIDCProvider") == {}
    trusted = {
        statement["Principal"]["Federated"]
        for role in stack.of("AWS::IAM::Role").values()
        for statement in role["AssumeRolePolicyDocument"]["Statement"]
    }
    assert trusted == {existing}
    assert list(bootstrap().of("AWS::IAM::OIDCProvider")) == ["GitHub"]
