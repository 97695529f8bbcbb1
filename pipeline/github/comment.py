"""The event of a finished run and the run's report -> one comment on its pull request, updated in place.

The token may write, and the report may come from a stranger's code. So the pull request is the one that GitHub lists
for the event's branch, never one that the report names, and its newest commit is the run's, so that no report takes the
place of a newer one. The text is shortened, cannot mention anybody, and ends with the commit that made it.
"""

import re
from pathlib import Path

from pipeline.errors import ModelFileError
from pipeline.github.api import GitHub, is_from_workflow
from pipeline.github.run import ENDED, FinishedRun, find_pull_request
from pipeline.report.markdown import COMMENT_MARKER

MAX_CHARACTERS = 64_000
"""GitHub accepts 65,536; the rest is for marker and last line."""


def comment_text(run: FinishedRun, report: str | None) -> str | None:
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


def post_comment(github: GitHub, run: FinishedRun, report: str | None) -> str:
    """Post the comment, or update the one that was posted before. Returns what was done, in words.

    Raises:
        InputError: The run is no pull request's.
    """
    run.refuse_other_events()
    if run.conclusion not in ENDED:
        return f"the run ended with {run.conclusion}: no comment"
    number = find_pull_request(github, run)
    if number is None:
        return f"no open pull request ends at {run.sha[:8]} any more: no comment"
    comments = f"{run.path}/issues/{number}/comments"
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
    github.request("PATCH", f"{run.path}/issues/comments/{posted['id']}", json={"body": text})
    return f"updated the comment on pull request {number}"
