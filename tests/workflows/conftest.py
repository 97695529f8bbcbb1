"""The hub that the tests of the workflows push to: made once, copied by each test."""

import logging
import shutil
from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer

from pipeline.data import sample
from pipeline.params import Params
from tests.fakes.account import Account, account
from tests.fakes.hub import COPIED, TOOLS, Hub, Ran
from tests.fixtures.project import make_project
from tests.paths import ROOT

FEW_TREES, MORE_TREES = {"n_estimators": 8}, {"n_estimators": 20}
"""Of two forests on the same 600 invented records, the second passes the gate against the first, and not vice versa."""

BATTERIES = {"random_records": 200, "rounded_records": 200, "threshold_records": 200, "unknown_records": 50}


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """Address of an S3 server."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def first_hub(tmp_path_factory: pytest.TempPathFactory, small_params: Params, s3: str) -> Hub:
    """A small project that went through the loop once with few trees, and all of it pushed: code, data, registry."""
    hub = Hub(tmp_path_factory.mktemp("first") / "hub", s3)
    invented = small_params.sample.model_copy(update={"rows": 600, "seed": 7})
    csv = tmp_path_factory.mktemp("invented") / "mine.csv"
    csv.write_text(sample.generate(sample.load_profile(ROOT / sample.PROFILE), invented), encoding="utf-8")
    project = make_project(hub.repository.root, small_params, csv)
    project.set_params(forest=FEW_TREES, parity=BATTERIES)
    for name in COPIED:
        shutil.copy2(ROOT / name, project.root / name)
    shutil.copytree(ROOT / ".github", project.root / ".github")
    hub.bucket("first")
    done = project.run("retrain", "--data", str(csv))
    assert done.returncode == 0, done.stdout + done.stderr
    hub.keep()
    hub.commit("Train the first model")
    hub.git("branch", "--move", "main")
    return hub.clone(hub.root.with_name("pushed"), "pushed")


def commit_what_the_run_handed_over(hub: Hub) -> str:
    for name in ("dvc.lock", "reports"):
        handed = hub.artifacts / "report" / name
        if handed.is_dir():
            shutil.copytree(handed, hub.repository.root / name, dirs_exist_ok=True)
        else:
            shutil.copy(handed, hub.repository.root / name)
    return hub.commit("Commit what the code makes")


@pytest.fixture(scope="session")
def stale(first_hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> tuple[Hub, Ran]:
    """Better params were pushed to main without the lock that they make."""
    hub = first_hub.clone(tmp_path_factory.mktemp("stale") / "hub", "stale")
    before = hub.git("rev-parse", "HEAD")
    hub.repository.set_params(forest=MORE_TREES)
    hub.commit("Grow more trees")
    return hub, hub.push(before)


@pytest.fixture(scope="session")
def aws_account(s3: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """An account whose S3 is the hub's."""
    with account(s3, tmp_path_factory.mktemp("account"), TOOLS) as found:
        yield found


@pytest.fixture(scope="session")
def promoted(stale: tuple[Hub, Ran], aws_account: Account, tmp_path_factory: pytest.TempPathFactory) -> tuple[Hub, Ran]:
    """Then the lock was taken from the run's report, and pushed; what is promoted goes to staging."""
    hub = stale[0].clone(tmp_path_factory.mktemp("promoted") / "hub", "promoted")
    shutil.copytree(stale[0].artifacts, hub.artifacts)
    before = hub.git("rev-parse", "HEAD")
    commit_what_the_run_handed_over(hub)
    shutil.rmtree(hub.artifacts)
    hub.reach(aws_account.environment)
    return hub, hub.push(before, DEPLOY_STAGES='["staging"]', ARTIFACTS_BUCKET=hub.name)
