"""Functions: arithmetic of every pair of types against polynomials written as dictionaries."""

from __future__ import annotations

import itertools
import operator
from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import optangent as ot

from .polynomials import Polynomial, polynomials

X, Y, Z = (ot.VariableIndex(k) for k in range(3))
V = ot.VectorOfVariables([X, Y, Z])
A = np.array([[1.0, 2.0, 0.0], [0.0, -1.0, 3.0]])
F = 2.0 * X + Y + 1.0


def combine(op: Any, f: Polynomial, g: Polynomial) -> Polynomial:
    """The sum, difference or product of two polynomials."""
    out: Counter[tuple[int, ...]] = Counter()
    if op is operator.mul:
        for (a, c), (b, d) in itertools.product(f.items(), g.items()):
            out[tuple(sorted(a + b))] += c * d  # type: ignore[assignment]
    else:
        sign = -1 if op is operator.sub else 1
        for k in {*f, *g}:
            out[k] = f.get(k, 0) + sign * g.get(k, 0)  # type: ignore[assignment]
    return {k: c for k, c in out.items() if c}


OPERANDS: dict[str, Any] = {
    "int": 3,
    "float": -0.5,
    "bool": True,
    "float64": np.float64(2.0),
    "float32": np.float32(0.5),
    "int64": np.int64(-2),
    "0-d array": np.array(4.0),
    "variable": X,
    "affine": 2.0 * X - Y + 3.0,
    "empty affine": ot.ScalarAffineFunction(),
    "quadratic": X * X + 3.0 * X * Y - Y + 1.0,
    "array": np.array([1.0, -2.0, 0.0]),
    "int array": np.array([1, 2, 3]),
    "strided array": np.arange(6.0)[::2],
    "list": [1.0, 2.0, 4.0],
    "list of functions": [X, 2.0, Y + 1.0],
    "object array": np.array([X, 2.0, 1.0 * Y], dtype=object),
    "numbers as objects": np.array([1.0, 2, 3], dtype=object),
    "sparse column": sp.csr_array(np.array([[1.0], [0.0], [2.0]])),
    "variables": V,
    "vector affine": ot.VectorAffineFunction(np.vstack([A, A[:1]]), V, [1.0, 0.0, -1.0]),
    "vector quadratic": V * V + 1.0,
}
OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul}
PAIRS = [
    pytest.param(OPERATORS[sign], left, right, id=f"{left} {sign} {right}")
    for sign, left, right in itertools.product(OPERATORS, OPERANDS, OPERANDS)
    if isinstance(OPERANDS[left], ot.Function) or isinstance(OPERANDS[right], ot.Function)
    if not (sign == "*" and sp.issparse(OPERANDS[left]))  # SciPy's own product, that of matrices
]


@pytest.mark.parametrize(("op", "left", "right"), PAIRS)
def test_arithmetic_of_every_pair(op: Any, left: str, right: str) -> None:
    """Sum, difference and product equal those of polynomials, row by row with broadcasting."""
    a, b = OPERANDS[left], OPERANDS[right]
    rows_a, rows_b = (as_rows(value) for value in (a, b))
    m = max(len(rows_a), len(rows_b))
    rows_a, rows_b = (rows * m if len(rows) == 1 else rows for rows in (rows_a, rows_b))
    want = [combine(op, p, q) for p, q in zip(rows_a, rows_b, strict=True)]
    degree = max((len(k) for row in want for k in row), default=0)
    got = op(a, b)
    assert isinstance(got, ot.Function)
    assert polynomials(got) == want  # exact: small whole numbers and halves
    assert got.is_vector == (m > 1)
    assert got.degree >= min(max(1, degree), 3)


def as_rows(value: Any) -> list[Polynomial]:
    """Rows of an operand of any of the types above."""
    if sp.issparse(value):
        value = value.toarray().squeeze()
    if isinstance(value, (list, np.ndarray)) and any(isinstance(i, ot.Function) for i in np.ravel(value)):
        return [polynomials(item)[0] for item in value]
    return polynomials(value)


@pytest.mark.parametrize("name", [k for k, f in OPERANDS.items() if isinstance(f, ot.Function)])
def test_negation_division_and_powers(name: str) -> None:
    """Negation and division act on all coefficients; a square is the product with itself."""
    f = OPERANDS[name]
    rows = polynomials(f)
    assert polynomials(-f) == [{k: -c for k, c in row.items()} for row in rows]
    assert polynomials(f / 4) == [{k: c / 4 for k, c in row.items()} for row in rows]
    assert polynomials(f / np.float32(2)) == [{k: c / 2 for k, c in row.items()} for row in rows]
    assert polynomials(f**1) == rows
    if f.degree < 2:
        assert polynomials(f**2) == [combine(operator.mul, row, row) for row in rows]


def test_division_by_an_array_is_row_by_row() -> None:
    """Each row is divided by its own number, exactly as in NumPy."""
    assert polynomials((49.0 * V) / np.array([49.0, 7.0, 1.0])) == [{(0,): 1.0}, {(1,): 7.0}, {(2,): 49.0}]
    assert polynomials(X / np.array([2.0, 4.0])) == [{(0,): 0.5}, {(0,): 0.25}]


@pytest.mark.parametrize("kind", ["dense", "csr_array", "csc_matrix", "coo_array", "fortran", "list", "int"])
def test_matrix_products(kind: str) -> None:
    """`A @ f` has the rows of A's product, for dense and sparse A of any layout."""
    make: dict[str, Any] = {
        "dense": A,
        "csr_array": sp.csr_array(A),
        "csc_matrix": sp.csc_matrix(A),
        "coo_array": sp.coo_array(A),
        "fortran": np.asfortranarray(A),
        "list": A.tolist(),
        "int": A.astype(int),
    }
    M = make[kind]
    for f in (V, 2.0 * V + np.array([1.0, 2.0, 3.0]), V * V + V):
        rows = polynomials(f)
        want = []
        for weights in A:
            total: Polynomial = {}
            for w, row in zip(weights, rows, strict=True):
                total = combine(operator.add, total, {k: w * c for k, c in row.items()})
            want.append(total)
        assert polynomials(M @ f) == want
        assert polynomials(f @ (M if kind == "list" else M.T) if kind != "list" else M @ f) == want


def test_duplicate_entries_of_a_sparse_matrix_add() -> None:
    """A matrix with repeated, unsorted entries means their sums, and is left as it was."""
    M = sp.csr_array((np.array([1.0, 2.0, 4.0]), np.array([1, 0, 1]), np.array([0, 3])), shape=(1, 3))
    assert polynomials(M @ V) == [{(0,): 2.0, (1,): 5.0}]
    assert M.nnz == 3


def test_a_function_does_not_share_memory_with_what_made_it() -> None:
    """Writing into an array afterwards does not change a function made from it."""
    dense, sparse, constants = A.copy(), sp.csr_array(A), np.array([1.0, 2.0])
    functions = [dense @ V + constants, sparse @ V + constants, ot.VectorAffineFunction(dense, V, constants)]
    dense[:], sparse.data[:], constants[:] = 9.0, 9.0, 9.0
    for f in functions:
        f.constants[:] = 7.0
        assert polynomials(f) == [{(0,): 1.0, (1,): 2.0, (): 1.0}, {(1,): -1.0, (2,): 3.0, (): 2.0}]


def test_dot_products() -> None:
    """`q @ v`, `v @ w` and `v @ (P @ v)` are the written-out sums, also for non-symmetric P."""
    q = np.array([1.0, 0.0, -2.0])
    assert polynomials(q @ V) == polynomials(V @ q) == [{(0,): 1.0, (2,): -2.0}]
    assert polynomials(V @ V) == [{(0, 0): 1.0, (1, 1): 1.0, (2, 2): 1.0}]
    P = np.array([[1.0, 2.0, 0.0], [4.0, 0.0, 0.0], [0.0, 0.0, 3.0]])
    f = V @ (P @ V)
    assert polynomials(f) == [{(0, 0): 1.0, (0, 1): 6.0, (2, 2): 3.0}]
    np.testing.assert_array_equal(f.Q.toarray(), P + P.T)
    assert f.coefficient(Y, X) == f.coefficient(X, Y) == 6.0
    assert polynomials(V.sum()) == polynomials(sum(V)) == [{(0,): 1.0, (1,): 1.0, (2,): 1.0}]
    assert polynomials(sp.csr_array(q.reshape(1, 3)) @ V) == [{(0,): 1.0, (2,): -2.0}]


def test_indexing() -> None:
    """Numbers, negative numbers, slices, masks and arrays choose rows; a number gives a scalar function."""
    f = A @ V + np.array([5.0, 6.0])
    rows = polynomials(f)
    assert polynomials(f[0]) == rows[:1] and polynomials(f[-1]) == rows[1:]
    assert not f[0].is_vector and f[0:1].is_vector
    assert polynomials(f[::-1]) == rows[::-1]
    assert polynomials(f[np.array([1, 0, 1])]) == [rows[1], rows[0], rows[1]]
    assert polynomials(f[np.array([False, True])]) == rows[1:]
    assert polynomials(f[[0]]) == rows[:1]
    assert V[1] == Y and V[-1] == Z and V[np.array([2, 0])].ids.tolist() == [2, 0] and V[1:].ids.tolist() == [1, 2]
    for bad in (2, -3, np.array([0, 2])):
        with pytest.raises(IndexError):
            f[bad]
    assert f[np.array([[0], [1]])].shape == (2, 1) and f[:, None].shape == (2, 1)


@pytest.mark.parametrize("f", [V, A @ V + 1.0, V * V + V + 2.0, A[:0] @ V], ids=["v", "affine", "quadratic", "none"])
def test_iteration_gives_the_rows(f: Any) -> None:
    """Iterating equals indexing row by row, in values and types."""
    parts = list(f)
    assert len(parts) == len(f)
    for k, part in enumerate(parts):
        assert polynomials(part) == polynomials(f[k]) and type(part) is type(f[k])


def test_coefficients() -> None:
    """Coefficients are those of the written-out polynomial, repeats added, one by one and in bulk."""
    f = X + X + 3 * X * Y + Y * X + X * X + 5
    assert (f.coefficient(X), f.coefficient(Y), f.coefficient(X, Y), f.coefficient(X, X)) == (2, 0, 4, 1)
    assert f.constant == 5 and f.coefficient(Z, Z) == 0
    np.testing.assert_array_equal(f.coefficients(V), [2, 0, 0])
    np.testing.assert_array_equal(f.coefficients(V, V[np.array([1, 0, 2])]), [4, 4, 0])
    F = ot.vectorize([f, 2.0 * Z + 1.0])
    assert F.coefficient(0, X, Y) == 4 and F.coefficient(1, Z) == 2 and F.coefficient(-1, Z) == 2
    np.testing.assert_array_equal(F.coefficients([0, 1, -1], V[np.array([0, 2, 2])]), [2, 2, 2])
    np.testing.assert_array_equal(F.coefficients([0, 1], V[:2], V[:2]), [1, 0])
    np.testing.assert_array_equal(F.coefficients(np.array([[0], [1]]), V), [[2, 0, 0], [0, 0, 2]])
    np.testing.assert_array_equal(F.constants, [5, 1])
    with pytest.raises(IndexError):
        F.coefficients([2], V[:1])


def test_variables_that_occur() -> None:
    """`variables` are those of all terms, each once, in the order of their indices."""
    assert (3 * Z * X + Y - Y).variables.ids.tolist() == [0, 1, 2]
    assert (1.0 * X + 2).variables.ids.tolist() == [0]


def test_constructor_of_affine_functions() -> None:
    """Variables as a list or vector with as many coefficients; anything else is refused."""
    want = [{(0,): 1.0, (1,): 2.0, (): 3.0}]
    assert polynomials(ot.ScalarAffineFunction([X, Y], [1, 2], 3)) == want
    f = ot.ScalarAffineFunction(V[:2], np.array([1.0, 2.0]), np.float32(3))
    assert polynomials(f) == want and polynomials(f + X) == [{(0,): 2.0, (1,): 2.0, (): 3.0}]
    with pytest.raises(ot.DimensionMismatch, match="2 variables"):
        ot.ScalarAffineFunction([X, Y], [1.0])
    with pytest.raises(ot.InvalidData, match="real number"):
        ot.ScalarAffineFunction([X], [1j])


def test_vectorize() -> None:
    """Plain variables stack to a vector of variables; functions and numbers to the least sufficient class."""
    assert type(ot.vectorize([X, Y])) is ot.VectorOfVariables
    assert type(ot.vectorize([X, 2.0])) is ot.VectorAffineFunction
    assert type(ot.vectorize([X * X, Y])) is ot.VectorQuadraticFunction
    assert polynomials(ot.vectorize([V, 1.0, X + Y])) == [{(0,): 1}, {(1,): 1}, {(2,): 1}, {(): 1}, {(0,): 1, (1,): 1}]


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: X ** "3", ot.InvalidData, "'3'"),
        (lambda: X**1j, ot.InvalidData, "real number"),
        (lambda: X / 0, ot.InvalidData, "divided by zero"),
        (lambda: V / np.array([1.0, 0.0, 2.0]), ot.InvalidData, "divided by zero"),
        (lambda: X * 1j, ot.InvalidData, "real number"),
        (lambda: 1j * X, ot.InvalidData, "real number"),
        (lambda: V + np.array([1j, 0, 0]), ot.InvalidData, "array of complex128"),
        (lambda: np.array([[1j, 0, 0]]) @ V, ot.InvalidData, "complex128"),
        (lambda: sp.csr_array(np.array([[1j, 0, 0]])) @ V, ot.InvalidData, "complex128"),
        (lambda: X + "a", ot.InvalidData, "'a'"),
        (lambda: X + None, ot.InvalidData, "None"),
        (lambda: V * np.array(["a", None, 1], dtype=object), ot.InvalidData, "real number"),
        (lambda: V + np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0]), ot.InvalidData, "masked"),
        (lambda: np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0]) @ V, ot.InvalidData, "masked"),
        (lambda: V + np.ones(2), ot.DimensionMismatch, "3 and of 2 rows"),
        (lambda: V * V[:2], ot.DimensionMismatch, "3 and of 2 rows"),
        (lambda: V @ V[:2], ot.DimensionMismatch, "3 and 2 rows"),
        (lambda: V + A.T, ot.DimensionMismatch, r"shapes \(3,\) and \(3, 2\)"),
        (lambda: A.T * V, ot.DimensionMismatch, r"shapes \(3,\) and \(3, 2\)"),
        (lambda: A.T @ V, ot.DimensionMismatch, r"shape \(3, 2\)"),
        (lambda: np.ones((2, 3, 2)) @ V, ot.DimensionMismatch, r"shapes \(2, 3, 2\) and \(3,\)"),
        (lambda: np.float64(2.0) @ V, ot.DimensionMismatch, r"shape \(\)"),
        (lambda: V + np.array([V, X], dtype=object), ot.DimensionMismatch, "vectorize"),
        (lambda: np.array([[X, Y]], dtype=object) + V, ot.DimensionMismatch, r"shapes \(3,\) and \(1, 2\)"),
        (lambda: ot.vectorize([X, V[:, None]]), ot.DimensionMismatch, r"X.ravel\(\) row by row"),
    ],
)
def test_refused_arithmetic(make: Any, error: type[Exception], words: str) -> None:
    """What is no polynomial of degree two, no real number, or of another size is refused in words."""
    with pytest.raises(error, match=words):
        make()


def test_masked_arrays_without_masked_entries_are_arrays() -> None:
    """A mask that hides nothing is no reason to refuse."""
    assert polynomials(V + np.ma.array([1.0, 2.0, 3.0], mask=False)) == polynomials(V + np.array([1.0, 2.0, 3.0]))


# ---------------------------------------------------------------------- sharing of lists
_STEP = st.tuples(st.integers(0, 30), st.integers(0, 30), st.sampled_from("+-sqan"))


@settings(max_examples=150)
@given(st.lists(_STEP, min_size=1, max_size=25))
def test_sums_on_shared_prefixes_never_change_earlier_functions(steps: list[tuple[int, int, str]]) -> None:
    """Any sequence of operations on earlier results equals exact arithmetic, for all results at once."""
    big = ot.VectorOfVariables([ot.VariableIndex(k) for k in range(70)])
    made: list[Any] = [1.0 * X, 2.0 * Y + 1.0, X * Y + Z, np.arange(70.0) @ big, 0.5 * X]
    exact = [{k: Fraction(c) for k, c in polynomials(f)[0].items()} for f in made]
    for left, right, op in steps:
        i, j = left % len(made), right % len(made)
        if op == "s":
            made.append(made[i] * 2)
            exact.append({k: 2 * c for k, c in exact[i].items()})
        elif op == "n":
            made.append(-made[i])
            exact.append({k: -c for k, c in exact[i].items()})
        elif op == "a":
            made.append(made[i] + X)
            exact.append(combine(operator.add, exact[i], {(0,): Fraction(1)}))  # type: ignore[arg-type,dict-item]
        elif op == "q":
            made.append(made[i] + 3)
            exact.append(combine(operator.add, exact[i], {(): Fraction(3)}))  # type: ignore[arg-type,dict-item]
        else:
            how = operator.add if op == "+" else operator.sub
            made.append(how(made[i], made[j]))
            exact.append(combine(how, exact[i], exact[j]))  # type: ignore[arg-type]
        if made[-1].rows.coef.size > 5000:
            break
    for f, want in zip(made, exact, strict=True):
        got = polynomials(f)[0]
        assert got.keys() == want.keys() and all(Fraction(got[k]) == want[k] for k in want)


def test_a_long_sum_is_linear_in_time() -> None:
    """Adding terms one by one to a function appends, so a sum of 20,000 terms shares one list."""
    f = np.ones(100) @ ot.VectorOfVariables([ot.VariableIndex(k) for k in range(100)])
    for _ in range(20_000):
        f = f + X
    assert f.coefficient(X) == 20_001.0


# ---------------------------------------------------------------------- rewriting as rows
@pytest.mark.parametrize("f", [X, F, X * X + F, V, A @ V + 1.0, V * V + 2.0], ids=lambda f: type(f).__name__)
def test_rows_round_trip(f: Any) -> None:
    """`from_rows(f.rows)` is f again, in the same class."""
    again = type(f).from_rows(f.rows)
    assert type(again) is type(f) and polynomials(again) == polynomials(f)


@pytest.mark.parametrize("bad", [2.0 * X, X + 1.0, X + Y, X * X, ot.ScalarAffineFunction()], ids=str)
def test_rows_that_are_no_variable(bad: Any) -> None:
    """Only a row of exactly one variable with coefficient one is a plain variable."""
    with pytest.raises(ot.InvalidData, match="not a single variable"):
        ot.VariableIndex.from_rows(bad.rows)
    with pytest.raises(ot.InvalidData, match="not plain variables"):
        ot.VectorOfVariables.from_rows(bad.rows)


def test_two_terms_in_one_row_and_none_in_the_next_are_no_variables() -> None:
    """As many terms as rows is not enough: each row needs its own."""
    with pytest.raises(ot.InvalidData, match="not plain variables"):
        ot.VectorOfVariables.from_rows(ot.vectorize([X + Y, 0.0]).rows)


def test_array_protocol() -> None:
    """A function is a 0-d object to NumPy, so that lists and arrays of functions stay what they are."""
    assert np.asarray(F).shape == () and np.asarray(F).item() is F
    assert np.array([F, V], dtype=object).shape == (2,)
    assert polynomials(X + np.asarray(F)) == polynomials(X + F)
