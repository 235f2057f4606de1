"""Infinite numbers in comparisons of vectors: no bound there, for values, duals and derivatives of both modes."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import optangent as ot

from ..known_model import EACH_SOLVER

INF = np.inf
A = np.array([[1.0, 0.5], [0.3, 1.0], [1.0, 1.0], [0.1, -0.2]])
UPPER = np.array([1.0, INF, 0.8, INF])
LOWER = np.array([-INF, -0.3])
THERE = np.isfinite(UPPER)


class Kit:
    """min ±(x'x - 4 x1 - 2 x2) under rows of which some have no bound, or without those rows."""

    def __init__(self, solver: str, *, left_out: bool, maximized: bool = False) -> None:
        options: dict[str, Any] = {"OSQP": {"eps_abs": 1e-9, "eps_rel": 1e-9}}.get(solver, {})
        self.m = ot.Model(ot.diff_optimizer(lambda: getattr(ot.solvers, solver)(**options)))
        self.x = x = self.m.add_variables(2)
        rows, columns = (THERE, np.isfinite(LOWER)) if left_out else (np.full(4, True), np.full(2, True))
        self.upper = self.m.add_constraint(A[rows] @ x <= UPPER[rows])
        self.lower = self.m.add_constraint(x[columns] >= LOWER[columns])
        f = x @ x - 4 * x[0] - 2 * x[1]
        (self.m.maximize if maximized else self.m.minimize)(-f if maximized else f)
        self.m.optimize()


@EACH_SOLVER
@pytest.mark.parametrize("maximized", [False, True])
def test_rows_without_bound_are_as_if_left_out(solver: str, maximized: bool) -> None:
    """Values, duals, tangents and gradients are those of the model without the rows; those of the rows are zero."""
    k, want = (Kit(solver, left_out=out, maximized=maximized) for out in (False, True))
    assert k.m.termination_status() is want.m.termination_status() is ot.TerminationStatusCode.OPTIMAL
    np.testing.assert_allclose(k.m.value(k.x), want.m.value(want.x), atol=1e-6)
    np.testing.assert_allclose(k.m.dual(k.upper)[THERE], want.m.dual(want.upper), atol=1e-6)
    assert not k.m.dual(k.upper)[~THERE].any() and k.m.dual(k.lower)[0] == 0.0
    np.testing.assert_allclose(k.m.value(k.upper), A @ k.m.value(k.x), atol=1e-9)
    forward: list[Any] = []
    for one, rows in ((k, np.arange(4)), (want, np.flatnonzero(THERE))):
        m = one.m
        tangent = np.arange(8.0).reshape(4, 2)[rows] @ one.x - np.array([1.0, 5.0, 2.0, 7.0])[rows]
        m.set(ot.ForwardConstraintFunction(), one.upper, tangent)
        m.forward_differentiate()
        forward.append(m.get(ot.ForwardVariablePrimal(), one.x))
        m.set(ot.ReverseVariablePrimal(), one.x, [1.0, 2.0])
        m.reverse_differentiate()
        assert m.get(ot.DifferentiationStatus()) is ot.DifferentiationStatusCode.EXACT
    np.testing.assert_allclose(*forward, atol=1e-8)
    g, h = (one.m.get(ot.ReverseConstraintFunction(), one.upper) for one in (k, want))
    np.testing.assert_allclose(g.constants[THERE], h.constants, atol=1e-8)
    every = [np.arange(len(f))[:, None] for f in (g, h)]
    np.testing.assert_allclose(g.coefficients(every[0], k.x)[THERE], h.coefficients(every[1], want.x), atol=1e-8)
    assert not g.constants[~THERE].any() and not g.coefficients(np.array([[1], [3]]), k.x).any()
    sides = k.m.get(ot.ReverseConstraintSet(), k.upper)
    np.testing.assert_allclose(sides.upper, -g.constants, atol=1e-12)
    assert not sides.lower.any()


@EACH_SOLVER
def test_bounds_come_and_go(solver: str) -> None:
    """A row without a bound gets one and loses it, in the model that is loaded."""
    k = Kit(solver, left_out=False)
    for upper in ([1.0, 0.1, 0.8, INF], [INF] * 4, UPPER):
        k.m.set(ot.ConstraintSet(), k.upper, ot.HyperRectangle([-INF] * 4, upper))
        k.m.optimize()
        fresh = ot.Model(getattr(ot.solvers, solver))
        x = fresh.add_variables(2)
        fresh.add_constraint(A @ x, ot.HyperRectangle([-INF] * 4, upper))
        fresh.add_constraint(x[1:] >= LOWER[1:])
        fresh.minimize(x @ x - 4 * x[0] - 2 * x[1])
        fresh.optimize()
        np.testing.assert_allclose(k.m.value(k.x), fresh.value(x), atol=1e-5)


def test_curved_rows_without_bound() -> None:
    """Of squares some have no bound."""
    m = ot.Model(ot.solvers.Clarabel)
    x = m.add_variables(2)
    c = m.add_constraint(x * x <= np.array([4.0, INF]))
    m.minimize((x - 3.0) @ (x - 3.0))
    m.optimize()
    np.testing.assert_allclose(m.value(x), [2.0, 3.0], atol=1e-6)
    np.testing.assert_allclose(m.dual(c), [-0.5, 0.0], atol=1e-6)


def test_products_without_bound() -> None:
    """Rows of products with parameters lose their bounds alike, in the model and in a layer."""
    jax = pytest.importorskip("jax")
    m = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x, G = m.add_variables(2), m.add_parameters(A)
    m.add_constraint(G @ x <= UPPER)
    m.minimize(x @ x - 4 * x[0] - 2 * x[1])
    m.optimize()
    want = Kit("Clarabel", left_out=True)
    np.testing.assert_allclose(m.value(x), want.m.value(want.x), atol=1e-6)
    layer = ot.layers.JaxLayer(m, [G], [x])
    gradient = np.asarray(jax.grad(lambda g: layer(g)[0].sum())(jax.numpy.array(A)))
    assert np.isfinite(gradient).all() and not gradient[~THERE].any() and gradient[2].any()
    np.testing.assert_allclose(layer(A)[0], want.m.value(want.x), atol=1e-6)


def test_infinities_that_only_a_difference_makes_are_no_missing_bounds() -> None:
    """Two finite numbers whose difference overflows are refused, not taken for no bound."""
    m = ot.Model(ot.solvers.HiGHS)
    x = m.add_variables(2)
    comparisons: list[Any] = [lambda: x - 1e308 <= np.full(2, 1e308), lambda: (x - 1e308) - np.full(2, 1e308) <= 1.0]
    for bad in comparisons:
        with pytest.raises(ot.InvalidData, match="inf"):
            m.add_constraint(bad())
    c = m.add_constraint(x - 1e308 <= np.array([1.0, INF]))
    assert m.get(ot.ConstraintSet(), c) == ot.HyperRectangle([-INF, -INF], [1e308, INF])


# ---------------------------------------------------------------------- parameters that are right-hand sides
class Parametric:
    """The program with parameters on the right, some rows as vectors and some by hand, or without certain rows."""

    def __init__(self, solver: str, upper: Any, lower: Any, side: float) -> None:
        options: dict[str, Any] = {"OSQP": {"eps_abs": 1e-9, "eps_rel": 1e-9}}.get(solver, {})
        self.m = m = ot.Model(ot.diff_optimizer(lambda: getattr(ot.solvers, solver)(**options)))
        self.x = x = m.add_variables(2)
        self.there = [np.isfinite(upper), np.isfinite(lower), np.isfinite([side])]
        self.h, self.l = m.add_parameters(np.asarray(upper)[self.there[0]]), m.add_parameters(lower[self.there[1]])
        self.p = m.add_parameters(np.array([side])[self.there[2]])
        self.upper = m.add_constraint(A[self.there[0]] @ x <= self.h)
        self.lower = m.add_constraint(x[self.there[1]] >= self.l)
        self.row = [m.add_constraint(x[0] - 2.0 * x[1] - 2.0 * self.p[0] <= 1.0)] if self.there[2][0] else []
        m.minimize(x @ x - 4 * x[0] - 2 * x[1])
        m.optimize()

    def results(self) -> list[Any]:
        """Values, duals and derivatives."""
        m, x = self.m, self.x
        assert m.termination_status() is ot.TerminationStatusCode.OPTIMAL
        m.empty_input_sensitivities()
        m.set(ot.ForwardParameterValue(), self.h, np.arange(1.0, 5.0)[self.there[0]])
        m.forward_differentiate()
        forward = m.get(ot.ForwardVariablePrimal(), x)
        m.set(ot.ReverseVariablePrimal(), x, [1.0, 2.0])
        m.reverse_differentiate()
        assert m.get(ot.DifferentiationStatus()) is ot.DifferentiationStatusCode.EXACT
        reverse = [m.get(ot.ReverseParameterValue(), p) for p in (self.h, self.l, self.p)]
        return [m.value(x), m.dual(self.upper), m.dual(self.lower), forward, *reverse, m.objective_value()]


@EACH_SOLVER
def test_infinite_parameters_are_no_bounds(solver: str) -> None:
    """Values come and go to infinity and back; each time the model is the one without the rows, exactly so."""
    lower, upper = np.array([-1.0, -0.3]), np.array([1.0, 1.0, 0.8, 3.0])
    k = Parametric(solver, upper, lower, 5.0)
    for h, low, p in (
        ([1.0, INF, 0.8, INF], [-INF, -0.3], INF),
        ([1.0, 1.0, INF, 3.0], lower, 0.2),
        (upper, [-INF, -INF], 5.0),
        ([INF] * 4, lower, INF),
        (upper, lower, 5.0),
    ):
        for parameters, values in ((k.h, h), (k.l, low), (k.p, [p])):
            k.m.set_parameter_value(parameters, values)
        k.m.optimize()
        want = Parametric(solver, np.asarray(h), np.asarray(low), p)
        there = [np.isfinite(h), np.isfinite(low), np.isfinite([p])]
        masks = [slice(None), there[0], there[1], slice(None), *there, slice(None)]
        for got, right, mask in zip(k.results(), want.results(), masks, strict=True):
            np.testing.assert_allclose(np.atleast_1d(got)[mask], np.atleast_1d(right), atol=2e-6)
            if not isinstance(mask, slice):
                assert np.abs(np.atleast_1d(got)[~mask]).max(initial=0.0) <= 1e-9  # as an interior point ends
        assert k.m.parameter_value(k.h).tolist() == list(h) and np.isfinite(k.m.value(k.upper)).all()


def test_models_with_infinite_parameters_change_and_are_copied() -> None:
    """Additions, changes and deletions beside a row without bound reach the solver; copies keep the infinity."""
    m = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x, h = m.add_variables(2, lower=0.0), m.add_parameters([1.0, 2.0])
    c = m.add_constraint(x <= h)
    m.maximize(3.0 * x[0] + x[1] - 0.5 * (x @ x))
    m.set_parameter_value(h, [INF, 2.0])
    m.optimize()
    np.testing.assert_allclose(m.value(x), [3.0, 1.0], atol=1e-5)
    m.modify(c, ot.MultirowChange(x[1], [(1, 4.0)]))
    m.optimize()
    np.testing.assert_allclose(m.value(x), [3.0, 0.5], atol=1e-5)
    m.add_constraint(x[0] + x[1] <= h[0])
    m.add_constraint(2.0 * x[0] <= h[1])
    m.optimize()
    np.testing.assert_allclose(m.value(x), [1.0, 0.5], atol=1e-5)
    again = copy.deepcopy(m)
    again.modify(ot.ObjectiveFunction(), ot.ScalarCoefficientChange(x[0], 0.5))
    again.optimize()
    np.testing.assert_allclose(again.value(x), [0.5, 0.5], atol=1e-5)
    m.delete(c)
    m.optimize()
    np.testing.assert_allclose(m.value(x), [1.0, 1.0], atol=1e-5)
    m.set_parameter_value(h, [0.25, 2.0])
    m.optimize()
    np.testing.assert_allclose(m.value(x), [0.25, 0.0], atol=1e-5)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda m, x, p: m.add_constraint(x[0] + x[1] - p == 0.0), "p stands in a function in EqualTo"),
        (lambda m, x, p: m.add_constraint(x[0] + p <= 0.0), "beyond infinity"),
        (lambda m, x, p: m.add_constraint(x[0] >= 1.0 * p), "beyond infinity"),
        (lambda m, x, p: m.add_constraint(p * x[0] <= 1.0), "a product"),
        (lambda m, x, p: m.minimize(x[0] + 0.0 * x[1] + p), "the objective"),
        (
            lambda m, x, p: m.add_constraint(ot.vectorize([1.0 * p, x[0], x[1]]), ot.SecondOrderCone(3)),
            "SecondOrderCone",
        ),
        (lambda m, x, p: m.add_constraint(x[0] - p, ot.Interval(-1.0, 1.0)), "Interval"),
    ],
)
def test_infinite_parameters_elsewhere_are_refused(write: Any, words: str) -> None:
    """What is no right-hand side of an inequality is named, before as after the value was given."""
    for first in (True, False):
        m = ot.Model(ot.solvers.Clarabel)
        x, p = m.add_variables(2, lower=-1.0, upper=1.0), m.add_parameter(1.0, "p")
        m.add_constraint(x[0] + x[1] <= 1.0 * p)
        m.minimize(x.sum())
        if first:
            write(m, x, p)
            with pytest.raises(ot.InvalidData, match=words):
                m.set_parameter_value(p, INF)
        else:
            m.set_parameter_value(p, INF)
            write(m, x, p)
            with pytest.raises(ot.InvalidData, match=words):
                m.optimize()
            m.set_parameter_value(p, 1.0)
        m.optimize()
        assert m.termination_status() is ot.TerminationStatusCode.OPTIMAL
