"""The pieces that the workflows call, where what they do does not need a runner; tests/workflows has the rest."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline import params as parameters
from pipeline.errors import NotPublishedError, RaceLostError, SourceError
from pipeline.files import Layout, file_digest, read_json
from pipeline.judge.verdict import Verdict
from pipeline.loop import ci
from pipeline.loop.lock import HANDED_OVER
from pipeline.registry import Registry, remote_store
from tests.fixtures.registry import copy_registry
from tests.fixtures.repository import away_from_github

NAME = "obesity_classifier"


@pytest.fixture
def project(trained_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a project that went through the loop once, on a runner: no registry here yet."""
    copied = Path(shutil.copytree(trained_project, tmp_path / "project"))
    (copied / "mlflow.db").unlink()
    shutil.rmtree(copied / "mlartifacts")
    monkeypatch.chdir(copied)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    away_from_github(monkeypatch)
    return copied


@pytest.fixture
def store(place_url: str) -> str:
    """Where the registry is kept between runs."""
    return place_url


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
    assert (published.verdict.outcome, published.champion) == ("kept", 1)
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


def test_the_champion_that_this_run_made_is_named_with_its_digest_and_may_be_signed_again(project: Path) -> None:
    made = file_digest(Layout(project).model)
    first = ci.publish(parameters.load(), None, "a test", print)
    assert first.as_outputs() == {"outcome": "floors only", "champion": "1", "sha256": made, "made": "yes"}
    again = ci.publish(parameters.load(), None, "a test", print)
    assert again.as_outputs() == {"outcome": "kept", "champion": "1", "sha256": made, "made": "yes"}


def test_a_champion_that_another_run_made_is_not_to_be_signed() -> None:
    kept = Verdict(
        "kept",
        promotes=False,
        text="",
        reasons=(),
        challenger=2,
        champion=1,
        challenger_sha256="b" * 64,
        champion_sha256="a" * 64,
    )
    assert ci.GateOutcome(kept, 1, "a" * 64).as_outputs()["made"] == ""
    assert ci.GateOutcome(replace(kept, outcome="promoted", promotes=True), 2, "b" * 64).as_outputs()["made"] == "yes"
    assert ci.GateOutcome(kept, None, None).as_outputs() == {
        "outcome": "kept",
        "champion": "",
        "sha256": "",
        "made": "",
    }


def test_a_champion_that_cannot_be_read_leaves_the_floors_alone_and_promotes_nothing(
    project: Path, aws_environment: str
) -> None:
    del aws_environment
    said = list[str]()
    outcome = ci.judge(parameters.load(), "s3://nobody-has-this-bucket/registry", said.append)
    assert (outcome.verdict.outcome, outcome.verdict.promotes, outcome.champion) == ("floors only", False, None)
    assert outcome.verdict.text.startswith("Floors only: they hold; the champion cannot be read (")
    assert outcome.verdict.text.endswith("; the champion stays")
    assert len(said) == 1
    written = read_json(Layout(project).verdict, "")
    assert (written["outcome"], written["promotes"], written["champion_sha256"]) == ("floors only", False, None)


def test_a_dry_run_on_the_sample_asks_no_champion(project: Path) -> None:
    shutil.copytree(project / "reports", project / "runs/sample/reports")
    shutil.copytree(project / "models", project / "runs/sample/models")
    shutil.copytree(project / "data/processed", project / "runs/sample/data/processed")
    (project / Layout().raw).unlink()
    outcome = ci.judge(parameters.load(), None, print)
    assert (outcome.verdict.outcome, outcome.verdict.promotes, outcome.made) == ("floors only", False, False)
    assert "a model made from the sample is not compared with the champion; the champion stays" in outcome.verdict.text


def test_publishing_over_a_champion_of_another_contract_needs_a_persons_word(project: Path) -> None:
    del project
    params = parameters.load()
    ci.publish(params, None, "the first", print)
    registry = Registry()
    with registry.store.client() as client:
        for tag, value in {"model_sha256": "0" * 64, "contract": "another"}.items():
            client.set_model_version_tag(NAME, "1", tag, value)
    params = params.model_copy(update={"evaluate": params.evaluate.model_copy(update={"resamples": 99})})

    held = ci.publish(params, None, "push", print)
    assert (held.verdict.outcome, held.verdict.promotes, held.champion) == ("floors only", False, 1)
    assert ci.judge(params, None, print, floors_only="a column went").verdict.promotes
    said = ci.publish(params, None, "push", print, floors_only="a column went")
    assert (said.verdict.outcome, said.verdict.promotes, said.champion) == ("floors only", True, 2)
    why = registry.history(NAME)[-1].why
    assert why.startswith("push. Floors only: they hold; champion version 1 was made for another contract")
    assert why.endswith("; replaced on a person's word: a column went")


def commit(*files: str) -> None:
    identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    subprocess.run(["git", "add", "--force", *files], check=True)
    subprocess.run(["git", *identity, "commit", "--quiet", "--message", "all"], check=True)


def test_a_report_against_a_commit_that_is_gone_takes_the_one_before(project: Path) -> None:
    del project
    commit("dvc.lock", "params.yaml", "reports/metrics.json", "reports/data.json", "reports/parity.json")
    text = ci.report("0" * 40)
    assert (HANDED_OVER / "report.md").read_text(encoding="utf-8") == text
    assert text.startswith("## 🟡 FLOORS ONLY: ")
    names = {path.name for path in (HANDED_OVER / "reports").rglob("*.json")}
    assert {"data.json", "metrics.json", "parity.json"} <= names
    assert not (HANDED_OVER / "reports/answers.csv").exists()


def test_what_was_made_otherwise_than_committed_makes_the_report_ask_for_it(project: Path) -> None:
    commit("dvc.lock", "params.yaml", "reports/metrics.json", "reports/data.json", "reports/parity.json")
    (project / ci.RESULTS / "docs").mkdir(parents=True)
    (project / ci.RESULTS / "docs/model-card.md").write_text("# Another card\n", encoding="utf-8")
    text = ci.report("")
    assert text.startswith("## 🔧 FIX LOCK: ")
    assert "1 difference from what the code makes</summary>\n\n- docs/model-card.md is not what the code makes" in text


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
