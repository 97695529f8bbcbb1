"""Results -> rich renderables: what a person sees in the terminal. Reads values and report files, prints nothing."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from pipeline.files import RESULT_FILES, Layout, read_json

if TYPE_CHECKING:
    from pipeline.loop.retrain import RetrainResult
    from pipeline.model.predict import PredictionSummary
    from pipeline.model.reproduce import Reproduction

SHOWN_DIGITS = 12
"""Of a digest, in tables."""


def _short(share: float) -> str:
    """Three decimals without the leading zero, so that a row fits a terminal of 80 columns."""
    return f"{share:.3f}".removeprefix("0")


def _share(scores: dict[str, Any], name: str = "accuracy") -> str:
    return f"{scores[name]:.4f} [dim]\\[{_short(scores[f'{name}_low'])}, {_short(scores[f'{name}_high'])}][/dim]"


def table(title: str) -> Table:
    """An empty table in the look that all of them share; the title may hold markup."""
    return Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1))


def one_line(layout: Layout) -> str:
    """The figure that matters most, with its interval, beside the BMI rule's on the same rows."""
    scores = read_json(layout.metrics, "pipeline evaluate")["out_of_fold"]
    rule = scores["baselines"]["bmi_rule"]["accuracy"]
    start = "sample: " if is_sample(layout) else ""
    return f"{start}accuracy {_share(scores)} on {scores['rows']} rows out of fold; the BMI rule {rule:.4f}"


def is_sample(layout: Layout) -> bool:
    """Whether the layout's results were made from the embedded sample."""
    return bool(read_json(layout.data_report, "pipeline clean")["source"] == "sample")


def metrics(layout: Layout, champion: dict[str, float] | None = None) -> Table:
    """Accuracy with its interval on each set of rows; the BMI rule, the majority and the champion beside the model.

    Args:
        layout: Where the reports lie.
        champion: The champion's figures by their dotted names in metrics.json, measured when it was registered; one
            of as many rows is shown, one of other rows is not.
    """
    figures = read_json(layout.metrics, "pipeline evaluate")
    start = "[bold yellow]sample[/bold yellow]: a" if is_sample(layout) else "A"
    shown = table(f"{start}ccuracy with its {figures['confidence']:.0%} interval")
    headings = ["measured on", "rows", "this model", "BMI rule"] + ["champion"] * bool(champion)
    for heading in headings:
        shown.add_column(heading, justify="right" if heading == "rows" else "left", overflow="fold")

    def row(label: str, name: str, scores: dict[str, Any], rule: str = "", figure: str = "accuracy") -> None:
        same_rows = (champion or {}).get(f"{name}.rows") == scores["rows"]
        known = (champion or {}).get(f"{name}.{figure}") if same_rows else None
        cells = [_share(scores, figure), rule, f"{known:.4f}" if known is not None else ""]
        shown.add_row(label, str(scores["rows"]), *cells[: len(headings) - 2])

    for label, name in (("holdout", "holdout"), ("out of fold", "out_of_fold")):
        row(label, name, figures[name], _share(figures[name]["baselines"]["bmi_rule"]))
    origins = figures["slices"].get("origin", {})
    for origin, scores in origins.items() if len(origins) > 1 else ():
        row(f"  {origin}", f"slices.origin.{origin}", scores, f"{scores['bmi_rule_accuracy']:.4f}")
    if grouped := figures.get("grouped"):
        row("groups held out", "grouped", grouped, _share(grouped["baselines"]["bmi_rule"]))
        shown.caption, shown.caption_justify = _grouped_in_words(grouped), "left"
    people = figures["plausible_people"]["out_of_fold"]
    row("plausible people", "plausible_people.out_of_fold", people, "defines the label", "agreement")
    return shown


def _grouped_in_words(grouped: dict[str, Any]) -> str:
    rule = grouped["baselines"]["bmi_rule"]["accuracy"]
    better = "the BMI rule is better there" if rule > grouped["accuracy"] else "the model is not worse there"
    return f"Groups held out: a collected record and the synthetic ones made from it are held out together; {better}."


def reproduction(runs: "Reproduction", raw: Path) -> RenderableType:
    """Every file's digest in both runs, and the largest difference of any metric."""
    shown = table(f"Two runs of {escape(str(raw))}, other hash seed, cores and instructions")
    for heading in ("file", "first run", "second run", ""):
        shown.add_column(heading)
    for file in runs.files:
        digests = [value[:SHOWN_DIGITS] if value else "missing" for value in file.digests]
        shown.add_row(escape(file.name), *digests, "equal" if file.equal else "[bold red]differs[/bold red]")
    summary = f"{len(runs.files)} files, {len(runs.metrics)} figures: difference {runs.difference:.4f}"
    return Group(shown, Text(summary, style="bold green" if runs.equal else "bold red"))


def retrained(done: "RetrainResult", verdict: RenderableType) -> RenderableType:
    """What one pass of the loop did: figures, verdict with its reasons, an example, where the files are, what next."""
    sample = is_sample(done.layout)
    number, figures = done.before or (None, None)
    parts: list[RenderableType] = []
    if sample:
        parts.append(
            Text("SAMPLE: all figures are of a model of invented people; never publish it.", style="bold yellow")
        )
    parts += [metrics(done.layout, figures), Text(), verdict, Text()]
    registered = f"{done.registered.name} version {done.registered.version}"
    facts = Table.grid(padding=(0, 2))
    facts.add_row("data", escape(done.came_from))
    facts.add_row("stages run", ", ".join(done.stages_run) or "none: everything is up to date")
    if done.registered.created:
        facts.add_row("registered", f"as {registered}")
    else:
        facts.add_row("registered", f"nothing new: this result is {registered} already")
    facts.add_row("champion", _champion_line(done, number))
    facts.add_row("figures", f"{done.layout.figures}/   model card: {done.layout.model_card}")
    facts.add_row("next", _next(done, sample=sample))
    parts.append(facts)
    if not done.changed:
        parts.append(Text("Nothing changed.", style="bold"))
    return Group(*parts)


def predicted(done: "PredictionSummary") -> RenderableType:
    """How many rows were scored and rejected, and how many were answered with each level."""
    shown = table(f"{done.scored} of {done.rows} rows scored")
    shown.add_column("level")
    shown.add_column("rows", justify="right")
    shown.add_column("share", justify="right")
    for level, rows in done.levels.items():
        shown.add_row(level, str(rows), f"{rows / done.scored:.1%}" if done.scored else "")
    lines = [f"answers: {done.target}"]
    if done.mean_confidence is not None:
        lines.append(f"mean confidence: {done.mean_confidence:.3f}")
    if done.rejects:
        lines.append(f"rejected: {done.rejected} rows, with reasons in {done.rejects}")
    return Group(shown, Text("\n".join(lines)))


def not_moved(whose: str) -> str:
    """That the champion of a shared registry stays although the verdict promotes, and which command moves it."""
    return f"Not moved: others share the champion of {whose}. `pipeline gate --shared` moves it."


def _champion_line(done: "RetrainResult", before: int | None) -> str:
    champion = done.champion
    stays = f"\n{not_moved(done.whose)}" if done.verdict.promotes and not done.moved else ""
    if champion is None:
        return f"none yet in {done.whose}{stays or ': no model has passed the gate'}"
    was = f" (was version {before})" if before not in {None, champion.version} else ""
    probability = champion.probabilities[champion.prediction]
    record = champion.record
    who = f"{record['Gender']}, {record['Age']:g} years, {record['Height']:g} m, {record['Weight']:g} kg"
    return (
        f"version {champion.version}{was} of {done.whose}{stays}\nexported to {champion.folder.model}\n"
        f"example: {who} -> {champion.prediction} ({probability:.1%})"
    )


def _next(done: "RetrainResult", *, sample: bool) -> str:
    if sample:
        return "`make run DATA=file.csv` with the real data, or `make test`"
    if done.verdict.outcome == "refused":
        return "the table above and reports/verdict.json say why; change params.yaml or the pipeline, then `make run`"
    use = "`pipeline predict IN OUT` scores a file; `make serve` answers requests"
    if done.uncommitted is None:
        return use
    if not done.uncommitted:
        return f"nothing to commit: byte for byte the results of the last commit\n{use}"
    return f"`git add {' '.join(RESULT_FILES)}` and commit: {len(done.uncommitted)} file(s) changed\n{use}"
