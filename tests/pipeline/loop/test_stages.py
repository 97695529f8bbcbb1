"""A stage is deployed to unless it answers with the version already, served by this commit's service."""

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.github.api import GitHub
from pipeline.loop.stages import Plan, plan
from tests.fakes.github import REPOSITORY, TOKEN, FakeGitHub, deployed, serving
from tests.fixtures.repository import commit, git


@pytest.fixture
def service() -> Iterator[str]:
    """The address of a stage that answers with version 3."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"status": "ok", "model_version": "3"}).encode()
            self.send_response(200 if self.path == "/health" else 403)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of main, with a service and a document."""
    subprocess.run(["git", "init", "-q", "-b", "main", tmp_path], check=True)
    (tmp_path / "lambda_api").mkdir()
    (tmp_path / "lambda_api/app.py").write_text("app = 1\n")
    commit(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    with serving(FakeGitHub()) as fake:
        yield fake


def planned(github: FakeGitHub, version: str, token: str = TOKEN) -> tuple[Plan, list[str]]:
    """The plan for the stage staging, and why."""
    reasons: list[str] = []
    with GitHub(github.address, token) as session:
        return plan(["staging"], version, session, REPOSITORY, reasons.append), reasons


def due(github: FakeGitHub, version: str, token: str = TOKEN) -> tuple[tuple[str, ...], list[str]]:
    """What is to be deployed of the stage staging, and why."""
    made, reasons = planned(github, version, token)
    assert not made.older
    return made.due, reasons


def test_a_stage_that_answers_with_the_version_is_left_alone(github: FakeGitHub, service: str, checkout: Path) -> None:
    github.deployments.append(deployed("staging", git(checkout, "rev-parse", "HEAD"), "success", url=service))
    (checkout / "README.md").write_text("# Words\n")
    commit(checkout)
    assert due(github, "3") == ((), ["staging: answers with version 3 already"])


@pytest.mark.parametrize(("version", "named"), [("4", "4"), ("champion", "champion")])
def test_another_version_is_deployed(
    github: FakeGitHub, service: str, checkout: Path, version: str, named: str
) -> None:
    github.deployments.append(deployed("staging", git(checkout, "rev-parse", "HEAD"), "success", url=service))
    assert due(github, version) == (
        ("staging",),
        [f"staging: to be deployed; it answers with version 3, not {named}"],
    )


def test_a_changed_service_is_deployed_with_the_same_version(github: FakeGitHub, service: str, checkout: Path) -> None:
    before = git(checkout, "rev-parse", "HEAD")
    github.deployments.append(deployed("staging", before, "success", url=service))
    (checkout / "lambda_api/app.py").write_text("app = 2\n")
    commit(checkout)
    assert due(github, "3") == (("staging",), [f"staging: to be deployed; the service changed since {before[:8]}"])


def test_what_failed_or_still_waits_is_looked_through_to_what_users_see(
    github: FakeGitHub, service: str, checkout: Path
) -> None:
    head = git(checkout, "rev-parse", "HEAD")
    github.deployments += [
        deployed("staging", head, "success", "in_progress", url=service),
        deployed("staging", head, "failure", "in_progress"),
        deployed("staging", head, "waiting"),
        deployed("prod", head, "success", url="http://127.0.0.1:9"),
        deployed("staging", head),
    ]
    assert due(github, "3")[0] == ()


def test_a_stage_that_nothing_is_known_of_is_deployed(github: FakeGitHub, checkout: Path) -> None:
    head = git(checkout, "rev-parse", "HEAD")
    assert due(github, "3") == (("staging",), ["staging: to be deployed; nothing was deployed there yet"])
    github.deployments.append(deployed("staging", head, "success", url="http://127.0.0.1:9"))
    assert due(github, "3") == (("staging",), ["staging: to be deployed; it answers with version unknown, not 3"])
    github.private = True
    ((names), (reason,)) = due(github, "3", github.token(contents="read"))
    assert names == ("staging",)
    assert reason.startswith("staging: to be deployed; what it answers with is not known: ")


def test_an_older_commit_never_brings_its_service_over_a_newer_one(
    github: FakeGitHub, service: str, checkout: Path
) -> None:
    old = git(checkout, "rev-parse", "HEAD")
    (checkout / "lambda_api/app.py").write_text("app = 2\n")
    new = commit(checkout)
    github.deployments.append(deployed("staging", new, "success", url=service))
    git(checkout, "checkout", "--quiet", old)
    why = f"staging: not from here; it has the service of {new[:8]}, which is newer"
    assert planned(github, "4") == (Plan((), older=True), [why])
    assert planned(github, "3") == (Plan((), older=False), ["staging: answers with version 3 already"])


def test_the_service_of_another_branch_is_replaced(github: FakeGitHub, service: str, checkout: Path) -> None:
    git(checkout, "checkout", "--quiet", "-b", "other")
    (checkout / "lambda_api/app.py").write_text("app = 2\n")
    other = commit(checkout)
    github.deployments.append(deployed("staging", other, "success", url=service))
    git(checkout, "checkout", "--quiet", "main")
    (checkout / "lambda_api/app.py").write_text("app = 3\n")
    commit(checkout)
    assert due(github, "3") == (("staging",), [f"staging: to be deployed; the service changed since {other[:8]}"])
