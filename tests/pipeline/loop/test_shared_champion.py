"""A pass of the loop whose registry others share: it registers, judges and says whose champion stays."""

import shutil
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from pipeline.cli.show.results import retrained
from pipeline.files import Layout
from pipeline.loop.retrain import RetrainResult, judge
from pipeline.params import Params
from pipeline.progress import no_progress
from pipeline.registry import Registry

NAME = "obesity_classifier"


class ServerRegistry(Registry):
    """A registry in a file that says it is a team's."""

    is_shared = True
    whose = "the registry at https://mlflow.example.org"


@pytest.fixture
def easy(small_params: Params) -> Params:
    """The small parameters with floors that every model reaches."""
    floors = small_params.gate.floors.model_copy(update=dict.fromkeys(small_params.gate.floors.model_dump(), 0.0))
    return small_params.model_copy(update={"gate": small_params.gate.model_copy(update={"floors": floors})})


@pytest.fixture
def store(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    # The small records are labelled by the BMI rule, which no model is ahead of.
    monkeypatch.setattr("pipeline.judge.gate.rule_levels", lambda frame: frame["record"].to_numpy(dtype=object))
    return f"sqlite:///{shutil.copy(empty_store, tmp_path / 'mlflow.db')}"


def one_pass(folder: Path, made: Layout, params: Params, registry: Registry) -> RetrainResult:
    layout = Layout(shutil.copytree(made.root, folder))
    return judge("the test", layout, (), params, registry, no_progress)


def shown(done: RetrainResult) -> str:
    console = Console(width=200, no_color=True)
    with console.capture() as captured:
        console.print(retrained(done, Text(done.verdict.text)))
    return captured.get()


def test_a_pass_moves_no_champion_that_others_share_and_says_which_command_does(
    store: str, tmp_path: Path, small_layout: Layout, easy: Params
) -> None:
    done = one_pass(tmp_path / "work", small_layout, easy, ServerRegistry(store))
    assert (done.registered.created, done.verdict.promotes, done.moved, done.changed) == (True, True, False, True)
    assert (Registry(store).champion(NAME), done.champion) == (None, None)
    text = shown(done)
    assert "none yet in the registry at https://mlflow.example.org" in text
    assert "Not moved: others share the champion" in text
    assert "`pipeline gate --shared` moves it." in text


def test_a_pass_moves_the_champion_of_this_machine_and_says_so(
    store: str, tmp_path: Path, small_layout: Layout, easy: Params
) -> None:
    done = one_pass(tmp_path / "work", small_layout, easy, Registry(store))
    assert (done.verdict.promotes, done.moved, done.before) == (True, True, None)
    text = shown(done)
    assert f"version 1 of this machine's registry ({tmp_path}/mlflow.db)" in text
    assert "Not moved" not in text


def test_the_champions_figures_are_shown_only_if_they_are_of_the_same_records(
    store: str, tmp_path: Path, small_layout: Layout, other_layout: Layout, easy: Params, other_params: Params
) -> None:
    registry = Registry(store)
    one_pass(tmp_path / "first", small_layout, easy, registry)
    other = other_params.model_copy(update={"gate": easy.gate})
    done = one_pass(tmp_path / "second", other_layout, other, registry)
    assert done.before
    assert (done.before[0], done.before[1]["holdout.accuracy"]) == (
        1,
        registry.metrics(registry.version(NAME, 1))["holdout.accuracy"],
    )
    with registry.store.client() as client:
        client.set_model_version_tag(NAME, str(registry.version(NAME, "champion").number), "data_sha256", "0" * 64)
    done = one_pass(tmp_path / "third", other_layout, other, registry)
    assert done.before
    assert done.before[1] == {}
