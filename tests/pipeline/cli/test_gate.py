"""`pipeline gate` and `ci judge`: what each outcome prints, how it ends; only a choice moves what others share."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipeline.cli.ci import app as ci_app
from pipeline.cli.flow import app
from pipeline.data.records import KEY
from pipeline.errors import GateRefusal
from pipeline.files import Layout, read_json, write_json
from pipeline.judge.verdict import Verdict
from pipeline.loop.ci import GateOutcome
from pipeline.params import Params
from pipeline.registry import Registry
from tests.paths import ROOT

NAME = "obesity_classifier"


@pytest.fixture
def easy(small_params: Params) -> Params:
    """The small parameters with floors that every model reaches."""
    floors = small_params.gate.floors.model_copy(update=dict.fromkeys(small_params.gate.floors.model_dump(), 0.0))
    return small_params.model_copy(update={"gate": small_params.gate.model_copy(update={"floors": floors})})


@pytest.fixture
def registry(
    tmp_path: Path, two_versions: Path, small_layout: Layout, easy: Params, monkeypatch: pytest.MonkeyPatch
) -> Registry:
    """A registry in a folder with the result of version 1, where commands are run."""
    shutil.copytree(small_layout.root, tmp_path, dirs_exist_ok=True)
    shutil.copy(two_versions, tmp_path / "mlflow.db")
    write_json(tmp_path / "params.yaml", easy.model_dump())
    # The small records are labelled by the BMI rule, which no model is ahead of.
    monkeypatch.setattr("pipeline.judge.gate.rule_levels", lambda frame: frame[KEY].to_numpy(dtype=object))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Registry()


def gate(*words: str) -> Result:
    done = CliRunner().invoke(app, ["gate", *words])
    if done.exception and not isinstance(done.exception, GateRefusal):
        raise done.exception
    return done


def test_the_first_champion_is_made_by_the_floors_and_then_kept(registry: Registry) -> None:
    dry = gate("--dry-run")
    assert (dry.exit_code, registry.champion(NAME)) == (0, None)
    assert "Floors only: they hold; there is no champion yet" in dry.stdout
    first = gate()
    assert (first.exit_code, registry.version(NAME, "champion").number) == (0, 1)
    assert "Not moved" not in first.stdout
    again = gate()
    assert again.exit_code == 0
    assert "Kept: the challenger is the champion, byte by byte" in again.stdout


def test_only_a_refusal_ends_with_another_exit_code_than_0(registry: Registry, easy: Params) -> None:
    floors = easy.gate.floors.model_copy(update={"plausible_people": 1.0})
    strict = easy.model_copy(update={"gate": easy.gate.model_copy(update={"floors": floors})})
    write_json(Path("params.yaml"), strict.model_dump())
    refused = gate()
    assert isinstance(refused.exception, GateRefusal)
    assert refused.exception.exit_code == 3
    assert [move.action for move in registry.history(NAME)] == ["refusal"]


def test_a_changed_contract_needs_a_persons_word(registry: Registry) -> None:
    registry.promote(NAME, 2, "Production", expected=None)
    with registry.store.client() as client:
        client.set_model_version_tag(NAME, "2", "contract", "another")
    held = gate()
    assert (held.exit_code, registry.version(NAME, "champion").number) == (0, 2)
    assert "it stays until a person runs `pipeline gate --floors-only WHY`" in " ".join(held.stdout.split())
    said = gate("--floors-only", "a column went")
    assert (said.exit_code, registry.version(NAME, "champion").number) == (0, 1)
    assert "a column went" in registry.history(NAME)[-1].why


def test_the_champion_that_others_share_is_moved_only_by_choice(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Registry, "is_shared", True)
    monkeypatch.setattr(Registry, "whose", "the registry at https://mlflow.example.org")
    held = gate()
    assert (held.exit_code, registry.champion(NAME), registry.history(NAME)) == (0, None, ())
    assert (
        "Not moved: others share the champion of the registry at https://mlflow.example.org. "
        "`pipeline gate --shared` moves it." in held.stdout
    )
    assert read_json(Layout().verdict, "")["promotes"] is True
    assert "Not moved" not in gate("--dry-run").stdout
    moved = gate("--shared")
    assert (moved.exit_code, registry.version(NAME, "champion").number) == (0, 1)
    assert "Not moved" not in moved.stdout


@pytest.mark.parametrize(
    ("outcome", "annotation", "code"),
    [("promoted", None, 0), ("kept", "notice", 0), ("floors only", "notice", 0), ("refused", "error", 3)],
)
def test_a_run_annotates_what_did_not_move_the_champion_and_hands_on_outcome_and_word(
    outcome: str, annotation: str | None, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict = Verdict(outcome, False, "So it is", (), 2, 1, "b" * 64, "a" * 64)  # type: ignore[arg-type]
    words = list[str]()

    def judged(*_: object, floors_only: str) -> GateOutcome:
        words.append(floors_only)
        return GateOutcome(verdict, 1, "a" * 64)

    monkeypatch.setattr("pipeline.loop.ci.judge", judged)
    monkeypatch.chdir(ROOT)
    environment = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "FLOORS_ONLY": "a column went",
    }
    done = CliRunner().invoke(ci_app, ["judge"], env=environment)
    ended = done.exception.exit_code if isinstance(done.exception, GateRefusal) else done.exit_code
    annotations = [line for line in done.stdout.splitlines() if line.startswith("::") and "title=gate" in line]
    assert (ended, annotations) == (code, [f"::{annotation} title=gate::So it is"] if annotation else [])
    assert words == ["a column went"]
    assert (tmp_path / "output").read_text(encoding="utf-8").splitlines() == [
        f"outcome={outcome}",
        "champion=1",
        f"sha256={'a' * 64}",
        "made=",
    ]
