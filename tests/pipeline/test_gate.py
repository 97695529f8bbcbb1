import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from lambda_api.contract import BMI_RANGE, TARGET, fingerprint
from pipeline import clean, evaluate, train
from pipeline.errors import RaceLostError, RegistryError
from pipeline.files import Layout, read_json, write_csv, write_json
from pipeline.gate import Candidate, Guards, Pairs, Reached, Reason, decide, judge, run
from pipeline.params import GateParams, Params
from pipeline.records import bmi, random_records, rounded
from pipeline.register import register
from pipeline.registry import Registry

NAME = "obesity_classifier"
FLOORS = {"holdout_accuracy": 0.85, "collected_accuracy": 0.95, "worst_class_recall": 0.85, "plausible_people": 0.85}
GATE = GateParams.model_validate({"margin": 0.01, "confidence": 0.95, "guard_tolerance": 0.02, "floors": FLOORS})

GUARDS = Guards(worst_level_recall=0.96, collected_accuracy=0.98, plausible_people=0.92)
CHAMPION = Candidate(1, "a" * 64, "d" * 64, "real", "contract", GUARDS)
CHALLENGER = Candidate(2, "b" * 64, "d" * 64, "real", "contract", GUARDS)
REACHED = Reached(holdout_accuracy=0.99, out_of_fold_accuracy=0.987, rule_accuracy=0.944, onnx_flips=0)
MUCH_BETTER = Pairs(40, 10, 2087)


def failed(reasons: tuple[Reason, ...]) -> list[str]:
    return [reason.name for reason in reasons if reason.ok is False]


@pytest.mark.parametrize(
    ("b", "c", "n", "lower"),
    [  # worked out apart, in decimals: ((b-c) - 1.6448536 sqrt((b+c+1) - (b-c)^2/(n+2))) / (n+2)
        (0, 0, 2087, -0.000787),
        (40, 10, 2087, 0.008762),
        (10, 40, 2087, -0.01996),
        (20, 20, 2087, -0.005042),
        (26, 26, 2087, -0.005732),
        (0, 20, 2087, -0.013166),
        (0, 0, 100, -0.016126),
        (60, 0, 100, 0.506475),
    ],
)
def test_the_lower_bound_of_paired_answers(b: int, c: int, n: int, lower: float) -> None:
    assert round(Pairs(b, c, n).lower_bound(0.95), 6) == lower


def test_an_equal_pair_of_models_differs_by_nothing_and_more_confidence_lowers_the_bound() -> None:
    pairs = Pairs(7, 7, 500)
    assert pairs.difference == 0
    assert pairs.lower_bound(0.99) < pairs.lower_bound(0.95) < 0


@pytest.mark.parametrize(
    ("pairs", "outcome", "rules"),
    [
        (Pairs(40, 10, 2087), "promoted", []),
        (Pairs(20, 10, 2087), "promoted", []),
        (Pairs(18, 10, 2087), "refused", ["gain"]),  # 0.4 points better, but luck does that too
        (Pairs(0, 0, 2087), "refused", ["gain"]),
        (Pairs(10, 20, 2087), "refused", ["gain"]),  # surely less than one point worse
        (Pairs(10, 24, 2087), "refused", ["not worse", "gain"]),
        (Pairs(10, 40, 2087), "refused", ["not worse", "gain"]),
        (Pairs(0, 0, 100), "refused", ["not worse", "gain"]),  # too few records to be sure of anything
    ],
)
def test_the_same_data_promotes_only_what_is_surely_better(pairs: Pairs, outcome: str, rules: list[str]) -> None:
    verdict = decide(CHALLENGER, REACHED, CHAMPION, pairs, GATE)
    assert (verdict.outcome, failed(verdict.reasons)) == (outcome, rules)
    assert (verdict.pairs, verdict.difference) == (pairs, pairs.difference)
    assert verdict.lower_bound == pairs.lower_bound(0.95)


@pytest.mark.parametrize(
    ("pairs", "outcome", "rules"),
    [
        (Pairs(20, 10, 2087), "promoted", []),
        (Pairs(0, 0, 2087), "promoted", []),
        (Pairs(10, 20, 2087), "promoted", []),
        (Pairs(10, 24, 2087), "refused", ["not worse"]),
    ],
)
def test_other_data_is_a_gain_in_itself_but_never_excuses_a_loss(pairs: Pairs, outcome: str, rules: list[str]) -> None:
    verdict = decide(replace(CHALLENGER, data_sha256="e" * 64), REACHED, CHAMPION, pairs, GATE)
    assert (verdict.outcome, failed(verdict.reasons)) == (outcome, rules)


@pytest.mark.parametrize(
    ("guards", "outcome", "rules"),
    [
        (replace(GUARDS, plausible_people=0.95), "promoted", []),  # gained more than the tolerance
        (replace(GUARDS, plausible_people=0.94), "refused", ["gain"]),  # exactly the tolerance is no gain
        (replace(GUARDS, worst_level_recall=0.94), "refused", ["gain"]),  # exactly the tolerance is no loss
        (replace(GUARDS, worst_level_recall=0.93), "refused", ["worst level recall no worse", "gain"]),
        (replace(GUARDS, collected_accuracy=0.955), "refused", ["collected rows no worse", "gain"]),
        (replace(GUARDS, plausible_people=0.89), "refused", ["plausible people no worse", "gain"]),
        (replace(GUARDS, collected_accuracy=None, plausible_people=0.95), "promoted", []),
    ],
)
def test_a_guard_may_earn_a_tie_and_may_not_be_lost(guards: Guards, outcome: str, rules: list[str]) -> None:
    verdict = decide(replace(CHALLENGER, guards=guards), REACHED, CHAMPION, Pairs(3, 3, 2087), GATE)
    assert (verdict.outcome, failed(verdict.reasons)) == (outcome, rules)


@pytest.mark.parametrize(
    ("reached", "guards", "rules"),
    [
        (REACHED, GUARDS, []),
        (replace(REACHED, holdout_accuracy=0.85), GUARDS, []),
        (replace(REACHED, holdout_accuracy=0.8499), GUARDS, ["holdout accuracy"]),
        (replace(REACHED, out_of_fold_accuracy=0.944), GUARDS, ["BMI rule"]),
        (replace(REACHED, onnx_flips=1), GUARDS, ["ONNX flips"]),
        (REACHED, Guards(0.84, 0.94, 0.84), ["collected rows", "worst level recall", "plausible people"]),
        (REACHED, replace(GUARDS, collected_accuracy=None), []),
    ],
)
def test_without_a_champion_the_floors_alone_decide(reached: Reached, guards: Guards, rules: list[str]) -> None:
    verdict = decide(replace(CHALLENGER, guards=guards), reached, None, None, GATE)
    assert failed(verdict.reasons) == rules
    assert verdict.outcome == ("refused" if rules else "promoted")
    assert verdict.reasons[-1].text == "there is no champion yet: the floors alone decide"
    assert (verdict.champion, verdict.lower_bound) == (None, None)


def test_a_floor_holds_whatever_the_champion_does() -> None:
    verdict = decide(CHALLENGER, replace(REACHED, holdout_accuracy=0.5), CHAMPION, MUCH_BETTER, GATE)
    assert (verdict.outcome, failed(verdict.reasons)) == ("refused", ["holdout accuracy"])
    assert verdict.text == "Refused: holdout accuracy 0.5000 < 0.85"


def test_collected_rows_that_nobody_can_tell_are_not_measurable_rather_than_failed() -> None:
    challenger = replace(CHALLENGER, guards=replace(GUARDS, collected_accuracy=None))
    verdict = decide(challenger, REACHED, CHAMPION, MUCH_BETTER, GATE)
    assert verdict.outcome == "promoted"
    assert [(reason.name, reason.text) for reason in verdict.reasons if reason.ok is None] == [
        ("collected rows", "collected rows: not measurable on these records"),
        ("collected rows no worse", "collected rows: not measurable on these records"),
    ]


@pytest.mark.parametrize(
    ("challenger", "champion", "outcome", "told"),
    [
        ("sample", "real", "refused", "never replaces"),
        ("sample", "other", "refused", "never replaces"),
        ("sample", "sample", "promoted", ""),
        ("real", "sample", "promoted", "was made from the sample: the floors alone decide"),
        ("other", "sample", "promoted", "was made from the sample: the floors alone decide"),
        ("other", "real", "promoted", ""),
    ],
)
def test_a_model_from_the_sample_never_replaces_one_from_other_data(
    challenger: str, champion: str, outcome: str, told: str
) -> None:
    verdict = decide(
        replace(CHALLENGER, source=challenger), REACHED, replace(CHAMPION, source=champion), MUCH_BETTER, GATE
    )
    assert verdict.outcome == outcome
    assert told in " ".join(reason.text for reason in verdict.reasons)
    assert (verdict.pairs is None) == bool(told)


def test_a_champion_made_for_another_contract_cannot_answer_and_the_floors_alone_decide() -> None:
    champion = replace(CHAMPION, contract="another", guards=None)
    verdict = decide(CHALLENGER, REACHED, champion, None, GATE)
    assert (verdict.outcome, verdict.champion) == ("promoted", 1)
    assert "was made for another contract" in verdict.reasons[-1].text
    assert decide(replace(CHALLENGER, source="sample"), REACHED, champion, None, GATE).outcome == "refused"


def test_the_champion_itself_is_unchanged_whatever_its_figures() -> None:
    poor = replace(REACHED, holdout_accuracy=0)
    verdict = decide(replace(CHALLENGER, model_sha256=CHAMPION.model_sha256), poor, CHAMPION, None, GATE)
    assert (verdict.outcome, [reason.name for reason in verdict.reasons]) == ("unchanged", ["model"])


def test_only_a_bound_above_zero_is_called_better() -> None:
    assert decide(CHALLENGER, REACHED, CHAMPION, MUCH_BETTER, GATE).text == "Promoted: better than the champion"
    other = replace(CHALLENGER, data_sha256="e" * 64)
    assert decide(other, REACHED, CHAMPION, Pairs(3, 3, 2087), GATE).text == "Promoted: not worse than the champion"


# The whole gate, on records whose level is a matter of the family alone: the BMI rule is no help there.


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


def made(folder: Path, params: Params, rows: int = 320) -> Layout:
    frame = rounded(random_records(rows, seed=5))
    frame = frame[(bmi(frame) >= BMI_RANGE[0]) & (bmi(frame) <= BMI_RANGE[1])]
    family = frame["family_history_with_overweight"] == "yes"
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
    register(poor_layout, poor, 1, registry)
    register(good_layout, easy, 1, registry)
    return store


@pytest.fixture
def registry(tmp_path: Path, both: Path) -> Registry:
    shutil.copy(both, tmp_path / "mlflow.db")
    return Registry(f"sqlite:///{tmp_path}/mlflow.db")


@pytest.fixture
def good(tmp_path: Path, good_layout: Layout) -> Layout:
    return Layout(shutil.copytree(good_layout.root, tmp_path / "good"))


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
    assert (second.pairs.b, second.pairs.c, second.pairs.n) == (
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
    assert verdict.pairs.n == len(right_answers(grown_layout)) > len(right_answers(good))
    assert "it was trained on other data" in verdict.reasons[-1].text


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


def test_gate_never_crowns_a_model_from_the_sample_over_one_from_other_data(
    registry: Registry, bad: Layout, good: Layout, poor: Params, easy: Params
) -> None:
    run(bad, poor, registry)
    write_json(good.data_report, read_json(good.data_report, "") | {"source": "sample"})
    register(good, easy, 1, registry)
    verdict = run(good, easy, registry)
    assert (verdict.outcome, failed(verdict.reasons)) == ("refused", ["source"])
    assert registry.version(NAME, "champion").number == 1


def test_gate_loses_a_race_without_a_verdict_when_the_champion_moves_meanwhile(
    registry: Registry, good: Layout, easy: Params
) -> None:
    class Overtaken(Registry):
        def promote(self, name: str, which: int | str, stage: str, **given: object) -> None:  # type: ignore[override]
            registry.promote(NAME, 1, "Production", expected=None, why="faster")
            super().promote(name, which, stage, **given)  # type: ignore[arg-type]

    with pytest.raises(RaceLostError):
        run(good, easy, Overtaken(registry.uri))
    assert registry.version(NAME, "champion").number == 1
    assert not good.verdict.exists()


def test_a_champion_for_another_contract_is_replaced_by_floors_alone(
    registry: Registry, bad: Layout, good: Layout, poor: Params, easy: Params
) -> None:
    run(bad, poor, registry)
    with registry.talking() as client:
        client.set_model_version_tag(NAME, "1", "contract", fingerprint()[::-1])
    verdict = run(good, easy, registry)
    assert (verdict.outcome, verdict.pairs) == ("promoted", None)
    assert "made for another contract" in verdict.reasons[-1].text
