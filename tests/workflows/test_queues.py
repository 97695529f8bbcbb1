"""Who waits for whom on GitHub, and who is cancelled: the concurrency of the workflow files, played."""

from collections.abc import Mapping
from typing import Any

from tests.fakes.concurrency import Group, Queue, Waiting, groups
from tests.fakes.workflow_rules import read
from tests.paths import ROOT


def groups_of(
    workflow: str, run: int = 1, inputs: Mapping[str, str] | None = None, **event: Any
) -> dict[str, Group | None]:
    """The groups of a workflow file, its own under "", for one run."""
    text = (ROOT / f".github/workflows/{workflow}.yml").read_text(encoding="utf-8")
    github = {"run_id": str(run), "sha": f"{run:040}", "ref": "refs/heads/main", "event_name": "push", "event": event}
    if "pull_request" in event:
        github |= {"event_name": "pull_request", "ref": f"refs/pull/{event['pull_request']['number']}/merge"}
    needs = {"train": {"outputs": {"sha256": f"{run:064}"}}}
    return groups(read(text), {"github": github, "inputs": inputs or {}, "vars": {}, "needs": needs})


def ended(queue: Queue, line: list[Waiting]) -> list[str]:
    """How each ends if all go on as they can."""
    while running := next((one for one in line if one.state == "running"), None):
        queue.end(running)
    return [one.state for one in line]


def test_of_three_pushes_at_once_each_is_trained_and_commits_its_results() -> None:
    for job in ("train", "results"):
        queue = Queue()
        line = [queue.enter(f"push {run}", groups_of("retrain", run)[job]) for run in (1, 2, 3)]
        assert [one.state for one in line] == ["running", "waiting", "waiting"], job
        assert ended(queue, line) == ["done", "done", "done"], job


def test_a_whole_run_of_retrain_holds_nothing_that_others_wait_for() -> None:
    # It may wait for reviewers for days: https://github.com/vstorm-co/agenticos/issues/1832.
    assert groups_of("retrain")[""] is None
    assert groups_of("deploy", inputs={"stage": "prod"})[""] is None
    assert groups_of("stages")[""] is None


def test_a_newer_push_to_a_pull_request_ends_the_run_before_and_no_other_one() -> None:
    for workflow in ("ci", "pull-request"):
        queue = Queue()
        line = [
            queue.enter(f"push {run}", groups_of(workflow, run, pull_request={"number": number})[""])
            for run, number in ((1, 7), (2, 8), (3, 7))
        ]
        assert [one.state for one in line] == ["cancelled", "running", "running"], workflow


def test_pushes_to_main_do_not_end_each_others_checks() -> None:
    queue = Queue()
    line = [queue.enter(f"push {run}", groups_of("ci", run)[""]) for run in (1, 2, 3)]
    assert [one.state for one in line] == ["running", "running", "running"]


def test_a_rollback_neither_waits_for_a_deployment_nor_loses_its_place_to_one() -> None:
    inputs = {"stage": "prod"}
    for approved in (True, False):
        queue = Queue()
        deployment = queue.enter("deploy", groups_of("deploy", 1, inputs)["deploy"], approved=approved)
        rollback = queue.enter("roll back", groups_of("rollback", 2, inputs)[""])
        other = queue.enter("roll back again", groups_of("rollback", 3, inputs)[""])
        queue.enter("deploy again", groups_of("deploy", 4, inputs)["deploy"])
        assert (rollback.state, other.state) == ("running", "running")
        assert deployment.state == ("running" if approved else "cancelled")  # a newer one takes its place


def test_deployments_of_two_stages_do_not_wait_for_each_other() -> None:
    queue = Queue()
    line = [queue.enter(stage, groups_of("deploy", 1, {"stage": stage})["deploy"]) for stage in ("dev", "prod")]
    assert [one.state for one in line] == ["running", "running"]


def test_of_the_runs_of_one_branch_that_wait_for_their_comment_the_newest_gets_it() -> None:
    runs = [{"id": number, "head_branch": "change", "head_repository": {"id": 22}} for number in (1, 2, 3)]
    queue = Queue()
    line = [queue.enter(str(run["id"]), groups_of("comment", workflow_run=run)["comment"]) for run in runs]
    assert [one.state for one in line] == ["running", "cancelled", "waiting"]
