"""The meta-solver: solves with any solver, differentiates with a diff model.

The user's model lives in a cache. Beside the solver's bridge layer stands a second, independent one in front of a
diff model, built when a derivative is first asked for (`differentiation`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, final

from ..bridges import BridgeOptimizer
from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray
from ..modelkit.caching import CachingOptimizer
from ..modelkit.errors import InvalidData, InvalidIndex, NotOptimized
from ..modelkit.functions import VariableIndex, VectorOfVariables
from ..modelkit.indices import ConstraintIndices
from ..modelkit.layer import Layer
from ..modelkit.protocol import AbstractModel
from ..modelkit.settings import check_target
from ..modelkit.warning import warn_user
from .base import DiffModel
from .conic import ConicDiff
from .differentiation import Differentiation
from .directions import Direction
from .inputs import Inputs
from .quadratic import QuadraticDiff
from .settings import DEFAULTS, check_setting

__all__ = ["DIFF_MODELS", "DiffOptimizer", "DifferentiationWarning", "diff_optimizer"]

DIFF_MODELS: list[Callable[[], DiffModel]] = [QuadraticDiff, ConicDiff]
"""Diff models to choose from, the first that takes the model's constraints."""

_MODES: dict[type[attr.Attribute], str] = {
    attr.ForwardVariablePrimal: "forward",
    attr.ForwardConstraintDual: "forward",
    attr.ForwardObjectiveValue: "forward",
    attr.ReverseObjectiveFunction: "reverse",
    attr.ReverseConstraintFunction: "reverse",
    attr.ReverseConstraintSet: "reverse",
    attr.ReverseParameterValue: "reverse",
}
"""The mode that each result is of."""
_LISTS: dict[type[attr.Attribute], attr.On] = {
    attr.ListOfOptimizerAttributesSet: attr.On.OPTIMIZER,
    attr.ListOfModelAttributesSet: attr.On.MODEL,
    attr.ListOfVariableAttributesSet: attr.On.VARIABLE,
    attr.ListOfConstraintAttributesSet: attr.On.CONSTRAINT,
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
        for solver in solvers:
            if not all(callable(getattr(solver, verb, None)) for verb in ("optimize", "supports_constraint")):
                raise InvalidData(f"diff_optimizer takes callables that make a solver; one of them made {solver!r}.")
        self.cache = CachingOptimizer(*(BridgeOptimizer(solver) for solver in solvers))
        super().__init__(self.cache)
        self._inputs = Inputs(self.cache.store)
        self.settings = dict(DEFAULTS)
        self._warned = False
        self._drop()

    def kept(self) -> Any:
        """What a copy takes along: settings, and tangents and seeds."""
        return self.settings, self._inputs.values

    def keep(self, kept: Any) -> None:
        """Have the settings, tangents and seeds of an equal model."""
        self.settings, self._inputs.values = kept

    def _drop(self) -> None:
        """The model changed: the diff model is of no use any more."""
        self._current: Differentiation | None = None

    def _forget_results(self) -> None:
        """Tangents or seeds changed."""
        if self._current is not None:
            self._current.forget()

    # ------------------------------------------------------------------ the model: a change drops the derivative
    # (additions are not intercepted: they show in `Differentiation.is_current`)
    def modify(self, target: Any, change: Any) -> None:
        """Change coefficients or constants."""
        self._drop()
        self.cache.modify(target, change)

    def set_numbers(self, indices: ConstraintIndices, numbers: FloatArray, constants: FloatArray | None = None) -> None:
        """Give many constraints other numbers, and their functions other constants."""
        self._drop()
        self.cache.set_numbers(indices, numbers, constants)

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
            self._forget_results()
            self._inputs.set(attribute, *index_and_value)
        elif kind in self.settings:
            if len(index_and_value) > 1:
                raise InvalidIndex(f"{attribute!r} belongs to the whole model; it takes no index.")
            check_setting(attribute, index_and_value[-1])
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
        if kind in _MODES:
            return self._output(attribute, index)
        if kind in (attr.PolishedPrimal, attr.PolishedDual):
            return self._refined(attribute, index)
        if kind is attr.ConstraintDegeneracy:
            return self._degeneracy(attribute, index)
        if kind in _LISTS:
            return self.cache.get(attribute) + self._set_here(attribute)
        current = self._current
        if kind is attr.DifferentiateTimeSec:
            return float("nan") if current is None else current.seconds
        if kind in (attr.DifferentiationStatus, attr.SolutionRefinement):
            if current is not None and current.seconds >= 0.0:
                return current.stack.get(attribute)
            if kind is attr.DifferentiationStatus:
                return attr.DifferentiationStatusCode.NOT_DIFFERENTIATED
            raise NotOptimized("No solution was refined: differentiate the model first.")
        return self.cache.get(attribute, index)

    def _output(self, attribute: attr.Attribute, index: Any) -> Any:
        if index is not None:
            for one in index if isinstance(index, (list, tuple)) else [index]:
                self.cache.store.check_index(one)
        mode = _MODES[type(attribute)]
        if self._current is None or not self._current.has(mode):
            raise NotOptimized(
                f"There is no {attribute!r}: call {mode}_differentiate() after the last change of the model, "
                "its tangents or seeds."
            )
        return self._current.output(attribute, index)

    def empty_input_sensitivities(self) -> None:
        """Forget all tangents and seeds; the factorization stays."""
        self._inputs.clear()
        self._forget_results()

    # ------------------------------------------------------------------ differentiation
    def forward_differentiate(self) -> None:
        """Push the tangents to the solution.

        Raises
        ------
        DifferentiationError
            If the model is not solved, or no diff model takes it.
        """
        current = self._at_solution()
        current.forward(self._inputs)
        self._warn(current)

    def reverse_differentiate(self) -> None:
        """Pull the seeds back to the data.

        Raises
        ------
        DifferentiationError
            If the model is not solved, or no diff model takes it.
        """
        current = self._at_solution()
        current.reverse(self._inputs)
        self._warn(current)

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
        current = self._at_solution()
        derivatives = current.directional(outputs, directions)
        self._warn(current)
        return derivatives

    def polished(self, index: Any) -> Any:
        """`PolishedPrimal` of variables, `PolishedDual` of constraints."""
        variables = isinstance(index, (VariableIndex, VectorOfVariables))
        return self._refined(attr.PolishedPrimal() if variables else attr.PolishedDual(), index)

    def _refined(self, attribute: attr.Attribute, index: Any) -> Any:
        """Values or duals at the exact solution."""
        if isinstance(index, (list, tuple)):
            return [self._refined(attribute, one) for one in index]
        check_target(attribute, index)
        self.cache.store.check_index(index)
        if self.cache.get(attr.TerminationStatus()) is attr.TerminationStatusCode.OPTIMIZE_NOT_CALLED:
            raise NotOptimized(
                f"There is no {attribute!r}: the model has not been solved since it was last changed. "
                "Call optimize() first."
            )
        return self._at_solution().polished(index)

    def _degeneracy(self, attribute: attr.Attribute, index: Any) -> Any:
        """Which rows of constraints are at fault."""
        if isinstance(index, (list, tuple)):
            return [self._degeneracy(attribute, one) for one in index]
        check_target(attribute, index)
        self.cache.store.check_index(index)
        current = self._current
        if current is None or not current.is_current or not current.seconds >= 0.0:
            raise NotOptimized(f"There is no {attribute!r}: differentiate the model first.")
        found = current.degeneracy(index)
        return float(found) if found.ndim == 0 else found

    def _set_here(self, attribute: attr.Attribute) -> list[attr.Attribute]:
        """What was set of attributes of differentiation, for the lists."""
        on, kind = _LISTS[type(attribute)], getattr(attribute, "kind", None)
        if on is attr.On.OPTIMIZER:
            return [one() for one, value in self.settings.items() if value is not DEFAULTS[one]]
        of = {a: [i for i in v if kind is None or i.kind == kind] for a, v in self._inputs.values.items() if a.on is on}
        return [one for one, indices in of.items() if indices]

    @property
    def diff_stack(self) -> BridgeOptimizer | None:
        """The diff model behind its bridges, once a derivative was asked for."""
        return None if self._current is None else self._current.stack

    def _at_solution(self) -> Differentiation:
        if self._current is None or not self._current.is_current:
            chosen = self.settings[attr.ModelConstructor]
            makers = DIFF_MODELS if chosen is None else [chosen]
            self._current = Differentiation(self.cache, makers, self.settings)
        return self._current

    def _warn(self, current: Differentiation) -> None:
        if self.cache.warns and not self._warned:
            self._warned = True
            for text in current.caveats():
                warn_user(f"{text} This warning comes once for each solution.", DifferentiationWarning)
