"""`pipeline ci ...`: the pieces that the workflows call; on a laptop they do the same without GitHub's outputs."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import DEFAULT_PARAMS, LOOK, ParamsFile, StoreUrl, load_params
from pipeline.errors import GateRefusal, InputError, ReproductionError
from pipeline.files import RESULT_FILES
from pipeline.github import actions

app = typer.Typer(
    name="ci",
    help="The pieces that the workflows call, one by one.",
    **LOOK,
)

Publish = Annotated[bool, typer.Option("--publish", help="The result is to be published; never take the sample.")]
COMMIT = f"Run `make run`, then `git add {' '.join(RESULT_FILES)}` and commit"


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
def repro(publish: Publish = False, params: ParamsFile = DEFAULT_PARAMS) -> None:
    """Get the data and run every stage anew.

    Without data it says so and takes the sample, unless the result is to be published.
    """
    from pipeline.loop import ci

    if why := ci.repro(load_params(params), say, publish=publish):
        annotate("warning", f"{why}\nTaken instead: the embedded sample, which is never published.", title="SAMPLE")


@app.command()
def lock() -> None:
    """Refuse a dvc.lock that is not what `ci repro` made.

    The one that should have been committed goes to build/report/dvc.lock.
    """
    from pipeline.loop.ci import is_sample
    from pipeline.loop.lock import LOCK, stale_files

    if is_sample():
        annotate("notice", "dvc.lock was not checked: the data is not here", file=str(LOCK), title="SAMPLE")
        return
    stale = stale_files()
    for file in stale:
        text = f"{file.path} is stale, it is not what the code makes: {file.what}. {COMMIT}"
        annotate("error", text, file=str(file.path), title="stale")
    if stale:
        raise ReproductionError(f"stale: {', '.join(str(file.path) for file in stale)}")
    say("dvc.lock is what code, params and data make, byte for byte")


@app.command()
def judge(
    publish: Publish = False,
    why: Annotated[str, typer.Option(envvar="REASON", help="The reason, for the registry's history.")] = "",
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
        outcome = ci.publish(loaded, address, why, lambda line: annotate("warning", line, title="data"), progress)
    else:
        outcome = ci.judge(loaded, address, lambda line: annotate("notice", line, title="registry"), progress)
    Console(width=160).print(verdict(outcome.verdict))
    actions.hand_on(outcome.as_outputs())
    if outcome.verdict.outcome == "refused":
        annotate("error", outcome.verdict.text, title="gate")
        raise GateRefusal("the challenger is not promoted; the champion stays")


@app.command()
def report(
    against: Annotated[str, typer.Option(help="The commit to compare with; empty: where this work started.")] = "",
) -> None:
    """Write build/report/: what changed, for the summary of the job and the comment, and every report file."""
    from pipeline.loop.ci import report as write_report
    from pipeline.loop.lock import HANDED_OVER

    actions.summarize(write_report(against))
    say(f"{HANDED_OVER}/report.md")


@app.command()
def comment(
    report: Annotated[Path, typer.Argument(help="The report that the run left, if any.", show_default=False)],
    event: Annotated[Path, typer.Option(envvar="GITHUB_EVENT_PATH", help="The workflow_run event.")],
    api: Annotated[
        str, typer.Option(envvar="GITHUB_API_URL", help="Address of GitHub's API.")
    ] = "https://api.github.com",
    token: Annotated[str, typer.Option(envvar="GITHUB_TOKEN", help="May write to pull requests.")] = "",
) -> None:
    """Post a finished run's report on its pull request, or update what was posted.

    One comment, whatever is pushed.
    """
    from pipeline.github.api import GitHub
    from pipeline.github.comment import PullRequestRun, post_comment, read_report

    if not token:
        raise InputError("GITHUB_TOKEN is empty: it must be a token that may write to pull requests")
    run = PullRequestRun.from_event(json.loads(event.read_text(encoding="utf-8")))
    with GitHub(api, token) as github:
        say(post_comment(github, run, read_report(report)))
