"""A revision, or nothing -> the snapshot that this work is compared with: a commit, or the champion.

A run that nobody pushed to (a schedule, a dispatch on main) has no change to show beside the commit before: it is
compared with the champion, whose export the gate left here. Where only the champion's graphs are here and no answers,
as for everybody without DVC's remote, its graphs answer the records again, so that small differences are still seen.
"""

import os
from dataclasses import replace
from pathlib import Path

from pipeline.files import CHAMPION_FOLDER, Layout, file_digest
from pipeline.repo import default_base
from pipeline.report.answers import answers_of_graphs
from pipeline.report.comparison import Comparison, compare
from pipeline.report.context import RunContext
from pipeline.report.snapshot import Snapshot, of_export, of_revision, of_tree
from pipeline.report.verdict import ReportedVerdict

AUTO = "auto"
"""Instead of a revision: the champion for a run that nobody pushed to, else `default_base`."""

NOT_PUSHED = frozenset({"schedule", "workflow_dispatch"})


def against(rev: str, folder: Path = Path(), root: Path = Path(), stale: tuple[str, ...] = ()) -> Comparison:
    """The comparison of the files below a folder with a commit or the champion.

    Args:
        rev: The commit, or `AUTO`.
        folder: Where the layout with the reports lies, from `root`.
        root: The project's root.
        stale: What is known to be committed otherwise than it was made, where the files here do not show it.

    Raises:
        InputError: There is no such revision.
        ModelFileError: A report on either side is damaged.
    """
    this, layout = of_tree(root, folder), Layout(root / folder)
    this = replace(this, stale=this.stale or stale)
    return compare(_with_answers(_base(rev, root, layout, this), this, layout), this)


def _base(rev: str, root: Path, layout: Layout, this: Snapshot) -> Snapshot | None:
    context = RunContext.of(os.environ)
    if rev != AUTO:
        return of_revision(root, rev, context.base if context.on_github else None)
    if context.event in NOT_PUSHED and context.on_main and (champion := _champion(layout, this)):
        return champion
    commit = default_base(root)
    return of_revision(root, commit, context.base) if commit else None


def _champion(layout: Layout, this: Snapshot) -> Snapshot | None:
    """The champion that the gate asked; None where there is none, or another took its place since."""
    champion = of_export(layout.root / CHAMPION_FOLDER, "champion")
    verdict = ReportedVerdict.of(this.verdict, this.model_sha256)
    if champion is None or (verdict and verdict.champion_sha256 != champion.model_sha256):
        return None
    number = f" (version {verdict.champion})" if verdict and verdict.champion else ""
    return replace(champion, name=f"{champion.name}{number}")


def _with_answers(base: Snapshot | None, this: Snapshot, layout: Layout) -> Snapshot | None:
    """The base; if its answers are not here and it is the champion, with those of its graphs, on unchanged data."""
    if base is None or base.answers is not None or _data(base) != _data(this):
        return base
    champion = Layout(layout.root / CHAMPION_FOLDER)
    if not champion.model.is_file() or file_digest(champion.model) != base.model_sha256:
        return base
    return replace(base, answers=answers_of_graphs(champion, layout, base.metrics))


def _data(side: Snapshot) -> object:
    return (side.data or {}).get("sha256")
