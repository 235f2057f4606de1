"""A model with parameters as a function: from the parameters' values to outputs of the solution, item by item.

Everything here is NumPy and float64; the layers of other frameworks, and batches, are built on it. Two routes lead from
values to outputs: the compiled form (`compiled_route`), and the model itself where it does not compile or the solver
takes no matrices (`model_route`).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, final

import numpy as np

from ...modelkit import attributes as attr
from ...modelkit.errors import DimensionMismatch, InvalidData, InvalidIndex
from ...modelkit.functions import Function, VariableIndex
from ...modelkit.functions.matrices import ids_of
from ...modelkit.indices import ConstraintIndex
from ...modelkit.parameters import Parameters
from ...modelkit.rows import FloatArray, IntArray
from .compiled_route import CompiledRoute
from .compiling import NotCompilable
from .dense_route import DenseRoute
from .model_route import ModelRoute

__all__ = ["Item", "Output", "Program", "Route"]

Output = Any
"""A variable or vector of them, a constraint (its dual), ``(ConstraintPrimal(), c)`` (value), or `ObjectiveValue()`."""


class Route(Protocol):
    """How items are solved and differentiated."""

    def solve(self, theta: FloatArray, warm: Any) -> tuple[attr.TerminationStatusCode, str, FloatArray, Any]:
        """(status, reason or "", outputs, state) at all parameters, given the state of another item or None."""

    def vjp(self, theta: FloatArray, state: Any, cotangents: FloatArray) -> FloatArray:
        """(K, o) to (K, p)."""

    def jvp(self, theta: FloatArray, state: Any, tangents: FloatArray) -> FloatArray:
        """(K, p) to (K, o)."""


@final
class Program:
    """The map from parameters to outputs.

    Parameters
    ----------
    model : a `Model` made with `diff_optimizer`
    parameters : single parameters, vectors or matrices of them, as `add_parameter(s)` returned them
    outputs : see `Output`; duals and values as the model returns them

    Attributes
    ----------
    parameter_shapes, output_shapes : tuples of shapes; () for a single one, (T,) for a sparse matrix of T parameters
    route : the route taken

    Raises
    ------
    InvalidIndex
        If a parameter or output is none of the model, or a parameter is named twice.
    """

    def __init__(self, model: Any, parameters: Sequence[Any], outputs: Sequence[Output]) -> None:
        store = model.store
        self.parameter_shapes = tuple(ids_of(p).shape for p in parameters)
        self._ids: IntArray = np.concatenate([np.zeros(0, np.int64), *(np.ravel(ids_of(p)) for p in parameters)])
        places = Parameters(store)
        known = places.places(self._ids)
        if (known < 0).any() or len(np.unique(known)) < len(known):
            bad = self._ids[known < 0]
            words = f"{VariableIndex(int(bad[0]))!r} is not a parameter" if len(bad) else "a parameter is named twice"
            raise InvalidIndex(f"A layer takes parameters of the model, each once: {words}.")
        self.output_shapes = tuple(_shape_of(model, output) for output in outputs)
        self.route: Route
        try:
            general = CompiledRoute(model, self._ids, list(outputs))
            self.route = DenseRoute(general) if DenseRoute.fits(general) else general
        except NotCompilable as error:
            self.route = ModelRoute(model, self._ids, list(outputs), self.output_size, str(error))

    @property
    def parameter_size(self) -> int:
        """P."""
        return len(self._ids)

    @property
    def output_size(self) -> int:
        """O."""
        return sum(int(np.prod(shape, dtype=np.int64)) for shape in self.output_shapes)

    def solve(self, theta: FloatArray, warm: Item | None = None) -> Item:
        """The solution at one value of all parameters; safe to call from several threads.

        Parameters
        ----------
        theta : (p,) values of all parameters, each raveled, one after the other
        warm : an item to start from, where the solver can

        Returns
        -------
        Item
            Of any status; never raises for a program that cannot be solved.
        """
        theta = np.array(theta, np.float64)
        if theta.shape != (self.parameter_size,):
            raise DimensionMismatch(f"Expected {self.parameter_size} values of parameters, got shape {theta.shape}.")
        if not np.isfinite(theta).all():
            place = int(np.argmin(np.isfinite(theta)))
            reason = f"parameter {place} is {theta[place]}; parameters must be finite"
            outputs = np.full(self.output_size, np.nan)
            return Item(self, theta, attr.TerminationStatusCode.INVALID_MODEL, reason, outputs, None)
        return self.solve_batch(theta[None], [warm])[0]

    def solve_batch(self, thetas: FloatArray, warm: Sequence[Item | None] | None = None) -> list[Item]:
        """The solutions at the rows of (B, p), finite and not to be changed as long as derivatives may be asked for."""
        starts = warm if warm is not None else [None] * len(thetas)
        states = [None if start is None else start.state for start in starts]
        if len(thetas) > 1 and hasattr(self.route, "solve_batch"):
            answers = self.route.solve_batch(thetas, states)
        else:
            answers = [self.route.solve(theta, state) for theta, state in zip(thetas, states, strict=True)]
        return [Item(self, theta, *answer) for theta, answer in zip(thetas, answers, strict=True)]

    def vjp_batch(self, items: Sequence[Item], cotangents: FloatArray) -> FloatArray:
        """Pull (B, o) cotangents back, one for each item, all with solutions: (B, p)."""
        return self._batch("vjp", items, cotangents, self.parameter_size)

    def jvp_batch(self, items: Sequence[Item], tangents: FloatArray) -> FloatArray:
        """Push (B, p) tangents, one for each item, all with solutions: (B, o)."""
        return self._batch("jvp", items, tangents, self.output_size)

    def _batch(self, mode: str, items: Sequence[Item], directions: FloatArray, width: int) -> FloatArray:
        """By the route's own way for many, where it has one."""
        if len(items) == 1 and items[0].state is not None:
            return np.asarray(getattr(self.route, mode)(items[0].theta, items[0].state, directions))
        many = getattr(self.route, f"{mode}_batch", None)
        if many is not None and items and all(item.state is not None for item in items):
            return np.asarray(many([(item.theta, item.state) for item in items], directions))
        found = [getattr(item, mode)(one) for item, one in zip(items, directions, strict=True)]
        return np.array(found).reshape(len(items), width)


@final
@dataclass(eq=False)
class Item:
    """One solved program; pickles without its factorization, which is made again when it is needed.

    Attributes
    ----------
    program, theta : what was solved
    status : TerminationStatusCode
    reason : why there are no outputs, "" if there are
    outputs : (o,) values of all outputs, each raveled, one after the other; NaN where there is no solution
    state : what the route keeps for derivatives
    """

    program: Program
    theta: FloatArray
    status: attr.TerminationStatusCode
    reason: str
    outputs: FloatArray
    state: Any

    @property
    def differentiation_status(self) -> attr.DifferentiationStatusCode:
        """What the derivatives are, once one was asked for."""
        status = getattr(self.state, "differentiation_status", None)
        return status or attr.DifferentiationStatusCode.NOT_DIFFERENTIATED

    def __copy__(self) -> Item:
        """The solution without what derivatives need, to start from."""
        return Item(self.program, self.theta, self.status, self.reason, self.outputs, copy.copy(self.state))

    def vjp(self, cotangent: FloatArray) -> FloatArray:
        """Pull (o,) or (K, o) cotangents of the outputs back to the parameters: (p,) or (K, p)."""
        self._require()
        found = self.program.route.vjp(self.theta, self.state, np.atleast_2d(cotangent))
        return found if np.ndim(cotangent) == 2 else found[0]

    def jvp(self, tangent: FloatArray) -> FloatArray:
        """Push (p,) or (K, p) tangents of the parameters to the outputs: (o,) or (K, o)."""
        self._require()
        found = self.program.route.jvp(self.theta, self.state, np.atleast_2d(tangent))
        return found if np.ndim(tangent) == 2 else found[0]

    def _require(self) -> None:
        if self.state is None:
            raise InvalidData(f"An item without a solution has no derivatives: {self.reason}.")


def _shape_of(model: Any, output: Output) -> tuple[int, ...]:
    if isinstance(output, attr.ObjectiveValue):
        return ()
    if isinstance(output, tuple) and len(output) == 2 and isinstance(output[0], attr.ConstraintPrimal):
        output = output[1]
    if isinstance(output, ConstraintIndex):
        model.store.check_index(output)
        chosen = model.get(attr.ConstraintSet(), output)
        return (chosen.dimension,) if output.kind[1].is_vector else ()
    if not isinstance(output, Function) and not hasattr(output, "ids"):
        raise InvalidIndex(
            "An output of a layer is a variable, a vector of them, a constraint (its dual), (ConstraintPrimal(), c) or "
            f"ObjectiveValue(); got {output!r}."
        )
    ids = ids_of(output)
    model.store.check_ids(np.ravel(ids))
    return ids.shape
