"""What one run of a workflow said, left behind, and how its jobs and steps ended."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

Event = dict[str, Any]
ENDED = re.compile(r"(?:Success|Failure) - Main (?P<name>.*) \[[\w.µ]+\]$", re.DOTALL)


@dataclass(frozen=True)
class RanJob:
    """One job of a run: how it ended, what act wrote about it, and what it hands to the jobs after it."""

    name: str
    result: str
    events: tuple[Event, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def steps(self) -> dict[str, str]:
        """How each step that ran ended, by its name."""
        ended = [event for event in self.events if event.get("stage") == "Main" and "stepResult" in event]
        # Of a step within an action only the text has the name.
        named = [(ENDED.search(event["msg"]), event) for event in ended]
        return {match["name"]: event["stepResult"] for match, event in named if match}


@dataclass(frozen=True)
class Ran:
    """One run: `refused` says why GitHub started none, or stopped it before its jobs were done."""

    workflow: str
    all_jobs: tuple[RanJob, ...] = ()
    refused: str = ""
    number: int = 0
    attempt: int = 1
    folder: Path = Path()
    event: Mapping[str, Any] = field(default_factory=dict)
    github: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def jobs(self) -> dict[str, str]:
        """How each job that ran ended, by the name that GitHub shows: "caller / called" for a called workflow's."""
        return {job.name: job.result for job in self.all_jobs if job.result != "skipped"}

    @cached_property
    def skipped(self) -> list[str]:
        """The jobs that GitHub shows as skipped."""
        return [job.name for job in self.all_jobs if job.result == "skipped"]

    @property
    def conclusion(self) -> str:
        """How the run ended as a whole."""
        from tests.fakes.workflow_rules import overall

        if self.refused:
            return "failure" if self.all_jobs else "startup_failure"
        return overall(job.result for job in self.all_jobs)

    @property
    def events(self) -> tuple[Event, ...]:
        """What act wrote, job after job."""
        return tuple(event for job in self.all_jobs for event in job.events)

    @cached_property
    def steps(self) -> dict[str, str]:
        """How each step that ran ended, by its name, of all jobs together."""
        return {name: result for job in self.all_jobs for name, result in job.steps.items()}

    @cached_property
    def said(self) -> str:
        """Everything that was printed."""
        return "\n".join([self.refused, *(str(event["msg"]).rstrip("\n") for event in self.events)])

    @cached_property
    def outputs(self) -> dict[str, str]:
        """What steps handed on."""
        return {event["name"]: event["arg"] for event in self.events if event.get("command") == "set-output"}

    @cached_property
    def groups(self) -> list[str]:
        """The titles of what can be folded in the log."""
        return [event["arg"] for event in self.events if event.get("command") == "group"]

    @property
    def artifacts(self) -> Path:
        """A folder for each artifact of this run; of two attempts' with one name, the later."""
        return self.folder / "artifacts"

    def annotations(self, kind: str) -> list[tuple[str | None, str | None, str]]:
        """What is shown on top of the run or on a file: the file if any, the title if any, the text."""
        events = [event for event in self.events if event.get("command") == kind]
        return [(event["kvPairs"].get("file"), event["kvPairs"].get("title"), event["arg"]) for event in events]
