from dataclasses import replace
from typing import Any

import pytest

from pipeline.intervals import Pairs, binomial_cdf
from pipeline.judge.rules import decide
from pipeline.judge.verdict import (
    Candidate,
    ChallengerFigures,
    Circumstances,
    Guards,
    NewRecords,
    PairedAnswers,
    Reason,
    Verdict,
)
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
TIE = Pairs(3, 3, 2087)
OTHER_DATA = replace(CHALLENGER, data_sha256="e" * 64)
OTHER_CONTRACT = replace(CHAMPION, contract="another", guards=None)
SAMPLE = replace(CHAMPION, source="sample")


def decided(
    pairs: Pairs | None = TIE,
    new_records: NewRecords | None = None,
    challenger: Candidate = CHALLENGER,
    champion: Candidate | None = CHAMPION,
    reached: ChallengerFigures = REACHED,
    **circumstances: Any,
) -> Verdict:
    answers = PairedAnswers(pairs, new_records) if pairs else None
    return decide(challenger, reached, champion, answers, GATE, Circumstances(**circumstances))


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
        (Pairs(18, 10, 2087), "kept", []),  # 0.4 points better, but luck does that too
        (Pairs(0, 0, 2087), "kept", []),
        (Pairs(10, 20, 2087), "kept", []),  # surely less than one point worse
        (Pairs(10, 24, 2087), "refused", ["not worse"]),
        (Pairs(10, 40, 2087), "refused", ["not worse"]),
        (Pairs(0, 0, 100), "refused", ["not worse"]),  # too few records to be sure of anything
    ],
)
def test_the_same_data_promotes_only_what_is_surely_better(pairs: Pairs, outcome: str, rules: list[str]) -> None:
    verdict = decided(pairs)
    assert (verdict.outcome, verdict.promotes, failed(verdict.reasons)) == (outcome, outcome == "promoted", rules)
    assert (verdict.pairs, verdict.difference) == (pairs, pairs.difference)
    assert verdict.lower_bound == pairs.lower_bound(0.95)


@pytest.mark.parametrize(
    ("pairs", "outcome", "rules"),
    [
        (Pairs(20, 10, 2287), "promoted", []),
        (Pairs(0, 0, 2287), "promoted", []),
        (Pairs(10, 20, 2287), "promoted", []),
        (Pairs(10, 27, 2287), "refused", ["not worse"]),
    ],
)
def test_more_records_are_a_gain_in_themselves_but_never_excuse_a_loss(
    pairs: Pairs, outcome: str, rules: list[str]
) -> None:
    verdict = decided(pairs, NewRecords(Pairs(0, 0, 2087), 200, 190, 190, 0), OTHER_DATA)
    assert (verdict.outcome, failed(verdict.reasons)) == (outcome, rules)


@pytest.mark.parametrize(
    ("new_records", "outcome", "said"),
    [
        (NewRecords(TIE, 20, 19, 19, 0), "promoted", "2107 records, all of the champion's 2087 among them"),
        (NewRecords(TIE, 1, 1, 1, 0), "promoted", "2088 records, all of the champion's 2087 among them"),
        (NewRecords(TIE, 0, 0, 0, 20), "kept", "2087 records, without 20 of the champion's 2107: no gain"),
        (NewRecords(TIE, 20, 19, 19, 20), "kept", "2107 records, without 20 of the champion's 2107: no gain"),
        (NewRecords(TIE, 900, 890, 890, 1), "kept", "2987 records, without 1 of the champion's 2088: no gain"),
        (NewRecords(TIE, 0, 0, 0, 0), "kept", "2087 records, all of them among the champion's 2087: no gain"),
        (None, "kept", "other data is no gain where the champion's records are not known"),
    ],
)
def test_data_is_a_gain_only_where_it_grew(new_records: NewRecords | None, outcome: str, said: str) -> None:
    verdict = decided(TIE, new_records, OTHER_DATA)
    gain = next(reason for reason in verdict.reasons if reason.name == "gain")
    assert (verdict.outcome, gain.ok, gain.text.split("; ")[-1].removeprefix("gained: ")) == (
        outcome,
        True if outcome == "promoted" else None,
        said,
    )
    assert said in verdict.text


def test_a_better_model_of_fewer_records_is_better_all_the_same() -> None:
    assert decided(MUCH_BETTER, NewRecords(MUCH_BETTER, 0, 0, 0, 20), OTHER_DATA).outcome == "promoted"


@pytest.mark.parametrize(
    ("pairs", "needed"), [(Pairs(18, 10, 2087), 20), (Pairs(0, 0, 2087), 4), (Pairs(0, 1, 2087), 6)]
)
def test_a_tie_says_what_would_have_been_needed(pairs: Pairs, needed: int) -> None:
    assert decided(pairs).text == (
        "Kept: the champion stays, the challenger is not clearly better: only the challenger is right on "
        f"{pairs.only_challenger} records ({needed} would do), only the champion on {pairs.only_champion}; "
        "no guard rose by more than 0.0200"
    )
    assert decided(replace(pairs, only_challenger=needed)).outcome == "promoted"
    assert decided(replace(pairs, only_challenger=needed - 1)).outcome == "kept"


@pytest.mark.parametrize(
    ("new_records", "rules"),
    [
        (NewRecords(Pairs(5, 5, 2087), 200, 188, 150, 0), []),
        (NewRecords(Pairs(5, 5, 2087), 200, 165, 165, 0), []),  # 0.825 is not surely below 0.85
        (NewRecords(Pairs(5, 5, 2087), 200, 155, 155, 0), ["new records"]),
        (NewRecords(Pairs(5, 5, 2087), 200, 30, 30, 0), ["new records"]),
        (NewRecords(Pairs(5, 5, 2087), 1, 0, 0, 0), []),  # one wrong label proves nothing
        (NewRecords(Pairs(5, 5, 2087), 2, 0, 0, 0), ["new records"]),
        (NewRecords(Pairs(5, 40, 2087), 200, 190, 90, 0), ["known records no worse"]),  # what was gained hides no loss
        (NewRecords(Pairs(0, 0, 100), 2000, 1990, 1900, 0), []),  # too few known ones to be sure of anything
        (NewRecords(Pairs(0, 0, 0), 2000, 1990, 1900, 0), []),
    ],
)
def test_new_records_must_be_learnable_and_known_ones_no_worse(new_records: NewRecords, rules: list[str]) -> None:
    verdict = decided(Pairs(20, 20, 2287), new_records, OTHER_DATA)
    assert (failed(verdict.reasons), verdict.new_records) == (rules, new_records)
    assert verdict.outcome == ("refused" if rules else "promoted")


def test_the_reason_against_new_records_names_them_and_what_they_look_like() -> None:
    new_records = NewRecords(Pairs(0, 0, 2087), 200, 30, 31, 0)
    assert decided(Pairs(0, 1, 2287), new_records, OTHER_DATA).text == (
        "Refused: new records: 30 of 200 right (0.1500), the champion 31, clearly below 0.85 (95% sure): "
        "the labels are probably shuffled or wrong"
    )


@pytest.mark.parametrize("new_records", [None, NewRecords(Pairs(0, 0, 2087), 0, 0, 0, 0)])
def test_nothing_is_said_of_new_records_where_the_data_is_the_same(new_records: NewRecords | None) -> None:
    verdict = decided(MUCH_BETTER, new_records)
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
        (replace(GUARDS, plausible_people=0.94), "kept", []),  # exactly the tolerance is no gain
        (replace(GUARDS, worst_level_recall=0.94), "kept", []),  # exactly the tolerance is no loss
        (replace(GUARDS, worst_level_recall=0.93), "refused", ["worst level recall no worse"]),
        (replace(GUARDS, collected_accuracy=0.955), "refused", ["collected rows no worse"]),
        (replace(GUARDS, plausible_people=0.89), "refused", ["plausible people no worse"]),
        (replace(GUARDS, collected_accuracy=None, plausible_people=0.95), "promoted", []),
    ],
)
def test_a_guard_may_earn_a_tie_and_may_not_be_lost(guards: Guards, outcome: str, rules: list[str]) -> None:
    verdict = decided(challenger=replace(CHALLENGER, guards=guards))
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
    verdict = decided(None, challenger=replace(CHALLENGER, guards=guards), champion=None, reached=reached)
    assert failed(verdict.reasons) == rules
    assert (verdict.outcome, verdict.promotes) == (("refused", False) if rules else ("floors only", True))
    assert verdict.reasons[-1].text == "there is no champion yet"
    assert (verdict.champion, verdict.lower_bound) == (None, None)


def test_a_floor_holds_whatever_the_champion_does() -> None:
    verdict = decided(MUCH_BETTER, reached=replace(REACHED, holdout_accuracy=0.5))
    assert (verdict.outcome, failed(verdict.reasons)) == ("refused", ["holdout accuracy"])
    assert verdict.text == "Refused: holdout accuracy 0.5000 < 0.85"


def test_collected_rows_of_unknown_accuracy_are_not_measurable_rather_than_failed() -> None:
    challenger = replace(CHALLENGER, guards=replace(GUARDS, collected_accuracy=None))
    verdict = decided(MUCH_BETTER, challenger=challenger)
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
        ("real", "sample", "floors only", "champion version 1 was made from the sample"),
        ("other", "sample", "floors only", "champion version 1 was made from the sample"),
        ("other", "real", "promoted", ""),
    ],
)
def test_a_model_from_the_sample_never_replaces_one_from_other_data(
    challenger: str, champion: str, outcome: str, reason_part: str
) -> None:
    verdict = decided(
        MUCH_BETTER, challenger=replace(CHALLENGER, source=challenger), champion=replace(CHAMPION, source=champion)
    )
    assert (verdict.outcome, verdict.promotes) == (outcome, outcome != "refused")
    assert reason_part in " ".join(reason.text for reason in verdict.reasons)
    assert (verdict.pairs is None) == bool(reason_part)


def test_a_champion_of_another_contract_stays_unless_a_person_says_otherwise() -> None:
    verdict = decided(None, champion=OTHER_CONTRACT)
    assert (verdict.outcome, verdict.promotes, verdict.champion) == ("floors only", False, 1)
    assert verdict.text == (
        "Floors only: they hold; champion version 1 was made for another contract and cannot answer these records; "
        "it stays until a person runs `pipeline gate --floors-only WHY`"
    )
    said = decided(None, champion=OTHER_CONTRACT, floors_only="one column less, agreed")
    assert (said.outcome, said.promotes) == ("floors only", True)
    assert said.text.endswith("; replaced on a person's word: one column less, agreed")


def test_a_persons_word_excuses_no_floor_and_no_loss() -> None:
    word = {"floors_only": "I want it"}
    low = replace(REACHED, holdout_accuracy=0.5)
    assert decided(None, champion=OTHER_CONTRACT, reached=low, **word).outcome == "refused"
    assert decided(Pairs(10, 40, 2087), **word).outcome == "refused"
    assert decided(TIE, **word).outcome == "kept"
    sample = replace(CHALLENGER, source="sample")
    assert decided(None, challenger=sample, champion=OTHER_CONTRACT, **word).outcome == "refused"


def test_a_champion_from_the_sample_protects_nothing_whatever_its_contract() -> None:
    verdict = decided(None, champion=replace(OTHER_CONTRACT, source="sample"))
    assert (verdict.outcome, verdict.promotes) == ("floors only", True)


def test_a_champion_that_cannot_be_read_is_not_replaced_and_the_text_says_why() -> None:
    verdict = decided(None, champion=None, not_asked="the champion cannot be read (S3 is away)", floors_only="I know")
    assert (verdict.outcome, verdict.promotes) == ("floors only", False)
    assert verdict.text == "Floors only: they hold; the champion cannot be read (S3 is away); the champion stays"
    low = replace(REACHED, holdout_accuracy=0.5)
    assert decided(None, champion=None, reached=low, not_asked="S3 is away").outcome == "refused"


@pytest.mark.parametrize("champion", [replace(CHAMPION, version=5), replace(OTHER_CONTRACT, version=5)])
def test_what_an_earlier_champion_refused_is_refused_by_its_successor_however_good_it_is(champion: Candidate) -> None:
    verdict = decided(MUCH_BETTER, champion=champion, refused_by=3, floors_only="I want it")
    assert (verdict.outcome, failed(verdict.reasons)) == ("refused", ["refused before"])
    assert verdict.text == (
        "Refused: it was refused against champion version 3, and version 5 is that one's successor; "
        "`pipeline registry promote` makes it champion by hand"
    )


def test_the_champion_itself_is_kept_whatever_its_figures() -> None:
    poor = replace(REACHED, holdout_accuracy=0)
    same = replace(CHALLENGER, model_sha256=CHAMPION.model_sha256)
    verdict = decided(None, challenger=same, reached=poor, refused_by=3)
    assert (verdict.outcome, verdict.promotes, verdict.text) == (
        "kept",
        False,
        "Kept: the challenger is the champion, byte by byte",
    )
    assert [reason.name for reason in verdict.reasons] == ["model"]


def test_only_a_bound_above_zero_is_called_better() -> None:
    assert decided(MUCH_BETTER).text == "Promoted: better than the champion"
    assert decided(Pairs(3, 3, 2107), NewRecords(TIE, 20, 20, 20, 0), OTHER_DATA).text == (
        "Promoted: not worse than the champion; gained: 2107 records, all of the champion's 2087 among them"
    )


@pytest.mark.parametrize(
    ("given", "outcome", "promotes"),
    [
        ({"pairs": MUCH_BETTER}, "promoted", True),
        ({"pairs": TIE}, "kept", False),
        ({"challenger": replace(CHALLENGER, model_sha256="a" * 64)}, "kept", False),
        ({"pairs": Pairs(10, 40, 2087)}, "refused", False),
        ({"reached": replace(REACHED, onnx_flips=1)}, "refused", False),
        ({"challenger": replace(CHALLENGER, source="sample")}, "refused", False),
        ({"pairs": MUCH_BETTER, "refused_by": 1, "champion": replace(CHAMPION, version=3)}, "refused", False),
        ({"pairs": MUCH_BETTER, "taken_back": True}, "kept", False),
        ({"pairs": Pairs(10, 40, 2087), "taken_back": True}, "refused", False),
        ({"champion": OTHER_CONTRACT, "floors_only": "agreed", "taken_back": True}, "kept", False),
        ({"champion": None}, "floors only", True),
        ({"champion": SAMPLE}, "floors only", True),
        ({"champion": OTHER_CONTRACT}, "floors only", False),
        ({"champion": OTHER_CONTRACT, "floors_only": "agreed"}, "floors only", True),
        ({"champion": None, "not_asked": "the champion cannot be read"}, "floors only", False),
    ],
)
def test_there_are_four_outcomes_and_each_says_whether_the_champion_moves(
    given: dict[str, Any], outcome: str, promotes: bool
) -> None:
    verdict = decided(**given)
    assert (verdict.outcome, verdict.promotes) == (outcome, promotes)
    assert any(reason.ok is False for reason in verdict.reasons) == (outcome == "refused")
    assert verdict.text.startswith(f"{outcome.capitalize()}: ")
    assert verdict.as_json()["promotes"] is promotes
