"""What answers on AWS -> a table for a terminal, or JSON. Reads values, prints nothing."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from pipeline.cli.show.results import table

if TYPE_CHECKING:
    from pipeline.registry.versions import Version
    from pipeline.ship.stack import Live, Shipped, Stack

SHOWN_DIGITS = 12
"""Of a digest or a commit."""


def live(stack: "Stack", found: "Live", champion: "Version | None") -> Table:
    """What answers, what is being tried, and whether it is the champion."""
    shown = table(f"{stack.name} ({stack.status})")
    for heading in ("share", "model", "function version", "commit", "data", "SHA-256 of the graph"):
        shown.add_column(heading)
    share = found.canary[1] if found.canary else 0.0
    rows = [(found.shipped, 1 - share), *([found.canary] if found.canary else [])]
    for shipped, part in rows:
        digests = (text[:SHOWN_DIGITS] for text in (shipped.commit, shipped.data_sha256, shipped.model_sha256))
        shown.add_row(f"{part:.0%}", shipped.model, shipped.number, *digests)
    shown.caption, shown.caption_justify, shown.caption_style = Text(_judged(found.shipped, champion)), "left", "bold"
    return shown


def is_champion(shipped: "Shipped", champion: "Version | None") -> bool:
    """Whether a function's version holds the champion, by its digest."""
    return champion is not None and champion.tags.get("model_sha256") == shipped.model_sha256


def _judged(shipped: "Shipped", champion: "Version | None") -> str:
    if is_champion(shipped, champion):
        return f"This is the champion, model {shipped.model}"
    if champion is None:
        return "The registry here has no champion to compare with (`pipeline registry pull` gets a kept one)"
    return f"This is not the champion: that is model {champion.number}, SHA-256 {_digest(champion)}"


def _digest(champion: "Version") -> str:
    return champion.tags.get("model_sha256", "unknown")[:SHOWN_DIGITS]


def as_json(stack: "Stack", found: "Live", champion: "Version | None") -> dict[str, object]:
    """The same as plain values."""
    return {
        "stack": stack.name,
        "status": stack.status,
        "url": stack.output("ApiUrl"),
        "live": asdict(found.shipped),
        "canary": {"version": asdict(found.canary[0]), "share": found.canary[1]} if found.canary else None,
        "champion": champion.number if champion else None,
        "is_champion": is_champion(found.shipped, champion),
    }
