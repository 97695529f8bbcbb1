"""A stage and a reason -> an earlier model answers there again and is champion again, with the reason in the history.

The alias moves first, because users come first, then the registry. Safe to repeat: after an interruption, the same
command finds the alias already moved and completes the rest. Each move is refused if somebody else made one in between.
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
from pipeline.ship.stack import FunctionVersion, LiveAlias, Stack, get_stack
from pipeline.ship.stages import Stage

ATTEMPTS = 3
"""How often to push the registry while other writers push first."""


@dataclass(frozen=True)
class RollbackResult:
    """Which version answers now and which did before, and where; the two flags say what this rollback moved."""

    url: str
    now: FunctionVersion
    before: FunctionVersion
    alias_moved: bool
    champion_moved: bool


def roll_back(  # noqa: PLR0913  what a person decides
    stage: Stage,
    registry: Registry,
    name: str,
    why: str,
    *,
    to: int | None = None,
    store_url: str | None = None,
    progress: Progress = no_progress,
) -> RollbackResult:
    """Send all requests of a stage to the function's version that holds an earlier model, and make it the champion.

    Args:
        stage: Where.
        registry: The registry whose champion moves as well.
        name: The registered model.
        why: The reason, for the history.
        to: The model's version; None takes the champion before the last promotion.
        store_url: Where the registry is kept between runs, if anywhere; it is pulled before and pushed after.
        progress: Called with progress.

    Raises:
        CloudError: No published version holds that model any more, or a canary is running; nothing was changed.
        DeploymentRefusal: The version that holds it does not give its golden answers; nothing was changed.
        RegistryError: There is no such version, or no champion before the present one; nothing was changed.
        RaceLostError: Somebody else moved the alias or the champion; the text says what was done.
    """
    if store_url:
        progress(f"pull the registry from {store_url}", 0, 1)
        remote_store.pull(registry.store, store_url)
    target = registry.version(name, _previous_champion(registry, name) if to is None else to)
    stack = get_stack(stage)
    live = _settled_alias(stack)
    version = live.version if _holds(live.version, target) else _find_version(stage, stack, target, live.version)
    alias_moved = version != live.version
    if alias_moved:
        progress(f"ask version {version.number} for the golden answers of model {version.model}", 0, 1)
        _prove(registry, target, stack, version)
        progress(f"send all requests of {stage} to version {version.number}, model {version.model}", 0, 1)
        stack.send_all_to(version, live)
    try:
        champion_moved = _make_champion(registry, name, target.number, why, store_url, progress)
    except (RaceLostError, RegistryError) as error:
        done = f"{stage} answers with model {version.model} again, but the registry was not changed"
        raise type(error)(f"{done}: {error}\nRun the same command again to complete it") from None
    return RollbackResult(stack.output("ApiUrl"), version, live.version, alias_moved, champion_moved)


def _previous_champion(registry: Registry, name: str) -> int:
    succession = champions(registry.history(name))
    if len(succession) < 2:  # noqa: PLR2004  the champion and one before it
        raise RegistryError(f"{name} has no champion before the present one: name a version with --to")
    return succession[-2]


def _settled_alias(stack: Stack) -> LiveAlias:
    """The stack's alias; refuses a stack that a deployment is changing."""
    live = stack.live_alias()
    if stack.busy or live.canary:
        raise CloudError(
            f"{stack.name} is being deployed now ({stack.status}): stop that deployment in CodeDeploy, which restores "
            "the version before, then check with `pipeline status`"
        )
    return live


def _find_version(stage: Stage, stack: Stack, target: Version, live: FunctionVersion) -> FunctionVersion:
    """The newest version that holds a model, preferably older than `live`: the hook may have stopped a newer one."""
    versions = stack.versions()
    candidates = [version for version in versions if _holds(version, target)]
    if candidates:
        return next((version for version in candidates if int(version.number) < int(live.number)), candidates[0])
    available = ", ".join(f"model {version.model} (version {version.number})" for version in versions) or "none"
    raise CloudError(
        f"no published version of {stack.output('FunctionName')} holds model {target.number} any more; there are: "
        f"{available}. Deploy it anew: `pipeline deploy --version {target.number} --stage {stage}`"
    )


def _prove(registry: Registry, target: Version, stack: Stack, version: FunctionVersion) -> None:
    """Refuse a version of the function that does not give the golden answers of the registered model."""
    with TemporaryDirectory() as temporary:
        registry.fetch(target.name, target.number, Path(temporary))
        golden = Layout(Path(temporary)).golden.read_bytes()
    if lines := differences(golden, stack.caller(version)):
        listed = "\n".join(f"  {line}" for line in lines)
        raise DeploymentRefusal(f"version {version.number} does not answer as model {version.model} must:\n{listed}")


def _holds(version: FunctionVersion, target: Version) -> bool:
    """Whether number and digest agree: a registry that was started anew gives the same numbers to other models."""
    return (version.model, version.model_sha256) == (str(target.number), target.tags.get("model_sha256"))


def _make_champion(
    registry: Registry, name: str, number: int, why: str, store_url: str | None, progress: Progress
) -> bool:
    """Make a version champion, also where the registry is kept; whether it was not champion already."""
    for attempt in range(ATTEMPTS):
        if attempt and store_url:
            remote_store.pull(registry.store, store_url, discard=True)
        moved = _move_champion(registry, name, number, why)
        try:
            if store_url and moved:
                progress(f"push the registry to {store_url}", attempt, ATTEMPTS)
                remote_store.push(registry.store, store_url, move_champion=True)
        except RaceLostError:
            if attempt == ATTEMPTS - 1:
                raise
        else:
            return moved
    raise AssertionError  # pragma: no cover  the last attempt returns or raises


def _move_champion(registry: Registry, name: str, number: int, why: str) -> bool:
    champion, succession = registry.champion(name), champions(registry.history(name))
    if champion is not None and champion.number == number:
        return False
    if champion is not None and succession[-2:] == (number, champion.number):
        registry.rollback(name, why=why, expected=champion.number)
    else:
        registry.promote(name, number, "Production", expected=champion.number if champion else None, why=why)
    return True
