"""The arguments of a `sam` command -> that command, run as it is, so that people see the output they know."""

import os
import subprocess

from pipeline.errors import ModelFileError, PipelineError
from pipeline.ship.emulate import TOOLS

SAM = TOOLS / "sam/bin/sam"


def sam(*arguments: str, **environment: str) -> None:
    """Run `sam` from `.tools`; it prints to the terminal itself.

    Args:
        arguments: Command and options, such as "deploy", "--stack-name", "NAME".
        environment: Variables to set beside this process's own.

    Raises:
        ModelFileError: `sam` is not installed.
        PipelineError: `sam` failed; it has printed the reason.
    """
    if not SAM.is_file():
        raise ModelFileError(f"{SAM} does not exist: install the tools with `make tools`")
    no_telemetry = {"SAM_CLI_TELEMETRY": "0"}
    process = subprocess.run([str(SAM), *arguments], env=os.environ | no_telemetry | environment, check=False)
    if process.returncode:
        raise PipelineError(f"sam {arguments[0]} failed with exit code {process.returncode}; its output above says why")
