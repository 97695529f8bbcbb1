"""The function at every size of memory, and many of them: measures scale.json, writes docs/scale.md.

python -m benchmarks.scaling            (or `make scale`; needs root for the processor's share, and a quiet machine)
python -m benchmarks.scaling --again    (writes the page again from what was measured before)
"""

import os
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import cores, lambda_python, parser
from benchmarks.scaling import measurements, page
from benchmarks.scaling.container import measure_container
from benchmarks.scaling.environments import Requests, measure_sizes, side_by_side
from benchmarks.scaling.measurements import Measurements
from benchmarks.scaling.share import PERIOD_MS, hierarchy
from pipeline import params
from pipeline.files import Layout, write_json, write_text
from pipeline.ship import bundle
from pipeline.ship.cost import MEMORY_MB
from pipeline.ship.cost import load as load_prices
from pipeline.ship.package import package_layout, sample_layout

SIDE_BY_SIDE_MB = 256


@dataclass(frozen=True)
class ScalingWork:
    """How much is measured.

    Attributes:
        sizes: Megabytes of memory.
        rounds: Environments of each size.
        requests: Of each environment.
        side_by_side: Environments that are busy at the same time.
        vcpus: Of the containers.
        seconds: For which each container is asked.
    """

    sizes: tuple[int, ...]
    rounds: int
    requests: Requests
    side_by_side: tuple[int, ...]
    vcpus: tuple[float, ...]
    seconds: float


FULL = ScalingWork((256, 512, 1024, MEMORY_MB, 3008), 7, Requests(spaced=40, busy=150), (1, 2, 4), (0.25, 1.0), 6.0)
SHORT = ScalingWork((MEMORY_MB,), 1, Requests(spaced=2, busy=3), (1,), (1.0,), 0.2)


def measure(layout: Layout, work: ScalingWork) -> Measurements:
    """Everything, with the model of a layout."""
    with tempfile.TemporaryDirectory() as temporary:
        model = Path(temporary, "model")
        manifest = package_layout(layout, model)
        package = bundle.build_function(Path(temporary, "built"), model)
        built, busy = package.folder, work.requests.busy
        return Measurements(
            machine=f"{cores()}, Lambda's {lambda_python()}",
            model=f"{manifest.source} data, SHA-256 {manifest.model_sha256[:16]}",
            package_bytes=package.zipped,
            period_ms=PERIOD_MS,
            sizes=measure_sizes(built, work.sizes, work.rounds, work.requests),
            side_by_side_mb=SIDE_BY_SIDE_MB,
            side_by_side=tuple(side_by_side(built, SIDE_BY_SIDE_MB, count, busy) for count in work.side_by_side),
            containers=tuple(measure_container(model, vcpu, work.seconds) for vcpu in work.vcpus),
        )


def prepare(layout: Layout) -> Layout:
    """The layout to measure, the embedded sample's if it is not trained; this process gets its priority.

    Raises:
        SystemExit: No control group may be written here.
    """
    if hierarchy() is None:
        raise SystemExit("no control group of the processor may be written here: run this as root on Linux")
    os.nice(-15)  # clients and emulators run outside of the control groups
    return layout if layout.model.is_file() else sample_layout(params.load())


def main() -> None:
    """Measure, unless told not to, and write the page."""
    command = parser(__doc__)
    command.add_argument("--layout", type=Path, default=Path(), help="a trained layout; else the embedded sample's")
    command.add_argument(
        "--measurements", type=Path, default=measurements.PATH, help="a file to write, or with --again to read"
    )
    command.add_argument("--out", type=Path, default=page.PAGE)
    command.add_argument("--again", action="store_true", help="measure nothing, only write the page")
    given = command.parse_args()
    if not given.again:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopped, it must not leave emulators and groups
        layout = Layout(given.layout)
        measured = measure(layout, SHORT) if given.short else measure(prepare(layout), FULL)
        write_json(given.measurements, measured.model_dump(mode="json"))
    write_text(given.out, page.page(measurements.load(given.measurements), load_prices()))
    print(f"wrote {given.out}")


if __name__ == "__main__":
    main()
