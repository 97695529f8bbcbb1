"""Two runs of the same flow are the same bytes, and a difference anywhere is seen."""

import shutil
from pathlib import Path

import pytest

from pipeline.errors import PipelineError
from pipeline.files import Layout, write_json, write_text
from pipeline.model.reproduce import FileComparison, compare, reproduce
from tests.paths import ROOT


def run_folder(root: Path, accuracy: float, model: str) -> Path:
    write_json(root / "reports/metrics.json", {"holdout": {"accuracy": accuracy, "rows": 3}})
    write_text(root / "models/model.onnx", model)
    return root


def test_equal_folders_differ_by_nothing(tmp_path: Path) -> None:
    comparison = compare([run_folder(tmp_path / name, 0.9, "graph") for name in "ab"])
    assert (comparison.equal, comparison.difference, len(comparison.files)) == (True, 0.0, 2)
    assert comparison.metrics == {"holdout.accuracy": (0.9, 0.9), "holdout.rows": (3.0, 3.0)}


def test_a_model_with_equal_metrics_and_other_bytes_is_a_difference(tmp_path: Path) -> None:
    comparison = compare([run_folder(tmp_path / "a", 0.9, "graph"), run_folder(tmp_path / "b", 0.9, "hparg")])
    assert (comparison.equal, comparison.difference) == (False, 0.0)
    assert [file.name for file in comparison.files if not file.equal] == ["models/model.onnx"]


def test_the_difference_is_the_largest_of_any_metric(tmp_path: Path) -> None:
    comparison = compare([run_folder(tmp_path / "a", 0.9, "g"), run_folder(tmp_path / "b", 0.75, "g")])
    assert (comparison.equal, round(comparison.difference, 6)) == (False, 0.15)


def test_a_file_that_one_run_lacks_is_a_difference(tmp_path: Path) -> None:
    folders = [run_folder(tmp_path / name, 0.9, "graph") for name in "ab"]
    write_text(folders[0] / "extra.txt", "x")
    comparison = compare(folders)
    assert not comparison.equal
    assert [(file.name, file.digests[1]) for file in comparison.files if not file.equal] == [("extra.txt", None)]


def test_only_the_named_files_are_compared_where_other_files_lie_beside_them(tmp_path: Path) -> None:
    folders = [run_folder(tmp_path / name, 0.9, "graph") for name in "ab"]
    write_text(folders[0] / "params.yaml", "seed: 7")
    assert compare(folders, ["models/model.onnx"]).equal
    assert not compare(folders, ["models/model.onnx", "models/golden.json"]).equal


def test_a_file_comparison_of_missing_files_is_not_equal() -> None:
    assert not FileComparison("x", (None, None)).equal


@pytest.mark.usefixtures("whole_program")
def test_two_fresh_processes_with_other_seeds_and_cores_write_the_same_bytes(
    small_csv: Path, small_params_file: Path
) -> None:
    steps: list[str] = []
    comparison = reproduce(small_csv, small_params_file, lambda what, _done, _total: steps.append(what))
    assert (comparison.equal, f"{comparison.difference:.4f}") == (True, "0.0000")
    assert {"models/model.onnx", "reports/metrics.json", "reports/parity.json", "data/processed/records.csv"} <= {
        file.name for file in comparison.files
    }
    assert steps == ["run with hash seed 0 on 1 core(s)", "run with hash seed 4242 on 2 core(s)", "compare"]


@pytest.mark.usefixtures("whole_program")
def test_results_that_lie_here_are_one_of_the_two_runs(
    small_csv: Path, small_params_file: Path, small_layout: Layout, tmp_path: Path
) -> None:
    results = Path(shutil.copytree(small_layout.root, tmp_path / "results"))
    write_text(results / "README.md", "not of the flow")
    steps: list[str] = []
    assert reproduce(small_csv, small_params_file, lambda what, *_: steps.append(what), results).equal
    assert steps == ["run with hash seed 4242 on 2 core(s)", "compare"]
    Layout(results).model.write_bytes(b"another graph")
    differing = [file.name for file in reproduce(small_csv, small_params_file, results=results).files if not file.equal]
    assert differing == ["models/model.onnx"]


@pytest.mark.usefixtures("whole_program")
def test_a_run_that_fails_hands_on_its_error_and_its_exit_code(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("", encoding="utf-8")
    with pytest.raises(PipelineError) as failed:
        reproduce(tmp_path / "empty.csv", ROOT / "params.yaml")
    assert failed.value.exit_code == 2
    assert "empty.csv: is empty" in str(failed.value)
