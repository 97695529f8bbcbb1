"""What the watch found, as values and as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pipeline.watch.judgement import Finding, Judgement
from pipeline.watch.tally import ERRORS, WARNED, Tally

Verdict = Literal["steady", "drifting", "too few"]

_DECIMALS = 4


@dataclass(frozen=True)
class Lines:
    """How many lines a log had, and what became of them."""

    read: int
    used: int
    broken: int
    foreign: int


@dataclass(frozen=True)
class Window:
    """Some 200 requests in a row, compared with the reference."""

    tally: Tally
    judgement: Judgement

    def as_json(self) -> dict[str, Any]:
        """The window without its counts."""
        tally, judgement = self.tally, self.judgement
        return {
            "from": iso(tally.start),
            "to": iso(tally.end),
            "records": tally.records,
            "largest_batch": tally.largest,
            "psi": dict(judgement.psi),
            "confidence": round(tally.confidence, _DECIMALS) if tally.records else None,
            "warned": _rounded(tally.share(WARNED)),
            "errors": _rounded(tally.share(ERRORS)),
            "drifting": [asdict(finding) for finding in judgement.drifting],
        }


@dataclass(frozen=True)
class VersionWatched:
    """What the log says about one version of the model.

    Attributes:
        verdict: Of its newest window.
        answering: Whether it still answers; not so once others have answered a whole window since its last line.
        records: Answered, in all of the log that was read.
        reference: What its windows were compared with; None until there were enough records for one.
        since: Begin of the first of the drifting windows that last until now, in milliseconds since 1970.
        windows: The newest ones, in the order of time; `judged` counts all.
        judged: How many windows were compared with the reference.
        training: PSI of what it was asked first against what it was trained on. Not a measure of drift: people are
            not the training data.
    """

    verdict: Verdict
    answering: bool
    records: int
    reference: Tally | None
    since: int | None
    windows: tuple[Window, ...]
    judged: int
    training: Mapping[str, float | None] | None

    @property
    def drifting(self) -> tuple[Finding, ...]:
        """What moved, the furthest first; empty unless the verdict is drifting."""
        return self.windows[-1].judgement.drifting if self.verdict == "drifting" else ()

    def as_json(self) -> dict[str, Any]:
        """Everything but the counts."""
        known = self.reference
        return {
            "verdict": self.verdict,
            "answering": self.answering,
            "records": self.records,
            "reference": {"records": known.records, "from": iso(known.start), "to": iso(known.end)} if known else None,
            "since": iso(self.since) if self.since is not None else None,
            "drifting": [asdict(finding) for finding in self.drifting],
            "windows_judged": self.judged,
            "windows": [window.as_json() for window in self.windows],
            "training": {"psi": dict(self.training)} if self.training else None,
        }


@dataclass(frozen=True)
class Watched:
    """What a log says about every version of the model in it.

    Attributes:
        log: As it was named; None for lines that were handed over.
        since: From when on windows were compared, in milliseconds since 1970; None for all.
        window: Requests of a window.
        lines: What became of the lines.
        versions: By their names, sorted.
    """

    log: str | None
    since: int | None
    window: int
    lines: Lines
    versions: Mapping[str, VersionWatched]

    @property
    def drifting(self) -> tuple[str, ...]:
        """The versions that drift and still answer: what an alarm is raised for."""
        return tuple(name for name, found in self.versions.items() if found.answering and found.verdict == "drifting")

    @property
    def references(self) -> dict[str, Tally]:
        """The reference of each version that has one, to be kept for the next time."""
        return {name: found.reference for name, found in self.versions.items() if found.reference is not None}

    def as_json(self) -> dict[str, Any]:
        """The content of reports/drift.json."""
        return {
            "since": iso(self.since) if self.since is not None else None,
            "log": self.log,
            "window": self.window,
            "lines": asdict(self.lines),
            "drifting": list(self.drifting),
            "versions": {name: found.as_json() for name, found in self.versions.items()},
        }


def iso(milliseconds: int) -> str:
    """A time in UTC to the second.

    >>> iso(1_763_892_000_000)
    '2025-11-23T10:00:00+00:00'
    """
    return datetime.fromtimestamp(milliseconds // 1000, UTC).isoformat()


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, _DECIMALS)
