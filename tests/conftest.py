"""What tests of all parts share: the parameters, a small data set with its trained layout, and the real one if here."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from lambda_api.contract import BMI_RANGE, TARGET
from pipeline import params as parameters
from pipeline.data import clean, sample
from pipeline.data.records import bmi, random_records, rounded, rule_levels
from pipeline.files import RAW_NAME, Layout, file_digest, write_csv, write_json
from pipeline.judge import register
from pipeline.model import evaluate, train
from pipeline.params import Params
from pipeline.registry import Registry
from tests.fixtures.project import make_project
from tests.paths import ROOT

# The machine's load must not fail a test, and a failure must be the same one on every machine.
settings.register_profile("project", deadline=None, derandomize=True, max_examples=50, database=None)
settings.load_profile("project")


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that `make` fills once for a whole test run, however many processes share the run."""
    shared = factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    folder, done = shared / name, shared / f"{name}.done"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            folder.mkdir(exist_ok=True)
            make(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def params() -> Params:
    """The project's own params.yaml."""
    return parameters.load(ROOT / "params.yaml")


@pytest.fixture(scope="session")
def small_params(params: Params) -> Params:
    """The project's parameters with little work to do: three folds, ten trees, small batteries."""
    batteries = {"random_records": 500, "rounded_records": 500, "threshold_records": 500, "unknown_records": 100}
    return params.model_copy(
        update={
            "split": params.split.model_copy(update={"folds": 3}),
            "forest": params.forest.model_copy(update={"n_estimators": 10}),
            "parity": params.parity.model_copy(update=batteries),
            "evaluate": params.evaluate.model_copy(update={"resamples": 200, "plausible_people_per_record": 2}),
        }
    )


@pytest.fixture(scope="session")
def real_csv() -> Path:
    """The UCI file, wherever it lies on this machine."""
    named = os.environ.get("OBESITY_CSV")
    places = [ROOT / "data/raw" / RAW_NAME, *([Path(named)] if named else []), ROOT.parent / "shared/data" / RAW_NAME]
    for place in places:
        if place.is_file():
            return place
    pytest.skip(f"the UCI file {RAW_NAME} is not here: run `make run` once, or name it in OBESITY_CSV")


@pytest.fixture(scope="session")
def small_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """About 300 records that nobody gave, of all seven levels, labelled by the BMI rule."""

    def make(folder: Path) -> None:
        frame = rounded(random_records(320, seed=3))
        frame = frame[(bmi(frame) >= BMI_RANGE[0]) & (bmi(frame) <= BMI_RANGE[1])]
        write_csv(folder / "small.csv", frame.assign(**{TARGET: rule_levels(frame)}))

    return once(tmp_path_factory, "small-csv", make) / "small.csv"


@pytest.fixture(scope="session")
def small_layout(tmp_path_factory: pytest.TempPathFactory, small_csv: Path, small_params: Params) -> Layout:
    """The small data set cleaned, trained and evaluated; to be read, and copied before anything is changed."""

    def make(folder: Path) -> None:
        layout = Layout(folder)
        clean.run(small_csv, layout, small_params)
        train.run(layout, small_params, jobs=1)
        evaluate.run(layout, small_params)

    return Layout(once(tmp_path_factory, "small-layout", make))


@pytest.fixture(scope="session")
def pinned_params(small_params: Params, small_csv: Path) -> Params:
    """The small parameters for which the small data set is the pinned file, its first 200 rows being survey answers."""
    data = small_params.data.model_copy(update={"sha256": file_digest(small_csv), "collected_rows": 200})
    return small_params.model_copy(update={"data": data})


@pytest.fixture(scope="session")
def pinned_layout(tmp_path_factory: pytest.TempPathFactory, small_csv: Path, pinned_params: Params) -> Layout:
    """As `small_layout`, with origins known."""

    def make(folder: Path) -> None:
        layout = Layout(folder)
        clean.run(small_csv, layout, pinned_params)
        train.run(layout, pinned_params, jobs=1)
        evaluate.run(layout, pinned_params)

    return Layout(once(tmp_path_factory, "pinned-layout", make))


@pytest.fixture(scope="session")
def real_layout(tmp_path_factory: pytest.TempPathFactory, real_csv: Path, params: Params) -> Layout:
    """The real file cleaned, trained and evaluated as the project does it; to be read, and copied before changes."""

    def make(folder: Path) -> None:
        layout = Layout(folder)
        clean.run(real_csv, layout, params)
        train.run(layout, params)
        evaluate.run(layout, params)

    return Layout(once(tmp_path_factory, "real-layout", make))


@pytest.fixture(scope="session")
def small_params_file(tmp_path_factory: pytest.TempPathFactory, small_params: Params) -> Path:
    """The small parameters as a params.yaml; JSON is YAML."""
    path = tmp_path_factory.mktemp("small-params") / "params.yaml"
    write_json(path, small_params.model_dump())
    return path


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry's SQLite file with MLflow's tables and nothing in them; making the tables takes seconds."""

    def make(folder: Path) -> None:
        with Registry(f"sqlite:///{folder}/mlflow.db").store.client():
            pass

    return once(tmp_path_factory, "empty-store", make) / "mlflow.db"


@pytest.fixture(scope="session")
def other_layout(tmp_path_factory: pytest.TempPathFactory, small_layout: Layout, small_params: Params) -> Layout:
    """The small data set trained with another seed: `other_params`; to be read only."""

    def make(folder: Path) -> None:
        shutil.copytree(small_layout.root, folder, dirs_exist_ok=True)
        params = reseeded(small_params)
        train.run(Layout(folder), params, jobs=1)
        evaluate.run(Layout(folder), params)

    return Layout(once(tmp_path_factory, "other-layout", make))


def reseeded(params: Params) -> Params:
    return params.model_copy(update={"forest": params.forest.model_copy(update={"random_state": 7})})


@pytest.fixture(scope="session")
def other_params(small_params: Params) -> Params:
    """What `other_layout` was made with."""
    return reseeded(small_params)


@pytest.fixture(scope="session")
def two_versions(
    tmp_path_factory: pytest.TempPathFactory,
    empty_store: Path,
    small_layout: Layout,
    other_layout: Layout,
    small_params: Params,
) -> Path:
    """A registry's SQLite file with two versions of the small data set's model; copy it before anything is moved."""

    def make(folder: Path) -> None:
        shutil.copy(empty_store, folder / "mlflow.db")
        registry = Registry(f"sqlite:///{folder}/mlflow.db")
        register.register(small_layout, small_params, 1, registry)
        register.register(other_layout, reseeded(small_params), 1, registry)

    return once(tmp_path_factory, "two-versions", make) / "mlflow.db"


@pytest.fixture(scope="session")
def trained_project(tmp_path_factory: pytest.TempPathFactory, small_params: Params) -> Path:
    """A project of 600 invented records that went through the loop once; copy it before changing anything."""
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
