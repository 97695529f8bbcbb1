"""`pipeline registry ...`: what is registered, and the few ways to change it, as tables or as JSON for machines.

Like `cli`, it parses, calls and prints. Whatever is refused is raised, and `cli.main` turns it into an exit code.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from pipeline.gate import Verdict
    from pipeline.registry import Registry, Version

app = typer.Typer(
    name="registry",
    help="What is registered, and who is champion. MLFLOW_TRACKING_URI names the store; default sqlite:///mlflow.db.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Name = Annotated[str, typer.Argument(help="A registered model, such as obesity_classifier.", show_default=False)]
Which = Annotated[str, typer.Argument(help="A version's number, or an alias of it.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of a table.")]
Why = Annotated[str, typer.Option("--why", help="The reason; it stays in the version's history.")]

NOT_MEASURED = "-"
MARKS = {True: "yes", False: "NO", None: NOT_MEASURED}
PLAIN_WIDTH = 160


def _registry() -> "Registry":
    from pipeline.registry import Registry  # noqa: PLC0415  --help waits for nothing

    return Registry()


def _show(value: object, table: Table | str, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True))
        return
    # Tables keep their shape in a log: only a terminal says how wide it is.
    Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH).print(table, markup=False, highlight=False)


def table_of(title: str, headers: tuple[str, ...], rows: list[tuple[object, ...]]) -> Table:
    """A table whose cells are shown as they are; text in square brackets is no markup."""
    table = Table(title=title, title_justify="left")
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        table.add_row(*(Text(NOT_MEASURED if cell is None else str(cell)) for cell in row))
    return table


def _shown(value: float | str | None) -> str | None:
    return f"{value:.4f}" if isinstance(value, float) else None if value is None else str(value)


def verdict_table(verdict: "Verdict") -> Table:
    """Every reason of the gate's verdict, with what was found and what was needed."""
    before = "no champion" if verdict.champion is None else f"champion version {verdict.champion}"
    judged = "this result" if verdict.challenger is None else f"version {verdict.challenger}"
    rows: list[tuple[object, ...]] = [
        (reason.name, _shown(reason.found), reason.needed, MARKS[reason.ok], reason.text) for reason in verdict.reasons
    ]
    table = table_of(f"{judged} against {before}", ("rule", "found", "needed", "holds", "in words"), rows)
    table.caption, table.caption_justify = verdict.text, "left"
    return table


@app.command(name="list")
def list_models(as_json: Json = False) -> None:
    """Every registered model with its versions and aliases.

    Example: pipeline registry list
    """
    models = _registry().models()
    rows: list[tuple[object, ...]] = [
        (model.name, model.versions, ", ".join(f"{alias} -> {number}" for alias, number in model.aliases.items()))
        for model in models
    ]
    empty = "Nothing is registered yet: `make run` registers the first model."
    table = table_of("Registered models", ("model", "versions", "aliases"), rows)
    _show([asdict(model) for model in models], table if models else empty, as_json)


def _row(version: "Version") -> tuple[object, ...]:
    tags = version.tags
    commit = tags.get("git_commit", "")[:8] + ("+" if tags.get("git_dirty") == "true" else "")
    digests = (tags.get("data_sha256", "")[:8], tags.get("model_sha256", "")[:8])
    aliases, accuracy = ", ".join(version.aliases), tags.get("holdout_accuracy")
    return (version.number, version.stage, aliases, accuracy, tags.get("source"), *digests, commit, version.created)


@app.command()
def versions(name: Name, as_json: Json = False) -> None:
    """All versions of a model: stage, aliases, holdout accuracy, and what they were made from.

    A commit followed by + had uncommitted changes.

    Example: pipeline registry versions obesity_classifier
    """
    found = _registry().versions(name)
    headers = ("version", "stage", "aliases", "holdout", "source", "data", "model", "commit", "created (UTC)")
    _show([asdict(version) for version in found], table_of(name, headers, [_row(v) for v in found]), as_json)


@app.command()
def compare(name: Name, a: Which, b: Which, as_json: Json = False) -> None:
    """Parameters and metrics in which two versions differ.

    Example: pipeline registry compare obesity_classifier champion challenger
    """
    registry = _registry()
    one, other = registry.version(name, a), registry.version(name, b)
    found = registry.compare(name, one.number, other.number)
    headers = ("kind", "name", f"version {one.number}", f"version {other.number}")
    table = table_of(name, headers, [(item.kind, item.name, item.a, item.b) for item in found])
    nothing = f"Versions {one.number} and {other.number} share every parameter and metric."
    _show([asdict(item) for item in found], table if found else nothing, as_json)


@app.command()
def promote(
    name: Name,
    version: Which,
    stage: Annotated[str, typer.Argument(show_default=False, help="Staging, Production, Archived or None.")],
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Give a version a stage; Production makes it the champion, and the one before is archived.

    The gate does this for a challenger that passes; by hand it is yours to answer for, so say why.

    Example: pipeline registry promote obesity_classifier 3 Production --why "approved by the clinic"
    """
    registry = _registry()
    champion = registry.champion(name)
    move = registry.promote(name, version, stage, expected=champion.number if champion else None, why=why)
    if move is None:
        _show(None, f"{name} version {version} is in stage {stage} already: nothing was changed.", as_json)
    else:
        _show(move.as_json(), f"{name} version {move.version} is now in stage {stage}.", as_json)


@app.command()
def alias(name: Name, alias: str, version: Which, as_json: Json = False) -> None:
    """Point an alias other than champion at a version.

    Example: pipeline registry alias obesity_classifier candidate 3
    """
    registry = _registry()
    registry.version(name, version)
    now = next((found.number for found in registry.versions(name) if alias in found.aliases), None)
    moved = registry.set_alias(name, alias, version, expected=now)
    _show(asdict(moved), f"{name}@{alias} is now version {moved.number}.", as_json)


@app.command()
def best(
    name: Name,
    metric: Annotated[str, typer.Option("--metric", help="A dotted name in metrics.json.", show_default=False)],
    lowest: Annotated[
        bool | None, typer.Option("--lowest/--highest", help="Which end is best; by default the metric's name tells.")
    ] = None,
    as_json: Json = False,
) -> None:
    """The version with the best value of a metric.

    Example: pipeline registry best obesity_classifier --metric out_of_fold.accuracy

    Example: pipeline registry best obesity_classifier --metric out_of_fold.ece
    """
    found = _registry().best(name, metric, None if lowest is None else not lowest)
    end = "highest" if found.higher_is_better else "lowest"
    told = f"{name} version {found.version} has the {end} {metric}: {found.value}"
    _show(asdict(found), told, as_json)


@app.command()
def rollback(name: Name, why: Why = "", as_json: Json = False) -> None:
    """Make the champion before the last promotion champion again.

    Example: pipeline registry rollback obesity_classifier --why "false alarms since Monday"
    """
    move = _registry().rollback(name, why=why)
    _show(move.as_json(), f"{name}: champion is version {move.moved_to} again, no longer {move.moved_from}.", as_json)


@app.command()
def history(name: Name, as_json: Json = False) -> None:
    """Who moved what, when and why, the first move first.

    Example: pipeline registry history obesity_classifier
    """
    moves = _registry().history(name)
    rows: list[tuple[object, ...]] = [
        (move.sequence, move.when, move.who, move.action, move.version, move.moved_from, move.moved_to, move.why)
        for move in moves
    ]
    table = table_of(name, ("#", "when (UTC)", "who", "what", "version", "from", "to", "why"), rows)
    empty = f"Nothing was promoted or rolled back in {name} yet."
    _show([move.as_json() for move in moves], table if moves else empty, as_json)


@app.command()
def show(name: Name, version: Which, as_json: Json = False) -> None:
    """One version with all of its tags and metrics.

    Example: pipeline registry show obesity_classifier champion
    """
    registry = _registry()
    found = registry.version(name, version)
    metrics = registry.metrics(found)
    value: dict[str, Any] = asdict(found) | {"metrics": metrics}
    facts = {"stage": found.stage, "aliases": ", ".join(found.aliases), "created": found.created, **found.tags}
    rows: list[tuple[object, ...]] = [*facts.items(), *sorted(metrics.items())]
    _show(value, table_of(f"{name} version {found.number}", ("name", "value"), rows), as_json)


@app.command()
def fetch(
    name: Name, version: Which, folder: Annotated[Path, typer.Argument(show_default=False)], as_json: Json = False
) -> None:
    """Write a version's graphs and reports below a folder, each checked against its SHA-256.

    Example: pipeline registry fetch obesity_classifier champion build/champion
    """
    found = _registry().fetch(name, version, folder)
    _show(asdict(found), f"{name} version {found.number} is in {folder}.", as_json)
