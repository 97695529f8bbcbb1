"""What is taken of a folder that a stranger's code may have written, and what refuses the whole folder."""

import subprocess
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.github.results import MAX_BYTES, HandedOver, results_among

LOCK = b"schema: '2.0'\nstages:\n  train:\n    cmd: x\n"


def written(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_the_files_of_a_result_and_the_names_of_deleted_ones_are_taken(tmp_path: Path) -> None:
    files = {
        "dvc.lock": LOCK,
        "reports/metrics.json": b"{}\n",
        "reports/plots/levels.csv": "niveau\nélevé\n".encode(),
        "docs/model-card.md": b"# Card\n",
    }
    extra = {"results.patch": b"diff --git a/dvc.lock b/dvc.lock\n", "deleted.txt": b"reports/plots/old.csv\n"}
    taken = HandedOver.from_folder(written(tmp_path, files | extra))
    assert taken.files == {**files, "reports/plots/old.csv": None}


def test_a_run_that_handed_nothing_over_has_nothing(tmp_path: Path) -> None:
    assert HandedOver.from_folder(tmp_path / "absent").files == {}
    assert HandedOver.from_folder(tmp_path).files == {}


@pytest.mark.parametrize(
    "name",
    [
        "params.yaml",
        "reports/verdict.json",  # git ignores it
        "reports/drift.json",
        "reports/answers.csv",
        "reports/.gitignore",
        "reports/plots/deep/er.csv",
        "reports/a b.json",
        "reports/métriques.json",
        "reports/a.json\nb.json",
        ".github/workflows/ci.yml",
        "docs/other.md",
        "dvc.lock.json",
        "sub/dvc.lock",
    ],
)
def test_a_file_that_is_no_result_refuses_the_whole_folder(tmp_path: Path, name: str) -> None:
    folder = written(tmp_path / "written", {"dvc.lock": LOCK, name: b"{}"})
    with pytest.raises(InputError, match="which is no result: nothing of it is committed"):
        HandedOver.from_folder(folder)
    with pytest.raises(InputError, match="no result"):
        HandedOver.from_folder(written(tmp_path / "deleted", {"deleted.txt": f"{name}\n".encode()}))


@pytest.mark.parametrize("target", ["dvc.lock", "reports", "."])
def test_a_link_refuses_the_whole_folder(tmp_path: Path, target: str) -> None:
    secret = written(tmp_path / "secret", {"dvc.lock": LOCK, "metrics.json": b"{}"})
    folder = tmp_path / "folder"
    if target == ".":
        folder.symlink_to(secret)
    else:
        folder.mkdir()
        (folder / target).symlink_to(secret / "dvc.lock" if target == "dvc.lock" else secret)
    with pytest.raises(InputError, match="is a link: nothing of"):
        HandedOver.from_folder(folder)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            {"reports/a.json": b"x" * MAX_BYTES, "reports/b.json": b"y"},
            "2 files of 2,000,001 bytes, expected at most 100",
        ),
        ({f"reports/{number}.json": b"" for number in range(101)}, "101 files of 0 bytes"),
        ({"reports/a.json": b"\xff"}, "reports/a.json is not UTF-8"),
        ({"dvc.lock": b"a: ["}, "dvc.lock is no lock of DVC"),
        ({"dvc.lock": b"stages: 1"}, "dvc.lock is no lock of DVC"),
        ({"dvc.lock": b"[" * 1_000}, "dvc.lock is no lock of DVC"),
        ({"dvc.lock": b""}, "dvc.lock is no lock of DVC"),
    ],
    ids=["too large", "too many", "no text", "no YAML", "no stages", "too deep", "empty"],
)
def test_what_is_too_large_or_no_text_or_no_lock_is_refused(
    tmp_path: Path, files: dict[str, bytes], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        HandedOver.from_folder(written(tmp_path, files))


def test_only_what_a_tree_has_otherwise_differs(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    written(tmp_path, {"dvc.lock": LOCK})
    order = ["git", "hash-object", "dvc.lock"]
    sha = subprocess.run(order, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.strip()
    results = HandedOver({"dvc.lock": LOCK, "reports/a.json": b"{}\n", "reports/gone.json": None})
    assert results.differing({"dvc.lock": sha}) == {"reports/a.json": b"{}\n"}
    assert results.differing({"dvc.lock": "0", "reports/gone.json": "1"}) == dict(results.files)


def test_what_git_ignores_is_no_result() -> None:
    paths = ["reports/verdict.json", "reports/metrics.json", "dvc.lock", "README.md"]
    assert results_among(paths) == ("dvc.lock", "reports/metrics.json")
    assert results_among([]) == ()
