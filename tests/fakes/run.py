"""One run of a workflow as GitHub decides it: which jobs run, in which order, with which permissions and values.

act runs the steps of each job and decides nothing else.
"""

import itertools
import json
import secrets as secrets_of_python
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tests.fakes import runner
from tests.fakes.expressions import LATER, ExpressionError, filled
from tests.fakes.git_host import GitHost
from tests.fakes.github import REPOSITORY, Token
from tests.fakes.partial import settled
from tests.fakes.ran import Ran, RanJob
from tests.fakes.workflow_rules import (
    AVAILABLE,
    ancestors,
    called,
    job_permissions,
    limited,
    needed,
    overall,
    read,
    refusals,
    runs,
    triggers,
)

if TYPE_CHECKING:
    from tests.fakes.hub import Hub

IN_THE_RUNNER = dict.fromkeys(
    [
        "action",
        "action_path",
        "action_ref",
        "action_repository",
        "action_status",
        "env",
        "event_path",
        "job",
        "output",
        "path",
        "state",
        "step_summary",
        "token",
        "workspace",
    ],
    LATER,
)
OUTPUTS = "hub: the job's outputs"


@dataclass(frozen=True)
class Order:
    """What starts a run: the event, whose commit, and who did it."""

    workflow: str
    event_name: str
    event: Mapping[str, Any]
    ref: str
    sha: str
    actor: str = "somebody"
    fork: bool = False
    """The commits come from a fork: no variables, no secrets, no identity, and a token that reads."""
    base_ref: str = ""
    head_ref: str = ""

    @property
    def untrusted(self) -> bool:
        """From a fork or by Dependabot, whose runs GitHub treats as a fork's.

        https://github.com/dependabot/dependabot-core/issues/3253, #16291 (but variables are there)
        """
        return self.fork or (
            self.actor == "dependabot[bot]" and self.event_name in {"push", "pull_request", "pull_request_review"}
        )


@dataclass(frozen=True)
class Scope:
    """Where a job stands: in the workflow that was started or in one that a job of it calls."""

    path: str
    prefix: str
    inputs: Mapping[str, Any]
    secrets: Mapping[str, str]
    allowed: Mapping[str, str] | None
    again: bool = False
    """Nothing that an earlier attempt did is kept."""


class Run:
    """Runs the jobs of a workflow until none is left.

    Args:
        hub: The repository and its settings.
        host: The git server that the jobs fetch from and push to.
        order: What starts it.
        number: The run's number.
        earlier: The attempt before, of which only what failed is run again.
    """

    def __init__(self, hub: "Hub", host: GitHost, order: Order, number: int, earlier: Ran | None = None) -> None:
        self.hub, self.host, self.order, self.number = hub, host, order, number
        self.attempt = earlier.attempt + 1 if earlier else 1
        self.kept = {job.name: job for job in earlier.all_jobs if job.result == "success"} if earlier else {}
        self.texts = hub.origin.files(order.sha)
        self.files = {path: read(text) for path, text in self.texts.items() if path.startswith(".github/workflows/")}
        self.path = f".github/workflows/{order.workflow}.yml"
        self.github = self._github()
        self.ended: list[RanJob] = []

    def go(self) -> Ran:
        """Run it."""
        settings, untrusted = self.hub.settings, self.order.untrusted
        ran = Ran(
            self.order.workflow,
            number=self.number,
            attempt=self.attempt,
            folder=self.hub.run_folder(self.number),
            event=self.order.event,
            github=self.github,
        )
        if wrong := refusals(self.path, self.files):
            return replace(ran, refused="The workflow is not valid. " + " ".join(wrong))
        self.variables = {} if self.order.fork else settings.variables
        secrets = {} if untrusted else settings.secrets
        inputs = self.order.event.get("inputs") or {}
        try:
            self._workflow(Scope(self.path, "", self._typed(inputs, "workflow_dispatch", self.path), secrets, None))
        except ExpressionError as error:
            return replace(ran, refused=f"The template is not valid. {error}", all_jobs=tuple(self.ended))
        return replace(ran, all_jobs=tuple(self.ended))

    def _github(self) -> dict[str, Any]:
        order, name = self.order, self.order.ref.split("/", 2)[-1]
        return {
            **IN_THE_RUNNER,
            "event": dict(order.event),
            "event_name": order.event_name,
            "ref": order.ref,
            "ref_name": name,
            "ref_type": "branch",
            "ref_protected": name in self.hub.settings.protected,
            "sha": order.sha,
            "base_ref": order.base_ref,
            "head_ref": order.head_ref,
            "actor": order.actor,
            "triggering_actor": order.actor,
            "repository": REPOSITORY,
            "repository_id": "22",
            "repository_owner": REPOSITORY.split("/")[0],
            "repository_owner_id": "11",
            "run_id": str(self.number),
            "run_number": str(self.number),
            "run_attempt": str(self.attempt),
            "workflow": self.files.get(self.path, {}).get("name", self.path),
            "workflow_ref": f"{REPOSITORY}/{self.path}@{order.ref}",
            "workflow_sha": order.sha,
            "server_url": self.host.address,
            "api_url": self.hub.github.address,
            "graphql_url": f"{self.hub.github.address}/graphql",
        }

    def _typed(self, given: Mapping[str, Any], trigger: str, path: str) -> dict[str, Any]:
        """Inputs with their defaults; one that is a boolean or a number is one."""
        declared = (triggers(self.files[path]).get(trigger) or {}).get("inputs") or {}
        values = {name: given.get(name, (wanted or {}).get("default")) for name, wanted in declared.items()}
        for name, wanted in declared.items():
            kind = (wanted or {}).get("type", "string")
            empty = {"boolean": False, "number": 0}.get(kind, "")
            values[name] = empty if values[name] is None else values[name]
            if kind == "boolean" and not isinstance(values[name], bool):
                assert values[name] in {"true", "false"}, f"{name}: {values[name]!r} is no boolean"
                values[name] = values[name] == "true"
        return values

    def _workflow(self, scope: Scope) -> tuple[str, dict[str, str]]:
        """Run all jobs of one file; how they ended together, and its outputs."""
        workflow = self.files[scope.path]
        jobs = workflow["jobs"]
        results: dict[str, str] = {}
        outputs: dict[str, dict[str, str]] = {}
        again: set[str] = set()
        while left := [name for name in jobs if name not in results]:
            name = next((name for name in left if set(needed(jobs[name])) <= results.keys()), "")
            if not name:
                raise ExpressionError(f"The workflow must contain at least one job with no dependencies: {left}")
            needs = {need: {"result": results[need], "outputs": outputs[need]} for need in needed(jobs[name])}
            contexts = {"github": self.github, "needs": needs, "vars": self.variables, "inputs": scope.inputs}
            if not runs(jobs, name, results, contexts):
                self.ended.append(RanJob(scope.prefix + str(jobs[name].get("name", name)), "skipped"))
                results[name], outputs[name] = "skipped", {}
                continue
            before = len(self.ended)
            # What comes after a job that runs again, runs again.
            inner = replace(scope, again=scope.again or bool(again & ancestors(jobs, name)))
            results[name], outputs[name] = self._job(name, jobs[name], inner, contexts)
            if any(job is not self.kept.get(job.name) for job in self.ended[before:]):
                again.add(name)
        declared = (triggers(workflow).get("workflow_call") or {}).get("outputs") or {}
        known = {"github": self.github, "vars": self.variables, "inputs": scope.inputs}
        known["jobs"] = {name: {"result": results[name], "outputs": outputs[name]} for name in jobs}
        handed = {name: str(filled(output["value"], known) or "") for name, output in declared.items()}
        return overall(results.values()), handed

    def _job(self, name: str, job: Mapping[str, Any], scope: Scope, contexts: Any) -> tuple[str, dict[str, str]]:
        """One job, once for each combination of its matrix."""
        strategy = {"max-parallel": 1, "fail-fast": True}
        ended, outputs = [], {}
        for matrix in _combinations(job, contexts):
            known = {**contexts, "matrix": matrix, "strategy": strategy}
            title = str(filled(job.get("name", name), known))
            if matrix and "matrix" not in str(job.get("name", "")):
                title += f" ({', '.join(str(value) for value in matrix.values())})"
            if ended and overall(ended) == "failure" and job.get("strategy", {}).get("fail-fast", True):
                self.ended.append(RanJob(scope.prefix + title, "cancelled"))
                ended.append("cancelled")
                continue
            result, given = self._one(name, job, scope, known, scope.prefix + title)
            ended.append(result)
            outputs |= {key: value for key, value in given.items() if value or key not in outputs}
        return overall(ended), outputs

    def _one(
        self, name: str, job: Mapping[str, Any], scope: Scope, known: Any, title: str
    ) -> tuple[str, dict[str, str]]:
        permissions = job_permissions(self.files[scope.path], job, scope.allowed)
        if concurrency := job.get("concurrency"):
            filled(concurrency, {key: known[key] for key in AVAILABLE["job concurrency"]})
        if path := called(job):
            given = filled(job.get("with") or {}, {key: known[key] for key in AVAILABLE["with"]})
            passed = job.get("secrets") or {}
            secrets = dict(scope.secrets)
            if passed != "inherit":
                secrets = {
                    key: str(value or "") for key, value in filled(passed, known | {"secrets": scope.secrets}).items()
                }
            inputs = self._typed(given, "workflow_call", path)
            inner = Scope(path, f"{title} / ", inputs, secrets, permissions, scope.again)
            return self._workflow(inner)
        if (kept := self.kept.get(title)) and not scope.again:
            self.ended.append(kept)
            return kept.result, dict(kept.outputs)
        ended = self._run(name, job, scope, known, title)
        self.ended.append(ended)
        return ended.result, dict(ended.outputs)

    def _run(self, name: str, job: Mapping[str, Any], scope: Scope, known: Any, title: str) -> RanJob:
        settings, order = self.hub.settings, self.order
        environment = filled(
            job.get("environment"), {key: known[key] for key in AVAILABLE["environment"]} | {"steps": LATER}
        )
        environment = environment if isinstance(environment, str) else str((environment or {}).get("name", ""))
        variables, secrets = dict(self.variables), dict(scope.secrets)
        if environment:
            if not settings.may_deploy(environment, order.ref):
                text = (
                    f'Branch "{self.github["ref_name"]}" is not allowed to deploy to {environment} due to environment '
                    "protection rules."
                )
                return RanJob(title, "failure", ({"command": "error", "kvPairs": {}, "arg": text, "msg": text},))
            variables |= {} if order.fork else settings.environment(environment).variables
            secrets |= {} if order.untrusted else settings.environment(environment).secrets
        permissions = limited(job_permissions(self.files[scope.path], job, scope.allowed), read_only=order.untrusted)
        claims = self._claims(environment, scope.path)
        token = f"ghs_{secrets_of_python.token_hex(18)}"
        self.host.tokens[token] = permissions.get("contents", "")
        self.hub.github.tokens[token] = Token(permissions=permissions)
        later = dict.fromkeys(("steps", "env", "job", "runner", "secrets"), LATER)
        contexts = {**known, **later, "vars": variables}
        declared = {key: str(value) for key, value in (job.get("outputs") or {}).items()}
        last = {
            "name": OUTPUTS,
            "if": "always()",
            "shell": "bash",
            "run": '"$HUB_PYTHON" -SE "$HUB_CODE/outputs.py"',
            "env": {
                "HUB_STATUS": "${{ job.status }}",
                **{f"HUB_OUTPUT_{number}": text for number, text in enumerate(declared.values())},
            },
        }
        steps = [step for step in settled([*job["steps"], last], contexts)]
        workflow = self.files[scope.path]
        kept = {
            key: settled(job[key], contexts)
            for key in ("env", "defaults", "timeout-minutes", "continue-on-error")
            if key in job
        }
        text = {
            "name": self.github["workflow"],
            "on": {order.event_name: {}},
            "env": settled(workflow.get("env", {}), contexts),
            "defaults": workflow.get("defaults", {}),
            "jobs": {name: {"name": title.replace("/", "-"), "runs-on": "ubuntu-latest", "steps": steps, **kept}},
        }
        events, outputs = runner.run_job(
            runner.RunnerJob(
                {key: value for key, value in text.items() if value},
                order.event_name,
                order.event,
                self._environment(permissions, token, name),
                variables,
                {**secrets, "GITHUB_TOKEN": token},
                order.actor,
                self._facts(permissions, claims, list(declared), variables),
                self.texts,
            ),
            self.hub.root / f"jobs/{self.number}-{self.attempt}-{len(self.ended)}",
        )
        # A job's token ends with the job.
        del self.host.tokens[token], self.hub.github.tokens[token]
        # A value that holds a secret is not handed on: "Skip output since it may contain secret".
        hidden = [secret for secret in [*secrets.values(), token] if secret]
        safe = {key: value for key, value in outputs.items() if not any(secret in value for secret in hidden)}
        return RanJob(title, runner.result(events), tuple(e for e in events if e.get("step") != OUTPUTS), safe)

    def _claims(self, environment: str, path: str) -> dict[str, str]:
        """https://docs.github.com/en/actions/reference/openid-connect-reference#understanding-the-oidc-token"""
        order = self.order
        kind = f"ref:{order.ref}"
        if environment:
            kind = f"environment:{environment}"
        elif order.event_name == "pull_request":
            kind = "pull_request"
        named = ("repository", "repository_id", "repository_owner", "repository_owner_id", "actor", "event_name", "ref")
        claims = {
            key: str(self.github[key]) for key in (*named, "sha", "workflow", "workflow_ref", "run_id", "ref_type")
        }
        return claims | {
            "iss": "https://token.actions.githubusercontent.com",
            "aud": "sts.amazonaws.com",
            "sub": f"repo:{REPOSITORY}:{kind}",
            "job_workflow_ref": f"{REPOSITORY}/{path}@{order.ref}",
            "repository_visibility": "private" if self.hub.settings.private else "public",
            "runner_environment": "github-hosted",
            **({"environment": environment} if environment else {}),
        }

    def _environment(self, permissions: Mapping[str, str], token: str, name: str) -> dict[str, str]:
        """What a job's steps find in their environment and act does not set, or sets otherwise."""
        github = {f"GITHUB_{key.upper()}": str(value) for key, value in self.github.items() if isinstance(value, str)}
        identity = {"URL": f"{self.host.address}/id-token?", "TOKEN": token}
        may_identify = permissions.get("id-token") == "write"
        return {
            **github,
            "SHA_REF": self.order.sha,  # how act is told GITHUB_SHA
            "HUB": str(self.hub.root),
            "GIT_SSL_CAINFO": str(self.host.certificate),
            **{f"ACTIONS_ID_TOKEN_REQUEST_{key}": value for key, value in identity.items() if may_identify},
        }

    def _facts(
        self,
        permissions: Mapping[str, str],
        claims: Mapping[str, str],
        outputs: list[str],
        variables: Mapping[str, str],
    ) -> dict[str, Any]:
        """What the stand-ins of the actions and commands know about the job."""
        ref, trusts = self.order.ref, self.hub.settings.trusts
        roles = [value for value in variables.values() if value.startswith("arn:aws:iam:")]
        default = "refs/heads/main"
        base = f"refs/heads/{self.order.base_ref}" if self.order.base_ref else default
        return {
            "permissions": dict(permissions),
            "claims": dict(claims),
            "outputs": outputs,
            "roles": {role: trusts(role, claims) for role in roles},
            "run": str(self.number),
            "attempt": self.attempt,
            "private": self.hub.settings.private,
            "attestations": self.hub.settings.attestations and not self.order.fork,
            "caches": list(dict.fromkeys([ref, base, default])),
        }


def _combinations(job: Mapping[str, Any], contexts: Any) -> list[dict[str, Any]]:
    """The matrix of a job; actions/runner#483: GitHub starts them in the order of their names, whatever was written."""
    if "strategy" not in job:
        return [{}]
    matrix = filled(job["strategy"]["matrix"], {key: contexts[key] for key in AVAILABLE["strategy"]})
    include = matrix.pop("include", [])
    if any(not isinstance(values, list) for values in matrix.values()):
        raise ExpressionError(f"Error when evaluating 'strategy': unexpected value {json.dumps(matrix)}")
    if empty := [key for key, values in matrix.items() if not values]:
        raise ExpressionError(
            f"Error when evaluating 'strategy': Matrix vector '{empty[0]}' does not contain any values"
        )
    made = [dict(zip(matrix, values, strict=True)) for values in itertools.product(*matrix.values())] if matrix else []
    return sorted([*made, *include], key=str)
