"""What GitHub refuses, in GitHub's own words, so that a reader knows what to do."""

from collections.abc import Iterator

import pytest

from pipeline.errors import SourceError
from pipeline.github.api import GitHub, GitHubError
from tests.fakes.github import READ_ONLY, TOKEN, FakeGitHub, serving
from tests.fixtures.github import Place


@pytest.fixture
def fake() -> Iterator[FakeGitHub]:
    with serving(FakeGitHub()) as running:
        yield running


def refused(fake: FakeGitHub, method: str, path: str, token: str = TOKEN, **body: object) -> tuple[int, str]:
    with GitHub(fake.address, token) as github, pytest.raises(GitHubError) as caught:
        github.request(method, path, **({"json": body} if body else {}))
    assert str(caught.value) == f"GitHub refuses {method} {path}: {caught.value.status} {caught.value.reason}"
    assert isinstance(caught.value, SourceError)
    return caught.value.status, caught.value.reason


def test_a_refusal_has_githubs_status_and_words(fake: FakeGitHub) -> None:
    assert refused(fake, "GET", "/repos/us/obesity/issues", "another") == (401, "Bad credentials")
    assert refused(fake, "GET", "/repos/them/else/issues") == (404, "Not Found")
    assert refused(fake, "POST", "/repos/us/obesity/issues/7/comments", READ_ONLY, body="x") == (
        403,
        "Resource not accessible by integration",
    )


def test_a_failed_validation_has_each_reason(fake: FakeGitHub) -> None:
    long = "x" * 65_537
    assert refused(fake, "POST", "/repos/us/obesity/issues/7/comments", body=long) == (
        422,
        "Validation Failed: Body is too long (maximum is 65536 characters)",
    )


def test_in_a_private_repository_a_token_sees_only_what_it_may(place: Place) -> None:
    place.github.private = True
    path = "/repos/us/obesity/git/ref/heads/main"
    assert refused(place.github, "GET", path, place.github.token(issues="write")) == (404, "Not Found")
    with GitHub(place.github.address, place.github.token(contents="read")) as github:
        assert github.request("GET", path)["object"]["sha"] == place.sha("main")


def test_an_answer_that_is_no_json_is_told_by_its_status(fake: FakeGitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.fakes.github.server.json.dumps", lambda _: "<html>no</html>")
    assert refused(fake, "GET", "/repos/them/else") == (404, "Not Found")
