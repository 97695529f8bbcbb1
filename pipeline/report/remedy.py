"""A stale lock and who reads about it -> what to do: one sentence and, where a person must act, one command."""

from shlex import quote

from pipeline.files import RESULT_FILES
from pipeline.report.context import MAIN, RunContext
from pipeline.report.markdown import code


def fix_lock(context: RunContext) -> str:
    """How the results of this very code get committed, as Markdown."""
    if not context.on_github:
        add = f"git add {' '.join(RESULT_FILES)}"
        return _command("Make the results anew and commit them:", f"make run && {add} && git commit")
    if context.update:
        why = f"{code(context.base)} has moved in what makes the model. Press *Update branch*, or merge it yourself:"
        return _command(why, f"git pull --no-rebase {context.page} {quote(context.base)} && git push")
    if context.head_repository == context.repository:
        return "Nothing to do: the bot commits the results to this branch; the checks start again by themselves."
    if context.head_repository is None and context.on_main:
        return f"Nothing to do: the results are committed to `{MAIN}` without you."
    # gh overwrites no file, so each run has its own folder; git ignores build/.
    folder = f"build/results-{context.run_id}"
    take = f"gh run download {context.run_id} --repo {context.repository} --name results --dir {folder}"
    return _command(
        "Take the results of this run, then commit and push:", f"{take} && git apply {folder}/results.patch"
    )


def find_difference() -> str:
    """How to see which file differs between two runs, as Markdown."""
    return _command("See on a laptop which file differs:", "make reproduce")


def ask_gate() -> str:
    """How a result gets judged, as Markdown."""
    return _command("Let the gate judge it:", "make run")


def _command(why: str, command: str) -> str:
    return f"{why}\n\n```sh\n{command}\n```"
