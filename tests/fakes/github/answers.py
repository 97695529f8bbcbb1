"""A request to the fake GitHub -> the function that answers it, if the token may ask; or GitHub's own refusal."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.fakes.github import FakeGitHub

REPOSITORY = "us/obesity"
BOT = "github-actions[bot]"
TOKEN = "a token of the tests"
READ_ONLY = "a token of a fork's run, or of Dependabot's"
PERMISSIONS = ("actions", "contents", "deployments", "issues", "pull-requests", "statuses")
LONGEST = 65_536


class RefusedError(Exception):
    """What GitHub answers instead."""

    def __init__(self, status: int, message: str, *errors: Mapping[str, str]) -> None:
        super().__init__(message)
        self.status = status
        self.content = {"message": message, "status": str(status)} | ({"errors": list(errors)} if errors else {})


@dataclass(frozen=True)
class Token:
    """Whose it is, and what it may do: "read" or "write" by the name of the permission."""

    login: str = BOT
    permissions: Mapping[str, str] = field(default_factory=lambda: dict.fromkeys(PERMISSIONS, "write"))


@dataclass(frozen=True)
class Request:
    """What was asked: `parts` are the parts of the path that differ from one request to the next."""

    parts: tuple[str, ...]
    query: Mapping[str, str]
    body: Mapping[str, Any]
    token: Token


Answer = Callable[["FakeGitHub", Request], Any]
ROUTES: list[tuple[str, re.Pattern[str], str, Answer]] = []


def answers(order: str, needs: str = "contents:read") -> Callable[[Answer], Answer]:
    """The function answers requests such as "POST /git/trees", for tokens with the permission, or one of several."""
    method, _, pattern = order.partition(" ")

    def register(function: Answer) -> Answer:
        ROUTES.append((method, re.compile(pattern), needs, function))
        return function

    return register


def answer(
    fake: "FakeGitHub", method: str, path: str, query: Mapping[str, str], body: Mapping[str, Any], secret: str
) -> Any:
    """The content of the answer.

    Raises:
        RefusedError: As GitHub refuses.
    """
    if secret not in fake.tokens:
        raise RefusedError(401, "Bad credentials")
    token = fake.tokens[secret]
    below = path.removeprefix(f"/repos/{REPOSITORY}")
    for known, pattern, needs, function in ROUTES:
        match = pattern.fullmatch(below)
        if known == method and match and below != path:
            check(fake, token, needs)
            return function(fake, Request(match.groups(), query, body, token))
    # Another repository than the token's is not there.
    # Source: docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api, "404 for an existing resource".
    raise RefusedError(404, "Not Found")


def check(fake: "FakeGitHub", token: Token, needs: str) -> None:
    """Refuse a token without any of the permissions.

    Whoever may read a public repository needs none for it. Sources: actions/github-script#312 and z0al/dependent-issues
    #72 for the words and for Dependabot; bolshakov/stoplight#763 for forks; the page above for 404.
    """
    wanted = [need.split(":") for need in needs.split("|")]
    has = any(token.permissions.get(name) in {level, "write"} for name, level in wanted)
    reading = all(level == "read" for _, level in wanted)
    if has or (reading and not fake.private):
        return
    raise RefusedError(404, "Not Found") if reading else RefusedError(403, "Resource not accessible by integration")


def refuse_long(text: str, resource: str) -> None:
    """Source: jmikedupont2/ai-ticket#51, suzuki-shunsuke/github-comment#124."""
    if len(text) > LONGEST:
        message = f"Body is too long (maximum is {LONGEST} characters)"
        error = {"resource": resource, "code": "unprocessable", "field": "data", "message": message}
        raise RefusedError(422, "Validation Failed", error)
