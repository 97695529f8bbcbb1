"""A runner of GitHub's: act runs the steps of one job, which starts with an empty workspace and nothing installed.

What GitHub decides before a job starts (its needs, permissions, token, variables, environment) comes from `run.py`.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fakes.ran import Event
from tests.paths import ROOT

ACTIONS, COMMANDS = (Path(__file__).parent / name for name in ("actions", "commands"))
ACT = ROOT / ".tools/workflows/bin/act"
MACHINE = "/usr/bin:/bin"
"""Git, make, a shell, Node and jq, as on GitHub's machines; nothing of this project's environment."""

USES = re.compile(r"(?P<action>[\w.-]+/(?P<name>[\w.-]+))(?P<rest>/[\w./-]+)?@(?P<ref>[\w./-]+)")
KNOWN_TO_ACT = frozenset(
    [
        "action",
        "action_path",
        "action_ref",
        "action_repository",
        "actor",
        "api_url",
        "base_ref",
        "event",
        "event_name",
        "event_path",
        "graphql_url",
        "head_ref",
        "job",
        "job_name",
        "ref",
        "ref_name",
        "ref_type",
        "repository",
        "repository_owner",
        "retention_days",
        "run_attempt",
        "run_id",
        "run_number",
        "server_url",
        "sha",
        "token",
        "workflow",
        "workspace",
    ]
)
"""pkg/model/github_context.go of nektos/act: of any other property of `github` act says nothing, and goes on."""


@dataclass(frozen=True)
class RunnerJob:
    """What a runner is given: a workflow of one job, what its steps find, and where to keep what it needs."""

    workflow: Mapping[str, Any]
    event_name: str
    event: Mapping[str, Any]
    environment: Mapping[str, str]
    variables: Mapping[str, str]
    secrets: Mapping[str, str]
    actor: str
    facts: Mapping[str, Any]
    """What the stand-ins know about the job; see `run.py`."""
    files: Mapping[str, str]
    """The local actions of the commit, by path, to know which stand-ins are needed."""


def run_job(job: RunnerJob, folder: Path) -> tuple[tuple[Event, ...], dict[str, str], str]:
    """What act writes about one job, the job's outputs, and the address that it gives its environment.

    Args:
        job: What to run.
        folder: An empty one; the job's workspace is in it until the job has ended.
    """
    workflows = folder / ".github/workflows"
    workflows.mkdir(parents=True)
    (workflows / "job.yml").write_text(json.dumps(job.workflow), encoding="utf-8")
    (folder / "event.json").write_text(json.dumps(job.event), encoding="utf-8")
    (folder / "job.json").write_text(json.dumps(job.facts), encoding="utf-8")
    flags = {
        "--var": job.variables,
        "--env": {**_machine(folder), **job.environment},
        "--secret": job.secrets,
        "--local-repository": stand_ins(job.workflow, job.files),
    }
    order = [str(ACT), job.event_name, "--workflows", str(workflows / "job.yml"), "--actor", job.actor]
    order += ["--eventpath", str(folder / "event.json"), "--no-skip-checkout", "--no-cache-server", "--json"]
    for label in ("ubuntu-latest", "ubuntu-24.04", "ubuntu-24.04-arm"):
        order += ["--platform", f"{label}=-self-hosted"]
    for flag, values in flags.items():
        order += [part for name, value in values.items() for part in (flag, f"{name}={value}")]
    # Nothing of this machine's own environment but the tools: no keys, no home.
    machine = {"PATH": f"{COMMANDS}:{MACHINE}", "HOME": str(folder / "home"), "XDG_CACHE_HOME": str(folder / "cache")}
    done = subprocess.run(order, cwd=folder, env=machine, capture_output=True, text=True, check=False, timeout=1800)
    lines = [*done.stdout.splitlines(), *done.stderr.splitlines()]
    events = tuple(json.loads(line) for line in lines if line.startswith("{"))
    assert any("jobResult" in event for event in events), done.stdout + done.stderr
    handed_on = folder / "outputs.json"
    handed = json.loads(handed_on.read_text(encoding="utf-8")) if handed_on.exists() else {"outputs": {}, "url": ""}
    shutil.rmtree(folder)
    return events, handed["outputs"], handed["url"]


def result(events: Sequence[Event]) -> str:
    """How the job ended."""
    return str([event["jobResult"] for event in events if "jobResult" in event][-1])


def _machine(folder: Path) -> dict[str, str]:
    """What every job finds; uv's cache is this machine's, so that nothing fetched once is fetched again."""
    inherited = {name: value for name, value in os.environ.items() if name.startswith(("UV_", "SSL_CERT_"))}
    return {
        "UV_CACHE_DIR": str(Path.home() / ".cache/uv"),
        **inherited,
        "AWS_EC2_METADATA_DISABLED": "true",
        "GIT_CONFIG_NOSYSTEM": "1",
        # act gives its steps a terminal, GitHub none.
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_PAGER": "cat",
        "TERM": "dumb",
        "HUB_CODE": str(ACTIONS / "code"),
        "HUB_PYTHON": str(Path(sys._base_executable).resolve()),  # type: ignore[attr-defined]
        "HUB_ENVIRONMENT": sys.prefix,
        "HUB_TOOLS": str(ROOT / ".tools"),
        "HUB_JOB": str(folder / "job.json"),
        "RUNNER_ENVIRONMENT": "github-hosted",
    }


def stand_ins(workflow: Mapping[str, Any], files: Mapping[str, str]) -> dict[str, Path]:
    """The folder that stands for each foreign action that a job uses, itself or through actions of this repository."""
    found = {}
    for use in _uses(workflow, files):
        match = USES.fullmatch(use)
        assert match, f"{use}: neither an action of this repository nor one of another at a commit"
        folder = ACTIONS / match["name"]
        assert (folder / (match["rest"] or "").lstrip("/") / "action.yml").is_file(), (
            f"{use} has no stand-in in {folder}"
        )
        found[f"{match['action']}@{match['ref']}"] = folder
    return found


def _uses(content: Any, files: Mapping[str, str]) -> Iterator[str]:
    from tests.fakes.workflow_rules import read

    if isinstance(content, list):
        for item in content:
            yield from _uses(item, files)
    elif isinstance(content, dict):
        for key, value in content.items():
            if key != "uses":
                yield from _uses(value, files)
            elif not value.startswith("./"):
                yield value
            else:
                text = files.get(f"{value.removeprefix('./')}/action.yml")
                if text is None:
                    continue  # act says that it is not there, as GitHub does
                unknown = set(re.findall(r"\bgithub\.(\w+)", text)) - KNOWN_TO_ACT
                assert not unknown, f"{value}: act does not know github.{min(unknown)}; hand it in as an input"
                yield from _uses(read(text), files)
