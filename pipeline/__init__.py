"""From a CSV to a judged, exactly exported model: one module for each step of the flow.

For a notebook: `pipeline.load(path)`, `pipeline.load_model(path)`, `pipeline.load_params()`; see `pipeline.notebook`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.notebook import load, load_model
    from pipeline.params import load as load_params

__all__ = ["load", "load_model", "load_params"]


def __getattr__(name: str) -> Any:
    if name in ("load", "load_model"):
        from pipeline import notebook

        return getattr(notebook, name)
    if name == "load_params":
        from pipeline import params

        return params.load
    message = f"module 'pipeline' has no attribute {name!r}"
    raise AttributeError(message)
