"""A registry in an SQLite file <-> the same registry in S3: runners are empty each time, so runs hand it on.

Everything large is stored under its own SHA-256 and never written twice: the artefacts, the portable database, and the
listing that names them all. One small object, the state, names the listing. It is written last, and only if it is
still the one that the work began from (`If-Match`): of two runs that race one wins, the other is refused and has lost
nothing, and a run that is killed half-way leaves the state as it was.

`pull` notes beside the database what it took; by that, `push` knows what its work began from, and a later `pull` knows
whether there is work here that was never pushed, which it does not touch unless told to.
"""

import json
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath

from pipeline.errors import RaceLostError, RegistryError
from pipeline.files import digest, file_digest, write_bytes, write_json
from pipeline.progress import Progress, no_progress
from pipeline.registry import portable
from pipeline.registry.store import Store
from pipeline.s3 import Bucket

STATE = "state.json"
FORMAT = 1

_THREADS = 8


@dataclass(frozen=True)
class Listing:
    """Every file of a registry by its SHA-256; `content` is what the portable database says."""

    database: str
    content: str
    artifacts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class State:
    """What a place in S3 holds: how often it was pushed to, the listing, and the ETag of this very state."""

    sequence: int
    listing: str
    etag: str


@dataclass(frozen=True)
class Synced:
    """What this store and a place in S3 agreed on last; kept beside the database."""

    url: str
    etag: str
    content: str


@dataclass(frozen=True)
class SyncResult:
    """What a pull or push did.

    `sequence` is 0 where nothing was ever pushed; `files` were carried; `set_aside` is where work went that a pull
    replaced.
    """

    sequence: int
    files: int
    changed: bool
    set_aside: Path | None = None


def push(store: Store, url: str, progress: Progress = no_progress) -> SyncResult:
    """Put the registry here in S3.

    Raises:
        RaceLostError: Somebody pushed since this store was pulled; nothing was changed there.
        RegistryError: There is nothing to push, or S3 cannot be reached; the state there is as it was.
    """
    database, bucket = _database(store), Bucket(url)
    if not database.is_file():
        raise RegistryError(f"there is no registry {database} to push: `pipeline register` makes one")
    with store.exclusive(), tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary, "mlflow.db")
        portable.export(database, copy)
        content, synced, state = portable.content(copy), _synced(database, bucket), _state(bucket)
        theirs = _listing(bucket, state) if state else None
        if state and theirs and theirs.content == content:  # also a push that was killed after its last step
            _agree(database, Synced(bucket.url, state.etag, content))
            return SyncResult(state.sequence, 0, changed=False)
        if state and (synced is None or synced.etag != state.etag):
            raise _lost(bucket)
        artifacts = _artifacts(copy, database.parent, theirs)
        listing = Listing(file_digest(copy), content, {path: sha256 for path, (sha256, _) in artifacts.items()})
        text = _text(asdict(listing))
        pieces = {sha256: place for sha256, place in artifacts.values() if place} | {listing.database: copy}
        known = {*theirs.artifacts.values(), theirs.database} if theirs else set()
        new = {sha256: place for sha256, place in pieces.items() if sha256 not in known}
        _each(lambda sha256: bucket.put(_piece(sha256), new[sha256].read_bytes(), None), sorted(new), "push", progress)
        bucket.put(_piece(digest(text)), text, None)
        sequence = state.sequence + 1 if state else 1
        etag = _set_state(bucket, sequence, digest(text), state.etag if state else None)
        _agree(database, Synced(bucket.url, etag, content))
        return SyncResult(sequence, len(new), changed=True)


def pull(store: Store, url: str, *, discard: bool = False, progress: Progress = no_progress) -> SyncResult:
    """Make the registry here the one in S3; nothing happens where nothing was ever pushed.

    Args:
        store: Where to.
        url: Where from, `s3://bucket/prefix`.
        discard: Replace work that was never pushed, too; a copy of its database stays beside.
        progress: Called with progress.

    Raises:
        RaceLostError: There is work here that was never pushed, and S3 has moved on; nothing was changed.
        RegistryError: S3 cannot be reached, or an object there is damaged; the registry here is as it was.
    """
    database, bucket = _database(store), Bucket(url)
    database.parent.mkdir(parents=True, exist_ok=True)
    with store.exclusive(), tempfile.TemporaryDirectory(dir=database.parent, prefix=".pull-") as temporary:
        state, synced = _state(bucket), _synced(database, bucket)
        if state is None:
            return SyncResult(0, 0, changed=False)
        listing = _listing(bucket, state)
        fetched = _fetch_artifacts(bucket, listing, database.parent, progress)
        here = _content_here(database, Path(temporary, "here.db"))
        agreed = Synced(bucket.url, state.etag, listing.content)
        if here == listing.content:
            _agree(database, agreed)
            return SyncResult(state.sequence, fetched, changed=bool(fetched))
        unpushed = here is not None and (synced is None or synced.content != here)
        if unpushed and not discard:
            if synced and synced.etag == state.etag:
                return SyncResult(state.sequence, fetched, changed=bool(fetched))  # only this side moved
            raise RaceLostError(
                f"{database} holds work that was never pushed, and {bucket.url} has moved on: nothing was changed. "
                f"`pipeline registry pull --discard {bucket.url}` takes theirs and keeps a copy of yours; then "
                "`pipeline register`, `pipeline gate` and `pipeline registry push` do your work again on top of it"
            )
        aside = _set_aside(database, here) if unpushed and here else None
        source = Path(temporary, "mlflow.db")
        source.write_bytes(_get_piece(bucket, listing.database))
        portable.install(source, database)
        _agree(database, agreed)
        return SyncResult(state.sequence, fetched + 1, changed=True, set_aside=aside)


def _lost(bucket: Bucket) -> RaceLostError:
    return RaceLostError(
        f"somebody pushed to {bucket.url} since this registry was pulled: nothing was changed there. Run "
        f"`pipeline registry pull --discard {bucket.url}`, then `pipeline register` and `pipeline gate` again (the "
        "model is still here, and is never registered twice), then push"
    )


def _database(store: Store) -> Path:
    if store.database is None:
        raise RegistryError(
            f"{store.shown_uri} is a server, which needs no carrying: unset MLFLOW_TRACKING_URI to use mlflow.db"
        )
    return store.database


def _note(database: Path) -> Path:
    return database.with_name(f"{database.name}.remote")


def _synced(database: Path, bucket: Bucket) -> Synced | None:
    """What was agreed with this place; None if nothing was, or the note is damaged."""
    try:
        found = Synced(**json.loads(_note(database).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    return found if found.url == bucket.url and database.is_file() else None


def _agree(database: Path, synced: Synced) -> None:
    write_json(_note(database), asdict(synced))


def _state(bucket: Bucket) -> State | None:
    found = bucket.get(STATE)
    if found is None:
        return None
    text, etag = found
    try:
        value = json.loads(text)
        if value.pop("format") != FORMAT:
            raise RegistryError(f"{bucket.url}/{STATE} was written by a newer version of this project: update it")
        return State(**value, etag=etag)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise RegistryError(
            f"{bucket.url}/{STATE} is no registry's state: restore its last version, or name another prefix"
        ) from None


def _set_state(bucket: Bucket, sequence: int, listing: str, replaces: str | None) -> str:
    text = _text({"format": FORMAT, "sequence": sequence, "listing": listing})
    if etag := bucket.put(STATE, text, replaces):
        return etag
    found = _state(bucket)  # a lost answer, tried again, meets its own state
    if found and (found.sequence, found.listing) == (sequence, listing):
        return found.etag
    raise _lost(bucket)


def _listing(bucket: Bucket, state: State) -> Listing:
    return Listing(**json.loads(_get_piece(bucket, state.listing)))


def _piece(sha256: str) -> str:
    return f"pieces/{sha256[:2]}/{sha256}"


def _get_piece(bucket: Bucket, sha256: str) -> bytes:
    found = bucket.get(_piece(sha256))
    if found is None or digest(found[0]) != sha256:
        what = "is missing" if found is None else "is damaged"
        raise RegistryError(f"{bucket.url}/{_piece(sha256)} {what}: restore it from the bucket's versions")
    return found[0]


def _artifacts(copy: Path, root: Path, theirs: Listing | None) -> dict[str, tuple[str, Path | None]]:
    """SHA-256 of every artefact that the database names, and where it lies; None for one that is only in S3."""
    known = theirs.artifacts if theirs else {}
    found: dict[str, tuple[str, Path | None]] = {}
    for folder in portable.folders(copy):
        found |= {path: (sha256, None) for path, sha256 in known.items() if path.startswith(f"{folder}/")}
        for place in sorted((root / folder).rglob("*")):
            if place.is_file():
                found[place.relative_to(root).as_posix()] = (file_digest(place), place)
    return found


def _fetch_artifacts(bucket: Bucket, listing: Listing, root: Path, progress: Progress) -> int:
    """Write what is not here yet, each checked; how many."""
    for path in map(PurePosixPath, listing.artifacts):
        if path.parts[:1] != (portable.ARTIFACTS,) or ".." in path.parts:
            raise RegistryError(f"{bucket.url} lists {path}, outside of {portable.ARTIFACTS}/: it is damaged")
    wanted: dict[str, list[Path]] = {}
    for name, sha256 in sorted(listing.artifacts.items()):
        if not _is_here(root / name, sha256):
            wanted.setdefault(sha256, []).append(root / name)

    def fetch(sha256: str) -> None:
        content = _get_piece(bucket, sha256)
        for place in wanted[sha256]:
            write_bytes(place, content)

    _each(fetch, list(wanted), "pull", progress)
    return sum(map(len, wanted.values()))


def _is_here(place: Path, sha256: str) -> bool:
    return place.is_file() and file_digest(place) == sha256


def _content_here(database: Path, copy: Path) -> str | None:
    """What the database here says, as a portable copy would; None if it says nothing."""
    if not database.is_file():
        return None
    portable.export(database, copy)
    return None if portable.is_empty(copy) else portable.content(copy)


def _set_aside(database: Path, here: str) -> Path:
    place = database.with_name(f"{database.name}.unpushed-{here[:8]}")
    write_bytes(place, database.read_bytes())
    return place


def _each(do: Callable[[str], object], items: list[str], what: str, progress: Progress) -> None:
    pool = ThreadPoolExecutor(_THREADS)
    try:
        for done, _ in enumerate(pool.map(do, items), 1):
            progress(what, done, len(items))
    finally:
        pool.shutdown(cancel_futures=True)  # who was interrupted does not wait for the rest


def _text(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, indent=1).encode()
