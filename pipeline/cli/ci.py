"""`pipeline ci ...`: the pieces that the workflows call; on a laptop they do the same without GitHub's outputs."""

import sys
from typing import Annotated

import typer

from pipeline.cli.options import DEFAULT_PARAMS, FLOORS_ONLY, LOOK, ParamsFile, StoreUrl, load_params
from pipeline.errors import GateRefusal, NotPublishedError, SourceError
from pipeline.files import Layout
from pipeline.github import actions

app = typer.Typer(
    name="ci",
    help="The pieces that the workflows call, one by one.",
    **LOOK,
)

Publish = Annotated[bool, typer.Option("--publish", help="The result is to be published; never take the sample.")]


def say(line: str) -> None:
    typer.echo(line)
    sys.stdout.flush()  # its place in the log is between what others print


def annotate(kind: str, text: str, **where: str) -> None:
    say(actions.command(kind, text, **where) if actions.on_github() else text)


def registry_address(store: str | None) -> str | None:
    """Where the registry is kept between runs; says so if what was given is ignored."""
    from pipeline.registry.place import where_kept

    kept = where_kept(store)
    if kept.notice:
        annotate("notice", kept.notice, title="registry")
    return kept.url


def progress(step: str, done: int, total: int) -> None:
    del done, total
    typer.echo(step, err=True)


@app.command()
def pin(params: ParamsFile = DEFAULT_PARAMS) -> None:
    """Hand on the pinned data's SHA-256, under which a runner caches what the publisher gives."""
    sha256 = load_params(params).data.sha256
    actions.hand_on({"sha256": sha256})
    say(sha256)


@app.command()
def data(params: ParamsFile = DEFAULT_PARAMS) -> None:
    """Get the data where it can be had; without it, the tests that need it say so."""
    from pipeline.loop.raw import raw_file

    try:
        say(f"{Layout().raw}: from {raw_file(load_params(params), progress).came_from}")
    except (SourceError, NotPublishedError) as error:
        annotate("notice", str(error), title="no data")


@app.command()
def repro(publish: Publish = False, params: ParamsFile = DEFAULT_PARAMS) -> None:
    """Get the data and run every stage anew.

    Without data it says so and takes the sample, unless the result is to be published.
    """
    from pipeline.loop import ci

    if why := ci.repro(load_params(params), say, publish=publish):
        annotate("warning", f"{why}\nTaken instead: the embedded sample, which is never published.", title="SAMPLE")


@app.command()
def judge(
    publish: Publish = False,
    why: Annotated[str, typer.Option(envvar="REASON", help="The reason, for the registry's history.")] = "",
    floors_only: Annotated[str, typer.Option(envvar="FLOORS_ONLY", metavar="WHY", help=FLOORS_ONLY)] = "",
    store: StoreUrl = None,
    params: ParamsFile = DEFAULT_PARAMS,
) -> None:
    """Let the gate decide; exit code 3 if it refuses.

    With --publish the result is registered, and registry, data and models are pushed; without, nothing changes.
    """
    from rich.console import Console

    from pipeline.cli.show.registry import verdict
    from pipeline.loop import ci

    loaded, address = load_params(params), registry_address(store)
    if publish:

        def warning(line: str) -> None:
            annotate("warning", line, title="data")

        outcome = ci.publish(loaded, address, why, warning, progress, floors_only=floors_only)
    else:

        def notice(line: str) -> None:
            annotate("notice", line, title="registry")

        outcome = ci.judge(loaded, address, notice, progress, floors_only=floors_only)
    Console(width=160).print(verdict(outcome.verdict))
    actions.hand_on(outcome.as_outputs())
    if outcome.verdict.outcome == "refused":
        annotate("error", outcome.verdict.text, title="gate")
        raise GateRefusal("the challenger is not promoted; the champion stays")
    if outcome.verdict.outcome != "promoted":
        annotate("notice", outcome.verdict.text, title="gate")


@app.command()
def report(
    against: Annotated[
        str, typer.Option(help="The commit to compare with; empty: where this work started, or the champion.")
    ] = "",
) -> None:
    """Write build/report/: what changed, for the summary of the job and the comment, and every report file."""
    from pipeline.loop.ci import report as write_report
    from pipeline.loop.lock import HANDED_OVER

    actions.summarize(write_report(against))
    say(f"{HANDED_OVER}/report.md")
