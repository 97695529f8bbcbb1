"""The first line of a report: one of four words, the figure that matters, and what to do. The first rule decides."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.report.comparison import compare
from pipeline.report.context import RunContext
from pipeline.report.differences import DECIDING
from pipeline.report.headline import MEASURES, Headline, headline
from pipeline.report.snapshot import Snapshot
from tests.fixtures.snapshots import (
    BASE,
    FLOORS_ONLY,
    KEPT,
    PROMOTED,
    PULL_REQUEST,
    REFUSED,
    answers,
    compared,
    data,
    metrics,
    side,
    this,
    verdict,
)

LAPTOP = RunContext()
STALE = ("train: forest in params.yaml is not what was locked",)
SAMPLE = data(source="sample")
BETTER = this(0.97, answers=answers(97, 3))
WORSE = this(0.80)
PROVEN = replace(BASE, answers=answers(90, 10))

UNSEEN = "records the model had not seen"
GATE = f"**+0.62 points, at least 0.21 above the champion** in accuracy on 2,087 {UNSEEN}"
GAINED = f"**+7.00 points [+1.59, +12.13] against main** in accuracy on {UNSEEN}"
LOST = f"**-10.00 points [-12.83, -7.17] against main** in accuracy on {UNSEEN}"
TIE = f"**-0.10 points, at worst 0.30 below the champion** in accuracy on 2,087 {UNSEEN}"
LOST_PEOPLE = "**-10.00 points [-11.41, -8.59] against main** in agreement with the BMI rule on plausible people"
REASON = "95% sure: at worst 3.12 points below the champion (allowed: 1.00 below)"
INVENTED = "made from the sample of invented people, it says nothing about real ones"
NO_CHAMPION = "there is no champion yet"


def first(
    snapshot: Snapshot, verdict: dict[str, Any] | None = None, base: Snapshot | None = PROVEN, **environment: str
) -> Headline:
    """The headline on a pull request of the repository itself."""
    context = RunContext.of(PULL_REQUEST | environment)
    return headline(compare(base, replace(snapshot, verdict=verdict)), context)


@pytest.mark.parametrize(
    ("snapshot", "verdict", "line"),
    [
        (BETTER, PROMOTED, f"✅ MERGE: {GATE}; it becomes the champion"),
        (
            BETTER,
            KEPT,
            f"✅ MERGE: {TIE}; nothing gained, the champion stays",
        ),
        (BETTER, FLOORS_ONLY, f"🟡 FLOORS ONLY: {GAINED}; {NO_CHAMPION}"),
        (
            this(0.91),
            FLOORS_ONLY,
            f"🟡 FLOORS ONLY: **+1.00 points [-1.83, +3.83] against main** in accuracy on {UNSEEN}; {NO_CHAMPION}",
        ),
        (WORSE, FLOORS_ONLY, f"⛔ DO NOT MERGE: {LOST}; surely worse, and no champion was asked"),
        (
            this(0.97, metrics=metrics(0.97, people=0.8)),
            FLOORS_ONLY,
            f"⛔ DO NOT MERGE: {LOST_PEOPLE}; surely worse, and no champion was asked",
        ),
        (
            WORSE,
            REFUSED,
            f"⛔ DO NOT MERGE: **{REASON}**; the gate refuses it for this and 1 more reason",
        ),
        (
            replace(BETTER, stale=STALE),
            PROMOTED,
            f"🔧 FIX LOCK: {GATE}; it becomes the champion, but `dvc.lock` is stale",
        ),
        (
            replace(BETTER, stale=STALE),
            FLOORS_ONLY,
            f"🔧 FIX LOCK: {GAINED}; {NO_CHAMPION}, but `dvc.lock` is stale",
        ),
        (
            this(0.95, data=SAMPLE),
            FLOORS_ONLY,
            f"🟡 FLOORS ONLY: **95.00% [93.00, 97.00]** accuracy on {UNSEEN}; {INVENTED}",
        ),
        (BETTER, None, f"⛔ DO NOT MERGE: {GAINED}; the gate has not judged it: see the run"),
    ],
    ids=[
        "promoted",
        "kept",
        "floors only, better",
        "floors only, no difference",
        "floors only, worse",
        "floors only, better and worse",
        "refused",
        "stale",
        "stale, floors only",
        "sample",
        "not judged",
    ],
)
def test_a_pull_requests_first_line(snapshot: Snapshot, verdict: dict[str, Any] | None, line: str) -> None:
    assert str(first(snapshot, verdict)) == line


@pytest.mark.parametrize(
    ("snapshot", "verdict", "environment", "word"),
    [
        (replace(WORSE, stale=STALE, data=SAMPLE), REFUSED, {"REPRODUCED": "failure"}, "not reproducible"),
        (replace(WORSE, stale=STALE, data=SAMPLE), REFUSED, {}, "the gate refuses it"),
        (replace(WORSE, stale=STALE, data=SAMPLE), FLOORS_ONLY, {}, "made from the sample"),
        (replace(WORSE, stale=STALE), FLOORS_ONLY, {}, "surely worse"),
        (replace(BETTER, stale=STALE), FLOORS_ONLY, {}, "`dvc.lock` is stale"),
        (BETTER, FLOORS_ONLY, {}, "there is no champion yet"),
        (WORSE, PROMOTED, {}, "it becomes the champion"),
    ],
)
def test_the_first_rule_that_applies_decides(
    snapshot: Snapshot, verdict: dict[str, Any], environment: dict[str, str], word: str
) -> None:
    assert word in first(snapshot, verdict, replace(BASE, data=snapshot.data), **environment).rest


@pytest.mark.parametrize(
    ("base", "snapshot", "line"),
    [
        (PROVEN, BETTER, f"🟡 FLOORS ONLY: {GAINED}; the gate has not judged it"),
        (BASE, WORSE, f"⛔ DO NOT MERGE: {LOST}; surely worse, and no champion was asked"),
        (
            BASE,
            replace(BASE, name="this"),
            f"🟡 FLOORS ONLY: **90.00% [88.00, 92.00]** accuracy on {UNSEEN}; the gate has not judged it",
        ),
        (
            None,
            BETTER,
            f"🟡 FLOORS ONLY: **97.00% [95.00, 99.00]** accuracy on {UNSEEN}; the gate has not judged it",
        ),
        (BASE, replace(BASE, metrics=None), "🔧 FIX LOCK: **there are no results here**"),
        (
            PROVEN,
            replace(BETTER, stale=STALE),
            f"🔧 FIX LOCK: {GAINED}; the gate has not judged it, but `dvc.lock` is stale",
        ),
    ],
)
def test_on_a_laptop_before_the_gate_was_asked_nothing_is_called_good(
    base: Snapshot | None, snapshot: Snapshot, line: str
) -> None:
    assert str(headline(compare(base, snapshot), LAPTOP)) == line


def test_a_verdict_about_another_model_counts_as_none() -> None:
    assert "the gate has not judged it" in first(BETTER, PROMOTED | {"challenger_sha256": "c" * 64}).rest


def test_the_champion_itself_is_kept_also_in_the_words_of_earlier_verdicts() -> None:
    for outcome in ("kept", "unchanged"):
        line = first(replace(BASE, name="this"), verdict(outcome, "the same", model="a"))
        assert (line.word, line.rest) == ("MERGE", f" accuracy on {UNSEEN}; it is the champion, byte for byte")


def test_an_earlier_verdict_that_promoted_without_asking_a_champion_is_floors_only() -> None:
    assert first(BETTER, verdict("promoted", "Promoted: floors hold", champion_sha256=None)).word == "FLOORS ONLY"


def test_a_verdict_whose_outcome_is_unknown_counts_as_none() -> None:
    assert "the gate has not judged it" in first(BETTER, verdict("liked", "Liked")).rest


@pytest.mark.parametrize(("difference", "lower_bound", "figure"), [
    (0.0, -0.003, "0 points, at worst 0.30 below the champion"),
    (-0.00001, 0.0, "0 points, at least 0.00 above the champion"),
])  # fmt: skip
def test_no_difference_has_no_sign(difference: float, lower_bound: float, figure: str) -> None:
    assert first(BETTER, KEPT | compared(difference, lower_bound)).figure == figure


SAME_RECIPE = side("this", 0.97, "b")


def test_each_deciding_figure_has_words_for_a_visitor() -> None:
    assert MEASURES.keys() == DECIDING


def test_two_runs_that_differ_are_not_reproducible() -> None:
    line = first(BETTER, PROMOTED, REPRODUCED="failure")
    assert str(line) == "⛔ DO NOT MERGE: **two runs of this commit made different results**: not reproducible"
    assert "make reproduce" in line.remedy


def test_the_same_recipe_that_made_another_model_is_not_reproducible() -> None:
    line = first(SAME_RECIPE, PROMOTED, REPRODUCED="")
    made = "the same code, data and parameters made another model than `main`"
    assert str(line) == f"⛔ DO NOT MERGE: **{made}**: not reproducible"


@pytest.mark.parametrize(
    ("base", "snapshot"),
    [
        (BASE, replace(SAME_RECIPE, stale=STALE)),
        (replace(BASE, stale=STALE), SAME_RECIPE),
        (BASE, BETTER),
        (replace(BASE, parity=None), SAME_RECIPE),
    ],
    ids=["stale here", "stale in the base", "another recipe", "the base names no model"],
)
def test_a_lock_that_names_another_recipe_or_model_accuses_nobody(base: Snapshot, snapshot: Snapshot) -> None:
    assert "not reproducible" not in str(first(snapshot, PROMOTED, base, REPRODUCED=""))
    assert not compare(base, snapshot).irreproducible


def test_where_two_runs_agree_another_model_in_the_base_does_not_block() -> None:
    assert first(SAME_RECIPE, PROMOTED).word == "MERGE"
