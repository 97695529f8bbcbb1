"""What was measured, and the prices -> the parts of docs/scale.md that are about money."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.scaling.measurements import Container, Measurements, Size
from pipeline.report.markdown import table
from pipeline.ship import cost
from pipeline.ship.cost import Arch, Cost, Prices, Use

# No REPORT line of a restored Python function was found in public; those of Java show 26 to 303 ms.
RESTORED_MS = 150.0

TASKS: Mapping[float, float] = {0.25: 0.5, 1.0: 2.0}
"""Gigabytes of the Fargate tasks that are compared, by vCPU: the least that AWS gives with it."""

METRICS = 6
"""That telemetry sends: Predictions, LatencyMs, BatchLatencyMs, Confidence, Refusals, Errors, by model version."""


@dataclass(frozen=True)
class Workload:
    """One size of memory, and the share of its requests that start an environment."""

    size: Size
    cold_share: float

    def cost(self, prices: Prices, arch: Arch = "x86_64", *, snapstart: bool = False) -> Cost:
        """What a million predictions cost."""
        use = Use(
            memory_mb=self.size.memory_mb,
            arch=arch,
            billed_ms=self.size.billed,
            log_bytes=self.size.log_bytes,
            answer_bytes=self.size.answer_bytes,
            cold_share=self.cold_share,
            start_ms=RESTORED_MS if snapstart else statistics.median(self.size.init),
            snapstart=snapstart,
        )
        return cost.per_million(prices, use)

    def break_even(self, prices: Prices, vcpu: float, *, gateway: bool = True) -> float:
        """Millions of requests a month from which on a container is cheaper; log and transfer are the same in both."""
        own = self.cost(prices)
        saved = own.compute + (own.gateway if gateway else 0.0) - cost.balancer_million(prices)
        return cost.break_even(cost.container_month(prices, vcpu, TASKS[vcpu]), saved)


def a_second(millions_a_month: float) -> float:
    """Requests a second on average."""
    return millions_a_month * cost.MILLION / (cost.HOURS * 3600)


def by_memory(workloads: Sequence[Workload], prices: Prices) -> str:
    """The table of costs by memory, processor, and with or without SnapStart."""
    ways: list[tuple[Arch, bool]] = [("x86_64", False), ("x86_64", True), ("arm64", False), ("arm64", True)]
    rows = [
        [
            f"{one.size.memory_mb:,} MB",
            f"{one.size.billed:.1f} ms",
            f"{one.cold_share:.2%}",
            *(_both(one.cost(prices, arch, snapstart=snapstart)) for arch, snapstart in ways),
        ]
        for one in workloads
    ]
    kinds = [f"{arch}, SnapStart" if snapstart else arch for arch, snapstart in ways]
    return table(("memory", "billed", "cold", *kinds), rows)


def by_part(parts: Cost) -> str:
    """The parts of a cost with a bar for each."""
    lines = [
        f"{name.replace('_', ' '):<9} {value:5.2f}  {'█' * round(value / parts.total * 50)}".rstrip()
        for name, value in vars(parts).items()
    ]
    return "```text\n" + "\n".join(lines) + "\n```"


def by_month(usual: Workload, package_bytes: int, prices: Prices) -> str:
    """What is paid for a month however few requests there are."""
    memory_mb = usual.size.memory_mb
    rows = [
        ["the snapshot of each published version, with SnapStart", cost.snapshot_month(prices, memory_mb)],
        ["each environment that is always ready, x86_64", cost.ready_month(prices, memory_mb, "x86_64")],
        ["the same, arm64", cost.ready_month(prices, memory_mb, "arm64")],
        [f"the {METRICS} metrics of each model version", METRICS * prices.usd("custom_metric")],
        [
            f"each package of {package_bytes / 1e6:.0f} MB that S3 keeps",
            package_bytes / cost.GIGABYTE * prices.usd("s3_stored"),
        ],
    ]
    return table(("paid for each month", "USD"), [[str(what), f"{usd:.4g}"] for what, usd in rows])


def containers(measured: Measurements, usual: Workload, prices: Prices) -> str:
    """The table of containers that always run."""
    head = ("Fargate task", "USD a month", "requests a second", "median / 99% then", "cheaper than Lambda from")
    rows = [_container(task, usual, prices) for task in measured.containers]
    return table((*head, "than Lambda without a gateway from"), rows)


def _container(task: Container, usual: Workload, prices: Prices) -> list[str]:
    break_evens = (usual.break_even(prices, task.vcpu, gateway=gateway) for gateway in (True, False))
    return [
        f"{task.vcpu:g} vCPU, {TASKS[task.vcpu]:g} GB",
        f"{cost.container_month(prices, task.vcpu, TASKS[task.vcpu]):.2f}",
        f"{task.a_second:,.0f}",
        f"{task.median:.1f} / {task.p99:.1f} ms",
        *(f"{even:,.0f} M a month ({a_second(even):.0f} a second)" for even in break_evens),
    ]


def all_prices(prices: Prices) -> str:
    """The table of every price and where it is from."""
    rows = [
        [
            f"`{name}`",
            f"{price.usd:.10f}".rstrip("0").rstrip("."),
            price.unit,
            str(price.seen or "undated"),
            _how(price),
        ]
        for name, price in prices.prices.items()
    ]
    return table(("price", "USD", "for", "as of", "how it was read"), rows, left=5)


def _how(price: cost.Price) -> str:
    return f"{price.how} ([page]({price.page}))"


def _both(amount: Cost) -> str:
    return f"{amount.compute:.2f} / {amount.total:.2f}"
