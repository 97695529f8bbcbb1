"""What a good accuracy can hide, made measurable: people whose habits say nothing about their body.

Three quarters of the training rows were interpolated, and some levels grew from three people; cross-validation cannot
see a model that reads the level off the habits those rows share. A *plausible person* has one real record's habits,
a height usual for the sex, and a body mass index drawn evenly from 16 to 50: the BMI rule is then the truth, and a
model that learnt shortcuts disagrees with it.
"""

import numpy as np
import pandas as pd

PLAUSIBLE_BMI = (16.0, 50.0)
HEIGHT_DEVIATIONS = 2.5
"""A height further from its sex's mean than this many standard deviations is drawn to the limit."""


def plausible_people(frame: pd.DataFrame, per_record: int, seed: int) -> pd.DataFrame:
    """`per_record` people for each record, in its order: its habits, another body; every other column is kept.

    Heights are normal with each sex's own mean and deviation in `frame`; weight is BMI times height squared.
    """
    random = np.random.RandomState(seed)
    people = frame.loc[frame.index.repeat(per_record)].reset_index(drop=True)
    deviation = np.clip(random.normal(size=len(people)), -HEIGHT_DEVIATIONS, HEIGHT_DEVIATIONS)
    by_sex = frame.groupby("Gender")["Height"]
    mean, spread = people["Gender"].map(by_sex.mean()), people["Gender"].map(by_sex.std(ddof=0))
    people["Height"] = (mean + deviation * spread).astype("float64")
    people["Weight"] = random.uniform(*PLAUSIBLE_BMI, len(people)) * people["Height"] ** 2
    return people
