"""The entries of one version in the order of time -> its reference, its windows, and the verdict on the newest one.

A window ends with the entry that fills it. A batch is one entry and is never split, so its window may be much larger
than the others; the limits are then narrower. The newest window always ends with the newest request: if too few
requests are left for a whole one, it overlaps the window before.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from pipeline.watch.counts import BinCounts, design_effect
from pipeline.watch.detector import DriftDetector
from pipeline.watch.entries import LogEntry
from pipeline.watch.settings import WatchSettings
from pipeline.watch.summary import VersionSummary, Window

KEPT_WINDOWS = 1_000
"""The newest windows of a version, kept to be shown."""


class VersionTracker:
    """Builds the reference and the windows of one version while the log is read.

    Args:
        settings: Sizes of window and reference, and the start of the windows.
        reference: One kept from an earlier check, if there is one.
    """

    def __init__(self, settings: WatchSettings, reference: BinCounts | None = None) -> None:
        self._settings = settings
        self._since = settings.since_ms
        self._reference = reference
        self._detector = DriftDetector(reference) if reference else None
        self._kept_reference_end = reference.end if reference else None
        self._records = self._windows_compared = 0
        self._first_entries: list[LogEntry] = []
        self._first_unanswered = 0
        self._open: list[LogEntry] = []
        self._open_weight = 0
        self._last_closed: list[LogEntry] = []
        self._windows: deque[Window] = deque(maxlen=KEPT_WINDOWS)
        self._drifting_since: int | None = None

    @property
    def has_reference(self) -> bool:
        """Whether the reference is complete."""
        return self._reference is not None

    def add(self, entry: LogEntry) -> None:
        """Add the next entry, to the reference or to the open window."""
        self._records += entry.records
        if self._detector is None:
            self._add_to_reference(entry)
        elif self._is_after_kept_reference(entry) and (self._since is None or entry.time >= self._since):
            self._open.append(entry)
            self._open_weight += entry.weight
            if self._open_weight >= self._settings.window:
                self._close(self._open)
                self._last_closed, self._open, self._open_weight = self._open, [], 0

    def _is_after_kept_reference(self, entry: LogEntry) -> bool:
        return self._kept_reference_end is None or entry.time > self._kept_reference_end

    def _add_to_reference(self, entry: LogEntry) -> None:
        if not entry.records:
            self._first_unanswered += 1
            return
        self._first_entries.append(entry)
        if self._records >= self._settings.reference:
            counts = BinCounts.of_entries(self._first_entries, self._first_unanswered)
            self._reference = replace(counts, design_effect=design_effect(self._first_entries))
            self._detector = DriftDetector(self._reference)

    def _close(self, entries: Sequence[LogEntry]) -> None:
        assert self._detector is not None  # noqa: S101  a window is filled only once there is a reference
        counts = BinCounts.of_entries(entries)
        drift = self._detector.compare(counts)
        self._windows.append(Window(counts, drift))
        self._windows_compared += 1
        if not drift.drifted:
            self._drifting_since = None
        elif self._drifting_since is None:
            self._drifting_since = counts.start

    def summary(self, *, active: bool, training: BinCounts | None) -> VersionSummary:
        """The version's summary; call it once, after the last entry."""
        if self._open and self._last_closed:
            self._close(_newest([*self._last_closed, *self._open], self._settings.window))
        first = self._reference
        if first is None and self._first_entries:
            first = BinCounts.of_entries(self._first_entries, self._first_unanswered)
        drifting = bool(self._windows) and bool(self._windows[-1].drift.drifted)
        return VersionSummary(
            verdict="too few" if not self._windows else "drifting" if drifting else "steady",
            active=active,
            records=self._records,
            reference=self._reference,
            drifting_since=self._drifting_since,
            windows=tuple(self._windows),
            windows_compared=self._windows_compared,
            training_psi=DriftDetector(training).compare(first).psi if training and first else None,
        )


def _newest(entries: list[LogEntry], window: int) -> list[LogEntry]:
    """The fewest of the last entries that fill a window."""
    weight, first = 0, len(entries)
    while first and weight < window:
        first -= 1
        weight += entries[first].weight
    return entries[first:]
