"""Moves of a model's versions <-> tags on them: who moved what, when, why, from where to where.

Each move is one tag, written once and never changed, so moves of different writers cannot overwrite each other. The
line of champions is not stored: it follows from the moves, and so cannot contradict them.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Action = Literal["promotion", "rollback", "stage"]

_TAG = "history."
_RENAMED = {"moved_from": "from", "moved_to": "to"}  # `from` is no name for a field


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
    action: Action
    version: int
    moved_from: int | str | None
    moved_to: int | str

    def as_json(self) -> dict[str, object]:
        """Plain values, with the names `from` and `to`."""
        return {_RENAMED.get(key, key): value for key, value in vars(self).items()}

    def as_text(self) -> str:
        """The same as the text of a tag."""
        return json.dumps(self.as_json(), ensure_ascii=False)

    @property
    def tag(self) -> str:
        """The name of the tag that holds it; MLflow allows no + in it."""
        return f"{_TAG}{self.sequence:06d}.{self.when.replace('+', ' ')}"


def is_move(tag: str) -> bool:
    """Whether a tag of this name holds a move."""
    return tag.startswith(_TAG)


def moves(tags: Iterable[Mapping[str, str]]) -> tuple[Move, ...]:
    """The moves among the tags of all versions, the first one first."""
    texts = [text for held in tags for name, text in held.items() if is_move(name)]
    return tuple(sorted(map(_parse, texts), key=lambda move: (move.sequence, move.when)))


def champions(told: Iterable[Move]) -> tuple[int, ...]:
    """The champions that stand on each other, the present one last; a rollback takes the last away."""
    line: list[int] = []
    for move in told:
        if move.action == "promotion":
            if move.moved_from is not None and move.moved_from not in line[-1:]:
                line.append(int(move.moved_from))
            line.append(int(move.moved_to))
        elif move.action == "rollback":
            line = line[:-1]
    return tuple(line)


def _parse(text: str) -> Move:
    fields = {named: field for field, named in _RENAMED.items()}
    return Move(**{fields.get(key, key): value for key, value in json.loads(text).items()})
