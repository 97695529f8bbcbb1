"""Workflows, the runs that they start, and what a pull request needs before it can be merged."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from tests.fakes.github.answers import BOT, RefusedError, Request, answers
from tests.fakes.github.events import event
from tests.fakes.github.git_data import WORKFLOWS, asked_git
from tests.paths import ROOT

if TYPE_CHECKING:
    from tests.fakes.github import FakeGitHub

REQUIRED = {"ci.yml": "ci", "pull-request.yml": "model"}
"""The required check that each workflow's last job is named after."""

LONGEST_DESCRIPTION = 140


@dataclass
class Run:
    """A run of a workflow: `event` started it, `login` is who caused the event; no conclusion until it has ended."""

    workflow: str
    event: str
    branch: str
    sha: str
    login: str
    conclusion: str | None = None

    @property
    def counts(self) -> bool:
        """Whether its check runs count for a pull request.

        Those of a dispatched run do not, though they are on the very commit.
        Sources: ThemeParks/ThemeParks_JavaScript#37, pfBlockerNG/pfBlockerNG#911, artis-mcrt/artis#455.
        """
        return self.event != "workflow_dispatch"


def triggers(fake: "FakeGitHub", workflow: str, branch: str) -> dict[str, Any] | None:
    """What starts a workflow, as its file on a branch says; a fake without a repository has the project's own files."""
    if fake.root:
        text = asked_git(fake, "show", f"refs/heads/{branch}:{WORKFLOWS}/{workflow}")
    else:
        path = ROOT / WORKFLOWS / workflow
        text = path.read_text(encoding="utf-8") if path.is_file() else None
    if text is None:
        return None
    content = YAML(typ="safe", pure=True).load(text)
    on = content.get("on", content.get(True))
    return dict(on) if isinstance(on, dict) else dict.fromkeys([on] if isinstance(on, str) else on)


@answers(r"POST /actions/workflows/([\w.-]+)/dispatches", "actions:write")
def dispatch(fake: "FakeGitHub", request: Request) -> Any:
    """Sources: octokit/octokit.js#2286 (404), benc-uk/workflow-dispatch#72 (disabled), day8/re-frame2#9287 (no ref),
    elastic/terraform-provider-elasticstack#1829 (no trigger), benc-uk/workflow-dispatch#80 (inputs).
    """
    workflow, branch = request.parts[0], request.body["ref"]
    if triggers(fake, workflow, "main") is None:
        raise RefusedError(404, "Not Found")
    if workflow in fake.disabled:
        raise RefusedError(422, "Cannot trigger a 'workflow_dispatch' on a disabled workflow")
    sha = fake.sha_of(branch) if fake.root else ""
    if sha is None:
        raise RefusedError(422, f"No ref found for: {branch}")
    on = triggers(fake, workflow, branch) or {}
    if "workflow_dispatch" not in on:
        raise RefusedError(422, "Workflow does not have 'workflow_dispatch' trigger")
    inputs, known = request.body.get("inputs", {}), ((on["workflow_dispatch"] or {}).get("inputs") or {})
    if unexpected := [name for name in inputs if name not in known]:
        raise RefusedError(422, f"Unexpected inputs provided: {json.dumps(unexpected)}")
    if missing := [name for name, value in known.items() if value.get("required") and name not in inputs]:
        raise RefusedError(422, f"Required input '{missing[0]}' not provided")
    fake.asked.append("start")
    fake.started.append((workflow, dict(request.body)))
    fake.runs.append(Run(workflow, "workflow_dispatch", branch, sha, request.token.login))
    return 204, None


@answers(r"POST /statuses/([0-9a-f]{40})", "statuses:write")
def create_status(fake: "FakeGitHub", request: Request) -> Any:
    """Source: docs.github.com/en/rest/commits/statuses; inaka/erlang-github#42 (length)."""
    if request.body["state"] not in {"error", "failure", "pending", "success"}:
        raise RefusedError(422, "Validation Failed")
    if len(request.body.get("description", "")) > LONGEST_DESCRIPTION:
        raise RefusedError(422, "Validation Failed", {"message": "description is too long (maximum is 140 characters)"})
    if fake.root and asked_git(fake, "cat-file", "-t", request.parts[0]) != "commit":
        raise RefusedError(422, f"No commit found for SHA: {request.parts[0]}")
    fake.asked.append("status")
    fake.statuses.append({"sha": request.parts[0], **request.body})
    return 201, {}


def start_runs(fake: "FakeGitHub", name: str, branch: str, sha: str, login: str) -> None:
    """The runs that an event starts.

    A commit of a workflow's token starts none, but for pull requests, whose runs wait until a person approves them.
    Source: docs.github.com/en/actions/concepts/security/github_token since 2026-06-11, web-platform-tests/wpt#60613;
    SpillwaveSolutions/wiki_ticket_sdd#409 saw them wait.
    """
    if login == BOT and name != "pull_request":
        return
    listed = asked_git(fake, "ls-tree", "--name-only", f"refs/heads/{branch}:{WORKFLOWS}") or ""
    for workflow in listed.split():
        on = triggers(fake, workflow, branch) or {}
        branches = ((on.get(name) or {}).get("branches") if name == "push" else None) or [branch]
        if name in on and branch in branches:
            waits = "action_required" if login == BOT else None
            fake.runs.append(Run(workflow, name, branch, sha, login, waits))


def finished(run: Run, conclusion: str) -> dict[str, Any] | None:
    """End a run; the event of type `workflow_run` that GitHub tells of it.

    None for a run that a workflow's token started, which is not told: formatjs/formatjs#7137, FStarLang/pal#270,
    software-mansion/rnrepo#41.
    """
    run.conclusion = conclusion
    if run.login == BOT:
        return None
    return event(sha=run.sha, conclusion=conclusion, started_by=run.event, workflow=run.workflow, branch=run.branch)


@answers(r"GET /actions/runs/(\d+)", "actions:read")
def read_run(fake: "FakeGitHub", request: Request) -> Any:
    """Source: docs.github.com/en/rest/actions/workflow-runs; runs are numbered from 1 here."""
    number = int(request.parts[0])
    if number in fake.ended:
        return fake.ended[number]
    if not 0 < number <= len(fake.runs):
        raise RefusedError(404, "Not Found")
    run = fake.runs[number - 1]
    told = event(sha=run.sha, started_by=run.event, workflow=run.workflow, branch=run.branch)["workflow_run"]
    status = "completed" if run.conclusion else "in_progress"
    return {**told, "id": number, "conclusion": run.conclusion, "status": status}


def mergeable(fake: "FakeGitHub", number: int, required: tuple[str, ...] = ("ci", "model")) -> bool:
    """Whether each required check is green on the pull request's newest commit.

    A status of the very name will do, also where a rule wants it from GitHub Actions: cloudflare/capnweb#206,
    SpillwaveSolutions/wiki_ticket_sdd#409.
    """
    sha = next(item["head"]["sha"] for item in fake.pulls if item["number"] == number)
    checks = [
        (REQUIRED.get(run.workflow), run.conclusion)
        for run in fake.runs
        if run.sha == sha and run.counts and run.conclusion != "action_required"
    ]
    statuses = {item["context"]: item["state"] for item in fake.statuses if item["sha"] == sha}  # the newest counts
    found = [*checks, *statuses.items()]
    states = {wanted: {state for name, state in found if name == wanted} for wanted in required}
    return all(seen == {"success"} for seen in states.values())
