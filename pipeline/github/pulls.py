"""A branch of the bot -> one open pull request of it, and a branch with newer locks of the packages."""

from pipeline.github.actions import Message
from pipeline.github.api import GitHub, GitHubError
from pipeline.github.branches import Branches
from pipeline.github.dispatch import start_checks
from pipeline.github.results import HandedOver
from pipeline.github.run import MainRun

REFRESH = "refresh"
"""The branch with newer locks; made anew from main each time, so nobody else commits to it."""

TITLE = "Lock newer versions of the packages"
TEXT = """Every version is at least a week old. [This run]({url}) locked them.

The check `model` trains with them; what it makes is committed to this branch, and its report is the comment below.
"""


def request_pull(github: GitHub, run: MainRun, branch: str, title: str, text: str) -> Message:
    """Open a pull request of a branch, unless it has one; where GitHub does not allow it, a notice with the command."""
    head = f"{run.repository.partition('/')[0]}:{branch}"
    for item in github.items(f"{run.path}/pulls", head=head, base=run.branch, state="open"):
        return Message(f"pull request {item['number']} is open")
    content = {"title": title, "head": branch, "base": run.branch, "body": text}
    try:
        return Message(f"opened pull request {github.request('POST', f'{run.path}/pulls', json=content)['number']}")
    except GitHubError as error:
        command = f"gh pr create --base {run.branch} --head {branch} --title '{title}' --body ''"
        why = f"{branch} waits for a pull request (GitHub: {error.reason})"
        return Message(f"{why}: `{command}`, or allow it under Settings, Actions, General", "notice")


def propose_locks(github: GitHub, run: MainRun, locks: HandedOver) -> tuple[Message, ...]:
    """Put newer locks on a branch of their own, with one pull request, whose check trains with them.

    Args:
        github: A session that may write contents and pull requests, and start workflows.
        run: The run on main that made the locks.
        locks: The locks, whatever differs from that commit.
    """
    branches = Branches(github, run.path)
    parent, head = branches.read(run.sha), branches.head(REFRESH)
    files = locks.differing(parent.blobs)
    if not files:
        return (Message("the newest versions are locked already"),)
    text = TEXT.format(url=run.url)
    if head and branches.changed(run.sha, head) is not None and not locks.differing(branches.read(head).blobs):
        return (Message(f"{REFRESH} has these versions already"), request_pull(github, run, REFRESH, TITLE, text))
    made = branches.commit(parent, files, f"{TITLE}\n\n{run.url}")
    if head:
        branches.move(REFRESH, made, force=True)
    else:
        branches.create(REFRESH, made)
    committed = Message(f"committed {len(files)} lock(s) to {REFRESH}")
    requested = request_pull(github, run, REFRESH, TITLE, text)
    return (committed, requested, *start_checks(github, run.path, REFRESH))
