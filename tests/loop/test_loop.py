"""The whole loop on a laptop, without an account: serve, log, drift, issue, new data, pull request, retrain, package.

Every piece is the command that a person or a workflow runs; GitHub is a small server, the service runs in its handler.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from golden_hook.golden import differences
from lambda_api.app import start
from pipeline import params as parameters
from pipeline.files import Layout
from pipeline.params import Params
from pipeline.ship import gateway
from tests.fakes.github import REPOSITORY, TOKEN, FakeGitHub, serving
from tests.fixtures.project import Project, synthetic_records
from tests.fixtures.service import client_of
from tests.fixtures.service_log import Person, shuffled_people

NAME = "obesity_classifier"

SERVE = """
import asyncio, json, sys
asyncio.set_event_loop(asyncio.new_event_loop())
from lambda_api.handler import handler
from pipeline.ship.gateway import event
for body in open(sys.argv[1]):
    answer = handler(event("POST", "/predict", [("content-type", "application/json")], body.encode()), None)
    assert answer["statusCode"] == 200, answer
"""


def asked(place: Project, people: Sequence[Person], log: Path) -> None:
    """People ask the packaged service one after the other; what it prints is added to a log."""
    bodies = log.with_suffix(".bodies")
    bodies.write_text("".join(f"{json.dumps(person)}\n" for person in people), encoding="utf-8")
    environment = {"OBESITY_MODEL_DIR": "build/model", "PYTHONPATH": ".", "PYTHONWARNINGS": "ignore", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", SERVE, str(bodies)], cwd=place.root, env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with log.open("ab") as stream:
        stream.write(done.stdout)


def watched(place: Project, log: Path, github: FakeGitHub, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What watch.yml does with a log, and what it asked GitHub for."""
    known = len(github.asked)
    settings = {
        "WATCH_LOG": str(log),
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_RUN_ID": "11",
        "GITHUB_REF_NAME": "main",
        "GITHUB_API_URL": github.address,
        "GITHUB_TOKEN": TOKEN,
        "PICTURE": "https://github.example/artifacts/drift",
    }
    with monkeypatch.context() as environment:
        for name, value in settings.items():
            environment.setenv(name, value)
        for command in (("ci", "watch"), ("ci", "drift", "build/watch", "--retrain")):
            done = place.run(*command)
            assert done.returncode == 0, done.stdout + done.stderr
    return github.asked[known:]


def packaged(place: Project) -> str:
    """The champion in a new package that gives its golden answers; the version that it says it is."""
    done = place.run("package")
    assert done.returncode == 0, done.stderr
    app = start({"OBESITY_MODEL_DIR": str(place.root / "build/model")})
    client = client_of(app)

    def ask(method: str, path: str, body: bytes | None) -> tuple[int, object]:
        reply: gateway.Reply = client.send(method, path, body or b"", content_type="application/json")
        return reply.status, reply.json()

    assert differences((place.root / "build/model/golden.json").read_bytes(), ask) == ()
    return str(json.loads((place.root / "build/model/manifest.json").read_text())["model_version"])


def proposed(clone: Project, records: str) -> str:
    """The branch on which somebody adds new records, by the commands that are printed; reported, and pushed."""
    (clone.root / "new.csv").write_text(records, encoding="utf-8")
    added = clone.run("ingest", "--add", "new.csv")  # the pinned data is not there yet: DVC's remote has it
    assert added.returncode == 0, added.stdout + added.stderr
    lines = added.stdout.splitlines()
    assert "200 new records in new.csv" in lines
    assert "First tell DVC" not in added.stdout
    commands = [
        line.removeprefix("  ") for line in lines[lines.index("Three commands put it into a pull request:") + 1 :]
    ]
    assert len(commands) == 3
    for command in commands:
        clone.shell(command)
    assert "new.csv" in clone.shell("git status --porcelain")  # people's answers are never committed
    assert clone.shell("git status --porcelain --untracked-files=no") == ""
    report = clone.run("report", "--against", "origin/main").stdout
    assert "The data changed: 200 records added, 0 removed, 0 with another level. Of the added, 1" in report
    assert "paired, 600" in report
    return clone.shell("git branch --show-current").strip()


def merged(team: Project, branch: str) -> None:
    """The branch is merged, and its model becomes the champion."""
    team.shell(f"git fetch --quiet && git merge --quiet origin/{branch}")
    old = team.run("retrain")
    assert (old.returncode, "if records were added elsewhere since, `dvc pull`" in old.stderr) == (2, True), old.stderr
    team.shell("dvc pull --quiet")
    done = team.run("retrain")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "none: everything is up to date" in done.stdout
    assert "champion    version 2 (was version 1)" in done.stdout
    champion = team.registry().champion(NAME)
    assert champion is not None
    assert champion.number == 2
    assert champion.tags["data_sha256"] == parameters.load(team.root / "params.yaml").data.sha256
    verdict = Layout(team.root).verdict.read_text(encoding="utf-8")
    assert "on the 600 records that the champion was judged on as well" in verdict
    assert "of 200 right" in verdict


@pytest.mark.usefixtures("event_loop_in_this_thread")
def test_the_world_moves_and_the_loop_brings_a_new_model_to_users(
    team: Project, clone: Project, params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "service.log"
    with serving(FakeGitHub()) as github:
        assert packaged(team) == "1"
        asked(team, shuffled_people()[:500], log)
        asked(team, shuffled_people(15)[500:700], log)

        drifting = team.run("watch", "--log", str(log))
        assert drifting.returncode == 3, drifting.stdout + drifting.stderr
        assert "DriftRefusal: drift in version 1 since " in drifting.stderr
        assert watched(team, log, github, monkeypatch) == ["open", "start", "update"]
        assert "| `Weight` |" in github.issues[0]["body"]

        branch = proposed(clone, synthetic_records(params, 200, seed=99))
        merged(team, branch)

        assert packaged(team) == "2"
        asked(team, shuffled_people(15)[:500], log)
        asked(team, shuffled_people(15)[500:700], log)
        assert team.run("watch", "--log", str(log)).returncode == 0
        assert watched(team, log, github, monkeypatch) == ["POST", "close"]
