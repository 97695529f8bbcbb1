"""One pass of the loop in a project of its own: real DVC, real MLflow, a real command line, small data."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.files import SAMPLE_ROOT, SAMPLE_STORE, Layout, digest, file_digest
from tests.fixtures.project import NOWHERE, Project
from tests.paths import ROOT


def test_the_first_pass_registers_promotes_exports_and_says_so(trained_project: Path) -> None:
    output = (trained_project / "said.txt").read_text(encoding="utf-8")
    for words in (
        "BMI rule",
        "Floors only: they hold; there is no champion yet",
        "as obesity_classifier version 1",
        "version 1 of this machine's registry (mlflow.db)",
        "exported to models/champion/models/model.onnx",
    ):
        assert words in output
    exported = Layout(trained_project / "models/champion")
    assert file_digest(exported.model) == file_digest(Layout(trained_project).model)


def test_it_says_what_to_commit_and_when_the_results_are_those_of_the_last_commit(project: Project) -> None:
    identity = ("-c", "user.name=ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false")
    shutil.copy(ROOT / ".gitignore", project.root)
    subprocess.run(["git", "add", "."], cwd=project.root, check=True)
    subprocess.run(["git", *identity, "commit", "-q", "-m", "x"], cwd=project.root, check=True)
    (project.root / "reports/metrics.json").write_text("{}", encoding="utf-8")
    made_again = project.run("retrain")
    assert "nothing to commit: byte for byte the results of the last commit" in made_again.stdout
    project.set_params(gate={"confidence": 0.9})
    changed = project.run("retrain")
    assert "`git add params.yaml dvc.lock reports docs/model-card.md` and commit: 1 file(s) changed" in changed.stdout


def test_a_second_pass_with_nothing_changed_says_so_and_adds_no_version(trained_project: Path) -> None:
    project = Project(trained_project)  # a copy would have other inodes, so DVC would look at every file anew
    verdict = Layout(trained_project).verdict.read_bytes()
    before = {name: file_digest(project.root / name) for name in ("dvc.lock", "params.yaml")}
    done = project.run("retrain")
    Layout(trained_project).verdict.write_bytes(verdict)  # the project is shared: leave it as it was
    assert (done.returncode, "Nothing changed." in done.stdout) == (0, True), done.stdout + done.stderr
    assert "none: everything is up to date" in done.stdout
    assert [version.number for version in project.registry().versions("obesity_classifier")] == [1]
    assert {name: file_digest(project.root / name) for name in before} == before


def test_without_data_and_network_the_sample_runs_in_a_folder_of_its_own(project: Project) -> None:
    shutil.rmtree(project.root / ".dvc/cache")
    Layout(project.root).raw.unlink()
    kept = ("dvc.lock", "params.yaml", "mlflow.db", "reports/metrics.json", "models/model.onnx")
    before = {name: file_digest(project.root / name) for name in kept}
    done = project.run("retrain")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "was not found" in done.stderr
    assert NOWHERE in done.stderr
    assert "SAMPLE" in done.stdout
    assert {name: file_digest(project.root / name) for name in kept} == before
    report = json.loads(Layout(project.root / SAMPLE_ROOT).data_report.read_text(encoding="utf-8"))
    assert report["source"] == "sample"
    champion = project.registry(SAMPLE_STORE).champion("obesity_classifier")
    assert champion is not None
    assert champion.tags["source"] == "sample"


def test_publishing_never_takes_the_sample(project: Project) -> None:
    shutil.rmtree(project.root / ".dvc/cache")
    Layout(project.root).raw.unlink()
    done = project.run("ingest", "--no-sample")
    assert (done.returncode, "SourceError: the data" in done.stderr) == (2, True)
    assert project.run("ingest").returncode == 0


def test_a_worse_model_is_registered_and_refused_and_the_champion_stays(project: Project) -> None:
    project.set_params(forest={"n_estimators": 1, "max_depth": 1})
    done = project.run("retrain")
    assert done.returncode == 0, done.stdout + done.stderr  # the loop ran; the verdict is its answer
    registry = project.registry()
    champion = registry.champion("obesity_classifier")
    assert champion is not None
    assert (champion.number, len(registry.versions("obesity_classifier"))) == (1, 2)
    assert "Refused" in done.stdout
    assert [move.action for move in registry.history("obesity_classifier")] == ["promotion", "refusal"]
    refused = project.run("gate")
    assert (refused.returncode, "GateRefusal" in refused.stderr) == (3, True)


def test_a_stage_that_fails_hands_on_its_error_and_its_exit_code(project: Project) -> None:
    raw = Layout(project.root).raw
    content = raw.read_bytes().replace(b"Public_Transportation", b"Rocket", 1)
    raw.unlink()
    raw.write_bytes(content)
    project.set_params(data={"sha256": digest(content)})
    done = project.run("retrain")
    assert done.returncode == 2
    assert "MTRANS: got 'Rocket', expected one of 'Walking'" in done.stderr
    assert "Traceback" not in done.stderr
    assert project.registry().champion("obesity_classifier") is not None


def test_a_pass_beside_another_one_is_refused_and_says_who_is_at_work(project: Project) -> None:
    project.set_params(forest={"n_estimators": 5})
    lock_entry = {"pid": os.getpid(), "cmd": "make run elsewhere"}
    at_work = {"write": {str(Layout(project.root).model): lock_entry}, "read": {}}
    (project.root / ".dvc/tmp/rwlock").write_text(json.dumps(at_work), encoding="utf-8")
    done = project.run("retrain")
    assert done.returncode == 3
    assert "RaceLostError: another process is running the stages here: wait, then run again" in done.stderr
    assert "make run elsewhere" in done.stderr


@pytest.mark.parametrize(
    ("signal", "code", "said"), [("INT", 130, ""), ("KILL", 1, "was killed by signal 9; run again")]
)
def test_a_stage_that_is_interrupted_or_killed_is_not_called_wrong(
    project: Project, signal: str, code: int, said: str
) -> None:
    stages = (project.root / "dvc.yaml").read_text(encoding="utf-8")
    dying = stages.replace("python -m pipeline evaluate", f"kill -{signal} $$")
    (project.root / "dvc.yaml").write_text(dying, encoding="utf-8")
    done = project.run("retrain")
    assert (done.returncode, "mend" in done.stderr) == (code, False), done.stderr
    assert said in done.stderr


def test_params_that_are_wrong_stop_everything_before_it_starts(project: Project) -> None:
    project.set_params(forest={"trees": 3})
    done = project.run("retrain")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("ParamsError: params.yaml is not valid:\n  forest.trees:")


def dvc(project: Project, *arguments: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", "dvc", *arguments]
    subprocess.run(command, cwd=project.root, env=os.environ | {"PATH": path}, check=True, capture_output=True)


def test_the_model_card_is_of_the_model_even_if_dvc_alone_ran_the_stages(project: Project) -> None:
    project.set_params(forest={"n_estimators": 5})
    dvc(project, "repro")
    done = project.run("retrain")
    assert "none: everything is up to date" in done.stdout, done.stdout + done.stderr
    assert "as obesity_classifier version 2" in done.stdout
    assert "A random forest of 5 trees" in Layout(project.root).model_card.read_text(encoding="utf-8")


def test_reproducing_the_stages_anew_leaves_the_lock_as_it_is(project: Project) -> None:
    before = (project.root / "dvc.lock").read_bytes()
    dvc(project, "repro", "--force", "--no-run-cache")
    assert (project.root / "dvc.lock").read_bytes() == before
