"""The `pipeline` command: all groups of commands in one, and the exit code.

Exit codes: 0 ok, 1 a bug, 2 bad input or a place that cannot be used, 3 refused (gate, parity, reproduction). What is
expected shows no traceback.
"""

import sys

import typer

from pipeline.cli import ci, ci_results, ci_service, data, deploy, doctor, flow, package, registry, report, watch
from pipeline.cli.console import err
from pipeline.cli.options import LOOK
from pipeline.errors import PipelineError

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


def main() -> None:
    """Run the command and exit with its code."""
    try:
        app()
    except PipelineError as error:
        err.print(f"{type(error).__name__}: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
