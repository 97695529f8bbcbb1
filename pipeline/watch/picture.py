"""The summary of one version -> a picture of each measure over time, beside its reference."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps, style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from pipeline.report.figures import FAINT, GREY, INK, MODEL, RULE, drawing, png
from pipeline.watch.counts import BinCounts
from pipeline.watch.detector import DEVIATIONS
from pipeline.watch.measures import MEASURES, NAMES, Measure
from pipeline.watch.summary import VersionSummary, Window

COLUMNS, ROWS = 3, 7

_MIN_LABELLED_SHARE = 0.07
"""A stacked share below this has no room for its label."""

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Times = NDArray[np.datetime64]


def version_png(name: str, version: VersionSummary) -> bytes | None:
    """A PNG file; None if no window was compared yet."""
    if not version.windows or version.reference is None:
        return None
    with drawing(), style.context({"date.converter": "concise"}):
        return png(version_figure(name, version, version.reference))


def version_figure(name: str, version: VersionSummary, reference: BinCounts) -> Figure:
    """Means of numbers and shares of categories in each window; dashed lines show the reference."""
    figure = Figure(figsize=(14, 17), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
    figure.suptitle(f"Version {name}: {version.verdict}", x=0.012, ha="left", weight="bold", size=14)
    note = (
        f"Each point is a window. Dashed: the reference, {reference.records:,} records. Band: roughly what chance "
        "explains. Red: further than chance explains."
    )
    figure.supxlabel(note, x=0.012, ha="left", color=GREY, size=10)
    panels = figure.subplots(ROWS, COLUMNS).ravel()
    windows = version.windows
    # Each window stands in the middle of its time.
    times = np.array([(w.counts.start + w.counts.end) // 2 for w in windows], dtype="datetime64[ms]")
    for axes, measure in zip(panels, MEASURES, strict=False):
        _draw_measure(axes, measure, windows, reference, times)
    confidence = panels[len(MEASURES)]
    means = np.array([window.counts.confidence for window in windows])
    _draw_line(confidence, times, means, reference.confidence, np.zeros(len(windows), dtype=bool))
    confidence.set_title("mean confidence (not compared)", loc="left")
    for axes in panels:
        axes.tick_params(axis="x", labelsize=7)
    for axes in panels[len(MEASURES) + 1 :]:
        axes.set_visible(False)
    return figure


def _draw_measure(axes: Axes, measure: Measure, windows: Sequence[Window], reference: BinCounts, times: Times) -> None:
    drifted = np.array([any(moved.name == measure.name for moved in w.drift.drifted) for w in windows])
    shares = np.array([_shares(window.counts, measure.name) for window in windows])
    reference_shares = _shares(reference, measure.name)
    title = measure.name
    if len(measure.labels) > 2 and not measure.middles:  # noqa: PLR2004  two bins have no middle
        _draw_stack(axes, measure, times, shares, reference_shares)
        axes.plot(times[drifted], np.full(int(drifted.sum()), 1.03), "v", color=RULE)
    else:
        middles = np.array(measure.middles or (0.0, 1.0))  # of two categories the share of the second is enough
        _draw_line(axes, times, shares @ middles, float(reference_shares @ middles), drifted)
        _draw_chance_band(axes, measure.name, middles, reference, windows[-1].counts)
        title += ", mean" if measure.middles else f", {measure.labels[-1]}"
        if not measure.middles:
            axes.yaxis.set_major_formatter(PercentFormatter(1))
    now = bool(drifted[-1])
    axes.set_title(title, loc="left", color=RULE if now else INK, weight="bold" if now else "normal")


def _draw_chance_band(axes: Axes, name: str, middles: Floats, reference: BinCounts, newest: BinCounts) -> None:
    """A band around the reference that chance alone seldom leaves, for a window as large as the newest one."""
    shares = _shares(reference, name)
    mean = float(shares @ middles)
    counts = [max(int(side.of_measure(name).sum()), 1) for side in (reference, newest)]
    deviation = (float(shares @ (middles - mean) ** 2) * sum(1 / count for count in counts)) ** 0.5
    reach = float(DEVIATIONS[NAMES.index(name)]) * deviation
    low, high = max(mean - reach, float(middles[0])), min(mean + reach, float(middles[-1]))
    axes.axhspan(low, high, color=FAINT, alpha=0.5, lw=0, zorder=0)


def _shares(counts: BinCounts, name: str) -> Floats:
    measure = counts.of_measure(name)
    return np.asarray(measure / max(int(measure.sum()), 1), dtype="float64")


def _draw_line(axes: Axes, times: Times, values: Floats, reference: float, drifted: Flags) -> None:
    marker = "o" if len(times) < 100 else ""  # noqa: PLR2004  more dots would merge into a band
    axes.plot(times, values, marker=marker, markersize=3.5, color=MODEL, lw=1.2)
    axes.axhline(reference, color=GREY, ls="--", lw=1)
    axes.plot(times[drifted], values[drifted], "o", color=RULE, markersize=5)
    axes.margins(y=0.2)


def _draw_stack(axes: Axes, measure: Measure, times: Times, shares: Floats, reference_shares: Floats) -> None:
    colors = colormaps["Blues"](np.linspace(0.15, 0.85, len(measure.labels)))
    axes.stackplot(times, shares.T, colors=colors)
    for edge in np.cumsum(reference_shares)[:-1]:
        axes.axhline(edge, color=INK, ls="--", lw=0.8)
    tops = np.cumsum(shares[-1])
    for index, (label, share) in enumerate(zip(measure.labels, shares[-1], strict=True)):
        if share >= _MIN_LABELLED_SHARE:
            axes.annotate(
                label,
                (times[-1], tops[index] - share / 2),
                (-6, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                size=8.5,
                color="white" if index > len(colors) * 0.6 else INK,
            )
    axes.set_ylim(0, 1.08)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
