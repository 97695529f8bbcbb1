"""The watch as watch.yml runs it: references from S3, the log -> a folder for the issue, references back to S3.

Runners are empty each time and logs expire, but what was normal for a version must outlive both. So the references
lie beside the registry. They are written only if nobody else wrote them meanwhile, so that none is ever lost.
"""

from datetime import datetime
from pathlib import Path

from pipeline.errors import RaceLostError
from pipeline.files import write_bytes, write_json, write_text
from pipeline.github.issue import RESULT, TEXT
from pipeline.progress import Progress, no_progress
from pipeline.watch import Terms, Watched, watch_log

FOLDER = Path("build/watch")
"""What a run hands over: drift.json, the issue's text, and a picture of each version."""

REFERENCES = Path("build/references.json")
KEY = "references.json"
"""Beside the registry's own objects in S3."""


def watch(log: str, store: str | None, now: datetime, terms: Terms, progress: Progress = no_progress) -> Watched:
    """Compare recent requests with the kept references, and write `FOLDER`.

    Args:
        log: FILE, a pattern, or `cloudwatch:GROUP`.
        store: Where references are kept between runs, `s3://bucket/prefix`; None for nowhere.
        now: The log is read up to here.
        terms: What is compared with what.
        progress: Called with progress.

    Raises:
        LogError: There is no such log, or none of its lines is the service's.
        RaceLostError: Another run kept references meanwhile; run again.
    """
    from pipeline.s3 import Bucket

    bucket = Bucket(store) if store else None
    kept = bucket.get(KEY) if bucket else None
    REFERENCES.unlink(missing_ok=True)
    if kept:
        write_bytes(REFERENCES, kept[0])
    found = watch_log(log, now, terms, REFERENCES, progress=progress)
    if bucket and REFERENCES.exists() and (made := REFERENCES.read_bytes()) != (kept[0] if kept else None):
        progress(f"keep the references in {bucket.url}", 0, 1)
        if bucket.put(KEY, made, kept[1] if kept else None) is None:
            raise RaceLostError(f"another run wrote {bucket.url}/{KEY} since it was read: run again")
    _write(found)
    return found


def _write(found: Watched) -> None:
    from pipeline.watch.picture import picture
    from pipeline.watch.words import issue

    write_json(FOLDER / RESULT, found.as_json())
    write_text(FOLDER / TEXT, issue(found))
    for name, version in found.versions.items():
        if drawn := picture(name, version):
            write_bytes(FOLDER / f"drift-{name}.png", drawn)
