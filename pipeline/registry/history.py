"""Moves of a model's versions <-> tags on the versions: who moved what, when, why, from where to where.

Each move is one tag, written once and never changed, so writers cannot overwrite each other's moves. The succession of
champions is not stored: it is computed from the moves, so the two cannot disagree.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Action = Literal["promotion", "rollback", "stage", "refusal"]

_TAG = "history."
_JSON_NAMES = {"moved_from": "from", "moved_to": "to"}  # `from` is a keyword of Python


@dataclass(frozen=True)
class Move:
    """Who moved what, when (UTC, ISO form) and why.

    For a promotion or rollback, `moved_from` and `moved_to` are version numbers of champions, and `moved_from` is None
    where there was no champion. A refusal is a promotion that the gate refused: nothing moved. For a change of stage
    they are the stages.
    """

    sequence: int
    when: str
    who: str
    why: str
    action: Action
    version: int
    moved_from: int | str | None
    moved_to: int | str

    def as_json(self) -> dict[str, object]:
        """Plain values, with the keys `from` and `to`."""
        return {_JSON_NAMES.get(key, key): value for key, value in vars(self).items()}

    def as_text(self) -> str:
        """The JSON text that a tag holds."""
        return json.dumps(self.as_json(), ensure_ascii=False)

    @property
    def tag(self) -> str:
        """The name of the tag that holds the move; MLflow allows no + in it."""
        return f"{_TAG}{self.sequence:06d}.{self.when.replace('+', ' ')}"


def is_move(tag: str) -> bool:
    """Whether a tag with this name holds a move."""
    return tag.startswith(_TAG)


def moves(tags: Iterable[Mapping[str, str]]) -> tuple[Move, ...]:
    """The moves among the tags of all versions, the oldest first."""
    texts = [text for tags_of_version in tags for name, text in tags_of_version.items() if is_move(name)]
    return tuple(sorted(map(_parse, texts), key=lambda move: (move.sequence, move.when)))


def champions(history: Iterable[Move]) -> tuple[int, ...]:
    """The succession of champions by version number, the present one last; a rollback removes the last."""
    succession: list[int] = []
    for move in history:
        if move.action == "promotion":
            if move.moved_from is not None and move.moved_from not in succession[-1:]:
                succession.append(int(move.moved_from))
            succession.append(int(move.moved_to))
        elif move.action == "rollback":
            succession = succession[:-1]
    return tuple(succession)


def refusing_predecessor(history: Collection[Move], champion: int, versions: Collection[int]) -> int | None:
    """The last champion that refused one of some versions and was succeeded, through promotions, by the present one.

    After a rollback the champions that were taken back are none of them.

    Args:
        history: Every move, the oldest first.
        champion: The present champion; if it was moved without a history, it succeeds the last one.
        versions: The versions that hold the same model.
    """
    succession = champions(history)
    last = max((place for place, number in enumerate(succession) if number == champion), default=len(succession))
    refusing = {move.moved_from for move in history if move.action == "refusal" and move.version in versions}
    before = (number for number in reversed(succession[:last]) if number != champion)
    return next((number for number in before if number in refusing), None)


def taken_back(history: Iterable[Move], versions: Collection[int]) -> bool:
    """Whether the last thing that happened to one of some versions, as champion, is that a rollback took it back.

    Args:
        history: Every move, the oldest first.
        versions: The versions that hold the same model.
    """
    last = False
    for move in history:
        if move.action in {"promotion", "rollback"} and move.moved_to in versions:
            last = False
        elif move.action == "rollback" and move.moved_from in versions:
            last = True
    return last


def _parse(text: str) -> Move:
    fields = {json_name: field for field, json_name in _JSON_NAMES.items()}
    return Move(**{fields.get(key, key): value for key, value in json.loads(text).items()})
