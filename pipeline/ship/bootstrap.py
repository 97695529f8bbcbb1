"""A GitHub repository -> its bucket and roles on AWS, and what to set on GitHub so that its workflows may use them.

Deployed once, by a person with an account, from infra/bootstrap.yaml; again whenever that changes.
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
from pipeline.ship.stack import STAGES, Stack, named

TEMPLATE = Path("infra/bootstrap.yaml")
STACK = "obesity-levels-bootstrap"

_REMOTE = re.compile(r"github\.com[:/]([A-Za-z0-9-]+)/([A-Za-z0-9._-]+?)(?:\.git)?/?$")


@dataclass(frozen=True)
class Repository:
    """A repository on GitHub; its numbers prove it where it was made since July 2026, and are empty if not known."""

    owner: str
    name: str
    owner_id: str = ""
    id: str = ""

    @property
    def full_name(self) -> str:
        """Owner and name."""
        return f"{self.owner}/{self.name}"

    def parameters(self) -> dict[str, str]:
        """As the template's parameters."""
        numbers = {"GitHubOwnerId": self.owner_id, "GitHubRepositoryId": self.id} if self.owner_id and self.id else {}
        return {"GitHubOwner": self.owner, "GitHubRepository": self.name, **numbers}


def repository(given: str | None) -> Repository:
    """The repository that was named, or where `origin` of this clone is, with its numbers if `gh` can tell.

    Raises:
        InputError: None was named, and origin is not on GitHub; or the name is not owner/name.
        GitError: git refuses to read this clone.
    """
    if given is None:
        origin = _REMOTE.search((git_or_none("remote", "get-url", "origin") or b"").decode().strip())
        if not origin:
            raise InputError("origin is not on GitHub: name the repository, make bootstrap REPOSITORY=owner/name")
        owner, name = origin[1], origin[2]
    else:
        owner, slash, name = given.partition("/")
        if not (owner and slash and name) or "/" in name:
            raise InputError(f"--repository: got {given!r}, expected owner/name")
    answer = _gh("api", f"repos/{owner}/{name}", "--jq", "{owner_id: .owner.id, id: .id}")
    try:
        numbers = {key: str(int(value)) for key, value in json.loads(answer).items()}
    except ValueError:
        numbers = {}
    return Repository(owner, name, **numbers)


def _gh(*arguments: str) -> str:
    """What GitHub's command line prints; nothing if it is not there or fails."""
    if (command := shutil.which("gh")) is None:
        return ""
    return subprocess.run([command, *arguments], capture_output=True, text=True, check=False).stdout.strip()


def bootstrap(where: Repository, provider: str = "") -> Stack:
    """Deploy the one-time stack.

    Args:
        where: Whose workflows may take the roles.
        provider: ARN of GitHub's identity provider, if the account has it already.

    Raises:
        CloudError: AWS refuses, or the stack cannot be made; the text says what to do.
    """
    given = where.parameters() | ({"OidcProvider": provider} if provider else {})
    pairs = [f"{name}={value}" for name, value in given.items()]
    order = ["--template-file", str(TEMPLATE), "--stack-name", STACK, "--capabilities", "CAPABILITY_NAMED_IAM"]
    order += ["--no-confirm-changeset", "--no-fail-on-empty-changeset", "--tags", "project=obesity-levels"]
    named(STACK)  # credentials and region first: sam's own words do not name the remedy
    try:
        sam("deploy", *order, "--parameter-overrides", *pairs)
    except PipelineError:
        raise CloudError(
            f"{STACK} was not deployed; sam says above why. If GitHub's identity provider exists already, give its "
            "ARN: pipeline bootstrap --oidc-provider ARN"
        ) from None
    stack = named(STACK)
    if stack is None:
        raise CloudError(f"{STACK} is not there after its deployment: look at CloudFormation")
    return stack


def settings(stack: Stack, where: Repository) -> list[str]:
    """The commands that tell GitHub and DVC what the stack holds, ready for a shell."""
    variables: Mapping[str, str] = {
        "AWS_REGION": stack.output("Region"),
        "REGISTRY_URL": stack.output("RegistryUrl"),
        "ARTIFACTS_BUCKET": stack.output("BucketName"),
        "AWS_ROLE_READ": stack.output("ReadRoleArn"),
        "AWS_ROLE_PUBLISH": stack.output("PublishRoleArn"),
        "AWS_ROLE_WATCH": stack.output("PublishRoleArn"),
    }
    order = [f"gh variable set {name} --repo {where.full_name} --body {value}" for name, value in variables.items()]
    for stage in STAGES:
        role = stack.output(f"Deploy{stage.capitalize()}RoleArn")
        order.append(f"gh api --silent --method PUT repos/{where.full_name}/environments/{stage}")
        order.append(f"gh variable set AWS_ROLE_DEPLOY --repo {where.full_name} --env {stage} --body {role}")
    return [*order, f"dvc remote add --force --default storage {stack.output('DvcUrl')}"]
