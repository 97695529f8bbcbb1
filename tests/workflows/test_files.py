"""What holds for every workflow file, whatever it does; read, not run."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import workflow_rules
from tests.fakes.expression_tree import names, parse
from tests.fakes.expressions import INSIDE, condition, evaluate, truthy
from tests.fakes.workflow_rules import AVAILABLE, ancestors, called, refusals, triggers
from tests.paths import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
WORKFLOW = {path.stem: path for path in WORKFLOWS}
FILES = [*WORKFLOWS, *sorted((ROOT / ".github/actions").rglob("action.yml"))]


def read(path: Path) -> dict[str, Any]:
    return workflow_rules.read(path.read_text(encoding="utf-8"))


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
    uses = re.findall(r"\buses: (?!\./)(.*)", path.read_text(encoding="utf-8"))
    assert all(re.fullmatch(r"[\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use) for use in uses), uses


def test_an_action_has_one_version_everywhere() -> None:
    pins = {
        pin
        for path in FILES
        for pin in re.findall(r"uses: ([\w-]+/[\w-]+)[\w/-]*@(\w+)", path.read_text(encoding="utf-8"))
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


def test_every_workflow_waits_for_workflows_that_are_there_and_none_runs_a_strangers_code_with_secrets() -> None:
    named = {read(path)["name"] for path in WORKFLOWS}
    for path in WORKFLOWS:
        waited = triggers(read(path)).get("workflow_run", {}).get("workflows", [])
        assert set(waited) <= named, shown(path)
        assert "pull_request_target" not in triggers(read(path)), shown(path)


@pytest.mark.parametrize("path", WORKFLOWS, ids=shown)
def test_a_schedule_is_alone_in_its_file(path: Path) -> None:
    # GitHub disables the whole file in each fork and after 60 days: https://github.com/vert-x3/issues/issues/665.
    on = triggers(read(path))
    assert "schedule" not in on or set(on) == {"schedule"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=shown)
def test_what_a_pull_request_needs_a_merge_queue_needs_too(path: Path) -> None:
    # Else its required check never comes: https://github.com/aetherpak/cli/pull/142.
    on = triggers(read(path))
    assert ("pull_request" in on) == ("merge_group" in on)


def test_github_starts_every_workflow() -> None:
    files = {path.relative_to(ROOT).as_posix(): read(path) for path in WORKFLOWS}
    files |= {path.removeprefix("./"): content for path, content in files.items()}
    assert {path: wrong for path in files if (wrong := refusals(path, files))} == {}


def may_be_skipped(path: Path, name: str) -> bool:
    """Whether a job has a condition, or calls a workflow whose jobs have."""
    job = jobs(path)[name]
    inner = jobs(ROOT / called(job)) if called(job) else {}
    return "if" in job or any("if" in other for other in inner.values())


@pytest.mark.parametrize("path", WORKFLOWS, ids=shown)
def test_a_job_behind_one_that_may_be_skipped_says_itself_when_it_runs(path: Path) -> None:
    # A skipped job, however far up, skips what says nothing: https://github.com/actions/runner/issues/491.
    silent = []
    for name, job in jobs(path).items():
        before, said = ancestors(jobs(path), name), str(job.get("if", ""))
        asks = re.search(r"\b(cancelled|always)\(\)", said) or any(f"needs.{other}." in said for other in before)
        if any(may_be_skipped(path, other) for other in before) and not asks:
            silent.append(name)
    assert silent == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=shown)
def test_only_the_last_job_runs_in_a_run_that_was_cancelled(path: Path) -> None:
    assert [name for name, job in jobs(path).items() if "always()" in str(job.get("if", "")) and name != "done"] == []


@pytest.mark.parametrize(("workflow", "check"), [("ci", "ci"), ("pull-request", "model")])
def test_one_check_says_whether_everything_passed(workflow: str, check: str) -> None:
    every = jobs(WORKFLOW[workflow])
    done = every["done"]
    assert (done["name"], done["if"]) == (check, "always()")
    assert sorted(done["needs"]) == sorted(every.keys() - {"done"})
    assert [job.get("name") for job in every.values()].count(check) == 1

    def fails(**ended: str) -> bool:
        needs = {name: {"result": ended.get(name, "success"), "outputs": {}} for name in done["needs"]}
        status = {"success": True, "failure": False, "cancelled": False, "always": True}
        return any(
            truthy(evaluate(condition(str(step.get("if", ""))), {"needs": needs, "github": {}}, status))
            and step["run"] == "exit 1"
            for step in done["steps"]
        )

    assert not fails()
    for name in done["needs"]:
        assert not fails(**{name: "skipped"})
        assert fails(**{name: "failure"})
        assert fails(**{name: "cancelled"})


@pytest.mark.parametrize("path", WORKFLOWS, ids=shown)
def test_a_key_uses_only_the_contexts_that_it_may(path: Path) -> None:
    used = [("concurrency", str(read(path).get("concurrency", "")))]
    for job in jobs(path).values():
        used += [("if", f"${{{{ {job['if']} }}}}" if "${{" not in str(job["if"]) else job["if"])] if "if" in job else []
        used += [(key, str(job.get(key, ""))) for key in ("with", "secrets", "strategy", "environment", "name")]
        used += [("job concurrency", str(job.get("concurrency", "")))]
    for key, text in used:
        found = set().union(*(names(parse(match["code"])) for match in INSIDE.finditer(text)))
        more = {"steps"} if key == "environment" else set()  # its url
        assert found <= {*AVAILABLE[key], *more}, (key, text)


@pytest.mark.parametrize("path", [path for path in FILES if path not in WORKFLOWS], ids=shown)
def test_an_action_uses_only_what_an_action_has(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = set().union(*(names(parse(match["code"])) for match in INSIDE.finditer(text)))
    assert found <= {"github", "inputs", "steps", "runner", "env", "job", "strategy", "matrix"}


def test_a_job_with_the_deploying_role_waits_for_the_reviewers_of_the_stage() -> None:
    deploying = {
        (path.stem, name): job.get("environment", {}).get("name")
        for path in WORKFLOWS
        for name, job in jobs(path).items()
        if "AWS_ROLE_DEPLOY" in str(job)
    }
    assert deploying == dict.fromkeys([("deploy", "deploy"), ("rollback", "rollback")], "${{ inputs.stage }}")


def test_only_what_was_promoted_and_signed_is_deployed() -> None:
    texts = [step.get("run", step.get("uses", "")) for step in steps(WORKFLOW["deploy"])]
    known = ("ci fetch", "make package", "ci contents", "actions/attest@", "gh attestation verify", "pipeline deploy")
    verified = ["ci fetch", "gh attestation verify", "make package"]
    signed = ["ci contents", "actions/attest@", "ci contents", "gh attestation verify", "pipeline deploy"]
    assert [word for text in texts for word in known if word in text] == [*verified, *signed]


PULL_REQUEST: dict[str, Any] = {
    "event_name": "pull_request",
    "repository": "us/obesity",
    "event": {"pull_request": {"head": {"repo": {"full_name": "us/obesity"}}, "user": {"login": "somebody"}}},
}


def roles_of(github: dict[str, Any]) -> list[Any]:
    """The role that each place in a pull request's workflows takes it for."""
    return [
        evaluate(parse(match["code"]), {"github": github, "vars": {"AWS_ROLE_READ": "read"}, "needs": {}, "inputs": {}})
        for path in WORKFLOWS
        if "pull_request" in triggers(read(path))
        for match in INSIDE.finditer(path.read_text(encoding="utf-8"))
        if "vars.AWS_ROLE" in match["code"]
    ]


def test_neither_a_fork_nor_dependabot_takes_a_role() -> None:
    # Dependabot has the variables and no identity: https://github.com/dependabot/dependabot-core/issues/16291.
    fork = {"pull_request": {"head": {"repo": {"full_name": "somebody/obesity"}}, "user": {"login": "somebody"}}}
    dependabot = {"pull_request": {**PULL_REQUEST["event"]["pull_request"], "user": {"login": "dependabot[bot]"}}}
    assert roles_of({**PULL_REQUEST, "actor": "somebody"}) == ["read"]
    assert roles_of({**PULL_REQUEST, "event": fork, "actor": "somebody"}) == [""]
    assert roles_of({**PULL_REQUEST, "event": dependabot, "actor": "dependabot[bot]"}) == [""]


def test_no_secret_is_in_reach_of_a_pull_request() -> None:
    starting = [path for path in WORKFLOWS if "pull_request" in triggers(read(path))]
    assert [path.stem for path in starting] == ["ci", "pull-request"]
    assert [path.stem for path in starting if "secrets." in path.read_text(encoding="utf-8")] == []


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
    # echo hands on what make said, or a digest to be checked; gh verifies what was signed; exit fails the last check.
    assert {line.split()[0] for run in runs for line in run.splitlines()} == {"make", "pipeline", "echo", "gh", "exit"}
