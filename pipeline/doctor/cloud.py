"""Roles on AWS, the registry and the stages -> findings: whom each role trusts, and with what each stage answers."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import aws
from pipeline.doctor.finding import Finding
from pipeline.doctor.variables import Variables, role_name
from pipeline.errors import CloudError, PipelineError
from pipeline.gh import Repository
from pipeline.ship.address import Address, parse_auth_mode
from pipeline.ship.stack import LiveAlias, find_stack, stack_name
from pipeline.ship.stages import Stage
from pipeline.ship.trust import RoleKind, faults

_KINDS: Mapping[str, RoleKind] = {
    "AWS_ROLE_READ": "read",
    "AWS_ROLE_PUBLISH": "publish",
    "AWS_ROLE_WATCH": "watch",
    "AWS_ROLE_DEPLOY": "deploy",
}
_BOOTSTRAP = "make bootstrap"


@dataclass(frozen=True)
class NamedRole:
    """A role that a variable names.

    Attributes:
        variable: The variable.
        arn: Its value.
        stage: The stage whose environment has the variable; None for one of the repository.
    """

    variable: str
    arn: str
    stage: Stage | None = None

    @property
    def check(self) -> str:
        """What findings call it."""
        return f"role {self.stage or self.variable.removeprefix('AWS_ROLE_').lower()}"


def check_account(roles: Sequence[NamedRole]) -> Finding:
    """Whether the roles are of the account whose credentials this machine has; "ok" means that AWS can be asked."""
    try:
        with aws.aws_errors("your account cannot be read"):
            mine = aws.client("sts").get_caller_identity()["Account"]
    except CloudError as error:
        return Finding("aws", "unknown", f"cannot tell: {error}")
    for role in roles:
        if (named := role_name(role.arn)) and named[0] != mine:
            seen = f"{role.check} is of account {named[0]}, and your credentials are of {mine}"
            return Finding("aws", "wrong", seen, "export AWS_PROFILE=NAME of that account, or else make bootstrap")
    return Finding("aws", "ok", f"your credentials are of account {mine}, as every role is")


def check_roles(roles: Sequence[NamedRole], repository: Repository, *, immutable: bool) -> Iterator[Finding]:
    """Whom each role trusts. A role cannot be taken from a laptop, so its policy is read instead.

    Args:
        roles: The roles.
        repository: This repository.
        immutable: Whether the subjects of its tokens hold its number.
    """
    client = None
    for role in roles:
        if (named := role_name(role.arn)) is None:
            yield Finding(role.check, "unknown", f"cannot tell: {role.variable} is not the ARN of a role")
            continue
        try:
            with aws.aws_errors(f"{named[1]} cannot be read", needs="iam:GetRole"):
                client = client or aws.client("iam")
                policy = _trust_policy(client, named[1])
            if policy is None:
                yield Finding(role.check, "wrong", f"there is no role {named[1]} in this account", _BOOTSTRAP)
                continue
            wrong = list(faults(policy, _KINDS[role.variable], role.stage, repository, immutable=immutable))
        except CloudError as error:
            yield Finding(role.check, "unknown", f"cannot tell: {error}")
            continue
        if wrong:
            yield Finding(role.check, "wrong", f"its trust policy {', '.join(wrong)}", _BOOTSTRAP)
        else:
            yield Finding(role.check, "ok", "its trust policy accepts our workflow on our ref, and nobody else")


def _trust_policy(client: Any, name: str) -> Mapping[str, Any] | None:
    try:
        policy: Mapping[str, Any] = client.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    except client.exceptions.NoSuchEntityException:
        return None
    return policy


@dataclass(frozen=True)
class KeptChampion:
    """The champion in the registry that runs share: its number, and the SHA-256 of its graph."""

    number: int
    sha256: str


def check_registry(names: Variables, model: str) -> tuple[Finding, KeptChampion | None]:
    """Whether the registry that runs share can be read, and its champion.

    Args:
        names: The variables that a workflow sees.
        model: The model's registered name.
    """
    from pipeline.registry.place import where_kept

    server = names.get("MLFLOW_TRACKING_URI", "")
    store = where_kept(names.get("REGISTRY_URL"), {"MLFLOW_TRACKING_URI": server, "GITHUB_ACTIONS": "true"}).url
    place = store or server
    try:
        champion = read_champion(store, server, model)
    except PipelineError as error:
        return Finding("registry", "unknown", f"cannot tell: {str(error).splitlines()[0]}"), None
    if champion is None:
        return Finding("registry", "note", f"{place}: no champion yet; the first push to main makes one"), None
    return Finding("registry", "ok", f"{place}: the champion is version {champion.number}"), champion


def read_champion(store: str | None, server: str, model: str) -> KeptChampion | None:
    """The champion of a server's registry, or of a copy of the one that is kept in S3 or git; None if there is none."""
    from pipeline.registry import Registry
    from pipeline.registry.remote_store import pull

    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(f"sqlite:///{Path(folder, 'mlflow.db')}" if store else server)
        if store:
            pull(registry.store, store)
        version = registry.champion(model)
    return KeptChampion(version.number, version.tags.get("model_sha256", "")) if version else None


def check_stage(stage: Stage, champion: KeptChampion | None, name: str) -> Finding:
    """Whether a stage answers over HTTPS, and with the champion.

    Args:
        stage: The stage.
        champion: The registry's; None if there is none, or it could not be read.
        name: The repository.
    """
    check, deploy = f"stage {stage}", f"gh workflow run deploy.yml --repo {name} -f stage={stage}"
    try:
        stack = find_stack(stack_name(stage))
        if stack is None:
            return Finding(check, "note", "not deployed yet", deploy)
        live = stack.live_alias()
        address = Address(stack.output("ApiUrl").rstrip("/"), parse_auth_mode(stack.output("AuthMode")))
    except CloudError as error:
        return Finding(check, "unknown", f"cannot tell: {error}")
    if address.health() is None:
        return Finding(check, "wrong", f"{address.url}/health does not answer", f"pipeline status --stage {stage}")
    return _judge(check, live, champion, deploy)


def _judge(check: str, live: LiveAlias, champion: KeptChampion | None, deploy: str) -> Finding:
    seen = f"answers with version {live.version.model}"
    if live.canary:
        return Finding(
            check, "note", f"{seen}; {live.canary[1]:.0%} of the requests try version {live.canary[0].model}"
        )
    if champion is None:
        return Finding(check, "unknown", f"{seen}; cannot tell which version is the champion")
    if live.version.model_sha256 != champion.sha256:
        return Finding(check, "wrong", f"{seen}; the champion is version {champion.number}", deploy)
    return Finding(check, "ok", f"{seen}, the champion")
