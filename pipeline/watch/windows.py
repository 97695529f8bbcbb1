"""The pieces of one version in the order of time -> its reference, its windows, and the verdict of the newest one.

A window ends with the piece that fills it. A batch is one piece: it is never split, so the window that it falls into
may be much larger than the others, and its limits are then as much narrower. The newest window always holds the newest
requests: where too few of them are left over, it reaches back into the window before.
"""

from collections import deque
from collections.abc import Sequence

from pipeline.watch.judgement import Judge
from pipeline.watch.tally import Piece, Tally
from pipeline.watch.watched import VersionWatched, Window

KEPT = 1_000
"""Windows of a version that are kept to be shown."""


class Version:
    """What is known of one version while the log is read.

    Args:
        window: Requests of a window.
        least: Records of a reference.
        since: Windows begin here, in milliseconds since 1970. References are made from before, too.
        reference: The one that was kept, if there is one.
    """

    def __init__(self, window: int, least: int, since: int | None, reference: Tally | None) -> None:
        self._window, self._least, self._since = window, least, since
        self._reference = reference
        self._judge = Judge(reference) if reference else None
        self._kept_until = reference.end if reference else None
        self._records = self._judged = 0
        self._first: list[Piece] = []
        self._unanswered = 0
        self._open: list[Piece] = []
        self._open_weight = 0
        self._closed: list[Piece] = []
        self._windows: deque[Window] = deque(maxlen=KEPT)
        self._drifting_since: int | None = None

    def add(self, piece: Piece) -> None:
        """Take the next piece."""
        self._records += piece.records
        if self._judge is None:
            self._add_to_reference(piece)
        elif (self._kept_until is None or piece.time > self._kept_until) and (
            self._since is None or piece.time >= self._since
        ):
            self._open.append(piece)
            self._open_weight += piece.weight
            if self._open_weight >= self._window:
                self._close(self._open)
                self._closed, self._open, self._open_weight = self._open, [], 0

    def _add_to_reference(self, piece: Piece) -> None:
        if not piece.records:
            self._unanswered += 1
            return
        self._first.append(piece)
        if self._records >= self._least:
            self._reference = Tally.of(self._first, self._unanswered)
            self._judge = Judge(self._reference)

    def _close(self, pieces: Sequence[Piece]) -> None:
        assert self._judge is not None  # noqa: S101  windows are filled only once there is a reference
        tally = Tally.of(pieces)
        judgement = self._judge.judge(tally)
        self._windows.append(Window(tally, judgement))
        self._judged += 1
        if not judgement.drifting:
            self._drifting_since = None
        elif self._drifting_since is None:
            self._drifting_since = tally.start

    def watched(self, *, answering: bool, training: Tally | None) -> VersionWatched:
        """The verdict, after the last piece."""
        if self._open and self._closed:
            self._close(_newest([*self._closed, *self._open], self._window))
        first = self._reference or (Tally.of(self._first, self._unanswered) if self._first else None)
        drifting = bool(self._windows) and bool(self._windows[-1].judgement.drifting)
        return VersionWatched(
            verdict="too few" if not self._windows else "drifting" if drifting else "steady",
            answering=answering,
            records=self._records,
            reference=self._reference,
            since=self._drifting_since,
            windows=tuple(self._windows),
            judged=self._judged,
            training=Judge(training).judge(first).psi if training and first else None,
        )


def _newest(pieces: list[Piece], window: int) -> list[Piece]:
    """The last pieces that still fill a window."""
    weight, place = 0, len(pieces)
    while place and weight < window:
        place -= 1
        weight += pieces[place].weight
    return pieces[place:]
