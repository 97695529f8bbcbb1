"""`pipeline deploy | deployed | rollback`: which model answers on AWS, and the two ways to change that."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import answer, progress_shown, say
from pipeline.errors import InputError
from pipeline.github import actions

if TYPE_CHECKING:
    from pipeline.ship.stack import Stage

app = typer.Typer()

StageName = Annotated[str, typer.Option("--stage", help="dev, staging or prod.", show_default=False)]
Kept = Annotated[
    str | None, typer.Option("--store", envvar="REGISTRY_URL", help="Where the registry is kept: s3://bucket/prefix.")
]


def _stage(text: str) -> "Stage":
    from pipeline.ship.stack import STAGES

    if text not in STAGES:
        raise InputError(f"--stage: got {text!r}, expected one of {', '.join(STAGES)}")
    return text


def _name() -> str:
    from pipeline import params

    return params.load().registry.model_name


@app.command()
def deploy(
    stage: StageName,
    version: Annotated[str, typer.Option(help="A registered version's number or alias.")] = "champion",
    build: Annotated[
        bool, typer.Option("--build/--no-build", help="Build first, or take what `make package` built of this model.")
    ] = True,
    bucket: Annotated[
        str | None, typer.Option(envvar="ARTIFACTS_BUCKET", help="Where artifacts go. Default: one that sam makes.")
    ] = None,
) -> None:
    """Put the champion in front of users, by canary.

    Packages, builds and deploys with sam; the new version is judged by its golden answers before it gets requests, and
    once more over HTTPS. Exit code 3 if it was stopped: then the version before answers again.

    Example: pipeline deploy --stage staging
    """
    from lambda_api.contract import example
    from pipeline.registry import Registry
    from pipeline.ship import deploy as door

    where = _stage(stage)
    with progress_shown() as progress:
        done = door.deploy(where, Registry(), _name(), version, bucket=bucket or None, build=build, progress=progress)
    what = f"model {done.shipped.model} (function version {done.shipped.number})"
    told = f"{stage}: {what} answers at {done.address.url}, with its golden answers"
    say(told)
    actions.summarize(told)
    actions.hand_on({"url": done.address.url})
    if not done.changed:
        say("Nothing was changed: it answered there before")
    say(done.address.curl(json.dumps(example())))


@app.command()
def deployed(
    stage: StageName,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of a table.")] = False,
) -> None:
    """Which model, commit and data answer there now.

    And whether that is the champion of the registry here.

    Example: pipeline deployed --stage prod
    """
    from pipeline.cli.show import deployment as show_deployment
    from pipeline.registry import Registry
    from pipeline.ship.stack import existing

    stack = existing(_stage(stage))
    live, champion = stack.live(), Registry().champion(_name())
    told = show_deployment.as_json(stack, live, champion)
    answer(told, show_deployment.live(stack, live, champion), as_json)


@app.command()
def rollback(
    stage: StageName,
    why: Annotated[str, typer.Option(help="The reason; it stays in the registry's history.", show_default=False)],
    to: Annotated[
        int | None, typer.Option(help="The model's version. Default: the champion before the last promotion.")
    ] = None,
    store: Kept = None,
) -> None:
    """Let an earlier model answer again, and make it champion again.

    Both move together, at once; killed half-way, the same command completes it. Refuses a version that is gone.

    Example: pipeline rollback --stage prod --why "false alarms since Monday"
    """
    from pipeline.registry import Registry
    from pipeline.ship import rollback as door

    with progress_shown() as progress:
        done = door.rollback(_stage(stage), Registry(), _name(), why, to=to, kept=store or None, progress=progress)
    actions.hand_on({"url": done.url})
    moved = f"no longer model {done.before.model}" if done.alias_moved else "as it did before"
    say(f"{stage} answers with model {done.now.model} (function version {done.now.number}), {moved}")
    say(f"champion is version {done.now.model}" + (" again" if done.champion_moved else ", as it was before"))
    say(f"Make sure with: pipeline deployed --stage {stage}")


@app.command()
def bootstrap(
    repository: Annotated[
        str | None, typer.Option(help="owner/name on GitHub. Default: where origin is.", show_default=False)
    ] = None,
    oidc_provider: Annotated[
        str, typer.Option(help="ARN of GitHub's identity provider, if the account has it already.", show_default=False)
    ] = "",
) -> None:
    """Once: make the bucket and the roles that GitHub's workflows take.

    Needs an AWS account and rights to make roles. Prints the commands that tell GitHub and DVC about them.

    Example: pipeline bootstrap --repository us/obesity-levels
    """
    from pipeline.ship import bootstrap as door

    where = door.repository(repository)
    stack = door.bootstrap(where, oidc_provider)
    if not where.id:
        say(
            "GitHub's numbers of the repository are not known (`gh auth login` first): a repository made since July "
            "2026 cannot take the roles without them. Run this again then."
        )
    say("Next, tell GitHub and DVC (with gh, or by hand under Settings):")
    for line in door.settings(stack, where):
        say(line)
