"""Options that many commands share, and the parameters that they name."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pipeline.params import Params

DEFAULT_PARAMS = Path("params.yaml")

ParamsFile = Annotated[Path, typer.Option("--params", help="The parameters.")]
StoreUrl = Annotated[
    str | None,
    typer.Option(
        "--store",
        envvar="REGISTRY_URL",
        help="Where the registry is kept: s3://bucket/prefix or git:REMOTE. On GitHub, by default git:origin.",
    ),
]
FLOORS_ONLY = "Let the floors alone replace a champion of another contract, for this reason; it stays in the history."
Jobs = Annotated[int, typer.Option("--jobs", help="Processor cores to use; -1 is all. Changes nothing but the time.")]

LOOK: dict[str, Any] = {
    "no_args_is_help": True,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
"""How the commands behave, and each group of them that has a name."""


def load_params(path: Path = DEFAULT_PARAMS) -> "Params":
    """The parameters, loaded only when a command needs them: --help waits for nothing."""
    from pipeline import params

    return params.load(path)
