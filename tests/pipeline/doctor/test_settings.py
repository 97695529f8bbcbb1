"""Settings of a repository, one of them wrong at a time: it is named, and its remedy, pasted into a shell, mends it."""

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.doctor import settings
from pipeline.doctor.finding import Finding, Sign
from pipeline.doctor.place import check_repository
from pipeline.gh import ask
from tests.fixtures.doctor import Mend, SetUp

NAME = "us/obesity"
FILES = ["ci.yml", "deploy.yml", "watch.yml"]
ACTIVE = dict.fromkeys(FILES, "active")
REQUIRED = {"required_status_checks": [{"context": "ci"}, {"context": "model"}]}
RULES = [{"type": "required_status_checks", "parameters": REQUIRED}]

Look = Callable[[], Finding]


def described() -> Any:
    return ask(f"repos/{NAME}").value


def at_repository() -> Finding:
    return check_repository(described())


def at_actions() -> Finding:
    return settings.check_actions(NAME)


def at_workflows() -> Finding:
    return settings.check_workflows(NAME, fork=described()["fork"], files=FILES)


def at_main() -> Finding:
    return settings.check_main(NAME, deployed=False)[0]


def at_main_deployed() -> Finding:
    return settings.check_main(NAME, deployed=True)[0]


def at_pull_requests() -> Finding:
    return settings.check_main(NAME, deployed=False)[1]


def at_issues() -> Finding:
    return settings.check_issues(described(), watched=False)


def at_issues_watched() -> Finding:
    return settings.check_issues(described(), watched=True)


@pytest.mark.parametrize(
    ("changes", "look", "sign", "seen"),
    [
        (
            {"default_branch": "master"},
            at_repository,
            "wrong",
            "the default branch is master; the workflows run on main",
        ),
        ({"actions": {"enabled": False}}, at_actions, "wrong", "GitHub Actions are off"),
        (
            {"actions": {"enabled": True, "allowed_actions": "local_only"}},
            at_actions,
            "wrong",
            "only actions of this owner may run; actions/checkout is GitHub's",
        ),
        (
            {"workflows": ACTIVE | {"ci.yml": "disabled_manually"}},
            at_workflows,
            "wrong",
            "not enabled: ci.yml (disabled_manually)",
        ),
        (
            {"workflows": ACTIVE | {"watch.yml": "disabled_fork"}, "fork": True},
            at_workflows,
            "wrong",
            "not enabled: watch.yml (disabled_fork)",
        ),
        (
            {"workflows": dict.fromkeys(FILES, "disabled_inactivity")},
            at_workflows,
            "wrong",
            f"not enabled: {', '.join(f'{file} (disabled_inactivity)' for file in FILES)}",
        ),
        ({}, at_main, "note", "not protected: whoever may push changes what is published"),
        ({}, at_main_deployed, "wrong", "not protected: whoever may push changes what is published"),
        (
            {"rules": [{"type": "non_fast_forward"}, {"type": "deletion"}]},
            at_main,
            "note",
            "not protected: whoever may push changes what is published",
        ),
        ({"protection": []}, at_main, "note", "protected, but does not require ci and model"),
        ({"protection": ["ci"]}, at_main, "note", "protected, but does not require model"),
        ({"protection": ["train / train", "ci"]}, at_main_deployed, "wrong", "protected, but does not require model"),
        ({}, at_pull_requests, "note", "workflows may not open them: refresh.yml cannot propose newer packages"),
        (
            {"protection": ["ci", "model"]},
            at_pull_requests,
            "wrong",
            "workflows may not open them, and main is protected: results cannot get there",
        ),
        (
            {"rules": RULES},
            at_pull_requests,
            "wrong",
            "workflows may not open them, and main is protected: results cannot get there",
        ),
        ({"has_issues": False}, at_issues, "note", "off: nobody is told of drift"),
        ({"has_issues": False}, at_issues_watched, "wrong", "off: nobody is told of drift"),
    ],
)
def test_what_is_wrong_is_named_and_mended(
    changes: dict[str, Any], look: Look, sign: Sign, seen: str, set_up: SetUp, mend: Mend
) -> None:
    set_up(**changes)
    finding = look()

    assert (finding.sign, finding.seen) == (sign, seen)
    mend(finding)
    assert look().sign == "ok"


@pytest.mark.parametrize(
    ("changes", "look", "seen"),
    [
        ({}, at_repository, "us/obesity, public"),
        ({"fork": True}, at_repository, "us/obesity, public, a fork"),
        ({}, at_actions, "on"),
        ({"workflows": ACTIVE | {"old.yml": "disabled_manually"}}, at_workflows, "3 enabled"),
        ({"protection": ["ci", "model"]}, at_main_deployed, "protected, requires ci and model"),
        ({"rules": RULES}, at_main_deployed, "protected, requires ci and model"),
        ({"protection": ["ci"], "rules": RULES}, at_main_deployed, "protected, requires ci and model"),
        ({"may_create_pull_requests": True}, at_pull_requests, "workflows may open them"),
        ({}, at_issues_watched, "on"),
    ],
)
def test_what_is_right(changes: dict[str, Any], look: Look, seen: str, set_up: SetUp) -> None:
    set_up(**changes)
    assert (look().sign, look().seen, look().remedy) == ("ok", seen, "")


@pytest.mark.parametrize(
    ("changes", "look", "sign", "seen"),
    [
        (
            {"role": "write"},
            at_actions,
            "unknown",
            "cannot tell: Must have admin rights to Repository. (HTTP 403); this needs more rights on the repository",
        ),
        (
            {"role": "write"},
            at_pull_requests,
            "unknown",
            "cannot tell: Must have admin rights to Repository. (HTTP 403); this needs more rights on the repository",
        ),
        ({"visibility": "private"}, at_main, "note", "private repositories cannot protect a branch on this plan"),
        (
            {"visibility": "private"},
            at_repository,
            "note",
            "us/obesity, private: without GitHub Enterprise Cloud models are not attested; their SHA-256 is compared",
        ),
        (
            {"actions": {"enabled": True, "allowed_actions": "selected"}},
            at_actions,
            "note",
            "only selected actions may run: those of .github/ must be among them",
        ),
        ({"workflows": {"ci.yml": "active"}}, at_workflows, "note", "not on main yet: deploy.yml, watch.yml"),
        ({"workflows": ACTIVE | {"ci.yml": "deleted"}}, at_workflows, "note", "not on main yet: ci.yml"),
    ],
)
def test_what_this_person_may_not_see_or_this_plan_has_not_is_no_fault(
    changes: dict[str, Any], look: Look, sign: Sign, seen: str, set_up: SetUp
) -> None:
    set_up(**changes)
    assert (look().sign, look().seen) == (sign, seen)


def test_a_fork_whose_actions_were_never_switched_on_is_told_where_to_click(set_up: SetUp) -> None:
    set_up(fork=True)
    assert at_workflows() == Finding(
        "workflows", "wrong", "off, as in every new fork", "open https://github.com/us/obesity/actions"
    )


def test_tokens_with_a_subject_of_ones_own_get_no_role(set_up: SetUp, mend: Mend) -> None:
    set_up(subject={"use_default": False, "include_claim_keys": ["repo"], "use_immutable_subject": True})
    (finding,), immutable = settings.check_tokens(NAME, "2026-09-01T08:00:00Z")

    assert (finding.seen, immutable) == ("their subject is customized: no role can be taken", True)
    mend(finding)
    assert settings.check_tokens(NAME, "2026-09-01T08:00:00Z") == ([], True)


@pytest.mark.parametrize(
    ("subject", "created", "immutable"),
    [
        ({"use_default": True}, "2026-07-14T23:59:59Z", False),
        ({"use_default": True}, "2026-07-15T00:00:01Z", True),
        ({"use_default": True, "use_immutable_subject": True}, "2020-01-01T00:00:00Z", True),
    ],
)
def test_new_repositories_have_their_number_in_their_tokens(
    subject: dict[str, bool], created: str, immutable: bool, set_up: SetUp
) -> None:
    set_up(subject=subject)
    assert settings.check_tokens(NAME, created) == ([], immutable)
