"""`make run` as one function: data -> `dvc repro` -> register -> gate -> the exported champion, and what happened.

With the real data the pure flow is DVC's, in the project's own layout and registry. With the sample it is `run.run`
in a folder of its own with a registry of its own, so that nothing made from synthetic records can touch dvc.lock,
params.yaml or the champion.
"""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lambda_api.contract import fingerprint
from pipeline.data.ingest import ingest
from pipeline.errors import SourceError
from pipeline.files import RESULT_FILES, SAMPLE_ROOT, SAMPLE_STORE, Layout
from pipeline.loop.champion import Champion, export
from pipeline.params import Params
from pipeline.progress import Progress, no_progress, step_of
from pipeline.repo import repro, stage_started, uncommitted

if TYPE_CHECKING:
    from pipeline.judge.register import Registration
    from pipeline.judge.verdict import Verdict
    from pipeline.model.result import Result
    from pipeline.registry import Registry
    from pipeline.registry.versions import Version


@dataclass(frozen=True)
class RetrainResult:
    """What one pass of the loop did.

    Attributes:
        before: The number of the champion before it, if there was one, and its figures if they are of the same records.
        champion: The present champion.
        whose: Whose registry it is, in words.
        moved: Whether the champion was moved.
        uncommitted: Files of the result that differ from the last commit; None where nothing was ever committed.
    """

    came_from: str
    layout: Layout
    stages_run: tuple[str, ...]
    registered: "Registration"
    verdict: "Verdict"
    before: tuple[int, dict[str, float]] | None
    champion: Champion | None
    whose: str
    moved: bool
    uncommitted: tuple[str, ...] | None

    @property
    def changed(self) -> bool:
        """Whether this pass made anything that was not there."""
        return self.registered.created or self.moved


def retrain(params: Params, data: str | None, progress: Progress = no_progress) -> RetrainResult:
    """One pass of the whole loop.

    Args:
        params: The parameters.
        data: A path to the data, "sample", or None to look for the pinned file and fall back on the sample.
        progress: Called with progress, and with why the sample is used if it is.

    Raises:
        PipelineError: As the steps do. A refusing gate is part of the answer, not an error.
    """
    from pipeline.registry import Registry

    if data == "sample":
        return _with_sample(params, "asked for", progress)
    try:
        data_file = ingest(Layout().raw, params.data.sha256, params.data.url, Path(data) if data else None, progress)
    except SourceError as error:
        progress(
            f"{error.brief}: taking the embedded sample, which is never published (make run DATA=FILE gives the data)",
            0,
            0,
        )
        return _with_sample(params, "no data could be reached", progress)
    return judge(data_file.came_from, Layout(), _stages_run(progress), params, Registry(), progress)


def _stages_run(progress: Progress) -> tuple[str, ...]:
    """Bring the stages up to date; the names of those that ran. A stage's steps are shown as steps of this pass."""
    stages = []
    progress("dvc repro", 0, 1)
    with closing(repro()) as lines:
        for line in lines:
            if stage := stage_started(line):
                stages.append(stage)
            if step := step_of(line):
                progress(step, 0, 1)
            elif line:
                progress(line, 0, 0)
    return tuple(stages)


def _with_sample(params: Params, why: str, progress: Progress) -> RetrainResult:
    from pipeline.data import sample
    from pipeline.model import run
    from pipeline.registry import Registry

    layout = Layout(SAMPLE_ROOT)
    run.run(sample.RECORDS, layout, params, progress=progress)
    return judge(f"the embedded sample ({why})", layout, run.STAGES, params, Registry(SAMPLE_STORE), progress)


def judge(
    came_from: str,
    layout: Layout,
    stages_run: tuple[str, ...],
    params: Params,
    registry: "Registry",
    progress: Progress,
) -> RetrainResult:
    """Register what lies in a layout, let the gate decide, export the champion and ask it one question.

    The champion is moved only in a registry of this machine.

    Args:
        came_from: Where the data came from, in words.
        layout: Trained and evaluated.
        stages_run: Stages that had to run.
        params: What it was made with.
        registry: Where to register.
        progress: Called with progress.
    """
    from pipeline.judge import gate
    from pipeline.judge.register import register
    from pipeline.model.result import result_of
    from pipeline.report.write import run as write_report

    name = params.registry.model_name
    progress("draw figures, write the model card", 0, 1)
    # Always: reports also change without a stage run here, by `dvc exp run` or a checkout.
    write_report(layout, params.data.published)
    progress("register in MLflow", 0, 1)
    result = result_of(layout, params)
    registration = register(result, params, registry=registry)
    champion = registry.champion(name)
    before = (champion.number, _comparable(registry, champion, result)) if champion else None
    progress("gate: challenger against champion", 0, 1)
    verdict = gate.run(result, params, registry)
    progress("export the champion", 0, 1)
    exported = export(layout, name, registry)
    return RetrainResult(
        came_from=came_from,
        layout=layout,
        stages_run=stages_run,
        registered=registration,
        verdict=verdict,
        before=before,
        champion=exported,
        whose=registry.whose,
        moved=verdict.promotes and not registry.is_shared,
        uncommitted=uncommitted(*RESULT_FILES),
    )


def _comparable(registry: "Registry", champion: "Version", result: "Result") -> dict[str, float]:
    """The champion's figures; none if they were measured on other records, or for another contract."""
    same = champion.tags.get("data_sha256") == result.data_sha256 and champion.tags.get("contract") == fingerprint()
    return registry.metrics(champion) if same else {}
