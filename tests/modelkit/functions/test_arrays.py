"""Arrays of functions of any shape: what is done to them and to their values comes out the same."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import optangent as ot
from optangent.modelkit.functions import Symbolic

RNG = np.random.default_rng(11)
SHAPES = [(), (3,), (1,), (2, 3), (3, 3), (1, 4), (2, 3, 4), (3, 1, 3), (2, 1, 3, 2), (0, 3), (2, 0)]
ONES: dict[str, Callable[[Any], Any]] = {
    "itself": lambda X: X,
    "transpose": lambda X: X.T,
    "scaled": lambda X: 2.0 * X / 4.0 - X * np.float64(0.5) + 1.0,
    "negative": lambda X: -X,
    "square": lambda X: X * X + X**2,
    "numbers of the shape": lambda X: np.arange(1.0, 1.0 + X.size).reshape(X.shape) * X - np.ones(X.shape),
    "divided": lambda X: X / np.arange(1.0, 1.0 + X.size).reshape(X.shape),
    "more axes": lambda X: np.ones((2, *X.shape)) * X,
    "a column before": lambda X: X + np.arange(3.0).reshape((3,) + (1,) * X.ndim),
    "itself twice": lambda X: X.reshape((1, *X.shape)) * X,
    "sum": lambda X: X.sum(),
    "mean": lambda X: np.mean(X * 1.0),
    "rows": lambda X: X.ravel(),
    "by columns": lambda X: X.reshape(-1, order="F"),
    "new axis": lambda X: np.expand_dims(X, -1),
    "backwards": lambda X: X.reshape(-1)[::-1],
    "some": lambda X: X.reshape(-1)[[0, -1, 0]],
    "masked": lambda X: X.reshape(-1)[np.arange(X.size) % 2 == 0],
    "cumsum": lambda X: np.cumsum(X),
    "square root of nothing": lambda X: np.zeros_like(X) * X,
    "outer": lambda X: np.outer(X, X),
    "inner with itself": lambda X: np.vdot(X, X),
    "weights": lambda X: np.vdot(np.arange(float(X.size)), X),
}
SEVERAL: dict[str, Callable[[Any], Any]] = {
    "sum of rows": lambda X: X.sum(axis=-1),
    "sum of columns, kept": lambda X: X.sum(axis=0, keepdims=True),
    "sum of two axes": lambda X: np.sum(X, axis=(0, -1)),
    "mean of columns": lambda X: X.mean(axis=0),
    "first": lambda X: X[0] if len(X) else X,
    "last column": lambda X: X[..., -1:],
    "every second": lambda X: X[::2, ::-1],
    "rows and columns": lambda X: X[np.ix_(range(X.shape[0]), range(X.shape[1]))],
    "axes exchanged": lambda X: X.swapaxes(0, -1) + 1.0,
    "rolled": lambda X: np.roll(X, 1, axis=0),
    "stacked": lambda X: np.stack([X, 2.0 * X, np.ones(X.shape)], axis=1),
    "joined": lambda X: np.concatenate([X, np.zeros((1, *X.shape[1:])), X], axis=0),
    "one below the other": lambda X: np.vstack([X, X + 1.0]),
    "side by side": lambda X: np.hstack([X, -X]),
    "triangle": lambda X: np.tril(X) - np.triu(X, 1),
    "trace": lambda X: np.trace(X),
    "trace beside the diagonal": lambda X: X.trace(1, -2, -1),
    "diagonal": lambda X: X.diagonal(),
    "partial sums": lambda X: X.cumsum(axis=0),
    "differences": lambda X: np.diff(X, axis=0),
    "matrix": lambda X: np.arange(6.0 * X.shape[-2]).reshape(6, -1) @ X,
    "matrix from the right": lambda X: X @ np.arange(2.0 * X.shape[-1]).reshape(-1, 2),
    "vector": lambda X: X @ np.arange(1.0 * X.shape[-1]),
    "vector from the left": lambda X: np.arange(1.0 * X.shape[-2]) @ X,
    "Gram matrix": lambda X: X @ X.swapaxes(-1, -2),
    "a stack of matrices": lambda X: np.arange(4.0 * X.shape[-2]).reshape(2, *(1,) * (X.ndim - 2), 2, -1) @ X,
    "a function from the left": lambda X: X[..., 0] @ X if X.ndim == 2 and X.shape[-1] else X,
    "dot": lambda X: np.dot(X, np.arange(2.0 * X.shape[-1]).reshape(-1, 2)),
    "tensordot": lambda X: np.tensordot(X, np.ones((X.shape[0], 2)), axes=(0, 0)),
    "tensordot with itself": lambda X: np.tensordot(X, X, axes=([0, 1], [0, 1])),
    "einsum": lambda X: np.einsum("ij...->j...", X),
    "where": lambda X: np.where(np.arange(X.size).reshape(X.shape) % 2 == 0, X, 0.0),
    "iterated": lambda X: sum(list(X), np.zeros(X.shape[1:])),
}


@functools.cache
def solved(shape: tuple[int, ...], kind: str) -> tuple[ot.Model, Any, np.ndarray]:
    """A model, the array of its variables or parameters in a shape, and their values at the solution."""
    model, values = ot.Model(ot.solvers.HiGHS), np.random.default_rng(len(shape)).standard_normal(shape)
    X = model.add_parameters(values) if kind == "parameters" else model.add_variables(shape, lower=values, upper=values)
    model.optimize()
    return model, X, values


@pytest.mark.parametrize("what", [*ONES, *SEVERAL])
@pytest.mark.parametrize("kind", ["variables", "affine", "parameters"])
def test_values_of_functions_are_functions_of_values(what: str, kind: str) -> None:
    """For each shape: value(f(X)) equals f(value(X)), or both are refused."""
    f = (ONES | SEVERAL)[what]
    for shape in SHAPES:
        if len(shape) < (2 if what in SEVERAL else kind == "parameters"):
            continue
        if "mean" in what and 0 in shape:
            continue  # of which NumPy warns
        model, X, values = solved(shape, kind)
        given = 3.0 * X - np.ones(shape) if kind == "affine" else X
        numbers = 3.0 * values - 1.0 if kind == "affine" else values
        try:
            want = np.asarray(f(numbers))
        except (ValueError, IndexError):
            with pytest.raises((ValueError, IndexError, ot.OptangentError)):
                f(given)
            continue
        found = f(given)
        assert np.shape(found) == want.shape, shape
        got = model.value(found) if isinstance(found, Symbolic) else found
        assert np.shape(got) == want.shape
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


def test_arithmetic_with_all_that_has_a_shape() -> None:
    """Arrays of functions, vectors, scalars, sparse arrays and lists stand on either side of every operation."""
    a, b, c = RNG.standard_normal((2, 3)), RNG.standard_normal(3), RNG.standard_normal()
    model = ot.Model(ot.solvers.HiGHS)
    X = model.add_variables((2, 3), lower=a, upper=a)
    v, x = model.add_variables(3, lower=b, upper=b), model.add_variable(lower=c, upper=c)
    model.optimize()
    pairs = [(X, a), (v, b), (x, c), (X[:, :1], a[:, :1]), (X.T, a.T), (2.0 * X, 2.0 * a)]
    plain = [(n, n) for n in (a, b, 2.0, np.float64(3.0), a.tolist(), b[None, :], a[:, :1])]
    for one, first in pairs:
        for two, second in [*pairs, *plain]:
            operations: list[Callable[..., Any]] = [operator.add, operator.sub, operator.mul, lambda f, g: g - f]
            for operation in operations:
                try:
                    want = operation(np.asarray(first), np.asarray(second))
                except ValueError:
                    with pytest.raises(ot.DimensionMismatch, match="do not go together"):
                        operation(one, two)
                    continue
                np.testing.assert_allclose(model.value(operation(one, two)), want, rtol=1e-12, atol=1e-12)
    for kind in (sp.csr_array, sp.coo_array, sp.csc_array):
        A = kind(np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]))
        np.testing.assert_allclose(model.value(A @ X + X.T @ np.eye(2) @ X), A @ a + a.T @ a)
        np.testing.assert_allclose(model.value(X * A.T - A.T + (X @ A) @ a), a * A.T.toarray() - A.T + (a @ A) @ a)


def test_plain_variables_stay_plain() -> None:
    """What only moves variables gives variables, to be put into sets, set and asked as such."""
    model = ot.Model()
    x, X = model.add_variable(), model.add_variables((2, 3))
    for v in (np.ravel(x), np.reshape(x, 1), X[0], X.T.ravel(), X[X.numbers() > 2], np.roll(X, 1)[0]):
        assert isinstance(v, ot.VectorOfVariables)
    for one in (x, np.ravel(x)[0], X[1, 2], np.squeeze(X[:1, :1])):
        assert isinstance(one, ot.VariableIndex)
    assert X.T[1:, None].ids.tolist() == [[[X[0, 1].value, X[1, 1].value]], [[X[0, 2].value, X[1, 2].value]]]


def test_bounds_names_and_kinds_of_variables() -> None:
    """Bounds broadcast, infinite ones are none; names have the places; whole numbers are whole numbers."""
    model = ot.Model(ot.solvers.HiGHS)
    X = model.add_variables((2, 3), "X", lower=[[-1.0], [-np.inf]], upper=[1.0, 2.0, np.inf])
    B = model.add_variables((2, 2), binary=True)
    n = model.add_variables((2,), lower=0.0, upper=[1.5, 2.5], integer=True)
    one = model.add_variables((), "one", upper=3.0)
    assert isinstance(n, ot.VectorOfVariables) and isinstance(one, ot.VariableIndex) and B.shape == (2, 2)
    assert repr(X[1, 2]) == "X[1,2]" and model.variable_by_name("X[0,1]") == X[0, 1] and repr(one) == "one"
    model.maximize(X[:, :2].sum() - X[0, 2] + B.sum() + n.sum() + one)
    model.optimize()
    np.testing.assert_allclose(model.value(X)[:, :2], [[1.0, 2.0], [1.0, 2.0]])
    np.testing.assert_allclose(model.value(B), np.ones((2, 2)))
    assert model.value(n).tolist() == [1.0, 2.0] and model.value(X[0, 2]) == -1.0 and model.value(one) == 3.0


def test_a_shape_that_the_solver_does_not_take_leaves_the_model_empty() -> None:
    """Whole numbers, or a cone, that no solver takes are refused before a variable is added."""
    for solver, arguments in ((ot.solvers.OSQP, {"integer": True}), (ot.solvers.HiGHS, {"psd": True})):
        model = ot.Model(solver)
        with pytest.raises(ot.UnsupportedConstraint):
            model.add_variables((2, 2), lower=0.0, **arguments)
        assert model.is_empty()


# ---------------------------------------------------------------------- constraints of a shape
@pytest.mark.parametrize("solver", [ot.solvers.HiGHS, ot.solvers.Clarabel, ot.solvers.OSQP])
def test_constraints_of_a_shape(solver: Any) -> None:
    """Values and duals of `A @ X <= B` come in the shape of B: those of the same rows one by one."""
    A, B, C = RNG.uniform(0.5, 1.0, (3, 2)), RNG.uniform(1.0, 2.0, (3, 4)), RNG.uniform(1.0, 2.0, (2, 4))
    model = ot.Model(solver)
    X = model.add_variables((2, 4), lower=0.0)
    c = model.add_constraint(A @ X <= B, name="capacity")
    model.maximize((C * X).sum() - 0.5 * (X * X).sum())
    model.optimize()
    single = ot.Model(solver)
    Y = single.add_variables((2, 4), lower=0.0)
    rows = [[single.add_constraint((A @ Y)[i, j] <= B[i, j]) for j in range(4)] for i in range(3)]
    single.maximize((C * Y).sum() - 0.5 * np.vdot(Y, Y))
    single.optimize()
    assert model.dual(c).shape == model.value(c).shape == (3, 4)
    np.testing.assert_allclose(model.dual(c), [[single.dual(r) for r in line] for line in rows], atol=1e-5)
    np.testing.assert_allclose(model.value(c), A @ model.value(X) - B, atol=1e-12)
    assert model.get(ot.ConstraintDual(), c).shape == (12,)  # the protocol's rows
    assert model.get(ot.ConstraintLayout(), model.constraint_by_name("capacity")).shape == (3, 4)
    copy = ot.Model(solver)
    copied = model.copy_to(copy)(c)
    copy.optimize()
    np.testing.assert_allclose(copy.dual(copied), model.dual(c), atol=1e-5)


def test_comparisons_of_every_kind() -> None:
    """Equations, bounds on either side, infinite numbers, and functions or arrays on the left."""
    model = ot.Model(ot.solvers.HiGHS)
    x, y = model.add_variables((2, 2)), model.add_variables((2, 2))
    upper = np.array([[1.0, np.inf], [3.0, 4.0]])
    c = model.add_constraint(x <= upper)
    model.add_constraint(y[0] >= x)
    e = model.add_constraint(y == np.array([[5.0], [6.0]]))
    d = model.add_constraint(np.full((2, 2), 7.0) >= x)
    model.maximize(x.sum())
    model.optimize()
    np.testing.assert_allclose(model.value(x), [[1.0, 5.0], [3.0, 4.0]])
    np.testing.assert_allclose(model.dual(c), [[-1.0, 0.0], [-1.0, -1.0]])
    assert model.value(e).tolist() == [[0.0, 0.0], [0.0, 0.0]] and model.dual(d).shape == (2, 2)
    refused: list[tuple[Callable[[], Any], Any, str]] = [
        (lambda: x >= np.full((2, 2), np.inf), ot.InvalidData, "beyond infinity"),
        (lambda: x >= np.zeros(3), ot.DimensionMismatch, "do not go together"),
    ]
    for make, error, words in refused:
        with pytest.raises(error, match=words):
            make()


def test_derivatives_of_constraints_of_a_shape() -> None:
    """Seeds and tangents of a constraint with a shape are arrays of the shape."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    X = model.add_variables((2, 2))
    B = np.array([[1.0, 2.0], [3.0, 4.0]])
    c = model.add_constraint(X >= B)
    model.minimize((X * X).sum())
    model.optimize()
    seed = np.array([[1.0, 0.0], [0.5, 2.0]])
    model.set(ot.ReverseVariablePrimal(), X, seed)
    model.reverse_differentiate()
    gradient = model.get(ot.ReverseConstraintFunction(), c).constants
    np.testing.assert_allclose(gradient.reshape(2, 2), -seed, atol=1e-8)
    model.empty_input_sensitivities()
    model.set(ot.ForwardConstraintFunction(), c, 0.0 * X - seed)
    model.forward_differentiate()
    np.testing.assert_allclose(model.get(ot.ForwardVariablePrimal(), X), seed, atol=1e-8)
    model.empty_input_sensitivities()
    model.set(ot.ReverseConstraintDual(), c, seed)
    model.reverse_differentiate()
    np.testing.assert_allclose(
        model.get(ot.ReverseConstraintFunction(), c).constants.reshape(2, 2), -2 * seed, atol=1e-7
    )


# ---------------------------------------------------------------------- symmetric and semidefinite matrices
def nearest(C: np.ndarray, make: Callable[[ot.Model, Any], Any], matrix: dict[str, Any]) -> tuple[Any, Any]:
    """The semidefinite matrix nearest to C, and the dual of what `make` adds."""
    model = ot.Model(ot.solvers.Clarabel)
    X = model.add_variables(C.shape, **matrix)
    c = make(model, X)
    model.minimize(((X - C) * (X - C)).sum())
    model.optimize()
    return model.value(X), None if c is None else model.dual(c)


ROOT = np.array([[2.0, 0.3, 0.1], [0.0, 1.5, -0.2], [0.4, 0.0, 1.0]])
MATRICES: dict[str, tuple[Callable[[ot.Model, Any], Any], dict[str, Any]]] = {
    "psd": (lambda m, X: None, {"psd": True}),
    "symmetric >>": (lambda m, X: m.add_constraint(X >> 0), {"symmetric": True}),
    "<< of a negative": (lambda m, X: m.add_constraint(-X << np.zeros((3, 3))), {"symmetric": True}),
    "triangle": (lambda m, X: m.add_constraint(X, ot.PositiveSemidefiniteConeTriangle(3)), {"symmetric": True}),
    "scaled triangle": (
        lambda m, X: m.add_constraint(X, ot.ScaledPositiveSemidefiniteConeTriangle(3)),
        {"symmetric": True},
    ),
    "symmetric to rounding": (
        lambda m, X: m.add_constraint(np.linalg.inv(ROOT) @ (ROOT @ X @ ROOT.T) @ np.linalg.inv(ROOT).T >> 0),
        {"symmetric": True},
    ),
    "square": (lambda m, X: m.add_constraint(X, ot.PositiveSemidefiniteConeSquare(3)), {}),
    "square >>": (lambda m, X: m.add_constraint(X >> 0), {}),
}


@pytest.mark.parametrize("how", MATRICES)
def test_the_nearest_semidefinite_matrix(how: str) -> None:
    """However it is written, the solution is the positive part of C, and the dual twice the negative one."""
    C = np.array([[1.0, 2.0, 0.0], [2.0, 1.0, -1.0], [0.0, -1.0, -2.0]])
    values, Q = np.linalg.eigh(C)
    X, Y = nearest(C, *MATRICES[how])
    np.testing.assert_allclose(X, Q * values.clip(0.0) @ Q.T, atol=1e-6)
    if Y is not None:
        np.testing.assert_allclose((Y + Y.T) / 2, -2.0 * (Q * values.clip(max=0.0)) @ Q.T, atol=1e-5)
        if "square" not in how:
            np.testing.assert_allclose(Y, Y.T, atol=1e-9)


@pytest.mark.parametrize("how", ["symmetric >>", "scaled triangle", "square"])
def test_derivatives_of_semidefinite_matrices(how: str) -> None:
    """Seeds of a dual matrix S pull back what ``<S, Y>`` moves by, tangents of the matrix push Y, by one another."""
    C = np.array([[1.0, 2.0, 0.3], [2.0, 1.0, -1.0], [0.3, -1.0, -2.0]])
    S, D = (M + M.T for M in RNG.standard_normal((2, 3, 3)))
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    make, matrix = MATRICES[how]
    X = model.add_variables((3, 3), **matrix)
    c = make(model, X)
    model.minimize(((X - C) * (X - C)).sum())
    model.optimize()

    def dual(M: np.ndarray) -> np.ndarray:
        values, Q = np.linalg.eigh(M)
        return np.asarray(-2.0 * (Q * values.clip(max=0.0)) @ Q.T)

    h = 1e-5  # X + t D is semidefinite, so X moves as if C were C + t D, by -t D
    want = np.vdot(S, dual(C + h * D) - dual(C - h * D)) / (2 * h)
    model.set(ot.ReverseConstraintDual(), c, S)
    model.reverse_differentiate()
    rows = model.get(ot.ReverseConstraintFunction(), c).constants
    layout = model.get(ot.ConstraintLayout(), c)
    assert rows @ layout.rows_of(D) == pytest.approx(want, rel=1e-6)
    model.empty_input_sensitivities()
    model.set(ot.ForwardConstraintFunction(), c, 0.0 * X + D)
    model.forward_differentiate()
    moved = layout.arranged(np.asarray(model.get(ot.ForwardConstraintDual(), c)))
    assert np.vdot(S, moved) == pytest.approx(want, rel=1e-6)


def test_seeds_of_symmetric_matrices() -> None:
    """Seeds of both entries of one variable add up, in arrays, vectors and lists; other numbers must agree."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    X = model.add_variables((2, 2), "X", symmetric=True)
    C, S = model.add_parameters(np.zeros((2, 2))), np.array([[1.0, 2.0], [4.0, 8.0]])
    model.minimize(((X - C) * (X - C)).sum())
    model.optimize()
    for index, seed in ((X, S), (X.ravel(), S.ravel()), (list(X.ravel()), S.ravel().tolist()), (X[::-1], S[::-1])):
        model.empty_input_sensitivities()
        model.set(ot.ReverseVariablePrimal(), index, seed)
        model.reverse_differentiate()
        np.testing.assert_allclose(model.get(ot.ReverseParameterValue(), C), [[1.0, 3.0], [3.0, 8.0]], atol=1e-9)
    model.empty_input_sensitivities()
    model.set(ot.ReverseVariablePrimal(), X, 1.0)
    model.reverse_differentiate()
    np.testing.assert_allclose(model.get(ot.ReverseParameterValue(), C), np.ones((2, 2)), atol=1e-9)
    model.set(ot.VariablePrimalStart(), X, S + S.T)
    assert model.get(ot.VariablePrimalStart(), X).tolist() == [[2.0, 6.0], [6.0, 16.0]]
    with pytest.raises(ot.InvalidData, match=r"VariablePrimalStart\(\) of X\[0,1\]: got 2.0 and 4.0"):
        model.set(ot.VariablePrimalStart(), X, S)


def test_inner_products_of_matrices() -> None:
    """trace(C X) of a symmetric matrix counts both halves, for C symmetric or not."""
    C = RNG.standard_normal((3, 3))
    model = ot.Model()
    X = model.add_variables((3, 3), "X", symmetric=True)
    assert X[0, 2] == X[2, 0] and model.get(ot.NumberOfVariables()) == 6 and repr(X[2, 1]) == "X[1,2]"
    for f in (np.trace(C.T @ X), (C * X).sum(), np.vdot(C, X), np.einsum("ij,ij", C, X)):
        for i in range(3):
            for j in range(3):
                want = C[i, i] if i == j else C[i, j] + C[j, i]
                assert f.coefficient(X[i, j]) == pytest.approx(want, rel=1e-12)


def test_refused_matrices() -> None:
    """What is not square, not symmetric or of another side is refused in words, and nothing is added."""
    model = ot.Model()
    X, R = model.add_variables((3, 3)), model.add_variables((2, 3))
    for make, error, words in (
        (lambda: R >> 0, ot.DimensionMismatch, "is square"),
        (lambda: model.add_constraint(X, ot.PositiveSemidefiniteConeTriangle(3)), ot.InvalidData, "symmetric=True"),
        (lambda: model.add_constraint(X, ot.PositiveSemidefiniteConeSquare(2)), ot.DimensionMismatch, "side 2"),
        (
            lambda: model.add_constraint(X, ot.HermitianPositiveSemidefiniteConeTriangle(3)),
            ot.InvalidData,
            "takes a vector",
        ),
        (lambda: model.add_constraint(X, ot.Nonnegatives(8)), ot.DimensionMismatch, "8 rows, got 9"),
        (lambda: model.add_constraint(X, ot.LessThan(1.0)), ot.DimensionMismatch, "needs a scalar"),
        (lambda: model.add_constraint(X, 3), ot.InvalidData, "Expected a set"),
        (lambda: model.add_constraint(X), ot.InvalidData, "a function and a set"),
        (lambda: model.minimize(X), ot.InvalidData, "scalar function"),
    ):
        with pytest.raises(error, match=words):
            make()
    assert model.get(ot.ListOfConstraintTypesPresent()) == []


# ---------------------------------------------------------------------- size
def test_large_arrays_are_read_and_built_as_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A product with a large sparse matrix, sums and values make no object of each variable or term."""
    made: list[int] = []
    init = ot.VariableIndex.__init__
    monkeypatch.setattr(ot.VariableIndex, "__init__", lambda self, value: made.append(init(self, value)))
    model = ot.Model(ot.solvers.HiGHS)
    X = model.add_variables((400, 100), lower=0.0, upper=1.0)
    A = sp.random_array((300, 400), density=0.02, rng=np.random.default_rng(1), format="csr")
    c = model.add_constraint(A @ X <= 2.0)
    model.maximize(X.sum())
    model.optimize()
    x = model.value(X)
    np.testing.assert_allclose(model.value(c), A @ x - 2.0, atol=1e-12)
    np.testing.assert_allclose(model.value(np.cumsum(X, axis=0)[-1] + X[:, ::2].T.sum()), x.sum(0) + x[:, ::2].sum())
    assert not made and model.dual(c).shape == (300, 100)
