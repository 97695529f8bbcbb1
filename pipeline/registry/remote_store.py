"""A registry in an SQLite file <-> the same registry in S3, because runners start empty.

Artefacts, the portable database and the listing that names them all are stored under their own SHA-256 and never
written twice. One small object, the state, names the listing. It is written last, and only if it is still the one that
this run pulled (`If-Match`): of two runs at the same time one wins, the other is refused and loses nothing. Safe to
repeat: an interrupted push leaves the state as it was.

Both commands write beside the database what it last had in common with S3. From that, `push` knows which state it may
replace, and `pull` knows whether the database holds work that was never pushed, which it replaces only with `discard`.
"""

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping
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
    """Every file of a registry.

    Attributes:
        database: SHA-256 of the portable database's file.
        content: `portable.content_digest` of that database.
        artifacts: SHA-256 of each artefact, by its path below the registry's folder.
    """

    database: str
    content: str
    artifacts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RemoteState:
    """The state in S3: how many pushes there were, the SHA-256 of the listing, and the ETag of the state itself."""

    sequence: int
    listing: str
    etag: str


@dataclass(frozen=True)
class LastSync:
    """The state in S3 and the content of the database when the two were last equal; kept beside the database."""

    url: str
    etag: str
    content: str


@dataclass(frozen=True)
class SyncResult:
    """What a pull or push did.

    Attributes:
        sequence: The number of the state in S3; 0 where nothing was ever pushed.
        files: How many files were sent or fetched.
        changed: Whether anything was written.
        set_aside: The copy of a database whose unpushed work a pull replaced.
    """

    sequence: int
    files: int
    changed: bool
    set_aside: Path | None = None


def push(store: Store, url: str, progress: Progress = no_progress) -> SyncResult:
    """Copy the local registry to S3.

    Raises:
        RaceLostError: Somebody else pushed since this registry was pulled; nothing was changed in S3.
        RegistryError: There is nothing to push, or S3 cannot be reached; the state in S3 is as it was.
    """
    database, bucket = _database(store), Bucket(url)
    if not database.is_file():
        raise RegistryError(f"there is no registry {database} to push: `pipeline register` makes one")
    with store.exclusive(), tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary, "mlflow.db")
        portable.export(database, copy)
        content, state = portable.content_digest(copy), _read_state(bucket)
        remote = _get_listing(bucket, state) if state else None
        if state and remote and remote.content == content:  # also after a push that was killed after its last step
            _write_last_sync(database, LastSync(bucket.url, state.etag, content))
            return SyncResult(state.sequence, 0, changed=False)
        last_sync = _read_last_sync(database, bucket)
        if state and (last_sync is None or last_sync.etag != state.etag):
            raise _race_lost(bucket)
        artifacts = _artifacts(copy, database.parent, remote)
        listing = Listing(file_digest(copy), content, {path: sha256 for path, (sha256, _) in artifacts.items()})
        text = _json(asdict(listing))
        files = {sha256: file for sha256, file in artifacts.values() if file} | {listing.database: copy}
        stored = {*remote.artifacts.values(), remote.database} if remote else set()
        new = {sha256: file for sha256, file in files.items() if sha256 not in stored}
        _in_parallel(lambda sha256: bucket.put(_key(sha256), new[sha256].read_bytes(), None), new, "push", progress)
        bucket.put(_key(digest(text)), text, None)
        sequence = state.sequence + 1 if state else 1
        etag = _write_state(bucket, sequence, digest(text), state.etag if state else None)
        _write_last_sync(database, LastSync(bucket.url, etag, content))
        return SyncResult(sequence, len(new), changed=True)


def pull(store: Store, url: str, *, discard: bool = False, progress: Progress = no_progress) -> SyncResult:
    """Replace the local registry by the one in S3; does nothing where nothing was ever pushed.

    Args:
        store: The local registry.
        url: The place in S3, `s3://bucket/prefix`.
        discard: Also replace work that was never pushed; a copy of its database stays beside.
        progress: Called with progress.

    Raises:
        RaceLostError: Local work was never pushed, and S3 has a newer state; nothing was changed.
        RegistryError: S3 cannot be reached, or an object there is damaged; the local registry is as it was.
    """
    database, bucket = _database(store), Bucket(url)
    database.parent.mkdir(parents=True, exist_ok=True)
    with store.exclusive(), tempfile.TemporaryDirectory(dir=database.parent, prefix=".pull-") as temporary:
        state, last_sync = _read_state(bucket), _read_last_sync(database, bucket)
        if state is None:
            return SyncResult(0, 0, changed=False)
        listing = _get_listing(bucket, state)
        fetched = _fetch_artifacts(bucket, listing, database.parent, progress)
        local = _local_content(database, Path(temporary, "local.db"))
        this_sync = LastSync(bucket.url, state.etag, listing.content)
        if local == listing.content:
            _write_last_sync(database, this_sync)
            return SyncResult(state.sequence, fetched, changed=bool(fetched))
        unpushed = local is not None and (last_sync is None or last_sync.content != local)
        if unpushed and not discard:
            if last_sync and last_sync.etag == state.etag:
                return SyncResult(state.sequence, fetched, changed=bool(fetched))  # S3 has nothing newer
            raise RaceLostError(
                f"{database} holds work that was never pushed, and {bucket.url} has a newer state: nothing was "
                f"changed. `pipeline registry pull --discard {bucket.url}` takes that state and keeps a copy of your "
                "database; then run `pipeline register`, `pipeline gate` and `pipeline registry push` again"
            )
        set_aside = _set_aside(database, local) if unpushed and local else None
        source = Path(temporary, "mlflow.db")
        source.write_bytes(_get(bucket, listing.database))
        portable.install(source, database)
        _write_last_sync(database, this_sync)
        return SyncResult(state.sequence, fetched + 1, changed=True, set_aside=set_aside)


def _race_lost(bucket: Bucket) -> RaceLostError:
    return RaceLostError(
        f"somebody pushed to {bucket.url} since this registry was pulled: nothing was changed there. Run "
        f"`pipeline registry pull --discard {bucket.url}`, then `pipeline register` and `pipeline gate` again (the "
        "model is still on this machine, and is never registered twice), then push"
    )


def _database(store: Store) -> Path:
    if store.database is None:
        raise RegistryError(
            f"{store.shown_uri} is a server, which is not copied to S3: unset MLFLOW_TRACKING_URI to use mlflow.db"
        )
    return store.database


def _last_sync_file(database: Path) -> Path:
    return database.with_name(f"{database.name}.remote")


def _read_last_sync(database: Path, bucket: Bucket) -> LastSync | None:
    """The last sync with this place in S3; None if there was none, or its file is damaged."""
    try:
        last_sync = LastSync(**json.loads(_last_sync_file(database).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    return last_sync if last_sync.url == bucket.url and database.is_file() else None


def _write_last_sync(database: Path, last_sync: LastSync) -> None:
    write_json(_last_sync_file(database), asdict(last_sync))


def _read_state(bucket: Bucket) -> RemoteState | None:
    stored = bucket.get(STATE)
    if stored is None:
        return None
    text, etag = stored
    try:
        value = json.loads(text)
        if value.pop("format") != FORMAT:
            raise RegistryError(f"{bucket.url}/{STATE} was written by a newer version of this project: update it")
        return RemoteState(**value, etag=etag)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise RegistryError(
            f"{bucket.url}/{STATE} is not the state of a registry: restore an older version of this object, or name "
            "another prefix"
        ) from None


def _write_state(bucket: Bucket, sequence: int, listing: str, replaces: str | None) -> str:
    """Replace the state in S3; its new ETag."""
    text = _json({"format": FORMAT, "sequence": sequence, "listing": listing})
    if etag := bucket.put(STATE, text, replaces):
        return etag
    state = _read_state(bucket)  # if the answer to the first try was lost, the retry finds its own state
    if state and (state.sequence, state.listing) == (sequence, listing):
        return state.etag
    raise _race_lost(bucket)


def _get_listing(bucket: Bucket, state: RemoteState) -> Listing:
    return Listing(**json.loads(_get(bucket, state.listing)))


def _key(sha256: str) -> str:
    """The key of an object that is stored under its own SHA-256."""
    return f"pieces/{sha256[:2]}/{sha256}"


def _get(bucket: Bucket, sha256: str) -> bytes:
    """The bytes of an object that is stored under its own SHA-256, checked against it."""
    stored = bucket.get(_key(sha256))
    if stored is None or digest(stored[0]) != sha256:
        fault = "is missing" if stored is None else "is damaged"
        raise RegistryError(f"{bucket.url}/{_key(sha256)} {fault}: restore an older version of this object")
    return stored[0]


def _artifacts(copy: Path, root: Path, remote: Listing | None) -> dict[str, tuple[str, Path | None]]:
    """SHA-256 and file of every artefact that the database names, by path; no file for one that is only in S3."""
    stored = remote.artifacts if remote else {}
    artifacts: dict[str, tuple[str, Path | None]] = {}
    for folder in portable.artifact_folders(copy):
        artifacts |= {path: (sha256, None) for path, sha256 in stored.items() if path.startswith(f"{folder}/")}
        for file in sorted((root / folder).rglob("*")):
            if file.is_file():
                artifacts[file.relative_to(root).as_posix()] = (file_digest(file), file)
    return artifacts


def _fetch_artifacts(bucket: Bucket, listing: Listing, root: Path, progress: Progress) -> int:
    """Write every artefact that is not on this machine yet, checked by its SHA-256; how many there were."""
    for relative in map(PurePosixPath, listing.artifacts):
        if relative.parts[:1] != (portable.ARTIFACTS,) or ".." in relative.parts:
            raise RegistryError(
                f"{bucket.url} lists {relative}, outside of {portable.ARTIFACTS}/: the listing is damaged"
            )
    missing: dict[str, list[Path]] = {}
    for path, sha256 in sorted(listing.artifacts.items()):
        if not _has_content(root / path, sha256):
            missing.setdefault(sha256, []).append(root / path)

    def fetch(sha256: str) -> None:
        content = _get(bucket, sha256)
        for file in missing[sha256]:
            write_bytes(file, content)

    _in_parallel(fetch, missing, "pull", progress)
    return sum(map(len, missing.values()))


def _has_content(file: Path, sha256: str) -> bool:
    return file.is_file() and file_digest(file) == sha256


def _local_content(database: Path, copy: Path) -> str | None:
    """`portable.content_digest` of the local database; None if it does not exist or holds no work."""
    if not database.is_file():
        return None
    portable.export(database, copy)
    return None if portable.is_empty(copy) else portable.content_digest(copy)


def _set_aside(database: Path, content: str) -> Path:
    copy = database.with_name(f"{database.name}.unpushed-{content[:8]}")
    write_bytes(copy, database.read_bytes())
    return copy


def _in_parallel(function: Callable[[str], object], digests: Iterable[str], step: str, progress: Progress) -> None:
    """Call the function with each digest, in order of the digests."""
    arguments, pool = sorted(digests), ThreadPoolExecutor(_THREADS)
    try:
        for done, _ in enumerate(pool.map(function, arguments), 1):
            progress(step, done, len(arguments))
    finally:
        pool.shutdown(cancel_futures=True)  # an interrupt does not wait for the rest


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, indent=1).encode()
