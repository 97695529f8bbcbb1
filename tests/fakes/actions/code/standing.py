"""What the stand-ins share: the job's facts, an action's inputs and outputs, and how an action fails."""

import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

HUB = Path(os.environ["HUB"])
JOB = Path(os.environ["HUB_JOB"])
FACTS: dict[str, Any] = json.loads(JOB.read_text(encoding="utf-8"))
PERMISSIONS: dict[str, str] = FACTS["permissions"]


def given(name: str) -> str:
    """An input, which the stand-in's action.yml hands on as a variable."""
    return os.environ.get(f"GIVEN_{name.upper()}", "").strip()


def fail(message: str) -> NoReturn:
    """End as an action ends: with one error above the log."""
    print(f"::error::{message}")
    sys.exit(1)


def output(name: str, value: str) -> None:
    """Hand something on."""
    with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
        file.write(f"{name}={value}\n")


def note(file: str, line: str) -> None:
    """Write something down for the test."""
    with (HUB / file).open("a", encoding="utf-8") as written:
        written.write(f"{line}\n")


def may(permission: str, level: str) -> bool:
    """Whether the job's token has a permission."""
    return PERMISSIONS.get(permission) in {level, "write"}
