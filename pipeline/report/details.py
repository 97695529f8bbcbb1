"""A comparison -> the folded parts of a report, for a reviewer who wants to know more than the first lines say."""

import math
from collections.abc import Iterator, Mapping, Sequence

from pipeline.data.shift import Drift
from pipeline.files import Report, number
from pipeline.report.answers import RecordChanges
from pipeline.report.comparison import ABSENT, Change, Comparison, ConfusionChange
from pipeline.report.context import RunContext
from pipeline.report.differences import FigureChange
from pipeline.report.markdown import SHOWN_TEXT, code, folded, table, words
from pipeline.report.tables import NOTHING, change_table, figure_table, value_or_nothing

SHOWN_STALE = 20
SHOWN_DIGITS = 12

PACKAGE = {
    "arch": "package for",
    "zipped_bytes": "package zipped, bytes",
    "unzipped_bytes": "package unzipped, bytes",
    "prediction_ms": "one prediction, in process, milliseconds (median)",
    "usd_per_million_lambda": "a million predictions, Lambda alone, US dollars",
    "usd_per_million": "a million predictions, with gateway, log and transfer, US dollars",
}
"""What a report says of a built package (build/package.json), in this order."""


def details(comparison: Comparison, context: RunContext) -> Iterator[str]:
    """The folded parts, the most telling first."""
    moved = comparison.outcome != "unchanged"
    parts = (
        _gate_reasons(comparison),
        _stale(comparison),
        *((_levels(comparison), _slices(comparison), _confusion(comparison.confusion)) if moved else ()),
        _params(comparison),
        _data(comparison),
        _reproducibility(comparison, context),
        _size(comparison),
    )
    yield from (folded(title, body) for title, body in parts if body)


def changes_in_words(records: RecordChanges) -> str:
    """How many records were added, removed and given another level; empty where there are none."""
    text = f"{records.added} records added, {records.removed} removed, {records.changed} with another level"
    return text if records.added or records.removed or records.changed else ""


def _gate_reasons(comparison: Comparison) -> tuple[str, str]:
    verdict = comparison.verdict
    if verdict is None:
        return "", ""

    def row(reason: Report) -> list[str]:
        holds = {"True": "yes", "False": "**no**"}.get(str(reason.get("ok")), NOTHING)
        name, needed = (words(str(reason.get(key))) for key in ("name", "needed"))
        return [name, _plain(reason.get("value")), needed, holds, words(str(reason.get("text")), SHOWN_TEXT)]

    rows = [row(reason) for reason in verdict.reasons]
    headers = ("rule", "measured", "needed", "holds", "in words")
    against = sum(row[3] == "**no**" for row in rows) or "none"
    return f"The gate's reasons: {against} against it", table(headers, rows, left=5) if rows else ""


def _stale(comparison: Comparison) -> tuple[str, str]:
    lines = list(comparison.this.stale)
    if comparison.other_model_file:
        lines.append("models/model.onnx is not the model that the reports describe")
    shown = "\n".join(f"- {words(line)}" for line in lines[:SHOWN_STALE])
    more = f"\n- {len(lines) - SHOWN_STALE} more" if len(lines) > SHOWN_STALE else ""
    count = f"{len(lines)} difference{'s'[: len(lines) != 1]}"
    return f"dvc.lock is stale: {count} from what the code makes", shown + more


def _levels(comparison: Comparison) -> tuple[str, str]:
    return _moved("Recall of each level", comparison.levels, comparison.base_name)


def _slices(comparison: Comparison) -> tuple[str, str]:
    return _moved("Accuracy of slices", comparison.slices, comparison.base_name)


def _moved(title: str, figures: Sequence[FigureChange], base: str) -> tuple[str, str]:
    counts = {
        "better": sum(figure.moved == 1 for figure in figures),
        "worse": sum(figure.moved == -1 for figure in figures),
        "new": sum(figure.base is None for figure in figures),
        "gone": sum(figure.this is None for figure in figures),
    }
    summary = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    note = (
        "\n\nEach row is judged by itself: one in twenty moves by luck." if counts["better"] + counts["worse"] else ""
    )
    return f"{title}: {summary or 'none moved beyond noise'}", figure_table(figures, base) + note if figures else ""


def _confusion(matrix: ConfusionChange | None) -> tuple[str, str]:
    if matrix is None:
        return "", ""
    if not matrix.moved:
        return "Confusion matrix: unchanged", "Every cell is as it was."

    def cell(actual: str, predicted: str) -> str:
        base, this = (side.get((actual, predicted), 0) for side in (matrix.base, matrix.this))
        return f"{this}" if base == this else f"{this} (**{this - base:+d}**)"

    rows = [[words(actual), *(cell(actual, predicted) for predicted in matrix.levels)] for actual in matrix.levels]
    note = "Rows are the true level, columns the answer out of fold; in brackets the difference from before."
    return (
        f"Confusion matrix: {matrix.moved} cells differ",
        f"{table(('', *map(words, matrix.levels)), rows)}\n\n{note}",
    )


def _params(comparison: Comparison) -> tuple[str, str]:
    return f"Parameters: {len(comparison.params)} changed", change_table(comparison.params, comparison.base_name)


def _data(comparison: Comparison) -> tuple[str, str]:
    data, name = comparison.this.data, comparison.base_name
    if data is None:
        return "", ""
    same = f"{_plain(data.get('records'))} records, SHA-256 {code(str(data.get('sha256')))}."
    if comparison.base is None or comparison.base.data is None:
        return "Data: new", f"{same}\n\n{_balance(comparison.balance, name)}"
    if comparison.base.data == data:
        return "Data: unchanged", f"The same {same}"
    summary = "added and removed records are not known"
    keys = f"The answers of this and {words(name)} are not both here."
    if records := comparison.records:
        summary = changes_in_words(records) or "the same records"
        keys = (
            f"{records.same} records are as they were. A record of which an answer was corrected is removed and added."
        )
    changes = change_table(comparison.data, name)
    parts = (changes, keys, _balance(comparison.balance, name), _drift(comparison.drift, name))
    return f"Data: {summary}", "\n\n".join(part for part in parts if part)


def _balance(balance: Sequence[Change], name: str) -> str:
    base, this = ([number(getattr(change, side)) or 0 for change in balance] for side in ("base", "this"))

    def share(count: float, counts: Sequence[float]) -> str:
        return f"{count:g} ({count / sum(counts):.1%})" if count else NOTHING

    rows = [
        [words(change.name), share(old, base), share(new, this), f"{new - old:+g}" if sum(base) and new != old else ""]
        for change, old, new in zip(balance, base, this, strict=True)
    ]
    return table(("level", words(name), "this", "difference"), rows) if rows else ""


def _drift(drift: Sequence[Drift], name: str) -> str:
    def amount(column: Drift) -> str:
        if column.kind == "mix":
            return f"{column.amount:.1%} of rows"
        return f"{column.amount:.3f} deviations" if math.isfinite(column.amount) else "away from a constant"

    rows = [[words(column.column), amount(column), words(column.text, SHOWN_TEXT)] for column in drift]
    return table(("column", "moved by", f"{words(name)} -> this"), rows, left=3) if rows else ""


def _reproducibility(comparison: Comparison, context: RunContext) -> tuple[str, str]:
    base, this = comparison.model.base, comparison.model.this
    if this is ABSENT:
        return "", ""
    equal = "a new model" if base is ABSENT else "the same model, byte for byte" if base == this else "another model"
    digests = (value_or_nothing(value if value is ABSENT else str(value)[:SHOWN_DIGITS]) for value in (base, this))
    lines = ["- model SHA-256: {} {}, this {}".format(words(comparison.base_name), *digests)]
    if comparison.same_recipe is not None:
        same = "the same" if comparison.same_recipe else "not the same"
        lines.append(f"- code, data and parameters of training: {same} in both locks")
    lock = "stale" if comparison.this.stale else "that of these files" if comparison.this.stages else "not here"
    lines.append(f"- `dvc.lock`: {lock}")
    if context.reproduced is not None:
        lines.append(f"- two runs of this commit: {'the same bytes' if context.reproduced else 'different bytes'}")
    parts = (comparison.this.parity or {}).get("comparisons")
    rows = [
        [words(str(name)), *(_plain(part.get(key)) for key in ("records", "label_flips", "max_probability_difference"))]
        for name, part in (sorted(parts.items()) if isinstance(parts, Mapping) else ())
        if isinstance(part, Mapping)
    ]
    headers = ("graph against Pipeline", "records", "labels that differ", "largest difference of a probability")
    return f"Reproducibility and parity: {equal}", "\n".join(lines) + (f"\n\n{table(headers, rows)}" if rows else "")


def _size(comparison: Comparison) -> tuple[str, str]:
    base, this = ((side.parity or {}) if side else {} for side in (comparison.base, comparison.this))
    names = {"model_bytes": "model.onnx, bytes", "nodes": "nodes", "trees": "trees"}
    rows = [[name, _plain(base.get(key)), _plain(this.get(key))] for key, name in names.items() if key in this]
    package = comparison.this.package or {}
    rows += [[label, NOTHING, _plain(package[name])] for name, label in PACKAGE.items() if name in package]
    sizes = [f"{size / 1000:.0f} kB" for side in (base, this) if (size := number(side.get("model_bytes"))) is not None]
    summary = " -> ".join(dict.fromkeys(sizes))
    if usd := number(package.get("usd_per_million")):
        summary += f", {usd:.2f} USD a million predictions"
    title = "Size of model and package, cost" if package else "Size of the model"
    return f"{title}: {summary}", table(("", words(comparison.base_name), "this"), rows) if rows else ""


def _plain(value: object) -> str:
    """A number as a reader wants it, anything else as text."""
    figure = number(value)
    if figure is None:
        return NOTHING if value is None else words(str(value))
    return f"{figure:,.0f}" if figure.is_integer() else f"{figure:.4g}"
