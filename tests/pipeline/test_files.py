"""Writing: the new file whole, or the old one as it was."""

import math
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from pipeline.errors import DataError, ModelFileError
from pipeline.files import (
    Layout,
    digest,
    file_digest,
    read_bytes,
    read_json,
    replacing,
    write_bytes,
    write_csv,
    write_json,
    write_text,
)

EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def names(folder: Path) -> list[str]:
    """What lies in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_and_its_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "deep/er/file.bin"
    write_bytes(path, b"first")
    write_bytes(path, b"second")
    assert path.read_bytes() == b"second"
    assert names(path.parent) == ["file.bin"]


def test_a_failure_half_way_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(path) as temporary:  # noqa: PT012  the block is what is tested
        temporary.write_text("half of the n")
        assert path.read_text() == "old"
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file.txt"]


def test_a_failure_half_way_makes_no_file_where_none_was(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "file.txt"):
        raise ZeroDivisionError
    assert names(tmp_path) == []


def test_a_process_killed_half_way_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from pipeline.files import replacing\n"
        "with replacing(Path(sys.argv[1])) as temporary:\n"
        "    with temporary.open('w') as stream:\n"
        "        stream.write('half of the n')\n"
        "        stream.flush()\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    write_text(path, "new")
    assert path.read_text() == "new"


def test_a_written_file_can_be_read_by_others_and_written_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    before = os.umask(0o000)
    try:
        write_text(path, "text")
    finally:
        os.umask(before)
    assert stat.filemode(path.stat().st_mode) == "-rw-r--r--"


def test_a_link_is_replaced_and_what_it_pointed_to_is_left_alone(tmp_path: Path) -> None:
    # DVC may link outputs into its cache: writing through the link would damage the cache.
    cached, path = tmp_path / "cached", tmp_path / "file"
    cached.write_text("cached")
    path.symlink_to(cached)
    write_text(path, "new")
    assert (cached.read_text(), path.read_text(), path.is_symlink()) == ("cached", "new", False)


def test_json_is_sorted_indented_utf8_and_ends_its_last_line(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    write_json(path, {"b": 0.1, "a": [1, None, "ü"]})
    assert path.read_bytes() == '{\n  "a": [\n    1,\n    null,\n    "ü"\n  ],\n  "b": 0.1\n}\n'.encode()
    assert read_json(path, "make run") == {"a": [1, None, "ü"], "b": 0.1}


@pytest.mark.parametrize("value", [math.nan, math.inf, {"a": [-math.inf]}, object()])
def test_what_is_not_json_is_refused_and_the_old_file_stays(tmp_path: Path, value: object) -> None:
    path = tmp_path / "value.json"
    write_json(path, {"old": True})
    with pytest.raises((ValueError, TypeError)):
        write_json(path, value)
    assert read_json(path, "make run") == {"old": True}
    assert names(tmp_path) == ["value.json"]


def test_csv_has_unix_line_ends_and_the_shortest_text_of_each_double(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_csv(path, pd.DataFrame({"a": [0.1, 1 / 3, 3.0], "b": ["x", "y,z", "ü"]}))
    assert path.read_bytes() == 'a,b\n0.1,x\n0.3333333333333333,"y,z"\n3.0,ü\n'.encode()


def test_a_missing_file_is_reported_with_the_command_that_makes_it(tmp_path: Path) -> None:
    path = tmp_path / "records.csv"
    with pytest.raises(ModelFileError) as refusal:
        read_bytes(path, "pipeline clean")
    assert str(refusal.value) == f"{path} does not exist: make it with `pipeline clean`"


def test_a_folder_in_a_files_place_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="cannot be read: Is a directory"):
        read_bytes(tmp_path, "pipeline clean")
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        file_digest(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"{'a': 1}"])
def test_a_damaged_json_file_is_reported_with_the_command_that_makes_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "value.json"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"is not JSON \(.*\): make it again with `pipeline train`"):
        read_json(path, "pipeline train")


def test_a_digest_is_the_same_from_bytes_and_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    assert digest(b"") == file_digest(path) == EMPTY_SHA256
    path.write_bytes(b"x" * 1_000_000)
    assert digest(b"x" * 1_000_000) == file_digest(path) != EMPTY_SHA256


def test_every_file_of_the_flow_lies_below_its_root() -> None:
    here, there = Layout(), Layout(Path("there"))
    files = [name for name, value in vars(Layout).items() if isinstance(value, property)]
    assert len(files) > 10
    assert {name: getattr(there, name) for name in files} == {name: "there" / getattr(here, name) for name in files}
    assert len({getattr(here, name) for name in files}) == len(files)
