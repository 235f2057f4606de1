"""Between arrays shaped like CVXPY's variables and parameters, and the variables and parameters of a model.

The maps are gathers, logarithms, exponentials and factors, and work on arrays of NumPy, PyTorch and JAX, which
differentiate them themselves. Dimensions of a batch stand in front.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from ....modelkit.arrays import FloatArray, IntArray
from ....modelkit.errors import DimensionMismatch
from ....modelkit.functions import VectorOfVariables
from ....modelkit.indices import ConstraintIndex

__all__ = ["NUMPY", "Dual", "Framework", "Leaf", "jax_arrays", "torch_arrays"]


@final
@dataclass(frozen=True, slots=True)
class Framework:
    """What is done with arrays.

    Attributes
    ----------
    layer : name of the layer of models that takes them
    log, exp
    join : of a sequence, along the last axis
    take : of an array, the entries of the last axis at a NumPy vector of places
    constant : a NumPy array as a factor beside one of theirs, which is the second argument
    """

    layer: str
    log: Callable[[Any], Any]
    exp: Callable[[Any], Any]
    join: Callable[[Sequence[Any]], Any]
    take: Callable[[Any, IntArray], Any] = lambda array, places: array[..., places]
    constant: Callable[[FloatArray, Any], Any] = lambda array, like: array


NUMPY = Framework("", np.log, np.exp, lambda parts: np.concatenate(parts, -1))


def torch_arrays() -> Framework:
    """PyTorch's."""
    import torch

    return Framework(
        "TorchLayer",
        torch.log,
        torch.exp,
        lambda parts: torch.cat(list(parts), -1),
        lambda array, places: torch.index_select(array, -1, torch.tensor(places, device=array.device)),
        lambda array, like: torch.tensor(array, dtype=like.dtype, device=like.device),
    )


def jax_arrays() -> Framework:
    """JAX's."""
    import jax.numpy as jnp

    return Framework(
        "JaxLayer",
        jnp.log,
        jnp.exp,
        lambda parts: jnp.concatenate(list(parts), -1),
        constant=lambda array, like: jnp.asarray(array, like.dtype),
    )


@final
@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """Where the entries of a CVXPY variable or parameter stand in the model.

    CVXPY lowers a symmetric or semidefinite one to its upper triangle, a diagonal or sparse one to what may differ
    from zero; other entries of a parameter's value are not read.

    Attributes
    ----------
    name : str
    key : int
        CVXPY's identifier of it.
    ids : VectorOfVariables
        The variables, or parameters, of the model that stand for it; the first `logs` are logarithms (those of
        geometric programs, in which a parameter may stand both as logarithm and, an exponent, as itself).
    place : array of its shape
        Which of the logarithms, or of the rest, each entry is; -1 where it is zero always.
    take : array of shape (number of ids,)
        The entry, counted in the order of C, that each of `ids` is read from.
    """

    name: str
    key: int
    ids: VectorOfVariables
    place: IntArray
    logs: int = 0
    take: IntArray = field(init=False)

    def __post_init__(self) -> None:
        found, first = np.unique(self.place, return_index=True)
        first = first[found >= 0]
        object.__setattr__(self, "take", np.tile(first, len(self.ids) // max(len(first), 1)))

    def entry_names(self) -> list[str]:
        """A name for each of `ids`: ``A[0,1]``, and ``log x`` of a logarithm."""
        entries = np.stack(np.unravel_index(self.take, self.place.shape), axis=1).tolist() if self.place.ndim else []
        names = [f"{self.name}[{','.join(map(str, entry))}]" for entry in entries] or [self.name] * len(self.ids)
        return [f"log {name}" if k < self.logs else name for k, name in enumerate(names)]

    def lower(self, value: Any, use: Framework = NUMPY) -> Any:
        """The parameters of the model, (..., number of ids), of values (..., *shape)."""
        shape = self.place.shape
        front = tuple(value.shape)[: value.ndim - len(shape)]
        if (*front, *shape) != tuple(value.shape):
            raise DimensionMismatch(
                f"{self.name} has the shape {shape}: it takes an array of that shape, or with a batch in front, "
                f"got {tuple(value.shape)}."
            )
        taken = use.take(value.reshape(*front, math.prod(shape)), self.take)
        if not self.logs:
            return taken
        return use.join([use.log(taken[..., : self.logs]), taken[..., self.logs :]])

    def lift(self, values: Any, use: Framework = NUMPY) -> Any:
        """The values (..., *shape), of those of the variables (..., number of ids)."""
        present = self.place >= 0
        flat = use.take(use.exp(values) if self.logs else values, np.maximum(self.place, 0).ravel())
        value = flat.reshape((*flat.shape[:-1], *self.place.shape))
        return value if present.all() else value * use.constant(present.astype(np.float64), value)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Dual:
    """Where a dual variable of a CVXPY constraint stands.

    Attributes
    ----------
    constraints : those of the model whose duals, one below the other, hold it
    place : array of its shape, which of those rows each entry is
    factor : array of its shape
    """

    constraints: Sequence[ConstraintIndex]
    place: IntArray
    factor: FloatArray

    def lift(self, duals: Sequence[Any], use: Framework = NUMPY) -> Any:
        """The values (..., *shape), of the duals (..., dimension) of the constraints."""
        stacked = use.join(duals)
        flat = use.take(stacked, self.place.ravel())
        return flat.reshape((*flat.shape[:-1], *self.place.shape)) * use.constant(self.factor, stacked)
