"""One pass of the loop in a project of its own: real DVC, real MLflow, a real command line, small data."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline import sample
from pipeline.files import Layout, digest, file_digest
from pipeline.params import Params
from pipeline.registry import Registry
from pipeline.retrain import SAMPLE_ROOT, SAMPLE_STORE
from tests.conftest import ROOT, once

NOWHERE = "http://127.0.0.1:9/nothing-listens-here"


@dataclass(frozen=True)
class Project:
    """A clone of the project with small data and small work."""

    root: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")}
        environment |= {"PYTHONWARNINGS": "", "MLFLOW_DISABLE_TELEMETRY": "true"}
        command = [sys.executable, "-m", "pipeline", *arguments]
        return subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, check=False)

    def set_params(self, **blocks: dict[str, object]) -> None:
        path = self.root / "params.yaml"
        params = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        for block, values in blocks.items():
            params[block] |= values
        path.write_text(json.dumps(params, indent=1), encoding="utf-8")

    def registry(self, uri: str = "sqlite:///mlflow.db") -> Registry:
        return Registry(uri.replace("sqlite:///", f"sqlite:///{self.root}/"))


def make_project(root: Path, params: Params, csv: Path) -> Project:
    for name in ("lambda_api", "pipeline", "data/sample", "requirements"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dvc.yaml", root)
    project = Project(root)
    (root / "params.yaml").write_text(json.dumps(params.model_dump()), encoding="utf-8")
    project.set_params(
        data={"url": NOWHERE, "sha256": digest(csv.read_bytes()), "collected_rows": None},
        gate={"floors": dict.fromkeys(params.gate.floors.model_dump(), 0.0)},
    )
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=root, check=True)
    return project


@pytest.fixture(scope="session")
def trained_project(tmp_path_factory: pytest.TempPathFactory, small_params: Params) -> Path:
    invented = small_params.sample.model_copy(update={"rows": 600, "seed": 7})
    csv = tmp_path_factory.mktemp("invented") / "mine.csv"
    csv.write_text(sample.generate(sample.load_profile(ROOT / sample.PROFILE), invented), encoding="utf-8")
    forest = small_params.forest.model_copy(update={"n_estimators": 20})

    def make(folder: Path) -> None:
        project = make_project(folder, small_params.model_copy(update={"forest": forest}), csv)
        done = project.run("retrain", "--data", str(csv))
        (folder / "said.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
        assert done.returncode == 0, done.stdout + done.stderr

    return once(tmp_path_factory, "trained-project", make)


@pytest.fixture
def project(trained_project: Path, tmp_path: Path) -> Project:
    """A copy of a project that went through the loop once."""
    return Project(Path(shutil.copytree(trained_project, tmp_path / "project")))


def test_the_first_pass_registers_promotes_exports_and_says_so(trained_project: Path) -> None:
    said = (trained_project / "said.txt").read_text(encoding="utf-8")
    for words in (
        "BMI rule",
        "Promoted",
        "as obesity_classifier version 1",
        "exported to models/champion/models/model.onnx",
    ):
        assert words in said
    exported = Layout(trained_project / "models/champion")
    assert file_digest(exported.model) == file_digest(Layout(trained_project).model)


def test_a_second_pass_with_nothing_changed_says_so_and_adds_no_version(trained_project: Path) -> None:
    project = Project(trained_project)  # a copy would have other inodes, so DVC would look at every file anew
    before = {name: file_digest(project.root / name) for name in ("dvc.lock", "params.yaml")}
    done = project.run("retrain")
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


def test_params_that_are_wrong_stop_everything_before_it_starts(project: Project) -> None:
    project.set_params(forest={"trees": 3})
    done = project.run("retrain")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("ParamsError: params.yaml is not valid:\n  forest.trees:")


def test_reproducing_the_stages_anew_leaves_the_lock_as_it_is(project: Project) -> None:
    before = (project.root / "dvc.lock").read_bytes()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", "dvc", "repro", "--force", "--no-run-cache"]
    subprocess.run(command, cwd=project.root, env=os.environ | {"PATH": path}, check=True, capture_output=True)
    assert (project.root / "dvc.lock").read_bytes() == before
