import pytest

from pipeline.registry.history import Move, champions, moves, refusing_predecessor, taken_back

P, R, NO = "promotion", "rollback", "refusal"
Moves = list[tuple[str, int | None, int]]


def history_of(given: Moves) -> tuple[Move, ...]:
    return tuple(Move(n, "", "", "", action, to, before, to) for n, (action, before, to) in enumerate(given))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "succession"),
    [
        ([], ()),
        ([(P, None, 1)], (1,)),
        ([(P, None, 1), (P, 1, 2), (P, 2, 3)], (1, 2, 3)),
        ([(P, None, 1), (P, 1, 2), (P, 2, 3), (R, 3, 2)], (1, 2)),
        ([(P, None, 1), (P, 1, 2), (P, 2, 3), (R, 3, 2), (R, 2, 1)], (1,)),
        ([(P, None, 1), (P, 1, 2), (R, 2, 1), (P, 1, 3)], (1, 3)),
        ([(P, 4, 5)], (4, 5)),
        ([(P, None, 1), ("stage", "Staging", "Archived"), (P, 1, 2)], (1, 2)),
        ([(NO, None, 1), (P, None, 2), (NO, 2, 3), (P, 2, 4)], (2, 4)),
    ],
)
def test_a_promotion_adds_a_champion_to_the_succession_and_a_rollback_removes_the_last(
    given: Moves, succession: tuple[int, ...]
) -> None:
    assert champions(history_of(given)) == succession


@pytest.mark.parametrize(
    ("given", "champion", "by"),
    [  # version 9 asks
        ([(P, None, 1)], 1, None),
        ([(P, None, 1), (NO, 1, 9)], 1, None),
        ([(P, None, 1), (NO, 1, 9), (P, 1, 2)], 2, 1),
        ([(P, None, 1), (NO, 1, 9), (P, 1, 2), (P, 2, 3)], 3, 1),
        ([(P, None, 1), (NO, 1, 9), (P, 1, 2), (NO, 2, 9), (P, 2, 3)], 3, 2),
        ([(P, None, 1), (NO, 1, 8), (P, 1, 2)], 2, None),
        ([(P, None, 1), (NO, 1, 9), (P, 1, 2), (R, 2, 1)], 1, None),
        ([(P, None, 1), (P, 1, 2), (NO, 2, 9), (R, 2, 1)], 1, None),
        ([(P, None, 1), (P, 1, 2), (NO, 2, 9), (R, 2, 1), (P, 1, 3)], 3, None),
        ([(P, None, 1), (P, 1, 2), (NO, 2, 9), (P, 2, 1)], 1, 2),  # promoted again, by hand
        ([(P, None, 1), (NO, 1, 9), (P, 1, 2), (P, 2, 1)], 1, None),
        ([(NO, None, 9), (P, None, 1)], 1, None),
        ([(P, None, 1), (NO, 1, 9)], 2, 1),  # moved without a history
        ([(P, None, 1), (P, 1, 2), (NO, 2, 9)], 1, None),  # an interrupted rollback
    ],
)
def test_a_refusal_counts_for_the_champions_that_followed_by_promotion(
    given: Moves, champion: int, by: int | None
) -> None:
    assert refusing_predecessor(history_of(given), champion, {9}) == by


def test_moves_are_read_from_the_tags_that_hold_them_and_from_no_others() -> None:
    first = Move(1, "2026-11-23T00:00:00.000000+00:00", "Ada", "täglich", "promotion", 1, None, 1)
    second = Move(2, "2026-11-23T00:00:01.000000+00:00", "Ada", "", "stage", 1, "None", "Staging")
    tags = [{"stage": "Staging", second.tag: second.as_text()}, {first.tag: first.as_text()}, {}]
    assert moves(tags) == (first, second)
    assert first.tag == "history.000001.2026-11-23T00:00:00.000000 00:00"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([("promotion", None, 1), ("promotion", 1, 2)], False),
        ([("promotion", None, 1), ("promotion", 1, 2), ("rollback", 2, 1)], True),
        ([("promotion", None, 1), ("promotion", 1, 2), ("rollback", 2, 1), ("promotion", 1, 3)], True),
        ([("promotion", None, 1), ("promotion", 1, 2), ("rollback", 2, 1), ("promotion", 1, 2)], False),
        ([("promotion", None, 2), ("promotion", 2, 1), ("rollback", 1, 2)], False),
    ],
)
def test_a_model_is_taken_back_until_somebody_promotes_it_again(given: Moves, expected: bool) -> None:
    assert taken_back(history_of(given), {2}) is expected
