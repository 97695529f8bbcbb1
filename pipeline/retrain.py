"""`make run` as one function: data -> `dvc repro` -> register -> gate -> the exported champion, and what happened.

With the real data the pure flow is DVC's, in the project's own layout and registry. With the sample it is `run.run`
in a folder of its own with a registry of its own, so that nothing made from invented people can touch dvc.lock,
params.yaml or the champion.
"""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lambda_api.contract import LEVELS, example
from pipeline.errors import PipelineError, RaceLostError, SourceError
from pipeline.files import Layout
from pipeline.ingest import ingest
from pipeline.params import Params
from pipeline.progress import Tell, silent

if TYPE_CHECKING:
    from pipeline.register import Registered
    from pipeline.registry import Registry
    from pipeline.verdict import Verdict

SAMPLE_ROOT = Path("runs/sample")
SAMPLE_STORE = f"sqlite:///{SAMPLE_ROOT.as_posix()}/mlflow.db"
CHAMPION_FOLDER = "models/champion"
"""Where the champion is exported to below a layout's root: itself laid out as `Layout`."""

INTERRUPTED = (-2, 130)
"""What a stage exits with that Ctrl-C ended: by the signal, or by typer."""


@dataclass(frozen=True)
class Champion:
    """The version that ships, where its files were exported to, and its answer to one invented record."""

    version: int
    folder: Layout
    metrics: dict[str, float]
    record: dict[str, str | float]
    prediction: str
    probabilities: dict[str, float]


@dataclass(frozen=True)
class Retrained:
    """What one pass of the loop did; `before` is the champion's number and figures before it, if there was one."""

    came_from: str
    layout: Layout
    stages_run: tuple[str, ...]
    registered: "Registered"
    verdict: "Verdict"
    before: tuple[int, dict[str, float]] | None
    champion: Champion | None

    @property
    def changed(self) -> bool:
        """Whether this pass made anything that was not there."""
        return bool(self.registered.created or self.verdict.outcome == "promoted")


def retrain(params: Params, data: str | None, tell: Tell = silent) -> Retrained:
    """One pass of the whole loop.

    Args:
        params: The parameters.
        data: A path to the data, "sample", or None to look for the pinned file and fall back on the sample.
        tell: Hears about progress, and why the sample is used if it is.

    Raises:
        PipelineError: As the steps do. A refusing gate is part of the answer, not an error.
    """
    from pipeline.registry import Registry  # noqa: PLC0415  the door to MLflow

    if data == "sample":
        return _with_sample(params, "asked for", tell)
    try:
        found = ingest(Layout().raw, params.data.sha256, params.data.url, Path(data) if data else None, tell)
    except SourceError as error:
        tell(
            f"{error.brief}: taking the embedded sample, which is never published (make run DATA=FILE gives the data)",
            0,
            0,
        )
        return _with_sample(params, "no data could be reached", tell)
    return judge(found.came_from, Layout(), dvc_repro(tell), params, Registry(), tell)


def _with_sample(params: Params, why: str, tell: Tell) -> Retrained:
    from pipeline import run, sample  # noqa: PLC0415  heavy, and only for the sample
    from pipeline.registry import Registry  # noqa: PLC0415

    layout = Layout(SAMPLE_ROOT)
    run.run(sample.RECORDS, layout, params, tell=tell)
    return judge(f"the embedded sample ({why})", layout, run.STAGES, params, Registry(SAMPLE_STORE), tell)


def dvc_repro(tell: Tell = silent) -> tuple[str, ...]:
    """Bring every DVC stage here up to date; the names of those that had to run.

    Raises:
        PipelineError: A stage failed, with that stage's exit code; it has said why itself.
        RaceLostError: Another process is running the stages.
    """
    tell("dvc repro", 0, 1)
    from dvc.exceptions import DvcException, ReproductionError  # noqa: PLC0415  takes a second
    from dvc.repo import Repo  # noqa: PLC0415

    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"  # stages say `python`
    try:
        with Repo() as repo:
            return tuple(stage.addressing for stage in repo.reproduce())
    except ReproductionError as error:
        raise _failure(error, error.__cause__) from None
    except DvcException as error:
        raise _failure(error, error) from None


def _failure(error: Exception, cause: BaseException | None) -> PipelineError:
    from dvc.lock import LockError  # noqa: PLC0415
    from dvc.stage.exceptions import StageCmdFailedError  # noqa: PLC0415

    if isinstance(cause, LockError):
        return RaceLostError(f"another process is running the stages here: wait, then run again. DVC says: {cause}")
    if not isinstance(cause, StageCmdFailedError):
        return PipelineError(f"dvc: {error}" if cause in (None, error) else f"dvc: {error}: {cause}")
    code = int(found[1]) if (found := re.search(r"exited with (-?\d+)", str(cause))) else 1
    if code in INTERRUPTED:
        raise KeyboardInterrupt
    if code < 0:
        return PipelineError(f"{error}: the system ended it with signal {-code}; run again")
    failure = PipelineError(f"{error}; mend what it says above and run again")
    failure.exit_code = code  # type: ignore[misc]
    return failure


def judge(
    came_from: str, layout: Layout, stages_run: tuple[str, ...], params: Params, registry: "Registry", tell: Tell
) -> Retrained:
    """Register what lies in a layout, let the gate decide, export the champion and ask it one question.

    Args:
        came_from: Where the data came from, in words.
        layout: Trained and evaluated.
        stages_run: Stages that had to run.
        params: What it was made with.
        registry: Where to register.
        tell: Hears about progress.
    """
    from pipeline import gate, register, report  # noqa: PLC0415  heavy

    name = params.registry.model_name
    tell("draw figures, write the model card", 0, 1)
    report.run(layout)  # always: reports also change without a stage run here, by `dvc exp run` or a checkout
    tell("register in MLflow", 0, 1)
    registered = register.register(layout, params, registry=registry)
    champion = registry.champion(name)
    before = (champion.number, registry.metrics(champion)) if champion else None
    tell("gate: challenger against champion", 0, 1)
    verdict = gate.run(layout, params, registry=registry)
    tell("export the champion", 0, 1)
    return Retrained(came_from, layout, stages_run, registered, verdict, before, export(layout, name, registry))


def export(layout: Layout, name: str, registry: "Registry") -> Champion | None:
    """Write the champion's graphs and reports below the layout, and score one invented record; None without one."""
    from lambda_api.model import Model  # noqa: PLC0415  onnxruntime
    from pipeline.records import feed  # noqa: PLC0415

    champion = registry.champion(name)
    if champion is None:
        return None
    import pandas as pd  # noqa: PLC0415

    folder = Layout(layout.root / CHAMPION_FOLDER)
    registry.fetch(name, champion.number, folder.root)
    record = example()
    labels, probabilities = Model.load(folder.model).predict(feed(pd.DataFrame([record])))
    named = dict(zip(map(str, LEVELS), probabilities[0].tolist(), strict=True))
    return Champion(champion.number, folder, registry.metrics(champion), record, str(labels[0]), named)
