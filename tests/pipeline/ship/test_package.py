import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest

from lambda_api.bins import BINNINGS, BINS_ID
from lambda_api.contract import LEVELS, TARGET, fingerprint
from lambda_api.manifest import Bins, Manifest, Support
from lambda_api.service import Service
from pipeline.errors import ModelFileError, RegistryError
from pipeline.files import Layout, digest
from pipeline.judge.register import register
from pipeline.model.result import result_of
from pipeline.params import Params
from pipeline.registry import Registry
from pipeline.ship.package import package_layout, package_registered
from pipeline.ship.signed import CANDIDATE
from tests.paths import ROOT

NAME = "obesity_classifier"
MODEL = "model.onnx"


@pytest.fixture
def layout(small_layout: Layout, tmp_path: Path) -> Layout:
    """A finished layout that a test may damage."""
    shutil.copytree(small_layout.root, tmp_path / "layout")
    return Layout(tmp_path / "layout")


def test_a_finished_layout_is_packaged_as_never_registered(small_layout: Layout, tmp_path: Path) -> None:
    graph, data = small_layout.model.read_bytes(), json.loads(small_layout.data_report.read_text())

    manifest = package_layout(small_layout, tmp_path)

    assert (tmp_path / MODEL).read_bytes() == graph
    assert (tmp_path / "golden.json").read_bytes() == small_layout.golden.read_bytes()
    assert Manifest.model_validate_json((tmp_path / "manifest.json").read_bytes()) == manifest
    assert manifest.model_dump(exclude={"metrics", "support", "bins"}) == {
        "model_version": "unregistered",
        "registered_model": None,
        "source": "other",
        "trained_on": None,
        "git_commit": None,
        "data_sha256": data["sha256"],
        "model_sha256": digest(graph),
        "golden_sha256": digest(small_layout.golden.read_bytes()),
        "contract": fingerprint(),
        "bins_id": BINS_ID,
        "verdict": None,
        "libraries": {
            name: version(name)
            for name in ("numpy", "onnx", "onnxruntime", "pandas", "pydantic", "scikit-learn", "skl2onnx")
        },
    }
    assert manifest.metrics == json.loads(small_layout.metrics.read_text())
    assert manifest.support["Age"] == Support(low=data["columns"]["Age"]["min"], high=data["columns"]["Age"]["max"])
    assert manifest.support["SMOKE"] == Support(categories=("no", "yes"))


def test_the_manifest_holds_every_bin_with_the_training_records_in_it(small_layout: Layout, tmp_path: Path) -> None:
    data = json.loads(small_layout.data_report.read_text())

    bins = package_layout(small_layout, tmp_path).bins

    assert list(bins) == [*BINNINGS, TARGET]
    assert bins["SMOKE"] == Bins(categories=("no", "yes"), counts=data["bins"]["SMOKE"])
    assert bins["NCP"] == Bins(edges=(1, 2, 3, 4), counts=data["bins"]["NCP"])
    assert bins[TARGET] == Bins(categories=LEVELS, counts=[data["levels"][level] for level in LEVELS])
    assert {sum(column.counts or ()) for column in bins.values()} == {data["records"]}


def test_a_version_from_before_the_bins_were_counted_is_packaged_without_counts(layout: Layout, tmp_path: Path) -> None:
    data = json.loads(layout.data_report.read_text())
    del data["bins"]
    layout.data_report.write_text(json.dumps(data))

    bins = package_layout(layout, tmp_path / "out").bins

    assert {name: column.counts for name, column in bins.items() if name != TARGET} == dict.fromkeys(BINNINGS)


def test_packaging_twice_makes_the_same_bytes(small_layout: Layout, tmp_path: Path) -> None:
    for name in ("a", "b"):
        package_layout(small_layout, tmp_path / name)

    assert (tmp_path / "a/manifest.json").read_bytes() == (tmp_path / "b/manifest.json").read_bytes()


def test_the_service_starts_from_a_package(small_layout: Layout, tmp_path: Path) -> None:
    package_layout(small_layout, tmp_path)

    assert Service.load(tmp_path).example().answers[0]["prediction"] in Service.load(tmp_path).example().levels()


@pytest.mark.parametrize("name", ["models/model.onnx", "reports/data.json", "reports/metrics.json"])
def test_an_incomplete_layout_leaves_the_old_package_untouched(layout: Layout, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    package_layout(layout, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    (layout.root / name).unlink()

    with pytest.raises(ModelFileError, match="does not exist: make it with `pipeline"):
        package_layout(layout, out)

    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_damaged_model_is_never_packaged(layout: Layout, tmp_path: Path) -> None:
    layout.model.write_bytes(b"no graph")

    with pytest.raises(ModelFileError, match="the service would not start from this model"):
        package_layout(layout, tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_a_data_report_of_another_shape_is_refused(layout: Layout, tmp_path: Path) -> None:
    layout.data_report.write_text(json.dumps(json.loads(layout.data_report.read_text()) | {"columns": {}}))

    with pytest.raises(ModelFileError, match="does not belong to this version"):
        package_layout(layout, tmp_path / "out")


def test_without_a_champion_the_remedy_is_named_and_nothing_is_made(tmp_path: Path) -> None:
    registry = Registry(f"sqlite:///{tmp_path}/mlflow.db")

    with pytest.raises(RegistryError, match=f"{NAME} has no champion .*make run.*--from FOLDER"):
        package_registered(registry, NAME, out=tmp_path / "out")

    assert list(tmp_path.iterdir()) == []


def test_the_champion_is_packaged_from_the_registry_alone(
    small_layout: Layout, small_params: Params, tmp_path: Path
) -> None:
    registry = Registry(
        f"sqlite:///{tmp_path}/mlflow.db", clock=lambda: datetime(2026, 1, 2, tzinfo=UTC), who=lambda: "somebody"
    )
    register(result_of(small_layout, small_params), small_params, jobs=1, registry=registry)
    registry.promote(NAME, 1, "Production", expected=None, why="first of all")
    registry.refuse(NAME, 1, champion=2, why="judged again against its successor")

    manifest = package_registered(registry, NAME, out=tmp_path / "out")

    assert (tmp_path / "out" / MODEL).read_bytes() == small_layout.model.read_bytes()
    assert (manifest.model_version, manifest.registered_model) == ("1", NAME)
    assert manifest.trained_on == registry.version(NAME, 1).created
    assert manifest.verdict is not None
    assert (manifest.verdict["action"], manifest.verdict["why"]) == ("promotion", "first of all")
    assert "somebody" not in (tmp_path / "out/manifest.json").read_text()


def test_what_was_fetched_to_be_verified_is_packaged_and_not_fetched_again(
    two_versions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.chdir(tmp_path)
    registry = Registry(f"sqlite:///{shutil.copy(two_versions, tmp_path / 'mlflow.db')}")
    registry.fetch(NAME, 2, CANDIDATE)
    verified = Layout(CANDIDATE).model.read_bytes()
    paths = list[str]()
    download = mlflow.MlflowClient.download_artifacts

    def downloading(self: mlflow.MlflowClient, run_id: str, path: str, *rest: object) -> str:
        paths.append(path)
        return str(download(self, run_id, path, *rest))

    monkeypatch.setattr(mlflow.MlflowClient, "download_artifacts", downloading)
    manifest = package_registered(Registry(registry.store.uri), NAME, 2, tmp_path / "out")
    assert (manifest.model_version, paths) == ("2", ["result.json"])
    assert (tmp_path / "out" / MODEL).read_bytes() == verified


def test_the_command_says_which_model_it_packaged(small_layout: Layout, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pipeline", "package", "--from", str(small_layout.root), "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    sha256 = digest((tmp_path / MODEL).read_bytes())
    assert done.stdout == f"{tmp_path}: model unregistered, trained on other data, SHA-256 {sha256[:16]}\n"
