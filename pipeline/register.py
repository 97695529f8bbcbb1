"""A finished layout -> one MLflow run and one model version for each distinct result, or the version it already has.

A *result* is what the pure flow made: the shipped graph, the fold graphs, the golden answers and the reports of data,
parity and metrics, byte by byte, with the parameters that made them.
`result.json` lists them with their SHA-256, and its own SHA-256 is the key: the same result is never registered
twice. Pictures and the model card are drawn from a result, so they are logged with it but are no part of its key.

The version is created last, when all of its files are in place, so a registration that is killed leaves a run without
a version, which the next one takes away.

The scikit-learn Pipeline is fitted again and must export to the very graph that ships. It is stored as skops, with
exactly the types in `TRUSTED_TYPES`: unlike a pickle, it builds nothing else when somebody loads it. It is there for
notebooks; what ships is the ONNX graph.
"""

import json
import tempfile
from dataclasses import dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambda_api import contract
from lambda_api.contract import TARGET, columns, example, fingerprint
from lambda_api.model import Model, ModelError
from pipeline.errors import ModelFileError, ReproductionError
from pipeline.files import Layout, digest, read_bytes, read_json, write_bytes
from pipeline.params import Params
from pipeline.records import COLUMNS, FOLD, load_processed
from pipeline.registry import BASELINE, CHALLENGER, RESULT_FILE, RESULT_TAG, STAGE_TAG, Registry, Stage, Version, git

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

TRUSTED_TYPES = ("pipeline.features.BodyMassIndex", "pipeline.forest.VotingForest", "sklearn.tree._tree.Tree")
"""All that a stored Pipeline may hold besides what skops trusts by itself."""

REQUIREMENTS = ("joblib", "mlflow", "numpy", "pandas", "pydantic", "scikit-learn", "skops")
"""What loading the stored Pipeline needs; pinned as installed."""

# The page of UCI dataset 544, which its licence asks to name.
DATA_PAGE = "https://doi.org/10.24432/C5H31Z"

DATASET_DIGEST = 32
"""Digits of the data's SHA-256 that MLflow has room for."""

MAKING = {"split", "forest", "train", "calibration", "parity", "evaluate"}
"""Blocks of params.yaml that shape a result; the others name files, or judge."""


@dataclass(frozen=True)
class Result:
    """What a layout holds, as one value: its key, the listing that the key is the digest of, and the main figures."""

    sha256: str
    listing: bytes
    model_sha256: str
    data_sha256: str
    source: str
    metrics: dict[str, float]


@dataclass(frozen=True)
class Registered:
    """The version that holds a result, and whether this call made it."""

    name: str
    version: int
    created: bool
    stage: Stage
    model_sha256: str
    result_sha256: str
    run_id: str


def flat(value: Any, prefix: str = "") -> dict[str, Any]:  # noqa: ANN401  walks JSON
    """The leaves of nested dicts under dotted names.

    >>> flat({"holdout": {"accuracy": 0.5}, "confidence": 0.95})
    {'holdout.accuracy': 0.5, 'confidence': 0.95}
    """
    if not isinstance(value, dict):
        return {prefix: value}
    found: dict[str, Any] = {}
    for key, item in value.items():
        found |= flat(item, f"{prefix}.{key}" if prefix else str(key))
    return found


def result_of(layout: Layout, params: Params) -> Result:
    """The result that lies in a layout.

    Raises:
        ModelFileError: A file is missing, or they are not of one run: the graph is of other data than the report.
    """
    graphs = [layout.folds / f"{fold}.onnx" for fold in range(params.split.folds)]
    made_by = {layout.data_report: "pipeline clean", layout.metrics: "pipeline evaluate"}
    paths = [layout.model, *graphs, layout.golden, layout.data_report, layout.parity, layout.metrics]
    contents = {path: read_bytes(path, made_by.get(path, "pipeline train")) for path in paths}
    data, metrics = read_json(layout.data_report, "pipeline clean"), read_json(layout.metrics, "pipeline evaluate")
    try:
        graph = Model(contents[layout.model], str(layout.model))
    except ModelError as error:
        raise ModelFileError(str(error)) from None
    golden, parity = (read_json(path, "pipeline train") for path in (layout.golden, layout.parity))
    if graph.metadata.get("data_sha256") != data["sha256"] or {
        golden.get("model_sha256"),
        parity.get("model_sha256"),
    } != {graph.sha256}:
        raise ModelFileError(
            f"{layout.model}, {layout.golden}, {layout.parity} and {layout.data_report} are of different runs: "
            "make them again with `pipeline train` and `pipeline evaluate`"
        )
    listing = {
        "files": {path.relative_to(layout.root).as_posix(): digest(content) for path, content in contents.items()},
        "params": flat(params.model_dump(include=MAKING)),
    }
    text = json.dumps(listing, indent=2, sort_keys=True).encode()
    figures = {key: float(value) for key, value in flat(metrics).items()}
    return Result(digest(text), text, graph.sha256, data["sha256"], data["source"], figures)


def register(layout: Layout, params: Params, jobs: int = -1, registry: Registry | None = None) -> Registered:
    """The version of `params.registry.model_name` that holds this layout's result, made now if there is none.

    Afterwards `challenger` points to it; `baseline` points to the first version ever and is never moved.

    Args:
        layout: Trained and evaluated.
        params: What it was made with.
        jobs: Processor cores to fit with.
        registry: Where to; None takes the one that the environment names.

    Raises:
        ModelFileError: The layout is incomplete, or its files are of different runs.
        ReproductionError: The Pipeline fitted again does not export to the layout's graph; nothing was registered.
        RegistryError: The registry cannot be reached; what was begun is completed by calling again.
    """
    registry = registry or Registry()
    name, result = params.registry.model_name, result_of(layout, params)
    with registry.alone():
        found = registry.find(name, result.sha256)
        created = found is None
        if found is None:
            found = _create(registry, layout, params, result, _fitted_again(layout, params, result, jobs))
        _point_aliases(registry, found)
    return Registered(name, found.number, created, found.stage, result.model_sha256, result.sha256, found.run_id)


def _fitted_again(layout: Layout, params: Params, result: Result, jobs: int) -> "Pipeline":
    from pipeline.export import to_onnx  # noqa: PLC0415  skl2onnx
    from pipeline.train import fit_calibrated  # noqa: PLC0415  scikit-learn

    frame = load_processed(layout.records)
    pipeline = fit_calibrated(frame[frame[FOLD] != params.split.holdout], params, jobs)
    found = digest(to_onnx(pipeline, result.data_sha256))
    if found != result.model_sha256:
        raise ReproductionError(
            f"the Pipeline fitted again exports to SHA-256 {found}, expected that of {layout.model}, "
            f"{result.model_sha256}: the parameters or records changed since. Run `pipeline train` and "
            "`pipeline evaluate` again; nothing was registered"
        )
    return pipeline


def _create(registry: Registry, layout: Layout, params: Params, result: Result, pipeline: "Pipeline") -> Version:
    """A new version, made when everything that belongs to it is in place."""
    name, accuracy = params.registry.model_name, result.metrics["holdout.accuracy"]
    stage: Stage = "Staging" if accuracy >= params.registry.staging_threshold else "None"
    tags = _tags(result)
    with registry.talking() as client, registry.fluent() as mlflow:
        experiment = _experiment(registry, client, name)
        _take_away_unfinished(client, experiment, registry.run_ids(name), result.sha256)
        run_id = client.create_run(experiment, tags=tags, run_name=f"{result.source} {result.sha256[:8]}").info.run_id
        with mlflow.start_run(run_id=run_id):  # the run ends as FAILED if anything is raised
            mlflow.log_params(flat(params.model_dump()))
            mlflow.log_metrics(result.metrics)
            _log_files(mlflow, layout, result)
            _log_data(mlflow, layout, result)
            model_id = _log_pipeline(mlflow, pipeline)
        registry.name_model(name)
        client.create_model_version(
            name, f"models:/{model_id}", run_id, tags | {STAGE_TAG: stage}, await_creation_for=0, model_id=model_id
        )
    made = registry.find(name, result.sha256)
    assert made is not None  # noqa: S101  it was just made; mypy cannot know
    return made


def _tags(result: Result) -> dict[str, str]:
    commit = git("rev-parse", "HEAD")
    return {
        RESULT_TAG: result.sha256,
        "model_sha256": result.model_sha256,
        "data_sha256": result.data_sha256,
        "source": result.source,
        "contract": fingerprint(),
        "holdout_accuracy": str(result.metrics["holdout.accuracy"]),
        "git_commit": commit or "unknown",
        "git_dirty": str(bool(git("status", "--porcelain"))).lower() if commit else "unknown",
    }


def _experiment(registry: Registry, client: Any, name: str) -> str:  # noqa: ANN401  mlflow has no types
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found else client.create_experiment(name, registry.artifact_location))


def _take_away_unfinished(client: Any, experiment: str, used: frozenset[str], result_sha256: str) -> None:  # noqa: ANN401
    """Delete the runs of this result that never became a version: registrations that failed or were killed."""
    for run in client.search_runs([experiment], f"tags.{RESULT_TAG} = '{result_sha256}'"):
        if run.info.run_id not in used:
            for model in client.search_logged_models([experiment], f"source_run_id = '{run.info.run_id}'"):
                client.delete_logged_model(model.model_id)
            client.delete_run(run.info.run_id)


def _log_files(mlflow: Any, layout: Layout, result: Result) -> None:  # noqa: ANN401
    extras = [*layout.figures.glob("*.png"), *layout.plots.glob("*.csv"), layout.model_card]
    listed = [layout.root / path for path in json.loads(result.listing)["files"]]
    with tempfile.TemporaryDirectory() as temporary:
        write_bytes(Path(temporary, RESULT_FILE), result.listing)
        for path in (*listed, *(extra for extra in extras if extra.is_file())):
            write_bytes(Path(temporary, path.relative_to(layout.root)), path.read_bytes())
        mlflow.log_artifacts(temporary)


def _log_data(mlflow: Any, layout: Layout, result: Result) -> None:  # noqa: ANN401
    """Name the data as the run's input, with its columns and size; no record leaves its file."""
    frame = load_processed(layout.records)[[*COLUMNS, TARGET]]
    page = DATA_PAGE if result.source == "real" else None
    name, digest_ = f"obesity-levels-{result.source}", result.data_sha256[:DATASET_DIGEST]
    mlflow.log_input(mlflow.data.from_pandas(frame, page, TARGET, name, digest_), context="training")


def _log_pipeline(mlflow: Any, pipeline: "Pipeline") -> str:  # noqa: ANN401
    import pandas as pd  # noqa: PLC0415

    logged = mlflow.sklearn.log_model(
        pipeline,
        name="pipeline",
        signature=_signature(),
        input_example=pd.DataFrame([example()]),
        pip_requirements=[f"{package}=={installed(package)}" for package in REQUIREMENTS],
        code_paths=[str(Path(__file__).parent), str(Path(contract.__file__).parent)],
        serialization_format="skops",
        skops_trusted_types=list(TRUSTED_TYPES),
    )
    return str(logged.model_id)


def _signature() -> Any:  # noqa: ANN401
    """The contract's columns as MLflow knows them.

    Numbers are declared as `Any`: MLflow refuses a column of whole numbers where a double is declared, and people
    answer in whole numbers. The contract, not MLflow, says what a number may be.
    """
    from mlflow.models import ModelSignature  # noqa: PLC0415  takes seconds
    from mlflow.types import ColSpec, DataType, Schema  # noqa: PLC0415
    from mlflow.types.schema import AnyType  # noqa: PLC0415

    inputs = [ColSpec(AnyType() if column.is_number else DataType.string, column.name) for column in columns()]
    return ModelSignature(Schema(inputs), Schema([ColSpec(DataType.string)]))


def _point_aliases(registry: Registry, version: Version) -> None:
    """`challenger` to this version; `baseline` to the first one, once."""
    numbers = {alias: v.number for v in registry.versions(version.name) for alias in v.aliases}
    if BASELINE not in numbers:
        registry.set_alias(version.name, BASELINE, registry.versions(version.name)[0].number, expected=None)
    if numbers.get(CHALLENGER) != version.number:
        registry.set_alias(version.name, CHALLENGER, version.number, expected=numbers.get(CHALLENGER))
