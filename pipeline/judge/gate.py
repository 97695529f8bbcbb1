"""Challenger and champion on the same records -> a verdict with every reason, and the champion moved if it passed.

Both answer today's records, each record by the fold graph that never saw it: a record's fold is its hash, so the
champion's graphs have not seen today's rows of their fold either, even if the data grew since. Only records that one
of the two gets right and the other wrong say anything (McNemar); the lower bound of the difference decides, so that
luck alone promotes no challenger. The champion's listing says which records it was judged on, so that new ones are also
looked at by themselves. What is measured here is weighed in `pipeline.judge.rules`.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lambda_api.contract import TARGET, fingerprint
from lambda_api.model import Model
from pipeline.data.folds import fold_of
from pipeline.data.records import FOLD, KEY, ORIGIN, rule_levels
from pipeline.errors import RegistryError
from pipeline.files import CHAMPION_FOLDER, write_json
from pipeline.intervals import Pairs
from pipeline.judge.rules import comparison_obstacle, decide
from pipeline.judge.verdict import (
    Candidate,
    ChallengerFigures,
    Circumstances,
    Guards,
    NewRecords,
    PairedAnswers,
    Verdict,
)
from pipeline.model.evaluate import answer, load_graphs, per_level, plausible
from pipeline.model.result import Result, fold_graphs, record_ids
from pipeline.model.scores import Answers
from pipeline.params import EvaluateParams, Params
from pipeline.registry import Registry
from pipeline.registry.history import refusing_predecessor, taken_back
from pipeline.registry.versions import Version


def run(
    result: Result,
    params: Params,
    registry: Registry | None = None,
    *,
    why: str = "",
    floors_only: str = "",
    shared: bool = False,
) -> Verdict:
    """Judge a registered result; write its layout's `verdict`, and make it champion if it passed.

    A refusal goes into the registry's history as well. A registry that others share is changed only with `shared`, so
    that no branch and no old checkout moves their champion. Safe to repeat.

    Args:
        result: What lies in a layout that was trained and evaluated, and is registered.
        params: The parameters.
        registry: None takes the one that the environment names.
        why: Goes into the history before the verdict's own words.
        floors_only: A person's reason to let the floors decide where the contract changed; empty for none.
        shared: Also move the champion of a registry that others share.

    Raises:
        RaceLostError: The champion was moved meanwhile; nothing was changed.
        RegistryError: The result is not registered, or the registry cannot be reached.
    """
    registry = registry or Registry()
    verdict = judge(result, params, registry, floors_only=floors_only)
    if verdict.challenger is None:
        raise RegistryError(f"the result in {result.layout.model} is not registered: run `pipeline register` first")
    if shared or not registry.is_shared:
        _carry_out(registry, params.registry.model_name, verdict.challenger, verdict, why)
    write_json(result.layout.verdict, verdict.as_json())
    return verdict


def _carry_out(registry: Registry, name: str, challenger: int, verdict: Verdict, why: str) -> None:
    reason = f"{why}. {verdict.text}" if why else verdict.text
    if verdict.promotes:
        registry.promote(name, challenger, "Production", expected=verdict.champion, why=reason)
    elif verdict.outcome == "refused":
        registry.refuse(name, challenger, champion=verdict.champion, why=reason)
    elif challenger == verdict.champion:  # completes what an interrupted gate left undone
        reason = (
            "the alias pointed here without a history entry: an interrupted promotion, or one made outside this project"
        )
        registry.promote(name, challenger, "Production", expected=verdict.champion, why=reason)


def judge(result: Result, params: Params, registry: Registry | None = None, *, floors_only: str = "") -> Verdict:
    """The verdict on a result, against the registry's champion; nothing is changed or written.

    Args:
        result: What lies in a layout that was trained and evaluated.
        params: The parameters.
        registry: None takes the one that the environment names.
        floors_only: A person's reason to let the floors decide where the contract changed; empty for none.

    Raises:
        RegistryError: The registry cannot be reached, or the champion's files are damaged.
    """
    registry, name = registry or Registry(), params.registry.model_name
    registered, champion_version = registry.find(name, result.sha256), registry.champion(name)
    frame = result.records
    guards, right = guards_of(load_graphs(result.fold_graphs), frame, params.evaluate)
    challenger = _challenger(result, registered, guards)
    champion, answers = (_champion(champion_version) if champion_version else None), None
    other = champion is not None and champion.model_sha256 != challenger.model_sha256
    if champion_version and champion and other and not comparison_obstacle(challenger, champion):
        files = registry.files(champion_version, result.layout.root / CHAMPION_FOLDER)
        graphs = load_graphs(fold_graphs(files))
        folds_of_champion = frame.assign(**{FOLD: [fold_of(key, len(graphs)) for key in frame[KEY]]})
        guards, also_right = guards_of(graphs, folds_of_champion, params.evaluate)
        champion = replace(champion, guards=guards)
        new_records = _new_records(registry.record_ids(champion_version), frame, right, also_right)
        answers = PairedAnswers(_pairs(right, also_right), new_records)
    circumstances = Circumstances(floors_only=floors_only.strip())
    if champion_version and other:
        same, history = _same_model(registry, result, name), registry.history(name)
        refused_by = refusing_predecessor(history, champion_version.number, same)
        circumstances = replace(circumstances, refused_by=refused_by, taken_back=taken_back(history, same))
    return decide(challenger, _figures(result, right), champion, answers, params.gate, circumstances)


def judge_by_floors(result: Result, params: Params, not_asked: str) -> Verdict:
    """The verdict on a result by the floors alone; no registry is looked at.

    Args:
        result: What lies in a layout that was trained and evaluated.
        params: The parameters.
        not_asked: Why the champion is not asked, as a clause.
    """
    guards, right = guards_of(load_graphs(result.fold_graphs), result.records, params.evaluate)
    challenger, circumstances = _challenger(result, None, guards), Circumstances(not_asked=not_asked)
    return decide(challenger, _figures(result, right), None, None, params.gate, circumstances)


def _same_model(registry: Registry, result: Result, name: str) -> set[int]:
    """The versions that hold this result's graph."""
    versions = registry.versions(name)
    return {version.number for version in versions if version.tags.get("model_sha256") == result.model_sha256}


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


def _pairs(challenger_right: NDArray[np.bool_], champion_right: NDArray[np.bool_]) -> Pairs:
    only_challenger, only_champion = challenger_right & ~champion_right, champion_right & ~challenger_right
    return Pairs(int(only_challenger.sum()), int(only_champion.sum()), len(challenger_right))


def _new_records(
    judged: frozenset[str] | None,
    frame: pd.DataFrame,
    challenger_right: NDArray[np.bool_],
    champion_right: NDArray[np.bool_],
) -> NewRecords | None:
    """The right answers of both, apart for the records that the champion was judged on; None where that is not kept."""
    if judged is None:
        return None
    ids = record_ids(frame)
    known = np.array([record_id in judged for record_id in ids])
    return NewRecords(
        known=_pairs(challenger_right[known], champion_right[known]),
        records=int((~known).sum()),
        right=int(challenger_right[~known].sum()),
        champion_right=int(champion_right[~known].sum()),
        missing=len(judged.difference(ids)),
    )


def _challenger(result: Result, registered: Version | None, guards: Guards) -> Candidate:
    return Candidate(
        version=registered.number if registered else None,
        model_sha256=result.model_sha256,
        data_sha256=result.data_sha256,
        source=result.source,
        contract=fingerprint(),
        guards=guards,
    )


def _champion(version: Version) -> Candidate:
    tags = {key: version.tags.get(key, "") for key in ("model_sha256", "data_sha256", "source", "contract")}
    return Candidate(version=version.number, guards=None, **tags)


def _figures(result: Result, right: NDArray[np.bool_]) -> ChallengerFigures:
    frame = result.records
    return ChallengerFigures(
        holdout_accuracy=result.metrics["holdout.accuracy"],
        out_of_fold_accuracy=float(right.mean()),
        rule_accuracy=float((rule_levels(frame) == frame[TARGET].to_numpy(dtype=object)).mean()),
        onnx_flips=sum(int(comparison["label_flips"]) for comparison in result.parity["comparisons"].values()),
    )
