"""A stage's environment, one thing wrong at a time: it is named, and its remedy, pasted into a shell, mends it."""

from typing import Any

import pytest

from pipeline.doctor.environments import check_environment
from pipeline.doctor.finding import Finding
from pipeline.gh import Repository
from pipeline.ship.stages import Stage
from tests.fakes.github_settings import environment
from tests.fixtures.doctor import Mend, SetUp

ARN = "arn:aws:iam::123456789012:role/x"
SELECTED = {"protected_branches": False, "custom_branch_policies": True}
PROTECTED = {"protected_branches": True, "custom_branch_policies": False}


def right(**changes: Any) -> dict[str, Any]:
    """An environment that nothing is wrong with."""
    values = {"policy": SELECTED, "branches": ["main"], "reviewers": [{"type": "User", "id": 5}]}
    return environment(variables={"AWS_ROLE_DEPLOY": ARN}, **values | changes)


def look(stage: Stage = "prod", visibility: str = "public") -> list[Finding]:
    return check_environment(Repository("us", "obesity", "11", "22", visibility), stage)[0]


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({"policy": None}, "any branch may deploy"),
        ({"policy": PROTECTED}, "any protected branch may deploy, not only main"),
        ({"branches": []}, "main may not deploy"),
        ({"branches": ["main", "release/*"]}, "not only main may deploy: branch release/*"),
        ({"branches": ["x", "main", "y"]}, "not only main may deploy: branch x, branch y"),
        ({"reviewers": []}, "nobody is asked before a deployment"),
    ],
)
def test_what_is_wrong_is_named_and_mended(changes: dict[str, Any], seen: str, set_up: SetUp, mend: Mend) -> None:
    set_up(environments={"prod": right(**changes)})
    (finding,) = look()

    assert (finding.check, finding.sign, finding.seen) == ("environment prod", "wrong", seen)
    mend(finding)
    assert look() == [Finding("environment prod", "ok", "only main deploys, after one of 1 approved it")]


def test_a_remedy_keeps_what_a_team_set(set_up: SetUp, mend: Mend) -> None:
    team = [{"type": "Team", "id": 7}, {"type": "User", "id": 8}]
    set_up(environments={"prod": right(policy=None, branches=[], reviewers=team)})
    mend(look()[0])
    assert look() == [Finding("environment prod", "ok", "only main deploys, after one of 2 approved it")]


def test_only_prod_asks_somebody(set_up: SetUp) -> None:
    set_up(environments={"staging": right(reviewers=[])})
    assert look("staging") == [Finding("environment staging", "ok", "only main deploys")]


def test_an_environment_that_is_not_there_is_made_and_then_lacks_its_role(set_up: SetUp, mend: Mend) -> None:
    set_up()
    (finding,) = look()

    assert finding.seen == "there is none"
    mend(finding)
    assert look() == [Finding("environment prod", "wrong", "its variable AWS_ROLE_DEPLOY is not set", "make bootstrap")]


def test_a_role_that_is_none_is_named(set_up: SetUp) -> None:
    set_up(environments={"prod": right() | {"variables": {"AWS_ROLE_DEPLOY": "prod"}}})
    (finding,) = look()
    assert finding.seen == "AWS_ROLE_DEPLOY is 'prod', expected the ARN of a role"


def test_a_private_repository_has_environments_and_reviewers_by_its_plan(set_up: SetUp) -> None:
    set_up(visibility="private", plan="team", environments={"prod": right(reviewers=[])})
    (team,) = look(visibility="private")
    reason = "reviewers in a private repository need GitHub Enterprise (Free, Pro and Team have them in public ones)"
    assert (team.sign, team.seen) == ("note", f"nobody is asked before a deployment: {reason}")
    set_up(visibility="private", plan="free", environments={"prod": right()})
    (free,) = look(visibility="private")
    assert free.seen == "there is none; environments in a private repository need GitHub Pro, Team or Enterprise"


def test_variables_that_this_person_may_not_see_are_no_fault(set_up: SetUp) -> None:
    set_up(role="read", environments={"prod": right()})
    (finding,) = look()
    assert (finding.sign, finding.seen[:40]) == ("unknown", "cannot tell: Resource not accessible by ")
