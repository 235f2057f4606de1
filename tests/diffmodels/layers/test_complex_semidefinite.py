"""Complex semidefinite programs through layers: Hermitian cones, and their embeddings into real symmetric matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.diffmodels.layers.program import Program

V = ot.vectorize


SOLVERS = {"Clarabel": ot.solvers.Clarabel, "SCS": ot.solvers.SCS}


def coordinates(n: int) -> tuple[Any, Any, np.ndarray]:
    """Rows and columns of the entries of the upper triangle, real ones and imaginary ones, and their weights."""
    column, row = np.tril_indices(n)
    strict = row != column
    weights = np.concatenate([np.where(strict, 2.0, 1.0), np.full(strict.sum(), 2.0)])
    return (row, column), (row[strict], column[strict]), weights


def projected(p: np.ndarray, n: int) -> np.ndarray:
    """The coordinates of the nearest positive semidefinite matrix."""
    real, imaginary, _ = coordinates(n)
    M = np.zeros((n, n), complex)
    M[real] = p[: len(real[0])]
    M[imaginary] += 1j * p[len(real[0]) :]
    M += np.triu(M, 1).conj().T
    values, vectors = np.linalg.eigh(M)
    X = (vectors * np.maximum(values, 0.0)) @ vectors.conj().T
    return np.concatenate([X[real].real, X[imaginary].imag])


def built(solver: Any, n: int, form: str) -> tuple[ot.Model, Any, Any]:
    """The projection as a program: model, parameters, variables."""
    real, imaginary, weights = coordinates(n)
    model = ot.Model(ot.diff_optimizer(solver))
    x, p = model.add_variables(n * n), model.add_parameters(np.zeros(n * n))
    if form == "Hermitian":
        model.add_constraint(x, ot.HermitianPositiveSemidefiniteConeTriangle(n))
    else:
        of_real = {at: k for k, at in enumerate(zip(*map(np.ndarray.tolist, real), strict=True))}
        of_imaginary = {
            at: len(of_real) + k for k, at in enumerate(zip(*map(np.ndarray.tolist, imaginary), strict=True))
        }

        def entry(i: int, j: int) -> Any:
            a, b = i % n, j % n
            if (i < n) == (j < n):
                return 1.0 * x[of_real[min(a, b), max(a, b)]]
            if a == b:
                return 0.0 * x[0]
            sign = 1.0 if a < b else -1.0  # the imaginary part is antisymmetric, and stands with a minus on the right
            return (-sign if i < n else sign) * x[of_imaginary[min(a, b), max(a, b)]]

        rows = [entry(i, j) for j in range(2 * n) for i in range(j + 1)]
        model.add_constraint(V(rows), ot.PositiveSemidefiniteConeTriangle(2 * n))
    model.minimize(sum(float(w) * (x[k] - p[k]) * (x[k] - p[k]) for k, w in enumerate(weights)))
    return model, p, x


def differences(p: np.ndarray, n: int, seed: np.ndarray) -> np.ndarray:
    """The gradient of a combination of the projection's coordinates, by central differences of the closed form."""
    step = 1e-5 * np.eye(len(p))
    return np.array([seed @ (projected(p + d, n) - projected(p - d, n)) / 2e-5 for d in step])


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("form", ["Hermitian", "embedded"])
def test_projections(form: str, n: int, solver: str) -> None:
    """Values to 1e-8 and gradients to 1e-7 of every item, both modes: those of the closed form."""
    model, p, x = built(SOLVERS[solver], n, form)
    program = Program(model, [p], [x])
    rng = np.random.default_rng([n, len(form)])
    thetas, seeds = rng.standard_normal((3, n * n)), rng.standard_normal((3, n * n))
    items = program.solve_batch(thetas)
    assert all(item.reason == "" for item in items), [item.reason for item in items]
    pulled = program.vjp_batch(items, seeds)
    pushed = program.jvp_batch(items, thetas)
    for theta, seed, item, gradient, tangent in zip(thetas, seeds, items, pulled, pushed, strict=True):
        np.testing.assert_allclose(item.outputs, projected(theta, n), atol=1e-8)
        np.testing.assert_allclose(gradient, differences(theta, n, seed), atol=1e-7)
        assert item.differentiation_status is ot.DifferentiationStatusCode.EXACT
        np.testing.assert_allclose(tangent, item.outputs, atol=1e-7)  # projections on cones are homogeneous
