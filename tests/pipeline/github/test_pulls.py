"""Newer locks of the packages: one branch, one pull request, and checks that can go green."""

import pytest

from pipeline.errors import InputError
from pipeline.github.api import GitHub
from pipeline.github.pulls import propose_locks
from pipeline.github.results import LOCKS, HandedOver
from pipeline.github.run import MainRun
from tests.fakes.github import BOT, REPOSITORY, RUN_URL, TOKEN
from tests.fixtures.github import Place

OLD, NEW = {"requirements/dev.txt": "pytest==1\n"}, {"requirements/dev.txt": b"pytest==2\n"}


def proposed(place: Place, locks: dict[str, bytes]) -> list[str]:
    """What refresh.yml does on main's newest commit."""
    with GitHub(place.github.address, TOKEN) as github:
        messages = propose_locks(github, MainRun(REPOSITORY, "main", place.sha("main"), RUN_URL), HandedOver({**locks}))
    return [message.text for message in messages]


@pytest.fixture
def locked(place: Place) -> Place:
    """Main with a lock; GitHub allows the bot to create pull requests."""
    place.push("main", {**OLD})
    place.github.may_create_pulls = True
    place.github.started.clear()
    return place


def test_newer_versions_are_one_commit_of_the_bot_and_one_pull_request_with_its_checks(locked: Place) -> None:
    assert proposed(locked, NEW) == [
        "committed 1 lock(s) to refresh",
        "opened pull request 8",
        "started ci.yml on refresh",
        "started pull-request.yml on refresh",
    ]
    assert locked.git("show", "refresh:requirements/dev.txt") == "pytest==2"
    assert locked.log("refresh")[0] == f"{BOT}: Lock newer versions of the packages"
    assert locked.git("rev-parse", "refresh~1") == locked.sha("main")


def test_what_is_locked_already_is_not_proposed(locked: Place) -> None:
    assert proposed(locked, {"requirements/dev.txt": b"pytest==1\n"}) == ["the newest versions are locked already"]
    assert locked.github.started == []


def test_the_same_again_leaves_the_branch_and_the_results_on_it_as_they_are(locked: Place) -> None:
    proposed(locked, NEW)
    results = locked.push("refresh", {"dvc.lock": "stages: {}\n"})
    assert proposed(locked, NEW) == ["refresh has these versions already", "pull request 8 is open"]
    assert locked.sha("refresh") == results


def test_a_pull_request_that_somebody_closed_is_opened_again_and_names_the_run(locked: Place) -> None:
    proposed(locked, NEW)
    locked.github.pulls[-1]["state"] = "closed"
    assert proposed(locked, NEW)[1] == "opened pull request 9"
    assert f"[This run]({RUN_URL}) locked them" in locked.github.pulls[-1]["body"]


def test_after_main_moved_the_branch_begins_anew_and_keeps_its_pull_request(locked: Place) -> None:
    proposed(locked, NEW)
    locked.push("main", {"params.yaml": "trees: 30\n"})
    assert proposed(locked, NEW)[:2] == ["committed 1 lock(s) to refresh", "pull request 8 is open"]
    assert locked.git("rev-parse", "refresh~1") == locked.sha("main")


def test_nothing_but_locks_is_taken(locked: Place) -> None:
    folder = locked.root.parent / "handed over"
    (folder / ".github/workflows").mkdir(parents=True)
    (folder / ".github/workflows/ci.yml").write_text("on: push\n")
    with pytest.raises(InputError, match=r"holds '\.github/workflows/ci\.yml', which is no result"):
        HandedOver.from_folder(folder, LOCKS)
