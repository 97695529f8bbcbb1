"""The rules of GitHub that the hub follows, each beside the place that says so; read, not run."""

from typing import Any

import pytest

from tests.fakes.concurrency import Queue, group
from tests.fakes.expression_tree import ExpressionError, parse
from tests.fakes.expressions import LATER, condition, evaluate, filled
from tests.fakes.partial import settled
from tests.fakes.workflow_rules import limited, overall, permissions, refusals, runs, starts

JOBS: dict[str, Any] = {
    "a": {"if": "github.event_name == 'push'"},
    "b": {"needs": "a"},
    "c": {"needs": ["b"]},
    "safe": {"needs": ["a", "b"], "if": "!failure() && !cancelled()"},
    "sure": {"needs": "b", "if": "!cancelled() && needs.b.result == 'success'"},
    "done": {"needs": ["a", "b"], "if": "always()"},
}


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("'A' == 'a'", True),
        ("1 == '1'", True),
        ("null == ''", True),
        ("github.missing.deeper == ''", True),
        ("contains(fromJSON('[\"dev\", \"prod\"]'), 'PROD')", True),
        ("vars.X && 'yes' || 'no'", "no"),
        ("format('refs/heads/{0}', 'main')", "refs/heads/main"),
        ("!github.private", True),
        ("contains(needs.*.result, 'failure')", True),
        ("fromJSON('[1, 2]')[1]", 2),
        ("'it''s'", "it's"),
        ("(1 < 2) && (2 >= 2) || false", True),
    ],
)
def test_an_expression_means_what_github_says_it_means(code: str, value: object) -> None:
    contexts = {
        "github": {"private": False},
        "vars": {},
        "needs": {"a": {"result": "success"}, "b": {"result": "failure"}},
    }
    assert evaluate(parse(code), contexts) == value


@pytest.mark.parametrize(
    "code", ["env.X", "fromJSON('staging')", "nothing(1)", "1 +", "matrix.stage == 'dev'", "fromJSON('')"]
)
def test_what_github_cannot_evaluate_is_an_error(code: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(parse(code), {"github": {}})


def test_what_is_known_before_a_job_starts_is_filled_in_and_the_rest_is_left() -> None:
    contexts = {"github": {"sha": "abc", "token": LATER}, "needs": {"a": {"result": "success"}}, "steps": LATER}
    step = {"if": "needs.a.result == 'success' && steps.x.outcome == 'failure'", "run": "echo ${{ github.sha }}"}
    assert settled({**step, "env": {"T": "${{ github.token }}"}}, contexts) == {
        "if": "(success() && (true && (steps['x']['outcome'] == 'failure')))",
        "run": "echo abc",
        "env": {"T": "${{ github['token'] }}"},
    }
    assert filled("${{ needs.a }}", contexts) == {"result": "success"}


@pytest.mark.parametrize(
    ("job", "results", "expected"),
    [
        ("b", {"a": "skipped"}, False),
        # actions/runner#491, #2205: success() looks at all ancestors, however far up.
        ("c", {"a": "skipped", "b": "success"}, False),
        ("c", {"a": "success", "b": "success"}, True),
        ("safe", {"a": "skipped", "b": "success"}, True),
        ("safe", {"a": "skipped", "b": "failure"}, False),
        ("sure", {"a": "skipped", "b": "success"}, True),
        ("sure", {"a": "success", "b": "skipped"}, False),
        ("done", {"a": "failure", "b": "skipped"}, True),
    ],
)
def test_a_job_runs_if_its_ancestors_ended_as_its_condition_asks(
    job: str, results: dict[str, str], expected: bool
) -> None:
    needs = {name: {"result": result} for name, result in results.items()}
    assert runs(JOBS, job, results, {"needs": needs}) is expected


def test_a_cancelled_run_goes_on_only_where_a_condition_says_always() -> None:
    results = {"a": "success", "b": "success"}
    needs = {name: {"result": result} for name, result in results.items()}
    kept = [
        name for name in ("c", "safe", "sure", "done") if runs(JOBS, name, results, {"needs": needs}, cancelled=True)
    ]
    assert kept == ["done"]


def test_a_condition_of_a_job_cannot_use_what_only_its_steps_know() -> None:
    for code in ("secrets.X != ''", "env.X == '1'", "matrix.stage == 'dev'"):
        with pytest.raises(ExpressionError, match="Unrecognized named-value"):
            runs({"a": {"if": code}}, "a", {}, {"github": {}})


PATHS = {"on": {"push": {"branches": ["main"], "paths": ["data/**", "dvc.lock", "!data/README.md"]}}}


@pytest.mark.parametrize(
    ("workflow", "event", "branch", "changed", "expected"),
    [
        (PATHS, "push", "main", ["data/sample/profile.json"], True),
        (PATHS, "push", "main", ["data/README.md", "README.md"], False),
        (PATHS, "push", "other", ["dvc.lock"], False),
        (PATHS, "push", "main", None, True),
        (PATHS, "schedule", "main", None, False),
        ({"on": ["push", "pull_request"]}, "pull_request", "main", ["x"], True),
        ({"on": {"push": {"paths-ignore": ["docs/**"]}}}, "push", "main", ["docs/a.md", "x"], True),
        ({"on": {"push": {"paths-ignore": ["docs/**"]}}}, "push", "main", ["docs/a.md"], False),
    ],
)
def test_a_workflow_starts_for_the_branches_and_paths_that_it_names(
    workflow: dict[str, Any], event: str, branch: str, changed: list[str] | None, expected: bool
) -> None:
    assert starts(workflow, event, branch, changed) is expected


def test_a_pull_requests_label_starts_nothing_that_does_not_ask_for_it() -> None:
    assert starts({"on": "pull_request"}, "pull_request", "main", [], "synchronize")
    assert not starts({"on": "pull_request"}, "pull_request", "main", [], "labeled")
    assert starts({"on": {"pull_request": {"types": ["labeled"]}}}, "pull_request", "main", [], "labeled")


def test_permissions_that_are_not_named_are_none_and_a_forks_token_only_reads() -> None:
    assert permissions({}) == {}
    assert permissions(None) == {"contents": "read", "packages": "read"}
    given = permissions({"contents": "write", "id-token": "write", "issues": "none"})
    assert given == {"contents": "write", "id-token": "write"}
    assert limited(given, read_only=True) == {"contents": "read"}


def test_a_called_workflow_that_asks_for_more_than_its_caller_gives_stops_the_whole_run() -> None:
    inner = {
        "on": {"workflow_call": {"inputs": {"x": {"required": True}}}},
        "permissions": {},
        "jobs": {"write": {"if": "false", "permissions": {"contents": "write"}, "steps": []}},
    }
    outer = {
        "on": "push",
        "permissions": {},
        "jobs": {
            "call": {"uses": "./inner.yml", "permissions": {"contents": "read"}, "with": {"x": "1"}},
            "wrong": {"uses": "./inner.yml", "permissions": {"contents": "write"}, "needs": "nobody"},
        },
    }
    wrong = refusals("outer.yml", {"outer.yml": outer, "inner.yml": inner})
    assert [line.removeprefix("Error calling workflow ./inner.yml. ") for line in wrong] == [
        "The nested job 'write' is requesting 'contents: write', but is only allowed 'contents: read'.",
        "Job 'wrong' depends on unknown job 'nobody'.",
        "Job 'wrong': Input x is required, but not provided while calling.",
    ]


@pytest.mark.parametrize(
    ("ended", "together"),
    [
        (["success", "skipped"], "success"),
        (["skipped", "skipped"], "skipped"),
        (["success", "failure", "cancelled"], "failure"),
        (["success", "cancelled"], "cancelled"),
    ],
)
def test_the_jobs_of_a_called_workflow_end_as_one(ended: list[str], together: str) -> None:
    assert overall(ended) == together


def entered(queue: Queue, said: Any, *titles: str) -> list[Any]:
    return [queue.enter(title, group(said, {})) for title in titles]


def test_who_waits_in_a_group_is_cancelled_by_who_comes_next() -> None:
    queue = Queue()
    first, second, third = entered(queue, "deploy", "first", "second", "third")
    assert (first.state, second.state, third.state) == ("running", "cancelled", "waiting")
    queue.end(first)
    assert third.state == "running"


def test_a_longer_queue_loses_nobody() -> None:
    queue = Queue()
    line = entered(queue, {"group": "deploy", "queue": "max"}, *(f"push {number}" for number in range(102)))
    assert [one.state for one in line] == ["running", *["waiting"] * 100, "cancelled"]
    with pytest.raises(ValueError, match="refused together"):
        group({"group": "x", "queue": "max", "cancel-in-progress": True}, {})


def test_the_name_of_a_group_has_no_case_and_a_newer_push_may_end_the_run_before() -> None:
    queue = Queue()
    pull = {"group": "PR-${{ github.event.number }}", "cancel-in-progress": True}
    first, second = (
        queue.enter(title, group(said, {"github": {"event": {"number": 7}}}))
        for title, said in (("one", pull), ("two", {**pull, "group": "pr-7"}))
    )
    assert (first.state, second.state) == ("cancelled", "running")


def test_a_job_that_waits_for_reviewers_is_cancelled_by_the_next_in_its_group() -> None:
    queue = Queue()
    deployment = queue.enter("deploy", group("prod", {}, "job concurrency"), approved=False)
    rollback = queue.enter("rollback", group("prod", {}, "job concurrency"))
    assert (deployment.state, rollback.state) == ("cancelled", "running")


def test_a_workflows_group_is_held_while_a_job_of_it_waits_for_reviewers() -> None:
    queue = Queue()
    deployment = queue.enter("deploy", group("prod", {}))
    queue.enter("its job", None, approved=False)
    rollback = queue.enter("rollback", group("prod", {}))
    assert (deployment.state, rollback.state) == ("running", "waiting")


def test_an_if_without_a_word_of_the_status_asks_for_success_too() -> None:
    assert evaluate(condition("github.x == 1"), {"github": {"x": 1}}, {"success": False}) is False
    assert evaluate(condition("${{ !cancelled() }}"), {}, {"success": False, "cancelled": False}) is True
