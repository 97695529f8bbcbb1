from dataclasses import replace

import pytest

from pipeline.intervals import Pairs, binomial_cdf
from pipeline.judge.rules import decide
from pipeline.judge.verdict import Candidate, ChallengerFigures, Guards, NewRecords, Reason
from pipeline.params import GateParams

FLOORS = {
    "holdout_accuracy": 0.85,
    "collected_accuracy": 0.95,
    "worst_class_recall": 0.85,
    "plausible_people": 0.85,
    "new_records": 0.85,
}
GATE = GateParams.model_validate({"margin": 0.01, "confidence": 0.95, "guard_tolerance": 0.02, "floors": FLOORS})

GUARDS = Guards(worst_level_recall=0.96, collected_accuracy=0.98, plausible_people=0.92)
CHAMPION = Candidate(1, "a" * 64, "d" * 64, "real", "contract", GUARDS)
CHALLENGER = Candidate(2, "b" * 64, "d" * 64, "real", "contract", GUARDS)
REACHED = ChallengerFigures(holdout_accuracy=0.99, out_of_fold_accuracy=0.987, rule_accuracy=0.944, onnx_flips=0)
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
    ("new_records", "rules"),
    [
        (NewRecords(Pairs(5, 5, 2087), 200, 188, 150), []),
        (NewRecords(Pairs(5, 5, 2087), 200, 165, 165), []),  # 0.825 is not surely below 0.85
        (NewRecords(Pairs(5, 5, 2087), 200, 155, 155), ["new records"]),
        (NewRecords(Pairs(5, 5, 2087), 200, 30, 30), ["new records"]),
        (NewRecords(Pairs(5, 5, 2087), 1, 0, 0), []),  # one wrong label proves nothing
        (NewRecords(Pairs(5, 5, 2087), 2, 0, 0), ["new records"]),
        (NewRecords(Pairs(5, 40, 2087), 200, 190, 90), ["known records no worse"]),  # what was gained hides no loss
        (NewRecords(Pairs(0, 0, 100), 2000, 1990, 1900), []),  # too few known ones to be sure of anything
        (NewRecords(Pairs(0, 0, 0), 2000, 1990, 1900), []),
        (NewRecords(Pairs(5, 5, 2287), 0, 0, 0), []),
        (None, []),
    ],
)
def test_new_records_must_be_learnable_and_known_ones_no_worse(
    new_records: NewRecords | None, rules: list[str]
) -> None:
    challenger = replace(CHALLENGER, data_sha256="e" * 64)
    verdict = decide(challenger, REACHED, CHAMPION, Pairs(20, 20, 2287), GATE, new_records)
    assert (failed(verdict.reasons), verdict.new_records) == (rules, new_records)
    assert verdict.outcome == ("refused" if rules else "promoted")


def test_the_reason_against_new_records_names_them_and_what_they_look_like() -> None:
    challenger, new_records = replace(CHALLENGER, data_sha256="e" * 64), NewRecords(Pairs(0, 0, 2087), 200, 30, 31)
    assert decide(challenger, REACHED, CHAMPION, Pairs(0, 1, 2287), GATE, new_records).text == (
        "Refused: new records: 30 of 200 right (0.1500), the champion 31, clearly below 0.85 (95% sure): "
        "the labels are probably shuffled or wrong"
    )


@pytest.mark.parametrize("new_records", [None, NewRecords(Pairs(0, 0, 2087), 0, 0, 0)])
def test_nothing_is_said_of_new_records_where_the_data_is_the_same(new_records: NewRecords | None) -> None:
    verdict = decide(CHALLENGER, REACHED, CHAMPION, MUCH_BETTER, GATE, new_records)
    assert [reason.name for reason in verdict.reasons if "records" in reason.name] == []


@pytest.mark.parametrize(
    ("right", "records", "share", "chance"),
    [
        (0, 1, 0.85, 0.15),
        (0, 2, 0.85, 0.0225),
        (1, 2, 0.5, 0.75),
        (2, 2, 0.5, 1.0),
        (5, 10, 0.5, 0.623047),  # 638 / 1024
        (165, 200, 0.85, 0.185041),  # summed apart, in fractions
        (30, 200, 0.0, 1.0),
        (30, 200, 1.0, 0.0),
    ],
)
def test_the_chance_of_no_more_right_answers(right: int, records: int, share: float, chance: float) -> None:
    assert round(binomial_cdf(right, records, share), 6) == chance


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
def test_without_a_champion_the_floors_alone_decide(
    reached: ChallengerFigures, guards: Guards, rules: list[str]
) -> None:
    verdict = decide(replace(CHALLENGER, guards=guards), reached, None, None, GATE)
    assert failed(verdict.reasons) == rules
    assert verdict.outcome == ("refused" if rules else "promoted")
    assert verdict.reasons[-1].text == "there is no champion yet: only the floors are checked"
    assert (verdict.champion, verdict.lower_bound) == (None, None)


def test_a_floor_holds_whatever_the_champion_does() -> None:
    verdict = decide(CHALLENGER, replace(REACHED, holdout_accuracy=0.5), CHAMPION, MUCH_BETTER, GATE)
    assert (verdict.outcome, failed(verdict.reasons)) == ("refused", ["holdout accuracy"])
    assert verdict.text == "Refused: holdout accuracy 0.5000 < 0.85"


def test_collected_rows_of_unknown_accuracy_are_not_measurable_rather_than_failed() -> None:
    challenger = replace(CHALLENGER, guards=replace(GUARDS, collected_accuracy=None))
    verdict = decide(challenger, REACHED, CHAMPION, MUCH_BETTER, GATE)
    assert verdict.outcome == "promoted"
    assert [(reason.name, reason.text) for reason in verdict.reasons if reason.ok is None] == [
        ("collected rows", "collected rows: not measurable on these records"),
        ("collected rows no worse", "collected rows: not measurable on these records"),
    ]


@pytest.mark.parametrize(
    ("challenger", "champion", "outcome", "reason_part"),
    [
        ("sample", "real", "refused", "never replaces"),
        ("sample", "other", "refused", "never replaces"),
        ("sample", "sample", "promoted", ""),
        ("real", "sample", "promoted", "was made from the sample: only the floors are checked"),
        ("other", "sample", "promoted", "was made from the sample: only the floors are checked"),
        ("other", "real", "promoted", ""),
    ],
)
def test_a_model_from_the_sample_never_replaces_one_from_other_data(
    challenger: str, champion: str, outcome: str, reason_part: str
) -> None:
    verdict = decide(
        replace(CHALLENGER, source=challenger), REACHED, replace(CHAMPION, source=champion), MUCH_BETTER, GATE
    )
    assert verdict.outcome == outcome
    assert reason_part in " ".join(reason.text for reason in verdict.reasons)
    assert (verdict.pairs is None) == bool(reason_part)


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
