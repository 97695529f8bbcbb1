"""What one look at the set-up saw, as a value: a sign, words, and the command that mends it."""

from dataclasses import dataclass
from typing import Literal

from pipeline.gh import GhAnswer

Sign = Literal["ok", "note", "wrong", "unknown"]
"""Unknown: the person who asks may not see it, or it cannot be reached; never a false alarm."""


@dataclass(frozen=True)
class Finding:
    """The answer of one check.

    Attributes:
        check: What was looked at, in a word or two.
        sign: Whether it is right.
        seen: What was found, in one line.
        remedy: The command, or the step, that mends it; empty where nothing is to be done.
    """

    check: str
    sign: Sign
    seen: str
    remedy: str = ""


def cannot_tell(check: str, answer: GhAnswer) -> Finding:
    """The finding where GitHub does not answer, or not this person."""
    needs = "; this needs more rights on the repository" if answer.status in {403, 404} else ""
    return Finding(check, "unknown", f"cannot tell: {answer.reason}{needs}")
