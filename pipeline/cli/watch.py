"""`pipeline watch`: are the newest requests to each version of the model still like its first ones?"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import DriftRefusal

app = typer.Typer()


@app.command()
def watch(  # noqa: PLR0913, PLR0917  a command line has as many options as it needs
    log: Annotated[
        str, typer.Option(metavar="FILE|PATTERN|cloudwatch:GROUP", help="The service's log; .gz files are unpacked.")
    ],
    since: Annotated[
        str | None,
        typer.Option(help="Compare only requests since then: 30m, 12h, 7d, 2w or a date. Default: all of them."),
    ] = None,
    window: Annotated[int, typer.Option(help="Requests in a window, which is compared as a whole.")] = 200,
    reference: Annotated[
        int, typer.Option(help="Records in a reference: the first ones that a version accepted.")
    ] = 500,
    reference_file: Annotated[
        Path | None, typer.Option(help="Keep references in this file, because logs expire.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="A packaged model: also compare its requests with its training data.")
    ] = None,
    out: Annotated[Path, typer.Option(help="File for the result.")] = Path("reports/drift.json"),
    figures: Annotated[Path, typer.Option(help="Folder for a picture of each version.")] = Path("reports/figures"),
    markdown: Annotated[Path | None, typer.Option(help="Also write the text of an issue to this file.")] = None,
) -> None:
    """Compare each version's newest requests with its first ones.

    Reads the bins in the service's log. Exits with 0 if no version drifts, with 3 if one does. Writes
    reports/drift.json and a picture of each version, reports/figures/drift-VERSION.png.
    """
    from pipeline.cli.console import out as terminal
    from pipeline.cli.console import progress_shown
    from pipeline.files import write_bytes, write_json, write_text
    from pipeline.watch import WatchSettings, watch_log
    from pipeline.watch.picture import version_png
    from pipeline.watch.references import load_manifest
    from pipeline.watch.settings import parse_since
    from pipeline.watch.text import headline, issue_text, terminal_table

    now = datetime.now(UTC)
    settings = WatchSettings(window, reference, parse_since(since, now) if since else None)
    manifest = load_manifest(model) if model else None
    with progress_shown() as progress:
        summary = watch_log(log, now, settings, reference_file, manifest, progress)
    write_json(out, summary.as_json())
    for name, version in summary.versions.items():
        if png := version_png(name, version):
            write_bytes(figures / f"drift-{name}.png", png)
    if markdown:
        write_text(markdown, issue_text(summary))
    terminal.print(terminal_table(summary))
    if summary.drifting_versions:
        raise DriftRefusal(headline(summary))
