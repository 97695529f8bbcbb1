"""GitHub's concurrency groups, read from the workflow files and played: what runs, waits and is cancelled.

One runs and one waits in a group, and who comes next takes the place of the one that waits; with `queue: max` up to 100
wait (https://github.blog/changelog/2026-05-07-github-actions-concurrency-groups-now-allow-larger-queues). A group's
name has no case. A job that waits for the reviewers of its environment waits in its group and can lose its place, while
a workflow's group is held for as long (https://github.com/hypothesis/lms/issues/4533, vstorm-co/agenticos#1832).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.expressions import filled
from tests.fakes.workflow_rules import AVAILABLE, Workflow

LONGEST = 100


@dataclass(frozen=True)
class Group:
    """What a workflow or job says of concurrency, for one event."""

    name: str
    cancels: bool = False
    longest: int = 1


@dataclass(eq=False)
class Waiting:
    """A run, or a job of one, in a group: waiting, running, done or cancelled."""

    title: str
    state: str = "waiting"
    approved: bool = True
    """False while reviewers are asked; the job does not start then."""


def group(said: Any, contexts: Mapping[str, Any], key: str = "concurrency") -> Group | None:
    """What a `concurrency` block means for one event.

    Args:
        said: The block, or nothing.
        contexts: The event's contexts.
        key: "concurrency" of a workflow, or "job concurrency".

    Raises:
        ExpressionError: It uses a context that it may not, such as needs in a workflow's.
        ValueError: The two options that GitHub refuses together.
    """
    if not said:
        return None
    known = {name: contexts.get(name, {}) for name in AVAILABLE[key]}
    values = filled(said if isinstance(said, dict) else {"group": said}, known)
    cancels, queue = values.get("cancel-in-progress", False) is True, values.get("queue", "single")
    if cancels and queue == "max":
        raise ValueError("queue: max and cancel-in-progress: true are refused together")
    return Group(str(values["group"]).casefold(), cancels, {"single": 1, "max": LONGEST}[queue])


def groups(workflow: Workflow, contexts: Mapping[str, Any]) -> dict[str, Group | None]:
    """The groups of a workflow file for one event: its own under "", and each job's under its name."""
    own = {"": group(workflow.get("concurrency"), contexts)}
    return own | {
        name: group(job.get("concurrency"), contexts, "job concurrency") for name, job in workflow["jobs"].items()
    }


@dataclass
class Queue:
    """All groups of a repository, and who is in them in which order."""

    inside: dict[str, list[Waiting]] = field(default_factory=dict)

    def enter(self, title: str, wanted: Group | None, *, approved: bool = True) -> Waiting:
        """A run or job asks to start."""
        new = Waiting(title, approved=approved)
        if wanted is None:
            new.state = "running" if approved else "waiting"
            return new
        line = self.inside.setdefault(wanted.name, [])
        if wanted.cancels:
            for other in line:
                other.state = "cancelled"
            line.clear()
        waiting = [other for other in line if other.state == "waiting"]
        if wanted.longest == 1:
            for other in waiting:
                other.state = "cancelled"
                line.remove(other)
        elif len(waiting) >= wanted.longest:
            # What comes after a full queue is cancelled itself.
            new.state = "cancelled"
            return new
        line.append(new)
        self._move(line)
        return new

    def approve(self, waiting: Waiting) -> None:
        """The reviewers say yes."""
        waiting.approved = True
        if not any(waiting in line for line in self.inside.values()) and waiting.state == "waiting":
            waiting.state = "running"
        for line in self.inside.values():
            self._move(line)

    def end(self, running: Waiting) -> None:
        """It is done, and the next one starts."""
        running.state = "done"
        for line in self.inside.values():
            if running in line:
                line.remove(running)
                self._move(line)

    @staticmethod
    def _move(line: list[Waiting]) -> None:
        if any(other.state == "running" for other in line):
            return
        ready = next((other for other in line if other.approved), None)
        if ready:
            ready.state = "running"
