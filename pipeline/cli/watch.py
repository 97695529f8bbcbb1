"""`pipeline watch`: is the service still asked what it was asked at first?"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import DriftRefusal

app = typer.Typer()


@app.command()
def watch(  # noqa: PLR0913, PLR0917  a command line has as many options as it needs
    log: Annotated[
        str, typer.Option(metavar="FILE|PATTERN|cloudwatch:GROUP", help="The service's log; .gz is read as well.")
    ],
    since: Annotated[
        str | None, typer.Option(help="Compare what came since: 30m, 12h, 7d, 2w or a date. Default: everything.")
    ] = None,
    window: Annotated[int, typer.Option(help="Requests that are compared at once.")] = 200,
    reference: Annotated[int, typer.Option(help="First accepted records of a version that are its reference.")] = 500,
    reference_file: Annotated[
        Path | None, typer.Option(help="Keep references here: logs expire, and what was normal must outlive them.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="A packaged model: also tells how far its requests are from its data.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the result goes.")] = Path("reports/drift.json"),
    figures: Annotated[Path, typer.Option(help="Folder for a picture of each version.")] = Path("reports/figures"),
    markdown: Annotated[Path | None, typer.Option(help="Also write the text of an issue here.")] = None,
) -> None:
    """Compare recent requests with a version's first.

    Reads the bins in the service's log. Steady exits with 0, drifting with 3. Writes reports/drift.json and a picture
    for each version, reports/figures/drift-VERSION.png.
    """
    from pipeline.cli.console import out as terminal
    from pipeline.cli.console import progress_shown
    from pipeline.files import write_bytes, write_json, write_text
    from pipeline.watch import references, watch_log, words
    from pipeline.watch.picture import picture
    from pipeline.watch.terms import Terms, moment

    now = datetime.now(UTC)
    terms = Terms(window, reference, moment(since, now) if since else None)
    known = references.manifest(model) if model else None
    with progress_shown() as progress:
        found = watch_log(log, now, terms, reference_file, known, progress)
    write_json(out, found.as_json())
    for name, version in found.versions.items():
        if drawn := picture(name, version):
            write_bytes(figures / f"drift-{name}.png", drawn)
    if markdown:
        write_text(markdown, words.issue(found))
    terminal.print(words.table(found))
    if found.drifting:
        raise DriftRefusal(words.headline(found))
