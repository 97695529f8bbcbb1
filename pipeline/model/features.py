"""Raw records -> the forest's seventeen numbers: `encoder()` lives inside the model, so no feature matrix is stored.

Categories become their position in the contract (never what `fit` happened to see: one of them occurs once in the
data), numbers pass unchanged, and the body mass index is added. Nothing is scaled: a float32 scaler moves values that
sit exactly on a threshold, and trees do not need it.
"""

from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OrdinalEncoder

from lambda_api.contract import columns
from pipeline.data.records import CATEGORIES, NUMBERS

FEATURES: tuple[str, ...] = (*CATEGORIES, *NUMBERS, "BMI")
"""Names of the encoder's output columns, in order."""


class BodyMassIndex(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Height in m and weight in kg, shape (n, 2) -> body mass index in kg/m2, shape (n, 1), in double precision."""

    def fit(self, X: pd.DataFrame | NDArray[np.float64], y: object = None) -> Self:  # noqa: N803  scikit-learn's names
        """Nothing to learn; remembers the number of columns, as scikit-learn expects."""
        del y
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: pd.DataFrame | NDArray[np.float64]) -> NDArray[np.float64]:  # noqa: N803  scikit-learn names it so
        """The index of each row."""
        values = np.asarray(X, dtype="float64")
        return np.asarray(values[:, 1:2] / (values[:, 0:1] * values[:, 0:1]))

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """The one name."""
        del input_features
        return np.array(["BMI"], dtype=object)


def encoder() -> ColumnTransformer:
    """An unfitted transformer of record tables (n, 16) to `FEATURES` (n, 17), float64; unknown categories become -1."""
    categories = [list(column.categories) for column in columns() if not column.is_number]
    ordinal = OrdinalEncoder(categories=categories, handle_unknown="use_encoded_value", unknown_value=-1)
    return ColumnTransformer(
        [
            ("categories", ordinal, list(CATEGORIES)),
            ("numbers", "passthrough", list(NUMBERS)),
            ("bmi", BodyMassIndex(), ["Height", "Weight"]),
        ],
        verbose_feature_names_out=False,
    )
