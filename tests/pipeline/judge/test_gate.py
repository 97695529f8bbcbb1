"""The whole gate, on records whose level is a matter of the family alone: the BMI rule is no help there."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lambda_api.contract import BMI_RANGE, TARGET, fingerprint
from pipeline.data import clean
from pipeline.data.records import bmi, random_records, rounded
from pipeline.errors import RaceLostError, RegistryError
from pipeline.files import Layout, read_json, write_csv, write_json
from pipeline.judge import gate
from pipeline.judge.register import register
from pipeline.judge.verdict import Reason, Verdict
from pipeline.model import evaluate, train
from pipeline.model.result import result_of
from pipeline.params import GateParams, Params
from pipeline.registry import Registry
from pipeline.registry.versions import Version

NAME = "obesity_classifier"
FLOORS = {
    "holdout_accuracy": 0.85,
    "collected_accuracy": 0.95,
    "worst_class_recall": 0.85,
    "plausible_people": 0.85,
    "new_records": 0.85,
}
GATE = GateParams.model_validate({"margin": 0.01, "confidence": 0.95, "guard_tolerance": 0.02, "floors": FLOORS})


def run(layout: Layout, params: Params, registry: Registry, **given: Any) -> Verdict:
    return gate.run(result_of(layout, params), params, registry, **given)


def judge(layout: Layout, params: Params, registry: Registry, **given: Any) -> Verdict:
    return gate.judge(result_of(layout, params), params, registry, **given)


def failed(reasons: tuple[Reason, ...]) -> list[str]:
    return [reason.name for reason in reasons if reason.ok is False]


@pytest.fixture(scope="module")
def easy(small_params: Params) -> Params:
    """Parameters under which such records can be learnt and judged."""
    floors = GATE.floors.model_copy(update={"worst_class_recall": 0.5, "plausible_people": 0.0})
    return small_params.model_copy(
        update={
            "train": small_params.train.model_copy(update={"shuffled_copies": 0}),
            "gate": GATE.model_copy(update={"floors": floors}),
        }
    )


@pytest.fixture(scope="module")
def poor(easy: Params) -> Params:
    """Parameters of a recipe that hardly learns, with floors that let it pass."""
    floors = dict.fromkeys(FLOORS, 0.0)
    return easy.model_copy(
        update={
            "forest": easy.forest.model_copy(update={"n_estimators": 1, "max_features": 1, "max_depth": 1}),
            "gate": easy.gate.model_copy(update={"floors": GATE.floors.model_copy(update=floors)}),
        }
    )


def made(folder: Path, params: Params, rows: int = 320, wrong: int = 0) -> Layout:
    """The first of 400 people; the level of the last `wrong` ones is the other of the two."""
    frame = rounded(random_records(400, seed=5)).head(rows)
    frame = frame[(bmi(frame) >= BMI_RANGE[0]) & (bmi(frame) <= BMI_RANGE[1])]
    family = (frame["family_history_with_overweight"] == "yes") ^ (np.arange(len(frame)) >= len(frame) - wrong)
    layout = Layout(folder)
    write_csv(
        folder / "family.csv", frame.assign(**{TARGET: family.map({True: "Obesity_Type_I", False: "Normal_Weight"})})
    )
    clean.run(folder / "family.csv", layout, params)
    train.run(layout, params, jobs=1)
    evaluate.run(layout, params)
    return layout


@pytest.fixture(scope="module")
def poor_layout(tmp_path_factory: pytest.TempPathFactory, poor: Params) -> Layout:
    return made(tmp_path_factory.mktemp("poor"), poor)


@pytest.fixture(scope="module")
def good_layout(tmp_path_factory: pytest.TempPathFactory, easy: Params) -> Layout:
    return made(tmp_path_factory.mktemp("good"), easy)


@pytest.fixture(scope="module")
def grown_layout(tmp_path_factory: pytest.TempPathFactory, easy: Params) -> Layout:
    """The same people and eighty more, in five folds."""
    return made(tmp_path_factory.mktemp("grown"), grown_params(easy), 400)


@pytest.fixture(scope="module")
def both(
    tmp_path_factory: pytest.TempPathFactory,
    empty_store: Path,
    poor_layout: Layout,
    good_layout: Layout,
    poor: Params,
    easy: Params,
) -> Path:
    """A store with the poor model as version 1, the good one as version 2, and no champion."""
    store = Path(shutil.copy(empty_store, tmp_path_factory.mktemp("both") / "mlflow.db"))
    registry = Registry(f"sqlite:///{store}")
    register(result_of(poor_layout, poor), poor, 1, registry)
    register(result_of(good_layout, easy), easy, 1, registry)
    return store


@pytest.fixture
def registry(tmp_path: Path, both: Path) -> Registry:
    shutil.copy(both, tmp_path / "mlflow.db")
    return Registry(f"sqlite:///{tmp_path}/mlflow.db")


@pytest.fixture
def good(tmp_path: Path, good_layout: Layout) -> Layout:
    return Layout(shutil.copytree(good_layout.root, tmp_path / "good"))


@pytest.fixture
def grown(tmp_path: Path, grown_layout: Layout) -> Layout:
    return Layout(shutil.copytree(grown_layout.root, tmp_path / "grown"))


@pytest.fixture
def bad(tmp_path: Path, poor_layout: Layout) -> Layout:
    return Layout(shutil.copytree(poor_layout.root, tmp_path / "bad"))


def test_gate_promotes_a_challenger_that_is_better_and_then_leaves_it_alone(
    registry: Registry, bad: Layout, good: Layout, poor: Params, easy: Params
) -> None:
    first = run(bad, poor, registry)
    assert (first.outcome, first.champion, first.challenger) == ("promoted", None, 1)
    second = run(good, easy, registry, why="nightly")
    assert (second.outcome, second.champion, second.challenger) == ("promoted", 1, 2)
    assert second.pairs
    mine, theirs = (right_answers(layout) for layout in (good, bad))
    assert (second.pairs.only_challenger, second.pairs.only_champion, second.pairs.total) == (
        sum(a and not b for a, b in zip(mine, theirs, strict=True)),
        sum(b and not a for a, b in zip(mine, theirs, strict=True)),
        len(mine),
    )
    assert read_json(good.verdict, "") == json.loads(json.dumps(second.as_json()))
    champion = registry.version(NAME, "champion")
    assert (champion.number, champion.stage, registry.version(NAME, 1).stage) == (2, "Production", "Archived")
    assert registry.history(NAME)[-1].why == "nightly. Promoted: better than the champion"
    assert run(good, easy, registry).outcome == "unchanged"
    assert len(registry.history(NAME)) == 2


def right_answers(layout: Layout) -> list[bool]:
    lines = [line.split(",") for line in layout.answers.read_text().splitlines()]
    actual, predicted = lines[0].index("actual"), lines[0].index("predicted")
    return [line[actual] == line[predicted] for line in lines[1:]]


def test_gate_refuses_a_challenger_that_is_worse(
    registry: Registry, bad: Layout, good: Layout, poor: Params, easy: Params
) -> None:
    run(good, easy, registry)
    verdict = run(bad, poor, registry)
    assert verdict.outcome == "refused"
    assert "not worse" in failed(verdict.reasons)
    assert registry.version(NAME, "champion").number == 2
    assert read_json(bad.verdict, "")["outcome"] == "refused"
    assert len(registry.history(NAME)) == 1


def test_gate_compares_on_data_that_grew_and_with_another_number_of_folds(
    registry: Registry, good: Layout, grown_layout: Layout, easy: Params
) -> None:
    run(good, easy, registry)
    verdict = judge(grown_layout, grown_params(easy), registry)
    assert verdict.pairs
    assert verdict.pairs.total == len(right_answers(grown_layout)) > len(right_answers(good))
    assert "gained: it was trained on other data" in [reason.text for reason in verdict.reasons]


def test_records_that_the_champion_was_not_judged_on_are_looked_at_by_themselves(
    registry: Registry, good: Layout, grown_layout: Layout, easy: Params
) -> None:
    run(good, easy, registry)
    verdict = judge(grown_layout, grown_params(easy), registry)
    known = len(right_answers(good))
    assert verdict.pairs
    assert verdict.new_records
    assert (verdict.new_records.known.total, verdict.new_records.records) == (
        known,
        len(right_answers(grown_layout)) - known,
    )
    assert verdict.new_records.records == verdict.new_records.right == verdict.new_records.champion_right


def test_a_champion_that_kept_no_list_of_its_records_is_compared_on_all_and_the_verdict_says_so(
    registry: Registry, good: Layout, grown_layout: Layout, easy: Params
) -> None:
    class Forgetful(Registry):
        def record_ids(self, version: Version) -> None:  # type: ignore[override]
            assert super().record_ids(version)

    run(good, easy, registry)
    verdict = judge(grown_layout, grown_params(easy), Forgetful(registry.store.uri))
    assert (verdict.outcome, verdict.new_records) == ("promoted", None)
    assert "does not say which records it was judged on" in verdict.reasons[-1].text


def test_new_records_with_shuffled_labels_are_refused_though_they_hurt_both_models_alike(
    registry: Registry, good: Layout, easy: Params, tmp_path: Path
) -> None:
    run(good, easy, registry)
    poisoned = made(tmp_path / "poisoned", easy, 400, wrong=60)
    register(result_of(poisoned, easy), easy, 1, registry)
    verdict = run(poisoned, easy, registry)
    assert (verdict.outcome, "new records" in failed(verdict.reasons)) == ("refused", True)
    assert verdict.new_records
    assert f"new records: {verdict.new_records.right} of {verdict.new_records.records} " in verdict.text
    assert "the labels are probably shuffled or wrong" in verdict.text
    assert registry.version(NAME, "champion").number == 2


def grown_params(easy: Params) -> Params:
    return easy.model_copy(update={"split": easy.split.model_copy(update={"folds": 5})})


def test_a_dry_run_decides_and_changes_nothing_even_for_a_result_that_is_not_registered(
    registry: Registry, good: Layout, grown_layout: Layout, easy: Params
) -> None:
    registered = run(good, easy, registry, dry_run=True)
    assert (registered.outcome, registered.challenger) == ("promoted", 2)
    new = run(grown_layout, grown_params(easy), registry, dry_run=True)
    assert (new.outcome, new.challenger) == ("promoted", None)
    assert (registry.champion(NAME), registry.history(NAME), len(registry.versions(NAME))) == (None, (), 2)
    assert not good.verdict.exists()
    assert not grown_layout.verdict.exists()


def test_gate_moves_nothing_to_a_result_that_is_not_registered(
    registry: Registry, grown_layout: Layout, easy: Params
) -> None:
    with pytest.raises(RegistryError, match="is not registered: run `pipeline register` first"):
        run(grown_layout, grown_params(easy), registry)
    assert registry.champion(NAME) is None
    assert not grown_layout.verdict.exists()


def test_gate_never_promotes_a_model_from_the_sample_over_one_from_other_data(
    registry: Registry, bad: Layout, good: Layout, poor: Params, easy: Params
) -> None:
    run(bad, poor, registry)
    write_json(good.data_report, read_json(good.data_report, "") | {"source": "sample"})
    register(result_of(good, easy), easy, 1, registry)
    verdict = run(good, easy, registry)
    assert (verdict.outcome, failed(verdict.reasons)) == ("refused", ["source"])
    assert registry.version(NAME, "champion").number == 1


def test_gate_completes_a_promotion_that_was_killed_after_the_alias_and_tells_so_once(
    registry: Registry, good: Layout, easy: Params
) -> None:
    with registry.store.client() as client:
        client.set_registered_model_alias(NAME, "champion", "2")
    assert run(good, easy, registry, dry_run=True).outcome == "unchanged"
    assert registry.history(NAME) == ()
    for _ in range(2):
        assert run(good, easy, registry).outcome == "unchanged"
        (move,) = registry.history(NAME)
        assert (move.action, move.moved_from, move.moved_to) == ("promotion", None, 2)
        assert "interrupted" in move.why
        assert registry.version(NAME, "champion").stage == "Production"


def test_gate_loses_a_race_without_a_verdict_when_the_champion_moves_meanwhile(
    registry: Registry, good: Layout, easy: Params
) -> None:
    class Overtaken(Registry):
        def promote(self, name: str, which: int | str, stage: str, **given: object) -> None:  # type: ignore[override]
            registry.promote(NAME, 1, "Production", expected=None, why="faster")
            super().promote(name, which, stage, **given)  # type: ignore[arg-type]

    with pytest.raises(RaceLostError):
        run(good, easy, Overtaken(registry.store.uri))
    assert registry.version(NAME, "champion").number == 1
    assert not good.verdict.exists()


def test_a_champion_for_another_contract_is_replaced_by_floors_alone(
    registry: Registry, bad: Layout, good: Layout, poor: Params, easy: Params
) -> None:
    run(bad, poor, registry)
    with registry.store.client() as client:
        client.set_model_version_tag(NAME, "1", "contract", fingerprint()[::-1])
    verdict = run(good, easy, registry)
    assert (verdict.outcome, verdict.pairs) == ("promoted", None)
    assert "made for another contract" in verdict.reasons[-1].text
