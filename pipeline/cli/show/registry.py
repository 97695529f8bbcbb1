"""Registered models, versions, moves and verdicts -> tables for a terminal. Reads values, prints nothing."""

from datetime import datetime
from typing import TYPE_CHECKING

from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from pipeline.cli.show.results import table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.judge.verdict import Verdict
    from pipeline.registry.history import Move
    from pipeline.registry.ranking import Difference
    from pipeline.registry.versions import RegisteredModel, Version

NOT_MEASURED = "-"
HOLDS_TEXT = {True: "yes", False: "NO", None: NOT_MEASURED}

SHOWN_DIGITS = 8
"""Of a digest or a commit."""


def verdict(judged: "Verdict") -> Table:
    """Every reason of the gate's verdict, and the verdict below."""
    champion = "no champion" if judged.champion is None else f"champion version {judged.champion}"
    challenger = "this result" if judged.challenger is None else f"version {judged.challenger}"
    rows = ((HOLDS_TEXT[reason.ok], reason.text) for reason in judged.reasons)
    shown = rows_of(f"{challenger} against {champion}", ("holds", "in words"), rows)
    shown.caption, shown.caption_justify, shown.caption_style = Text(judged.text), "left", "bold"
    return shown


def models(registered: "tuple[RegisteredModel, ...]") -> Table:
    """Every model with its versions and aliases."""
    rows = ((model.name, model.versions, _aliases(model)) for model in registered)
    return rows_of("Registered models", ("model", "versions", "aliases"), rows)


def versions(name: str, registered: "tuple[Version, ...]") -> Table:
    """Every version with what it was made from; a commit followed by + had uncommitted changes."""
    headings = ("version", "stage", "aliases", "holdout", "source", "data", "model", "commit", "created (UTC)")
    return rows_of(name, headings, map(_version, registered))


def version(registered: "Version", metrics: dict[str, float]) -> Group:
    """One version with all of its tags, then its metrics; apart, so that every digest stands on one line."""
    facts = {
        "stage": registered.stage,
        "aliases": ", ".join(registered.aliases),
        "created": registered.created,
        **registered.tags,
    }
    known = rows_of(f"{registered.name} version {registered.number}", ("name", "value"), facts.items())
    return Group(known, rows_of("Measured", ("metric", "value"), sorted(metrics.items())))


def differences(one: "Version", other: "Version", items: "tuple[Difference, ...]") -> Table:
    """Parameters and metrics in which two versions differ, side by side."""
    headings = ("kind", "name", f"version {one.number}", f"version {other.number}")
    return rows_of(one.name, headings, ((item.kind, item.name, item.a, item.b) for item in items))


def history(name: str, moves: "tuple[Move, ...]") -> Table:
    """Who moved what, when and why."""
    rows = ((move.sequence, _moment(move.when), move.who, _moved(move), move.why) for move in moves)
    return rows_of(name, ("#", "when (UTC)", "who", "what", "why"), rows)


def rows_of(title: str, headings: tuple[str, ...], rows: "Iterable[tuple[object, ...]]") -> Table:
    """A table whose cells are shown as they are; text in square brackets is no markup."""
    shown = table(escape(title))
    shown.min_width = len(title)  # or a narrow table breaks its title
    for heading in headings:
        shown.add_column(heading, overflow="fold")
    for row in rows:
        shown.add_row(*(Text(NOT_MEASURED if cell is None else str(cell)) for cell in row))
    return shown


def _aliases(model: "RegisteredModel") -> str:
    return ", ".join(f"{alias} -> {number}" for alias, number in model.aliases.items())


def _version(registered: "Version") -> tuple[object, ...]:
    tags = registered.tags
    accuracy = f"{float(tags['holdout_accuracy']):.4f}" if "holdout_accuracy" in tags else None
    data, model, commit = (tags.get(key, "")[:SHOWN_DIGITS] for key in ("data_sha256", "model_sha256", "git_commit"))
    commit += "+" if tags.get("git_dirty") == "true" else ""
    aliases, created = "\n".join(registered.aliases), _moment(registered.created)
    return (registered.number, registered.stage, aliases, accuracy, tags.get("source"), data, model, commit, created)


def _moved(move: "Move") -> str:
    whose = f"version {move.version}: " if move.action == "stage" else f"{move.action}: "
    return f"{whose}{NOT_MEASURED if move.moved_from is None else move.moved_from} -> {move.moved_to}"


def _moment(iso: str) -> str:
    return f"{datetime.fromisoformat(iso):%Y-%m-%d %H:%M}"
