"""The encoder: the contract's categories, untouched numbers and the body mass index, in double precision."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from lambda_api.contract import columns, example
from pipeline.data.records import CATEGORIES, COLUMNS, NUMBERS, bmi, codes, random_records
from pipeline.model.features import FEATURES, BodyMassIndex, encoder

ONE = pd.DataFrame([example()]).astype(dict.fromkeys(NUMBERS, "float64"))


def test_features_are_named_categories_first_then_numbers_then_the_index() -> None:
    fitted = encoder().fit(ONE)
    assert tuple(fitted.get_feature_names_out()) == FEATURES == (*CATEGORIES, *NUMBERS, "BMI")
    assert len(FEATURES) == 17


def test_one_record_becomes_these_seventeen_numbers() -> None:
    encoded = encoder().fit_transform(ONE)
    assert encoded.dtype == np.float64
    assert encoded.tolist() == [
        [0, 1, 1, 1, 0, 0, 1, 3, 24, 1.65, 72, 2, 3, 2, 1, 1, 72 / (1.65 * 1.65)],
    ]


def test_what_fit_saw_changes_nothing() -> None:
    frame = random_records(200, seed=1)
    narrow = frame.assign(CALC="no", Gender="Male", Age=20.0)
    np.testing.assert_array_equal(encoder().fit(narrow).transform(frame), encoder().fit(frame).transform(frame))


def test_the_encoder_agrees_with_the_codes_of_records() -> None:
    frame = random_records(200, seed=2)
    expected = pd.DataFrame(codes(frame), columns=list(COLUMNS)).assign(BMI=bmi(frame))[list(FEATURES)]
    np.testing.assert_array_equal(encoder().fit_transform(frame), expected.to_numpy())


@pytest.mark.parametrize("column", CATEGORIES)
@pytest.mark.parametrize("value", ["", "\N{SNOWMAN}", "NO", "nan", None, float("nan")], ids=repr)
def test_an_unknown_category_is_minus_one_and_no_error(column: str, value: object) -> None:
    unknown = ONE.astype({column: object}).assign(**{column: pd.Series([value], dtype=object)})
    assert encoder().fit(ONE).transform(unknown)[0, FEATURES.index(column)] == -1


def test_columns_are_found_by_name_in_any_order() -> None:
    frame = random_records(20, seed=3)
    turned = frame[list(COLUMNS[::-1])]
    np.testing.assert_array_equal(encoder().fit(frame).transform(turned), encoder().fit_transform(frame))


def test_every_category_has_its_place_in_the_contract() -> None:
    for column in columns():
        if not column.is_number:
            frame = pd.concat([ONE] * len(column.categories), ignore_index=True).assign(
                **{column.name: list(column.categories)}
            )
            codes = encoder().fit(ONE).transform(frame)[:, FEATURES.index(column.name)]
            assert codes.tolist() == list(range(len(column.categories)))


def test_the_index_is_weight_by_height_squared_for_tables_and_arrays() -> None:
    table = pd.DataFrame({"Height": [1.65, 2.0], "Weight": [72.0, 100.0]})
    expected = [[72 / (1.65 * 1.65)], [25.0]]
    assert BodyMassIndex().fit_transform(table).tolist() == expected
    assert BodyMassIndex().fit_transform(table.to_numpy()).tolist() == expected
    assert BodyMassIndex().fit(table).n_features_in_ == 2


def test_the_encoder_can_be_cloned_and_a_clone_is_not_fitted() -> None:
    copy = clone(encoder().fit(ONE))
    with pytest.raises(NotFittedError):
        copy.transform(ONE)
