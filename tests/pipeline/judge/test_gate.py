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
    assert (first.outcome, first.champion, first.challenger) == ("floors only", None, 1)
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
    assert run(good, easy, registry).outcome == "kept"
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


def test_a_refusal_stays_in_the_history_with_its_reasons_once_for_the_same_two_models(
    registry: Registry, bad: Layout, good: Layout, poor: Params, easy: Params
) -> None:
    run(good, easy, registry)
    verdict = run(bad, poor, registry, why="weekly")
    assert run(bad, poor, registry).outcome == "refused"
    first, refusal = registry.history(NAME)
    assert first.action == "promotion"
    assert (refusal.action, refusal.version, refusal.moved_from, refusal.moved_to, refusal.why) == (
        "refusal",
        1,
        2,
        1,
        f"weekly. {verdict.text}",
    )


def test_gate_compares_on_data_that_grew_and_with_another_number_of_folds(
    registry: Registry, good: Layout, grown_layout: Layout, easy: Params
) -> None:
    run(good, easy, registry)
    verdict = judge(grown_layout, grown_params(easy), registry)
    assert verdict.pairs
    assert verdict.pairs.total == len(right_answers(grown_layout)) > len(right_answers(good))
    known, now = len(right_answers(good)), len(right_answers(grown_layout))
    assert f"gained: {now} records, all of the champion's {known} among them" in verdict.text


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
    assert (verdict.outcome, verdict.new_records) == ("kept", None)
    assert "does not say which records it was judged on" in verdict.reasons[-2].text
    assert "other data is no gain where the champion's records are not known" in verdict.text


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
    registered = judge(good, easy, registry)
    assert (registered.outcome, registered.promotes, registered.challenger) == ("floors only", True, 2)
    new = judge(grown_layout, grown_params(easy), registry)
    assert (new.outcome, new.promotes, new.challenger) == ("floors only", True, None)
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
    assert judge(good, easy, registry).outcome == "kept"
    assert registry.history(NAME) == ()
    for _ in range(2):
        assert run(good, easy, registry).outcome == "kept"
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


def test_a_champion_for_another_contract_is_replaced_only_on_a_persons_word_which_the_history_keeps(
    registry: Registry, bad: Layout, good: Layout, poor: Params, easy: Params
) -> None:
    run(bad, poor, registry)
    with registry.store.client() as client:
        client.set_model_version_tag(NAME, "1", "contract", fingerprint()[::-1])
    for word in ("", "  "):
        verdict = run(good, easy, registry, floors_only=word)
        assert (verdict.outcome, verdict.promotes, verdict.pairs) == ("floors only", False, None)
        assert "`pipeline gate --floors-only WHY`" in verdict.text
    assert registry.version(NAME, "champion").number == 1
    assert read_json(good.verdict, "")["promotes"] is False

    verdict = run(good, easy, registry, floors_only="SMOKE is no longer asked")
    assert (verdict.outcome, verdict.promotes) == ("floors only", True)
    assert registry.version(NAME, "champion").number == 2
    assert registry.history(NAME)[-1].why.endswith("replaced on a person's word: SMOKE is no longer asked")


def test_going_back_to_older_data_never_moves_the_champion(
    registry: Registry, good: Layout, grown: Layout, easy: Params
) -> None:
    run(good, easy, registry)
    register(result_of(grown, grown_params(easy)), grown_params(easy), 1, registry)
    assert run(grown, grown_params(easy), registry).outcome == "promoted"
    for _ in range(2):
        assert run(good, easy, registry).outcome in {"kept", "refused"}
        assert registry.version(NAME, "champion").number == 3


def strict(easy: Params) -> Params:
    """Parameters with a floor that no model reaches."""
    floors = easy.gate.floors.model_copy(update={"plausible_people": 1.0})
    return easy.model_copy(update={"gate": easy.gate.model_copy(update={"floors": floors})})


@pytest.fixture
def refused(registry: Registry, bad: Layout, grown: Layout, poor: Params, easy: Params) -> Params:
    """Version 3, of more records, was refused against champion version 1; the parameters that it was made with."""
    params = grown_params(easy)
    run(bad, poor, registry)
    register(result_of(grown, params), params, 1, registry)
    assert run(grown, strict(params), registry).outcome == "refused"
    return params


def test_a_refused_result_does_not_come_back_over_the_successor_of_the_champion_that_refused_it(
    registry: Registry, good: Layout, grown: Layout, easy: Params, refused: Params
) -> None:
    assert run(good, easy, registry).promotes
    verdict = run(grown, refused, registry)
    assert (verdict.outcome, failed(verdict.reasons)) == ("refused", ["refused before"])
    assert "it was refused against champion version 1, and version 2 is that one's successor" in verdict.text
    assert registry.version(NAME, "champion").number == 2
    assert [(move.action, move.moved_from, move.moved_to) for move in registry.history(NAME)] == [
        ("promotion", None, 1),
        ("refusal", 1, 3),
        ("promotion", 1, 2),
        ("refusal", 2, 3),
    ]


def test_a_refused_result_is_judged_as_ever_against_the_champion_that_refused_it_also_after_a_rollback(
    registry: Registry, good: Layout, grown: Layout, easy: Params, refused: Params
) -> None:
    assert judge(grown, refused, registry).promotes
    run(good, easy, registry)
    assert not judge(grown, refused, registry).promotes
    registry.rollback(NAME, why="alarms")
    assert judge(grown, refused, registry).promotes


def test_what_a_rollback_took_back_is_not_promoted_again_by_the_next_run(
    registry: Registry, bad: Layout, poor: Params, good: Layout, easy: Params
) -> None:
    run(bad, poor, registry)
    assert run(good, easy, registry).promotes
    registry.rollback(NAME, why="alarms")
    verdict = run(good, easy, registry)
    assert (verdict.outcome, verdict.text.split(";")[0]) == (
        "kept",
        "Kept: the champion stays, a rollback took the challenger back",
    )
    assert registry.version(NAME, "champion").number == 1


def test_a_person_may_promote_what_was_refused(
    registry: Registry, good: Layout, grown: Layout, easy: Params, refused: Params
) -> None:
    run(good, easy, registry)
    registry.promote(NAME, 3, "Production", expected=2, why="the floor was a mistake")
    assert run(grown, refused, registry).outcome == "kept"
    assert registry.version(NAME, "champion").number == 3


def test_a_refused_graph_does_not_come_back_as_another_version(
    registry: Registry, good: Layout, grown: Layout, easy: Params, refused: Params
) -> None:
    run(good, easy, registry)
    other = refused.model_copy(update={"evaluate": refused.evaluate.model_copy(update={"resamples": 100})})
    assert register(result_of(grown, other), other, 1, registry).version == 4
    assert failed(run(grown, other, registry).reasons) == ["refused before"]


@pytest.fixture
def shared(registry: Registry) -> Registry:
    """The same registry, as if a server kept it: others use it too."""

    class OnServer(Registry):
        is_shared = True

    return OnServer(registry.store.uri)


def test_only_a_persons_choice_moves_the_champion_that_others_share(
    shared: Registry, bad: Layout, good: Layout, poor: Params, easy: Params
) -> None:
    first = run(bad, poor, shared)
    assert (first.outcome, first.promotes) == ("floors only", True)
    assert (shared.champion(NAME), shared.history(NAME)) == (None, ())
    assert read_json(bad.verdict, "")["promotes"] is True

    run(bad, poor, shared, shared=True)
    assert run(good, easy, shared).promotes
    assert run(bad, strict(poor), shared).outcome == "kept"  # the champion itself
    run(good, strict(easy), shared)
    assert shared.version(NAME, "champion").number == 1
    assert [move.action for move in shared.history(NAME)] == ["promotion"]

    run(good, easy, shared, shared=True)
    assert shared.version(NAME, "champion").number == 2
