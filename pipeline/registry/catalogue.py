"""A store -> what is registered in it: models, versions, figures, files and history. Reads only.

An unknown name is answered with what there is. Looking at a store that is not there makes none.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.errors import RegistryError
from pipeline.registry import history
from pipeline.registry.fetch import listing, read, write
from pipeline.registry.history import Move
from pipeline.registry.store import Store
from pipeline.registry.versions import CHAMPION, MODEL_STAGES, RESULT_TAG, STAGE_TAG, RegisteredModel, Version


class Catalogue:
    """What a store holds.

    Args:
        store: The store to read.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._listings = dict[str, dict[str, Any]]()
        self._files = dict[str, dict[str, bytes]]()

    def models(self) -> tuple[RegisteredModel, ...]:
        """Everything registered, by name."""
        return tuple(
            RegisteredModel(name, len(self.versions(name)), aliases) for name, aliases in self._aliases().items()
        )

    def versions(self, name: str) -> tuple[Version, ...]:
        """All versions of a model, the oldest first.

        Raises:
            RegistryError: There is no such model.
        """
        return self._versions(name, self._aliases_of(name))

    def version(self, name: str, which: int | str) -> Version:
        """The version with a number or an alias.

        Raises:
            RegistryError: There is no such model, version or alias; the text says what there is.
        """
        known = {version.number: version for version in self.versions(name)}
        aliases = {alias: version.number for version in known.values() for alias in version.aliases}
        number = int(which) if str(which).isdecimal() else aliases.get(str(which).removeprefix("@"))
        if number not in known:
            have = ", ".join(map(str, known)) or "none"
            names = ", ".join(f"{alias} -> {to}" for alias, to in sorted(aliases.items())) or "none"
            raise RegistryError(f"{name} has no version or alias {which!r}: versions: {have}; aliases: {names}")
        return known[number]

    def champion(self, name: str) -> Version | None:
        """The version that ships; None if there is none yet."""
        return next((version for version in self._any(name) if CHAMPION in version.aliases), None)

    def find(self, name: str, result_sha256: str) -> Version | None:
        """The version that holds a result; None if it is not registered."""
        return next((version for version in self._any(name) if version.tags.get(RESULT_TAG) == result_sha256), None)

    def run_ids(self, name: str) -> frozenset[str]:
        """The runs that became versions of a model; empty if there is no such model."""
        return frozenset(version.run_id for version in self._any(name))

    def params(self, version: Version) -> dict[str, str]:
        """Every parameter that a version was made with, by its dotted name."""
        with self.store.client() as client:
            return dict(client.get_run(version.run_id).data.params)

    def metrics(self, version: Version) -> dict[str, float]:
        """Every figure that was measured of a version, by its dotted name."""
        with self.store.client() as client:
            return dict(client.get_run(version.run_id).data.metrics)

    def record_ids(self, version: Version) -> frozenset[str] | None:
        """`pipeline.model.result.record_ids` of what a version was judged on; None for one that kept none.

        Raises:
            RegistryError: The version's listing is missing or damaged.
        """
        kept = self._listing(version).get("records")
        return None if kept is None else frozenset(kept)

    def history(self, name: str) -> tuple[Move, ...]:
        """Every promotion, rollback, change of stage and refusal, the first one first.

        Raises:
            RegistryError: There is no such model.
        """
        self._aliases_of(name)
        return history.moves(entry.tags for entry in self._entries(name))

    def fetch(self, name: str, which: int | str, folder: Path) -> Version:
        """Write a version's graphs and reports below a folder, laid out as `Layout`, each checked by its SHA-256.

        Raises:
            RegistryError: Unknown model or version, or an artefact is missing or not what was registered; then
                nothing is written.
        """
        version = self.version(name, which)
        write(self.files(version, folder), folder)
        return version

    def files(self, version: Version, folder: Path) -> dict[str, bytes]:
        """The bytes of a version's graphs and reports by their path, from `folder` where an earlier `fetch` left them.

        They are read once: a result is known by its SHA-256.

        Raises:
            RegistryError: An artefact is missing or not what was registered.
        """
        key = version.tags.get(RESULT_TAG, "")
        if key not in self._files:
            self._files[key] = read(self.store, version, self._listing(version)["files"], folder)
        return self._files[key]

    def _listing(self, version: Version) -> dict[str, Any]:
        """A version's listing, read once as well."""
        key = version.tags.get(RESULT_TAG, "")
        if key not in self._listings:
            self._listings[key] = listing(self.store, version)
        return self._listings[key]

    def _aliases(self) -> dict[str, dict[str, int]]:
        """Each model's aliases, by name."""
        if self.store.missing:
            return {}
        with self.store.client() as client:
            models = sorted(_all_pages(client.search_registered_models), key=lambda model: str(model.name))
            return {
                model.name: {str(alias): int(number) for alias, number in sorted(model.aliases.items())}
                for model in models
            }

    def _aliases_of(self, name: str) -> dict[str, int]:
        known = self._aliases()
        if name not in known:
            have = ", ".join(known) or "none yet: `make run` registers the first one"
            raise RegistryError(f"no model {name!r} in {self.store.shown_uri}: models: {have}")
        return known[name]

    def _any(self, name: str) -> tuple[Version, ...]:
        """All versions of a model, the oldest first; none if there is no such model."""
        aliases = self._aliases().get(name)
        return () if aliases is None else self._versions(name, aliases)

    def _versions(self, name: str, aliases: Mapping[str, int]) -> tuple[Version, ...]:
        return tuple(_version(entry, aliases) for entry in self._entries(name))

    def _entries(self, name: str) -> list[Any]:
        """MLflow's own versions of a model that exists, the oldest first."""
        with self.store.client() as client:

            def search(page_token: str | None) -> Any:
                return client.search_model_versions(f"name='{name}'", page_token=page_token)

            return sorted(_all_pages(search), key=lambda version: int(version.version))


def _all_pages(search: Callable[..., Any]) -> Iterator[Any]:
    token = None
    while True:
        page = search(page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _version(entry: Any, aliases: Mapping[str, int]) -> Version:
    number, stage = int(entry.version), entry.tags.get(STAGE_TAG)
    return Version(
        name=entry.name,
        number=number,
        stage=stage if stage in MODEL_STAGES else "None",
        aliases=tuple(sorted(alias for alias, to in aliases.items() if to == number)),
        created=datetime.fromtimestamp(entry.creation_timestamp / 1000, UTC).isoformat(timespec="seconds"),
        run_id=entry.run_id or "",
        tags={key: value for key, value in sorted(entry.tags.items()) if not history.is_move(key)},
    )
