"""What happens on GitHub, and which workflow it starts: a push, a pull request, a click, a time, the end of a run."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from tests.fakes import payloads
from tests.fakes.git_host import GitHost, serving_git
from tests.fakes.github import BOT, REPOSITORY, TOKEN, FakeGitHub, pull, serving
from tests.fakes.github.answers import RefusedError, answer
from tests.fakes.job import Place
from tests.fakes.order import Order
from tests.fakes.origin import Origin
from tests.fakes.ran import Ran
from tests.fakes.repository_settings import RepositorySettings
from tests.fakes.run import WorkflowRun
from tests.fakes.workflow_rules import Workflow, read, starts, triggers

MAIN = "refs/heads/main"
FIRST_RUN = 11


@dataclass(frozen=True)
class Events(ABC):
    """The part of `Hub` that makes events and starts runs.

    Each method runs one workflow, which it names, and gives what came of it: a `Ran` whose `refused` says why GitHub
    started nothing, where that is so. `variables` are set besides those of the settings, for this run.
    """

    root: Path
    s3: str
    settings: RepositorySettings

    @property
    def origin(self) -> Origin:
        """The repository on GitHub."""
        return Origin(self.root / f"{REPOSITORY}.git")

    @abstractmethod
    def send(self, branch: str) -> str:
        """Push HEAD to a branch, without what that starts; the commit."""

    @cached_property
    def github(self) -> FakeGitHub:
        """What answers the API: comments, issues, commits, and what was started."""
        return FakeGitHub(root=self.origin.folder)

    def written(self, name: str) -> list[str]:
        """The lines that a stand-in wrote down: `roles` that were asked for, `asked` of gh, `attested`."""
        path = self.root / name
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    @property
    def attestations(self) -> list[dict[str, str]]:
        """What was signed: digest, name, signer (the workflow file of the job), repository, ref, sha and event."""
        return [json.loads(line) for line in self.written("attested")]

    def push(
        self, workflow: str = "retrain", *, branch: str = "main", actor: str = "somebody", **variables: str
    ) -> Ran:
        """Push HEAD of the person's clone to a branch."""
        before, after = self.origin.head(branch), self.send(branch)
        ref = f"refs/heads/{branch}"
        event = {"ref": ref, "before": before or "0" * 40, "after": after, "deleted": False}
        changed = self.origin.changed(before, after) if before else None
        return self._if_started(Order(workflow, "push", event, ref, after, actor), variables, branch, changed)

    def dispatch(
        self,
        workflow: str,
        inputs: Mapping[str, str] | None = None,
        *,
        branch: str = "main",
        actor: str = "somebody",
        **variables: str,
    ) -> Ran:
        """Start a workflow by hand, or with a token as `self.github.started` says, on a branch."""
        if refused := self.refusal(f"{workflow}.yml", branch, inputs or {}):
            return Ran(workflow, refused=refused)
        ref = f"refs/heads/{branch}"
        event = {"inputs": dict(inputs or {}), "ref": ref}
        return self._start(Order(workflow, "workflow_dispatch", event, ref, self.origin.head(branch), actor), variables)

    def schedule(self, workflow: str, **variables: str) -> Ran:
        """The time has come."""
        order = Order(workflow, "schedule", {"schedule": "0 0 * * *"}, MAIN, self.origin.head("main"))
        return self._if_started(order, variables)

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
        """Push HEAD to the branch of a pull request into main, in this repository or in a fork."""
        fork, owner = repository != REPOSITORY, repository.split("/", maxsplit=1)[0]
        # A fork's branch is none of this repository's; GitHub knows its commit by the pull request only.
        head = self.send(f"{owner}-{branch}" if fork else branch)
        self.origin.git("update-ref", f"refs/pull/{number}/head", head)
        if fork:
            self.origin.git("update-ref", "-d", f"refs/heads/{owner}-{branch}")
        others = [item for item in self.github.pulls if item["number"] != number]
        self.github.pulls[:] = [*others, pull(number, owner, head, branch=branch)]
        merge = self.origin.merge(number, "main")
        if not merge:
            return Ran(workflow, refused=f"refs/pull/{number}/merge: this branch has conflicts with main")
        commits = {"base": self._base(number), "head": head, "merge": merge}
        request = payloads.pull_request(number, commits, repository, branch, actor)
        event = {"action": action, "number": number, "pull_request": request}
        order = Order(workflow, "pull_request", event, f"refs/pull/{number}/merge", merge, actor, fork, "main", branch)
        changed = self.origin.changed(self.origin.head("main"), head, since_they_parted=True)
        return self._if_started(order, variables, "main", changed)

    def _base(self, number: int) -> str:
        path = self.root / f"pulls/{number}"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_text(self.origin.head("main"), encoding="utf-8")
        return path.read_text(encoding="utf-8")

    def merge_group(self, workflow: str = "pull-request", *, number: int = 7, **variables: str) -> Ran:
        """A pull request enters the merge queue, which merges it with main on a branch of its own."""
        sha, main = self.origin.merge(number, "main"), self.origin.head("main")
        ref = f"refs/heads/gh-readonly-queue/main/pr-{number}-{main}"
        self.origin.git("update-ref", ref, sha)
        group = {"head_sha": sha, "head_ref": ref, "base_sha": main, "base_ref": MAIN}
        event = {"action": "checks_requested", "merge_group": group}
        return self._if_started(Order(workflow, "merge_group", event, ref, sha, "github-merge-queue[bot]"), variables)

    def workflow_run(self, workflow: str, of: Ran, **variables: str) -> Ran:
        """A run has ended; the workflow that waits for it is main's, with all that main may.

        The end of a run that a workflow's token started is no event: formatjs/formatjs#7137, FStarLang/pal#270,
        software-mansion/rnrepo#41.
        """
        if of.github["actor"] == BOT:
            return Ran(workflow, refused="the end of a run that a job's token started starts no workflow")
        waited = triggers(self._workflow(workflow, self.origin.head("main"))).get("workflow_run", {})
        if of.github["workflow"] not in waited.get("workflows", ()):
            return Ran(workflow, refused=f"{workflow}.yml does not wait for {of.github['workflow']}")
        event = {"action": "completed", "workflow_run": payloads.ended_run(of)}
        order = Order(workflow, "workflow_run", event, MAIN, self.origin.head("main"), of.github["actor"])
        return self._if_started(order, variables)

    def rerun(self, ran: Ran, *, failed_only: bool = True, **variables: str) -> Ran:
        """Somebody clicks "Re-run failed jobs", or all: the same commit, workflow file and event as before."""
        request, github = ran.event.get("pull_request"), ran.github
        fork = request is not None and request["head"]["repo"]["fork"]
        order = Order(
            ran.workflow, github["event_name"], ran.event, github["ref"], github["sha"], github["actor"], fork
        )
        order = replace(order, base_ref=github["base_ref"], head_ref=github["head_ref"])
        return self._start(order, variables, ran if failed_only else replace(ran, all_jobs=()))

    # ---- what GitHub makes of it -------------------------------------------------------------------------------------

    def _workflow(self, workflow: str, sha: str) -> Workflow:
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

    def refusal(self, file: str, branch: str, inputs: Mapping[str, str]) -> str:
        """Why GitHub answers 404 or 422 to a dispatch, or nothing."""
        workflow = file.removesuffix(".yml")
        fake = FakeGitHub(root=self.origin.folder, disabled={file} if self.disabled(workflow) else set())
        path, body = f"/repos/{REPOSITORY}/actions/workflows/{file}/dispatches", {"ref": branch, "inputs": dict(inputs)}
        try:
            answer(fake, "POST", path, {}, body, TOKEN)
        except RefusedError as refused:
            return str(refused)
        declared = triggers(self._workflow(workflow, self.origin.head(branch)))["workflow_dispatch"].get("inputs") or {}
        for name, wanted in declared.items():
            value = inputs.get(name, wanted.get("default"))
            if wanted.get("type") == "choice" and value not in wanted["options"]:
                return f"Provided value '{value}' for input '{name}' not in the list of allowed values"
        return ""

    def _if_started(
        self, order: Order, variables: Mapping[str, str], branch: str = "main", changed: Iterable[str] | None = None
    ) -> Ran:
        if order.actor == BOT:
            return Ran(
                order.workflow, refused="what a job's token does starts no workflow, or one that nobody approved"
            )
        if self.disabled(order.workflow):
            return Ran(order.workflow, refused=f"{order.workflow}.yml is disabled")
        action = str(order.event.get("action", ""))
        if not starts(self._workflow(order.workflow, order.sha), order.event_name, branch, changed, action):
            return Ran(order.workflow, refused=f"{order.workflow}.yml does not wait for this {order.event_name}")
        return self._start(order, variables)

    def _start(self, order: Order, variables: Mapping[str, str], earlier: Ran | None = None) -> Ran:
        settings, runs = self.settings, self.root / "runs"
        number = earlier.number if earlier else len(list(runs.glob("*"))) + FIRST_RUN
        (runs / str(number)).mkdir(parents=True, exist_ok=True)
        order = replace(order, event=payloads.whole(order.event, settings, order.actor))
        host = GitHost(self.root, self.root / "git.pem", settings.private, {}, settings.protected)
        names = self.origin.git("ls-tree", "--name-only", MAIN, ".github/workflows/").splitlines()
        self.github.private = settings.private
        self.github.disabled = {Path(name).name for name in names if self.disabled(Path(name).stem)}
        self.github.protected = {name: f"Protected branch update failed for {name}." for name in settings.protected}
        with serving_git(host), serving(self.github), settings.with_variables(variables):
            place = Place(settings, host, self.github)
            ran = WorkflowRun(place, order, self.origin.files(order.sha), number, self.root, earlier).go()
        self.github.ended[number] = {**payloads.ended_run(ran), "status": "completed"}
        return ran
