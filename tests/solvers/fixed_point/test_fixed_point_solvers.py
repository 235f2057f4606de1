"""What the fixed-point solvers promise beside the suites of all solvers: derivatives of both kinds, ends, bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import optangent as ot
from optangent.modelkit.form.proofs import farkas_error, ray_error
from optangent.modelkit.form.slot_rows import SlotRows
from optangent.solvers.testing.programs import form_of

from .regular_programs import regular_form, slot_matrix

S, D = ot.TerminationStatusCode, ot.DifferentiationStatusCode
AltDiff, PDG, PDHG = ot.solvers.AltDiff, ot.solvers.PDG, ot.solvers.PDHG
EVERY = pytest.mark.parametrize("solver", [AltDiff, PDG, PDHG], ids=lambda one: one.name)
PROGRAMS = pytest.mark.parametrize(
    "options",
    [{}, {"linear": True}, {"decades": 4.0}, {"linear": True, "decades": 4.0}, {"n": 120, "m": 90}],
    ids=["quadratic", "linear", "in odd units", "linear, in odd units", "larger"],
)


def moves(form: Any, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Right-hand sides of two directions, in the units of what they stand in."""
    rng = np.random.default_rng(seed)
    slots = rng.standard_normal((form.slots.size, 2))
    slots[: form.m] *= np.abs(form.A.toarray()).max(axis=1)[:, None]
    return np.abs(form.q)[:, None] * rng.standard_normal((form.n, 2)), slots


@EVERY
@PROGRAMS
def test_exact_derivatives(solver: Any, options: dict[str, Any]) -> None:
    """They satisfy the linearized conditions, agree with central differences of exact solves, and are symmetric."""
    form = regular_form(5, **options)
    one = solver()
    result = one.solve(form)
    assert result.status is S.OPTIMAL
    derivative = one.differentiate(form, result)
    assert derivative.status is D.EXACT
    assert not derivative.at_fault.any()
    np.testing.assert_allclose(derivative.x, result.x, rtol=1e-12, atol=1e-12)
    p, r = moves(form)
    dx, dy = derivative.push(p, r)
    G, active = slot_matrix(form), derivative.y != 0.0
    terms = np.abs(form.P.toarray()) @ np.abs(dx) + np.abs(G).T @ np.abs(dy) + np.abs(p)
    assert (np.abs(form.P @ dx - G.T @ dy - p) <= 1e-10 * terms).all()
    assert (np.abs(G @ dx + r) <= 1e-10 * (np.abs(G) @ np.abs(dx) + np.abs(r)))[active].all()
    assert not dy[~active].any()
    step, found = 1e-5, []
    for sign in (step, -step):
        row, column = sign * r[: form.m, 0], sign * r[form.m :, 0]
        moved = form.with_numbers(
            q=form.q - sign * p[:, 0],
            row_lower=form.row_lower - row,
            row_upper=form.row_upper - row,
            lower=form.lower - column,
            upper=form.upper - column,
        )
        answer = ot.solvers.AltDiff().solve(moved)
        found.append((answer.x, answer.dual))
    for wanted, got in zip(zip(*found, strict=True), (dx, dy), strict=True):
        difference = (wanted[0] - wanted[1]) / (2.0 * step)
        np.testing.assert_allclose(got[:, 0], difference, rtol=1e-5, atol=1e-6 * np.abs(difference).max())
    w, wr = derivative.pull(*moves(form, 1))
    p2, r2 = moves(form, 1)
    assert (w * p).sum() + (wr * r).sum() == pytest.approx((dx * p2).sum() + (dy * r2).sum(), rel=1e-9)


@EVERY
def test_truncated_derivatives(solver: Any) -> None:
    """Their error is what they say at every tolerance; modes are transposes; a run from elsewhere finds the same."""
    form = regular_form(6)
    p, r = moves(form)
    exact = solver()
    wanted = exact.differentiate(form, exact.solve(form)).push(p, r)
    for tolerance in (1e-2, 1e-4, 1e-8):
        one = solver(exact=False, tolerance=tolerance)
        result = one.solve(form)
        derivative = one.differentiate(form, result)
        assert derivative.status is D.TRUNCATED
        found = derivative.push(p, r)
        assert derivative.error <= 30.0 * tolerance  # the state, whose tolerance it is, has other units
        error = max(np.abs(a - b).max() / np.abs(b).max() for a, b in zip(found, wanted, strict=True))
        assert error <= max(2.0 * derivative.error, 1e-12)
    w, wr = derivative.pull(*moves(form, 1))
    p2, r2 = moves(form, 1)
    assert (w * p).sum() + (wr * r).sum() == pytest.approx((found[0] * p2).sum() + (found[1] * r2).sum(), rel=1e-6)
    again = solver(exact=False, tolerance=1e-8).differentiate(form, result).push(p, r)
    np.testing.assert_allclose(again[0], found[0], atol=1e-6 * np.abs(found[0]).max())


@EVERY
def test_derivatives_of_a_solution_found_by_another(solver: Any) -> None:
    """A solver that never solved the form makes the derivative of the result alone, and solves another form after."""
    form = regular_form(7)
    result = solver().solve(form)
    one, p, r = solver(), *moves(form)
    first = solver()
    wanted = first.differentiate(form, first.solve(form)).push(p, r)
    np.testing.assert_allclose(one.differentiate(form, result).push(p, r)[0], wanted[0], rtol=1e-9, atol=1e-9)
    other = regular_form(8)
    np.testing.assert_allclose(one.solve(other).x, solver().solve(other).x, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(one.solve(form).x, result.x, rtol=1e-9, atol=1e-9)


@EVERY
def test_a_derivative_keeps_what_it_needs(solver: Any) -> None:
    """A later solve of other numbers changes nothing of it."""
    form = regular_form(9)
    for exact in (True, False):
        one, p, r = solver(exact=exact), *moves(form)
        form.take_journal()
        derivative = one.differentiate(form, one.solve(form))
        before = derivative.push(p, r)
        form.set_objective(None, form.q * 1.5, 0.0)
        one.solve(form, form.take_journal())
        for a, b in zip(derivative.push(p, r), before, strict=True):
            np.testing.assert_array_equal(a, b)


@EVERY
def test_kinks_are_told(solver: Any) -> None:
    """A side that is met with a zero multiplier, rows that depend on one another, one solution of many."""
    weak = form_of([[1.0, 1.0]], ([0.0], [np.inf]), ([-9.0] * 2, [9.0] * 2), [0.0, 0.0], np.eye(2))
    twice = form_of([[1.0, 1.0]] * 2, ([1.0] * 2, [1.0] * 2), ([-9.0] * 2, [9.0] * 2), [1.0, 2.0], np.eye(2))
    edge = form_of([[1.0, 1.0]], ([1.0], [np.inf]), ([-9.0] * 2, [9.0] * 2), [1.0, 1.0])
    for form, status in ((weak, D.WEAKLY_ACTIVE), (twice, D.DEPENDENT_ROWS), (edge, D.NONUNIQUE)):
        one = solver()
        derivative = one.differentiate(form, one.solve(form))
        assert derivative.status is status
        assert derivative.at_fault[0] > 0.0 or status is D.NONUNIQUE
        dx, dy = derivative.push(np.ones((2, 1)), np.ones((3, 1)))
        assert np.abs(dx).max() < 1e2 and np.abs(dy).max() < 1e2


@EVERY
def test_certificates(solver: Any) -> None:
    """Inconsistent equations and an unbounded program are proved by the differences of iterates."""
    form = form_of([[1.0, 2.0], [2.0, 4.0]], ([1.0, 3.0],) * 2, ([-np.inf] * 2, [np.inf] * 2), [0.0, 0.0], np.eye(2))
    result = solver().solve(form)
    assert result.status is S.INFEASIBLE
    assert farkas_error(SlotRows(form), result.dual) <= 1e-6
    form = form_of([[1.0, -1.0]], ([0.0], [2.0]), ([0.0] * 2, [np.inf] * 2), [-1.0, 0.5])
    result = solver().solve(form)
    assert result.status is S.DUAL_INFEASIBLE
    assert ray_error(SlotRows(form), result.x) <= 1e-6


@EVERY
def test_a_tolerance_that_cannot_be_met(solver: Any) -> None:
    """The result says where it stopped and what was reached; the derivative is there, with its error."""
    form = regular_form(3)
    one = solver(exact=False, tolerance=1e-30, max_iterations=500, derivative_iterations=50)
    result = one.solve(form)
    assert result.status in (S.ITERATION_LIMIT, S.OPTIMAL)  # by our own residuals it may be a solution
    assert "reached primal" in result.raw and "gap" in result.raw
    derivative = one.differentiate(form, result)
    derivative.push(*moves(form))
    assert derivative.status is D.TRUNCATED
    assert derivative.error > 1e-30


@pytest.mark.parametrize(
    ("solver", "name", "value", "words"),
    [
        (AltDiff, "rho", -1.0, "a positive number, or None"),
        (AltDiff, "relaxation", 2.0, "between 0 and 2"),
        (AltDiff, "sigma", 0.0, "a positive number"),
        (AltDiff, "tolerance", 0.0, "a positive number"),
        (AltDiff, "max_iterations", 0, "a whole number from 1"),
        (AltDiff, "exact", 1, "True or False"),
        (PDG, "rho", float("inf"), "a positive number, or None"),
        (PDG, "step_size", 1.5, "between 0 and 1"),
        (PDHG, "step_size", 0.0, "between 0 and 1"),
        (PDHG, "primal_weight", -2.0, "a positive number, or None"),
        (PDHG, "arrays", "cupy", "one of 'numpy', 'torch', 'jax'"),
        (PDHG, "device", 3, "the name of a device"),
    ],
)
def test_options_out_of_range(solver: Any, name: str, value: Any, words: str) -> None:
    """Each is refused when it is set, in words that say what it may be."""
    with pytest.raises(ot.InvalidData, match=words):
        solver(**{name: value})


@EVERY
def test_models_that_are_refused(solver: Any) -> None:
    """A nonconvex objective and whole numbers, by name; the model is usable afterwards."""
    model = ot.Model(solver)
    x = model.add_variable()
    model.add_constraint(x, ot.Interval(-1.0, 1.0))
    model.minimize(-1.0 * x * x)
    with pytest.raises(ot.NonconvexObjective, match=solver.name):
        model.optimize()
    model.minimize(x * x - x)
    model.optimize()
    assert model.value(x) == pytest.approx(0.5, abs=1e-9)
    with pytest.raises(ot.UnsupportedConstraint, match="Integer"):
        model.add_constraint(x, ot.Integer())


@pytest.mark.parametrize("solver", [PDG, PDHG], ids=lambda one: one.name)
@pytest.mark.parametrize("arrays", ["torch", "jax"])
def test_other_arrays(solver: Any, arrays: str) -> None:
    """PyTorch's and JAX's arrays, full and sparse, have the iterates and derivatives of NumPy's."""
    pytest.importorskip(arrays)
    pytest.importorskip("array_api_compat")
    if arrays == "jax":
        import jax

        jax.config.update("jax_enable_x64", True)
    options = {"exact": False, "max_iterations": 50, "derivative_iterations": 12}
    for form in [regular_form(4)] if solver is PDG else [_sparse_form()]:
        here, there = solver(**options), solver(arrays=arrays, **options)
        one, other = here.solve(form), there.solve(form)
        assert one.iterations == other.iterations
        np.testing.assert_allclose(other.x, one.x, rtol=1e-8, atol=1e-8)
        p, r = moves(form)
        for wanted, found in zip(
            here.differentiate(form, one).push(p, r), there.differentiate(form, other).push(p, r), strict=True
        ):
            np.testing.assert_allclose(found, wanted, atol=1e-3 * np.abs(wanted).max())


def _sparse_form() -> Any:
    """A sparse strongly convex program."""
    rng = np.random.default_rng(0)
    A = sp.random_array((150, 300), density=0.02, rng=rng, format="csr")
    x = rng.standard_normal(300)
    return form_of(
        A.toarray(), (A @ x - 0.1, A @ x + 0.1), (x - 1.0, x + 1.0), rng.standard_normal(300), np.diag(np.ones(300))
    )
