"""Prices and how the function is used in -> US dollars out, by part; nothing is measured or fetched here.

AWS bills whole milliseconds, those of a cold start's initialisation among them (since August 2025, for zip packages as
well). Free tiers, discounts and tax are left out. What depends on use is given for a million predictions, what is paid
however few there are for a month.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import InputError

Arch = Literal["x86_64", "arm64"]

PRICES = Path("infra/prices.json")

MEMORY_MB = 1769
"""What template.yaml gives the function by default: one whole core."""

MILLION = 1_000_000
GIGABYTE = 1_000_000_000
"""Bytes; where AWS means 2**30 the true price is a little lower."""

HOURS = 730
"""Of a month, as AWS's own calculator counts them."""

# https://aws.amazon.com/elasticloadbalancing/pricing/: one unit is 25 new connections a second.
_CONNECTIONS_OF_A_UNIT = 25

NAMES = frozenset(
    {
        *("lambda_requests", "lambda_x86_64", "lambda_arm64", "provisioned_x86_64", "provisioned_arm64"),
        *("snapstart_cache", "snapstart_restore", "http_api", "logs_ingested", "logs_stored", "custom_metric"),
        *("data_out", "s3_stored", "fargate_vcpu_x86_64", "fargate_gb_x86_64", "balancer", "balancer_unit"),
    }
)
"""Every price that is used here or in docs/scale.md."""


class Price(BaseModel):
    """One price: for how much of what, on which of AWS's pages, and when and how it was read; None is undated."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    usd: float
    unit: str
    page: str
    seen: date | None
    how: str


class Prices(BaseModel):
    """The prices of one region."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    region: str
    currency: Literal["USD"]
    note: str
    prices: Mapping[str, Price]

    def usd(self, name: str) -> float:
        """A price by its name."""
        return self.prices[name].usd


@dataclass(frozen=True)
class Use:
    """How the function is set up, and what one request takes.

    Attributes:
        memory_mb: The function's memory; the processor comes with it.
        arch: The processor's kind.
        billed_ms: Whole milliseconds billed for a request, as a mean.
        log_bytes: What a request leaves in the log.
        answer_bytes: What goes back to the client.
        cold_share: Of requests that start an execution environment.
        start_ms: Milliseconds that such a request is billed more: the initialisation, or after a restore the hooks.
        snapstart: Environments are restored from a snapshot.
    """

    memory_mb: int
    arch: Arch
    billed_ms: float
    log_bytes: float
    answer_bytes: float
    cold_share: float = 0.0
    start_ms: float = 0.0
    snapstart: bool = False


@dataclass(frozen=True)
class Cost:
    """US dollars for a million predictions."""

    requests: float
    duration: float
    starts: float
    gateway: float
    logs: float
    data_out: float

    @property
    def compute(self) -> float:
        """What Lambda itself takes."""
        return self.requests + self.duration + self.starts

    @property
    def total(self) -> float:
        """All of it."""
        return self.compute + self.gateway + self.logs + self.data_out


def load(path: Path = PRICES) -> Prices:
    """The prices in a file.

    Raises:
        InputError: There is no such file, it is damaged, or it lacks a price.
    """
    try:
        prices = Prices.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): run the command in the project's folder") from None
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise InputError(
            f"{path} is not a list of prices ({problems}): get it back with `git checkout {path}`"
        ) from None
    if prices.prices.keys() != NAMES:
        lacking, unknown = sorted(NAMES - prices.prices.keys()), sorted(prices.prices.keys() - NAMES)
        raise InputError(f"{path}: lacks {lacking}, does not know {unknown}: pipeline/ship/cost.py names them")
    return prices


def billed(milliseconds: Iterable[float]) -> float:
    """Whole milliseconds that AWS bills, as a mean: each duration is rounded up by itself.

    >>> billed([0.2, 2.1])
    2.0
    """
    whole = [math.ceil(value) for value in milliseconds]
    return sum(whole) / len(whole)


def per_million(prices: Prices, use: Use) -> Cost:
    """What a million predictions of one record each cost."""
    gigabytes, rate = use.memory_mb / 1024, prices.usd(f"lambda_{use.arch}")
    restore = gigabytes * prices.usd("snapstart_restore") if use.snapstart else 0.0
    start = use.start_ms / 1000 * gigabytes * rate + restore
    kept_a_month = prices.usd("logs_ingested") + prices.usd("logs_stored")
    return Cost(
        requests=prices.usd("lambda_requests"),
        duration=MILLION * use.billed_ms / 1000 * gigabytes * rate,
        starts=MILLION * use.cold_share * start,
        gateway=prices.usd("http_api"),
        logs=MILLION * use.log_bytes / GIGABYTE * kept_a_month,
        data_out=MILLION * use.answer_bytes / GIGABYTE * prices.usd("data_out"),
    )


def snapshot_month(prices: Prices, memory_mb: int) -> float:
    """What SnapStart takes a month to keep the snapshot of one published version."""
    return HOURS * 3600 * memory_mb / 1024 * prices.usd("snapstart_cache")


def ready_month(prices: Prices, memory_mb: int, arch: Arch) -> float:
    """What one environment that is always ready (provisioned concurrency) takes a month, before it answers anything."""
    return HOURS * 3600 * memory_mb / 1024 * prices.usd(f"provisioned_{arch}")


def container_month(prices: Prices, vcpu: float, gigabytes: float) -> float:
    """What one Fargate task on x86_64 that always runs, behind a load balancer, takes a month."""
    task = vcpu * prices.usd("fargate_vcpu_x86_64") + gigabytes * prices.usd("fargate_gb_x86_64")
    return HOURS * (task + prices.usd("balancer"))


def balancer_million(prices: Prices) -> float:
    """What the load balancer takes for a million requests, each over a connection of its own."""
    return MILLION / _CONNECTIONS_OF_A_UNIT / 3600 * prices.usd("balancer_unit")


def break_even(fixed: float, saved_per_million: float) -> float:
    """Requests a month, in millions, above which a fixed price is the lower one.

    >>> break_even(30.0, 1.5)
    20.0
    """
    return fixed / saved_per_million
