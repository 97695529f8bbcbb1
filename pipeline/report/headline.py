"""A comparison and where it is read -> the word that a reviewer acts on, the figure that matters, and what to do.

The rules stand in order: the first that applies decides. What proves less never gets the better word, so a model that
no champion was compared with is not called good because it beats the commit before it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from pipeline.report.comparison import Comparison
from pipeline.report.context import RunContext
from pipeline.report.differences import FigureChange
from pipeline.report.markdown import SHOWN_TEXT, code, words
from pipeline.report.remedy import ask_gate, find_difference, fix_lock
from pipeline.report.verdict import FLOORS_ONLY, KEPT, REFUSED

Word = Literal["MERGE", "FIX LOCK", "DO NOT MERGE", "FLOORS ONLY"]

SIGNS: dict[Word, str] = {"MERGE": "✅", "FIX LOCK": "🔧", "DO NOT MERGE": "⛔", "FLOORS ONLY": "🟡"}
UNSEEN = "records the model had not seen"
ACCURACY = "out_of_fold.accuracy"
MEASURES = {
    ACCURACY: f"accuracy on {UNSEEN}",
    "slices.origin.collected.accuracy": f"accuracy on collected {UNSEEN}",
    "plausible_people.out_of_fold.agreement": "agreement with the BMI rule on plausible people",
}
"""What the deciding figures are to a reader who does not know the project's words."""


@dataclass(frozen=True)
class Headline:
    """The first line of a report, and what to do about it; all of it is Markdown.

    Attributes:
        word: What a reviewer acts on.
        figure: The one figure that matters.
        rest: What the figure is, and the reason for the word.
        remedy: What to do, with a command where a person must act; empty where nothing is to do.
    """

    word: Word
    figure: str
    rest: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{SIGNS[self.word]} {self.word}: **{self.figure}**{self.rest}"


def headline(comparison: Comparison, context: RunContext) -> Headline:
    """The verdict in one line: the gate's, if it judged this model, else the comparison's."""
    case = _Case(comparison, context)
    return next(line for rule in RULES if (line := rule(case)))


class _Case:
    """What the rules look at."""

    def __init__(self, comparison: Comparison, context: RunContext) -> None:
        self.comparison, self.context, self.verdict = comparison, context, comparison.verdict

    @cached_property
    def figure(self) -> tuple[str, str]:
        """The one figure that matters, and what it is: the gate's own, else what moved most surely, else accuracy."""
        verdict, comparison = self.verdict, self.comparison
        if verdict and verdict.difference is not None and verdict.lower_bound is not None:
            return _gate_figure(verdict.difference, verdict.lower_bound, verdict.records)
        if moved := {"better": 1, "worse": -1, "mixed": -1}.get(comparison.outcome):
            surest = max((f for f in comparison.decisive if f.moved == moved), key=_clearance)
            return _difference(surest, comparison.base_name)
        accuracy = next((f for f in comparison.decisive if f.key == ACCURACY and f.this is not None), None)
        if accuracy is None:
            return "no results", " are here"
        measured = comparison.outcome == "no difference"
        return _difference(accuracy, comparison.base_name) if measured else _share(accuracy)

    def line(self, word: Word, why: str, remedy: str = "") -> Headline:
        figure, measure = self.figure
        return Headline(word, figure, f"{measure}; {why}", remedy)

    @property
    def judged(self) -> str:
        """What the gate does with the model."""
        if self.verdict is None:
            return "the gate has not judged it"
        if why := self.verdict.not_compared:
            return words(why, SHOWN_TEXT)
        if self.verdict.same_model:
            return "it is the champion, byte for byte"
        return "nothing gained, the champion stays" if self.verdict.outcome == KEPT else "it becomes the champion"


def _not_reproducible(case: _Case) -> Headline | None:
    comparison, reproduced = case.comparison, case.context.reproduced
    if reproduced is False:
        made = "two runs of this commit made different results"
    elif comparison.irreproducible and reproduced is None:
        made = f"the same code, data and parameters made another model than {code(comparison.base_name)}"
    else:
        return None
    return Headline("DO NOT MERGE", made, ": not reproducible", find_difference())


def _refused(case: _Case) -> Headline | None:
    if case.verdict is None or case.verdict.outcome != REFUSED:
        return None
    first, *more = case.verdict.against
    others = f" for this and {len(more)} more reason{'s'[: len(more) != 1]}" if more else ""
    return Headline("DO NOT MERGE", words(first, SHOWN_TEXT), f"; the gate refuses it{others}")


def _not_judged_on_github(case: _Case) -> Headline | None:
    if case.verdict or not case.context.on_github:
        return None
    return case.line("DO NOT MERGE", "the gate has not judged it: see the run")


def _sample(case: _Case) -> Headline | None:
    if not case.comparison.is_sample:
        return None
    return case.line("FLOORS ONLY", "made from the sample of invented people, it says nothing about real ones")


def _surely_worse(case: _Case) -> Headline | None:
    asked = case.verdict and case.verdict.outcome != FLOORS_ONLY
    if asked or case.comparison.outcome not in {"worse", "mixed"}:
        return None
    return case.line("DO NOT MERGE", "surely worse, and no champion was asked")


def _stale_lock(case: _Case) -> Headline | None:
    if not case.comparison.stale:
        return None
    if case.comparison.this.metrics is None:
        return Headline("FIX LOCK", "there are no results here", "", fix_lock(case.context))
    return case.line("FIX LOCK", f"{case.judged}, but `dvc.lock` is stale", fix_lock(case.context))


def _floors_only(case: _Case) -> Headline | None:
    if case.verdict and case.verdict.outcome != FLOORS_ONLY:
        return None
    return case.line("FLOORS ONLY", case.judged, "" if case.verdict else ask_gate())


def _merge(case: _Case) -> Headline:
    return case.line("MERGE", case.judged)


RULES: tuple[Callable[[_Case], Headline | None], ...] = (
    _not_reproducible,
    _refused,
    _not_judged_on_github,
    _sample,
    _surely_worse,
    _stale_lock,
    _floors_only,
    _merge,
)
"""The first that applies decides; the last one always does."""


def _gate_figure(difference: float, lower_bound: float, records: int | None) -> tuple[str, str]:
    bound = f"{abs(100 * lower_bound):.2f}"
    side = f"at worst {bound} below the champion" if lower_bound < 0 else f"at least {bound} above the champion"
    count = f"{records:,} " if records else ""
    return f"{_points(difference)} points, {side}", f" in accuracy on {count}{UNSEEN}"


def _difference(figure: FigureChange, base: str) -> tuple[str, str]:
    span = f" [{_points(figure.low)}, {_points(figure.high)}]" if figure.low is not None else ""
    return f"{_points(figure.difference)} points{span} against {words(base)}", f" in {MEASURES[figure.key]}"


def _share(figure: FigureChange) -> tuple[str, str]:
    span = f" [{100 * figure.own[0]:.2f}, {100 * figure.own[1]:.2f}]" if figure.own else ""
    return f"{100 * (figure.this or 0):.2f}%{span}", f" {MEASURES[figure.key]}"


def _points(value: float | None) -> str:
    text = f"{100 * (value or 0):+.2f}"
    return "0" if float(text) == 0 else text


def _clearance(figure: FigureChange) -> float:
    """How far from no difference the interval stays."""
    return min(abs(figure.low or 0), abs(figure.high or 0))
