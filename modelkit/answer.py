"""A result without the solver that found it: what a copy of a solved model takes along."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, final

import numpy as np

from . import attributes as attr
from .arrays import FloatArray, IntArray
from .errors import NotOptimized, OptangentError
from .functions import VectorOfVariables
from .indices import ConstraintIndex, ConstraintIndices, Kind
from .store import Store

__all__ = ["Answer"]

_OF_MODEL = (
    *(attr.TerminationStatus, attr.PrimalStatus, attr.DualStatus, attr.RawStatusString, attr.ResultCount),
    *(attr.ObjectiveValue, attr.ObjectiveBound, attr.RelativeGap),
    *(attr.SolveTimeSec, attr.SimplexIterations, attr.BarrierIterations, attr.NodeCount),
)
_OF_CONSTRAINTS = (attr.ConstraintDual, attr.ConstraintActivity)


@final
class Answer:
    """The result of a cache, in its own indices: statuses, values, duals, active rows and counts.

    Parameters
    ----------
    cache : a `CachingOptimizer` that has been solved
    """

    def __init__(self, cache: Any) -> None:
        store: Store = cache.store
        self._size = store.variable_count, store.constraint_count
        self._values: dict[Any, Any] = {}  # arrays, numbers, or the error that says why there is none
        for of_model in _OF_MODEL:
            self._keep(of_model, partial(cache.raw, of_model()))
        ids = store.variable_ids()

        def primal() -> FloatArray:
            x = np.full(store.variable_count, np.nan)
            x[ids - store.base] = cache.raw(attr.VariablePrimal(), VectorOfVariables.of_ids(ids))
            return x

        self._keep(attr.VariablePrimal, primal)
        for of_constraints in _OF_CONSTRAINTS:
            for kind in store.kinds():
                self._keep((of_constraints, kind), partial(_rows, cache, of_constraints(), kind))

    def _keep(self, place: Any, read: Callable[[], Any]) -> None:
        try:
            self._values[place] = read()
        except OptangentError as error:
            self._values[place] = error

    def fits(self, store: Store) -> bool:
        """Whether nothing was added to the model since."""
        return self._size == (store.variable_count, store.constraint_count)

    def get(self, store: Store, attribute: attr.Attribute, index: Any) -> Any:
        """The value of a result.

        Raises
        ------
        NotOptimized
            If copies do not take it along.
        """
        of_constraints = isinstance(index, (ConstraintIndex, ConstraintIndices))
        value = self._values.get((type(attribute), index.kind) if of_constraints else type(attribute), _NOT_KEPT)
        if value is _NOT_KEPT:
            raise NotOptimized(
                f"There is no {attribute!r}: a copy of a model has the original's statuses, values and duals, no more. "
                "Change something, or set an option, and call optimize()."
            )
        if isinstance(value, OptangentError):
            raise type(value)(*value.args)
        if index is None:
            return value
        if of_constraints:
            block = store.block(index.kind)
            if isinstance(index, ConstraintIndices):
                return value[block.rows_of(store.numbers(index))]
            start, stop = block.row_range(store.number(index))
            return value[start:stop].copy() if index.kind[1].is_vector else float(value[start])
        if isinstance(index, VectorOfVariables):
            return value[index.ids - store.base]
        return float(value[index.value - store.base])


_NOT_KEPT: Any = object()


def _rows(cache: Any, attribute: attr.Attribute, kind: Kind) -> FloatArray:
    """Values of all constraints of a kind, in the rows of its block; those of deleted ones are NaN."""
    block = cache.store.block(kind)
    numbers: IntArray = block.numbers_alive()
    values = np.full(len(block.constants), np.nan)
    values[block.rows_of(numbers)] = cache.raw(attribute, cache.store.indices(kind, numbers))
    return values
