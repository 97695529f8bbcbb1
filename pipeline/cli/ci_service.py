"""`pipeline ci ...`, after training: the pieces that deploy.yml, rollback.yml and watch.yml call."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.ci import annotate, progress, registry_address, say
from pipeline.cli.ci_results import API, ApiUrl, session, tell
from pipeline.cli.options import DEFAULT_PARAMS, ParamsFile, StoreUrl, load_params
from pipeline.errors import InputError
from pipeline.github import actions

app = typer.Typer()


@contextmanager
def _annotated(title: str) -> Iterator[None]:
    """A block whose bad input is also shown on top of the run."""
    try:
        yield
    except InputError as error:
        if actions.on_github():
            say(actions.command("error", str(error), title=title))
        raise


@app.command()
def require(
    names: Annotated[list[str], typer.Argument(help="Variables that must not be empty.", show_default=False)],
) -> None:
    """Refuse to go on where a variable of the repository or environment is not set."""
    with _annotated("settings"):
        if missing := [name for name in names if not os.environ.get(name)]:
            raise InputError(
                f"{', '.join(missing)} not set: set it under Settings, Environments (or Secrets and variables, "
                "Actions); docs/github.md says what for"
            )


@app.command()
def stages(
    names: Annotated[str, typer.Option(envvar="DEPLOY_STAGES", help='["staging", "prod"], or staging, prod.')] = "",
    version: Annotated[str, typer.Option(envvar="VERSION", help="The version that they are to answer with.")] = "",
    repository: Annotated[str, typer.Option(envvar="GITHUB_REPOSITORY", help="OWNER/NAME.")] = "",
    api: ApiUrl = API,
) -> None:
    """Say which stages are to be deployed: those of DEPLOY_STAGES that do not answer with a version yet.

    Outputs: dev, staging, prod, each yes or empty, and older: yes if a stage has a newer service than this commit's, so
    that the newest commit must deploy to it. Refuses a DEPLOY_STAGES that it cannot read. Without --version every stage
    that is named is to be deployed; with it, GITHUB_TOKEN may read deployments.
    """
    from pipeline.ship.stages import STAGES, parse_stages

    with _annotated("DEPLOY_STAGES"):
        named = parse_stages(names)
    due: tuple[str, ...] = named
    older = False
    if version and named:
        from pipeline.loop.stages import plan

        with session(api, "read deployments") as github:
            planned = plan(named, version, github, repository, say)
        due, older = planned.due, planned.older
    actions.hand_on({stage: "yes" if stage in due else "" for stage in STAGES} | {"older": "yes" if older else ""})
    say(f"stages: {', '.join(due) or 'none'}")


@app.command()
def fetch(
    version: Annotated[str, typer.Option(envvar="VERSION", help="A version's number or alias.")] = "champion",
    sha256: Annotated[str, typer.Option(envvar="SHA256", help="What its graph must be; empty: not known.")] = "",
    unsigned: Annotated[bool, typer.Option("--unsigned", help="No signature will be verified.")] = False,
    store: StoreUrl = None,
    params: ParamsFile = DEFAULT_PARAMS,
) -> None:
    """Fetch the version that is to be deployed to build/candidate/, so that its provenance can be verified.

    With --unsigned the registry itself must be trusted: one that is kept in this repository is refused.
    """
    from pipeline.ship import signed

    with _annotated("model"):
        address = registry_address(store)
        if unsigned and address and address.startswith("git:"):
            raise InputError(
                f"{address} can be moved by whoever may push, and this repository has no attestations that would show "
                "it: set REGISTRY_URL to s3://bucket/prefix (make bootstrap), or ATTEST where the plan has them"
            )
        candidate = signed.fetch(load_params(params), address, version, sha256 or None, progress)
    actions.hand_on(candidate.as_outputs())
    say(f"{signed.CANDIDATE}: version {candidate.version}, SHA-256 {candidate.sha256}")


@app.command()
def contents(
    sha256: Annotated[str, typer.Option(envvar="SHA256", help="Of the graph that must be in it.")],
) -> None:
    """List every file of the built package with its SHA-256, in build/package.sha256, to be signed and verified."""
    from pipeline.ship import signed

    with _annotated("package"):
        listing = signed.contents(sha256)
    say(f"{signed.LISTING}: SHA-256 {listing}")


@app.command()
def watch(
    log: Annotated[
        str, typer.Option(envvar="WATCH_LOG", metavar="FILE|PATTERN|cloudwatch:GROUP", help="The service's log.")
    ],
    since: Annotated[str, typer.Option(help="Compare what came since: 12h, 7d, 2w or a date.")] = "7d",
    store: Annotated[
        str | None, typer.Option(envvar="REGISTRY_URL", help="Where references are kept: s3://bucket/prefix.")
    ] = None,
) -> None:
    """Compare recent requests with each version's first, and write build/watch/ for the issue.

    Drift is an answer here, not a failure: exit code 0. References are kept in S3 between runs.
    """
    from pipeline.loop.watch import watch as watch_once
    from pipeline.watch import WatchSettings
    from pipeline.watch.settings import parse_since
    from pipeline.watch.text import headline, issue_text

    now = datetime.now(UTC)
    if not (store or "").startswith("s3://"):
        lost = (
            "References are kept in S3 only, and no address in S3 is set: they are not saved, so slow drift is missed"
        )
        annotate("warning", f"{lost}. Set the variable WATCH_URL to s3://bucket/prefix", title="references")
        store = None
    with _annotated("watch"):
        settings = WatchSettings(since=parse_since(since, now))
        summary = watch_once(log, store, now, settings, progress)
    actions.summarize(issue_text(summary))
    say(headline(summary))


@app.command()
def drift(  # noqa: PLR0913, PLR0917  what GitHub gives to every job
    folder: Annotated[Path, typer.Argument(help="What `ci watch` wrote.", show_default=False)],
    repository: Annotated[str, typer.Option(envvar="GITHUB_REPOSITORY", help="OWNER/NAME.")],
    run_id: Annotated[str, typer.Option(envvar="GITHUB_RUN_ID", help="The run that updates the issue.")],
    picture: Annotated[str, typer.Option(envvar="PICTURE", help="Page of the pictures.")],
    branch: Annotated[
        str, typer.Option(envvar="GITHUB_REF_NAME", help="Branch that retrain.yml is started on.")
    ] = "main",
    retrain: Annotated[bool, typer.Option("--retrain", help="Start retrain.yml, once for each drift.")] = False,
    server: Annotated[str, typer.Option(envvar="GITHUB_SERVER_URL", help="GitHub's address.")] = "https://github.com",
    api: ApiUrl = API,
) -> None:
    """Keep one issue about drift: opened when it starts, updated while it lasts, closed when it is over.

    GITHUB_TOKEN may write issues and start workflows. Where Issues are off, or retrain.yml is, a warning says so.
    """
    from pipeline.github.issue import DriftReport, WatchRun, update_issue

    run = WatchRun(repository, branch, f"{server}/{repository}/actions/runs/{run_id}", picture)
    with session(api, "write issues") as github:
        tell(update_issue(github, run, DriftReport.from_folder(folder), retrain=retrain), "drift")
