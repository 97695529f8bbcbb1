"""What each role may do: the stack's own, and those that GitHub takes from infra/bootstrap.yaml."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cfnlint
import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from tests.fakes.cloudformation import Stack
from tests.fakes.iam import listed, statements
from tests.fixtures.templates import allowed
from tests.infra.roles import NUMBERS, bootstrap, everything, may, policies

MakeStack = Callable[..., Stack]
# Missing in AWS's list: its own guides (SAM's on gradual deployments, the CDK) name the deployment group.
NARROWER_THAN_LISTED = {"codedeploy:PutLifecycleEventHookExecutionStatus"}

ACCOUNT = "eu-central-1:123456789012"
SERVICES: dict[str, Any] = json.loads(
    (Path(cfnlint.__file__).parent / "data/AdditionalSpecs/Policies.json").read_text()
)
"""AWS's own list of services, their actions, and the kinds of resource that each action knows."""


@pytest.fixture(scope="module")
def stacks(make_stack: MakeStack) -> list[Stack]:
    """Both templates with everything in them switched on."""
    return [make_stack(Tracing="Active", AlarmEmail="ada@example.org"), bootstrap(**NUMBERS)]


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
def test_the_boundary_allows_everything_that_a_role_of_the_stack_may_do(make_stack: MakeStack, stage: str) -> None:
    boundary = bootstrap().resources["Boundary"]["Properties"]["PolicyDocument"]
    stack = make_stack(Stage=stage, Tracing="Active")

    asked = [
        (action, resource)
        for statement in everything(stack)
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    ]
    assert len(asked) > 10
    for action, resource in asked:
        concrete = resource.replace("*", "9")
        assert may([boundary], action, concrete, stage=stage), (action, resource)
        of_this_stage_only = f"obesity-levels-{stage}" in resource
        assert may([boundary], action, concrete, stage="other") != of_this_stage_only, (action, resource)


def test_every_role_of_the_stack_takes_the_boundary_that_is_named(make_stack: MakeStack) -> None:
    roles = make_stack(PermissionsBoundary="obesity-levels-boundary").of("AWS::IAM::Role")

    assert set(roles) == {"ApiFunctionRole", "GoldenHookRole", "CodeDeployRole"}
    assert {role["PermissionsBoundary"] for role in roles.values()} == {
        "arn:aws:iam::123456789012:policy/obesity-levels-boundary"
    }
    assert not any("PermissionsBoundary" in role for role in make_stack().of("AWS::IAM::Role").values())


def test_the_hook_may_invoke_this_function_and_report_to_this_deployment_only(make_stack: MakeStack) -> None:
    documents = policies(make_stack(), "GoldenHookRole")
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


def test_a_deployer_may_do_all_that_cloudformation_needs_for_the_types_of_the_stack(make_stack: MakeStack) -> None:
    stack = make_stack(
        AlarmEmail="ada@example.org", MonthlyBudget="20", AuthMode="jwt", JwtIssuer="https://i", JwtAudience="a"
    )
    granted = {
        action
        for statement in statements(policies(bootstrap(), "DeployProdRole"))
        for action in listed(statement["Action"])
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


def test_a_deployer_may_ask_for_the_golden_answers_over_https_and_a_pull_request_may_not() -> None:
    for role, expected in (("DeployProdRole", True), ("ReadRole", False), ("PublishRole", False), ("WatchRole", False)):
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
def test_a_deployer_reaches_its_stage_and_neither_another_stage_nor_the_deployers_roles(stage: str, role: str) -> None:
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


def test_a_deployer_makes_only_roles_with_the_boundary_and_its_own_stages_tag() -> None:
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
def test_each_role_reads_and_writes_its_part_of_the_bucket_and_none_deletes(
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


def test_only_the_watch_reads_logs_and_of_the_bucket_it_has_its_references_alone() -> None:
    group = f"arn:aws:logs:{ACCOUNT}:log-group:/aws/lambda/obesity-levels-prod"
    watch = policies(bootstrap(), "WatchRole")
    keys = ["registry/references.json", "registry/state.json", "dvc/files/md5/aa/bb", "sam/prod/artifact"]

    readers = [
        role
        for role in bootstrap().of("AWS::IAM::Role")
        if may(policies(bootstrap(), role), "logs:FilterLogEvents", group, stage="prod")
    ]
    assert readers == ["WatchRole"]
    for action in ("s3:GetObject", "s3:PutObject"):
        assert [key for key in keys if may(watch, action, f"arn:aws:s3:::bucket/{key}")] == keys[:1]
    assert may(watch, "s3:ListBucket", "arn:aws:s3:::bucket")


def test_a_trust_policy_is_as_short_as_iam_asks_however_long_the_names_are() -> None:
    """2,048 characters, without white space: IAM User Guide, "IAM and AWS STS quotas"."""
    names = {"GitHubOwner": "o" * 39, "GitHubRepository": "r" * 100}
    stack = bootstrap(**names, GitHubOwnerId="9" * 10, GitHubRepositoryId="9" * 10)
    for role, properties in stack.of("AWS::IAM::Role").items():
        assert len(json.dumps(properties["AssumeRolePolicyDocument"], separators=(",", ":"))) <= 2048, role
