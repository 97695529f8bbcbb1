"""One line of a log -> what the watch needs of it, or why it is none of ours.

Lines are read as they lie in CloudWatch, in its exports (a time in front) and in a terminal's log: whatever stands
before the first brace is passed over. Nothing is trusted: a line whose numbers do not fit is skipped, not believed.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic_core import from_json

from lambda_api.bins import BINNINGS, BINS_ID
from lambda_api.contract import LEVELS
from pipeline.watch.tally import MEASURES, NAMES, PREDICTION, SIZE, STARTS, WARNED, Counts, Piece

Unusable = Literal["broken", "foreign"]
"""Broken: cannot be read, and was ours or meant to be JSON. Foreign: another program's, or counted in other bins."""

Line = bytes | str | None
"""None stands for a line that cannot even be had: too long, or in a damaged part of a file."""

_VERSION = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_LATEST = 4_102_444_800_000  # the year 2100, in milliseconds
_PLACES = {
    measure.name: tuple(range(start, start + len(measure.labels)))
    for measure, start in zip(MEASURES, STARTS.tolist(), strict=True)
}
_TABLES = tuple(_PLACES[name] for name in BINNINGS)
_COLUMNS = tuple(BINNINGS)
_LEVELS = dict(zip(map(str, LEVELS), _PLACES[PREDICTION], strict=True))
_TOLD = ("prediction", "batch")
_UNANSWERED = ("refusal", "error")


@dataclass
class Reader:
    """Turns lines into pieces, and counts what it was given."""

    read: int = 0
    used: int = 0
    broken: int = 0
    foreign: int = 0

    def pieces(self, lines: Iterable[Line]) -> Iterator[Piece]:
        """The pieces of a log, in its order; empty lines are not counted."""
        for line in lines:
            if line is not None and not line.strip():
                continue
            self.read += 1
            found = piece(line)
            if isinstance(found, Piece):
                self.used += 1
                yield found
            elif found == "broken":
                self.broken += 1
            else:
                self.foreign += 1


def piece(line: Line) -> Piece | Unusable:
    """What the watch needs of one line."""
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
    if not isinstance(value, dict) or value.get("event") not in (*_TOLD, *_UNANSWERED) or "_aws" not in value:
        return "foreign"
    try:
        return _piece(value)
    except (LookupError, TypeError, ValueError):
        return "broken"


def _piece(value: dict[str, Any]) -> Piece | Unusable:
    """What is needed of one of our events.

    Raises:
        LookupError, TypeError, ValueError: A part is missing or of another kind.
    """
    time, version, event = value["_aws"]["Timestamp"], value["model_version"], value["event"]
    if type(time) is not int or not 0 <= time < _LATEST or not _VERSION.fullmatch(version):
        return "broken"
    if event in _UNANSWERED:
        return Piece(time, version)
    bins = value.get("bins")
    if value.get("bins_id") != BINS_ID or not isinstance(bins, dict) or bins.keys() != BINNINGS.keys():
        return "foreign"
    return _single(time, version, value, bins) if event == "prediction" else _batch(time, version, value, bins)


def _single(time: int, version: str, value: Mapping[str, Any], bins: dict[str, int]) -> Piece | Unusable:
    given = bins.values() if tuple(bins) == _COLUMNS else [bins[name] for name in _COLUMNS]
    if min(given) < 0:
        return "foreign"
    try:
        places = [table[place] for table, place in zip(_TABLES, given, strict=True)]
    except IndexError:
        return "foreign"
    confidence, warnings = value["Confidence"], value["warnings"]
    if not 0 <= confidence <= 1 or warnings < 0:
        return "broken"
    places.append(_LEVELS[value["prediction"]])
    places.append(_PLACES[WARNED][warnings > 0])
    return Piece(time, version, 1, float(confidence), places)


def _batch(time: int, version: str, value: Mapping[str, Any], bins: Mapping[str, list[int]]) -> Piece | Unusable:
    records, confidence, warned = value["Predictions"], value["mean_confidence"], value["warned"]
    levels = [value["levels"][level] for level in _LEVELS]
    if type(records) is not int or records < 1 or not 0 <= confidence <= 1:
        return "broken"
    counts: Counts = np.zeros(SIZE, dtype=np.int64)
    table = {name: bins[name] for name in _COLUMNS} | {PREDICTION: levels, WARNED: [records - warned, warned]}
    for name, found in table.items():
        if len(found) != len(_PLACES[name]) or any(type(count) is not int for count in found):
            return "foreign"
        if min(found) < 0 or sum(found) != records:
            return "foreign"
        start = STARTS[NAMES.index(name)]
        counts[start : start + len(found)] = found
    return Piece(time, version, records, float(confidence), (), counts)
