"""The door to the model registry: names, versions and aliases in -> what is registered, and what was moved, out.

Everything that reads or moves a registered model goes through `Registry`; only `register` adds versions to it. MLflow
is imported when first needed (it takes seconds), its chatter is silenced, and whatever it raises becomes a
`RegistryError` that says what exists and what to do.

What a lost race means: an alias is moved only from the version the caller saw. With an SQLite store, every writer of
this project takes a file lock beside the database, so of two writers exactly one wins. An MLflow server has no
compare-and-set: the alias is read before and read back after, which catches every writer but one that moves it
between our own reading and writing, a few milliseconds; and MLflow's own page can move it at any time.
"""

import fcntl
import getpass
import json
import logging
import os
import sqlite3
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from pipeline.errors import RaceLostError, RegistryError
from pipeline.files import digest, write_bytes

Stage = Literal["None", "Staging", "Production", "Archived"]
STAGES: tuple[Stage, ...] = get_args(Stage)

CHAMPION, CHALLENGER, BASELINE = "champion", "challenger", "baseline"
"""Aliases: the version that ships, the result handed in last, and the first version ever."""

STAGE_TAG, RESULT_TAG = "stage", "result_sha256"
RESULT_FILE = "result.json"
"""Artefact that names every file of a result with its SHA-256; its own SHA-256 is the version's `RESULT_TAG`."""

DEFAULT_URI = "sqlite:///mlflow.db"
LOWER_IS_BETTER = frozenset({"ece", "brier", "log_loss"})

_SQLITE = "sqlite:///"
_MOVE_TAG = "history."
_LOCK_SECONDS = 300.0  # a registration holds the lock while it fits and logs
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
}


@dataclass(frozen=True)
class Version:
    """One registered version; `created` is UTC in ISO form, `tags` are all of its tags but the history."""

    name: str
    number: int
    stage: Stage
    aliases: tuple[str, ...]
    created: str
    run_id: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class RegisteredModel:
    """A name in the registry with the number of its versions and where its aliases point."""

    name: str
    versions: int
    aliases: Mapping[str, int]


@dataclass(frozen=True)
class Move:
    """Who moved what, when (UTC, ISO) and why.

    For a promotion or rollback `moved_from` and `moved_to` are champions' version numbers, `moved_from` None when
    there was no champion; for a change of stage they are the stages.
    """

    sequence: int
    when: str
    who: str
    why: str
    action: Literal["promotion", "rollback", "stage"]
    version: int
    moved_from: int | str | None
    moved_to: int | str

    def as_json(self) -> dict[str, object]:
        """Plain values, with the names `from` and `to`."""
        names = {"moved_from": "from", "moved_to": "to"}
        return {names.get(key, key): value for key, value in vars(self).items()}

    @classmethod
    def parse(cls, text: str) -> "Move":
        """The move that `as_json` described."""
        names = {"from": "moved_from", "to": "moved_to"}
        return cls(**{names.get(key, key): value for key, value in json.loads(text).items()})


@dataclass(frozen=True)
class Difference:
    """A parameter or metric that two versions do not share; None where a version lacks it."""

    kind: Literal["param", "metric"]
    name: str
    a: str | float | None
    b: str | float | None


@dataclass(frozen=True)
class Best:
    """The version with the best value of a metric; of equals the oldest."""

    name: str
    version: int
    metric: str
    value: float
    higher_is_better: bool


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)


def git(*arguments: str) -> str:
    """What a git command prints about this code, stripped; empty where there is no git or no repository."""
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)  # noqa: S603  no shell
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def whoami() -> str:
    """Who acts: GitHub's actor, git's user, or the login."""
    try:
        return os.environ.get("GITHUB_ACTOR") or git("config", "user.name") or getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        return f"uid {os.getuid()}"


def champions(moves: tuple[Move, ...]) -> tuple[int, ...]:
    """The champions that stand on each other, the present one last; a rollback takes the last away."""
    line: list[int] = []
    for move in moves:
        if move.action == "promotion":
            if move.moved_from is not None and move.moved_from not in line[-1:]:
                line.append(int(move.moved_from))
            line.append(int(move.moved_to))
        elif move.action == "rollback":
            line = line[:-1]
    return tuple(line)


class Registry:
    """A model registry at a tracking URI.

    Args:
        uri: Where it is; None takes MLFLOW_TRACKING_URI, or `mlflow.db` in the working directory.
        clock: Tells the moment of a move.
        who: Tells who moves.

    Raises:
        RegistryError: The address is none that a registry can have.
    """

    def __init__(
        self, uri: str | None = None, clock: Callable[[], datetime] = now, who: Callable[[], str] = whoami
    ) -> None:
        given = uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
        scheme = urlsplit(given).scheme
        if scheme in {"", "file"} or given in {"sqlite://", f"{_SQLITE}:memory:"}:
            raise RegistryError(
                f"{given} cannot hold a model registry: give {DEFAULT_URI}, or a server's http(s) address, in "
                "MLFLOW_TRACKING_URI"
            )
        self.database = Path(given.removeprefix(_SQLITE)).absolute() if given.startswith(_SQLITE) else None
        self.uri = f"{_SQLITE}{self.database}" if self.database else given
        self._clock, self._who = clock, who
        self._client: Any = None
        self._held = False

    @property
    def shown_uri(self) -> str:
        """The address without a password."""
        return self.uri.replace(urlsplit(self.uri).netloc, urlsplit(self.uri).netloc.rpartition("@")[2], 1)

    @property
    def artifact_location(self) -> str | None:
        """Where artefacts of an SQLite store lie, as a URI; a server decides itself."""
        return (self.database.parent / "mlartifacts").as_uri() if self.database else None

    @contextmanager
    def talking(self) -> Iterator[Any]:
        """MLflow's client, quiet, with all that it raises turned into RegistryError."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if self._client is None:
                self._client = self._connect()
            from mlflow.exceptions import MlflowException  # noqa: PLC0415  takes seconds
            from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

            try:
                yield self._client
            except (MlflowException, SQLAlchemyError) as error:
                text = str(error).strip().replace(self.uri, self.shown_uri)
                raise RegistryError(
                    f"the registry at {self.shown_uri} answers: {text[:500]}\n"
                    "Check that it is running and that MLFLOW_TRACKING_URI names it, then try again"
                ) from None

    def _connect(self) -> Any:  # noqa: ANN401  mlflow has no types
        new = self.database is not None and not _has_schema(self.database)
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        import mlflow  # noqa: PLC0415  takes seconds, so only a command that needs it pays

        logging.getLogger("alembic").setLevel(logging.WARNING)
        logging.getLogger("mlflow").setLevel(logging.ERROR)
        try:
            with self.alone() if new else nullcontext():  # two commands must not both make the tables
                return mlflow.MlflowClient(self.uri, self.uri)
        except RegistryError:
            raise
        except Exception as error:  # noqa: BLE001  each kind of store raises its own
            text = str(error).strip().replace(self.uri, self.shown_uri)
            raise RegistryError(f"the registry at {self.shown_uri} cannot be opened: {text[:500]}") from None

    @contextmanager
    def fluent(self) -> Iterator[Any]:
        """The mlflow module, its global state pointed at this registry; what it pointed at before is restored."""
        import mlflow  # noqa: PLC0415  takes seconds

        before = os.environ.get("MLFLOW_TRACKING_URI")
        mlflow.set_tracking_uri(self.uri)
        try:
            yield mlflow
        finally:
            mlflow.set_tracking_uri(None)  # this also empties the environment variable
            if before is not None:
                os.environ["MLFLOW_TRACKING_URI"] = before

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other writer of this project in a local store meanwhile; a server has no such lock (see the module).

        Raises:
            RegistryError: Somebody else has held the lock for minutes.
        """
        if self.database is None or self._held:
            yield
            return
        _make_folder(self.database.parent)
        path = self.database.with_name(f"{self.database.name}.lock")
        with path.open("w") as lock:
            _take(lock.fileno(), path)
            self._held = True
            try:
                yield
            finally:
                self._held = False

    def models(self) -> tuple[RegisteredModel, ...]:
        """Everything registered, by name."""
        return tuple(
            RegisteredModel(name, len(self.versions(name)), aliases) for name, aliases in self._registered().items()
        )

    def versions(self, name: str) -> tuple[Version, ...]:
        """All versions of a model, the oldest first.

        Raises:
            RegistryError: There is no such model.
        """
        with self._model(name) as (client, aliases):
            return tuple(_version(found, aliases) for found in self._versions(client, name))

    def version(self, name: str, which: int | str) -> Version:
        """The version with a number or an alias.

        Raises:
            RegistryError: There is no such model, version or alias; the text says what there is.
        """
        with self._model(name) as (client, aliases):
            known = {found.number: found for found in (_version(v, aliases) for v in self._versions(client, name))}
        number = int(which) if str(which).isdecimal() else aliases.get(str(which).removeprefix("@"))
        if number not in known:
            have = ", ".join(map(str, known)) or "none"
            names = ", ".join(f"{alias} -> {to}" for alias, to in sorted(aliases.items())) or "none"
            raise RegistryError(f"{name} has no version or alias {which!r}: versions: {have}; aliases: {names}")
        return known[number]

    def champion(self, name: str) -> Version | None:
        """The version that ships; None if there is none yet."""
        return self._aliased(name, CHAMPION)

    def find(self, name: str, result_sha256: str) -> Version | None:
        """The version that holds a result; None if it is not registered."""
        if name not in self._registered():
            return None
        return next((v for v in self.versions(name) if v.tags.get(RESULT_TAG) == result_sha256), None)

    def run_ids(self, name: str) -> frozenset[str]:
        """The runs that became versions of a model; empty if there is no such model."""
        return (
            frozenset(version.run_id for version in self.versions(name)) if name in self._registered() else frozenset()
        )

    def name_model(self, name: str) -> None:
        """Make sure that the registry has a model of this name."""
        if name not in self._registered():
            with self.talking() as client:
                client.create_registered_model(name, description="The obesity level of a person, from sixteen answers")

    def metrics(self, version: Version) -> dict[str, float]:
        """Every figure that was measured of a version, by its dotted name."""
        with self.talking() as client:
            return dict(client.get_run(version.run_id).data.metrics)

    def compare(self, name: str, a: int | str, b: int | str) -> tuple[Difference, ...]:
        """Parameters, then metrics, that differ between two versions, by name."""
        first, second = self.version(name, a), self.version(name, b)
        with self.talking() as client:
            left, right = client.get_run(first.run_id).data, client.get_run(second.run_id).data
        params = _differences("param", left.params, right.params)
        return params + _differences("metric", left.metrics, right.metrics)

    def best(self, name: str, metric: str, higher_is_better: bool | None = None) -> Best:  # noqa: FBT001  read by name
        """The version with the best value of a metric.

        Args:
            name: The model.
            metric: A dotted name, such as `holdout.accuracy`.
            higher_is_better: None decides by the name: calibration error, Brier score and log loss are best low.

        Raises:
            RegistryError: No version has such a metric; the text names similar ones.
        """
        if higher_is_better is None:
            higher_is_better = metric.rpartition(".")[2] not in LOWER_IS_BETTER
        figures = {version.number: self.metrics(version) for version in self.versions(name)}
        having = {number: values[metric] for number, values in figures.items() if metric in values}
        if not having:
            last = metric.rpartition(".")[2]
            known = sorted({key for values in figures.values() for key in values})
            near = [key for key in known if last in key and "_low" not in key and "_high" not in key] or known
            raise RegistryError(f"no version of {name} has the metric {metric!r}: try {', '.join(near[:12]) or 'none'}")
        sign = 1 if higher_is_better else -1
        number = max(having, key=lambda candidate: (sign * having[candidate], -candidate))
        return Best(name, number, metric, having[number], higher_is_better)

    def history(self, name: str) -> tuple[Move, ...]:
        """Every promotion, rollback and change of stage, the first one first."""
        with self._model(name) as (client, _):
            tags = [item for found in self._versions(client, name) for item in found.tags.items()]
        moves = [Move.parse(value) for key, value in tags if key.startswith(_MOVE_TAG)]
        return tuple(sorted(moves, key=lambda move: (move.sequence, move.when)))

    def set_alias(self, name: str, alias: str, which: int | str, *, expected: int | None) -> Version:
        """Point an alias other than champion at a version.

        Args:
            name: The model.
            alias: A name; MLflow refuses `latest` and `v1`, `v2`, ...
            which: The version's number or another alias of it.
            expected: The version it points to now as far as the caller knows; None if it is new.

        Raises:
            RaceLostError: It points elsewhere by now; nothing was changed.
            RegistryError: Unknown model or version, a name that MLflow refuses, or the alias champion.
        """
        if alias == CHAMPION:
            raise RegistryError("champion moves with a reason only: use `registry promote NAME VERSION Production`")
        with self.alone():
            target = self.version(name, which)
            self._move_alias(name, alias, target.number, expected)
        return self.version(name, target.number)

    def promote(self, name: str, which: int | str, stage: str, *, expected: int | None, why: str = "") -> Move | None:
        """Give a version a stage and write down who did it; Production makes it the champion.

        The champion before becomes Archived and stays reachable by number. Promoting the champion to Production again
        completes what an interrupted promotion left undone.

        Args:
            name: The model.
            which: The version's number or alias.
            stage: One of `STAGES`.
            expected: The champion's number as far as the caller knows; None if there is none.
            why: The reason, for the history.

        Returns:
            What was written down; None if there was nothing to do.

        Raises:
            RaceLostError: Another version is champion by now; nothing was changed.
            RegistryError: Unknown model, version or stage, or the champion was to be given a lower stage.
        """
        if stage not in STAGES:
            raise RegistryError(f"unknown stage {stage!r}: expected one of {', '.join(STAGES)}")
        with self.alone():
            target, champion = self.version(name, which), self.champion(name)
            _refuse_race(name, CHAMPION, champion.number if champion else None, expected)
            if stage == "Production":
                return self._crown(target, champion, "promotion", why)
            if champion and champion.number == target.number:
                raise RegistryError(
                    f"version {target.number} is the champion: roll it back, or promote another, before it is {stage}"
                )
            if target.stage == stage:
                return None
            self._set_stage(target, stage)
            return self._record(target, "stage", target.stage, stage, why)

    def rollback(self, name: str, *, why: str = "", expected: int | None = None) -> Move:
        """Make the champion before the last promotion champion again.

        Args:
            name: The model.
            why: The reason, for the history.
            expected: The champion's number as far as the caller knows; None takes whatever it is.

        Raises:
            RaceLostError: Another version is champion by now; nothing was changed.
            RegistryError: There is no champion, none before it, or it was moved by something that left no history.
        """
        with self.alone():
            champion, line = self.champion(name), champions(self.history(name))
            if champion is None:
                raise RegistryError(f"{name} has no champion yet: nothing to roll back")
            if expected is not None:
                _refuse_race(name, CHAMPION, champion.number, expected)
            if line[-1:] != (champion.number,):
                raise RegistryError(
                    f"champion is version {champion.number}, but the history ends at "
                    f"{_said(line[-1] if line else None)}: it was moved from outside. Choose one yourself: "
                    f"`registry promote {name} VERSION Production`"
                )
            if len(line) == 1:
                raise RegistryError(f"version {champion.number} is the first champion: there is none to go back to")
            move = self._crown(self.version(name, line[-2]), champion, "rollback", why)
        assert move is not None  # noqa: S101  two different versions; mypy cannot know
        return move

    def fetch(self, name: str, which: int | str, folder: Path) -> Version:
        """Write a version's graphs and reports below a folder, laid out as `Layout`, each checked by its SHA-256.

        Raises:
            RegistryError: Unknown model or version, or an artefact is missing or not what was registered; then
                nothing is written.
        """
        version = self.version(name, which)
        with tempfile.TemporaryDirectory() as temporary, self.talking() as client:

            def artefact(path: str, sha256: str) -> bytes:
                where = f"{path} of {name} version {version.number}, in {self.shown_uri},"
                try:
                    content = Path(client.download_artifacts(version.run_id, path, temporary)).read_bytes()
                except Exception as error:  # noqa: BLE001  each kind of artefact store raises its own
                    raise RegistryError(f"{where} cannot be had: {str(error).strip()[:300]}") from None
                if digest(content) != sha256:
                    raise RegistryError(
                        f"{where} has SHA-256 {digest(content)}, expected {sha256}: it is damaged. Restore the "
                        "store's artefacts, or register the result again in a new store"
                    )
                return content

            listed = json.loads(artefact(RESULT_FILE, version.tags.get(RESULT_TAG, "")))["files"]
            for path in map(PurePosixPath, listed):
                if path.is_absolute() or ".." in path.parts:
                    raise RegistryError(f"{name} version {version.number} lists {path}, outside its own folder")
            contents = {path: artefact(path, sha256) for path, sha256 in listed.items()}
        for path, content in contents.items():
            write_bytes(folder / path, content)
        return version

    def _registered(self) -> dict[str, dict[str, int]]:
        """Each model's aliases, by name."""
        if self.database and not self.database.exists():
            return {}  # looking does not make a store
        with self.talking() as client:
            return {
                model.name: _aliases(model)
                for model in sorted(_all_pages(client.search_registered_models), key=lambda found: str(found.name))
            }

    @contextmanager
    def _model(self, name: str) -> Iterator[tuple[Any, dict[str, int]]]:
        known = self._registered()
        if name not in known:
            have = ", ".join(known) or "none yet: `make run` registers the first one"
            raise RegistryError(f"no model {name!r} in {self.shown_uri}: models: {have}")
        with self.talking() as client:
            yield client, known[name]

    @staticmethod
    def _versions(client: Any, name: str) -> list[Any]:  # noqa: ANN401
        found = _all_pages(
            lambda page_token=None: client.search_model_versions(f"name='{name}'", page_token=page_token)
        )
        return sorted(found, key=lambda version: int(version.version))

    def _aliased(self, name: str, alias: str) -> Version | None:
        number = self._registered().get(name, {}).get(alias)
        return None if number is None else self.version(name, number)

    def _move_alias(self, name: str, alias: str, to: int, expected: int | None) -> None:
        def pointed() -> int | None:
            with self.talking() as client:
                return _aliases(client.get_registered_model(name)).get(alias)

        _refuse_race(name, alias, pointed(), expected)
        with self.talking() as client:
            client.set_registered_model_alias(name, alias, str(to))
        _refuse_race(name, alias, pointed(), to)

    def _crown(
        self, target: Version, champion: Version | None, action: Literal["promotion", "rollback"], why: str
    ) -> Move | None:
        """Alias first: it is what decides. What is killed after it is completed by promoting the same version again."""
        before = champions(self.history(target.name))
        moved_from: int | None = champion.number if champion else None
        if champion and champion.number == target.number:
            if before[-1:] == (target.number,) and target.stage == "Production":
                return None
            moved_from = next((number for number in reversed(before) if number != target.number), None)
        else:
            self._move_alias(target.name, CHAMPION, target.number, moved_from)
        self._set_stage(target, "Production")
        if moved_from is not None:
            self._set_stage(self.version(target.name, moved_from), "Archived")
        return self._record(target, action, moved_from, target.number, why)

    def _set_stage(self, version: Version, stage: str) -> None:
        with self.talking() as client:
            client.set_model_version_tag(version.name, str(version.number), STAGE_TAG, stage)

    def _record(
        self,
        version: Version,
        action: Literal["promotion", "rollback", "stage"],
        moved_from: int | str | None,
        moved_to: int | str,
        why: str,
    ) -> Move:
        sequence = max((move.sequence for move in self.history(version.name)), default=0) + 1
        when = self._clock().isoformat(timespec="microseconds")
        move = Move(sequence, when, self._who(), why, action, version.number, moved_from, moved_to)
        key = f"{_MOVE_TAG}{sequence:06d}.{when.replace('+', ' ')}"
        with self.talking() as client:
            text = json.dumps(move.as_json(), ensure_ascii=False)
            client.set_model_version_tag(version.name, str(version.number), key, text)
        return move


def _all_pages(search: Callable[..., Any]) -> list[Any]:
    found, token = [], None
    while True:
        page = search(page_token=token)
        found += list(page)
        token = page.token
        if not token:
            return found


def _differences(
    kind: Literal["param", "metric"], a: Mapping[str, Any], b: Mapping[str, Any]
) -> tuple[Difference, ...]:
    names = sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))
    return tuple(Difference(kind, name, a.get(name), b.get(name)) for name in names)


def _aliases(model: Any) -> dict[str, int]:  # noqa: ANN401
    return {str(alias): int(number) for alias, number in sorted(model.aliases.items())}


def _version(found: Any, aliases: Mapping[str, int]) -> Version:  # noqa: ANN401
    number = int(found.version)
    stage = found.tags.get(STAGE_TAG)
    return Version(
        name=found.name,
        number=number,
        stage=stage if stage in STAGES else "None",
        aliases=tuple(sorted(alias for alias, to in aliases.items() if to == number)),
        created=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC).isoformat(timespec="seconds"),
        run_id=found.run_id or "",
        tags={key: value for key, value in sorted(found.tags.items()) if not key.startswith(_MOVE_TAG)},
    )


def _refuse_race(name: str, alias: str, found: int | None, expected: int | None) -> None:
    if found != expected:
        raise RaceLostError(
            f"{name}@{alias} points to {_said(found)}, expected {_said(expected)}: somebody else moved it first. "
            "Look at `registry history` and decide again"
        )


def _said(number: int | None) -> str:
    return "no version" if number is None else f"version {number}"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RegistryError(f"{folder} cannot be made for the registry: {error.strerror}") from None


def _has_schema(path: Path) -> bool:
    """Whether MLflow's tables are complete; refuses at once what MLflow would try again for minutes."""
    _make_folder(path.parent)
    try:
        with closing(sqlite3.connect(path, timeout=15)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            named = connection.execute("SELECT name FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
            stamped = named and connection.execute("SELECT version_num FROM alembic_version").fetchone()
            connection.rollback()
            return bool(stamped)
    except sqlite3.Error as error:
        raise RegistryError(
            f"the registry {path} cannot be opened and written ({error}): move it away to start a new one, or name "
            "another in MLFLOW_TRACKING_URI"
        ) from None


def _take(lock: int, path: Path) -> None:
    end = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > end:
                raise RegistryError(f"another command has been writing to the registry for minutes ({path})") from None
            time.sleep(0.05)
        else:
            return
