"""What a run made is committed once, where it belongs, and loses nothing that somebody pushed meanwhile."""

import itertools
from collections.abc import Callable

import pytest

from pipeline.errors import InputError
from pipeline.github.actions import Message
from pipeline.github.api import GitHub
from pipeline.github.branches import Branches
from pipeline.github.deliver import to_main, to_pull_request
from pipeline.github.results import HandedOver
from pipeline.github.run import FinishedRun, MainRun
from tests.fakes.github import BOT, READ_ONLY, REPOSITORY, RUN_URL, TOKEN, FakeGitHub, event, finished, mergeable, pull
from tests.fixtures.github import MADE_OF, Place, results_of

PATCH = "`gh run download 11 --name results --dir build/results && git apply build/results/results.patch`"
RULE = "Repository rule violations found\n\nChanges must be made through a pull request."


def handed_over(trees: int) -> HandedOver:
    return HandedOver(dict(results_of(trees)))


def to_change(
    place: Place, trees: int = 20, token: str = TOKEN, sha: str | None = None, **changes: object
) -> tuple[Message, ...]:
    """What comment.yml does when a run on the branch `change` has ended."""
    finished_run = event(sha=sha or place.sha("change"), **changes)  # type: ignore[arg-type]
    with GitHub(place.github.address, token) as github:
        return to_pull_request(github, FinishedRun.from_event(finished_run), handed_over(trees))


def on_main(place: Place, sha: str, trees: int, token: str = TOKEN) -> tuple[Message, ...]:
    """What retrain.yml does when a run on main has ended."""
    with GitHub(place.github.address, token) as github:
        return to_main(github, MainRun(REPOSITORY, "main", sha, RUN_URL), handed_over(trees), MADE_OF)


def texts(messages: tuple[Message, ...]) -> list[str]:
    return [message.text for message in messages]


def test_a_pull_requests_branch_gets_one_commit_of_what_its_run_made(place: Place) -> None:
    trained = place.sha("change")
    assert to_change(place) == (
        Message("committed 3 file(s) to change"),
        Message("started ci.yml on change"),
        Message("started pull-request.yml on change"),
    )
    assert place.files("change") == results_of(20)
    assert place.log("change")[:2] == [f"{BOT}: Commit what the run made", "ada: Change it"]
    assert place.git("show", "--no-patch", "--format=%B", "change").splitlines()[2:] == [
        f"{RUN_URL} trained {trained}.",
        "",
        f"Result-of: {trained}",
    ]
    assert place.git("show", "change:params.yaml") == "trees: 20"
    assert place.github.started == [("ci.yml", {"ref": "change"}), ("pull-request.yml", {"ref": "change"})]


def test_a_file_that_the_run_no_longer_made_is_deleted_and_one_that_is_new_is_added(place: Place) -> None:
    place.push("change", {"reports/plots/old.csv": "a\n"})
    results = HandedOver({"reports/plots/old.csv": None, "reports/plots/new.csv": "é\n".encode()})
    with GitHub(place.github.address, TOKEN) as github:
        to_pull_request(github, FinishedRun.from_event(event(sha=place.sha("change"))), results)
    assert set(place.files("change")) == {*results_of(10), "reports/plots/new.csv"}
    assert place.files("change")["reports/plots/new.csv"] == "é\n".encode()


def test_the_checks_of_the_new_commit_count_once_their_dispatched_runs_have_set_statuses(place: Place) -> None:
    fake = place.github
    to_change(place)
    waiting = [run for run in fake.runs if run.event == "pull_request"]
    assert [run.conclusion for run in waiting] == ["action_required"] * 2
    dispatched = [run for run in fake.runs if run.event == "workflow_dispatch"]
    assert [finished(run, "success") for run in dispatched] == [None, None]  # so no workflow_run follows
    assert not mergeable(fake, 7)
    with GitHub(fake.address, fake.token(statuses="write")) as github:
        for name in ("ci", "model"):  # as the last job of each does
            status = {"context": name, "state": "success", "target_url": RUN_URL}
            github.request("POST", f"/repos/{REPOSITORY}/statuses/{place.sha('change')}", json=status)
    assert mergeable(fake, 7)


def test_a_dispatched_run_is_read_by_its_number_once_it_has_ended(place: Place) -> None:
    to_change(place)
    number, run = next(
        (number, run)
        for number, run in enumerate(place.github.runs, 1)
        if (run.event, run.workflow) == ("workflow_dispatch", "pull-request.yml")
    )
    started = {"repository": {"full_name": REPOSITORY, "default_branch": "main"}, "inputs": {"run": str(number)}}
    waited = list[float]()

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 2:
            finished(run, "failure")

    with GitHub(place.github.address, TOKEN) as github:
        read = FinishedRun.of(github, started, wait)
        assert (read.sha, read.branch, read.event, read.conclusion, len(waited)) == (
            place.sha("change"),
            "change",
            "workflow_dispatch",
            "failure",
            2,
        )
        run.conclusion = None
        with pytest.raises(InputError, match=rf"run {number} has not ended in 120 seconds"):
            FinishedRun.of(github, started, lambda _: None)


def test_results_that_the_branch_has_are_not_committed(place: Place) -> None:
    before = place.sha("change")
    assert texts(to_change(place, 10)) == ["change has what the run made: nothing is committed"]
    assert (place.sha("change"), place.github.asked) == (before, [])


def test_the_commit_of_a_run_is_never_followed_by_another_one(place: Place) -> None:
    to_change(place, 20)
    made = place.sha("change")
    (warning,) = to_change(place, 21, started_by="workflow_dispatch")
    names = "docs/model-card.md, dvc.lock, reports/metrics.json"
    text = f"{made[:7]} was made by a run, and a second run made others: {names}. A stage is not reproducible"
    assert warning == Message(text, "warning")
    assert place.sha("change") == made
    place.push("change", {"params.yaml": "trees: 30\n"})
    assert texts(to_change(place, 30))[0] == "committed 3 file(s) to change"


def test_a_commit_of_a_run_that_a_person_rebased_is_a_persons(place: Place) -> None:
    to_change(place, 20)
    made = place.sha("change")
    place.push("main", {"params.yaml": "trees: 12\n", **results_of(12)})
    place.git("checkout", "--quiet", "--detach", "main")
    place.git("cherry-pick", "--strategy-option", "theirs", f"{made}~1", made)
    place.github.push("change", place.git("rev-parse", "HEAD"))
    assert place.log("change")[0] == f"{BOT}: Commit what the run made"
    assert texts(to_change(place, 21))[0] == "committed 3 file(s) to change"


def test_a_branch_that_moved_meanwhile_keeps_what_was_pushed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = place.sha("change")
    newer = place.push("change", {"params.yaml": "trees: 21\n"})
    quiet = f"no open pull request ends at {trained[:8]} any more: nothing is committed"
    assert to_change(place, sha=trained) == (Message(quiet),)
    monkeypatch.setattr("pipeline.github.deliver.find_pull_request", lambda *_: 7)  # it moved only after that
    assert to_change(place, sha=trained) == (Message("change moved meanwhile, and its own run brings its results"),)
    assert place.sha("change") == newer
    assert "PATCH /repos/us/obesity/git/refs/heads/change: 422" in place.github.asked


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fork": True}, "somebody/obesity is a fork, whose branches only its owner changes"),
        ({"branch": "main"}, "the pull request is from main"),
        ({"branch": "another"}, "no open pull request ends at"),
        ({"conclusion": "cancelled"}, "the run ended with cancelled"),
    ],
)
def test_a_fork_main_and_a_branch_without_a_pull_request_get_no_commit(
    place: Place, changes: dict[str, object], words: str
) -> None:
    (message,) = to_change(place, **changes)
    assert message.text.startswith(words)
    assert message.text.endswith(": nothing is committed")
    assert (message.level, place.github.asked) == ("log", [])


def test_a_run_of_anything_but_a_pull_request_is_refused(place: Place) -> None:
    with pytest.raises(InputError, match="started by merge_group, expected pull_request or workflow_dispatch"):
        to_change(place, started_by="merge_group")


def protect(fake: FakeGitHub) -> str:
    fake.protected = {"change": RULE, "main": RULE}
    return TOKEN


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (protect, RULE),
        (lambda _: READ_ONLY, "Resource not accessible by integration"),
        (lambda fake: fake.token(pull_requests="write"), "Resource not accessible by integration"),
    ],
    ids=["protected", "of Dependabot", "without contents"],
)
def test_a_protected_branch_or_a_token_that_may_not_write_is_a_warning_that_says_what_to_do(
    place: Place, token: Callable[[FakeGitHub], str], reason: str
) -> None:
    before = place.sha("change")
    (warning,) = to_change(place, token=token(place.github))
    text = f"change was not changed (GitHub: {reason}); on change: {PATCH}, then commit"
    assert (warning, place.sha("change")) == (Message(text, "warning"), before)


def test_a_workflow_that_cannot_be_started_is_a_warning_and_the_commit_stays(place: Place) -> None:
    place.push("change", {".github/workflows/ci.yml": "on: [push]\n"})
    place.github.disabled = {"pull-request.yml"}
    committed, *warnings = to_change(place)
    assert committed.text == "committed 3 file(s) to change"
    assert [warning.level for warning in warnings] == ["warning", "warning"]
    assert "`gh workflow run ci.yml --ref change`" in warnings[0].text
    assert "`gh workflow enable pull-request.yml`, then `gh workflow run" in warnings[1].text


def test_a_branch_with_any_name_is_found(place: Place) -> None:
    place.git("branch", "feature/30%-more#trees", "change")
    place.github.pulls.append(pull(8, sha=place.sha("change"), branch="feature/30%-more#trees"))
    assert (
        texts(to_change(place, branch="feature/30%-more#trees"))[0] == "committed 3 file(s) to feature/30%-more#trees"
    )
    assert place.files("feature/30%-more#trees") == results_of(20)


def plant(place: Place, trees: int) -> str:
    return place.push("main", {"params.yaml": f"trees: {trees}\n"})


def test_main_gets_a_commit_of_what_its_run_made_and_its_checks_are_started(place: Place) -> None:
    sha = plant(place, 20)
    assert texts(on_main(place, sha, 20)) == ["committed 3 file(s) to main", "started ci.yml on main"]
    assert (place.files("main"), place.sha("main~1")) == (results_of(20), sha)
    assert [run.event for run in place.github.runs if run.sha == place.sha("main")] == ["workflow_dispatch"]
    assert texts(on_main(place, sha, 20)) == ["main has what the run made: nothing is committed"]


def test_results_go_on_top_of_a_newer_commit_that_changes_nothing_of_the_model(place: Place) -> None:
    sha = plant(place, 20)
    place.push("main", {"README.md": "# Better\n", "pipeline/modelled.md": "no folder of the model\n"})
    assert texts(on_main(place, sha, 20))[0] == "committed 3 file(s) to main"
    assert (place.files("main"), place.git("show", "main:README.md")) == (results_of(20), "# Better")


@pytest.mark.parametrize(
    "files",
    [
        {"params.yaml": "trees: 21\n"},
        {"pipeline/model/train.py": "new\n"},
        {"reports/metrics.json": "{}\n"},
        {f"notes/{number}.md": "a note\n" for number in range(301)},
    ],
    ids=["params", "code of the model", "a result", "more files than GitHub lists"],
)
def test_results_are_left_to_the_later_run_if_what_makes_them_changed(place: Place, files: dict[str, str]) -> None:
    sha = plant(place, 20)
    later = place.push("main", files)
    assert on_main(place, sha, 20) == (Message(f"main moved on to {later[:7]}, whose own run brings its results"),)
    assert place.sha("main") == later


def test_a_file_of_the_model_that_was_renamed_away_counts_as_changed(place: Place) -> None:
    sha = place.push("main", {"pipeline/model/train.py": "code\n" * 20})
    place.push("main", {"pipeline/model/train.py": None, "old/train.py": "code\n" * 20})
    assert texts(on_main(place, sha, 20))[0].startswith("main moved on to ")


def test_after_a_forced_push_results_are_left_to_the_run_of_what_was_pushed(place: Place) -> None:
    sha = plant(place, 20)
    place.github.push("main", place.git("rev-parse", f"{sha}~1"))
    assert texts(on_main(place, sha, 20))[0].startswith("main moved on to ")


@pytest.mark.parametrize("order", list(itertools.permutations("AB")), ids="".join)
@pytest.mark.parametrize("second", ["model", "words"])
def test_two_pushes_at_once_lose_nothing_and_nothing_loops(place: Place, order: tuple[str, str], second: str) -> None:
    """A plants 20 trees; B plants 30 or changes words, so that only a change of the model has a run of its own."""
    pushed = {"A": (plant(place, 20), 20)}
    after = place.push("main", {"params.yaml": "trees: 30\n"} if second == "model" else {"README.md": "# More\n"})
    expected = 30 if second == "model" else 20
    if second == "model":
        pushed["B"] = (after, 30)
    runs = [pushed[name] for name in order if name in pushed]
    said = [message for run in runs for message in on_main(place, *run)]
    assert {message.level for message in said} == {"log"}
    assert place.files("main") == results_of(expected)
    assert place.log("main")[:3] == [f"{BOT}: Commit what the run made", "ada: Change it", "ada: Change it"]
    assert [run.event for run in place.github.runs if run.login == BOT] == ["workflow_dispatch"]
    before = place.sha("main")
    for run in runs:  # their jobs are run again
        on_main(place, *run)
    assert place.sha("main") == before


def test_a_push_between_the_look_and_the_commit_is_not_lost(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    sha, pushes = plant(place, 20), iter([{"README.md": "# Meanwhile\n"}])
    move = Branches.move

    def move_late(self: Branches, branch: str, made: str) -> None:
        for files in pushes:
            place.push("main", files)
        move(self, branch, made)

    monkeypatch.setattr(Branches, "move", move_late)
    assert texts(on_main(place, sha, 20))[0] == "committed 3 file(s) to main"
    assert (place.files("main"), place.git("show", "main:README.md")) == (results_of(20), "# Meanwhile")


@pytest.mark.parametrize("status", [403, 409, 422])
def test_a_protected_main_gets_one_pull_request_with_its_checks(place: Place, status: int) -> None:
    fake = place.github
    fake.protected, fake.protected_status, fake.may_create_pulls = {"main": RULE}, status, True
    sha = plant(place, 20)
    branch = f"results/{sha[:7]}"
    assert texts(on_main(place, sha, 20)) == [
        f"main is protected: committed to {branch}",
        "opened pull request 8",
        f"started ci.yml on {branch}",
        f"started pull-request.yml on {branch}",
    ]
    assert (place.sha("main"), place.files(branch)) == (sha, results_of(20))
    assert (fake.pulls[-1]["head"]["ref"], fake.pulls[-1]["base"]["ref"]) == (branch, "main")
    assert texts(on_main(place, sha, 20)) == [
        f"{branch} has what the run made: nothing is committed",
        "pull request 8 is open",
    ]


def test_the_next_results_for_a_protected_main_close_the_pull_request_of_the_earlier_ones(place: Place) -> None:
    fake = place.github
    fake.protected, fake.may_create_pulls = {"main": RULE}, True
    on_main(place, plant(place, 20), 20)
    fake.pulls.append(pull(9, branch="results/mine"))  # a person's
    assert texts(on_main(place, plant(place, 30), 30))[1:3] == [
        "opened pull request 10",
        "closed pull request 8, whose results are older",
    ]
    assert [item["number"] for item in fake.pulls if item["state"] == "open"] == [7, 9, 10]


def test_a_strangers_pull_request_from_a_branch_of_the_same_name_is_not_taken_for_the_one(place: Place) -> None:
    fake = place.github
    fake.protected, fake.may_create_pulls = {"main": RULE}, True
    sha = plant(place, 20)
    fake.pulls.append(pull(8, "somebody", branch=f"results/{sha[:7]}"))
    assert texts(on_main(place, sha, 20))[1] == "opened pull request 9"


def test_where_workflows_may_make_no_pull_request_a_notice_has_the_command(place: Place) -> None:
    place.github.protected = {"main": RULE}
    sha = plant(place, 20)
    branch = f"results/{sha[:7]}"
    _, notice, *started = on_main(place, sha, 20)
    title = f"Commit what the run on {sha[:7]} made"
    assert notice == Message(
        f"{branch} waits for a pull request (GitHub: GitHub Actions is not permitted to create or approve pull "
        f"requests.): `gh pr create --base main --head {branch} --title '{title}' --body ''`, or allow it under "
        "Settings, Actions, General",
        "notice",
    )
    assert (len(started), place.files(branch)) == (2, results_of(20))


def test_a_token_that_may_not_write_to_main_is_a_warning(place: Place) -> None:
    (warning,) = on_main(place, plant(place, 20), 20, token=READ_ONLY)
    text = f"main was not changed (GitHub: Resource not accessible by integration); on main: {PATCH}, then commit"
    assert warning == Message(text, "warning")


def test_a_second_run_on_the_commit_of_a_run_that_makes_others_is_a_warning(place: Place) -> None:
    on_main(place, plant(place, 20), 20)
    made = place.sha("main")
    (warning,) = on_main(place, made, 21)
    assert warning.text.startswith(f"{made[:7]} was made by a run, and a second run made others: ")
    assert place.sha("main") == made
