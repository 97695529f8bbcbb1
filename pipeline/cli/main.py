"""The `pipeline` command: all groups of commands in one, and the exit code.

Exit codes: 0 ok, 1 a bug, 2 bad input or a place that cannot be used, 3 refused (gate, parity, reproduction). What is
expected shows no traceback.
"""

import errno
import sys

import typer

from pipeline.cli import ci, ci_results, ci_service, data, deploy, doctor, flow, package, registry, report, watch
from pipeline.cli.console import err
from pipeline.cli.options import LOOK
from pipeline.errors import InputError, PipelineError

app = typer.Typer(
    name="pipeline",
    help="Retrain, judge, register and exactly export the model. `make run` does it all; these are its parts.",
    add_completion=False,
    **LOOK,
)
for group in (flow.app, data.app, report.app, package.app, deploy.app, watch.app, doctor.app):
    app.add_typer(group)
app.add_typer(registry.app, name="registry")
ci.app.add_typer(ci_results.app)
ci.app.add_typer(ci_service.app)
app.add_typer(ci.app, name="ci")


UNUSABLE = {
    errno.EACCES: "Make it writable for you, or work in another folder",
    errno.EDQUOT: "Your quota is used up: make room, then run again",
    errno.ENOSPC: "The disk is full: make room, then run again",
    errno.EROFS: "It cannot be written: work in another folder",
}
"""What to do about a place that cannot be used; nothing is half-written there, because whole files are renamed."""


def main() -> None:
    """Run the command and exit with its code."""
    try:
        app()
    except PipelineError as error:
        err.print(f"{type(error).__name__}: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in UNUSABLE:
            raise
        place = f"{error.filename}: " if error.filename else ""
        text = f"OSError: {place}{error.strerror}. {UNUSABLE[error.errno]}"
        err.print(text, markup=False, highlight=False, soft_wrap=True)
        sys.exit(InputError.exit_code)
