"""A random forest whose answer is a count of votes: each tree casts one, so the same forest is exact anywhere.

scikit-learn averages leaf proportions as doubles; in which order they are summed decides ties, and no other runtime
repeats it. Here every tree votes for its leaf's most frequent level (Breiman's original forest; with pure leaves the
two are the same thing), votes are whole numbers, and a tie goes to the lighter level. Probabilities sharpen the vote
share v of n trees by one exponent, max(v, 1/2n)^a / sum, which calibrates them and can never change a label.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Self

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.validation import check_is_fitted

from lambda_api.contract import LEVELS


def leaf_levels(tree: DecisionTreeClassifier) -> NDArray[np.int64]:
    """The level each node of a tree fitted on level positions would vote for, as a position in `LEVELS`."""
    levels = np.asarray(tree.classes_, dtype="int64")
    return np.asarray(levels[tree.tree_.value[:, 0, :].argmax(axis=1)])


def probabilities(votes: NDArray[np.int64], trees: int, exponent: float) -> NDArray[np.float64]:
    """Calibrated probabilities (n, 7) of vote counts (n, 7) among `trees`; each row sums to 1."""
    sharpened = np.power(np.maximum(votes / trees, 0.5 / trees), exponent)
    return np.asarray(sharpened / sharpened.sum(axis=1, keepdims=True))


class VotingForest(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A RandomForestClassifier that answers by counting votes over the contract's seven levels.

    Args:
        forest: The forest to clone and fit.
        exponent: What the vote shares are raised to; 1 leaves them as they are.
    """

    def __init__(self, forest: RandomForestClassifier, exponent: float = 1.0) -> None:
        self.forest = forest
        self.exponent = exponent

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803  scikit-learn's names
        """Fit the forest on features (n, 17) and level names (n,); levels without a row simply get no votes."""
        position = {str(level): index for index, level in enumerate(LEVELS)}
        known = [position[str(level)] for level in np.asarray(y)]
        self.forest_: RandomForestClassifier = clone(self.forest).fit(X, known)
        for tree in self.forest_.estimators_:  # trees are fitted on positions among the levels seen
            tree.classes_ = self.forest_.classes_
        self.classes_ = np.array([str(level) for level in LEVELS], dtype=object)
        return self

    def votes(self, X: ArrayLike) -> NDArray[np.int64]:  # noqa: N803  scikit-learn names it so
        """How many trees vote for each level, shape (n, 7)."""
        check_is_fitted(self)
        features = np.ascontiguousarray(X, dtype="float32")  # as scikit-learn compares them
        rows = np.arange(len(features))

        def count(trees: list[DecisionTreeClassifier]) -> NDArray[np.int64]:
            votes = np.zeros((len(features), len(LEVELS)), dtype="int64")
            for tree in trees:
                votes[rows, leaf_levels(tree)[tree.tree_.apply(features)]] += 1
            return votes

        jobs = effective_n_jobs(self.forest_.n_jobs)
        with ThreadPoolExecutor(jobs) as pool:
            parts = pool.map(count, [self.forest_.estimators_[start::jobs] for start in range(jobs)])
            return np.asarray(sum(parts, np.zeros((len(features), len(LEVELS)), dtype="int64")))

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803  scikit-learn names it so
        """Calibrated probabilities, shape (n, 7), in the order of `LEVELS`."""
        return probabilities(self.votes(X), len(self.forest_.estimators_), self.exponent)

    def predict(self, X: ArrayLike) -> NDArray[np.object_]:  # noqa: N803  scikit-learn names it so
        """The level with most votes of each row; a tie goes to the lighter level."""
        return np.asarray(self.classes_[self.votes(X).argmax(axis=1)])

    @property
    def feature_importances_(self) -> NDArray[np.float64]:
        """Mean decrease in impurity of each feature, shape (17,); sums to 1 if there is any split."""
        return np.asarray(self.forest_.feature_importances_)
