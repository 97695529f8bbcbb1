"""AWS's own command line for a stack, run as it is, so that its output and its waiting are what everyone knows."""

import os
import subprocess

from pipeline.errors import ModelFileError, PipelineError
from pipeline.ship.emulate import TOOLS

SAM = TOOLS / "sam/bin/sam"


def sam(*arguments: str, **environment: str) -> None:
    """Run `sam`; it prints what it does.

    Raises:
        ModelFileError: It is not installed.
        PipelineError: It failed, and has said why.
    """
    if not SAM.is_file():
        raise ModelFileError(f"{SAM} does not exist: install the tools with `make tools`")
    quiet = {"SAM_CLI_TELEMETRY": "0"}
    done = subprocess.run([str(SAM), *arguments], env=os.environ | quiet | environment, check=False)
    if done.returncode:
        raise PipelineError(f"sam {arguments[0]} failed; it says above why")
