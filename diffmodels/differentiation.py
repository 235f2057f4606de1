"""A diff model at one solution, behind its bridges: inputs go down to it, results come up in the user's indices."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, final

import numpy as np

from ..bridges import BridgeOptimizer
from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.caching import CachingOptimizer
from ..modelkit.copying import Mirror
from ..modelkit.errors import DifferentiationError, OptangentError, Unsupported
from ..modelkit.functions import VariableIndex, VectorOfVariables
from ..modelkit.functions.lazy import GradientOfObjective, GradientOfRow, GradientOfRows
from ..modelkit.indices import ConstraintIndex, ConstraintIndices, Kind, describe_kind
from ..modelkit.matrix_form import MatrixForm
from ..modelkit.naming import listed
from ..modelkit.parameters import PARAMETERS, Parameters, kinds_inserted
from ..modelkit.products import Products
from ..modelkit.unbounded import bounded
from .base import DiffModel
from .directions import Direction, stack_directions
from .inputs import Inputs, Tangents, parameter_constraint
from .seen import Seen

__all__ = ["Differentiation"]

_INACCURATE = (
    attr.TerminationStatusCode.ALMOST_OPTIMAL,
    attr.TerminationStatusCode.SLOW_PROGRESS,
    attr.TerminationStatusCode.ITERATION_LIMIT,
    attr.TerminationStatusCode.TIME_LIMIT,
)
"""Ends with a point that refinement may make a solution."""


@final
class Differentiation:
    """The diff model, with the solution of a cache, and what was computed there.

    Parameters
    ----------
    cache : a solved model
    diff_models : callables that make one; the first that takes the model's constraints is chosen
    settings : the attributes of differentiation, by type

    Attributes
    ----------
    stack : the diff model behind its bridges
    seconds : that the last differentiation took; nan before the first

    Raises
    ------
    DifferentiationError
        If there is no solution, or no diff model takes the constraints.
    """

    def __init__(
        self,
        cache: CachingOptimizer,
        diff_models: list[Callable[[], DiffModel]],
        settings: Mapping[type[attr.Attribute], Any],
    ) -> None:
        _require_solution(cache)
        if cache.is_copied and any(kind[0].degree >= 2 or not _is_box(kind) for kind in kinds_inserted(cache.store)):
            cache.solve_again()  # the duals of rows behind bridges of cones stayed in the original's solver
            _require_solution(cache)
        self._cache = cache
        self._store = bounded(cache.store)
        self.stack, self._mirror = self._built(diff_models, settings)
        self._index_map = self._mirror.index_map
        self._hand_over()
        self.seconds = float("nan")
        self.forget()

    def _built(
        self, diff_models: list[Callable[[], DiffModel]], settings: Mapping[type[attr.Attribute], Any]
    ) -> tuple[BridgeOptimizer, Mirror]:
        kinds, reasons = kinds_inserted(self._store), []
        for make in diff_models:
            model = make()
            stack = BridgeOptimizer(model)
            lacking = [kind for kind in kinds if not stack.supports_constraint(*kind)]
            if lacking:
                reasons += [f"{model.name} takes no {describe_kind(k)} ({stack.graph.missing(k)})" for k in lacking]
                continue
            model.linear_algebra = settings[attr.LinearAlgebraSolver]
            model.allow_inaccurate = settings[attr.AllowInaccurateSolution]
            try:
                return stack, Mirror(self._store, stack)
            except Unsupported as error:
                reasons.append(str(error))
        raise DifferentiationError("No diff model takes this model: " + "; ".join(reasons) + ".")

    def _seen(self, form: MatrixForm) -> Seen:
        """The user's variables, and the user's duals: not those of parameters, which move with the others."""
        store, stack = self._store, self.stack
        columns = np.zeros(form.n, bool)
        ids = self._index_map.ids(store.variable_ids())
        columns[form.columns(stack.inner_variables(VectorOfVariables.of_ids(ids)).ids)] = True
        kinds = [kind for kind in store.kinds() if kind != PARAMETERS]
        every = [self._index_map(store.get(attr.ListOfConstraintIndices(*kind))) for kind in kinds]
        model: Any = stack.inner

        def through(_: FloatArray, dy: FloatArray) -> FloatArray:
            with model.showing(dy):
                found = [np.asarray(stack.get(attr.ConstraintDual(), indices)) for indices in every]
            return np.concatenate([np.zeros((0, dy.shape[1])), *(values for values in found if values.ndim > 1)])

        return Seen(columns, through)

    def _hand_over(self) -> None:
        """Give the solution, and the basis where there is one, to the diff model."""
        store, cache, stack, index_map = self._store, self._cache, self.stack, self._index_map
        parameters = ConstraintIndices(PARAMETERS, Parameters(store).ids)
        model: Any = stack.inner
        model.seen = self._seen
        if len(parameters):
            model.held = stack.native(index_map(parameters))
        ids = store.variable_ids()
        stack.set(attr.VariablePrimalStart(), index_map(VectorOfVariables.of_ids(ids)), cache.values(ids))
        for kind in store.kinds():
            indices = store.get(attr.ListOfConstraintIndices(*kind))
            if kind == PARAMETERS:  # the diff model holds products at present values: its duals are less what they add
                products = Products(store)
                dual = cache.get(attr.ConstraintDual(), indices)
                dual = dual - products.reduced_costs(cache)[products.parameters.places(indices.values)]
                stack.set(attr.ConstraintDualStart(), index_map(indices), dual)
            elif isinstance(cache.optimizer, BridgeOptimizer) and not cache.is_copied:
                stack.start_as(index_map(indices), cache.optimizer, cache.index_map(indices))
            else:
                stack.set(attr.ConstraintDualStart(), index_map(indices), cache.get(attr.ConstraintDual(), indices))
            try:
                activity = cache.get(attr.ConstraintActivity(), indices)
            except OptangentError:  # no basis: an interior-point or first-order solve
                continue
            stack.set(attr.ConstraintActivityStart(), index_map(indices), activity)

    # ------------------------------------------------------------------ what is there
    @property
    def is_current(self) -> bool:
        """Whether nothing was added to the model since."""
        return self._mirror.complete

    def has(self, mode: str) -> bool:
        """Whether there are results of forward or reverse mode for the present model and inputs."""
        return mode in self._modes and self.is_current

    def forget(self) -> None:
        """Tangents or seeds changed: there are no results any more."""
        self._modes: set[str] = set()
        self._forget_pulled()

    def _forget_pulled(self) -> None:
        self._pulled: dict[Any, dict[int, FloatArray]] = {}
        self._right: FloatArray | None = None
        self._gradient: tuple[Parameters, FloatArray] | None = None

    # ------------------------------------------------------------------ down and through
    @contextmanager
    def _timed(self) -> Iterator[Any]:
        """The diff model without the inputs of the last differentiation; the time is that of this one."""
        start = time.perf_counter()
        self.stack.empty_inputs()
        yield self.stack.inner
        self.seconds = time.perf_counter() - start

    def forward(self, inputs: Inputs) -> None:
        """Push the tangents to the solution."""
        with self._timed() as model:
            self._set_tangents(inputs.tangents())
            model.forward()
            self.stack.pushed()
        self._modes.add("forward")

    def reverse(self, inputs: Inputs) -> None:
        """Pull the seeds back to the data."""
        stack, index_map = self.stack, self._index_map
        with self._timed() as model:
            variables, values = inputs.primal_seeds()
            if len(variables):
                stack.set(attr.ReverseVariablePrimal(), index_map(variables), values)
            for indices, seeds in inputs.dual_seeds():
                stack.set(attr.ReverseConstraintDual(), index_map(indices), seeds)
            stack.set(attr.ReverseObjectiveValue(), inputs.get(attr.ReverseObjectiveValue(), None) or 0.0)
            model.reverse()
        self._modes.add("reverse")
        self._forget_pulled()

    def directional(self, outputs: VectorOfVariables, directions: Sequence[Direction]) -> FloatArray:
        """Derivatives of N variables along K directions, (K, N)."""
        with self._timed() as model:
            self._set_tangents(stack_directions(directions, self._store))
            derivatives: FloatArray = model.directional(self.stack.inner_variables(self._index_map(outputs)).ids)
            self.stack.empty_inputs()
        return derivatives

    def _set_tangents(self, tangents: Tangents) -> None:
        stack, index_map = self.stack, self._index_map
        objective, functions, sets = tangents
        if objective is not None:
            stack.set(attr.ForwardObjectiveFunction(), objective.renamed(index_map.ids))
        for indices, rows in functions:
            stack.set(attr.ForwardConstraintFunction(), index_map(indices), rows.renamed(index_map.ids))
        for indices, numbers in sets:
            stack.set(attr.ForwardConstraintSet(), index_map(indices), numbers)

    # ------------------------------------------------------------------ up
    def output(self, attribute: attr.Attribute, index: Any) -> Any:
        """A result of forward or reverse mode."""
        if isinstance(index, (list, tuple)):
            return [self.output(attribute, one) for one in index]
        stack, store = self.stack, self._store
        kind = type(attribute)
        if kind is attr.ReverseParameterValue:
            if isinstance(index, VectorOfVariables):
                return self._parameter_gradient(index.ids)
            return float(self._parameter_gradient(np.array([index.value]))[0])
        if kind is attr.ReverseObjectiveFunction:
            seed, sign = stack.get(attribute)
            return GradientOfObjective(self._right_factor(), store.variable_ids(), seed, sign)
        if kind is attr.ReverseConstraintFunction:
            left = self._rows_of(attribute, index)
            if index.kind[1].is_vector:
                return GradientOfRows(left, self._right_factor(), store.variable_ids())
            return GradientOfRow(left[0], self._right_factor(), store.variable_ids())
        if kind is attr.ReverseConstraintSet:
            shape = store.get(attr.ConstraintSet(), index).shape
            return index.kind[1].build(shape, self._rows_of(attribute, index)[:, 1:])
        if index is None:
            return stack.get(attribute)
        value = stack.get(attribute, self._index_map(index))
        return float(value) if np.ndim(value) == 0 else value

    def _rows_of(self, attribute: attr.Attribute, index: ConstraintIndex) -> FloatArray:
        """A gradient's rows of one constraint; those of all of its kind are fetched at once."""
        store, kind = self._store, index.kind
        place = type(attribute), kind
        if place not in self._pulled:
            indices = store.get(attr.ListOfConstraintIndices(*kind))
            numbers = store.numbers(indices)
            ends = np.cumsum(store.block(kind).dims()[numbers])
            values = self.stack.get(attribute, self._index_map(indices))
            self._pulled[place] = dict(zip(numbers.tolist(), np.split(values, ends[:-1]), strict=True))
        return self._pulled[place][store.number(index)]

    def _parameter_gradient(self, ids: IntArray) -> FloatArray:
        """Gradient with respect to the values of parameters; of all of them at once, as one is asked for."""
        if self._gradient is None:
            parameters = Parameters(self._store)
            indices = self._index_map(ConstraintIndices(PARAMETERS, parameters.ids))
            self._gradient = parameters, self.stack.get(attr.ReverseConstraintSet(), indices)[:, 1]
        parameters, gradient = self._gradient
        places = parameters.places(ids)
        if (places < 0).any():  # raises
            parameter_constraint(self._store, VariableIndex(int(ids[places < 0][0])))
        return gradient[places]

    def _right_factor(self) -> Callable[[IntArray], FloatArray]:
        """From identifiers of variables to (w, x), the adjoint and the solution: the right factor of all gradients."""
        store = self._store
        if self._right is None:
            ids = store.variable_ids()
            v = VectorOfVariables.of_ids(self._index_map.ids(ids))
            self._right = np.zeros((store.variable_count, 2))
            for column, attribute in enumerate((attr.ReverseVariableAdjoint(), attr.VariablePrimal())):
                self._right[ids - store.base, column] = self.stack.get(attribute, v)
        table, base = self._right, store.base
        return lambda ids: table[ids - base]

    def polished(self, index: Any) -> Any:
        """The exact values (of variables) or duals (of constraints)."""
        variables = isinstance(index, (VariableIndex, VectorOfVariables))
        return self.stack.get(attr.VariablePrimal() if variables else attr.ConstraintDual(), self._index_map(index))

    def degeneracy(self, index: ConstraintIndex | ConstraintIndices) -> Any:
        """1 in the rows at fault, else 0."""
        found = self.stack.get(attr.ConstraintDegeneracy(), self._index_map(index))
        return (np.asarray(found) != 0.0).astype(np.float64)

    # ------------------------------------------------------------------ what a user must know
    def caveats(self) -> Iterator[str]:
        """Why the derivatives are not what they seem, in sentences."""
        codes, status = attr.DifferentiationStatusCode, self.stack.get(attr.DifferentiationStatus())
        if status not in (codes.EXACT, codes.INACCURATE):
            yield (
                f"The solution is not differentiable in the ordinary sense, {status.name}: {status.value}"
                f"{self._at_fault()}. DifferentiationStatus tells."
            )
        termination = self._cache.get(attr.TerminationStatus())
        before, after = self.stack.get(attr.SolutionRefinement())
        refined = status is not codes.INACCURATE
        if termination in _INACCURATE or not refined:
            made = "derivatives are those at the refined point" if refined else "derivatives are not accurate"
            yield (
                f"The solver's solution is not accurate ({termination.name}): its relative residuals were "
                f"{before:.1e}, {after:.1e} after refinement; {made}. SolutionRefinement tells."
            )
        model: Any = self.stack.inner
        yield from model.caveats()

    def _at_fault(self) -> str:
        """The constraints behind the status, in words, those of a kind all at once."""
        store = self._store
        found: list[tuple[ConstraintIndices, IntArray | None]] = []
        for kind in store.kinds():
            indices = store.get(attr.ListOfConstraintIndices(*kind))
            dims = store.block(kind).dims()[store.numbers(indices)]
            rows = np.flatnonzero(self.degeneracy(indices))
            owner = np.repeat(np.arange(len(dims)), dims)[rows]
            is_box = kind[1].is_vector and _is_box(kind)
            if is_box:
                found.append((indices[owner], rows - (np.cumsum(dims) - dims)[owner]))
            else:
                found.append((indices[np.unique(owner)], None))
        words = listed(store, found)
        return f" ({words})" if words else ""


def _is_box(kind: Kind) -> bool:
    return kind[1].bounds(np.zeros((1, len(kind[1].fields)))) is not None


def _require_solution(cache: CachingOptimizer) -> None:
    status = cache.get(attr.TerminationStatus())
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
    if cache.get(attr.DualStatus()) not in points:
        raise DifferentiationError(
            "The solver gave no dual solution (a model with integer variables has none), "
            "so its solution cannot be differentiated."
        )
