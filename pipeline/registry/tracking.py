"""A result and its Pipeline -> one MLflow run that holds all of it: parameters, figures, files, data, model.

The Pipeline is stored as skops, with exactly the types in `TRUSTED_TYPES`: unlike a pickle, loading it builds nothing
else. It is there for notebooks; what ships is the ONNX graph.
"""

import tempfile
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambda_api import contract
from lambda_api.contract import TARGET, columns, example
from pipeline.data.ingest import UCI_PAGE
from pipeline.data.records import COLUMNS
from pipeline.files import flat, write_bytes
from pipeline.model.result import Result
from pipeline.params import Params
from pipeline.registry.store import Store
from pipeline.registry.versions import RESULT_FILE, RESULT_TAG

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

TRUSTED_TYPES = (
    "pipeline.model.features.BodyMassIndex",
    "pipeline.model.forest.VotingForest",
    "sklearn.tree._tree.Tree",
)
"""All that a stored Pipeline may hold besides what skops trusts by itself."""

REQUIREMENTS = ("joblib", "mlflow", "numpy", "pandas", "pydantic", "scikit-learn", "skops")
"""What loading the stored Pipeline needs; pinned as installed."""

DATASET_DIGEST = 32
"""Digits of the data's SHA-256 that MLflow has room for."""


def log_run(
    store: Store, params: Params, result: Result, pipeline: "Pipeline", tags: dict[str, str]
) -> tuple[str, str]:
    """The id of a new, finished run with everything about a result, and the id of the model logged in it.

    The run belongs to the experiment of the registered model's name. If anything is raised, it ends as FAILED.
    """
    with store.client() as client, store.mlflow() as mlflow:
        experiment = _experiment(store, client, params.registry.model_name)
        run_id = client.create_run(experiment, tags=tags, run_name=f"{result.source} {result.sha256[:8]}").info.run_id
        with mlflow.start_run(run_id=run_id):
            mlflow.log_params(flat(params.model_dump()))
            mlflow.log_metrics(result.metrics)
            _log_files(mlflow, result)
            _log_data(mlflow, params, result)
            return str(run_id), _log_pipeline(mlflow, pipeline)


def delete_unfinished_runs(store: Store, experiment: str, result: Result, used: frozenset[str]) -> None:
    """Delete the runs of this result that never became a version: registrations that failed or were killed.

    Args:
        store: Where they are.
        experiment: Name of their experiment.
        result: The result.
        used: Runs that did become versions.
    """
    with store.client() as client:
        here = [_experiment(store, client, experiment)]
        for run in client.search_runs(here, f"tags.{RESULT_TAG} = '{result.sha256}'"):
            if run.info.run_id not in used:
                for model in client.search_logged_models(here, f"source_run_id = '{run.info.run_id}'"):
                    client.delete_logged_model(model.model_id)
                client.delete_run(run.info.run_id)


def _experiment(store: Store, client: Any, name: str) -> str:
    experiment = client.get_experiment_by_name(name)
    return str(experiment.experiment_id if experiment else client.create_experiment(name, store.artifact_location))


def _log_files(mlflow: Any, result: Result) -> None:
    """The result's files as they were read, and what was drawn from them as it lies in the layout now."""
    layout = result.layout
    drawn = [*layout.figures.glob("*.png"), *layout.plots.glob("*.csv"), layout.model_card]
    extras = {path.relative_to(layout.root).as_posix(): path.read_bytes() for path in drawn if path.is_file()}
    with tempfile.TemporaryDirectory() as temporary:
        for path, content in {RESULT_FILE: result.listing, **result.files, **extras}.items():
            write_bytes(Path(temporary, path), content)
        mlflow.log_artifacts(temporary)


def _log_data(mlflow: Any, params: Params, result: Result) -> None:
    """Name the data as the run's input, with its columns and size; no record leaves its file."""
    frame = result.records[[*COLUMNS, TARGET]]
    page = UCI_PAGE if result.data_sha256 == params.data.published else None
    name, digest = f"obesity-levels-{result.source}", result.data_sha256[:DATASET_DIGEST]
    mlflow.log_input(mlflow.data.from_pandas(frame, page, TARGET, name, digest), context="training")


def _log_pipeline(mlflow: Any, pipeline: "Pipeline") -> str:
    import pandas as pd

    logged = mlflow.sklearn.log_model(
        pipeline,
        name="pipeline",
        signature=_signature(),
        input_example=pd.DataFrame([example()]),
        pip_requirements=[f"{package}=={installed(package)}" for package in REQUIREMENTS],
        code_paths=[str(Path(__file__).parents[1]), str(Path(contract.__file__).parent)],
        serialization_format="skops",
        skops_trusted_types=list(TRUSTED_TYPES),
    )
    return str(logged.model_id)


def _signature() -> Any:
    """The contract's columns as MLflow knows them.

    Numbers are declared as `Any`: MLflow refuses a column of whole numbers where a double is declared, and people
    answer in whole numbers. The contract, not MLflow, says what a number may be.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import AnyType

    inputs = [ColSpec(AnyType() if column.is_number else DataType.string, column.name) for column in columns()]
    return ModelSignature(Schema(inputs), Schema([ColSpec(DataType.string)]))
