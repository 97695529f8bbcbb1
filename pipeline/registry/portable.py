"""The SQLite store in one folder -> a copy that names no folder, and back in any other.

MLflow writes the absolute address of every artefact into its database, so a copied database finds nothing elsewhere.
In a portable copy the addresses start with `HOME` instead of the folder of the database. Copies are made through
SQLite's own backup, so they are whole even while somebody writes.
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pipeline.errors import RegistryError

HOME = "obesity-registry://"
"""Stands for the database's folder as a URI in a portable copy; with `HOME_PATH` for it as a path."""

HOME_PATH = "obesity-registry-path:/"

ARTIFACTS = "mlartifacts"

_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
    ("model_versions", "source"),
)
_OF_ARTIFACTS = (("runs", "artifact_uri"), ("logged_models", "artifact_location"))
_WORK = ("runs", "registered_models")


def export(database: Path, target: Path) -> None:
    """Write a portable copy of a database.

    Raises:
        RegistryError: It is no store of MLflow's, or its artefacts lie outside of its folder on this machine.
    """
    target.unlink(missing_ok=True)
    with _opened(database) as source, _opened(target) as copy:
        source.backup(copy)
        _rewrite(copy, database.parent, None)
        for table, column in _OF_ARTIFACTS:
            strange = [address for address in _addresses(copy, table, column) if address.startswith(("file:", "/"))]
            if strange:
                raise RegistryError(
                    f"{database} has artefacts outside of {database.parent} ({strange[0]}): only a store whose "
                    f"artefacts lie in {ARTIFACTS}/ beside it can be carried elsewhere"
                )


def install(portable: Path, database: Path) -> None:
    """Make a portable copy the database of a folder, in one transaction: a reader sees the old one or the new one."""
    local = portable.with_name(f"{portable.name}.local")
    local.unlink(missing_ok=True)
    with _opened(portable) as source, _opened(local) as copy:
        source.backup(copy)
        _rewrite(copy, None, database.parent)
        # Not a rename: who has the database open would go on writing into a file that nobody sees any more.
        with _opened(database) as target:
            copy.backup(target)
    local.unlink()


def relocate(database: Path, old: Path, new: Path) -> None:
    """Mend the addresses of a database that was copied, with its artefacts, from one folder to another."""
    with _opened(database) as connection:
        _rewrite(connection, old, new)


def content(portable: Path) -> str:
    """SHA-256 of what a database says: of its rows and tables, not of how its file is laid out."""
    found = hashlib.sha256()
    with _opened(portable) as connection:
        for line in connection.iterdump():
            found.update(line.encode("utf-8", "surrogateescape"))
    return found.hexdigest()


def is_empty(portable: Path) -> bool:
    """Whether nothing was ever recorded in a database."""
    with _opened(portable) as connection:
        known = _tables(connection)
        return not any(
            connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone()  # noqa: S608  names of our own
            for table in _WORK
            if table in known
        )


def folders(portable: Path) -> tuple[str, ...]:
    """The folders of artefacts that a portable copy names, from its own folder."""
    with _opened(portable) as connection:
        found = [address for place in _OF_ARTIFACTS for address in _addresses(connection, *place)]
    return tuple(sorted({address.removeprefix(f"{HOME}/") for address in found if address.startswith(f"{HOME}/")}))


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(path, timeout=30)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise RegistryError(f"the registry {path} cannot be read or written ({error})") from None


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _addresses(connection: sqlite3.Connection, table: str, column: str) -> list[str]:
    if table not in _tables(connection):
        return []
    # Not what was deleted: its artefacts may be gone.
    query = f"SELECT {column} FROM {table} WHERE lifecycle_stage = 'active' AND {column} IS NOT NULL"  # noqa: S608
    return sorted(str(address) for (address,) in connection.execute(query))


def _rewrite(connection: sqlite3.Connection, old: Path | None, new: Path | None) -> None:
    """Let every address below one folder lie below another; None is the portable one."""
    pairs = zip(_prefixes(old), _prefixes(new), strict=True)
    known = _tables(connection)
    with connection:
        for before, after in pairs:
            for table, column in _ADDRESSES:
                if table in known:
                    connection.execute(
                        f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608  names of our own
                        f"WHERE substr({column}, 1, ?) = ?",
                        (after, len(before) + 1, len(before), before),
                    )


def _prefixes(folder: Path | None) -> tuple[str, str]:
    if folder is None:
        return f"{HOME}/", f"{HOME_PATH}/"
    return f"{folder.absolute().as_uri()}/", f"{folder.absolute()}/"
