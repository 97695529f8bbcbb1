"""The pieces that the workflows call, where what they do does not need a runner; tests/workflows has the rest."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline import params as parameters
from pipeline.errors import NotPublishedError, RaceLostError, SourceError
from pipeline.files import Layout
from pipeline.loop import ci
from pipeline.loop.lock import HANDED_OVER, StaleFile, stale_files
from pipeline.registry import Registry, remote_store
from tests.fixtures.registry import copy_registry

NAME = "obesity_classifier"


@pytest.fixture
def project(trained_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a project that went through the loop once, on a runner: no registry here yet."""
    copied = Path(shutil.copytree(trained_project, tmp_path / "project"))
    (copied / "mlflow.db").unlink()
    shutil.rmtree(copied / "mlartifacts")
    monkeypatch.chdir(copied)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return copied


@pytest.fixture(params=["s3", "git"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the registry is kept between runs."""
    if request.param == "s3":
        return str(request.getfixturevalue("registry_url"))
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "remote.git"], check=True)
    return f"git:{tmp_path}/remote.git"


def pushed(trained: Path, home: Path, store: str) -> Registry:
    """The registry of a trained project, in another folder, and pushed."""
    copy_registry(trained / "mlflow.db", home)
    registry = Registry(f"sqlite:///{home}/mlflow.db")
    remote_store.push(registry.store, store)
    return registry


def test_a_run_that_loses_the_race_takes_the_registry_as_it_is_and_decides_again(
    project: Path, trained_project: Path, tmp_path: Path, store: str
) -> None:
    rival = pushed(trained_project, tmp_path / "rival", store)
    steps = list[str]()

    def meanwhile(what: str, done: int, total: int) -> None:
        del done, total
        steps.append(what)
        if steps.count("register in MLflow") == 1 and what == "register in MLflow":
            rival.set_alias(NAME, "liked", 1, expected=None)
            remote_store.push(rival.store, store)

    published = ci.publish(parameters.load(), store, "a test", print, meanwhile)
    assert steps.count("another run was first: decide again") == 1
    assert (published.verdict.outcome, published.champion) == ("unchanged", 1)
    (version,) = Registry(f"sqlite:///{project}/mlflow.db").versions(NAME)
    assert "liked" in version.aliases


def test_a_run_that_loses_every_race_is_refused(
    project: Path, trained_project: Path, tmp_path: Path, store: str
) -> None:
    del project
    rival = pushed(trained_project, tmp_path / "rival", store)
    names = iter(("first", "second", "third", "fourth"))

    def always(what: str, done: int, total: int) -> None:
        del done, total
        if what == "register in MLflow":
            rival.set_alias(NAME, next(names), 1, expected=None)
            remote_store.push(rival.store, store)

    with pytest.raises(RaceLostError, match="somebody pushed"):
        ci.publish(parameters.load(), store, "a test", print, always)
    assert next(names) == "fourth"


def test_nothing_made_from_the_sample_is_published(project: Path) -> None:
    (project / Layout().raw).unlink()
    assert ci.is_sample()
    with pytest.raises(SourceError, match="nothing made from the sample is published"):
        ci.publish(parameters.load(), None, "a test", print)


def commit(*files: str) -> None:
    identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    subprocess.run(["git", "add", "--force", *files], check=True)
    subprocess.run(["git", *identity, "commit", "--quiet", "--message", "all"], check=True)


def test_a_lock_that_is_what_the_code_makes_is_not_stale(project: Path) -> None:
    commit("dvc.lock", "reports/metrics.json")
    lock = (project / "dvc.lock").read_bytes()
    assert stale_files() == ()
    assert (project / "dvc.lock").read_bytes() == lock
    assert not HANDED_OVER.exists()


def test_a_stale_lock_is_put_back_and_the_right_one_handed_over(project: Path) -> None:
    right = (project / "dvc.lock").read_text(encoding="utf-8")
    wrong = right.replace("n_estimators: 20", "n_estimators: 30")
    assert wrong != right
    (project / "dvc.lock").write_text(wrong, encoding="utf-8")
    commit("dvc.lock", "reports/metrics.json")
    (project / "dvc.lock").write_text(right, encoding="utf-8")
    (project / "reports/metrics.json").write_text("{}\n", encoding="utf-8")
    assert stale_files() == (
        StaleFile(Path("dvc.lock"), "stage train: forest"),
        StaleFile(Path("reports/metrics.json"), "its content"),
    )
    assert (project / "dvc.lock").read_text(encoding="utf-8") == wrong
    assert (HANDED_OVER / "dvc.lock").read_text(encoding="utf-8") == right


def test_a_report_against_a_commit_that_is_gone_takes_the_one_before(project: Path) -> None:
    del project
    commit("dvc.lock", "params.yaml", "reports/metrics.json", "reports/data.json", "reports/parity.json")
    text = ci.report("0" * 40)
    assert (HANDED_OVER / "report.md").read_text(encoding="utf-8") == text
    assert text.startswith("## ")
    names = {path.name for path in (HANDED_OVER / "reports").rglob("*.json")}
    assert {"data.json", "metrics.json", "parity.json"} <= names
    assert not (HANDED_OVER / "reports/answers.csv").exists()


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[str]:
    """The address of a publisher that still gives the data as it was before records were added."""
    (tmp_path / "public").mkdir()
    (tmp_path / "public/data.csv").write_text("the data as it was", encoding="utf-8")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "public"))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/data.csv"
        server.shutdown()


def test_a_fork_that_cannot_read_the_added_records_runs_on_the_sample_and_refuses_to_publish(
    project: Path, publisher: str
) -> None:
    shutil.rmtree(project / ".dvc/cache")
    Layout(project).raw.unlink()
    params = parameters.load()
    params = params.model_copy(update={"data": params.data.model_copy(update={"url": publisher})})
    with pytest.raises(NotPublishedError):
        ci.repro(params, print, publish=True)
    why = ci.repro(params, print, publish=False)
    assert why
    assert "DVC alone has the pinned file" in why
    assert ci.is_sample()
