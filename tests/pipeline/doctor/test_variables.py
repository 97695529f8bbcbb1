"""Variables as a team may leave them -> what is wrong with them, and the command that sets them right."""

import pytest

from pipeline.doctor.finding import Finding
from pipeline.doctor.variables import check_variables, stages_of, uses_aws

ARN = "arn:aws:iam::123456789012:role/x"
REGION = {"AWS_REGION": "eu-central-1"}
ROLES = {"AWS_ROLE_READ": ARN, "AWS_ROLE_PUBLISH": ARN}
WATCHED = "cloudwatch:/aws/lambda/x"


@pytest.mark.parametrize(
    ("variables", "seen"),
    [
        (ROLES, "AWS_REGION is not set, and AWS_ROLE_READ needs it"),
        (ROLES | {"AWS_REGIONS": "x"}, "AWS_REGION is not set, and AWS_ROLE_READ needs it (is AWS_REGIONS meant?)"),
        (REGION | {"AWS_ROLE_READ": ARN}, "AWS_ROLE_PUBLISH is not set, and AWS_ROLE_READ needs it"),
        (REGION | {"AWS_ROLE_PUBLISH": ARN}, "AWS_ROLE_READ is not set, and AWS_ROLE_PUBLISH needs it"),
        (REGION | ROLES | {"AWS_ROLE_READ": ""}, "AWS_ROLE_READ is not set, and AWS_ROLE_PUBLISH needs it"),
        (REGION | {"DEPLOY_STAGES": "dev", "AWS_REGION": ""}, "AWS_REGION is not set, and DEPLOY_STAGES needs it"),
        (REGION | {"WATCH_LOG": WATCHED}, "AWS_ROLE_WATCH is not set, and WATCH_LOG needs it"),
        (REGION | {"AWS_ROLE_WATCH": ARN}, "WATCH_LOG is not set, and AWS_ROLE_WATCH needs it"),
        ({"AWS_REGION": "Frankfurt"}, "AWS_REGION is 'Frankfurt', expected a region such as eu-central-1"),
        ({"REGISTRY_URL": "b/registry"}, "REGISTRY_URL is 'b/registry', expected s3://bucket/prefix or git:origin"),
        (
            {"MLFLOW_TRACKING_URI": "mlflow.db"},
            "MLFLOW_TRACKING_URI is 'mlflow.db', expected the address of a server, http(s)://...",
        ),
        (
            REGION | ROLES | {"AWS_ROLE_READ": "x"},
            "AWS_ROLE_READ is 'x', expected the ARN of a role, arn:aws:iam::123456789012:role/NAME",
        ),
    ],
)
def test_what_is_wrong_is_named_and_bootstrap_prints_what_sets_it_right(variables: dict[str, str], seen: str) -> None:
    assert check_variables(variables, "us/obesity") == [Finding("variables", "wrong", seen, "make bootstrap")]


def test_each_fault_is_a_line_of_its_own() -> None:
    found = check_variables({"REGISTRY_URL": "s3://bucket/registry"}, "us/obesity")
    assert [one.seen.partition(" ")[0] for one in found] == ["AWS_REGION", "AWS_ROLE_READ", "AWS_ROLE_PUBLISH"]


def test_stages_that_cannot_be_read_are_set_right_by_one_command() -> None:
    (found,) = check_variables(REGION | {"DEPLOY_STAGES": "production"}, "us/obesity")
    assert found.seen.startswith("DEPLOY_STAGES: found 'production', expected some of dev, staging, prod")
    assert found.remedy == """gh variable set DEPLOY_STAGES --repo us/obesity --body '["staging", "prod"]'"""
    assert stages_of({"DEPLOY_STAGES": "production"}) == stages_of({}) == ()


@pytest.mark.parametrize(
    ("variables", "sign", "seen"),
    [
        ({}, "ok", "none is set: the registry is kept in this repository"),
        ({"RETRAIN_ON_DRIFT": "false"}, "ok", "1 set, and each has what it needs"),
        ({"REGISTRY_URL": "git:origin"}, "ok", "1 set, and each has what it needs"),
        ({"WATCH_LOG": "service.log"}, "ok", "1 set, and each has what it needs"),
        (REGION | ROLES, "ok", "3 set, and each has what it needs"),
        (
            {"MLFLOW_TRACKING_URI": "https://mlflow.example", "REGISTRY_URL": "git:origin"},
            "note",
            "MLFLOW_TRACKING_URI names a server, so REGISTRY_URL is not used",
        ),
        (
            {"AWS_ROLE_DEPLOY": ARN},
            "note",
            "AWS_ROLE_DEPLOY is set for the whole repository: each stage has a role of its own, in its environment",
        ),
    ],
)
def test_what_is_right_or_not_needed(variables: dict[str, str], sign: str, seen: str) -> None:
    (found,) = check_variables(variables, "us/obesity")
    assert (found.sign, found.seen) == (sign, seen)


@pytest.mark.parametrize(
    ("variables", "uses"),
    [
        ({}, False),
        ({"REGISTRY_URL": "git:origin", "WATCH_LOG": "x.log", "RETRAIN_ON_DRIFT": "true"}, False),
        ({"REGISTRY_URL": "s3://bucket/registry"}, True),
        ({"WATCH_LOG": WATCHED}, True),
        ({"DEPLOY_STAGES": "dev"}, True),
        (REGION, True),
    ],
)
def test_aws_is_used_once_anything_names_it(variables: dict[str, str], uses: bool) -> None:
    assert uses_aws(variables) == uses
