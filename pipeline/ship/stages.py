"""The text of the variable DEPLOY_STAGES -> the stages that a promoted model is deployed to, in the order they go in.

A job without the heavy packages asks this, so the module imports none.
"""

import json
from typing import Any, Literal

from pipeline.errors import InputError

Stage = Literal["dev", "staging", "prod"]
STAGES: tuple[Stage, ...] = ("dev", "staging", "prod")
"""In the order that a model goes through them."""


def parse_stages(text: str) -> tuple[Stage, ...]:
    """The stages that are named, in the order of `STAGES`; none for an empty text.

    Raises:
        InputError: The text is neither a list in JSON nor names with commas, or names something else, or a stage twice.
    """
    names = _names(text.strip())
    for name in names:
        if name not in STAGES:
            raise _refused(repr(name))
        if names.count(name) > 1:
            raise _refused(f"{name!r} twice")
    return tuple(stage for stage in STAGES if stage in names)


def _names(text: str) -> list[Any]:
    if not text.startswith("["):
        return [name.strip() for name in text.split(",")] if text else []
    try:
        names: list[Any] = json.loads(text)
    except ValueError:
        raise _refused(repr(text)) from None
    return names


def _refused(found: str) -> InputError:
    return InputError(
        f"DEPLOY_STAGES: found {found}, expected some of {', '.join(STAGES)}, written as "
        '["staging", "prod"] or as staging, prod; empty deploys nowhere'
    )
