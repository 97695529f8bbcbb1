"""`pipeline ci ...`, once a run has made its results: is the lock stale, and what GitHub gets of them."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.ci import Publish, annotate, say
from pipeline.cli.options import DEFAULT_PARAMS, ParamsFile, load_params
from pipeline.errors import InputError, ReproductionError
from pipeline.files import RESULT_FILES
from pipeline.github import actions

if TYPE_CHECKING:
    from pipeline.github.api import GitHub
    from pipeline.github.run import FinishedRun

app = typer.Typer()

Event = Annotated[
    Path, typer.Option(envvar="GITHUB_EVENT_PATH", help="The event that started the job.", show_default=False)
]
ApiUrl = Annotated[str, typer.Option("--api", envvar="GITHUB_API_URL", help="Address of GitHub's API.")]
API = "https://api.github.com"

COMMIT = f"Run `make run`, then `git add {' '.join(RESULT_FILES)}` and commit"
ON_GITHUB = "This run's artifact `results` has what it made: a workflow commits it, in a fork `git apply results.patch`"
UPDATE = "main changed what makes the results since this branch left it. Update the branch first: its next run commits"


@app.command()
def lock(publish: Publish = False, params: ParamsFile = DEFAULT_PARAMS) -> None:
    """Refuse a committed dvc.lock, report or model card that is not what `ci repro` made.

    What the commit needs goes to build/results/: the files, and results.patch for `git apply`. With --publish it is a
    warning, because what is published is committed afterwards.
    """
    from pipeline.loop.ci import is_sample
    from pipeline.loop.lock import LOCK, check_lock

    if is_sample():
        annotate("notice", "dvc.lock was not checked: the data is not here", file=str(LOCK), title="SAMPLE")
        actions.hand_on({"stale": "", "update": ""})
        return
    check = check_lock(load_params(params), event=os.environ.get("GITHUB_EVENT_NAME"), keep=publish)
    actions.hand_on({"stale": "yes" if check.stale else "", "update": "yes" if check.update_first else ""})
    remedy = UPDATE if check.update_first else ON_GITHUB if actions.on_github() else COMMIT
    for file in check.stale:
        text = f"{file.path} is stale, it is not what the code makes: {file.what}. {remedy}"
        annotate("warning" if publish else "error", text, file=str(file.path), title="stale")
    if not check.stale:
        say("dvc.lock, the reports and the model card are what code, params and data make, byte for byte")
    elif not publish:
        raise ReproductionError(f"stale: {', '.join(str(file.path) for file in check.stale)}")


@app.command()
def comment(
    report: Annotated[Path, typer.Argument(help="The report that the run left, if any.", show_default=False)],
    event: Event,
    api: ApiUrl = API,
) -> None:
    """Post a finished run's report on its pull request, or update what was posted.

    One comment, whatever is pushed. GITHUB_TOKEN may write to pull requests.
    """
    from pipeline.github.comment import post_comment, read_report

    with session(api, "write to pull requests") as github:
        say(post_comment(github, finished_run(github, event), read_report(report)))


@app.command()
def results(
    folder: Annotated[Path, typer.Argument(help="What `ci lock` left, if anything.", show_default=False)],
    commit: Annotated[
        str, typer.Option("--commit", help="The commit on main that the run trained; empty: a pull request's run.")
    ] = "",
    event: Annotated[Path | None, typer.Option(envvar="GITHUB_EVENT_PATH", help="The event, without --commit.")] = None,
    api: ApiUrl = API,
) -> None:
    """Commit what a run handed over: to its pull request's branch, or with --commit to main.

    A protected main gets a pull request instead. GITHUB_TOKEN may write contents and start workflows, for main pull
    requests too. What GitHub refuses is a warning that says what to do.
    """
    from pipeline.github.deliver import to_main, to_pull_request
    from pipeline.github.results import HandedOver
    from pipeline.github.run import MainRun
    from pipeline.repo import model_files

    handed_over = HandedOver.from_folder(folder)
    if not handed_over.files:
        say(f"{folder} holds no results: nothing is committed")
        return
    with session(api, "write contents") as github:
        if commit:
            tell(to_main(github, MainRun.of(os.environ, commit), handed_over, model_files()), "results")
        elif event:
            tell(to_pull_request(github, finished_run(github, event), handed_over), "results")
        else:
            raise InputError("GITHUB_EVENT_PATH is empty: give --commit, or run it for a workflow_run event")


@app.command()
def locks(
    folder: Annotated[Path, typer.Argument(help="The locks that `make lock` wrote.", show_default=False)],
    commit: Annotated[str, typer.Option("--commit", envvar="GITHUB_SHA", help="The commit that they were made on.")],
    api: ApiUrl = API,
) -> None:
    """Propose newer locks of the packages: one commit on the branch refresh, and one pull request.

    GITHUB_TOKEN may write contents and pull requests, and start workflows.
    """
    from pipeline.github.pulls import propose_locks
    from pipeline.github.results import LOCKS, HandedOver
    from pipeline.github.run import MainRun

    handed_over = HandedOver.from_folder(folder, LOCKS)
    with session(api, "write contents") as github:
        tell(propose_locks(github, MainRun.of(os.environ, commit), handed_over), "locks")


@contextmanager
def session(api: str, may: str) -> "Iterator[GitHub]":
    """A session with the token of the environment, which is never an argument."""
    from pipeline.github.api import GitHub

    token = os.environ.get("GITHUB_TOKEN", "")
    if not token:
        raise InputError(f"GITHUB_TOKEN is empty: it must be a token that may {may}")
    with GitHub(api, token) as github:
        yield github


def finished_run(github: "GitHub", event: Path) -> "FinishedRun":
    """The run that the event tells of."""
    from pipeline.github.run import FinishedRun

    return FinishedRun.of(github, json.loads(event.read_text(encoding="utf-8")))


def tell(messages: Iterable[actions.Message], title: str) -> None:
    """Say what was done; a warning is shown on top of the run, and in the summary of the job."""
    for message in messages:
        if message.level == "log":
            say(message.text)
            continue
        annotate(message.level, message.text, title=title)
        actions.summarize(message.text)
