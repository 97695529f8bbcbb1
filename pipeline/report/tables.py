"""Figures and values on both sides -> Markdown tables; an arrow only where a figure moved beyond noise.

`base` is what the side that was before is called.
"""

from collections.abc import Sequence

from pipeline.report.comparison import ABSENT, Change
from pipeline.report.differences import FigureChange
from pipeline.report.markdown import code, table, words

ARROWS = {1: "▲ better", -1: "▼ worse", 0: ""}
NOTHING = "-"


def figure_table(figures: Sequence[FigureChange], base: str) -> str:
    """A row for each figure; without a base, what it is and its own interval."""
    if all(figure.base is None for figure in figures):
        return own_table(figures)
    rows = [
        [
            words(figure.label),
            _number(figure.base, "new"),
            _number(figure.this, "gone"),
            _signed(figure.difference),
            _interval(figure),
            ARROWS[figure.moved],
        ]
        for figure in figures
    ]
    return table(("", words(base), "this", "difference", "interval", ""), rows)


def own_table(figures: Sequence[FigureChange]) -> str:
    """A row for each figure of this side, with its own interval."""
    rows = [[words(figure.label), _number(figure.this), _own_interval(figure)] for figure in figures]
    return table(("", "this", "interval"), rows)


def change_table(changes: Sequence[Change], base: str) -> str:
    """A row for each value that differs; empty where none does."""
    rows = [[code(change.name), value_or_nothing(change.base), value_or_nothing(change.this)] for change in changes]
    return table(("", words(base), "this"), rows) if rows else ""


def value_or_nothing(value: object) -> str:
    """The value as a code span, if there is one."""
    return NOTHING if value is ABSENT else code(value)


def _own_interval(figure: FigureChange) -> str:
    return NOTHING if figure.own is None else f"[{figure.own[0]:.4f}, {figure.own[1]:.4f}]"


def _interval(figure: FigureChange) -> str:
    if figure.low is None:
        return NOTHING
    span = f"[{_signed(figure.low)}, {_signed(figure.high)}]"
    return f"{span} paired, {figure.pairs}" if figure.pairs else span


def _number(value: float | None, absent: str = NOTHING) -> str:
    return absent if value is None else f"{value:.4f}"


def _signed(value: float | None) -> str:
    if value is None:
        return NOTHING
    return "0" if round(value, 4) == 0 else f"{value:+.4f}"
