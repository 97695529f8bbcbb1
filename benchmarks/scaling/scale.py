"""What was measured, and the prices -> docs/scale.md: how far this goes, what gives first, and what it costs.

Every figure is measured (benchmarks/scale.json), looked up (infra/prices.json, the quotas of `scaling`), or worked out
from these; nobody types one.
"""

import statistics
from pathlib import Path

from benchmarks.scaling import costs, days
from benchmarks.scaling.costs import RESTORED_MS, Asked, a_second
from benchmarks.scaling.measured import Measured, Size
from benchmarks.scaling.simulation import Quotas
from pipeline.report.markdown import table
from pipeline.ship.cost import HOURS, MEMORY_MB, Prices, ready_month

PAGE = Path("docs/scale.md")

NEW = Quotas()
"""What a new account is given."""

_LAMBDA, _GATEWAY = "https://docs.aws.amazon.com/lambda/latest/dg", "https://docs.aws.amazon.com/apigateway/latest"

LIMITS: tuple[tuple[str, str, str, str], ...] = (
    (
        "requests in work at once, all functions of a region",
        f"{NEW.concurrency:,} (less for a very new account)",
        "yes",
        f"{_LAMBDA}/gettingstarted-limits.html",
    ),
    (
        "requests a second, for each unit of the above",
        f"{NEW.a_second}",
        "with the above",
        f"{_LAMBDA}/lambda-concurrency.html",
    ),
    (
        "requests a second, for each environment kept ready",
        f"{NEW.a_second}, then others start",
        "no",
        f"{_LAMBDA}/gettingstarted-limits.html",
    ),
    (
        "new environments, for each function",
        f"{NEW.new:,} within {NEW.refill:.0f} s",
        "not said",
        f"{_LAMBDA}/scaling-behavior.html",
    ),
    (
        "requests a second through API Gateway, all APIs of a region",
        f"{NEW.gateway:,.0f} (2,500 in some regions), and a burst",
        "yes, but not the burst",
        f"{_GATEWAY}/developerguide/limits.html",
    ),
    ("an HTTP API waits for its function", "30 s", "no", f"{_GATEWAY}/developerguide/http-api-quotas.html"),
    ("a body through an HTTP API", "10 MB", "no", f"{_GATEWAY}/developerguide/http-api-quotas.html"),
    ("an event into a function, and its answer", "6 MB each", "no", f"{_LAMBDA}/API_Invoke.html"),
)
"""What, how much by default, whether AWS raises it, and where it says so; looked up in copies of November 2026."""

ENGINES = """\
- **More than some ten thousand a second, or steadily more than the break-even**: the same ASGI application in a \
container on Amazon ECS with Fargate, behind a load balancer: `uvicorn --factory lambda_api.app:start`, with \
`OBESITY_MODEL_DIR` naming the folder that `pipeline package` wrote. Only `handler.py` knows of Lambda. On EKS \
if the team runs Kubernetes anyway; not for this service's sake.
- **Files of many millions of rows**: `pipeline predict` first; it streams a file over all cores of one machine \
(`benchmarks/predict.py` measures it). Past that, the graph is one file that onnxruntime loads anywhere: Spark's \
`mapInPandas` with a session for each task, or Ray Data's `map_batches` with one for each actor. Not through the API: \
a request holds 6 MB."""


def page(found: Measured, prices: Prices) -> str:
    """The whole document."""
    asked = [Asked(size, days.cold_share(size)) for size in found.sizes]
    usual = next(one for one in asked if one.size.memory_mb == MEMORY_MB)
    parts = (
        ("# How far this goes, and what gives first", _head(found)),
        ("## In short", _short(found, usual, prices)),
        ("## Time, by memory", _times(found)),
        ("## Requests a second", _throughput(found, usual.size)),
        ("## Quotas", _quotas()),
        ("## What a million predictions cost", _costs(found, asked, usual, prices)),
        ("## A container that always runs", _containers(found, usual, prices)),
        ("## Cold starts through a day", _days(usual.size)),
        (f"## {days.MANY:,} requests a second", _many(usual.size, prices)),
        ("## Where to go from there", ENGINES),
        ("## What is not known here", _unknown(usual.size)),
        ("## Prices", f"{prices.region}. {prices.note}\n\n{costs.all_prices(prices)}"),
    )
    return "\n\n".join(f"{title}\n\n{body}" for title, body in parts) + "\n"


def _head(found: Measured) -> str:
    return f"""\
<!-- Made by `make scale`; do not edit. `python benchmarks/scale.py --again` writes it again without measuring. -->

Measured on {found.machine}, with a model of {found.model}. Prices are those of `infra/prices.json`, in US dollars, \
without free tiers. The machine is shared: small differences mean nothing."""


def _short(found: Measured, usual: Asked, prices: Prices) -> str:
    size, whole, task = usual.size, usual.cost(prices), found.containers[0]
    even = usual.even(prices, task.vcpu)
    return f"""\
- With {size.memory_mb:,} MB a warm prediction takes {statistics.median(size.spaced):.1f} ms and is billed \
{size.billed:.1f} ms on average; a cold start takes {statistics.median(size.first):,.0f} ms.
- A million predictions cost {whole.total:.2f} USD, of which Lambda's own part is {whole.compute:.2f}. The gateway is \
{whole.gateway / whole.total:.0%} of it, the log {whole.logs / whole.total:.0%}, the time of the model with all around \
it {whole.duration / whole.total:.0%}: a quicker model saves next to nothing.
- What gives first is not processor time but the quota of {NEW.a_second} requests a second for each unit of \
concurrency: {NEW.concurrency * NEW.a_second:,} a second by default, as many as API Gateway lets through. If they come \
all at once, with nothing warm, some are refused.
- From {even:,.0f} million requests a month ({a_second(even):.0f} a second on average) one small container that always \
runs is cheaper; it answers up to {task.a_second:,.0f} a second."""


def _times(found: Measured) -> str:
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
        for size in found.sizes
    ]
    head = ("memory", "cores", "cold, median", "cold, slowest", "warm, median", "warm, 99%", "billed, mean")
    some = found.sizes[0]
    return f"""\
{table((*head, "busy, median", "busy, 99%", "processor"), rows)}

The built function in Lambda's own runtime and emulator. Its Python runs in a control group that gives it the share of \
the processor that Lambda gives with this memory, in periods of {found.period_ms} ms (assumed); the emulator runs \
outside. Cold: {len(some.first)} starts, the first answer included. Warm: {some.spaced_requests:,} requests, a pause \
before each one. Busy: {some.busy_requests:,} requests without a pause, where a small share is used up. Billed: whole \
milliseconds of the warm ones. Processor: what a busy request takes. The function's process held \
{max(size.resident_mb for size in found.sizes):.0f} MB at most.

AWS is said to lend small functions more of the processor while they start; nothing here does, so they may start \
quicker there. More than one core brings nothing: the model answers with one thread."""


def _throughput(found: Measured, size: Size) -> str:
    one = found.side_by_side[0]
    rows = [
        [str(many.environments), f"{many.a_second:,.0f}", f"{many.a_second / one.a_second:.1f}x"]
        for many in found.side_by_side
    ]
    mean = statistics.fmean(size.spaced) / 1000
    reserved = [
        [f"{units:,}", f"{units / mean:,.0f}", f"{units * NEW.a_second:,}"] for units in (1, 10, 100, NEW.concurrency)
    ]
    return f"""\
An environment answers one request at a time: requests a second = environments / seconds of a request. Environments of \
{found.side_by_side_mb} MB, side by side on this machine and all busy, while the client that asks them and their \
emulators want a part of the same cores:

{table(("environments", "requests a second", "against one"), rows)}

With {size.memory_mb:,} MB and {mean * 1000:.1f} ms a request, which is the mean:

{table(("concurrency", "requests a second by its time", "by Lambda's quota"), reserved, left=0)}

A function this quick never fills its concurrency: the quota on requests a second binds long before. So choose a \
reserved concurrency by the peak: requests a second divided by {NEW.a_second}."""


def _quotas() -> str:
    rows = [[what, much, raised, f"[AWS]({place})"] for what, much, raised, place in LIMITS]
    return table(("quota", "by default", "raised on request", "source"), rows, left=4)


def _costs(found: Measured, asked: list[Asked], usual: Asked, prices: Prices) -> str:
    size = usual.size
    return f"""\
US dollars: Lambda alone / with gateway, log and transfer. Cold starts are those of the bursty day below. arm64 is \
reckoned with x86_64's times, for want of such a machine; only its price is its own.

{costs.by_memory(asked, prices)}

SnapStart takes its price for each restore in place of the initialisation; that a restored start is billed \
{RESTORED_MS:.0f} ms is assumed. It buys a shorter wait for the few who wait, not a lower bill.

Where they go, with {size.memory_mb:,} MB on x86_64:

{costs.by_part(usual.cost(prices))}

Log: {size.log_bytes:,} bytes a request, {size.platform_log_bytes} of them Lambda's own lines, kept a month; an access \
log of the gateway comes on top. Transfer: {size.answer_bytes:,} bytes an answer.

{costs.by_month(usual, found.package_bytes, prices)}"""


def _containers(found: Measured, usual: Asked, prices: Prices) -> str:
    return f"""\
{costs.containers(found, usual, prices)}

One task on x86_64 and an Application Load Balancer, all month; the balancer's units are reckoned with a connection \
for each request. Requests a second: the same application under uvicorn in a control group with this share of a core, \
asked by {found.containers[0].clients} clients that never pause. Lambda without a gateway is a function URL: cheaper, \
but who may call and how often is then the function's own affair. One task has no second one to stand in for it."""


def _days(size: Size) -> str:
    return f"""\
Simulated with the measured times of {size.memory_mb:,} MB. A request takes the environment that answered last, else \
starts another; one that nobody asks ends. AWS does not say after how long, so three answers stand here. The bursty \
day, a block for each half hour; {days.BURSTS} minutes of it have {days.BURST_A_SECOND} requests a second more:

```text
{days.shape()}
00:00       06:00       12:00       18:00
```

{days.calm(size)}

Most busy: environments at work at the same time; most alive: those that are idle among them. One warm environment is \
enough for most of a day, so cold starts are what a quiet service suffers from, not a busy one."""


def _many(size: Size, prices: Prices) -> str:
    hour = days.READY * ready_month(prices, size.memory_mb, "x86_64") / HOURS
    return f"""\
Simulated under the quotas above, with {size.memory_mb:,} MB. Nobody who is refused tries again.

{days.many(size)}

While the first environments start, every request that finds none idle starts another one: a step needs as many as \
arrive within one cold start. A higher quota on concurrency is no help then, for no more than {NEW.new:,} may start \
within {NEW.refill:.0f} s. Once a few are warm they suffice. Hence: let it rise, or keep as many ready as the peak has \
requests a second, divided by {NEW.a_second} ({days.READY} of them for an hour: {hour:.2f} USD); what exceeds them \
starts others."""


def _unknown(size: Size) -> str:
    return f"""\
Nothing was measured in an AWS account. The way to the function (network, TLS, gateway, authorisation), the time that \
AWS takes to place an environment and to fetch the package, SnapStart's restore, arm64's times, and how long an idle \
environment lives are not in any figure here: latencies are the function's own. The cold start of \
{statistics.median(size.first):,.0f} ms reads a package that lies in this machine's memory."""
