import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lambda_api.contract import columns, example, fingerprint
from pipeline.errors import ModelFileError, ReproductionError
from pipeline.files import Layout, digest, flat, read_json, write_json
from pipeline.judge.register import Registration, register
from pipeline.model.export import to_onnx
from pipeline.model.result import result_of
from pipeline.params import Params
from pipeline.registry import Registry
from tests.paths import ROOT

NAME = "obesity_classifier"


@pytest.fixture
def registry(tmp_path: Path, empty_store: Path) -> Registry:
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    return Registry(f"sqlite:///{tmp_path}/mlflow.db")


@pytest.fixture
def two(tmp_path: Path, two_versions: Path) -> Registry:
    shutil.copy(two_versions, tmp_path / "two.db")
    return Registry(f"sqlite:///{tmp_path}/two.db")


@pytest.fixture
def copied(tmp_path: Path, small_layout: Layout) -> Layout:
    return Layout(shutil.copytree(small_layout.root, tmp_path / "layout"))


def runs(registry: Registry) -> list[str]:
    with registry.store.client() as client:
        experiment = client.get_experiment_by_name(NAME)
        return [run.info.status for run in client.search_runs([experiment.experiment_id])] if experiment else []


def with_threshold(params: Params, threshold: float) -> Params:
    return params.model_copy(update={"registry": params.registry.model_copy(update={"staging_threshold": threshold})})


def test_the_same_result_is_registered_once(two: Registry, small_layout: Layout, small_params: Params) -> None:
    again = register(result_of(small_layout, small_params), small_params, 1, two)
    first = two.version(NAME, 1)
    result = result_of(small_layout, small_params)
    assert again == Registration(NAME, 1, False, first.stage, result.model_sha256, result.sha256, first.run_id)
    assert [version.number for version in two.versions(NAME)] == [1, 2]
    assert runs(two) == ["FINISHED", "FINISHED"]


def test_challenger_is_the_result_handed_in_last_and_baseline_stays_the_first(
    two: Registry, small_layout: Layout, small_params: Params
) -> None:
    assert two.models()[0].aliases == {"baseline": 1, "challenger": 2}
    register(result_of(small_layout, small_params), small_params, 1, two)
    assert two.models()[0].aliases == {"baseline": 1, "challenger": 1}


def test_a_gate_parameter_makes_no_new_result_and_a_forest_parameter_does(
    small_layout: Layout, small_params: Params, other_params: Params
) -> None:
    key = result_of(small_layout, small_params).sha256
    assert result_of(small_layout, with_threshold(small_params, 0.1)).sha256 == key
    assert result_of(small_layout, other_params).sha256 != key


def test_other_metrics_of_the_same_graph_are_another_result(copied: Layout, small_params: Params) -> None:
    before = result_of(copied, small_params)
    metrics = read_json(copied.metrics, "")
    metrics["holdout"]["accuracy"] = 0.5
    write_json(copied.metrics, metrics)
    after = result_of(copied, small_params)
    assert (after.model_sha256, after.metrics["holdout.accuracy"]) == (before.model_sha256, 0.5)
    assert after.sha256 != before.sha256


@pytest.mark.parametrize(("above", "stage"), [(0.0, "Staging"), (0.001, "None")])
def test_accuracy_at_the_threshold_earns_staging_and_below_it_nothing(
    registry: Registry, small_layout: Layout, small_params: Params, above: float, stage: str
) -> None:
    accuracy = read_json(small_layout.metrics, "")["holdout"]["accuracy"]
    registration = register(
        result_of(small_layout, with_threshold(small_params, accuracy + above)),
        with_threshold(small_params, accuracy + above),
        1,
        registry,
    )
    assert (registration.created, registration.stage, registry.version(NAME, 1).stage) == (True, stage, stage)


def test_a_version_carries_everything_that_made_it(two: Registry, small_layout: Layout, small_params: Params) -> None:
    version, result = two.version(NAME, 1), result_of(small_layout, small_params)
    commit = version.tags["git_commit"]
    assert version.tags == {
        "contract": fingerprint(),
        "data_sha256": read_json(small_layout.data_report, "")["sha256"],
        "git_commit": commit,
        "git_dirty": version.tags["git_dirty"],
        "holdout_accuracy": str(result.metrics["holdout.accuracy"]),
        "model_sha256": digest(small_layout.model.read_bytes()),
        "result_sha256": result.sha256,
        "source": "other",
        "stage": version.stage,
    }
    with two.store.client() as client:
        run = client.get_run(version.run_id)
        files = {
            item.path for folder in ("models", "reports", "") for item in client.list_artifacts(run.info.run_id, folder)
        }
    assert run.data.params == {key: str(value) for key, value in flat(small_params.model_dump()).items()}
    assert run.data.metrics == result.metrics
    assert {"result.json", "models/model.onnx", "models/folds", "models/golden.json", "reports/plots"} <= files
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("obesity-levels-other", result.data_sha256[:32])
    assert "Age" in data.dataset.schema


def test_pictures_and_the_model_card_are_logged_with_a_result_if_there_are_any(
    registry: Registry, copied: Layout, small_params: Params
) -> None:
    for path in (copied.figures / "confusion.png", copied.model_card):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"drawn")
    registration = register(result_of(copied, small_params), small_params, 1, registry)
    with registry.store.client() as client:
        logged = {
            item.path
            for folder in ("reports/figures", "docs")
            for item in client.list_artifacts(registration.run_id, folder)
        }
    assert logged == {"reports/figures/confusion.png", "docs/model-card.md"}


def test_a_pipeline_that_exports_to_another_graph_is_refused_and_nothing_registered(
    registry: Registry, small_layout: Layout, other_params: Params
) -> None:
    with pytest.raises(ReproductionError, match="the Pipeline fitted again exports to SHA-256"):
        register(result_of(small_layout, other_params), other_params, 1, registry)
    assert (registry.models(), runs(registry)) == ((), [])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda layout: layout.metrics.unlink(), "metrics.json does not exist: make it with `pipeline evaluate`"),
        (lambda layout: (layout.folds / "1.onnx").unlink(), "1.onnx does not exist: make it with `pipeline train`"),
        (lambda layout: layout.model.write_bytes(b"no graph"), "is not a model that onnxruntime opens"),
        (lambda layout: shutil.copy(layout.folds / "1.onnx", layout.model), "are of different runs"),
        (lambda layout: layout.golden.write_text("{}"), "are of different runs"),
    ],
)
def test_an_incomplete_layout_or_one_of_two_runs_is_refused(
    registry: Registry, copied: Layout, small_params: Params, spoil: object, message: str
) -> None:
    spoil(copied)  # type: ignore[operator]
    with pytest.raises(ModelFileError, match=message):
        register(result_of(copied, small_params), small_params, 1, registry)
    assert registry.models() == ()


KILLED = """
import os, signal, sys
from pathlib import Path
from mlflow import MlflowClient
from pipeline.judge import register
from pipeline.files import Layout
from pipeline.model.result import result_of
from pipeline.params import Params
from pipeline.registry import Registry

MlflowClient.create_model_version = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
given = Params.model_validate_json(sys.argv[3])
register.register(result_of(Layout(Path(sys.argv[1])), given), given, 1, Registry(sys.argv[2]))
"""


def test_a_registration_killed_before_its_version_leaves_none_and_is_completed_by_the_next(
    registry: Registry, small_layout: Layout, small_params: Params
) -> None:
    command = [sys.executable, "-c", KILLED, str(small_layout.root), registry.store.uri, small_params.model_dump_json()]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [model.versions for model in registry.models()] in ([], [0])
    assert runs(registry) == ["FINISHED"]
    registration = register(result_of(small_layout, small_params), small_params, 1, registry)
    assert (registration.created, registration.version, runs(registry)) == (True, 1, ["FINISHED"])
    assert registry.models()[0].aliases == {"baseline": 1, "challenger": 1}


def test_a_registration_that_fails_half_way_leaves_no_version_and_can_be_repeated(
    registry: Registry, small_layout: Layout, small_params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(mlflow, "log_artifacts", full)
        with pytest.raises(OSError, match="No space left"):
            register(result_of(small_layout, small_params), small_params, 1, registry)
    assert (registry.models(), runs(registry)) == ((), ["FAILED"])
    assert register(result_of(small_layout, small_params), small_params, 1, registry).version == 1
    assert runs(registry) == ["FINISHED"]


def test_registering_leaves_the_process_pointed_where_it_was(
    registry: Registry, small_layout: Layout, small_params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere.invalid")
    register(result_of(small_layout, small_params), small_params, 1, registry)
    assert (os.environ["MLFLOW_TRACKING_URI"], mlflow.get_tracking_uri()) == ("http://elsewhere.invalid",) * 2
    assert mlflow.active_run() is None


LOADED = """
import json, sys
import mlflow, pandas
model = mlflow.pyfunc.load_model("models:/obesity_classifier@champion")
whole = pandas.DataFrame(json.loads(sys.argv[1]))
golden = [case["record"] for case in json.loads(open(sys.argv[2]).read())["cases"]]
names = [spec.name for spec in model.metadata.get_input_schema()]
print(json.dumps([names, list(model.predict(whole)), list(model.predict(pandas.DataFrame(golden)))]))
"""


def test_the_champion_answers_in_another_process_and_folder_without_this_project_installed(
    two: Registry, other_layout: Layout, tmp_path: Path
) -> None:
    two.promote(NAME, 2, "Production", expected=None)
    golden = read_json(other_layout.golden, "")["cases"]
    whole = [case["record"] for case in golden[:1]]
    whole[0] = {name: int(value) + 1 if isinstance(value, float) else value for name, value in whole[0].items()}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", LOADED, json.dumps(whole), str(other_layout.golden)],
        cwd=elsewhere,
        env=environment | {"MLFLOW_TRACKING_URI": two.store.uri, "MLFLOW_DISABLE_TELEMETRY": "true"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    names, of_whole_numbers, of_golden = json.loads(done.stdout)
    assert names == [column.name for column in columns()]
    assert len(of_whole_numbers) == 1
    assert of_golden == [case["prediction"] for case in golden]


def test_the_stored_pipeline_holds_trusted_types_only_and_exports_to_the_graph_that_ships(
    two: Registry, small_layout: Layout
) -> None:
    import mlflow
    import pandas as pd

    with two.store.client(), two.store.mlflow():
        loaded = mlflow.sklearn.load_model(f"models:/{NAME}@baseline")
        folder = Path(mlflow.artifacts.download_artifacts(f"models:/{NAME}@baseline"))
    assert to_onnx(loaded, read_json(small_layout.data_report, "")["sha256"]) == small_layout.model.read_bytes()
    assert not list(folder.rglob("*.pkl"))
    assert json.loads((folder / "input_example.json").read_text())["columns"] == list(pd.DataFrame([example()]))
