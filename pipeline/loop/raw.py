"""The pinned data on a runner: from the cache of an earlier run, else from DVC or the publisher.

Only what the publisher gives to everybody is cached: a pull request from a fork may read the cache, and data from DVC's
remote may be about people. Every content is checked against the pinned SHA-256, so that a cache cannot poison a run.
"""

from pathlib import Path

from pipeline.data.ingest import RawFile, ingest
from pipeline.files import RAW_NAME, Layout, file_digest, write_bytes
from pipeline.params import Params
from pipeline.progress import Progress, no_progress

PUBLISHED = Path("build/published")
"""What the workflows cache, under the pinned SHA-256 as its key."""


def raw_file(params: Params, progress: Progress = no_progress) -> RawFile:
    """The pinned data in its place.

    Args:
        params: With the pin and the publisher's address.
        progress: Called with progress.

    Raises:
        DataError, SourceError: As `pipeline.data.ingest.ingest` does.
    """
    raw, cached = Layout().raw, PUBLISHED / RAW_NAME
    if not raw.is_file() and cached.is_file() and file_digest(cached) == params.data.sha256:
        write_bytes(raw, cached.read_bytes())
        return RawFile(raw, "the cache of an earlier run", params.data.sha256)
    fetched = ingest(raw, params.data.sha256, params.data.url, progress=progress)
    if fetched.came_from == params.data.url:
        write_bytes(cached, raw.read_bytes())
    return fetched
