"""Tests of the convexity check."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import optangent as ot
from optangent.bridges.lowering import Lowering
from optangent.modelkit.convexity import is_convex, is_positive_semidefinite
from optangent.modelkit.form import Abilities
from optangent.modelkit.store.store import Store

_BOTH = pytest.mark.parametrize("make", [np.asarray, sp.csc_array], ids=["dense", "sparse"])


def _rotated(eigenvalues: Any, seed: Any = 0) -> Any:
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.standard_normal((len(eigenvalues),) * 2))[0]
    P = (Q * eigenvalues) @ Q.T
    return 0.5 * (P + P.T)


@_BOTH
def test_accepts_rank_deficient_products(make: Any) -> None:
    """M M' of low rank has eigenvalues of either sign at rounding level and is semidefinite."""
    rng = np.random.default_rng(1)
    for n, rank in [(1, 1), (5, 2), (40, 7), (300, 100)]:
        M = rng.standard_normal((n, rank)) * 10.0 ** rng.uniform(-3, 3, (n, 1))
        assert is_positive_semidefinite(make(M @ M.T))


@_BOTH
@pytest.mark.parametrize("n", [2, 30, 250])
def test_refuses_a_small_negative_eigenvalue(make: Any, n: Any) -> None:
    """An eigenvalue -1e-5 in a matrix of norm one is refused, rotated or not."""
    eigenvalues = np.linspace(0.0, 1.0, n)
    eigenvalues[0] = -1e-5
    assert not is_positive_semidefinite(make(_rotated(eigenvalues)))
    assert not is_positive_semidefinite(make(np.diag(eigenvalues)))
    eigenvalues[0] = 0.0
    assert is_positive_semidefinite(make(_rotated(eigenvalues)))


@_BOTH
def test_does_not_depend_on_units(make: Any) -> None:
    """Scaling rows and columns together changes neither answer."""
    rng = np.random.default_rng(2)
    units = 10.0 ** rng.uniform(-3, 3, 6)
    good = _rotated(np.arange(6.0))
    bad = _rotated(np.array([-0.1, 1, 1, 1, 1, 1]))
    for factor in (1e-9, 1.0, 1e9):
        assert is_positive_semidefinite(make(factor * good * units[:, None] * units))
        assert not is_positive_semidefinite(make(factor * bad * units[:, None] * units))


@_BOTH
def test_hand_made_matrices(make: Any) -> None:
    """Zero, empty, indefinite with zero diagonal, concave, and not finite."""
    assert is_positive_semidefinite(make(np.zeros((3, 3))))
    assert is_positive_semidefinite(make(np.eye(3)))
    assert not is_positive_semidefinite(make(np.array([[0.0, 1.0], [1.0, 0.0]])))
    assert not is_positive_semidefinite(make(np.array([[1.0, 3.0], [3.0, 1.0]])))
    assert not is_positive_semidefinite(make(-np.eye(2)))
    assert not is_positive_semidefinite(make(np.array([[1.0, 0.0], [0.0, np.nan]])))


def test_empty_matrix() -> None:
    """The function of no variables is convex."""
    assert is_positive_semidefinite(np.zeros((0, 0)))


def test_large_sparse() -> None:
    """A second-difference matrix of 100,000 rows is accepted, and refused after a small negative shift."""
    n = 100_000
    P = sp.diags_array([-np.ones(n - 1), 2 * np.ones(n), -np.ones(n - 1)], offsets=[-1, 0, 1], format="csc")
    assert is_positive_semidefinite(P)
    assert is_positive_semidefinite(sp.eye_array(n, format="csc"))
    assert not is_positive_semidefinite(P - 0.01 * sp.eye_array(n, format="csc"))


def test_refuses_a_rectangle() -> None:
    """A matrix that is not square is an error of the caller."""
    with pytest.raises(ValueError, match="square"):
        is_positive_semidefinite(np.zeros((2, 3)))


def _squares(coefficients: Any, numbers: Any, objective: Any) -> bool:
    """Whether ``(a x² + b y²) in set`` for each row, with an objective likewise, is told convex."""
    store = Store()
    x, y = store.add_variable(), store.add_variable()
    for (a, b, c), one in zip(coefficients, numbers, strict=True):
        store.add_constraint(a * x * x + b * y * y + c * x * y, one)
    a, b = objective
    store.set(ot.ObjectiveSense(), ot.ObjectiveSenseCode.MIN_SENSE)
    store.set(ot.ObjectiveFunction(), a * x * x + b * y * y)
    return is_convex(Lowering(Abilities(quadratic_rows=True, nonconvex=True)).sync(store))


@pytest.mark.parametrize("unit", [1.0, 1e9])
def test_programs(unit: float) -> None:
    """Rows are convex on the sides on which they are bounded, each by itself, in any units."""
    less, greater, equal = ot.LessThan(1.0), ot.GreaterThan(1.0), ot.EqualTo(1.0)
    bowl, flat, saddle = (unit, unit, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, unit)
    assert _squares([], [], (1.0, 0.0)) and not _squares([], [], (1.0, -1e-3))
    assert _squares([bowl, flat], [less, less], (1.0, 1.0))
    assert not _squares([bowl, flat], [less, greater], (1.0, 1.0))
    assert _squares([bowl, (-1.0, -2.0, 0.0)], [less, greater], (1.0, 1.0))
    assert not _squares([bowl], [equal], (1.0, 1.0))
    assert not _squares([flat, saddle], [less, less], (1.0, 1.0))
