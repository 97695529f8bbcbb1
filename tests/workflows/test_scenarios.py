"""What happens on GitHub from a person's push to what everybody sees: several runs, one after the other."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from pipeline.files import digest
from pipeline.params import Params
from tests.fakes.account import Account
from tests.fakes.github import BOT
from tests.fakes.hub import Hub
from tests.fakes.ran import Ran
from tests.fixtures.project import synthetic_records
from tests.fixtures.workflows import FEW_TREES, MORE_TREES

pytestmark = pytest.mark.xdist_group("runs")

REGISTRY = "refs/registry/main"


@pytest.fixture
def hub(first_hub: Hub, tmp_path: Path) -> Hub:
    """A hub of the test's own, whose champion is version 1."""
    return first_hub.clone(tmp_path / "hub", f"hub-{digest(str(tmp_path).encode())[:16]}")


def changed_number(hub: Hub) -> None:
    hub.repository.set_params(forest=MORE_TREES)
    hub.commit("Grow more trees")


def test_a_pull_request_with_a_changed_number_gets_its_results_once_and_goes_green(hub: Hub) -> None:
    changed_number(hub)
    ran = hub.pull_request()
    assert ran.jobs["model"] == "failure"
    after = hub.workflow_run("comment", ran)
    assert after.jobs == {"comment": "success", "commit the results": "success"}, after.said
    (comment,) = hub.github.comments
    assert "FIX LOCK" in comment["body"] or "MERGE" in comment["body"]
    head = hub.origin.head("change")
    assert hub.origin.git("log", "-1", "--format=%an", head) == BOT
    assert "dvc.lock" in hub.origin.changed(f"{head}^", head)
    assert sorted(name for name, _ in hub.github.started) == ["ci.yml", "pull-request.yml"]
    # What the bot committed starts no workflow by itself; it starts the two checks, and those report themselves.
    again = hub.dispatch("pull-request", branch="change", actor=BOT)
    assert again.jobs["model"] == "success", again.said
    assert hub.workflow_run("comment", again).refused
    ((workflow, order),) = hub.github.started[2:]
    assert (workflow, order["inputs"]) == ("comment.yml", {"run": str(again.number)})
    assert hub.dispatch("comment", order["inputs"], actor=BOT).jobs["comment"] == "success"
    assert [(item["sha"], item["context"], item["state"]) for item in hub.github.statuses] == [
        (head, "model", "success")
    ]
    assert len(hub.github.comments) == 1
    assert (hub.origin.head("change"), len(hub.github.started)) == (head, 3)


def test_a_pull_request_of_dependabot_takes_no_role_and_is_not_red_for_that(hub: Hub) -> None:
    lock = hub.repository.root / "requirements/requirements.txt"
    lock.write_text(lock.read_text(encoding="utf-8") + "# bumped\n", encoding="utf-8")
    hub.commit("Bump")
    ran = hub.pull_request(actor="dependabot[bot]")
    assert hub.written("roles") == []
    assert ran.jobs["model"] == "success", ran.said


def test_a_pull_request_of_documents_passes_the_merge_queue_without_training(hub: Hub) -> None:
    (hub.repository.root / "README.md").write_text("# Better words\n", encoding="utf-8")
    hub.commit("Say it better")
    expected = {"check whether the model changes": "success", "model": "success"}
    assert hub.pull_request().jobs == expected
    assert hub.merge_group().jobs == expected


@contextmanager
def publishing(folder: Path) -> Iterator[str]:
    """The address of a folder on the web."""

    class QuietHandler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_without_a_single_variable_the_second_push_is_compared_with_the_champion_of_the_first(
    hub: Hub, small_params: Params, tmp_path: Path
) -> None:
    hub.settings.variables.clear()
    hub.settings.environments.clear()
    (tmp_path / "web").mkdir()
    (tmp_path / "web/mine.csv").write_text(synthetic_records(small_params, 600, seed=7), encoding="utf-8")
    with publishing(tmp_path / "web") as address:
        hub.repository.set_params(forest=MORE_TREES, data={"url": f"{address}/mine.csv"})
        (hub.repository.root / ".dvc/config").write_text("[core]\n    analytics = false\n", encoding="utf-8")
        hub.commit("Grow more trees")
        first = hub.push()
        assert first.jobs["train"] == "success", first.said
        assert first.outputs["outcome"] == "floors only"
        kept = hub.origin.git("rev-parse", REGISTRY)
        hub.git("pull", "--quiet", "origin", "main")
        hub.repository.set_params(forest=FEW_TREES)
        hub.commit("Grow fewer trees")
        second = hub.push()
    assert second.jobs["train"] == "failure"
    assert second.outputs["outcome"] == "refused"
    assert hub.written("roles") == []
    assert hub.origin.git("merge-base", "--is-ancestor", kept, REGISTRY, check=False) == ""


def test_a_tie_keeps_the_champion_and_is_no_failure(hub: Hub) -> None:
    hub.repository.set_params(parity={"random_records": 199})
    hub.commit("Try other records")
    ran = hub.push()
    assert (ran.jobs["train"], ran.outputs["outcome"]) == ("success", "kept"), ran.said


def test_what_could_not_be_signed_is_signed_when_only_the_failed_job_runs_again(
    promoted: tuple[Hub, Ran], aws_account: Account, tmp_path: Path
) -> None:
    hub = promoted[0].clone(tmp_path / "hub", f"hub-{digest(str(tmp_path).encode())[:16]}")
    hub.reach(aws_account.environment)
    hub.settings.private = True  # and the team says so, but GitHub does not have the plan yet
    ran = hub.dispatch("retrain", {"reason": "to be sure"}, ATTEST="yes", DEPLOY_STAGES='["staging"]')
    assert ran.jobs == {"train": "success", "attest the champion": "failure"}, ran.said
    assert ran.skipped[-1] == "stages"
    hub.settings.plan = "enterprise"
    again = hub.rerun(ran, ATTEST="yes", DEPLOY_STAGES='["staging"]')
    assert again.jobs["attest the champion"] == "success", again.said
    assert again.all_jobs[0] is ran.all_jobs[0]
    assert len(hub.attestations) == 1


def test_in_a_fork_of_the_repository_a_push_still_trains(hub: Hub) -> None:
    hub.settings.fork = True
    names = [Path(name).stem for name in hub.origin.git("ls-tree", "--name-only", "main", ".github/workflows/").split()]
    assert [name for name in names if hub.disabled(name)] == ["daily", "weekly"]
    assert hub.schedule("weekly").refused == "weekly.yml is disabled"
