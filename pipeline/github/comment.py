"""The event of a finished run and the run's report -> one comment on its pull request, updated in place.

The token may write, and the report may come from a stranger's code. So the pull request is the one that GitHub's event
names, or that GitHub lists for the event's branch, never one that the report names. The text is shortened, cannot
mention anybody, and ends with a line that says which commit made it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import InputError, ModelFileError
from pipeline.github.api import GitHub, is_from_workflow
from pipeline.report.markdown import COMMENT_MARKER

MAX_CHARACTERS = 64_000
"""GitHub accepts 65,536; the rest is for marker and last line."""


@dataclass(frozen=True)
class PullRequestRun:
    """A finished run on a pull request.

    Attributes:
        repository: The repository that the pull request is for, as OWNER/NAME.
        number: The pull request's number; None if it comes from a fork, because GitHub's event then names none.
        head: The pull request's branch, as OWNER:BRANCH.
        sha: The commit that the run checked out.
        url: The run's page.
        conclusion: GitHub's word for how it ended, such as "success".
    """

    repository: str
    number: int | None
    head: str
    sha: str
    url: str
    conclusion: str

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> "PullRequestRun":
        """The run of a `workflow_run` event.

        Raises:
            InputError: The event is of another type, or its run was not on a pull request.
        """
        try:
            run = event["workflow_run"]
            if run["event"] != "pull_request":
                raise InputError(f"the run was started by {run['event']}, expected pull_request")
            numbers = [item["number"] for item in run["pull_requests"] if item["head"]["sha"] == run["head_sha"]]
            return cls(
                repository=event["repository"]["full_name"],
                number=numbers[0] if numbers else None,
                head=f"{run['head_repository']['owner']['login']}:{run['head_branch']}",
                sha=run["head_sha"],
                url=run["html_url"],
                conclusion=run["conclusion"],
            )
        except (KeyError, TypeError) as error:
            raise InputError(f"not an event of type workflow_run: {error} is missing") from None


def comment_text(run: PullRequestRun, report: str | None) -> str | None:
    """The comment's Markdown; None if the run succeeded without a report, which means that nothing changed."""
    source = f"<sub>Made by the code of this pull request at {run.sha[:8]}, in [this run]({run.url}).</sub>"
    if report is None and run.conclusion == "success":
        return None
    if report is None:
        report = f"**No report: the run ended with {run.conclusion} before it wrote one.**"
    return f"{COMMENT_MARKER}\n{sanitize(report)}\n\n{source}\n"


def sanitize(text: str) -> str:
    """The text without mentions and HTML comments (a marker is one), shortened to `MAX_CHARACTERS`."""
    text = re.sub(r"<!--.*?(-->|$)", "", text.replace("\x00", ""), flags=re.DOTALL).rstrip()
    text = re.sub(r"@(?=\w)", "@\u200b", text)
    if len(text) <= MAX_CHARACTERS:
        return text
    return f"{text[:MAX_CHARACTERS]}\n\n(shortened: the whole report is in the run's artifact)"


def read_report(path: Path) -> str | None:
    """The report's text; None if the run left none.

    Raises:
        ModelFileError: The file is not UTF-8.
    """
    if not path.is_file() or path.is_symlink():
        return None
    limit = 4 * MAX_CHARACTERS  # bytes: a character of UTF-8 has at most four
    try:
        with path.open("rb") as stream:
            return stream.read(limit).decode("utf-8", "ignore" if path.stat().st_size > limit else "strict")
    except UnicodeDecodeError:
        raise ModelFileError(
            f"{path} is not UTF-8: it was damaged after the run wrote it; run the check again"
        ) from None


def find_pull_request(github: GitHub, run: PullRequestRun) -> int | None:
    """Number of the open pull request whose newest commit is the run's; None if it was closed or got a newer one."""
    path = f"/repos/{run.repository}/pulls"
    if run.number is not None:
        candidates = [github.request("GET", f"{path}/{run.number}")]
    else:
        candidates = list(github.items(path, head=run.head, state="open"))
    open_at_commit = (
        item["number"] for item in candidates if (item["head"]["sha"], item["state"]) == (run.sha, "open")
    )
    return next(open_at_commit, None)


def post_comment(github: GitHub, run: PullRequestRun, report: str | None) -> str:
    """Post the comment, or update the one that was posted before. Returns what was done, in words."""
    number = find_pull_request(github, run)
    if number is None:
        return f"no open pull request ends at {run.sha[:8]} any more: no comment"
    comments = f"/repos/{run.repository}/issues/{number}/comments"
    posted = next((item for item in github.items(comments) if is_from_workflow(item, COMMENT_MARKER)), None)
    text = comment_text(run, report)
    if text is None and posted is None:
        return f"pull request {number} does not change the model: no comment"
    text = text or comment_text(run, "This pull request does not change the model.")
    if posted is None:
        github.request("POST", comments, json={"body": text})
        return f"commented on pull request {number}"
    if posted["body"].strip() == (text or "").strip():
        return f"the comment on pull request {number} is up to date"
    github.request("PATCH", f"/repos/{run.repository}/issues/comments/{posted['id']}", json={"body": text})
    return f"updated the comment on pull request {number}"
