"""Somewhere -> the pinned raw file in its place, its SHA-256 checked whatever the source.

Sources, in this order: where the file already lies, a path the caller names, DVC's cache or remote, the publisher.
A file with another digest is never taken silently: the error shows both digests and the one command that accepts new
data, which validates it first and records it in params.yaml. Once records were added (`pipeline.additions`), the
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
from pipeline.files import digest, file_digest, read_data, replacing, write_bytes
from pipeline.progress import Tell, silent

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECT_SECONDS, READ_SECONDS, RETRIES = 5, 30, 2
LARGEST_BYTES = 200_000_000
PIECE_BYTES = 65_536


@dataclass(frozen=True)
class Ingested:
    """Where the raw file lies, and where it came from."""

    path: Path
    came_from: str
    sha256: str


def ingest(target: Path, sha256: str, url: str, named: Path | None = None, tell: Tell = silent) -> Ingested:
    """Put the file with digest `sha256` at `target`, unless it lies there already.

    Args:
        target: Where the raw file belongs.
        sha256: The pinned digest.
        url: The publisher's address of the file, or of a zip that holds one of its name.
        named: A file that the caller says to take; no other source is then tried.
        tell: Hears about progress, in bytes.

    Raises:
        DataError: The file in place or the named one is not the pinned one.
        NotPublishedError: DVC does not have the pinned file, and the publisher gives another one.
        SourceError: No source could be reached; the text names each that was tried, and what to do.
    """
    if named is not None:
        _refuse_other(str(named), file_digest(named), sha256, _accept(named))
        if not target.is_file() or file_digest(target) != sha256:
            write_bytes(target, named.read_bytes())
        return Ingested(target, str(named), sha256)
    if target.is_file():
        other = f"{_accept(target)}; if records were added elsewhere since, `dvc pull`; if neither, remove it"
        _refuse_other(str(target), file_digest(target), sha256, other)
        return Ingested(target, "where it already lay", sha256)
    failures = []
    for name, fetch in (("DVC's cache or remote", _from_dvc), (url, _from_publisher)):
        tell(f"look in {name}", 0, 1)
        try:
            content = fetch(target, url, tell)
        except SourceError as error:
            failures.append(f"  {name}: {error}")
            continue
        if fetch is _from_dvc and digest(content) != sha256:  # what dvc.lock says, maybe of a time before this pin
            failures.append(f"  {name}: holds another file, SHA-256 {digest(content)}")
            continue
        if digest(content) != sha256:
            raise _not_published(name, digest(content), sha256, failures)
        write_bytes(target, content)
        return Ingested(target, name, sha256)
    tried = f"the data was not found here, in DVC or at {urlsplit(url).hostname} (SHA-256 {sha256})"
    advice = "Give the file: `make run DATA=path/to/file.csv`, or run without it: `make run DATA=sample`."
    raise SourceError("\n".join([f"{tried}:", *failures, advice]))


def _refuse_other(what: str, found: str, expected: str, advice: str) -> None:
    if found != expected:
        raise DataError(f"{what} is not the pinned data: SHA-256 {found}, expected {expected}. {advice}")


def _accept(path: Path, first: str = "") -> str:
    command = f"pipeline ingest --from {shlex.quote(str(path))} --accept"
    return f"If it is meant to be the new data, {first}accept it with `{command}`"


def _not_published(url: str, found: str, expected: str, failures: list[str]) -> NotPublishedError:
    added = (
        "If records were added (`pipeline ingest --add`), DVC alone has the pinned file: whoever added them runs "
        "`dvc push`, and `dvc remote list` here must name that remote, with credentials that may read it."
    )
    first = f"what {url} gives is not the pinned data: SHA-256 {found}, expected {expected}."
    return NotPublishedError("\n".join([first, *failures, added, f"{_accept(Path('FILE'), 'download it and ')}."]))


def _from_dvc(target: Path, url: str, tell: Tell) -> bytes:
    del url, tell
    if not Path(".dvc").is_dir():
        raise SourceError("no DVC repository here")
    import dvc.api  # noqa: PLC0415  takes a second

    try:
        with dvc.api.open(target.as_posix(), mode="rb") as stream:
            return bytes(stream.read(LARGEST_BYTES))
    except Exception as error:  # noqa: BLE001  each kind of remote raises its own, as S3's NoCredentialsError
        raise SourceError(f"not there ({type(error).__name__})") from None


def _from_publisher(target: Path, url: str, tell: Tell) -> bytes:
    import requests  # noqa: PLC0415  only where something is fetched
    from requests.adapters import HTTPAdapter  # noqa: PLC0415
    from urllib3.util import Retry  # noqa: PLC0415

    retry = Retry(RETRIES, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504))
    try:
        with requests.Session() as session:
            session.mount("https://", HTTPAdapter(max_retries=retry))
            session.mount("http://", HTTPAdapter(max_retries=retry))
            with session.get(url, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)) as response:
                response.raise_for_status()
                total = int(response.headers.get("Content-Length", 0))
                content = _collected(response.iter_content(PIECE_BYTES), total, tell)
    except requests.RequestException as error:
        raise SourceError(f"cannot be reached ({type(error).__name__})") from None
    return _unzipped(content, target.name) if zipfile.is_zipfile(io.BytesIO(content)) else content


def _collected(pieces: "Iterator[bytes]", total: int, tell: Tell) -> bytes:
    content = bytearray()
    for piece in pieces:
        content += piece
        if len(content) > LARGEST_BYTES:
            raise SourceError(f"sends more than {LARGEST_BYTES} bytes")
        tell("download", len(content), max(total, len(content)))
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


def accept(source: Path, collected_rows: int | None, params_file: Path, target: Path) -> Ingested:
    """Make `source` the pinned data: validate it, put it at `target`, and record its digest in `params_file`.

    Raises:
        DataError: The file breaks the contract; nothing was written.
        ParamsError: `collected_rows` is more than the file has, or the parameters are not valid.
    """
    from pipeline import params as parameters  # noqa: PLC0415

    raw, params = read_data(source), parameters.load(params_file)
    refuse_sample(raw, str(source), params.sample.sha256)
    sha256 = pin(raw, str(source), collected_rows, params_file, target)
    return Ingested(target, str(source), sha256)


def refuse_sample(raw: bytes, name: str, sample_sha256: str) -> None:
    """Nothing, unless `raw` is the embedded sample.

    Raises:
        DataError: It is; invented people never become data.
    """
    if digest(raw) == sample_sha256:
        raise DataError(
            f"{name} is the embedded sample: it is never accepted as real data; `make run DATA=sample` runs on it"
        )


def pin(raw: bytes, name: str, collected_rows: int | None, params_file: Path, target: Path) -> str:
    """The digest of `raw`, once it is validated, at `target`, and recorded in `params_file`; both are written or none.

    Both are written in full before either takes its place, the parameters last: whoever is killed before that has the
    old pin, and can run the command again.

    Raises:
        DataError: The data breaks the contract; nothing was written.
        ParamsError: `collected_rows` is more than the data has, or the parameters are not valid.
    """
    from pipeline import params as parameters  # noqa: PLC0415
    from pipeline.clean import clean  # noqa: PLC0415

    pinned: dict[str, str | int | None] = {"sha256": digest(raw), "collected_rows": collected_rows}
    old = parameters.load(params_file)
    clean(raw, name, old.model_copy(update={"data": old.data.model_copy(update=pinned)}))
    text = _repinned(params_file.read_text(encoding="utf-8"), pinned)
    with replacing(params_file) as new_params, replacing(target) as new_target:
        new_params.write_text(text, encoding="utf-8")
        new_target.write_bytes(raw)
    return digest(raw)


def _repinned(text: str, pinned: "dict[str, str | int | None]") -> str:
    """The text of params.yaml with other values in `data`, its comments kept."""
    from ruamel.yaml import YAML  # noqa: PLC0415

    yaml = YAML()
    yaml.width = 4096  # never fold a line
    yaml.preserve_quotes = True
    yaml.representer.add_representer(
        type(None), lambda writer, _: writer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    content = yaml.load(text)
    content["data"].update(pinned)
    stream = io.StringIO()
    yaml.dump(content, stream)
    return stream.getvalue()
