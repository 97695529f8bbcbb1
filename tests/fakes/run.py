"""One run of a workflow as GitHub decides it: which jobs run, in which order, and what they are given.

act runs the steps of each job and decides nothing else. Jobs run one after the other here.
"""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.fakes.expression_tree import ExpressionError
from tests.fakes.expressions import filled
from tests.fakes.job import JobOrder, Place, start
from tests.fakes.order import Order, github_context
from tests.fakes.ran import Ran, RanJob
from tests.fakes.workflow_rules import (
    AVAILABLE,
    ancestors,
    called,
    job_permissions,
    needed,
    overall,
    read,
    refusals,
    runs,
    triggers,
)

Outputs = dict[str, str]


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


class WorkflowRun:
    """Runs the jobs of a workflow until none is left.

    Args:
        place: Where they run.
        order: What starts it.
        texts: The workflow files and actions of the commit, by path.
        number: The run's number.
        folder: The hub's.
        earlier: The attempt before, of which only what failed is run again.
    """

    def __init__(
        self, place: Place, order: Order, texts: Mapping[str, str], number: int, folder: Path, earlier: Ran | None
    ) -> None:
        self.place, self.order, self.texts, self.folder = place, order, texts, folder
        self.files = {path: read(text) for path, text in texts.items() if path.startswith(".github/workflows/")}
        self.kept = {job.name: job for job in earlier.all_jobs if job.result == "success"} if earlier else {}
        self.ended: list[RanJob] = []
        self.variables = {} if order.fork else place.settings.variables
        attempt = earlier.attempt + 1 if earlier else 1
        name = self.files[order.path].get("name", order.path)
        numbers = {"run_id": str(number), "run_attempt": str(attempt), "workflow": name}
        addresses = {"server_url": place.host.address, "api_url": place.api.address}
        self.github = github_context(order, numbers, addresses)
        self.ran = Ran(
            order.workflow,
            number=number,
            attempt=attempt,
            folder=folder / f"runs/{number}",
            event=order.event,
            github=self.github,
        )

    def go(self) -> Ran:
        """Run it."""
        if wrong := refusals(self.order.path, self.files):
            return replace(self.ran, refused="The workflow is not valid. " + " ".join(wrong))
        secrets = {} if self.order.untrusted else self.place.settings.secrets
        inputs = _typed(
            self.order.event.get("inputs") or {}, triggers(self.files[self.order.path]), "workflow_dispatch"
        )
        try:
            self._workflow(Scope(self.order.path, "", inputs, secrets, None))
        except ExpressionError as error:
            return replace(self.ran, refused=f"The template is not valid. {error}", all_jobs=tuple(self.ended))
        return replace(self.ran, all_jobs=tuple(self.ended))

    def _workflow(self, scope: Scope) -> tuple[str, Outputs]:
        """Run all jobs of one file; how they ended together, and its outputs."""
        workflow, results, outputs, again = self.files[scope.path], {}, {}, set()
        jobs = workflow["jobs"]
        known: dict[str, Any] = {"github": self.github, "vars": self.variables, "inputs": scope.inputs}
        while left := [name for name in jobs if name not in results]:
            name = next((name for name in left if set(needed(jobs[name])) <= results.keys()), "")
            if not name:
                raise ExpressionError(f"The workflow must contain at least one job with no dependencies: {left}")
            needs = {need: {"result": results[need], "outputs": outputs[need]} for need in needed(jobs[name])}
            contexts = {**known, "needs": needs}
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
        known["jobs"] = {name: {"result": results[name], "outputs": outputs[name]} for name in jobs}
        return overall(results.values()), {
            name: str(filled(output["value"], known) or "") for name, output in declared.items()
        }

    def _job(self, name: str, job: Mapping[str, Any], scope: Scope, contexts: Any) -> tuple[str, Outputs]:
        """One job, once for each combination of its matrix."""
        strategy = job.get("strategy", {})
        ended: list[str] = []
        outputs: Outputs = {}
        for matrix in _combinations(job, contexts):
            known = {**contexts, "matrix": matrix, "strategy": {"fail-fast": strategy.get("fail-fast", True)}}
            title = scope.prefix + str(filled(job.get("name", name), known))
            if matrix and "matrix" not in str(job.get("name", "")):
                title += f" ({', '.join(str(value) for value in matrix.values())})"
            if "failure" in ended and strategy.get("fail-fast", True):
                self.ended.append(RanJob(title, "cancelled"))
                ended.append("cancelled")
                continue
            result, given = self._one(name, job, scope, known, title)
            ended.append(result)
            outputs |= {key: value for key, value in given.items() if value or key not in outputs}
        return overall(ended), outputs

    def _one(self, name: str, job: Mapping[str, Any], scope: Scope, known: Any, title: str) -> tuple[str, Outputs]:
        workflow = self.files[scope.path]
        permissions = job_permissions(workflow, job, scope.allowed)
        filled(job.get("concurrency"), {key: known[key] for key in AVAILABLE["job concurrency"]})
        if path := called(job):
            given = filled(job.get("with") or {}, {key: known[key] for key in AVAILABLE["with"]})
            passed = filled(job.get("secrets") or {}, known | {"secrets": scope.secrets})
            secrets = scope.secrets if passed == "inherit" else {key: str(text or "") for key, text in passed.items()}
            inputs = _typed(given, triggers(self.files[path]), "workflow_call")
            return self._workflow(Scope(path, f"{title} / ", inputs, secrets, permissions, scope.again))
        ended = None if scope.again else self.kept.get(title)
        if ended is None:
            folder = self.folder / f"jobs/{self.ran.number}-{self.ran.attempt}-{len(self.ended)}"
            wanted = JobOrder(
                self.order, title, name, job, workflow, scope.path, permissions, known, scope.secrets, self.texts
            )
            ended = start(wanted, self.place, folder)
        self.ended.append(ended)
        return ended.result, dict(ended.outputs)


def _typed(given: Mapping[str, Any], on: Mapping[str, Any], trigger: str) -> dict[str, Any]:
    """Inputs with their defaults; one that is a boolean or a number is one."""
    values = {}
    for name, wanted in ((on.get(trigger) or {}).get("inputs") or {}).items():
        kind = (wanted or {}).get("type", "string")
        value = given.get(name, (wanted or {}).get("default"))
        if kind == "boolean" and isinstance(value, str):
            value = {"true": True, "false": False}[value]
        values[name] = {"boolean": False, "number": 0}.get(kind, "") if value is None else value
    return values


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
