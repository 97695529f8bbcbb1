"""The summary of a check -> text to read: a headline, a table for the terminal, Markdown for a GitHub issue."""

from collections.abc import Mapping

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.report import markdown
from pipeline.watch.detector import DriftedMeasure
from pipeline.watch.summary import VersionSummary, WatchSummary, Window, iso

SHOWN_WINDOWS = 20
"""The newest windows of each version in the issue."""

_MEASURE_HEADERS = ("measure", "change", "recent higher", "by chance", "PSI", "by chance")
_LEGEND = """\
- *Recent higher*: the share of all pairs of a recent and a reference record in which the recent value is higher.
- *PSI*: population stability index; every change of the distribution raises it.
- *By chance*: the range of the figure on its left if nothing has changed."""
_SHARES = ("confidence", "warned", "errors")
_HEADLINE_MEASURES = 3
_STYLES = {"steady": "green", "drifting": "bold red", "too few": "yellow"}


def headline(summary: WatchSummary) -> str:
    """The verdict in one line."""
    if summary.drifting_versions:
        return "; ".join(_version_headline(name, summary.versions[name]) for name in summary.drifting_versions)
    steady = [name for name, version in summary.versions.items() if version.active and version.verdict == "steady"]
    if steady:
        return f"steady: no drift in version {', '.join(steady)}"
    return "too few requests to judge"


def _version_headline(name: str, version: VersionSummary) -> str:
    names = [measure.name for measure in version.drifted]
    more = f" and {len(names) - _HEADLINE_MEASURES} more" if len(names) > _HEADLINE_MEASURES else ""
    shown = ", ".join(names[:_HEADLINE_MEASURES])
    return f"drift in version {name} since {_minute(version.drifting_since)}: {shown}{more}"


def terminal_table(summary: WatchSummary) -> RenderableType:
    """Every version with its verdict, and the measures that moved in the versions that drift."""
    versions = _table()
    for header in ("version", "verdict", "records", "reference", "windows", "drifting since"):
        versions.add_column(header, justify="right" if header in {"records", "reference", "windows"} else "left")
    for name, version in summary.versions.items():
        versions.add_row(
            _version_label(name, version),
            Text(version.verdict, _STYLES[version.verdict]),
            f"{version.records:,}",
            f"{version.reference.records:,}" if version.reference else "none yet",
            f"{version.windows_compared:,}",
            _minute(version.drifting_since),
        )
    parts: list[RenderableType] = [Text("Drift by version", style="bold"), versions]
    for name, version in summary.versions.items():
        if version.drifted:
            size = _size(version.windows[-1])
            parts.append(Text(f"What moved in version {name}: its newest {size} against its reference", style="bold"))
            parts.append(_drifted_table(version))
        if version.training_psi:
            parts.append(Text(_training_distance(name, version.training_psi)))
    parts.append(Text(_line_counts(summary)))
    return Group(*parts)


def _version_label(name: str, version: VersionSummary) -> str:
    return name if version.active else f"{name} (inactive)"


def _training_distance(name: str, training_psi: Mapping[str, float | None]) -> str:
    """The measures furthest from the training data. Information only: most of that data is synthetic."""
    known = sorted(((psi, measure) for measure, psi in training_psi.items() if psi is not None), reverse=True)
    furthest = ", ".join(f"{measure} {psi:.2f}" for psi, measure in known[:_HEADLINE_MEASURES])
    return f"version {name}: its first requests against the training data, for information: PSI {furthest}"


def _drifted_table(version: VersionSummary) -> Table:
    table = _table()
    for header in _MEASURE_HEADERS:
        table.add_column(header, overflow="fold")
    for measure in version.drifted:
        table.add_row(measure.name, measure.change, *_figures(measure))
    return table


def _table() -> Table:
    return Table(box=SIMPLE_HEAD, padding=(0, 1))


def _figures(measure: DriftedMeasure) -> tuple[str, str, str, str]:
    """The shift and the PSI, each followed by what chance explains."""
    shift = by_chance = "-"
    if measure.shift is not None and measure.shift_limit is not None:
        low, high = max(0.0, 0.5 - measure.shift_limit), min(1.0, 0.5 + measure.shift_limit)
        shift, by_chance = f"{measure.shift:.0%}", f"{low:.0%} to {high:.0%}"
    return shift, by_chance, f"{measure.psi:.2f}", f"up to {measure.psi_limit:.2f}"


def _size(window: Window) -> str:
    counts = window.counts
    batch = f" ({counts.largest_batch:,} of them in one batch)" if counts.largest_batch > 1 else ""
    return f"{counts.records:,} records{batch}"


def _line_counts(summary: WatchSummary) -> str:
    lines = summary.lines
    skipped = [
        f"{count:,} {reason}" for reason, count in (("foreign", lines.foreign), ("broken", lines.broken)) if count
    ]
    return f"{lines.read:,} lines read, {lines.used:,} used" + (f", skipped: {', '.join(skipped)}" if skipped else "")


def issue_text(summary: WatchSummary) -> str:
    """GitHub Markdown for an issue: the verdict, what moved, every version, and the newest windows."""
    title = headline(summary)
    parts = [f"## {title[:1].upper()}{title[1:]}"]
    for name in summary.drifting_versions:
        version = summary.versions[name]
        rows = [[markdown.code(m.name), markdown.words(m.change), *_figures(m)] for m in version.drifted]
        size = _size(version.windows[-1])
        parts.append(f"Version {markdown.words(name)}: its newest {size}, compared with its first ones.")
        parts.append(markdown.table(_MEASURE_HEADERS, rows, left=2))
    parts += [_LEGEND, _versions_markdown(summary)]
    for name, version in summary.versions.items():
        if version.windows and version.active:
            windows = _windows_markdown(version.windows[-SHOWN_WINDOWS:])
            parts.append(markdown.folded(f"The newest windows of version {name}", windows))
    parts.append(f"{_line_counts(summary)}. What to do: `docs/operations.md`.")
    return "\n\n".join(parts) + "\n"


def _versions_markdown(summary: WatchSummary) -> str:
    rows = [
        [
            markdown.words(_version_label(name, version)),
            version.verdict,
            _minute(version.drifting_since),
            f"{version.records:,}",
            f"{version.windows_compared:,}",
        ]
        for name, version in summary.versions.items()
    ]
    return markdown.table(["version", "verdict", "drifting since", "records", "windows"], rows, left=3)


def _windows_markdown(windows: tuple[Window, ...]) -> str:
    rows = []
    for window in windows:
        values = window.as_json()
        rows.append(
            [
                f"{_minute(window.counts.start)} to {_minute(window.counts.end)}",
                ", ".join(measure.name for measure in window.drift.drifted) or "steady",
                f"{window.counts.records:,}",
                *(f"{values[name]:.1%}" if values[name] is not None else "-" for name in _SHARES),
            ]
        )
    return markdown.table(["window, UTC", "moved", "records", *_SHARES], rows, left=2)


def _minute(milliseconds: int | None) -> str:
    """A time in UTC to the minute; a dash for None."""
    return "-" if milliseconds is None else iso(milliseconds)[:16].replace("T", " ")
