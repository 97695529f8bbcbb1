"""A repository's settings on GitHub, and a `gh` that answers from them: `write_gh` puts it into a folder of PATH.

The questions that `pipeline doctor` asks, and the few commands that `make bootstrap` prints. What each answer looks
like: GitHub's OpenAPI description (github/rest-api-description; its types are @octokit/openapi-types 29.0.1), unless
another source is named. Where the description is silent, the answer is the unkind one. How `gh api` makes a request of
its arguments: cli/cli, pkg/cmd/api/api.go and fields.go.
"""

import fcntl
import json
import os
import re
import sys
import zlib
from pathlib import Path
from typing import Any

State = dict[str, Any]
Answer = tuple[int, Any]

STATE = "GH_STATE"
"""The variable that names the file with the settings; what was asked is written beside it."""

ADMIN = "Must have admin rights to Repository."
UPGRADE = "Upgrade to GitHub Pro or make this repository public to enable this feature."
"""Of private repositories on Free: SoftEtherApp/SoftEther-Web#37, github/branch-deploy#345, ossf/allstar#37."""
NO_RULE = "Failed to create the environment protection rule. Please ensure the billing plan supports the required "
NO_RULE += "reviewers protection rule."
"""Of private repositories without Enterprise: alchemy-run/alchemy#1373; google/go-github, repos_environments.go."""
LOG_IN = "To get started with GitHub CLI, please run:  gh auth login\n"
LOG_IN += "Alternatively, populate the GH_TOKEN environment variable with a GitHub API authentication token.\n"


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


# ---- the API -------------------------------------------------------------------------------------------------------


def answer(state: State, method: str, path: str, body: Any) -> Answer:
    """Status and content of one request; a path that no test should ask for raises LookupError."""
    path, _, query = path.partition("?")
    if path == "user" and method == "GET":
        return 200, {"login": state["me"]["login"], "id": state["me"]["id"], "type": "User"}
    root, _, rest = path.removeprefix("repos/").partition("/")
    name, _, rest = rest.partition("/")
    if f"{root}/{name}".lower() != state["full_name"].lower() or state["role"] == "none":  # any case is found
        return 404, {"message": "Not Found"}
    if method == "GET":
        return _read(state, rest, dict(pair.split("=") for pair in query.split("&") if pair))
    return _write(state, method, rest, body)


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
        if _is_private_and_free(state):
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
    if kept is None or _is_private_and_free(state):  # google/go-github, repos_environments.go: "the code is 404"
        return 404, {"message": "Not Found"}
    if rest == "variables":
        return _variables(state, kept["variables"], query)
    if rest == "deployment-branch-policies":
        policies = [{"id": _number(branch), "name": branch, "type": "branch"} for branch in kept["branches"]]
        return _page(policies, "branch_policies", query, most=100)
    if rest:
        raise LookupError(rest)
    return 200, {"name": name, "protection_rules": _protection(kept), "deployment_branch_policy": kept["policy"]}


def _number(branch: str) -> int:
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


def _is_private_and_free(state: State) -> bool:
    return bool(state["visibility"] == "private" and state["plan"] == "free")


def _write(state: State, method: str, path: str, body: Any) -> Answer:
    if state["role"] != "admin":
        return 403, {"message": ADMIN}
    if path.startswith("environments/"):
        return _write_environment(state, method, path.removeprefix("environments/"), body)
    return _write_setting(state, f"{method} {path}", body)


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
    if _is_private_and_free(state):
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
        kept["branches"].remove(next(branch for branch in kept["branches"] if _number(branch) == int(number)))
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
    if _is_private_and_free(state):
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


# ---- the command ---------------------------------------------------------------------------------------------------


def write_gh(folder: Path, state: State) -> dict[str, str]:
    """Write `gh` and the settings into a folder; the variables that a command needs to find both."""
    command = folder / "gh"
    # Not a copy of this file: Python keeps the bytecode of an imported module, and gh is started a thousand times.
    lines = ["import sys", f"sys.path.insert(0, {str(Path(__file__).parent)!r})", "import github_settings as gh"]
    text = "\n".join([f"#!{sys.executable} -S", *lines, "sys.exit(gh.main(sys.argv[1:]))", ""])
    command.write_text(text, encoding="utf-8")
    command.chmod(0o755)
    (folder / "state.json").write_text(json.dumps(state), encoding="utf-8")
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", STATE: str(folder / "state.json")}


def asked(folder: Path) -> list[str]:
    """What was asked of it, as METHOD PATH."""
    file = folder / "state.json.asked"
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def main(arguments: list[str]) -> int:
    """What gh prints and exits with."""
    file = Path(os.environ[STATE])
    with file.open("r+", encoding="utf-8") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        state: State = json.load(stream)
        if state["me"] is None:
            sys.stderr.write(LOG_IN)
            return 4
        if state["unreachable"]:
            sys.stderr.write("error connecting to api.github.com\ncheck your internet connection\n")
            return 1
        code = COMMANDS[arguments[0]](state, arguments[1:], Path(f"{file}.asked"))
        stream.seek(0)
        stream.truncate()
        json.dump(state, stream)
    return code


def _variable(state: State, arguments: list[str], log: Path) -> int:
    """`gh variable set NAME --repo OWNER/NAME [--env NAME] --body VALUE`: made or replaced."""
    assert arguments[0] == "set", arguments
    options = dict(zip(arguments[2::2], arguments[3::2], strict=True))
    assert options.keys() <= {"--repo", "--env", "--body"}, options
    assert options["--repo"] == state["full_name"], options
    with log.open("a", encoding="utf-8") as stream:
        stream.write(f"variable {arguments[1]}\n")
    if "--env" in options and options["--env"] not in state["environments"]:
        sys.stderr.write("failed to set variable: HTTP 404: Not Found\n")
        return 1
    values = state["environments"][options["--env"]]["variables"] if "--env" in options else state["variables"]
    values[arguments[1]] = options["--body"]
    return 0


def _workflow_enable(state: State, arguments: list[str], log: Path) -> int:
    """`gh workflow enable FILE --repo OWNER/NAME`: in whatever state the file is."""
    action, file, option, name = arguments
    assert (action, option, name) == ("enable", "--repo", state["full_name"]), arguments
    log.open("a", encoding="utf-8").write(f"workflow {file}\n")
    if file not in state["workflows"]:
        sys.stderr.write("HTTP 404: Not Found\n")
        return 1
    state["workflows"][file] = "active"
    return 0


def _repo_edit(state: State, arguments: list[str], log: Path) -> int:
    assert arguments == ["edit", state["full_name"], "--enable-issues"], arguments
    log.open("a", encoding="utf-8").write("repo edit\n")
    state["has_issues"] = True
    return 0


def _api(state: State, arguments: list[str], log: Path) -> int:
    fields, options, path = [], dict[str, str](), ""
    left = iter(arguments)
    for argument in left:
        if argument in {"-F", "--field", "-f", "--raw-field"}:
            fields.append((argument in {"-F", "--field"}, next(left)))
        elif argument in {"--method", "-X", "--hostname", "--jq", "-q", "--input"}:
            options[argument] = next(left)
        elif argument in {"--silent", "--paginate"}:
            options[argument] = ""
        else:
            assert not argument.startswith("-"), argument
            assert not path, arguments
            path = argument
    assert options.get("--hostname", "github.com") == "github.com", options
    assert not {"--silent", "--jq"} <= options.keys(), (
        "only one of --template, --jq, --silent, or --verbose may be used"
    )
    method = options.get("--method", "POST" if fields or "--input" in options else "GET")
    with log.open("a", encoding="utf-8") as stream:
        stream.write(f"{method} {path}\n")
    # Strings are set before typed values, whatever their order in the command: parseFields.
    body = parsed(sorted(fields, key=lambda field: field[0])) if fields else None
    if "--input" in options:
        assert (options["--input"], fields) == ("-", []), arguments
        body = json.load(sys.stdin)
    pages = [answer(state, method, f"{path}?per_page=100" if "--paginate" in options else path, body)]
    while "--paginate" in options and pages[-1][0] == 200 and _has_next(pages):
        pages.append(answer(state, method, f"{path}?per_page=100&page={len(pages) + 1}", body))
    status, content = pages[-1]
    if status > 299:
        sys.stdout.write(json.dumps(content) if content else "")
        words = f"{content['message']} (HTTP {status})" if content else f"HTTP {status}"
        sys.stderr.write(f"gh: {words}\n")
        return 1
    if "--jq" in options:
        sys.stdout.writelines(f"{line}\n" for line in _jq(options["--jq"], content))
    elif "--silent" not in options:
        merged = [item for _, page in pages for item in page] if isinstance(content, list) else None
        # gh joins the pages of a list into one list; objects it prints one after the other.
        sys.stdout.write(json.dumps(merged) if merged is not None else "".join(json.dumps(page) for _, page in pages))
    return 0


def _has_next(pages: list[Answer]) -> bool:
    content = pages[-1][1]
    if isinstance(content, list):
        return len(content) == 100
    (key,) = content.keys() - {"total_count"}
    return bool(sum(len(page[key]) for _, page in pages) < content["total_count"])


def parsed(fields: list[tuple[bool, str]]) -> State:
    """The body that `-f` and `-F` make: `a[b]=c` is nested, `a[]=b` is an item, `-F` has numbers and truth values."""
    body: State = {}
    for typed, field in fields:
        key, _, text = field.partition("=")
        first, *inner = re.findall(r"^[^\[]+|\[([^\]]*)\]", key) or [key]
        names = [key.partition("[")[0], *inner] if inner else [first or key]
        value = {"true": True, "false": False, "null": None}.get(text, text) if typed else text
        value = int(text) if typed and re.fullmatch(r"[+-]?\d+", text) else value
        place: Any = body
        for name, follower in zip(names, [*names[1:], None], strict=True):
            place = _stepped(place, name, follower, value)
    return body


def _stepped(place: Any, name: str, follower: str | None, value: Any) -> Any:
    """One step of a key: into an object, or, for an empty name, into the list's last item or a new one."""
    if name:
        if follower is None:
            assert name not in place, f"unexpected override existing field under {name!r}"
            place[name] = value
            return None
        return place.setdefault(name, [] if not follower else {})
    if follower is None:
        place.append(value)
        return None
    if not place or follower in place[-1]:
        place.append({})
    return place[-1]


def _jq(expression: str, content: Any) -> list[str]:
    """As much of jq as `.a[].b`."""
    values = [content]
    for step in re.findall(r"\.(\w+)|(\[\])", expression):
        values = [part for value in values for part in (value if step[1] else [value[step[0]]])]
    return [value if isinstance(value, str) else json.dumps(value) for value in values]


COMMANDS = {"api": _api, "variable": _variable, "workflow": _workflow_enable, "repo": _repo_edit}
