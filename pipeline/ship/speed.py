"""A packaged model -> how long it takes to answer one record here, and how many bytes that leaves behind.

In process: JSON is parsed, checked and answered, the answer is written and the line for the log, all by the service's
own code. What the web framework and Lambda's runtime add is in docs/scale.md; AWS bills whole milliseconds.
"""

import io
import statistics
import time
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ModelFileError
from pipeline.ship.cost import MEMORY_MB, Arch, Cost, Prices, Use, billed, per_million

# Lambda's own START, END and REPORT lines for each request, as benchmarks/scale.py reads them off the emulator.
PLATFORM_LOG_BYTES = 265

# As long as the ones of API Gateway.
_REQUEST_ID = "ABCDEFGHIJKLMNO="

_WARM, _CALLS = 20, 300


@dataclass(frozen=True)
class Prediction:
    """What one prediction takes: milliseconds as a median, bytes in the log and in the answer."""

    milliseconds: float
    log_bytes: int
    answer_bytes: int


def measure(model: Path, calls: int = _CALLS) -> Prediction:
    """What one prediction by a packaged model takes.

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
        found = [predict() for _ in range(_WARM + calls)][_WARM:]
    return Prediction(
        milliseconds=statistics.median(milliseconds for milliseconds, _ in found),
        log_bytes=len(log.getvalue().splitlines()[-1].encode()) + 1,
        answer_bytes=len(found[-1][1]),
    )


def cost(taken: Prediction, arch: Arch, prices: Prices) -> Cost:
    """What a million such predictions cost on Lambda with the memory that template.yaml gives, all of them warm."""
    use = Use(
        memory_mb=MEMORY_MB,
        arch=arch,
        billed_ms=billed([taken.milliseconds]),
        log_bytes=taken.log_bytes + PLATFORM_LOG_BYTES,
        answer_bytes=taken.answer_bytes,
    )
    return per_million(prices, use)
