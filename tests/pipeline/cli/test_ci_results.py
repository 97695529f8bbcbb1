"""The commands that tell GitHub: what they print, write and exit with, as a job of a workflow runs them."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import packages_distributions
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.fakes.github import BOT, READ_ONLY, REPOSITORY, TOKEN, event
from tests.fixtures.called import called
from tests.fixtures.github import Place, results_of
from tests.paths import ROOT

Job = Callable[..., CompletedProcess[str]]


@pytest.fixture
def job(place: Place, tmp_path: Path) -> Job:
    """Runs a command in a job: the folder `handed` has what a run made, `summary` is the job's."""
    for path, content in results_of(20).items():
        (tmp_path / "handed" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "handed" / path).write_bytes(content)

    def run(*arguments: str, token: str = TOKEN, **changes: object) -> CompletedProcess[str]:
        content = event(**({"sha": place.sha("change")} | changes))  # type: ignore[arg-type]
        (tmp_path / "event.json").write_text(json.dumps(content), encoding="utf-8")
        environment = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": place.github.address,
            "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
            "GITHUB_REF_NAME": "main",
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_RUN_ID": "11",
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
            "GITHUB_TOKEN": token,
        }
        return called("ci", *arguments, folder=ROOT, environment=environment)

    return run


def test_what_a_run_of_a_pull_request_made_is_committed_to_its_branch(job: Job, place: Place, tmp_path: Path) -> None:
    done = job("results", str(tmp_path / "handed"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "committed 3 file(s) to change",
        "started ci.yml on change",
        "started pull-request.yml on change",
    ]
    assert place.files("change") == results_of(20)
    assert not (tmp_path / "summary").exists()


def test_with_a_commit_it_goes_to_main(job: Job, place: Place, tmp_path: Path) -> None:
    sha = place.push("main", {"params.yaml": "trees: 20\n"})
    done = job("results", str(tmp_path / "handed"), "--commit", sha)
    assert done.stdout.splitlines() == ["committed 3 file(s) to main", "started ci.yml on main"]
    assert place.log("main")[0] == f"{BOT}: Commit what the run made"
    assert "https://github.example/us/obesity/actions/runs/11 trained " in place.git("log", "-1", "--format=%B", "main")


def test_what_github_refuses_is_a_warning_on_top_of_the_run_and_in_its_summary(job: Job, tmp_path: Path) -> None:
    done = job("results", str(tmp_path / "handed"), token=READ_ONLY)
    assert done.returncode == 0
    warning = "change was not changed (GitHub: Resource not accessible by integration); on change: `gh run download 11"
    assert done.stdout.startswith(f"::warning title=results::{warning}")
    assert (tmp_path / "summary").read_text(encoding="utf-8").startswith(warning)


def test_a_run_that_handed_nothing_over_is_one_quiet_line(job: Job, place: Place) -> None:
    done = job("results", "nowhere", token="")
    assert (done.returncode, done.stdout) == (0, "nowhere holds no results: nothing is committed\n")
    assert place.github.asked == []


@pytest.mark.parametrize(
    ("token", "words"),
    [(TOKEN, "which is no result"), ("", "GITHUB_TOKEN is empty: it must be a token that may write contents")],
)
def test_a_folder_with_anything_else_or_no_token_is_bad_input(
    job: Job, place: Place, tmp_path: Path, token: str, words: str
) -> None:
    if token:
        (tmp_path / "handed/params.yaml").write_text("{}", encoding="utf-8")
    done = job("results", str(tmp_path / "handed"), token=token)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert place.github.asked == []


def test_a_report_is_posted(job: Job, place: Place, tmp_path: Path) -> None:
    (tmp_path / "report.md").write_text("## Better\n", encoding="utf-8")
    assert job("comment", str(tmp_path / "report.md")).stdout == "commented on pull request 7\n"
    assert [item["number"] for item in place.github.comments] == [7]


def test_a_drift_where_issues_are_off_is_a_warning_and_no_failure(job: Job, place: Place, tmp_path: Path) -> None:
    place.github.has_issues = False
    result = {"drifting": ["2"], "versions": {"2": {"verdict": "drifting", "answering": True}}}
    (tmp_path / "handed/drift.json").write_text(json.dumps(result), encoding="utf-8")
    (tmp_path / "handed/issue.md").write_text("## Drift in version 2: Weight\n", encoding="utf-8")
    done = job("drift", str(tmp_path / "handed"), "--picture", "https://github.example/picture")
    assert done.returncode == 0, done.stderr
    words = "Drift in version 2: Weight. No issue says so: enable Issues (`gh repo edit us/obesity --enable-issues`)"
    assert done.stdout == f"::warning title=drift::{words}\n"
    assert (tmp_path / "summary").read_text(encoding="utf-8") == f"{words}\n"


def test_what_tells_github_imports_only_what_requirements_github_locks() -> None:
    """So that posting a comment does not wait for the whole environment to be installed."""
    code = (
        "import sys, requests, pipeline.cli.main, pipeline.github.deliver\n"
        "import pipeline.github.comment, pipeline.github.issue, pipeline.github.pulls\n"
        "import pipeline.loop.stages, pipeline.ship.stages\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    of = packages_distributions()
    needed = {of[name][0].lower().replace(".", "-").replace("_", "-") for name in done.stdout.split() if name in of}
    lock = (ROOT / "requirements/github.txt").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([\w.-]+)==", lock, re.MULTILINE))
    assert {"requests", "typer", "ruamel-yaml"} <= needed
    assert needed - locked - {"obesity-levels"} == set()
