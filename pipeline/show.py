"""Results -> rich renderables: what a person sees in the terminal. Reads values and report files, prints nothing."""

from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from pipeline.files import Layout, read_json
from pipeline.reproduce import Reproduction

SHOWN_DIGITS = 12
"""Of a digest, in tables."""


def _share(scores: dict[str, Any], name: str = "accuracy") -> str:
    return f"{scores[name]:.4f} [dim]\\[{scores[f'{name}_low']:.3f}, {scores[f'{name}_high']:.3f}][/dim]"


def is_sample(layout: Layout) -> bool:
    """Whether the layout's results were made from the embedded sample."""
    return bool(read_json(layout.data_report, "pipeline clean")["source"] == "sample")


def metrics(layout: Layout, champion: dict[str, float] | None = None) -> Table:
    """Accuracy with its interval on each set of rows; the BMI rule, the majority and the champion beside the model.

    Args:
        layout: Where the reports lie.
        champion: The champion's figures by their dotted names in metrics.json, measured when it was registered.
    """
    found = read_json(layout.metrics, "pipeline evaluate")
    mark = "[bold yellow]sample[/bold yellow]: a" if is_sample(layout) else "A"
    table = Table(title=f"{mark}ccuracy with its {found['confidence']:.0%} interval", title_justify="left")
    headings = ["measured on", "rows", "this model", "BMI rule", "commonest level"] + ["champion"] * (
        champion is not None
    )
    for heading in headings:
        table.add_column(heading, justify="right" if heading == "rows" else "left", no_wrap=True)

    def row(label: str, name: str, scores: dict[str, Any], others: list[str], figure: str = "accuracy") -> None:
        known = (champion or {}).get(f"{name}.{figure}")
        cells = [
            _share(scores, figure),
            *others,
            *[""] * (2 - len(others)),
            f"{known:.4f}" if known is not None else "",
        ]
        table.add_row(label, str(scores["rows"]), *cells[: len(headings) - 2])

    for label, name in (("holdout, never seen", "holdout"), ("all rows, out of fold", "out_of_fold")):
        baselines = found[name]["baselines"]
        row(label, name, found[name], [_share(baselines["bmi_rule"]), _share(baselines["majority"])])
    for origin, scores in found["slices"].get("origin", {}).items():
        row(f"{origin}, out of fold", f"slices.origin.{origin}", scores, [f"{scores['bmi_rule_accuracy']:.4f}"])
    if "leak_adjusted" in found:
        row("synthetic kin left out", "leak_adjusted", found["leak_adjusted"], [])
    people = found["plausible_people"]["out_of_fold"]
    row("plausible people", "plausible_people.out_of_fold", people, ["the truth"], "agreement")
    return table


def reproduction(found: Reproduction, raw: Path) -> RenderableType:
    """Every file's digest in both runs, and the largest difference of any metric."""
    table = Table(title=f"Two runs of {escape(str(raw))}, other hash seed and cores", title_justify="left")
    for heading in ("file", "first run", "second run", ""):
        table.add_column(heading)
    for file in found.files:
        digests = [value[:SHOWN_DIGITS] if value else "missing" for value in file.digests]
        table.add_row(escape(file.name), *digests, "equal" if file.equal else "[bold red]differs[/bold red]")
    summary = f"{len(found.files)} files, {len(found.metrics)} figures: difference {found.difference:.4f}"
    return Group(table, Text(summary, style="bold green" if found.equal else "bold red"))
