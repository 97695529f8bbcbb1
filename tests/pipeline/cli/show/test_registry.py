from rich.console import Console, RenderableType

from pipeline.cli.show import registry as show_registry
from pipeline.intervals import Pairs
from pipeline.judge.verdict import Reason, Verdict
from pipeline.registry.history import Move
from pipeline.registry.versions import Version


def lines(shown: RenderableType) -> list[str]:
    console = Console(width=110, no_color=True)
    with console.capture() as captured:
        console.print(shown)
    return [line.rstrip() for line in captured.get().splitlines() if line.strip(" ─")]


def test_a_verdict_shows_every_reason_in_words_and_what_was_decided() -> None:
    reasons = (
        Reason("not worse", ok=True, value=-0.0021, needed="> -0.0100", text="sure [enough]"),
        Reason("plausible people", ok=False, value=0.5, needed=">= 0.85", text="0.5 < 0.85"),
        Reason("collected rows", ok=None, value=None, needed=">= 0.95", text="not measurable"),
    )
    refused = Verdict("refused", False, "Refused: 0.5 < 0.85", reasons, 2, 1, "b", "a", Pairs(3, 3, 100))
    assert [" ".join(line.split()) for line in lines(show_registry.verdict(refused))] == [
        "version 2 against champion version 1",
        "holds in words",
        "yes sure [enough]",
        "NO 0.5 < 0.85",
        "- not measurable",
        "Refused: 0.5 < 0.85",
    ]


def test_versions_fit_a_log_with_all_of_their_aliases() -> None:
    tags = {
        "holdout_accuracy": "0.98845",
        "source": "real",
        "data_sha256": "d" * 64,
        "model_sha256": "a" * 64,
        "git_commit": "c" * 40,
        "git_dirty": "true",
    }
    moment = "2026-11-23T14:37:27+00:00"
    versions = (
        Version("m", 1, "Archived", (), moment, "run", {}),
        Version("m", 2, "Production", ("baseline", "challenger", "champion"), moment, "run", tags),
    )
    assert [line.split() for line in lines(show_registry.versions("m", versions))] == [
        ["m"],
        ["version", "stage", "aliases", "holdout", "source", "data", "model", "commit", "created", "(UTC)"],
        ["1", "Archived", "-", "-", "2026-11-23", "14:37"],
        ["2", "Production", "baseline", "0.9885", "real", *("d" * 8, "a" * 8, "c" * 8 + "+"), "2026-11-23", "14:37"],
        ["challenger"],
        ["champion"],
    ]


def test_a_history_says_in_words_what_moved() -> None:
    moment = "2026-11-23T14:37:27.123456+00:00"
    moves = (
        Move(1, moment, "Ada", "first", "promotion", 1, None, 1),
        Move(2, moment, "Ada", "alarms", "rollback", 1, 2, 1),
        Move(3, moment, "Bo", "", "stage", 2, "Archived", "None"),
        Move(4, moment, "Bo", "worse", "refusal", 2, 1, 2),
    )
    assert lines(show_registry.history("m", moves)) == [
        "m",
        "  #   when (UTC)         who   what                          why",
        "  1   2026-11-23 14:37   Ada   promotion: - -> 1             first",
        "  2   2026-11-23 14:37   Ada   rollback: 2 -> 1              alarms",
        "  3   2026-11-23 14:37   Bo    version 2: Archived -> None",
        "  4   2026-11-23 14:37   Bo    refusal: 1 -> 2               worse",
    ]
