"""How far a window is from its reference, and what chance explains of it."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from pipeline.watch.counts import BinCounts
from pipeline.watch.detector import DEVIATIONS, DriftDetector, describe_change, psi_quantile
from pipeline.watch.measures import ERRORS, MEASURES, NAMES, PREDICTION, STARTS, TOTAL_BINS

EVEN = {measure.name: [1] * len(measure.labels) for measure in MEASURES}


def bin_counts(records: int, shares: Mapping[str, Sequence[float]]) -> BinCounts:
    """So many records, dealt to each measure's bins by their weights, without any chance."""
    counts = np.zeros(TOTAL_BINS, dtype=np.int64)
    for measure, start in zip(MEASURES, STARTS.tolist(), strict=True):
        weights = np.array(shares.get(measure.name, EVEN[measure.name]), dtype="float64")
        edges = np.rint(np.cumsum(weights) / weights.sum() * records).astype(int)
        counts[start : start + len(weights)] = np.diff(edges, prepend=0)
    return BinCounts(counts, records, 0.9, 0, 1, 1)


def test_the_same_shares_are_no_drift_at_all() -> None:
    result = DriftDetector(bin_counts(600, {})).compare(bin_counts(600, {}))
    assert result.drifted == ()
    assert set(result.psi.values()) == {0.0}


def test_the_index_is_the_sum_over_bins_of_difference_times_log_ratio() -> None:
    result = DriftDetector(bin_counts(1000, {"Gender": [1, 1]})).compare(bin_counts(1000, {"Gender": [3, 2]}))
    was, now = 500.5 / 1001, (600.5 / 1001, 400.5 / 1001)
    expected = sum((share - was) * math.log(share / was) for share in now)
    assert result.psi["Gender"] == round(expected, 4) == 0.0405


def test_the_shift_is_the_share_of_pairs_in_which_the_recent_value_is_higher() -> None:
    (drifted,) = (
        DriftDetector(bin_counts(400, {"NCP": [1, 1, 0, 0]})).compare(bin_counts(400, {"NCP": [0, 1, 1, 0]})).drifted
    )
    assert (drifted.name, drifted.shift) == ("NCP", 0.875)
    assert drifted.change == "mean about 1.5 -> 2.5"


def test_a_shift_limit_is_that_of_mann_and_whitney_with_ties() -> None:
    (drifted,) = (
        DriftDetector(bin_counts(500, {"BMI": [1] * 30})).compare(bin_counts(200, {"BMI": [0] * 10 + [1] * 20})).drifted
    )
    both = np.rint(np.diff(np.rint(np.linspace(0, 500, 31))))
    both[10:] += np.diff(np.rint(np.linspace(0, 200, 21)))
    ties = float((both**3 - both).sum()) / (700**3 - 700)
    deviation = math.sqrt((1 - ties) * 701 / (12 * 500 * 200))
    assert drifted.shift_limit == pytest.approx(float(DEVIATIONS[NAMES.index("BMI")]) * deviation, abs=1e-3)


@pytest.mark.parametrize(
    ("records", "limit"),
    [(200, 0.1012), (1000, 0.0434), (10_000, 0.0304)],
)
def test_a_limit_falls_with_the_records_of_the_window_down_to_what_the_reference_allows(
    records: int, limit: float
) -> None:
    (drifted,) = (
        DriftDetector(bin_counts(500, {"Gender": [1, 1]})).compare(bin_counts(records, {"Gender": [9, 1]})).drifted
    )
    assert drifted.psi_limit == limit


def test_a_change_too_small_to_matter_is_no_drift_however_many_records_prove_it() -> None:
    result = DriftDetector(bin_counts(1_000_000, {})).compare(
        bin_counts(1_000_000, {"Gender": [53, 47], "BMI": [9] * 15 + [10] * 15})
    )
    assert result.drifted == ()
    assert result.psi["Gender"] == 0.0036


@pytest.mark.parametrize(("bins", "exact"), [(2, 14.46), (3, 17.71), (4, 20.36), (7, 27.03), (10, 32.83)])
def test_what_chance_makes_of_the_index_is_the_quantile_of_chi_squared(bins: int, exact: float) -> None:
    # The exact ones, for a chance of 0.004 / 28; the approximation may only be the more careful one.
    assert exact - 0.005 <= psi_quantile(bins) <= exact * 1.05


def test_another_number_than_the_one_that_all_gave_is_seen_by_both_figures() -> None:
    at = [[0] * place + [1] + [0] * (29 - place) for place in (15, 16)]
    detector = DriftDetector(bin_counts(500, {"Height": at[0]}))
    assert detector.compare(bin_counts(200, {"Height": at[0]})).drifted == ()
    (drifted,) = detector.compare(bin_counts(200, {"Height": at[1]})).drifted
    assert drifted.psi > drifted.psi_limit == 0.1012
    assert (drifted.shift, drifted.change) == (1.0, "mean about 1.77 -> 1.82")


def test_a_category_that_the_reference_never_saw_is_a_drift_once_a_few_chose_it() -> None:
    detector = DriftDetector(bin_counts(500, {"MTRANS": [1, 0, 0, 8, 1]}))
    assert detector.compare(bin_counts(200, {"MTRANS": [10, 1, 0, 79, 10]})).drifted == ()
    (drifted,) = detector.compare(bin_counts(200, {"MTRANS": [10, 6, 0, 74, 10]})).drifted
    assert drifted.name == "MTRANS"


def test_the_window_has_no_say_in_how_rare_bins_are_joined() -> None:
    detector = DriftDetector(bin_counts(500, {"MTRANS": [97, 1, 1, 1, 0]}))
    one, other = (
        detector.compare(bin_counts(200, {"MTRANS": counts})) for counts in ([90, 0, 0, 10, 0], [90, 10, 0, 0, 0])
    )
    assert one.psi["MTRANS"] == other.psi["MTRANS"]


def test_what_was_counted_too_seldom_is_not_judged() -> None:
    reference, window = bin_counts(500, {}), bin_counts(99, {PREDICTION: [0, 0, 0, 0, 0, 0, 1]})
    result = DriftDetector(reference).compare(window)
    assert (result.drifted, set(result.psi.values())) == ((), {None})
    assert [
        drifted.name
        for drifted in DriftDetector(reference).compare(bin_counts(100, {PREDICTION: [0] * 6 + [1]})).drifted
    ] == [PREDICTION]


def test_what_moved_furthest_beyond_chance_comes_first() -> None:
    window = bin_counts(200, {"Gender": [7, 3], "SMOKE": [1, 99], ERRORS: [9, 1]})
    result = DriftDetector(bin_counts(500, {ERRORS: [99, 1]})).compare(window)
    assert [drifted.name for drifted in result.drifted] == ["SMOKE", ERRORS, "Gender"]


@pytest.mark.parametrize(
    ("name", "was", "now", "words"),
    [
        ("Age", [0, 1], [0, 0, 1], "mean about 17 -> 22"),
        ("Height", [0] * 14 + [1], [0] * 15 + [1], "mean about 1.72 -> 1.77"),
        ("BMI", [0, 1], [0, 1, 1], "mean about 12.9 -> 13.9"),
        ("FCVC", [1, 0, 0], [0, 1, 0], "mean about 1 -> 2"),
        ("SMOKE", [9, 1], [7, 3], "no 90% -> 70%"),
        (PREDICTION, [0, 8, 2, 0, 0, 0, 0], [0, 3, 2, 5, 0, 0, 0], "Normal_Weight 80% -> 30%"),
        (ERRORS, [9, 1], [1, 1], "answered 90% -> 50%"),
    ],
)
def test_a_change_is_described_in_the_columns_own_terms(name: str, was: list[int], now: list[int], words: str) -> None:
    pad = [0] * len(EVEN[name])
    before, after = (bin_counts(1000, {name: [*counts, *pad[len(counts) :]]}) for counts in (was, now))
    assert describe_change(name, before, after) == words
