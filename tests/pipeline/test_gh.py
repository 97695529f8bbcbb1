"""Questions to GitHub through `gh`: what an answer is, and whose repository this clone is."""

import subprocess
from pathlib import Path

import pytest

from pipeline import gh
from pipeline.errors import InputError
from pipeline.gh import GhAnswer, Repository, ask, find_repository, origin
from tests.fakes.gh_command import asked
from tests.fixtures.doctor import SetUp


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, set_up: SetUp) -> Path:
    """A clone of us/obesity, and a gh that nothing was asked of."""
    folder = tmp_path / "clone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    subprocess.run(["git", "init", "--quiet"], check=True)
    subprocess.run(["git", "remote", "add", "origin", "https://github.com/us/obesity"], check=True)
    set_up()
    return folder


@pytest.mark.usefixtures("clone")
def test_an_answer_is_its_value_or_githubs_reason(set_up: SetUp) -> None:
    assert ask("user") == GhAnswer(200, {"login": "ada", "id": 5, "type": "User"})
    assert ask("repos/us/other") == GhAnswer(404, reason="Not Found (HTTP 404)")
    set_up(role="write")
    assert ask("repos/us/obesity/actions/permissions").status == 403
    set_up(me=None)
    assert ask("user") == GhAnswer(401, reason="gh is not logged in")
    set_up(unreachable=True)
    assert ask("user") == GhAnswer(0, reason="error connecting to api.github.com")


@pytest.mark.usefixtures("clone")
def test_every_page_of_a_list_is_read(set_up: SetUp) -> None:
    """Variables come 30 at a time at the most, rules 100."""
    values = {f"V{number:02}": str(number) for number in range(65)}
    rules = [{"type": "creation"} for _ in range(130)]
    set_up(variables=values, rules=rules)

    listed = ask("repos/us/obesity/actions/variables", "variables").value
    assert {item["name"]: item["value"] for item in listed} == values
    assert ask("repos/us/obesity/rules/branches/main", "").value == rules


@pytest.mark.usefixtures("clone")
def test_nothing_but_get_is_ever_sent_and_only_to_github_com(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GH_HOST", "github.example")
    assert ask("user").ok
    assert asked(tmp_path) == ["GET user"]


def test_without_gh_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not gh.installed()
    assert ask("user") == GhAnswer(0, reason="gh cannot be started: No such file or directory")


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("git@github.com:us/obesity-levels.git", ("github.com", "us/obesity-levels")),
        ("github.com:us/obesity", ("github.com", "us/obesity")),
        ("https://github.com/us/obesity.levels", ("github.com", "us/obesity.levels")),
        ("https://github.com/us/obesity-levels.git/", ("github.com", "us/obesity-levels")),
        ("https://x:secret@GitHub.com/us/obesity", ("github.com", "us/obesity")),
        ("ssh://git@ssh.github.com:443/us/obesity.git", ("ssh.github.com", "us/obesity")),
        ("https://git.example.com/us/obesity", ("git.example.com", "us/obesity")),
        ("https://evil.example/github.com/us/obesity", None),
        ("/srv/github.com/us/obesity", None),
        ("../us/obesity", None),
    ],
)
def test_origin_is_a_host_and_a_name(address: str, place: tuple[str, str] | None, clone: Path) -> None:
    subprocess.run(["git", "remote", "set-url", "origin", address], cwd=clone, check=True)
    assert origin() == place


def test_only_github_com_is_github() -> None:
    hosts = ["github.com", "ssh.github.com", "www.github.com", "github.example.com", "notgithub.com", "us.ghe.com"]
    assert [host for host in hosts if gh.is_github(host)] == hosts[:3]


@pytest.mark.usefixtures("clone")
def test_a_repository_is_written_as_github_writes_it(set_up: SetUp) -> None:
    """AWS compares names letter by letter; origin may be written in any case."""
    owner = {"login": "Us", "id": 11, "type": "Organization"}
    set_up(full_name="Us/Obesity", owner=owner, visibility="internal")

    assert find_repository(None) == find_repository("us/obesity") == Repository("Us", "Obesity", "11", "22", "internal")


def test_a_repository_that_gh_cannot_see_keeps_its_name_and_has_no_number(clone: Path) -> None:
    del clone
    assert find_repository("us/other") == Repository("us", "other")


def test_an_origin_elsewhere_and_a_name_without_owner_are_refused(clone: Path) -> None:
    for address in ("https://git.example.com/us/obesity", "https://notgithub.com/us/obesity", "/srv/obesity"):
        subprocess.run(["git", "remote", "set-url", "origin", address], cwd=clone, check=True)
        with pytest.raises(InputError, match="origin is not on GitHub: name the repository"):
            find_repository(None)
    for given in ("obesity-levels", "us/", "/x", "a/b/c"):
        with pytest.raises(InputError, match="expected owner/name"):
            find_repository(given)
