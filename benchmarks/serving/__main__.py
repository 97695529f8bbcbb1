"""A trained layout -> docs/benchmarks.md.

    python -m benchmarks.serving            (or `make bench`; needs a trained layout and `make tools`)

Contenders take turns in every round, so that other load on the machine falls on all of them. Figures of different runs
cannot be compared, the ratios of one run can.
"""

import gc
import platform
import tempfile
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.measure import cores, lambda_python, parser
from benchmarks.serving import calls, runtime
from benchmarks.serving.contenders import Contenders
from pipeline import params
from pipeline.files import Layout, write_text
from pipeline.ship import bundle
from pipeline.ship.package import package_layout

PAGE = Path("docs/benchmarks.md")
NOTE = (
    "All contenders of a table take turns in one run and answer the same records with the same model; "
    "the machine is shared and noisy, so only ratios within a table mean something."
)
LIBRARIES = ("fastapi", "mangum", "onnxruntime", "pydantic", "scikit-learn")


@dataclass(frozen=True)
class ServingWork:
    """How much is measured.

    Attributes:
        rounds: Turns of each contender for one record, of `calls` calls each.
        calls: Calls in a turn.
        batch_sizes: Records of each batch.
        batch_rounds: Turns of each contender for a batch.
        cold_starts: Of each function.
        memory_after: Requests after which the memory is read.
        requests: Through the local gateway.
    """

    rounds: int
    calls: int
    batch_sizes: tuple[int, ...]
    batch_rounds: int
    cold_starts: int
    memory_after: tuple[int, int, int]
    requests: int


FULL = ServingWork(10, 60, (1, 10, 100, 1_000, 5_000), 14, 9, (1, 1_000, 10_000), 2_000)
SHORT = ServingWork(1, 2, (1, 10), 1, 1, (1, 10, 20), 20)


def machine() -> str:
    """What this runs on, without the machine's name."""
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        f"Measured with `make bench` on {cores()}, Python {platform.python_version()} "
        f"(cold start and memory: Lambda's {lambda_python()}), {libraries}."
    )


def measure(layout: Layout, parameters: params.Params, work: ServingWork, scratch: Path) -> dict[str, str]:
    """Everything, by the titles of the page's sections."""
    contenders = Contenders(layout, parameters, scratch)
    contenders.refuse_different_answers()
    package_layout(layout, scratch / "packaged")
    bundles = [bundle.build_function(scratch / arch, scratch / "packaged", arch) for arch in bundle.PLATFORMS]
    built = scratch / "x86_64"
    gc.collect()
    gc.freeze()  # or every contender pays for what all of them loaded
    return {
        "One record, warm": calls.one_record(contenders, work.rounds, work.calls),
        "Batches": calls.batches(contenders, work.batch_sizes, work.batch_rounds),
        "Cold start": runtime.cold_starts(built, scratch, work.cold_starts),
        "Memory": runtime.memory(built, work.memory_after),
        "Throughput": runtime.throughput(built, work.requests),
        "Size": runtime.sizes(bundles),
    }


def page(sections: dict[str, str]) -> str:
    """The whole document."""
    parts = (
        "# Benchmarks of the service",
        "<!-- Made by `make bench`; do not edit. -->",
        machine(),
        NOTE,
        *(f"## {title}\n\n{text}" for title, text in sections.items()),
    )
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Measure everything and write the page."""
    command = parser(__doc__)
    command.add_argument("--layout", type=Path, default=Path(), help="a trained layout")
    command.add_argument("--params", type=Path, default=Path("params.yaml"), help="what it was trained with")
    command.add_argument("--out", type=Path, default=PAGE)
    given = command.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as temporary:
        work = SHORT if given.short else FULL
        sections = measure(Layout(given.layout), params.load(given.params), work, Path(temporary))
    text = page(sections)
    write_text(given.out, text)
    print(text)


if __name__ == "__main__":
    main()
