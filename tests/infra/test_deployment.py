"""Deploy, status and rollback with the real commands, sam and Lambda's runtime, without AWS."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.params import Params
from pipeline.registry import Registry
from tests.fakes.account import Account, account
from tests.fixtures.called import called
from tests.fixtures.registry import copy_registry
from tests.paths import ROOT

pytestmark = pytest.mark.xdist_group("built")

NAME = "obesity_classifier"
BUCKET = "artifacts"


@dataclass(frozen=True)
class Place:
    """A project with a registry, and the account that it deploys to."""

    root: Path
    account: Account

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """What a command says; one that deploys runs in a process of its own, because SAM writes to its stderr."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MLFLOW", "CI"))}
        settings = {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "", "ARTIFACTS_BUCKET": BUCKET}
        named = clean | self.account.environment | settings | environment
        if arguments[0] != "deploy":
            return called(*arguments, folder=self.root, environment=named)
        order = [sys.executable, "-m", "pipeline", *arguments]
        return subprocess.run(order, cwd=self.root, env=named, capture_output=True, text=True, check=False)

    @property
    def registry(self) -> Registry:
        return Registry(f"sqlite:///{self.root}/mlflow.db")

    def champion(self) -> int | None:
        champion = self.registry.champion(NAME)
        return champion.number if champion else None

    def status(self) -> dict[str, Any]:
        done = self.run("status", "--stage", "dev", "--json")
        assert done.returncode == 0, done.stderr
        status: dict[str, Any] = json.loads(done.stdout)
        return status


@pytest.fixture(scope="module")
def place(
    moto: str, tools: Path, two_versions: Path, small_params: Params, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """Version 1 is champion; nothing is deployed."""
    root = tmp_path_factory.mktemp("place")
    for name in ("lambda_api", "golden_hook", "infra"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("template.yaml", "samconfig.toml"):
        shutil.copy(ROOT / name, root)
    (root / ".tools").symlink_to(tools)
    (root / "params.yaml").write_text(json.dumps(small_params.model_dump()))
    copy_registry(two_versions, root)
    with account(moto, tmp_path_factory.mktemp("account"), tools) as fake:
        where = {"LocationConstraint": "eu-central-1"}
        fake.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
        made = Place(root, fake)
        made.registry.promote(NAME, 1, "Production", expected=None)
        yield made


@pytest.fixture(scope="module")
def first(place: Place) -> subprocess.CompletedProcess[str]:
    """The deployment of version 1 to an empty account."""
    return place.run("deploy", "--stage", "dev")


def test_status_of_a_stage_without_a_stack_names_the_command_that_deploys_it(place: Place) -> None:
    if place.account.stacks:
        pytest.skip("something is deployed already")
    done = place.run("status", "--stage", "dev")
    assert done.returncode == 2
    assert done.stderr == (
        "CloudError: there is no stack obesity-levels-dev in this account and region: deploy it with "
        "`make deploy STAGE=dev`\n"
    )


def test_the_champion_is_deployed_judged_and_answers_over_http_with_its_golden_answers(
    place: Place, first: subprocess.CompletedProcess[str]
) -> None:
    assert first.returncode == 0, first.stdout + first.stderr
    url = place.account.environment["API_URL"]
    assert f"dev: model 1 (function version 1) answers at {url}, with its golden answers\n" in first.stdout
    assert f'curl {url}/predict --aws-sigv4 "aws:amz:eu-central-1:execute-api"' in first.stdout
    assert place.status()["live"]["model"] == "1"
    assert place.status()["is_champion"] is True


def test_the_golden_records_were_asked_with_a_signature(place: Place, first: subprocess.CompletedProcess[str]) -> None:
    assert first.returncode == 0
    requests = [(item["rawPath"], item["headers"]["authorization"]) for item in place.account.requests]
    assert [path for path, _ in requests] == ["/model_info", "/predict", "/predict_batch"]
    assert all(text.startswith("AWS4-HMAC-SHA256 Credential=testing/") for _, text in requests)
    assert all("/eu-central-1/execute-api/aws4_request" in text for _, text in requests)


def test_the_same_again_changes_nothing(place: Place, first: subprocess.CompletedProcess[str]) -> None:
    assert first.returncode == 0
    done = place.run("deploy", "--stage", "dev", "--no-build")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Nothing was changed: this version was live already\n" in done.stdout
    assert place.status()["live"]["number"] == "1"


@pytest.fixture(scope="module")
def stopped(place: Place, first: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    """A deployment of version 2, now champion, that does not give the golden answers that the hook holds."""
    assert first.returncode == 0
    place.registry.promote(NAME, 2, "Production", expected=1, why="it is better")
    place.account.before_hook = lambda folder: (folder / "golden.json").write_bytes(
        (folder / "golden.json").read_bytes() + b"\n"
    )
    done = place.run("deploy", "--stage", "dev")
    place.account.before_hook = lambda _: None
    return done


def test_a_version_that_answers_otherwise_is_stopped_before_it_gets_requests(
    place: Place, stopped: subprocess.CompletedProcess[str]
) -> None:
    assert stopped.returncode == 3, stopped.stdout + stopped.stderr
    assert "DeploymentRefusal: dev was taken back, the version before answers again:\n" in stopped.stderr
    assert "ApiFunctionAliaslive: hook failed: ['the model that answers has golden_sha256 " in stopped.stderr
    status = place.status()
    assert (status["live"]["model"], status["champion"], status["is_champion"]) == ("1", 2, False)


@pytest.fixture(scope="module")
def second(place: Place, stopped: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    """A second deployment of version 2, from the same build."""
    assert stopped.returncode == 3
    return place.run("deploy", "--stage", "dev", "--no-build")


def test_a_new_champion_is_a_new_version_of_the_function(
    place: Place, second: subprocess.CompletedProcess[str]
) -> None:
    assert second.returncode == 0, second.stdout + second.stderr
    assert "dev: model 2 (function version 3) answers" in second.stdout
    version = place.registry.version(NAME, 2)
    live = place.status()["live"]
    assert (live["number"], live["model"], live["model_sha256"]) == ("3", "2", version.tags["model_sha256"])


def test_what_was_built_of_another_model_is_not_deployed(
    place: Place, second: subprocess.CompletedProcess[str]
) -> None:
    assert second.returncode == 0
    done = place.run("deploy", "--stage", "dev", "--version", "1", "--no-build")  # 2 was built last
    assert done.returncode == 2
    assert "ModelFileError: .aws-sam/build/ApiFunction/model/model.onnx has SHA-256 " in done.stderr
    assert done.stderr.rstrip().endswith(": build again")


def test_a_rollback_moves_alias_and_champion_together_and_writes_the_reason_down(
    place: Place, second: subprocess.CompletedProcess[str]
) -> None:
    assert second.returncode == 0
    done = place.run("rollback", "--stage", "dev", "--why", "false alarms since Monday")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "dev answers with model 1 (function version 1), no longer model 2\n"
        "champion is version 1 again\n"
        "Check with: pipeline status --stage dev\n"
    )
    status = place.status()
    assert (status["live"]["number"], status["champion"], status["is_champion"]) == ("1", 1, True)
    last = place.registry.history(NAME)[-1]
    assert (last.action, last.why, last.moved_from, last.moved_to) == ("rollback", "false alarms since Monday", 2, 1)


def test_what_was_rolled_back_is_not_deployed_again_unseen_but_sent_forward(
    place: Place, second: subprocess.CompletedProcess[str]
) -> None:
    assert second.returncode == 0
    place.account.client("lambda").update_alias(FunctionName="obesity-levels-dev", Name="live", FunctionVersion="1")
    done = place.run("deploy", "--stage", "dev", "--version", "2", "--no-build")
    assert done.returncode == 3
    assert "dev still answers with model 1: a rollback took it there" in done.stderr
    assert "`pipeline rollback --stage dev --to 2 --why ...`" in done.stderr
    done = place.run("rollback", "--stage", "dev", "--to", "2", "--why", "it was not the model")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("dev answers with model 2 (function version 3), no longer model 1\n")
    assert place.champion() == 2


def test_a_rollback_that_was_killed_between_its_moves_is_completed_by_the_same_command(
    place: Place, second: subprocess.CompletedProcess[str]
) -> None:
    assert second.returncode == 0
    if place.champion() == 1:
        place.registry.promote(NAME, 2, "Production", expected=1)
    place.account.client("lambda").update_alias(FunctionName="obesity-levels-dev", Name="live", FunctionVersion="1")
    done = place.run("rollback", "--stage", "dev", "--to", "1", "--why", "again")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        "dev answers with model 1 (function version 1), as it did before\nchampion is version 1 again\n"
    )
    assert (place.status()["live"]["number"], place.champion()) == ("1", 1)


def test_a_rollback_to_a_version_that_does_not_give_its_golden_answers_is_refused(
    place: Place, second: subprocess.CompletedProcess[str]
) -> None:
    assert second.returncode == 0
    client = place.account.client("lambda")
    client.update_alias(FunctionName="obesity-levels-dev", Name="live", FunctionVersion="3")
    champion = place.champion()
    place.account.running("1")
    place.account.started["1"] = place.account.running("3")  # AWS would run other code under this number
    done = place.run("rollback", "--stage", "dev", "--to", "1", "--why", "no reason")
    del place.account.started["1"]
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].startswith("  the model that answers has ")
    assert "DeploymentRefusal: version 1 does not answer as model 1 must:\n" in done.stderr
    assert (place.status()["live"]["number"], place.champion()) == ("3", champion)


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("7", "RegistryError: obesity_classifier has no version or alias 7: versions: 1, 2; aliases: "),
        (
            "2",
            "CloudError: no published version of obesity-levels-dev holds model 2 any more; there are: model 1 (",
        ),
    ],
)
def test_a_rollback_to_what_is_gone_is_refused_and_nothing_moves(
    place: Place, second: subprocess.CompletedProcess[str], to: str, words: str
) -> None:
    assert second.returncode == 0
    client = place.account.client("lambda")
    client.update_alias(FunctionName="obesity-levels-dev", Name="live", FunctionVersion="1")
    there = {
        item["Version"] for item in client.list_versions_by_function(FunctionName="obesity-levels-dev")["Versions"]
    }
    for number in there & {"2", "3"}:
        client.delete_function(FunctionName="obesity-levels-dev", Qualifier=number)
    before = place.champion()
    done = place.run("rollback", "--stage", "dev", "--to", to, "--why", "no reason")
    assert done.returncode == 2
    assert done.stderr.startswith(words)
    assert (place.status()["live"]["number"], place.champion()) == ("1", before)


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (
            "UPDATE_IN_PROGRESS",
            3,
            "RaceLostError: another deployment of dev is running (obesity-levels-dev is UPDATE_IN_",
        ),
        ("ROLLBACK_COMPLETE", 2, "`sam delete --stack-name obesity-levels-dev` and deploy again\n"),
        ("UPDATE_ROLLBACK_FAILED", 2, "continue-update-rollback --stack-name obesity-levels-dev`, then deploy again\n"),
    ],
)
def test_a_stack_that_is_busy_or_stuck_is_left_alone(
    place: Place, second: subprocess.CompletedProcess[str], status: str, code: int, words: str
) -> None:
    assert second.returncode == 0
    stack = place.account.stacks["obesity-levels-dev"]
    before, events = stack.status, len(stack.events)
    stack.status = status
    done = place.run("deploy", "--stage", "dev")
    stack.status = before
    assert done.returncode == code
    assert words in done.stderr
    assert len(stack.events) == events


def test_a_rollback_waits_for_a_deployment_that_is_running(
    place: Place, second: subprocess.CompletedProcess[str]
) -> None:
    assert second.returncode == 0
    stack = place.account.stacks["obesity-levels-dev"]
    before, stack.status = stack.status, "UPDATE_IN_PROGRESS"
    done = place.run("rollback", "--stage", "dev", "--to", "1", "--why", "in a hurry")
    stack.status = before
    assert done.returncode == 2
    assert "is being deployed now (UPDATE_IN_PROGRESS): stop that deployment in CodeDeploy" in done.stderr


def test_a_deployment_without_its_bucket_fails_and_leaves_no_stack(place: Place) -> None:
    if not (place.root / ".aws-sam/build/template.yaml").exists():
        pytest.skip("nothing was built")
    done = place.run("deploy", "--stage", "staging", "--version", "2", "--no-build", ARTIFACTS_BUCKET="not-there")
    assert done.returncode == 2
    assert "S3 Bucket does not exist" in done.stderr
    assert "staging was not deployed, and there is still no stack obesity-levels-staging" in done.stderr
    assert "obesity-levels-staging" not in place.account.stacks
