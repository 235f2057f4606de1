"""Parameters in products: what functions become, how they are read, changed, copied, printed and refused."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.modelkit.functions.rows import Rows
from optangent.modelkit.store.parameters import Parameters, kinds_inserted, of_ray


class Kit:
    """Three variables and three parameters with names."""

    def __init__(self, solver: Any = None) -> None:
        self.model = ot.Model(solver)
        self.x, self.y, self.z = (self.model.add_variable(name) for name in "xyz")
        self.p, self.q, self.r = (
            self.model.add_parameter(value, name) for value, name in ((2.0, "p"), (3.0, "q"), (-1.5, "r"))
        )

    @property
    def parameters(self) -> Parameters:
        """With their values."""
        return Parameters(self.model.store)


@pytest.fixture
def kit() -> Kit:
    """A model without a solver."""
    return Kit()


def solve(k: Kit) -> tuple[float, float]:
    """Values of x and y."""
    k.model.optimize()
    assert k.model.termination_status() is ot.TerminationStatusCode.OPTIMAL
    return k.model.value(k.x), k.model.value(k.y)


def random_rows(kit: Kit, seed: int, m: int = 5) -> Rows:
    """Rows of degree up to four with repeated terms and powers."""
    rng = np.random.default_rng(seed)
    symbols = [kit.x, kit.y, kit.z, kit.p, kit.q, kit.r]
    rows = []
    for _ in range(m):
        f: Any = ot.ScalarAffineFunction((), (), rng.standard_normal())
        for _ in range(int(rng.integers(0, 7))):
            term: Any = float(rng.standard_normal())
            for _ in range(int(rng.integers(1, 5))):
                term = term * symbols[rng.integers(0, 6)]
            f = f + term + (term if rng.random() < 0.2 else 0.0)
        rows.append(f)
    return ot.vectorize(rows).rows


def at(kit: Kit, x: np.ndarray, theta: np.ndarray) -> Any:
    """Values by identifier: x, y, z and then p, q, r."""
    values = np.concatenate([x, theta])
    return lambda ids: values[ids - kit.model.store.base]


# ---------------------------------------------------------------------- insertion
@pytest.mark.parametrize("seed", range(20))
def test_insertion_keeps_values_and_lowers_degrees(seed: int, kit: Kit) -> None:
    """Inserted rows have the same values; no parameter multiplies in them, and alone it stays."""
    rows, parameters = random_rows(kit, seed), kit.parameters
    inserted = parameters.insert(rows)
    x = np.random.default_rng(seed + 100).standard_normal(3)
    value = at(kit, x, parameters.values)
    np.testing.assert_allclose(inserted.evaluate(value), rows.evaluate(value), rtol=1e-12, atol=1e-12)
    terms = inserted.terms()
    assert not (parameters.places(terms.factors[terms.degrees > 1]) >= 0).any()
    assert not len(parameters.products(inserted))
    alone = rows.coefficients(np.repeat(np.arange(rows.m), 3), np.tile(parameters.ids, rows.m))
    kept = inserted.coefficients(np.repeat(np.arange(rows.m), 3), np.tile(parameters.ids, rows.m))
    np.testing.assert_array_equal(alone, kept)
    expected = np.zeros(rows.m, np.int64)
    np.maximum.at(expected, terms.row, terms.degrees)
    assert (parameters.degrees(rows) >= expected).all()


def test_degrees_count_the_variables_alone(kit: Kit) -> None:
    """A product's degree is that in the variables; of parameters alone it is nothing, of one alone it is one."""
    k = kit
    rows = ot.vectorize([k.p * k.q, 1.0 * k.p, k.p * k.x, k.p * k.q * k.x * k.y, k.x * k.y * k.z, 0.0 * k.x + 1.0]).rows
    assert k.parameters.degrees(rows).tolist() == [0, 1, 1, 2, 3, 1]


def test_kinds_after_insertion(kit: Kit) -> None:
    """Each constraint has the kind of what remains; what has no products keeps its own."""
    k, m = kit, kit.model
    m.add_constraint(k.p * k.x, ot.LessThan(1.0))
    m.add_constraint(k.p * k.x * k.y, ot.LessThan(1.0))
    m.add_constraint(0.0 * k.x * k.y, ot.LessThan(1.0))
    m.add_constraint(ot.vectorize([k.p * k.q * k.x, k.z]), ot.Zeros(2))
    m.add_constraint(ot.vectorize([k.p * k.x, k.y * k.y]), ot.Nonpositives(2))
    found = {(f.__name__, s.__name__) for f, s in kinds_inserted(m.store)}
    assert found == {
        ("VariableIndex", "Parameter"),
        ("ScalarAffineFunction", "LessThan"),
        ("ScalarQuadraticFunction", "LessThan"),
        ("VectorAffineFunction", "Zeros"),
        ("VectorQuadraticFunction", "Nonpositives"),
    }


def test_of_a_ray_products_keep_their_values(kit: Kit) -> None:
    """Along a ray the parameters in products stay where they are, and constants, also of products, are gone."""
    rows = of_ray(kit.model.store, (kit.p * kit.x + kit.p * kit.q + kit.r + 4.0 + kit.y).rows)
    ray = at(kit, np.array([1.0, 10.0, 0.0]), np.zeros(3))
    assert rows.evaluate(ray).tolist() == [12.0]


# ---------------------------------------------------------------------- reading and printing
def test_coefficients_of_products(kit: Kit) -> None:
    """Coefficients are read by the factors in any order, powers as repeated factors; absent products have zero."""
    k = kit
    f = 2.0 * k.p * k.q * k.x + 3.0 * k.x * k.q * k.p - k.p * k.p * k.x + 4.0 * k.p * k.x + 5.0 * k.x + 6.0
    assert isinstance(f, ot.ScalarPolynomialFunction) and f.constant == 6.0
    assert f.coefficient(k.x, k.p, k.q) == f.coefficient(k.q, k.x, k.p) == 5.0
    assert f.coefficient(k.p, k.x, k.p) == -1.0
    assert (f.coefficient(k.x), f.coefficient(k.x, k.p), f.coefficient(k.x, k.x)) == (5.0, 4.0, 0.0)
    assert f.coefficient(k.x, k.y, k.z) == f.coefficient(k.p, k.q, k.x, k.y) == 0.0
    assert (1.0 * k.x).coefficient(k.x, k.y, k.z) == 0.0
    F = ot.vectorize([1.0 * k.x, f])
    assert F.coefficient(1, k.x, k.p, k.q) == 5.0 and F.coefficient(0, k.x, k.p, k.q) == 0.0
    assert f.without_constant().constant == 0.0 and f.without_constant().coefficient(k.x, k.p, k.q) == 5.0
    assert [type(g) for g in F] == [ot.ScalarAffineFunction, ot.ScalarPolynomialFunction]


def test_equal_products_with_parameters_are_held_once(kit: Kit) -> None:
    """A sum of squares of parametric functions keeps a term for each product of variables and parameters."""
    P, v = kit.model.add_parameters(np.ones((5, 2))), kit.model.add_variables(2)
    q = kit.model.add_parameters(np.ones(5))
    r = P @ v - q
    kit.model.minimize(r @ r)
    terms = kit.model.store.objective_block.all_rows().terms()
    assert len(terms) == 5 * (3 + 2 + 1)  # in each row (p v)², (p v)(p w), (p w)², p v q, p w q, q²
    f = kit.model.get(ot.ObjectiveFunction())
    assert f.coefficient(P[0, 0], v[0], P[0, 1], v[1]) == f.coefficient(v[1], P[0, 1], v[0], P[0, 0]) == 2.0
    assert f.coefficient(P[1, 0], v[0], q[1]) == -2.0 and f.coefficient(q[1], q[1]) == 1.0


def test_polynomials_in_words(kit: Kit) -> None:
    """Terms of every degree are printed, powers with their exponent, by the names of the model."""
    k = kit
    f = 2 * k.p * k.q * k.x - k.p * k.p * k.p * k.y + k.p * k.x + k.x * k.x - 1
    assert repr(2 * k.p * k.p * k.x) == "2 p²*x"
    k.model.add_constraint(f <= 4, name="row")
    k.model.minimize(k.x * k.x * k.p * k.p)
    assert "row: 2 p*q*x - p³*y + p*x + x² <= 5" in str(k.model)
    assert str(k.model).startswith("minimize x²*p²")
    assert r"2 \, p \, q \, x - p^3 \, y" in k.model._repr_latex_()


def test_values_of_functions_and_constraints() -> None:
    """`value` of products, alone and in constraints, is that at the solution and the parameters."""
    k = Kit(ot.solvers.HiGHS)
    c = k.model.add_constraint(k.p * k.q * k.x - k.r >= 3.0)
    k.model.minimize(k.x)
    k.model.optimize()
    assert k.model.value(k.x) == pytest.approx(0.25, abs=1e-9)
    assert k.model.value(c) == pytest.approx(3.0, abs=1e-9)
    assert k.model.value(k.p * k.p * k.q * k.x + k.r * k.r) == pytest.approx(3.0 + 2.25, abs=1e-9)
    np.testing.assert_allclose(k.model.value(ot.vectorize([k.p * k.q, k.p * k.x])), [6.0, 0.5], atol=1e-9)


# ---------------------------------------------------------------------- refusals
REFUSED: dict[str, tuple[Any, str]] = {
    "three variables": (lambda k: k.x * k.y * k.z, r"The term x\*y\*z is of degree 3"),
    "three variables and a parameter": (lambda k: k.p * k.x * k.y * k.z + k.x, r"The term x\*y\*z is of degree 3"),
    "a power": (lambda k: k.q * k.x * k.x * k.x * k.x, r"The term x\*x\*x\*x is of degree 4"),
}


@pytest.mark.parametrize("solver", [None, ot.solvers.HiGHS, ot.solvers.Clarabel], ids=["none", "HiGHS", "Clarabel"])
@pytest.mark.parametrize("name", REFUSED)
def test_too_high_a_degree_is_refused_by_name(name: str, solver: Any) -> None:
    """Constraints and objectives of degree three in the variables are refused; the model stays as it was."""
    k = Kit(solver)
    f, words = REFUSED[name][0](k), REFUSED[name][1]
    k.model.add_constraint(k.p * k.x >= 4.0)
    k.model.minimize(k.x * k.x)
    before = str(k.model)
    attempts: list[tuple[Any, type[Exception]]] = [
        (lambda: k.model.minimize(f), ot.UnsupportedObjective),
        (lambda: k.model.add_constraint(f >= 1.0), ot.UnsupportedConstraint),
        (lambda: k.model.add_constraint(ot.vectorize([f, k.x]), ot.Zeros(2)), ot.UnsupportedConstraint),
    ]
    for attempt, error in attempts if solver else attempts[:1]:
        with pytest.raises(error, match=f"{words} .*introduce a variable for a product, or make a factor a parameter"):
            attempt()
        assert str(k.model) == before
    if solver:
        k.model.optimize()
        assert k.model.value(k.x) == pytest.approx(2.0, abs=1e-6)


def test_what_a_solver_lacks_is_refused_by_the_kind_that_remains() -> None:
    """A product of two variables is refused where quadratic rows are, with a parameter it is a linear row."""
    k = Kit(ot.solvers.HiGHS)
    with pytest.raises(ot.UnsupportedConstraint, match="ScalarQuadraticFunction-in-GreaterThan"):
        k.model.add_constraint(k.p * k.x * k.y >= 1.0)
    k.model.add_constraint(k.p * k.q * k.x >= 1.0)
    c = k.model.add_constraint(k.x <= 1.0)
    with pytest.raises(ot.UnsupportedModification, match="ScalarAffineFunction has no quadratic coefficients"):
        k.model.modify(c, ot.ScalarQuadraticCoefficientChange(k.p, k.x, 1.0))


def test_indices_of_other_models_in_products_are_refused(kit: Kit) -> None:
    """A foreign parameter in a product is recognized."""
    other = Kit()
    for f in (other.p * kit.x, other.p * kit.p * kit.x):
        with pytest.raises(ot.InvalidIndex):
            kit.model.add_constraint(f >= 1.0)
        with pytest.raises(ot.InvalidIndex):
            kit.model.minimize(f)


def test_coefficients_of_products_are_finite(kit: Kit) -> None:
    """A coefficient of a product that is no number is refused like any other."""
    for f in (np.nan * (kit.p * kit.x), np.nan * (kit.p * kit.q * kit.x)):
        with pytest.raises(ot.InvalidData):
            kit.model.add_constraint(f, ot.LessThan(1.0))
        with pytest.raises(ot.InvalidData):
            kit.model.minimize(f)


# ---------------------------------------------------------------------- from variables to parameters and back
@pytest.mark.parametrize("where", ["objective", "rows", "both"])
def test_a_variable_becomes_a_parameter_and_a_variable_again(where: str) -> None:
    """Products with it are decided anew, in rows and in the objective, with its reduced cost, at every turn."""
    model = ot.Model(ot.solvers.Clarabel)
    x, y = model.add_variable("x"), model.add_variable("y")
    square = x * x + y * y + x * y
    rows = where != "objective"
    if rows:  # f(x, y) <= t
        t = model.add_variable("t")
        model.add_constraint(square + x - t <= 0.0)
    model.minimize((t if rows else square + x) + (square if where == "both" else 0.0 * x))
    times = 2.0 if where == "both" else 1.0  # minimized is x and so many squares
    fixed: dict[float, float] = {value: -0.5 * (1.0 / times + value) for value in (2.0, 4.0)}
    free = np.linalg.solve([[2.0, 1.0], [1.0, 2.0]], [-1.0 / times, 0.0])
    for _ in range(2):
        model.optimize()
        np.testing.assert_allclose([model.value(x), model.value(y)], free, atol=1e-5)
        c = model.add_constraint(y, ot.Parameter(2.0))
        for value in (2.0, 4.0):
            model.set_parameter_value(y, value)
            model.optimize()
            slope = times * (2.0 * value + fixed[value])
            assert model.value(x) == pytest.approx(fixed[value], abs=1e-5)
            assert model.dual(c) == pytest.approx(slope, abs=1e-5)
        model.delete(c)


def test_a_factor_that_is_no_parameter_any_more_may_be_too_many() -> None:
    """Without the parameter the term is of degree three: refused by name when solved, and taken again with it."""
    k = Kit(ot.solvers.Clarabel)
    k.model.add_constraint(k.p * k.x * k.x <= 8.0)
    k.model.minimize(k.x)
    assert k.model.add_constraint(k.y >= 0.0) and solve(k)[0] == pytest.approx(-2.0, abs=1e-6)
    index = ot.ConstraintIndex((ot.VariableIndex, ot.Parameter), k.p.value)
    k.model.delete(index)
    with pytest.raises(ot.UnsupportedConstraint, match=r"The term p\*x\*x is of degree 3"):
        k.model.optimize()
    k.model.add_constraint(k.p, ot.Parameter(8.0))
    assert solve(k)[0] == pytest.approx(-1.0, abs=1e-6)
    k.model.minimize(k.p * k.p * k.x * k.x + k.x)
    k.model.delete(index)
    with pytest.raises(ot.Unsupported, match=r"The term p\*"):
        k.model.optimize()


# ---------------------------------------------------------------------- copies
@pytest.mark.parametrize("way", ["pickle", "deepcopy", "copy_to"])
def test_copies_hold_the_products(way: str) -> None:
    """Copied models print the same, and their parameters move independently."""
    k = Kit(ot.solvers.HiGHS)
    k.model.add_constraint(k.p * k.q * k.x + k.r * k.y >= 6.0, name="row")
    k.model.add_constraint(ot.vectorize([k.y - 1.0, k.p * k.p * k.p * k.x - 1.0]), ot.Nonnegatives(2))
    k.model.minimize(k.x + k.q * k.y + k.z * k.z)
    solve(k)
    if way == "copy_to":
        twin = ot.Model(ot.solvers.HiGHS)
        index_map = k.model.copy_to(twin.meta_solver)
        p, x = index_map(k.p), index_map(k.x)
    else:
        twin = copy.deepcopy(k.model) if way == "deepcopy" else pickle.loads(pickle.dumps(k.model))
        p, x = k.p, k.x
    assert str(twin) == str(k.model)
    twin.set_parameter_value(p, 4.0)
    twin.optimize()
    assert twin.value(x) == pytest.approx(7.5 / 12.0, abs=1e-9)
    assert solve(k)[0] == pytest.approx(7.5 / 6.0, abs=1e-9)


def test_polynomials_pickle_by_themselves(kit: Kit) -> None:
    """Functions of any degree survive pickling."""
    for f in (kit.p * kit.q * kit.x + 1.0, ot.vectorize([kit.p * kit.q * kit.x, kit.y])):
        twin = pickle.loads(pickle.dumps(f))
        assert type(twin) is type(f) and str(twin) == str(f)


@pytest.mark.parametrize("solver", [ot.solvers.HiGHS, ot.solvers.Clarabel])
def test_products_that_overflow_are_refused_and_the_model_stays_usable(solver: Any) -> None:
    """Values of parameters whose product with a coefficient is infinite are named; smaller ones solve again."""
    model = ot.Model(solver)
    x = model.add_variable(lower=1.0)
    p, q = model.add_parameter(1.0, "p"), model.add_parameter(2.0, "q")
    model.add_constraint(1e-3 * p * q * x >= 4e-3)
    model.minimize(1.0 * x)
    model.optimize()
    for first, second in ((1e200, 1e200), (-1e160, 1e160)):
        model.set_parameter_value(p, first)
        model.set_parameter_value(q, second)
        with pytest.raises(ot.InvalidData, match="too large"):
            model.optimize()
    model.set_parameter_value(p, 2.0)
    model.set_parameter_value(q, 0.5)
    model.optimize()
    assert model.value(x) == pytest.approx(4.0, abs=1e-6)
