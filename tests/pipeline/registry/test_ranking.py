from pathlib import Path

import pytest

from pipeline.errors import RegistryError
from pipeline.registry import Registry
from pipeline.registry.ranking import Best, Difference, best, compare

NAME = "obesity_classifier"


@pytest.fixture
def registry(two_versions: Path) -> Registry:
    """A store with two versions, to be read only."""
    return Registry(f"sqlite:///{two_versions}")


def test_compare_lists_the_parameters_and_metrics_that_differ(registry: Registry) -> None:
    versions = [registry.version(NAME, number) for number in (1, 2)]
    differences = compare(registry, *versions)
    one, two = map(registry.metrics, versions)
    assert differences[0] == Difference("param", "forest.random_state", "42", "7")
    assert differences[1:] == tuple(
        Difference("metric", name, one.get(name), two.get(name))
        for name in sorted(one | two)
        if one.get(name) != two.get(name)
    )
    assert len(differences) > 1
    assert compare(registry, versions[0], versions[0]) == ()


def test_best_knows_which_end_of_a_metric_is_good(registry: Registry) -> None:
    one, two = (registry.metrics(registry.version(NAME, number)) for number in (1, 2))
    for metric, pick, higher in (("out_of_fold.brier", min, False), ("out_of_fold.accuracy", max, True)):
        value = pick(one[metric], two[metric])
        number = 1 if one[metric] == value else 2
        assert best(registry, NAME, metric) == Best(NAME, number, metric, value, higher)
    worst = max(one["out_of_fold.brier"], two["out_of_fold.brier"])
    assert best(registry, NAME, "out_of_fold.brier", higher_is_better=True).value == worst


def test_of_equally_good_versions_the_oldest_is_best(registry: Registry) -> None:
    assert best(registry, NAME, "confidence") == Best(NAME, 1, "confidence", 0.95, higher_is_better=True)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("holdout.acuracy", "has the metric 'holdout.acuracy'"),
        ("accuracy", "try holdout.accuracy"),
    ],
)
def test_an_unknown_metric_is_answered_with_similar_ones(registry: Registry, metric: str, message: str) -> None:
    with pytest.raises(RegistryError, match=message):
        best(registry, NAME, metric)
