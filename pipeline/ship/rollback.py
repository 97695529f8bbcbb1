"""A stage -> an earlier model answers there again, and is champion again, with the reason written down.

Traffic first: the alias moves, then the registry. Whoever is killed in between runs the command again, which finds the
alias where it should be and completes the rest. Both moves are refused if somebody else made one since we looked.
"""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from golden_hook.golden import differences
from pipeline.errors import CloudError, DeploymentRefusal, RaceLostError, RegistryError
from pipeline.files import Layout
from pipeline.progress import Progress, no_progress
from pipeline.registry import Registry, remote_store
from pipeline.registry.history import champions
from pipeline.registry.versions import Version
from pipeline.ship.stack import Live, Shipped, Stack, Stage, existing

ATTEMPTS = 3
"""To push the registry, if somebody else pushed first."""


@dataclass(frozen=True)
class RolledBack:
    """What answers now and what answered before, and where; `alias_moved` and `champion_moved` say what was done."""

    url: str
    now: Shipped
    before: Shipped
    alias_moved: bool
    champion_moved: bool


def rollback(  # noqa: PLR0913  what a person decides
    stage: Stage,
    registry: Registry,
    name: str,
    why: str,
    *,
    to: int | None = None,
    kept: str | None = None,
    progress: Progress = no_progress,
) -> RolledBack:
    """Send all requests of a stage to the function's version that holds an earlier model, and make it the champion.

    Args:
        stage: Where.
        registry: Whose champion moves as well.
        name: The registered model.
        why: The reason, for the history.
        to: The model's version; None takes the champion before the last promotion.
        kept: Where the registry is kept between runs (s3://...); it is pulled before and pushed after.
        progress: Called with progress.

    Raises:
        CloudError: No published version holds that model any more, or a canary is running; nothing was changed.
        DeploymentRefusal: The version that holds it does not give its golden answers; nothing was changed.
        RegistryError: There is no such version, or none before the champion; nothing was changed.
        RaceLostError: Somebody else moved the alias or the champion; the text says what was done.
    """
    if kept:
        progress(f"pull the registry from {kept}", 0, 1)
        remote_store.pull(registry.store, kept)
    target = registry.version(name, _before(registry, name) if to is None else to)
    stack = existing(stage)
    live = _settled(stack)
    shipped = live.shipped if _holds(live.shipped, target) else _candidate(stage, stack, target, live.shipped)
    alias_moved = shipped != live.shipped
    if alias_moved:
        progress(f"ask version {shipped.number} for the golden answers of model {shipped.model}", 0, 1)
        _prove(registry, target, stack, shipped)
        progress(f"send all requests of {stage} to version {shipped.number}, model {shipped.model}", 0, 1)
        stack.send_all_to(shipped, live)
    try:
        champion_moved = _make_champion(registry, name, target.number, why, kept, progress)
    except (RaceLostError, RegistryError) as error:
        done = f"{stage} answers with model {shipped.model} again, but the registry was not changed"
        raise type(error)(f"{done}: {error}\nRun the same command again to complete it") from None
    return RolledBack(stack.output("ApiUrl"), shipped, live.shipped, alias_moved, champion_moved)


def _before(registry: Registry, name: str) -> int:
    line = champions(registry.history(name))
    if len(line) < 2:  # noqa: PLR2004  the champion and one before it
        raise RegistryError(f"{name} has no champion before the present one: name a version with --to")
    return line[-2]


def _settled(stack: Stack) -> Live:
    live = stack.live()
    if stack.busy or live.canary:
        raise CloudError(
            f"{stack.name} is being deployed at this moment ({stack.status}): stop that deployment in CodeDeploy, "
            "which takes it back by itself, and look again with `pipeline deployed`"
        )
    return live


def _candidate(stage: Stage, stack: Stack, target: Version, live: Shipped) -> Shipped:
    """The newest version that holds a model, rather one before what answers now: a later one may have been stopped."""
    found = stack.versions()
    holding = [shipped for shipped in found if _holds(shipped, target)]
    if holding:
        return next((shipped for shipped in holding if int(shipped.number) < int(live.number)), holding[0])
    there = ", ".join(f"model {shipped.model} (version {shipped.number})" for shipped in found) or "none"
    raise CloudError(
        f"no published version of {stack.output('FunctionName')} holds model {target.number} any more; there are: "
        f"{there}. Deploy it anew: `pipeline deploy --version {target.number} --stage {stage}`"
    )


def _prove(registry: Registry, target: Version, stack: Stack, shipped: Shipped) -> None:
    with TemporaryDirectory() as temporary:
        registry.fetch(target.name, target.number, Path(temporary))
        golden = Layout(Path(temporary)).golden.read_bytes()
    if found := differences(golden, stack.asking(shipped)):
        told = "\n".join(f"  {line}" for line in found)
        raise DeploymentRefusal(f"version {shipped.number} does not answer as model {shipped.model} must:\n{told}")


def _holds(shipped: Shipped, target: Version) -> bool:
    """By number and by digest: a registry that was begun anew gives the same numbers to other models."""
    return (shipped.model, shipped.model_sha256) == (str(target.number), target.tags.get("model_sha256"))


def _make_champion(registry: Registry, name: str, number: int, why: str, kept: str | None, progress: Progress) -> bool:
    for attempt in range(ATTEMPTS):
        if attempt and kept:
            remote_store.pull(registry.store, kept, discard=True)
        moved = _move(registry, name, number, why)
        try:
            if kept and moved:
                progress(f"push the registry to {kept}", attempt, ATTEMPTS)
                remote_store.push(registry.store, kept)
        except RaceLostError:
            if attempt == ATTEMPTS - 1:
                raise
        else:
            return moved
    raise AssertionError  # pragma: no cover  the last attempt returns or raises


def _move(registry: Registry, name: str, number: int, why: str) -> bool:
    champion, line = registry.champion(name), champions(registry.history(name))
    if champion is not None and champion.number == number:
        return False
    if champion is not None and line[-2:] == (number, champion.number):
        registry.rollback(name, why=why, expected=champion.number)
    else:
        registry.promote(name, number, "Production", expected=champion.number if champion else None, why=why)
    return True
