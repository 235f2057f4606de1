"""Convex quadratic rows as second-order cones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import optangent as ot
from optangent.bridges.catalogue.quadratic import square_root
from optangent.bridges.lowering import Lowering
from optangent.bridges.lowering.travel import duals_up, split
from optangent.modelkit.form import Abilities

from ..fake_solver import Fake

SOLVERS = [ot.solvers.Clarabel, ot.solvers.SCS]


def random_matrix(n: int, rank: int, seed: int) -> np.ndarray:
    """Positive semidefinite, of a rank, in units that differ by 1e8."""
    rng = np.random.default_rng(seed)
    factor = rng.standard_normal((rank, n)) * 10.0 ** rng.uniform(-4, 4, n)
    return np.asarray(factor.T @ factor)


@pytest.mark.parametrize(("n", "rank"), [(1, 1), (2, 1), (5, 5), (6, 2), (40, 13), (3, 0)])
def test_square_root_has_the_rank(n: int, rank: int) -> None:
    """UᵀU = Q to rounding error entry by entry in scaled units, and U has as many rows as the rank."""
    for seed in range(5):
        Q = random_matrix(n, rank, seed)
        U = square_root(sp.csr_array(Q)).toarray()
        assert U.shape == (rank, n)
        scale = np.sqrt(np.maximum(Q.diagonal(), 1e-300))
        np.testing.assert_allclose((U.T @ U) / np.outer(scale, scale), Q / np.outer(scale, scale), atol=1e-13)


@pytest.mark.parametrize("definite", [True, False])
def test_square_root_of_a_large_sparse_matrix(definite: bool) -> None:
    """A path of 600 variables: sparse where it is definite, exact also where it is not."""
    n = 600
    D = sp.diags_array([-np.ones(n - 1), np.ones(n - 1)], offsets=[0, 1], shape=(n - 1, n))
    Q = sp.csr_array(D.T @ D + (0.1 if definite else 0.0) * sp.eye_array(n))
    U = square_root(Q)
    assert abs(U.T @ U - Q).max() < 1e-12
    assert U.shape[0] == (n if definite else n - 1)
    assert not definite or U.nnz < 10 * n


@pytest.mark.parametrize(
    ("Q", "words"),
    [
        ([[-2.0]], "eigenvalue -2"),
        ([[1.0, 3.0], [3.0, 1.0]], "eigenvalue -2.*SecondOrderCone"),
        ([[0.0, 1.0], [1.0, 0.0]], "eigenvalue -1.*SecondOrderCone"),
        (np.diag([1.0, 1.0, -3.0]), "eigenvalue -3.*SecondOrderCone"),
        (-np.eye(3) + 0.1, "not convex.*eigenvalue -1"),
    ],
)
def test_what_is_not_convex_is_refused_in_words(Q: Any, words: str) -> None:
    """The message names the eigenvalue, and second-order cones in disguise."""
    with pytest.raises(ot.UnsupportedConstraint, match=words):
        square_root(sp.csr_array(np.array(Q)))


@pytest.mark.parametrize("Q", [[[-2.0]], np.diag([1.0, -1.0, -2.0]), -np.ones((2, 2))])
def test_only_what_may_be_a_cone_gets_the_hint(Q: Any) -> None:
    """That is one negative eigenvalue beside positive ones."""
    with pytest.raises(ot.UnsupportedConstraint) as caught:
        square_root(sp.csr_array(np.array(Q)))
    assert "SecondOrderCone" not in str(caught.value)


@pytest.mark.parametrize("make", [ot.solvers.Clarabel, ot.diff_optimizer(ot.solvers.Clarabel)], ids=["solver", "diff"])
@pytest.mark.parametrize("bounds", ["bounds", "rows"])
@pytest.mark.parametrize("greater", [False, True])
@pytest.mark.parametrize("rotated", [False, True])
def test_a_cone_in_disguise_is_refused(make: Any, bounds: str, greater: bool, rotated: bool) -> None:
    """``x'x <= t t`` and ``x'x <= 2 t u`` with t, u >= 0: the message tells why and what to write instead.

    The model is as it was, and solves once it is written so; before and after a first solution.
    """
    model = ot.Model(make)
    v, (t, u) = model.add_variables(2), model.add_variables(2)
    for one in (t, u):
        if bounds == "bounds":
            model.add_constraint(one, ot.GreaterThan(0.0))
        else:
            model.add_constraint(1.0 * one >= 0.0)
    model.add_constraint(v >= np.array([3.0, 4.0]))
    model.minimize(t + u)
    f = v @ v - (2.0 * t * u if rotated else t * t)
    for _ in range(2):
        bad = model.add_constraint(-f, ot.GreaterThan(0.0)) if greater else model.add_constraint(f, ot.LessThan(0.0))
        counts = model.get(ot.NumberOfVariables()), model.get(ot.ListOfConstraintTypesPresent())
        words = r"not convex cannot be solved here: .* has the eigenvalue -2\. .*write it in SecondOrderCone or its rot"
        with pytest.raises(ot.UnsupportedConstraint, match=words):
            model.optimize()
        assert model.get(ot.TerminationStatus()) == ot.TerminationStatusCode.OPTIMIZE_NOT_CALLED
        assert counts == (model.get(ot.NumberOfVariables()), model.get(ot.ListOfConstraintTypesPresent()))
        model.delete(bad)
        head = [1.0 * t, 1.0 * u] if rotated else [1.0 * t]
        cone = ot.RotatedSecondOrderCone(4) if rotated else ot.SecondOrderCone(3)
        good = model.add_constraint(ot.vectorize([*head, 1.0 * v[0], 1.0 * v[1]]), cone)
        model.optimize()
        assert model.objective_value() == pytest.approx(50.0**0.5 if rotated else 5.0, abs=1e-6)
        model.delete(good)


ROTATED = Abilities(cones=frozenset({ot.RotatedSecondOrderCone}))


def cones_of(model: Any, lowering: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    """(coefficients of the variables, constants) of each cone that stands for a row."""
    form = lowering.sync(model.store)
    F = form.F.toarray()
    found = []
    for group in form.cones:
        for first, last in zip(group.starts[:-1], group.starts[1:], strict=True):
            found.append((F[first:last], form.g[first:last]))
    return found


@pytest.mark.parametrize("bad", [ot.GreaterThan(1.0), ot.EqualTo(1.0), ot.Interval(0.0, 1.0)], ids=repr)
def test_a_refused_row_leaves_no_trace(bad: Any) -> None:
    """The wrong direction of an inequality counts as well; rows before and after it keep what stands for them."""
    model, lowering = ot.Model(), Lowering(ROTATED)
    x = model.add_variable()
    good = [model.add_constraint(x * x + 2.0 * x, ot.LessThan(1.0))]
    cones_of(model, lowering)
    for function, chosen in ((x * x + 2.0 * x, bad), (-1.0 * x * x, ot.LessThan(1.0))):
        refused = model.add_constraint(function, chosen)
        for _ in range(2):
            with pytest.raises(ot.UnsupportedConstraint, match="not convex"):
                lowering.sync(model.store)
        good.append(model.add_constraint(x * x + 3.0 * x, ot.LessThan(1.0)))
        model.delete(refused)
        assert len(cones_of(model, lowering)) == len(good)
    fresh = Lowering(ROTATED)
    for mine, its in zip(cones_of(model, lowering), cones_of(model, fresh), strict=True):
        np.testing.assert_array_equal(mine[0], its[0])
        np.testing.assert_array_equal(mine[1], its[1])


def test_rows_changes_and_deletion() -> None:
    """(1, b - g - a x, U x), after changes of bounds, constants, coefficients and functions."""
    model, lowering = ot.Model(), Lowering(ROTATED)
    v = model.add_variables(2)
    c = model.add_constraint(2.0 * v[0] * v[0] + 3.0 * v[0] - v[1] + 4.0, ot.LessThan(10.0))
    d = model.add_constraint(-0.5 * v[1] * v[1] + 3.0 * v[0], ot.GreaterThan(-1.0))

    def at(point: list[float]) -> set[tuple[float, ...]]:
        return {tuple(np.round(A @ np.array(point) + b, 12)) for A, b in cones_of(model, lowering)}

    assert at([1.0, 5.0]) == {(1.0, 8.0, 2.0), (1.0, 4.0, 5.0)}
    model.set(ot.ConstraintSet(), c, ot.LessThan(11.0))
    model.modify(d, ot.ScalarConstantChange(7.0))
    assert at([1.0, 5.0]) == {(1.0, 9.0, 2.0), (1.0, 11.0, 5.0)}
    model.modify(c, ot.ScalarCoefficientChange(v[0], 1.0))
    model.modify(d, ot.ScalarQuadraticCoefficientChange(v[1], v[1], -2.0))
    assert at([1.0, 5.0]) == {(1.0, 11.0, 2.0), (1.0, 11.0, 10.0)}
    model.set(ot.ConstraintFunction(), c, 4.5 * v[0] * v[0])
    assert at([1.0, 5.0]) == {(1.0, 11.0, 3.0), (1.0, 11.0, 10.0)}
    model.delete([c, d])
    assert at([1.0, 5.0]) == set() and lowering.generation == 1


def test_duals_and_starts() -> None:
    """Starts go down as (0, -y, 0), duals come up as -y_1, with the other sign where the row is at least its bound."""
    solver = Fake(abilities=ROTATED)
    model = ot.Model(lambda: solver)
    v = model.add_variables(3)
    f = [x * x + float(i) for i, x in enumerate(v)]
    up = model.add_constraints(f, ot.LessThan(10.0))
    down = model.add_constraint(-f[0], ot.GreaterThan(-10.0))
    model.set(ot.ConstraintDualStart(), up, np.array([-1.0, -2.0, -3.0]))
    model.set(ot.ConstraintDualStart(), down, 4.0)
    model.optimize()
    assert solver.start is not None and solver.form is not None
    start = solver.start.dual[solver.form.slots.sided :]
    assert sorted(map(tuple, start.reshape(-1, 3).tolist())) == [(0, 1, 0), (0, 2, 0), (0, 3, 0), (0, 4, 0)]
    lowering = model.meta_solver.lowerings[0][1]
    y = np.where(np.isnan(solver.start.dual), 0.0, solver.start.dual)
    duals = duals_up(lowering, up.kind, np.array([2, 1]), np.ones(2, np.int64), split(y))
    np.testing.assert_array_equal(duals, [-3.0, -2.0])
    assert duals_up(lowering, down.kind, np.array([0]), np.ones(1, np.int64), split(y)) == [4.0]


@pytest.mark.parametrize("side", [ot.LessThan, ot.GreaterThan])
def test_points_and_duals_before_and_after(side: Any) -> None:
    """100 points are feasible before exactly if after; normals of the cone come up as multiples of the gradient."""
    rng = np.random.default_rng(7)
    sign = 1.0 if side is ot.LessThan else -1.0
    model, lowering = ot.Model(), Lowering(ROTATED)
    v = model.add_variables(5)
    M, a = rng.standard_normal((3, 5)), rng.standard_normal(5)
    Q = M.T @ M
    c = model.add_constraint(sign * (0.5 * (v @ (Q @ v)) + a @ v + 0.5), side(sign * 2.0))
    ((J, g),) = cones_of(model, lowering)
    chosen = ot.RotatedSecondOrderCone(len(g))
    seen = set()
    for _ in range(100):
        x = 1.2 * rng.standard_normal(5)
        before = 0.5 * x @ Q @ x + a @ x + 0.5 <= 2.0
        assert (chosen.violation(J @ x + g) <= 1e-12) == before
        seen.add(bool(before))
        # on the ray through a point of the boundary: ½ s² x'Qx + s a'x = 1.5
        s = np.roots([0.5 * x @ Q @ x, a @ x, -1.5]).max()
        value = J @ (s * x) + g
        normal = np.concatenate([[value[1], value[0]], -value[2:]]) * rng.uniform(0.5, 2.0)
        assert chosen.dual_violation(normal) <= 1e-12
        over_slots = np.zeros(lowering.form.slots.size)
        over_slots[lowering.form.slots.sided :] = normal
        (y,) = duals_up(lowering, c.kind, np.array([0]), np.ones(1, np.int64), split(over_slots))
        assert sign * y < 0.0
        np.testing.assert_allclose(J.T @ normal, y * sign * (Q @ (s * x) + a), rtol=1e-10, atol=1e-12)
    assert seen == {True, False}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("rank", [1, 3, 4])
def test_random_quadratic_programs(solver: Any, rank: int) -> None:
    """The KKT conditions of the rows as written, by both solvers and both directions of the inequality."""
    rng = np.random.default_rng(rank)
    n = 4
    model = ot.Model(solver)
    v = model.add_variables(n)
    q = rng.standard_normal(n)
    rows = []
    for k in range(3):
        M = rng.standard_normal((rank, n))
        Q, a = M.T @ M, rng.standard_normal(n)
        sign = -1.0 if k == 1 else 1.0
        f = sum((sign * 0.5 * Q[i, j] * v[i] * v[j] for i in range(n) for j in range(n)), 0.0 * v[0]) + sign * (a @ v)
        chosen = ot.LessThan(1.0 + k) if sign > 0 else ot.GreaterThan(-1.0 - k)
        rows.append((model.add_constraint(f + 0.5 * sign, chosen), sign, Q, a, 1.0 + k))
    box = model.add_constraint(v, ot.HyperRectangle(-3 * np.ones(n), 3 * np.ones(n)))
    model.minimize(q @ v)
    model.optimize()
    assert model.termination_status() == ot.TerminationStatusCode.OPTIMAL
    x = model.value(v)
    gradient = q - model.dual(box)
    for c, sign, Q, a, bound in rows:
        y = model.dual(c)
        value = 0.5 * x @ Q @ x + a @ x + 0.5
        assert sign * y <= 1e-7 and value <= bound + 1e-6 and abs(y * (value - bound)) < 1e-6
        assert model.value(c) == pytest.approx(sign * value, abs=1e-9)
        gradient = gradient - y * sign * (Q @ x + a)
    np.testing.assert_allclose(gradient, 0.0, atol=2e-5)  # y2 = -y1 Ux holds to the square root of the gap


# ---------------------------------------------------------------------- equalities
def test_equalities_without_curvature_are_affine() -> None:
    """Of quadratic equalities those whose terms are zero are rows; they change, and become curved, in place."""
    model, lowering = ot.Model(), Lowering(ROTATED)
    x, y = model.add_variables(2)
    zero, kept = 0.0 * x * y + 2.0 * x + 1.0, x * x + y
    c = model.add_constraints([zero, x * y - y * x - y], ot.EqualTo(3.0))
    model.add_constraint(ot.vectorize([zero, y]), ot.Zeros(2))
    form = lowering.sync(model.store)
    assert (form.m, form.k) == (4, 0)
    np.testing.assert_array_equal(form.row_lower, form.row_upper)
    assert form.row_lower.tolist() == [2.0, 3.0, -1.0, 0.0]
    model.set(ot.ConstraintSet(), c[0], ot.EqualTo(5.0))
    assert lowering.sync(model.store).row_lower[0] == 4.0
    model.set(ot.ConstraintFunction(), c[0], kept)
    with pytest.raises(ot.UnsupportedConstraint, match="equality"):
        lowering.sync(model.store)
    model.set(ot.ConstraintFunction(), c[0], zero)
    assert lowering.sync(model.store).m == 4


@pytest.mark.parametrize("bounds", [ot.EqualTo(1.0), ot.Interval(1.0, 1.0)])
def test_curved_equalities_are_refused_when_they_become_such(bounds: ot.Set) -> None:
    """A parameter before a square may be zero, and nothing else; a refused model solves again with zero."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x, q = model.add_variable(), model.add_parameter(0.0)
    model.add_constraint(q * x * x + 2.0 * x, bounds)
    model.minimize(x * x)
    for value in (0.0, 1.0, 0.0, -1.0, 0.0):
        model.set_parameter_value(q, value)
        if value:
            with pytest.raises(ot.UnsupportedConstraint, match=r"eigenvalue -2\. \(An equality is two inequalities"):
                model.optimize()
        else:
            model.optimize()
            assert model.value(x) == pytest.approx(0.5, abs=1e-7)


@pytest.mark.parametrize("differentiates", [False, True])
def test_rows_that_are_curved_at_some_values_only(differentiates: bool) -> None:
    """Moves of parameters, bounds and constants in any order give the answers, and duals, of models with numbers."""
    make = ot.diff_optimizer(ot.solvers.Clarabel) if differentiates else ot.solvers.Clarabel
    model, rng = ot.Model(make), np.random.default_rng(4)
    v, (q, p, h) = model.add_variables(2), model.add_parameters([0.0, 1.0, 2.0])
    c = model.add_constraint(q * v[0] * v[0] + p * v[0] + v[1] + p - h, ot.LessThan(0.0))
    model.minimize(v @ v - 6.0 * v.sum())
    bound, constant, values = 0.0, None, np.array([0.0, 1.0, 2.0])
    for turn in range(20):
        what = turn % 5
        if what < 3:
            values[what] = [rng.choice([0.0, 0.0, 1.0, 2.0]), rng.standard_normal(), rng.choice([1.0, 3.0, np.inf])][
                what
            ]
            model.set_parameter_value([q, p, h][what], values[what])
        elif what == 3:
            bound = float(rng.standard_normal())
            model.set(ot.ConstraintSet(), c, ot.LessThan(bound))
        else:
            constant = float(rng.standard_normal())
            model.modify(c, ot.ScalarConstantChange(constant))
        model.optimize()
        fresh = ot.Model(ot.solvers.Clarabel)
        w = fresh.add_variables(2)
        upper = bound - values[1] + values[2] - (constant or 0.0)
        row = fresh.add_constraint(values[0] * w[0] * w[0] + values[1] * w[0] + w[1], ot.Interval(-np.inf, upper))
        fresh.minimize(w @ w - 6.0 * w.sum())
        fresh.optimize()
        np.testing.assert_allclose(model.value(v), fresh.value(w), atol=1e-5)
        y = fresh.dual(row)
        assert model.dual(c) == pytest.approx(y, abs=1e-5)
        x = fresh.value(w)
        wanted = [-y * x[0] ** 2, -y * (x[0] + 1.0), y]
        found = [model.dual(ot.ConstraintIndex((ot.VariableIndex, ot.Parameter), one.value)) for one in (q, p, h)]
        np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_a_function_that_loses_its_curvature() -> None:
    """From then on the parameters' duals come through what moves in its row alone; and back again."""
    model = ot.Model(ot.solvers.Clarabel)
    (x, y), (p, q) = model.add_variables(2), model.add_parameters([2.0, 1.0])
    c = model.add_constraint(q * x * x + p * x + y, ot.LessThan(1.0))
    model.minimize(x * x + y * y - 4.0 * x - 4.0 * y)
    curved, flat = q * x * x + p * x + y, p * x + q * p * y
    for function in (curved, flat, curved):
        model.set(ot.ConstraintFunction(), c, function)
        model.optimize()
        at, beside, dual = model.value(x), model.value(y), model.dual(c)
        slopes = (at, at**2) if function is curved else (at + beside, 2.0 * beside)
        of_p, of_q = (model.dual(ot.ConstraintIndex((ot.VariableIndex, ot.Parameter), one.value)) for one in (p, q))
        np.testing.assert_allclose([of_p, of_q], -dual * np.array(slopes), atol=1e-6)
