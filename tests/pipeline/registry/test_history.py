import pytest

from pipeline.registry.history import Move, champions, moves

P, R = "promotion", "rollback"


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
    ],
)
def test_a_promotion_adds_a_champion_to_the_succession_and_a_rollback_removes_the_last(
    given: list[tuple[str, int | None, int]], succession: tuple[int, ...]
) -> None:
    history = tuple(Move(n, "", "", "", action, 1, before, to) for n, (action, before, to) in enumerate(given))  # type: ignore[arg-type]
    assert champions(history) == succession


def test_moves_are_read_from_the_tags_that_hold_them_and_from_no_others() -> None:
    first = Move(1, "2026-11-23T00:00:00.000000+00:00", "Ada", "täglich", "promotion", 1, None, 1)
    second = Move(2, "2026-11-23T00:00:01.000000+00:00", "Ada", "", "stage", 1, "None", "Staging")
    tags = [{"stage": "Staging", second.tag: second.as_text()}, {first.tag: first.as_text()}, {}]
    assert moves(tags) == (first, second)
    assert first.tag == "history.000001.2026-11-23T00:00:00.000000 00:00"
