"""`pipeline ci ...` as a runner calls it: where the registry is kept, and what is said about that."""

import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from pipeline.registry import Registry
from pipeline.registry.git_ref import REF
from pipeline.registry.remote_store import pull
from tests.fixtures.aws import SECRET
from tests.fixtures.called import called
from tests.fixtures.service_log import log, shuffled_people

NAME = "obesity_classifier"


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """The repository on GitHub."""
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "origin.git"], check=True)
    return tmp_path / "origin.git"


Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def run(trained_project: Path, origin: Path, tmp_path: Path) -> Run:
    """Calls a command on a new runner, which has a checkout with a result, no registry, and the variables given."""
    numbers = iter(range(100))

    def on_a_runner(*arguments: str, dvc_config: str = "", **environment: str) -> CompletedProcess[str]:
        folder = Path(shutil.copytree(trained_project, tmp_path / f"runner-{next(numbers)}"))
        (folder / "mlflow.db").unlink()
        shutil.rmtree(folder / "mlartifacts")
        subprocess.run(["git", "remote", "add", "origin", origin], cwd=folder, check=True)
        with (folder / ".dvc/config").open("a", encoding="utf-8") as config:
            config.write(dvc_config)
        given = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GITHUB_ACTIONS": "true"}
        given |= {"GITHUB_OUTPUT": str(folder / "output"), "AWS_EC2_METADATA_DISABLED": "true"}
        done = called(*arguments, folder=folder, environment=given | environment)
        done.args = folder
        return done

    return on_a_runner


def outputs(done: CompletedProcess[str]) -> dict[str, str]:
    """What a run handed on."""
    lines = (Path(done.args) / "output").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)


def tip(origin: Path) -> str:
    """The newest state's commit, or nothing."""
    order = ["git", "for-each-ref", "--format=%(objectname)", REF]
    return subprocess.run(order, cwd=origin, capture_output=True, text=True, check=True).stdout.strip()


def test_without_a_single_variable_a_run_is_compared_with_the_champion_of_the_one_before(
    run: Run, origin: Path, tmp_path: Path
) -> None:
    first = run("ci", "judge")
    assert first.returncode == 0
    assert "::notice title=registry::no model was ever pushed to git:origin, so there is no champion" in first.stdout
    assert tip(origin) == ""

    second = run("ci", "judge", "--publish", "--why", "a push")
    assert (second.returncode, outputs(second)["outcome"], outputs(second)["champion"]) == (0, "floors only", "1")
    assert "lost" not in second.stdout
    state = tip(origin)
    assert state

    third = run("ci", "judge", "--publish", "--why", "the next push")
    assert (third.returncode, outputs(third)["champion"]) == (0, "1")
    assert outputs(third)["outcome"] != "promoted"
    kept = Registry(f"sqlite:///{tmp_path}/kept/mlflow.db")
    pull(kept.store, f"git:{origin}")
    assert [version.number for version in kept.versions(NAME)] == [1]

    state = tip(origin)
    dry = run("ci", "judge")
    assert (dry.returncode, outputs(dry)["champion"]) == (0, "1")
    assert "title=registry" not in dry.stdout
    assert tip(origin) == state

    fetched = run("ci", "fetch", "--version", "champion")
    assert (fetched.returncode, outputs(fetched)["version"]) == (0, "1")


def test_a_dry_run_that_cannot_read_the_registry_says_why_and_checks_the_floors(run: Run, origin: Path) -> None:
    shutil.rmtree(origin)
    done = run("ci", "judge")
    assert done.returncode == 0
    (line,) = [line for line in done.stdout.splitlines() if "title=registry" in line]
    assert line.startswith("::notice title=registry::the champion cannot be read, so only the floors are checked")
    assert "git:origin cannot be read (fatal: '" in line


def test_a_publishing_run_that_cannot_read_the_registry_fails_in_one_line(run: Run, origin: Path) -> None:
    shutil.rmtree(origin)
    done = run("ci", "judge", "--publish")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("RegistryError: git:origin cannot be read (fatal: '")


SOMEBODYS = """\
[core]
    remote = storage
['remote "storage"']
    url = s3://somebodys-bucket/dvc
"""


def test_where_the_repository_names_somebodys_bucket_and_there_are_no_credentials_it_publishes_and_warns(
    run: Run,
) -> None:
    done = run("ci", "judge", "--publish", dvc_config=SOMEBODYS)
    assert (done.returncode, outputs(done)["champion"]) == (0, "1")
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("::warning")]
    assert line == (
        "::warning title=data::DVC's remote storage cannot be written: Unable to locate credentials "
        "(NoCredentialsError). The model is published all the same; nobody else can fetch its data from DVC"
    )
    keys = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": SECRET}
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}
    refused = run("ci", "judge", "--publish", dvc_config=SOMEBODYS, **keys, **nowhere)
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].startswith("SourceError: DVC's remote storage cannot be written: ")
    assert SECRET not in refused.stderr


def test_a_server_keeps_the_registry_also_where_an_address_is_set(run: Run) -> None:
    done = run("ci", "fetch", MLFLOW_TRACKING_URI="http://127.0.0.1:9", REGISTRY_URL="s3://bucket/registry")
    assert done.returncode == 2
    notice, *_ = done.stdout.splitlines()
    assert notice == (
        "::notice title=registry::MLFLOW_TRACKING_URI names a server, which keeps the registry itself: REGISTRY_URL is "
        "ignored"
    )
    assert "unset MLFLOW_TRACKING_URI" not in done.stderr
    assert "the registry at http://127.0.0.1:9 answers" in done.stderr


@pytest.mark.parametrize("store", [{}, {"REGISTRY_URL": "git:origin"}])
def test_references_of_the_watch_are_kept_in_s3_only_and_a_run_without_it_says_so(
    store: dict[str, str], tmp_path: Path
) -> None:
    text = "\n".join(log(shuffled_people()[:700], datetime.now(UTC)))
    (tmp_path / "service.log").write_text(text, encoding="utf-8")
    environment = {"PATH": os.environ["PATH"], "GITHUB_ACTIONS": "true", **store}
    done = called("ci", "watch", "--log", "service.log", folder=tmp_path, environment=environment)
    assert done.returncode == 0
    assert done.stdout.startswith(
        "::warning title=references::References are kept in S3 only, and no address in S3 is set: they are not saved, "
        "so slow drift is missed. Set the variable WATCH_URL to s3://bucket/prefix\n"
    )
