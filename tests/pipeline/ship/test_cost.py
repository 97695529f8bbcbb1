"""What predictions cost, worked out by hand from round prices; and the file of real ones."""

import json
import re
from datetime import date
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.ship.cost import (
    MEMORY_MB,
    NAMES,
    PRICES,
    Cost,
    Price,
    Prices,
    Use,
    balancer_million,
    billed,
    break_even,
    container_month,
    load,
    per_million,
    ready_month,
    snapshot_month,
)
from tests.paths import ROOT

ROUND = {
    "lambda_requests": 0.2,
    "lambda_x86_64": 0.00002,
    "lambda_arm64": 0.00001,
    "provisioned_x86_64": 0.000005,
    "snapstart_cache": 0.000001,
    "snapstart_restore": 0.0001,
    "http_api": 1.0,
    "logs_ingested": 0.5,
    "logs_stored": 0.03,
    "data_out": 0.1,
    "fargate_vcpu_x86_64": 0.04,
    "fargate_gb_x86_64": 0.004,
    "balancer": 0.02,
    "balancer_unit": 0.009,
}


@pytest.fixture
def prices() -> Prices:
    known = {
        name: Price(usd=ROUND.get(name, 0.0), unit="each", page="https://example.org", seen=None, how="invented")
        for name in NAMES
    }
    return Prices(region="nowhere", currency="USD", note="invented", prices=known)


WARM = Use(memory_mb=1024, arch="x86_64", billed_ms=2.0, log_bytes=1_000, answer_bytes=500)


@pytest.mark.parametrize(
    ("use", "cost"),
    [
        # 1,000,000 requests of 2 ms and 1 GB are 2,000 GB-seconds; 1 GB of log, half a GB of answers.
        (WARM, Cost(requests=0.2, duration=0.04, starts=0.0, gateway=1.0, logs=0.53, data_out=0.05)),
        # Half the memory, half the GB-seconds; half the price.
        (
            Use(512, "arm64", 2.0, log_bytes=1_000, answer_bytes=500),
            Cost(requests=0.2, duration=0.01, starts=0.0, gateway=1.0, logs=0.53, data_out=0.05),
        ),
        # One in a hundred starts an environment: 10,000 starts of half a second are 5,000 GB-seconds more.
        (
            Use(1024, "x86_64", 2.0, log_bytes=0, answer_bytes=0, cold_share=0.01, start_ms=500),
            Cost(requests=0.2, duration=0.04, starts=0.1, gateway=1.0, logs=0.0, data_out=0.0),
        ),
        # The same restored from a snapshot: 10,000 times 1 GB, and 100 ms of hooks.
        (
            Use(1024, "x86_64", 2.0, log_bytes=0, answer_bytes=0, cold_share=0.01, start_ms=100, snapstart=True),
            Cost(requests=0.2, duration=0.04, starts=1.02, gateway=1.0, logs=0.0, data_out=0.0),
        ),
    ],
)
def test_a_million_predictions_cost_what_each_part_costs(prices: Prices, use: Use, cost: Cost) -> None:
    assert vars(per_million(prices, use)) == pytest.approx(vars(cost))


def test_the_total_is_the_sum_of_the_parts() -> None:
    cost = Cost(requests=1, duration=2, starts=4, gateway=8, logs=16, data_out=32)
    assert (cost.compute, cost.total) == (7, 63)


@pytest.mark.parametrize(
    ("milliseconds", "mean"), [([0.1], 1), ([1.0], 1), ([1.001], 2), ([0.2, 2.1, 3.0], 7 / 3), ([12.0, 12.5], 12.5)]
)
def test_each_duration_is_billed_in_whole_milliseconds_by_itself(milliseconds: list[float], mean: float) -> None:
    assert billed(milliseconds) == pytest.approx(mean)


def test_what_is_paid_without_any_request_is_given_for_a_month_of_730_hours(prices: Prices) -> None:
    assert snapshot_month(prices, 2048) == pytest.approx(2_628_000 * 2 * 0.000001)
    assert ready_month(prices, 512, "x86_64") == pytest.approx(2_628_000 * 0.5 * 0.000005)
    assert container_month(prices, vcpu=0.25, gigabytes=0.5) == pytest.approx(730 * (0.01 + 0.002 + 0.02))
    assert balancer_million(prices) == pytest.approx(0.1)  # 40,000 seconds of one unit are 11.1 hours


def test_the_break_even_is_where_both_cost_the_same() -> None:
    assert break_even(fixed=30.0, saved_per_million=1.5) * 1.5 == 30.0


def test_every_price_says_where_it_is_from_and_when_it_was_read_or_that_this_is_unknown() -> None:
    prices = load(ROOT / PRICES)
    assert prices.region == "us-east-1"
    for name, price in prices.prices.items():
        assert price.usd > 0, name
        assert re.fullmatch(r"https://aws\.amazon\.com/[a-z0-9/-]+/", price.page), name
        assert price.seen is None or date(2026, 1, 1) <= price.seen, name
        assert (price.seen is None) == bool(re.search("memory|undated", price.how)), name


def test_the_default_memory_is_the_templates() -> None:
    assert re.search(rf"\b{MEMORY_MB}\b", (ROOT / "template.yaml").read_text())


def test_a_list_that_cannot_be_used_is_refused_with_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    with pytest.raises(InputError, match=r"prices.json cannot be read .* in the project's folder"):
        load(path)
    path.write_text('{"region": "x"}')
    with pytest.raises(InputError, match=r"is not a list of prices \(currency: Field required"):
        load(path)
    whole = json.loads((ROOT / PRICES).read_text())
    whole["prices"]["gold"] = whole["prices"].pop("http_api")
    path.write_text(json.dumps(whole))
    with pytest.raises(InputError, match=r"lacks \['http_api'\], does not know \['gold'\]"):
        load(path)
