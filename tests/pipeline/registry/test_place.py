"""A bucket and a git ref give one promise: an object is replaced only if it is still what the caller read."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from pipeline.errors import RegistryError
from pipeline.registry.place import Place, RegistryAddress, open_place, where_kept
from tests.fixtures.aws import SECRET

Opener = Callable[[], AbstractContextManager[Place]]


@pytest.fixture
def opened(place_url: str) -> Opener:
    """Opens an empty place anew, as another process would."""
    return lambda: open_place(place_url)


def test_what_was_put_is_read_by_the_next_byte_for_byte(opened: Opener) -> None:
    body = bytes(range(256)) * 5000  # more than git sends at once, and no text
    with opened() as place:
        assert place.get("state.json") is None
        assert place.put("pieces/ab/one", body, None)
        assert place.put("state.json", b"1\r\n", None, ["pieces/ab/one"])
    with opened() as place:
        read = {key: place.get(key) for key in ("pieces/ab/one", "state.json", "pieces/ab/two")}
    assert [stored and stored[0] for stored in read.values()] == [body, b"1\r\n", None]


def test_an_object_is_replaced_only_by_who_read_what_is_there(opened: Opener) -> None:
    with opened() as place:
        first = place.put("state.json", b"1", None, [])
        assert first
        assert place.put("state.json", b"2", None, []) is None
        second = place.put("state.json", b"2", first, [])
        assert second not in {None, first}
        assert place.put("state.json", b"3", first, []) is None
        assert place.get("state.json") == (b"2", second)


def test_an_object_that_is_there_is_not_put_again_without_its_etag(opened: Opener) -> None:
    with opened() as place:
        place.put("pieces/ab/one", b"1", None)
        assert place.put("pieces/ab/one", b"2", None) is None
        place.put("state.json", b"", None, ["pieces/ab/one"])
    with opened() as place:
        stored = place.get("pieces/ab/one")
        assert stored
        assert stored[0] == b"1"


def test_of_two_that_read_the_same_one_replaces_it_and_the_other_is_told(opened: Opener) -> None:
    with opened() as one, opened() as other:
        etag = one.put("state.json", b"1", None, [])
        stored = other.get("state.json")
        assert stored == (b"1", etag)
        assert one.put("state.json", b"one", etag, [])
        assert other.put("state.json", b"other", etag, []) is None
        assert (other.get("state.json") or ())[0] == b"one"


def test_of_two_that_found_nothing_one_puts_the_first_object(opened: Opener) -> None:
    with opened() as one, opened() as other:
        assert (one.get("state.json"), other.get("state.json")) == (None, None)
        assert one.put("state.json", b"one", None, [])
        assert other.put("state.json", b"other", None, []) is None
        assert (other.get("state.json") or ())[0] == b"one"


def test_of_many_at_the_same_moment_exactly_one_wins_and_its_object_stays(opened: Opener) -> None:
    with opened() as place:
        etag = place.put("state.json", b"0", None, [])
    start, answers = threading.Barrier(6), dict[bytes, str | None]()

    def write(body: bytes) -> None:
        with opened() as place:
            place.get("state.json")
            start.wait()
            answers[body] = place.put("state.json", body, etag, [])

    threads = [threading.Thread(target=write, args=(b"%d" % number,)) for number in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [(body, answer) for body, answer in answers.items() if answer]
    assert len(answers) == 6
    with opened() as place:
        assert place.get("state.json") == winner


@pytest.mark.parametrize("address", ["bucket/prefix", "https://bucket", "origin", f"https://key:{SECRET}@host/x.git"])
def test_an_address_that_is_none_is_refused_and_not_repeated(address: str) -> None:
    with (
        pytest.raises(RegistryError, match=r"is s3://bucket/prefix or git:REMOTE, such as git:origin") as refused,
        open_place(address),
    ):
        pass
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("address", ["s3://", f"s3://key:{SECRET}@bucket/prefix"])
def test_an_address_in_s3_that_is_none_is_refused_and_not_repeated(address: str) -> None:
    with (
        pytest.raises(RegistryError, match="of a registry in S3 is s3://bucket/prefix") as refused,
        open_place(address),
    ):
        pass
    assert SECRET not in str(refused.value)


SERVER, GITHUB = {"MLFLOW_TRACKING_URI": "https://mlflow.example.org"}, {"GITHUB_ACTIONS": "true"}
IGNORED = "MLFLOW_TRACKING_URI names a server, which keeps the registry itself: REGISTRY_URL is ignored"


@pytest.mark.parametrize(
    ("given", "environment", "kept"),
    [
        (None, {}, RegistryAddress(None)),
        ("", {}, RegistryAddress(None)),
        (None, GITHUB, RegistryAddress("git:origin")),
        ("", GITHUB, RegistryAddress("git:origin")),
        ("s3://b/r", {}, RegistryAddress("s3://b/r")),
        ("s3://b/r", GITHUB, RegistryAddress("s3://b/r")),
        ("git:other", GITHUB, RegistryAddress("git:other")),
        (None, SERVER | GITHUB, RegistryAddress(None)),
        ("s3://b/r", SERVER | GITHUB, RegistryAddress(None, IGNORED)),
        ("s3://b/r", SERVER, RegistryAddress(None, IGNORED)),
        (None, {"MLFLOW_TRACKING_URI": "sqlite:///other.db"} | GITHUB, RegistryAddress("git:origin")),
        (None, {"MLFLOW_TRACKING_URI": ""} | GITHUB, RegistryAddress("git:origin")),
    ],
)
def test_a_server_keeps_the_registry_else_the_address_that_is_given_else_on_github_the_repository(
    given: str | None, environment: dict[str, str], kept: RegistryAddress
) -> None:
    assert where_kept(given, environment) == kept
