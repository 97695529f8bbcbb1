"""`pipeline doctor`: whether GitHub, AWS and the stages are set up as the workflows need them."""

from dataclasses import asdict
from typing import Annotated

import typer

from pipeline.cli.console import answer, progress_shown
from pipeline.cli.options import DEFAULT_PARAMS, ParamsFile, load_params

app = typer.Typer()

MARKS = {"ok": "ok", "note": "--", "wrong": "NO", "unknown": "??"}
"""What stands before each line."""


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of lines.")] = False,
    params: ParamsFile = DEFAULT_PARAMS,
) -> None:
    """Look whether everything is set up, and name the command that mends what is not.

    Reads only: GitHub through gh, with your login, and AWS with your credentials. Exit code 3 if something is wrong;
    what you may not see is no fault.

    Example: pipeline doctor
    """
    from pipeline.doctor import examine

    with progress_shown() as progress:
        findings = examine(load_params(params).registry.model_name, progress)
    width = max(len(finding.check) for finding in findings)
    lines = [
        f"{MARKS[finding.sign]}  {finding.check:<{width}}  {finding.seen}"
        + (f". Remedy: {finding.remedy}" if finding.remedy else "")
        for finding in findings
    ]
    wrong = sum(finding.sign == "wrong" for finding in findings)
    unseen = sum(finding.sign == "unknown" for finding in findings)
    verdict = f"{wrong} of {len(findings)} wrong" if wrong else "Nothing is wrong"
    verdict += f", {unseen} could not be seen" if unseen else ""
    answer([asdict(finding) for finding in findings], "\n".join([*lines, "", verdict]), as_json)
    if wrong:
        raise typer.Exit(3)
