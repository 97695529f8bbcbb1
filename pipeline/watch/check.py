"""A log and settings -> the summary of every version in it: one check of the watch, from reading to verdicts."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from lambda_api.manifest import Manifest
from pipeline.errors import LogError
from pipeline.progress import Progress, no_progress
from pipeline.watch import cloudwatch, references
from pipeline.watch.counts import BinCounts
from pipeline.watch.entries import EntryReader, LogEntry, LogLine
from pipeline.watch.log_files import LogFiles, find_files, in_time_order
from pipeline.watch.settings import DEFAULT, WatchSettings
from pipeline.watch.summary import LineCounts, WatchSummary
from pipeline.watch.windows import VersionTracker


def watch_lines(
    lines: Iterable[LogLine],
    settings: WatchSettings = DEFAULT,
    kept_references: Mapping[str, BinCounts] | None = None,
    manifest: Manifest | None = None,
) -> WatchSummary:
    """The summary of the lines of one log.

    Args:
        lines: The service's lines, roughly in the order of time; other programs' lines between them are skipped.
        settings: Sizes of window and reference, and the start of the windows.
        kept_references: References from earlier checks, by version.
        manifest: The packaged model's, to compare its requests with its training data.

    Raises:
        LogError: The service wrote none of the lines.
    """
    reader = EntryReader()
    return _summarize(in_time_order(reader.entries(lines)), reader, settings, kept_references or {}, manifest)


def watch_log(
    log: str,
    now: datetime,
    settings: WatchSettings = DEFAULT,
    reference_file: Path | None = None,
    manifest: Manifest | None = None,
    progress: Progress = no_progress,
) -> WatchSummary:
    """The summary of a log in files or in CloudWatch.

    Args:
        log: FILE, a pattern, or `cloudwatch:GROUP`.
        now: CloudWatch is read up to this time.
        settings: Sizes of window and reference, and the start of the windows.
        reference_file: Keeps references between checks. Read if it exists; written when a new reference is complete.
        manifest: The packaged model's, to compare its requests with its training data.
        progress: Called with progress.

    Raises:
        LogError: The log does not exist, or the service wrote none of its lines.
        SourceError: CloudWatch cannot be reached.
        ModelFileError: The reference file holds something else.
    """
    kept, reader = references.load(reference_file) if reference_file else {}, EntryReader()
    entries: Iterator[LogEntry]
    if log.startswith(cloudwatch.PREFIX):
        # Lines older than `since` are needed only to make a reference.
        since = settings.since_ms if kept else None
        group, until = log.removeprefix(cloudwatch.PREFIX), int(now.timestamp() * 1000)
        entries = in_time_order(reader.entries(cloudwatch.read_lines(group, since, until, progress)))
    else:
        entries = LogFiles(find_files(log), progress).entries(reader)
    summary = _summarize(entries, reader, settings, kept, manifest, log)
    if reference_file and summary.references.keys() - kept.keys():
        references.save(reference_file, {**summary.references, **kept})
    return summary


def _summarize(
    entries: Iterator[LogEntry],
    reader: EntryReader,
    settings: WatchSettings,
    kept_references: Mapping[str, BinCounts],
    manifest: Manifest | None,
    log: str | None = None,
) -> WatchSummary:
    trackers: dict[str, VersionTracker] = {}
    requests = 0
    requests_at_last_entry: dict[str, int] = {}
    for entry in entries:
        version = entry.version
        if version not in trackers:
            trackers[version] = VersionTracker(settings, kept_references.get(version))
        trackers[version].add(entry)
        requests += entry.weight
        requests_at_last_entry[version] = requests
    if not trackers:
        raise LogError(
            f"{log or 'the log'}: none of its {reader.read} lines has a prediction's bins; expected the output of the "
            "service with OBESITY_TELEMETRY=full and this contract"
        )
    training = references.training_counts(manifest) if manifest else None
    return WatchSummary(
        log=log,
        since=settings.since_ms,
        window=settings.window,
        lines=LineCounts(reader.read, reader.used, reader.broken, reader.foreign),
        versions={
            version: trackers[version].summary(
                active=requests - requests_at_last_entry[version] < settings.window,
                training=training if manifest and manifest.model_version == version else None,
            )
            for version in sorted(trackers)
        },
    )
