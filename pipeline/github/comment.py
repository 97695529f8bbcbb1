"""A finished run's event and the report it left -> one comment on its pull request, updated in place.

It runs with a token that may write, on text that a stranger's code may have made. So the pull request is the one
that GitHub's event names or that GitHub finds for the event's branch, never one that the report names; the text is
cut to size, can mention nobody, and stands below a line that says which code made it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import InputError, ModelFileError
from pipeline.github.api import GitHub, is_ours
from pipeline.report.comment import COMMENT_MARKER

LARGEST = 64_000
"""Characters; GitHub takes 65,536 of them."""


@dataclass(frozen=True)
class Run:
    """The run that an event speaks of: whose code, which commit, how it ended."""

    repository: str
    number: int | None
    head: str
    sha: str
    url: str
    conclusion: str

    @classmethod
    def of_event(cls, event: Mapping[str, Any]) -> "Run":
        """The run of a `workflow_run` event.

        Raises:
            InputError: It is no such event, or not one of a pull request.
        """
        try:
            run = event["workflow_run"]
            if run["event"] != "pull_request":
                raise InputError(f"the run was started by {run['event']}, expected pull_request")
            ours = [item["number"] for item in run["pull_requests"] if item["head"]["sha"] == run["head_sha"]]
            return cls(
                repository=event["repository"]["full_name"],
                number=ours[0] if ours else None,  # GitHub names none if it comes from a fork
                head=f"{run['head_repository']['owner']['login']}:{run['head_branch']}",
                sha=run["head_sha"],
                url=run["html_url"],
                conclusion=run["conclusion"],
            )
        except (KeyError, TypeError) as error:
            raise InputError(f"not an event of type workflow_run: {error} is missing") from None


def body(run: Run, report: str | None) -> str | None:
    """The comment's text; None if there is nothing new to say."""
    made = f"<sub>Made by the code of this pull request at {run.sha[:8]}, in [this run]({run.url}).</sub>"
    if report is None and run.conclusion == "success":
        return None
    if report is None:
        report = f"**No report: the run ended with {run.conclusion} before there was one.**"
    return f"{COMMENT_MARKER}\n{harmless(report)}\n\n{made}\n"


def harmless(text: str) -> str:
    """Text of a stranger that mentions nobody, hides no marker of its own, and is not too long."""
    text = re.sub(r"<!--.*?(-->|$)", "", text.replace("\x00", ""), flags=re.DOTALL).rstrip()
    text = re.sub(r"@(?=\w)", "@\u200b", text)
    return text if len(text) <= LARGEST else f"{text[:LARGEST]}\n\n(cut: the whole report is in the run's artifact)"


def read(path: Path) -> str | None:
    """The report; None if the run left none.

    Raises:
        ModelFileError: It is no text.
    """
    if not path.is_file() or path.is_symlink():
        return None
    try:
        with path.open("rb") as stream:
            return stream.read(4 * LARGEST).decode("utf-8", "ignore" if path.stat().st_size > 4 * LARGEST else "strict")
    except UnicodeDecodeError:
        raise ModelFileError(f"{path} is not UTF-8: the report was damaged on its way") from None


def pull_request(github: GitHub, run: Run) -> int | None:
    """The open pull request whose newest commit the run was about; None if it is closed or has moved on."""
    path = f"/repos/{run.repository}/pulls"
    if run.number is not None:
        found = [github.ask("GET", f"{path}/{run.number}")]
    else:
        found = list(github.each(path, head=run.head, state="open"))
    return next((item["number"] for item in found if (item["head"]["sha"], item["state"]) == (run.sha, "open")), None)


def post(github: GitHub, run: Run, report: str | None) -> str:
    """Post the comment, or update the one that was posted before; what was done, in words."""
    number = pull_request(github, run)
    if number is None:
        return f"no open pull request ends at {run.sha[:8]} any more: nothing to say"
    comments = f"/repos/{run.repository}/issues/{number}/comments"
    mine = next((item for item in github.each(comments) if is_ours(item, COMMENT_MARKER)), None)
    text = body(run, report)
    if text is None and mine is None:
        return f"pull request {number} leaves the model as it is: nothing to say"
    text = text or body(run, "This pull request leaves the model as it is.")
    if mine is None:
        github.ask("POST", comments, json={"body": text})
        return f"commented on pull request {number}"
    if mine["body"].strip() == (text or "").strip():
        return f"the comment on pull request {number} says so already"
    github.ask("PATCH", f"/repos/{run.repository}/issues/comments/{mine['id']}", json={"body": text})
    return f"updated the comment on pull request {number}"
