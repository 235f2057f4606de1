"""Convex quadratic rows as second-order cones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import optangent as ot
from optangent.bridges import BridgeOptimizer
from optangent.bridges.catalogue.quadratic import square_root

from .mocks import Recorder

VAF, SQF = ot.VectorAffineFunction, ot.ScalarQuadraticFunction
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


def test_the_refused_row_leaves_no_trace() -> None:
    """Neither above nor below; the wrong direction of an inequality counts as well."""
    below = Recorder([(VAF, ot.RotatedSecondOrderCone)])
    layer = BridgeOptimizer(below)
    x = layer.add_variable()
    for bad in (ot.GreaterThan(1.0), ot.EqualTo(1.0), ot.Interval(0.0, 1.0)):
        with pytest.raises(ot.UnsupportedConstraint):
            layer.add_constraint(x * x + 2.0 * x, bad)
    assert not layer.get(ot.ListOfConstraintTypesPresent()) and not below.content()
    for _ in range(2):  # rows before and after a refused one keep what stands for them
        layer.add_constraint(x * x + 2.0 * x, ot.LessThan(1.0))
        with pytest.raises(ot.UnsupportedConstraint):
            layer.add_constraint(x * x + 2.0 * x, ot.GreaterThan(1.0))
        with pytest.raises(ot.UnsupportedConstraint):
            layer.add_constraint(-1.0 * x * x, ot.LessThan(1.0))
    rows = layer.get(ot.ListOfConstraintIndices(SQF, ot.LessThan))
    layer.set(ot.ConstraintDualStart(), rows, np.array([-1.0, -2.0]))
    assert [y.tolist() for _, y in below.rows_pushed(ot.ConstraintDualStart())] == [[0, 1, 0], [0, 2, 0]]
    layer.set(ot.ConstraintSet(), rows[1], ot.LessThan(3.0))
    assert layer.get(ot.ConstraintSet(), rows[0]) == ot.LessThan(1.0)


def test_rows_changes_and_deletion() -> None:
    """(1, b - g - a x, U x); bounds and constants change in place, coefficients need a rebuilt model."""
    below = Recorder([(VAF, ot.RotatedSecondOrderCone)])
    layer = BridgeOptimizer(below)
    v = layer.add_variables(2)
    c = layer.add_constraint(2.0 * v[0] * v[0] + 3.0 * v[0] - v[1] + 4.0, ot.LessThan(10.0))
    d = layer.add_constraint(-0.5 * v[1] * v[1] + 3.0 * v[0], ot.GreaterThan(-1.0))

    def at(point: list[float], number: int) -> list[float]:
        one = below.get(ot.ListOfConstraintIndices(VAF, ot.RotatedSecondOrderCone))[number]
        rows = below.get(ot.ConstraintFunction(), one).rows
        return rows.evaluate(lambda ids: np.array(point)[ids - below.base]).tolist()

    assert at([1.0, 5.0], 0) == [1.0, 8.0, 2.0]
    assert at([1.0, 5.0], 1) == [1.0, 4.0, 5.0]
    layer.set(ot.ConstraintSet(), c, ot.LessThan(11.0))
    layer.modify(d, ot.ScalarConstantChange(7.0))
    assert at([1.0, 5.0], 0) == [1.0, 9.0, 2.0]
    assert at([1.0, 5.0], 1) == [1.0, 11.0, 5.0]
    before = below.content()
    with pytest.raises(ot.UnsupportedModification):
        layer.modify(c, ot.ScalarCoefficientChange(v[0], 1.0))
    with pytest.raises(ot.UnsupportedModification):
        layer.set(ot.ConstraintFunction(), c, 1.0 * v[0] * v[0])
    assert below.content() == before
    layer.delete([c, d])
    assert not below.content()


def test_duals_travel_and_derivatives_do_not() -> None:
    """Starts go down as (0, -y, 0), duals come up as -y_1; anything else is refused in words."""
    below = Recorder([(VAF, ot.RotatedSecondOrderCone)])
    layer = BridgeOptimizer(below)
    v = layer.add_variables(3)
    f = [x * x + float(i) for i, x in enumerate(v)]
    up = layer.add_constraints(f, ot.LessThan(10.0))
    down = layer.add_constraint(-f[0], ot.GreaterThan(-10.0))
    layer.set(ot.ConstraintDualStart(), up, np.array([-1.0, -2.0, -3.0]))
    layer.set(ot.ConstraintDualStart(), down, 4.0)
    pushed = [y.tolist() for _, y in below.rows_pushed(ot.ConstraintDualStart())]
    assert pushed == [[0, 1, 0], [0, 2, 0], [0, 3, 0], [0, 4, 0]]
    for i, y in below.rows_pushed(ot.ConstraintDualStart()):
        below._preset[ot.ConstraintDual(), i] = y
    np.testing.assert_array_equal(layer.get(ot.ConstraintDual(), up[1:]), [-2.0, -3.0])
    assert layer.get(ot.ConstraintDual(), down) == 4.0
    for attempt in (
        lambda: layer.set(ot.ForwardConstraintFunction(), down, 1.0 * v[0]),
        lambda: layer.get(ot.ForwardConstraintDual(), down),
        lambda: layer.get(ot.ReverseConstraintFunction(), down),
    ):
        with pytest.raises(ot.UnsupportedAttribute, match="diff models take"):
            attempt()


@pytest.mark.parametrize("side", [ot.LessThan, ot.GreaterThan])
def test_points_and_duals_before_and_after(side: Any) -> None:
    """100 points are feasible before exactly if after; normals of the cone come up as multiples of the gradient."""
    rng = np.random.default_rng(7)
    sign = 1.0 if side is ot.LessThan else -1.0
    below = Recorder([(VAF, ot.RotatedSecondOrderCone)])
    layer = BridgeOptimizer(below)
    v = layer.add_variables(5)
    M, a = rng.standard_normal((3, 5)), rng.standard_normal(5)
    Q = M.T @ M
    c = layer.add_constraint(sign * (0.5 * (v @ (Q @ v)) + a @ v + 0.5), side(sign * 2.0))
    (cone,) = below.get(ot.ListOfConstraintIndices(*(VAF, ot.RotatedSecondOrderCone)))
    rows, chosen = below.get(ot.ConstraintFunction(), cone).rows, below.get(ot.ConstraintSet(), cone)
    J = rows.matrix(lambda ids: ids - below.base, 5).toarray()
    seen = set()
    for _ in range(100):
        x = 1.2 * rng.standard_normal(5)
        before = 0.5 * x @ Q @ x + a @ x + 0.5 <= 2.0
        assert (chosen.violation(J @ x + rows.constant) <= 1e-12) == before
        seen.add(bool(before))
        # on the ray through a point of the boundary: ½ s² x'Qx + s a'x = 1.5
        s = np.roots([0.5 * x @ Q @ x, a @ x, -1.5]).max()
        value = J @ (s * x) + rows.constant
        normal = np.concatenate([[value[1], value[0]], -value[2:]]) * rng.uniform(0.5, 2.0)
        assert chosen.dual_violation(normal) <= 1e-12
        below._preset[ot.ConstraintDual(), cone] = normal
        y = layer.get(ot.ConstraintDual(), c)
        assert sign * y < 0.0
        np.testing.assert_allclose(J.T @ normal, y * sign * (Q @ (s * x) + a), rtol=1e-10, atol=1e-12)
    assert seen == {True, False}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("rank", [1, 3, 4])
def test_random_quadratic_programs(solver: Any, rank: int) -> None:
    """The KKT conditions of the rows as written, by both solvers and both directions of the inequality."""
    rng = np.random.default_rng(rank)
    n = 4
    layer = BridgeOptimizer(solver())
    v = layer.add_variables(n)
    q = rng.standard_normal(n)
    rows = []
    for k in range(3):
        M = rng.standard_normal((rank, n))
        Q, a = M.T @ M, rng.standard_normal(n)
        sign = -1.0 if k == 1 else 1.0
        f = sum((sign * 0.5 * Q[i, j] * v[i] * v[j] for i in range(n) for j in range(n)), 0.0 * v[0]) + sign * (a @ v)
        chosen = ot.LessThan(1.0 + k) if sign > 0 else ot.GreaterThan(-1.0 - k)
        rows.append((layer.add_constraint(f + 0.5 * sign, chosen), sign, Q, a, 1.0 + k))
    layer.add_constraint(v, ot.HyperRectangle(-3 * np.ones(n), 3 * np.ones(n)))
    box = layer.get(ot.ListOfConstraintIndices(VAF, ot.HyperRectangle)) or layer.get(
        ot.ListOfConstraintIndices(ot.VectorOfVariables, ot.HyperRectangle)
    )
    layer.set(ot.ObjectiveSense(), ot.ObjectiveSenseCode.MIN_SENSE)
    layer.set(ot.ObjectiveFunction(), q @ v)
    layer.set(ot.Silent(), True)
    layer.optimize()
    assert layer.get(ot.TerminationStatus()) == ot.TerminationStatusCode.OPTIMAL
    x = layer.get(ot.VariablePrimal(), v)
    gradient = q - layer.get(ot.ConstraintDual(), box[0])
    for c, sign, Q, a, bound in rows:
        y = layer.get(ot.ConstraintDual(), c)
        value = 0.5 * x @ Q @ x + a @ x + 0.5
        assert sign * y <= 1e-7 and value <= bound + 1e-6 and abs(y * (value - bound)) < 1e-6
        assert layer.get(ot.ConstraintPrimal(), c) == pytest.approx(sign * value, abs=1e-9)
        gradient = gradient - y * sign * (Q @ x + a)
    np.testing.assert_allclose(gradient, 0.0, atol=2e-5)  # y2 = -y1 Ux holds to the square root of the gap


# ---------------------------------------------------------------------- equalities
def test_equalities_without_curvature_are_affine() -> None:
    """Of quadratic equalities those whose terms are zero stay equalities; the others are two inequalities."""
    affine, curved = (ot.ScalarAffineFunction, ot.EqualTo), [(SQF, ot.GreaterThan), (SQF, ot.LessThan)]
    vectors = [(VAF, ot.Zeros), *((ot.VectorQuadraticFunction, s) for s in (ot.Nonnegatives, ot.Nonpositives))]
    below = Recorder([affine, *curved, *vectors])
    layer = BridgeOptimizer(below)
    x, y = layer.add_variables(2)
    zero, kept = 0.0 * x * y + 2.0 * x + 1.0, x * x + y
    c = layer.add_constraints([zero, kept, x * y - y * x - y], ot.EqualTo(3.0))
    layer.add_constraint(ot.vectorize([zero, y]), ot.Zeros(2))
    layer.add_constraint(ot.vectorize([zero, kept]), ot.Zeros(2))
    counts = {kind: below.get(ot.NumberOfConstraints(*kind)) for kind in (affine, *curved, *vectors)}
    assert list(counts.values()) == [2, 1, 1, 1, 1, 1]
    for kind in (affine, vectors[0]):
        for index in below.get(ot.ListOfConstraintIndices(*kind)):
            assert below.get(ot.ConstraintFunction(), index).rows.degree == 1
    layer.set(ot.ConstraintSet(), c[0], ot.EqualTo(5.0))
    first = below.get(ot.ListOfConstraintIndices(*affine))[0]
    assert below.get(ot.ConstraintSet(), first) == ot.EqualTo(5.0)
    with pytest.raises(ot.UnsupportedModification):
        layer.set(ot.ConstraintFunction(), c[0], kept)


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
