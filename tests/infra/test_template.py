"""template.yaml as SAM expands it and CloudFormation resolves it, for every combination of its parameters."""

import itertools
import re
import tomllib
from collections.abc import Callable
from typing import Any

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from tests.fakes.cloudformation import Stack
from tests.fixtures.templates import JWT, RELEASE, ExpandedTemplates, allowed, expansions, read
from tests.paths import ROOT

MakeStack = Callable[..., Stack]

EMAIL = "ada@example.org"


def test_sam_itself_reads_only_how_traffic_moves_and_the_release(expanded: ExpandedTemplates) -> None:
    results: dict[tuple[str, str], set[int]] = {}
    for parameters, number in zip(expansions(), expanded.numbers, strict=True):
        results.setdefault((parameters["Canary"], parameters["Release"]), set()).add(number)

    assert len(results) == 2 * len(allowed("Canary"))
    assert {len(numbers) for numbers in results.values()} == {1}


def test_every_combination_of_parameters_resolves_without_a_dangling_name(make_stack: MakeStack) -> None:
    choices: list[list[dict[str, str]]] = [
        [{"AuthMode": "iam"}, JWT, {"AuthMode": "none"}],
        [{}, {"CorsOrigins": "https://a.example,https://b.example"}],
        [{"SnapStart": value} for value in allowed("SnapStart")],
        [{}, {"ReservedConcurrency": "5"}],
        [{}, {"PermissionsBoundary": "obesity-levels-boundary"}],
        [{}, {"Release": RELEASE, "ModelDescription": "model 3"}],
        [{"Telemetry": value} for value in allowed("Telemetry")],
        [{"Tracing": value} for value in allowed("Tracing")],
        [{}, {"AlarmEmail": EMAIL}, {"AlarmEmail": EMAIL, "MonthlyBudget": "20"}],
    ]
    for chosen in itertools.product(*choices):
        parameters = {name: value for choice in chosen for name, value in choice.items()}
        stack = make_stack(**parameters)  # a name that is not there raises

        assert stack.refusals() == []
        assert len(stack.of("AWS::ApiGatewayV2::Authorizer")) == (parameters["AuthMode"] == "jwt")
        assert len(stack.of("AWS::SNS::Topic")) == ("AlarmEmail" in parameters)
        assert len(stack.of("AWS::Budgets::Budget")) == ("MonthlyBudget" in parameters)


@pytest.mark.parametrize(
    ("parameters", "refusals"),
    [
        ({}, []),
        (JWT, []),
        (
            {"AuthMode": "jwt"},
            [
                "AuthMode jwt needs JwtIssuer, the address that issues the tokens.",
                "AuthMode jwt needs JwtAudience, or tokens for any other service would be accepted.",
            ],
        ),
        ({"MonthlyBudget": "20"}, ["MonthlyBudget needs AlarmEmail, the address that the message is sent to."]),
        (
            {"ModelDescription": "model 3"},
            ["ModelDescription needs Release, so that a new description makes a new version."],
        ),
    ],
)
def test_parameters_that_would_do_nothing_or_harm_are_refused_before_anything_is_made(
    parameters: dict[str, str], refusals: list[str]
) -> None:
    assert Stack(read("template.yaml") | {"Resources": {}, "Outputs": {}}, parameters).refusals() == refusals


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        ("JwtIssuer", ["", "https://issuer.example/realm"], ["issuer.example", "http://issuer.example"]),
        ("JwtAudience", ["", "one", "one,two"], ["one, two", ",", "one,"]),
        (
            "CorsOrigins",
            ["", "*", "https://a.example,http://localhost:5173"],
            ["a.example", "https://a.example/", "*,*"],
        ),
        ("ReservedConcurrency", ["", "0", "10"], ["-1", "ten"]),
        ("PermissionsBoundary", ["", "obesity-levels-boundary"], ["arn:aws:iam::123456789012:policy/x"]),
        ("Release", ["", RELEASE], ["v1.0", "0123"]),
        ("AlarmEmail", ["", EMAIL], ["ada", "ada@example.org, bob@example.org"]),
    ],
)
def test_a_parameter_takes_what_it_says_and_nothing_else(parameter: str, good: list[str], bad: list[str]) -> None:
    pattern = read("template.yaml")["Parameters"][parameter]["AllowedPattern"]

    assert [value for value in [*good, *bad] if re.search(pattern, value)] == good


def test_the_api_needs_credentials_by_default() -> None:
    assert read("template.yaml")["Parameters"]["AuthMode"]["Default"] == "iam"


@pytest.mark.parametrize("canary", allowed("Canary"))
def test_traffic_moves_as_the_parameter_says_and_alarms_and_failures_move_it_back(
    make_stack: MakeStack, canary: str
) -> None:
    stack = make_stack(Canary=canary)

    ((_, group),) = stack.of("AWS::CodeDeploy::DeploymentGroup").items()
    assert group["DeploymentConfigName"] == f"CodeDeployDefault.Lambda{canary}"
    assert group["AutoRollbackConfiguration"] == {
        "Enabled": True,
        "Events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"],
    }
    assert group["AlarmConfiguration"]["Enabled"]
    assert {alarm["Name"] for alarm in group["AlarmConfiguration"]["Alarms"]} == set(stack.of("AWS::CloudWatch::Alarm"))


def test_the_golden_hook_runs_before_traffic_moves_and_knows_the_new_version(make_stack: MakeStack) -> None:
    stack = make_stack()

    ((version, _),) = stack.of("AWS::Lambda::Version").items()
    alias = stack.resources["ApiFunctionAliaslive"]
    hook = stack.resources["GoldenHook"]["Properties"]
    assert alias["UpdatePolicy"] == {
        "CodeDeployLambdaAliasUpdate": {
            "ApplicationName": "obesity-levels-dev-ServerlessDeploymentApplication-1A",
            "DeploymentGroupName": "obesity-levels-dev-ApiFunctionDeploymentGroup-1A",
            "BeforeAllowTrafficHook": "GoldenHook",
        }
    }
    assert alias["Properties"]["FunctionVersion"] == f"{version}.Version"
    assert hook["Environment"] == {"Variables": {"NEW_VERSION": version}}
    assert hook["FunctionName"] == "CodeDeployHook_obesity-levels-dev"
    # The hook waits a little longer than the function may take, for each of its questions.
    assert hook["Timeout"] >= 3 * (stack.resources["ApiFunction"]["Properties"]["Timeout"] + 5)


def test_another_release_is_another_version_even_of_the_same_code(expanded: ExpandedTemplates) -> None:
    """SAM names a version by its code alone; without a release, new parameters take no effect."""

    def version(release: str) -> tuple[str, Any]:
        template = expanded.template(release=release)
        versions = Stack(template, {"Release": release}).of("AWS::Lambda::Version")
        return next(iter(versions)), template["Resources"]["ApiFunction"]["Properties"]["Environment"]

    assert version(RELEASE)[0] == f"ApiFunctionVersion{RELEASE[:10]}"
    assert version("")[0] != version(RELEASE)[0]
    assert version("")[1] == version(RELEASE)[1]


def test_the_function_itself_changes_with_the_release_or_lambda_would_publish_nothing(make_stack: MakeStack) -> None:
    variables = [
        make_stack(**parameters).resources["ApiFunction"]["Properties"]["Environment"]["Variables"].get("RELEASE")
        for parameters in ({}, {"Release": RELEASE})
    ]
    assert variables == [None, RELEASE]


def test_an_old_version_outlives_the_stack_update_that_replaces_it(make_stack: MakeStack) -> None:
    ((name, properties),) = make_stack(Release=RELEASE, ModelDescription="model 3").of("AWS::Lambda::Version").items()

    assert make_stack(Release=RELEASE).resources[name]["DeletionPolicy"] == "Retain"
    assert properties["Description"] == "model 3"


def test_telemetry_is_named_to_the_service_only_where_it_is_not_the_default(make_stack: MakeStack) -> None:
    def environment(**parameters: str) -> dict[str, str]:
        variables: dict[str, str] = make_stack(**parameters).resources["ApiFunction"]["Properties"]["Environment"][
            "Variables"
        ]
        return variables

    assert environment(Stage="prod") == {
        "ORT_DISABLE_TELEMETRY": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYDANTIC_DISABLE_PLUGINS": "__all__",
        "OBESITY_NAMESPACE": "ObesityLevels/obesity-levels-prod",
    }
    assert environment(Telemetry="off")["OBESITY_TELEMETRY"] == "off"


def test_the_function_is_what_its_parameters_say(make_stack: MakeStack) -> None:
    stack = make_stack(
        Architecture="arm64", MemorySize="512", SnapStart="on", ReservedConcurrency="7", Tracing="Active", Stage="prod"
    )

    function = stack.resources["ApiFunction"]["Properties"]
    assert {name: function[name] for name in ("Architectures", "MemorySize", "SnapStart", "TracingConfig")} == {
        "Architectures": ["arm64"],
        "MemorySize": "512",
        "SnapStart": {"ApplyOn": "PublishedVersions"},
        "TracingConfig": {"Mode": "Active"},
    }
    assert function["ReservedConcurrentExecutions"] == "7"
    assert "ReservedConcurrentExecutions" not in make_stack().resources["ApiFunction"]["Properties"]
    assert function["FunctionName"] == "obesity-levels-prod"


def test_every_function_writes_to_a_log_of_the_stack_and_every_log_ends(make_stack: MakeStack) -> None:
    stack = make_stack(LogRetentionDays="7")

    groups = stack.of("AWS::Logs::LogGroup")
    assert {group["LogGroupName"]: group["RetentionInDays"] for group in groups.values()} == {
        "/aws/lambda/obesity-levels-dev": "7",
        "/aws/lambda/CodeDeployHook_obesity-levels-dev": "7",
        "/aws/vendedlogs/apigateway/obesity-levels-dev": "7",
    }
    written = {
        name: function["LoggingConfig"]["LogGroup"] for name, function in stack.of("AWS::Lambda::Function").items()
    }
    assert written == {
        "ApiFunction": "/aws/lambda/obesity-levels-dev",
        "GoldenHook": "/aws/lambda/CodeDeployHook_obesity-levels-dev",
    }
    # No role may make a log group: one that somebody deleted would come back without an end.
    assert "logs:CreateLogGroup" not in str(stack.of("AWS::IAM::Role"))


def taggable(kind: str) -> str | None:
    """The property that holds a resource's tags, if its type has tags."""
    tagging = PROVIDER_SCHEMA_MANAGER.get_resource_schema("eu-central-1", kind).schema.get("tagging", {})
    return str(tagging["tagProperty"]).rpartition("/")[2] if tagging.get("taggable") else None


def test_every_resource_that_can_be_tagged_has_its_project_and_stage(make_stack: MakeStack) -> None:
    stack = make_stack(Stage="staging", AlarmEmail=EMAIL, MonthlyBudget="20")

    tagged = 0
    for name, resource in stack.resources.items():
        if property_name := taggable(resource["Type"]):
            tags = resource["Properties"].get(property_name, {})
            values = tags if isinstance(tags, dict) else {tag["Key"]: tag["Value"] for tag in tags}
            assert {"project": "obesity-levels", "stage": "staging"}.items() <= values.items(), name
            tagged += 1
    assert tagged > 15


def test_the_outputs_are_what_the_commands_read(make_stack: MakeStack) -> None:
    assert make_stack(Stage="prod", AuthMode="none").outputs == {
        "ApiUrl": "https://Api.execute-api.eu-central-1.amazonaws.com",
        "FunctionName": "obesity-levels-prod",
        "FunctionAlias": "live",
        "LogGroup": "/aws/lambda/obesity-levels-prod",
        "AuthMode": "none",
        "DashboardUrl": (
            "https://eu-central-1.console.aws.amazon.com/cloudwatch/home?region=eu-central-1"
            "#dashboards/dashboard/obesity-levels-prod"
        ),
    }


def test_each_stage_of_samconfig_is_a_separate_stack_that_scripts_can_deploy() -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text())
    stages = {"default": "dev", "staging": "staging", "prod": "prod"}

    deploys = {name: config[name]["deploy"]["parameters"] for name in stages}
    assert {stage: deploys[name]["stack_name"] for name, stage in stages.items()} == {
        stage: f"obesity-levels-{stage}" for stage in allowed("Stage")
    }
    for name, stage in stages.items():
        deploy = deploys[name]
        parameters = dict(pair.split("=", 1) for pair in deploy["parameter_overrides"])
        assert parameters.keys() <= read("template.yaml")["Parameters"].keys()
        assert (parameters["Stage"], deploy["s3_prefix"]) == (stage, f"sam/{stage}")
        assert (deploy["resolve_s3"], deploy["fail_on_empty_changeset"]) == (True, False)
        assert config[name]["build"]["parameters"] == {"build_in_source": True}
    assert [name for name in stages if deploys[name]["confirm_changeset"]] == ["prod"]
