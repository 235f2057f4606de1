"""Parameters in products: changes of values, functions and sets reach the solver, in place where they can."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import optangent as ot

from .test_parameters import Kit, solve


@pytest.fixture
def kit() -> Kit:
    """A model without a solver."""
    return Kit()


def changed(k: Kit) -> tuple[Any, Any]:
    """Min x + 2 y + z² with p q x + r y + x + 1 >= 7 (a row of degree three) and (p x + y, y) >= 1."""
    m = k.model
    row = m.add_constraint(k.p * k.q * k.x + k.r * k.y + k.x + 1.0, ot.GreaterThan(7.0))
    rows = m.add_constraint(ot.vectorize([k.p * k.x + k.y - 1.0, k.y - 1.0]), ot.Nonnegatives(2))
    m.minimize(k.x + 2.0 * k.y + k.z * k.z)
    return row, rows


CHANGES: dict[str, tuple[Any, tuple[float, float] | None]] = {
    "nothing": (lambda k, row, rows: None, (7.5 / 7.0, 1.0)),
    "coefficient beside products": (
        lambda k, row, rows: k.model.modify(row, ot.ScalarCoefficientChange(k.x, 9.0)),
        (7.5 / 15.0, 1.0),
    ),
    "coefficient of a parameter alone": (
        lambda k, row, rows: k.model.modify(row, ot.ScalarCoefficientChange(k.p, 1.0)),
        (5.5 / 7.0, 1.0),
    ),
    "constant beside products": (
        lambda k, row, rows: k.model.modify(row, ot.ScalarConstantChange(-6.0)),
        (14.5 / 7.0, 1.0),
    ),
    "coefficient of a product": (
        lambda k, row, rows: k.model.modify(row, ot.ScalarQuadraticCoefficientChange(k.y, k.r, 3.0)),
        (10.5 / 7.0, 1.0),
    ),
    "a new product": (
        lambda k, row, rows: k.model.modify(row, ot.ScalarQuadraticCoefficientChange(k.p, k.x, 0.5)),
        (7.5 / 8.0, 1.0),
    ),
    "set": (lambda k, row, rows: k.model.set(ot.ConstraintSet(), row, ot.GreaterThan(8.0)), (8.5 / 7.0, 1.0)),
    "function": (
        lambda k, row, rows: k.model.set(ot.ConstraintFunction(), row, k.q * k.q * k.x - k.p * k.y),
        (1.0, 1.0),
    ),
    "coefficients of rows": (
        lambda k, row, rows: k.model.modify(rows, ot.MultirowChange(k.y, [(1, 0.5)])),
        (9.0 / 7.0, 2.0),
    ),
    "constants of rows": (
        lambda k, row, rows: k.model.modify(rows, ot.VectorConstantChange(np.array([-9.0, -1.0]))),
        (4.0, 1.0),
    ),
    "values": (lambda k, row, rows: k.model.set_parameter_value(k.q, 5.0), (7.5 / 11.0, 1.0)),
    "values and a coefficient": (
        lambda k, row, rows: (
            k.model.set_parameter_value(k.q, 5.0),
            k.model.modify(row, ot.ScalarCoefficientChange(k.x, 2.0)),
            k.model.set_parameter_value(k.q, 4.0),
        ),
        (7.5 / 10.0, 1.0),
    ),
    "values and a deletion": (
        lambda k, row, rows: (k.model.set_parameter_value([k.p, k.q], [4.0, 1.0]), k.model.delete(rows)),
        None,
    ),
}


@pytest.mark.parametrize("solver", [ot.solvers.HiGHS, ot.solvers.Clarabel], ids=lambda s: s.name)
@pytest.mark.parametrize("name", CHANGES)
def test_changes_beside_products(name: str, solver: Any) -> None:
    """Every change of a function with products, before and after a solve, leads to the right solution."""
    for solved in (False, True):
        k = Kit(solver)
        row, rows = changed(k)
        if solved:
            solve(k)
        change, expected = CHANGES[name]
        change(k, row, rows)
        if expected is None:
            k.model.add_constraint(k.y >= 0.0)
            expected = (6.0 / 5.0, 0.0)
        assert solve(k) == pytest.approx(expected, abs=1e-6)


def test_a_deleted_parameter_takes_its_products_along(kit: Kit) -> None:
    """Deleting the variable removes every term with it, from rows and the objective, and its constraint."""
    k, m = kit, kit.model
    c = m.add_constraint(k.p * k.q * k.x + k.p * k.y + k.q * k.z + k.x + 1.0, ot.LessThan(2.0))
    v = m.add_constraint(ot.vectorize([k.p * k.x, k.p * k.q * k.q, k.q * k.y]), ot.Zeros(3))
    m.minimize(k.p * k.x * k.x + k.q * k.y)
    m.delete(k.p)
    assert not m.is_valid(ot.ConstraintIndex((ot.VariableIndex, ot.Parameter), k.p.value))
    f, F, g = m.get(ot.ConstraintFunction(), c), m.get(ot.ConstraintFunction(), v), m.get(ot.ObjectiveFunction())
    assert str(f) == "q*z + x + 1" and f.coefficient(k.q, k.z) == 1.0
    assert str(F) == "[0,\n 0,\n q*y]" and str(g) == "q*y"
    assert len(k.parameters.ids) == 2 and k.parameters.values.tolist() == [3.0, -1.5]


def test_deleted_in_a_solved_model() -> None:
    """A parameter deleted after a solve is gone from the next."""
    k = Kit(ot.solvers.HiGHS)
    k.model.add_constraint(k.p * k.x + k.q * k.x >= 5.0)
    k.model.minimize(k.x + k.p * k.x)
    k.model.add_constraint(k.y >= 0.0)
    assert solve(k)[0] == pytest.approx(1.0, abs=1e-9)
    k.model.delete(k.p)
    assert solve(k)[0] == pytest.approx(5.0 / 3.0, abs=1e-9)
    assert k.model.objective_value() == pytest.approx(5.0 / 3.0, abs=1e-9)


@pytest.mark.parametrize("solver", ot.solvers.wrappers(), ids=lambda s: s.name)
def test_many_values_at_once(solver: Any) -> None:
    """Values of a vector reach every solver, loaded or not, behind bounds, rows and products; one call."""
    model = ot.Model(solver)
    x, p = model.add_variables(3, lower=-5.0), model.add_parameters(np.array([1.0, 2.0, 3.0]))
    model.add_constraint(x - p >= 0.0)
    model.add_constraint(p[0] * x[1] >= p[2])
    model.minimize(x.sum())
    for values in ([1.0, 2.0, 3.0], [2.0, 1.0, 6.0], [-1.0, 0.0, 2.0]):
        model.set_parameter_value(p, values)
        np.testing.assert_array_equal(model.parameter_value(p), values)
        if values[0] < 0.0:
            continue  # p0 x1 >= p2 is a bound from above now: not of interest
        model.optimize()
        expected = [values[0], max(values[1], values[2] / values[0]), values[2]]
        np.testing.assert_allclose(model.value(x), expected, atol=1e-5)


def test_values_at_once_are_all_or_none(kit: Kit) -> None:
    """A value that is not finite, or a variable that is no parameter, leaves all values as they were."""
    p = kit.model.add_parameters(np.ones(3))
    for values in ([1.0, np.nan, 2.0], [1.0, 2.0, -np.inf]):
        with pytest.raises(ot.InvalidData, match="finite value"):
            kit.model.set_parameter_value(p, values)
    with pytest.raises(ot.InvalidIndex, match="not a parameter"):
        kit.model.set_parameter_value([p[0], kit.x], [5.0, 6.0])
    np.testing.assert_array_equal(kit.model.parameter_value(p), np.ones(3))


@pytest.mark.parametrize("as_sparse", [False, True])
def test_numbers_beside_the_entries_of_a_sparse_matrix_are_refused(as_sparse: bool) -> None:
    """A value or a tangent with a number where the matrix has no entry is refused with its place; nothing changes."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    p = model.add_parameters(sp.csr_array(np.diag([1.0, 2.0])))
    wrong = np.array([[1.0, 5.0], [0.0, 2.0]])
    given = sp.csr_array(wrong) if as_sparse else wrong
    with pytest.raises(ot.InvalidData, match=r"no entry at \(0, 1\)"):
        model.set_parameter_value(p, given)
    with pytest.raises(ot.InvalidData, match=r"no entry at \(0, 1\)"):
        model.set(ot.ForwardParameterValue(), p, given)
    np.testing.assert_array_equal(model.parameter_value(p), [1.0, 2.0])
    model.set_parameter_value(p, 3.0 * np.eye(2))
    np.testing.assert_array_equal(model.parameter_value(p), [3.0, 3.0])
