"""The meta-solver: solves with any solver, differentiates with a diff model.

The user's model lives in a cache. Beside the solver's bridge layer stands a second, independent one in front of a
diff model, built when a derivative is first asked for: the solution goes down its bridges, tangents and seeds too,
and what comes out travels back up.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, final

import numpy as np

from ..bridges import BridgeOptimizer
from ..modelkit import attributes as attr
from ..modelkit.caching import CachingOptimizer
from ..modelkit.copying import Mirror
from ..modelkit.errors import (
    DifferentiationError,
    InvalidData,
    NotOptimized,
    OptangentError,
    Unsupported,
)
from ..modelkit.functions import VariableIndex, VectorOfVariables
from ..modelkit.functions.lazy import GradientOfObjective, GradientOfRow, GradientOfRows
from ..modelkit.indices import ConstraintIndex, ConstraintIndices, describe_kind
from ..modelkit.layer import Layer
from ..modelkit.parameters import PARAMETERS, Parameters, kinds_inserted
from ..modelkit.products import Products
from ..modelkit.protocol import AbstractModel
from ..modelkit.rows import FloatArray, IntArray
from .base import DiffModel
from .conic import ConicDiff
from .convex import ACCURATE
from .directions import Direction, stack_directions
from .inputs import Inputs, parameter_constraint
from .quadratic import QuadraticDiff

__all__ = ["DIFF_MODELS", "DiffOptimizer", "DifferentiationWarning", "diff_optimizer"]

DIFF_MODELS: list[Callable[[], DiffModel]] = [QuadraticDiff, ConicDiff]
"""Diff models to choose from, the first that takes the model's constraints."""

_NAMED = 5
_FORWARD_OUTPUTS = (attr.ForwardVariablePrimal, attr.ForwardConstraintDual, attr.ForwardObjectiveValue)
_REVERSE_OUTPUTS = (
    attr.ReverseObjectiveFunction,
    attr.ReverseConstraintFunction,
    attr.ReverseConstraintSet,
    attr.ReverseParameterValue,
)
_INACCURATE = (
    attr.TerminationStatusCode.ALMOST_OPTIMAL,
    attr.TerminationStatusCode.SLOW_PROGRESS,
    attr.TerminationStatusCode.ITERATION_LIMIT,
    attr.TerminationStatusCode.TIME_LIMIT,
)
"""Ends with a point that refinement may make a solution."""
_SETTINGS: dict[type[attr.Attribute], Any] = {
    attr.ModelConstructor: None,
    attr.LinearAlgebraSolver: None,
    attr.AllowInaccurateSolution: False,
    attr.AllowObjectiveAndSolutionInput: False,
}


class DifferentiationWarning(UserWarning):
    """The solution is not differentiable here; `DifferentiationStatus` tells what was returned instead."""


def diff_optimizer(solver: Any) -> Callable[[], DiffOptimizer]:
    """A maker of optimizers that differentiate, for `Model`.

    Parameters
    ----------
    solver : class or callable without arguments, or an ordered list of them
        Of a list, each solver is tried where those before it failed, with a warning that names both.

    Examples
    --------
    >>> import optangent as ot
    >>> model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    >>> x = model.add_variable(name="x")
    >>> c = model.add_constraint(x >= 3)
    >>> model.minimize(2 * x)
    >>> model.optimize()
    >>> model.set(ot.ReverseVariablePrimal(), x, 1.0)
    >>> model.reverse_differentiate()
    >>> gradient = model.get(ot.ReverseConstraintFunction(), c)
    >>> gradient.coefficient(x), gradient.constant
    (-3.0, -1.0)
    """
    makers = list(solver) if isinstance(solver, (list, tuple)) else [solver]
    for maker in makers:
        if not callable(maker):
            raise InvalidData(
                f"diff_optimizer takes a solver class or a callable that makes a solver, got {maker!r}. "
                "Options go into a lambda: diff_optimizer(lambda: ot.solvers.HiGHS(...))."
            )
    return lambda: DiffOptimizer([maker() for maker in makers])


@final
class DiffOptimizer(Layer):
    """A cache with a solver, and a diff model beside it.

    Parameters
    ----------
    solvers : solvers in the order in which they are tried

    Attributes
    ----------
    settings : values of the attributes that are its own, which a copy of the model takes along
    """

    def __init__(self, solvers: Sequence[AbstractModel]) -> None:
        self.cache = CachingOptimizer(*(BridgeOptimizer(solver) for solver in solvers))
        super().__init__(self.cache)
        self._inputs = Inputs(self.cache.store)
        self.settings = dict(_SETTINGS)
        self._warned = False
        self._drop()

    def _drop(self) -> None:
        """The model changed: the diff model is of no use any more."""
        self._stack: BridgeOptimizer | None = None
        self._mirror: Mirror | None = None
        self._seconds = float("nan")
        self._forget_outputs()

    def _forget_outputs(self) -> None:
        """Tangents or seeds changed, or others were pushed."""
        self._outputs: set[str] = set()
        self._forget_pulled()

    def _forget_pulled(self) -> None:
        """Gradients of an earlier reverse differentiation."""
        self._pulled: dict[Any, tuple[list[FloatArray], dict[int, int]]] = {}
        self._right: FloatArray | None = None
        self._gradient: tuple[Parameters, FloatArray] | None = None

    # ------------------------------------------------------------------ the model: a change drops the derivative
    # (additions are not intercepted: they show in `Mirror.complete`)
    def modify(self, target: Any, change: Any) -> None:
        """Change coefficients or constants."""
        self._drop()
        self.cache.modify(target, change)

    def delete(self, index: Any) -> None:
        """Delete a variable or constraint, and the tangents and seeds set on it."""
        self._drop()
        self.cache.delete(index)
        self._inputs.forget_deleted()

    def empty(self) -> None:
        """Drop the model, its tangents and seeds."""
        self._drop()
        self._inputs.clear()
        self.cache.empty()

    def optimize(self) -> None:
        """Solve, unless nothing changed since the last solution."""
        if not self.cache.is_solved:
            self._drop()
            self._warned = False
        self.cache.optimize()

    # ------------------------------------------------------------------ attributes
    def supports(self, attribute: attr.Attribute) -> bool:
        """Whether the attribute can be set."""
        return type(attribute) in Inputs.TYPES or type(attribute) in self.settings or self.cache.supports(attribute)

    def set(self, attribute: attr.Attribute, *index_and_value: Any) -> None:
        """Set data, an option, a tangent or a seed."""
        kind = type(attribute)
        if kind in Inputs.TYPES:
            self._forget_outputs()
            self._inputs.set(attribute, *index_and_value)
        elif kind in self.settings:
            self.settings[kind] = index_and_value[-1]
            self._drop()
        else:
            self._drop()
            self.cache.set(attribute, *index_and_value)

    def get(self, attribute: attr.Attribute, index: Any = None) -> Any:
        """Data, results and derivatives."""
        kind = type(attribute)
        if kind in self.settings:
            return self.settings[kind]
        if kind in Inputs.TYPES:
            return self._inputs.get(attribute, index)
        if kind in _FORWARD_OUTPUTS:
            return self._output(attribute, index, "forward")
        if kind in _REVERSE_OUTPUTS:
            return self._output(attribute, index, "reverse")
        if kind is attr.DifferentiationStatus:
            if self._stack is None or not self._seconds >= 0:
                return attr.DifferentiationStatusCode.NOT_DIFFERENTIATED
            return self._stack.get(attribute)
        if kind is attr.SolutionRefinement:
            if self._stack is None or not self._seconds >= 0:
                raise NotOptimized("No solution was refined: differentiate the model first.")
            return self._stack.get(attribute)
        if kind is attr.DifferentiateTimeSec:
            return self._seconds
        return self.cache.get(attribute, index)

    def _output(self, attribute: attr.Attribute, index: Any, mode: str) -> Any:
        if index is not None:
            for one in index if isinstance(index, (list, tuple)) else [index]:
                self.cache.store.check_index(one)
        if self._stack is None or self._mirror is None or mode not in self._outputs or not self._mirror.complete:
            raise NotOptimized(
                f"There is no {attribute!r}: call {mode}_differentiate() after the last change of the model, "
                "its tangents or seeds."
            )
        if isinstance(index, (list, tuple)):
            return [self._output(attribute, one, mode) for one in index]
        stack, index_map = self._stack, self._mirror.index_map
        kind = type(attribute)
        if kind is attr.ReverseParameterValue:
            ids = index.ids if isinstance(index, VectorOfVariables) else np.array([index.value])
            found = self._parameter_gradient(ids)
            return found if isinstance(index, VectorOfVariables) else float(found[0])
        if kind is attr.ReverseObjectiveFunction:
            seed, sign = stack.get(attribute)
            return GradientOfObjective(self._right_factor(), self.cache.store.variable_ids(), seed, sign)
        if kind is attr.ReverseConstraintFunction:
            left = self._rows_of(attribute, index)
            if index.kind[1].is_vector:
                return GradientOfRows(left, self._right_factor(), self.cache.store.variable_ids())
            return GradientOfRow(left[0], self._right_factor(), self.cache.store.variable_ids())
        if kind is attr.ReverseConstraintSet:
            values = self._rows_of(attribute, index)
            shape = self.cache.store.get(attr.ConstraintSet(), index).shape
            return index.kind[1].build(shape, values[:, 1:])
        if index is None:
            return stack.get(attribute)
        value = stack.get(attribute, index_map(index))
        return float(value) if np.ndim(value) == 0 else value

    def _rows_of(self, attribute: attr.Attribute, index: ConstraintIndex) -> FloatArray:
        """A gradient's rows of one constraint; those of all of its kind are fetched at once."""
        assert self._stack is not None
        store, kind = self.cache.store, index.kind
        place = type(attribute), kind
        if place not in self._pulled:
            indices = store.get(attr.ListOfConstraintIndices(*kind))
            numbers = store.numbers(indices)
            ends = np.cumsum(store.block(kind).dims()[numbers])
            values = self._stack.get(attribute, self._index_map(indices))
            self._pulled[place] = (
                np.split(values, ends[:-1]),
                dict(zip(numbers.tolist(), range(len(ends)), strict=True)),
            )
        parts, position = self._pulled[place]
        return parts[position[store.number(index)]]

    def _parameter_gradient(self, ids: IntArray) -> FloatArray:
        """Gradient with respect to the values of parameters; of all of them at once, as one is asked for."""
        assert self._stack is not None
        if self._gradient is None:
            parameters = Parameters(self.cache.store)
            indices = self._index_map(ConstraintIndices(PARAMETERS, parameters.ids))
            self._gradient = parameters, self._stack.get(attr.ReverseConstraintSet(), indices)[:, 1]
        parameters, gradient = self._gradient
        places = parameters.places(ids)
        if (places < 0).any():  # raises
            parameter_constraint(self.cache.store, VariableIndex(int(ids[places < 0][0])))
        return gradient[places]

    def _right_factor(self) -> Callable[[IntArray], FloatArray]:
        """From identifiers of variables to (w, x), the adjoint and the solution: the right factor of all gradients."""
        if self._right is None:
            assert self._stack is not None
            store = self.cache.store
            ids = store.variable_ids()
            v = VectorOfVariables.of_ids(self._index_map.ids(ids))
            self._right = np.zeros((store.variable_count, 2))
            for column, attribute in enumerate((attr.ReverseVariableAdjoint(), attr.VariablePrimal())):
                self._right[ids - store.base, column] = self._stack.get(attribute, v)
        table, base = self._right, self.cache.store.base
        return lambda ids: table[ids - base]

    def empty_input_sensitivities(self) -> None:
        """Forget all tangents and seeds; the factorization stays."""
        self._inputs.clear()
        self._forget_outputs()

    # ------------------------------------------------------------------ differentiation
    def forward_differentiate(self) -> None:
        """Push the tangents to the solution.

        Raises
        ------
        DifferentiationError
            If the model is not solved, or no diff model takes it.
        """
        stack = self._begin()
        start = time.perf_counter()
        model = _diff_model(stack)
        stack.empty_inputs()
        index_map = self._index_map
        objective = self._inputs.get(attr.ForwardObjectiveFunction(), None)
        if objective is not None:
            stack.set(attr.ForwardObjectiveFunction(), objective.renamed(index_map.ids))
        for indices, rows in self._inputs.function_tangents():
            stack.set(attr.ForwardConstraintFunction(), index_map(indices), rows.renamed(index_map.ids))
        for indices, numbers in self._inputs.set_tangents():
            stack.set(attr.ForwardConstraintSet(), index_map(indices), numbers)
        model.forward()
        stack.pushed()
        self._finish("forward", start)

    def reverse_differentiate(self) -> None:
        """Pull the seeds back to the data.

        Raises
        ------
        DifferentiationError
            If the model is not solved, or no diff model takes it.
        """
        stack = self._begin()
        start = time.perf_counter()
        model = _diff_model(stack)
        stack.empty_inputs()
        index_map = self._index_map
        variables, values = self._inputs.primal_seeds()
        if len(variables):
            stack.set(attr.ReverseVariablePrimal(), index_map(variables), values)
        for indices, seeds in self._inputs.dual_seeds():
            stack.set(attr.ReverseConstraintDual(), index_map(indices), seeds)
        stack.set(attr.ReverseObjectiveValue(), self._inputs.get(attr.ReverseObjectiveValue(), None) or 0.0)
        model.reverse()
        self._finish("reverse", start)

    def directional_derivatives(self, outputs: VectorOfVariables, directions: Sequence[Direction]) -> FloatArray:
        """Derivatives of some variables along many directions, with one factorization.

        Parameters
        ----------
        outputs : variables, N of them
        directions : sequence of K mappings
            Each says how the data move: a constraint index, a pair (vector constraint index, row), or
            ``ForwardObjectiveFunction()``, to a function; or a parameter to a number. What is not named stays.

        Returns
        -------
        array of shape (K, N)

        Examples
        --------
        >>> import optangent as ot
        >>> model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
        >>> v = model.add_variables(2)
        >>> c = model.add_constraint(v >= [1.0, 2.0])
        >>> model.minimize(v.sum())
        >>> model.optimize()
        >>> model.directional_derivatives(v, [{(c, 0): -1.0}, {(c, 1): 1.0 * v[1]}])
        array([[ 1.,  0.],
               [ 0., -2.]])
        """
        stack = self._begin()
        start = time.perf_counter()
        model = _diff_model(stack)
        stack.empty_inputs()
        index_map = self._index_map
        objective, blocks, sets = stack_directions(directions, self.cache.store)
        if objective is not None:
            stack.set(attr.ForwardObjectiveFunction(), objective.renamed(index_map.ids))
        for indices, rows in blocks:
            stack.set(attr.ForwardConstraintFunction(), index_map(indices), rows.renamed(index_map.ids))
        for indices, shift in sets:
            stack.set(attr.ForwardConstraintSet(), index_map(indices), shift)
        derivatives: FloatArray = model.directional(stack.inner_variables(index_map(outputs)).ids)
        stack.empty_inputs()
        self._finish("", start)
        return derivatives

    def polished(self, index: VectorOfVariables | ConstraintIndex) -> Any:
        """The exact values (of variables) or duals (of a constraint) at which the last derivative was computed.

        They are the solver's, made exact by Newton steps on the optimality conditions.
        """
        if self._stack is None or self._mirror is None or not self._mirror.complete:
            raise NotOptimized("Nothing was differentiated since the model was last changed.")
        attribute = attr.VariablePrimal() if isinstance(index, VectorOfVariables) else attr.ConstraintDual()
        return self._stack.get(attribute, self._mirror.index_map(index))

    @property
    def diff_stack(self) -> BridgeOptimizer | None:
        """The diff model behind its bridges, once a derivative was asked for."""
        return self._stack

    @property
    def _index_map(self) -> Any:
        assert self._mirror is not None
        return self._mirror.index_map

    def _finish(self, mode: str, start: float) -> None:
        self._seconds = time.perf_counter() - start
        self._outputs.add(mode)
        if mode == "reverse":
            self._forget_pulled()
        assert self._stack is not None
        if not self._warned:
            self._warned = True
            for text in self._caveats():
                warnings.warn(
                    f"{text} This warning comes once for each solution.", DifferentiationWarning, stacklevel=4
                )

    def _caveats(self) -> Iterator[str]:
        """What a user must know about the derivatives."""
        assert self._stack is not None
        status = self._stack.get(attr.DifferentiationStatus())
        if status is not attr.DifferentiationStatusCode.EXACT:
            yield (
                f"The solution is not differentiable in the ordinary sense, {status.name}: {status.value}"
                f"{self._at_fault()}. DifferentiationStatus tells."
            )
        termination = self.cache.get(attr.TerminationStatus())
        before, after = self._stack.get(attr.SolutionRefinement())
        if termination in _INACCURATE or after > ACCURATE:
            made = "derivatives are those at the refined point" if after <= ACCURATE else "derivatives are not accurate"
            yield (
                f"The solver's solution is not accurate ({termination.name}): its relative residuals were "
                f"{before:.1e}, {after:.1e} after refinement; {made}. SolutionRefinement tells."
            )

    def _at_fault(self) -> str:
        """The constraints behind the status, in words."""
        assert self._stack is not None
        store, found = self.cache.store, []
        for kind in store.kinds():
            for index in store.get(attr.ListOfConstraintIndices(*kind)):
                if np.any(self._stack.get(attr.ConstraintDegeneracy(), self._index_map(index))):
                    found.append(store.get(attr.ConstraintName(), index) or repr(index))
                if len(found) > _NAMED:
                    return f" (constraints {', '.join(found[:_NAMED])} and others)"
        return f" (constraints {', '.join(found)})" if found else ""

    def _begin(self) -> BridgeOptimizer:
        """The diff model at the present solution, behind its bridges; built if it is not there."""
        if self._stack is not None and self._mirror is not None and self._mirror.complete:
            return self._stack
        self._require_solution()
        self._stack = self._build()
        return self._stack

    def _require_solution(self) -> None:
        status = self.cache.get(attr.TerminationStatus())
        codes = attr.TerminationStatusCode
        if status is codes.OPTIMIZE_NOT_CALLED:
            raise DifferentiationError(
                "Only a solved model can be differentiated: it has not been solved since it was last changed. "
                "Call optimize() first."
            )
        if status not in (codes.OPTIMAL, codes.LOCALLY_SOLVED, *_INACCURATE):
            raise DifferentiationError(
                f"A model with termination status {status.name} ({status.value}) has no solution to differentiate."
            )
        results = attr.ResultStatusCode
        points = (results.FEASIBLE_POINT, results.NEARLY_FEASIBLE_POINT, results.UNKNOWN_RESULT_STATUS)
        if self.cache.get(attr.DualStatus()) not in points:
            raise DifferentiationError(
                "The solver gave no dual solution (a model with integer variables has none), "
                "so its solution cannot be differentiated."
            )

    def _build(self) -> BridgeOptimizer:
        store = self.cache.store
        chosen = self.settings[attr.ModelConstructor]
        reasons = []
        for make in [chosen] if chosen is not None else DIFF_MODELS:
            model = make()
            stack = BridgeOptimizer(model)
            lacking = [k for k in kinds_inserted(store) if not stack.supports_constraint(*k)]
            if lacking:
                reasons += [f"{model.name} takes no {describe_kind(k)} ({stack.graph.missing(k)})" for k in lacking]
                continue
            model.linear_algebra = self.settings[attr.LinearAlgebraSolver]
            model.allow_inaccurate = self.settings[attr.AllowInaccurateSolution]
            try:
                self._mirror = Mirror(store, stack)
            except Unsupported as error:
                reasons.append(str(error))
                continue
            self._hand_over(stack)
            return stack
        raise DifferentiationError("No diff model takes this model: " + "; ".join(reasons) + ".")

    def _hand_over(self, stack: BridgeOptimizer) -> None:
        """Give the solution, and the basis where there is one, to the diff model."""
        store, index_map = self.cache.store, self._index_map
        ids = store.variable_ids()
        v = VectorOfVariables.of_ids(ids)
        stack.set(attr.VariablePrimalStart(), index_map(v), self.cache.values(ids))
        for kind in store.kinds():
            indices = store.get(attr.ListOfConstraintIndices(*kind))
            dual = self.cache.get(attr.ConstraintDual(), indices)
            if kind == PARAMETERS:  # the diff model holds products at present values: its duals are less what they add
                products = Products(store)
                dual = dual - products.reduced_costs(self.cache)[products.parameters.places(indices.values)]
            stack.set(attr.ConstraintDualStart(), index_map(indices), dual)
            try:
                activity = self.cache.get(attr.ConstraintActivity(), indices)
            except OptangentError:  # no basis: an interior-point or first-order solve
                continue
            stack.set(attr.ConstraintActivityStart(), index_map(indices), activity)


def _diff_model(stack: BridgeOptimizer) -> Any:
    return stack.inner
