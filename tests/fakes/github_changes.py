"""A request that changes a repository's settings on GitHub -> what GitHub answers: what is printed to be pasted.

The few that `make bootstrap` and the remedies of `pipeline doctor` make; sources as in github_settings.py.
"""

from typing import Any

from tests.fakes.github_settings import (
    ADMIN,
    UPGRADE,
    Answer,
    State,
    environment,
    inside,
    is_private_and_free,
    number_of,
)

NO_RULE = "Failed to create the environment protection rule. Please ensure the billing plan supports the required "
NO_RULE += "reviewers protection rule."
"""Of private repositories without Enterprise: alchemy-run/alchemy#1373; google/go-github, repos_environments.go."""


def write(state: State, method: str, path: str, body: Any) -> Answer:
    """Status and content of a request that changes something; one that no test should make raises LookupError."""
    if (inner := inside(state, path)) is None:
        return 404, {"message": "Not Found"}
    if state["role"] != "admin":
        return 403, {"message": ADMIN}
    if inner.startswith("environments/"):
        return _write_environment(state, method, inner.removeprefix("environments/"), body)
    return _write_setting(state, f"{method} {inner}", body)


def _write_setting(state: State, order: str, body: Any) -> Answer:
    if order == "PUT actions/permissions" and type(body["enabled"]) is bool:
        state["actions"] |= body
        return 204, None
    if order == "PUT actions/permissions/workflow" and type(body["can_approve_pull_request_reviews"]) is bool:
        state["may_create_pull_requests"] = body["can_approve_pull_request_reviews"]
        return 204, None
    if order == "PUT actions/oidc/customization/sub" and type(body["use_default"]) is bool:
        state["subject"] |= body
        return 201, {}
    if order == f"POST branches/{state['default_branch']}/rename":
        state["default_branch"] = body["new_name"]
        return 201, {"name": body["new_name"]}
    if order == "POST rulesets":
        return _add_ruleset(state, body)
    raise LookupError(order)


def _add_ruleset(state: State, body: State) -> Answer:
    """What each rule's parameters must hold: schemas repository-rule-pull-request and -required-status-checks."""
    needed = {
        "pull_request": {
            *("dismiss_stale_reviews_on_push", "require_code_owner_review", "require_last_push_approval"),
            *("required_approving_review_count", "required_review_thread_resolution"),
        },
        "required_status_checks": {"required_status_checks", "strict_required_status_checks_policy"},
    }
    if is_private_and_free(state):
        return 403, {"message": UPGRADE}
    assert body.keys() == {"name", "target", "enforcement", "conditions", "rules"}, body
    if any(rule["parameters"].keys() != needed[rule["type"]] for rule in body["rules"]):
        return 422, {"message": "Validation Failed"}
    assert (body["target"], body["enforcement"]) == ("branch", "active"), body
    assert body["conditions"] == {"ref_name": {"include": ["refs/heads/main"], "exclude": []}}, body
    state["rules"] += body["rules"]
    return 201, {"id": 1}


def _write_environment(state: State, method: str, path: str, body: Any) -> Answer:
    name, _, rest = path.partition("/")
    if (method, rest) == ("PUT", ""):
        return _put_environment(state, name, body or {})
    kept = state["environments"].get(name)
    policy, _, number = rest.partition("/")
    if (method, policy) == ("DELETE", "deployment-branch-policies"):
        # A number that there is not ends in a traceback: no test should ask for it.
        kept["branches"].remove(next(branch for branch in kept["branches"] if number_of(branch) == int(number)))
        return 204, None
    if (method, rest) == ("POST", "deployment-branch-policies"):
        if kept is None or not (kept["policy"] or {}).get("custom_branch_policies"):
            return 404, {"message": "Not Found"}
        if body.keys() != {"name", "type"} or type(body["name"]) is not str or body["type"] not in {"branch", "tag"}:
            return 422, {"message": "Invalid request."}
        if body["name"] in kept["branches"]:
            return 303, None  # "Response if the same branch name pattern already exists"
        kept["branches"].append(body["name"])
        return 200, {"id": 1, **body}
    raise LookupError(f"{method} environments/{path}")


def _put_environment(state: State, name: str, body: State) -> Answer:
    """What the body leaves out is as if it were new: the description does not promise that it stays."""
    if is_private_and_free(state):
        return 404, {"message": "Not Found"}
    if state["visibility"] == "private" and state["plan"] != "enterprise" and body.keys() & {"reviewers", "wait_timer"}:
        return 422, {"message": NO_RULE}
    policy, reviewers = body.get("deployment_branch_policy"), body.get("reviewers") or []
    if not (_is_policy(policy) and all(map(_is_reviewer, reviewers)) and type(body.get("wait_timer", 0)) is int):
        return 422, {"message": "Invalid request."}
    before = state["environments"].get(name, environment())
    state["environments"][name] = before | {
        "policy": policy,
        "branches": before["branches"] if policy and policy["custom_branch_policies"] else [],
        "reviewers": reviewers,
        "wait_timer": body.get("wait_timer", 0),
        "prevent_self_review": body.get("prevent_self_review", False),
    }
    return 200, {"name": name}


def _is_policy(policy: Any) -> bool:
    """Both truth values, one of each: "when ... are set to the same value" is refused."""
    kinds = {"protected_branches", "custom_branch_policies"}
    return policy is None or (policy.keys() == kinds and sorted(map(repr, policy.values())) == ["False", "True"])


def _is_reviewer(one: State) -> bool:
    return one.keys() == {"type", "id"} and one["type"] in {"User", "Team"} and type(one["id"]) is int
