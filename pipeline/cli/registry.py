"""`pipeline registry ...`: what is registered, and the few ways to change it, as tables or as JSON for machines.

Like all of `cli`, it parses, calls and prints. What is refused is raised, and `cli.main` makes an exit code of it.
"""

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import answer
from pipeline.cli.options import LOOK
from pipeline.errors import InputError

if TYPE_CHECKING:
    from pipeline.registry import Registry
    from pipeline.registry.remote_store import SyncResult

app = typer.Typer(
    name="registry",
    help="What is registered, and who is champion. MLFLOW_TRACKING_URI names the store; default sqlite:///mlflow.db.",
    **LOOK,
)

Name = Annotated[str, typer.Argument(help="A registered model, such as obesity_classifier.", show_default=False)]
Which = Annotated[str, typer.Argument(help="A version's number, or an alias of it.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of a table.")]
Why = Annotated[str, typer.Option("--why", help="The reason; it stays in the version's history.")]
Address = Annotated[
    str | None,
    typer.Argument(
        metavar="URL", help="s3://bucket/prefix or git:REMOTE; by default REGISTRY_URL.", show_default=False
    ),
]


def _registry() -> "Registry":
    from pipeline.registry import Registry

    return Registry()


@app.command(name="list")
def list_models(as_json: Json = False) -> None:
    """Every registered model with its versions and aliases.

    Example: pipeline registry list
    """
    from pipeline.cli.show import registry as show_registry

    models = _registry().models()
    empty = "Nothing is registered yet: `make run` registers the first model."
    answer([asdict(model) for model in models], show_registry.models(models) if models else empty, as_json)


@app.command()
def versions(name: Name, as_json: Json = False) -> None:
    """All versions of a model: stage, aliases, holdout accuracy, and what they were made from.

    A commit followed by + had uncommitted changes.

    Example: pipeline registry versions obesity_classifier
    """
    from pipeline.cli.show import registry as show_registry

    registered = _registry().versions(name)
    answer([asdict(version) for version in registered], show_registry.versions(name, registered), as_json)


@app.command()
def compare(name: Name, a: Which, b: Which, as_json: Json = False) -> None:
    """Parameters and metrics in which two versions differ.

    Example: pipeline registry compare obesity_classifier champion challenger
    """
    from pipeline.cli.show import registry as show_registry
    from pipeline.registry import ranking

    registry = _registry()
    one, other = registry.version(name, a), registry.version(name, b)
    differences = ranking.compare(registry, one, other)
    nothing = f"Versions {one.number} and {other.number} share every parameter and metric."
    shown = show_registry.differences(one, other, differences) if differences else nothing
    answer([asdict(item) for item in differences], shown, as_json)


@app.command()
def promote(
    name: Name,
    version: Which,
    stage: Annotated[str, typer.Argument(show_default=False, help="Staging, Production, Archived or None.")],
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Give a version a stage; Production makes it the champion, and the one before is archived.

    The gate does this for a challenger that passes; by hand you bypass the gate, so give a reason.

    Example: pipeline registry promote obesity_classifier 3 Production --why "agreed in the review of 23 November"
    """
    registry = _registry()
    champion = registry.champion(name)
    move = registry.promote(name, version, stage, expected=champion.number if champion else None, why=why)
    if move is None:
        answer(None, f"{name} version {version} is in stage {stage} already: nothing was changed.", as_json)
    else:
        answer(move.as_json(), f"{name} version {move.version} is now in stage {stage}.", as_json)


@app.command()
def alias(name: Name, alias: str, version: Which, as_json: Json = False) -> None:
    """Point an alias other than champion at a version.

    Example: pipeline registry alias obesity_classifier candidate 3
    """
    registry = _registry()
    registry.version(name, version)
    now = next((version.number for version in registry.versions(name) if alias in version.aliases), None)
    moved = registry.set_alias(name, alias, version, expected=now)
    answer(asdict(moved), f"{name}@{alias} is now version {moved.number}.", as_json)


@app.command()
def best(
    name: Name,
    metric: Annotated[str, typer.Option("--metric", help="A dotted name in metrics.json.", show_default=False)],
    lowest: Annotated[
        bool | None, typer.Option("--lowest/--highest", help="Which end is best; by default the metric's name decides.")
    ] = None,
    as_json: Json = False,
) -> None:
    """The version with the best value of a metric.

    Example: pipeline registry best obesity_classifier --metric out_of_fold.accuracy

    Example: pipeline registry best obesity_classifier --metric out_of_fold.ece
    """
    from pipeline.registry import ranking

    best = ranking.best(_registry(), name, metric, higher_is_better=None if lowest is None else not lowest)
    end = "highest" if best.higher_is_better else "lowest"
    answer(asdict(best), f"{name} version {best.version} has the {end} {metric}: {best.value}", as_json)


@app.command()
def rollback(name: Name, why: Why = "", as_json: Json = False) -> None:
    """Make the champion before the last promotion champion again.

    Example: pipeline registry rollback obesity_classifier --why "false alarms since Monday"
    """
    move = _registry().rollback(name, why=why)
    answer(move.as_json(), f"{name}: champion is version {move.moved_to} again, no longer {move.moved_from}.", as_json)


@app.command()
def history(name: Name, as_json: Json = False) -> None:
    """Who moved what, when and why, and what the gate refused, the oldest first.

    Example: pipeline registry history obesity_classifier
    """
    from pipeline.cli.show import registry as show_registry

    moves = _registry().history(name)
    empty = f"Nothing was promoted, refused or rolled back in {name} yet."
    answer([move.as_json() for move in moves], show_registry.history(name, moves) if moves else empty, as_json)


@app.command()
def show(name: Name, version: Which, as_json: Json = False) -> None:
    """One version with all of its tags and metrics.

    Example: pipeline registry show obesity_classifier champion
    """
    from pipeline.cli.show import registry as show_registry

    registry = _registry()
    registered = registry.version(name, version)
    metrics = registry.metrics(registered)
    answer(asdict(registered) | {"metrics": metrics}, show_registry.version(registered, metrics), as_json)


@app.command()
def fetch(
    name: Name, version: Which, folder: Annotated[Path, typer.Argument(show_default=False)], as_json: Json = False
) -> None:
    """Write a version's graphs and reports below a folder, each checked against its SHA-256.

    Example: pipeline registry fetch obesity_classifier champion build/champion
    """
    fetched = _registry().fetch(name, version, folder)
    answer(asdict(fetched), f"{name} version {fetched.number} is in {folder}.", as_json)


@app.command()
def pull(
    url: Address = None,
    discard: Annotated[
        bool, typer.Option("--discard", help="Also replace unpushed work; a copy is kept next to the database.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Take the registry from where it is kept between runs.

    Does nothing where nothing was ever pushed. Refuses (exit code 3) to replace work that was never pushed.

    Example: pipeline registry pull git:origin

    Example: pipeline registry pull s3://my-bucket/registry
    """
    from pipeline.registry import remote_store

    address = _address(url)
    done = remote_store.pull(_registry().store, address, discard=discard)
    taken = "nothing was changed" if not done.changed else f"{done.files} file(s) taken"
    text = f"state {done.sequence} of {address}: {taken}" if done.sequence else f"nothing was ever pushed to {address}"
    aside = f"\nyour own work, never pushed, is kept in {done.set_aside}" if done.set_aside else ""
    answer(_sync_json(done), text + aside, as_json)


@app.command()
def push(
    url: Address = None,
    move_champion: Annotated[
        bool, typer.Option("--move-champion", help="Also if the champion that others share becomes another one.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Put the registry where it is kept between runs, unless somebody else did so since it was pulled.

    If another push came first, yours is refused (exit code 3) and your work is kept: pull, register, gate, push again.

    Example: pipeline registry push git:origin

    Example: pipeline registry push s3://my-bucket/registry
    """
    from pipeline.registry import remote_store

    address = _address(url)
    done = remote_store.push(_registry().store, address, move_champion=move_champion)
    put = f"{done.files} file(s) put" if done.changed else "there is nothing new to push"
    answer(_sync_json(done), f"state {done.sequence} of {address}: {put}", as_json)


def _address(url: str | None) -> str:
    from pipeline.registry.place import where_kept

    kept = where_kept(os.environ.get("REGISTRY_URL"))
    address = url or kept.url
    if not address:
        raise InputError(
            kept.notice
            or "no place is named in which the registry is kept: give its address, such as git:origin or "
            "s3://bucket/prefix, or set REGISTRY_URL"
        )
    return address


def _sync_json(done: "SyncResult") -> dict[str, object]:
    return asdict(done) | {"set_aside": str(done.set_aside) if done.set_aside else None}
