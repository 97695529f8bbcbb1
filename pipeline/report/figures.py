"""The reports' values -> pictures: what `pipeline report` draws.

Every figure is a `matplotlib.figure.Figure` made without pyplot, so nothing is shared between two of them and no
screen is needed. Colours are Okabe and Ito's, which colour-blind people tell apart, and the model and the BMI rule
have markers of their own besides. What the reports do not hold is left out, never drawn as zero.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, MultipleLocator, PercentFormatter

from lambda_api.contract import LEVELS

# Okabe & Ito, https://jfly.uni-koeln.de/color/
MODEL, RULE, MAJORITY = "#0072B2", "#D55E00", "#777777"
INK, GREY, FAINT = "#222222", "#595959", "#DDDDDD"

STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],  # comes with matplotlib
    "font.size": 10,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.titlesize": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "grid.color": FAINT,
    "legend.frameon": False,
    "savefig.dpi": 130,
}

MAGNIFIED = 0.05
"""Columns worth less than this share of the first are drawn a second time, magnified."""

DARK = 0.5
"""Cells with a larger share are so dark that their text is white."""

Metrics = dict[str, Any]


@contextmanager
def drawing() -> Iterator[None]:
    """Matplotlib's defaults and `STYLE` while figures are made and saved, whatever the user's settings are."""
    with style.context(["default", STYLE]):
        yield


def png(figure: Figure) -> bytes:
    """The figure as a PNG file that does not say by which version of matplotlib, or when, it was drawn."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def percent(share: float) -> str:
    """A share in per cent with one decimal; only a perfect one is 100%.

    >>> percent(0.98753), percent(0.9998), percent(1.0)
    ('98.8%', '99.9%', '100%')
    """
    return "100%" if share == 1 else f"{min(100 * share, 99.9):.1f}%"


def _canvas(size: tuple[float, float], title: str, note: str, title_suffix: str) -> Figure:
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08))
    figure.suptitle(f"{title} ({title_suffix})" if title_suffix else title, x=0.012, ha="left", weight="bold", size=13)
    figure.supxlabel(note, x=0.012, ha="left", color=GREY, size=9)
    return figure


def _shares_on(axes: Axes, low: float, high: float) -> None:
    axes.set_xlim(low, high)
    step = next(step for step, span in ((0.02, 0.12), (0.05, 0.4), (0.2, 2.0)) if high - low <= span)
    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def summary(metrics: Metrics, title_suffix: str) -> Figure:
    """Accuracy of the model, the BMI rule and the majority guesser on the same records, with intervals.

    A panel for records out of fold and, where origins are known, one for groups held out, where the order may differ.
    """
    panels = {"out of fold": metrics["out_of_fold"]}
    if "grouped" in metrics:
        panels["groups held out: near-duplicates are held out together"] = metrics["grouped"]
    figure = _canvas(
        (8, 1 + 2.3 * len(panels)),
        f"Right answers on {metrics['out_of_fold']['rows']:,} records",
        f"Each record is answered by a graph that never saw it. Intervals: {metrics['confidence']:.0%}.",
        title_suffix,
    )
    for axes, (title, score) in zip(figure.subplots(len(panels), squeeze=False)[:, 0], panels.items(), strict=True):
        axes.set_title(title, loc="left", weight="bold")
        _accuracy_bars(axes, score)
    return figure


def _accuracy_bars(axes: Axes, model: Metrics) -> None:
    others = model["baselines"]
    bars = (
        ("this model", model, MODEL),
        ("BMI rule", others["bmi_rule"], RULE),
        ("always the\ncommonest level", others["majority"], MAJORITY),
    )
    for at, (_, score, color) in enumerate(bars):
        value, low, high = score["accuracy"], score["accuracy_low"], score["accuracy_high"]
        axes.barh(at, value, height=0.62, color=color)
        axes.errorbar(value, at, xerr=[[value - low], [high - value]], color=INK, capsize=4, lw=1.5)
        axes.text(high + 0.02, at - 0.08, percent(value), weight="bold", size=14, va="center")
        axes.text(high + 0.02, at + 0.25, f"{percent(low)} to {percent(high)}", size=8.5, color=GREY, va="center")
    axes.set_yticks(range(len(bars)), [name for name, _, _ in bars], size=11)
    axes.invert_yaxis()
    _shares_on(axes, 0, 1.22)
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.spines[["left", "bottom"]].set_visible(False)


def confusion(pairs: pd.DataFrame, title_suffix: str) -> Figure:
    """What was answered for each true level: counts, and shares of the row.

    Args:
        pairs: Columns `actual` and `predicted`, a row for each record.
        title_suffix: What to say behind the title; empty for real data.
    """
    counts = pd.crosstab(pairs["actual"], pairs["predicted"]).reindex(
        index=list(LEVELS), columns=list(LEVELS), fill_value=0
    )
    table, rows = counts.to_numpy(), counts.to_numpy().sum(axis=1)
    shares = table / np.maximum(rows, 1)[:, None]
    figure = _canvas(
        (8.6, 7.6),
        "Confusion: the level answered, for each true level",
        "Out of fold. Counts, and below them shares of the row; empty cells are zero.",
        title_suffix,
    )
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in zip(*np.nonzero(table), strict=True):
        text = f"{table[row, column]:,}\n{percent(shares[row, column])}"
        color = "white" if shares[row, column] > DARK else INK
        axes.text(column, row, text, ha="center", va="center", color=color, size=9.5)
    names = [str(level) for level in LEVELS]
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), [f"{name} ({count:,})" for name, count in zip(names, rows, strict=True)])
    axes.set_xlabel("answered")
    axes.set_ylabel("true (records)")
    axes.set_xticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(names) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", lw=2)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)
    return figure


def reliability(bins: pd.DataFrame, metrics: Metrics, title_suffix: str) -> Figure:
    """How often answers of each confidence are right, and how many there are.

    Args:
        bins: Columns `confidence` and `accuracy` (means) and `rows`, one row for each bin that holds any answer.
        metrics: The figures, for the calibration error.
        title_suffix: What to say behind the title; empty for real data.
    """
    figure = _canvas(
        (6.4, 6.2),
        "Reliability: confidence and how often it is right",
        f"Out of fold. Expected calibration error {metrics['out_of_fold']['ece']:.4f}. Few answers, little weight.",
        title_suffix,
    )
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3.4, 1])
    upper.plot([0, 1], [0, 1], color=GREY, ls="--", lw=1)
    upper.annotate("confidence = accuracy", (0.1, 0.1), (10, -6), textcoords="offset points", color=GREY, size=9)
    upper.plot(bins["confidence"], bins["accuracy"], color=MODEL, marker="o", markersize=8, lw=0.8, clip_on=False)
    upper.set_ylim(0, 1)
    upper.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    upper.set_ylabel("answers that are right")
    upper.grid()
    heights = np.log10(bins["rows"] + 1)  # a bin of five answers beside one of two thousand must still show
    lower.bar(bins["confidence"], heights, width=0.045, color=MODEL)
    for at, height, rows in zip(bins["confidence"], heights, bins["rows"], strict=True):
        lower.text(at, height, f"{rows:,}", ha="center", va="bottom", size=9)
    lower.set_ylim(0, float(heights.max()) * 1.25)
    lower.set_yticks([])
    lower.set_ylabel("answers\n(log scale)")
    lower.set_xlabel("mean confidence of the bin")
    lower.spines["left"].set_visible(False)
    _shares_on(lower, 0, 1.03)
    return figure


def _importance_bars(axes: Axes, table: pd.DataFrame, title: str) -> None:
    axes.barh(table["column"], table["lost"], color=MODEL, height=0.66)
    limit = float(table["lost"].abs().max()) or 1.0
    for at, lost in enumerate(table["lost"]):
        axes.text(max(lost, 0.0) + limit * 0.02, at, f"{100 * lost:.2f}", va="center", size=9)
    axes.set_xlim(min(float(table["lost"].min()) * 1.1, 0.0), limit * 1.2)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(FuncFormatter(lambda lost, _: f"{100 * lost:g}"))
    axes.axvline(0, color=INK, lw=0.8)
    axes.set_title(title, loc="left")
    axes.set_xlabel("points of accuracy lost")
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)


def importances(table: pd.DataFrame, title_suffix: str) -> Figure:
    """Accuracy lost without each column's information, and the small ones magnified.

    Args:
        table: Columns `column` and `lost`, the largest first.
        title_suffix: What to say behind the title; empty for real data.
    """
    small = table[table["lost"] < MAGNIFIED * table["lost"].max()]
    figure = _canvas(
        (9.6, 5.2),
        "Importances: accuracy lost when a column is shuffled",
        "Out of fold, mean of several shuffles. Columns that say the same thing share their importance.",
        title_suffix,
    )
    if 0 < len(small) < len(table):
        left, right = figure.subplots(1, 2)
        _importance_bars(right, small, "the small ones, magnified")
    else:
        left = figure.subplots()
    _importance_bars(left, table, "all columns")
    return figure


@dataclass(frozen=True)
class Slice:
    """One line of the slices: a share with its interval and, beside it, the BMI rule's on the same rows."""

    name: str
    rows: int
    share: float
    low: float
    high: float
    rule: float


def sections(metrics: Metrics) -> dict[str, list[Slice]]:
    """The slices that the metrics hold: recall of each level, then accuracy by sex, age and origin."""
    levels = metrics["levels"]
    lines = {"recall by level": [_slice(level, levels[level], "recall") for level in LEVELS if level in levels]}
    for name in ("sex", "age", "origin"):
        if group := metrics["slices"].get(name):
            order = sorted(group, key=lambda value: (not value.startswith("under"), value))
            lines[f"accuracy by {name}"] = [_slice(value, group[value], "accuracy") for value in order]
    return lines


def _slice(name: str, score: dict[str, float], measure: str) -> Slice:
    values = (score[measure], score[f"{measure}_low"], score[f"{measure}_high"], score[f"bmi_rule_{measure}"])
    return Slice(str(name), int(score["rows"]), *values)


def _axis_note(left: float) -> str:
    return f"The axis starts at {left:.0%}, not at 0%." if left else "The axis starts at 0%."


def slices(metrics: Metrics, title_suffix: str) -> Figure:
    """Recall of each level and accuracy of each group of people, the BMI rule beside the model."""
    by_section = sections(metrics)
    counts = [len(lines) for lines in by_section.values()]
    lowest = min(min(line.low, line.rule) for lines in by_section.values() for line in lines)
    left = max(0.0, float(np.floor(20 * (lowest - 0.01)) / 20))
    figure = _canvas(
        (8.4, 1.7 + 0.34 * sum(counts) + 0.3 * len(counts)),
        "Slices: who gets right answers",
        f"Out of fold, with the number of records. Intervals: {metrics['confidence']:.0%}. {_axis_note(left)}",
        title_suffix,
    )
    panels = figure.subplots(len(by_section), 1, sharex=True, height_ratios=counts, squeeze=False)[:, 0]
    for axes, (title, lines) in zip(panels, by_section.items(), strict=True):
        at = np.arange(len(lines))
        share = np.array([line.share for line in lines])
        spread = [share - [line.low for line in lines], [line.high for line in lines] - share]
        axes.errorbar(
            share, at - 0.14, xerr=np.abs(spread), fmt="o", color=MODEL, capsize=3, lw=1.6, label="this model"
        )
        axes.plot([line.rule for line in lines], at + 0.2, "D", color=RULE, markersize=5.5, label="BMI rule")
        axes.set_yticks(at, [f"{line.name} ({line.rows:,})" for line in lines])
        axes.set_ylim(len(lines) - 0.4, -0.6)
        axes.set_title(title, loc="left", weight="bold")
        axes.spines["left"].set_visible(False)
        _shares_on(axes, left, 1 + 0.02 * (1 - left))
        axes.grid(axis="x")
    handles, names = panels[0].get_legend_handles_labels()
    order = [handles[names.index(name)] for name in ("this model", "BMI rule")]
    panels[0].legend(handles=order, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.2)
    return figure
