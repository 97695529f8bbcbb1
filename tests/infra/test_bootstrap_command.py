"""`pipeline bootstrap` finds the repository, and prints commands that tell GitHub and DVC about the stack."""

import subprocess
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.ship.bootstrap import STACK, Repository, find_repository, setup_commands
from pipeline.ship.stack import Stack
from pipeline.ship.stages import STAGES
from tests.fixtures.templates import read

OUTPUTS = {name: f"<{name}>" for name in read("infra/bootstrap.yaml")["Outputs"]}


@pytest.mark.parametrize(
    ("origin", "full_name"),
    [
        ("git@github.com:us/obesity-levels.git", "us/obesity-levels"),
        ("https://github.com/us/obesity.levels", "us/obesity.levels"),
        ("https://github.com/us/obesity-levels.git/", "us/obesity-levels"),
    ],
)
def test_the_repository_is_the_one_that_origin_points_to(
    origin: str, full_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "--quiet"], check=True)
    subprocess.run(["git", "remote", "add", "origin", origin], check=True)
    assert find_repository(None).full_name == full_name


def test_an_origin_elsewhere_and_a_name_without_owner_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="origin is not on GitHub: name the repository"):
        find_repository(None)
    for given in ("obesity-levels", "us/", "/x", "a/b/c"):
        with pytest.raises(InputError, match="expected owner/name"):
            find_repository(given)


def test_ids_that_gh_knows_become_parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gh = tmp_path / "gh"
    gh.write_text('#!/bin/sh\n[ "$2" = repos/us/obesity ] && echo \'{"owner_id": 12, "id": 34}\'\n', encoding="utf-8")
    gh.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert find_repository("us/obesity").parameters() == {
        "GitHubOwner": "us",
        "GitHubRepository": "obesity",
        "GitHubOwnerId": "12",
        "GitHubRepositoryId": "34",
    }


def test_every_variable_is_set_from_an_output_that_the_template_has() -> None:
    lines = setup_commands(Stack(STACK, "CREATE_COMPLETE", OUTPUTS), Repository("us", "obesity"))
    assert lines[:2] == [
        "gh variable set AWS_REGION --repo us/obesity --body <Region>",
        "gh variable set REGISTRY_URL --repo us/obesity --body <RegistryUrl>",
    ]
    for stage in STAGES:
        role = f"<Deploy{stage.capitalize()}RoleArn>"
        assert f"gh variable set AWS_ROLE_DEPLOY --repo us/obesity --env {stage} --body {role}" in lines
    assert lines[-1] == "dvc remote add --force --default storage <DvcUrl>"
    assert {line.split()[3] for line in lines if line.startswith("gh variable")} == {
        *("AWS_REGION", "REGISTRY_URL", "ARTIFACTS_BUCKET", "AWS_ROLE_READ", "AWS_ROLE_PUBLISH", "AWS_ROLE_WATCH"),
        "AWS_ROLE_DEPLOY",
    }
