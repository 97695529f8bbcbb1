"""A `gh` for PATH that answers from a repository's settings: `write_gh` puts it into a folder.

How `gh api` makes a request of its arguments, and what it prints and exits with: cli/cli, pkg/cmd/api/api.go and
fields.go, pkg/cmd/root/help.go; the other commands are in pkg/cmd/variable, workflow and repo there.
"""

import fcntl
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from tests.fakes.github_changes import write
from tests.fakes.github_settings import Answer, State, read
from tests.paths import ROOT

STATE = "GH_STATE"
"""The variable that names the file with the settings; what was asked is written beside it."""

LOG_IN = "To get started with GitHub CLI, please run:  gh auth login\n"
LOG_IN += "Alternatively, populate the GH_TOKEN environment variable with a GitHub API authentication token.\n"


def write_gh(folder: Path, state: State) -> dict[str, str]:
    """Write `gh` and the settings into a folder; the variables that a command needs to find both."""
    command = folder / "gh"
    # Not a copy of this file: Python keeps the bytecode of an imported module, and gh is started a thousand times.
    lines = ["import sys", f"sys.path.insert(0, {str(ROOT)!r})", "from tests.fakes.gh_command import main"]
    text = "\n".join([f"#!{sys.executable} -S", *lines, "sys.exit(main(sys.argv[1:]))", ""])
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
    paged = "--paginate" in options
    assert method == "GET" or not paged, "the `--paginate` option is not supported for non-GET requests"
    pages = [write(state, method, path, body) if method != "GET" else read(state, path + "?per_page=100" * paged)]
    while paged and pages[-1][0] == 200 and _has_next(pages):
        pages.append(read(state, f"{path}?per_page=100&page={len(pages) + 1}"))
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
