"""Bad input: each is refused with a specific error in words, and the model is unchanged and usable afterwards."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import optangent as ot
from optangent import DimensionMismatch, InvalidData, InvalidIndex

from .known_model import EACH_SOLVER, FOREIGN, FOREIGN_ROW, SOLVERS, Model

NAN, INF = math.nan, math.inf
MASKED = np.ma.array([1.0, 2.0], mask=[False, True])

BIG = 1e308


def broken(kind: str) -> Any:
    """A sparse array of two rows and columns with an index outside of it."""
    M = sp.csr_array(np.array([[1.0, 2.0], [3.0, 4.0]])).asformat(kind)
    if kind in ("csr", "csc"):
        M.indptr = np.array([0, 9, 4], M.indptr.dtype)
    elif kind == "bsr":
        M.indices[0] = 7
    elif kind == "coo":
        M.coords[1][0] = 7
    elif kind == "dia":
        M.offsets = np.array([0], M.offsets.dtype)
    else:
        M.rows[0][0] = 7
    return M


Spoil = Callable[[Model], Any]
PLACES: dict[str, Callable[[Model, Any], Any]] = {
    "as matrix": lambda k, M: k.m.add_constraint(M @ k.v, ot.Zeros(2)),
    "in a form": lambda k, M: k.m.minimize(k.v @ (M @ k.v)),
    "from the right": lambda k, M: k.m.minimize((k.v @ M) @ k.v),
    "as parameters": lambda k, M: k.m.add_parameters(M),
    "as tangent": lambda k, M: k.m.set(ot.ForwardConstraintFunction(), k.half, M @ k.v),
    "as constants": lambda k, M: k.v + M,
}


def with_broken(kind: str, place: str) -> Spoil:
    """Such an array in one of the places where one may stand."""
    return lambda k: PLACES[place](k, broken(kind))


CASES: dict[str, tuple[Spoil, type[Exception], str]] = {
    # NaN and infinities, datum by datum
    "nan in the objective": (lambda k: k.m.minimize(NAN * k.x), InvalidData, "coefficient is nan.*finite"),
    "inf in the objective": (lambda k: k.m.minimize(INF * k.x + k.y), InvalidData, "coefficient is inf.*finite"),
    "nan in a quadratic term": (lambda k: k.m.minimize(NAN * k.x * k.x), InvalidData, "quadratic coefficient is nan"),
    "inf in a quadratic term": (lambda k: k.m.minimize(INF * k.x * k.y), InvalidData, "quadratic coefficient is inf"),
    "nan in the objective's constant": (lambda k: k.m.minimize(k.x + NAN), InvalidData, "constant is nan"),
    "nan in a row": (lambda k: k.m.add_constraint(NAN * k.x <= 1), InvalidData, "coefficient is nan"),
    "inf in a row": (lambda k: k.m.add_constraint(INF * k.x + k.y <= 1), InvalidData, "coefficient is inf"),
    "nan in a matrix": (
        lambda k: k.m.add_constraint(np.array([[1.0, 2.0], [NAN, 1.0]]) @ k.v, ot.Zeros(2)),
        InvalidData,
        "coefficient in row 1 is nan",
    ),
    "nan in a vector of constants": (lambda k: k.m.add_constraint(k.v >= [0.0, NAN]), InvalidData, "constant in row 1"),
    "nan as right-hand side": (lambda k: k.m.add_constraint(k.x + k.y <= NAN), InvalidData, "not a number"),
    "inf as right-hand side of an equality": (
        lambda k: k.m.add_constraint(k.x + k.y == INF),
        InvalidData,
        "must be finite",
    ),
    "-inf as right-hand side of an equality": (
        lambda k: k.m.add_constraint(k.x + k.y == -INF),
        InvalidData,
        "must be finite",
    ),
    "inf as upper bound of LessThan": (lambda k: k.m.add_constraint(k.x + k.y <= INF), InvalidData, "use Interval"),
    "-inf as upper bounds": (lambda k: k.m.add_constraint(k.v <= [1.0, -INF]), InvalidData, "Row 1.*beyond infinity"),
    "inf as lower bounds": (lambda k: k.m.add_constraint(k.v >= [INF, 1.0]), InvalidData, "Row 0.*beyond infinity"),
    "inf in an equality of vectors": (
        lambda k: k.m.add_constraint(k.v == [1.0, INF]),
        InvalidData,
        "equal to infinity",
    ),
    "inf in a function of a vector": (
        lambda k: k.m.add_constraint(k.v - np.array([INF, 0.0]), ot.Nonpositives(2)),
        InvalidData,
        "constant in row 0 is -inf",
    ),
    "inf as value of a parameter": (
        lambda k: k.m.set_parameter_value(k.p, INF),
        InvalidData,
        "The parameter p stands in a function in EqualTo",
    ),
    "nan as bound": (lambda k: k.m.add_variable(lower=NAN), InvalidData, "not a number"),
    "nan as new bound": (
        lambda k: k.m.set(ot.ConstraintSet(), k.low, ot.GreaterThan(NAN)),
        InvalidData,
        "not a number",
    ),
    "nan in a rectangle": (
        lambda k: k.m.add_constraint(k.v, ot.HyperRectangle([0.0, NAN], [1.0, 1.0])),
        InvalidData,
        r"\(row 1\): a bound is not a number",
    ),
    "lower bound above upper": (
        lambda k: k.m.add_constraint(k.x + k.y, ot.Interval(2.0, 1.0)),
        InvalidData,
        "above the upper",
    ),
    "lower bound inf": (lambda k: k.m.add_constraint(k.x + k.y, ot.Interval(INF, INF)), InvalidData, "plus infinity"),
    "upper bound -inf": (
        lambda k: k.m.add_constraint(k.x + k.y, ot.Interval(-INF, -INF)),
        InvalidData,
        "minus infinity",
    ),
    "nan as start": (lambda k: k.m.set(ot.VariablePrimalStart(), k.x, NAN), InvalidData, "must be finite, got nan"),
    "inf among starts": (lambda k: k.m.set(ot.VariablePrimalStart(), k.v, [0.0, INF]), InvalidData, "must be finite"),
    "nan as dual start": (lambda k: k.m.set(ot.ConstraintDualStart(), k.row, NAN), InvalidData, "must be finite"),
    "nan as parameter": (lambda k: k.m.set_parameter_value(k.p, NAN), InvalidData, "finite value"),
    "inf as new parameter": (lambda k: k.m.add_parameter(INF), InvalidData, "finite value"),
    "nan as new coefficient": (
        lambda k: k.m.modify(k.row, ot.ScalarCoefficientChange(k.x, NAN)),
        InvalidData,
        "must be finite",
    ),
    "inf as new constant": (lambda k: k.m.modify(k.row, ot.ScalarConstantChange(INF)), InvalidData, "must be finite"),
    "nan in a tangent": (lambda k: k.m.set(ot.ForwardObjectiveFunction(), NAN * k.x), InvalidData, "finite"),
    "inf in a row's tangent": (
        lambda k: k.m.set(ot.ForwardConstraintFunction(), k.row, INF * k.x),
        InvalidData,
        "finite",
    ),
    "nan in a set's tangent": (
        lambda k: k.m.set(ot.ForwardConstraintSet(), k.low, ot.GreaterThan(NAN)),
        InvalidData,
        "finite",
    ),
    "nan as parameter's tangent": (lambda k: k.m.set(ot.ForwardParameterValue(), k.p, NAN), InvalidData, "finite"),
    "nan as seed": (lambda k: k.m.set(ot.ReverseVariablePrimal(), k.x, NAN), InvalidData, "finite"),
    "inf as dual seed": (lambda k: k.m.set(ot.ReverseConstraintDual(), k.row, INF), InvalidData, "finite"),
    "nan as objective seed": (lambda k: k.m.set(ot.ReverseObjectiveValue(), NAN), InvalidData, "finite"),
    # numbers that overflow on their way
    "terms that add up to inf": (
        lambda k: k.m.add_constraint(BIG * k.x + BIG * k.x <= 1),
        InvalidData,
        r"x.* too large",
    ),
    "terms that add up to inf and back": (
        lambda k: k.m.add_constraint(BIG * k.x - BIG * k.y + BIG * k.x <= 1),
        InvalidData,
        "too large: they add up to inf",
    ),
    "terms of the objective that add up to inf": (
        lambda k: k.m.minimize(BIG * k.x + k.y + BIG * k.x),
        InvalidData,
        "too large",
    ),
    "a square whose matrix is inf": (lambda k: k.m.minimize(BIG * k.x * k.x), InvalidData, "too large"),
    "products that add up to inf": (
        lambda k: k.m.minimize(BIG * k.x * k.y + BIG * k.y * k.x),
        InvalidData,
        "too large",
    ),
    "a product of coefficients": (lambda k: k.m.minimize((1e200 * k.x) * (1e200 * k.x)), InvalidData, "is inf"),
    "a product of vectors": (lambda k: k.m.minimize((1e200 * k.v) @ (1e200 * k.v)), InvalidData, "is inf"),
    "a product of matrices": (
        lambda k: k.m.add_constraint(np.full((2, 2), BIG) @ (10 * k.v) <= np.ones(2)),
        InvalidData,
        "row 0 is inf",
    ),
    "a sum over columns": (
        lambda k: k.m.add_constraint(np.full((2, 2), BIG) @ (k.v + k.v) <= np.ones(2)),
        InvalidData,
        "in row 0 are too large",
    ),
    "a bound less a constant": (
        lambda k: k.m.add_constraint(k.x + k.y + BIG, ot.LessThan(-BIG)),
        InvalidData,
        "LessThan: upper=-1e.308 is too large beside the constant",
    ),
    "bounds less constants": (
        lambda k: k.m.add_constraint(1.0 * k.v + BIG, ot.HyperRectangle([0.0, -BIG], [1.0, 1.0])),
        InvalidData,
        "lower=-1e.308 in row 1",
    ),
    "a new function whose terms add up to inf": (
        lambda k: k.m.set(ot.ConstraintFunction(), k.row, BIG * k.x + BIG * k.x),
        InvalidData,
        "too large",
    ),
    "constants that add up to inf": (lambda k: k.m.add_constraint(k.v + BIG >= -BIG), InvalidData, "constant.*inf"),
    "a tangent whose terms add up to inf": (
        lambda k: k.m.set(ot.ForwardObjectiveFunction(), BIG * k.x + BIG * k.x),
        InvalidData,
        "ForwardObjectiveFunction.*too large",
    ),
    # more than there is room for
    "too many variables": (
        lambda k: k.m.add_variables(10**15),
        InvalidData,
        "at most 2147483647 variables; got 10{15}",
    ),
    "too many variables with bounds": (lambda k: k.m.add_variables(2**33, lower=0.0), InvalidData, "at most"),
    "a cone of too many rows": (
        lambda k: k.m.add_constrained_variables(ot.Nonnegatives(10**15)),
        InvalidData,
        "at most 2147483647 variables",
    ),
    # sparse arrays whose indices point outside
    **{
        f"a broken {kind} array {place}": (
            with_broken(kind, place),
            InvalidData,
            f"broken {kind} array",
        )
        for kind, place in [
            *((kind, "as matrix") for kind in ("csr", "csc", "coo", "bsr", "dia", "lil")),
            *(
                ("csr", place)
                for place in ("in a form", "from the right", "as parameters", "as tangent", "as constants")
            ),
        ]
    },
    # wrong sizes
    "q too long": (lambda k: k.m.minimize(np.ones(3) @ k.v), DimensionMismatch, r"\(3,\).*2 rows"),
    "P too large": (lambda k: k.m.minimize(k.v @ (np.eye(3) @ k.v)), DimensionMismatch, r"\(3, 3\).*2 rows"),
    "A with too few columns": (lambda k: np.ones((2, 1)) @ k.v, DimensionMismatch, r"\(2, 1\)"),
    "A with too many columns": (lambda k: sp.csr_array(np.ones((2, 3))) @ k.v, DimensionMismatch, r"\(2, 3\)"),
    "b too short": (lambda k: k.m.add_constraint(np.eye(2) @ k.v <= np.ones(3)), DimensionMismatch, "2 and of 3 rows"),
    "set too small": (lambda k: k.m.add_constraint(np.eye(2) @ k.v, ot.Zeros(1)), DimensionMismatch, "1 rows, got 2"),
    "sets of other sizes": (
        lambda k: k.m.add_constraints(np.eye(2) @ k.v, ot.Zeros(3)),
        DimensionMismatch,
        "cannot be dealt",
    ),
    "negative dimension": (lambda k: ot.Nonnegatives(-1), InvalidData, "at least 0, got -1"),
    "vector in a scalar set": (
        lambda k: k.m.add_constraint(k.v, ot.LessThan(1.0)),
        DimensionMismatch,
        "a scalar function",
    ),
    "scalar in a vector set": (
        lambda k: k.m.add_constraint(1.0 * k.x, ot.Zeros(1)),
        DimensionMismatch,
        "a vector function",
    ),
    "starts too short": (lambda k: k.m.set(ot.VariablePrimalStart(), k.v, [1.0]), DimensionMismatch, "2 indices"),
    "dual start too long": (
        lambda k: k.m.set(ot.ConstraintDualStart(), k.box, [1.0] * 3),
        DimensionMismatch,
        "2 numbers",
    ),
    "constants too long": (
        lambda k: k.m.modify(k.half, ot.VectorConstantChange(np.ones(3))),
        DimensionMismatch,
        "2 rows",
    ),
    "row beyond the last": (
        lambda k: k.m.modify(k.half, ot.MultirowChange(k.x, [(5, 1.0)])),
        DimensionMismatch,
        "row 5",
    ),
    "tangent of other size": (
        lambda k: k.m.set(ot.ForwardConstraintFunction(), k.half, 1.0 * k.x),
        DimensionMismatch,
        "2 rows",
    ),
    "set tangent of other type": (
        lambda k: k.m.set(ot.ForwardConstraintSet(), k.low, ot.LessThan(1.0)),
        InvalidData,
        "GreaterThan",
    ),
    "quadratic tangent of an affine row": (
        lambda k: k.m.set(ot.ForwardConstraintFunction(), k.row, k.x * k.x),
        InvalidData,
        "affine",
    ),
    "seeds too long": (lambda k: k.m.set(ot.ReverseVariablePrimal(), k.v, [1.0] * 3), DimensionMismatch, "2"),
    "dual seed of other size": (
        lambda k: k.m.set(ot.ReverseConstraintDual(), k.half, 1.0),
        DimensionMismatch,
        r"\(2,\)",
    ),
    "degree three": (lambda k: k.m.minimize(k.x * k.x * k.x), ot.UnsupportedObjective, "degree 3 in the variables"),
    # indices
    "deleted variable in a row": (lambda k: k.m.add_constraint(k.gone + k.x <= 1), InvalidIndex, "gone|deleted"),
    "deleted variable in the objective": (lambda k: k.m.minimize(k.gone + k.x), InvalidIndex, "deleted"),
    "value of a deleted variable": (lambda k: k.m.value(k.gone), InvalidIndex, "deleted"),
    "deleting twice": (lambda k: k.m.delete(k.gone), InvalidIndex, "deleted"),
    "dual of a deleted row": (lambda k: k.m.dual(k.gone_row), InvalidIndex, "deleted"),
    "new set of a deleted row": (
        lambda k: k.m.set(ot.ConstraintSet(), k.gone_row, ot.LessThan(1)),
        InvalidIndex,
        "deleted",
    ),
    "seed on a deleted variable": (lambda k: k.m.set(ot.ReverseVariablePrimal(), k.gone, 1.0), InvalidIndex, "deleted"),
    "foreign variable in a row": (lambda k: k.m.add_constraint(FOREIGN + k.x <= 1), InvalidIndex, "another model"),
    "foreign variable's value": (lambda k: k.m.value(FOREIGN), InvalidIndex, "another model"),
    "foreign variable in a tangent": (
        lambda k: k.m.set(ot.ForwardObjectiveFunction(), 1.0 * FOREIGN),
        InvalidIndex,
        "another model",
    ),
    "foreign row's dual": (lambda k: k.m.dual(FOREIGN_ROW), InvalidIndex, "another model"),
    "foreign row modified": (
        lambda k: k.m.modify(FOREIGN_ROW, ot.ScalarConstantChange(1.0)),
        InvalidIndex,
        "another model",
    ),
    "negative index": (lambda k: k.m.value(ot.VariableIndex(-1)), InvalidIndex, "another model"),
    "index never given out": (lambda k: k.m.value(ot.VariableIndex(k.x.value + 100)), InvalidIndex, "never added"),
    "a variable where a row is wanted": (lambda k: k.m.dual(k.x), InvalidIndex, "belongs to a constraint"),
    "a row where a variable is wanted": (
        lambda k: k.m.get(ot.VariablePrimal(), k.row),
        InvalidIndex,
        "belongs to a variable",
    ),
    "a number where an index is wanted": (lambda k: k.m.delete(3), InvalidIndex, "Expected the index"),
    "a seed on a row": (
        lambda k: k.m.set(ot.ReverseVariablePrimal(), k.row, 1.0),
        InvalidIndex,
        "belongs to a variable",
    ),
    "a variable as parameter": (lambda k: k.m.set_parameter_value(k.x, 1.0), InvalidIndex, "not a parameter"),
    "tangent of a variable as parameter": (
        lambda k: k.m.set(ot.ForwardParameterValue(), k.x, 1.0),
        InvalidIndex,
        "not a parameter",
    ),
    "unknown name": (lambda k: k.m.variable_by_name("z"), InvalidIndex, "called 'z'"),
    # types
    "complex coefficient": (lambda k: k.m.minimize(1j * k.x), InvalidData, "real number"),
    "complex matrix": (lambda k: (1j * np.eye(2)) @ k.v, InvalidData, "complex128"),
    "complex sparse matrix": (lambda k: sp.csr_array(1j * np.eye(2)) @ k.v, InvalidData, "complex128"),
    "complex bound": (lambda k: k.m.add_variables(2, lower=np.array([1j, 0])), InvalidData, "complex128"),
    "masked constants": (lambda k: k.v + MASKED, InvalidData, "masked entries"),
    "masked bounds": (lambda k: k.m.add_variables(2, upper=MASKED), InvalidData, "masked entries"),
    "masked parameters": (lambda k: k.m.add_parameters(MASKED), InvalidData, "masked entries"),
    "masked matrix": (lambda k: np.ma.array(np.eye(2), mask=np.eye(2)) @ k.v, InvalidData, "masked entries"),
    "objects that are no numbers": (lambda k: k.v + np.array(["a", None], dtype=object), InvalidData, "real number"),
    "text as bound": (lambda k: k.m.add_constraint(k.x, ot.LessThan("1")), InvalidData, "'1'"),  # type: ignore[arg-type]
    "no constraint at all": (lambda k: k.m.add_constraint(2 <= 3), InvalidData, "takes a comparison"),
    "a number as set": (lambda k: k.m.add_constraint(k.x + k.y, 3.0), InvalidData, "Expected a set"),  # type: ignore[arg-type]
    "a vector as objective": (lambda k: k.m.minimize(k.v), InvalidData, "scalar function"),
    "a word as sense": (lambda k: k.m.set(ot.ObjectiveSense(), "max"), InvalidData, "ObjectiveSenseCode"),
    # what the model cannot do
    "a second lower bound": (lambda k: k.m.add_constraint(k.x, ot.GreaterThan(1.0)), ot.BoundAlreadySet, "already"),
    "another kind of set": (
        lambda k: k.m.set(ot.ConstraintSet(), k.row, ot.LessThan(1.0)),
        ot.UnsupportedModification,
        "another kind",
    ),
    "a quadratic coefficient of a row": (
        lambda k: k.m.modify(k.row, ot.ScalarQuadraticCoefficientChange(k.x, k.x, 1.0)),
        ot.UnsupportedModification,
        "no quadratic coefficients",
    ),
    "a variable of a rectangle": (
        lambda k: k.m.delete(k.m.add_constrained_variables(ot.HyperRectangle([0, 0], [1, 1]))[0][0]),
        ot.UnsupportedModification,
        "cannot lose a row",
    ),
    "unknown option": (
        lambda k: k.m.set(ot.RawOptimizerAttribute("no_such"), 1),
        ot.UnsupportedAttribute,
        "no option 'no_such'",
    ),
    "a result that is set": (
        lambda k: k.m.set(ot.VariablePrimal(), k.x, 1.0),
        ot.UnsupportedAttribute,
        "read, not set",
    ),
    "bad time limit": (lambda k: k.m.set(ot.TimeLimitSec(), -1.0), InvalidData, "seconds"),
}
ADDS = {"a variable of a rectangle"}  # the spoiler adds what it then fails to delete


@pytest.fixture(scope="module", params=SOLVERS)
def spoilt(request: pytest.FixtureRequest) -> tuple[Model, list[float]]:
    """One model for each solver, spoilt by all cases in turn, and its answer before."""
    model = Model(request.param)
    return model, model.answer()


@pytest.mark.parametrize("case", CASES)
def test_refused_and_unchanged(spoilt: tuple[Model, list[float]], case: str) -> None:
    """The error is specific, says what was wrong, and the solution is the same as before, without a new solve."""
    model, before = spoilt
    spoil, error, words = CASES[case]
    text = str(model.m)
    with pytest.raises(error, match=words) as caught:
        spoil(model)
    assert isinstance(caught.value, ot.OptangentError) and len(str(caught.value)) > 15
    if case in ADDS:
        w = model.m.get(ot.ListOfVariableIndices())[-2:]
        model.m.delete(w)
    assert str(model.m) == text
    assert model.answer() == pytest.approx(before, rel=1e-5, abs=1e-6)


@EACH_SOLVER
def test_usable_after_all_of_them(solver: str) -> None:
    """A model spoilt by every case between two changes solves like one that never was."""
    model, clean = Model(solver), Model(solver)
    for k in (model, clean):
        k.m.set(ot.ConstraintSet(), k.row, ot.EqualTo(2.1))
        for spoil, error, _ in (CASES[c] for c in CASES if k is model and c not in ADDS):
            with pytest.raises(error):
                spoil(k)
        k.m.modify(ot.ObjectiveFunction(), ot.ScalarCoefficientChange(k.x, -2.0))
    assert str(model.m) == str(clean.m)
    assert model.answer() == pytest.approx(clean.answer(), rel=1e-5, abs=1e-6)


# ---------------------------------------------------------------------- what looks odd and is not bad
@EACH_SOLVER
def test_a_matrix_that_is_not_symmetric_is_its_polynomial(solver: str) -> None:
    """`v @ (P @ v)` is the written-out polynomial, so that P and (P + P')/2 are the same objective."""
    P = np.array([[2.0, 1.0], [-0.5, 3.0]])
    answers = []
    for matrix in (P, P.T, 0.5 * (P + P.T), sp.csr_array(P)):
        k = Model(solver)
        k.m.minimize(0.5 * (k.v @ (matrix @ k.v)) + k.y)
        answers.append(k.answer())
    for other in answers[1:]:
        assert other == pytest.approx(answers[0], rel=1e-6, abs=1e-7)


@EACH_SOLVER
def test_layouts_and_types_of_arrays_are_all_the_same_numbers(solver: str) -> None:
    """Fortran, strided, integer, boolean, float32, object and repeated sparse data give one answer."""
    A = np.array([[1.0, 1.0], [0.0, 1.0]])
    repeated = sp.coo_array(([1.0, 0.5, 0.5, 1.0], ([1, 0, 0, 0], [1, 1, 1, 0])), shape=(2, 2))
    strided = np.zeros((4, 4))
    strided[::2, ::2] = A
    unsorted = sp.csr_array((np.array([0.5, 1.0, 0.5, 1.0]), np.array([1, 0, 1, 1]), np.array([0, 3, 4])), shape=(2, 2))
    layouts: list[Any] = [A, np.asfortranarray(A), strided[::2, ::2], A.astype(int), A.astype(bool)]
    layouts += [
        A.astype(np.float32),
        A.astype(object),
        np.ma.array(A),
        repeated,
        unsorted,
        sp.csc_matrix(A),
        A.tolist(),
    ]
    answers = []
    for matrix in layouts:
        k = Model(solver)
        k.m.add_constraint(matrix @ k.v, ot.HyperRectangle(np.array([0, 0.25]), np.array([5, 6], dtype=np.float32)))
        answers.append(k.answer())
    for other in answers[1:]:
        assert other == pytest.approx(answers[0], rel=1e-9, abs=1e-9)
