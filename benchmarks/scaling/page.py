"""What was measured, and the prices -> docs/scale.md: how far this goes, what gives first, and what it costs.

Every figure is measured (scale.json), looked up (infra/prices.json, quotas.py), or computed from
these; none is typed.
"""

import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.scaling import costs, days
from benchmarks.scaling.costs import RESTORED_MS, Workload, a_second
from benchmarks.scaling.measurements import Measurements, Size
from benchmarks.scaling.quotas import NEW, quota_table
from pipeline.report.markdown import table
from pipeline.ship.cost import HOURS, MEMORY_MB, Prices, ready_month

PAGE = Path("docs/scale.md")

ENGINES = """\
- **More than some ten thousand a second, or steadily more than the break-even**: the same ASGI application in a \
container on Amazon ECS with Fargate, behind a load balancer: `uvicorn --factory lambda_api.app:start`, with \
`OBESITY_MODEL_DIR` naming the folder that `pipeline package` wrote. Only `handler.py` knows of Lambda. On EKS \
if the team runs Kubernetes anyway; not for this service alone.
- **Files of many millions of rows**: `pipeline predict` first; it streams a file over all cores of one machine \
(`python -m benchmarks.predict` measures it). Past that, the graph is one file that onnxruntime loads anywhere: \
Spark's `mapInPandas` with a session for each task, or Ray Data's `map_batches` with one for each actor. Not \
through the API: a request holds 6 MB."""


def page(measured: Measurements, prices: Prices) -> str:
    """The whole document."""
    workloads = [Workload(size, days.cold_share(size)) for size in measured.sizes]
    usual = next(one for one in workloads if one.size.memory_mb == MEMORY_MB)
    parts = (
        ("# How far this goes, and what gives first", _head(measured)),
        ("## In short", _short(measured, usual, prices)),
        ("## Time, by memory", _times(measured)),
        ("## Requests a second", _throughput(measured, usual.size)),
        ("## Quotas", quota_table()),
        ("## What a million predictions cost", _costs(measured, workloads, usual, prices)),
        ("## A container that always runs", _containers(measured, usual, prices)),
        ("## Cold starts through a day", _days(usual.size)),
        (f"## {days.MANY:,} requests a second", _many(usual.size, prices)),
        ("## Where to go from there", ENGINES),
        ("## What is not known here", _unknown(usual.size)),
        ("## Prices", f"{prices.region}. {prices.note}\n\n{costs.all_prices(prices)}"),
    )
    return "\n\n".join(f"{title}\n\n{body}" for title, body in parts) + "\n"


def _head(measured: Measurements) -> str:
    return f"""\
<!-- Made by `make scale`; do not edit. `python -m benchmarks.scaling --again` writes it again without measuring. -->

Measured on {measured.machine}, with a model of {measured.model}. Prices are those of `infra/prices.json`, in US \
dollars, without free tiers. The machine is shared: small differences mean nothing."""


def _short(measured: Measurements, usual: Workload, prices: Prices) -> str:
    size, whole, task = usual.size, usual.cost(prices), measured.containers[0]
    even = usual.break_even(prices, task.vcpu)
    return f"""\
- With {size.memory_mb:,} MB a warm prediction takes {statistics.median(size.spaced):.1f} ms and is billed \
{size.billed:.1f} ms on average; a cold start takes {statistics.median(size.first):,.0f} ms.
- A million predictions cost {whole.total:.2f} USD, of which Lambda's own part is {whole.compute:.2f}. The gateway is \
{whole.gateway / whole.total:.0%} of it, the log {whole.logs / whole.total:.0%}, the time of the model with everything \
around it {whole.duration / whole.total:.0%}: a faster model saves almost nothing.
- What gives first is not processor time but the quota of {NEW.a_second} requests a second for each unit of \
concurrency: {NEW.concurrency * NEW.a_second:,} a second by default, as many as API Gateway lets through. If they come \
all at once and no environment is warm, some are refused.
- From {even:,.0f} million requests a month ({a_second(even):.0f} a second on average) one small container that always \
runs is cheaper; it answers up to {task.a_second:,.0f} a second."""


def _times(measured: Measurements) -> str:
    rows = [
        [
            f"{size.memory_mb:,} MB",
            f"{size.cores:.2f}",
            f"{statistics.median(size.first):,.0f} ms",
            f"{max(size.first):,.0f} ms",
            f"{statistics.median(size.spaced):.1f} ms",
            f"{size.spaced[-1]:.1f} ms",
            f"{size.billed:.1f} ms",
            f"{size.busy:.1f} ms",
            f"{size.busy_p99:.1f} ms",
            f"{size.cpu:.2f} ms",
        ]
        for size in measured.sizes
    ]
    head = ("memory", "cores", "cold, median", "cold, slowest", "warm, median", "warm, 99%", "billed, mean")
    some = measured.sizes[0]
    return f"""\
{table((*head, "busy, median", "busy, 99%", "processor"), rows)}

The built function in Lambda's own runtime and emulator. Its Python runs in a control group that gives it the share of \
the processor that Lambda gives with this memory, in periods of {measured.period_ms} ms (assumed); the emulator runs \
outside. Cold: {len(some.first)} starts, the first answer included. Warm: {some.spaced_requests:,} requests with a \
pause before each one. Busy: {some.busy_requests:,} requests without a pause, where a small share is used up. Billed: \
whole milliseconds of the warm ones. Processor: what a busy request takes. The function's process held \
{max(size.resident_mb for size in measured.sizes):.0f} MB at most.

AWS is said to give small functions more of the processor while they start; this measurement does not, so they may \
start faster there. More than one core brings nothing: the model answers with one thread."""


def _throughput(measured: Measurements, size: Size) -> str:
    one = measured.side_by_side[0]
    rows = [
        [str(many.environments), f"{many.a_second:,.0f}", f"{many.a_second / one.a_second:.1f}x"]
        for many in measured.side_by_side
    ]
    mean = statistics.fmean(size.spaced) / 1000
    reserved = [
        [f"{units:,}", f"{units / mean:,.0f}", f"{units * NEW.a_second:,}"] for units in (1, 10, 100, NEW.concurrency)
    ]
    return f"""\
An environment answers one request at a time: requests a second = environments / seconds of a request. Environments of \
{measured.side_by_side_mb} MB, side by side on this machine and all busy, while their client and their \
emulators need a part of the same cores:

{table(("environments", "requests a second", "against one"), rows)}

With {size.memory_mb:,} MB and {mean * 1000:.1f} ms a request, which is the mean:

{table(("concurrency", "requests a second by its time", "by Lambda's quota"), reserved, left=0)}

A function this fast never fills its concurrency: the quota on requests a second is reached long before. So choose \
a reserved concurrency by the peak: requests a second divided by {NEW.a_second}."""


def _costs(measured: Measurements, workloads: Sequence[Workload], usual: Workload, prices: Prices) -> str:
    size = usual.size
    return f"""\
US dollars: Lambda alone / with gateway, log and transfer. Cold starts are those of the bursty day below. arm64 is \
computed with x86_64's times, without such a machine to measure on; only its price is its own.

{costs.by_memory(workloads, prices)}

SnapStart takes its price for each restore in place of the initialisation; that a restored start is billed \
{RESTORED_MS:.0f} ms is assumed. It shortens the wait of the few cold requests and does not lower the bill.

Where they go, with {size.memory_mb:,} MB on x86_64:

{costs.by_part(usual.cost(prices))}

Log: {size.log_bytes:,} bytes a request, {size.platform_log_bytes} of them Lambda's own lines, kept a month; an access \
log of the gateway comes on top. Transfer: {size.answer_bytes:,} bytes an answer.

{costs.by_month(usual, measured.package_bytes, prices)}"""


def _containers(measured: Measurements, usual: Workload, prices: Prices) -> str:
    return f"""\
{costs.containers(measured, usual, prices)}

One task on x86_64 and an Application Load Balancer, all month; the balancer's units are computed with a connection \
for each request. Requests a second: the same application under uvicorn in a control group with this share of a core, \
asked by {measured.containers[0].clients} clients that never pause. Lambda without a gateway is a function URL: \
cheaper, but then the function itself must check who may call and how often. If the one task fails, no \
other one answers."""


def _days(size: Size) -> str:
    return f"""\
Simulated with the measured times of {size.memory_mb:,} MB. A request takes the environment that answered last, else \
starts another one; an idle environment ends after some time. AWS does not say after how long, so three times are \
simulated. The bursty day, a block for each half hour; {days.BURSTS} minutes of it have {days.BURST_A_SECOND} requests \
a second more:

```text
{days.shape()}
00:00       06:00       12:00       18:00
```

{days.calm(size)}

Most busy: environments at work at the same time; most alive: those that are idle among them. One warm environment is \
enough for most of a day, so cold starts matter to a quiet service more than to a busy one."""


def _many(size: Size, prices: Prices) -> str:
    hour = days.READY * ready_month(prices, size.memory_mb, "x86_64") / HOURS
    return f"""\
Simulated under the quotas above, with {size.memory_mb:,} MB. Refused requests are not repeated.

{days.many(size)}

While the first environments start, every request that finds none idle starts another one: a step needs as many as \
arrive within one cold start. A higher quota on concurrency does not help then, because no more than {NEW.new:,} may \
start within {NEW.refill:.0f} s. Once a few are warm they suffice. So let the traffic rise gradually, or keep ready \
as many as the peak has requests a second, divided by {NEW.a_second} ({days.READY} of them for an hour: {hour:.2f} \
USD); what exceeds them starts others."""


def _unknown(size: Size) -> str:
    return f"""\
Nothing was measured in an AWS account. The way to the function (network, TLS, gateway, authorisation), the time that \
AWS takes to place an environment and to fetch the package, SnapStart's restore, arm64's times, and how long an idle \
environment lives are in no figure here: latencies are the function's own. The cold start of \
{statistics.median(size.first):,.0f} ms reads a package that lies in this machine's memory."""
