"""Stands for the gh of GitHub's machines, as far as the workflows call it: attestation verify, workflow run, api."""

import hashlib
import json
import os
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import NoReturn

from standing import HUB, PERMISSIONS, note

VALUES = {
    "attestation verify": ("--repo", "--signer-workflow", "--source-ref", "--source-digest"),
    "workflow run": ("--repo", "--ref", "--field", "--raw-field"),
    "api": ("--method", "--field", "--raw-field", "--header", "--jq", "--input"),
}
FLAGS = {"attestation verify": ("--deny-self-hosted-runners",), "workflow run": (), "api": ("--silent",)}
SHORT = {"-R": "--repo", "-r": "--ref", "-f": "--raw-field", "-F": "--field", "-X": "--method", "-H": "--header"}
SHORT |= {"-q": "--jq"}


def fail(message: str, code: int = 1) -> NoReturn:
    """End as gh ends."""
    print(message, file=sys.stderr)
    sys.exit(code)


def read(command: str, words: list[str]) -> tuple[list[str], dict[str, list[str]]]:
    """The arguments of a command, and its options with all their values."""
    given, options, waiting = [], {}, words[:]
    while waiting:
        word, _, value = waiting.pop(0).partition("=") if waiting[0].startswith("--") else (waiting.pop(0), "", "")
        word = SHORT.get(word, word)
        if word in VALUES[command]:
            options.setdefault(word, []).append(value or waiting.pop(0))
        elif word in FLAGS[command]:
            options[word] = ["yes"]
        elif word.startswith("-"):
            fail(f"unknown flag: {word}", 2)
        else:
            given.append(word)
    return given, options


def verify(words: list[str]) -> None:
    """https://cli.github.com/manual/gh_attestation_verify: what each option compares."""
    (file,), options = read("attestation verify", words)
    if options.keys().isdisjoint({"--repo"}):
        fail("must provide one of --owner or --repo", 2)
    wanted = {name: values[-1] for name, values in options.items()}
    if PERMISSIONS.get("attestations") not in {"read", "write"}:
        fail("Error: failed to fetch attestations: HTTP 403: Resource not accessible by integration")
    try:
        digest = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError as error:
        fail(f"Error: failed to open local artifact: {error}")
    note("asked", f"{Path(wanted.get('--signer-workflow', '')).stem} {digest}")
    path = HUB / "attested"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    signed = [item for item in map(json.loads, lines) if item["digest"] == digest]
    signed = [item for item in signed if item["repository"].casefold() == wanted["--repo"].casefold()]
    if not signed:
        fail(f"Error: no attestations found for subject sha256:{digest}: HTTP 404: Not Found")
    compared = {"--signer-workflow": "signer", "--source-ref": "ref", "--source-digest": "sha"}
    for option, key in compared.items():
        if option in wanted:
            signed = [item for item in signed if item[key] == wanted[option].removeprefix("https://github.com/")]
            if not signed:
                fail(f'Error: verifying with issuer "sigstore.dev": expected {key} to be {wanted[option]}')
    print(f"Loaded digest sha256:{digest} for file://{file}\nVerification succeeded!")


def fields(options: dict[str, list[str]]) -> dict[str, object]:
    """The fields of a request: --field knows numbers, booleans, null and files, --raw-field only texts."""
    body: dict[str, object] = dict(item.split("=", 1) for item in options.get("--raw-field", []))
    for item in options.get("--field", []):
        key, value = item.split("=", 1)
        simple = value in {"true", "false", "null"} or re.fullmatch(r"-?\d+", value)
        body[key] = json.loads(value) if simple else Path(value[1:]).read_text() if value.startswith("@") else value
    return body


def call(method: str, path: str, body: object) -> str:
    """What GitHub's API answers."""
    url = f"{os.environ['GITHUB_API_URL']}/{path.lstrip('/')}"
    headers = {"Authorization": f"Bearer {os.environ['GH_TOKEN']}", "Content-Type": "application/json"}
    content = json.dumps(body).encode() if body not in (None, {}) and method != "GET" else None
    if body and method == "GET":
        url += "?" + urllib.parse.urlencode(body)
    try:
        with urllib.request.urlopen(urllib.request.Request(url, content, headers, method=method)) as reply:
            return reply.read().decode()
    except urllib.error.HTTPError as error:
        text = error.read().decode()
        message = json.loads(text or "{}").get("message", "")
        print(text)
        fail(f"gh: {message} (HTTP {error.code})")


def run(words: list[str]) -> None:
    """`gh workflow run FILE`: on the default branch, unless --ref names another."""
    (file,), options = read("workflow run", words)
    body = {"ref": options.get("--ref", ["main"])[-1], "inputs": fields(options)}
    repository = options.get("--repo", [os.environ["GITHUB_REPOSITORY"]])[-1]
    call("POST", f"repos/{repository}/actions/workflows/{file}/dispatches", body)


def api(words: list[str]) -> None:
    """`gh api PATH`: GET, or POST where there are fields."""
    (path,), options = read("api", words)
    body: object = fields(options)
    if "--input" in options:
        source = options["--input"][-1]
        body = json.loads(sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8"))
    method = options.get("--method", ["POST" if body else "GET"])[-1]
    answer = call(method, path.replace("{owner}/{repo}", os.environ["GITHUB_REPOSITORY"]), body)
    if "--jq" in options:
        import subprocess

        done = subprocess.run(["jq", "--raw-output", options["--jq"][-1]], input=answer, text=True, check=False)
        sys.exit(done.returncode)
    if "--silent" not in options:
        print(answer)


if not (os.environ.get("GH_TOKEN") or os.environ.get("GITHUB_TOKEN")):
    fail("gh: To use GitHub CLI in a GitHub Actions workflow, set the GH_TOKEN environment variable.", 4)
os.environ.setdefault("GH_TOKEN", os.environ.get("GITHUB_TOKEN", ""))
COMMANDS = {("attestation", "verify"): verify, ("workflow", "run"): run}
if tuple(sys.argv[1:3]) in COMMANDS:
    COMMANDS[sys.argv[1], sys.argv[2]](sys.argv[3:])
elif sys.argv[1:2] == ["api"]:
    api(sys.argv[2:])
else:
    fail(f"gh: not expected: {' '.join(sys.argv[1:])}", 2)
