"""Influence of data points on a support vector machine and on a quantile regression, against central differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot

Array = np.ndarray[Any, Any]
N, D = 9, 2


def points() -> tuple[Array, Array]:
    """Two classes that overlap."""
    rng = np.random.default_rng(4)
    y = np.where(np.arange(N) % 2 == 0, 1.0, -1.0)
    return rng.standard_normal((N, D)) + 0.7 * y[:, None], y


def svm(X: Array, y: Array, shift: Array | None = None) -> tuple[ot.Model, Any, Any, list[Any]]:
    """w, b and a row for each point, whose constant may be moved."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    w, b, slack = model.add_variables(D, name="w"), model.add_variable("b"), model.add_variables(N, lower=0.0)
    constants = np.zeros(N) if shift is None else shift
    rows = [
        model.add_constraint(y[i] * (X[i] @ w) + y[i] * b + slack[i] + constants[i] >= 1, name=f"point{i}")
        for i in range(N)
    ]
    model.minimize(0.5 * (w @ w) + 0.8 * np.sum(slack))
    model.optimize()
    return model, w, b, rows


def test_coefficients_and_constants_of_rows() -> None:
    """Each number of each point, for a prediction; slacks stand in one row each and are no data."""
    X, y = points()
    model, w, b, rows = svm(X, y)
    z = np.array([0.3, -0.2])
    table = model.influence(of=z @ w + b, data=rows)
    assert list(table.columns) == ["influence", "by w[0]", "by w[1]", "by b", "by constant"]
    assert list(table.index) == [f"point{i}" for i in range(N)]

    def prediction(X: Array, shift: Array) -> float:
        model, w, b, _ = svm(X, y, shift)
        return float(z @ model.polished(w) + model.polished(b))

    h, seen = 1e-5, 0
    for i in range(N):
        for k in range(D):
            e = np.zeros((N, D))
            e[i, k] = h * y[i]  # the coefficient is y times the number
            slope = (prediction(X + e, np.zeros(N)) - prediction(X - e, np.zeros(N))) / (2 * h)
            assert table.iloc[i][f"by w[{k}]"] == pytest.approx(slope, abs=1e-6)
            seen += abs(slope) > 1e-3
        e1 = h * np.eye(N)[i]
        slope = (prediction(X, e1) - prediction(X, -e1)) / (2 * h)
        assert table.iloc[i]["by constant"] == pytest.approx(slope, abs=1e-6)
    assert seen >= 4
    norms = np.sqrt((table.drop(columns="influence") ** 2).sum(axis=1))
    np.testing.assert_allclose(table["influence"], norms, rtol=1e-12)


def test_several_outputs_and_rows_of_a_vector() -> None:
    """A column for each output; rows of one vector constraint are points."""
    X, y = points()
    model, w, b, rows = svm(X, y)
    several = model.influence(of=[w, b], data=rows)
    assert list(several.columns) == ["influence", "w[0]", "w[1]", "b"]
    each = [model.influence(of=one, data=rows)["influence"] for one in (w[0], w[1], b)]
    for name, one in zip(("w[0]", "w[1]", "b"), each, strict=True):
        np.testing.assert_allclose(several[name], one, rtol=1e-12)
    np.testing.assert_allclose(several["influence"], np.sqrt(sum(one**2 for one in each)), rtol=1e-12)
    other = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    v, c, slack = other.add_variables(D, name="w"), other.add_variable("b"), other.add_variables(N, lower=0.0)
    block = other.add_constraint((y[:, None] * X) @ v + y * c + slack - 1 >= 0, name="points")
    other.minimize(0.5 * (v @ v) + 0.8 * np.sum(slack))
    other.optimize()
    table = other.influence(of=[v, c], data=block)
    assert table.index[3] == "points[3]"
    np.testing.assert_allclose(table["influence"], several["influence"], rtol=1e-8, atol=1e-10)


def test_parameters_are_points() -> None:
    """The rows of a matrix of parameters, and their targets: least squares has a closed form."""
    rng = np.random.default_rng(0)
    X, t = rng.standard_normal((6, 2)), rng.standard_normal(6)
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    w, r = model.add_variables(2, name="w"), model.add_variables(6, name="r")
    A, b = model.add_parameters(X, name="X"), model.add_parameters(t, name="t")
    model.add_constraint(r == A @ w - b)
    model.minimize(r @ r)
    model.optimize()
    inverse = np.linalg.inv(X.T @ X)
    beta = inverse @ X.T @ t
    residual = t - X @ beta
    of_targets = model.influence(of=w[0], data=b)
    np.testing.assert_allclose(of_targets["by 0"], (inverse @ X.T)[0], rtol=1e-9, atol=1e-12)
    exact = np.array(
        [[inverse[0, k] * residual[i] - (inverse @ X.T)[0, i] * beta[k] for k in range(2)] for i in range(6)]
    )
    table = model.influence(of=w[0], data=A)
    np.testing.assert_allclose(table[["by 0", "by 1"]], exact, rtol=1e-9, atol=1e-12)
    assert table.index[2] == "X[2,0]"


def test_refusals() -> None:
    """What is no output, no point, or nothing."""
    X, y = points()
    model, w, b, rows = svm(X, y)
    for of, data, words in (
        ("w", rows, "affine functions"),
        (w[0] * b, rows, "affine"),
        (b, "rows", "Data points"),
        (b, [], "no data points"),
        (b, w, "no parameter"),
    ):
        with pytest.raises(ot.InvalidData, match=words):
            model.influence(of, data)
