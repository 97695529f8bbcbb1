"""The half of a rollback that is about the registry: where it is kept, the champion moves too, also during a race."""

import subprocess
from pathlib import Path

import pytest

from pipeline.progress import no_progress
from pipeline.registry import Registry, remote_store
from pipeline.ship import rollback
from tests.fixtures.registry import copy_registry

NAME = "obesity_classifier"


@pytest.fixture
def url(tmp_path: Path) -> str:
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "remote.git"], check=True)
    return f"git:{tmp_path}/remote.git"


@pytest.fixture
def registry(two_versions: Path, tmp_path: Path, url: str) -> Registry:
    """A registry whose second version is champion after the first, and which others share."""
    copy_registry(two_versions, tmp_path / "here", "*.json")
    registry = Registry(f"sqlite:///{tmp_path}/here/mlflow.db", who=lambda: "ada")
    registry.promote(NAME, 1, "Production", expected=None)
    registry.promote(NAME, 2, "Production", expected=1)
    remote_store.push(registry.store, url)
    return registry


def pulled(folder: Path, url: str) -> Registry:
    registry = Registry(f"sqlite:///{folder}/mlflow.db", who=lambda: "bob")
    remote_store.pull(registry.store, url)
    return registry


def test_the_champion_that_others_share_moves_with_the_reason(registry: Registry, url: str, tmp_path: Path) -> None:
    assert rollback._make_champion(registry, NAME, 1, "alarms", url, no_progress)
    shared = pulled(tmp_path / "shared", url)
    (*_, last) = shared.history(NAME)
    assert (last.action, last.why, last.moved_from, last.moved_to) == ("rollback", "alarms", 2, 1)
    assert not rollback._make_champion(registry, NAME, 1, "alarms", url, no_progress)


def test_a_rollback_that_loses_the_race_is_done_upon_what_the_winner_left(
    registry: Registry, url: str, tmp_path: Path
) -> None:
    rival, first = pulled(tmp_path / "rival", url), iter([True])

    def meanwhile(what: str, done: int, total: int) -> None:
        del what, done, total
        if next(first, False):
            rival.set_alias(NAME, "liked", 2, expected=None)
            remote_store.push(rival.store, url)

    assert rollback._make_champion(registry, NAME, 1, "alarms", url, meanwhile)
    shared = pulled(tmp_path / "shared", url)
    assert (shared.version(NAME, "champion").number, shared.version(NAME, "liked").number) == (1, 2)
