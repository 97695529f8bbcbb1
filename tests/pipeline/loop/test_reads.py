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


def one_pass(layout: Layout, params: Params, store: Path) -> RetrainResult:
    """Register, gate and export what lies in a layout, as `make run` does after the stages."""
    return judge("the test", layout, (), params, Registry(f"sqlite:///{store}"), no_progress)


def test_a_pass_parses_the_records_once_and_copies_the_champion_once(  # noqa: PLR0913, PLR0917  what a project has
    tmp_path: Path,
    empty_store: Path,
    small_layout: Layout,
    other_layout: Layout,
    small_params: Params,
    other_params: Params,
    read: list[str],
    downloaded: list[str],
) -> None:
    floors = small_params.gate.floors.model_copy(update=dict.fromkeys(small_params.gate.floors.model_dump(), 0.0))
    gate = {"gate": small_params.gate.model_copy(update={"floors": floors})}
    params, other = small_params.model_copy(update=gate), other_params.model_copy(update=gate)
    store = Path(shutil.copy(empty_store, tmp_path / "mlflow.db"))
    layout = Layout(shutil.copytree(small_layout.root, tmp_path / "layout"))

    first = one_pass(layout, params, store)
    assert (first.registered.created, first.verdict.outcome) == (True, "promoted")
    assert read == ["records.csv"]
    assert downloaded.count("models/model.onnx") == 1

    read.clear(), downloaded.clear()
    again = one_pass(layout, params, store)
    assert (again.changed, read, downloaded) == (False, ["records.csv"], ["result.json"])

    read.clear(), downloaded.clear()
    shutil.copytree(other_layout.root, layout.root, dirs_exist_ok=True)
    second = one_pass(layout, other, store)
    assert (second.registered.created, second.registered.version) == (True, 2)
    assert read == ["records.csv"]
    if second.verdict.outcome == "refused":  # the champion stays, and what it needs lies here already
        assert downloaded == ["result.json"]
