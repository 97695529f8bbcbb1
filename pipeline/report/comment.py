"""A comparison -> the Markdown by which a person decides in ten seconds; details are folded.

The same comparison always makes the same text, within GitHub's limit: details that no longer fit are left out. Only
the first line has a sign, so that no other one can contradict it.
"""

import re
from collections.abc import Iterator, Sequence

from pipeline.report.comparison import Comparison
from pipeline.report.context import RunContext
from pipeline.report.details import changes_in_words, details
from pipeline.report.headline import Headline, headline
from pipeline.report.markdown import COMMENT_MARKER, SHOWN_TEXT, code, words
from pipeline.report.tables import figure_table, own_table
from pipeline.report.verdict import REFUSED

# GitHub counts characters; bytes are never fewer.
LARGEST_BYTES = 65_536
LEFT_OUT = "{gone} of {of} details are left out: the comment would be too long."
SHOWN_COMMIT = 8
OUT_OF_FOLD = "Out of fold: answered by a model that had not seen the record."

_SUMMARY = re.compile("<details><summary>(.*)</summary>")


def comment(comparison: Comparison, context: RunContext) -> str:
    """The whole comment, for who reads it where `context` says."""
    first = headline(comparison, context)
    remedy = [first.remedy] if first.remedy else []
    head = [f"## {first}", *remedy, *_notes(comparison, context, first), *_main(comparison)]
    parts, foot = list(details(comparison, context)), [*_foot(context), COMMENT_MARKER]
    kept: list[str] = []
    for part in parts:
        if _bytes([*head, *kept, part, LEFT_OUT, *foot]) <= LARGEST_BYTES:
            kept.append(part)
    gone = len(parts) - len(kept)
    return _joined([*head, *kept, *([LEFT_OUT.format(gone=gone, of=len(parts))] if gone else []), *foot])


def unfolded(text: str) -> str:
    """A comment for a terminal, which folds nothing: titles for what there is to click on."""
    return _SUMMARY.sub(r"### \1", text).replace("</details>", "")


def _joined(parts: Sequence[str]) -> str:
    return "\n\n".join(parts) + "\n"


def _bytes(parts: Sequence[str]) -> int:
    return len(_joined(parts).encode())


def _notes(comparison: Comparison, context: RunContext, first: Headline) -> Iterator[str]:
    """What a reader must know before the figures."""
    yield " ".join(_sentences(comparison, context, first))
    if not_proven := list(_not_proven(comparison, context)):
        yield f"Not proven here: {'; '.join(not_proven)}."
    if comparison.records and (changes := changes_in_words(comparison.records)):
        added, right = comparison.records.added, comparison.records.added_right
        answered = f" Of the added, {right} ({right / added:.1%}) are answered right out of fold." if added else ""
        yield f"The data changed: {changes}.{answered}"


def _sentences(comparison: Comparison, context: RunContext, first: Headline) -> Iterator[str]:
    """What the gate says beyond the first line, and how this model is beside its base."""
    if comparison.verdict and comparison.verdict.outcome != REFUSED:
        yield f"The gate says: {words(comparison.verdict.text.rstrip('.'), SHOWN_TEXT)}."
    elif comparison.verdict:
        against = (words(reason, SHOWN_TEXT) for reason in comparison.verdict.against)
        if others := [reason for reason in against if reason != first.figure]:
            yield f"Also against it: {'; '.join(others)}."
    yield _compared(comparison)
    if comparison.irreproducible and context.reproduced:
        base = code(comparison.base_name)
        yield f"{base} made another model of the same code, data and parameters; two runs here made the same bytes."


def _compared(comparison: Comparison) -> str:
    base, this = comparison.base, comparison.this
    if base is None:
        return "Nothing to compare with: there is no commit before this one."
    name = code(base.name)
    sources = (words(str((side.data or {}).get("source", "unknown"))) for side in (this, base))
    missing = "there are no reports here" if this.metrics is None else f"{name} has no reports"
    return {
        "better": f"Better than {name}.",
        "worse": f"Worse than {name}.",
        "mixed": f"Better than {name} in one figure and worse in another.",
        "no difference": f"No difference from {name} beyond noise.",
        "unchanged": f"The same model and figures as {name}.",
        "not comparable": "This model was made from {} data, that of {name} from {} data.".format(*sources, name=name),
        "nothing": f"Nothing to compare with: {missing}.",
    }[comparison.outcome]


def _not_proven(comparison: Comparison, context: RunContext) -> Iterator[str]:
    """Each proof that did not happen, and why."""
    if comparison.verdict is None:
        yield "the gate has not judged this model"
    elif comparison.verdict.not_compared:
        yield "no champion was asked"
    if comparison.is_sample:
        yield "`dvc.lock` was not checked, because the sample was used"
    if context.on_github and context.reproduced is None:
        yield "two runs were not compared"
    measured = any(figure.low is not None for figure in comparison.decisive) and comparison.outcome != "unchanged"
    if measured and not comparison.paired:
        base = code(comparison.base_name)
        yield f"small differences from {base} may be missed, because its answers to these records are not here"


def _main(comparison: Comparison) -> Iterator[str]:
    if not comparison.figures:
        return
    if comparison.outcome == "unchanged" or not any(figure.low is not None for figure in comparison.figures):
        yield own_table(comparison.figures)
        yield f"Intervals of {comparison.confidence:.0%}. {OUT_OF_FOLD}"
        return
    yield figure_table(comparison.figures, comparison.base_name)
    paired = f" Paired: on the same {comparison.paired} records." if comparison.paired else ""
    yield f"Intervals of {comparison.confidence:.0%}; an arrow where 0 is outside.{paired} {OUT_OF_FOLD}"


def _foot(context: RunContext) -> Iterator[str]:
    links = []
    if context.commit and context.sha:
        links.append(f"[{code(context.sha[:SHOWN_COMMIT])}]({context.commit})")
    if context.run:
        links += [f"[run]({context.run})", f"[model and reports]({context.run}#artifacts)"]
    if links:
        yield " · ".join(links)
