"""The address of a tracking store in -> MLflow's client for it, quiet, raising RegistryError, one writer at a time.

MLflow is imported when first needed (it takes seconds). What a lost race means: with an SQLite store, every writer of
this project takes a file lock beside the database, so of two writers exactly one wins. An MLflow server has no
compare-and-set and no such lock: an alias is read before and again after it is moved, which catches every writer but
one that moves it between the two, a few milliseconds; and MLflow's own page can move it at any time.
"""

import logging
import os
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.errors import RegistryError
from pipeline.files import replacing
from pipeline.registry.lock import locked

DEFAULT_URI = "sqlite:///mlflow.db"

_SQLITE = "sqlite:///"
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
}
_START_ANEW = "Move it away to start a new one, or name another in MLFLOW_TRACKING_URI"
_SHOWN = 500
"""Characters of MLflow's own words that an error repeats."""


class Store:
    """MLflow's tracking store and registry at one address.

    Args:
        uri: Where it is; None takes MLFLOW_TRACKING_URI, or `mlflow.db` in the working directory.

    Raises:
        RegistryError: The address is none that a registry can have.
    """

    def __init__(self, uri: str | None = None) -> None:
        given = uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
        if urlsplit(given).scheme in {"", "file"} or given in {"sqlite://", f"{_SQLITE}:memory:"}:
            raise RegistryError(
                f"{given} cannot hold a model registry: give {DEFAULT_URI}, or a server's http(s) address, in "
                "MLFLOW_TRACKING_URI"
            )
        self.database = Path(given.removeprefix(_SQLITE)).absolute() if given.startswith(_SQLITE) else None
        self.uri = f"{_SQLITE}{self.database}" if self.database else given
        self._client: Any = None
        self._exclusive = False

    @property
    def shown_uri(self) -> str:
        """The address without a password."""
        return self.uri.replace(urlsplit(self.uri).netloc, urlsplit(self.uri).netloc.rpartition("@")[2], 1)

    @property
    def artifact_location(self) -> str | None:
        """Where artefacts of an SQLite store lie, as a URI; a server decides itself."""
        return (self.database.parent / "mlartifacts").as_uri() if self.database else None

    @property
    def missing(self) -> bool:
        """Whether there is no store yet, so that looking need not make one."""
        return self.database is not None and not self.database.exists()

    @contextmanager
    def client(self) -> Iterator[Any]:
        """MLflow's client, quiet, with all that it raises turned into RegistryError."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._client = self._client or self._connect()
            from mlflow.exceptions import MlflowException
            from sqlalchemy.exc import SQLAlchemyError

            try:
                yield self._client
            except (MlflowException, SQLAlchemyError) as error:
                raise RegistryError(
                    f"the registry at {self.shown_uri} answers: {self._words(error)}\n"
                    "Check that it is running and that MLFLOW_TRACKING_URI names it, then try again"
                ) from None

    @contextmanager
    def mlflow(self) -> Iterator[Any]:
        """The mlflow module, its global state pointed at this store; what it pointed at before is restored."""
        import mlflow

        before = os.environ.get("MLFLOW_TRACKING_URI")
        mlflow.set_tracking_uri(self.uri)
        try:
            yield mlflow
        finally:
            mlflow.set_tracking_uri(None)  # this also empties the environment variable
            if before is not None:
                os.environ["MLFLOW_TRACKING_URI"] = before

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """No other writer of this project in a local store meanwhile; a server has no such lock (see the module).

        Raises:
            RegistryError: Another command has held the lock for minutes.
        """
        if self.database is None or self._exclusive:
            yield
            return
        _make_folder(self.database.parent)
        with locked(self.database.with_name(f"{self.database.name}.lock")):
            self._exclusive = True
            try:
                yield
            finally:
                self._exclusive = False

    def _connect(self) -> Any:
        empty = self.database is not None and _is_empty(self.database)
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        import mlflow

        logging.getLogger("alembic").setLevel(logging.WARNING)
        logging.getLogger("mlflow").setLevel(logging.ERROR)
        try:
            if self.database and empty:
                self._make_tables(self.database, mlflow.MlflowClient)
            return mlflow.MlflowClient(self.uri, self.uri)
        except RegistryError:
            raise
        except Exception as error:  # noqa: BLE001  each kind of store raises its own
            mend = f"\n{_START_ANEW}" if self.database else ""
            raise RegistryError(
                f"the registry at {self.shown_uri} cannot be opened: {self._words(error)}{mend}"
            ) from None

    def _make_tables(self, database: Path, client: Callable[[str, str], object]) -> None:
        """MLflow's tables, all of them or none: what is half made, MLflow can neither use nor complete."""
        with self.exclusive():
            if _is_empty(database):  # another command may have made them while this one waited
                with replacing(database) as temporary:
                    client(f"{_SQLITE}{temporary}", f"{_SQLITE}{temporary}")

    def _words(self, error: Exception) -> str:
        return str(error).strip().replace(self.uri, self.shown_uri)[:_SHOWN]


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RegistryError(f"{folder} cannot be made for the registry: {error.strerror}") from None


def _is_empty(path: Path) -> bool:
    """Whether a database has no table yet; refuses at once what MLflow would try again for minutes."""
    _make_folder(path.parent)
    try:
        with closing(sqlite3.connect(path, timeout=15)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            table = connection.execute("SELECT name FROM sqlite_master").fetchone()
            connection.rollback()
            return table is None
    except sqlite3.Error as error:
        if "locked" in str(error):
            in_use = f"the registry {path} is in use by another command: wait for it, then try again"
            raise RegistryError(in_use) from None
        raise RegistryError(f"the registry {path} cannot be opened and written ({error}). {_START_ANEW}") from None
