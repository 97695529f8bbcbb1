"""docs/scale.md says what was measured and what the prices make of it."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.scaling import costs, days, measurements, page
from benchmarks.scaling.costs import Workload
from benchmarks.scaling.measurements import Size
from benchmarks.scaling.simulation import TrafficOutcome
from pipeline.errors import ModelFileError
from pipeline.ship.cost import load
from pipeline.ship.speed import PLATFORM_LOG_BYTES
from tests.paths import ROOT

PRICES = load(ROOT / "infra/prices.json")
MEASURED = measurements.load(ROOT / measurements.PATH)

SIZE = Size(
    memory_mb=1024,
    cores=0.58,
    first=(900.0, 1000.0, 1100.0),
    init=(800.0, 900.0, 1000.0),
    spaced=(1.5, 2.5),
    spaced_requests=2,
    billed=2.5,
    busy=1.0,
    busy_p99=3.0,
    busy_requests=5,
    cpu=0.8,
    resident_mb=90.0,
    log_bytes=1_000,
    platform_log_bytes=265,
    answer_bytes=500,
)


def test_the_page_says_what_the_measurements_and_the_prices_say_now(scale_page: str) -> None:
    assert (ROOT / page.PAGE).read_text(encoding="utf-8") == scale_page, (
        "make it again with `python -m benchmarks.scaling --again`"
    )


def test_the_page_is_another_one_with_another_price() -> None:
    dear = PRICES.prices["http_api"].model_copy(update={"usd": 7.77})
    other = PRICES.model_copy(update={"prices": {**PRICES.prices, "http_api": dear}})
    size = Workload(SIZE, cold_share=0.0)
    assert costs.by_part(size.cost(PRICES)) != costs.by_part(size.cost(other))
    assert "| `http_api` | 7.77 |" in costs.all_prices(other)


def test_lambdas_own_lines_in_the_log_are_as_long_as_they_were_measured() -> None:
    # A digit more or less in a duration does not matter.
    assert max(size.platform_log_bytes for size in MEASURED.sizes) == pytest.approx(PLATFORM_LOG_BYTES, abs=3)


def test_a_cold_start_is_billed_its_initialisation_or_with_snapstart_its_restore() -> None:
    workload = Workload(SIZE, cold_share=0.01)
    rate, restore = (PRICES.usd(name) for name in ("lambda_x86_64", "snapstart_restore"))
    assert workload.cost(PRICES).starts == pytest.approx(10_000 * 0.9 * rate)
    assert workload.cost(PRICES, snapstart=True).starts == pytest.approx(10_000 * (0.15 * rate + restore))


def test_at_the_break_even_both_cost_the_same_a_month() -> None:
    workload = Workload(SIZE, cold_share=0.0)
    millions = workload.break_even(PRICES, 0.25)
    own = workload.cost(PRICES)
    task = 730 * (0.25 * 0.04048 + 0.5 * 0.004445 + 0.0225)
    assert millions * (own.compute + own.gateway) == pytest.approx(task + millions * 0.008 * 40_000 / 3600)


def test_parts_are_drawn_to_scale() -> None:
    parts = replace(Workload(SIZE, 0.0).cost(PRICES), requests=1, duration=0, starts=0, gateway=3, logs=1, data_out=0)
    lines = costs.by_part(parts).splitlines()[1:-1]
    assert [line.count("█") for line in lines] == [10, 0, 0, 30, 10, 0]


def test_a_day_of_a_quicker_function_has_fewer_cold_starts() -> None:
    slow = SIZE.model_copy(update={"first": (5_000.0,), "spaced": (50.0,)})
    assert 0 < days.cold_share(SIZE) < days.cold_share(slow) < 0.1


def test_the_bursty_day_has_its_night_and_its_bursts() -> None:
    times = days.bursty()
    minutes = [sum(1 for time in times if minute * 60 <= time < minute * 60 + 60) for minute in range(200, 280)]
    assert all(one <= other for one, other in pairwise(times))
    assert sum(minutes) / len(minutes) / 60 == pytest.approx(days.LEAST, rel=0.2)  # about four in the morning
    calm = 86_400 * (days.LEAST + days.MOST) / 2
    bursts = days.BURSTS * 60 * days.BURST_A_SECOND
    assert len(times) == pytest.approx(calm + bursts, rel=0.02)


@pytest.mark.parametrize(
    ("refused", "answer"),
    [((0, 0), "yes"), ((7, 0), "no: 7 refused by the gateway"), ((1_000, 2), "no: 1,000 refused by the gateway and 2")],
)
def test_a_case_says_whether_the_quotas_allowed_it_and_who_refused(refused: tuple[int, int], answer: str) -> None:
    outcome = TrafficOutcome(5_000, 0, *refused, median=0.1, p95=0.1, p99=0.1, busiest=1, environments=1)
    assert days.quotas_allow(outcome).startswith(answer)


def test_quantiles_are_the_middles_of_equal_parts() -> None:
    assert measurements.quantiles([5, 1, 4, 2, 3, 6], 3) == (2, 4, 6)
    assert len(measurements.quantiles([1.0] * 280)) == 100


def test_measurements_of_another_version_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "scale.json"
    with pytest.raises(ModelFileError, match=r"does not exist: make it with `make scale`"):
        measurements.load(path)
    path.write_text(json.dumps({"machine": "x"}))
    with pytest.raises(ModelFileError, match="is not what `make scale` writes now"):
        measurements.load(path)


def test_what_was_measured_is_plausible() -> None:
    """A page made while something was broken would be fresh as well."""
    assert [size.memory_mb for size in MEASURED.sizes] == [256, 512, 1024, 1769, 3008]
    for size in MEASURED.sizes:
        assert len(size.spaced) == 100
        assert 0 < size.spaced[0] <= size.billed
        assert max(size.spaced) < min(size.first)
    for smaller, larger in pairwise(MEASURED.sizes[:4]):
        assert min(smaller.first) > max(larger.first), "more memory is more processor, up to one core"
    assert MEASURED.containers[0].a_second < MEASURED.containers[-1].a_second
