"""Whatever a solver takes natively, the answer is the same: primal, every dual with its sign, objective."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.bridges import BridgeOptimizer
from optangent.modelkit.copying import Mirror
from optangent.modelkit.protocol import AbstractModel

from .mocks import Recorder

SAF, VAF, VOV, X = ot.ScalarAffineFunction, ot.VectorAffineFunction, ot.VectorOfVariables, ot.VariableIndex
MIN, MAX = ot.ObjectiveSenseCode.MIN_SENSE, ot.ObjectiveSenseCode.MAX_SENSE
INF = np.inf


class Only(Recorder):
    """A solver that takes only what it is told, and has HiGHS solve it."""

    def optimize(self) -> None:
        """Solve a copy."""
        self.below = BridgeOptimizer(ot.solvers.HiGHS())
        self.map = Mirror(self, self.below).index_map
        self.below.optimize()

    def get(self, attribute: Any, index: Any = None) -> Any:
        """Results of the copy."""
        if attribute.is_result:
            return self.below.get(attribute, None if index is None else self.map(index))
        return super().get(attribute, index)


def hiding(*hidden: Any) -> Callable[[], AbstractModel]:
    """HiGHS without some kinds, or without all kinds of a function or set type."""

    class Hiding(ot.solvers.HiGHS):  # type: ignore[misc]
        kinds = tuple(
            k for k in ot.solvers.HiGHS.kinds if k not in hidden and k[0] not in hidden and k[1] not in hidden
        )

    return Hiding


ROUTES: dict[str, Callable[[], AbstractModel]] = {
    "everything": ot.solvers.HiGHS,
    "no Interval": hiding(ot.Interval),
    "no GreaterThan": hiding(ot.GreaterThan),
    "no EqualTo": hiding(ot.EqualTo),
    "no EqualTo, no Interval": hiding(ot.EqualTo, ot.Interval),
    "no bounds": hiding(X),
    "only LessThan": hiding(X, ot.EqualTo, ot.Interval, ot.GreaterThan),
    "only Interval": hiding(X, ot.EqualTo, ot.LessThan, ot.GreaterThan),
    "only bounds and equalities": hiding((SAF, ot.Interval), (SAF, ot.LessThan), (SAF, ot.GreaterThan)),
    "only rows in Nonnegatives": lambda: Only([(VAF, ot.Nonnegatives)]),
    "only rows in Nonpositives": lambda: Only([(VAF, ot.Nonpositives)]),
    "cones": lambda: Only([(VAF, ot.Nonnegatives), (VAF, ot.Zeros)]),
    "rectangles": lambda: Only([(VAF, ot.HyperRectangle)]),
    "cones of variables": lambda: Only([(VOV, ot.Nonnegatives), (VAF, ot.Zeros)]),
    "standard form": lambda: Only([(VAF, ot.Zeros)], [ot.Nonnegatives], free=False),
    "negative standard form": lambda: Only([(VAF, ot.Zeros)], [ot.Nonpositives], free=False),
    "standard form, both orthants": lambda: Only([(VAF, ot.Zeros)], [ot.Nonpositives, ot.Nonnegatives], free=False),
    "made in a set": lambda: Only([(VAF, ot.Zeros)], [ot.Nonnegatives]),
}


def known(model: AbstractModel, quadratic: bool, sense: Any, seed: int) -> tuple[Any, np.ndarray, list[Any], float]:
    """A problem with a unique solution and unique duals, by construction.

    Returns
    -------
    (variables, their values, (constraint, dual) pairs, objective)
    """
    rng = np.random.default_rng(seed)
    n = 9
    x = np.round(rng.standard_normal(n), 3) + np.sign(rng.standard_normal(n))
    x[5:7], x[7:] = np.abs(x[5:7]) + 1.0, -np.abs(x[7:]) - 1.0
    x[6] = 0.0 if not quadratic else x[6]
    free = model.add_variables(5)
    positive, in_positive = model.add_constrained_variables(ot.Nonnegatives(2))
    negative, in_negative = model.add_constrained_variables(ot.Nonpositives(2))
    v = ot.VectorOfVariables([*free, *positive, *negative])
    gradient = np.zeros(n)
    constraints: list[tuple[Any, Any]] = []

    def row() -> tuple[np.ndarray, float, float]:
        a, b = rng.standard_normal(n), float(rng.standard_normal())
        return a, b, float(a @ x + b)

    def scalar(make: Callable[[float], Any], y: float) -> None:
        a, b, value = row()
        constraints.append((model.add_constraint(ot.ScalarAffineFunction(v, a, b), make(value)), y))
        gradient[:] += y * a

    def bound(j: int, chosen: Any, y: float) -> None:
        constraints.append((model.add_constraint(v[j], chosen), y))
        gradient[j] += y

    def vector(m: int, make: Callable[[np.ndarray], tuple[Any, np.ndarray]], y: list[float]) -> None:
        A = rng.standard_normal((m, n))
        value = A @ x
        chosen, wanted = make(value)
        constraints.append((model.add_constraint(VAF(A, v, wanted - value), chosen), np.array(y)))
        gradient[:] += A.T @ np.array(y)

    scalar(ot.GreaterThan, 1.3)
    scalar(lambda f: ot.LessThan(f + 0.7), 0.0)
    scalar(ot.EqualTo, -0.6)
    scalar(lambda f: ot.Interval(f - 1.0, f), -0.9)
    scalar(lambda f: ot.Interval(f, f + 1.0), 0.8)
    scalar(lambda f: ot.Interval(-INF, INF), 0.0)
    scalar(lambda f: ot.Interval(-INF, f + 1.0), 0.0)
    bound(0, ot.GreaterThan(x[0]), 0.4)
    bound(0, ot.LessThan(x[0] + 2.0), 0.0)
    bound(1, ot.Interval(x[1] - 1.0, x[1] + 2.0), 0.0)
    bound(2, ot.Parameter(x[2]), 1.7)
    bound(5, ot.LessThan(x[5] + 1.0), 0.0)
    active = 0.0 if quadratic else 1.1
    vector(2, lambda f: (ot.Nonnegatives(2), np.array([0.0 if active else 2.0, 0.5])), [active, 0.0])
    vector(2, lambda f: (ot.Nonpositives(2), np.array([-1.0, 0.0])), [0.0, -0.3])
    vector(
        4,
        lambda f: (ot.HyperRectangle(f - np.array([1.0, INF, INF, 2.0]), f + np.array([1.0, INF, 1.0, INF])), f),
        [0.0, 0.0, 0.0, 0.0],
    )
    y_positive = np.array([0.0, 0.0 if quadratic else 0.5])
    constraints += [(in_positive, y_positive), (in_negative, np.zeros(2))]
    gradient[5:7] += y_positive
    sign = 1.0 if sense == MIN else -1.0
    P = np.zeros((n, n))
    if quadratic:
        root = rng.standard_normal((n, n))
        P = sign * (root @ root.T / n + np.eye(n))
    q = sign * gradient - P @ x
    f: Any = ot.ScalarAffineFunction(v, q, 0.25)
    if quadratic:
        f = 0.5 * (v @ (P @ v)) + f
    model.set(ot.ObjectiveSense(), sense)
    model.set(ot.ObjectiveFunction(), f)
    return v, x, constraints, float(0.5 * x @ P @ x + q @ x + 0.25)


@pytest.mark.parametrize("sense", [MIN, MAX], ids=["min", "max"])
@pytest.mark.parametrize("quadratic", [False, True], ids=["LP", "QP"])
@pytest.mark.parametrize("route", ROUTES)
def test_the_known_answer(route: str, quadratic: bool, sense: Any) -> None:
    """Through every route the solver finds the constructed primal, duals and objective."""
    for seed in range(3):
        check_answer(ROUTES[route], quadratic, sense, seed)


def check_answer(solver: Callable[[], AbstractModel], quadratic: bool, sense: Any, seed: int) -> None:
    """One problem through one solver."""
    model = BridgeOptimizer(solver())
    v, x, constraints, objective = known(model, quadratic, sense, seed)
    model.optimize()
    assert model.get(ot.TerminationStatus()) == ot.TerminationStatusCode.OPTIMAL
    assert model.get(ot.ObjectiveValue()) == pytest.approx(objective, abs=1e-6)
    np.testing.assert_allclose(model.get(ot.VariablePrimal(), v), x, atol=1e-6)
    assert model.get(ot.VariablePrimal(), v[7]) == pytest.approx(x[7], abs=1e-6)
    for index, dual in constraints:
        np.testing.assert_allclose(model.get(ot.ConstraintDual(), index), dual, atol=2e-6, err_msg=repr(index))
        f = model.get(ot.ConstraintFunction(), index).rows.evaluate(lambda ids: x[np.searchsorted(v.ids, ids)])
        np.testing.assert_allclose(model.get(ot.ConstraintPrimal(), index), np.squeeze(f), atol=1e-6)
    many = model.get(ot.ConstraintPrimal(), [c for c, _ in constraints])
    assert len(many) == len(constraints)


@pytest.mark.parametrize("route", ROUTES)
def test_solving_again_after_changes(route: str) -> None:
    """Moved numbers, coefficients and functions give the answer of a model built with them."""

    def build(lower: float, a: float, upper: float) -> tuple[Any, Any, list[Any]]:
        model = BridgeOptimizer(ROUTES[route]())
        v = model.add_variables(2)
        p = model.add_variable()
        indices = [
            model.add_constraint(v[0], ot.GreaterThan(lower)),
            model.add_constraint(a * v[0] + v[1] - p + 3.0, ot.Interval(lower, upper)),
            model.add_constraint(VAF(np.array([[1.0, 1.0], [-1.0, 2.0]]), v, [lower, lower]), ot.Nonnegatives(2)),
            model.add_constraint(p, ot.Parameter(upper)),
        ]
        model.set(ot.ObjectiveFunction(), 2.0 * v[0] + 3.0 * v[1])
        return model, v, indices

    model, v, indices = build(0.5, 1.0, 3.0)
    model.optimize()
    fresh, w, others = build(0.25, 1.5, 4.0)
    fresh.optimize()
    model.set(ot.ConstraintSet(), indices[0], ot.GreaterThan(0.25))
    model.set(ot.ConstraintSet(), indices[1], ot.Interval(0.25, 4.0))
    model.modify(indices[1], ot.ScalarCoefficientChange(v[0], 1.5))
    model.modify(indices[2], ot.VectorConstantChange(np.array([0.25, 0.25])))
    model.set(ot.ConstraintSet(), indices[3], ot.Parameter(4.0))
    model.optimize()
    np.testing.assert_allclose(model.get(ot.VariablePrimal(), v), fresh.get(ot.VariablePrimal(), w), atol=1e-9)
    for mine, its in zip(indices, others, strict=True):
        np.testing.assert_allclose(model.get(ot.ConstraintDual(), mine), fresh.get(ot.ConstraintDual(), its), atol=1e-9)


@pytest.mark.parametrize("route", ROUTES)
def test_certificates(route: str) -> None:
    """The duals of an infeasible model prove it, in the outer model; a ray has no constants."""
    model = BridgeOptimizer(ROUTES[route]())
    x = model.add_variable()
    low = model.add_constraint(x, ot.GreaterThan(3.0))
    high = model.add_constraint(2.0 * x + 1.0, ot.Interval(-INF, 5.0))
    model.set(ot.ObjectiveFunction(), 1.0 * x)
    model.optimize()
    if model.get(ot.DualStatus()) == ot.ResultStatusCode.INFEASIBILITY_CERTIFICATE:
        y, z = model.get(ot.ConstraintDual(), low), model.get(ot.ConstraintDual(), high)
        assert y > 0 > z and y + 2.0 * z == pytest.approx(0.0, abs=1e-9)
        assert 3.0 * y + 4.0 * z > 0
    else:
        assert route not in ("everything", "cones")
    model.set(ot.ConstraintSet(), low, ot.GreaterThan(1.0))
    model.set(ot.ObjectiveFunction(), -1.0 * x)
    model.optimize()
    assert model.get(ot.VariablePrimal(), x) == pytest.approx(2.0)


def test_basis_statuses_are_those_of_native_constraints() -> None:
    """Statuses do not travel through bridges: native ones are there, the others are refused in words."""
    model = BridgeOptimizer(hiding((SAF, ot.GreaterThan))())
    v = model.add_variables(2)
    native = model.add_constraint(v[0] + v[1], ot.LessThan(3.0))
    bridged = model.add_constraint(v[0] - v[1], ot.GreaterThan(-1.0))
    bounds = model.add_constraints([v[0], v[1]], ot.GreaterThan(0.0))
    model.set(ot.ObjectiveFunction(), -1.0 * v[0] - 2.0 * v[1])
    model.optimize()
    codes = ot.BasisStatusCode
    assert model.get(ot.ConstraintBasisStatus(), native) in (codes.NONBASIC, codes.NONBASIC_AT_UPPER)
    assert len(model.get(ot.ConstraintBasisStatus(), bounds)) == 2
    assert model.get(ot.VariableBasisStatus(), v[0]) == codes.BASIC
    with pytest.raises(ot.UnsupportedAttribute, match="bridged"):
        model.get(ot.ConstraintBasisStatus(), bridged)
