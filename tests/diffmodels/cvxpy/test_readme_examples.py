"""What the documents of cvxpylayers show, in data of our own: with one import changed, the same script runs here.

A. Agrawal, B. Amos, S. Barratt, S. Boyd, S. Diamond, Z. Kolter, Differentiable convex optimization layers (2019), and
the package's README are where the kinds of problem are from.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.diffmodels.layers.cvxpy_problems.cvxpy_model import from_cvxpy

from .exact import Array, Exact
from .problems import cp

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed (an extra)")


@dataclass(frozen=True)
class Example:
    """A problem, its parameters with values, its variables, and a loss of these."""

    problem: Any
    parameters: list[Any]
    variables: list[Any]
    values: list[Any]
    loss: Callable[..., Any]
    gp: bool = False

    def run(self, layer_class: Any, **solver_args: Any) -> tuple[Any, list[Array]]:
        """The script: value of the loss, and gradients by its backward pass."""
        options = {"gp": True} if self.gp else {}
        layer = layer_class(self.problem, parameters=self.parameters, variables=self.variables, **options)
        given = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in self.values]
        found = layer(*given, solver_args=solver_args)
        value = self.loss(*found)
        value.backward()
        return value.item(), [g.grad.numpy() for g in given]


def nonnegative_regression() -> Example:
    """Least absolute deviations with nonnegative coefficients: a linear program."""
    x = cp.Variable(2)
    A, b = cp.Parameter((4, 2)), cp.Parameter(4)
    problem = cp.Problem(cp.Minimize(0.5 * cp.pnorm(A @ x - b, p=1)), [x >= 0])
    slopes = [[1.0, 0.2], [0.3, 1.1], [-0.5, 0.7], [0.9, -0.4]]
    return Example(problem, [A, b], [x], [slopes, [1.2, 0.9, 0.4, 0.1]], lambda x: (x * x).sum() + x[0])


def box_of_least_cost() -> Example:
    """A geometric program: the largest box of bounded surface, one edge no shorter than a power of another."""
    x, y, z = (cp.Variable(pos=True) for _ in range(3))
    a, b, c = cp.Parameter(pos=True), cp.Parameter(pos=True), cp.Parameter()
    problem = cp.Problem(cp.Minimize(1 / (x * y * z)), [a * (x * y + x * z + y * z) <= b, x >= y**c])
    return Example(problem, [a, b, c], [x, y, z], [1.5, 2.0, 0.4], lambda x, y, z: x + 2 * y - z, gp=True)


def sparse_softmax() -> Example:
    """An activation as a projection: entropy pulls a point of the simplex to the middle, a limit holds it back."""
    p, scores = cp.Variable(4), cp.Parameter(4)
    problem = cp.Problem(cp.Minimize(-scores @ p - cp.sum(cp.entr(p))), [cp.sum(p) == 1, p <= 0.4])
    goal = torch.tensor([0.1, 0.5, 0.2, 0.2], dtype=torch.float64)
    return Example(problem, [scores], [p], [[0.3, 1.9, -0.4, 0.6]], lambda p: ((p - goal) ** 2).sum())


def poisoned_classifier() -> Example:
    """Logistic regression with two penalties; how do the data move the test loss of what was learnt from them?"""
    rng = np.random.default_rng(3)
    X0 = rng.standard_normal((12, 2))
    labels = np.where(X0 @ [1.0, -1.0] + 0.5 * rng.standard_normal(12) > 0, 1.0, 0.0)
    theta, X = cp.Variable((2, 1)), cp.Parameter((12, 2))
    score = X @ theta
    likelihood = cp.sum(cp.multiply(labels[:, None], score) - cp.logistic(score)) / 12
    problem = cp.Problem(cp.Maximize(likelihood - 0.05 * cp.norm1(theta) - 0.05 * cp.sum_squares(theta)))
    test = torch.from_numpy(rng.standard_normal((5, 2)))
    return Example(problem, [X], [theta], [X0], lambda theta: torch.nn.functional.softplus(test @ theta).mean())


def control_policy() -> Example:
    """A step of approximate dynamic programming: the control of least cost in a ball, the dynamics a parameter."""
    P_root, ahead = cp.Parameter((3, 3)), cp.Parameter(3)
    B = np.array([[0.0, 0.4], [1.0, 0.2], [-0.3, 1.0]])
    u, after = cp.Variable(2), cp.Variable(3)
    problem = cp.Problem(
        cp.Minimize(cp.sum_squares(P_root @ after) + cp.sum_squares(u)), [after == ahead + B @ u, cp.norm(u) <= 0.5]
    )
    values = [np.diag([1.0, 1.5, 0.8]) + 0.2, [0.9, -1.4, 1.1]]
    return Example(problem, [P_root, ahead], [u], values, lambda u: (u * torch.tensor([1.0, -2.0])).sum())


def nearest_correlation() -> Example:
    """The correlation matrix nearest to a symmetric one: a semidefinite projection with a weight on its entries."""
    X, C = cp.Variable((3, 3), PSD=True), cp.Parameter((3, 3))
    weight = cp.Parameter((3, 3), nonneg=True)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(cp.multiply(weight, X) - C)), [cp.diag(X) == 1])
    noisy = [[1.0, 0.9, -0.8], [0.9, 1.0, 0.6], [-0.8, 0.6, 1.0]]
    heavy = [[1.0, 1.2, 0.9], [1.2, 1.0, 0.8], [0.9, 0.8, 1.0]]
    return Example(problem, [C, weight], [X], [noisy, heavy], lambda X: X[0, 1] - X[0, 2] + X[1, 2] ** 2)


EXAMPLES = [
    nonnegative_regression,
    box_of_least_cost,
    sparse_softmax,
    poisoned_classifier,
    control_policy,
    nearest_correlation,
]


@pytest.mark.parametrize("make", EXAMPLES)
def test_gradients_are_central_differences(make: Callable[[], Example]) -> None:
    """The loss is that of the exact solution, and its gradients are central differences of it."""
    example = make()
    value, gradients = example.run(ot.layers.CvxpyLayer)
    exact = Exact(from_cvxpy(example.problem, gp=example.gp), example.parameters, example.variables)

    def loss(found: list[Array]) -> float:
        with torch.no_grad():
            return float(example.loss(*map(torch.from_numpy, map(np.asarray, found))))

    assert value == pytest.approx(loss(exact(*example.values)), abs=2e-5)
    for gradient, difference in zip(gradients, exact.gradients(loss, *example.values), strict=True):
        np.testing.assert_allclose(gradient, difference, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("make", EXAMPLES)
def test_gradients_are_those_of_cvxpylayers(make: Callable[[], Example]) -> None:
    """With the import of cvxpylayers itself the script gives the same values and gradients."""
    theirs = pytest.importorskip("cvxpylayers.torch", reason="cvxpylayers is not installed: nothing to compare with")
    example = make()
    accurate = {"eps": 1e-10, "max_iters": 100_000, "acceleration_lookback": 0}
    value, gradients = example.run(ot.layers.CvxpyLayer, **accurate)
    with warnings.catch_warnings(action="ignore"):  # its own, of PyTorch and NumPy
        its_value, its_gradients = example.run(theirs.CvxpyLayer, **accurate)
    assert value == pytest.approx(its_value, abs=1e-4)
    for mine, its in zip(gradients, its_gradients, strict=True):
        np.testing.assert_allclose(mine, its, atol=1e-4)
