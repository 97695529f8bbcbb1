"""A finished layout -> one MLflow run and one model version for each distinct result, or the version it already has.

The version is created last, when all of its files are in place, so a registration that is killed leaves a run without
a version, which the next one deletes. Pictures and the model card are drawn from a result, so they are recorded with
it but are no part of its key.

The stages hand on files, not objects, and a scikit-learn Pipeline is not among them: its bytes are not the same on
every machine. So the Pipeline that is stored for notebooks is fitted again, once and not as often as calibration does,
because the graph says the exponent; what is stored is proven to be the graph's Pipeline by exporting it again.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_api.contract import fingerprint
from pipeline.data.records import FOLD
from pipeline.errors import ReproductionError
from pipeline.files import digest
from pipeline.model.result import Result
from pipeline.params import Params
from pipeline.registry import Registry
from pipeline.registry.provenance import commit_tags
from pipeline.registry.tracking import delete_unfinished_runs, log_run
from pipeline.registry.versions import BASELINE, CHALLENGER, RESULT_TAG, STAGE_TAG, ModelStage, Version

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


_AGAIN = "Run `pipeline train` and `pipeline evaluate` again; nothing was registered"


@dataclass(frozen=True)
class Registration:
    """The version that holds a result, and whether this call made it."""

    name: str
    version: int
    created: bool
    stage: ModelStage
    model_sha256: str
    result_sha256: str
    run_id: str


def register(result: Result, params: Params, jobs: int = -1, registry: Registry | None = None) -> Registration:
    """The version of `params.registry.model_name` that holds this result, made now if there is none.

    Afterwards `challenger` points to it; `baseline` points to the first version ever and is never moved.

    Args:
        result: What lies in a layout that was trained and evaluated.
        params: What it was made with.
        jobs: Processor cores to fit with.
        registry: Where to; None takes the one that the environment names.

    Raises:
        ReproductionError: The Pipeline fitted again does not export to the result's graph; nothing was registered.
        RegistryError: The registry cannot be reached; call again to complete it.
    """
    registry, name = registry or Registry(), params.registry.model_name
    with registry.store.exclusive():
        version = registry.find(name, result.sha256)
        created = version is None
        if version is None:
            version = _create(registry, params, result, _fitted_again(result, params, jobs))
        _point_aliases(registry, version)
    return Registration(
        name, version.number, created, version.stage, result.model_sha256, result.sha256, version.run_id
    )


def _fitted_again(result: Result, params: Params, jobs: int) -> "Pipeline":
    from pipeline.model.export import exponent_of, to_onnx
    from pipeline.model.train import fit

    graph = result.layout.model
    exponent = exponent_of(result.files[graph.relative_to(result.layout.root).as_posix()])
    if exponent is None or exponent not in params.calibration.exponents.values():
        raise ReproductionError(f"{graph} has the exponent {exponent}, which is not of these parameters. {_AGAIN}")
    rows = result.records[result.records[FOLD] != params.split.holdout]
    pipeline = fit(rows, params, exponent, jobs)
    exported = digest(to_onnx(pipeline, result.data_sha256))
    if exported != result.model_sha256:
        raise ReproductionError(
            f"the Pipeline fitted again exports to SHA-256 {exported}, expected that of {graph}, "
            f"{result.model_sha256}: the parameters or records changed since. {_AGAIN}"
        )
    return pipeline


def _create(registry: Registry, params: Params, result: Result, pipeline: "Pipeline") -> Version:
    """A new version, made when everything that belongs to it is in place."""
    name, tags = params.registry.model_name, _tags(result)
    enough = result.metrics["holdout.accuracy"] >= params.registry.staging_threshold
    delete_unfinished_runs(registry.store, name, result, registry.run_ids(name))
    run_id, model_id = log_run(registry.store, params, result, pipeline, tags)
    registry.add_version(name, run_id, model_id, tags | {STAGE_TAG: "Staging" if enough else "None"})
    made = registry.find(name, result.sha256)
    assert made is not None  # noqa: S101  it was just made; mypy cannot know
    return made


def _tags(result: Result) -> dict[str, str]:
    return {
        RESULT_TAG: result.sha256,
        "model_sha256": result.model_sha256,
        "data_sha256": result.data_sha256,
        "source": result.source,
        "contract": fingerprint(),
        "holdout_accuracy": str(result.metrics["holdout.accuracy"]),
        **commit_tags(),
    }


def _point_aliases(registry: Registry, version: Version) -> None:
    """`challenger` to this version; `baseline` to the first one, once."""
    versions = registry.versions(version.name)
    numbers = {alias: held.number for held in versions for alias in held.aliases}
    if BASELINE not in numbers:
        registry.set_alias(version.name, BASELINE, versions[0].number, expected=None)
    if numbers.get(CHALLENGER) != version.number:
        registry.set_alias(version.name, CHALLENGER, version.number, expected=numbers.get(CHALLENGER))
