"""Commands about what people read: figures, the model card, what changed since a commit, generated documents."""

import os
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.console import out, say
from pipeline.cli.options import load_params
from pipeline.errors import GateRefusal, InputError
from pipeline.files import Layout

app = typer.Typer()


@app.command()
def report(
    folder: Annotated[Path, typer.Option("--in", help="Root of the layout that holds reports/.")] = Path(),
    against: Annotated[
        str | None,
        typer.Option(
            metavar="REV",
            help="Compare with a commit instead. `auto`: where this branch left main (in a pull request, its target); "
            "on main HEAD if anything was changed since, else the commit before. A run of GitHub on main that nobody "
            "pushed to is compared with the champion.",
        ),
    ] = None,
    target: Annotated[
        Path | None, typer.Option("--out", help="With --against: write the Markdown here instead of showing it.")
    ] = None,
    refuse_worse: Annotated[
        bool, typer.Option("--refuse-worse", help="With --against: exit with 3 if a figure is worse beyond noise.")
    ] = False,
) -> None:
    """Draw figures, write the model card; or compare.

    From the report files alone. With --against it says what changed since a commit: in colours on a terminal, as
    Markdown elsewhere, which is what a pull request gets as its comment.
    """
    from pipeline.report.write import run as write_report

    if against is None:
        if target or refuse_worse:
            raise InputError("--out and --refuse-worse need --against REV, the commit to compare with")
        for path in write_report(Layout(folder), load_params().data.published):
            say(str(path))
        return
    _compare(against, folder, target, refuse_worse=refuse_worse)


def _compare(against: str, folder: Path, target: Path | None, *, refuse_worse: bool) -> None:
    from pipeline.files import write_text
    from pipeline.report.base import against as compare_with
    from pipeline.report.comment import comment, unfolded
    from pipeline.report.context import RunContext
    from pipeline.report.headline import headline

    comparison, context = compare_with(against, folder), RunContext.of(os.environ)
    text, first = comment(comparison, context), headline(comparison, context)
    if target:
        write_text(target, text)
        say(f"{target}: {first}")
    elif out.is_terminal:
        from rich.markdown import Markdown

        out.print(Markdown(unfolded(text)))
    else:
        out.file.write(text)
    if refuse_worse and comparison.outcome in {"worse", "mixed"}:
        raise GateRefusal(f"a figure is worse than before: {first}")


@app.command()
def docs(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit with 2 if a document is stale.")] = False,
) -> None:
    """Write the documents made from the code.

    docs/data-dictionary.md from the contract, docs/model-card.md from the reports.
    """
    from pipeline.files import write_text
    from pipeline.report.write import documents
    from pipeline.report.write import stale as stale_documents

    published = load_params().data.published
    stale = stale_documents(Layout(), published)
    if check and stale:
        raise InputError(f"stale: {', '.join(map(str, stale))}: make them again with `pipeline docs`")
    for path in stale:
        write_text(path, documents(Layout(), published)[path])
        say(f"wrote {path}")
