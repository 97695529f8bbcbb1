"""What the watch found of one version -> a picture of each measure over time, beside its reference."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps, style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from pipeline.report.figures import FAINT, GREY, INK, MODEL, RULE, drawing, png
from pipeline.watch.judgement import DEVIATIONS
from pipeline.watch.tally import MEASURES, NAMES, Measure, Tally
from pipeline.watch.watched import VersionWatched, Window

COLUMNS, ROWS = 3, 7

_LEAST_NAMED = 0.07
"""Of a stacked share, to have room for its name."""

Floats = NDArray[np.float64]
Reds = NDArray[np.bool_]
Times = NDArray[np.datetime64]


def picture(name: str, version: VersionWatched) -> bytes | None:
    """A PNG file; None where no window was compared yet."""
    if not version.windows or version.reference is None:
        return None
    with drawing(), style.context({"date.converter": "concise"}):
        return png(figure(name, version, version.reference))


def figure(name: str, version: VersionWatched, reference: Tally) -> Figure:
    """Means of numbers and shares of categories, window by window; the dashed lines are the reference."""
    drawn = Figure(figsize=(14, 17), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
    drawn.suptitle(f"Version {name}: {version.verdict}", x=0.012, ha="left", weight="bold", size=14)
    note = (
        f"Each point is a window. Dashed: the reference, {reference.records:,} records. Band: about what chance "
        "explains. Red: judged to be more than that."
    )
    drawn.supxlabel(note, x=0.012, ha="left", color=GREY, size=10)
    panels = drawn.subplots(ROWS, COLUMNS).ravel()
    windows = version.windows
    # In the middle of a window's time.
    times = np.array([(w.tally.start + w.tally.end) // 2 for w in windows], dtype="datetime64[ms]")
    for axes, measure in zip(panels, MEASURES, strict=False):
        _panel(axes, measure, windows, reference, times)
    confidence = panels[len(MEASURES)]
    means = np.array([window.tally.confidence for window in windows])
    _line(confidence, times, means, reference.confidence, np.zeros(len(windows), dtype=bool))
    confidence.set_title("mean confidence (not judged)", loc="left")
    for axes in panels:
        axes.tick_params(axis="x", labelsize=7)
    for axes in panels[len(MEASURES) + 1 :]:
        axes.set_visible(False)
    return drawn


def _panel(axes: Axes, measure: Measure, windows: Sequence[Window], reference: Tally, times: Times) -> None:
    red = np.array([any(found.what == measure.name for found in w.judgement.drifting) for w in windows])
    now, was = np.array([_shares(w.tally, measure.name) for w in windows]), _shares(reference, measure.name)
    title = measure.name
    if len(measure.labels) > 2 and not measure.middles:  # noqa: PLR2004
        _stack(axes, measure, times, now, was)
        axes.plot(times[red], np.full(int(red.sum()), 1.03), "v", color=RULE)
    else:
        middles = np.array(measure.middles or (0.0, 1.0))  # of two categories the second one's share says all
        _line(axes, times, now @ middles, float(was @ middles), red)
        _chance(axes, measure.name, was, middles, (reference, windows[-1].tally))
        title += ", mean" if measure.middles else f", {measure.labels[-1]}"
        if not measure.middles:
            axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_title(title, loc="left", color=RULE if red[-1] else INK, weight="bold" if red[-1] else "normal")


def _chance(axes: Axes, name: str, was: Floats, middles: Floats, sides: tuple[Tally, Tally]) -> None:
    """A band about the reference that chance alone seldom leaves, for a window as large as the newest one."""
    mean = float(was @ middles)
    counts = [max(int(tally.measured(name).sum()), 1) for tally in sides]
    deviation = (float(was @ (middles - mean) ** 2) * sum(1 / count for count in counts)) ** 0.5
    reach = float(DEVIATIONS[NAMES.index(name)]) * deviation
    low, high = max(mean - reach, float(middles[0])), min(mean + reach, float(middles[-1]))
    axes.axhspan(low, high, color=FAINT, alpha=0.5, lw=0, zorder=0)


def _shares(tally: Tally, name: str) -> Floats:
    counts = tally.measured(name)
    return np.asarray(counts / max(int(counts.sum()), 1), dtype="float64")


def _line(axes: Axes, times: Times, values: Floats, reference: float, red: Reds) -> None:
    dots = "o" if len(times) < 100 else ""  # noqa: PLR2004  more would be a band
    axes.plot(times, values, marker=dots, markersize=3.5, color=MODEL, lw=1.2)
    axes.axhline(reference, color=GREY, ls="--", lw=1)
    axes.plot(times[red], values[red], "o", color=RULE, markersize=5)
    axes.margins(y=0.2)


def _stack(axes: Axes, measure: Measure, times: Times, now: Floats, was: Floats) -> None:
    tones = colormaps["Blues"](np.linspace(0.15, 0.85, len(measure.labels)))
    axes.stackplot(times, now.T, colors=tones)
    for edge in np.cumsum(was)[:-1]:
        axes.axhline(edge, color=INK, ls="--", lw=0.8)
    tops = np.cumsum(now[-1])
    for place, (label, share) in enumerate(zip(measure.labels, now[-1], strict=True)):
        if share >= _LEAST_NAMED:
            color = "white" if place > len(tones) * 0.6 else INK
            axes.annotate(
                label,
                (times[-1], tops[place] - share / 2),
                (-6, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                size=8.5,
                color=color,
            )
    axes.set_ylim(0, 1.08)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
