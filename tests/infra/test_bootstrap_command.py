"""What `pipeline bootstrap` prints is pasted into a shell here: GitHub's side is a strict `gh`, DVC's a stub."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline.gh import Repository, find_repository
from pipeline.ship import bootstrap
from pipeline.ship.bootstrap import STACK, setup_commands
from pipeline.ship.environments import protection
from pipeline.ship.stack import Stack
from pipeline.ship.stages import STAGES
from tests.fakes.gh_command import parsed
from tests.fakes.github_settings import environment
from tests.fixtures.doctor import SetUp
from tests.fixtures.templates import read

OUTPUTS = {name: f"<{name}>" for name in read("infra/bootstrap.yaml")["Outputs"]}
MAIN_ONLY = {"policy": {"protected_branches": False, "custom_branch_policies": True}, "branches": ["main"]}
ADA = [{"type": "User", "id": 5}]


@pytest.fixture
def gh(tmp_path: Path, set_up: SetUp) -> Path:
    """A folder with a gh and a dvc, first on PATH."""
    set_up()
    (tmp_path / "dvc").write_text('#!/bin/sh\necho "$@" > "$(dirname "$0")/dvc.asked"\n', encoding="utf-8")
    (tmp_path / "dvc").chmod(0o755)
    return tmp_path


def printed() -> list[str]:
    ours = find_repository("us/obesity")
    return setup_commands(Stack(STACK, "CREATE_COMPLETE", OUTPUTS), ours.full_name, protection(ours).commands)


def pasted(lines: list[str]) -> "subprocess.CompletedProcess[str]":
    script = "set -e\n" + "\n".join(lines)
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)


def kept(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "state.json").read_text())  # type: ignore[no-any-return]


def test_pasting_the_lines_protects_every_stage_and_sets_every_variable(gh: Path) -> None:
    done = pasted(printed())

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    environments = kept(gh)["environments"]
    assert list(environments) == list(STAGES)
    for stage in STAGES:
        assert {key: environments[stage][key] for key in MAIN_ONLY} == MAIN_ONLY
        assert environments[stage]["reviewers"] == (ADA if stage == "prod" else [])
        assert environments[stage]["variables"] == {"AWS_ROLE_DEPLOY": f"<Deploy{stage.capitalize()}RoleArn>"}
    assert kept(gh)["variables"] == {
        "AWS_REGION": "<Region>",
        "AWS_ROLE_READ": "<ReadRoleArn>",
        "AWS_ROLE_PUBLISH": "<PublishRoleArn>",
        "AWS_ROLE_WATCH": "<WatchRoleArn>",
        "REGISTRY_URL": "<RegistryUrl>",
        "ARTIFACTS_BUCKET": "<BucketName>",
        "WATCH_LOG": "cloudwatch:/aws/lambda/obesity-levels-prod",
        "RETRAIN_ON_DRIFT": "false",
        "DEPLOY_STAGES": '["staging", "prod"]',
    }
    assert (gh / "dvc.asked").read_text() == "remote add --force --default storage <DvcUrl>\n"


def test_pasting_them_again_changes_nothing_and_fails_nowhere(gh: Path) -> None:
    lines = printed()
    pasted(lines)
    before = kept(gh)

    for again in (lines, printed()):
        done = pasted(again)
        assert (done.returncode, done.stderr) == (0, "")
        assert kept(gh) == before


def test_reviewers_and_waiting_times_that_a_team_set_stay(gh: Path, set_up: SetUp) -> None:
    team = [{"type": "Team", "id": 7}, {"type": "User", "id": 8}]
    prod = environment(reviewers=team, wait_timer=30, prevent_self_review=True)
    staging = environment(reviewers=team[:1], **MAIN_ONLY)
    set_up(environments={"prod": prod, "staging": staging})
    done = pasted(printed())

    assert (done.returncode, done.stderr) == (0, "")
    now = kept(gh)["environments"]
    assert (now["prod"]["reviewers"], now["prod"]["wait_timer"], now["prod"]["prevent_self_review"]) == (team, 30, True)
    assert (now["staging"]["reviewers"], now["staging"]["branches"]) == (team[:1], ["main"])


@pytest.mark.parametrize(
    ("visibility", "plan", "reviewers", "notes"),
    [
        ("public", "free", ADA, []),
        ("internal", "enterprise", ADA, []),
        ("private", "team", [], ["environments in a private", "reviewers in a private repository need GitHub Enter"]),
    ],
)
def test_prod_asks_somebody_where_the_plan_has_reviewers_and_a_sentence_says_where_not(
    gh: Path,
    set_up: SetUp,
    visibility: str,
    plan: str,
    reviewers: list[dict[str, Any]],
    notes: list[str],
) -> None:
    """A rule that the plan lacks would make GitHub refuse the whole request, and the branches would stay open."""
    set_up(visibility=visibility, plan=plan)
    said = protection(find_repository("us/obesity")).notes

    assert pasted(printed()).returncode == 0
    assert kept(gh)["environments"]["prod"]["reviewers"] == reviewers
    assert kept(gh)["environments"]["prod"]["branches"] == ["main"]
    assert len(said) == len(notes)
    assert all(part in note for part, note in zip(notes, said, strict=True))


def test_an_environment_that_cannot_be_read_is_left_alone(set_up: SetUp) -> None:
    """A team may have reviewers there, and a request that does not name them could remove them."""
    for state, reason in (({"me": None}, "gh is not logged in"), ({"unreachable": True}, "error connecting to api.")):
        set_up(**state)
        made = protection(Repository("us", "obesity", "11", "22", "public"))

        assert made.commands == []
        (note,) = made.notes
        assert note.startswith(f"the lines that protect the environments are missing ({reason}")
        assert note.endswith("log in with `gh auth login`, then run this again")


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        (["-F a[b]=true", "-F a[c]=3", "-f d=3"], {"a": {"b": True, "c": 3}, "d": "3"}),
        (
            ["-F r[][t]=User", "-F r[][i]=1", "-F r[][t]=Team", "-F r[][i]=2"],
            {"r": [{"t": "User", "i": 1}, {"t": "Team", "i": 2}]},
        ),
        (["-F r[]=1", "-F r[]=x"], {"r": [1, "x"]}),
    ],
)
def test_the_fake_reads_fields_as_gh_does(fields: list[str], body: dict[str, Any]) -> None:
    """The examples of `gh api --help`, in short."""
    assert parsed([(field.startswith("-F"), field[3:]) for field in fields]) == body


def test_the_numbers_that_gh_knows_become_parameters() -> None:
    ours = Repository("Us", "Obesity", "12", "34", "public")
    names = {"GitHubOwner": "Us", "GitHubRepository": "Obesity"}

    assert bootstrap._parameters(ours, "") == names | {"GitHubOwnerId": "12", "GitHubRepositoryId": "34"}
    assert bootstrap._parameters(Repository("Us", "Obesity"), "arn:x") == names | {"OidcProvider": "arn:x"}
