"""What happens on GitHub, and which workflow it starts: a push, a pull request, a click, a time, the end of a run."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.fakes.git_host import GitHost, serving_git
from tests.fakes.github import BOT, REPOSITORY, TOKEN, FakeGitHub, pull, serving
from tests.fakes.github.answers import RefusedError, answer
from tests.fakes.origin import Origin
from tests.fakes.ran import Ran
from tests.fakes.repository_settings import RepositorySettings
from tests.fakes.run import Order, Run
from tests.fakes.workflow_rules import read, starts, triggers


@dataclass(frozen=True)
class Events:
    """The part of `Hub` that makes events and starts runs."""

    root: Path
    s3: str
    settings: RepositorySettings

    @property
    def origin(self) -> Origin:
        """The repository on GitHub."""
        raise NotImplementedError

    def send(self, branch: str) -> str:
        """Push HEAD to a branch, without what that starts; the commit."""
        raise NotImplementedError

    @cached_property
    def github(self) -> FakeGitHub:
        """What answers the API: issues, comments, commits, and what was started."""
        return FakeGitHub(root=self.origin.folder)

    def run_folder(self, number: int) -> Path:
        """What a run left behind."""
        return self.root / f"runs/{number}"

    @property
    def artifacts(self) -> Path:
        """The artifacts of the latest run: a folder for each."""
        numbers = [int(path.name) for path in (self.root / "runs").glob("*")]
        return self.run_folder(max(numbers, default=0)) / "artifacts"

    def written(self, name: str) -> list[str]:
        """The lines that a stand-in wrote down: roles, asked, attested."""
        path = self.root / name
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    @property
    def attestations(self) -> list[dict[str, str]]:
        """What was signed: digest, name, signer (the workflow file of the job), ref, sha and event."""
        return [json.loads(line) for line in self.written("attested")]

    # ---- what people and GitHub do -----------------------------------------------------------------------------------

    def push(
        self,
        workflow: str = "retrain",
        *,
        branch: str = "main",
        actor: str = "somebody",
        **variables: str,
    ) -> Ran:
        """Push HEAD of the person's clone to a branch, and run one of the workflows that this starts."""
        before = self.origin.head(branch)
        sha = self.send(branch)
        event = {"ref": f"refs/heads/{branch}", "before": before or "0" * 40, "after": sha, "deleted": False}
        changed = self.origin.changed(before, sha) if before else None
        order = Order(workflow, "push", event, f"refs/heads/{branch}", sha, actor)
        return self._if_started(order, branch, changed, "", variables)

    def dispatch(
        self,
        workflow: str,
        inputs: Mapping[str, str] | None = None,
        *,
        branch: str = "main",
        actor: str = "somebody",
        **variables: str,
    ) -> Ran:
        """Start a workflow by hand, or with `gh workflow run`, on a branch."""
        if refused := self.refuse_dispatch(f"{workflow}.yml", branch, inputs or {}):
            return Ran(workflow, refused=refused)
        sha = self.origin.head(branch)
        event = {"inputs": dict(inputs or {}), "ref": f"refs/heads/{branch}"}
        order = Order(workflow, "workflow_dispatch", event, f"refs/heads/{branch}", sha, actor)
        return self._start(order, variables)

    def schedule(self, workflow: str, **variables: str) -> Ran:
        """The time has come."""
        order = Order(workflow, "schedule", {"schedule": "* * * * *"}, "refs/heads/main", self.origin.head("main"))
        return self._if_started(order, "main", None, "", variables)

    def pull_request(
        self,
        workflow: str = "pull-request",
        *,
        number: int = 7,
        branch: str = "change",
        repository: str = REPOSITORY,
        actor: str = "somebody",
        action: str = "synchronize",
        **variables: str,
    ) -> Ran:
        """Push HEAD to the branch of a pull request into main, of this repository or of a fork.

        The base that GitHub names is main's head of the first time; what is checked out is the merge with today's main.
        """
        fork = repository != REPOSITORY
        sha = self.send(f"{repository.split('/', maxsplit=1)[0]}-{branch}" if fork else branch)
        self.origin.git("update-ref", f"refs/pull/{number}/head", sha)
        merge = self.origin.merge(number, "main")
        if not merge:
            return Ran(workflow, refused=f"refs/pull/{number}/merge: this branch has conflicts with main")
        head = {"sha": sha, "ref": branch, "repo": {"full_name": repository, "fork": fork, "id": 33 if fork else 22}}
        head["label"] = f"{repository.split('/', maxsplit=1)[0]}:{branch}"
        others = [item for item in self.github.pulls if item["number"] != number]
        self.github.pulls[:] = [*others, pull(number, repository.split("/", maxsplit=1)[0], sha, branch=branch)]
        base = {"sha": self._base(number), "ref": "main", "repo": {"full_name": REPOSITORY}}
        request = {"number": number, "base": base, "head": head, "user": {"login": actor}, "merge_commit_sha": merge}
        event = {"action": action, "number": number, "pull_request": request}
        order = Order(workflow, "pull_request", event, f"refs/pull/{number}/merge", merge, actor, fork, "main", branch)
        changed = self.origin.changed(self.origin.head("main"), sha, since_they_parted=True)
        return self._if_started(order, "main", changed, action, variables)

    def _base(self, number: int) -> str:
        """Main's head when the pull request was opened; `pull_request.base.sha` stays behind when main moves on.

        https://github.com/lablup/backend.ai/pull/11862
        """
        path = self.root / f"pulls/{number}"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_text(self.origin.head("main"), encoding="utf-8")
        return path.read_text(encoding="utf-8")

    def merge_group(
        self, workflow: str = "pull-request", *, number: int = 7, **variables: str
    ) -> Ran:
        """A pull request enters the merge queue: its commit is merged with main on a branch of the queue's own."""
        sha, main = self.origin.merge(number, "main"), self.origin.head("main")
        ref = f"refs/heads/gh-readonly-queue/main/pr-{number}-{main}"
        self.origin.git("update-ref", ref, sha)
        group = {"head_sha": sha, "head_ref": ref, "base_sha": main, "base_ref": "refs/heads/main"}
        event = {"action": "checks_requested", "merge_group": group}
        order = Order(workflow, "merge_group", event, ref, sha, "github-merge-queue[bot]")
        return self._if_started(order, "main", None, "checks_requested", variables)

    def workflow_run(self, workflow: str, of: Ran, **variables: str) -> Ran:
        """A run has ended; the workflow that waits for it runs from the default branch, with all that main may."""
        request = of.event.get("pull_request")
        repository = request["head"]["repo"] if request else {"full_name": REPOSITORY, "id": 22}
        owner = {"login": repository["full_name"].split("/")[0]}
        fork = request is not None and request["head"]["repo"]["fork"]
        # Of a fork's run GitHub does not say for which pull request: https://github.com/orgs/community/discussions/25220
        pulls = [{"number": request["number"], "head": request["head"], "base": request["base"]}] if request else []
        run = {
            "id": of.number,
            "name": of.github["workflow"],
            "event": of.github["event_name"],
            "conclusion": of.conclusion,
            "run_attempt": of.attempt,
            "head_sha": request["head"]["sha"] if request else of.github["sha"],
            "head_branch": request["head"]["ref"] if request else of.github["ref_name"],
            "head_repository": {**repository, "owner": owner},
            "html_url": f"https://github.example/{REPOSITORY}/actions/runs/{of.number}",
            "path": f".github/workflows/{of.workflow}.yml",
            "actor": {"login": of.github["actor"]},
            "pull_requests": [] if fork else pulls,
        }
        waited = triggers(self._workflow(workflow, self.origin.head("main"))).get("workflow_run", {})
        if of.github["workflow"] not in waited.get("workflows", ()):
            return Ran(workflow, refused=f"{workflow}.yml does not wait for {of.github['workflow']}")
        return self.act("workflow_run", workflow, {"action": "completed", "workflow_run": run}, **variables)

    def act(
        self,
        event_name: str,
        workflow: str,
        event: Mapping[str, Any],
        **variables: str,
    ) -> Ran:
        """Any other event, whose workflow is the default branch's."""
        order = Order(workflow, event_name, event, "refs/heads/main", self.origin.head("main"))
        return self._if_started(order, "main", None, str(event.get("action", "")), variables)

    def rerun(self, ran: Ran, *, failed_only: bool = True, **variables: str) -> Ran:
        """Somebody clicks "Re-run failed jobs", or all: the same commit, workflow file and event as before."""
        request = ran.event.get("pull_request")
        order = Order(
            ran.workflow,
            ran.github["event_name"],
            ran.event,
            ran.github["ref"],
            ran.github["sha"],
            ran.github["actor"],
            bool(request and request["head"]["repo"]["fork"]),
            ran.github["base_ref"],
            ran.github["head_ref"],
        )
        earlier = ran if failed_only else replace(ran, all_jobs=())
        return self._start(order, variables, earlier)

    # ---- what GitHub makes of it -------------------------------------------------------------------------------------

    def _workflow(self, workflow: str, sha: str) -> dict[str, Any]:
        text = self.origin.git("show", f"{sha}:.github/workflows/{workflow}.yml", check=False)
        return read(text) if text else {"on": {}, "jobs": {}}

    def disabled(self, workflow: str) -> bool:
        """Whether a workflow file is switched off, with all its triggers.

        In a fork each file with a schedule is, until somebody switches it on:
        https://docs.github.com/en/actions/how-tos/manage-workflow-runs/disable-and-enable-workflows
        """
        scheduled = "schedule" in triggers(self._workflow(workflow, self.origin.head("main")))
        by_github = self.settings.fork and scheduled and workflow not in self.settings.enabled
        return workflow in self.settings.disabled or by_github

    def refuse_dispatch(self, file: str, branch: str, inputs: Mapping[str, str]) -> str:
        """Why GitHub answers 404 or 422 to a dispatch, or nothing."""
        workflow = file.removesuffix(".yml")
        fake = FakeGitHub(root=self.origin.folder, disabled={file} if self.disabled(workflow) else set())
        path, body = f"/repos/{REPOSITORY}/actions/workflows/{file}/dispatches", {"ref": branch, "inputs": dict(inputs)}
        try:
            answer(fake, "POST", path, {}, body, TOKEN)
        except RefusedError as refused:
            return str(refused)
        trigger = triggers(self._workflow(workflow, self.origin.head(branch)))["workflow_dispatch"]
        for name, wanted in (trigger.get("inputs") or {}).items():
            value = inputs.get(name, wanted.get("default"))
            if wanted.get("type") == "choice" and value not in wanted["options"]:
                return f"Provided value '{value}' for input '{name}' not in the list of allowed values"
        return ""

    def _if_started(
        self,
        order: Order,
        branch: str,
        changed: list[str] | None,
        action: str,
        variables: Mapping[str, str],
    ) -> Ran:
        workflow = self._workflow(order.workflow, order.sha)
        if order.actor == BOT and order.event_name != "workflow_run":
            return Ran(order.workflow, refused="what the token of a job does starts no workflow")
        if self.disabled(order.workflow):
            return Ran(order.workflow, refused=f"{order.workflow}.yml is disabled")
        if not starts(workflow, order.event_name, branch, changed, action):
            return Ran(order.workflow, refused=f"{order.workflow}.yml does not wait for this {order.event_name}")
        return self._start(order, variables)

    def _start(
        self, order: Order, variables: Mapping[str, str], earlier: Ran | None = None
    ) -> Ran:
        settings = self.settings
        number = earlier.number if earlier else len(list((self.root / "runs").glob("*"))) + 11
        self.run_folder(number).mkdir(parents=True, exist_ok=True)
        repository = {
            "full_name": REPOSITORY,
            "name": REPOSITORY.split("/")[1],
            "owner": {"login": REPOSITORY.split("/")[0], "id": 11},
            "id": 22,
            "private": settings.private,
            "visibility": "private" if settings.private else "public",
            "fork": settings.fork,
            "default_branch": "main",
            "html_url": f"https://github.example/{REPOSITORY}",
        }
        event = {"repository": repository, "sender": {"login": order.actor}, **order.event}
        event["repository"] = repository
        host = GitHost(self.root, self.root / "git.pem", settings.private, {}, settings.protected)
        self.github.private = settings.private
        self.github.disabled = {f"{path.stem}.yml" for path in self._files() if self.disabled(path.stem)}
        with serving_git(host), serving(self.github), settings.with_variables(variables):
            return Run(self, host, replace(order, event=event), number, earlier).go()  # type: ignore[arg-type]

    def _files(self) -> list[Path]:
        names = self.origin.git("ls-tree", "--name-only", "refs/heads/main", ".github/workflows/").splitlines()
        return [Path(name) for name in names]
