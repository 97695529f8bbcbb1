"""docs/github.md names every variable that the workflows read, and `make bootstrap` sets those of its first table."""

import re

import pytest

from pipeline.gh import Repository
from pipeline.ship.bootstrap import STACK, setup_commands
from pipeline.ship.environments import Protection
from pipeline.ship.stack import Stack
from tests.fixtures.templates import read
from tests.paths import ROOT

PAGE = (ROOT / "docs/github.md").read_text(encoding="utf-8")
TABLES = [
    set(re.findall(r"^\| `([A-Z_]+)` \|", table, re.MULTILINE))
    for table in PAGE.split("| name | where | what for |")[1:]
]


def test_every_variable_that_a_workflow_reads_is_in_a_table() -> None:
    files = [*(ROOT / ".github").rglob("*.yml")]
    used = {name for file in files for name in re.findall(r"\b(?:vars|secrets)\.([A-Z_]+)", file.read_text("utf-8"))}

    assert len(used) > 10
    assert sorted(used - set.union(*TABLES)) == []


def test_bootstrap_sets_every_variable_of_the_first_table_and_no_other() -> None:
    outputs = dict.fromkeys(read("infra/bootstrap.yaml")["Outputs"], "x")
    commands = setup_commands(
        Stack(STACK, "CREATE_COMPLETE", outputs), Repository("us", "x").full_name, Protection().commands
    )

    printed = {command.split()[3] for command in commands if command.startswith("gh variable set")}
    assert printed == TABLES[0]
    assert len(TABLES) == 2
    assert TABLES[0] & TABLES[1] == set()


@pytest.mark.usefixtures("shipped_model")
def test_the_number_that_the_first_steps_change_is_the_one_that_is_there() -> None:
    (before,) = re.findall(r"s/(n_estimators: \d+)/n_estimators: \d+/", PAGE)
    assert before in (ROOT / "params.yaml").read_text(encoding="utf-8")
