"""The repository's settings on GitHub -> findings: Actions, workflows, the branch main, Issues."""

import json
import shlex
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pipeline.doctor.finding import Finding, Sign, cannot_tell
from pipeline.gh import ask

REQUIRED = ("ci", "model")
"""The checks of ci.yml and pull-request.yml that a protected main requires."""

IMMUTABLE_SINCE = "2026-07-15"
"""Repositories made since then have numbers in their tokens' subjects: docs.github.com, OpenID Connect reference."""

_KEEP_PUSHES_OUT = {"pull_request", "required_status_checks", "update"}
"""The rules without which anybody who may push may push to main; others only keep its history."""
_UPGRADE = "Upgrade to GitHub"


def check_actions(name: str) -> Finding:
    """Whether Actions are on, and not only for this owner's own actions."""
    answer = ask(f"repos/{name}/actions/permissions")
    if not answer.ok:
        return cannot_tell("actions", answer)
    allowed = answer.value.get("allowed_actions", "all")
    remedy = f"gh api --silent --method PUT repos/{name}/actions/permissions -F enabled=true -f allowed_actions=all"
    if not answer.value["enabled"]:
        return Finding("actions", "wrong", "GitHub Actions are off", remedy)
    if allowed == "local_only":
        return Finding("actions", "wrong", "only actions of this owner may run; actions/checkout is GitHub's", remedy)
    if allowed == "selected":
        return Finding("actions", "note", "only selected actions may run: those of .github/ must be among them")
    return Finding("actions", "ok", "on")


def check_workflows(name: str, *, fork: bool, files: Collection[str]) -> Finding:
    """Whether each workflow file of this checkout is known to GitHub and enabled."""
    answer = ask(f"repos/{name}/actions/workflows", "workflows")
    if not answer.ok:
        return cannot_tell("workflows", answer)
    states = {Path(one["path"]).name: one["state"] for one in answer.value if one["state"] != "deleted"}
    if not states and fork:
        # "You must enable GitHub Actions in the Actions tab of the forked repository": no request can do that.
        return Finding("workflows", "wrong", "off, as in every new fork", f"open https://github.com/{name}/actions")
    disabled = [file for file in sorted(files) if states.get(file, "active") != "active"]
    if disabled:
        seen = ", ".join(f"{file} ({states[file]})" for file in disabled)
        return Finding("workflows", "wrong", f"not enabled: {seen}", _enable(name, disabled))
    if missing := sorted(set(files) - states.keys()):
        return Finding("workflows", "note", f"not on main yet: {', '.join(missing)}", "git push origin main")
    return Finding("workflows", "ok", f"{len(files)} enabled")


def _enable(name: str, files: list[str]) -> str:
    """By file name: gh finds a workflow that a fork disabled by no other (cli/cli, pkg/cmd/workflow/shared)."""
    if len(files) == 1:
        return f"gh workflow enable {files[0]} --repo {name}"
    return f'for file in {" ".join(files)}; do gh workflow enable "$file" --repo {name}; done'


def check_main(name: str, *, deployed: bool) -> list[Finding]:
    """Whether main is protected and requires our checks, and whether workflows may open pull requests then.

    Args:
        name: The repository.
        deployed: Whether what is on main is deployed: then whoever may push could deploy.
    """
    branch, rules = ask(f"repos/{name}/branches/main"), ask(f"repos/{name}/rules/branches/main", "")
    if not branch.ok:
        return [cannot_tell("main", branch), _check_pull_requests(name, protected=None)]
    required = _contexts(branch.value.get("protection") or {}) | _rule_contexts(rules.value or [])
    protected = branch.value["protected"] or any(rule["type"] in _KEEP_PUSHES_OUT for rule in rules.value or [])
    bad: Sign = "wrong" if deployed else "note"
    missing = [check for check in REQUIRED if check not in required]
    if not protected and not rules.ok:
        if _UPGRADE in rules.reason:
            main = Finding("main", "note", "private repositories cannot protect a branch on this plan")
        else:
            main = cannot_tell("main", rules)
    elif not protected:
        main = Finding("main", bad, "not protected: whoever may push changes what is published", _protect(name))
    elif missing:
        main = Finding("main", bad, f"protected, but does not require {' and '.join(missing)}", _protect(name))
    else:
        main = Finding("main", "ok", "protected, requires ci and model")
    return [main, _check_pull_requests(name, protected=protected)]


def _contexts(protection: dict[str, Any]) -> set[str]:
    return set((protection.get("required_status_checks") or {}).get("contexts", ()))


def _rule_contexts(rules: list[dict[str, Any]]) -> set[str]:
    checks = [rule["parameters"] for rule in rules if rule["type"] == "required_status_checks"]
    return {check["context"] for parameters in checks for check in parameters["required_status_checks"]}


def _protect(name: str) -> str:
    """The command that makes a ruleset: main changes by pull requests whose checks are green."""
    reviews = {
        "required_approving_review_count": 0,
        "dismiss_stale_reviews_on_push": False,
        "require_code_owner_review": False,
        "require_last_push_approval": False,
        "required_review_thread_resolution": False,
    }
    checks = {
        "strict_required_status_checks_policy": False,
        "required_status_checks": [{"context": check} for check in REQUIRED],
    }
    ruleset = {
        "name": "ci and model",
        "target": "branch",
        "enforcement": "active",
        "conditions": {"ref_name": {"include": ["refs/heads/main"], "exclude": []}},
        "rules": [
            {"type": "pull_request", "parameters": reviews},
            {"type": "required_status_checks", "parameters": checks},
        ],
    }
    body = shlex.quote(json.dumps(ruleset, separators=(",", ":")))
    return f"echo {body} | gh api --silent --method POST repos/{name}/rulesets --input -"


def _check_pull_requests(name: str, *, protected: bool | None) -> Finding:
    answer = ask(f"repos/{name}/actions/permissions/workflow")
    if not answer.ok:
        return cannot_tell("pull requests", answer)
    if answer.value["can_approve_pull_request_reviews"]:
        return Finding("pull requests", "ok", "workflows may open them")
    remedy = (
        f"gh api --silent --method PUT repos/{name}/actions/permissions/workflow "
        "-F can_approve_pull_request_reviews=true"
    )
    if protected:
        seen = "workflows may not open them, and main is protected: results cannot get there"
        return Finding("pull requests", "wrong", seen, remedy)
    seen = "workflows may not open them: refresh.yml cannot propose newer packages"
    return Finding("pull requests", "note", seen, remedy)


def check_issues(value: Any, *, watched: bool) -> Finding:
    """Whether Issues are on: drift is told in one.

    Args:
        value: GitHub's description of the repository.
        watched: Whether a log is watched.
    """
    if value["has_issues"]:
        return Finding("issues", "ok", "on")
    remedy = f"gh repo edit {value['full_name']} --enable-issues"
    return Finding("issues", "wrong" if watched else "note", "off: nobody is told of drift", remedy)


def check_tokens(name: str, created: str) -> tuple[list[Finding], bool]:
    """A finding if GitHub's tokens do not name this repository in the usual way; and whether that holds its number.

    Args:
        name: The repository.
        created: When it was made, as GitHub writes it.
    """
    path = f"repos/{name}/actions/oidc/customization/sub"
    answer = ask(path)
    value = answer.value if answer.ok else {}
    immutable = bool(value.get("use_immutable_subject", created >= IMMUTABLE_SINCE))
    if value.get("use_default", True):
        return [], immutable
    remedy = f"gh api --silent --method PUT {path} -F use_default=true"
    return [Finding("tokens", "wrong", "their subject is customized: no role can be taken", remedy)], immutable
