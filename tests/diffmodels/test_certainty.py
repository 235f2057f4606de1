"""The rule that says EXACT: what it measures, and that no unit occurs in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import optangent as ot
from optangent.diffmodels.certainty import ACCURACY, MatrixTerms, Sizes, in_doubt, verdict
from optangent.diffmodels.kkt import KKTFactorization, KKTSystem
from optangent.diffmodels.kkt.equilibrate import ruiz_scaling

Array = np.ndarray
n, m = 20, 30


def point(margin: float | None, condition: float, seed: int) -> dict[str, Any]:
    """A quadratic program with its solution; one active row and one inactive row are as near to a kink as told."""
    rng = np.random.default_rng(seed)
    U = np.linalg.qr(rng.standard_normal((n, n)))[0]
    P = (U * np.logspace(0.0, -np.log10(condition), n)) @ U.T
    P, A, x = (P + P.T) / 2.0, rng.standard_normal((m, n)), rng.standard_normal(n)
    active = np.isin(np.arange(m), rng.permutation(m)[: n // 2])
    y = np.where(active, rng.uniform(0.2, 1.2, m), 0.0)
    s = np.where(active, 0.0, rng.uniform(0.2, 1.2, m))
    if margin is not None:
        y[np.flatnonzero(active)[0]] = s[np.flatnonzero(~active)[0]] = margin
    return {"P": P, "A": A, "c": -(P @ x + A.T @ y), "b": A @ x + s, "x": x, "y": y, "active": active}


def in_other_units(d: dict[str, Any], seed: int, size: float = 6.0) -> dict[str, Any]:
    """Rows, columns and the objective times powers of ten between 1e-size and 1e+size."""
    rng = np.random.default_rng(seed)
    r, k, o = 10.0 ** rng.uniform(-size, size, m), 10.0 ** rng.uniform(-size, size, n), 10.0 ** rng.uniform(-size, size)
    scaled = {"P": o * k[:, None] * d["P"] * k, "A": r[:, None] * d["A"] * k, "c": o * k * d["c"], "b": r * d["b"]}
    return scaled | {"x": d["x"] / k, "y": o * d["y"] / r, "active": d["active"]}


def judged(d: dict[str, Any], noise: float = 0.0) -> tuple[float, Array, float]:
    """The componentwise residual at the point, moved by noise; which rows are in doubt; and the mismatch."""
    P, A, c, b, active = sp.csc_array(d["P"]), sp.csr_array(d["A"]), d["c"], d["b"], d["active"]
    scale = ruiz_scaling(P, A)
    x, y = d["x"] + noise * np.abs(d["x"]).max(), d["y"]
    sizes = Sizes(MatrixTerms(P, A, scale[:n], scale[n:]), c, b, x, y)
    rows = np.flatnonzero(active)
    kkt = KKTFactorization(P, A[rows])

    r1, slack = P @ x + A.T @ y + c, b - A @ x
    r2 = np.where(active, -slack, 0.0)
    probe = sizes.probe(r1, r2, rows, kkt.solve)
    doubt = in_doubt(np.where(active, y, slack), probe.moves)
    return sizes.residual(r1, r2), doubt, probe.mismatch


@pytest.mark.parametrize("condition", [1.0, 1e3, 1e6, 1e9])
@pytest.mark.parametrize("margin", [None, 1e-13, 0.0])
def test_the_verdict_is_the_same_in_all_units(margin: float | None, condition: float) -> None:
    """The same rows are in doubt whatever the units are: none at a margin of 0.2, the two at a kink."""
    for seed in range(5):
        d = point(margin, condition, seed)
        wanted = np.zeros(m, bool)
        if margin is not None:
            wanted[np.flatnonzero(d["active"])[0]] = wanted[np.flatnonzero(~d["active"])[0]] = True
        for units in (d, *(in_other_units(d, 10 * seed + k) for k in range(3))):
            residual, doubt, _ = judged(units)
            assert residual <= 1e-14
            np.testing.assert_array_equal(doubt, wanted)


def test_a_point_that_is_no_solution() -> None:
    """A point off the solution by 1e-8 is told by its residual in all units, and by noise of rounding it is not."""
    for seed in range(5):
        for units in (point(None, 10.0, seed), in_other_units(point(None, 10.0, seed), seed, 3.0)):
            assert judged(units, 1e-8)[0] > ACCURACY > judged(units, 1e-15)[0]


def test_both_modes_agree_to_rounding() -> None:
    """The mismatch of forward and reverse mode of a symmetric factorization, in all units."""
    for seed in range(5):
        for units in (point(None, 10.0, seed), in_other_units(point(None, 10.0, seed), seed)):
            assert judged(units)[2] <= 1e-13


def test_mismatch_of_an_inverse_that_is_not_symmetric() -> None:
    """An inverse that is wrong by a skew part of 1e-6 shows it."""
    d = point(None, 1.0, 0)
    sizes = Sizes(MatrixTerms(d["P"], d["A"], np.ones(n), np.ones(m)), d["c"], d["b"], d["x"], d["y"])
    skew = np.triu(np.ones((n, n)), 1)
    none = np.zeros(0, np.int64)
    mismatch = sizes.probe(np.zeros(n), np.zeros(m), none, lambda R: R + 1e-6 * ((skew - skew.T) @ R)).mismatch
    assert 1e-8 < mismatch < 1e-4


def test_zero_is_in_doubt_where_nothing_else_is_there() -> None:
    """Without any data, a point of rounding errors is a solution, and its rows are in doubt."""
    P, A, zero = np.eye(2), -np.eye(2), np.zeros(2)
    x = np.array([1e-22, 3e-25])
    sizes = Sizes(MatrixTerms(P, A, np.ones(2), np.ones(2)), zero, zero, x, zero)
    assert sizes.residual(x, zero) <= ACCURACY
    probe = sizes.probe(x, zero, np.zeros(0, np.int64), lambda R: R)
    assert in_doubt(x, probe.moves).all()


def test_what_is_said_of_a_point_that_is_no_solution() -> None:
    """INACCURATE, whatever the status would be at a solution."""
    codes = ot.DifferentiationStatusCode
    for status in (codes.EXACT, codes.DEPENDENT_ROWS, codes.WEAKLY_ACTIVE, codes.NONUNIQUE):
        assert verdict(status, 1e-11) is status
        assert verdict(status, 1e-9) is verdict(status, float("nan")) is codes.INACCURATE


class Skew(KKTSystem):
    """A system whose solutions are off by a skew part of 1e-8."""

    def __init__(self, P: Any, A: Any, *_: Any, **__: Any) -> None:
        self._right = KKTFactorization(P, A)
        self.n, self.m = self._right.n, self._right.m

    def _solve_columns(self, columns: Array) -> tuple[Array, float]:
        upper = np.triu(np.ones((self.size, self.size)), 1)
        return self._right.solve(columns) + 1e-8 * (upper - upper.T) @ columns, 0.0

    @property
    def _loose(self) -> Any:
        return np.zeros(self.size, bool)

    @property
    def null_vectors(self) -> tuple[Array, Array]:
        return np.zeros((self.n, 0)), np.zeros((self.m, 0))


def test_a_mismatch_of_both_modes_is_a_warning_with_the_number() -> None:
    """Derivatives are computed, and the user is told by how much forward and reverse mode differ."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x = model.add_variables(3)
    model.add_constraint(x[0] + x[1] == 1.0)
    model.minimize(x @ x - 3.0 * x[2])
    model.set(ot.LinearAlgebraSolver(), lambda *data, **options: Skew(*data, **options))
    model.optimize()
    model.set(ot.ReverseVariablePrimal(), x, np.ones(3))
    with pytest.warns(ot.DifferentiationWarning, match=r"Forward and reverse mode differ by [0-9.]+e-0[789]"):
        model.reverse_differentiate()


def test_an_iterative_solution_that_fails_is_not_called_exact() -> None:
    """Where iterations do not reach their tolerance the derivative is refused, and no status is claimed."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x = model.add_variables(30)
    scale = 10.0 ** np.linspace(0.0, 6.0, 30)
    root = np.random.default_rng(0).standard_normal((30, 30)) * scale
    model.minimize(0.5 * (x @ (root.T @ root @ x)) - scale @ x)
    model.set(ot.LinearAlgebraSolver(), ot.IterativeKKT(max_iterations=2))
    model.optimize()
    model.set(ot.ReverseVariablePrimal(), x, np.ones(30))
    with pytest.raises(ot.DifferentiationError, match="max_iterations"):
        model.reverse_differentiate()
