"""What one check of the watch computed, as values and as the JSON of reports/drift.json."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pipeline.watch.counts import BinCounts
from pipeline.watch.detector import DriftedMeasure, DriftResult
from pipeline.watch.measures import ERRORS, WARNED

DriftVerdict = Literal["steady", "drifting", "too few"]

_DECIMALS = 4


@dataclass(frozen=True)
class LineCounts:
    """How many lines a log had, and what became of them."""

    read: int
    used: int
    broken: int
    foreign: int


@dataclass(frozen=True)
class Window:
    """Consecutive requests, 200 by default, compared with the reference."""

    counts: BinCounts
    drift: DriftResult

    def as_json(self) -> dict[str, Any]:
        """The window without its counts."""
        counts = self.counts
        return {
            "from": iso(counts.start),
            "to": iso(counts.end),
            "records": counts.records,
            "largest_batch": counts.largest_batch,
            "psi": dict(self.drift.psi),
            "confidence": round(counts.confidence, _DECIMALS) if counts.records else None,
            "warned": _rounded(counts.last_bin_share(WARNED)),
            "errors": _rounded(counts.last_bin_share(ERRORS)),
            "drifting": [measure.as_json() for measure in self.drift.drifted],
        }


@dataclass(frozen=True)
class VersionSummary:
    """What the log says about one version of the model.

    Attributes:
        verdict: On its newest window.
        active: Whether it still answers; False once other versions have answered a whole window since its last line.
        records: Records answered, in all of the log that was read.
        reference: What its windows were compared with; None if there were too few records for one.
        drifting_since: Start of the first of the drifting windows that last until now, in milliseconds since 1970.
        windows: The newest windows, in the order of time.
        windows_compared: How many windows were compared, those that are no longer in `windows` included.
        training_psi: PSI of its first requests against its training data. This is no measure of drift: most of that
            data is synthetic.
    """

    verdict: DriftVerdict
    active: bool
    records: int
    reference: BinCounts | None
    drifting_since: int | None
    windows: tuple[Window, ...]
    windows_compared: int
    training_psi: Mapping[str, float | None] | None

    @property
    def drifted(self) -> tuple[DriftedMeasure, ...]:
        """The measures that moved in the newest window, the furthest first; empty unless the verdict is drifting."""
        return self.windows[-1].drift.drifted if self.verdict == "drifting" else ()

    def as_json(self) -> dict[str, Any]:
        """Everything but the counts."""
        return {
            "verdict": self.verdict,
            "answering": self.active,
            "records": self.records,
            "reference": _reference_json(self.reference) if self.reference else None,
            "since": iso(self.drifting_since) if self.drifting_since is not None else None,
            "drifting": [measure.as_json() for measure in self.drifted],
            "windows_judged": self.windows_compared,
            "windows": [window.as_json() for window in self.windows],
            "training": {"psi": dict(self.training_psi)} if self.training_psi else None,
        }


@dataclass(frozen=True)
class WatchSummary:
    """What a log says about every version of the model in it.

    Attributes:
        log: The log's name; None for lines that were passed in.
        since: Start of the windows, in milliseconds since 1970; None for the start of the log.
        window: Requests in a window.
        lines: What became of the lines.
        versions: By name, sorted.
    """

    log: str | None
    since: int | None
    window: int
    lines: LineCounts
    versions: Mapping[str, VersionSummary]

    @property
    def drifting_versions(self) -> tuple[str, ...]:
        """The names of the active versions that drift: what an alarm is raised for."""
        return tuple(name for name, version in self.versions.items() if version.active and version.drifted)

    @property
    def references(self) -> dict[str, BinCounts]:
        """The reference of each version that has one, to be kept for the next check."""
        return {name: version.reference for name, version in self.versions.items() if version.reference is not None}

    def as_json(self) -> dict[str, Any]:
        """The content of reports/drift.json."""
        return {
            "since": iso(self.since) if self.since is not None else None,
            "log": self.log,
            "window": self.window,
            "lines": asdict(self.lines),
            "drifting": list(self.drifting_versions),
            "versions": {name: version.as_json() for name, version in self.versions.items()},
        }


def iso(milliseconds: int) -> str:
    """A time in UTC to the second.

    >>> iso(1_763_892_000_000)
    '2025-11-23T10:00:00+00:00'
    """
    return datetime.fromtimestamp(milliseconds // 1000, UTC).isoformat()


def _reference_json(reference: BinCounts) -> dict[str, Any]:
    return {
        "records": reference.records,
        "from": iso(reference.start),
        "to": iso(reference.end),
        "design_effect": round(reference.design_effect, 2),
    }


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, _DECIMALS)
