"""Measured figures and their limits -> one `Reason` for each rule of the gate, in words. Pure.

Data is a gain only where it grew: other, fewer or older records are none. Records that the champion was not judged on
are looked at by themselves, because wrong labels hurt both models alike and so hide in a comparison.
"""

from dataclasses import replace

from pipeline.intervals import Pairs, binomial_cdf
from pipeline.judge.verdict import Candidate, ChallengerFigures, Guards, NewRecords, PairedAnswers, Reason
from pipeline.params import GateParams

ROUNDING = 1e-9
"""What doubles may add to a difference of two shares that is exactly the tolerance."""

GAIN = "gain"
"""Without it the champion is kept; the lack of it refuses nothing."""


def floor_reasons(challenger: Candidate, reached: ChallengerFigures, params: GateParams) -> tuple[Reason, ...]:
    """One reason for each floor."""
    assert challenger.guards is not None  # noqa: S101  a challenger always answers its own records
    guards, floors = challenger.guards, params.floors
    accuracy, rule, flips = reached.out_of_fold_accuracy, reached.rule_accuracy, reached.onnx_flips
    ahead = f"out-of-fold accuracy {accuracy:.4f} {'>' if accuracy > rule else '<='} the BMI rule's {rule:.4f}"
    agree = f"ONNX and scikit-learn {'differ on ' + str(flips) + ' label(s)' if flips else 'agree on every label'}"
    return (
        _floor("holdout accuracy", reached.holdout_accuracy, floors.holdout_accuracy),
        _floor("collected rows", guards.collected_accuracy, floors.collected_accuracy),
        _floor("worst level recall", guards.worst_level_recall, floors.worst_class_recall),
        _floor("plausible people", guards.plausible_people, floors.plausible_people),
        Reason("BMI rule", accuracy > rule, accuracy, f"> {rule:.4f}", ahead),
        Reason("ONNX flips", flips == 0, flips, "0", agree),
    )


def comparison_reasons(
    challenger: Candidate, champion: Candidate, answers: PairedAnswers, params: GateParams
) -> tuple[Reason, ...]:
    """Not worse on the same records, no guard worse, new records that can be learnt, and what was gained."""
    assert challenger.guards is not None  # noqa: S101  for mypy
    assert champion.guards is not None  # noqa: S101  it answered, or there would be no pairs
    pairs, lower = answers.pairs, answers.pairs.lower_bound(params.confidence)
    text = (
        f"{_bound_in_words(lower, params)}; of {pairs.total} records only the challenger is right on "
        f"{pairs.only_challenger}, only the champion on {pairs.only_champion}"
    )
    not_worse = Reason("not worse", lower > -params.margin, lower, f"> {-params.margin:+.4f}", text)
    guard_reasons, better = _guard_reasons(challenger.guards, champion.guards, params.guard_tolerance)
    other_data = challenger.data_sha256 != champion.data_sha256
    grew, data = _growth(answers.new_records) if other_data else (False, "")
    gains = [
        *([f"the lower bound {lower:+.4f} is above 0"] if lower > 0 else []),
        *better,
        *([data] if grew else []),
    ]
    nothing = "; ".join([_tie(pairs, params), *([data] if data else [])])
    gained = "gained: " + "; ".join(gains) if gains else nothing
    needed = "clearly better, a better guard, or the champion's records and more"
    return (
        not_worse,
        *guard_reasons,
        *(new_records_reasons(answers.new_records, params) if other_data else ()),
        Reason(GAIN, True if gains else None, None, needed, gained),
    )


def _growth(new_records: NewRecords | None) -> tuple[bool, str]:
    """Whether the data is the champion's and more of it, and the two numbers in words."""
    if new_records is None:
        return False, "other data is no gain where the champion's records are not known"
    now, before = (new_records.known.total + count for count in (new_records.records, new_records.missing))
    if new_records.missing:
        return False, f"{now} records, without {new_records.missing} of the champion's {before}: no gain"
    if not new_records.records:
        return False, f"{now} records, all of them among the champion's {before}: no gain"
    return True, f"{now} records, all of the champion's {before} among them"


def _tie(pairs: Pairs, params: GateParams) -> str:
    """That neither is clearly better, with what would have been."""
    more = range(pairs.only_challenger + 1, pairs.total - pairs.only_champion + 1)
    enough = (n for n in more if replace(pairs, only_challenger=n).lower_bound(params.confidence) > 0)
    least = next(enough, None)
    return (
        f"not clearly better: only the challenger is right on {pairs.only_challenger} records"
        f"{f' ({least} would do)' if least else ''}, only the champion on {pairs.only_champion}; "
        f"no guard rose by more than {params.guard_tolerance:.4f}"
    )


def _bound_in_words(lower: float, params: GateParams) -> str:
    points = f"{abs(100 * lower):.2f} points"
    side = f"at worst {points} below the champion" if lower < 0 else f"at least {points} above the champion"
    return f"{params.confidence:.0%} sure: {side} (allowed: {100 * params.margin:.2f} below)"


def new_records_reasons(new_records: NewRecords | None, params: GateParams) -> tuple[Reason, ...]:
    """Not worse on the records that the champion was judged on, and new ones that can be learnt at all.

    Labels that contradict the rest, as shuffled ones do, are answered wrongly by every model that did not see them.
    """
    floor = params.floors.new_records
    if new_records is None:
        text = (
            "new records: the champion's version does not say which records it was judged on; all are compared together"
        )
        return (Reason("new records", None, None, f">= {floor:.2f}", text),)
    if not new_records.records:
        return ()
    share = new_records.right / new_records.records
    passes = binomial_cdf(new_records.right, new_records.records, floor) >= 1 - params.confidence
    text = (
        f"new records: {new_records.right} of {new_records.records} right ({share:.4f}), "
        f"the champion {new_records.champion_right}"
    )
    if not passes:
        text += f", clearly below {floor:.2f} ({params.confidence:.0%} sure): the labels are probably shuffled or wrong"
    elif share < floor:
        text += f"; below {floor:.2f}, but not clearly with so few"
    return (_known(new_records.known, params), Reason("new records", passes, share, f">= {floor:.2f}", text))


def _known(pairs: Pairs, params: GateParams) -> Reason:
    needed, lower = f"> {-params.margin:+.4f}", pairs.lower_bound(params.confidence)
    what = f"the {pairs.total} records that the champion was judged on as well"
    if Pairs(0, 0, pairs.total).lower_bound(params.confidence) <= -params.margin:
        return Reason("known records no worse", None, None, needed, f"{what} are too few to say anything")
    text = f"on {what}, {_bound_in_words(lower, params)}"
    return Reason("known records no worse", lower > -params.margin, lower, needed, text)


def _guard_reasons(new: Guards, old: Guards, tolerance: float) -> tuple[list[Reason], list[str]]:
    """A reason for each guard, and what is said of those that rose by more than the tolerance."""
    guards = {
        "worst level recall": (new.worst_level_recall, old.worst_level_recall),
        "collected rows": (new.collected_accuracy, old.collected_accuracy),
        "plausible people": (new.plausible_people, old.plausible_people),
    }
    reasons, better = [], []
    for name, (figure, champion_figure) in guards.items():
        if figure is None or champion_figure is None:
            reasons.append(_unmeasured(f"{name} no worse", name, ""))
            continue
        least = champion_figure - tolerance
        text = f"{name} {figure:.4f}, the champion's {champion_figure:.4f} (needed {least:.4f})"
        passes = champion_figure - figure <= tolerance + ROUNDING
        reasons.append(Reason(f"{name} no worse", passes, figure, f">= {least:.4f}", text))
        if figure - champion_figure > tolerance + ROUNDING:
            better.append(text)
    return reasons, better


def _floor(name: str, figure: float | None, least: float) -> Reason:
    needed = f">= {least:.2f}"
    if figure is None:
        return _unmeasured(name, name, needed)
    ok = figure >= least
    return Reason(name, ok, figure, needed, f"{name} {figure:.4f} {'>=' if ok else '<'} {least:.2f}")


def _unmeasured(rule: str, name: str, needed: str) -> Reason:
    return Reason(rule, None, None, needed, f"{name}: not measurable on these records")
