"""The workflows that train, run as GitHub runs them: pushes to main, one after the other, and pull requests."""

import shutil
from pathlib import Path

import pytest

from pipeline.files import Layout, digest, file_digest
from tests.workflows.conftest import MORE_TREES
from tests.workflows.hub import Hub, Ran

pytestmark = [pytest.mark.workflows, pytest.mark.xdist_group("workflows")]

NAME = "obesity_classifier"
PUBLISHING_ROLE, READING_ROLE = (f"arn:aws:iam::123456789012:role/{use}" for use in ("publish", "read"))


def champion(hub: Hub, folder: Path) -> tuple[int, int]:
    """Number of the champion, and how many versions there are, in the registry as it is kept."""
    registry = hub.registry(folder)
    crowned = registry.champion(NAME)
    assert crowned
    return crowned.number, len(registry.versions(NAME))


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
def promoted(stale: tuple[Hub, Ran], tmp_path_factory: pytest.TempPathFactory) -> tuple[Hub, Ran]:
    """Then the lock was taken from the run's report, and pushed."""
    hub = stale[0].clone(tmp_path_factory.mktemp("promoted") / "hub", "promoted")
    shutil.copytree(stale[0].artifacts, hub.artifacts)
    before = hub.git("rev-parse", "HEAD")
    commit_what_the_run_handed_over(hub)
    shutil.rmtree(hub.artifacts)
    return hub, hub.push(before)


@pytest.fixture
def hub(promoted: tuple[Hub, Ran], tmp_path: Path) -> Hub:
    """A hub of the test's own, whose champion is version 2."""
    return promoted[0].clone(tmp_path / "hub", f"hub-{digest(str(tmp_path).encode())[:16]}")


def test_a_stale_lock_fails_with_an_annotation_on_the_file_and_publishes_nothing(
    stale: tuple[Hub, Ran], tmp_path: Path
) -> None:
    hub, ran = stale
    assert ran.jobs == {"train": "failure"}
    errors = [line for line in ran.said.splitlines() if "dvc.lock is stale" in line]
    assert any("stage train: forest, models/folds" in line for line in errors), ran.said
    assert ran.steps["dvc.lock is what the code makes"] == "failure"
    assert "Judge" not in ran.steps
    assert champion(hub, tmp_path / "kept") == (1, 1)
    report = (hub.artifacts / "report/report.md").read_text(encoding="utf-8")
    assert "`dvc.lock` is stale" in report


def test_a_push_of_better_params_retrains_registers_promotes_and_hands_over_an_attested_champion(
    promoted: tuple[Hub, Ran], tmp_path: Path
) -> None:
    hub, ran = promoted
    assert ran.jobs == {"train": "success", "attest the champion": "success"}, ran.said
    assert champion(hub, tmp_path / "kept") == (2, 2)
    handed = Layout(hub.artifacts / "champion").model
    attested, path = hub.written("attested")[0].split()
    assert (attested, path) == (file_digest(handed), "models/champion/models/model.onnx")
    assert ran.outputs["outcome"] == "promoted"
    assert set(hub.written("roles")) == {PUBLISHING_ROLE}


def test_each_stage_is_a_group_in_the_log(promoted: tuple[Hub, Ran]) -> None:
    said = promoted[1].said
    assert [f"stage {name}" in said for name in ("ingest", "clean", "train", "evaluate")] == [True] * 4


def test_the_summary_of_the_job_is_the_report(promoted: tuple[Hub, Ran]) -> None:
    hub, ran = promoted
    report = (hub.artifacts / "report/report.md").read_text(encoding="utf-8")
    assert report.startswith("## ")
    assert report.strip() in ran.said
