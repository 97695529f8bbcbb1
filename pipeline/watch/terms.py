"""What is compared with what: how large windows and references are, and when windows begin."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipeline.errors import LogError
from pipeline.watch.judgement import LEAST

_SPAN = re.compile(r"([1-9]\d{0,4})([mhdw])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True)
class Terms:
    """What is compared with what.

    Attributes:
        window: Requests of a window.
        reference: Accepted records that are a version's reference, its first ones.
        since: When windows begin; None for the log's begin. References are made from before, too.

    Raises:
        LogError: A size is too small to show anything.
    """

    window: int = 200
    reference: int = 500
    since: datetime | None = None

    def __post_init__(self) -> None:
        for name in ("window", "reference"):
            if getattr(self, name) < LEAST:
                raise LogError(f"--{name}: got {getattr(self, name)}, expected {LEAST} or more: fewer show nothing")

    @property
    def since_ms(self) -> int | None:
        """`since` in milliseconds since 1970."""
        return None if self.since is None else int(self.since.timestamp() * 1000)


DEFAULT = Terms()
"""Windows of 200, a reference of 500, from the begin."""


def moment(text: str, now: datetime) -> datetime:
    """The time that a person names: so long ago, or a date.

    >>> now = datetime(2026, 11, 23, 10, tzinfo=UTC)
    >>> moment("7d", now).isoformat(), moment("2026-11-01", now).isoformat()
    ('2026-11-16T10:00:00+00:00', '2026-11-01T00:00:00+00:00')

    Raises:
        LogError: It names none.
    """
    if span := _SPAN.fullmatch(text):
        return now - timedelta(**{_UNITS[span[2]]: int(span[1])})
    try:
        named = datetime.fromisoformat(text)
    except ValueError:
        raise LogError(f"--since: got {text!r}, expected 30m, 12h, 7d, 2w or a date like 2026-11-23") from None
    return named if named.tzinfo else named.replace(tzinfo=UTC)
