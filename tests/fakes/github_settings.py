"""A repository's settings on GitHub -> what GitHub's API says of them: the questions that `pipeline doctor` asks.

What each answer looks like: GitHub's OpenAPI description (github/rest-api-description; its types are
@octokit/openapi-types 29.0.1), unless another source is named. Where the description is silent, the answer is the
unkind one. What changes settings is in github_changes.py, the command that asks in gh_command.py.
"""

import zlib
from typing import Any

State = dict[str, Any]
Answer = tuple[int, Any]

ADMIN = "Must have admin rights to Repository."
UPGRADE = "Upgrade to GitHub Pro or make this repository public to enable this feature."
"""Of private repositories on Free: SoftEtherApp/SoftEther-Web#37, github/branch-deploy#345, ossf/allstar#37."""


def repository(**changes: Any) -> State:
    """The settings of a repository that was just made from the template: public, and nothing of it was set."""
    return {
        "full_name": "us/obesity",
        "id": 22,
        "owner": {"login": "us", "id": 11, "type": "User"},
        "visibility": "public",
        "plan": "free",
        "fork": False,
        "created_at": "2026-09-01T08:00:00Z",
        "default_branch": "main",
        "has_issues": True,
        "me": {"login": "ada", "id": 5},
        "role": "admin",
        "actions": {"enabled": True, "allowed_actions": "all", "sha_pinning_required": False},
        "may_create_pull_requests": False,
        "workflows": {},
        "protection": None,
        "rules": [],
        "environments": {},
        "variables": {},
        "organization_variables": {},
        "subject": {"use_default": True, "use_immutable_subject": True},
        "unreachable": False,
    } | changes


def environment(**changes: Any) -> State:
    """An environment as PUT without a body makes it: any branch may deploy, and nobody is asked."""
    return {"policy": None, "branches": [], "reviewers": [], "wait_timer": 0, "variables": {}} | changes


def read(state: State, path: str) -> Answer:
    """Status and content of a GET; a path that no test should ask for raises LookupError."""
    path, _, query = path.partition("?")
    if path == "user":
        return 200, {"login": state["me"]["login"], "id": state["me"]["id"], "type": "User"}
    if (inner := inside(state, path)) is None:
        return 404, {"message": "Not Found"}
    return _read(state, inner, dict(pair.split("=") for pair in query.split("&") if pair))


def inside(state: State, path: str) -> str | None:
    """A path below the repository; None for another repository, or one that may not be seen. Any case is found."""
    owner, _, rest = path.removeprefix("repos/").partition("/")
    name, _, rest = rest.partition("/")
    ours = f"{owner}/{name}".lower() == state["full_name"].lower()
    return rest if ours and state["role"] != "none" else None


def _read(state: State, path: str, query: dict[str, str]) -> Answer:
    simple = {
        "": _repository,
        "actions/permissions": lambda state: state["actions"],
        "actions/permissions/workflow": _workflow_permissions,
        "actions/oidc/customization/sub": lambda state: state["subject"],
        "branches/main": _branch,
    }
    if path in {"actions/permissions", "actions/permissions/workflow"} and state["role"] != "admin":
        return 403, {"message": ADMIN}  # fine-grained tokens need the permission Administration (read)
    if path == "branches/main" and state["default_branch"] != "main":
        return 404, {"message": "Branch not found"}
    if path in simple:
        return 200, simple[path](state)
    if path.startswith("environments/"):
        return _environment(state, path.removeprefix("environments/"), query)
    return _lists(state, path, query)


def _lists(state: State, path: str, query: dict[str, str]) -> Answer:
    if path == "rules/branches/main":
        if is_private_and_free(state):
            return 403, {"message": UPGRADE}
        return _page(state["rules"], "", query, most=100)
    if path == "actions/workflows":
        listed = [_workflow(number, *item) for number, item in enumerate(state["workflows"].items(), 1)]
        return _page(listed, "workflows", query, most=100)
    kinds = {"actions/variables": "variables", "actions/organization-variables": "organization_variables"}
    return _variables(state, state[kinds[path]], query)


def _repository(state: State) -> State:
    return {
        "id": state["id"],
        "name": state["full_name"].partition("/")[2],
        "full_name": state["full_name"],
        "owner": state["owner"],
        "private": state["visibility"] != "public",
        "visibility": state["visibility"],
        "fork": state["fork"],
        "created_at": state["created_at"],
        "default_branch": state["default_branch"],
        "has_issues": state["has_issues"],
    }


def _workflow_permissions(state: State) -> State:
    allowed = state["may_create_pull_requests"]
    return {"default_workflow_permissions": "read", "can_approve_pull_request_reviews": allowed}


def _workflow(number: int, file: str, status: str) -> State:
    return {"id": number, "name": file.partition(".")[0], "path": f".github/workflows/{file}", "state": status}


def _branch(state: State) -> State:
    """With branch protection; a ruleset is not in it (schema branch-with-protection)."""
    contexts = state["protection"]
    off: State = {
        "enabled": False,
        "required_status_checks": {"enforcement_level": "off", "contexts": [], "checks": []},
    }
    if contexts is None:
        return {"name": "main", "protected": False, "protection": off}
    checks = [{"context": context, "app_id": None} for context in contexts]
    required = {"enforcement_level": "non_admins", "contexts": contexts, "checks": checks}
    return {"name": "main", "protected": True, "protection": {"enabled": True, "required_status_checks": required}}


def _environment(state: State, path: str, query: dict[str, str]) -> Answer:
    name, _, rest = path.partition("/")
    kept = state["environments"].get(name)
    if kept is None or is_private_and_free(state):  # google/go-github, repos_environments.go: "the code is 404"
        return 404, {"message": "Not Found"}
    if rest == "variables":
        return _variables(state, kept["variables"], query)
    if rest == "deployment-branch-policies":
        policies = [{"id": number_of(branch), "name": branch, "type": "branch"} for branch in kept["branches"]]
        return _page(policies, "branch_policies", query, most=100)
    if rest:
        raise LookupError(rest)
    return 200, {"name": name, "protection_rules": _protection(kept), "deployment_branch_policy": kept["policy"]}


def number_of(branch: str) -> int:
    """The id of a branch's policy, which stays the same whatever others are removed."""
    return zlib.crc32(branch.encode())


def _protection(kept: State) -> list[State]:
    rules: list[State] = []
    if kept["policy"]:
        rules.append({"id": 1, "type": "branch_policy"})
    if kept["wait_timer"]:
        rules.append({"id": 2, "type": "wait_timer", "wait_timer": kept["wait_timer"]})
    if kept["reviewers"]:
        people = [{"type": one["type"], "reviewer": {"id": one["id"], "login": "x"}} for one in kept["reviewers"]]
        itself = kept.get("prevent_self_review", False)
        rules.append({"id": 3, "type": "required_reviewers", "prevent_self_review": itself, "reviewers": people})
    return rules


def _variables(state: State, values: dict[str, str], query: dict[str, str]) -> Answer:
    if state["role"] == "read":  # "users must have collaborator access to a repository to ... read variables"
        return 403, {"message": "Resource not accessible by personal access token"}
    listed = [{"name": name, "value": value} for name, value in sorted(values.items())]
    return _page(listed, "variables", query, most=30, default=10)  # parameter variables-per-page


def _page(items: list[Any], key: str, query: dict[str, str], most: int, default: int = 30) -> Answer:
    size = min(int(query.get("per_page", default)), most)
    first = (int(query.get("page", 1)) - 1) * size
    page = items[first : first + size]
    return 200, {"total_count": len(items), key: page} if key else page


def is_private_and_free(state: State) -> bool:
    return bool(state["visibility"] == "private" and state["plan"] == "free")
