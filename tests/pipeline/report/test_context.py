"""What GitHub's variables say about a run, and what to do about a stale lock there."""

import pytest

from pipeline.report.context import RunContext
from pipeline.report.remedy import fix_lock
from tests.fixtures.snapshots import PULL_REQUEST

PUSH = PULL_REQUEST | {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main", "HEAD_REPOSITORY": ""}


def test_a_laptop_is_nowhere() -> None:
    assert RunContext.of({"HOME": "/home/ada", "HEAD_SHA": "x", "UPDATE": "yes"}) == RunContext()


@pytest.mark.parametrize(
    ("environment", "page"),
    [
        (PULL_REQUEST, "https://github.com/o/r/commit/1234567812345678123456781234567812345678"),
        (PULL_REQUEST | {"HEAD_SHA": ""}, None),
        (PUSH | {"HEAD_SHA": ""}, f"https://github.com/o/r/commit/{'e' * 40}"),
    ],
    ids=["a pull request's own commit", "never its merge commit", "what was pushed"],
)
def test_the_commit_is_the_one_that_was_pushed(environment: dict[str, str], page: str | None) -> None:
    assert RunContext.of(environment).commit == page


@pytest.mark.parametrize(
    ("said", "reproduced"),
    [("success", True), ("failure", False), ("", None), ("skipped", None), ("cancelled", None)],
)
def test_only_a_second_run_says_whether_it_made_the_same_bytes(said: str, reproduced: bool | None) -> None:
    assert RunContext.of(PULL_REQUEST | {"REPRODUCED": said}).reproduced is reproduced


TAKE = "gh run download 7 --repo o/r --name results --dir build/results-7 && git apply build/results-7/results.patch"


@pytest.mark.parametrize(
    ("environment", "sentence", "command"),
    [
        (
            {},
            "Make the results anew and commit them:",
            "make run && git add params.yaml dvc.lock reports docs/model-card.md && git commit",
        ),
        (
            PULL_REQUEST,
            "Nothing to do: the bot commits the results to this branch; the checks start again by themselves.",
            None,
        ),
        (PULL_REQUEST | {"HEAD_REPOSITORY": "ada/r"}, "Take the results of this run, then commit and push:", TAKE),
        (
            PULL_REQUEST | {"HEAD_REPOSITORY": "ada/r", "UPDATE": "yes"},
            "`main` has moved in what makes the model. Press *Update branch*, or merge it yourself:",
            "git pull --no-rebase https://github.com/o/r main && git push",
        ),
        (PUSH, "Nothing to do: the results are committed to `main` without you.", None),
        (PUSH | {"GITHUB_EVENT_NAME": "merge_group", "GITHUB_REF": "refs/heads/gh-readonly-queue/main/pr-3-e"},
         "Nothing to do: the results are committed to `main` without you.", None),
        (PUSH | {"GITHUB_REF": "refs/heads/mine"}, "Take the results of this run, then commit and push:", TAKE),
    ],
    ids=["laptop", "pull request", "fork", "main moved", "main", "merge queue", "branch"],
)  # fmt: skip
def test_a_stale_lock_is_mended_by_one_command_at_the_most(
    environment: dict[str, str], sentence: str, command: str | None
) -> None:
    block = f"\n\n```sh\n{command}\n```" if command else ""
    assert fix_lock(RunContext.of(environment)) == sentence + block


def test_a_branchs_name_is_no_part_of_the_command() -> None:
    context = RunContext.of(PULL_REQUEST | {"GITHUB_BASE_REF": "a;reboot", "UPDATE": "yes"})
    assert "https://github.com/o/r 'a;reboot' && git push" in fix_lock(context)
