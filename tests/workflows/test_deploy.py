"""deploy.yml, run as GitHub runs it: after a promotion on main, and by hand."""

from pathlib import Path

import pytest

from pipeline.files import Layout, digest, file_digest
from tests.fakes.account import Account
from tests.fakes.hub import Hub
from tests.fakes.ran import Ran

pytestmark = pytest.mark.xdist_group("workflows")

DEPLOYING_ROLE = "arn:aws:iam::123456789012:role/deploy-staging"


@pytest.fixture
def hub(promoted: tuple[Hub, Ran], tmp_path: Path) -> Hub:
    """A hub of the test's own, whose champion is version 2; nothing is signed there yet."""
    return promoted[0].clone(tmp_path / "hub", f"hub-{digest(str(tmp_path).encode())[:16]}")


def test_a_promotion_is_deployed_to_the_stage_that_the_team_names(promoted: tuple[Hub, Ran]) -> None:
    hub, ran = promoted
    champion = file_digest(Layout(ran.artifacts / "champion").model)
    package = ran.artifacts / "package-staging/package.sha256"
    assert hub.written("roles")[-1] == DEPLOYING_ROLE, ran.said
    assert package.is_file(), ran.said
    asked = [f"retrain {champion}", f"retrain {champion}", f"deploy {file_digest(package)}"]
    assert hub.written("asked") == asked  # before it is signed, before it is built in, and before it is deployed
    listed = dict(line.split("  ")[::-1] for line in package.read_text(encoding="utf-8").splitlines())
    assert listed["ApiFunction/model/model.onnx"] == champion
    assert {"template.yaml", "ApiFunction/lambda_api/handler.py"} <= listed.keys()
    assert ran.steps["It is still what was signed, from this commit"] == "success"
    assert ran.steps["Deploy"] == "success", ran.said


def test_what_was_promoted_answers_on_staging_with_its_golden_answers(
    promoted: tuple[Hub, Ran], aws_account: Account
) -> None:
    _, ran = promoted
    assert list(aws_account.stacks) == ["obesity-levels-staging"]
    assert aws_account.stacks["obesity-levels-staging"].status == "CREATE_COMPLETE"
    url = aws_account.environment["API_URL"]
    assert f"staging: model 2 (function version 1) answers at {url}, with its golden answers" in ran.said
    assert [item["rawPath"] for item in aws_account.requests] == ["/model_info", "/predict", "/predict_batch"]


def test_a_rollback_to_a_model_that_was_never_there_is_refused_in_one_line_and_moves_nothing(
    promoted: tuple[Hub, Ran], aws_account: Account, hub: Hub
) -> None:
    assert promoted[1].steps["Deploy"] == "success"
    hub.reach(aws_account.environment)
    before = hub.state()
    ran = hub.dispatch("rollback", {"stage": "staging", "version": "", "reason": "false alarms"})
    assert ran.steps["Roll back"] == "failure"
    assert "CloudError: no published version of obesity-levels-staging holds model 1 any more" in ran.said
    assert "Traceback" not in ran.said
    assert hub.state() == before


def test_an_unsigned_model_is_neither_built_in_nor_deployed(hub: Hub) -> None:
    ran = hub.dispatch("deploy", {"stage": "prod", "version": "champion"})
    assert ran.jobs == {"deploy to prod": "failure"}
    assert ran.steps["It is a model that retrain.yml promoted on main"] == "failure"
    assert "no attestations found for subject sha256:" in ran.said
    assert not {"Build the package", "Deploy"} & ran.steps.keys()


def test_a_model_signed_by_another_workflow_is_not_deployed(hub: Hub, promoted: tuple[Hub, Ran]) -> None:
    signed = "\n".join(promoted[0].written("attested")).replace("retrain.yml", "another.yml")
    (hub.root / "attested").write_text(f"{signed}\n", encoding="utf-8")
    ran = hub.dispatch("deploy", {"stage": "prod", "version": "2"})
    assert ran.steps["It is a model that retrain.yml promoted on main"] == "failure"
    assert "Build the package" not in ran.steps


def test_a_version_that_does_not_exist_fails_in_one_line(hub: Hub) -> None:
    ran = hub.dispatch("deploy", {"stage": "dev", "version": "99"})
    assert ran.steps["Fetch the model"] == "failure"
    known = "versions: 1, 2; aliases: baseline -> 1, challenger -> 2, champion -> 2"
    message = f"obesity_classifier has no version or alias '99': {known}"
    assert ran.annotations("error") == [(None, "model", message)]
    assert "Traceback" not in ran.said


def test_an_environment_that_is_not_set_up_fails_before_anything_and_says_what_to_set(hub: Hub) -> None:
    ran = hub.dispatch("deploy", {"stage": "dev", "version": "2"}, AWS_ROLE_DEPLOY="")
    ((_, title, text),) = ran.annotations("error")
    assert (title, text.split(":")[0]) == ("settings", "AWS_ROLE_DEPLOY not set")
    assert hub.written("roles") == []
