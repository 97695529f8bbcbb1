"""The names that a registry uses (stages, aliases, tags), and a registered version and model as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

ModelStage = Literal["None", "Staging", "Production", "Archived"]
MODEL_STAGES: tuple[ModelStage, ...] = get_args(ModelStage)

CHAMPION, CHALLENGER, BASELINE = "champion", "challenger", "baseline"
"""Aliases: the version that ships, the result that was registered last, and the first version of all."""

STAGE_TAG, RESULT_TAG = "stage", "result_sha256"
RESULT_FILE = "result.json"
"""The artefact that lists every file of a result with its SHA-256; its own SHA-256 is the version's `RESULT_TAG`."""


@dataclass(frozen=True)
class Version:
    """One registered version; `created` is UTC in ISO form, `tags` are all of its tags without the history."""

    name: str
    number: int
    stage: ModelStage
    aliases: tuple[str, ...]
    created: str
    run_id: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class RegisteredModel:
    """A registered name, how many versions it has, and the version number that each alias points to."""

    name: str
    versions: int
    aliases: Mapping[str, int]


def version_text(number: int | None) -> str:
    """Words for a version's number in a sentence: "version 3", or "no version" for None."""
    return "no version" if number is None else f"version {number}"
