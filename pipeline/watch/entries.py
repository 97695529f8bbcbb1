"""One line of a log -> its entry, which holds what the watch needs of it, or the reason why the line is skipped.

Lines come from CloudWatch, from its exports (with a time in front) and from a terminal's log, so everything before the
first brace is ignored. Every number is checked: a line with a number that does not fit is skipped.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic_core import from_json

from lambda_api.bins import BINNINGS, BINS_ID
from lambda_api.contract import LEVELS
from pipeline.watch.measures import MEASURES, NAMES, PREDICTION, STARTS, TOTAL_BINS, WARNED, CountArray

SkipReason = Literal["broken", "foreign"]
"""Broken: damaged, a line of the service or meant as JSON. Foreign: another program's, or counted in other bins."""

LogLine = bytes | str | None
"""None stands for a line that could not be read: too long, or in a damaged part of a file."""

_VERSION = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_MAX_TIME = 4_102_444_800_000  # the year 2100, in milliseconds
_BIN_INDICES = {
    measure.name: tuple(range(start, start + len(measure.labels)))
    for measure, start in zip(MEASURES, STARTS.tolist(), strict=True)
}
_COLUMNS = tuple(BINNINGS)
_COLUMN_INDICES = tuple(_BIN_INDICES[name] for name in _COLUMNS)
_LEVEL_INDICES = dict(zip(map(str, LEVELS), _BIN_INDICES[PREDICTION], strict=True))
_UNANSWERED_EVENTS = ("refusal", "error")
_EVENTS = ("prediction", "batch", *_UNANSWERED_EVENTS)


class LogEntry(NamedTuple):
    """One line of the service: an answer, a batch of answers, or a request without an answer.

    Attributes:
        time: Milliseconds since 1970.
        version: The model's version.
        records: How many were answered; 0 for a request that was refused or failed.
        confidence: Mean confidence of the records.
        bin_indices: For a single answer, the indices of its bins in the array of all bins.
        counts: For a batch, the array of all bins.
    """

    time: int
    version: str
    records: int = 0
    confidence: float = 0.0
    bin_indices: Sequence[int] = ()
    counts: CountArray | None = None

    @property
    def weight(self) -> int:
        """Records in the request; a request without an answer counts as one, because the log does not say."""
        return self.records or 1


@dataclass
class EntryReader:
    """Turns lines into entries, and counts what became of the lines."""

    read: int = 0
    used: int = 0
    broken: int = 0
    foreign: int = 0

    def entries(self, lines: Iterable[LogLine]) -> Iterator[LogEntry]:
        """The entries of a log, in the order of its lines; empty lines are not counted."""
        for line in lines:
            if line is not None and not line.strip():
                continue
            self.read += 1
            entry = parse_line(line)
            if isinstance(entry, LogEntry):
                self.used += 1
                yield entry
            elif entry == "broken":
                self.broken += 1
            else:
                self.foreign += 1


def parse_line(line: LogLine) -> LogEntry | SkipReason:
    """The entry of one line, or why it is skipped."""
    if line is None:
        return "broken"
    content = line.encode(errors="replace") if isinstance(line, str) else line
    start = content.find(b"{")
    if start < 0:
        return "foreign"
    try:
        value = from_json(content[start:] if start else content, allow_inf_nan=False)
    except ValueError:
        return "broken" if not start or b'{"_aws"' in content else "foreign"
    if not isinstance(value, dict) or value.get("event") not in _EVENTS or "_aws" not in value:
        return "foreign"
    try:
        return _parse_event(value)
    except (LookupError, TypeError, ValueError):
        return "broken"


def _parse_event(value: dict[str, Any]) -> LogEntry | SkipReason:
    """The entry of one event of the service.

    Raises:
        LookupError, TypeError, ValueError: A part is missing or of another type.
    """
    time, version, event = value["_aws"]["Timestamp"], value["model_version"], value["event"]
    if type(time) is not int or not 0 <= time < _MAX_TIME or not _VERSION.fullmatch(version):
        return "broken"
    if event in _UNANSWERED_EVENTS:
        return LogEntry(time, version)
    bins = value.get("bins")
    if value.get("bins_id") != BINS_ID or not isinstance(bins, dict) or bins.keys() != BINNINGS.keys():
        return "foreign"
    parse = _parse_prediction if event == "prediction" else _parse_batch
    return parse(time, version, value, bins)


def _parse_prediction(
    time: int, version: str, value: Mapping[str, Any], bins: Mapping[str, Any]
) -> LogEntry | SkipReason:
    places = bins.values() if tuple(bins) == _COLUMNS else [bins[name] for name in _COLUMNS]
    if min(places) < 0:
        return "foreign"
    try:
        indices = [column[place] for column, place in zip(_COLUMN_INDICES, places, strict=True)]
    except IndexError:
        return "foreign"
    confidence, warnings = value["Confidence"], value["warnings"]
    if not 0 <= confidence <= 1 or warnings < 0:
        return "broken"
    indices.append(_LEVEL_INDICES[value["prediction"]])
    indices.append(_BIN_INDICES[WARNED][warnings > 0])
    return LogEntry(time, version, 1, float(confidence), indices)


def _parse_batch(time: int, version: str, value: Mapping[str, Any], bins: Mapping[str, Any]) -> LogEntry | SkipReason:
    records, confidence, warned = value["Predictions"], value["mean_confidence"], value["warned"]
    levels = [value["levels"][level] for level in _LEVEL_INDICES]
    if type(records) is not int or records < 1 or not 0 <= confidence <= 1:
        return "broken"
    counts: CountArray = np.zeros(TOTAL_BINS, dtype=np.int64)
    measures = {name: bins[name] for name in _COLUMNS} | {PREDICTION: levels, WARNED: [records - warned, warned]}
    for name, bin_counts in measures.items():
        if len(bin_counts) != len(_BIN_INDICES[name]) or any(type(count) is not int for count in bin_counts):
            return "foreign"
        if min(bin_counts) < 0 or sum(bin_counts) != records:
            return "foreign"
        start = STARTS[NAMES.index(name)]
        counts[start : start + len(bin_counts)] = bin_counts
    return LogEntry(time, version, records, float(confidence), (), counts)
