"""A GitHub repository -> its bucket and roles on AWS, and the commands that tell GitHub and DVC about them.

A person with an AWS account deploys this once from infra/bootstrap.yaml, and again whenever that file changes.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import CloudError, InputError, PipelineError
from pipeline.repo import git_or_none
from pipeline.ship.sam import sam
from pipeline.ship.stack import Stack, find_stack
from pipeline.ship.stages import STAGES

TEMPLATE = Path("infra/bootstrap.yaml")
STACK = "obesity-levels-bootstrap"

_GITHUB_URL = re.compile(r"github\.com[:/]([A-Za-z0-9-]+)/([A-Za-z0-9._-]+?)(?:\.git)?/?$")


@dataclass(frozen=True)
class Repository:
    """A repository on GitHub.

    The numeric ids are empty if they are not known. AWS needs them for repositories made since July 2026, which
    identify themselves with ids beside their names.
    """

    owner: str
    name: str
    owner_id: str = ""
    id: str = ""

    @property
    def full_name(self) -> str:
        """The name as OWNER/NAME."""
        return f"{self.owner}/{self.name}"

    def parameters(self) -> dict[str, str]:
        """The template's parameters for this repository."""
        ids = {"GitHubOwnerId": self.owner_id, "GitHubRepositoryId": self.id} if self.owner_id and self.id else {}
        return {"GitHubOwner": self.owner, "GitHubRepository": self.name, **ids}


def find_repository(full_name: str | None) -> Repository:
    """The repository OWNER/NAME, or the one that `origin` of this clone points to; with ids if `gh` knows them.

    Raises:
        InputError: The name is not OWNER/NAME; or there is no name, and origin is not on GitHub.
        GitError: git refuses to read this clone.
    """
    if full_name is None:
        address = _GITHUB_URL.search((git_or_none("remote", "get-url", "origin") or b"").decode().strip())
        if not address:
            raise InputError("origin is not on GitHub: name the repository, make bootstrap REPOSITORY=owner/name")
        owner, name = address[1], address[2]
    else:
        owner, slash, name = full_name.partition("/")
        if not (owner and slash and name) or "/" in name:
            raise InputError(f"--repository: got {full_name!r}, expected owner/name")
    response = _gh("api", f"repos/{owner}/{name}", "--jq", "{owner_id: .owner.id, id: .id}")
    try:
        ids = {key: str(int(value)) for key, value in json.loads(response).items()}
    except ValueError:
        ids = {}
    return Repository(owner, name, **ids)


def _gh(*arguments: str) -> str:
    """What GitHub's command line prints, stripped; empty if it is not installed or fails."""
    if (command := shutil.which("gh")) is None:
        return ""
    return subprocess.run([command, *arguments], capture_output=True, text=True, check=False).stdout.strip()


def deploy_bootstrap(repository: Repository, provider: str = "") -> Stack:
    """Deploy the one-time stack.

    Args:
        repository: The repository whose workflows may take the roles.
        provider: ARN of GitHub's identity provider, if the account has it already.

    Raises:
        CloudError: AWS refuses, or the stack cannot be made; the text says what to do.
    """
    parameters = repository.parameters() | ({"OidcProvider": provider} if provider else {})
    pairs = [f"{name}={value}" for name, value in parameters.items()]
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


def setup_commands(stack: Stack, repository: Repository) -> list[str]:
    """The shell commands that tell GitHub and DVC the names of the bucket and roles."""
    variables: Mapping[str, str] = {
        "AWS_REGION": stack.output("Region"),
        "REGISTRY_URL": stack.output("RegistryUrl"),
        "ARTIFACTS_BUCKET": stack.output("BucketName"),
        "AWS_ROLE_READ": stack.output("ReadRoleArn"),
        "AWS_ROLE_PUBLISH": stack.output("PublishRoleArn"),
        "AWS_ROLE_WATCH": stack.output("PublishRoleArn"),
    }
    name = repository.full_name
    commands = [f"gh variable set {variable} --repo {name} --body {value}" for variable, value in variables.items()]
    for stage in STAGES:
        role = stack.output(f"Deploy{stage.capitalize()}RoleArn")
        commands.append(f"gh api --silent --method PUT repos/{name}/environments/{stage}")
        commands.append(f"gh variable set AWS_ROLE_DEPLOY --repo {name} --env {stage} --body {role}")
    return [*commands, f"dvc remote add --force --default storage {stack.output('DvcUrl')}"]
