"""The watch's result -> one open issue labelled `drift` while a drift lasts, and one retraining if the team wants that.

GitHub itself keeps the state between runs: the open issue is the current drift, and a marker in its text says that
retraining was started. An issue that a person wrote is never changed, whatever its label.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.errors import ModelFileError
from pipeline.files import read_bytes
from pipeline.github.actions import Message
from pipeline.github.api import GitHub, GitHubError, is_from_workflow
from pipeline.github.comment import sanitize
from pipeline.github.dispatch import start

LABEL = "drift"
TITLE = "Drift: the newest requests differ from the first ones"
ISSUE_MARKER = "<!-- obesity-levels drift -->"
RETRAINING_MARKER = "<!-- obesity-levels drift: retraining was asked for -->"
WORKFLOW = "retrain.yml"
ISSUES_ARE_OFF = 410
"""Gone: the repository's Issues are switched off, as they are in a fork unless its owner enables them."""

RESULT_FILE, TEXT_FILE = "drift.json", "issue.md"
"""What `pipeline ci watch` writes into its folder, besides pictures."""

DriftState = Literal["drifting", "steady", "unknown"]


@dataclass(frozen=True)
class DriftReport:
    """The watch's result on all versions together.

    Attributes:
        state: Unknown if no active version had enough requests to be judged.
        headline: The verdict in one line.
        text: The issue's Markdown; its first line is the headline.
    """

    state: DriftState
    headline: str
    text: str

    @classmethod
    def from_folder(cls, folder: Path) -> "DriftReport":
        """The report in the folder that `pipeline ci watch` wrote.

        Raises:
            ModelFileError: The folder holds something else.
        """
        text = read_bytes(folder / TEXT_FILE, "pipeline ci watch").decode()
        try:
            result = json.loads(read_bytes(folder / RESULT_FILE, "pipeline ci watch"))
            verdicts = {version["verdict"] for version in result["versions"].values() if version["answering"]}
            drifting = bool(result["drifting"])
        except (ValueError, LookupError, TypeError, AttributeError):
            raise ModelFileError(f"{folder / RESULT_FILE} is no result of the watch: run `pipeline ci watch`") from None
        state: DriftState = "drifting" if drifting else "steady" if "steady" in verdicts else "unknown"
        return cls(state, text.splitlines()[0].removeprefix("## "), text)


@dataclass(frozen=True)
class WatchRun:
    """The run of watch.yml that updates the issue.

    Attributes:
        repository: As OWNER/NAME.
        branch: The branch that retraining is started on.
        url: The run's page.
        pictures: Page of the pictures that the run made.
    """

    repository: str
    branch: str
    url: str
    pictures: str

    @property
    def path(self) -> str:
        """The repository's path in GitHub's API."""
        return f"/repos/{self.repository}"


def update_issue(github: GitHub, run: WatchRun, report: DriftReport, *, retrain: bool) -> tuple[Message, ...]:
    """Open, update or close the issue, and start retraining once for each drift. Returns what was done, in words.

    Args:
        github: A session that may write issues, and start workflows if `retrain`.
        run: The run that updates the issue.
        report: The watch's result.
        retrain: Whether the team wants retrain.yml to be started.
    """
    try:
        return tuple(_update_issue(github, run, report, retrain=retrain))
    except GitHubError as error:
        if error.status != ISSUES_ARE_OFF:
            raise
    if report.state != "drifting":
        return (Message(f"{report.headline}: Issues are off"),)
    repository = run.repository
    note = "and no retraining is started, because the issue keeps note of it" if retrain else ""
    said = ", ".join(filter(None, (f"{sanitize(report.headline)}. No issue says so", note)))
    return (Message(f"{said}: enable Issues (`gh repo edit {repository} --enable-issues`)", "warning"),)


def _update_issue(github: GitHub, run: WatchRun, report: DriftReport, *, retrain: bool) -> Iterator[Message]:
    issue, *duplicates = _open_issues(github, run) or [None]
    for duplicate in duplicates:
        yield _close(github, run, duplicate, f"The same as #{issue['number']}.")
    if report.state == "steady":
        yield _close_after_drift(github, run, issue, report)
        return
    if report.state == "unknown":
        yield Message(f"{report.headline}: no issue is opened or closed")
        return
    retraining = issue is not None and RETRAINING_MARKER in issue["body"]
    text = issue_body(run, report, retraining=retraining)
    if issue is None:
        issue = github.request("POST", f"{run.path}/issues", json={"title": TITLE, "labels": [LABEL], "body": text})
        yield Message(f"opened issue {issue['number']}")
    else:
        github.request("PATCH", f"{run.path}/issues/{issue['number']}", json={"body": text})
        yield Message(f"updated issue {issue['number']}")
    if retrain and not retraining:
        yield _start_retraining(github, run, issue["number"], report)


def issue_body(run: WatchRun, report: DriftReport, *, retraining: bool) -> str:
    """The issue's text; with `retraining` it holds the marker that retraining was started."""
    markers = [ISSUE_MARKER, *([RETRAINING_MARKER] if retraining else [])]
    links = f"[Pictures of each column over time]({run.pictures}), [the newest check]({run.url})."
    lines = [*markers, sanitize(report.text), "", links]
    if retraining:
        lines += ["", f"Retraining was started: `{WORKFLOW}`."]
    lines += ["", "This issue is updated while the drift lasts, and closed when it is over."]
    return "\n".join(lines) + "\n"


def _open_issues(github: GitHub, run: WatchRun) -> list[Any]:
    """The workflow's open issues, the oldest first; more than one only if somebody reopened a closed one."""
    issues = github.items(f"{run.path}/issues", labels=LABEL, state="open")
    own = [item for item in issues if "pull_request" not in item and is_from_workflow(item, ISSUE_MARKER)]
    return sorted(own, key=lambda item: int(item["number"]))


def _close_after_drift(github: GitHub, run: WatchRun, issue: Any, report: DriftReport) -> Message:
    if issue is None:
        return Message(f"{report.headline}: no issue is open")
    return _close(github, run, issue, f"The drift is over. {sanitize(report.headline)} ([run]({run.url})).")


def _close(github: GitHub, run: WatchRun, issue: Any, reason: str) -> Message:
    path = f"{run.path}/issues/{issue['number']}"
    github.request("POST", f"{path}/comments", json={"body": reason})
    github.request("PATCH", path, json={"state": "closed", "state_reason": "completed"})
    return Message(f"closed issue {issue['number']}")


def _start_retraining(github: GitHub, run: WatchRun, number: int, report: DriftReport) -> Message:
    """Start the workflow, then write the marker. Safe to repeat: a second retraining makes no second version."""
    inputs = {"reason": f"drift, issue #{number}: {report.headline}"}
    started = start(github, run.path, WORKFLOW, run.branch, inputs)
    if started.level == "log":
        body = issue_body(run, report, retraining=True)
        github.request("PATCH", f"{run.path}/issues/{number}", json={"body": body})
    return started
