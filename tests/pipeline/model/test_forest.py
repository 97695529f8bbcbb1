"""The voting forest: whole votes, scikit-learn's answers, and probabilities that never argue with the label."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline

from lambda_api.contract import LEVELS
from pipeline.data.records import random_records, rule_levels
from pipeline.model.features import encoder
from pipeline.model.forest import VotingForest, leaf_levels, probabilities

NAMES = np.array([str(level) for level in LEVELS], dtype=object)
TREES = 25


def features(rows: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.object_]]:
    """Encoded random records with the levels of the BMI rule, some of them wrong."""
    frame = random_records(rows, seed)
    levels = rule_levels(frame)
    levels[::9] = NAMES[np.arange(len(levels[::9])) % 7]
    return encoder().fit_transform(frame), levels


def fitted(levels: NDArray[np.object_] | None = None, **arguments: object) -> VotingForest:
    table, known = features(300, seed=1)
    forest = RandomForestClassifier(**({"n_estimators": TREES, "random_state": 0, "n_jobs": 1} | arguments))
    return VotingForest(forest, exponent=2.5).fit(table, known if levels is None else levels)


@pytest.fixture(scope="module")
def forest() -> VotingForest:
    return fitted()


def test_each_tree_has_one_vote(forest: VotingForest) -> None:
    votes = forest.votes(features(200, seed=2)[0])
    assert (votes.shape, votes.dtype) == ((200, 7), np.dtype("int64"))
    assert votes.min() >= 0
    assert votes.sum(axis=1).tolist() == [TREES] * 200


def test_a_tree_votes_for_the_level_that_it_predicts_itself(forest: VotingForest) -> None:
    table, _ = features(100, seed=3)
    tree = forest.forest_.estimators_[0]
    levels = leaf_levels(tree)[tree.apply(table.astype("float32"))]
    assert NAMES[levels].tolist() == NAMES[tree.predict(table.astype("float32")).astype(int)].tolist()


@pytest.mark.parametrize("criterion", ["gini", "entropy", "log_loss"])
def test_with_pure_leaves_answers_are_scikit_learns_own(criterion: str) -> None:
    forest, (table, _) = fitted(criterion=criterion), features(3000, seed=4)
    own = forest.forest_
    assert forest.predict(table).tolist() == NAMES[own.predict(table).astype(int)].tolist()
    np.testing.assert_allclose(forest.votes(table) / TREES, own.predict_proba(table), rtol=0, atol=1e-12)


def test_a_leaf_of_several_levels_votes_for_the_most_frequent_one() -> None:
    forest, (table, _) = fitted(max_depth=2), features(500, seed=5)
    by_hand = np.zeros((500, 7), dtype="int64")
    for tree in forest.forest_.estimators_:
        by_hand[np.arange(500), tree.predict_proba(table.astype("float32")).argmax(axis=1)] += 1
    assert forest.votes(table).tolist() == by_hand.tolist()


def test_a_tie_goes_to_the_lighter_level() -> None:
    table = np.zeros((4, 17))
    heavy_first = np.array(["Obesity_Type_I", "Normal_Weight"] * 2, dtype=object)
    forest = VotingForest(RandomForestClassifier(2, bootstrap=False, random_state=0)).fit(table, heavy_first)
    assert forest.votes(table).tolist() == [[0, 2, 0, 0, 0, 0, 0]] * 4
    assert forest.predict(table).tolist() == ["Normal_Weight"] * 4
    assert probabilities(np.array([[0, 0, 1, 0, 0, 1, 0]]), 2, 3.0).argmax() == 2


@pytest.mark.parametrize("missing", [[0], [6], [1, 3, 5], [0, 1, 2, 3, 4, 5]])
def test_a_level_without_a_row_gets_no_vote_and_shifts_no_other(missing: list[int]) -> None:
    _, known = features(300, seed=1)
    left = np.setdiff1d(np.arange(7), missing)
    levels = np.where(np.isin(known, NAMES[missing]), NAMES[left[-1]], known)
    forest, (table, _) = fitted(levels), features(400, seed=6)
    votes = forest.votes(table)
    assert votes[:, missing].sum() == 0
    assert votes.sum(axis=1).tolist() == [TREES] * 400
    assert forest.predict(table).tolist() == NAMES[forest.forest_.predict(table).astype(int)].tolist()
    assert forest.predict_proba(table).shape == (400, 7)


def test_trees_of_a_single_leaf_all_vote_for_its_level() -> None:
    forest = VotingForest(RandomForestClassifier(3, random_state=0)).fit(np.zeros((5, 17)), ["Obesity_Type_II"] * 5)
    assert forest.votes(np.ones((2, 17))).tolist() == [[0, 0, 0, 0, 0, 3, 0]] * 2
    assert forest.predict(np.ones((1, 17))).tolist() == ["Obesity_Type_II"]
    assert forest.feature_importances_.tolist() == [0.0] * 17


def test_answers_are_plain_text_and_classes_stand_in_the_contracts_order(forest: VotingForest) -> None:
    labels = forest.predict(features(50, seed=7)[0])
    assert {type(level) for level in labels.tolist()} == {str}
    assert forest.classes_.tolist() == list(LEVELS)
    assert {type(level) for level in forest.classes_.tolist()} == {str}


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=2000),
    st.floats(0.1, 20),
)
def test_an_exponent_never_changes_a_label_and_probabilities_sum_to_one(ballots: list[int], exponent: float) -> None:
    votes = np.bincount(ballots, minlength=7)[None]
    shares = probabilities(votes, len(ballots), exponent)
    assert shares.argmax() == votes.argmax()
    assert shares.min() > 0
    assert abs(shares.sum() - 1) < 1e-12


@pytest.mark.parametrize(
    ("votes", "exponent", "expected"),
    [
        ([10, 0, 0, 0, 0, 0, 0], 1.0, [1 / 1.3, *[0.05 / 1.3] * 6]),
        ([5, 5, 0, 0, 0, 0, 0], 2.0, [0.25 / 0.5125, 0.25 / 0.5125, *[0.0025 / 0.5125] * 5]),
        ([8, 2, 0, 0, 0, 0, 0], 3.0, [0.512 / 0.520625, 0.008 / 0.520625, *[0.000125 / 0.520625] * 5]),
    ],
)
def test_vote_shares_are_raised_to_the_exponent_and_none_is_nothing(
    votes: list[int], exponent: float, expected: list[float]
) -> None:
    np.testing.assert_allclose(probabilities(np.array([votes]), 10, exponent)[0], expected, rtol=1e-12)


def test_the_forest_s_probabilities_are_those_of_its_votes(forest: VotingForest) -> None:
    table, _ = features(100, seed=8)
    expected = probabilities(forest.votes(table), TREES, 2.5)
    np.testing.assert_array_equal(forest.predict_proba(table), expected)
    assert forest.predict(table).tolist() == NAMES[expected.argmax(axis=1)].tolist()


def test_the_number_of_cores_changes_nothing() -> None:
    table, _ = features(500, seed=9)
    answers = [fitted(n_jobs=jobs).predict_proba(table).tobytes() for jobs in (1, 2, 3, -1, None)]
    assert len(set(answers)) == 1


def test_fitting_leaves_the_given_forest_as_it_was() -> None:
    given_forest = RandomForestClassifier(3, random_state=0)
    table, levels = features(100, seed=1)
    first = VotingForest(given_forest).fit(table, levels)
    second = VotingForest(given_forest).fit(table[:50], levels[:50])
    assert not hasattr(given_forest, "estimators_")
    assert first.forest_ is not second.forest_
    assert first.votes(table).tolist() == VotingForest(given_forest).fit(table, levels).votes(table).tolist()


def test_it_is_a_scikit_learn_estimator_whose_parameters_nest() -> None:
    model = Pipeline([("features", encoder()), ("forest", VotingForest(RandomForestClassifier(5, random_state=0)))])
    model.set_params(forest__exponent=3.0, forest__forest__n_estimators=7)
    parameters = clone(model).get_params()
    assert (parameters["forest__exponent"], parameters["forest__forest__n_estimators"]) == (3.0, 7)
    frame = random_records(100, seed=1)
    fresh = clone(model.fit(frame, rule_levels(frame)))
    assert len(model[-1].forest_.estimators_) == 7
    assert model.score(frame, rule_levels(frame)) > 0.9
    with pytest.raises(NotFittedError):
        fresh.predict(frame)


def test_an_unfitted_forest_says_so() -> None:
    with pytest.raises(NotFittedError):
        VotingForest(RandomForestClassifier()).votes(np.zeros((1, 17)))


def test_levels_may_come_as_any_sequence_of_names() -> None:
    table, levels = features(100, seed=1)
    answers = [
        VotingForest(RandomForestClassifier(3, random_state=0)).fit(table, kind).votes(table).tobytes()
        for kind in (levels, levels.tolist(), pd.Series(levels, dtype=object), levels.astype(str))
    ]
    assert len(set(answers)) == 1


def test_importances_of_the_splits_sum_to_one(forest: VotingForest) -> None:
    assert forest.feature_importances_.shape == (17,)
    assert forest.feature_importances_.sum() == pytest.approx(1)
    assert forest.feature_importances_.argmax() == 16
