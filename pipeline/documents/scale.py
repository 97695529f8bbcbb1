"""What was measured, and the prices -> docs/scale.md: how far this goes, what gives first, and what it costs.

Every figure is measured (benchmarks/scale.json), looked up (infra/prices.json, the quotas of `scaling`), or worked out
from these; nobody types one.
"""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.changes.markdown import table
from pipeline.documents import days
from pipeline.documents.measured import Measured, Size
from pipeline.service import cost
from pipeline.service.cost import MEMORY_MB, Arch, Cost, Prices, Use
from pipeline.service.scaling import Quotas

PAGE = Path("docs/scale.md")

# No REPORT line of a restored Python function was found in public; those of Java show 26 to 303 ms.
RESTORED_MS = 150.0

TASKS: Mapping[float, float] = {0.25: 0.5, 1.0: 2.0}
"""Gigabytes of the Fargate tasks that are compared, by vCPU: the least that AWS gives with it."""

METRICS = 6
"""That telemetry sends: Predictions, LatencyMs, BatchLatencyMs, Confidence, Refusals, Errors, by model version."""

_NEW = Quotas()
_LAMBDA, _GATEWAY = "https://docs.aws.amazon.com/lambda/latest/dg", "https://docs.aws.amazon.com/apigateway/latest"

LIMITS: tuple[tuple[str, str, str, str], ...] = (
    (
        "requests in work at once, all functions of a region",
        f"{_NEW.concurrency:,} (less for a very new account)",
        "yes",
        f"{_LAMBDA}/gettingstarted-limits.html",
    ),
    ("requests a second, for each unit of the above", f"{_NEW.a_second}", "no", f"{_LAMBDA}/lambda-concurrency.html"),
    (
        "new environments, for each function",
        f"{_NEW.new:,} within {_NEW.refill:.0f} s",
        "no",
        f"{_LAMBDA}/scaling-behavior.html",
    ),
    (
        "requests a second through API Gateway, all APIs of a region",
        f"{_NEW.gateway:,.0f} (2,500 in some regions), and a burst",
        "yes, but not the burst",
        f"{_GATEWAY}/developerguide/limits.html",
    ),
    ("an HTTP API waits for its function", "30 s", "no", f"{_GATEWAY}/developerguide/http-api-quotas.html"),
    ("a body through an HTTP API", "10 MB", "no", f"{_GATEWAY}/developerguide/http-api-quotas.html"),
    ("an event into a function, and its answer", "6 MB each", "no", f"{_LAMBDA}/API_Invoke.html"),
)
"""What, how much by default, whether AWS raises it, and where it says so; looked up in November 2026."""


@dataclass(frozen=True)
class _Told:
    """One size with what the bursty day makes of it."""

    size: Size
    cold_share: float

    def use(self, arch: Arch, *, snapstart: bool = False) -> Use:
        return Use(
            memory_mb=self.size.memory_mb,
            arch=arch,
            billed_ms=cost.billed(self.size.spaced),
            log_bytes=self.size.log_bytes,
            answer_bytes=self.size.answer_bytes,
            cold_share=self.cold_share,
            start_ms=RESTORED_MS if snapstart else statistics.median(self.size.init),
            snapstart=snapstart,
        )


def page(found: Measured, prices: Prices) -> str:
    """The whole document."""
    told = [_Told(size, days.cold_share(size)) for size in found.sizes]
    usual = next(one for one in told if one.size.memory_mb == MEMORY_MB)
    parts = (
        ("# How far this goes, and what gives first", _head(found)),
        ("## In short", _short(usual, prices, found)),
        ("## Time, by memory", _times(found)),
        ("## Requests a second", _throughput(found, usual.size)),
        ("## Quotas", _quotas()),
        ("## What a million predictions cost", _costs(found, told, usual, prices)),
        ("## A container that always runs", _containers(found, usual, prices)),
        ("## Cold starts through a day", _days(usual.size)),
        ("## 10,000 requests a second", _many(usual.size)),
        ("## Where to go from there", _engines()),
        ("## What is not known here", _unknown(usual.size)),
        ("## Prices", _prices(prices)),
    )
    return "\n\n".join(f"{title}\n\n{body}" for title, body in parts) + "\n"


def _head(found: Measured) -> str:
    return f"""\
<!-- Made by `make scale`; do not edit. `python benchmarks/scale.py --again` writes it again without measuring. -->

Measured on {found.machine}, with a model of {found.model}. Prices are those of `infra/prices.json`, in US dollars, \
without free tiers. The machine is shared: small differences mean nothing."""


def _short(usual: _Told, prices: Prices, found: Measured) -> str:
    size, whole = usual.size, cost.per_million(prices, usual.use("x86_64"))
    task = found.containers[0]
    even = _even(usual, prices, task.vcpu)
    return f"""\
- With {size.memory_mb:,} MB a warm prediction takes {_median(size.spaced):.1f} ms and is billed \
{cost.billed(size.spaced):.1f} ms on average; a cold start takes {_median(size.first):,.0f} ms.
- A million predictions cost {whole.total:.2f} USD, of which Lambda's own part is {whole.compute:.2f}. The gateway is \
{whole.gateway / whole.total:.0%}, the log {whole.logs / whole.total:.0%}: making the model quicker saves next to \
nothing.
- What gives first is not processor time but the quota of {Quotas().a_second} requests a second for each unit of \
concurrency: {Quotas().concurrency * Quotas().a_second:,} a second by default, as many as API Gateway lets through. \
Coming all at once, with nothing warm, fewer pass.
- From {even:,.0f} million requests a month ({_a_second(even):.0f} a second on average) one small container that \
always runs is cheaper; it answers up to {task.a_second:,.0f} a second."""


def _times(found: Measured) -> str:
    rows = [
        [
            f"{size.memory_mb:,} MB",
            f"{size.cores:.2f}",
            f"{_median(size.first):,.0f} ms",
            f"{max(size.first):,.0f} ms",
            f"{_median(size.spaced):.1f} ms",
            f"{_percentile(size.spaced, 0.99):.1f} ms",
            f"{cost.billed(size.spaced):.1f} ms",
            f"{_median(size.busy):.1f} ms",
            f"{_percentile(size.busy, 0.99):.1f} ms",
            f"{size.cpu:.2f} ms",
        ]
        for size in found.sizes
    ]
    head = ("memory", "cores", "cold, median", "cold, slowest", "warm, median", "warm, 99%", "billed, mean")
    some = found.sizes[0]
    return f"""\
{table((*head, "busy, median", "busy, 99%", "processor"), rows)}

The built function in Lambda's own runtime and emulator. Its Python runs in a control group that gives it the share of \
the processor that Lambda gives with this memory, in periods of {found.period_ms} ms; the emulator runs outside of it. \
Cold: {len(some.first)} starts each, the first answer included. Warm: {len(some.spaced)} requests each, with a pause \
before each one. Busy: {len(some.busy)} requests without a pause, which is where a small share is used up. Billed: \
whole milliseconds. Processor: time that a busy request takes. The function's process held \
{max(size.resident_mb for size in found.sizes):.0f} MB at most.

AWS is said to lend small functions more of the processor while they start; nothing here does, so their cold starts \
may be shorter there."""


def _throughput(found: Measured, size: Size) -> str:
    one = found.side_by_side[0]
    rows = [
        [str(many.environments), f"{many.a_second:,.0f}", f"{many.a_second / one.a_second:.1f}x"]
        for many in found.side_by_side
    ]
    mean = statistics.fmean(size.spaced) / 1000
    quota = Quotas()
    reserved = [
        [f"{units:,}", f"{units / mean:,.0f}", f"{units * quota.a_second:,}"]
        for units in (1, 10, 100, quota.concurrency)
    ]
    return f"""\
An environment answers one request at a time: requests a second = environments / seconds of a request. Environments of \
{found.side_by_side_mb} MB, side by side on this machine, all of them busy (with the time that the measuring client \
itself takes between two requests):

{table(("environments", "requests a second", "against one"), rows)}

With {size.memory_mb:,} MB and {mean * 1000:.1f} ms a request, which is the mean:

{table(("concurrency", "what its time allows, a second", "what Lambda's quota allows, a second"), reserved, left=0)}

A function this quick never fills its concurrency: the quota on requests a second binds long before. So choose a \
reserved concurrency by the peak: requests a second divided by {quota.a_second}."""


def _quotas() -> str:
    rows = [[what, much, raised, f"[AWS]({place})"] for what, much, raised, place in LIMITS]
    return table(("quota", "by default", "raised on request", "source"), rows, left=4)


def _costs(found: Measured, told: list[_Told], usual: _Told, prices: Prices) -> str:
    rows = [
        [
            f"{one.size.memory_mb:,} MB",
            f"{cost.billed(one.size.spaced):.1f} ms",
            f"{one.cold_share:.2%}",
            *(
                _both(cost.per_million(prices, one.use(arch, snapstart=snapstart)))
                for arch in ("x86_64", "arm64")
                for snapstart in (False, True)
            ),
        ]
        for one in told
    ]
    head = ("memory", "billed", "cold", "x86_64", "x86_64, SnapStart", "arm64", "arm64, SnapStart")
    parts = cost.per_million(prices, usual.use("x86_64"))
    ready = cost.ready_month(prices, MEMORY_MB, "x86_64")
    return f"""\
US dollars: Lambda alone / with gateway, log and transfer. Cold starts are those of the bursty day below. arm64 is \
reckoned with x86_64's times, for want of such a machine; only its price is its own.

{table(head, rows)}

Where they go, with {MEMORY_MB:,} MB on x86_64:

{_bars(parts)}

Log: {usual.size.log_bytes:,} bytes a request, {usual.size.platform_log_bytes} of them Lambda's own lines, kept a \
month; the gateway's access log, if there is one, comes on top. Transfer: {usual.size.answer_bytes:,} bytes an answer.

SnapStart saves the initialisation and takes {prices.usd("snapstart_restore"):.7f} for each GB restored instead; that \
a restored start is billed {RESTORED_MS:.0f} ms is assumed. Whether anybody asks or not, a month takes besides: \
{cost.snapshot_month(prices, MEMORY_MB):.2f} for the snapshot of each published version with SnapStart, {ready:.2f} \
for each environment that is always ready, {METRICS * prices.usd("custom_metric"):.2f} for the {METRICS} metrics of \
each model version, \
{found.package_bytes / cost.GIGABYTE * prices.usd("s3_stored"):.4f} for each package of \
{found.package_bytes / 1e6:.0f} MB in S3."""


def _bars(parts: Cost) -> str:
    shares = {name: value / parts.total for name, value in vars(parts).items()}
    lines = [
        f"{name.replace('_', ' '):<9} {vars(parts)[name]:5.2f}  {'█' * round(share * 50)}"
        for name, share in shares.items()
    ]
    return "```text\n" + "\n".join(lines) + "\n```"


def _even(usual: _Told, prices: Prices, vcpu: float, *, gateway: bool = True) -> float:
    """Millions of requests a month from which on a container is cheaper; log and transfer are the same in both."""
    own = cost.per_million(prices, usual.use("x86_64"))
    saved = own.compute + (own.gateway if gateway else 0.0) - cost.balancer_million(prices)
    return cost.break_even(cost.container_month(prices, vcpu, TASKS[vcpu]), saved)


def _containers(found: Measured, usual: _Told, prices: Prices) -> str:
    rows = []
    for task in found.containers:
        even, bare = (_even(usual, prices, task.vcpu, gateway=gateway) for gateway in (True, False))
        rows.append(
            [
                f"{task.vcpu:g} vCPU, {TASKS[task.vcpu]:g} GB",
                f"{cost.container_month(prices, task.vcpu, TASKS[task.vcpu]):.2f}",
                f"{task.a_second:,.0f}",
                f"{task.median:.1f} / {task.p99:.1f} ms",
                f"{even:,.0f} M ({_a_second(even):.0f} a second)",
                f"{bare:,.0f} M ({_a_second(bare):.0f} a second)",
            ]
        )
    head = ("Fargate task, x86_64", "USD a month", "requests a second", "median / 99% then", "cheaper than Lambda from")
    return f"""\
{table((*head, "than Lambda without a gateway from"), rows)}

One task and an Application Load Balancer, all month, whose unit is reckoned with a new connection for each request. \
Requests a second: the same application under uvicorn in a control group with this share of a core, asked by \
{found.containers[0].clients} clients that never pause. Lambda without a gateway is a function URL: cheaper, but who \
may call and how often is then the function's own affair. One task has no second one to stand in for it."""


def _days(size: Size) -> str:
    return f"""\
Simulated with the measured times of {size.memory_mb:,} MB: a request takes the environment that answered last, else \
starts one; one that nobody asks ends. AWS does not say after how long, so three answers stand here. The bursty day, a \
block for each half hour ({days.BURSTS} minutes have {days.BURST_A_SECOND:.0f} requests a second more):

```text
{days.shape()}
00:00       06:00       12:00       18:00
```

{days.calm(size)}"""


def _many(size: Size) -> str:
    return f"""\
Simulated under the quotas above, with {size.memory_mb:,} MB. Nobody who is refused tries again.

{days.many(size)}

While the first environments start, every request that finds none idle starts another one: a step needs as many as \
arrive within one cold start, and the quota on concurrency refuses the rest. Once a few are warm they suffice. Hence: \
keep some ready before a launch, or let it rise. AWS's "10 requests a second for each environment" may be meant of the \
sum, as most rows take it, or by the letter; taken so, no quick function ever gets more than ten out of one."""


def _engines() -> str:
    return """\
- **More than about ten thousand a second, or steadily more than the container's break-even**: the same ASGI \
application in a container on Amazon ECS with Fargate, `uvicorn --factory lambda_api.app:start`, behind a load \
balancer; `OBESITY_MODEL_DIR` names the folder that `pipeline package` wrote. Nothing in `lambda_api` but its Lambda \
door (`handler.py`) knows of Lambda. On EKS, if the team has Kubernetes already; not because of this service.
- **Files of many millions of rows**: `pipeline predict` streams a file on all cores of one machine, and that is the \
first thing to try (`benchmarks/predict.py` measures it). Past what one machine reads in time, the graph is one file \
that onnxruntime loads anywhere: Spark's `mapInPandas` with one session for each task, or Ray Data's `map_batches` \
with one for each actor. Not through the API: a request holds 6 MB.
- **A model too slow for milliseconds** is another matter; this one is not."""


def _unknown(size: Size) -> str:
    return f"""\
Measured in no AWS account: the way to the function (network, TLS, gateway, authorisation), the time that AWS takes to \
place an environment and to fetch the package, SnapStart's restore, arm64's times, and how long an idle environment \
lives. All latencies here are the function's own. The cold start of {_median(size.first):,.0f} ms reads a package that \
lies in this machine's memory."""


def _prices(prices: Prices) -> str:
    rows = [
        [
            name.replace("_", " ").replace("x86 64", "x86_64"),
            f"{price.usd:.10f}".rstrip("0"),
            price.unit,
            str(price.seen or "undated"),
            f"{price.how} ([page]({price.page}))",
        ]
        for name, price in prices.prices.items()
    ]
    return f"""\
{prices.region}. {prices.note}

{table(("price", "USD", "for", "as of", "how it was read"), rows, left=5)}"""


def _both(found: Cost) -> str:
    return f"{found.compute:.2f} / {found.total:.2f}"


def _a_second(millions_a_month: float) -> float:
    return millions_a_month * cost.MILLION / (cost.HOURS * 3600)


def _median(values: tuple[float, ...]) -> float:
    return statistics.median(values)


def _percentile(values: tuple[float, ...], share: float) -> float:
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]
