"""Challenger and champion on the same records -> a verdict with every reason, and the champion moved if it passed.

Both answer today's records, each record by the fold graph that never saw it: a record's fold is its hash, so the
champion's graphs have not seen today's rows of their fold either, even if the data grew since. Only records that one
of the two gets right and the other wrong say anything (McNemar); the lower bound of the difference decides, so that
luck alone promotes nobody. `decide` is pure: figures in, verdict out.
"""

import math
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import NormalDist
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lambda_api.contract import TARGET, fingerprint
from lambda_api.model import Model
from pipeline.errors import RegistryError
from pipeline.evaluate import Answers, answer, load_graphs, per_level, plausible
from pipeline.files import Layout, read_bytes, read_json, write_json
from pipeline.params import EvaluateParams, GateParams, Params
from pipeline.records import FOLD, KEY, ORIGIN, fold_of, load_processed, rule_levels
from pipeline.register import Result, result_of
from pipeline.registry import Registry, Version

Outcome = Literal["promoted", "refused", "unchanged"]

ROUNDING = 1e-9
"""What doubles may add to a difference of two shares that is exactly the tolerance."""


@dataclass(frozen=True)
class Guards:
    """What must not get worse, out of fold on today's records; collected is None where origins are unknown."""

    worst_level_recall: float
    collected_accuracy: float | None
    plausible_people: float


@dataclass(frozen=True)
class Candidate:
    """One of the two models; `guards` is None for a champion that cannot answer today's records."""

    version: int | None
    model_sha256: str
    data_sha256: str
    source: str
    contract: str
    guards: Guards | None


@dataclass(frozen=True)
class Reached:
    """The challenger's figures, besides its guards, that the floors are held against."""

    holdout_accuracy: float
    out_of_fold_accuracy: float
    rule_accuracy: float
    onnx_flips: int


@dataclass(frozen=True)
class Pairs:
    """Records that only the challenger (b) or only the champion (c) gets right, among all n that both answered."""

    b: int
    c: int
    n: int

    @property
    def difference(self) -> float:
        """The challenger's accuracy minus the champion's."""
        return (self.b - self.c) / self.n

    def lower_bound(self, confidence: float) -> float:
        """What the difference is above with this one-sided confidence: Wald's bound with half a pair added to b and c.

        Agresti & Min (2005), doi:10.1002/sim.1781, show that the added pairs keep its promise on few differences.
        """
        b, c, n = self.b + 0.5, self.c + 0.5, self.n + 2
        error = math.sqrt((b + c) - (b - c) ** 2 / n) / n
        return (b - c) / n - NormalDist().inv_cdf(confidence) * error


@dataclass(frozen=True)
class Reason:
    """One rule with what was found; `ok` is None where it could not be measured or decides nothing."""

    name: str
    ok: bool | None
    found: float | str | None
    needed: str
    text: str


@dataclass(frozen=True)
class Verdict:
    """What was decided and why; `champion` is the version that was champion before."""

    outcome: Outcome
    text: str
    reasons: tuple[Reason, ...]
    challenger: int | None
    champion: int | None
    challenger_sha256: str
    champion_sha256: str | None
    pairs: Pairs | None = None
    difference: float | None = None
    lower_bound: float | None = None

    def as_json(self) -> dict[str, object]:
        """Plain values for `reports/verdict.json`."""
        return asdict(self)


def decide(
    challenger: Candidate, reached: Reached, champion: Candidate | None, pairs: Pairs | None, params: GateParams
) -> Verdict:
    """The verdict on a challenger.

    Args:
        challenger: The model to judge, with guards.
        reached: Its other figures.
        champion: The model that ships now, if any.
        pairs: Their answers to the same records; needed only where `why_not_compared` is None.
        params: Margin, confidence, tolerance and floors.
    """
    verdict = Verdict(
        "refused",
        "",
        (),
        challenger.version,
        champion.version if champion else None,
        challenger.model_sha256,
        champion.model_sha256 if champion else None,
    )
    if champion and champion.model_sha256 == challenger.model_sha256:
        same = Reason(
            "model",
            ok=True,
            found="the champion's",
            needed="another graph",
            text="the challenger is the champion, byte by byte",
        )
        return replace(verdict, outcome="unchanged", text="Unchanged: " + same.text, reasons=(same,))
    reasons = floor_reasons(challenger, reached, params)
    if champion and sample_against_real(challenger, champion):
        text = "a model made from the sample never replaces one made from other data"
        reasons += (Reason("source", ok=False, found=challenger.source, needed="not sample", text=text),)
    elif why := why_not_compared(challenger, champion):
        reasons += (Reason("comparison", None, None, "the floors alone", f"{why}: the floors alone decide"),)
    else:
        assert champion is not None  # noqa: S101  why_not_compared says so; mypy cannot know
        assert pairs is not None  # noqa: S101
        reasons += comparison_reasons(challenger, champion, pairs, params)
        lower = pairs.lower_bound(params.confidence)
        verdict = replace(verdict, pairs=pairs, difference=pairs.difference, lower_bound=lower)
    failed = [reason.text for reason in reasons if reason.ok is False]
    if failed:
        return replace(verdict, reasons=reasons, text="Refused: " + "; ".join(failed))
    better = verdict.lower_bound is not None and verdict.lower_bound > 0
    told = "better than the champion" if better else "not worse than the champion" if verdict.pairs else "floors hold"
    return replace(verdict, outcome="promoted", reasons=reasons, text="Promoted: " + told)


def sample_against_real(challenger: Candidate, champion: Candidate) -> bool:
    """Whether invented people would replace what was learnt from others."""
    return challenger.source == "sample" and champion.source != "sample"


def why_not_compared(challenger: Candidate, champion: Candidate | None) -> str | None:
    """Why the two cannot be compared record by record; None if they can."""
    if champion is None:
        return "there is no champion yet"
    if champion.contract != challenger.contract:
        return f"champion version {champion.version} was made for another contract and cannot answer these records"
    if champion.source == "sample" and challenger.source != "sample":
        return f"champion version {champion.version} was made from the sample"
    return None


def floor_reasons(challenger: Candidate, reached: Reached, params: GateParams) -> tuple[Reason, ...]:
    """One reason for each floor."""
    assert challenger.guards is not None  # noqa: S101  a challenger always answers its own records
    guards, floors = challenger.guards, params.floors
    floored = {
        "holdout accuracy": (reached.holdout_accuracy, floors.holdout_accuracy),
        "collected rows": (guards.collected_accuracy, floors.collected_accuracy),
        "worst level recall": (guards.worst_level_recall, floors.worst_class_recall),
        "plausible people": (guards.plausible_people, floors.plausible_people),
    }
    reasons = [_floor(name, found, least) for name, (found, least) in floored.items()]
    ahead, rule = reached.out_of_fold_accuracy > reached.rule_accuracy, reached.rule_accuracy
    text = f"out-of-fold accuracy {reached.out_of_fold_accuracy:.4f} {'>' if ahead else '<='} the BMI rule's {rule:.4f}"
    reasons.append(Reason("BMI rule", ahead, reached.out_of_fold_accuracy, f"> {rule:.4f}", text))
    flips = reached.onnx_flips
    reasons.append(
        Reason("ONNX flips", flips == 0, flips, "0", f"{flips} label(s) of the graph differ from the Pipeline")
    )
    return tuple(reasons)


def _floor(name: str, found: float | None, least: float) -> Reason:
    if found is None:
        return Reason(name, None, None, f">= {least:.2f}", f"{name}: not measurable on these records")
    ok = found >= least
    return Reason(name, ok, found, f">= {least:.2f}", f"{name} {found:.4f} {'>=' if ok else '<'} {least:.2f}")


def comparison_reasons(
    challenger: Candidate, champion: Candidate, pairs: Pairs, params: GateParams
) -> tuple[Reason, ...]:
    """Not worse on the same records, no guard worse, and something gained."""
    assert challenger.guards is not None  # noqa: S101
    assert champion.guards is not None  # noqa: S101  it answered, or there would be no pairs
    lower, tolerance = pairs.lower_bound(params.confidence), params.guard_tolerance
    sure = f"{params.confidence:.0%} sure of a difference above"
    text = (
        f"{sure} {lower:+.4f} on {pairs.n} records ({pairs.b} only the challenger gets right, {pairs.c} the champion)"
    )
    reasons = [Reason("not worse", lower > -params.margin, lower, f"> {-params.margin:+.4f}", text)]
    gained = [f"the lower bound {lower:+.4f} is above 0"] if lower > 0 else []
    for name, new, old in (
        ("worst level recall", challenger.guards.worst_level_recall, champion.guards.worst_level_recall),
        ("collected rows", challenger.guards.collected_accuracy, champion.guards.collected_accuracy),
        ("plausible people", challenger.guards.plausible_people, champion.guards.plausible_people),
    ):
        rule = f"{name} no worse"
        if new is None or old is None:
            reasons.append(Reason(rule, None, None, "", f"{name}: not measurable on these records"))
            continue
        held = old - new <= tolerance + ROUNDING
        text = f"{name} {new:.4f}, the champion's {old:.4f}"
        reasons.append(Reason(rule, held, new, f">= {old - tolerance:.4f}", text))
        if new - old > tolerance + ROUNDING:
            gained.append(text)
    if challenger.data_sha256 != champion.data_sha256:
        gained.append("it was trained on other data")
    nothing = "nothing gained: a tie keeps the champion"
    needed = "better, a better guard, or other data"
    reasons.append(Reason("gain", bool(gained), None, needed, "; ".join(gained) or nothing))
    return tuple(reasons)


def guards_of(
    models: dict[int, Model], frame: pd.DataFrame, params: EvaluateParams
) -> tuple[Guards, NDArray[np.bool_]]:
    """A model's guards on records with folds of its own, and which records it gets right."""
    answers = answer(models, frame, FOLD)
    collected = (frame[ORIGIN] == "collected").to_numpy()

    def ask(people: pd.DataFrame) -> Answers:
        return answer(models, people, FOLD)

    return Guards(
        worst_level_recall=min(score["recall"] for score in per_level(answers, params).values()),
        collected_accuracy=float(answers.right[collected].mean()) if collected.any() else None,
        plausible_people=plausible(ask, frame, params)["agreement"],
    ), answers.right


def _graphs(layout: Layout) -> dict[int, Model]:
    paths = sorted(layout.folds.glob("*.onnx"))
    return load_graphs({int(path.stem): read_bytes(path, "pipeline train") for path in paths})


def _champion(found: Version, guards: Guards | None) -> Candidate:
    tags = {key: found.tags.get(key, "") for key in ("model_sha256", "data_sha256", "source", "contract")}
    return Candidate(version=found.number, guards=guards, **tags)


def _reached(layout: Layout, result: Result, frame: pd.DataFrame, right: NDArray[np.bool_]) -> Reached:
    comparisons = read_json(layout.parity, "pipeline train")["comparisons"].values()
    return Reached(
        holdout_accuracy=result.metrics["holdout.accuracy"],
        out_of_fold_accuracy=float(right.mean()),
        rule_accuracy=float((rule_levels(frame) == frame[TARGET].to_numpy(dtype=object)).mean()),
        onnx_flips=sum(int(comparison["label_flips"]) for comparison in comparisons),
    )


def judge(layout: Layout, params: Params, registry: Registry) -> Verdict:
    """The verdict on the result in a layout, against the registry's champion; nothing is changed.

    Raises:
        ModelFileError: The layout is incomplete.
        RegistryError: The registry cannot be reached, or the champion's files are damaged.
    """
    name, result = params.registry.model_name, result_of(layout, params)
    registered, crowned = registry.find(name, result.sha256), registry.champion(name)
    champion = _champion(crowned, None) if crowned else None
    challenger = Candidate(
        version=registered.number if registered else None,
        model_sha256=result.model_sha256,
        data_sha256=result.data_sha256,
        source=result.source,
        contract=fingerprint(),
        guards=None,
    )
    frame = load_processed(layout.records)
    guards, right = guards_of(_graphs(layout), frame, params.evaluate)
    challenger, reached = replace(challenger, guards=guards), _reached(layout, result, frame, right)
    pairs = None
    if champion and not why_not_compared(challenger, champion) and not sample_against_real(challenger, champion):
        with tempfile.TemporaryDirectory() as folder:
            registry.fetch(name, champion.version or "", Path(folder))
            graphs = _graphs(Layout(Path(folder)))
        frame[FOLD] = [fold_of(key, len(graphs)) for key in frame[KEY]]
        guards, theirs = guards_of(graphs, frame, params.evaluate)
        champion = replace(champion, guards=guards)
        pairs = Pairs(int((right & ~theirs).sum()), int((theirs & ~right).sum()), len(frame))
    return decide(challenger, reached, champion, pairs, params.gate)


def run(
    layout: Layout, params: Params, registry: Registry | None = None, *, dry_run: bool = False, why: str = ""
) -> Verdict:
    """Judge the registered result in a layout; write `layout.verdict`, and make it champion if it passed.

    Args:
        layout: Trained and evaluated, and registered unless `dry_run`.
        params: The parameters.
        registry: None takes the one that the environment names.
        dry_run: Decide, and change and write nothing.
        why: Goes into the history before the verdict's own words.

    Raises:
        ModelFileError: The layout is incomplete.
        RaceLostError: The champion was moved meanwhile; nothing was changed.
        RegistryError: The result is not registered, or the registry cannot be reached.
    """
    registry = registry or Registry()
    verdict = judge(layout, params, registry)
    if dry_run:
        return verdict
    if verdict.challenger is None:
        raise RegistryError(f"the result in {layout.model} is not registered: run `pipeline register` first")
    if verdict.outcome == "promoted":
        told = f"{why}. {verdict.text}" if why else verdict.text
        name = params.registry.model_name
        registry.promote(name, verdict.challenger, "Production", expected=verdict.champion, why=told)
    write_json(layout.verdict, verdict.as_json())
    return verdict
