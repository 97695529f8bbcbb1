"""The results that a run handed over -> a commit of them: on the pull request's branch, or on main.

A commit is made on top of the very commit that was trained, and its branch is only moved forward: what somebody pushed
meanwhile is never lost, and brings results of its own. A run's commit is never followed by another one of a run: if its
results differ again, they are not reproducible, and nothing may loop. All that GitHub refuses is a warning with the
command by which a person does it, for the results themselves are in the run's artifact.
"""

from collections.abc import Mapping

from pipeline.github.actions import Message
from pipeline.github.api import AUTHOR, GitHub, GitHubError
from pipeline.github.branches import Branches, Commit
from pipeline.github.dispatch import CHECKS, start, start_checks
from pipeline.github.pulls import request_pull
from pipeline.github.results import HandedOver, may_make_another
from pipeline.github.run import ENDED, FinishedRun, MainRun, find_pull_request

PREFIX = "results/"
"""Of the branches that hold results for a protected main."""

REFUSED = (403, 404, 409, 422)
"""May not; may not see; a rule or a protection, in either of GitHub's words."""

ATTEMPTS = 3
"""To commit, if the branch moves each time."""


def to_pull_request(github: GitHub, run: FinishedRun, results: HandedOver) -> tuple[Message, ...]:
    """Commit to the branch of the run's pull request, and start its checks. Returns what was done, in words.

    Raises:
        InputError: The run is no pull request's.
    """
    run.refuse_other_events()
    if why := _not_committable(github, run):
        return (Message(f"{why}: nothing is committed"),)
    branches = Branches(github, run.path)
    parent = branches.read(run.sha)
    files = results.differing(parent.blobs)
    if done := _nothing_to_do(parent, files, run.branch):
        return (done,)
    try:
        branches.move(run.branch, branches.commit_results(parent, files, run.sha, run.url))
    except GitHubError as error:
        if error.status in REFUSED and branches.head(run.branch) != run.sha:
            return (Message(f"{run.branch} moved meanwhile, and its own run brings its results"),)
        return (_by_hand(error, run),)
    committed = Message(f"committed {len(files)} file(s) to {run.branch}")
    return (committed, *start_checks(github, run.path, run.branch))


def _not_committable(github: GitHub, run: FinishedRun) -> str | None:
    if run.conclusion not in ENDED:
        return f"the run ended with {run.conclusion}"
    if run.is_of_fork:
        return f"{run.source} is a fork, whose branches only its owner changes"
    if run.branch == run.default_branch:
        return f"the pull request is from {run.branch}"
    if find_pull_request(github, run) is None:
        return f"no open pull request ends at {run.sha[:8]} any more"
    return None


def to_main(github: GitHub, run: MainRun, results: HandedOver, model_files: tuple[str, ...]) -> tuple[Message, ...]:
    """Commit to main, or make a pull request where main is protected. Returns what was done, in words.

    Args:
        github: A session.
        run: The run that made the results.
        results: What differs from the commit that it trained.
        model_files: The files and folders that decide what a run makes.
    """
    branches = Branches(github, run.path)
    for _ in range(ATTEMPTS):
        tip = branches.head(run.branch) or run.sha
        parent = branches.read(tip)
        files, made = results.differing(parent.blobs), None
        changed = branches.changed(run.sha, tip) if files else set[str]()
        if changed is None or may_make_another(changed, model_files):
            return (Message(f"{run.branch} moved on to {tip[:7]}, whose own run brings its results"),)
        if done := _nothing_to_do(parent, files, run.branch):
            return (done,)
        try:
            made = branches.commit_results(parent, files, run.sha, run.url)
            branches.move(run.branch, made)
        except GitHubError as error:
            if made is None or error.status not in REFUSED:
                return (_by_hand(error, run),)
            if branches.head(run.branch) == tip:
                return _to_protected_main(github, branches, run, results, made)
        else:
            committed = Message(f"committed {len(files)} file(s) to {run.branch}")
            return (committed, start(github, run.path, CHECKS[0], run.branch))
    return (Message(f"{run.branch} moved {ATTEMPTS} times meanwhile: run the job again", "warning"),)


def _nothing_to_do(parent: Commit, files: Mapping[str, bytes | None], branch: str) -> Message | None:
    if not files:
        return Message(f"{branch} has what the run made: nothing is committed")
    if parent.is_of_a_run:
        names = ", ".join(sorted(files))
        text = f"{parent.sha[:7]} was made by a run, and a second run made others: {names}. A stage is not reproducible"
        return Message(text, "warning")
    return None


def _to_protected_main(
    github: GitHub, branches: Branches, run: MainRun, results: HandedOver, made: str
) -> tuple[Message, ...]:
    """Put a commit that main refuses on a branch of its own, with one pull request, which replaces earlier ones."""
    branch = f"{PREFIX}{run.sha[:7]}"
    try:
        if head := branches.head(branch):
            parent = branches.read(head)
            files = results.differing(parent.blobs)
            if done := _nothing_to_do(parent, files, branch):
                return (done, *_pull_request(github, run, branch))
            branches.move(branch, branches.commit_results(parent, files, run.sha, run.url))
        else:
            branches.create(branch, made)
    except GitHubError as error:
        return (_by_hand(error, run),)
    committed = Message(f"{run.branch} is protected: committed to {branch}")
    requested = _pull_request(github, run, branch)
    return (committed, *requested, *start_checks(github, run.path, branch))


def _pull_request(github: GitHub, run: MainRun, branch: str) -> tuple[Message, ...]:
    """The pull request of results that a protected main refuses; those of earlier results are closed."""
    pulls = list(github.items(f"{run.path}/pulls", base=run.branch, state="open"))
    title = f"Commit what the run on {run.sha[:7]} made"
    text = f"The lock, the reports and the model card that [this run]({run.url}) made of {run.sha}."
    requested = request_pull(github, run, branch, title, text)
    if requested.level != "log":
        return (requested,)
    earlier = [
        item
        for item in pulls
        if item["head"]["ref"].startswith(PREFIX) and item["head"]["ref"] != branch and item["user"]["login"] == AUTHOR
    ]
    for item in earlier:
        github.request("PATCH", f"{run.path}/pulls/{item['number']}", json={"state": "closed"})
    return (requested, *(Message(f"closed pull request {item['number']}, whose results are older") for item in earlier))


def _by_hand(error: GitHubError, run: FinishedRun | MainRun) -> Message:
    """What a person does where GitHub refuses.

    Raises:
        GitHubError: It is no refusal.
    """
    if error.status not in REFUSED:
        raise error
    command = f"gh run download {run.url.rpartition('/')[2]} --name results --dir build/results"
    command += " && git apply build/results/results.patch"
    text = f"{run.branch} was not changed (GitHub: {error.reason}); on {run.branch}: `{command}`, then commit"
    return Message(text, "warning")
