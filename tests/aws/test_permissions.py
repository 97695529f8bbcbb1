"""What each role may do, and who may take it: the stack's roles, and those of infra/bootstrap.yaml."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import cfnlint
import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from tests.aws.cloudformation import Stack
from tests.aws.conftest import allowed, read
from tests.aws.iam import allows, listed, statements, trusts

Deployed = Callable[..., Stack]
Policy = Mapping[str, Any]
# Missing in AWS's list: its own guides (SAM's on gradual deployments, the CDK) name the deployment group.
NARROWER_THAN_LISTED = {"codedeploy:PutLifecycleEventHookExecutionStatus"}

OWNER = {"GitHubOwner": "ada", "GitHubRepository": "obesity-levels"}
NUMBERS = {"GitHubOwnerId": "11", "GitHubRepositoryId": "22"}
ACCOUNT = "eu-central-1:123456789012"
SERVICES: dict[str, Any] = json.loads(
    (Path(cfnlint.__file__).parent / "data/AdditionalSpecs/Policies.json").read_text()
)
"""AWS's own list of services, their actions, and the kinds of resource that each action knows."""


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
    return [found["PolicyDocument"] for found in [*properties.get("Policies", []), *managed]]


def everything(stack: Stack) -> list[Mapping[str, Any]]:
    """Every statement of the policies that a stack makes for roles."""
    inline = [role.get("Policies", []) for role in stack.of("AWS::IAM::Role").values()]
    documents = [policy["PolicyDocument"] for found in inline for policy in found]
    return statements(
        [*documents, *(found["PolicyDocument"] for found in stack.of("AWS::IAM::ManagedPolicy").values())]
    )


def may(documents: Iterable[Policy], action: str, resource: str, **context: str) -> bool:
    """Whether policies together allow an action; `stage` is the role's tag."""
    keys = {"stage": "aws:PrincipalTag/stage", "boundary": "iam:PermissionsBoundary", "tagged": "aws:RequestTag/stage"}
    keys |= {"passed_to": "iam:PassedToService"}
    found = {"Statement": statements(documents)}
    return allows(found, action, resource, {keys[name]: value for name, value in context.items()})


@pytest.fixture(scope="module")
def stacks(deployed: Deployed) -> list[Stack]:
    """Both templates with everything in them switched on."""
    return [deployed(Tracing="Active", AlarmEmail="ada@example.org"), bootstrap(**NUMBERS)]


def test_no_action_is_a_wildcard_and_a_resource_is_one_only_where_aws_knows_nothing_narrower(
    stacks: list[Stack],
) -> None:
    """The other way round too: an action that knows no resource is never allowed by a statement that names one."""
    seen = 0
    for statement in [statement for stack in stacks for statement in everything(stack)]:
        for action in listed(statement["Action"]):
            service, _, name = action.partition(":")
            narrow = SERVICES[service]["Actions"][name.lower()].get("Resources") or action in NARROWER_THAN_LISTED
            assert (listed(statement["Resource"]) == ["*"]) == (not narrow), action
            seen += 1
    assert seen > 100


def test_a_managed_policy_is_as_short_as_aws_asks(stacks: list[Stack]) -> None:
    for name, policy in stacks[1].of("AWS::IAM::ManagedPolicy").items():
        assert len(json.dumps(policy["PolicyDocument"], separators=(",", ":"))) <= 6144, name


@pytest.mark.parametrize("stage", allowed("Stage"))
def test_whatever_a_role_of_the_stack_may_do_is_within_the_boundary(deployed: Deployed, stage: str) -> None:
    boundary = bootstrap().resources["Boundary"]["Properties"]["PolicyDocument"]
    stack = deployed(Stage=stage, Tracing="Active")

    asked = [
        (action, resource)
        for found in everything(stack)
        for action in listed(found["Action"])
        for resource in listed(found["Resource"])
    ]
    assert len(asked) > 10
    for action, resource in asked:
        concrete = resource.replace("*", "9")
        assert may([boundary], action, concrete, stage=stage), (action, resource)
        of_this_stage_only = f"obesity-levels-{stage}" in resource
        assert may([boundary], action, concrete, stage="other") != of_this_stage_only, (action, resource)


def test_every_role_of_the_stack_takes_the_boundary_that_is_named(deployed: Deployed) -> None:
    roles = deployed(PermissionsBoundary="obesity-levels-boundary").of("AWS::IAM::Role")

    assert set(roles) == {"ApiFunctionRole", "GoldenHookRole", "CodeDeployRole"}
    assert {role["PermissionsBoundary"] for role in roles.values()} == {
        "arn:aws:iam::123456789012:policy/obesity-levels-boundary"
    }
    assert not any("PermissionsBoundary" in role for role in deployed().of("AWS::IAM::Role").values())


def test_the_hook_may_ask_versions_of_this_function_and_tell_this_deployment_only(deployed: Deployed) -> None:
    documents = policies(deployed(), "GoldenHookRole")
    group = f"arn:aws:codedeploy:{ACCOUNT}:deploymentgroup:"
    mine = "obesity-levels-dev-ServerlessDeploymentApplication-1A/obesity-levels-dev-ApiFunctionDeploymentGroup-1A"
    tell = "codedeploy:PutLifecycleEventHookExecutionStatus"

    assert may(documents, "lambda:InvokeFunction", f"arn:aws:lambda:{ACCOUNT}:function:obesity-levels-dev:7")
    assert not may(documents, "lambda:InvokeFunction", f"arn:aws:lambda:{ACCOUNT}:function:obesity-levels-prod:7")
    assert may(documents, tell, group + mine)
    assert not may(documents, tell, group + mine.replace("dev", "prod"))
    assert not may(documents, "lambda:UpdateAlias", f"arn:aws:lambda:{ACCOUNT}:function:obesity-levels-dev:live")


# What a type's handler may need for properties that the stack does not use.
UNUSED = {
    "apigateway:TagResource": "not an action of IAM: POST on /tags/* is",
    "apigateway:UntagResource": "the same",
    "codedeploy:RegisterOnPremisesInstance": "no servers",
    "firehose:": "no log group delivers to Firehose",
    "ec2:": "no network of its own",
    "elasticfilesystem:": "no file system",
    "s3files:": "no file system",
    "kms:": "AWS's own keys",
    "iam:AttachRolePolicy": "policies are inline",
    "iam:DetachRolePolicy": "policies are inline",
    "iam:DeleteRolePermissionsBoundary": "the boundary stays",
    "iam:PutRolePermissionsBoundary": "the boundary is set when the role is made",
    "iam:UntagRole": "a role without its stage's tag would be another stage's to tag",
    "iam:UpdateRole": "neither duration nor description",
    "lambda:AssociateRuntimeAlias": "a feature that is not used",
    "lambda:DeleteFunctionCodeSigningConfig": "code is not signed",
    "lambda:DeleteProvisionedConcurrencyConfig": "nothing is provisioned",
    "lambda:GetCodeSigningConfig": "code is not signed",
    "lambda:GetLayerVersion": "no layers",
    "lambda:PassCapacityProvider": "no capacity provider",
    "lambda:PutFunctionCodeSigningConfig": "code is not signed",
    "lambda:PutFunctionRecursionConfig": "the default",
    "lambda:PutFunctionScalingConfig": "no capacity provider",
    "lambda:PutProvisionedConcurrencyConfig": "nothing is provisioned",
    "lambda:PutRuntimeManagementConfig": "the default",
    "logs:AssociateKmsKey": "AWS's own keys",
    "logs:DisassociateKmsKey": "AWS's own keys",
    "logs:DeleteIndexPolicy": "no index policy",
    "logs:PutIndexPolicy": "no index policy",
    "logs:DeleteDataProtectionPolicy": "no data protection policy",
    "logs:PutDataProtectionPolicy": "no data protection policy",
    "logs:DeleteResourcePolicy": "no resource policy of the log group",
    "logs:PutBearerTokenAuthentication": "not used",
    "logs:PutLogGroupDeletionProtection": "not used",
    "s3:GetObjectVersion": "artifacts are named by their content",
    "s3:REST.PUT.OBJECT": "not an action of IAM",
    "s3:getObject": "the API is no file",
    "sns:PutDataProtectionPolicy": "no data protection policy",
    "billing:GetBillingViewData": "no billing view is named",
}


def test_who_deploys_may_do_whatever_cloudformation_needs_for_the_types_of_the_stack(deployed: Deployed) -> None:
    stack = deployed(
        AlarmEmail="ada@example.org", MonthlyBudget="20", AuthMode="jwt", JwtIssuer="https://i", JwtAudience="a"
    )
    granted = {
        action for found in statements(policies(bootstrap(), "DeployProdRole")) for action in listed(found["Action"])
    }
    needed = {
        action
        for kind in {resource["Type"] for resource in stack.resources.values()}
        for handler in ("create", "read", "update", "delete")
        for action in PROVIDER_SCHEMA_MANAGER.get_resource_schema("eu-central-1", kind)
        .schema["handlers"]
        .get(handler, {})
        .get("permissions", [])
    }

    missing = sorted(action for action in needed - granted if not action.startswith(tuple(UNUSED)))
    assert len(needed & granted) > 60
    assert missing == []
    assert [name for name in UNUSED if not any(action.startswith(name) for action in needed)] == []


def test_who_deploys_may_ask_for_the_golden_answers_over_https_and_a_pull_request_may_not() -> None:
    for role, expected in (("DeployProdRole", True), ("ReadRole", False), ("PublishRole", False)):
        documents = policies(bootstrap(), role)
        asked = [
            may(documents, "execute-api:Invoke", f"arn:aws:execute-api:{ACCOUNT}:a1b2c3/$default/{route}")
            for route in ("GET/model_info", "POST/predict", "POST/predict_batch", "DELETE/predict")
        ]
        assert asked == [expected, expected, expected, False], role


DEPLOYERS = {"dev": "DeployDevRole", "staging": "DeployStagingRole", "prod": "DeployProdRole"}
BOUNDARY = "arn:aws:iam::123456789012:policy/obesity-levels-boundary"
ROLE = "arn:aws:iam::123456789012:role"


@pytest.mark.parametrize(("stage", "role"), DEPLOYERS.items())
def test_who_deploys_a_stage_reaches_that_stage_and_neither_another_nor_the_roles_that_deploy(
    stage: str, role: str
) -> None:
    documents = policies(bootstrap(), role)
    tags = bootstrap().resources[role]["Properties"]["Tags"]

    def reaches(action: str, resource: str) -> list[str]:
        stacks = [*DEPLOYERS, "bootstrap", f"{stage}er"]
        return [name for name in stacks if may(documents, action, resource.format(name), stage=stage)]

    assert {"Key": "stage", "Value": stage} in tags
    for action, resource in {
        "cloudformation:ExecuteChangeSet": f"arn:aws:cloudformation:{ACCOUNT}:stack/obesity-levels-{{}}/1",
        "lambda:UpdateFunctionCode": f"arn:aws:lambda:{ACCOUNT}:function:obesity-levels-{{}}",
        "lambda:UpdateAlias": f"arn:aws:lambda:{ACCOUNT}:function:obesity-levels-{{}}:live",
        "lambda:CreateFunction": f"arn:aws:lambda:{ACCOUNT}:function:CodeDeployHook_obesity-levels-{{}}",
        "iam:GetRole": f"{ROLE}/obesity-levels-{{}}-ApiFunctionRole-1A",
        "codedeploy:CreateDeployment": f"arn:aws:codedeploy:{ACCOUNT}:deploymentgroup:obesity-levels-{{}}-App-1A/x",
        "cloudwatch:PutMetricAlarm": f"arn:aws:cloudwatch:{ACCOUNT}:alarm:obesity-levels-{{}}-throttles",
        "sns:CreateTopic": f"arn:aws:sns:{ACCOUNT}:obesity-levels-{{}}-AlarmTopic-1A",
        "s3:PutObject": "arn:aws:s3:::bucket/sam/{}/artifact",
    }.items():
        assert reaches(action, resource) == [stage], action


def test_who_deploys_makes_roles_with_the_boundary_and_its_own_stages_tag_only() -> None:
    documents = policies(bootstrap(), "DeployDevRole")
    role = f"{ROLE}/obesity-levels-dev-ApiFunctionRole-1A"
    table = [
        ("iam:CreateRole", {"boundary": BOUNDARY, "tagged": "dev"}, True),
        ("iam:CreateRole", {"tagged": "dev"}, False),
        ("iam:CreateRole", {"boundary": BOUNDARY}, False),
        ("iam:CreateRole", {"boundary": BOUNDARY, "tagged": "prod"}, False),
        ("iam:CreateRole", {"boundary": "arn:aws:iam::123456789012:policy/mine", "tagged": "dev"}, False),
        ("iam:PutRolePolicy", {"boundary": BOUNDARY}, True),
        ("iam:PutRolePolicy", {}, False),
        ("iam:TagRole", {}, True),
        ("iam:TagRole", {"tagged": "dev"}, True),
        ("iam:TagRole", {"tagged": "prod"}, False),
        ("iam:UntagRole", {}, False),
        ("iam:AttachRolePolicy", {"boundary": BOUNDARY}, False),
        ("iam:DeleteRolePermissionsBoundary", {}, False),
        ("iam:PassRole", {"passed_to": "lambda.amazonaws.com"}, True),
        ("iam:PassRole", {"passed_to": "ec2.amazonaws.com"}, False),
    ]

    assert [may(documents, action, role, stage="dev", **context) for action, context, _ in table] == [
        expected for _, _, expected in table
    ]
    assert not may(
        documents,
        "iam:PutRolePolicy",
        f"{ROLE}/obesity-levels-bootstrap-DeployDevRole-1A",
        stage="dev",
        boundary=BOUNDARY,
    )
    assert not may(documents, "iam:CreatePolicyVersion", BOUNDARY, stage="dev")


@pytest.mark.parametrize(
    ("role", "reads", "writes"),
    [
        ("ReadRole", ["dvc", "registry"], []),
        ("PublishRole", ["dvc", "registry"], ["dvc", "registry"]),
        ("DeployDevRole", ["dvc", "registry", "sam/dev"], ["sam/dev"]),
        ("DeployStagingRole", ["dvc", "registry", "sam/staging"], ["sam/staging"]),
        ("DeployProdRole", ["dvc", "registry", "sam/prod"], ["registry", "sam/prod"]),
    ],
)
def test_each_role_reads_and_writes_its_part_of_the_bucket_and_nobody_deletes(
    role: str, reads: list[str], writes: list[str]
) -> None:
    documents, stage = policies(bootstrap(), role), role.removeprefix("Deploy").removesuffix("Role").lower()
    prefixes = ["dvc", "registry", "sam/dev", "sam/prod", "sam/staging", "elsewhere"]

    def reached(action: str) -> list[str]:
        return [name for name in prefixes if may(documents, action, f"arn:aws:s3:::bucket/{name}/x", stage=stage)]

    assert (reached("s3:GetObject"), reached("s3:PutObject")) == (reads, writes)
    assert reached("s3:DeleteObject") == reached("s3:DeleteObjectVersion") == []
    assert not may(documents, "s3:PutBucketPolicy", "arn:aws:s3:::bucket", stage=stage)
    assert may(documents, "s3:ListBucket", "arn:aws:s3:::bucket", stage=stage)


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
