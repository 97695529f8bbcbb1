"""The log of predictions -> whether the requests of each version of the model are still those it met first.

`watch_log` reads files or CloudWatch, `watch` any lines, in a notebook for instance::

    >>> from pipeline.watch import watch
    >>> watch(open("service.log", "rb")).versions["3"].verdict  # doctest: +SKIP
    'steady'

Nothing but the bins in the log's lines is needed, and nothing of a single person is kept.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from lambda_api.manifest import Manifest
from pipeline.errors import LogError
from pipeline.progress import Progress, no_progress
from pipeline.watch import cloudwatch, references
from pipeline.watch.lines import Line, Reader
from pipeline.watch.log import FileLog, files, in_order
from pipeline.watch.tally import Piece, Tally
from pipeline.watch.terms import DEFAULT, Terms
from pipeline.watch.watched import Lines, Watched
from pipeline.watch.windows import Version

__all__ = ["Terms", "Watched", "watch", "watch_log"]


def watch(
    lines: Iterable[Line],
    terms: Terms = DEFAULT,
    kept: Mapping[str, Tally] | None = None,
    manifest: Manifest | None = None,
) -> Watched:
    """What the lines of one log say.

    Args:
        lines: Those of the service, among any others, about in the order of time.
        terms: What is compared with what.
        kept: References of an earlier time, by version.
        manifest: Of the packaged model, for the distance from its training data.

    Raises:
        LogError: None of the lines is the service's.
    """
    reader = Reader()
    return _watched(in_order(reader.pieces(lines)), reader, terms, kept or {}, manifest)


def watch_log(
    log: str,
    now: datetime,
    terms: Terms = DEFAULT,
    reference_file: Path | None = None,
    manifest: Manifest | None = None,
    progress: Progress = no_progress,
) -> Watched:
    """What a log says that lies in files or in CloudWatch.

    Args:
        log: FILE, a pattern, or `cloudwatch:GROUP`.
        now: CloudWatch is read up to here.
        terms: What is compared with what.
        reference_file: Where references are kept: read if it is there, written when a version's becomes complete.
        manifest: Of the packaged model, for the distance from its training data.
        progress: Called with progress.

    Raises:
        LogError: There is no such log, or none of its lines is the service's.
        SourceError: CloudWatch cannot be reached.
        ModelFileError: The reference file is something else.
    """
    kept, reader = references.load(reference_file) if reference_file else {}, Reader()
    pieces: Iterator[Piece]
    if log.startswith(cloudwatch.PREFIX):
        # The log before `since` is needed only as long as no reference was kept.
        since = terms.since_ms if kept else None
        group, until = log.removeprefix(cloudwatch.PREFIX), int(now.timestamp() * 1000)
        pieces = in_order(reader.pieces(cloudwatch.lines(group, since, until, progress)))
    else:
        pieces = FileLog(files(log), progress).pieces(reader)
    found = _watched(pieces, reader, terms, kept, manifest, log)
    if reference_file and (new := found.references.keys() - kept.keys()):
        references.store(reference_file, {**kept, **{name: found.references[name] for name in new}})
    return found


def _watched(
    pieces: Iterator[Piece],
    reader: Reader,
    terms: Terms,
    kept: Mapping[str, Tally],
    manifest: Manifest | None,
    log: str | None = None,
) -> Watched:
    versions: dict[str, Version] = {}
    last: dict[str, int] = {}
    total = 0
    for piece in pieces:
        name = piece.version
        if name not in versions:
            versions[name] = Version(terms.window, terms.reference, terms.since_ms, kept.get(name))
        versions[name].add(piece)
        total += piece.weight
        last[name] = total
    if not versions:
        raise LogError(
            f"{log or 'the log'}: none of its {reader.read} lines tells of a prediction in bins: expected the output "
            "of the service with OBESITY_TELEMETRY=full, of this contract"
        )
    trained = references.training(manifest) if manifest else None
    return Watched(
        log=log,
        since=terms.since_ms,
        window=terms.window,
        lines=Lines(reader.read, reader.used, reader.broken, reader.foreign),
        versions={
            name: versions[name].watched(
                answering=total - last[name] < terms.window,
                training=trained if manifest and manifest.model_version == name else None,
            )
            for name in sorted(versions)
        },
    )
