"""Two candidates and their figures -> the verdict with every reason. Pure: nothing is measured, read or moved here.

A challenger is promoted if every floor holds, it is surely not worse than the champion on the same records, no guard
got worse, and something was gained; with nothing gained the champion is kept. What an earlier champion refused, its
successors refuse. Where the two cannot be compared, only the floors are checked; that replaces nothing but a model made
from the sample, unless a person says so.

What is weighed in each rule is in `reasons.py`, measured in `gate.py`, and has its limit in `params.yaml`.
"""

from dataclasses import replace

from pipeline.judge.reasons import GAIN, comparison_reasons, floor_reasons
from pipeline.judge.verdict import (
    Candidate,
    ChallengerFigures,
    Circumstances,
    Outcome,
    PairedAnswers,
    Reason,
    Verdict,
)
from pipeline.params import GateParams

NOTHING_ELSE = Circumstances()

SAME = Reason("model", True, "the champion's", "another graph", "the challenger is the champion, byte by byte")  # noqa: FBT003  a row


def decide(
    challenger: Candidate,
    reached: ChallengerFigures,
    champion: Candidate | None,
    answers: PairedAnswers | None,
    params: GateParams,
    circumstances: Circumstances = NOTHING_ELSE,
) -> Verdict:
    """The verdict on a challenger.

    Args:
        challenger: The model to judge, with guards.
        reached: Its other figures.
        champion: The model that ships now, if any.
        answers: Their answers to the same records; needed only where `comparison_obstacle` is None.
        params: Margin, confidence, tolerance and floors.
        circumstances: What decides besides.
    """
    verdict = Verdict(
        outcome="kept",
        promotes=False,
        text=f"Kept: {SAME.text}",
        reasons=(SAME,),
        challenger=challenger.version,
        champion=champion.version if champion else None,
        challenger_sha256=challenger.model_sha256,
        champion_sha256=champion.model_sha256 if champion else None,
    )
    if verdict.champion_sha256 == verdict.challenger_sha256:
        return verdict
    reasons = floor_reasons(challenger, reached, params)
    if champion and circumstances.refused_by is not None:
        reasons += (_refused_before(circumstances.refused_by, champion),)
    if obstacle := comparison_obstacle(challenger, champion, circumstances.not_asked):
        reasons += (obstacle,)
        outcome, promotes, text = (
            _refused(reasons) or _taken_back(circumstances) or _floors_only(champion, obstacle, circumstances)
        )
        return replace(verdict, outcome=outcome, promotes=promotes, text=text, reasons=reasons)
    assert champion is not None  # noqa: S101  comparison_obstacle says so; mypy cannot know
    assert answers is not None  # noqa: S101  for mypy
    reasons += comparison_reasons(challenger, champion, answers, params)
    pairs, lower = answers.pairs, answers.pairs.lower_bound(params.confidence)
    outcome, promotes, text = _refused(reasons) or _taken_back(circumstances) or _compared(reasons, lower)
    return replace(
        verdict,
        outcome=outcome,
        promotes=promotes,
        text=text,
        reasons=reasons,
        pairs=pairs,
        new_records=answers.new_records,
        difference=pairs.difference,
        lower_bound=lower,
    )


def comparison_obstacle(challenger: Candidate, champion: Candidate | None, not_asked: str = "") -> Reason | None:
    """Why the two are not compared record by record, as a reason that may itself refuse; None if they are."""
    if not_asked:
        why = not_asked
    elif champion is None:
        why = "there is no champion yet"
    elif challenger.source == "sample" and champion.source != "sample":
        text = "a model made from the sample never replaces one made from other data"
        return Reason("source", ok=False, value=challenger.source, needed="not sample", text=text)
    elif champion.source == "sample" and challenger.source != "sample":
        why = f"champion version {champion.version} was made from the sample"
    elif champion.contract != challenger.contract:
        why = f"champion version {champion.version} was made for another contract and cannot answer these records"
    else:
        return None
    return Reason("comparison", None, None, "the floors", why)


def _refused_before(refused_by: int, champion: Candidate) -> Reason:
    text = (
        f"it was refused against champion version {refused_by}, and version {champion.version} is that one's "
        "successor; `pipeline registry promote` makes it champion by hand"
    )
    return Reason("refused before", ok=False, value=None, needed="no refusal by an earlier champion", text=text)


def _refused(reasons: tuple[Reason, ...]) -> tuple[Outcome, bool, str] | None:
    """Any reason that does not hold refuses."""
    failed = [reason.text for reason in reasons if reason.ok is False]
    return ("refused", False, "Refused: " + "; ".join(failed)) if failed else None


def _taken_back(circumstances: Circumstances) -> tuple[Outcome, bool, str] | None:
    """A person's rollback counts more than figures, or the next run would undo it."""
    if not circumstances.taken_back:
        return None
    by_hand = "`pipeline registry promote` makes it champion by hand"
    return "kept", False, f"Kept: the champion stays, a rollback took the challenger back; {by_hand}"


def _compared(reasons: tuple[Reason, ...], lower: float) -> tuple[Outcome, bool, str]:
    """Only a lower bound above zero is called better."""
    gain = next(reason for reason in reasons if reason.name == GAIN)
    if not gain.ok:
        return "kept", False, f"Kept: the champion stays, the challenger is {gain.text}"
    if lower > 0:
        return "promoted", True, "Promoted: better than the champion"
    return "promoted", True, f"Promoted: not worse than the champion; {gain.text}"


def _floors_only(
    champion: Candidate | None, obstacle: Reason, circumstances: Circumstances
) -> tuple[Outcome, bool, str]:
    """The floors alone make a champion where there is none to protect, else only on a person's word."""
    text = f"Floors only: they hold; {obstacle.text}"
    if circumstances.not_asked:
        return "floors only", False, f"{text}; the champion stays"
    if champion is None or champion.source == "sample":
        return "floors only", True, text
    if circumstances.floors_only:
        return "floors only", True, f"{text}; replaced on a person's word: {circumstances.floors_only}"
    return "floors only", False, f"{text}; it stays until a person runs `pipeline gate --floors-only WHY`"
