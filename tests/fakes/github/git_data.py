"""Blobs, trees, commits and refs, kept in a real git repository: what is a fast forward, git itself decides."""

import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.fakes.github.answers import BOT, RefusedError, Request, answers

if TYPE_CHECKING:
    from tests.fakes.github import FakeGitHub

# Source: docs.github.com/en/rest/git/trees, "mode".
MODES = {"100644", "100755", "040000", "160000", "120000"}
# Source: github/rest-api-description#33 and #3975.
MOST_FILES = 300
WORKFLOWS = ".github/workflows"


def run_git(root: Path, *arguments: str, given: bytes | None = None, **environment: str) -> str | None:
    """What git answers; None where it refuses."""
    order = ["git", "-c", "user.name=GitHub", "-c", "user.email=noreply@github.com", *arguments]
    done = subprocess.run(
        order, cwd=root, input=given, capture_output=True, check=False, env={**os.environ, **environment}
    )
    return None if done.returncode else done.stdout.decode().strip()


def asked_git(fake: "FakeGitHub", *arguments: str, **environment: str) -> str | None:
    """What the repository answers; a fake without one has none of it."""
    return run_git(fake.root, *arguments, **environment) if fake.root else None


@answers(r"GET /git/ref/(.+)")
def read_ref(fake: "FakeGitHub", request: Request) -> Any:
    name = f"refs/{request.parts[0]}"
    sha = asked_git(fake, "rev-parse", "--verify", "--quiet", name)
    if sha is None:
        raise RefusedError(404, "Not Found")
    return {"ref": name, "object": {"type": "commit", "sha": sha}}


@answers("POST /git/refs", "contents:write")
def create_ref(fake: "FakeGitHub", request: Request) -> Any:
    """Sources: gm3dmo/the-power#16 (exists), octokit/octokit.js#562 (object)."""
    name, sha = request.body["ref"], request.body["sha"]
    if not name.startswith("refs/heads/"):
        raise RefusedError(422, "Reference name must start with 'refs/'")
    if asked_git(fake, "rev-parse", "--verify", "--quiet", name):
        raise RefusedError(422, "Reference already exists")
    if asked_git(fake, "cat-file", "-t", sha) != "commit":
        raise RefusedError(422, "Object does not exist")
    refuse_workflows(fake, fake.sha_of("main") or sha, sha, request)
    fake.asked.append("branch")
    fake.push(name.removeprefix("refs/heads/"), sha, request.token.login)
    return 201, {"ref": name, "object": {"type": "commit", "sha": sha}}


@answers(r"PATCH /git/refs/(.+)", "contents:write")
def move_ref(fake: "FakeGitHub", request: Request) -> Any:
    """Sources: philschatz/octokit.js#21 (fast forward), rust-lang/bors#591 (no such branch), and for what protects one
    47degrees/sbt-org-policies#263 (protection) and Mic92/gitea-mq#91 (rulesets).
    """
    name, sha = request.parts[0].removeprefix("heads/"), request.body["sha"]
    before = fake.sha_of(name)
    if before is None:
        raise RefusedError(422, "Reference does not exist")
    if asked_git(fake, "cat-file", "-t", sha) != "commit":
        raise RefusedError(422, "Object does not exist")
    if not request.body.get("force") and asked_git(fake, "merge-base", "--is-ancestor", before, sha) is None:
        raise RefusedError(422, "Update is not a fast forward")
    if why := fake.protected.get(name):
        raise RefusedError(fake.protected_status, why)
    refuse_workflows(fake, before, sha, request)
    fake.asked.append("move")
    fake.push(name, sha, request.token.login)
    return {"ref": f"refs/heads/{name}", "object": {"type": "commit", "sha": sha}}


def refuse_workflows(fake: "FakeGitHub", before: str, after: str, request: Request) -> None:
    """A workflow's token cannot change a workflow, nor make a branch whose workflows are not main's.

    Source: stefanzweifel/git-auto-commit-action#322, wildfly/wildfly.org#549.
    """
    changed = asked_git(fake, "diff", "--name-only", before, after, "--", WORKFLOWS)
    if changed and request.token.login == BOT:
        name = changed.splitlines()[0]
        why = f"refusing to allow a GitHub App to create or update workflow `{name}` without `workflows` permission"
        raise RefusedError(403, why)


@answers(r"GET /git/commits/([0-9a-f]{40})")
def read_commit(fake: "FakeGitHub", request: Request) -> Any:
    text = asked_git(fake, "show", "--no-patch", "--format=%T%n%P%n%an%n%ae%n%B", request.parts[0])
    if text is None:
        raise RefusedError(404, "Not Found")
    tree, parents, name, email, message = text.split("\n", 4)
    return {
        "sha": request.parts[0],
        "tree": {"sha": tree},
        "parents": [{"sha": sha} for sha in parents.split()],
        "author": {"name": name, "email": email},
        "message": message,
    }


@answers(r"GET /git/trees/([0-9a-f]{40})")
def read_tree(fake: "FakeGitHub", request: Request) -> Any:
    recursive = ["-r"] if request.query.get("recursive") else []
    text = asked_git(fake, "ls-tree", *recursive, request.parts[0])
    if text is None:
        raise RefusedError(404, "Not Found")
    entries = [line.replace("\t", " ").split(" ", 3) for line in text.splitlines()]
    tree = [{"mode": mode, "type": kind, "sha": sha, "path": path} for mode, kind, sha, path in entries]
    return {"sha": request.parts[0], "tree": tree, "truncated": False}


@answers("POST /git/trees", "contents:write")
def create_tree(fake: "FakeGitHub", request: Request) -> Any:
    """Sources: sigmavirus24/github3.py#522 (base), octokit/octokit.net#2836 (neither or both),
    mckaywrigley/buildware-ai#29 (a file to delete that is not there), github-tools/github#533 (mode and type).
    """
    base = request.body.get("base_tree")
    assert fake.root
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": f"{folder}/index"}
        if base and asked_git(fake, "read-tree", base, **index) is None:
            raise RefusedError(422, "base_tree is not a valid tree oid")
        for entry in request.body["tree"]:
            if entry["mode"] not in MODES or entry["type"] not in {"blob", "tree", "commit"}:
                raise RefusedError(422, "Must supply a valid tree.mode")
            if ("sha" in entry) == ("content" in entry):
                raise RefusedError(422, "Must supply either tree.sha or tree.content.")
            if "sha" in entry and entry["sha"] is None:
                if not asked_git(fake, "ls-files", "--", entry["path"], **index):
                    raise RefusedError(422, "GitRPC::BadObjectState")
                asked_git(fake, "update-index", "--force-remove", "--", entry["path"], **index)
                continue
            sha = entry.get("sha") or run_git(
                fake.root, "hash-object", "-w", "--stdin", given=entry["content"].encode()
            )
            order = ("update-index", "--add", "--cacheinfo", f"{entry['mode']},{sha},{entry['path']}")
            if asked_git(fake, *order, **index) is None:
                raise RefusedError(422, f"tree.sha {sha} is not a valid {entry['type']}")
        return 201, {"sha": asked_git(fake, "write-tree", **index)}


@answers("POST /git/commits", "contents:write")
def create_commit(fake: "FakeGitHub", request: Request) -> Any:
    """Without an author it is the token's own, and GitHub signs it. Source: fern-api/fern#16482."""
    parents = [part for sha in request.body["parents"] for part in ("-p", sha)]
    login = request.token.login
    given = request.body.get("author", {"name": login, "email": f"1+{login}@users.noreply.github.com"})
    author = {"GIT_AUTHOR_NAME": given["name"], "GIT_AUTHOR_EMAIL": given["email"]}
    order = ("commit-tree", request.body["tree"], *parents, "-m", request.body["message"])
    sha = asked_git(fake, *order, **author)
    if sha is None:
        raise RefusedError(422, "Tree SHA does not exist")
    fake.asked.append("commit")
    return 201, {"sha": sha, "tree": {"sha": request.body["tree"]}}


@answers(r"GET /compare/([^.]+)\.\.\.(.+)")
def compare(fake: "FakeGitHub", request: Request) -> Any:
    """What the second changed since it left the first; at most 300 files, whatever the page."""
    first, second = (
        asked_git(fake, "rev-parse", "--verify", "--quiet", f"{part}^{{commit}}") for part in request.parts
    )
    shared = asked_git(fake, "merge-base", first, second) if first and second else None
    if shared is None:
        raise RefusedError(404, "Not Found")
    text = asked_git(fake, "diff", "--name-status", "--find-renames", shared, second or "") or ""
    files = []
    for status, *names in (line.split("\t") for line in text.splitlines()):
        before = {"previous_filename": names[0]} if status.startswith("R") else {}
        files.append({"filename": names[-1], "status": status[0], **before})
    states = {first == second: "identical", shared == first != second: "ahead", shared == second != first: "behind"}
    return {"status": states.get(True, "diverged"), "files": files[:MOST_FILES]}
