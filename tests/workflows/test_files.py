"""What holds for every workflow file, whatever it does; read, not run."""

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.paths import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
WORKFLOW = {path.stem: path for path in WORKFLOWS}
FILES = [*WORKFLOWS, *sorted((ROOT / ".github/actions").rglob("action.yml"))]


def read(path: Path) -> Any:
    content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    return {("on" if key is True else key): value for key, value in content.items()}


def jobs(path: Path) -> dict[str, Any]:
    return dict(read(path)["jobs"])


def steps(path: Path) -> list[dict[str, Any]]:
    content = read(path)
    return [
        step
        for job in (content["jobs"].values() if "jobs" in content else [content["runs"]])
        for step in job.get("steps", ())
    ]


def shown(path: Path) -> str:
    return path.relative_to(ROOT / ".github").as_posix()


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_every_foreign_action_is_pinned_to_a_commit_and_says_its_version(path: Path) -> None:
    uses = re.findall(r"uses: (?!\./)(.*)", path.read_text(encoding="utf-8"))
    assert all(re.fullmatch(r"[\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use) for use in uses), uses


def test_an_action_has_one_version_everywhere() -> None:
    pins = {
        pin for path in FILES for pin in re.findall(r"uses: ([\w-]+/[\w-]+)@(\w+)", path.read_text(encoding="utf-8"))
    }
    assert len(pins) == len({name for name, _ in pins}) > 0


@pytest.mark.parametrize("path", WORKFLOWS, ids=shown)
def test_nothing_is_allowed_but_what_a_job_says_and_every_job_ends(path: Path) -> None:
    assert read(path)["permissions"] == {}
    for name, job in jobs(path).items():
        assert isinstance(job["permissions"], dict), name  # {} is none at all, said aloud
        assert "uses" in job or 0 < job["timeout-minutes"] <= 60, name


@pytest.mark.parametrize("path", FILES, ids=shown)
def test_no_expression_is_ever_part_of_a_command(path: Path) -> None:
    assert not [step["run"] for step in steps(path) if "${{" in step.get("run", "")]


@pytest.mark.parametrize("path", WORKFLOWS, ids=shown)
def test_every_checkout_forgets_its_token(path: Path) -> None:
    checkouts = [step for step in steps(path) if step.get("uses", "").startswith("actions/checkout@")]
    assert all(step["with"]["persist-credentials"] is False and "ref" not in step["with"] for step in checkouts)


def test_workflows_wait_cancel_and_start_as_they_should() -> None:
    workflows = {path.stem: read(path) for path in WORKFLOWS}
    assert jobs(WORKFLOW["retrain"])["train"]["concurrency"] == {"group": "retrain", "cancel-in-progress": False}
    for name in ("deploy", "rollback"):
        assert workflows[name]["concurrency"] == {"group": "deploy-${{ inputs.stage }}", "cancel-in-progress": False}
    assert workflows["pull-request"]["concurrency"]["cancel-in-progress"] is True
    assert workflows["comment"]["on"]["workflow_run"]["workflows"] == [workflows["pull-request"]["name"]]
    assert not [name for name, content in workflows.items() if "pull_request_target" in content["on"]]
    assert {"push", "schedule", "workflow_dispatch"} == set(workflows["retrain"]["on"])
    assert workflows["retrain"]["on"]["workflow_dispatch"]["inputs"]["reason"]["required"] is True
    assert {"workflow_call", "workflow_dispatch"} == set(workflows["deploy"]["on"])
    assert {"workflow_dispatch"} == set(workflows["rollback"]["on"])


def test_a_job_with_the_deploying_role_waits_for_the_reviewers_of_the_stage() -> None:
    deploying = {
        (path.stem, name): job.get("environment", {}).get("name")
        for path in WORKFLOWS
        for name, job in jobs(path).items()
        if "AWS_ROLE_DEPLOY" in str(job)
    }
    assert deploying == dict.fromkeys([("deploy", "deploy"), ("rollback", "rollback")], "${{ inputs.stage }}")


def test_only_what_was_promoted_and_signed_is_deployed() -> None:
    deploy = jobs(WORKFLOW["retrain"])["deploy"]
    assert (deploy["needs"], deploy["strategy"]["max-parallel"]) == (["train", "attest"], 1)
    assert "always()" not in deploy["if"]
    assert "cancelled()" not in deploy["if"]
    texts = [step.get("run", step.get("uses", "")) for step in steps(WORKFLOW["deploy"])]
    known = ("ci fetch", "make package", "ci contents", "actions/attest@", "gh attestation verify", "pipeline deploy")
    verified = ["ci fetch", "gh attestation verify", "make package"]
    signed = ["ci contents", "actions/attest@", "ci contents", "gh attestation verify", "pipeline deploy"]
    assert [word for text in texts for word in known if word in text] == [*verified, *signed]


def test_no_secret_is_in_reach_of_a_pull_request() -> None:
    text = (ROOT / ".github/workflows/pull-request.yml").read_text(encoding="utf-8")
    assert "secrets" not in jobs(ROOT / ".github/workflows/pull-request.yml")["train"]
    assert "secrets." not in text


def test_a_push_retrains_for_the_very_paths_that_make_a_pull_request_train() -> None:
    paths = read(ROOT / ".github/workflows/retrain.yml")["on"]["push"]["paths"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    (listed,) = re.findall(r"^CHANGES_MODEL := (.*)$", makefile, re.MULTILINE)
    assert sorted(path.removesuffix("/**") for path in paths) == sorted(listed.split())


def test_a_push_retrains_for_all_that_a_stage_depends_on() -> None:
    paths = [path.removesuffix("/**") for path in read(ROOT / ".github/workflows/retrain.yml")["on"]["push"]["paths"]]
    stages = read(ROOT / "dvc.yaml")["stages"].values()
    made = {
        out if isinstance(out, str) else next(iter(out))
        for stage in stages
        for kind in ("outs", "metrics")
        for out in stage.get(kind, ())
    }
    needed = {dep for stage in stages for dep in stage.get("deps", ())} - made
    assert needed
    assert [dep for dep in needed if not any(dep == path or dep.startswith(f"{path}/") for path in paths)] == []


def test_each_command_of_a_job_is_one_of_make_or_pipeline() -> None:
    runs = [step.get("run", "").replace("\\\n", " ") for path in FILES for step in steps(path)]
    # echo hands on what make said, or a digest to be checked; gh verifies what was signed.
    assert {line.split()[0] for run in runs for line in run.splitlines()} == {"make", "pipeline", "echo", "gh"}
