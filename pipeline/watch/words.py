"""What the watch found -> the words for it: a terminal's table, and Markdown for an issue."""

from collections.abc import Mapping

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.report import markdown
from pipeline.watch.judgement import Finding
from pipeline.watch.watched import VersionWatched, Watched, Window, iso

SHOWN_WINDOWS = 20
"""The newest ones of each version, in Markdown."""

_LEGEND = """\
- *Higher in*: of all pairs of a recent and an earlier record, where the recent value is higher.
- *PSI*: population stability index, of any change.
- *By chance*: how far either goes when nothing has changed."""
_SHARES = ("confidence", "warned", "errors")
_SHOWN_MEASURES = 3
_STYLES = {"steady": "green", "drifting": "bold red", "too few": "yellow"}


def headline(found: Watched) -> str:
    """The verdict in one line."""
    if found.drifting:
        return "; ".join(f"version {name} {_what(found.versions[name])}" for name in found.drifting)
    asked = [name for name, version in found.versions.items() if version.answering and version.verdict == "steady"]
    if asked:
        return f"steady: version {', '.join(asked)} is asked what it was asked at first"
    return "too few requests to say"


def _what(version: VersionWatched) -> str:
    names = [finding.what for finding in version.drifting]
    more = f" and {len(names) - _SHOWN_MEASURES} more" if len(names) > _SHOWN_MEASURES else ""
    return f"drifts since {_time(version.since)}: {', '.join(names[:_SHOWN_MEASURES])}{more}"


def table(found: Watched) -> RenderableType:
    """Every version with its verdict, and what moved of those that drift."""
    shown = _table()
    for name in ("version", "verdict", "records", "reference", "windows", "since"):
        shown.add_column(name, justify="right" if name in {"records", "reference", "windows"} else "left")
    for name, version in found.versions.items():
        known = version.reference
        shown.add_row(
            f"{name}" if version.answering else f"{name} (silent)",
            Text(version.verdict, _STYLES[version.verdict]),
            f"{version.records:,}",
            f"{known.records:,}" if known else "none yet",
            f"{version.judged:,}",
            _time(version.since),
        )
    parts: list[RenderableType] = [Text("Drift by version", style="bold"), shown]
    for name, version in found.versions.items():
        if version.drifting:
            size = _size(version.windows[-1])
            parts.append(Text(f"What moved: version {name}, {size} against its reference", style="bold"))
            parts.append(_moved(version))
        if version.training:
            parts.append(Text(_distance(name, version.training)))
    parts.append(Text(_lines(found)))
    return Group(*parts)


def _distance(name: str, training: Mapping[str, float | None]) -> str:
    """How far the first requests were from the training data; people are not that data, so it alarms nobody."""
    known = sorted(((psi, what) for what, psi in training.items() if psi is not None), reverse=True)
    furthest = ", ".join(f"{what} {psi:.2f}" for psi, what in known[:_SHOWN_MEASURES])
    return f"version {name}: its first requests against the training data, for information: PSI {furthest}"


def _moved(version: VersionWatched) -> Table:
    shown = _table()
    for heading in ("measure", "from, to", "higher in", "by chance", "PSI", "by chance"):
        shown.add_column(heading, overflow="fold")
    for finding in version.drifting:
        shown.add_row(finding.what, finding.change, *_figures(finding))
    return shown


def _table() -> Table:
    return Table(box=SIMPLE_HEAD, padding=(0, 1))


def _figures(finding: Finding) -> tuple[str, str, str, str]:
    """The share of pairs in which the recent value is higher, and PSI, each with what chance explains."""
    higher = chance = "-"
    if finding.shift is not None and finding.shift_limit is not None:
        low, high = (max(0.0, 0.5 - finding.shift_limit), min(1.0, 0.5 + finding.shift_limit))
        higher, chance = f"{finding.shift:.0%}", f"{low:.0%} to {high:.0%}"
    return higher, chance, f"{finding.psi:.2f}", f"up to {finding.limit:.2f}"


def _size(window: Window) -> str:
    tally = window.tally
    batch = f" ({tally.largest:,} of them in one batch)" if tally.largest > 1 else ""
    return f"{tally.records:,} records{batch}"


def _lines(found: Watched) -> str:
    lines = found.lines
    skipped = [f"{count:,} {name}" for name, count in (("foreign", lines.foreign), ("broken", lines.broken)) if count]
    return f"{lines.read:,} lines read, {lines.used:,} used" + (f", skipped: {', '.join(skipped)}" if skipped else "")


def issue(found: Watched) -> str:
    """GitHub Markdown for an issue's body: the verdict, what moved, every version, and the newest windows."""
    parts = [f"## {headline(found)[:1].upper()}{headline(found)[1:]}"]
    for name in found.drifting:
        version = found.versions[name]
        rows = [[markdown.code(f.what), markdown.words(f.change), *_figures(f)] for f in version.drifting]
        headers = ["measure", "from, to", "higher in", "by chance", "PSI", "by chance"]
        size = _size(version.windows[-1])
        parts.append(f"Version {markdown.words(name)}: its newest {size}, compared with the first ones it met.")
        parts.append(markdown.table(headers, rows, left=2))
    parts += [_LEGEND, _versions(found)]
    for name, version in found.versions.items():
        if version.windows and version.answering:
            title = f"The newest windows of version {name}"
            parts.append(markdown.folded(title, _windows(version.windows[-SHOWN_WINDOWS:])))
    parts.append(f"{_lines(found)}. What to do: `docs/operations.md`.")
    return "\n\n".join(parts) + "\n"


def _versions(found: Watched) -> str:
    rows = [
        [
            markdown.words(name) + ("" if version.answering else " (silent)"),
            version.verdict,
            _time(version.since),
            f"{version.records:,}",
            f"{version.judged:,}",
        ]
        for name, version in found.versions.items()
    ]
    return markdown.table(["version", "verdict", "since", "records", "windows"], rows, left=3)


def _windows(windows: tuple[Window, ...]) -> str:
    rows = []
    for window in windows:
        shown = window.as_json()
        rows.append(
            [
                f"{_time(window.tally.start)} to {_time(window.tally.end)}",
                ", ".join(finding.what for finding in window.judgement.drifting) or "steady",
                f"{window.tally.records:,}",
                *(f"{shown[name]:.1%}" if shown[name] is not None else "-" for name in _SHARES),
            ]
        )
    return markdown.table(["window, UTC", "moved", "records", *_SHARES], rows, left=2)


def _time(milliseconds: int | None) -> str:
    """To the minute, UTC; a dash where there is none."""
    return "-" if milliseconds is None else iso(milliseconds)[:16].replace("T", " ")
