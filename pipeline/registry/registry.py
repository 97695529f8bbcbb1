"""A model, a version and a reason -> the version added or moved, with the move written into its history.

`Catalogue` reads; this adds the few methods that change something. Only `register` adds versions. An alias is moved
only if it still points where the caller saw it; `pipeline.registry.store` says what happens in a race. Every move is
safe to repeat: after an interruption, the same call completes it.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pipeline.errors import RaceLostError, RegistryError
from pipeline.registry.catalogue import Catalogue
from pipeline.registry.history import Action, Move, champions
from pipeline.registry.provenance import now, whoami
from pipeline.registry.store import Store
from pipeline.registry.versions import CHAMPION, MODEL_STAGES, STAGE_TAG, ModelStage, Version, version_text

DESCRIPTION = "The obesity level of a person, from sixteen answers"


class Registry(Catalogue):
    """A model registry at a tracking URI.

    Args:
        uri: Where it is; None takes MLFLOW_TRACKING_URI, or `mlflow.db` in the working directory.
        clock: Returns the time of a move.
        who: Returns the name of the person who moves.

    Raises:
        RegistryError: The address is not one that a registry can have.
    """

    def __init__(
        self, uri: str | None = None, clock: Callable[[], datetime] = now, who: Callable[[], str] = whoami
    ) -> None:
        super().__init__(Store(uri))
        self._clock, self._who = clock, who

    @property
    def is_shared(self) -> bool:
        """Whether others use it too: all but an SQLite file, which is of this machine."""
        return self.store.database is None

    @property
    def whose(self) -> str:
        """Whose registry it is, in words and without a secret."""
        if self.store.database is None:
            return f"the registry at {urlsplit(self.store.shown_uri)._replace(query='', fragment='').geturl()}"
        database, here = self.store.database, Path.cwd()
        return f"this machine's registry ({database.relative_to(here) if database.is_relative_to(here) else database})"

    def add_version(self, name: str, run_id: str, model_id: str, tags: dict[str, str]) -> None:
        """Make what a finished run logged the next version of a model; a new name becomes a new model."""
        is_new = name not in self._aliases()
        with self.store.client() as client, self.store.mlflow():  # MLflow looks a model's id up in its global store
            if is_new:
                client.create_registered_model(name, description=DESCRIPTION)
            source = f"models:/{model_id}"
            client.create_model_version(name, source, run_id, tags, await_creation_for=0, model_id=model_id)

    def set_alias(self, name: str, alias: str, which: int | str, *, expected: int | None) -> Version:
        """Point an alias other than champion at a version.

        Args:
            name: The model.
            alias: A name; MLflow refuses `latest` and `v1`, `v2`, ...
            which: The version's number or another alias of it.
            expected: The version that the caller saw it point to; None for a new alias.

        Raises:
            RaceLostError: It points to another version now; nothing was changed.
            RegistryError: Unknown model or version, a name that MLflow refuses, or the alias champion.
        """
        if alias == CHAMPION:
            raise RegistryError("champion moves with a reason only: use `registry promote NAME VERSION Production`")
        with self.store.exclusive():
            target = self.version(name, which)
            self._move_alias(name, alias, target.number, expected)
        return self.version(name, target.number)

    def promote(self, name: str, which: int | str, stage: str, *, expected: int | None, why: str = "") -> Move | None:
        """Give a version a stage and write down who did it; Production makes it the champion.

        The previous champion becomes Archived and stays reachable by its number. Promoting the champion to Production
        again completes an interrupted promotion.

        Args:
            name: The model.
            which: The version's number or alias.
            stage: One of `MODEL_STAGES`.
            expected: The number of the champion that the caller saw; None if there was none.
            why: The reason, for the history.

        Returns:
            The move as it was written down; None if there was nothing to do.

        Raises:
            RaceLostError: Another version is champion now; nothing was changed.
            RegistryError: Unknown model, version or stage, or a lower stage for the champion.
        """
        if stage not in MODEL_STAGES:
            raise RegistryError(f"unknown stage {stage!r}: expected one of {', '.join(MODEL_STAGES)}")
        with self.store.exclusive():
            target, champion = self.version(name, which), _number(self.champion(name))
            _refuse_race(name, CHAMPION, champion, expected)
            if stage != "Production":
                return self._restage(target, champion, stage, why)
            succession = champions(self.history(name))
            if champion != target.number:
                return self._make_champion(target, champion, "promotion", why)
            if succession[-1:] == (champion,) and target.stage == "Production":
                return None
            previous = next((number for number in reversed(succession) if number != champion), None)
            return self._make_champion(target, previous, "promotion", why)

    def rollback(self, name: str, *, why: str = "", expected: int | None = None) -> Move:
        """Make the champion before the last promotion champion again.

        Args:
            name: The model.
            why: The reason, for the history.
            expected: The number of the champion that the caller saw; None accepts any.

        Raises:
            RaceLostError: Another version is champion now; nothing was changed.
            RegistryError: There is no champion, none before it, or it was moved without leaving a history.
        """
        with self.store.exclusive():
            champion, succession = _number(self.champion(name)), champions(self.history(name))
            if champion is None:
                raise RegistryError(f"{name} has no champion yet: nothing to roll back")
            if expected is not None:
                _refuse_race(name, CHAMPION, champion, expected)
            if len(succession) > 1 and champion in succession[-2:]:  # the last but one: an interrupted rollback
                return self._make_champion(self.version(name, succession[-2]), succession[-1], "rollback", why)
            if succession == (champion,):
                raise RegistryError(f"version {champion} is the first champion: there is none to go back to")
            last = version_text(succession[-1] if succession else None)
            raise RegistryError(
                f"champion is version {champion}, but the history ends at {last}: something else moved the alias. "
                f"Choose a version yourself: `registry promote {name} VERSION Production`"
            )

    def refuse(self, name: str, which: int | str, *, champion: int | None, why: str) -> Move | None:
        """Write down that the gate refused to let a version replace a champion; nothing is moved.

        Args:
            name: The model.
            which: The version's number or alias.
            champion: The number of the champion that it was compared with; None if there was none.
            why: The reasons.

        Returns:
            The refusal as it was written down; None if the history has one for the two of them.

        Raises:
            RegistryError: Unknown model or version.
        """
        with self.store.exclusive():
            target = self.version(name, which)
            known = {(move.version, move.moved_from) for move in self.history(name) if move.action == "refusal"}
            if (target.number, champion) in known:
                return None
            return self._record(target, "refusal", champion, target.number, why)

    def _restage(self, target: Version, champion: int | None, stage: ModelStage, why: str) -> Move | None:
        if champion == target.number:
            raise RegistryError(
                f"version {target.number} is the champion: roll it back, or promote another, before it is {stage}"
            )
        if target.stage == stage:
            return None
        self._set_stage(target, stage)
        return self._record(target, "stage", target.stage, stage, why)

    def _make_champion(
        self, target: Version, moved_from: int | None, action: Literal["promotion", "rollback"], why: str
    ) -> Move:
        """Move the alias first: it decides what ships, and after an interruption shows that the rest is missing."""
        if CHAMPION not in target.aliases:
            self._move_alias(target.name, CHAMPION, target.number, moved_from)
        self._set_stage(target, "Production")
        for other in self.versions(target.name):
            if other.number != target.number and (other.number == moved_from or other.stage == "Production"):
                self._set_stage(other, "Archived")
        return self._record(target, action, moved_from, target.number, why)

    def _move_alias(self, name: str, alias: str, to: int, expected: int | None) -> None:
        _refuse_race(name, alias, self._aliases_of(name).get(alias), expected)
        with self.store.client() as client:
            client.set_registered_model_alias(name, alias, str(to))
        _refuse_race(name, alias, self._aliases_of(name).get(alias), to)

    def _set_stage(self, version: Version, stage: ModelStage) -> None:
        with self.store.client() as client:
            client.set_model_version_tag(version.name, str(version.number), STAGE_TAG, stage)

    def _record(
        self, version: Version, action: Action, moved_from: int | str | None, moved_to: int | str, why: str
    ) -> Move:
        sequence = max((move.sequence for move in self.history(version.name)), default=0) + 1
        when = self._clock().isoformat(timespec="microseconds")
        move = Move(sequence, when, self._who(), why, action, version.number, moved_from, moved_to)
        with self.store.client() as client:
            client.set_model_version_tag(version.name, str(version.number), move.tag, move.as_text())
        return move


def _number(version: Version | None) -> int | None:
    return version.number if version else None


def _refuse_race(name: str, alias: str, actual: int | None, expected: int | None) -> None:
    if actual != expected:
        raise RaceLostError(
            f"{name}@{alias} points to {version_text(actual)}, expected {version_text(expected)}: somebody else "
            "moved it first. Look at `registry history` and decide again"
        )
