"""Infinite numbers in comparisons of vectors: no bound there, for values, duals and derivatives of both modes."""

from __future__ import annotations

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
