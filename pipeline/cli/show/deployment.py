"""A stack, its alias and the champion -> a table for a terminal, or JSON. Prints nothing."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from pipeline.cli.show.results import table

if TYPE_CHECKING:
    from pipeline.registry.versions import Version
    from pipeline.ship.stack import FunctionVersion, LiveAlias, Stack

SHOWN_DIGITS = 12
"""How much of a digest or a commit is shown."""


def status_table(stack: "Stack", live: "LiveAlias", champion: "Version | None") -> Table:
    """A row for each version that gets requests, and whether the first is the champion."""
    shown = table(f"{stack.name} ({stack.status})")
    for heading in ("share", "model", "function version", "commit", "data", "SHA-256 of the graph"):
        shown.add_column(heading)
    canary_share = live.canary[1] if live.canary else 0.0
    rows = [(live.version, 1 - canary_share), *([live.canary] if live.canary else [])]
    for version, share in rows:
        digests = (text[:SHOWN_DIGITS] for text in (version.commit, version.data_sha256, version.model_sha256))
        shown.add_row(f"{share:.0%}", version.model, version.number, *digests)
    caption = _champion_text(live.version, champion)
    shown.caption, shown.caption_justify, shown.caption_style = Text(caption), "left", "bold"
    return shown


def is_champion(version: "FunctionVersion", champion: "Version | None") -> bool:
    """Whether a version of the function holds the champion's graph, compared by digest."""
    return champion is not None and champion.tags.get("model_sha256") == version.model_sha256


def _champion_text(version: "FunctionVersion", champion: "Version | None") -> str:
    if is_champion(version, champion):
        return f"This is the champion, model {version.model}"
    if champion is None:
        return "There is no champion in this registry to compare with: get it from S3 with `pipeline registry pull URL`"
    sha256 = champion.tags.get("model_sha256", "unknown")[:SHOWN_DIGITS]
    return f"This is not the champion: the champion is model {champion.number}, SHA-256 {sha256}"


def status_json(stack: "Stack", live: "LiveAlias", champion: "Version | None") -> dict[str, object]:
    """The same as plain values."""
    return {
        "stack": stack.name,
        "status": stack.status,
        "url": stack.output("ApiUrl"),
        "live": asdict(live.version),
        "canary": {"version": asdict(live.canary[0]), "share": live.canary[1]} if live.canary else None,
        "champion": champion.number if champion else None,
        "is_champion": is_champion(live.version, champion),
    }
