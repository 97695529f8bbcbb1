"""A whole registry is kept in a place: taken to another folder, during a race, and after an interruption.

Each test with the fixture `url` runs twice, with a bucket and with a git remote.
"""

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from lambda_api.contract import example
from pipeline.cli.registry import app
from pipeline.errors import ChampionRefusal, InputError, RaceLostError, RegistryError
from pipeline.files import digest, file_digest
from pipeline.registry import Registry, remote_store
from pipeline.registry.git_ref import REF
from pipeline.registry.place import open_place
from pipeline.registry.remote_store import SyncResult, pull, push
from tests.fixtures.aws import SECRET
from tests.fixtures.registry import copy_registry

NAME = "obesity_classifier"


@pytest.fixture
def url(place_url: str) -> str:
    """The address of a place that nothing was ever pushed to."""
    return place_url


@pytest.fixture
def whole(two_versions: Path, tmp_path: Path) -> Registry:
    """A registry with two versions and all of their artefacts, in a folder whose name needs quoting in a URI."""
    copy_registry(two_versions, tmp_path / "first run's")
    return at(tmp_path / "first run's")


@pytest.fixture
def first(two_versions: Path, tmp_path: Path) -> Registry:
    """The same with a few of its artefacts, as each one is a request."""
    copy_registry(two_versions, tmp_path / "first", "*.onnx")
    return at(tmp_path / "first")


def at(folder: Path) -> Registry:
    return Registry(f"sqlite:///{folder}/mlflow.db", who=lambda: "ada")


def git(url: str, *arguments: str) -> bytes:
    """What git prints in the repository at the address."""
    folder = url.removeprefix("git:")
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=True).stdout


def stored(url: str) -> dict[str, bytes]:
    """Every object that is kept there, by key."""
    if url.startswith("git:"):
        if not git(url, "for-each-ref", REF):
            return {}
        names = git(url, "ls-tree", "-r", "--name-only", REF).decode().split()
        return {name: git(url, "cat-file", "blob", f"{REF}:{name}") for name in names}
    from botocore.session import get_session

    bucket = url.removeprefix("s3://").partition("/")[0]
    client = get_session().create_client("s3")
    keys = [item["Key"] for item in client.list_objects_v2(Bucket=bucket).get("Contents", [])]
    return {key.removeprefix("registry/"): client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def damage(url: str, key: str) -> None:
    """Put other bytes where an object lies."""
    with open_place(url) as place:
        stored_object = place.get(key)
        assert stored_object
        if url.startswith("s3:"):
            place.put(key, b"damaged", stored_object[1])
            return
    kept = {**stored(url), key: b"damaged"}
    git(url, "update-ref", "-d", REF)
    with open_place(url) as place:
        for name, content in kept.items():
            place.put(name, content, None)
        place.put("state.json", kept["state.json"], None, list(kept))


def said(registry: Registry) -> dict[int, tuple[str, tuple[str, ...]]]:
    return {version.number: (version.stage, version.aliases) for version in registry.versions(NAME)}


def artefacts(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): file_digest(path)
        for path in (folder / "mlartifacts").rglob("*")
        if path.is_file()
    }


def text_of(database: Path) -> str:
    with closing(sqlite3.connect(database)) as connection:
        return "\n".join(connection.iterdump())


def test_what_was_pushed_is_pulled_into_another_folder_and_its_models_load_there(
    whole: Registry, url: str, tmp_path: Path
) -> None:
    pushed = push(whole.store, url)
    assert pushed == SyncResult(sequence=1, files=pushed.files, changed=True)
    second = at(tmp_path / "elsewhere")
    expected, versions = artefacts(tmp_path / "first run's"), said(whole)
    assert pull(second.store, url) == SyncResult(sequence=1, files=len(expected) + 1, changed=True)
    assert artefacts(tmp_path / "elsewhere") == expected
    shutil.rmtree(tmp_path / "first run's")  # nothing may be read from there any more
    assert versions.keys() == {1, 2}
    assert said(second) == versions
    assert second.fetch(NAME, 2, tmp_path / "fetched").number == 2
    with second.store.client(), second.store.mlflow() as mlflow:
        loaded = mlflow.pyfunc.load_model(f"models:/{NAME}@challenger")
        assert len(loaded.predict(pd.DataFrame([example()]))) == 1
    assert "first run" not in text_of(tmp_path / "elsewhere/mlflow.db")
    assert remote_store.pull(second.store, url) == SyncResult(sequence=1, files=0, changed=False)


def test_a_version_registered_after_a_pull_keeps_its_artefacts_in_the_new_folder(
    first: Registry, url: str, tmp_path: Path
) -> None:
    push(first.store, url)
    second = at(tmp_path / "elsewhere")
    pull(second.store, url)
    with second.store.client() as client:
        experiment = client.get_experiment_by_name(NAME)
        run = client.create_run(experiment.experiment_id)
    assert experiment.artifact_location == (tmp_path / "elsewhere/mlartifacts").as_uri()
    assert run.info.artifact_uri.startswith((tmp_path / "elsewhere/mlartifacts").as_uri())


def test_the_portable_copy_names_no_folder_of_this_machine(first: Registry, url: str, tmp_path: Path) -> None:
    push(first.store, url)
    listing = json.loads(stored(url)["pieces/" + digest_path(stored(url)["state.json"])])
    database = stored(url)["pieces/" + path_of(listing["database"])]
    copy = tmp_path / "copy.db"
    copy.write_bytes(database)
    with closing(sqlite3.connect(copy)) as connection:
        for table, column in (("runs", "artifact_uri"), ("logged_models", "artifact_location")):
            addresses = [value for (value,) in connection.execute(f"SELECT {column} FROM {table}")]  # noqa: S608  its own tables
            assert addresses
            assert all(address.startswith("obesity-registry:///mlartifacts/") for address in addresses)


def path_of(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}"


def digest_path(state: bytes) -> str:
    return path_of(json.loads(state)["listing"])


def test_a_push_with_nothing_new_writes_nothing(first: Registry, url: str) -> None:
    push(first.store, url)
    before = stored(url)
    assert push(first.store, url) == SyncResult(sequence=1, files=0, changed=False)
    assert stored(url) == before


def test_a_second_push_sends_only_what_is_new(first: Registry, url: str) -> None:
    push(first.store, url)
    first.promote(NAME, 1, "Production", expected=None)
    assert push(first.store, url) == SyncResult(sequence=2, files=1, changed=True)  # the database


def test_a_git_ref_holds_what_the_newest_state_names_and_its_history_the_rest(first: Registry, tmp_path: Path) -> None:
    url = f"git:{tmp_path}/remote.git"
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "remote.git"], check=True)
    push(first.store, url)
    before = stored(url)
    first.promote(NAME, 1, "Production", expected=None)
    push(first.store, url)
    after = stored(url)
    listing = json.loads(after["pieces/" + digest_path(after["state.json"])])
    named = {listing["database"], *listing["artifacts"].values(), json.loads(after["state.json"])["listing"]}
    assert after.keys() == {"state.json", *(f"pieces/{path_of(sha256)}" for sha256 in named)}
    assert len(before.keys() - after.keys()) == 2  # the database and the listing that were replaced
    assert set(git(url, "ls-tree", "-r", "--name-only", f"{REF}^").decode().split()) == before.keys()


def test_a_push_that_would_move_the_champion_that_others_share_is_refused_without_the_word(
    first: Registry, url: str, tmp_path: Path
) -> None:
    first.promote(NAME, 1, "Production", expected=None)
    push(first.store, url)  # there was no champion to move
    second = at(tmp_path / "second")
    pull(second.store, url)
    second.promote(NAME, 2, "Production", expected=1, why="mine is better")
    before = stored(url)
    moves = rf"the champion of {NAME} in {url}, .* is version 1, and this push would make it version 2: nothing was"
    with pytest.raises(ChampionRefusal, match=moves) as refused:
        push(second.store, url)
    assert f"`pipeline registry push --move-champion {url}`" in str(refused.value)
    assert refused.value.exit_code == 3
    assert stored(url) == before
    assert push(second.store, url, move_champion=True).sequence == 2
    pull(first.store, url)
    assert first.version(NAME, "champion").number == 2
    first.set_alias(NAME, "liked", 1, expected=None)
    assert push(first.store, url).sequence == 3  # moves another alias only


def test_a_registry_begun_anew_never_replaces_the_one_that_others_share(
    first: Registry, url: str, tmp_path: Path
) -> None:
    push(first.store, url)
    database = tmp_path / "first/mlflow.db"
    with closing(sqlite3.connect(database)) as connection:  # as after `rm mlflow.db`: the note beside it stays
        connection.execute("DELETE FROM model_versions WHERE version = 2")
        connection.commit()
    for flag in (False, True):
        with pytest.raises(RaceLostError, match=f"lacks what is there of {NAME} version 2. Nothing was written"):
            push(first.store, url, move_champion=flag)
    taken = at(tmp_path / "taken")
    pull(taken.store, url)
    assert [version.number for version in taken.versions(NAME)] == [1, 2]


def test_a_push_from_an_old_state_is_refused_and_succeeds_after_a_pull(
    first: Registry, url: str, tmp_path: Path
) -> None:
    push(first.store, url)
    second = at(tmp_path / "second")
    pull(second.store, url)
    first.promote(NAME, 1, "Production", expected=None, why="first")
    push(first.store, url)
    second.promote(NAME, 2, "Production", expected=None, why="second")
    before = stored(url)
    with pytest.raises(RaceLostError, match=r"somebody pushed .* registry pull --discard") as refused:
        push(second.store, url)
    assert refused.value.exit_code == 3
    assert stored(url) == before
    with pytest.raises(RaceLostError, match="never pushed"):
        pull(second.store, url)
    assert said(second)[2] == ("Production", ("challenger", "champion"))
    done = pull(second.store, url, discard=True)
    assert done.set_aside is not None
    assert "second" in text_of(done.set_aside)
    second.promote(NAME, 2, "Production", expected=1, why="second")
    assert push(second.store, url, move_champion=True).sequence == 3
    pull(first.store, url)
    assert [(move.why, move.moved_from, move.moved_to) for move in first.history(NAME)] == [
        ("first", None, 1),
        ("second", 1, 2),
    ]


def test_of_two_pushes_at_the_same_moment_exactly_one_wins(first: Registry, url: str, tmp_path: Path) -> None:
    push(first.store, url)
    second = at(tmp_path / "second")
    pull(second.store, url)
    first.promote(NAME, 1, "Production", expected=None, why="first")
    second.promote(NAME, 2, "Production", expected=None, why="second")
    won: list[SyncResult] = []

    def meanwhile(what: str, done: int, total: int) -> None:
        """Push the first registry after the second has read the state and before it writes its own."""
        del what, done, total
        if not won:
            won.append(push(first.store, url))

    with pytest.raises(RaceLostError):
        push(second.store, url, meanwhile)
    assert won == [SyncResult(sequence=2, files=1, changed=True)]
    third = at(tmp_path / "third")
    pull(third.store, url)
    assert [move.why for move in third.history(NAME)] == ["first"]


def test_two_first_pushes_at_the_same_moment_do_not_overwrite_each_other(
    first: Registry, two_versions: Path, url: str, tmp_path: Path
) -> None:
    copy_registry(two_versions, tmp_path / "second", "*.onnx")
    second = at(tmp_path / "second")
    second.promote(NAME, 2, "Production", expected=None)
    once_only = iter([True])
    with pytest.raises(RaceLostError):
        push(second.store, url, lambda *_: next(once_only, False) and push(first.store, url))
    assert json.loads(stored(url)["state.json"])["sequence"] == 1


def test_an_interrupted_push_leaves_the_state_and_the_next_one_completes_it(
    first: Registry, url: str, tmp_path: Path
) -> None:
    def interrupted(what: str, done: int, total: int) -> None:
        del what, total
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        push(first.store, url, interrupted)
    assert "state.json" not in stored(url)
    assert pull(at(tmp_path / "second").store, url) == SyncResult(sequence=0, files=0, changed=False)
    assert push(first.store, url).sequence == 1
    assert pull(at(tmp_path / "second").store, url).changed


def test_a_push_that_was_killed_after_its_last_write_counts_as_done(first: Registry, url: str, tmp_path: Path) -> None:
    push(first.store, url)
    (tmp_path / "first/mlflow.db.remote").unlink()
    assert push(first.store, url) == SyncResult(sequence=1, files=0, changed=False)
    first.promote(NAME, 1, "Production", expected=None)
    assert push(first.store, url).sequence == 2


def test_a_pull_leaves_unpushed_work_where_nothing_is_newer(first: Registry, url: str) -> None:
    push(first.store, url)
    first.promote(NAME, 1, "Production", expected=None)
    assert pull(first.store, url) == SyncResult(sequence=1, files=0, changed=False)
    assert said(first)[1] == ("Production", ("baseline", "champion"))


def test_a_store_without_work_is_replaced_without_asking(
    first: Registry, url: str, tmp_path: Path, empty_store: Path
) -> None:
    push(first.store, url)
    (tmp_path / "new").mkdir()
    shutil.copy(empty_store, tmp_path / "new/mlflow.db")
    second = at(tmp_path / "new")
    assert pull(second.store, url).set_aside is None
    assert sorted(said(second)) == [1, 2]


def test_a_damaged_object_is_refused_and_the_registry_stays(first: Registry, url: str, tmp_path: Path) -> None:
    push(first.store, url)
    key = next(key for key in sorted(stored(url)) if key.startswith("pieces/"))
    damage(url, key)
    with pytest.raises(RegistryError, match=f"{key} is damaged: restore an older version"):
        pull(at(tmp_path / "second").store, url)
    assert not (tmp_path / "second/mlflow.db").exists()


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ({"database": "0" * 64, "content": "0", "artifacts": {"../../evil": "0" * 64}}, "outside of mlartifacts/"),
        ({"database": "0" * 64, "content": "0", "artifacts": {"/etc/passwd": "0" * 64}}, "outside of mlartifacts/"),
    ],
)
def test_a_listing_that_names_files_elsewhere_is_refused(
    url: str, tmp_path: Path, listed: dict[str, object], message: str
) -> None:
    text = json.dumps(listed).encode()
    key, state = f"pieces/{path_of(digest(text))}", {"format": 1, "sequence": 1, "listing": digest(text)}
    with open_place(url) as place:
        place.put(key, text, None)
        place.put("state.json", json.dumps(state).encode(), None, [key])
    with pytest.raises(RegistryError, match=message):
        pull(at(tmp_path / "second").store, url)


@pytest.mark.parametrize("state", [b"no json", b"[]", b"{}", b'{"format": 1, "sequence": 1}'])
def test_an_object_that_is_not_a_state_is_refused(url: str, tmp_path: Path, state: bytes) -> None:
    with open_place(url) as place:
        place.put("state.json", state, None, [])
    with pytest.raises(RegistryError, match="is not the state of a registry: restore an older version"):
        pull(at(tmp_path / "second").store, url)


def test_a_state_of_a_newer_format_is_refused(url: str, tmp_path: Path) -> None:
    with open_place(url) as place:
        place.put("state.json", b'{"format": 2}', None, [])
    with pytest.raises(RegistryError, match="newer version"):
        pull(at(tmp_path / "second").store, url)


def no_credentials(monkeypatch: pytest.MonkeyPatch, aws_environment: str) -> None:
    del aws_environment
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")


def unreachable(monkeypatch: pytest.MonkeyPatch, aws_environment: str) -> None:
    del aws_environment
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


def unknown_profile(monkeypatch: pytest.MonkeyPatch, aws_environment: str) -> None:
    del aws_environment
    monkeypatch.setenv("AWS_PROFILE", "nobody")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (no_credentials, r"cannot be read \(NoCredentialsError\): log in to AWS"),
        (unreachable, r"cannot be read \(EndpointConnectionError\): check the network"),
        (unknown_profile, r"cannot be opened \(ProfileNotFound\): log in to AWS, or name a profile"),
    ],
)
def test_an_s3_that_cannot_be_used_says_what_to_do_and_no_secret(
    registry_url: str,
    aws_environment: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    harm: Callable[[pytest.MonkeyPatch, str], None],
    message: str,
) -> None:
    harm(monkeypatch, aws_environment)
    with pytest.raises(RegistryError, match=message) as refused:
        pull(at(tmp_path).store, registry_url)
    assert SECRET not in str(refused.value)
    assert "AKIA" not in str(refused.value)


@pytest.mark.usefixtures("aws_environment")
def test_a_missing_bucket_says_so(first: Registry) -> None:
    with pytest.raises(RegistryError, match="there is no bucket nobody-has-it: create it"):
        push(first.store, "s3://nobody-has-it/registry")


def test_nothing_to_push_and_a_server_are_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"there is no registry .* to push: `pipeline register` makes one"):
        push(at(tmp_path).store, url)
    with pytest.raises(RegistryError, match="is a server, which keeps the registry itself: unset MLFLOW_TRACKING_URI"):
        push(Registry("http://user:hidden@127.0.0.1:9").store, url)


def test_artefacts_outside_of_the_stores_folder_are_refused(two_versions: Path, url: str, tmp_path: Path) -> None:
    shutil.copy(two_versions, tmp_path / "mlflow.db")  # its artefacts lie elsewhere
    with pytest.raises(RegistryError, match="artefacts outside of"):
        push(at(tmp_path).store, url)
    assert stored(url) == {}


def test_the_commands_push_and_pull_what_the_environment_names(
    first: Registry, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def call(*words: str) -> str:
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.exception
        return done.stdout

    monkeypatch.setenv("MLFLOW_TRACKING_URI", first.store.uri)
    assert call("pull", url) == f"nothing was ever pushed to {url}\n"
    pushed = json.loads(call("push", url, "--json"))
    assert pushed == {"sequence": 1, "files": pushed["files"], "changed": True, "set_aside": None}
    assert call("push", url) == f"state 1 of {url}: there is nothing new to push\n"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/new/mlflow.db")
    assert call("pull", url).startswith(f"state 1 of {url}: ")
    monkeypatch.setenv("REGISTRY_URL", url)
    assert call("pull") == f"state 1 of {url}: nothing was changed\n"
    at(tmp_path / "new").promote(NAME, 1, "Production", expected=None)
    assert call("push") == f"state 2 of {url}: 1 file(s) put\n"
    at(tmp_path / "new").promote(NAME, 2, "Production", expected=1)
    assert isinstance(CliRunner().invoke(app, ["push"]).exception, ChampionRefusal)
    assert call("push", "--move-champion") == f"state 3 of {url}: 1 file(s) put\n"


@pytest.mark.parametrize("command", ["push", "pull"])
def test_a_command_without_any_address_says_which_there_are(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REGISTRY_URL", "MLFLOW_TRACKING_URI", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    error = CliRunner().invoke(app, [command]).exception
    assert isinstance(error, InputError)
    assert "such as git:origin or s3://bucket/prefix, or set REGISTRY_URL" in str(error)
