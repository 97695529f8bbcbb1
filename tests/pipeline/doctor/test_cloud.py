"""An account on AWS with one thing wrong at a time -> what is said of its roles, its registry and its stages."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.doctor.cloud import (
    KeptChampion,
    NamedRole,
    check_account,
    check_registry,
    check_roles,
    check_stage,
    read_champion,
)
from pipeline.doctor.finding import Finding
from pipeline.errors import RegistryError
from pipeline.gh import Repository
from pipeline.registry import Registry
from pipeline.registry.remote_store import push
from tests.fixtures.aws import RefusingAws
from tests.fixtures.doctor import ACCOUNT, CHAMPION, REGION, Cloud
from tests.fixtures.registry import copy_registry

OURS = Repository("us", "obesity", "11", "22", "public")
NAME = "obesity_classifier"


@pytest.fixture
def keys(aws_environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials of the account, and its region."""
    del aws_environment
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)


def roles_of(account: Cloud) -> list[NamedRole]:
    return [
        NamedRole("AWS_ROLE_WATCH", account.roles["WatchRole"]),
        NamedRole("AWS_ROLE_DEPLOY", account.roles["DeployProdRole"], "prod"),
    ]


@pytest.mark.usefixtures("keys")
def test_roles_of_this_account_that_trust_this_repository_are_right(account: Cloud) -> None:
    roles = roles_of(account)

    assert check_account(roles).seen == f"your credentials are of account {ACCOUNT}, as every role is"
    assert [finding.sign for finding in check_roles(roles, OURS, immutable=True)] == ["ok", "ok"]
    renamed = Repository("us", "Obesity", "11", "22", "public")
    assert [finding.seen for finding in check_roles(roles, renamed, immutable=True)] == [
        "its trust policy refuses watch.yml",
        "its trust policy refuses deploy.yml, refuses rollback.yml",
    ]


@pytest.mark.usefixtures("keys")
def test_a_role_that_is_open_gone_or_no_role_is_named(account: Cloud) -> None:
    """Open as infra/bootstrap.yaml once left it: to any branch and any workflow."""
    provider = "token.actions.githubusercontent.com"
    equals = {f"{provider}:aud": "sts.amazonaws.com", f"{provider}:sub": "repo:us@11/obesity@22:environment:prod"}
    statement = {
        "Effect": "Allow",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Principal": {"Federated": "x"},
        "Condition": {"StringEquals": equals},
    }
    policy, name = json.dumps({"Version": "2012-10-17", "Statement": [statement]}), account.roles["DeployProdRole"]
    account.client("iam").update_assume_role_policy(RoleName=name.rpartition("/")[2], PolicyDocument=policy)
    gone = NamedRole("AWS_ROLE_READ", f"arn:aws:iam::{ACCOUNT}:role/gone")

    assert list(
        check_roles([roles_of(account)[1], gone, NamedRole("AWS_ROLE_PUBLISH", "x")], OURS, immutable=True)
    ) == [
        Finding(
            "role prod",
            "wrong",
            "its trust policy accepts deploy.yml on a branch, accepts other workflows",
            "make bootstrap",
        ),
        Finding("role read", "wrong", "there is no role gone in this account", "make bootstrap"),
        Finding("role publish", "unknown", "cannot tell: AWS_ROLE_PUBLISH is not the ARN of a role"),
    ]


@pytest.mark.usefixtures("keys")
def test_a_role_of_another_account_is_named(account: Cloud) -> None:
    del account
    finding = check_account([NamedRole("AWS_ROLE_READ", "arn:aws:iam::210987654321:role/x")])
    assert (finding.sign, finding.seen) == (
        "wrong",
        f"role read is of account 210987654321, and your credentials are of {ACCOUNT}",
    )


@pytest.mark.usefixtures("keys")
def test_credentials_that_may_not_look_are_no_fault(
    account: Cloud, refusing_aws: RefusingAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    with refusing_aws("AccessDenied", 403) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        (role,) = check_roles(roles_of(account)[:1], OURS, immutable=True)
        assert (role.sign, role.seen[-50:]) == (
            "unknown",
            "s these credentials (AccessDenied): they need iam:GetRole"[-50:],
        )
        assert check_account([]).sign == check_stage("prod", CHAMPION, "us/obesity").sign == "unknown"


@pytest.mark.usefixtures("keys")
def test_a_stage_answers_with_the_champion_or_with_another_model(account: Cloud) -> None:
    assert check_stage("prod", CHAMPION, "us/obesity").seen == "answers with version 3, the champion"
    unknown = check_stage("prod", None, "us/obesity")
    assert (unknown.sign, unknown.seen[:30]) == ("unknown", "answers with version 3; cannot")

    account.answer_with("prod", "d" * 64, "2")
    other = check_stage("prod", CHAMPION, "us/obesity")
    assert (other.sign, other.seen) == ("wrong", "answers with version 2; the champion is version 3")
    assert other.remedy == "gh workflow run deploy.yml --repo us/obesity -f stage=prod"


@pytest.mark.usefixtures("keys")
def test_a_stage_that_is_not_there_or_does_not_answer(account: Cloud) -> None:
    missing = check_stage("dev", CHAMPION, "us/obesity")
    assert (missing.sign, missing.seen) == ("note", "not deployed yet")

    account.stop()
    silent = check_stage("prod", CHAMPION, "us/obesity")
    assert (silent.sign, silent.seen) == ("wrong", f"{account.health}/health does not answer")
    assert silent.remedy == "pipeline status --stage prod"


def test_the_registry_is_read_without_a_copy_of_it_here(
    two_versions: Path, registry_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    copy_registry(two_versions, tmp_path / "main")
    registry = Registry(f"sqlite:///{tmp_path}/main/mlflow.db")
    registry.promote(NAME, 1, "Production", expected=None)
    push(registry.store, registry_url)
    sha256 = registry.version(NAME, 1).tags["model_sha256"]

    finding, champion = check_registry({"REGISTRY_URL": registry_url}, NAME)
    assert (finding.sign, finding.seen) == ("ok", f"{registry_url}: the champion is version 1")
    assert champion == KeptChampion(1, sha256)
    assert [path.name for path in tmp_path.iterdir()] == ["main"]


def test_a_registry_that_nobody_wrote_to_or_that_cannot_be_read_is_no_fault(
    registry_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty, champion = check_registry({"REGISTRY_URL": registry_url}, NAME)
    assert (empty.sign, champion) == ("note", None)
    assert empty.seen == f"{registry_url}: no champion yet; the first push to main makes one"

    def refused(*_: str) -> Any:
        raise RegistryError("s3://b/registry cannot be read: they need s3:GetObject\nand more")

    monkeypatch.setattr("pipeline.doctor.cloud.read_champion", refused)
    assert check_registry({"REGISTRY_URL": "s3://b/registry"}, NAME)[0] == Finding(
        "registry", "unknown", "cannot tell: s3://b/registry cannot be read: they need s3:GetObject"
    )
    assert read_champion is not refused
