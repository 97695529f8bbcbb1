"""Stands for actions/checkout 7: fetches the event's commit from where GitHub's server is, alone unless told otherwise.

Which refs it fetches and what it then checks out: src/ref-helper.ts of actions/checkout.
"""

import base64
import os
import subprocess
from pathlib import Path

from standing import fail, given

SERVER, REPOSITORY, REF, SHA = (os.environ[f"GITHUB_{name}"] for name in ("SERVER_URL", "REPOSITORY", "REF", "SHA"))


def git(*arguments: str) -> str:
    """What git answers."""
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        fail(f"The process '/usr/bin/git' failed with exit code {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()


if given("repository") not in {"", REPOSITORY}:
    fail(f"Not found: {given('repository')}")
folder = Path(os.environ["GITHUB_WORKSPACE"], given("path"))
folder.mkdir(parents=True, exist_ok=True)
for path in folder.iterdir() if not (folder / ".git").exists() else []:
    fail(f"{path}: the workspace is not empty, and the real action deletes what is there")
depth = int(given("fetch_depth") or 1)
limit = [f"--depth={depth}"] if depth > 0 else []

# With a ref of its own the commit is not the event's.
ref, commit = (given("ref"), "") if given("ref") else (REF, SHA)
if len(ref) == 40 and set(ref) <= set("0123456789abcdef"):
    ref, commit = "", ref
if ref and not ref.startswith("refs/"):
    ref = f"refs/heads/{ref}"
kind, _, name = ref.removeprefix("refs/").partition("/")
target = {"heads": f"refs/remotes/origin/{name}", "pull": f"refs/remotes/pull/{name}"}.get(kind, "")
wanted = f"+{commit or ref}:{target}" if target else (commit or f"+{ref}:{ref}")
everything = ["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"]

if not (folder / ".git").exists():
    git("init", "--quiet")
    git("remote", "add", "origin", f"{SERVER}/{REPOSITORY}")
basic = base64.b64encode(f"x-access-token:{given('token')}".encode()).decode()
header = f"http.{SERVER}/.extraheader"
git("config", "--local", header, f"AUTHORIZATION: basic {basic}")
fetch = ("fetch", "--quiet", "--no-tags", "--prune", *limit, "origin")
if depth <= 0:
    git(*fetch, *everything)
# Of a branch that moved on, or of no branch, the commit is fetched by itself.
if depth > 0 or kind != "heads" or (commit and git("rev-parse", target) != commit):
    git(*fetch, wanted)
if kind == "heads":
    git("checkout", "--quiet", "--force", "-B", name, target)
else:
    git("checkout", "--quiet", "--force", "--detach", target or commit or ref)
if given("persist_credentials") == "false":
    git("config", "--local", "--unset-all", header)
print(git("log", "-1", "--format=%H"))
