"""Lines, values and Markdown -> what a runner shows of them: groups, annotations, outputs, the summary of a job.

Elsewhere the same lines are printed as they are and outputs go nowhere, so a laptop can run what CI runs.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.repo import stage_started

_FAILURE = re.compile(r"(?:[A-Z]\w*(?:Error|Refusal)|ERROR): ")


@dataclass(frozen=True)
class Message:
    """What was done, or why not, in words; a notice and a warning are shown on top of the run as well."""

    text: str
    level: Literal["log", "notice", "warning"] = "log"


def on_github(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process runs on GitHub's runner."""
    return environment.get("GITHUB_ACTIONS") == "true"


def command(name: str, message: str = "", /, **properties: str) -> str:
    r"""One line that the runner obeys; its values can neither end the command nor begin another.

    >>> command("error", "two\nlines", file="dvc.lock", title="a: b")
    '::error file=dvc.lock,title=a%3A b::two%0Alines'
    """
    where = ",".join(f"{key}={_escaped(value, ':,')}" for key, value in properties.items())
    return f"::{name}{' ' if where else ''}{where}::{_escaped(message)}"


def _escaped(text: str, also: str = "") -> str:
    return "".join(f"%{ord(letter):02X}" if letter in f"%\r\n{also}" else letter for letter in text)


def folded(lines: Iterable[str]) -> Iterator[str]:
    """What `dvc repro` prints, each stage in a group of its own and each failure an annotation.

    A failure is a line that begins with the name of an error, with the indented lines that follow it.
    """
    stage, failure = "", list[str]()

    def annotation() -> Iterator[str]:
        if failure:
            yield command("error", "\n".join(failure), title=f"stage {stage}" if stage else "dvc repro")
            failure.clear()

    for line in lines:
        if failure and line.startswith("  "):
            failure.append(line)
            continue
        yield from annotation()
        if started := stage_started(line):
            if stage:
                yield command("endgroup")
            stage = started
            yield command("group", f"stage {stage}")
        elif _FAILURE.match(line):
            failure.append(line)
        else:
            yield line
    yield from annotation()
    if stage:
        yield command("endgroup")


def hand_on(values: Mapping[str, str], environment: Mapping[str, str] = os.environ) -> None:
    """Give values to the steps and jobs that follow.

    Raises:
        ValueError: A value has more than one line, and could pass for another value.
    """
    if any("\n" in value or "\r" in value for value in values.values()):
        raise ValueError(f"an output is one line, got {dict(values)!r}")
    _append(environment.get("GITHUB_OUTPUT"), "".join(f"{name}={value}\n" for name, value in values.items()))


def summarize(markdown: str, environment: Mapping[str, str] = os.environ) -> None:
    """Add Markdown to the summary of the job."""
    _append(environment.get("GITHUB_STEP_SUMMARY"), markdown.rstrip("\n") + "\n")


def _append(path: str | None, text: str) -> None:
    if path:
        with Path(path).open("a", encoding="utf-8") as stream:  # the runner's own file: other steps added to it
            stream.write(text)
