"""The workflows that train, run as GitHub runs them: pushes to main, one after the other, and pull requests."""

from pathlib import Path

import pytest

from pipeline.files import digest, file_digest
from tests.fakes.account import Account
from tests.fakes.hub import Hub
from tests.fakes.ran import Ran

pytestmark = pytest.mark.xdist_group("workflows")

NAME = "obesity_classifier"
NOTHING_TRAINED = {"check whether the model changes": "success", "model": "success"}
PUBLISHING_ROLE, READING_ROLE = (f"arn:aws:iam::123456789012:role/{use}" for use in ("publish", "read"))


def champion(hub: Hub, folder: Path) -> tuple[int, int]:
    """Number of the champion, and how many versions there are, in the registry as it is kept."""
    registry = hub.registry(folder)
    champion_version = registry.champion(NAME)
    assert champion_version
    return champion_version.number, len(registry.versions(NAME))


@pytest.fixture
def hub(promoted: tuple[Hub, Ran], tmp_path: Path) -> Hub:
    """A hub of the test's own, whose champion is version 2."""
    return promoted[0].clone(tmp_path / "hub", f"hub-{digest(str(tmp_path).encode())[:16]}")


def test_a_push_of_a_changed_number_is_published_signed_and_deployed_and_its_lock_follows(
    promoted: tuple[Hub, Ran], tmp_path: Path
) -> None:
    hub, ran = promoted
    assert ran.jobs == {
        "train": "success",
        "commit the results": "success",
        "attest the champion": "success",
        "stages / plan": "success",
        "stages / staging / deploy to staging": "success",
    }, ran.said
    assert ran.outputs["outcome"] == "promoted"
    assert champion(hub, tmp_path / "kept") == (2, 2)
    assert hub.written("roles")[0] == PUBLISHING_ROLE
    pushed, *_ = hub.git("log", "-1", "--format=%H").splitlines()
    main = hub.origin.head("main")
    assert hub.origin.git("log", "--format=%H %an", f"{pushed}..{main}") == f"{main} github-actions[bot]"
    changed = set(hub.origin.changed(pushed, main))
    assert {"dvc.lock", "reports/metrics.json", "docs/model-card.md"} <= changed
    assert {name.split("/")[0] for name in changed} == {"dvc.lock", "reports", "docs"}


def test_the_champion_is_signed_once_by_retrain_on_main(promoted: tuple[Hub, Ran]) -> None:
    hub, ran = promoted
    model = ran.artifacts / "champion/models/model.onnx"
    signed = hub.attestations[0]
    assert (signed["digest"], signed["name"]) == (file_digest(model), "models/champion/models/model.onnx")
    assert (signed["signer"], signed["ref"]) == ("us/obesity/.github/workflows/retrain.yml", "refs/heads/main")


def test_each_stage_is_a_group_in_the_log(promoted: tuple[Hub, Ran]) -> None:
    assert promoted[1].groups == ["stage ingest", "stage clean", "stage train", "stage evaluate"]


def test_the_summary_of_the_job_is_the_report(promoted: tuple[Hub, Ran]) -> None:
    _, ran = promoted
    report = (ran.artifacts / "report/report.md").read_text(encoding="utf-8")
    assert report.startswith("## ")
    assert report.strip() in ran.said


def test_the_same_again_by_hand_moves_nothing_and_signs_what_has_no_signature_yet(
    hub: Hub, aws_account: Account, tmp_path: Path
) -> None:
    hub.reach(aws_account.environment)
    ran = hub.dispatch("retrain", {"reason": "to be sure"}, DEPLOY_STAGES='["staging"]')
    assert ran.jobs == {"train": "success", "attest the champion": "success", "stages / plan": "success"}, ran.said
    assert ran.outputs["outcome"] == "kept"
    assert champion(hub, tmp_path / "kept") == (2, 2)
    assert [signed["name"] for signed in hub.attestations] == ["models/champion/models/model.onnx"]
    assert ran.skipped == ["commit the results", "stages / dev", "stages / staging", "stages / prod"]


def back_to_fewer_trees(hub: Hub) -> None:
    """Undo what was promoted, lock and all."""
    first = hub.git("rev-list", "--max-parents=0", "HEAD")
    hub.git("checkout", first, "--", "params.yaml", "dvc.lock", "reports", "docs")
    hub.commit("Grow fewer trees")


def test_a_gate_that_refuses_stops_a_push_before_the_champion_is_handed_over(
    hub: Hub, aws_account: Account, tmp_path: Path
) -> None:
    back_to_fewer_trees(hub)
    hub.reach(aws_account.environment)
    ran = hub.push(DEPLOY_STAGES='["staging"]')
    assert ran.jobs["train"] == "failure", ran.said
    names = ("Check that dvc.lock is what the code makes", "Check that another run gives the same bytes")
    assert [ran.steps[name] for name in names] == ["success", "success"]
    assert ran.steps["Judge"] == "failure"
    assert champion(hub, tmp_path / "kept") == (2, 2)
    assert "champion" not in {path.name for path in ran.artifacts.iterdir()}
    assert hub.written("attested") == []
    assert "attest the champion" in ran.skipped
    assert ran.jobs == {"train": "failure", "stages / plan": "success"}  # staging answers with the champion already


def test_a_pull_request_that_makes_the_model_worse_fails_and_its_report_says_so(hub: Hub) -> None:
    back_to_fewer_trees(hub)
    before = hub.state()
    ran = hub.pull_request()
    assert ran.jobs == {"check whether the model changes": "success", "train": "failure", "model": "failure"}, ran.said
    assert ran.steps["Judge"] == "failure"
    assert [(file, title) for file, title, _ in ran.annotations("error")] == [(None, "gate")]
    assert ran.annotations("error")[0][2].startswith("Refused: ")
    verdict, *_ = (ran.artifacts / "report/report.md").read_text(encoding="utf-8").splitlines()
    assert verdict.startswith("## ⛔ DO NOT MERGE: **")
    assert hub.written("roles") == [READING_ROLE]
    assert hub.state() == before


def test_a_pull_request_from_a_fork_runs_without_keys_on_the_sample_and_says_so(hub: Hub) -> None:
    hub.repository.set_params(forest={"n_estimators": 15})
    hub.commit("Grow some trees")
    before = hub.state()
    ran = hub.pull_request(repository="somebody/obesity")
    assert ran.jobs == {"check whether the model changes": "success", "train": "success", "model": "success"}, ran.said
    assert hub.written("roles") == []
    ((_, title, text),) = ran.annotations("warning")
    assert (title, "the embedded sample, which is never published" in text) == ("SAMPLE", True)
    report = (ran.artifacts / "report/report.md").read_text(encoding="utf-8")
    assert "made from the sample of invented people" in report
    assert hub.state() == before


def test_a_pull_request_that_changes_only_documents_trains_nothing(hub: Hub) -> None:
    (hub.repository.root / "README.md").write_text("# Better words\n", encoding="utf-8")
    hub.commit("Say it better")
    ran = hub.pull_request()
    assert ran.jobs == NOTHING_TRAINED
    assert not ran.artifacts.exists()


def test_main_moving_on_does_not_make_a_pull_request_train(hub: Hub) -> None:
    hub.git("checkout", "--quiet", "-b", "words")
    (hub.repository.root / "README.md").write_text("# Better words\n", encoding="utf-8")
    hub.commit("Say it better")
    hub.pull_request()
    hub.git("checkout", "--quiet", "main")
    hub.repository.set_params(forest={"n_estimators": 3})
    hub.commit("Grow fewer trees")
    hub.send("main")
    hub.git("checkout", "--quiet", "words")
    assert hub.pull_request().jobs == NOTHING_TRAINED
