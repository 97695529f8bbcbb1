"""`pipeline ci stages`: what a job of GitHub hands on to the jobs that deploy."""

from pathlib import Path

import pytest

from tests.fixtures.called import called


@pytest.mark.parametrize(
    ("named", "outputs", "said"),
    [
        ('["staging", "prod"]', "dev=\nstaging=yes\nprod=yes\nolder=\n", "stages: staging, prod"),
        ("prod, dev", "dev=yes\nstaging=\nprod=yes\nolder=\n", "stages: dev, prod"),
        ("", "dev=\nstaging=\nprod=\nolder=\n", "stages: none"),
        (None, "dev=\nstaging=\nprod=\nolder=\n", "stages: none"),
    ],
)
def test_each_stage_is_an_output_that_is_yes_or_empty(
    named: str | None, outputs: str, said: str, tmp_path: Path
) -> None:
    environment = {"GITHUB_OUTPUT": str(tmp_path / "outputs")} | ({"DEPLOY_STAGES": named} if named is not None else {})
    done = called("ci", "stages", folder=tmp_path, environment=environment)

    assert (done.returncode, done.stdout, done.stderr) == (0, f"{said}\n", "")
    assert (tmp_path / "outputs").read_text() == outputs


def test_what_it_cannot_read_is_exit_code_2_and_an_annotation_that_says_how_to_write_it(tmp_path: Path) -> None:
    environment = {
        "DEPLOY_STAGES": "staging prod",
        "GITHUB_ACTIONS": "true",
        "GITHUB_OUTPUT": str(tmp_path / "outputs"),
    }
    done = called("ci", "stages", folder=tmp_path, environment=environment)

    text = (
        "DEPLOY_STAGES: found 'staging prod', expected some of dev, staging, prod, written as "
        '["staging", "prod"] or as staging, prod; empty deploys nowhere'
    )
    assert (done.returncode, done.stderr) == (2, f"InputError: {text}\n")
    assert done.stdout == f"::error title=DEPLOY_STAGES::{text}\n"
    assert not (tmp_path / "outputs").exists()
