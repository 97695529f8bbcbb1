import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from pipeline.errors import RaceLostError, RegistryError
from pipeline.files import Layout
from pipeline.registry import Registry
from pipeline.registry.history import Move
from tests.fixtures.registry import copy_registry

NAME = "obesity_classifier"
Open = Callable[[], Registry]


@pytest.fixture
def opened(tmp_path: Path, two_versions: Path) -> Open:
    """Opens one and the same store with two versions, each time as another writer."""
    shutil.copy(two_versions, tmp_path / "mlflow.db")
    seconds = count()

    def tick() -> datetime:
        return datetime(2026, 11, 23, tzinfo=UTC) + timedelta(seconds=next(seconds))

    return lambda: Registry(f"sqlite:///{tmp_path}/mlflow.db", clock=tick, who=lambda: "Ada")


@pytest.fixture
def registry(opened: Open) -> Registry:
    return opened()


def stages(registry: Registry) -> dict[int, tuple[str, tuple[str, ...]]]:
    return {version.number: (version.stage, version.aliases) for version in registry.versions(NAME)}


def test_a_promotion_to_production_moves_the_champion_and_archives_the_one_before(registry: Registry) -> None:
    registry.promote(NAME, 1, "Production", expected=None, why="the first")
    registry.promote(NAME, "challenger", "Production", expected=1, why="better")
    assert stages(registry) == {1: ("Archived", ("baseline",)), 2: ("Production", ("challenger", "champion"))}
    assert registry.version(NAME, "champion").number == 2


def test_history_records_who_moved_what_when_and_why_also_for_many_moves_of_one_version(registry: Registry) -> None:
    registry.promote(NAME, 1, "Production", expected=None, why="the first")
    registry.promote(NAME, 2, "Production", expected=1, why="better")
    registry.rollback(NAME, why="false alarms")
    registry.promote(NAME, 2, "Production", expected=1, why="mended")
    registry.promote(NAME, 1, "None", expected=2)
    moves = registry.history(NAME)
    when = [f"2026-11-23T00:00:0{second}.000000+00:00" for second in range(5)]
    assert moves == (
        Move(1, when[0], "Ada", "the first", "promotion", 1, None, 1),
        Move(2, when[1], "Ada", "better", "promotion", 2, 1, 2),
        Move(3, when[2], "Ada", "false alarms", "rollback", 1, 2, 1),
        Move(4, when[3], "Ada", "mended", "promotion", 2, 1, 2),
        Move(5, when[4], "Ada", "", "stage", 1, "Archived", "None"),
    )
    assert moves[1].as_json() == {
        "sequence": 2,
        "when": when[1],
        "who": "Ada",
        "why": "better",
        "action": "promotion",
        "version": 2,
        "from": 1,
        "to": 2,
    }


def test_a_refusal_is_written_once_for_the_same_two_and_moves_nothing(registry: Registry) -> None:
    registry.refuse(NAME, 2, champion=None, why="a floor")
    registry.promote(NAME, 1, "Production", expected=None)
    before = stages(registry)
    refusal = registry.refuse(NAME, "challenger", champion=1, why="worse")
    assert refusal == Move(3, "2026-11-23T00:00:02.000000+00:00", "Ada", "worse", "refusal", 2, 1, 2)
    assert registry.refuse(NAME, 2, champion=1, why="worse again") is None
    assert [(move.action, move.moved_from) for move in registry.history(NAME)] == [
        ("refusal", None),
        ("promotion", None),
        ("refusal", 1),
    ]
    assert stages(registry) == before
    with pytest.raises(RegistryError, match="no version or alias 7"):
        registry.refuse(NAME, 7, champion=1, why="")


def test_a_rollback_goes_past_refusals(registry: Registry) -> None:
    registry.promote(NAME, 1, "Production", expected=None)
    registry.refuse(NAME, 2, champion=1, why="worse")
    registry.promote(NAME, 2, "Production", expected=1, why="a person says so")
    registry.refuse(NAME, 1, champion=2, why="worse")
    assert registry.rollback(NAME).moved_to == 1


@pytest.mark.parametrize(
    ("uri", "shared", "whose"),
    [
        ("sqlite:///mlflow.db", False, "this machine's registry (mlflow.db)"),
        ("sqlite:///runs/sample/mlflow.db", False, "this machine's registry (runs/sample/mlflow.db)"),
        ("sqlite:////srv/mlflow.db", False, "this machine's registry (/srv/mlflow.db)"),
        ("https://mlflow.example.org", True, "the registry at https://mlflow.example.org"),
        (
            "https://ada:secret@mlflow.example.org:5000/team?token=secret#secret",
            True,
            "the registry at https://mlflow.example.org:5000/team",
        ),
        ("postgresql://ada:secret@db/mlflow?password=secret", True, "the registry at postgresql://db/mlflow"),
    ],
)
def test_a_registry_says_whose_it_is_and_no_secret(
    uri: str, shared: bool, whose: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    registry = Registry(uri)
    assert (registry.is_shared, registry.whose) == (shared, whose)


def test_rollback_goes_back_one_champion_and_no_further_than_the_first(registry: Registry) -> None:
    with pytest.raises(RegistryError, match="no champion yet"):
        registry.rollback(NAME)
    registry.promote(NAME, 1, "Production", expected=None)
    registry.promote(NAME, 2, "Production", expected=1)
    assert registry.rollback(NAME).moved_to == 1
    assert stages(registry) == {1: ("Production", ("baseline", "champion")), 2: ("Archived", ("challenger",))}
    with pytest.raises(RegistryError, match="version 1 is the first champion"):
        registry.rollback(NAME)


def test_rollback_is_refused_after_the_alias_was_moved_without_a_history(registry: Registry) -> None:
    registry.promote(NAME, 1, "Production", expected=None)
    with registry.store.client() as client:
        client.set_registered_model_alias(NAME, "champion", "2")
    with pytest.raises(RegistryError, match="version 2, but the history ends at version 1"):
        registry.rollback(NAME)


def test_promoting_the_champion_again_completes_a_promotion_that_was_killed_after_the_alias(registry: Registry) -> None:
    registry.promote(NAME, 1, "Production", expected=None)
    with registry.store.client() as client:
        client.set_registered_model_alias(NAME, "champion", "2")
    move = registry.promote(NAME, 2, "Production", expected=2)
    assert move
    assert (move.moved_from, move.moved_to) == (1, 2)
    assert {number: stage for number, (stage, _) in stages(registry).items()} == {1: "Archived", 2: "Production"}
    assert registry.promote(NAME, 2, "Production", expected=2) is None
    assert len(registry.history(NAME)) == 2


def test_rolling_back_again_completes_a_rollback_that_was_killed_after_the_alias(registry: Registry) -> None:
    registry.promote(NAME, 1, "Production", expected=None)
    registry.promote(NAME, 2, "Production", expected=1)
    with registry.store.client() as client:
        client.set_registered_model_alias(NAME, "champion", "1")
    move = registry.rollback(NAME)
    assert (move.action, move.moved_from, move.moved_to) == ("rollback", 2, 1)
    assert {number: stage for number, (stage, _) in stages(registry).items()} == {1: "Production", 2: "Archived"}
    with pytest.raises(RegistryError, match="version 1 is the first champion"):
        registry.rollback(NAME)


def test_nothing_stays_in_production_beside_a_champion_that_follows_a_killed_promotion(registry: Registry) -> None:
    registry.promote(NAME, 1, "Production", expected=None)
    with registry.store.client() as client:
        client.delete_registered_model_alias(NAME, "champion")
    registry.promote(NAME, 2, "Production", expected=None)
    assert {number: stage for number, (stage, _) in stages(registry).items()} == {1: "Archived", 2: "Production"}


def test_of_two_writers_the_second_loses_the_race_and_changes_nothing(opened: Open) -> None:
    one, two = opened(), opened()
    champion = two.champion(NAME)
    one.promote(NAME, 1, "Production", expected=None, why="first")
    with pytest.raises(RaceLostError, match="points to version 1, expected no version"):
        two.promote(NAME, 2, "Production", expected=champion.number if champion else None)
    with pytest.raises(RaceLostError, match="points to no version, expected version 2"):
        two.set_alias(NAME, "candidate", 1, expected=2)
    with pytest.raises(RaceLostError):
        two.rollback(NAME, expected=2)
    assert stages(one) == {
        1: ("Production", ("baseline", "champion")),
        2: (two.version(NAME, 2).stage, ("challenger",)),
    }
    assert [move.why for move in one.history(NAME)] == ["first"]


def test_the_champion_is_not_given_a_lower_stage(registry: Registry) -> None:
    registry.promote(NAME, 1, "Production", expected=None)
    with pytest.raises(RegistryError, match="version 1 is the champion"):
        registry.promote(NAME, 1, "Archived", expected=1)
    assert registry.version(NAME, 1).stage == "Production"


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda r: r.versions("nobody"), "no model 'nobody' in .*: models: obesity_classifier"),
        (lambda r: r.history("it's"), "no model"),
        (
            lambda r: r.version(NAME, 9),
            "no version or alias 9: versions: 1, 2; aliases: baseline -> 1, challenger -> 2",
        ),
        (lambda r: r.version(NAME, "winner"), "no version or alias 'winner'"),
        (lambda r: r.promote(NAME, 1, "Live", expected=None), "unknown stage 'Live': expected one of None, Staging"),
        (lambda r: r.promote(NAME, 7, "Production", expected=None), "no version or alias 7"),
        (lambda r: r.set_alias(NAME, "champion", 1, expected=None), "registry promote NAME VERSION Production"),
        (lambda r: r.set_alias(NAME, "v3", 1, expected=None), "answers: "),
        (lambda r: r.fetch(NAME, 5, Path("nowhere")), "no version or alias 5"),
    ],
)
def test_what_the_registry_does_not_have_is_refused_with_what_it_has(
    registry: Registry, ask: Callable[[Registry], object], message: str
) -> None:
    before = stages(registry)
    with pytest.raises(RegistryError, match=message):
        ask(registry)
    assert (stages(registry), registry.history(NAME)) == (before, ())


def test_looking_at_a_store_that_is_not_there_makes_none(tmp_path: Path) -> None:
    registry = Registry(f"sqlite:///{tmp_path}/mlflow.db")
    assert registry.models() == ()
    with pytest.raises(RegistryError, match="models: none yet: `make run` registers the first one"):
        registry.versions(NAME)
    assert list(tmp_path.iterdir()) == []


def test_fetch_writes_a_version_as_a_layout_byte_for_byte(
    registry: Registry, other_layout: Layout, tmp_path: Path
) -> None:
    fetched = Layout(tmp_path / "fetched")
    assert registry.fetch(NAME, "challenger", fetched.root).number == 2
    files = {path.relative_to(fetched.root) for path in fetched.root.rglob("*") if path.is_file()}
    assert {str(path) for path in files} == {
        "models/folds/0.onnx",
        "models/folds/1.onnx",
        "models/folds/2.onnx",
        "models/golden.json",
        "models/model.onnx",
        "reports/data.json",
        "reports/metrics.json",
        "reports/parity.json",
    }
    assert all((fetched.root / path).read_bytes() == (other_layout.root / path).read_bytes() for path in files)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), r"models/folds/1\.onnx of .* is damaged"),
        (lambda path: path.unlink(), r"models/folds/1\.onnx of .* cannot be downloaded"),
    ],
)
def test_fetch_refuses_a_damaged_version_and_writes_nothing(
    two_versions: Path, tmp_path: Path, spoil: Callable[[Path], object], message: str
) -> None:
    copy_registry(two_versions, tmp_path / "own")  # the other tests of the session share the artefacts
    registry = Registry(f"sqlite:///{tmp_path}/own/mlflow.db")
    with registry.store.client() as client:
        run = client.get_run(registry.version(NAME, 1).run_id)
    spoil(Path(run.info.artifact_uri.removeprefix("file://")) / "models/folds/1.onnx")
    with pytest.raises(RegistryError, match=message):
        registry.fetch(NAME, 1, tmp_path / "fetched")
    assert not (tmp_path / "fetched").exists()
