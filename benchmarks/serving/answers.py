"""Answers of two contenders -> whether they are the same: figures of different answers mean nothing."""

import math

from pydantic import BaseModel


class UsualAnswer(BaseModel):
    """What the usual services answer about one record."""

    prediction: str
    probabilities: dict[str, float] | None


def same_answer(answer: UsualAnswer, expected: UsualAnswer) -> bool:
    """Whether label and probabilities (to 1e-6) are the expected ones; an answer may have no probabilities."""
    given, known = answer.probabilities, expected.probabilities or {}
    return answer.prediction == expected.prediction and (
        given is None
        or (
            given.keys() == known.keys()
            and all(math.isclose(share, known[level], abs_tol=1e-6) for level, share in given.items())
        )
    )
