"""Jacobians: both modes against the attributes, differences and each other, of models with and without cones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot

Array = np.ndarray[Any, Any]


class Quadratic:
    """A quadratic program with parameters in costs, coefficients and right-hand sides."""

    def __init__(self, solver: Any = ot.solvers.HiGHS, *, maximize: bool = False) -> None:
        rng = np.random.default_rng(1)
        n = 5
        root, A = rng.standard_normal((n, n)), rng.standard_normal((3, n))
        self.model = model = ot.Model(ot.diff_optimizer(solver))
        self.x = x = model.add_variables(n, name="x", lower=-1.0, upper=1.5)
        self.p = p = model.add_parameters(np.array([0.3, -0.2, 0.8]), name="p")
        self.rows = [
            model.add_constraint(A[0] @ x + p[0] * x[1] <= 0.4, name="moving"),
            model.add_constraint(A[1] @ x == 0.3 + p[1], name="equal"),
            model.add_constraint(A[2:] @ x <= np.array([0.1]), name="vector"),
        ]
        objective = 0.5 * (x @ ((root.T @ root) @ x)) + rng.standard_normal(n) @ x + p[2] * x[3] + p[0] * p[2]
        (model.maximize if maximize else model.minimize)(-objective if maximize else objective)
        model.optimize()


class Conic:
    """A conic program with a bridged norm, and parameters in cones and costs."""

    def __init__(self, solver: Any = ot.solvers.Clarabel, *, maximize: bool = False) -> None:
        self.model = model = ot.Model(ot.diff_optimizer(solver))
        self.x = x = model.add_variables(3, name="x")
        self.p = p = model.add_parameters(np.array([1.0, 0.4, -0.3]), name="p")
        self.rows = [
            model.add_constraint(np.concatenate([[2.0 * p[0]], x]), ot.SecondOrderCone(4), name="ball"),
            model.add_constraint(np.concatenate([[1.5 + p[1]], x[:2]]), ot.NormOneCone(3), name="diamond"),
            model.add_constraint(x[0] + 0.2 * x[2] <= 0.9, name="flat"),
        ]
        objective = (x - np.array([2.0, 1.0, -1.5])) @ (x - np.array([2.0, 1.0, -1.5])) + p[2] * x[1]
        (model.maximize if maximize else model.minimize)(-objective if maximize else objective)
        model.optimize()


MAKERS = [Quadratic, Conic]


def everything(made: Any) -> tuple[list[Any], list[Any]]:
    """All outputs and all data."""
    parameters = made.model.get(ot.ListOfConstraintIndices(ot.VariableIndex, ot.Parameter))
    outputs = [made.x, *made.rows, 2.0 * made.x[0] - made.x[2] + made.p[1], ot.ObjectiveValue(), parameters]
    return outputs, [made.rows, made.p, made.x]


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("make", MAKERS)
def test_modes_are_transposes(make: Any, maximize: bool) -> None:
    """Products with the operator and with its transpose, vectors and matrices, are those of one matrix."""
    made = make(maximize=maximize)
    assert made.model.get(ot.DifferentiationStatus()) is ot.DifferentiationStatusCode.NOT_DIFFERENTIATED
    J = made.model.jacobian(*everything(made))
    N, K = J.shape
    assert len(J.outputs) == N and len(J.data) == K
    forward, reverse = J @ np.eye(K), (J.T @ np.eye(N)).T
    size = np.abs(forward).max()
    np.testing.assert_allclose(reverse, forward, rtol=0.0, atol=1e-12 * size)
    np.testing.assert_allclose(J.toarray(), forward, rtol=0.0, atol=1e-12 * size)
    v, u = np.random.default_rng(2).standard_normal(K), np.random.default_rng(3).standard_normal(N)
    np.testing.assert_allclose(J @ v, forward @ v, rtol=0.0, atol=1e-12 * size * K)
    np.testing.assert_allclose(J.T @ u, forward.T @ u, rtol=0.0, atol=1e-12 * size * N)
    frame = J.to_frame()
    assert list(frame.index) == J.outputs and list(frame.columns) == J.data


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("make", MAKERS)
def test_products_are_those_of_the_attributes(make: Any, maximize: bool) -> None:
    """Forward and reverse by `set`, differentiate and `get` give the same numbers to 1e-12."""
    made = make(maximize=maximize)
    model, rng = made.model, np.random.default_rng(5)
    J = model.jacobian(*everything(made))
    v = rng.standard_normal(J.shape[1])
    at = 0
    for c in made.rows:
        f = model.get(ot.ConstraintFunction(), c)
        m = f.output_dimension
        tangent = -v[at : at + m]
        rows = np.zeros((m, len(made.x))) @ made.x + tangent
        model.set(ot.ForwardConstraintFunction(), c, rows if c.kind[1].is_vector else rows[0])
        at += m
    for k in range(3):
        model.set(ot.ForwardParameterValue(), made.p[k], float(v[at + k]))
    model.set(ot.ForwardObjectiveFunction(), v[at + 3 :] @ made.x)
    model.forward_differentiate()
    dx = model.get(ot.ForwardVariablePrimal(), made.x)
    duals = [np.atleast_1d(model.get(ot.ForwardConstraintDual(), c)) for c in made.rows]
    extra = 2.0 * dx[0] - dx[2] + v[at + 1]
    value = model.get(ot.ForwardObjectiveValue())
    parameters = model.get(ot.ListOfConstraintIndices(ot.VariableIndex, ot.Parameter))
    of_parameters = [model.get(ot.ForwardConstraintDual(), c) for c in parameters]
    found = J @ v
    expected = np.concatenate([dx, *duals, [extra, value], of_parameters])
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max())


def moved(make: Any, data: str, k: int, step: float) -> Array:
    """X and the duals of the rows of a model with one number moved."""
    made = make()
    model = made.model
    if data == "p":
        model.set_parameter_value(made.p[k], model.parameter_value(made.p[k]) + step)
    elif data == "x":
        model.modify(ot.ObjectiveFunction(), ot.ScalarCoefficientChange(made.x[k], cost_of(model, made.x[k]) + step))
    else:
        c = made.rows[2]
        model.set(ot.ConstraintFunction(), c, model.get(ot.ConstraintFunction(), c) - step)
    model.optimize()
    return np.concatenate([model.polished(made.x), *(np.atleast_1d(model.polished(c)) for c in made.rows)])


def cost_of(model: ot.Model, x: Any) -> float:
    """Its linear coefficient."""
    return float(model.get(ot.ObjectiveFunction()).coefficient(x))


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(("data", "count"), [("p", 3), ("x", 3), ("row", 1)])
def test_against_central_differences(make: Any, data: str, count: int) -> None:
    """Columns of parameters, costs and a right-hand side."""
    made = make()
    chosen = {"p": made.p, "x": made.x, "row": made.rows[2]}[data]
    J = made.model.jacobian([made.x, *made.rows], chosen).toarray()
    step = 1e-5
    for k in range(count):
        slope = (moved(make, data, k, step) - moved(make, data, k, -step)) / (2.0 * step)
        np.testing.assert_allclose(J[:, k], slope, atol=2e-7 * (1.0 + np.abs(slope).max()))


def test_order_shapes_and_names() -> None:
    """Outputs and data stand as they were asked for, arrays row by row."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    X = model.add_variables((2, 2), "X")
    T = model.add_parameters(np.arange(4.0).reshape(2, 2), "T")
    c = model.add_constraint(X[0, 0] + X[1, 1] == 1, name="trace")
    model.minimize(((X - T) ** 2).sum())
    model.optimize()
    J = model.jacobian(of=[c, X, 1.0 * X[0, 0]], wrt=[T[1, 1], c, X[0, 1], T])
    assert J.outputs == ["dual of trace", "X[0,0]", "X[0,1]", "X[1,0]", "X[1,1]", "X[0,0]"]
    assert J.data[:3] == ["T[1,1]", "right-hand side of trace", "cost of X[0,1]"] and J.data[3] == "T[0,0]"
    dense = J.toarray()
    np.testing.assert_allclose(dense[1], dense[5])
    np.testing.assert_allclose(dense[:, 0], dense[:, 6])
    np.testing.assert_allclose(dense[2, [2, 4]], [-0.5, 1.0], atol=1e-12)
    assert repr(J) == "Jacobian(6 outputs by 7 data)" and J.shape == (6, 7)


def test_refusals() -> None:
    """What is no output or no datum, nothing at all, and no solution."""
    made = Quadratic()
    model, x = made.model, made.x
    for of, wrt, words in (
        (x[0] * x[1], made.p, "affine"),
        ("x", made.p, "Outputs"),
        ([], made.p, "outputs"),
        (x, [], "data"),
        (x, 2.0 * x[0], "Data"),
        (x, model.get(ot.ListOfConstraintIndices(ot.VariableIndex, ot.Parameter)), "parameters themselves"),
    ):
        with pytest.raises(ot.InvalidData, match=words):
            model.jacobian(of, wrt)
    with pytest.raises(ot.InvalidIndex):
        model.jacobian(x, ot.Model().add_variable())
    model.set_parameter_value(made.p[0], 0.1)
    with pytest.raises(ot.DifferentiationError, match="optimize"):
        model.jacobian(x, made.p)
