"""Derivatives by plain functions, one for each word of DiffOpt.jl's interface to JuMP.

``set_forward_parameter(model, p, 1.0)`` is ``model.set(ForwardConstraintSet(), constraint_of_p, Parameter(1.0))``. What
is set is set before `Model.forward_differentiate` or `Model.reverse_differentiate`, what is got after it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..modelkit import attributes as attr
from ..modelkit.functions import ScalarFunction, VariableIndex
from ..modelkit.indices import ConstraintIndex
from ..modelkit.model.model import Model
from ..modelkit.sets import Parameter
from ..modelkit.store.parameters import parameter_constraint
from .conic_diff import ConicDiff
from .convex_diff import ConvexDiff
from .meta_solver import diff_optimizer
from .nonlinear_diff import NonlinearDiff
from .quadratic_diff import QuadraticDiff

__all__ = [
    "conic_diff_model",
    "diff_model",
    "get_forward_constraint_dual",
    "get_forward_objective",
    "get_forward_parameter",
    "get_forward_variable",
    "get_reverse_constraint_function",
    "get_reverse_objective_function",
    "get_reverse_parameter",
    "nonlinear_diff_model",
    "quadratic_diff_model",
    "set_forward_constraint_function",
    "set_forward_objective_function",
    "set_forward_parameter",
    "set_reverse_constraint_dual",
    "set_reverse_objective",
    "set_reverse_variable",
]


# ---------------------------------------------------------------------- models
def diff_model(solver: Any) -> Model:
    """A model that differentiates, by the diff model that fits it: ``Model(diff_optimizer(solver))``.

    Examples
    --------
    >>> import optangent as ot
    >>> model = ot.diff_model(ot.solvers.HiGHS)
    >>> x, p = model.add_variable(), model.add_parameter(3.0)
    >>> c = model.add_constraint(x >= p)
    >>> model.minimize(2 * x)
    >>> model.optimize()
    >>> ot.set_forward_parameter(model, p, 1.0)
    >>> model.forward_differentiate()
    >>> ot.get_forward_variable(model, x), ot.get_forward_objective(model)
    (1.0, 2.0)
    """
    return Model(diff_optimizer(solver))


def _by(constructor: Callable[[], ConvexDiff], solver: Any) -> Model:
    model = diff_model(solver)
    model.set(attr.ModelConstructor(), constructor)
    return model


def quadratic_diff_model(solver: Any) -> Model:
    """A model that is differentiated by `QuadraticDiff`."""
    return _by(QuadraticDiff, solver)


def conic_diff_model(solver: Any) -> Model:
    """A model that is differentiated by `ConicDiff`."""
    return _by(ConicDiff, solver)


def nonlinear_diff_model(solver: Any) -> Model:
    """A model that is differentiated by `NonlinearDiff`."""
    return _by(NonlinearDiff, solver)


# ---------------------------------------------------------------------- forward
def set_forward_parameter(model: Model, p: VariableIndex, tangent: float) -> None:
    """How a parameter moves."""
    model.set(attr.ForwardConstraintSet(), parameter_constraint(model.store, p), Parameter(float(tangent)))


def get_forward_parameter(model: Model, p: VariableIndex) -> float:
    """How a parameter was said to move; zero where nothing was said."""
    told = model.get(attr.ForwardConstraintSet(), parameter_constraint(model.store, p))
    return 0.0 if told is None else float(told.value)


def set_forward_objective_function(model: Model, tangent: ScalarFunction) -> None:
    """How the objective moves: a function of the variables."""
    model.set(attr.ForwardObjectiveFunction(), tangent)


def set_forward_constraint_function(model: Model, c: ConstraintIndex, tangent: Any) -> None:
    """How the function of a constraint moves."""
    model.set(attr.ForwardConstraintFunction(), c, tangent)


def get_forward_variable(model: Model, x: VariableIndex) -> float:
    """How a variable's value moves."""
    return float(model.get(attr.ForwardVariablePrimal(), x))


def get_forward_constraint_dual(model: Model, c: ConstraintIndex) -> Any:
    """How a dual moves: a number, or an array of those of a vector."""
    return model.get(attr.ForwardConstraintDual(), c)


def get_forward_objective(model: Model) -> float:
    """How the objective value moves."""
    return float(model.get(attr.ForwardObjectiveValue()))


# ---------------------------------------------------------------------- reverse
def set_reverse_variable(model: Model, x: VariableIndex, seed: float) -> None:
    """The derivative of a loss in a variable's value."""
    model.set(attr.ReverseVariablePrimal(), x, seed)


def set_reverse_constraint_dual(model: Model, c: ConstraintIndex, seed: Any) -> None:
    """The derivative of a loss in a dual."""
    model.set(attr.ReverseConstraintDual(), c, seed)


def set_reverse_objective(model: Model, seed: float) -> None:
    """The derivative of a loss in the objective value."""
    model.set(attr.ReverseObjectiveValue(), seed)


def get_reverse_parameter(model: Model, p: VariableIndex) -> float:
    """The derivative of the loss in a parameter."""
    return float(model.get(attr.ReverseConstraintSet(), parameter_constraint(model.store, p)).value)


def get_reverse_objective_function(model: Model) -> Any:
    """The derivatives of the loss in the objective's coefficients, as a function."""
    return model.get(attr.ReverseObjectiveFunction())


def get_reverse_constraint_function(model: Model, c: ConstraintIndex) -> Any:
    """The derivatives of the loss in the coefficients of a constraint's function, as a function."""
    return model.get(attr.ReverseConstraintFunction(), c)
