"""Pull requests, issues and their comments."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.fakes.github.answers import BOT, REPOSITORY, RefusedError, Request, answers, refuse_long
from tests.fakes.github.events import pull

if TYPE_CHECKING:
    from tests.fakes.github import FakeGitHub

OWNER = REPOSITORY.partition("/")[0]


@answers("GET /pulls", "pull-requests:read")
def list_pulls(fake: "FakeGitHub", request: Request) -> Any:
    """Without an owner before the colon, `head` filters nothing.

    Source: docs.github.com/en/rest/pulls/pulls, "head ... in the format of user:ref-name".
    """
    wanted = {"state": request.query.get("state", "open"), "base": request.query.get("base"), "head": None}
    if ":" in request.query.get("head", ""):
        wanted["head"] = request.query["head"]

    def matches(item: Mapping[str, Any]) -> bool:
        has = {"state": item["state"], "base": item["base"]["ref"], "head": item["head"]["label"]}
        return all(value in {None, "all", has[name]} for name, value in wanted.items())

    return [item for item in fake.pulls if matches(item)]


@answers(r"GET /pulls/(\d+)", "pull-requests:read")
def read_pull(fake: "FakeGitHub", request: Request) -> Any:
    return one(fake.pulls, "number", int(request.parts[0]))


@answers("POST /pulls", "pull-requests:write")
def create_pull(fake: "FakeGitHub", request: Request) -> Any:
    """A setting that is off in new repositories decides whether a workflow's token may.

    Sources: danielroe/uppt#11 (403 and its words), peter-evans/create-pull-request#3979 (off), piceaTech/
    node-gitlab-2-github#91 (no commits), ovity/octotree#557 (exists).
    """
    if request.token.login == BOT and not fake.may_create_pulls:
        raise RefusedError(403, "GitHub Actions is not permitted to create or approve pull requests.")
    head, base = request.body["head"], request.body["base"]
    refuse_long(request.body.get("body", ""), "PullRequest")
    sha, target = fake.sha_of(head.rpartition(":")[2]), fake.sha_of(base)
    if sha is None or target is None:
        field = "head" if sha is None else "base"
        raise RefusedError(
            422, "Validation Failed", {"resource": "PullRequest", "field": field, "code": "invalid", "message": ""}
        )
    label = head if ":" in head else f"{OWNER}:{head}"
    taken = any(
        item["head"]["label"] == label and item["base"]["ref"] == base and item["state"] == "open"
        for item in fake.pulls
    )
    why = f"A pull request already exists for {label}." if taken else f"No commits between {base} and {head}"
    if taken or not fake.is_ahead(sha, target):
        raise RefusedError(422, "Validation Failed", {"resource": "PullRequest", "code": "custom", "message": why})
    number = max((item["number"] for item in fake.pulls), default=6) + 1
    item = pull(number, OWNER, sha, branch=head.rpartition(":")[2], base=base)
    item |= {
        "title": request.body["title"],
        "body": request.body.get("body", ""),
        "user": {"login": request.token.login},
    }
    item["html_url"] = f"https://github.example/{REPOSITORY}/pull/{number}"
    fake.pulls.append(item)
    fake.asked.append("pull request")
    fake.start_runs("pull_request", item["head"]["ref"], sha, request.token.login)
    return 201, item


@answers(r"PATCH /pulls/(\d+)", "pull-requests:write")
def change_pull(fake: "FakeGitHub", request: Request) -> Any:
    fake.asked.append("close" if request.body.get("state") == "closed" else "update")
    return changed(fake.pulls, "number", request)


@answers(r"GET /issues/(\d+)/comments", "issues:read|pull-requests:read")
def list_comments(fake: "FakeGitHub", request: Request) -> Any:
    return [item for item in fake.comments if item["number"] == int(request.parts[0])]


@answers(r"POST /issues/(\d+)/comments", "issues:write|pull-requests:write")
def create_comment(fake: "FakeGitHub", request: Request) -> Any:
    refuse_long(request.body["body"], "IssueComment")
    fake.asked.append("POST")
    return 201, fake.add(int(request.parts[0]), request.body["body"], request.token.login)


@answers(r"PATCH /issues/comments/(\d+)", "issues:write|pull-requests:write")
def change_comment(fake: "FakeGitHub", request: Request) -> Any:
    refuse_long(request.body["body"], "IssueComment")
    fake.asked.append("PATCH")
    return changed(fake.comments, "id", request)


@answers("GET /issues", "issues:read|pull-requests:read")
def list_issues(fake: "FakeGitHub", request: Request) -> Any:
    """Where Issues are off the list was refused, and is now empty, for pull requests are in it too.

    Source: ingydotnet/git-hub#72, which saw both.
    """
    if not fake.has_issues and fake.lists_are_gone:
        raise RefusedError(410, "Issues has been disabled in this repository.")
    wanted = request.query["labels"], request.query["state"]
    return [item for item in fake.issues if (item["label"], item["state"]) == wanted]


@answers("POST /issues", "issues:write")
def create_issue(fake: "FakeGitHub", request: Request) -> Any:
    """A label that does not exist is made.

    Sources: github/docs#35718 (labels), gatewayapps/kamino#122 and ossf/allstar#64 (410, off in forks).
    """
    if not fake.has_issues:
        raise RefusedError(410, "Issues has been disabled in this repository.")
    refuse_long(request.body["body"], "Issue")
    fake.asked.append("open")
    label = ",".join(request.body["labels"])
    return 201, fake.open(request.body["body"], request.token.login, label=label, title=request.body["title"])


@answers(r"PATCH /issues/(\d+)", "issues:write")
def change_issue(fake: "FakeGitHub", request: Request) -> Any:
    refuse_long(request.body.get("body", ""), "Issue")
    fake.asked.append("close" if request.body.get("state") == "closed" else "update")
    return changed(fake.issues, "number", request)


def one(items: list[dict[str, Any]], key: str, value: int) -> dict[str, Any]:
    """The item with this key's value."""
    item = next((item for item in items if item[key] == value), None)
    if item is None:
        raise RefusedError(404, "Not Found")
    return item


def changed(items: list[dict[str, Any]], key: str, request: Request) -> dict[str, Any]:
    """The item that the path names, changed as the body says."""
    item = one(items, key, int(request.parts[0]))
    item.update(request.body)
    return item
