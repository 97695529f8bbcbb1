"""A place -> the state of a registry that is kept there, its listing, and its objects, each checked by its SHA-256.

Artefacts, the portable database and the listing that names them all are stored under their own SHA-256 and never
written twice. One small object, the state, names the listing; it is written last, and replaced only if it is still the
one that was read.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from pipeline.errors import RaceLostError, RegistryError
from pipeline.files import digest
from pipeline.registry.place import Place

STATE = "state.json"
FORMAT = 1


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

    @property
    def objects(self) -> frozenset[str]:
        """The SHA-256 of every object that it names."""
        return frozenset((*self.artifacts.values(), self.database))

    @property
    def text(self) -> bytes:
        """What is stored."""
        return _json(asdict(self))


@dataclass(frozen=True)
class RemoteState:
    """The state that is kept: how many pushes there were, the SHA-256 of the listing, and the state's own ETag."""

    sequence: int
    listing: str
    etag: str


def read_state(place: Place) -> RemoteState | None:
    """The state that is kept in a place; None if nothing was ever pushed there.

    Raises:
        RegistryError: The place cannot be read, or holds something else.
    """
    stored = place.get(STATE)
    if stored is None:
        return None
    text, etag = stored
    try:
        value = json.loads(text)
        if value.pop("format") != FORMAT:
            raise RegistryError(f"{place.url}/{STATE} was written by a newer version of this project: update it")
        return RemoteState(**value, etag=etag)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise RegistryError(
            f"{place.url}/{STATE} is not the state of a registry: restore an older version of this object, or name "
            "another place"
        ) from None


def write_state(place: Place, listing: Listing, replaces: RemoteState | None) -> RemoteState:
    """Replace the state in a place by one that names a listing, whose objects were put there.

    Raises:
        RaceLostError: It is no longer the state that was read; nothing was changed.
        RegistryError: The place cannot be written.
    """
    sequence, sha256 = replaces.sequence + 1 if replaces else 1, digest(listing.text)
    put_object(place, listing.text)
    text = _json({"format": FORMAT, "sequence": sequence, "listing": sha256})
    needs = [_key(name) for name in sorted({*listing.objects, sha256})]
    if etag := place.put(STATE, text, replaces.etag if replaces else None, needs):
        return RemoteState(sequence, sha256, etag)
    state = read_state(place)  # if the answer to the first try was lost, the retry finds its own state
    if state and (state.sequence, state.listing) == (sequence, sha256):
        return state
    raise race_lost(place)


def race_lost(place: Place) -> RaceLostError:
    """The error of a push that another one preceded."""
    return RaceLostError(
        f"somebody pushed to {place.url} since this registry was pulled: nothing was changed there. Run "
        f"`pipeline registry pull --discard {place.url}`, then `pipeline register` and `pipeline gate` again (the "
        "model is still on this machine, and is never registered twice), then push"
    )


def read_listing(place: Place, state: RemoteState) -> Listing:
    """The listing that a state names.

    Raises:
        RegistryError: It is missing or damaged.
    """
    return Listing(**json.loads(get_object(place, state.listing)))


def get_object(place: Place, sha256: str) -> bytes:
    """The bytes of an object that is stored under its own SHA-256, checked against it.

    Raises:
        RegistryError: It is missing or damaged.
    """
    stored = place.get(_key(sha256))
    if stored is None or digest(stored[0]) != sha256:
        fault = "is missing" if stored is None else "is damaged"
        raise RegistryError(f"{place.url}/{_key(sha256)} {fault}: restore an older version of this object")
    return stored[0]


def put_object(place: Place, body: bytes) -> None:
    """Store an object under its own SHA-256; what is there already is left."""
    place.put(_key(digest(body)), body, None)


def _key(sha256: str) -> str:
    return f"pieces/{sha256[:2]}/{sha256}"


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, sort_keys=True, indent=1).encode()
