"""A model with parameters as a function: from the parameters' values to outputs of the solution, item by item.

Everything here is NumPy and float64; the layers of other frameworks, and batches, are built on it. From values to
outputs leads the form of the model (`form_route`), for small quadratic programs as dense arrays (`dense`).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ...modelkit import attributes as attr
from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.errors import DimensionMismatch, InvalidData, InvalidIndex
from ...modelkit.functions import VariableIndex, VectorOfVariables
from ...modelkit.functions.shaped import ArrayFunction, ids_of
from ...modelkit.indices import ConstraintIndex
from ...modelkit.store.parameters import Parameters
from ...modelkit.store.unbounded import infinite_values
from .choices import checked_list, checked_parameters, require_model
from .dense.dense_route import DenseRoute
from .form_route import FormRoute
from .patterns import Pattern
from .route import Answer, Mode, Route

__all__ = ["Item", "Output", "Program"]

_PROVED = tuple(attr.TerminationStatusCode[name] for name in ("INFEASIBLE", "DUAL_INFEASIBLE", "INVALID_MODEL"))
Output = Any
"""A variable or vector of them, a constraint (its dual), ``(ConstraintPrimal(), c)`` (value), or `ObjectiveValue()`.

Between ourselves also ``(ObjectiveFunction(), f)``, the value of a function that is not the model's objective.
"""


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
    patterns : of the parameters that are sparse matrices, None for the others
    parameter_size, output_size : numbers in all parameters, p, and in all outputs, o
    route : the route taken
    general : that of items with infinite parameters

    Raises
    ------
    InvalidIndex
        If a parameter or output is none of the model, or a parameter is named twice.
    """

    called = "another solver"
    """What it is to an item that was tried with another program before."""

    def __init__(self, model: Any, parameters: Sequence[Any], outputs: Sequence[Output]) -> None:
        require_model(model)
        parameters = checked_list(parameters, "The parameters of a layer")
        outputs = checked_list(outputs, "The outputs of a layer")
        ids = checked_parameters(model, parameters, Parameters(model.store).places)
        self.parameter_shapes = tuple(one.shape for one in ids)
        self.patterns = tuple(_pattern(number, parameter) for number, parameter in enumerate(parameters))
        all_ids: IntArray = np.concatenate([np.zeros(0, np.int64), *(one.ravel() for one in ids)])
        self.output_shapes = tuple(_shape_of(model, output) for output in outputs)
        self.parameter_size, self.output_size = len(all_ids), sum(map(math.prod, self.output_shapes))
        self.general = FormRoute(model, all_ids, list(outputs))
        self.route: Route = DenseRoute(self.general) if DenseRoute.fits(self.general) else self.general
        self._may_be_infinite = infinite_values(model.store, all_ids)

    def helps(self, item: Item) -> bool:
        """Whether it may solve what another one did not: not where there is a proof that there is no solution."""
        return bool(item.reason) and item.status not in _PROVED

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
        return self.solve_batch(theta[None], [warm])[0]

    def solve_batch(self, thetas: FloatArray, warm: Sequence[Item | None] | None = None) -> list[Item]:
        """The solutions at the rows of (B, p), which are not to be changed as long as derivatives may be asked for."""
        states = [None if start is None else start.finite_state for start in warm or [None] * len(thetas)]
        if math.isfinite(np.vdot(thetas, thetas)):
            answers = self._answers(thetas, states)
        else:  # NaN reaches no solver: some call it optimal
            good = np.isfinite(thetas).all(axis=1)
            answers = self._answers(thetas[good], [states[k] for k in np.flatnonzero(good)])
            for k in np.flatnonzero(~good):
                answers.insert(k, self._answer_beyond(thetas[k]))
        return [Item(self, theta, *answer) for theta, answer in zip(thetas, answers, strict=True)]

    def _answers(self, thetas: FloatArray, states: Sequence[Any]) -> list[Answer]:
        if len(thetas) > 1 and hasattr(self.route, "solve_batch"):
            answers: list[Answer] = self.route.solve_batch(thetas, states)
            return answers
        return [self.route.solve(theta, state) for theta, state in zip(thetas, states, strict=True)]

    def _answer_beyond(self, theta: FloatArray) -> Answer:
        """With infinite numbers: of right-hand sides, they mean no bound."""
        allowed = np.where(theta > 0.0, self._may_be_infinite[:, 1], self._may_be_infinite[:, 0])
        if np.isnan(theta).any() or not allowed[np.isinf(theta)].all():
            return self._refusal(theta)
        return self.general.solve(theta, None)

    def route_of(self, theta: FloatArray) -> Route:
        """The route that an item took."""
        return self.route if np.isfinite(theta).all() else self.general

    def _refusal(self, theta: FloatArray) -> Answer:
        """What says which number is not finite."""
        at = int(np.argmin(np.isfinite(theta)))
        number, entry, bad = 0, at, theta[at]
        while entry >= (size := math.prod(self.parameter_shapes[number])):
            number, entry = number + 1, entry - size
        shape = self.parameter_shapes[number]
        where = f" at {tuple(map(int, np.unravel_index(entry, shape)))}" if shape else ""
        nothing = np.full(self.output_size, np.nan)
        return attr.TerminationStatusCode.INVALID_MODEL, f"parameter {number} is {bad}{where}", nothing, None

    def vjp_batch(self, items: Sequence[Item], cotangents: FloatArray) -> FloatArray:
        """Pull (B, o) cotangents back, one for each item, all with solutions: (B, p)."""
        return self.derivatives("vjp", items, cotangents)

    def jvp_batch(self, items: Sequence[Item], tangents: FloatArray) -> FloatArray:
        """Push (B, p) tangents, one for each item, all with solutions: (B, o)."""
        return self.derivatives("jvp", items, tangents)

    def derivatives(self, mode: Mode, items: Sequence[Item], directions: FloatArray) -> FloatArray:
        """Either of these, by the route's own way for many, where it has one."""
        if (
            len(items) > 1
            and hasattr(self.route, "derivative_batch")
            and all(i.finite_state is not None for i in items)
        ):
            thetas, states = np.array([item.theta for item in items]), [item.state for item in items]
            return np.asarray(self.route.derivative_batch(mode, thetas, states, directions))
        found = [item.derivative(mode, one[None]) for item, one in zip(items, directions, strict=True)]
        if len(found) == 1:
            return found[0]
        return np.concatenate([np.zeros((0, self.width(mode))), *found])

    def width(self, mode: Mode) -> int:
        """Of a row of derivatives."""
        return self.parameter_size if mode == "vjp" else self.output_size


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
        return getattr(self.state, "differentiation_status", attr.DifferentiationStatusCode.NOT_DIFFERENTIATED)

    @property
    def finite_state(self) -> Any:
        """The state where it is one of the program's own route, which knows no infinite numbers."""
        return self.state if np.isfinite(self.theta).all() else None

    def __copy__(self) -> Item:
        """The solution without what derivatives need, to start from."""
        return Item(self.program, self.theta, self.status, self.reason, self.outputs, copy.copy(self.state))

    def vjp(self, cotangent: FloatArray) -> FloatArray:
        """Pull (o,) or (K, o) cotangents of the outputs back to the parameters: (p,) or (K, p)."""
        found = self.derivative("vjp", np.atleast_2d(cotangent))
        return found if np.ndim(cotangent) == 2 else found[0]

    def jvp(self, tangent: FloatArray) -> FloatArray:
        """Push (p,) or (K, p) tangents of the parameters to the outputs: (o,) or (K, o)."""
        found = self.derivative("jvp", np.atleast_2d(tangent))
        return found if np.ndim(tangent) == 2 else found[0]

    def derivative(self, mode: Mode, directions: FloatArray) -> FloatArray:
        """Cotangents (K, o) pulled back to (K, p), or tangents (K, p) pushed to (K, o)."""
        if self.state is None:
            raise InvalidData(f"An item without a solution has no derivatives: {self.reason}.")
        return self.program.route_of(self.theta).derivative(mode, self.theta, self.state, directions)


def _pattern(number: int, parameter: Any) -> Pattern | None:
    if not isinstance(parameter, ArrayFunction) or parameter.is_dense:
        return None
    if parameter.ndim != 2:
        raise InvalidIndex(
            f"Parameter {number} is a sparse pattern of shape {parameter.shape}; give the matrix that it was made as."
        )
    row, column = parameter.places
    return Pattern(f"Parameter {number}", row, column, parameter.shape)


def _shape_of(model: Any, output: Output) -> tuple[int, ...]:
    if isinstance(output, attr.ObjectiveValue) or (
        isinstance(output, tuple) and output and isinstance(output[0], attr.ObjectiveFunction)
    ):
        return ()
    if isinstance(output, tuple) and len(output) == 2 and isinstance(output[0], attr.ConstraintPrimal):
        output = output[1]
    if isinstance(output, ConstraintIndex):
        model.store.check_index(output)
        chosen, layout = (model.get(one, output) for one in (attr.ConstraintSet(), attr.ConstraintLayout()))
        if layout is not None and layout.is_plain:
            return tuple(layout.shape)
        return (chosen.dimension,) if output.kind[1].is_vector else ()
    if not isinstance(output, (VariableIndex, VectorOfVariables, ArrayFunction)):
        raise InvalidIndex(
            "An output of a layer is a variable, a vector of them, a constraint (its dual), (ConstraintPrimal(), c) or "
            f"ObjectiveValue(); got {output!r}."
        )
    ids = ids_of(output)
    model.store.check_ids(np.ravel(ids))
    return ids.shape
