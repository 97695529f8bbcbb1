"""A registry in an SQLite file <-> the same registry in a place that outlives the machine, because runners start empty.

The place is a prefix in S3 or a git ref. A push replaces the state there only if it is still the one that this run
pulled: of two runs at the same time one wins, the other is refused and loses nothing. Safe to repeat: an interrupted
push leaves the state as it was.

Both commands write beside the database what it last had in common with the place. From that, `push` knows which state
it may replace, and `pull` whether the database holds work that was never pushed, which it replaces only with `discard`.
"""

import json
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from pipeline.errors import ChampionRefusal, RaceLostError, RegistryError
from pipeline.files import file_digest, write_bytes, write_json
from pipeline.progress import Progress, no_progress
from pipeline.registry import portable
from pipeline.registry.place import Place, open_place
from pipeline.registry.remote_state import (
    Listing,
    get_object,
    put_object,
    race_lost,
    read_listing,
    read_state,
    write_state,
)
from pipeline.registry.store import Store
from pipeline.registry.versions import version_text

_THREADS = 8


@dataclass(frozen=True)
class LastSync:
    """The state in the place and the content of the database when the two were last equal; kept beside the database."""

    url: str
    etag: str
    content: str


@dataclass(frozen=True)
class SyncResult:
    """What a pull or push did.

    Attributes:
        sequence: The number of the state in the place; 0 where nothing was ever pushed.
        files: How many files were sent or fetched.
        changed: Whether anything was written.
        set_aside: The copy of a database whose unpushed work a pull replaced.
    """

    sequence: int
    files: int
    changed: bool
    set_aside: Path | None = None


def push(store: Store, url: str, progress: Progress = no_progress, *, move_champion: bool = False) -> SyncResult:
    """Copy the local registry to a place.

    Args:
        store: The local registry.
        url: The place, `s3://bucket/prefix` or `git:REMOTE`.
        progress: Called with progress.
        move_champion: Also if the champion there becomes another one.

    Raises:
        RaceLostError: Somebody else pushed since this registry was pulled, or this is another registry; nothing was
            changed there.
        ChampionRefusal: The champion there would become another one; nothing was changed there.
        RegistryError: There is nothing to push, or the place cannot be reached; the state there is as it was.
    """
    database = _database(store)
    if not database.is_file():
        raise RegistryError(f"there is no registry {database} to push: `pipeline register` makes one")
    with open_place(url) as place, store.exclusive(), tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary, "mlflow.db")
        portable.export(database, copy)
        content, state = portable.content_digest(copy), read_state(place)
        remote = read_listing(place, state) if state else None
        if state and remote and remote.content == content:  # also after a push that was killed after its last step
            _write_last_sync(database, LastSync(place.url, state.etag, content))
            return SyncResult(state.sequence, 0, changed=False)
        last_sync = _read_last_sync(database, place)
        if state and (last_sync is None or last_sync.etag != state.etag):
            raise race_lost(place)
        if remote:
            shared = copy.with_name("shared.db")
            shared.write_bytes(get_object(place, remote.database))
            _refuse_loss(place, shared, copy)
            if not move_champion:
                _refuse_another_champion(place, shared, copy)
        artifacts = _artifacts(copy, database.parent, remote)
        listing = Listing(file_digest(copy), content, {path: sha256 for path, (sha256, _) in artifacts.items()})
        files = {sha256: file for sha256, file in artifacts.values() if file} | {listing.database: copy}
        stored = remote.objects if remote else frozenset()
        new = {sha256: file for sha256, file in files.items() if sha256 not in stored}
        _in_parallel(lambda sha256: put_object(place, new[sha256].read_bytes()), new, "push", progress)
        written = write_state(place, listing, state)
        _write_last_sync(database, LastSync(place.url, written.etag, content))
        return SyncResult(written.sequence, len(new), changed=True)


def _refuse_loss(place: Place, shared: Path, copy: Path) -> None:
    """Refuse a push after which a version or a move of the history would be gone, as from a registry begun anew."""
    if lost := portable.entries(shared) - portable.entries(copy):
        versions = sorted({f"{name} version {number}" for name, number, *_ in lost})
        raise RaceLostError(
            f"this registry is not the one of {place.url} with something added: it lacks what is there of "
            f"{', '.join(versions)}. Nothing was written. `pipeline registry pull --discard {place.url}` takes that "
            "one and keeps a copy of your database; then run `pipeline register` and `pipeline gate` again"
        )


def _refuse_another_champion(place: Place, shared: Path, copy: Path) -> None:
    """Refuse a push after which a model's champion in the place would be another version, or none."""
    here = portable.champions(copy)
    for name, number in portable.champions(shared).items():
        if here.get(name) != number:
            raise ChampionRefusal(
                f"the champion of {name} in {place.url}, which others share, is {version_text(number)}, and this push "
                f"would make it {version_text(here.get(name))}: nothing was written. A pull request lets the gate "
                f"decide; if it is your decision, `pipeline registry push --move-champion {place.url}`"
            )


def pull(store: Store, url: str, *, discard: bool = False, progress: Progress = no_progress) -> SyncResult:
    """Replace the local registry by the one in a place; does nothing where nothing was ever pushed.

    Args:
        store: The local registry.
        url: The place, `s3://bucket/prefix` or `git:REMOTE`.
        discard: Also replace work that was never pushed; a copy of its database stays beside.
        progress: Called with progress.

    Raises:
        RaceLostError: Local work was never pushed, and the place has a newer state; nothing was changed.
        RegistryError: The place cannot be reached, or an object there is damaged; the local registry is as it was.
    """
    database = _database(store)
    with (
        open_place(url) as place,
        store.exclusive(),
        tempfile.TemporaryDirectory(dir=database.parent, prefix=".pull-") as temporary,
    ):
        state, last_sync = read_state(place), _read_last_sync(database, place)
        if state is None:
            return SyncResult(0, 0, changed=False)
        listing = read_listing(place, state)
        fetched = _fetch_artifacts(place, listing, database.parent, progress)
        local = _local_content(database, Path(temporary, "local.db"))
        this_sync = LastSync(place.url, state.etag, listing.content)
        if local == listing.content:
            _write_last_sync(database, this_sync)
            return SyncResult(state.sequence, fetched, changed=bool(fetched))
        unpushed = local is not None and (last_sync is None or last_sync.content != local)
        if unpushed and not discard:
            if last_sync and last_sync.etag == state.etag:
                return SyncResult(state.sequence, fetched, changed=bool(fetched))  # nothing is newer there
            raise RaceLostError(
                f"{database} holds work that was never pushed, and {place.url} has a newer state: nothing was "
                f"changed. `pipeline registry pull --discard {place.url}` takes that state and keeps a copy of your "
                "database; then run `pipeline register`, `pipeline gate` and `pipeline registry push` again"
            )
        set_aside = _set_aside(database, local) if unpushed and local else None
        source = Path(temporary, "mlflow.db")
        source.write_bytes(get_object(place, listing.database))
        portable.install(source, database)
        _write_last_sync(database, this_sync)
        return SyncResult(state.sequence, fetched + 1, changed=True, set_aside=set_aside)


def _database(store: Store) -> Path:
    if store.database is None:
        raise RegistryError(
            f"{store.shown_uri} is a server, which keeps the registry itself: unset MLFLOW_TRACKING_URI to use "
            "mlflow.db"
        )
    return store.database


def _last_sync_file(database: Path) -> Path:
    return database.with_name(f"{database.name}.remote")


def _read_last_sync(database: Path, place: Place) -> LastSync | None:
    """The last sync with this place; None if there was none, or its file is damaged."""
    try:
        last_sync = LastSync(**json.loads(_last_sync_file(database).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    return last_sync if last_sync.url == place.url and database.is_file() else None


def _write_last_sync(database: Path, last_sync: LastSync) -> None:
    write_json(_last_sync_file(database), asdict(last_sync))


def _artifacts(copy: Path, root: Path, remote: Listing | None) -> dict[str, tuple[str, Path | None]]:
    """SHA-256 and file of every artefact that the database names, by path; no file for one that is not here."""
    stored = remote.artifacts if remote else {}
    artifacts: dict[str, tuple[str, Path | None]] = {}
    for folder in portable.artifact_folders(copy):
        artifacts |= {path: (sha256, None) for path, sha256 in stored.items() if path.startswith(f"{folder}/")}
        for file in sorted((root / folder).rglob("*")):
            if file.is_file():
                artifacts[file.relative_to(root).as_posix()] = (file_digest(file), file)
    return artifacts


def _fetch_artifacts(place: Place, listing: Listing, root: Path, progress: Progress) -> int:
    """Write every artefact that is not on this machine yet, checked by its SHA-256; how many there were."""
    for relative in map(PurePosixPath, listing.artifacts):
        if relative.parts[:1] != (portable.ARTIFACTS,) or ".." in relative.parts:
            raise RegistryError(
                f"{place.url} lists {relative}, outside of {portable.ARTIFACTS}/: the listing is damaged"
            )
    missing: dict[str, list[Path]] = {}
    for path, sha256 in sorted(listing.artifacts.items()):
        if not _has_content(root / path, sha256):
            missing.setdefault(sha256, []).append(root / path)

    def fetch(sha256: str) -> None:
        content = get_object(place, sha256)
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
