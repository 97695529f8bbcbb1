"""A comparison in -> the Markdown that a person decides by, in ten seconds; details are folded.

The same comparison always makes the same text, within GitHub's limit: details that no longer fit are left out.
"""

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.data.shift import Drift
from pipeline.files import Report, number
from pipeline.report.comparison import ABSENT, Change, Comparison, Figure, Matrix, Records
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
"""What is told of a built package (build/package.json), in this order."""
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


def comment(found: Comparison, links: Links | None = None) -> str:
    """The whole comment; `links` None takes those of the environment."""
    links = links if links is not None else Links.of(os.environ)
    head = [f"## {headline(found)}", *_warnings(found), *_main(found)]
    details, foot = list(_details(found)), [_foot(found, links), COMMENT_MARKER]
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


def headline(found: Comparison) -> str:
    """The verdict in one line: the gate's, if it judged this model, then the comparison's."""
    base = code(found.base.name) if found.base else "the base"
    better, worse = ("; ".join(_short(figure) for figure in found.decisive if figure.moved == sign) for sign in (1, -1))
    accuracy = next((figure for figure in found.decisive if figure.key == "out_of_fold.accuracy"), None)
    told = {
        "better": f"✅ Better than {base}: {better}",
        "worse": f"❌ Worse than {base}: {worse}",
        "mixed": f"⚠️ Better and worse than {base}: {better}; but {worse}",
        "no difference": f"🟰 No difference beyond noise from {base}" + (f": {_short(accuracy)}" if accuracy else ""),
        "unchanged": f"🟰 Unchanged: the model and all figures of {base}",
        "not comparable": f"⚠️ Not comparable with {base}: {_sources(found)}",
        "nothing": f"🆕 Nothing to compare: {_why_nothing(found)}",
    }[found.outcome]
    return f"{_gate(found)}. {told}" if _gate(found) else told


def _gate(found: Comparison) -> str | None:
    """What the gate said, if it spoke about this very model."""
    verdict = found.this.verdict
    if not verdict or verdict.get("challenger_sha256") != found.model.this:
        return None
    outcome = str(verdict.get("outcome"))
    said = "passed" if outcome == "promoted" else words(outcome)  # in a pull request nothing is promoted yet
    return f"{SIGNS.get(outcome, '❔')} Gate: {said}"


def _short(figure: Figure) -> str:
    return f"{figure.label} {_signed(figure.difference)}" + (f" {_span(figure)}" if figure.low is not None else "")


def _sources(found: Comparison) -> str:
    sides = (found.base.data if found.base else None, found.this.data)
    base, this = (words(str((data or {}).get("source", "unknown"))) for data in sides)
    return f"this model was made from {this} data, that one from {base} data"


def _why_nothing(found: Comparison) -> str:
    if found.this.metrics is None:
        return "there are no reports here, `dvc repro` makes them"
    if found.base is None:
        return "there is no commit before this one, everything is new"
    return f"{code(found.base.name)} has no reports, everything is new"


def _warnings(found: Comparison) -> Iterator[str]:
    """What a reader must know before the figures."""
    this = found.this
    if this.stale:
        shown = "\n".join(f"> - {words(line)}" for line in this.stale[:SHOWN_STALE])
        yield f"> [!WARNING]\n> `dvc.lock` is stale, not of the files here: run `dvc repro` and commit it.\n{shown}"
    if (this.data or {}).get("source") == "sample":
        yield "> [!WARNING]\n> Made from the embedded sample of invented people: it says nothing about real ones."
    if this.model_file_sha256 and this.parity and this.model_file_sha256 != found.model.this:
        yield "> [!WARNING]\n> `models/model.onnx` is not the model that the reports describe: run `dvc repro`."
    if found.same_recipe and found.model.base != found.model.this:
        yield "> [!CAUTION]\n> Not reproducible: the same code, data and parameters made another model."
    if found.records and (told := _came_and_went(found.records)):
        share = found.records.added_right / max(found.records.added, 1)
        right = f" Of the added, {found.records.added_right} ({share:.1%}) are answered right out of fold."
        yield f"The data changed: {told}.{right if found.records.added else ''}"
    if _gate(found):
        yield f"The gate says: {words(str((this.verdict or {}).get('text')), SHOWN_TEXT)}"


def _came_and_went(records: Records) -> str:
    """How many records came, went and changed their level; nothing where none did."""
    told = f"{records.added} records added, {records.removed} removed, {records.changed} with another level"
    return told if records.added or records.removed or records.changed else ""


def _main(found: Comparison) -> Iterator[str]:
    if not found.figures:
        return
    if found.outcome == "unchanged" or not any(figure.low is not None for figure in found.figures):
        yield _alone(found.figures)
        yield f"Intervals of {found.confidence:.0%}."
        return
    yield _figures(found.figures)
    note = f"Differences with {found.confidence:.0%} intervals; an arrow only where all of it is on one side of 0."
    paired = f" Paired: on the same {found.paired} records, answered by both out of fold." if found.paired else ""
    apart = "Other intervals join" if paired else "Both answers to the same records are not at hand: the intervals join"
    yield f"{note}{paired} {apart} the two figures' own, which finds less than there may be."


def _figures(figures: Sequence[Figure]) -> str:
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


def _alone(figures: Sequence[Figure]) -> str:
    return table(("", "this", "interval"), [[words(f.label), _number(f.this), _own(f)] for f in figures])


def _own(figure: Figure) -> str:
    return NOTHING if figure.own is None else f"[{figure.own[0]:.4f}, {figure.own[1]:.4f}]"


def _basis(figure: Figure) -> str:
    if figure.low is None:
        return NOTHING
    return f"{_span(figure)} paired, {figure.pairs}" if figure.pairs else _span(figure)


def _span(figure: Figure) -> str:
    return f"[{_signed(figure.low)}, {_signed(figure.high)}]"


def _number(value: float | None, absent: str = NOTHING) -> str:
    return absent if value is None else f"{value:.4f}"


def _signed(value: float | None) -> str:
    if value is None:
        return NOTHING
    return "0" if round(value, 4) == 0 else f"{value:+.4f}"


def _details(found: Comparison) -> Iterator[str]:
    """The folded parts, the most telling first."""
    parts = (
        _gate_reasons(found),
        *(() if found.outcome == "unchanged" else (_levels(found), _slices(found), _confusion(found.confusion))),
        _params(found.params),
        _data(found),
        _reproducibility(found),
        _size(found),
    )
    yield from (folded(title, body) for title, body in parts if body)


def _gate_reasons(found: Comparison) -> tuple[str, str]:
    reasons = (found.this.verdict or {}).get("reasons") if _gate(found) else None

    def row(reason: Report) -> list[str]:
        holds = {"True": "yes", "False": "**no**"}.get(str(reason.get("ok")), NOTHING)
        name, needed = (words(str(reason.get(key))) for key in ("name", "needed"))
        return [name, _plain(reason.get("found")), needed, holds, words(str(reason.get("text")), SHOWN_TEXT)]

    rows = [row(reason) for reason in (reasons if isinstance(reasons, Sequence) else ()) if isinstance(reason, Mapping)]
    failed = sum(row[3] == "**no**" for row in rows)
    headers = ("rule", "found", "needed", "holds", "in words")
    return f"The gate's reasons: {failed or 'none'} against it", table(headers, rows, left=5) if rows else ""


def _levels(found: Comparison) -> tuple[str, str]:
    return _moved("Recall of each level", found.levels)


def _slices(found: Comparison) -> tuple[str, str]:
    return _moved("Accuracy of slices", found.slices)


def _moved(title: str, figures: Sequence[Figure]) -> tuple[str, str]:
    counts = {
        "better": sum(figure.moved == 1 for figure in figures),
        "worse": sum(figure.moved == -1 for figure in figures),
        "new": sum(figure.base is None for figure in figures),
        "gone": sum(figure.this is None for figure in figures),
    }
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    note = (
        "\n\nEach row is judged by itself: one in twenty moves by luck." if counts["better"] + counts["worse"] else ""
    )
    return f"{title}: {told or 'none moved beyond noise'}", _figures(figures) + note if figures else ""


def _confusion(matrix: Matrix | None) -> tuple[str, str]:
    if matrix is None:
        return "", ""
    if not matrix.moved:
        return "Confusion matrix: unchanged", "Every cell is as it was."

    def cell(actual: str, predicted: str) -> str:
        base, this = (side.get((actual, predicted), 0) for side in (matrix.base, matrix.this))
        return f"{this}" if base == this else f"{this} (**{this - base:+d}**)"

    rows = [[words(actual), *(cell(actual, predicted) for predicted in matrix.levels)] for actual in matrix.levels]
    told = "Rows are the true level, columns the answer out of fold; in brackets the difference from the base."
    return (
        f"Confusion matrix: {matrix.moved} cells differ",
        f"{table(('', *map(words, matrix.levels)), rows)}\n\n{told}",
    )


def _params(changes: Sequence[Change]) -> tuple[str, str]:
    return f"Parameters: {len(changes)} changed", _changes(changes)


def _changes(changes: Sequence[Change]) -> str:
    rows = [[code(change.name), _side(change.base), _side(change.this)] for change in changes]
    return table(("", "base", "this"), rows) if rows else ""


def _side(value: object) -> str:
    return NOTHING if value is ABSENT else code(value)


def _data(found: Comparison) -> tuple[str, str]:
    data = found.this.data
    if data is None:
        return "", ""
    same = f"{_plain(data.get('records'))} records, SHA-256 {code(str(data.get('sha256')))}."
    if found.base is None or found.base.data is None:
        return "Data: new", f"{same}\n\n{_balance(found.balance)}"
    if found.base.data == data:
        return "Data: unchanged", f"The same {same}"
    told = "added and removed records are not known"
    keys = "The answers of both sides are not at hand, in DVC's cache or its remote."
    if records := found.records:
        told = _came_and_went(records) or "the same records"
        keys = (
            f"{records.same} records are as they were. A record of which an answer was corrected is removed and added."
        )
    parts = (_changes(found.data), keys, _balance(found.balance), _drift(found.drift))
    return f"Data: {told}", "\n\n".join(part for part in parts if part)


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

    rows = [[words(column.column), amount(column), words(column.told, SHOWN_TEXT)] for column in drift]
    return table(("column", "moved by", "base -> this"), rows, left=3) if rows else ""


def _reproducibility(found: Comparison) -> tuple[str, str]:
    base, this = found.model.base, found.model.this
    if this is ABSENT:
        return "", ""
    equal = "a new model" if base is ABSENT else "the same model, byte for byte" if base == this else "another model"
    digests = (_side(value if value is ABSENT else str(value)[:SHOWN_DIGITS]) for value in (base, this))
    lines = ["- model SHA-256: base {}, this {}".format(*digests)]
    if found.same_recipe is not None:
        same = "the same" if found.same_recipe else "not the same"
        lines.append(f"- code, data and parameters of training: {same} in both locks")
    lock = "stale" if found.this.stale else "that of these files" if found.this.stages else "not here"
    lines.append(f"- `dvc.lock`: {lock}")
    parts = (found.this.parity or {}).get("comparisons")
    rows = [
        [words(str(name)), *(_plain(part.get(key)) for key in ("records", "label_flips", "max_probability_difference"))]
        for name, part in (sorted(parts.items()) if isinstance(parts, Mapping) else ())
        if isinstance(part, Mapping)
    ]
    headers = ("graph against Pipeline", "records", "labels that differ", "largest difference of a probability")
    return f"Reproducibility and parity: {equal}", "\n".join(lines) + (f"\n\n{table(headers, rows)}" if rows else "")


def _plain(value: object) -> str:
    """A number with what is told of it, anything else as text."""
    found = number(value)
    if found is None:
        return NOTHING if value is None else words(str(value))
    return f"{found:,.0f}" if found.is_integer() else f"{found:.4g}"


def _size(found: Comparison) -> tuple[str, str]:
    base, this = ((side.parity or {}) if side else {} for side in (found.base, found.this))
    names = {"model_bytes": "model.onnx, bytes", "nodes": "nodes", "trees": "trees"}
    rows = [[name, _plain(base.get(key)), _plain(this.get(key))] for key, name in names.items() if key in this]
    package = found.this.package or {}
    rows += [[told, NOTHING, _plain(package[name])] for name, told in PACKAGE.items() if name in package]
    sizes = [f"{size / 1000:.0f} kB" for side in (base, this) if (size := number(side.get("model_bytes"))) is not None]
    told = " -> ".join(dict.fromkeys(sizes))
    if usd := number(package.get("usd_per_million")):
        told += f", {usd:.2f} USD a million predictions"
    title = "Size of model and package, cost" if package else "Size of the model"
    return f"{title}: {told}", table(("", "base", "this"), rows) if rows else ""


def _foot(found: Comparison, links: Links) -> str:
    parts = [f"Compared with {code(found.base.name)}" if found.base else "Compared with nothing"]
    if links.run:
        parts += [f"[run]({links.run})", f"[model and reports]({links.run}#artifacts)"]
    if links.commit:
        parts.append(f"[commit]({links.commit})")
    return " · ".join(parts)
