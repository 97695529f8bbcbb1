"""`pipeline deploy | status | rollback | bootstrap`: which model answers on AWS, and how that is changed."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.ci import registry_address
from pipeline.cli.console import answer, progress_shown, say
from pipeline.cli.options import StoreUrl, load_params
from pipeline.errors import InputError
from pipeline.github import actions

if TYPE_CHECKING:
    from pipeline.ship.stages import Stage

app = typer.Typer()

StageName = Annotated[str, typer.Option("--stage", help="dev, staging or prod.", show_default=False)]


def _parse_stage(text: str) -> "Stage":
    from pipeline.ship.stages import STAGES

    if text not in STAGES:
        raise InputError(f"--stage: got {text!r}, expected one of {', '.join(STAGES)}")
    return text


def _model_name() -> str:
    return load_params().registry.model_name


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

    Packages, builds and deploys with sam. The new version must give its golden answers before it gets requests, and
    again over HTTPS. Exit code 3 if it was stopped: then the version before answers again.

    Example: pipeline deploy --stage staging
    """
    from lambda_api.contract import example
    from pipeline.registry import Registry
    from pipeline.ship.deploy import deploy as deploy_version

    target, name = _parse_stage(stage), _model_name()
    with progress_shown() as progress:
        done = deploy_version(target, Registry(), name, version, bucket=bucket or None, build=build, progress=progress)
    model = f"model {done.version.model} (function version {done.version.number})"
    line = f"{stage}: {model} answers at {done.address.url}, with its golden answers"
    say(line)
    actions.summarize(line)
    actions.hand_on({"url": done.address.url})
    if not done.changed:
        say("Nothing was changed: this version was live already")
    say(done.address.curl_command(json.dumps(example())))


@app.command()
def status(
    stage: StageName,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of a table.")] = False,
) -> None:
    """Show which model, commit and data answer on a stage.

    Also says whether that model is the champion of the registry on this machine.

    Example: pipeline status --stage prod
    """
    from pipeline.cli.show.deployment import status_json, status_table
    from pipeline.registry import Registry
    from pipeline.ship.stack import get_stack

    stack = get_stack(_parse_stage(stage))
    live, champion = stack.live_alias(), Registry().champion(_model_name())
    answer(status_json(stack, live, champion), status_table(stack, live, champion), as_json)


@app.command()
def rollback(
    stage: StageName,
    why: Annotated[str, typer.Option(help="The reason; it stays in the registry's history.", show_default=False)],
    to: Annotated[
        int | None, typer.Option(help="The model's version. Default: the champion before the last promotion.")
    ] = None,
    store: StoreUrl = None,
) -> None:
    """Let an earlier model answer again, as champion.

    Moves traffic and champion together, at once. Safe to repeat. Refuses a model that no published version holds.

    Example: pipeline rollback --stage prod --why "false alarms since Monday"
    """
    from pipeline.registry import Registry
    from pipeline.ship.rollback import roll_back

    target, name, address = _parse_stage(stage), _model_name(), registry_address(store)
    with progress_shown() as progress:
        done = roll_back(target, Registry(), name, why, to=to, store_url=address, progress=progress)
    actions.hand_on({"url": done.url})
    before = f"no longer model {done.before.model}" if done.alias_moved else "as it did before"
    say(f"{stage} answers with model {done.now.model} (function version {done.now.number}), {before}")
    say(f"champion is version {done.now.model}" + (" again" if done.champion_moved else ", as it was before"))
    say(f"Check with: pipeline status --stage {stage}")


@app.command()
def bootstrap(
    repository: Annotated[
        str | None, typer.Option(help="owner/name on GitHub. Default: where origin is.", show_default=False)
    ] = None,
    oidc_provider: Annotated[
        str, typer.Option(help="ARN of GitHub's identity provider, if the account has it already.", show_default=False)
    ] = "",
) -> None:
    """Make the bucket and the roles for GitHub, once.

    Needs an AWS account and rights to make roles. Prints the commands that tell GitHub and DVC about them.

    Example: pipeline bootstrap --repository us/obesity-levels
    """
    from pipeline.gh import find_repository
    from pipeline.ship.bootstrap import deploy_bootstrap, setup_commands
    from pipeline.ship.environments import protection

    github_repository = find_repository(repository)
    stack = deploy_bootstrap(github_repository, oidc_provider)
    if not github_repository.id:
        say(
            "The repository's numeric id on GitHub is not known, and a repository made since July 2026 cannot take the "
            "roles without it: log in with `gh auth login`, then run this again."
        )
    protected = protection(github_repository)
    for note in protected.notes:
        say(f"Note: {note}.")
    say(
        "Next, tell GitHub and DVC. These lines can be pasted as they are, and run again; then `pipeline doctor` looks:"
    )
    for command in setup_commands(stack, github_repository.full_name, protected.commands):
        say(command)
