"""The event of a dispatched run -> a status on its commit, by the name of the required check.

A commit that a workflow made starts no run, so its checks are dispatched. But GitHub does not count the checks of a
dispatched run for a pull request, though they are on its very commit; it counts a status.
"""

from pipeline.errors import InputError
from pipeline.github.actions import Message
from pipeline.github.api import GitHub
from pipeline.github.run import FinishedRun

REQUIRED = {"ci.yml": "ci", "pull-request.yml": "model"}
"""The required check of each workflow, which its last job is named after."""

STATES = {"success": "success"} | dict.fromkeys(("failure", "timed_out", "cancelled", "startup_failure"), "failure")


def post_status(github: GitHub, run: FinishedRun) -> Message:
    """Post the status. Returns what was done, in words.

    Raises:
        InputError: The run is of another workflow, or was started by something else.
    """
    if run.event != "workflow_dispatch" or run.workflow not in REQUIRED or run.is_of_fork:
        expected = f"{' or '.join(REQUIRED)}, started by workflow_dispatch"
        raise InputError(f"the run is of {run.workflow}, started by {run.event}, in {run.source}; expected {expected}")
    name, state = REQUIRED[run.workflow], STATES.get(run.conclusion)
    if state is None:
        return Message(f"the run ended with {run.conclusion}: no status")
    how = "passed" if state == "success" else f"ended with {run.conclusion}"
    status = {
        "context": name,
        "state": state,
        "target_url": run.url,
        "description": f"{run.workflow}, started for a commit that a workflow made, {how}",
    }
    github.request("POST", f"{run.path}/statuses/{run.sha}", json=status)
    return Message(f"status {name} of {run.sha[:8]}: {state}")
