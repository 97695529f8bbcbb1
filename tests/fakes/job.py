"""A job that GitHub starts: the token, the variables and the secrets that it gets, and what its runner is told."""

import secrets as randomness
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.fakes import runner
from tests.fakes.expressions import LATER, filled
from tests.fakes.git_host import GitHost
from tests.fakes.github import REPOSITORY, FakeGitHub, Token, deployed
from tests.fakes.order import Order
from tests.fakes.partial import settled
from tests.fakes.ran import RanJob
from tests.fakes.repository_settings import RepositorySettings
from tests.fakes.workflow_rules import AVAILABLE, Workflow, limited

OUTPUTS = "hub: the job's outputs"
LATER_IN_A_JOB = ("steps", "env", "job", "runner", "secrets")
KEPT = ("env", "defaults", "timeout-minutes", "continue-on-error")


@dataclass(frozen=True)
class Place:
    """Where a run's jobs run: what they talk to, and what is set there."""

    settings: RepositorySettings
    host: GitHost
    api: FakeGitHub


@dataclass(frozen=True)
class JobOrder:
    """One job that is to run, with its matrix filled in.

    Attributes:
        order: What started the run.
        title: The job's name as GitHub shows it.
        name: Its name in the file.
        job: Its text.
        workflow: The file that it is in, which for a called workflow is not the one that was started.
        path: The path of that file.
        permissions: What its token may do, before a fork's or Dependabot's run is limited.
        contexts: github, needs, inputs, vars, matrix and strategy.
        secrets: Those that the workflow was given.
        texts: The actions of the commit, by path.
    """

    order: Order
    title: str
    name: str
    job: Mapping[str, Any]
    workflow: Workflow
    path: str
    permissions: Mapping[str, str]
    contexts: Mapping[str, Any]
    secrets: Mapping[str, str]
    texts: Mapping[str, str]

    @property
    def environment(self) -> str:
        """The environment that it names, or nothing."""
        known = {key: self.contexts[key] for key in AVAILABLE["environment"]}
        said = filled(self.job.get("environment"), known | dict.fromkeys(LATER_IN_A_JOB, LATER))
        return said if isinstance(said, str) else str((said or {}).get("name", ""))

    @property
    def environment_url(self) -> str:
        """The address that it gives its environment, mostly an expression that its steps decide."""
        said = self.job.get("environment")
        return str(said.get("url", "")) if isinstance(said, dict) else ""


def start(wanted: JobOrder, place: Place, folder: Any) -> RanJob:
    """Run a job, unless its environment does not take it."""
    order, settings, environment = wanted.order, place.settings, wanted.environment
    if environment and not settings.may_deploy(environment, order.ref):
        # https://github.com/polarsquad/krops/issues/335
        why = f'Branch "{order.name}" is not allowed to deploy to {environment} due to environment protection rules.'
        return RanJob(wanted.title, "failure", ({"command": "error", "kvPairs": {}, "arg": why, "msg": why},))
    variables, secrets = dict(wanted.contexts["vars"]), dict(wanted.secrets)
    if environment:
        # Only now: conditions, concurrency and inputs of called workflows see the repository's variables alone.
        variables |= {} if order.fork else settings.environment(environment).variables
        secrets |= {} if order.untrusted else settings.environment(environment).secrets
    permissions = limited(wanted.permissions, read_only=order.untrusted)
    token = f"ghs_{randomness.token_hex(18)}"
    place.host.tokens[token] = permissions.get("contents", "")
    place.api.tokens[token] = Token(permissions=permissions)
    events, outputs, url = runner.run_job(
        runner.RunnerJob(
            _text(wanted, variables),
            order.event_name,
            order.event,
            _environment(wanted, permissions, place, token),
            variables,
            {**secrets, "GITHUB_TOKEN": token},
            order.actor,
            _facts(wanted, permissions, settings, variables),
            wanted.texts,
        ),
        folder,
    )
    # A job's token ends with the job.
    del place.host.tokens[token], place.api.tokens[token]
    if environment:
        _deployed(place.api, environment, order.sha, runner.result(events), url)
    # A value that holds a secret is not handed on: "Skip output since it may contain secret".
    hidden = [secret for secret in [*secrets.values(), token] if secret]
    safe = {key: value for key, value in outputs.items() if not any(secret in value for secret in hidden)}
    kept = tuple(event for event in events if event.get("step") != OUTPUTS)
    return RanJob(wanted.title, runner.result(events), kept, safe)


def _deployed(api: FakeGitHub, environment: str, sha: str, result: str, url: str) -> None:
    """What a job with an environment leaves; the deployment before is inactive once one succeeded."""
    if result == "success":
        for other in api.deployments:
            if other["environment"] == environment and other["statuses"][0]["state"] == "success":
                other["statuses"].insert(0, {**other["statuses"][0], "state": "inactive"})
    api.deployments.append(deployed(environment, sha, result, url=url))


def _text(wanted: JobOrder, variables: Mapping[str, str]) -> dict[str, Any]:
    """The job as a workflow of its own, with all that is known filled in, and a last step that hands on its outputs."""
    contexts = {**wanted.contexts, **dict.fromkeys(LATER_IN_A_JOB, LATER), "vars": variables}
    values = [str(value) for value in (wanted.job.get("outputs") or {}).values()]
    last = {
        "name": OUTPUTS,
        "if": "always()",
        "shell": "bash",
        "run": '"$HUB_PYTHON" -SE "$HUB_CODE/outputs.py"',
        "env": {
            "HUB_STATUS": "${{ job.status }}",
            "HUB_URL": wanted.environment_url,
            **{f"HUB_OUTPUT_{number}": value for number, value in enumerate(values)},
        },
    }
    job = {
        "name": wanted.title.replace("/", "-"),
        "runs-on": "ubuntu-latest",
        "steps": settled([*wanted.job["steps"], last], contexts),
        **{key: settled(wanted.job[key], contexts) for key in KEPT if key in wanted.job},
    }
    whole = {key: settled(wanted.workflow[key], contexts) for key in ("env", "defaults") if key in wanted.workflow}
    name, on = contexts["github"]["workflow"], {wanted.order.event_name: {}}
    return {"name": name, "on": on, "jobs": {wanted.name: job}, **whole}


def _environment(wanted: JobOrder, permissions: Mapping[str, str], place: Place, token: str) -> dict[str, str]:
    """What a job's steps find in their environment and act does not set, or sets otherwise."""
    github = wanted.contexts["github"]
    texts = {f"GITHUB_{key.upper()}": value for key, value in github.items() if isinstance(value, str)}
    identity = {"URL": f"{place.host.address}/id-token?", "TOKEN": token}
    return {
        **texts,
        "SHA_REF": wanted.order.sha,  # how act is told GITHUB_SHA
        "HUB": str(place.host.root),
        "GIT_SSL_CAINFO": str(place.host.certificate),
        **(
            {f"ACTIONS_ID_TOKEN_REQUEST_{key}": value for key, value in identity.items()}
            if permissions.get("id-token") == "write"
            else {}
        ),
    }


def _facts(
    wanted: JobOrder, permissions: Mapping[str, str], settings: RepositorySettings, variables: Mapping[str, str]
) -> dict[str, Any]:
    """What the stand-ins of the actions and commands know about the job."""
    order, claims = wanted.order, _claims(wanted)
    roles = [value for value in variables.values() if value.startswith("arn:aws:iam:")]
    readable = [order.ref, *([f"refs/heads/{order.base_ref}"] if order.base_ref else []), "refs/heads/main"]
    return {
        "permissions": dict(permissions),
        "claims": claims,
        "outputs": list(wanted.job.get("outputs") or {}),
        "roles": {role: settings.trusts(role, claims) for role in roles},
        "run": wanted.contexts["github"]["run_id"],
        "attempt": wanted.contexts["github"]["run_attempt"],
        "attestations": settings.attestations and not order.fork,
        "caches": list(dict.fromkeys(readable)),
    }


def _claims(wanted: JobOrder) -> dict[str, str]:
    """What the job's identity says: https://docs.github.com/en/actions/reference/security/oidc.

    The signer is the file that the job is in, also of a called workflow.
    """
    order, github, environment = wanted.order, wanted.contexts["github"], wanted.environment
    kind = "pull_request" if order.event_name == "pull_request" else f"ref:{order.ref}"
    named = ("repository", "repository_id", "repository_owner", "repository_owner_id", "actor", "event_name", "ref")
    return {
        **{key: str(github[key]) for key in (*named, "ref_type", "sha", "workflow", "workflow_ref", "run_id")},
        "aud": "sts.amazonaws.com",
        "sub": f"repo:{REPOSITORY}:{f'environment:{environment}' if environment else kind}",
        "job_workflow_ref": f"{REPOSITORY}/{wanted.path}@{order.ref}",
        "runner_environment": "github-hosted",
        **({"environment": environment} if environment else {}),
    }
