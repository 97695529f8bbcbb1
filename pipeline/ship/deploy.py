"""The champion -> answering on AWS: packaged, built, deployed by canary, and asked for its golden answers over HTTPS.

CloudFormation and CodeDeploy do the moving, and take it back when the hook or an alarm says no; `sam deploy` waits for
them. What is done here is what they cannot know: which model it is, and whether it is the one that was judged.
"""

import shlex
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lambda_api.manifest import MODEL_FILE, Manifest, ManifestError, load
from pipeline import aws
from pipeline.errors import CloudError, DeploymentRefusal, ModelFileError, PipelineError, RaceLostError
from pipeline.files import digest, file_digest, read_bytes
from pipeline.progress import Progress, no_progress
from pipeline.registry import Registry
from pipeline.registry.versions import CHAMPION, Version
from pipeline.ship import bundle
from pipeline.ship.address import Address, parse_auth_mode
from pipeline.ship.package import GOLDEN_FILE, MODEL_FOLDER, chosen, package_registered
from pipeline.ship.sam import sam
from pipeline.ship.stack import FunctionVersion, Stack, find_stack, get_stack, stack_name, version_description
from pipeline.ship.stages import Stage

CONFIG = Path("samconfig.toml")
BUILT, FUNCTION, HOOK = Path(".aws-sam/build"), "ApiFunction", "GoldenHook"

_SHOWN_EVENTS = 5

_STUCK = {
    "ROLLBACK_COMPLETE": "its first deployment failed, and nothing is left in it: remove it with "
    "`sam delete --stack-name {name}` and deploy again",
    "ROLLBACK_FAILED": "its first deployment failed half-way: remove it with `sam delete --stack-name {name}`",
    "DELETE_FAILED": "it was to be deleted and something in it would not go: look at its events in CloudFormation",
    "UPDATE_ROLLBACK_FAILED": "a deployment could not be taken back: `aws cloudformation continue-update-rollback "
    "--stack-name {name}`, then deploy again",
}


@dataclass(frozen=True)
class DeploymentResult:
    """What answers after a deployment, where, and whether anything changed."""

    stage: Stage
    version: FunctionVersion
    address: Address
    changed: bool


def deploy(  # noqa: PLR0913  what a person decides
    stage: Stage,
    registry: Registry,
    name: str,
    which: int | str = CHAMPION,
    *,
    bucket: str | None = None,
    build: bool = True,
    progress: Progress = no_progress,
) -> DeploymentResult:
    """Deploy a registered model to a stage, and prove it over HTTPS.

    Args:
        stage: Where to.
        registry: Where the model is registered.
        name: The registered model.
        which: Its version's number or alias.
        bucket: Where artifacts are uploaded to; None lets sam make one.
        build: Build the function first; otherwise what was built before must hold this model.
        progress: Called with progress; `sam` prints its own.

    Raises:
        RaceLostError: Another deployment of the stage is running; nothing was started.
        DeploymentRefusal: The golden answers or an alarm stopped it, and the version before answers again; or it
            answers otherwise over HTTPS than it must.
        CloudError: AWS refuses, or the stack needs a person first.
        RegistryError: There is no such version.
    """
    before = find_stack(stack_name(stage))
    _refuse_unready(stage, before)
    live = before.live_alias().version if before and "FunctionAlias" in before.outputs else None
    registered = chosen(registry, name, which)
    if build:
        progress(f"package {name}@{which}", 0, 1)
        _build(stage, package_registered(registry, name, registered.number), progress)
    manifest = _built(registered)
    given = parameters(stage) | {"ModelDescription": version_description(manifest)}
    progress(f"deploy to {stage}: the new version is judged, then tried, then gets all requests", 0, 1)
    _deploy(stage, given | {"Release": _release(given)}, bucket)
    stack = get_stack(stage)
    version = stack.live_alias().version
    if version.model_sha256 != manifest.model_sha256:
        raise DeploymentRefusal(
            f"{stage} still answers with model {version.model}: a rollback took it there, and to the stack model "
            f"{manifest.model_version} is nothing new. Send it all requests again with "
            f"`pipeline rollback --stage {stage} --to {manifest.model_version} --why ...`"
        )
    address = Address(stack.output("ApiUrl").rstrip("/"), parse_auth_mode(stack.output("AuthMode")))
    progress(f"ask {address.url} for the golden answers", 0, 1)
    if differences := address.differences(read_bytes(BUILT / HOOK / GOLDEN_FILE, "make package")):
        lines = "\n".join(f"  {line}" for line in differences)
        raise DeploymentRefusal(
            f"{stage} is deployed and does not answer as the model must:\n{lines}\n"
            f"Look at it, or take it back with `pipeline rollback --stage {stage}`"
        )
    return DeploymentResult(stage, version, address, changed=live != version)


def _deploy(stage: Stage, given: Mapping[str, str], bucket: str | None) -> None:
    where = ("--no-resolve-s3", "--s3-bucket", bucket) if bucket else ()
    order = ("--config-env", _section(stage), "--no-confirm-changeset", "--no-progressbar", *where)
    try:
        sam("deploy", *order, "--parameter-overrides", *_pairs(given))
    except PipelineError:
        raise _why(stage) from None


def parameters(stage: Stage, config: Path = CONFIG) -> dict[str, str]:
    """The template's parameters that samconfig.toml gives a stage; sam forgets them once one is given by hand.

    Raises:
        ModelFileError: The file is not there, or has no such stage.
    """
    try:
        found = tomllib.loads(read_bytes(config, "git checkout").decode())[_section(stage)]["deploy"]["parameters"]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelFileError(f"{config} says nothing of how {stage} is deployed ({error})") from None
    held = found.get("parameter_overrides", ())
    pairs = shlex.split(held) if isinstance(held, str) else [str(item) for item in held]
    return dict(pair.split("=", 1) for pair in pairs)


def _section(stage: Stage) -> str:
    """Its part of samconfig.toml: what `sam deploy` alone deploys is dev."""
    return "default" if stage == "dev" else stage


def _pairs(given: Mapping[str, str]) -> list[str]:
    return [f'{name}="{value}"' for name, value in given.items()]


def _release(given: Mapping[str, str]) -> str:
    """Of all that a version is made of, code and parameters: where it differs, another version is published."""
    return digest("\n".join([bundle.folder_digest(BUILT / FUNCTION), *sorted(_pairs(given))]).encode())


def _refuse_unready(stage: Stage, stack: Stack | None) -> None:
    if stack is None:
        return
    if stack.busy:
        raise RaceLostError(
            f"another deployment of {stage} is running ({stack.name} is {stack.status}): wait for it, then run again"
        )
    if stack.status in _STUCK:
        raise CloudError(f"the stack {stack.name} is {stack.status}: {_STUCK[stack.status].format(name=stack.name)}")


def _build(stage: Stage, manifest: Manifest, progress: Progress) -> None:
    progress("build the functions", 0, 1)
    given = parameters(stage) | {"ModelDescription": version_description(manifest)}
    environment = {"MODEL": str(MODEL_FOLDER), "PYTHON": sys.executable, "ARCH": given.get("Architecture", "x86_64")}
    sam("build", "--parameter-overrides", *_pairs(given), **environment)


def _built(version: Version) -> Manifest:
    """The manifest of what was built, which must be of this version.

    Raises:
        ModelFileError: Nothing was built, or another model.
    """
    folder, expected = BUILT / FUNCTION / "model", version.tags.get("model_sha256")
    if not (folder / MODEL_FILE).is_file():
        raise ModelFileError(f"{folder / MODEL_FILE} does not exist: build the function with `make package`")
    if (built := file_digest(folder / MODEL_FILE)) != expected:
        raise ModelFileError(f"{folder / MODEL_FILE} has SHA-256 {built}, the model to deploy {expected}: build again")
    try:
        manifest = load(folder)
    except ManifestError as error:
        raise ModelFileError(f"{error}; build again with `make package`") from None
    if manifest.model_version != str(version.number):
        raise ModelFileError(f"{folder} holds model {manifest.model_version}, not {version.number}: build again")
    return manifest


def _why(stage: Stage) -> PipelineError:
    """What CloudFormation says about a deployment that failed."""
    stack = find_stack(stack_name(stage))
    if stack is None:
        return CloudError(
            f"{stage} was not deployed, and there is still no stack {stack_name(stage)}: sam says above why"
        )
    if stack.busy:
        return RaceLostError(f"another deployment of {stage} is running ({stack.status}): wait for it, then run again")
    reasons = _reasons(stack)
    if stack.status == "UPDATE_ROLLBACK_COMPLETE" and reasons:
        return DeploymentRefusal(f"{stage} was taken back, the version before answers again:\n" + "\n".join(reasons))
    if stack.status in _STUCK:
        advice = _STUCK[stack.status].format(name=stack.name)
        return CloudError(
            "\n".join([f"{stage} was not deployed:", *reasons, f"{stack.name} is {stack.status}: {advice}"])
        )
    return CloudError(f"{stage} was not deployed ({stack.name} is {stack.status}); sam says above why")


def _reasons(stack: Stack) -> list[str]:
    """Which resources failed first in the last operation, and why, in CloudFormation's words."""
    with aws.aws_errors(f"the events of {stack.name} cannot be read"):
        events: list[Any] = aws.client("cloudformation").describe_stack_events(StackName=stack.name)["StackEvents"]
    newest_first = []
    for event in events:
        newest_first.append(event)
        if (
            event["ResourceType"] == "AWS::CloudFormation::Stack"
            and event.get("ResourceStatusReason") == "User Initiated"
        ):
            break
    failed = [event for event in reversed(newest_first) if event["ResourceStatus"].endswith("_FAILED")]
    words = [
        f"  {event['LogicalResourceId']}: {event.get('ResourceStatusReason', 'no reason given')}" for event in failed
    ]
    return words[:_SHOWN_EVENTS]
