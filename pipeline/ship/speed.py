"""A packaged model -> how long it takes to answer one record here, and how many bytes it logs and sends.

In process: the service's own code parses and checks the JSON, answers it, and writes the answer and the log's line.
What the web framework and Lambda's runtime add is in docs/scale.md; AWS bills whole milliseconds.
"""

import io
import statistics
import time
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ModelFileError
from pipeline.ship.cost import MEMORY_MB, Arch, Cost, Prices, Use, billed, per_million

# Lambda's own START, END and REPORT lines of a request, as benchmarks/scaling reads them in the emulator's log.
PLATFORM_LOG_BYTES = 265

# As long as those of API Gateway.
_REQUEST_ID = "ABCDEFGHIJKLMNO="

_WARM, _CALLS = 20, 300


@dataclass(frozen=True)
class PredictionUse:
    """What one prediction uses: milliseconds as a median, bytes in the log and in the answer."""

    milliseconds: float
    log_bytes: int
    answer_bytes: int


def measure(model: Path, calls: int = _CALLS) -> PredictionUse:
    """What one prediction by a packaged model uses.

    Args:
        model: A folder as `pipeline package` writes it.
        calls: Predictions to take the median of, after some that do not count.

    Raises:
        ModelFileError: The service does not start from it.
    """
    from pydantic_core import to_json

    from lambda_api.contract import Record, example
    from lambda_api.manifest import ManifestError
    from lambda_api.model import ModelError
    from lambda_api.service import Service
    from lambda_api.telemetry import Telemetry

    try:
        service = Service.load(model)
    except (ManifestError, ModelError) as error:
        raise ModelFileError(f"the service would not start from {model}: {error}") from None
    telemetry, body, log = Telemetry(service.manifest.model_version), to_json(example()), io.StringIO()

    def predict() -> tuple[float, bytes]:
        start = time.perf_counter()
        answered = service.answer([Record.model_validate_json(body)])
        content = to_json(answered.answers[0] | {"model_version": service.manifest.model_version})
        telemetry.predicted(_REQUEST_ID, answered, start)
        return (time.perf_counter() - start) * 1000, content

    with redirect_stdout(log):
        samples = [predict() for _ in range(_WARM + calls)][_WARM:]
    return PredictionUse(
        milliseconds=statistics.median(milliseconds for milliseconds, _ in samples),
        log_bytes=len(log.getvalue().splitlines()[-1].encode()) + 1,
        answer_bytes=len(samples[-1][1]),
    )


def cost(use: PredictionUse, arch: Arch, prices: Prices) -> Cost:
    """What a million such predictions cost on Lambda with the memory that template.yaml gives, all of them warm."""
    lambda_use = Use(
        memory_mb=MEMORY_MB,
        arch=arch,
        billed_ms=billed([use.milliseconds]),
        log_bytes=use.log_bytes + PLATFORM_LOG_BYTES,
        answer_bytes=use.answer_bytes,
    )
    return per_million(prices, lambda_use)
