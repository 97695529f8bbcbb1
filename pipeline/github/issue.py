"""What the watch found -> one open issue labelled `drift` while it lasts, and one retraining if the team wants that.

GitHub itself is the memory between runs: the open issue is the episode, and a marker in its body says that retraining
was asked for. An issue that a person wrote is never touched, whatever its label.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.errors import ModelFileError
from pipeline.files import read_bytes
from pipeline.github.api import GitHub, is_ours
from pipeline.github.comment import harmless

LABEL = "drift"
TITLE = "Drift: what is asked is no longer what was asked at first"
COMMENT_MARKER = "<!-- obesity-levels drift -->"
RETRAINING = "<!-- obesity-levels drift: retraining was asked for -->"
WORKFLOW = "retrain.yml"

RESULT, TEXT = "drift.json", "issue.md"
"""What `pipeline ci watch` leaves in its folder, besides pictures."""

State = Literal["drifting", "steady", "unknown"]


@dataclass(frozen=True)
class Seen:
    """What the watch found: unknown where no version that answers had requests enough to be judged.

    Attributes:
        state: The verdict on all versions together.
        headline: The verdict in one line.
        text: All of it in Markdown, which begins with the headline.
    """

    state: State
    headline: str
    text: str

    @classmethod
    def of_folder(cls, folder: Path) -> "Seen":
        """What lies in the folder that `pipeline ci watch` wrote.

        Raises:
            ModelFileError: It is something else.
        """
        text = read_bytes(folder / TEXT, "pipeline ci watch").decode()
        try:
            found = json.loads(read_bytes(folder / RESULT, "pipeline ci watch"))
            judged = {version["verdict"] for version in found["versions"].values() if version["answering"]}
            drifting = bool(found["drifting"])
        except (ValueError, LookupError, TypeError, AttributeError):
            raise ModelFileError(f"{folder / RESULT} is no result of the watch: run `pipeline ci watch`") from None
        state: State = "drifting" if drifting else "steady" if "steady" in judged else "unknown"
        return cls(state, text.splitlines()[0].removeprefix("## "), text)


@dataclass(frozen=True)
class Run:
    """The run of a workflow that speaks: in which repository and branch, and where a reader finds it."""

    repository: str
    branch: str
    url: str
    picture: str

    @property
    def path(self) -> str:
        """Of the repository in GitHub's interface."""
        return f"/repos/{self.repository}"


def tell(github: GitHub, run: Run, seen: Seen, *, retrain: bool) -> tuple[str, ...]:
    """Open, update or close the issue, and start the retraining of this episode; what was done, in words.

    Args:
        github: May write issues, and start workflows if `retrain`.
        run: Who speaks.
        seen: What the watch found.
        retrain: Start retrain.yml, once for each episode.
    """
    issue, *twins = _open_issues(github, run) or [None]
    done = [_close(github, run, twin, f"The same as #{issue['number']}.") for twin in twins if twin and issue]
    if seen.state == "steady":
        return (*done, _over(github, run, issue, seen))
    if seen.state == "unknown":
        return (*done, f"{seen.headline}: nothing is opened or closed")
    asked = issue is not None and RETRAINING in issue["body"]
    text = body(run, seen, asked=asked)
    if issue is None:
        issue = github.ask("POST", f"{run.path}/issues", json={"title": TITLE, "labels": [LABEL], "body": text})
        done.append(f"opened issue {issue['number']}")
    else:
        github.ask("PATCH", f"{run.path}/issues/{issue['number']}", json={"body": text})
        done.append(f"updated issue {issue['number']}")
    if retrain and not asked:
        done.append(_retrain(github, run, issue["number"], seen))
    return tuple(done)


def body(run: Run, seen: Seen, *, asked: bool) -> str:
    """The issue's text; `asked` remembers that retraining was asked for."""
    links = [f"[Pictures of each column over time]({run.picture})", f"[the run that looked last]({run.url})"]
    lines = [COMMENT_MARKER, *([RETRAINING] if asked else []), harmless(seen.text), "", f"{', '.join(links)}."]
    if asked:
        lines += ["", f"Retraining was started: `{WORKFLOW}`."]
    lines += ["", "This issue is updated while the drift lasts, and closed when it is over."]
    return "\n".join(lines) + "\n"


def _open_issues(github: GitHub, run: Run) -> list[Any]:
    """Ours, the oldest first; more than one only if somebody opened a closed one again."""
    found = github.each(f"{run.path}/issues", labels=LABEL, state="open")
    ours = [item for item in found if "pull_request" not in item and is_ours(item, COMMENT_MARKER)]
    return sorted(ours, key=lambda item: int(item["number"]))


def _over(github: GitHub, run: Run, issue: Any, seen: Seen) -> str:
    if issue is None:
        return f"{seen.headline}: nothing to say"
    return _close(github, run, issue, f"It is over: {harmless(seen.headline)} ([run]({run.url})).")


def _close(github: GitHub, run: Run, issue: Any, why: str) -> str:
    path = f"{run.path}/issues/{issue['number']}"
    github.ask("POST", f"{path}/comments", json={"body": why})
    github.ask("PATCH", path, json={"state": "closed", "state_reason": "completed"})
    return f"closed issue {issue['number']}"


def _retrain(github: GitHub, run: Run, number: int, seen: Seen) -> str:
    """Start the workflow, then note that: killed in between, it is started twice, which makes no second version."""
    inputs = {"reason": f"drift, issue #{number}: {seen.headline}"}
    path = f"{run.path}/actions/workflows/{WORKFLOW}/dispatches"
    github.ask("POST", path, json={"ref": run.branch, "inputs": inputs})
    github.ask("PATCH", f"{run.path}/issues/{number}", json={"body": body(run, seen, asked=True)})
    return f"started {WORKFLOW}"
