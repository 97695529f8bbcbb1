"""scale.json -> what was measured of the function, by memory, on one machine; `make scale` writes it."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pipeline.errors import ModelFileError
from pipeline.files import read_bytes

PATH = Path("benchmarks/scaling/scale.json")


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Size(_Frozen):
    """One size of memory, with the share of the processor that AWS gives it; milliseconds unless said otherwise.

    Attributes:
        memory_mb: What the function would be given.
        cores: The share of one core.
        first: Each cold start: from the request to its answer, the initialisation included.
        init: The initialisation alone.
        spaced: Warm requests with a pause before each, as people come: a hundred quantiles.
        spaced_requests: Of how many.
        billed: Whole milliseconds of these, as a mean.
        busy: Warm requests one after another without a pause: their median.
        busy_p99: What 99 of 100 of these do not exceed.
        busy_requests: How many these were.
        cpu: Processor time of a busy request.
        resident_mb: Most memory that the function's process ever held.
        log_bytes: Of a warm request: the service's own line and Lambda's three.
        platform_log_bytes: Lambda's three.
        answer_bytes: Body and headers.
    """

    memory_mb: int
    cores: float
    first: tuple[float, ...]
    init: tuple[float, ...]
    spaced: tuple[float, ...]
    spaced_requests: int
    billed: float
    busy: float
    busy_p99: float
    busy_requests: int
    cpu: float
    resident_mb: float
    log_bytes: int
    platform_log_bytes: int
    answer_bytes: int


class SideBySide(_Frozen):
    """Environments that work at the same time, each busy, and the requests a second of all of them."""

    environments: int
    a_second: float


class Container(_Frozen):
    """The same application under uvicorn with a share of a core: requests a second when it is never idle."""

    vcpu: float
    clients: int
    a_second: float
    median: float
    p99: float


class Measurements(_Frozen):
    """All of it, and on what."""

    machine: str
    model: str
    package_bytes: int
    period_ms: int
    sizes: tuple[Size, ...]
    side_by_side_mb: int
    side_by_side: tuple[SideBySide, ...]
    containers: tuple[Container, ...]

    def size(self, memory_mb: int) -> Size:
        """The measurements of one size."""
        return next(size for size in self.sizes if size.memory_mb == memory_mb)


def quantiles(values: Sequence[float], count: int = 100) -> tuple[float, ...]:
    """So many values that stand for all: the middles of as many equal parts of them, in order.

    >>> quantiles([4.0, 1.0, 3.0, 2.0], 2)
    (2.0, 4.0)
    """
    ranked = sorted(values)
    return tuple(ranked[int((place + 0.5) / count * len(ranked))] for place in range(count))


def load(path: Path = PATH) -> Measurements:
    """The measurements in a file.

    Raises:
        ModelFileError: There is no such file, or it is of another version.
    """
    try:
        return Measurements.model_validate_json(read_bytes(path, "make scale"))
    except ValueError as error:
        raise ModelFileError(f"{path} is not what `make scale` writes now: make it again\n{error}") from None
