"""Stale results are named, and what the commit needs is handed over: as files, and as a patch that git takes."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline import params as parameters
from pipeline.errors import InputError
from pipeline.files import Layout
from pipeline.github.results import HandedOver
from pipeline.loop.lock import RESULTS, LockCheck, StaleFile, check_lock
from pipeline.progress import no_progress
from pipeline.repo import dvc_md5, dvc_push
from pipeline.report.write import stale as stale_documents
from tests.fixtures.called import called
from tests.fixtures.project import IDENTITY
from tests.paths import ROOT

DIFFERING = "stage train: forest, models/golden.json"
CARD, METRICS = Path("docs/model-card.md"), Path("reports/metrics.json")
STALE = ("dvc.lock", "docs/model-card.md", "reports/metrics.json", "reports/plots/levels.csv", "reports/plots/old.csv")


def git(*arguments: str, folder: Path = Path()) -> str:
    order = ["git", "-c", "commit.gpgsign=false", *arguments]
    done = subprocess.run(order, cwd=folder, env=os.environ | IDENTITY, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(message: str = "Change it") -> str:
    git("add", "--all")
    git("commit", "--quiet", "--allow-empty", "--message", message)
    return git("rev-parse", "HEAD")


@pytest.fixture
def project(trained_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that went through the loop, committed as it is, in which this process works."""
    copied = Path(shutil.copytree(trained_project, tmp_path / "project"))
    monkeypatch.chdir(copied)
    for name in (".gitignore", ".gitattributes", "Makefile"):
        shutil.copy(ROOT / name, name)
    Path("README.md").write_text("# It\n", encoding="utf-8")
    git("branch", "--move", "main")
    commit("Begin")
    return copied


@pytest.fixture
def made(project: Path) -> dict[str, bytes]:
    """What the run made: the commit has another lock, card and metrics, a plot too many and one too few."""
    right = {path: (project / path).read_bytes() for path in STALE[:4]}
    lock = right["dvc.lock"].decode()
    wrong = lock.replace("n_estimators: 20", "n_estimators: 30").replace(dvc_md5(Layout().golden), "f" * 32)
    Path("dvc.lock").write_text(wrong, encoding="utf-8")
    CARD.write_text("# Another card\n", encoding="utf-8")
    METRICS.write_text("{}\n", encoding="utf-8")
    Path("reports/plots/levels.csv").unlink()
    Path("reports/plots/old.csv").write_text("old\n", encoding="utf-8")
    commit("Forget the results")
    leave(right)
    return right


def leave(made: dict[str, bytes]) -> None:
    """What the stages leave; the card is no output of a stage."""
    for path, content in made.items():
        if Path(path) != CARD:
            Path(path).write_bytes(content)
    Path("reports/plots/old.csv").unlink(missing_ok=True)


def check(event: str | None = None, *, keep: bool = False) -> LockCheck:
    return check_lock(parameters.load(), event=event, keep=keep)


def names(found: LockCheck) -> tuple[str, ...]:
    return tuple(str(file.path) for file in found.stale)


def test_results_that_are_what_the_code_makes_are_not_stale(project: Path) -> None:
    (RESULTS / "left").mkdir(parents=True)
    assert check() == LockCheck((), update_first=False)
    assert not RESULTS.exists()
    assert git("status", "--porcelain") == ""
    assert project.is_dir()


def test_stale_results_are_named_and_handed_over_with_the_card_of_this_run(made: dict[str, bytes]) -> None:
    found = check()
    assert names(found) == STALE
    assert found.stale[0] == StaleFile(Path("dvc.lock"), DIFFERING)
    assert found.stale[1] == StaleFile(CARD, "its content")
    assert HandedOver.from_folder(RESULTS).files == {**made, "reports/plots/old.csv": None}


def test_lock_and_card_are_put_back_as_committed_and_reports_stay_as_made(made: dict[str, bytes]) -> None:
    check()
    assert git("status", "--porcelain").splitlines() == [
        "M reports/metrics.json",
        " D reports/plots/old.csv",
        "?? reports/plots/levels.csv",
    ]
    assert METRICS.read_bytes() == made[str(METRICS)]


def test_where_a_lock_was_never_committed_none_is_put_back(made: dict[str, bytes]) -> None:
    git("rm", "--quiet", "--cached", "dvc.lock")
    git("commit", "--quiet", "--message", "Without a lock")
    assert check().stale[0].path == Path("dvc.lock")
    assert not Path("dvc.lock").exists()
    assert (RESULTS / "dvc.lock").read_bytes() == made["dvc.lock"]


@pytest.mark.parametrize("keep", [False, True])
def test_what_is_published_keeps_its_lock_because_dvc_pushes_by_it(
    made: dict[str, bytes], tmp_path: Path, keep: bool
) -> None:
    check(keep=keep)
    assert (Path("dvc.lock").read_bytes() == made["dvc.lock"], CARD.read_bytes() == made[str(CARD)]) == (keep, keep)
    subprocess.run(["dvc", "remote", "add", "--quiet", "--default", "store", str(tmp_path / "store")], check=True)
    dvc_push(no_progress)
    golden = dvc_md5(Layout().golden)
    assert (tmp_path / "store/files/md5" / golden[:2] / golden[2:]).is_file() is keep


def test_the_patch_applies_to_a_shallow_clone_and_then_nothing_is_stale(made: dict[str, bytes], tmp_path: Path) -> None:
    check()
    git("clone", "--quiet", "--depth", "1", f"file://{Path.cwd()}", str(tmp_path / "clone"))
    git("apply", str(RESULTS.absolute() / "results.patch"), folder=tmp_path / "clone")
    assert {path: (tmp_path / "clone" / path).read_bytes() for path in made} == made
    assert not (tmp_path / "clone/reports/plots/old.csv").exists()
    published = parameters.load().data.published
    assert [path for path in stale_documents(Layout(tmp_path / "clone"), published) if path.name == CARD.name] == []
    assert git("diff", "--cached", "--name-only") == ""  # the index is as it was


def test_what_git_ignores_is_never_handed_over(project: Path) -> None:
    git("add", "--force", "reports/verdict.json")
    git("commit", "--quiet", "--message", "By mistake")
    for name in ("verdict", "drift"):
        (project / f"reports/{name}.json").write_text('{"another": 1}\n', encoding="utf-8")
    Path("params.yaml").write_bytes(Path("params.yaml").read_bytes() + b"\n")
    assert check() == LockCheck((), update_first=False)


def merged(change_of_main: dict[str, str], made: dict[str, bytes]) -> None:
    """HEAD is what a pull request checks out: a merge of the branch into main, which changed meanwhile."""
    git("stash", "--quiet", "--include-untracked")
    git("checkout", "--quiet", "-B", "change")
    git("checkout", "--quiet", "-B", "main", "HEAD~1")
    for name, content in change_of_main.items():
        path = Path(name)
        path.write_text(path.read_text(encoding="utf-8") + content, encoding="utf-8")
    commit("On main")
    git("merge", "--quiet", "--no-ff", "--message", "Merge", "change")
    leave(made)


@pytest.mark.parametrize("name", ["params.yaml", "pipeline/model/train.py", "requirements/requirements.txt"])
def test_where_main_changed_what_makes_the_results_the_branch_is_updated_first(
    made: dict[str, bytes], name: str
) -> None:
    merged({name: "\n# on main\n" if name != "params.yaml" else "\n"}, made)
    found = check("pull_request")
    assert (names(found), found.update_first, RESULTS.exists()) == (STALE, True, False)
    assert git("diff", "--name-only", "--", "dvc.lock", str(CARD)) == ""
    leave(made)
    assert not check("push").update_first
    assert (RESULTS / "dvc.lock").is_file()


def test_where_main_changed_only_words_the_patch_is_for_the_branchs_own_commit(
    made: dict[str, bytes], tmp_path: Path
) -> None:
    merged({"README.md": "More.\n"}, made)
    assert not check("pull_request").update_first
    git("clone", "--quiet", "--depth", "1", "--branch", "change", f"file://{Path.cwd()}", str(tmp_path / "clone"))
    git("apply", str(RESULTS.absolute() / "results.patch"), folder=tmp_path / "clone")
    assert (tmp_path / "clone/dvc.lock").read_bytes() == made["dvc.lock"]


def test_a_checkout_without_the_parents_of_its_merge_says_what_to_fetch(
    made: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    merged({"README.md": "More.\n"}, made)
    git("clone", "--quiet", "--depth", "1", "--branch", "main", f"file://{Path.cwd()}", str(tmp_path / "clone"))
    shutil.copytree("reports", tmp_path / "clone/reports", dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path / "clone")
    with pytest.raises(InputError, match=r"no commit 'HEAD\^2' here.*fetch-depth: 0"):
        check("pull_request")


@pytest.mark.parametrize("publish", [False, True])
def test_the_command_annotates_each_file_and_hands_on_what_later_steps_ask(
    made: dict[str, bytes], tmp_path: Path, publish: bool
) -> None:
    assert made
    output = tmp_path / "output"
    environment = {"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(output), "PATH": os.environ["PATH"]}
    done = called("ci", "lock", *(["--publish"] if publish else []), folder=Path.cwd(), environment=environment)
    assert done.returncode == (0 if publish else 3), done.stderr
    kind = "warning" if publish else "error"
    annotations = [line for line in done.stdout.splitlines() if line.startswith("::")]
    assert [line.partition(",title=stale::")[0] for line in annotations] == [f"::{kind} file={path}" for path in STALE]
    assert f"dvc.lock is stale, it is not what the code makes: {DIFFERING}. This run's artifact" in annotations[0]
    assert output.read_text(encoding="utf-8") == "stale=yes\nupdate=\n"
    assert (RESULTS / "results.patch").is_file()


def test_the_command_says_update_first(made: dict[str, bytes], tmp_path: Path) -> None:
    merged({"params.yaml": "\n"}, made)
    output = tmp_path / "output"
    environment = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_OUTPUT": str(output), "PATH": os.environ["PATH"]}
    done = called("ci", "lock", folder=Path.cwd(), environment=environment)
    assert done.returncode == 3
    assert "Update the branch first" in done.stdout
    assert output.read_text(encoding="utf-8") == "stale=yes\nupdate=yes\n"


def test_the_command_says_when_nothing_is_stale(project: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    done = called("ci", "lock", folder=project, environment={"GITHUB_OUTPUT": str(output), "PATH": os.environ["PATH"]})
    assert (done.returncode, output.read_text(encoding="utf-8")) == (0, "stale=\nupdate=\n")
    assert "are what code, params and data make, byte for byte" in done.stdout
    assert json.loads(METRICS.read_text(encoding="utf-8"))
