"""What the whole program says of a place that cannot be used."""

import errno
import os

import pytest

from pipeline.cli import main


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EROFS, "It cannot be written: work in another folder"),
        (errno.ENOSPC, "The disk is full: make room, then run again"),
        (errno.EACCES, "Make it writable for you, or work in another folder"),
    ],
)
def test_a_place_that_cannot_be_used_is_one_line_with_a_remedy_and_exit_code_2(
    number: int, advice: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise OSError(number, os.strerror(number), "runs/sample")

    monkeypatch.setattr(main, "app", fail)
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"OSError: runs/sample: {os.strerror(number)}. {advice}\n"


def test_any_other_fault_of_the_system_is_a_bug_and_keeps_its_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError(errno.EBADF, "no file")

    monkeypatch.setattr(main, "app", fail)
    with pytest.raises(OSError, match="no file"):
        main.main()
