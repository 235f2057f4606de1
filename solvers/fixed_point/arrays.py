"""Where iterates live: NumPy, PyTorch or JAX arrays, on any device; matrices are sparse or full as they are there."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ...modelkit.arrays import FloatArray
from ...modelkit.errors import InvalidData, MissingDependency
from ...modelkit.form.products import workable

__all__ = ["KINDS", "Place"]

KINDS = ("numpy", "torch", "jax")
_INSTALL = "Install it with: pip install 'optangent[arrays]' {name}"


@final
class Place:
    """A library of arrays and a device.

    Parameters
    ----------
    kind : "numpy", "torch" or "jax"
    device : as the library names it, such as "cuda"; None for its default

    Attributes
    ----------
    xp : the library's functions by the names of the array API standard

    Raises
    ------
    MissingDependency
        If the library, or ``array-api-compat``, which speaks for it, is not installed.
    InvalidData
        If JAX computes in single precision.

    Examples
    --------
    >>> place = Place("numpy")
    >>> place.numpy(place.array(np.ones(2)))
    array([1., 1.])
    """

    def __init__(self, kind: str = "numpy", device: str | None = None) -> None:
        self.kind, self.device = kind, device
        self.xp: Any = np if kind == "numpy" else _namespace(kind)
        if kind == "jax" and str(self.xp.zeros(1).dtype) != "float64":
            raise InvalidData(
                "JAX computes in single precision, in which no solution is accurate: call "
                'jax.config.update("jax_enable_x64", True) before it is used.'
            )
        if kind == "numpy" and device not in (None, "cpu"):
            raise InvalidData(f"NumPy has no device {device!r}: choose arrays='torch' or arrays='jax'.")

    # ------------------------------------------------------------------ in
    def array(self, values: Any) -> Any:
        """Numbers of NumPy as an array of doubles there."""
        values = np.ascontiguousarray(values, np.float64)
        if self.kind == "numpy":
            return values
        if self.kind == "torch":
            return importlib.import_module("torch").tensor(values, device=self.device)
        jax = importlib.import_module("jax")
        return jax.device_put(values, None if self.device is None else jax.devices(self.device)[0])

    def mask(self, values: Any) -> Any:
        """A mask of NumPy as one there, of zeros and ones."""
        return self.array(np.asarray(values, np.float64))

    def matrix(self, matrix: Any) -> Any:
        """A matrix for products with columns (n, B): full where it is small or full, else compressed."""
        held = workable(matrix)
        if self.kind == "numpy" or not sp.issparse(held):
            return sp.csr_array(held) if sp.issparse(held) else self.array(held)
        rows = sp.csr_array(held)
        if self.kind == "torch":
            torch = importlib.import_module("torch")
            parts = (torch.tensor(part.astype(np.int64), device=self.device) for part in (rows.indptr, rows.indices))
            data = torch.tensor(rows.data, device=self.device)
            with warnings.catch_warnings(action="ignore", category=UserWarning):  # that its sparse matrices are new
                return torch.sparse_csr_tensor(*parts, data, size=rows.shape, check_invariants=False)
        sparse = importlib.import_module("jax.experimental.sparse")
        at = rows.tocoo()
        indices = self.xp.asarray(np.stack([at.row, at.col], axis=1))
        return sparse.BCOO((self.array(at.data), indices), shape=rows.shape)

    # ------------------------------------------------------------------ out
    def numpy(self, values: Any) -> FloatArray:
        """An array there as one of NumPy."""
        if self.kind == "torch":
            return np.asarray(values.detach().cpu().numpy(), np.float64)
        return np.asarray(values, np.float64)

    def compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function of arrays alone, compiled where that is what the library lives by."""
        if self.kind != "jax":
            return function
        compiled: Callable[..., Any] = importlib.import_module("jax").jit(function)
        return compiled


def _namespace(kind: str) -> ModuleType:
    try:
        if kind == "torch":
            return importlib.import_module("array_api_compat.torch")
        return importlib.import_module("jax.numpy")
    except ImportError as error:
        raise MissingDependency(f"Arrays of {kind} cannot be used ({error}). {_INSTALL.format(name=kind)}") from error
