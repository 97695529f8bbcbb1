"""MLflow's SQLite database in one folder <-> a portable copy that names no folder.

MLflow writes the absolute address of every artefact into its database, so in another folder it finds none of them. In a
portable copy the addresses start with `HOME` instead. Copies are made by SQLite's backup, so they are consistent even
while another process writes.
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pipeline.errors import RegistryError
from pipeline.registry.versions import CHAMPION

HOME = "obesity-registry://"
"""Replaces the URI of the database's folder in a portable copy; `HOME_PATH` replaces its path."""

HOME_PATH = "obesity-registry-path:/"

ARTIFACTS = "mlartifacts"

_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
    ("model_versions", "source"),
)
_ARTIFACT_ADDRESSES = (("runs", "artifact_uri"), ("logged_models", "artifact_location"))
_WORK_TABLES = ("runs", "registered_models")


def export(database: Path, target: Path) -> None:
    """Write a portable copy of a database.

    Raises:
        RegistryError: The file is not a database of MLflow, or its artefacts lie outside of its folder.
    """
    target.unlink(missing_ok=True)
    with _connect(database) as source, _connect(target) as copy:
        source.backup(copy)
        _rewrite(copy, database.parent, None)
        for table, column in _ARTIFACT_ADDRESSES:
            outside = [address for address in _addresses(copy, table, column) if address.startswith(("file:", "/"))]
            if outside:
                raise RegistryError(
                    f"{database} has artefacts outside of {database.parent} ({outside[0]}): only a database whose "
                    f"artefacts lie in {ARTIFACTS}/ beside it can be copied. Register the result in a new one"
                )


def install(portable: Path, database: Path) -> None:
    """Replace a folder's database by a portable copy, in one transaction: a reader sees the old or the new one."""
    local = portable.with_name(f"{portable.name}.local")
    local.unlink(missing_ok=True)
    with _connect(portable) as source, _connect(local) as copy:
        source.backup(copy)
        _rewrite(copy, None, database.parent)
        # Not a rename: a process that has the old file open would go on writing into a file without a name.
        with _connect(database) as target:
            copy.backup(target)
    local.unlink()


def relocate(database: Path, old: Path, new: Path) -> None:
    """Correct the addresses in a database that was copied, with its artefacts, from one folder to another."""
    with _connect(database) as connection:
        _rewrite(connection, old, new)


def content_digest(portable: Path) -> str:
    """SHA-256 of a database's tables and rows, whatever the layout of its file."""
    sha256 = hashlib.sha256()
    with _connect(portable) as connection:
        for line in connection.iterdump():
            sha256.update(line.encode("utf-8", "surrogateescape"))
    return sha256.hexdigest()


def is_empty(portable: Path) -> bool:
    """Whether a database holds no run and no model."""
    with _connect(portable) as connection:
        tables = _tables(connection)
        return not any(
            connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone()  # noqa: S608  constant names
            for table in _WORK_TABLES
            if table in tables
        )


def champions(portable: Path) -> dict[str, int]:
    """The number of the champion of each registered model that has one."""
    with _connect(portable) as connection:
        if "registered_model_aliases" not in _tables(connection):
            return {}
        query = "SELECT name, version FROM registered_model_aliases WHERE alias = ? ORDER BY name"
        return {str(name): int(number) for name, number in connection.execute(query, (CHAMPION,))}


def entries(portable: Path) -> set[tuple[str, ...]]:
    """What must never be lost: each version with its run, and each move in its history."""
    queries = {
        "model_versions": "SELECT name, version, run_id FROM model_versions",
        "model_version_tags": "SELECT name, version, key, value FROM model_version_tags WHERE key LIKE 'history.%'",
    }
    with _connect(portable) as connection:
        tables = _tables(connection)
        rows = [row for table, query in queries.items() if table in tables for row in connection.execute(query)]
    return {tuple(map(str, row)) for row in rows}


def artifact_folders(portable: Path) -> tuple[str, ...]:
    """The artefacts' folders that a portable copy names, as sorted paths below the database's folder."""
    with _connect(portable) as connection:
        addresses = [
            address for table, column in _ARTIFACT_ADDRESSES for address in _addresses(connection, table, column)
        ]
    return tuple(sorted({address.removeprefix(f"{HOME}/") for address in addresses if address.startswith(f"{HOME}/")}))


@contextmanager
def _connect(path: Path) -> Iterator[sqlite3.Connection]:
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
    # Only active rows: the artefacts of deleted ones may be gone.
    query = f"SELECT {column} FROM {table} WHERE lifecycle_stage = 'active' AND {column} IS NOT NULL"  # noqa: S608  no value in it
    return sorted(str(address) for (address,) in connection.execute(query))


def _rewrite(connection: sqlite3.Connection, old: Path | None, new: Path | None) -> None:
    """Replace one folder by another at the start of every address; None stands for the portable copy."""
    pairs = zip(_prefixes(old), _prefixes(new), strict=True)
    tables = _tables(connection)
    with connection:
        for before, after in pairs:
            for table, column in _ADDRESSES:
                if table in tables:
                    connection.execute(
                        f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608  constant names
                        f"WHERE substr({column}, 1, ?) = ?",
                        (after, len(before) + 1, len(before), before),
                    )


def _prefixes(folder: Path | None) -> tuple[str, str]:
    """The folder as a URI and as a path; None stands for the portable copy."""
    if folder is None:
        return f"{HOME}/", f"{HOME_PATH}/"
    return f"{folder.absolute().as_uri()}/", f"{folder.absolute()}/"
