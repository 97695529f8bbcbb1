"""Sizes of window and reference and a start time -> the checked settings of a watch."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipeline.errors import LogError
from pipeline.watch.detector import MIN_COUNTS

_DURATION = re.compile(r"([1-9]\d{0,4})([mhdw])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True)
class WatchSettings:
    """What is compared: the newest window of requests with a reference of a version's first ones.

    Attributes:
        window: Requests in a window.
        reference: Accepted records in a reference: the first ones of a version.
        since: Start of the first window; None for the start of the log. Older lines still count for references.

    Raises:
        LogError: A size is too small to compare.
    """

    window: int = 200
    reference: int = 500
    since: datetime | None = None

    def __post_init__(self) -> None:
        for name in ("window", "reference"):
            size = getattr(self, name)
            if size < MIN_COUNTS:
                raise LogError(f"--{name}: got {size}, expected {MIN_COUNTS} or more: fewer show nothing")

    @property
    def since_ms(self) -> int | None:
        """`since` in milliseconds since 1970."""
        return None if self.since is None else int(self.since.timestamp() * 1000)


DEFAULT = WatchSettings()
"""Windows of 200 requests, a reference of 500 records, from the start of the log."""


def parse_since(text: str, now: datetime) -> datetime:
    """The time that `--since` names: a duration before now, or a date.

    >>> now = datetime(2026, 11, 23, 10, tzinfo=UTC)
    >>> parse_since("7d", now).isoformat(), parse_since("2026-11-01", now).isoformat()
    ('2026-11-16T10:00:00+00:00', '2026-11-01T00:00:00+00:00')

    Raises:
        LogError: The text is neither.
    """
    if duration := _DURATION.fullmatch(text):
        return now - timedelta(**{_UNITS[duration[2]]: int(duration[1])})
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise LogError(f"--since: got {text!r}, expected 30m, 12h, 7d, 2w or a date like 2026-11-23") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
