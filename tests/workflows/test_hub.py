"""The hub is as strict as GitHub: small workflows that ask for what GitHub refuses, each beside its refusal."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.hub import Hub
from tests.fakes.repository_settings import EnvironmentSettings
from tests.fakes.trust import ROLE
from tests.fixtures.project import make_project
from tests.paths import ROOT

pytestmark = pytest.mark.xdist_group("runs")

FORK = "somebody/obesity"
SHA = "0" * 40
ON = ["push", "pull_request", "workflow_dispatch", "merge_group"]
CHECKOUT = {"uses": f"actions/checkout@{SHA}", "with": {"persist-credentials": False}}
TAKE_ROLE = {
    "uses": f"aws-actions/configure-aws-credentials@{SHA}",
    "with": {"role-to-assume": "${{ vars.AWS_ROLE_READ }}", "aws-region": "eu-central-1"},
}
PUSH = (
    'git -c http.extraheader="AUTHORIZATION: basic $(printf \'x-access-token:%s\' "$TOKEN" | base64)" push -q origin '
)

Make = Callable[..., Hub]


@pytest.fixture
def make(tmp_path: Path, act: Path) -> Make:
    """Makes a hub whose main has one workflow, t.yml, with these jobs."""
    assert act.is_file()

    def made(on: Any = ON, *, more: dict[str, Any] | None = None, **jobs: dict[str, Any]) -> Hub:
        hub = Hub(tmp_path / "hub", "http://127.0.0.1:9")
        for name, content in {"t": {"name": "t", "on": on, "permissions": {}, "jobs": jobs}, **(more or {})}.items():
            path = hub.repository.root / f".github/workflows/{name}.yml"
            path.parent.mkdir(parents=True, exist_ok=True)
            filled = {job: {"runs-on": "ubuntu-latest", **text} for job, text in content["jobs"].items()}
            path.write_text(json.dumps({**content, "jobs": filled}), encoding="utf-8")
        subprocess.run(["git", "init", "--quiet", "--initial-branch=main", hub.repository.root], check=True)
        hub.commit("Begin")
        hub.publish()
        hub.settings.variables |= {"AWS_ROLE_READ": f"{ROLE}/read", "V": "set"}
        hub.reach({})
        hub.commit("Go on")
        return hub

    return made


def errors(ran: Any) -> str:
    return "\n".join(text for *_, text in ran.annotations("error"))


# ---- checkout --------------------------------------------------------------------------------------------------------

SHOW = {"run": "git log --format=%s; git rev-parse --abbrev-ref HEAD; git config --get-regexp extraheader || echo none"}


def test_a_push_is_checked_out_alone_on_its_branch_and_no_credential_is_left(make: Make) -> None:
    ran = make(a={"steps": [CHECKOUT, SHOW]}).push("t")
    assert "\nGo on\nmain\nnone\n" in ran.said.replace("\r", "")


def test_a_pull_request_is_checked_out_as_its_merge_with_the_newest_main(make: Make) -> None:
    hub = make(a={"steps": [CHECKOUT, {"run": "git rev-parse --abbrev-ref HEAD; ls -1"}]})
    hub.send("main")
    old = hub.origin.head("main")
    hub.git("checkout", "--quiet", "-b", "change")
    (hub.repository.root / "mine").touch()
    hub.commit("Mine")
    hub.pull_request("t")
    hub.git("checkout", "--quiet", "main")
    (hub.repository.root / "theirs").touch()
    hub.commit("Theirs")
    hub.send("main")
    hub.git("checkout", "--quiet", "change")
    ran = hub.pull_request("t")
    assert "\nHEAD\nmine\ntheirs\n" in ran.said.replace("\r", "")
    assert ran.event["pull_request"]["base"]["sha"] == old != hub.origin.head("main")
    assert hub.origin.git("rev-parse", f"{ran.github['sha']}^1") == hub.origin.head("main")


def test_a_pull_request_that_conflicts_with_main_starts_nothing(make: Make) -> None:
    hub = make(a={"steps": [{"run": "true"}]})
    for branch, text in (("main", "one"), ("change", "other")):
        hub.git("checkout", "--quiet", "-B", branch, "main~1" if branch == "change" else "main")
        (hub.repository.root / "file").write_text(text, encoding="utf-8")
        hub.commit(text)
        hub.send(branch)
    assert "conflicts" in hub.pull_request("t").refused


def test_the_workflow_of_a_pull_request_is_its_own_and_that_of_a_finished_run_is_mains(make: Make) -> None:
    later = {"name": "later", "on": {"workflow_run": {"workflows": ["t"]}}, "jobs": {"l": {"steps": [{"run": "true"}]}}}
    hub = make(a={"name": "old", "steps": [{"run": "true"}]}, more={"later": later})
    hub.send("main")
    for path in (hub.repository.root / ".github/workflows").iterdir():
        path.write_text(path.read_text(encoding="utf-8").replace('"old"', '"new"').replace('"l"', '"evil"'))
    hub.commit("Change both")
    ran = hub.pull_request("t")
    assert ran.jobs == {"new": "success"}
    after = hub.workflow_run("later", ran)
    assert (after.jobs, after.github["sha"]) == ({"l": "success"}, hub.origin.head("main"))


# ---- tokens ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("permissions", "ref", "said"),
    [
        ({"contents": "write"}, "refs/registry/main", "pushed"),
        ({"contents": "read"}, "refs/registry/main", "Permission to us/obesity.git denied to github-actions[bot]"),
        ({}, "refs/registry/main", "Permission to us/obesity.git denied"),
    ],
)
def test_a_job_pushes_only_with_the_permission_to_write_contents(
    make: Make, permissions: dict[str, str], ref: str, said: str
) -> None:
    push = {"run": f"{PUSH} HEAD:{ref} && echo pushed", "env": {"TOKEN": "${{ github.token }}"}}
    ran = make(a={"permissions": permissions, "steps": [CHECKOUT, push]}).push("t")
    assert said in ran.said


def test_a_forks_token_only_reads_and_it_has_neither_variables_nor_secrets_nor_an_identity(make: Make) -> None:
    steps = [
        CHECKOUT,
        {
            "run": 'echo "<$V><$S><$ACTIONS_ID_TOKEN_REQUEST_TOKEN>"',
            "env": {"V": "${{ vars.V }}", "S": "${{ secrets.S }}"},
        },
        {"run": f"{PUSH} HEAD:refs/heads/x", "env": {"TOKEN": "${{ github.token }}"}},
    ]
    hub = make(a={"permissions": {"contents": "write", "id-token": "write"}, "steps": steps})
    hub.settings.secrets["S"] = "hidden"
    hub.send("main")
    hub.commit("Theirs")
    ran = hub.pull_request("t", repository=FORK)
    assert "<><><>" in ran.said
    assert "Permission to us/obesity.git denied" in ran.said
    assert "<set><***>" in hub.push("t").said


def test_dependabot_has_variables_and_nothing_else(make: Make) -> None:
    steps = [{"run": 'echo "<$V><$S>"', "env": {"V": "${{ vars.V }}", "S": "${{ secrets.S }}"}}, TAKE_ROLE]
    hub = make(a={"permissions": {"id-token": "write"}, "steps": steps})
    hub.settings.secrets["S"] = "hidden"
    hub.send("main")
    hub.commit("Bump")
    ran = hub.pull_request("t", actor="dependabot[bot]")
    assert "<set><>" in ran.said
    assert errors(ran).endswith("Could not load credentials from any providers")


def test_a_role_needs_the_permission_and_the_trust_of_the_template(make: Make) -> None:
    hub = make(
        with_={"permissions": {"id-token": "write"}, "steps": [TAKE_ROLE]},
        without={"permissions": {}, "steps": [TAKE_ROLE]},
    )
    assert "Not authorized to perform sts:AssumeRoleWithWebIdentity" in errors(hub.push("t"))
    hub.commit("Mine")
    ran = hub.pull_request("t")
    assert ran.jobs == {"with_": "success", "without": "failure"}


def test_a_token_that_commits_starts_nothing(make: Make) -> None:
    hub = make(a={"steps": [{"run": "true"}]})
    assert hub.push("t", actor="github-actions[bot]").refused
    assert hub.dispatch("t", actor="github-actions[bot]").jobs == {"a": "success"}


def test_protected_branches_and_workflow_files_are_out_of_a_tokens_reach(make: Make) -> None:
    commit = "git add .; git -c user.name=x -c user.email=x commit -qm x"
    token = {"TOKEN": "${{ github.token }}"}
    hub = make(
        a={
            "permissions": {"contents": "write"},
            "steps": [CHECKOUT, {"run": f"touch y; {commit}; {PUSH} HEAD:main", "env": token}],
        },
        b={
            "permissions": {"contents": "write"},
            "steps": [
                CHECKOUT,
                {"run": f"touch .github/workflows/x.yml; {commit}; {PUSH} HEAD:refs/heads/b", "env": token},
            ],
        },
    )
    hub.settings.protected = frozenset({"main"})
    ran = hub.push("t")
    assert ran.jobs == {"a": "failure", "b": "failure"}
    assert "GH006: Protected branch update failed for refs/heads/main" in ran.said
    assert "refusing to allow a GitHub App to create or update workflow .github/workflows/x.yml" in ran.said


# ---- artifacts, caches -----------------------------------------------------------------------------------------------


def upload(name: str, path: str, **more: str) -> dict[str, Any]:
    return {"uses": f"actions/upload-artifact@{SHA}", "with": {"name": name, "path": path, **more}}


def download(**given: str) -> dict[str, Any]:
    return {"uses": f"actions/download-artifact@{SHA}", "with": given}


WRITE = {"run": "mkdir -p out/.hidden out/deep; echo 1 > out/a; echo 2 > out/.hidden/b; echo 3 > out/deep/c"}


def test_an_artifact_has_one_name_once_and_leaves_out_what_is_hidden(make: Make) -> None:
    hub = make(
        a={"steps": [WRITE, upload("x", "out")]},
        b={"needs": "a", "steps": [WRITE, upload("x", "out")]},
        c={"steps": [upload("a/b", "out")]},
        d={"steps": [upload("nothing", "nowhere", **{"if-no-files-found": "error"})]},
        e={"steps": [upload("nothing", "nowhere")]},
    )
    ran = hub.push("t")
    assert ran.jobs == {"a": "success", "b": "failure", "c": "failure", "d": "failure", "e": "success"}
    assert "(409) Conflict: an artifact with this name already exists on the workflow run" in errors(ran)
    assert "The artifact name is not valid: a/b" in errors(ran)
    assert sorted(path.relative_to(ran.artifacts).as_posix() for path in ran.artifacts.rglob("*.*") or []) == []
    assert sorted(path.name for path in (ran.artifacts / "x").rglob("*") if path.is_file()) == ["a", "c"]


def test_a_name_that_is_not_there_fails_and_a_pattern_does_not(make: Make) -> None:
    hub = make(a={"steps": [download(name="x")]}, b={"steps": [download(pattern="x*")]})
    ran = hub.push("t")
    assert ran.jobs == {"a": "failure", "b": "success"}
    assert errors(ran) == "Unable to download artifact(s): Artifact not found for name: x"


@pytest.mark.parametrize(("permissions", "result"), [({"actions": "read"}, "success"), ({}, "failure")])
def test_another_runs_artifact_needs_a_token_that_may_read_actions(
    make: Make, permissions: dict[str, str], result: str
) -> None:
    fetch = download(
        name="x", **{"run-id": "${{ github.event.workflow_run.id }}", "github-token": "${{ github.token }}"}
    )
    later = {
        "name": "later",
        "on": {"workflow_run": {"workflows": ["t"]}},
        "jobs": {"l": {"permissions": permissions, "steps": [fetch]}},
    }
    hub = make(a={"steps": [WRITE, upload("x", "out")]}, more={"later": later})
    assert hub.workflow_run("later", hub.push("t")).jobs == {"l": result}


def test_main_never_reads_what_a_pull_request_cached(make: Make) -> None:
    cache = {"uses": f"actions/cache@{SHA}", "id": "cache", "with": {"path": "kept", "key": "k"}}
    hub = make(
        a={
            "steps": [
                cache,
                {"run": 'echo "<$HIT>"; mkdir -p kept', "env": {"HIT": "${{ steps.cache.outputs.cache-hit }}"}},
            ]
        }
    )
    hub.send("main")
    hub.commit("Mine")
    assert "<>" in hub.pull_request("t").said
    assert "<true>" in hub.pull_request("t").said
    assert "<>" in hub.push("t").said
    assert "<true>" in hub.push("t").said
    assert "<true>" in hub.pull_request("t", number=8).said


# ---- jobs ------------------------------------------------------------------------------------------------------------


def test_outputs_reach_the_next_job_unless_they_hold_a_secret(make: Make) -> None:
    steps = [{"id": "s", "run": 'echo "x=1" >> $GITHUB_OUTPUT; echo "y=a hidden" >> $GITHUB_OUTPUT'}]
    outputs = {"x": "${{ steps.s.outputs.x }}", "y": "${{ steps.s.outputs.y }}"}
    then = {
        "needs": "a",
        "steps": [{"run": 'echo "<$O>"', "env": {"O": "${{ needs.a.outputs.x }}-${{ needs.a.outputs.y }}"}}],
    }
    hub = make(a={"outputs": outputs, "steps": steps}, b=then)
    hub.settings.secrets["S"] = "hidden"
    assert "<1->" in hub.push("t").said


def test_an_environment_gives_its_variables_to_the_branches_that_may_deploy(make: Make) -> None:
    job = {"environment": "prod", "steps": [{"run": 'echo "<$V>"', "env": {"V": "${{ vars.V }}"}}]}
    asked = {
        "if": "vars.ONLY == ''",
        "environment": "prod",
        "steps": [{"run": 'echo "<$V>"', "env": {"V": "${{ vars.ONLY }}"}}],
    }
    hub = make(a=job, b=asked)
    hub.settings.environments["prod"] = EnvironmentSettings({"V": "of prod", "ONLY": "there"}, branches=("main",))
    ran = hub.push("t")
    assert "<of prod>" in ran.said
    assert "<there>" in ran.said  # a condition does not see it yet
    hub.send("other")
    ran = hub.dispatch("t", branch="other")
    assert ran.jobs == {"a": "failure", "b": "failure"}
    assert 'Branch "other" is not allowed to deploy to prod due to environment protection rules.' in errors(ran)
    hub.settings.private = True
    assert "<set>" in hub.dispatch("t").said  # no environments on this plan


def test_an_empty_or_unreadable_matrix_ends_the_run(make: Make) -> None:
    matrix = {"strategy": {"matrix": {"x": "${{ fromJSON(vars.LIST) }}"}}, "steps": [{"run": "true"}]}
    hub = make(a={"steps": [{"run": "true"}]}, b={"needs": "a", **matrix})
    assert "Matrix vector 'x' does not contain any values" in hub.push("t", LIST="[]").refused
    assert "Error parsing fromJson" in hub.dispatch("t", LIST="staging").refused
    assert hub.dispatch("t", LIST='["b", "a"]').jobs == {"a": "success", "b (a)": "success", "b (b)": "success"}


def test_failed_jobs_run_again_with_what_the_others_handed_on(make: Make) -> None:
    steps = [{"id": "s", "run": "echo x=$RANDOM$RANDOM >> $GITHUB_OUTPUT"}, WRITE, upload("x", "out")]
    hub = make(
        a={"outputs": {"x": "${{ steps.s.outputs.x }}"}, "steps": steps},
        b={"needs": "a", "steps": [{"run": 'test -n "$V"', "env": {"V": "${{ vars.W }}"}}, WRITE, upload("y", "out")]},
        c={"needs": "b", "steps": [download(name="x"), {"run": "true"}]},
    )
    first = hub.push("t")
    assert (first.jobs, first.skipped) == ({"a": "success", "b": "failure"}, ["c"])
    again = hub.rerun(first, W="now")
    assert again.jobs == {"a": "success", "b": "success", "c": "success"}
    assert again.all_jobs[0] is first.all_jobs[0]
    assert (again.number, again.attempt) == (first.number, 2)
    assert hub.rerun(again, failed_only=False, W="now").jobs == again.jobs


def test_a_called_workflow_that_asks_for_more_starts_nothing(make: Make) -> None:
    inner = {
        "name": "i",
        "on": "workflow_call",
        "jobs": {"w": {"permissions": {"contents": "write"}, "steps": [{"run": "true"}]}},
    }
    hub = make(a={"uses": "./.github/workflows/inner.yml", "permissions": {"contents": "read"}}, more={"inner": inner})
    ran = hub.push("t")
    assert ran.conclusion == "startup_failure"
    assert "is requesting 'contents: write', but is only allowed 'contents: read'" in ran.refused


def test_a_called_workflow_is_the_signer_and_its_jobs_have_both_names(make: Make) -> None:
    sign = {"uses": f"actions/attest@{SHA}", "with": {"subject-path": "out/a"}}
    rights = {"id-token": "write", "attestations": "write"}
    inner = {"name": "i", "on": "workflow_call", "jobs": {"w": {"permissions": rights, "steps": [WRITE, sign]}}}
    hub = make(a={"uses": "./.github/workflows/inner.yml", "permissions": rights}, more={"inner": inner})
    ran = hub.push("t")
    assert ran.jobs == {"a / w": "success"}
    assert hub.attestations[0]["signer"] == "us/obesity/.github/workflows/inner.yml"
    hub.settings.private = True
    assert "Feature not available for user-owned private repositories" in errors(hub.dispatch("t"))


# ---- what is started, and what is installed --------------------------------------------------------------------------


def test_a_fork_has_no_workflow_that_a_schedule_starts_until_somebody_enables_it(make: Make) -> None:
    hub = make(
        {"push": {}, "workflow_dispatch": {}, "schedule": [{"cron": "0 0 * * 1"}]}, a={"steps": [{"run": "true"}]}
    )
    hub.settings.fork = True
    assert hub.push("t").refused == "t.yml is disabled"
    assert hub.dispatch("t").refused == "Cannot trigger a 'workflow_dispatch' on a disabled workflow"
    hub.settings.enabled.add("t")
    assert hub.schedule("t").jobs == {"a": "success"}


def test_a_job_has_only_what_its_steps_install(make: Make, tmp_path: Path, small_params: Any) -> None:
    csv = tmp_path / "data.csv"
    csv.write_text("", encoding="utf-8")
    hub = make(
        bare={"steps": [CHECKOUT, {"run": "python -c 'import pandas'"}]},
        sam={"steps": [CHECKOUT, {"run": "make .venv/.uv; .tools/sam/bin/sam --version"}]},
        tools={
            "steps": [
                CHECKOUT,
                {"run": "make tools PYTHON=python; test -x .tools/sam/bin/sam; ls .venv/lib/*/site-packages"},
            ]
        },
        run={
            "steps": [
                CHECKOUT,
                {"run": "make .venv/.run PYTHON=python; .venv/bin/python -c 'import pandas; import pytest'"},
            ]
        },
    )
    project = make_project(tmp_path / "project", small_params, csv)
    for name in ("requirements", "pipeline", "lambda_api", "golden_hook"):
        (project.root / name).rename(hub.repository.root / name)
    for name in ("Makefile", "pyproject.toml"):
        (hub.repository.root / name).write_bytes((ROOT / name).read_bytes())
    hub.commit("Bring the locks")
    ran = hub.push("t")
    assert ran.jobs == {"bare": "failure", "sam": "failure", "tools": "success", "run": "failure"}
    assert ran.said.count("No module named 'pandas'") == 1
    assert ran.said.count("No module named 'pytest'") == 1
    assert ".tools/sam/bin/sam: No such file" in ran.said
