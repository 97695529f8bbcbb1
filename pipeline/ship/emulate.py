"""A built Lambda folder -> answers from the real Lambda runtime, here, without Docker.

AWS's own runtime interface emulator (it comes with the SAM command line) runs AWS's own runtime client on the built
folder, in an environment of its own without this project's packages: what is missing in the package is missing here as
well.
"""

import json
import os
import platform
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import ModelFileError, PipelineError

HANDLER = "lambda_api.handler.handler"
TOOLS = Path(".tools")
"""Environments of tools that must not meet the project's own: `sam` and `lambda`, AWS's runtime client."""

START_SECONDS, INVOKE_SECONDS = 30.0, 60.0

_LOOPBACK = "127.0.0.1"
_TO_THE_FUNCTION = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class EmulationError(PipelineError):
    """The emulator or the function in it did not do what the real ones do; its log says more."""


@dataclass(frozen=True)
class EmulatedFunction:
    """A function in the runtime emulator.

    Attributes:
        address: Where it is invoked.
        log: Everything that the emulator and the function print.
    """

    address: str
    log: Path

    def invoke(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The function's answer to an event.

        Raises:
            EmulationError: It crashed or timed out.
        """
        request = urllib.request.Request(self.address, json.dumps(event).encode(), method="POST")  # noqa: S310  our own
        try:
            with _TO_THE_FUNCTION.open(request, timeout=INVOKE_SECONDS) as response:
                content = response.read()
            answer = json.loads(content)
        except (OSError, ValueError) as error:
            raise EmulationError(f"the function did not answer ({error}); its log:\n{self.tail()}") from None
        if not isinstance(answer, dict):
            raise EmulationError(f"the function answered {type(answer).__name__}, expected an object")
        return answer

    def tail(self, lines: int = 20) -> str:
        """The end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def runtime_emulator(tools: Path = TOOLS) -> Path:
    """AWS's runtime interface emulator for this machine.

    Raises:
        ModelFileError: The tools are not installed.
    """
    kind = "arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64"
    emulators = sorted(tools.glob(f"sam/lib/python*/site-packages/samcli/local/rapid/aws-lambda-rie-{kind}"))
    if not emulators:
        raise ModelFileError(f"{tools}/sam has no Lambda runtime emulator: install the tools with `make tools`")
    return emulators[0].absolute()


def runtime_python(tools: Path = TOOLS) -> Path:
    """The interpreter that has AWS's runtime client and nothing else.

    Raises:
        ModelFileError: The tools are not installed.
    """
    python = tools / "lambda/bin/python"
    if not python.exists():
        raise ModelFileError(f"{python} does not exist: install the tools with `make tools`")
    return python.absolute()


def free_port() -> int:
    """A TCP port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def emulated(
    folder: Path,
    environment: Mapping[str, str] | None = None,
    tools: Path = TOOLS,
    prefix: tuple[str, ...] = (),
    handler: str = HANDLER,
) -> Iterator[EmulatedFunction]:
    """A built folder as a running function; it is initialised by its first invocation.

    Args:
        folder: What would be unpacked as /var/task.
        environment: The function's own variables, as template.yaml gives them; nothing else is inherited.
        tools: Where the tools are installed.
        prefix: A command to run the emulator under, such as `unshare`.
        handler: The function's entry.

    Raises:
        ModelFileError: The folder or a tool is not there.
        EmulationError: The emulator does not start.
    """
    if not folder.joinpath(*handler.split(".")[:-1]).with_suffix(".py").is_file():
        raise ModelFileError(f"{folder} is not a built function: build it with `make package`")
    port = free_port()
    command = [
        *prefix,
        str(runtime_emulator(tools)),
        "--runtime-interface-emulator-address",
        f"{_LOOPBACK}:{port}",
        "--runtime-api-address",
        f"{_LOOPBACK}:{free_port()}",
        str(runtime_python(tools)),
        "-E",
        "-s",
        "-m",
        "awslambdaric",
        handler,
    ]
    with tempfile.TemporaryDirectory() as temporary:
        log = Path(temporary, "log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=_as_on_lambda(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            _wait(process, port, log)
            yield EmulatedFunction(f"http://{_LOOPBACK}:{port}/2015-03-31/functions/function/invocations", log)
        finally:
            with suppress(ProcessLookupError):  # it ended by itself: what its log says matters more
                os.killpg(process.pid, 15)
            process.wait()


def _as_on_lambda(environment: Mapping[str, str]) -> dict[str, str]:
    fixed = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "30",
        "AWS_REGION": "eu-central-1",
    }
    return fixed | dict(environment)


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise EmulationError(f"the emulator stopped at once:\n{log.read_text(errors='replace')}")
        with socket.socket() as probe:
            if probe.connect_ex((_LOOPBACK, port)) == 0:
                return
        time.sleep(0.02)
    raise EmulationError(f"the emulator does not listen after {START_SECONDS:g} s")


def template_environment(template: Path = Path("template.yaml")) -> dict[str, str]:
    """The function's variables as template.yaml sets them, where they are plain text."""
    from ruamel.yaml import YAML

    parsed = YAML(typ="rt").load(template.read_text())
    variables = parsed["Resources"]["ApiFunction"]["Properties"]["Environment"]["Variables"]
    return {str(name): str(value) for name, value in variables.items() if isinstance(value, str)}
