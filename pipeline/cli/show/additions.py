"""New records -> what a person sees of them before they are taken. Reads values, prints nothing."""

import math
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from pipeline.cli.show.results import table

if TYPE_CHECKING:
    from pipeline.data.additions import Additions
    from pipeline.data.shift import ColumnShift


def additions(new: "Additions") -> RenderableType:
    """How many records are new, their levels, how far each column moved, and whether their labels can be right."""
    skipped = {"in the data already": new.known, "twice in the file": new.repeated}
    skipped_text = "".join(f", {count} {why}" for why, count in skipped.items() if count)
    levels = ", ".join(f"{level} {count}" for level, count in new.levels.items() if count)
    shown = table(f"Compared with the {new.rule_before.records} {_origin(new)}records in the data")
    for heading in ("column", "moved by", "beyond chance", "there -> new"):
        shown.add_column(heading, overflow="fold")
    for moved in new.moved:
        shown.add_row(moved.drift.column, _amount(moved), "yes" if moved.beyond_chance else "", moved.drift.text)
    rule = f"BMI rule: gives {new.rule.share:.1%} of the new labels, {new.rule_before.share:.1%} of those there"
    style = "bold red" if new.contradicts else ""
    warning = ": the new labels CONTRADICT the records' own height and weight" if new.contradicts else ""
    head = Text(f"{new.added} new records in {new.name}{skipped_text}\nlevels: {levels}")
    return Group(head, Text(), shown, Text(rule + warning, style=style))


def _origin(new: "Additions") -> str:
    return "" if new.beside == "all" else f"{new.beside} "


def _amount(moved: "ColumnShift") -> str:
    if moved.drift.kind == "mix":
        return f"{moved.drift.amount:.1%} of rows"
    return f"{moved.drift.amount:.2f} deviations" if math.isfinite(moved.drift.amount) else "away from a constant"
