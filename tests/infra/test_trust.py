"""Only tokens of one kind of run of one repository may take a role of infra/bootstrap.yaml."""

import pytest

from tests.fakes.cloudformation import Stack
from tests.fakes.iam import trusts
from tests.infra.roles import NUMBERS, bootstrap

MINE = "repo:ada/obesity-levels:"
MINE_NUMBERED = "repo:ada@11/obesity-levels@22:"
SUBJECTS = {
    "ReadRole": "pull_request",
    "PublishRole": "ref:refs/heads/main",
    "DeployDevRole": "environment:dev",
    "DeployStagingRole": "environment:staging",
    "DeployProdRole": "environment:prod",
}
STRANGERS = [
    "repo:ada/obesity:{}",
    "repo:ada/obesity-levels-fork:{}",
    "repo:ada/Obesity-Levels:{}",
    "repo:bob/obesity-levels:{}",
    "repo:adam/obesity-levels:{}",
    "repo:bob@33/obesity-levels@22:{}",
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
]


def takers(stack: Stack, subject: str, audience: str = "sts.amazonaws.com") -> list[str]:
    """The roles that trust a token."""
    return [
        role
        for role in SUBJECTS
        if trusts(stack.resources[role]["Properties"]["AssumeRolePolicyDocument"], {"sub": subject, "aud": audience})
    ]


@pytest.mark.parametrize(("role", "subject"), SUBJECTS.items())
def test_a_role_is_for_one_kind_of_run_of_this_repository_in_both_ways_of_writing_it(role: str, subject: str) -> None:
    stack = bootstrap(**NUMBERS)

    assert takers(stack, MINE + subject) == takers(stack, MINE_NUMBERED + subject) == [role]
    assert takers(stack, MINE + subject, audience="https://github.com/ada") == []
    assert [stranger for stranger in STRANGERS if takers(stack, stranger.format(subject))] == []


@pytest.mark.parametrize(
    "kind", ["ref:refs/heads/x", "ref:refs/tags/main", "environment:Prod", "environment:production"]
)
def test_no_role_is_for_another_branch_tag_or_environment(kind: str) -> None:
    assert takers(bootstrap(**NUMBERS), MINE + kind) == []


def test_without_numbers_only_the_old_way_of_writing_it_is_trusted() -> None:
    stack = bootstrap()

    assert takers(stack, MINE + "environment:prod") == ["DeployProdRole"]
    for numbered in (MINE_NUMBERED, "repo:ada@/obesity-levels@:"):
        assert takers(stack, numbered + "environment:prod") == []


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
        for role in SUBJECTS
        for statement in stack.resources[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    }
    assert trusted == {existing}
    assert list(bootstrap().of("AWS::IAM::OIDCProvider")) == ["GitHub"]
