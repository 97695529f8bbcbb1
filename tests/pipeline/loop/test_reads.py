"""How often one pass reads what it needs: the records once, a champion's files only where they are not here yet."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.data import records
from pipeline.files import Layout
from pipeline.loop.retrain import RetrainResult, judge
from pipeline.params import Params
from pipeline.progress import no_progress
from pipeline.registry import Registry

NAME = "obesity_classifier"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The name of each file that the flow parses as records."""
    names = list[str]()
    read_bytes = records.read_bytes

    def reading(path: Path, made_by: str) -> bytes:
        names.append(path.name)
        return read_bytes(path, made_by)

    monkeypatch.setattr(records, "read_bytes", reading)
    return names


@pytest.fixture
def downloaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The path of each artefact that is copied out of the registry."""
    import mlflow

    paths = list[str]()
    download = mlflow.MlflowClient.download_artifacts

    def downloading(self: Any, run_id: str, path: str, *rest: object) -> str:
        paths.append(path)
        return str(download(self, run_id, path, *rest))

    monkeypatch.setattr(mlflow.MlflowClient, "download_artifacts", downloading)
    return paths


def test_a_pass_parses_the_records_once_and_copies_the_champion_once(
    tmp_path: Path,
    empty_store: Path,
    small_layout: Layout,
    other_layout: Layout,
    small_params: Params,
    other_params: Params,
    read: list[str],
    downloaded: list[str],
) -> None:
    layout = Layout(shutil.copytree(small_layout.root, tmp_path / "layout"))
    store = f"sqlite:///{shutil.copy(empty_store, tmp_path / 'mlflow.db')}"

    def one_pass(params: Params) -> RetrainResult:
        """Register, gate and export what lies in the layout, as `make run` does after the stages."""
        read.clear(), downloaded.clear()
        return judge("the test", layout, (), params, Registry(store), no_progress)

    assert one_pass(small_params).registered.created
    assert (read, downloaded) == (["records.csv"], [])

    Registry(store).promote(NAME, 1, "Production", expected=None)
    assert one_pass(small_params).champion
    assert (read, downloaded.count("models/model.onnx"), downloaded.count("result.json")) == (["records.csv"], 1, 1)

    assert not one_pass(small_params).changed
    assert (read, downloaded) == (["records.csv"], ["result.json"])

    shutil.copytree(other_layout.root, layout.root, dirs_exist_ok=True)
    other = one_pass(other_params)
    assert (other.registered.version, other.verdict.outcome, other.verdict.pairs is not None) == (2, "refused", True)
    assert (read, downloaded) == (["records.csv"], ["result.json"])  # the champion's graphs lie here already
