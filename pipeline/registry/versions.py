"""What a registry holds, in this project's words: stages, aliases, tags, and one registered version as a value."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Stage = Literal["None", "Staging", "Production", "Archived"]
STAGES: tuple[Stage, ...] = get_args(Stage)

CHAMPION, CHALLENGER, BASELINE = "champion", "challenger", "baseline"
"""Aliases: the version that ships, the result handed in last, and the first version ever."""

STAGE_TAG, RESULT_TAG = "stage", "result_sha256"
RESULT_FILE = "result.json"
"""Artefact that names every file of a result with its SHA-256; its own SHA-256 is the version's `RESULT_TAG`."""


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


def said(number: int | None) -> str:
    """A version's number in a sentence, or that there is none."""
    return "no version" if number is None else f"version {number}"
