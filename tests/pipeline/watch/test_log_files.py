"""Files as they come: compressed, cut short, huge, overlapping in time, or no log at all."""

import gzip
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.errors import LogError
from pipeline.watch import watch_lines, watch_log
from pipeline.watch.entries import EntryReader, LogEntry
from pipeline.watch.log_files import (
    MAX_LINE_BYTES,
    REORDERED_LINES,
    LogFiles,
    find_files,
    in_time_order,
    read_lines,
)
from tests.fixtures.service_log import MINUTE, START, Visits, older, refusal

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)


def plain(content: bytes) -> bytes:
    return content


@pytest.mark.parametrize("pack", [plain, gzip.compress])
def test_a_file_is_read_whether_it_is_compressed_or_not(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "any.name"
    path.write_bytes(pack(b"one\ntwo\n\nthree"))
    assert list(read_lines(path)) == [b"one\n", b"two\n", b"\n", b"three"]


def test_a_packed_file_that_was_cut_short_gives_what_is_whole_and_one_broken_line(tmp_path: Path) -> None:
    path, written = tmp_path / "a.gz", Visits().ask(1000)
    path.write_bytes(gzip.compress(b"".join(written))[:-2000])
    summary = watch_log(str(path), NOW)
    assert 700 <= summary.lines.used < 1000
    assert (summary.lines.broken, summary.versions["3"].verdict) == (1, "steady")


def test_a_packed_file_with_a_hole_is_read_up_to_the_hole(tmp_path: Path) -> None:
    path, packed = tmp_path / "a.gz", bytearray(gzip.compress(b"".join(Visits().ask(2000)), compresslevel=0))
    packed[-40_000:-39_000] = bytes(1000)
    path.write_bytes(packed)
    summary = watch_log(str(path), NOW)
    assert summary.lines.broken >= 1
    assert summary.lines.used > 1900


@pytest.mark.parametrize(
    "content", [b"", b"\x1f", b"\x1f\x8b", b"\x1f\x8bnot packed", b"\n\n", bytes(3 * MAX_LINE_BYTES)]
)
def test_a_file_without_a_line_of_the_service_beside_a_log_changes_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.log").write_bytes(b"".join(Visits().ask(700)))
    (tmp_path / "b.log").write_bytes(content)
    summary = watch_log(str(tmp_path / "*.log"), NOW)
    assert (summary.lines.used, summary.versions["3"].verdict) == (700, "steady")


def test_a_line_longer_than_any_event_is_broken_and_the_next_one_is_read(tmp_path: Path) -> None:
    path, good = tmp_path / "a.log", Visits().ask(2)
    path.write_bytes(good[0] + b'{"_aws"' + b"x" * (2 * MAX_LINE_BYTES) + b"\n" + good[1])
    assert list(read_lines(path)) == [good[0], None, good[1]]


def test_files_that_overlap_in_time_are_read_side_by_side(tmp_path: Path) -> None:
    visits = Visits()
    written = [*visits.ask(900), *visits.ask(600, older)]
    for instance in range(3):
        for part in range(2):
            content = b"".join(written[750 * part : 750 * (part + 1)][instance::3])
            (tmp_path / f"{instance}-{part}.log.gz").write_bytes(gzip.compress(content))
    summary = watch_log(str(tmp_path / "*.gz"), NOW)
    assert summary.as_json() == watch_lines(written).as_json() | {"log": str(tmp_path / "*.gz")}


def test_a_file_is_open_only_as_long_as_its_own_time_lasts(tmp_path: Path) -> None:
    visits = Visits()
    for number in range(5):
        (tmp_path / f"{number}.log").write_bytes(b"".join(visits.ask(20)))
    places: list[tuple[int, int]] = []
    log = LogFiles(find_files(f"{tmp_path}/*.log"), lambda _, done, total: places.append((done, total)))
    size = (tmp_path / "0.log").stat().st_size
    read = log.entries(EntryReader())
    next(read)
    assert max(done for done, _ in places) <= size
    assert sum(1 for _ in read) == 99
    done, total = places[-1]
    assert done == total == sum(path.stat().st_size for path in tmp_path.iterdir())


def test_lines_find_their_place_if_they_are_not_too_late() -> None:
    times = [*range(1, REORDERED_LINES), 0, REORDERED_LINES, REORDERED_LINES + 1]
    assert [entry.time for entry in in_time_order(iter([LogEntry(time, "3") for time in times]))] == sorted(times)
    late = [*range(1, REORDERED_LINES + 2), 0]
    assert [entry.time for entry in in_time_order(iter([LogEntry(time, "3") for time in late]))] == [
        1,
        0,
        *range(2, REORDERED_LINES + 2),
    ]


def test_a_pattern_names_its_files_in_order_and_no_folders(tmp_path: Path) -> None:
    for name in ("b.log", "a.log", "c.txt", "deep/d.log"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "e.log").mkdir()
    assert find_files(f"{tmp_path}/*.log") == (tmp_path / "a.log", tmp_path / "b.log")
    assert find_files(f"{tmp_path}/**/*.log") == (tmp_path / "a.log", tmp_path / "b.log", tmp_path / "deep/d.log")
    (tmp_path / "[1].log").touch()
    assert find_files(f"{tmp_path}/[1].log") == (tmp_path / "[1].log",)


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("gone.log", "no such file; expected FILE, a pattern in quotes, or cloudwatch:GROUP"),
        ("*.log", "no file matches the pattern; expected FILE, a pattern in quotes, or cloudwatch:GROUP"),
        ("", "is a folder: name its files by a pattern in quotes"),
    ],
)
def test_what_names_no_file_is_refused(tmp_path: Path, named: str, message: str) -> None:
    with pytest.raises(LogError) as raised:
        find_files(f"{tmp_path}/{named}")
    assert message in str(raised.value)


def test_refusals_alone_are_lines_of_the_service_but_too_few_to_judge(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"".join(refusal(START + number * MINUTE) for number in range(300)))
    assert watch_log(str(path), NOW).versions["3"].verdict == "too few"
