"""The service's log and the references in S3 -> a folder for the issue, and the references with new ones in S3.

Runners start empty and logs expire, but a version's reference must outlive both. So the references are kept beside the
registry. They are written only if no other run wrote them in the meantime, so that none is ever lost.
"""

from datetime import datetime
from pathlib import Path

from pipeline.errors import RaceLostError
from pipeline.files import write_bytes, write_json, write_text
from pipeline.github.issue import RESULT_FILE, TEXT_FILE
from pipeline.progress import Progress, no_progress
from pipeline.watch import WatchSettings, WatchSummary, watch_log

FOLDER = Path("build/watch")
"""Where a run leaves drift.json, the issue's text, and a picture of each version."""

REFERENCES = Path("build/references.json")
KEY = "references.json"
"""Beside the registry's own objects in S3."""


def watch(
    log: str, store: str | None, now: datetime, settings: WatchSettings, progress: Progress = no_progress
) -> WatchSummary:
    """Compare recent requests with the kept references, and write `FOLDER`.

    Args:
        log: FILE, a pattern, or `cloudwatch:GROUP`.
        store: Where references are kept between runs, `s3://bucket/prefix`; None to keep none.
        now: CloudWatch is read up to this time.
        settings: Sizes of window and reference, and the start of the windows.
        progress: Called with progress.

    Raises:
        LogError: The log does not exist, or the service wrote none of its lines.
        RaceLostError: Another run wrote the references in the meantime; run again.
    """
    from pipeline.s3 import Bucket

    bucket = Bucket(store) if store else None
    kept = bucket.get(KEY) if bucket else None
    REFERENCES.unlink(missing_ok=True)
    if kept:
        write_bytes(REFERENCES, kept[0])
    summary = watch_log(log, now, settings, REFERENCES, progress=progress)
    if bucket and REFERENCES.exists() and (written := REFERENCES.read_bytes()) != (kept[0] if kept else None):
        progress(f"keep the references in {bucket.url}", 0, 1)
        if bucket.put(KEY, written, kept[1] if kept else None) is None:
            raise RaceLostError(f"another run wrote {bucket.url}/{KEY} since it was read: run again")
    _write(summary)
    return summary


def _write(summary: WatchSummary) -> None:
    from pipeline.watch.picture import version_png
    from pipeline.watch.text import issue_text

    write_json(FOLDER / RESULT_FILE, summary.as_json())
    write_text(FOLDER / TEXT_FILE, issue_text(summary))
    for name, version in summary.versions.items():
        if png := version_png(name, version):
            write_bytes(FOLDER / f"drift-{name}.png", png)
