"""The flow without DVC makes what DVC makes, for any table of the contract, in the order that dvc.yaml says."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from ruamel.yaml import YAML

from pipeline.data import clean
from pipeline.errors import DataError
from pipeline.files import Layout, file_digest
from pipeline.model import evaluate, train
from pipeline.model import run as flow
from pipeline.params import Params
from pipeline.repo import dvc_md5
from tests.paths import ROOT


def stages() -> dict[str, dict[str, list[object]]]:
    content: dict[str, dict[str, list[object]]] = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
    return content


def outputs(stage: dict[str, list[object]]) -> set[str]:
    entries = [entry for kind in ("outs", "metrics", "plots") for entry in stage.get(kind, [])]
    return {next(iter(entry)) if isinstance(entry, dict) else str(entry) for entry in entries}


def test_dvc_runs_the_stages_in_the_order_that_run_says() -> None:
    assert tuple(stages()) == ("ingest", *flow.STAGES)
    produced: set[str] = set()
    for name, stage in stages().items():
        deps = {str(dep) for dep in stage.get("deps", [])}
        files_of_stages = {out for other in stages().values() for out in outputs(other)}
        assert deps & files_of_stages <= produced, f"{name} reads what is not made yet"
        produced |= outputs(stage)


def test_every_stage_runs_its_own_command() -> None:
    for name, stage in stages().items():
        assert str(stage["cmd"]).split(" --")[0] == f"python -m pipeline {name}"


def test_every_dependency_in_dvc_yaml_exists_or_is_made_by_a_stage() -> None:
    made = {out for stage in stages().values() for out in outputs(stage)}
    for stage in stages().values():
        for dep in map(str, stage.get("deps", [])):
            assert dep in made or (ROOT / dep).exists(), dep


@pytest.mark.usefixtures("whole_program")
@pytest.mark.parametrize("stage", [clean, train, evaluate], ids=lambda stage: stage.__name__)
def test_every_file_of_code_that_a_stage_loads_is_a_dependency_of_it(stage: ModuleType) -> None:
    code = f"import sys, {stage.__name__}; print(*(m.__file__ for m in sys.modules.values() if m.__name__ in FOUND))"
    code = code.replace("FOUND", "[n for n in sys.modules if n.startswith(('pipeline.', 'lambda_api.'))]")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {Path(file).relative_to(ROOT).as_posix() for file in done.stdout.split()}
    deps = [str(dep) for dep in stages()[stage.__name__.rpartition(".")[2]]["deps"]]
    decide_no_byte = {"pipeline/errors.py", "pipeline/progress.py"}
    covered = {file for file in loaded if any(file == dep or file.startswith(f"{dep}/") for dep in deps)}
    assert covered >= {file.__file__ and Path(str(file.__file__)).relative_to(ROOT).as_posix() for file in [stage]}
    assert loaded - covered - decide_no_byte == set()


def test_a_file_is_locked_as_dvc_locks_it_and_a_folder_too() -> None:
    lock = YAML(typ="safe").load((ROOT / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    locked = {dep["path"]: dep["md5"] for stage in lock.values() for dep in stage.get("deps", [])}
    code = {path: md5 for path, md5 in locked.items() if path.startswith(("pipeline/", "lambda_api/"))}
    assert {md5[-4:] == ".dir" for md5 in code.values()} == {True, False}
    assert {path: dvc_md5(ROOT / path) for path in code} == code


def test_the_bytes_equal_the_committed_dvc_lock(real_layout: Layout) -> None:
    lock = YAML(typ="safe").load((ROOT / "dvc.lock").read_text())["stages"]
    locked = {out["path"]: out["md5"] for stage in flow.STAGES for out in lock[stage]["outs"] if "nfiles" not in out}
    assert {path: dvc_md5(real_layout.root / path) for path in locked} == locked


def test_a_table_without_known_origins_gets_no_figures_about_origins(small_layout: Layout) -> None:
    text = small_layout.metrics.read_text(encoding="utf-8")
    assert "origin" not in text
    assert "grouped" not in text


def test_a_file_that_breaks_the_contract_leaves_everything_as_it_was(
    small_layout: Layout, small_params: Params, tmp_path: Path
) -> None:
    shutil.copytree(small_layout.root, tmp_path / "out")
    before = {path: file_digest(path) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    bad = tmp_path / "bad.csv"
    bad.write_text("Gender,Age\nFemale,21\n", encoding="utf-8")
    with pytest.raises(DataError, match="missing column"):
        flow.run(bad, Layout(tmp_path / "out"), small_params)
    assert {path: file_digest(path) for path in (tmp_path / "out").rglob("*") if path.is_file()} == before


def test_a_run_that_is_killed_leaves_whole_files_and_can_be_run_again(
    small_layout: Layout, small_csv: Path, small_params_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "pipeline", "run", "--raw", str(small_csv), "--out", str(out), "--jobs", "1"]
    command += ["--params", str(small_params_file)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=os.environ)
    assert process.stderr is not None
    for line in process.stderr:
        if "fit without fold 1" in line:
            process.kill()
            break
    process.communicate()
    assert process.returncode == -9
    assert not list(out.rglob("*.part"))
    subprocess.run(command, check=True, capture_output=True)
    names = [path.relative_to(out) for path in out.rglob("*") if path.is_file()]
    assert names
    assert {name: file_digest(out / name) for name in names} == {
        name: file_digest(small_layout.root / name) for name in names
    }


def test_the_committed_lock_is_that_of_the_committed_code_and_parameters() -> None:
    lock = YAML(typ="safe").load((ROOT / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    assert list(lock) == list(stages())
    made = {out for stage in stages().values() for out in outputs(stage)}
    stale = [
        f"{name}: {dep['path']}"
        for name, stage in lock.items()
        for dep in stage.get("deps", [])
        if dep["path"] not in made and dvc_md5(ROOT / dep["path"]) != dep["md5"]
    ]
    assert stale == [], "run `dvc repro` and commit dvc.lock"
    params = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for stage in lock.values():
        for key, value in stage.get("params", {}).get("params.yaml", {}).items():
            current = params
            for part in key.split("."):
                current = current[part]
            assert current == value, f"{key} changed: run `dvc repro` and commit dvc.lock"
