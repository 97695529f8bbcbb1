import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.registry import app
from pipeline.errors import RegistryError
from pipeline.registry import Registry
from pipeline.registry.ranking import best, compare

NAME = "obesity_classifier"


@pytest.fixture
def registry(tmp_path: Path, two_versions: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A store with two versions, named by the environment as for a user."""
    shutil.copy(two_versions, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("GITHUB_ACTOR", "ada")
    return Registry()


def call(*words: str) -> str:
    done = CliRunner().invoke(app, words)
    if done.exception:
        raise done.exception
    return done.stdout


def parsed(*words: str) -> object:
    return json.loads(call(*words, "--json"))


@pytest.mark.usefixtures("registry")
def test_list_shows_every_model_with_its_aliases() -> None:
    assert parsed("list") == [{"name": NAME, "versions": 2, "aliases": {"baseline": 1, "challenger": 2}}]
    shown = call("list")
    assert NAME in shown
    assert "baseline -> 1, challenger -> 2" in shown


def test_an_empty_registry_says_how_to_fill_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert call("list") == "Nothing is registered yet: `make run` registers the first model.\n"
    assert parsed("list") == []


def test_versions_shows_stage_aliases_and_accuracy(registry: Registry) -> None:
    versions = {version.number: version for version in registry.versions(NAME)}
    machine = parsed("versions", NAME)
    assert isinstance(machine, list)
    assert [(item["number"], item["stage"], item["tags"]["model_sha256"]) for item in machine] == [
        (number, version.stage, version.tags["model_sha256"]) for number, version in versions.items()
    ]
    shown = call("versions", NAME)
    for version in versions.values():
        assert f"{float(version.tags['holdout_accuracy']):.4f}" in shown
        assert version.tags["model_sha256"][:8] in shown


def test_promote_rollback_and_history_tell_one_story(registry: Registry) -> None:
    assert (
        call("promote", NAME, "1", "Production", "--why", "[first]")
        == f"{NAME} version 1 is now in stage Production.\n"
    )
    assert "already: nothing was changed" in call("promote", NAME, "champion", "Production")
    call("promote", NAME, "challenger", "Production", "--why", "better")
    assert call("rollback", NAME, "--why", "alarms") == f"{NAME}: champion is version 1 again, no longer 2.\n"
    moves = parsed("history", NAME)
    assert isinstance(moves, list)
    assert [(move["who"], move["why"], move["action"], move["from"], move["to"]) for move in moves] == [
        ("ada", "[first]", "promotion", None, 1),
        ("ada", "better", "promotion", 1, 2),
        ("ada", "alarms", "rollback", 2, 1),
    ]
    assert registry.version(NAME, "champion").number == 1
    assert "[first]" in call("history", NAME)


def test_history_shows_refusals_with_their_reasons(registry: Registry) -> None:
    registry.promote(NAME, 1, "Production", expected=None, why="the first")
    registry.refuse(NAME, 2, champion=1, why="Refused: holdout accuracy 0.5000 < 0.85")
    moves = parsed("history", NAME)
    assert isinstance(moves, list)
    assert [(move["action"], move["version"], move["from"], move["to"], move["why"]) for move in moves] == [
        ("promotion", 1, None, 1, "the first"),
        ("refusal", 2, 1, 2, "Refused: holdout accuracy 0.5000 < 0.85"),
    ]
    shown = call("history", NAME)
    assert "refusal: 1 -> 2" in shown


def test_a_history_of_nothing_says_so(registry: Registry) -> None:
    assert (
        call("history", NAME) == f"Nothing was promoted, refused or rolled back in {registry.models()[0].name} yet.\n"
    )


def test_compare_shows_what_differs_and_says_so_if_nothing_does(registry: Registry) -> None:
    differences = parsed("compare", NAME, "baseline", "challenger")
    assert isinstance(differences, list)
    assert differences[0] == {"kind": "param", "name": "forest.random_state", "a": "42", "b": "7"}
    assert len(differences) == len(compare(registry, registry.version(NAME, 1), registry.version(NAME, 2)))
    assert "forest.random_state" in call("compare", NAME, "1", "2")
    assert call("compare", NAME, "1", "baseline") == "Versions 1 and 1 share every parameter and metric.\n"


def test_alias_points_a_name_at_a_version_and_moves_it(registry: Registry) -> None:
    assert call("alias", NAME, "candidate", "2") == f"{NAME}@candidate is now version 2.\n"
    assert call("alias", NAME, "candidate", "baseline") == f"{NAME}@candidate is now version 1.\n"
    assert registry.version(NAME, "candidate").number == 1


def test_best_takes_the_end_that_is_asked_for(registry: Registry) -> None:
    default = best(registry, NAME, "out_of_fold.ece")
    assert parsed("best", NAME, "--metric", "out_of_fold.ece") == vars(default)
    other = best(registry, NAME, "out_of_fold.ece", higher_is_better=True)
    assert other != default
    assert parsed("best", NAME, "--metric", "out_of_fold.ece", "--highest") == vars(other)
    assert f"version {default.version} has the lowest out_of_fold.ece" in call(
        "best", NAME, "--metric", "out_of_fold.ece"
    )


def test_show_and_fetch_open_one_version(registry: Registry, tmp_path: Path) -> None:
    version = registry.version(NAME, 2)
    machine = parsed("show", NAME, "challenger")
    assert isinstance(machine, dict)
    assert (machine["run_id"], machine["metrics"]) == (version.run_id, registry.metrics(version))
    assert version.tags["data_sha256"] in call("show", NAME, "2")
    call("fetch", NAME, "challenger", str(tmp_path / "fetched"))
    assert (tmp_path / "fetched/models/model.onnx").is_file()


@pytest.mark.parametrize(
    "words",
    [
        ("versions", "nobody"),
        ("compare", NAME, "1", "9"),
        ("promote", NAME, "1", "Live"),
        ("alias", NAME, "champion", "1"),
        ("best", NAME, "--metric", "beauty"),
        ("rollback", NAME),
    ],
)
def test_what_cannot_be_done_is_raised_for_the_command_line_to_tell(registry: Registry, words: tuple[str, ...]) -> None:
    with pytest.raises(RegistryError):
        call(*words)
    assert registry.history(NAME) == ()


@pytest.mark.parametrize(
    "name", ["list", "versions", "compare", "promote", "alias", "best", "rollback", "history", "show", "fetch"]
)
def test_every_command_teaches_by_an_example(name: str) -> None:
    shown = call(name, "--help")
    assert f"Example: pipeline registry {name}" in shown
