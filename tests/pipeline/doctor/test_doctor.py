"""`pipeline doctor` in a clone: a strict `gh` answers for GitHub, moto for AWS, a server on this machine for stages.

What each check says of each fault is in the tests beside this one.
"""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipeline.doctor import cloud
from tests.fakes.gh_command import asked, write_gh
from tests.fakes.github_settings import environment, repository
from tests.fixtures.called import called
from tests.fixtures.doctor import ACCOUNT, CHAMPION, REGION, Cloud
from tests.paths import ROOT

FILES = ["ci.yml", "comment.yml", "deploy.yml", "pull-request.yml", "retrain.yml", "watch.yml"]
ACTIVE = dict.fromkeys(FILES, "active")
POLICY = {"protected_branches": False, "custom_branch_policies": True}


@dataclass
class Clone:
    """A clone of us/obesity, and all that its doctor asks."""

    folder: Path
    state: dict[str, Any]
    environment: dict[str, str] = field(default_factory=dict)

    def doctor(self, *options: str) -> "subprocess.CompletedProcess[str]":
        """What the command says and exits with."""
        return called("doctor", *options, folder=self.folder, environment=self.settings())

    def settings(self) -> dict[str, str]:
        """The variables of the shell; the state on GitHub is as it is now."""
        home = {"HOME": str(self.folder), "AWS_EC2_METADATA_DISABLED": "true"}
        return home | write_gh(self.folder.parent, self.state) | self.environment

    def findings(self, wanted: int | None = None) -> dict[str, dict[str, str]]:
        """The findings by what was looked at, "variables" by number too; with the exit code that they must give."""
        done = self.doctor("--json")
        found: list[dict[str, str]] = json.loads(done.stdout)
        expected = 3 if any(one["sign"] == "wrong" for one in found) else 0
        assert done.returncode == (expected if wanted is None else wanted), done.stdout
        by_check: dict[str, dict[str, str]] = {}
        for one in found:
            by_check[one["check"] if one["check"] not in by_check else f"{one['check']} {len(by_check)}"] = one
        return by_check

    def mend(self, remedy: str) -> None:
        """Paste a remedy into a shell, and keep what it changed on GitHub."""
        shell = os.environ | self.settings()
        done = subprocess.run(
            ["bash", "-ec", remedy], cwd=self.folder, env=shell, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        self.state = json.loads((self.folder.parent / "state.json").read_text())

    def asked(self) -> list[str]:
        """What was asked of GitHub."""
        return asked(self.folder.parent)


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    """A fresh copy of the template, with nothing set, and a registry that nobody wrote to yet."""
    folder = tmp_path / "clone"
    (folder / ".github/workflows").mkdir(parents=True)
    for file in FILES:
        (folder / ".github/workflows" / file).touch()
    shutil.copy(ROOT / "params.yaml", folder)
    for words in (("init", "--quiet"), ("remote", "add", "origin", "git@github.com:us/obesity.git")):
        subprocess.run(["git", *words], cwd=folder, check=True)
    monkeypatch.setattr(cloud, "read_champion", lambda *_: None)
    return Clone(folder, repository(workflows=dict(ACTIVE)))


# ---- nothing set, and a fork ---------------------------------------------------------------------------------------


def test_a_fresh_copy_of_the_template_is_right_as_it_is_and_notes_say_what_a_team_may_want(clone: Clone) -> None:
    done = clone.doctor()

    assert done.returncode == 0
    lines = [line.partition(". Remedy: ") for line in done.stdout.splitlines()]
    assert [seen for seen, _, _ in lines] == [
        "ok  origin         github.com/us/obesity",
        "ok  gh             logged in as ada",
        "ok  repository     us/obesity, public",
        "ok  actions        on",
        "ok  workflows      6 enabled",
        "--  main           not protected: whoever may push changes what is published",
        "--  pull requests  workflows may not open them: refresh.yml cannot propose newer packages",
        "ok  issues         on",
        "ok  variables      none is set: the registry is kept in this repository",
        "--  registry       git:origin: no champion yet; the first push to main makes one",
        "--  aws            no AWS: nothing is deployed",
        "",
        "Nothing is wrong",
    ]
    assert [remedy.split()[:2] for _, _, remedy in lines if remedy] == [["echo", lines[5][2].split()[1]], ["gh", "api"]]


def test_only_questions_are_asked(clone: Clone) -> None:
    clone.state |= {
        "variables": {"DEPLOY_STAGES": "prod", "WATCH_LOG": "x.log"},
        "environments": {"prod": environment()},
    }
    clone.findings()

    assert {order.split()[0] for order in clone.asked()} == {"GET"}
    assert len(clone.asked()) > 10


def test_a_new_fork_is_told_what_github_switched_off(clone: Clone) -> None:
    clone.state |= {"fork": True, "has_issues": False, "workflows": ACTIVE | {"watch.yml": "disabled_fork"}}
    clone.state["actions"]["enabled"] = False
    found = clone.findings(wanted=3)

    assert found["repository"]["seen"] == "us/obesity, public, a fork"
    assert found["actions"]["seen"] == "GitHub Actions are off"
    assert found["workflows"]["seen"] == "not enabled: watch.yml (disabled_fork)"
    assert (found["issues"]["sign"], found["issues"]["seen"]) == ("note", "off: nobody is told of drift")
    for check in ("actions", "workflows", "issues"):
        clone.mend(found[check]["remedy"])
    mended = clone.findings(wanted=0)
    assert {mended[check]["sign"] for check in ("actions", "workflows", "issues")} == {"ok"}


# ---- what ends it early --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "seen", "remedy"),
    [
        (
            "https://x:secret@git.example.com/us/obesity",
            "is on git.example.com: only github.com is supported, neither GitHub Enterprise Server nor ghe.com",
            "git remote set-url origin https://github.com/OWNER/NAME.git",
        ),
        (
            "/srv/obesity.git",
            "this folder is no clone of a repository on GitHub",
            "git remote add origin https://github.com/OWNER/NAME.git",
        ),
    ],
)
def test_an_origin_elsewhere_ends_it(clone: Clone, address: str, seen: str, remedy: str) -> None:
    subprocess.run(["git", "remote", "set-url", "origin", address], cwd=clone.folder, check=True)
    found = clone.findings(wanted=3)

    assert list(found) == ["origin", "gh"]
    assert (found["origin"]["seen"], found["origin"]["remedy"]) == (seen, remedy)


def test_without_gh_or_a_login_or_the_network_nothing_more_is_asked(clone: Clone) -> None:
    clone.state["me"] = None
    login = clone.findings(wanted=3)["gh"]
    assert (login["seen"], login["remedy"]) == ("gh is not logged in", "gh auth login")

    clone.state |= {"me": {"login": "ada", "id": 5}, "unreachable": True}
    assert clone.findings(wanted=0)["gh"]["seen"] == "cannot tell: error connecting to api.github.com"

    git = Path(shutil.which("git") or "git")
    (clone.folder / "git").symlink_to(git)
    clone.environment["PATH"] = str(clone.folder)
    missing = clone.findings(wanted=3)
    assert (list(missing), missing["gh"]["seen"]) == (["origin", "gh"], "GitHub's command line is not installed")


# ---- whose variables, and what cannot be seen --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "check", "seen"),
    [
        ("read", "variables", "cannot tell: Resource not accessible"),
        ("read", "aws", "cannot tell: the variables that name it cannot be read"),
        ("none", "repository", "cannot tell: Not Found (HTTP 404); this needs more rights on the repository"),
    ],
)
def test_what_this_person_may_not_see_is_no_fault(clone: Clone, role: str, check: str, seen: str) -> None:
    clone.state["role"] = role
    found = clone.findings(wanted=0)[check]
    assert (found["sign"], found["seen"][: len(seen)]) == ("unknown", seen)


def test_an_organisations_variables_count_and_the_repositorys_own_go_first(clone: Clone) -> None:
    clone.state |= {
        "owner": {"login": "us", "id": 11, "type": "Organization"},
        "organization_variables": {"REGISTRY_URL": "nonsense", "MLFLOW_TRACKING_URI": "https://mlflow.example"},
        "variables": {"REGISTRY_URL": "git:origin"},
    }
    found = clone.findings(wanted=0)
    assert found["variables"]["seen"].startswith("MLFLOW_TRACKING_URI names a server")
    assert found["registry"]["seen"].startswith("https://mlflow.example")


# ---- with AWS --------------------------------------------------------------------------------------------------------


@pytest.fixture
def deployed(clone: Clone, account: Cloud, monkeypatch: pytest.MonkeyPatch) -> Clone:
    """A clone with everything as `make bootstrap` sets it, two stages deployed."""
    roles = account.roles
    stage = {
        name: environment(
            policy=POLICY, branches=["main"], variables={"AWS_ROLE_DEPLOY": roles[f"Deploy{name.capitalize()}Role"]}
        )
        for name in ("staging", "prod")
    }
    stage["prod"]["reviewers"] = [{"type": "User", "id": 5}]
    clone.state |= {
        "protection": ["ci", "model"],
        "may_create_pull_requests": True,
        "environments": stage,
        "variables": {
            "AWS_REGION": REGION,
            "AWS_ROLE_READ": roles["ReadRole"],
            "AWS_ROLE_PUBLISH": roles["PublishRole"],
            "AWS_ROLE_WATCH": roles["WatchRole"],
            "REGISTRY_URL": "s3://bucket/registry",
            "ARTIFACTS_BUCKET": "bucket",
            "WATCH_LOG": "cloudwatch:/aws/lambda/obesity-levels-prod",
            "RETRAIN_ON_DRIFT": "false",
            "DEPLOY_STAGES": '["staging", "prod"]',
        },
    }
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-west-2"}
    clone.environment |= keys | {"AWS_ENDPOINT_URL": account.address}
    monkeypatch.setattr(cloud, "read_champion", lambda *_: CHAMPION)
    return clone


def test_a_set_up_as_bootstrap_makes_it_is_right_and_asked_in_the_region_of_the_workflows(deployed: Clone) -> None:
    done = deployed.doctor()

    assert done.stdout.splitlines() == [
        "ok  origin               github.com/us/obesity",
        "ok  gh                   logged in as ada",
        "ok  repository           us/obesity, public",
        "ok  actions              on",
        "ok  workflows            6 enabled",
        "ok  main                 protected, requires ci and model",
        "ok  pull requests        workflows may open them",
        "ok  issues               on",
        "ok  variables            9 set, and each has what it needs",
        "ok  environment staging  only main deploys",
        "ok  environment prod     only main deploys, after one of 1 approved it",
        "ok  registry             s3://bucket/registry: the champion is version 3",
        f"ok  aws                  your credentials are of account {ACCOUNT}, as every role is",
        "ok  role read            its trust policy accepts our workflow on our ref, and nobody else",
        "ok  role publish         its trust policy accepts our workflow on our ref, and nobody else",
        "ok  role watch           its trust policy accepts our workflow on our ref, and nobody else",
        "ok  role staging         its trust policy accepts our workflow on our ref, and nobody else",
        "ok  role prod            its trust policy accepts our workflow on our ref, and nobody else",
        "ok  stage staging        answers with version 3, the champion",
        "ok  stage prod           answers with version 3, the champion",
        "",
        "Nothing is wrong",
    ]
    assert done.returncode == 0
    assert os.environ.get("AWS_DEFAULT_REGION") != REGION


def test_without_credentials_of_the_account_nothing_of_aws_is_judged(deployed: Clone) -> None:
    """A stage of another account with the same name would be none of ours."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del deployed.environment[name]
    found = deployed.findings(wanted=0)

    assert found["aws"]["sign"] == "unknown"
    assert "log in to AWS" in found["aws"]["seen"]
    assert [check for check in found if check.startswith(("role", "stage"))] == []
