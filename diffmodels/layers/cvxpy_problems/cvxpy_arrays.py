"""Between arrays shaped like CVXPY's variables and parameters, and the variables and parameters of a model.

The maps are gathers, logarithms, exponentials and factors, and work on arrays of NumPy, PyTorch and JAX, which
differentiate them themselves. Dimensions of a batch stand in front.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ....modelkit.arrays import FloatArray, IntArray
from ....modelkit.errors import DimensionMismatch
from ....modelkit.functions import VectorOfVariables
from ....modelkit.indices import ConstraintIndex
from ..patterns import Pattern

__all__ = ["NUMPY", "Dual", "Fixed", "Framework", "Leaf", "jax_arrays", "torch_arrays"]


@final
class Fixed:
    """An array that is the same at every call; with PyTorch's tensor of it, once that was needed."""

    __slots__ = ("array", "tensor")

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array
        self.tensor: Any = None


@final
@dataclass(frozen=True, slots=True)
class Framework:
    """What is done with arrays.

    Attributes
    ----------
    layer : name of the layer of models that takes them
    log, exp
    join : of a sequence, along the last axis
    entries : those of a pattern of dense matrices, which are zero elsewhere, or of sparse ones
    take : of an array, the entries of the last axis at a vector of places
    constant : an array as a factor beside one of theirs, which is the second argument
    ready : make what is kept of a `Fixed` or a `Pattern`
    """

    layer: str
    log: Callable[[Any], Any]
    exp: Callable[[Any], Any]
    join: Callable[[Sequence[Any]], Any]
    entries: Callable[[Any, Pattern], Any]
    take: Callable[[Any, Fixed], Any] = lambda array, places: array[..., places.array]
    constant: Callable[[Fixed, Any], Any] = lambda fixed, like: fixed.array
    ready: Callable[[Any], None] = lambda kept: None


def _numpy_entries(array: Any, pattern: Pattern) -> FloatArray:
    flat = array.reshape(*array.shape[:-2], -1)
    pattern.require_zero_outside(flat[..., pattern.outside])
    return np.asarray(flat[..., pattern.inside])


NUMPY = Framework("", np.log, np.exp, lambda parts: np.concatenate(parts, -1), _numpy_entries)


@functools.cache
def torch_arrays() -> Framework:
    """PyTorch's."""
    import torch

    from ..torch_patterns import Constant, Entries

    def ready(kept: Any) -> None:
        if kept.tensor is None:
            kept.tensor = Entries(kept) if isinstance(kept, Pattern) else Constant(kept.array)

    def entries(array: Any, pattern: Pattern) -> Any:
        ready(pattern)
        return pattern.tensor(array)

    def on(fixed: Fixed, device: Any) -> Any:
        ready(fixed)
        return fixed.tensor.on(device)

    return Framework(
        "TorchLayer",
        torch.log,
        torch.exp,
        lambda parts: torch.cat(list(parts), -1),
        entries,
        lambda array, places: torch.index_select(array, -1, on(places, array.device)),
        lambda fixed, like: on(fixed, like.device).to(like.dtype),
        ready,
    )


@functools.cache
def jax_arrays() -> Framework:
    """JAX's."""
    import jax.numpy as jnp

    from ..jax_patterns import entries_of_whole

    return Framework(
        "JaxLayer",
        jnp.log,
        jnp.exp,
        lambda parts: jnp.concatenate(list(parts), -1),
        entries_of_whole,
        constant=lambda fixed, like: jnp.asarray(fixed.array, like.dtype),
    )


@final
@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """Where the entries of a CVXPY variable or parameter stand in the model.

    CVXPY lowers a symmetric or semidefinite one to its upper triangle; other entries of a parameter's value are not
    read. A diagonal or sparse one it lowers to what may differ from zero; other entries of a value are zero.

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
    pattern : Pattern or None
        Of a diagonal or sparse matrix.
    """

    name: str
    key: int
    ids: VectorOfVariables
    place: IntArray
    logs: int = 0
    take: IntArray = field(init=False)
    pattern: Pattern | None = field(init=False)
    _fixed: tuple[Fixed, Fixed, Fixed | None] = field(init=False)

    def __post_init__(self) -> None:
        found, first = np.unique(self.place, return_index=True)
        first = first[found >= 0]
        take = np.tile(first, len(self.ids) // max(len(first), 1))
        present = self.place >= 0
        is_sparse = self.place.ndim == 2 and bool(len(first)) and len(first) == len(self.ids) and not present.all()
        at = np.divmod(first, self.place.shape[-1]) if is_sparse else (first, first)
        kept = {
            "take": take,
            "pattern": Pattern(self.name, at[0], at[1], self.place.shape, alone=False) if is_sparse else None,
            "_fixed": (
                Fixed(take),
                Fixed(np.maximum(self.place, 0).ravel()),
                None if present.all() else Fixed(present.astype(np.float64)),
            ),
        }
        for name, value in kept.items():
            object.__setattr__(self, name, value)

    def make_ready(self, use: Framework) -> None:
        """Make now what a framework keeps of the arrays here."""
        for one in self._fixed:
            if one is not None:
                use.ready(one)
        if self.pattern is not None:
            use.ready(self.pattern)

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
        if self.pattern is not None:
            return use.entries(value, self.pattern)
        taken = use.take(value.reshape(*front, math.prod(shape)), self._fixed[0])
        if not self.logs:
            return taken
        return use.join([use.log(taken[..., : self.logs]), taken[..., self.logs :]])

    def lift(self, values: Any, use: Framework = NUMPY) -> Any:
        """The values (..., *shape), of those of the variables (..., number of ids)."""
        _, place, present = self._fixed
        flat = use.take(use.exp(values) if self.logs else values, place)
        value = flat.reshape((*flat.shape[:-1], *self.place.shape))
        return value if present is None else value * use.constant(present, value)


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
    _fixed: tuple[Fixed, Fixed] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_fixed", (Fixed(self.place.ravel()), Fixed(self.factor)))

    def make_ready(self, use: Framework) -> None:
        """Make now what a framework keeps of the arrays here."""
        for one in self._fixed:
            use.ready(one)

    def lift(self, duals: Sequence[Any], use: Framework = NUMPY) -> Any:
        """The values (..., *shape), of the duals (..., dimension) of the constraints."""
        stacked = use.join(duals)
        flat = use.take(stacked, self._fixed[0])
        return flat.reshape((*flat.shape[:-1], *self.place.shape)) * use.constant(self._fixed[1], stacked)
