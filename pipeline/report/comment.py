"""A comparison -> the Markdown by which a person decides in ten seconds; details are folded.

The same comparison always makes the same text, within GitHub's limit: details that no longer fit are left out.
"""

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.data.shift import Drift
from pipeline.files import RESULT_FILES, Report, number
from pipeline.report.comparison import ABSENT, Change, Comparison, ConfusionChange, FigureChange, RecordChanges
from pipeline.report.markdown import code, folded, table, words

COMMENT_MARKER = "<!-- obesity-levels report -->"
"""Last line of each comment: by it, the next one finds this one and takes its place."""

# GitHub counts characters; bytes are never fewer.
LARGEST_BYTES = 65_536
LEFT_OUT = "{gone} of {of} details are left out: the comment would be too long."
SHOWN_STALE = 20
SHOWN_DIGITS = 12
SHOWN_TEXT = 600

ARROWS = {1: "▲ better", -1: "▼ worse", 0: ""}
NOTHING = "-"
_SUMMARY = re.compile("<details><summary>(.*)</summary>")
PACKAGE = {
    "arch": "package for",
    "zipped_bytes": "package zipped, bytes",
    "unzipped_bytes": "package unzipped, bytes",
    "prediction_ms": "one prediction, in process, milliseconds (median)",
    "usd_per_million_lambda": "a million predictions, Lambda alone, US dollars",
    "usd_per_million": "a million predictions, with gateway, log and transfer, US dollars",
}
"""What the comment says of a built package (build/package.json), in this order."""
SIGNS = {"promoted": "✅", "refused": "⛔", "unchanged": "🟰"}


@dataclass(frozen=True)
class Links:
    """Where a reader finds the run and the commit; None on a laptop."""

    run: str | None = None
    commit: str | None = None

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Links":
        """The links that GitHub's variables name."""
        server, repository = environment.get("GITHUB_SERVER_URL"), environment.get("GITHUB_REPOSITORY")
        if not (server and repository):
            return cls()
        run, sha = environment.get("GITHUB_RUN_ID"), environment.get("GITHUB_SHA")
        page = f"{server}/{repository}"
        return cls(f"{page}/actions/runs/{run}" if run else None, f"{page}/commit/{sha}" if sha else None)


def comment(comparison: Comparison, links: Links | None = None) -> str:
    """The whole comment; `links` None takes those of the environment."""
    links = links if links is not None else Links.of(os.environ)
    head = [f"## {headline(comparison)}", *_warnings(comparison), *_main(comparison)]
    details, foot = list(_details(comparison)), [_foot(comparison, links), COMMENT_MARKER]
    if _bytes([*head, LEFT_OUT, *foot]) > LARGEST_BYTES:
        head = head[:1]
    kept: list[str] = []
    for detail in details:
        if _bytes([*head, *kept, detail, LEFT_OUT, *foot]) <= LARGEST_BYTES:
            kept.append(detail)
    gone = len(details) - len(kept)
    return _joined([*head, *kept, *([LEFT_OUT.format(gone=gone, of=len(details))] if gone else []), *foot])


def _joined(parts: Sequence[str]) -> str:
    return "\n\n".join(parts) + "\n"


def _bytes(parts: Sequence[str]) -> int:
    return len(_joined(parts).encode())


def unfolded(text: str) -> str:
    """A comment for a terminal, which folds nothing: titles for what there is to click on."""
    return _SUMMARY.sub(r"### \1", text).replace("</details>", "")


def headline(comparison: Comparison) -> str:
    """The verdict in one line: the gate's, if it judged this model, then the comparison's."""
    base = code(comparison.base.name) if comparison.base else "the base"
    better, worse = (
        "; ".join(_short(figure) for figure in comparison.decisive if figure.moved == sign) for sign in (1, -1)
    )
    accuracy = next((figure for figure in comparison.decisive if figure.key == "out_of_fold.accuracy"), None)
    sentence = {
        "better": f"✅ Better than {base}: {better}",
        "worse": f"❌ Worse than {base}: {worse}",
        "mixed": f"⚠️ Better and worse than {base}: {better}; but {worse}",
        "no difference": f"🟰 No difference beyond noise from {base}" + (f": {_short(accuracy)}" if accuracy else ""),
        "unchanged": f"🟰 Unchanged: the model and all figures of {base}",
        "not comparable": f"⚠️ Not comparable with {base}: {_sources(comparison)}",
        "nothing": f"🆕 Nothing to compare: {_why_nothing(comparison)}",
    }[comparison.outcome]
    return f"{_gate(comparison)}. {sentence}" if _gate(comparison) else sentence


def _gate(comparison: Comparison) -> str | None:
    """What the gate said, if it spoke about this very model."""
    verdict = comparison.this.verdict
    if not verdict or verdict.get("challenger_sha256") != comparison.model.this:
        return None
    outcome = str(verdict.get("outcome"))
    said = "passed" if outcome == "promoted" else words(outcome)  # in a pull request nothing is promoted yet
    return f"{SIGNS.get(outcome, '❔')} Gate: {said}"


def _short(figure: FigureChange) -> str:
    return f"{figure.label} {_signed(figure.difference)}" + (f" {_span(figure)}" if figure.low is not None else "")


def _sources(comparison: Comparison) -> str:
    sides = (comparison.base.data if comparison.base else None, comparison.this.data)
    base, this = (words(str((data or {}).get("source", "unknown"))) for data in sides)
    return f"this model was made from {this} data, that one from {base} data"


def _why_nothing(comparison: Comparison) -> str:
    if comparison.this.metrics is None:
        return "there are no reports here, `dvc repro` makes them"
    if comparison.base is None:
        return "there is no commit before this one, everything is new"
    return f"{code(comparison.base.name)} has no reports, everything is new"


def _warnings(comparison: Comparison) -> Iterator[str]:
    """What a reader must know before the figures."""
    this = comparison.this
    if this.stale:
        shown = "\n".join(f"> - {words(line)}" for line in this.stale[:SHOWN_STALE])
        commit = f"`git add {' '.join(RESULT_FILES)}` and commit"
        yield f"> [!WARNING]\n> `dvc.lock` is stale, not of the files here: run `make run`, then {commit}.\n{shown}"
    if (this.data or {}).get("source") == "sample":
        yield "> [!WARNING]\n> Made from the embedded sample of invented people: it says nothing about real ones."
    if this.model_file_sha256 and this.parity and this.model_file_sha256 != comparison.model.this:
        yield "> [!WARNING]\n> `models/model.onnx` is not the model that the reports describe: run `dvc repro`."
    if comparison.same_recipe and comparison.model.base != comparison.model.this:
        yield "> [!CAUTION]\n> Not reproducible: the same code, data and parameters made another model."
    if comparison.records and (changes := _record_changes(comparison.records)):
        share = comparison.records.added_right / max(comparison.records.added, 1)
        right = f" Of the added, {comparison.records.added_right} ({share:.1%}) are answered right out of fold."
        yield f"The data changed: {changes}.{right if comparison.records.added else ''}"
    if _gate(comparison):
        yield f"The gate says: {words(str((this.verdict or {}).get('text')), SHOWN_TEXT)}"


def _record_changes(records: RecordChanges) -> str:
    """How many records were added, removed and given another level; empty where there are none."""
    text = f"{records.added} records added, {records.removed} removed, {records.changed} with another level"
    return text if records.added or records.removed or records.changed else ""


def _main(comparison: Comparison) -> Iterator[str]:
    if not comparison.figures:
        return
    if comparison.outcome == "unchanged" or not any(figure.low is not None for figure in comparison.figures):
        yield _alone(comparison.figures)
        yield f"Intervals of {comparison.confidence:.0%}."
        return
    yield _figures(comparison.figures)
    note = f"Differences with {comparison.confidence:.0%} intervals; an arrow only where all of it is on one side of 0."
    paired = (
        f" Paired: on the same {comparison.paired} records, answered by both out of fold." if comparison.paired else ""
    )
    unpaired = "Unpaired intervals" if paired else "The two models' answers to the same records are not here; intervals"
    yield f"{note}{paired} {unpaired} are wider and may miss small differences."


def _figures(figures: Sequence[FigureChange]) -> str:
    """A row for each figure; without a base, what it is and its own interval."""
    if all(figure.base is None for figure in figures):
        return _alone(figures)
    rows = [
        [
            words(f.label),
            _number(f.base, "new"),
            _number(f.this, "gone"),
            _signed(f.difference),
            _basis(f),
            ARROWS[f.moved],
        ]
        for f in figures
    ]
    return table(("", "base", "this", "difference", "interval", ""), rows)


def _alone(figures: Sequence[FigureChange]) -> str:
    return table(("", "this", "interval"), [[words(f.label), _number(f.this), _own(f)] for f in figures])


def _own(figure: FigureChange) -> str:
    return NOTHING if figure.own is None else f"[{figure.own[0]:.4f}, {figure.own[1]:.4f}]"


def _basis(figure: FigureChange) -> str:
    if figure.low is None:
        return NOTHING
    return f"{_span(figure)} paired, {figure.pairs}" if figure.pairs else _span(figure)


def _span(figure: FigureChange) -> str:
    return f"[{_signed(figure.low)}, {_signed(figure.high)}]"


def _number(value: float | None, absent: str = NOTHING) -> str:
    return absent if value is None else f"{value:.4f}"


def _signed(value: float | None) -> str:
    if value is None:
        return NOTHING
    return "0" if round(value, 4) == 0 else f"{value:+.4f}"


def _details(comparison: Comparison) -> Iterator[str]:
    """The folded parts, the most telling first."""
    parts = (
        _gate_reasons(comparison),
        *(
            ()
            if comparison.outcome == "unchanged"
            else (_levels(comparison), _slices(comparison), _confusion(comparison.confusion))
        ),
        _params(comparison.params),
        _data(comparison),
        _reproducibility(comparison),
        _size(comparison),
    )
    yield from (folded(title, body) for title, body in parts if body)


def _gate_reasons(comparison: Comparison) -> tuple[str, str]:
    reasons = (comparison.this.verdict or {}).get("reasons") if _gate(comparison) else None

    def row(reason: Report) -> list[str]:
        holds = {"True": "yes", "False": "**no**"}.get(str(reason.get("ok")), NOTHING)
        name, needed = (words(str(reason.get(key))) for key in ("name", "needed"))
        return [name, _plain(reason.get("value")), needed, holds, words(str(reason.get("text")), SHOWN_TEXT)]

    rows = [row(reason) for reason in (reasons if isinstance(reasons, Sequence) else ()) if isinstance(reason, Mapping)]
    failed = sum(row[3] == "**no**" for row in rows)
    headers = ("rule", "measured", "needed", "holds", "in words")
    return f"The gate's reasons: {failed or 'none'} against it", table(headers, rows, left=5) if rows else ""


def _levels(comparison: Comparison) -> tuple[str, str]:
    return _moved("Recall of each level", comparison.levels)


def _slices(comparison: Comparison) -> tuple[str, str]:
    return _moved("Accuracy of slices", comparison.slices)


def _moved(title: str, figures: Sequence[FigureChange]) -> tuple[str, str]:
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
    return f"{title}: {summary or 'none moved beyond noise'}", _figures(figures) + note if figures else ""


def _confusion(matrix: ConfusionChange | None) -> tuple[str, str]:
    if matrix is None:
        return "", ""
    if not matrix.moved:
        return "Confusion matrix: unchanged", "Every cell is as it was."

    def cell(actual: str, predicted: str) -> str:
        base, this = (side.get((actual, predicted), 0) for side in (matrix.base, matrix.this))
        return f"{this}" if base == this else f"{this} (**{this - base:+d}**)"

    rows = [[words(actual), *(cell(actual, predicted) for predicted in matrix.levels)] for actual in matrix.levels]
    note = "Rows are the true level, columns the answer out of fold; in brackets the difference from the base."
    return (
        f"Confusion matrix: {matrix.moved} cells differ",
        f"{table(('', *map(words, matrix.levels)), rows)}\n\n{note}",
    )


def _params(changes: Sequence[Change]) -> tuple[str, str]:
    return f"Parameters: {len(changes)} changed", _changes(changes)


def _changes(changes: Sequence[Change]) -> str:
    rows = [[code(change.name), _side(change.base), _side(change.this)] for change in changes]
    return table(("", "base", "this"), rows) if rows else ""


def _side(value: object) -> str:
    return NOTHING if value is ABSENT else code(value)


def _data(comparison: Comparison) -> tuple[str, str]:
    data = comparison.this.data
    if data is None:
        return "", ""
    same = f"{_plain(data.get('records'))} records, SHA-256 {code(str(data.get('sha256')))}."
    if comparison.base is None or comparison.base.data is None:
        return "Data: new", f"{same}\n\n{_balance(comparison.balance)}"
    if comparison.base.data == data:
        return "Data: unchanged", f"The same {same}"
    summary = "added and removed records are not known"
    keys = "The answers of both sides are neither in DVC's cache nor in its remote."
    if records := comparison.records:
        summary = _record_changes(records) or "the same records"
        keys = (
            f"{records.same} records are as they were. A record of which an answer was corrected is removed and added."
        )
    parts = (_changes(comparison.data), keys, _balance(comparison.balance), _drift(comparison.drift))
    return f"Data: {summary}", "\n\n".join(part for part in parts if part)


def _balance(balance: Sequence[Change]) -> str:
    base, this = ([number(getattr(change, side)) or 0 for change in balance] for side in ("base", "this"))

    def share(count: float, counts: Sequence[float]) -> str:
        return f"{count:g} ({count / sum(counts):.1%})" if count else NOTHING

    rows = [
        [words(change.name), share(old, base), share(new, this), f"{new - old:+g}" if sum(base) and new != old else ""]
        for change, old, new in zip(balance, base, this, strict=True)
    ]
    return table(("level", "base", "this", "difference"), rows) if rows else ""


def _drift(drift: Sequence[Drift]) -> str:
    def amount(column: Drift) -> str:
        if column.kind == "mix":
            return f"{column.amount:.1%} of rows"
        return f"{column.amount:.3f} deviations" if math.isfinite(column.amount) else "away from a constant"

    rows = [[words(column.column), amount(column), words(column.text, SHOWN_TEXT)] for column in drift]
    return table(("column", "moved by", "base -> this"), rows, left=3) if rows else ""


def _reproducibility(comparison: Comparison) -> tuple[str, str]:
    base, this = comparison.model.base, comparison.model.this
    if this is ABSENT:
        return "", ""
    equal = "a new model" if base is ABSENT else "the same model, byte for byte" if base == this else "another model"
    digests = (_side(value if value is ABSENT else str(value)[:SHOWN_DIGITS]) for value in (base, this))
    lines = ["- model SHA-256: base {}, this {}".format(*digests)]
    if comparison.same_recipe is not None:
        same = "the same" if comparison.same_recipe else "not the same"
        lines.append(f"- code, data and parameters of training: {same} in both locks")
    lock = "stale" if comparison.this.stale else "that of these files" if comparison.this.stages else "not here"
    lines.append(f"- `dvc.lock`: {lock}")
    parts = (comparison.this.parity or {}).get("comparisons")
    rows = [
        [words(str(name)), *(_plain(part.get(key)) for key in ("records", "label_flips", "max_probability_difference"))]
        for name, part in (sorted(parts.items()) if isinstance(parts, Mapping) else ())
        if isinstance(part, Mapping)
    ]
    headers = ("graph against Pipeline", "records", "labels that differ", "largest difference of a probability")
    return f"Reproducibility and parity: {equal}", "\n".join(lines) + (f"\n\n{table(headers, rows)}" if rows else "")


def _plain(value: object) -> str:
    """A number as a reader wants it, anything else as text."""
    figure = number(value)
    if figure is None:
        return NOTHING if value is None else words(str(value))
    return f"{figure:,.0f}" if figure.is_integer() else f"{figure:.4g}"


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
    return f"{title}: {summary}", table(("", "base", "this"), rows) if rows else ""


def _foot(comparison: Comparison, links: Links) -> str:
    parts = [f"Compared with {code(comparison.base.name)}" if comparison.base else "Compared with nothing"]
    if links.run:
        parts += [f"[run]({links.run})", f"[model and reports]({links.run}#artifacts)"]
    if links.commit:
        parts.append(f"[commit]({links.commit})")
    return " · ".join(parts)
