"""The loop in the pieces that .github/actions/train calls one by one -> what the next piece and the report need.

One piece leaves its files in the layout for the next. Without the data all of them work on the sample, in its own
folder and registry, and nothing is ever published from there.
"""

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import GitError, InputError, NotPublishedError, RaceLostError, RegistryError, SourceError
from pipeline.files import (
    CHAMPION_FOLDER,
    SAMPLE_ROOT,
    SAMPLE_STORE,
    Layout,
    file_digest,
    write_bytes,
    write_json,
    write_text,
)
from pipeline.github.actions import folded, on_github
from pipeline.github.results import HandedOver
from pipeline.loop.champion import export
from pipeline.loop.lock import HANDED_OVER, RESULTS
from pipeline.loop.raw import raw_file
from pipeline.params import Params
from pipeline.progress import Progress, no_progress
from pipeline.repo import commit_of, dvc_push
from pipeline.repo import repro as dvc_repro
from pipeline.report.base import AUTO
from pipeline.report.base import against as compare_with
from pipeline.report.comment import comment
from pipeline.report.context import RunContext

if TYPE_CHECKING:
    from pipeline.judge.verdict import Verdict
    from pipeline.registry import Registry

ATTEMPTS = 3
"""To push the registry, if another run pushed first."""


def layout() -> Layout:
    """Where the results lie: the project's own layout, or the sample's where there is no data."""
    return Layout() if Layout().raw.is_file() else Layout(SAMPLE_ROOT)


def is_sample() -> bool:
    """Whether there is no data, so that everything is about the sample."""
    return layout().root == SAMPLE_ROOT


def repro(params: Params, say: Callable[[str], None], *, publish: bool) -> str | None:
    """Get the data and run every stage anew; without data, the flow on the sample.

    Args:
        params: The parameters.
        say: Called with every line that DVC and its stages print, on GitHub folded into groups.
        publish: Fail rather than take the sample.

    Returns:
        Why the sample was taken; None if it was not.

    Raises:
        NotPublishedError: The publisher gives other data than the pinned, and the result was to be published.
        SourceError: There is no data, and the result was to be published.
        StageError: A stage failed, with that stage's exit code.
    """
    try:
        raw_file(params)
    except (SourceError, NotPublishedError) as error:  # a fork cannot read DVC's remote
        if publish:
            raise
        from pipeline.data.sample import RECORDS
        from pipeline.model.run import run

        run(RECORDS, Layout(SAMPLE_ROOT), params)
        return str(error)
    with closing(dvc_repro(force=True)) as lines:
        for line in folded(lines) if on_github() else lines:
            say(line)
    return None


@dataclass(frozen=True)
class GateOutcome:
    """The verdict, and the champion that it leaves: its number and the SHA-256 of its graph, None without one.

    Without one also where the champion was not asked.
    """

    verdict: "Verdict"
    champion: int | None
    sha256: str | None

    @property
    def made(self) -> bool:
        """Whether the champion's graph is byte for byte the one that this run made; only then may main sign it."""
        return self.sha256 == self.verdict.challenger_sha256

    def as_outputs(self) -> dict[str, str]:
        """The outputs that the job hands to the ones after it."""
        return {
            "outcome": self.verdict.outcome,
            "champion": "" if self.champion is None else str(self.champion),
            "sha256": self.sha256 or "",
            "made": "yes" if self.made else "",
        }


def judge(
    params: Params,
    store: str | None,
    say: Callable[[str], None],
    progress: Progress = no_progress,
    *,
    floors_only: str = "",
) -> GateOutcome:
    """What the gate would say; nothing but `layout().verdict` is written.

    Args:
        params: The parameters.
        store: Where the registry is kept between runs, if anywhere; if it cannot be read, only the floors are checked.
        say: Called with why only the floors are checked.
        progress: Called with progress.
        floors_only: A person's reason to let the floors decide where the contract changed; empty for none.
    """
    from pipeline.judge import gate
    from pipeline.model.result import result_of
    from pipeline.registry.remote_store import pull

    registry, result = _registry(), result_of(layout(), params)
    not_asked = "a model made from the sample is not compared with the champion" if is_sample() else ""
    if not not_asked:
        try:
            if store:
                progress(f"pull the registry from {store}", 0, 1)
                if not pull(registry.store, store).sequence:
                    say(f"no model was ever pushed to {store}, so there is no champion to compare with")
            progress("gate: challenger against champion, a dry run", 0, 1)
            verdict = gate.judge(result, params, registry, floors_only=floors_only)
            outcome = _outcome(verdict, params, registry, progress)
        except RegistryError as error:
            say(f"the champion cannot be read, so only the floors are checked: {error}")
            not_asked = f"the champion cannot be read ({str(error).splitlines()[0]})"
    if not_asked:
        outcome = GateOutcome(gate.judge_by_floors(result, params, not_asked), None, None)
    write_json(layout().verdict, outcome.verdict.as_json())
    return outcome


def publish(
    params: Params,
    store: str | None,
    why: str,
    say: Callable[[str], None],
    progress: Progress = no_progress,
    *,
    floors_only: str = "",
) -> GateOutcome:
    """Register the result, let the gate decide, and push data, models and registry to where they are kept.

    A run that loses the race for the registry takes it as it is now, and decides again.

    Args:
        params: The parameters.
        store: Where the registry is kept between runs; None where MLFLOW_TRACKING_URI names a server.
        why: The reason, for the registry's history.
        say: Called with why data and models were not pushed, if there are no credentials for it.
        progress: Called with progress.
        floors_only: A person's reason to let the floors decide where the contract changed; empty for none.

    Raises:
        SourceError: The results are the sample's, or DVC's remote refuses them.
        RaceLostError: Another run was first, every time.
    """
    if is_sample():
        raise SourceError(f"nothing made from the sample is published; there is no {Layout().raw}")
    if not_pushed := dvc_push(progress):  # dvc.lock proves the result, also where its files are not kept
        say(f"{not_pushed}. The model is published all the same; nobody else can fetch its data from DVC")
    for attempt in range(ATTEMPTS):
        try:
            return _published(params, store, why, progress, floors_only, again=attempt > 0)
        except RaceLostError:
            if attempt == ATTEMPTS - 1:
                raise
            progress("another run was first: decide again", attempt, ATTEMPTS)
    raise AssertionError  # pragma: no cover  the last attempt returns or raises


def _published(
    params: Params, store: str | None, why: str, progress: Progress, floors_only: str, *, again: bool
) -> GateOutcome:
    from pipeline.judge import gate
    from pipeline.judge.register import register
    from pipeline.model.result import result_of
    from pipeline.registry.remote_store import pull, push

    registry = _registry()
    if store:
        progress(f"pull the registry from {store}", 0, 1)
        pull(registry.store, store, discard=again)
    progress("register in MLflow", 0, 1)
    result = result_of(layout(), params)
    register(result, params, registry=registry)
    progress("gate: challenger against champion", 0, 1)
    verdict = gate.run(result, params, registry, why=why, floors_only=floors_only, shared=True)
    if store:
        progress(f"push the registry to {store}", 0, 1)
        push(registry.store, store, move_champion=True)
    return _outcome(verdict, params, registry, progress)


def _outcome(verdict: "Verdict", params: Params, registry: "Registry", progress: Progress) -> GateOutcome:
    progress("export the champion", 0, 1)
    champion = export(layout(), params.registry.model_name, registry)
    graph = Layout(layout().root / CHAMPION_FOLDER).model
    return GateOutcome(verdict, champion.version if champion else None, file_digest(graph) if champion else None)


def _registry() -> "Registry":
    from pipeline.registry import Registry

    return Registry(SAMPLE_STORE) if is_sample() else Registry()


def report(against: str) -> str:
    """Write `HANDED_OVER`: the comparison as report.md, and the report files; the comparison's text.

    Args:
        against: The commit to compare with. Where it is not here, as after a forced push, or empty, what
            `pipeline.report.base` chooses.
    """
    try:
        base = commit_of(Path(), against)
    except GitError:
        raise
    except InputError:
        base = AUTO
    stale = tuple(f"{path} is not what the code makes" for path in HandedOver.from_folder(RESULTS).files)
    comparison = compare_with(base, layout().root, stale=stale)
    text = comment(comparison, RunContext.of(os.environ))
    write_text(HANDED_OVER / "report.md", text)
    reports = layout().metrics.parent
    for path in [*reports.glob("*.json"), *layout().plots.glob("*.csv")]:
        write_bytes(HANDED_OVER / "reports" / path.relative_to(reports), path.read_bytes())
    return text
