"""Somewhere -> the pinned raw file in its place, its SHA-256 checked whatever the source.

Sources, in this order: where the file already lies, a path the caller names, DVC's cache or remote, the publisher.
A file with another digest is never taken silently: the error shows both digests and the one command that accepts new
data, which validates it first and records it in params.yaml. Once records were added (`pipeline.data.additions`), the
publisher no longer gives the pinned file; DVC alone does.
"""

import io
import shlex
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipeline.errors import DataError, NotPublishedError, SourceError
from pipeline.files import digest, file_digest, write_bytes
from pipeline.progress import Progress, no_progress
from pipeline.repo import dvc_read

if TYPE_CHECKING:
    from collections.abc import Iterator

# The page of UCI dataset 544; its licence asks for a link to it.
UCI_PAGE = "https://doi.org/10.24432/C5H31Z"

CONNECT_SECONDS, READ_SECONDS, RETRIES = 5, 30, 2
LARGEST_BYTES = 200_000_000
PIECE_BYTES = 65_536


@dataclass(frozen=True)
class RawFile:
    """Where the raw file lies, and where it came from."""

    path: Path
    came_from: str
    sha256: str


def ingest(target: Path, sha256: str, url: str, named: Path | None = None, progress: Progress = no_progress) -> RawFile:
    """Put the file with digest `sha256` at `target`, unless it lies there already.

    Args:
        target: Where the raw file belongs.
        sha256: The pinned digest.
        url: The publisher's address of the file, or of a zip that holds one of its name.
        named: A file that the caller says to take; no other source is then tried.
        progress: Called with progress, in bytes.

    Raises:
        DataError: The file in place or the named one is not the pinned one.
        NotPublishedError: DVC does not have the pinned file, and the publisher gives another one.
        SourceError: No source could be reached; the text names each that was tried, and what to do.
    """
    if named is not None:
        _refuse_other(str(named), file_digest(named), sha256, _accept(named))
        if not target.is_file() or file_digest(target) != sha256:
            write_bytes(target, named.read_bytes())
        return RawFile(target, str(named), sha256)
    if target.is_file():
        other = f"{_accept(target)}; if records were added elsewhere since, `dvc pull`; if neither, remove it"
        _refuse_other(str(target), file_digest(target), sha256, other)
        return RawFile(target, "already in place", sha256)
    failures = []
    for name, fetch in (("DVC's cache or remote", _from_dvc), (url, _from_publisher)):
        progress(f"look in {name}", 0, 1)
        try:
            content = fetch(target, url, progress)
        except SourceError as error:
            failures.append(f"  {name}: {error}")
            continue
        if fetch is _from_dvc and digest(content) != sha256:  # what dvc.lock says, maybe of a time before this pin
            failures.append(f"  {name}: holds another file, SHA-256 {digest(content)}")
            continue
        if digest(content) != sha256:
            raise _not_published(name, digest(content), sha256, failures)
        write_bytes(target, content)
        return RawFile(target, name, sha256)
    tried = f"the data was not found here, in DVC or at {urlsplit(url).hostname} (SHA-256 {sha256})"
    advice = "Give the file: `make run DATA=path/to/file.csv`, or run without it: `make run DATA=sample`."
    raise SourceError("\n".join([f"{tried}:", *failures, advice]))


def _refuse_other(what: str, sha256: str, expected: str, advice: str) -> None:
    if sha256 != expected:
        raise DataError(f"{what} is not the pinned data: SHA-256 {sha256}, expected {expected}. {advice}")


def _accept(path: Path, first: str = "") -> str:
    command = f"pipeline ingest --from {shlex.quote(str(path))} --accept"
    return f"If it is meant to be the new data, {first}accept it with `{command}`"


def _not_published(url: str, sha256: str, expected: str, failures: list[str]) -> NotPublishedError:
    added = (
        "If records were added (`pipeline ingest --add`), DVC alone has the pinned file: the person who added them "
        "runs `dvc push`, and `dvc remote list` here must name that remote, with credentials that may read it."
    )
    first = f"what {url} gives is not the pinned data: SHA-256 {sha256}, expected {expected}."
    return NotPublishedError("\n".join([first, *failures, added, f"{_accept(Path('FILE'), 'download it and ')}."]))


def _from_dvc(target: Path, url: str, progress: Progress) -> bytes:
    del url, progress
    return dvc_read(target, LARGEST_BYTES)


def _from_publisher(target: Path, url: str, progress: Progress) -> bytes:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    retry = Retry(RETRIES, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))
    try:
        with requests.Session() as session:
            session.mount("https://", HTTPAdapter(max_retries=retry))
            session.mount("http://", HTTPAdapter(max_retries=retry))
            with session.get(url, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)) as response:
                response.raise_for_status()
                total = int(response.headers.get("Content-Length", 0))
                content = _collected(response.iter_content(PIECE_BYTES), total, progress)
    except requests.RequestException as error:
        raise SourceError(f"cannot be reached ({type(error).__name__})") from None
    return _unzipped(content, target.name) if zipfile.is_zipfile(io.BytesIO(content)) else content


def _collected(pieces: "Iterator[bytes]", total: int, progress: Progress) -> bytes:
    content = bytearray()
    for piece in pieces:
        content += piece
        if len(content) > LARGEST_BYTES:
            raise SourceError(f"sends more than {LARGEST_BYTES} bytes")
        progress("download", len(content), max(total, len(content)))
    return bytes(content)


def _unzipped(content: bytes, name: str) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [member for member in archive.infolist() if Path(member.filename).name == name]
            if len(members) != 1 or members[0].file_size > LARGEST_BYTES:
                raise SourceError(f"sends a zip without one {name}")
            return archive.read(members[0])
    except zipfile.BadZipFile:
        raise SourceError("sends a damaged zip") from None
