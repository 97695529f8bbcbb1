"""A CSV file -> a judged, exactly exported model in front of its users: one folder for each step of the loop.

For a notebook: `pipeline.load(path)`, `pipeline.load_model(path)`, `pipeline.load_params()`; see `pipeline.notebook`.
"""

import sys
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
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


MOVED = {"pipeline.features": "pipeline.model.features", "pipeline.forest": "pipeline.model.forest"}
"""Modules that stored Pipelines name -> where they are today, so that versions registered earlier can be loaded."""


class _MovedModules(MetaPathFinder, Loader):
    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        del path, target
        return ModuleSpec(fullname, self) if fullname in MOVED else None

    def create_module(self, spec: ModuleSpec) -> Any:
        return import_module(MOVED[spec.name])

    def exec_module(self, module: Any) -> None:
        """Nothing is left to do: the module was loaded under its own name."""


sys.meta_path.append(_MovedModules())
