"""A GitHub repository -> its bucket and roles on AWS, and the commands that tell GitHub and DVC about them.

A person with an AWS account deploys this once from infra/bootstrap.yaml, and again whenever that file changes.
"""

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline.errors import CloudError, PipelineError
from pipeline.gh import Repository
from pipeline.ship.sam import sam
from pipeline.ship.stack import Stack, find_stack
from pipeline.ship.stages import STAGES

TEMPLATE = Path("infra/bootstrap.yaml")
STACK = "obesity-levels-bootstrap"
DEPLOYED, WATCHED = '["staging", "prod"]', "cloudwatch:/aws/lambda/obesity-levels-prod"
"""What DEPLOY_STAGES and WATCH_LOG are set to at first."""


def deploy_bootstrap(repository: Repository, provider: str = "") -> Stack:
    """Deploy the one-time stack.

    Args:
        repository: The repository whose workflows may take the roles.
        provider: ARN of GitHub's identity provider, if the account has it already.

    Raises:
        CloudError: AWS refuses, or the stack cannot be made; the text says what to do.
    """
    pairs = [f"{name}={value}" for name, value in _parameters(repository, provider).items()]
    options = ["--template-file", str(TEMPLATE), "--stack-name", STACK, "--capabilities", "CAPABILITY_NAMED_IAM"]
    options += ["--no-confirm-changeset", "--no-fail-on-empty-changeset", "--tags", "project=obesity-levels"]
    find_stack(STACK)  # checks credentials and region first: our error says what to do about them, sam's does not
    try:
        sam("deploy", *options, "--parameter-overrides", *pairs)
    except PipelineError:
        raise CloudError(
            f"{STACK} was not deployed; the output of sam above says why. If GitHub's identity provider exists "
            "already, give its ARN: pipeline bootstrap --oidc-provider ARN"
        ) from None
    stack = find_stack(STACK)
    if stack is None:
        raise CloudError(f"there is no stack {STACK} after its deployment: look at its events in CloudFormation")
    return stack


def _parameters(repository: Repository, provider: str) -> dict[str, str]:
    """The template's parameters; without numbers if gh does not know them, which the template then does without."""
    names = {"GitHubOwner": repository.owner, "GitHubRepository": repository.name}
    ids = {"GitHubOwnerId": repository.owner_id, "GitHubRepositoryId": repository.id} if repository.id else {}
    return names | ids | ({"OidcProvider": provider} if provider else {})


def setup_commands(stack: Stack, full_name: str, protection: Iterable[str]) -> list[str]:
    """The shell commands that tell GitHub and DVC about the bucket, the roles and the stages. Safe to repeat.

    Args:
        stack: The one-time stack.
        full_name: The repository, as GitHub writes it.
        protection: The commands that protect the stages' environments; they go before what makes use of these.
    """
    variables: Mapping[str, str] = {
        "AWS_REGION": stack.output("Region"),
        "AWS_ROLE_READ": stack.output("ReadRoleArn"),
        "AWS_ROLE_PUBLISH": stack.output("PublishRoleArn"),
        "REGISTRY_URL": stack.output("RegistryUrl"),
        "ARTIFACTS_BUCKET": stack.output("BucketName"),
        "AWS_ROLE_WATCH": stack.output("WatchRoleArn"),
        "WATCH_LOG": WATCHED,
        "RETRAIN_ON_DRIFT": "false",
        "DEPLOY_STAGES": DEPLOYED,
    }
    roles = {stage: stack.output(f"Deploy{stage.capitalize()}RoleArn") for stage in STAGES}
    return [
        *protection,
        *(variable_command(full_name, "AWS_ROLE_DEPLOY", role, stage) for stage, role in roles.items()),
        *(variable_command(full_name, name, value) for name, value in variables.items()),
        f"dvc remote add --force --default storage {shlex.quote(stack.output('DvcUrl'))}",
    ]


def variable_command(full_name: str, name: str, value: str, stage: str = "") -> str:
    """The command that sets a variable of the repository, or of a stage's environment."""
    where = f" --env {stage}" if stage else ""
    return f"gh variable set {name} --repo {full_name}{where} --body {shlex.quote(value)}"
