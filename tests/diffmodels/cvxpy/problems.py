"""CVXPY problems with parameters, one for each way that CVXPY has into a cone program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import optangent as ot

Array = NDArray[np.float64]

cp: Any = pytest.importorskip("cvxpy", reason="CVXPY is not installed (an extra)")
VERSION = tuple(int(part) for part in cp.__version__.split(".")[:2])

PROBLEMS: dict[str, Callable[[], Any]] = {}
"""Name to a maker of the problem, all of its parameters with values; solutions are unique and no kinks are near."""


def problem(make: Callable[[], Any]) -> Callable[[], Any]:
    """Add a problem to the list."""
    PROBLEMS[make.__name__] = make
    return make


def numbers(*shape: int, seed: int = 0) -> Array:
    """Reproducible numbers around zero."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def definite(side: int, seed: int = 0) -> Array:
    """A positive definite matrix."""
    root = numbers(side, side, seed=seed)
    return np.asarray(root @ root.T / side + 0.5 * np.eye(side))


@problem
def bounded_least_squares() -> Any:
    """Products in the rows of the residual, bounds by attributes, a scaled quadratic: a parameter in P."""
    x = cp.Variable(3, name="x", bounds=[-0.2, np.array([0.1, 0.4, 2.0])])
    z = cp.Variable(2, name="z", nonneg=True)
    A, b = cp.Parameter((4, 3), name="A", value=numbers(4, 3)), cp.Parameter(4, name="b", value=numbers(4))
    weight = cp.Parameter(nonneg=True, name="weight", value=0.7)
    fit = cp.sum_squares(A @ x - b)
    return cp.Problem(cp.Minimize(fit + weight * cp.sum_squares(z - x[:2]) + cp.sum(z)), [cp.sum(x) == 0.3])


@problem
def maximized_return() -> Any:
    """A concave objective with a constant, maximized; an equality and an inequality with parameters on both sides."""
    w = cp.Variable(4, name="w")
    mean = cp.Parameter(4, name="mean", value=np.array([0.9, 0.4, 0.6, 0.2]))
    risk = cp.Parameter(nonneg=True, name="risk", value=1.3)
    limit = cp.Parameter(name="limit", value=0.45)
    root = definite(4)
    return cp.Problem(
        cp.Maximize(mean @ w - risk * cp.quad_form(w, root) + 2.0), [cp.sum(w) == 1, w >= 0, w[0] <= limit]
    )


@problem
def many_cones_at_once() -> Any:
    """Second-order cones in one constraint, by columns and by rows, with a parametric matrix."""
    X, t = cp.Variable((2, 3), name="X"), cp.Variable(3, name="t")
    A, c = cp.Parameter((2, 2), name="A", value=numbers(2, 2)), cp.Parameter((2, 3), name="c", value=numbers(2, 3))
    u = cp.Variable(2, name="u")
    return cp.Problem(
        cp.Minimize(cp.sum(t) + cp.sum(cp.multiply([1.0, 1.3], u)) + 0.5 * cp.sum_squares(X)),
        [cp.SOC(t, A @ X - c, axis=0), cp.SOC(u, X + 1.0, axis=1)],
    )


@problem
def symmetric_matrices() -> Any:
    """Variables and parameters with every attribute of symmetry."""
    X = cp.Variable((3, 3), PSD=True, name="X")
    Y = cp.Variable((2, 2), symmetric=True, name="Y")
    N = cp.Variable((2, 2), NSD=True, name="N")
    C = cp.Parameter((3, 3), symmetric=True, name="C", value=numbers(3, 3) + numbers(3, 3).T)
    S = cp.Parameter((2, 2), PSD=True, name="S", value=definite(2))
    return cp.Problem(
        cp.Minimize(cp.sum_squares(X - C) + cp.sum_squares(Y - S @ numbers(2, 2)) + cp.sum_squares(N - S + 1.0)),
        [cp.trace(X) <= 2.0, Y[0, 1] >= 0.9],
    )


@problem
def semidefinite_constraint() -> Any:
    """A matrix inequality with parameters in the matrices that variables multiply."""
    y = cp.Variable(2, name="y")
    F = cp.Parameter((3, 3), name="F", symmetric=True, value=definite(3))
    G = np.diag([1.0, -1.0, 0.5])
    b = cp.Parameter(2, name="b", value=np.array([1.0, 0.3]))
    H = np.ones((3, 3))
    return cp.Problem(cp.Minimize(b @ y + 0.1 * cp.sum_squares(y)), [y[0] * F + y[1] * G + 0.2 * H >> 0.1 * np.eye(3)])


@problem
def diagonal_and_sparse() -> Any:
    """Variables and parameters of which some entries are always zero."""
    at = (np.array([0, 1, 2]), np.array([1, 2, 0]))
    D = cp.Variable((3, 3), diag=True, name="D")
    Z = cp.Variable((3, 3), sparsity=at, name="Z")
    E = cp.Parameter((3, 3), diag=True, name="E", value=np.diag([0.5, -1.0, 2.0]))
    M = numbers(3, 3)
    return cp.Problem(cp.Minimize(cp.sum_squares(D @ M - E) + cp.sum_squares(Z - M) + cp.sum_squares(Z.T - E)))


@problem
def logistic_regression() -> Any:
    """Exponential cones with products in their rows."""
    w, b = cp.Variable((2, 1), name="w"), cp.Variable(name="b")
    X = cp.Parameter((6, 2), name="X", value=numbers(6, 2))
    labels = np.array([[1.0], [0.0], [1.0], [0.0], [0.0], [1.0]])
    ridge = cp.Parameter(nonneg=True, name="ridge", value=0.4)
    score = X @ w + b
    likelihood = cp.sum(cp.multiply(labels, score) - cp.logistic(score))
    return cp.Problem(cp.Minimize(-likelihood / 6 + ridge * cp.sum_squares(w)))


@problem
def entropy_and_cones() -> Any:
    """Exponential cones as written by the user, and in an entropy."""
    p, v = cp.Variable(3, name="p"), cp.Variable((2, 2), name="v")
    shift = cp.Parameter((2, 2), name="shift", value=0.3 * numbers(2, 2))
    prior = cp.Parameter(3, name="prior", value=np.array([0.3, 0.2, 0.8]))
    cone = cp.ExpCone(shift, np.ones((2, 2)) + 0.5 * shift, v)
    return cp.Problem(cp.Minimize(prior @ p - cp.sum(cp.entr(p)) + cp.sum_squares(v)), [cp.sum(p) == 1, cone])


@problem
def power_cones() -> Any:
    """Powers as power cones, and one as written by the user."""
    x, z = cp.Variable(2, name="x"), cp.Variable(2, name="z")
    c = cp.Parameter(2, name="c", value=np.array([1.0, 0.7]), pos=True)
    cone = cp.PowCone3D(x, np.array([1.0, 2.0]), z, [0.3, 0.6])
    exactly = {"approx": False} if VERSION >= (1, 8) else {}  # before, always by second-order cones
    return cp.Problem(cp.Minimize(cp.sum(cp.power(x, 2.5, **exactly)) - c @ z), [cone, x <= 3.0])


@problem
def norms_of_matrices() -> Any:
    """Atoms that CVXPY writes with variables of its own: a norm, an absolute value, a maximum."""
    x = cp.Variable(3, name="x")
    a, gamma = cp.Parameter(3, name="a", value=np.array([2.0, -0.1, -1.0])), cp.Parameter(nonneg=True, name="gamma")
    gamma.value = 0.6
    return cp.Problem(
        cp.Minimize(cp.sum_squares(x - a) + gamma * cp.norm1(x) + 0.3 * cp.norm(x)), [cp.max(x) <= 1.5, cp.norm(x) <= 5]
    )


@problem
def geometric() -> Any:
    """A geometric program; one parameter a coefficient, one an exponent, and one is both."""
    x, y, z = (cp.Variable(pos=True, name=name) for name in "xyz")
    a = cp.Parameter(pos=True, name="a", value=2.0)
    b = cp.Parameter(pos=True, name="b", value=1.0)
    c = cp.Parameter(name="c", value=0.5)
    constraints = [a * (x * y + x * z + y * z) <= b, x >= y**c]
    return cp.Problem(cp.Minimize(1 / (x * y * z)), constraints)


if VERSION >= (1, 9):

    @problem
    def parametric_curvature() -> Any:
        """A quadratic objective whose matrix is a parameter."""
        x = cp.Variable(3, name="x")
        P = cp.Parameter((3, 3), PSD=True, name="P", value=definite(3))
        q = cp.Parameter(3, name="q", value=numbers(3))
        return cp.Problem(cp.Minimize(0.5 * cp.quad_form(x, P) + q @ x), [cp.sum(x) <= -0.5])


GEOMETRIC = {"geometric"}


def made(name: str) -> tuple[Any, ot.CvxpyModel]:
    """A problem of the list and its model."""
    chosen = PROBLEMS[name]()
    return chosen, ot.from_cvxpy(chosen, gp=name in GEOMETRIC)
