"""The meta-solver: the model as written, solvers that take forms of it, and the derivative at its solution.

To readers of MathOptInterface it is the caching optimizer, with its modes and states; the bridge layer is a `Lowering`,
which is data. Forms are kept in step with the model: a change of numbers is a change of a few entries, which a loaded
solver is told. Which solvers there are is said in `loading`, how the model is written in `building`, how it is solved
in `solving`, who differentiates it in `differentiating`; here are its attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, final

from ..bridges.lowering import Lowering
from ..bridges.lowering.shown import LoweredConstraint, lowered
from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray
from ..modelkit.errors import (
    InvalidData,
    InvalidIndex,
    NotOptimized,
)
from ..modelkit.functions import VariableIndex, VectorOfVariables
from ..modelkit.indices import ConstraintIndex
from ..modelkit.model.caching_states import (
    DATA,
    CachingOptimizerMode,
)
from ..modelkit.model.remaking import recipe, remade
from ..modelkit.store.attribute_values import check_target
from ..modelkit.store.deletion import check_deletion, items_of
from ..modelkit.warning import warn_user
from .both_modes import directional, gradients
from .derivative import Derivative
from .differentiating import Differentiating
from .directions import Direction
from .inputs import Inputs
from .losses import Loss
from .settings import DEFAULTS, check_setting

__all__ = ["DifferentiationWarning", "MetaSolver", "diff_optimizer"]

_MODES: dict[type[attr.Attribute], str] = {
    attr.ForwardVariablePrimal: "forward",
    attr.ForwardConstraintDual: "forward",
    attr.ForwardObjectiveValue: "forward",
    attr.ReverseObjectiveFunction: "reverse",
    attr.ReverseConstraintFunction: "reverse",
    attr.ReverseConstraintSet: "reverse",
    attr.ReverseParameterValue: "reverse",
}
"""The mode that each result of differentiation is of."""
_LISTS: dict[type[attr.Attribute], attr.On] = {
    attr.ListOfOptimizerAttributesSet: attr.On.OPTIMIZER,
    attr.ListOfModelAttributesSet: attr.On.MODEL,
    attr.ListOfVariableAttributesSet: attr.On.VARIABLE,
    attr.ListOfConstraintAttributesSet: attr.On.CONSTRAINT,
}


class DifferentiationWarning(UserWarning):
    """The solution is not differentiable here; `DifferentiationStatus` tells what was returned instead."""


@final
class MetaSolver(Differentiating):
    """A model as written, with solvers and a derivative.

    In automatic mode forms are made and solvers loaded when they are needed. In manual mode `attach_optimizer` is the
    user's to call, and what the solver refuses is refused at once.

    Parameters
    ----------
    *solvers : Solver
        None, one, or several to be tried in this order, each where those before it failed.
    differentiates : whether there are derivatives
    mode : CachingOptimizerMode

    Attributes
    ----------
    warns : whether it warns; copies in worker threads do not, for Python's filters of warnings are the process's
    """

    def __init__(
        self,
        *solvers: Any,
        differentiates: bool = True,
        mode: CachingOptimizerMode = CachingOptimizerMode.AUTOMATIC,
    ) -> None:
        self.differentiates = differentiates
        super().__init__(*solvers, mode=mode)
        self._inputs = Inputs(self.store)

    def _forget(self) -> None:
        super()._forget()
        self._warned = False

    def delete(self, index: Any) -> None:
        """Delete a variable or constraint, or a sequence of them, and the tangents and seeds set on them."""
        items = items_of(index)
        check_deletion(self.store, items)
        self._forget()
        self.store.delete(items)
        self._inputs.forget_deleted()

    def empty(self) -> None:
        """Drop the model, its tangents and seeds; keep the solvers and their options."""
        self.store.empty()
        self._inputs.clear()
        self._lowerings = {}
        self._detach()

    def supports(self, attribute: attr.Attribute) -> bool:
        """Whether the attribute can be set."""
        if self.differentiates and (type(attribute) in Inputs.TYPES or type(attribute) in self.settings):
            return True
        if attribute.on == attr.On.OPTIMIZER and self._present is not None:
            return bool(self._present.solver.supports_option(attribute))
        return self.store.supports(attribute)

    @property
    def lowerings(self) -> list[tuple[str, Lowering]]:
        """Name of each solver, and of the diff model once there is one, with what brings models to it."""
        found = [(str(one.solver.name), self._lowering(one.solver.abilities)) for one in self._solvers]
        if self._derivative is not None:
            found.append((self._derivative.name, self._derivative.lowering))
        return found

    def lowered(self, index: ConstraintIndex, *, differentiated: bool = False) -> LoweredConstraint:
        """What stands for a constraint in the form of the solver in use, or of the diff model."""
        self.store.check_index(index)
        if differentiated:
            current = self._at_solution()
            return lowered(self.store, current.lowering, index, current.name)
        if self._present is None:
            raise NotOptimized("There is no optimizer, and no form of the model; give a solver to the model.")
        lowering = self._lowering(self._present.solver.abilities)
        self._in_step(lowering)
        return lowered(self.store, lowering, index, str(self._present.solver.name))

    def set(self, attribute: attr.Attribute, *index_and_value: Any) -> None:
        """Set data, an option, a tangent or a seed."""
        kind = type(attribute)
        if self.differentiates and kind in Inputs.TYPES:
            if self._derivative is not None:
                self._derivative.forget()
            self._inputs.set(attribute, *index_and_value)
            return
        if self.differentiates and kind in self.settings:
            if len(index_and_value) > 1:
                raise InvalidIndex(f"{attribute!r} belongs to the whole model; it takes no index.")
            check_setting(attribute, index_and_value[-1])
            self.settings[kind] = index_and_value[-1]
            self._derivative = self._by_system = self._diff = self._layout = None
            return
        pairs = self.store.check_setting(attribute, *index_and_value)
        if attribute.on is attr.On.OPTIMIZER:
            self._set_option(attribute, pairs[0][1])
        elif isinstance(attribute, attr.ObjectiveFunction):
            index, function = pairs[0]
            written = self._require_objective(function)
            if written is not type(function):
                pairs = [(index, written.from_rows(function.rows))]
        if isinstance(attribute, DATA):
            self._forget()
        self.store.apply_setting(attribute, pairs)

    def get(self, attribute: attr.Attribute, index: Any = None) -> Any:
        """Data, results and derivatives."""
        kind = type(attribute)
        if self.differentiates:
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
            if kind is attr.DifferentiateTimeSec:
                return float("nan") if self._derivative is None else self._derivative.seconds
            if kind in (attr.DifferentiationStatus, attr.SolutionRefinement):
                return self._known(kind)
        if kind in _LISTS:
            return self._listed(attribute)
        if attribute.on == attr.On.OPTIMIZER and self._present is not None:
            return self._option(attribute, self._present.solver)
        if not attribute.is_result:
            return self.store.get(attribute, index)
        return self._result(attribute, index)

    def _listed(self, attribute: attr.Attribute) -> list[attr.Attribute]:
        on, kind = _LISTS[type(attribute)], getattr(attribute, "kind", None)
        found: list[attr.Attribute]
        if on is attr.On.OPTIMIZER:
            solver = self.optimizer
            common = [] if solver is None else [one() for one, value in solver.common.items() if value is not None]
            found = common if solver is not None else list(self.store.get(attribute))
            found += [] if solver is None else [attr.RawOptimizerAttribute(name) for name in solver.options]
            if self.differentiates:
                found += [one() for one, value in self.settings.items() if value != DEFAULTS[one]]
            return found
        found = list(self.store.get(attribute))
        return found + self._inputs.attributes_set(on, kind)

    def empty_input_sensitivities(self) -> None:
        """Forget all tangents and seeds; the factorization stays."""
        self._inputs.clear()
        if self._derivative is not None:
            self._derivative.forget()

    def forward_differentiate(self) -> None:
        """Push the tangents to the solution; raises `DifferentiationError` if there is none."""
        current = self._at_solution()
        current.forward(self._inputs)
        self._warn(current)

    def reverse_differentiate(self) -> None:
        """Pull the seeds back to the data; raises `DifferentiationError` if there is no solution."""
        current = self._at_solution()
        current.reverse(self._inputs)
        self._warn(current)

    def directional_derivatives(self, outputs: Any, directions: Sequence[Direction]) -> FloatArray:
        """Derivatives of some outputs along many directions, with one factorization: see `Model`."""
        current = self._at_solution()
        derivatives = directional(current, outputs, directions)
        self._warn(current)
        return derivatives

    def gradients(self, data: Any, losses: Sequence[Loss]) -> FloatArray:
        """Derivatives of many losses in some data, with one factorization: see `Model`."""
        current = self._at_solution()
        found = gradients(current, data, losses)
        self._warn(current)
        return found

    def polished(self, index: Any) -> Any:
        """`PolishedPrimal` of variables, `PolishedDual` of constraints."""
        variables = isinstance(index, (VariableIndex, VectorOfVariables))
        return self._refined(attr.PolishedPrimal() if variables else attr.PolishedDual(), index)

    def _output(self, attribute: attr.Attribute, index: Any) -> Any:
        for one in index if isinstance(index, (list, tuple)) else [index]:
            check_target(attribute, one)
            if one is not None:
                self.store.check_index(one)
        mode = _MODES[type(attribute)]
        if self._derivative is None or not self._derivative.has(mode):
            raise NotOptimized(
                f"There is no {attribute!r}: call {mode}_differentiate() after the last change of the model, "
                "its tangents or seeds."
            )
        return self._derivative.output(attribute, index)

    def _refined(self, attribute: attr.Attribute, index: Any) -> Any:
        """Values or duals at the exact solution."""
        if isinstance(index, (list, tuple)):
            return [self._refined(attribute, one) for one in index]
        check_target(attribute, index)
        self.store.check_index(index)
        if self.get(attr.TerminationStatus()) is attr.TerminationStatusCode.OPTIMIZE_NOT_CALLED:
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
        self.store.check_index(index)
        current = self._derivative
        if current is None or not current.is_current or not current.seconds >= 0.0:
            raise NotOptimized(f"There is no {attribute!r}: differentiate the model first.")
        found = current.worth.degeneracy(index)
        return float(found[0]) if isinstance(index, ConstraintIndex) and not index.kind[1].is_vector else found

    def _known(self, kind: type[attr.Attribute]) -> Any:
        current = self._derivative
        if current is not None and current.seconds >= 0.0:
            return current.worth.status if kind is attr.DifferentiationStatus else current.point.refinement
        if kind is attr.DifferentiationStatus:
            return attr.DifferentiationStatusCode.NOT_DIFFERENTIATED
        raise NotOptimized("No solution was refined: differentiate the model first.")

    def _warn(self, current: Derivative) -> None:
        if self.warns and not self._warned:
            self._warned = True
            for text in current.worth.caveats(self.get(attr.TerminationStatus())):
                warn_user(f"{text} This warning comes once for each solution.", DifferentiationWarning)

    def recipe(self) -> Any:
        """What `made_by` makes an equal one of, with the result."""
        outcome = self._outcome if self._has_results else None
        made = [recipe(solver) for solver in self.solvers]
        rest = self.differentiates, self.mode, self.settings, self._inputs.kept()
        return type(self), (made, rest, self.store, outcome, self._solved)

    @classmethod
    def made_by(cls, recipe: Any) -> MetaSolver:
        """One with the model, options, inputs and result of another; of its recipe alone, which becomes its own."""
        made, (differentiates, mode, settings, inputs), store, outcome, solved = recipe
        new = cls(*map(remade, made), differentiates=differentiates, mode=mode)
        new.store.__setstate__(store.__dict__)
        new.settings = settings
        new._inputs.keep(inputs)
        if outcome is not None:
            outcome.store = new.store
            new._outcome, new._solved = outcome, solved
            new._lowerings[outcome.lowering.abilities] = outcome.lowering
            new._attached = True
        return new


def diff_optimizer(solver: Any) -> Callable[[], MetaSolver]:
    """A maker of meta-solvers that differentiate, for `Model`.

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
    return lambda: MetaSolver(*[maker() for maker in makers])
