"""Models as layers: of PyTorch, of JAX, and as CVXPY users know them.

Each layer is made from a library that is optional, when it is first asked for. Below all of them are a `Batch` of
items and, for one item, a `Program`, which goes by the form of the model (`form_route`), or, of small quadratic
programs, by dense arrays (`dense`).
"""

from __future__ import annotations

import importlib
from typing import Any

from ...modelkit.errors import MissingDependency
from . import declarative
from .failures import UnsolvedItems

__all__ = ["UnsolvedItems", "declarative"]

_LAYERS = {  # name: its module here, which has a function `layer_class`; the extra, which has its library's name
    "TorchLayer": ("torch_layer", "torch"),
    "JaxLayer": ("jax_layer", "jax"),
    "DeclarativeNode": ("declarative.node", "torch"),
    "CvxpyLayer": ("cvxpy_problems.cvxpy_layer", "cvxpy"),
    "CvxpylayersSolver": ("cvxpy_problems.cvxpylayers_plugin", "cvxpylayers"),
}


def __getattr__(name: str) -> Any:
    if name not in _LAYERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; there are {', '.join(_LAYERS)}")
    module, library = _LAYERS[name]
    try:
        importlib.import_module(library)
    except ModuleNotFoundError as error:
        if error.name != library:  # it is there, and broken
            raise
        raise MissingDependency(f'{name} needs {library}: pip install "optangent[{library}]"') from None
    made = importlib.import_module(f"{__name__}.{module}").layer_class()
    made.__module__, made.__qualname__ = __name__, name  # under which pickles find it
    globals()[name] = made
    return made


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAYERS])
