"""What GitHub reads out of the workflow files before any job starts: permissions, filters, order, refusals."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ruamel.yaml import YAML

from tests.fakes.expression_tree import ExpressionError, names
from tests.fakes.expressions import LATER, Contexts, condition, evaluate, truthy

Workflow = Mapping[str, Any]
LEVELS = ("none", "read", "write")
DEFAULT_PERMISSIONS = {"contents": "read", "packages": "read"}
"""Where neither job nor workflow says any: the restricted setting, which new repositories have."""
SCOPES = (
    *("actions", "attestations", "checks", "contents", "deployments", "discussions", "id-token", "issues", "models"),
    *("packages", "pages", "pull-requests", "security-events", "statuses"),
)
AVAILABLE = {
    "if": ("github", "needs", "vars", "inputs"),
    "with": ("github", "needs", "strategy", "matrix", "inputs", "vars"),
    "secrets": ("github", "needs", "strategy", "matrix", "secrets", "inputs", "vars"),
    "strategy": ("github", "needs", "vars", "inputs"),
    "environment": ("github", "needs", "strategy", "matrix", "vars", "inputs"),
    "name": ("github", "needs", "strategy", "matrix", "vars", "inputs"),
    "job concurrency": ("github", "needs", "strategy", "matrix", "inputs", "vars"),
    "concurrency": ("github", "inputs", "vars"),
}
"""Which contexts a key may use: "Context availability" of https://docs.github.com/en/actions/reference/contexts-reference.
"""


def read(text: str) -> dict[str, Any]:
    """A workflow file's content; YAML 1.1 readers take its `on` for true."""
    content = YAML(typ="safe", pure=True).load(text)
    return {("on" if key is True else key): value for key, value in content.items()}


def triggers(workflow: Workflow) -> dict[str, dict[str, Any]]:
    """What starts a workflow, and the filters of each."""
    on = workflow["on"]
    if isinstance(on, str):
        return {on: {}}
    if isinstance(on, list):
        return {name: {} for name in on}
    # A schedule is a list of times.
    return {name: (value if isinstance(value, dict) else {}) for name, value in on.items()}


def allows(patterns: Sequence[str], name: str) -> bool:
    """Whether a list of branch or path patterns takes a name; the last that matches decides.

    https://docs.github.com/en/actions/reference/workflow-syntax-for-github-actions#filter-pattern-cheat-sheet
    """
    taken = False
    for pattern in patterns:
        expression = re.escape(pattern.removeprefix("!")).replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
        if re.fullmatch(expression, name):
            taken = not pattern.startswith("!")
    return taken


def starts(workflow: Workflow, event: str, branch: str, changed: Iterable[str] | None, action: str = "") -> bool:
    """Whether an event starts a workflow.

    Args:
        workflow: The file's content.
        event: Such as push.
        branch: The branch that was pushed, or that a pull request goes into.
        changed: The files that changed; None where GitHub looks at no paths.
        action: The kind of the event, such as synchronize.
    """
    if event not in triggers(workflow):
        return False
    filters = triggers(workflow)[event]
    usual = ["opened", "synchronize", "reopened"] if event == "pull_request" else [action]
    if action and action not in _listed(filters.get("types", usual)):
        return False
    wanted, unwanted = (_listed(filters.get(key, ())) for key in ("branches", "branches-ignore"))
    if (wanted and not allows(wanted, branch)) or (unwanted and allows(unwanted, branch)):
        return False
    wanted, unwanted = (_listed(filters.get(key, ())) for key in ("paths", "paths-ignore"))
    return (
        changed is None
        or not (wanted or unwanted)
        or any(allows(wanted or ["**"], path) and not allows(unwanted, path) for path in changed)
    )


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def permissions(said: Any) -> dict[str, str]:
    """What a `permissions` block gives: all that it does not name is none."""
    if said is None:
        return dict(DEFAULT_PERMISSIONS)
    if isinstance(said, str):
        return dict.fromkeys(SCOPES, said.removesuffix("-all"))
    return {scope: level for scope, level in said.items() if level != "none"}


def job_permissions(workflow: Workflow, job: Mapping[str, Any], allowed: Mapping[str, str] | None) -> dict[str, str]:
    """What a job's token may do: its own block, else the workflow's, else what the caller gives or the default."""
    said = job.get("permissions", workflow.get("permissions"))
    return permissions(said) if said is not None or allowed is None else dict(allowed)


def limited(given: Mapping[str, str], *, read_only: bool) -> dict[str, str]:
    """The token of a pull request from a fork and of Dependabot: it reads, and there is no identity token.

    https://docs.github.com/en/actions/reference/workflow-syntax-for-github-actions#how-permissions-are-calculated-for-a-workflow-job
    """
    if not read_only:
        return dict(given)
    return {scope: "read" for scope in given if scope != "id-token"}


def _exceeds(wanted: Mapping[str, str], allowed: Mapping[str, str]) -> tuple[str, str] | None:
    more = [scope for scope, level in wanted.items() if LEVELS.index(level) > LEVELS.index(allowed.get(scope, "none"))]
    if not more:
        return None
    return (
        ", ".join(f"{scope}: {wanted[scope]}" for scope in more),
        ", ".join(f"{scope}: {allowed.get(scope, 'none')}" for scope in more),
    )


def called(job: Mapping[str, Any]) -> str:
    """The file that a job calls, or nothing."""
    return str(job.get("uses", "")).removeprefix("./")


def refusals(path: str, files: Mapping[str, Workflow], allowed: Mapping[str, str] | None = None) -> list[str]:
    """Why GitHub does not start a workflow at all, whatever its jobs' conditions say.

    https://github.com/ruvnet/RuVector/pull/632 (a job that would be skipped counts), trustee#894 (the two messages).
    """
    workflow, errors = files[path], []
    for name, job in workflow["jobs"].items():
        own = job_permissions(workflow, job, allowed)
        if allowed is not None and "permissions" in job and (more := _exceeds(own, allowed)):
            errors.append(f"The nested job '{name}' is requesting '{more[0]}', but is only allowed '{more[1]}'.")
        unknown = [need for need in needed(job) if need not in workflow["jobs"]]
        errors += [f"Job '{name}' depends on unknown job '{need}'." for need in unknown]
        if not called(job):
            continue
        if called(job) not in files:
            errors.append(f"error parsing called workflow {job['uses']!r}: workflow was not found.")
            continue
        other = files[called(job)]
        errors += _wrong_inputs(name, job, other)
        if "permissions" in other and (more := _exceeds(permissions(other["permissions"]), own)):
            errors.append(f"The workflow is requesting '{more[0]}', but is only allowed '{more[1]}'.")
        errors += [f"Error calling workflow {job['uses']}. {line}" for line in refusals(called(job), files, own)]
    return errors


def _wrong_inputs(name: str, job: Mapping[str, Any], other: Workflow) -> list[str]:
    """https://docs.github.com/en/actions/reference/workflow-syntax-for-github-actions#onworkflow_callinputs"""
    if "workflow_call" not in triggers(other):
        return [f"Job '{name}': the workflow it calls has no workflow_call trigger."]
    declared = triggers(other)["workflow_call"]
    errors = []
    for kind, given in (("input", job.get("with") or {}), ("secret", job.get("secrets") or {})):
        known = declared.get(f"{kind}s") or {}
        if given == "inherit":
            continue
        errors += [
            f"Job '{name}': Invalid {kind}, {word} is not defined in the referenced workflow."
            for word in given
            if word not in known
        ]
        errors += [
            f"Job '{name}': {kind.capitalize()} {word} is required, but not provided while calling."
            for word, wanted in known.items()
            if (wanted or {}).get("required") and word not in given
        ]
    return errors


def needed(job: Mapping[str, Any]) -> list[str]:
    """The jobs that a job waits for."""
    needs = job.get("needs", [])
    return [needs] if isinstance(needs, str) else list(needs)


def ancestors(jobs: Mapping[str, Any], name: str) -> set[str]:
    """All jobs that a job waits for, also through others."""
    own = needed(jobs[name])
    return set(own).union(*(ancestors(jobs, need) for need in own))


def runs(
    jobs: Mapping[str, Any], name: str, results: Mapping[str, str], contexts: Contexts, *, cancelled: bool = False
) -> bool:
    """Whether GitHub runs a job.

    Its `if` is joined with success() unless it names a function of the status, and success() asks all ancestors: one
    that was skipped, however far up, skips the job (https://github.com/actions/runner/issues/491, #2205).

    Args:
        jobs: All jobs of the file.
        name: The one that is asked about.
        results: How the jobs before it ended.
        contexts: The values of the contexts.
        cancelled: Somebody or a newer run cancelled this run.

    Raises:
        ExpressionError: The condition uses a context that jobs do not have there.
    """
    before = {results[need] for need in ancestors(jobs, name)}
    status = {
        "success": before <= {"success"} and not cancelled,
        "failure": "failure" in before,
        "cancelled": cancelled,
        "always": True,
    }
    tree = condition(str(jobs[name].get("if", "")))
    if foreign := names(tree) - set(AVAILABLE["if"]):
        raise ExpressionError(f"Unrecognized named-value: '{min(foreign)}'")
    value = evaluate(tree, contexts, status)
    if value is LATER:
        raise ExpressionError(f"Job '{name}': its condition uses a function that jobs do not have")
    return truthy(value)


def overall(results: Iterable[str]) -> str:
    """How several jobs ended as one: those of a matrix, a called workflow or a run."""
    ended = set(results)
    return next((word for word in ("failure", "cancelled", "success") if word in ended), "skipped")
