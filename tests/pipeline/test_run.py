"""The flow without DVC makes what DVC makes, for any table of the contract, in the order that dvc.yaml says."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline import run as flow
from pipeline.errors import DataError
from pipeline.files import Layout, file_digest
from pipeline.params import Params
from tests.conftest import ROOT


def stages() -> dict[str, dict[str, list[object]]]:
    found: dict[str, dict[str, list[object]]] = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
    return found


def md5(path: Path) -> str:
    """As DVC locks a file."""
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def outputs(stage: dict[str, list[object]]) -> set[str]:
    entries = [entry for kind in ("outs", "metrics", "plots") for entry in stage.get(kind, [])]
    return {next(iter(entry)) if isinstance(entry, dict) else str(entry) for entry in entries}


def test_dvc_runs_the_stages_in_the_order_that_run_says() -> None:
    assert tuple(stages()) == ("ingest", *flow.STAGES)
    made: set[str] = set()
    for name, stage in stages().items():
        deps = {str(dep) for dep in stage.get("deps", [])}
        files_of_stages = {out for other in stages().values() for out in outputs(other)}
        assert deps & files_of_stages <= made, f"{name} reads what is not made yet"
        made |= outputs(stage)


def test_every_stage_runs_its_own_command_and_depends_on_its_own_module() -> None:
    for name, stage in stages().items():
        assert str(stage["cmd"]).split(" --")[0] == f"python -m pipeline {name}"
        if name != "ingest":
            assert f"pipeline/{name}.py" in stage["deps"]


def test_every_dependency_in_dvc_yaml_exists_or_is_made_by_a_stage() -> None:
    made = {out for stage in stages().values() for out in outputs(stage)}
    for stage in stages().values():
        for dep in map(str, stage.get("deps", [])):
            assert dep in made or (ROOT / dep).is_file(), dep


def test_every_project_module_that_a_stage_imports_is_a_dependency_of_it() -> None:
    harmless = {"errors", "files", "params", "progress", "__init__", "cli", "show", "cli_registry"}
    for name in flow.STAGES:
        code = (
            f"import sys, pipeline.{name}; "
            "print(*(m for m in sys.modules if m.startswith(('pipeline.', 'lambda_api.'))))"
        )
        loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
        needed = {
            module.replace(".", "/") + ".py" for module in loaded.stdout.split() if module.split(".")[1] not in harmless
        }
        assert needed <= set(map(str, stages()[name]["deps"])), f"{name} imports more than it depends on"


def test_the_bytes_equal_the_committed_dvc_lock(real_layout: Layout) -> None:
    lock = YAML(typ="safe").load((ROOT / "dvc.lock").read_text())["stages"]
    locked = {out["path"]: out["md5"] for stage in flow.STAGES for out in lock[stage]["outs"] if "nfiles" not in out}
    assert {path: md5(real_layout.root / path) for path in locked} == locked


def test_a_table_without_known_origins_gets_no_figures_about_origins(small_layout: Layout) -> None:
    text = small_layout.metrics.read_text(encoding="utf-8")
    assert "origin" not in text
    assert "leak_adjusted" not in text


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
        if dep["path"] not in made and md5(ROOT / dep["path"]) != dep["md5"]
    ]
    assert stale == [], "run `dvc repro` and commit dvc.lock"
    params = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for stage in lock.values():
        for key, value in stage.get("params", {}).get("params.yaml", {}).items():
            found = params
            for part in key.split("."):
                found = found[part]
            assert found == value, f"{key} changed: run `dvc repro` and commit dvc.lock"
