"""Derivatives in parameters wherever they stand, mixed with every other tangent and seed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import optangent as ot

from ..parametric import CASES, Built, reduced_cost
from .moves import STEP, Direction, check, check_adjoint, forward, outputs, pairing, reverse, set_seeds

Array = np.ndarray

TOLERANCE = {False: 1e-6, True: 1e-5}
"""Of differences, relative to one plus the derivative: without and with curved cones."""
BOTH = [(name, sense) for name in CASES for sense in ("min", "max")]


# ---------------------------------------------------------------------- directions of a case
def random_function(built: Built, rng: Any, degree: int) -> Any:
    """An affine function of variables and parameters with products of parameters, as high as may be."""
    v, p = built.v, built.p
    f = rng.standard_normal(4) @ v + rng.standard_normal(len(p)) @ p + rng.standard_normal()
    f = f + rng.standard_normal() * p[0] * v[1] + rng.standard_normal() * p[0] * p[-1]
    f = f + rng.standard_normal() * p[0] * p[0] * p[-1] * v[2] + rng.standard_normal() * p[-1] * p[-1]
    if degree > 1:
        f = f + 0.3 * v[0] * v[3] + rng.standard_normal() * p[-1] * v[1] * v[1]
    return 0.3 * f


def directions(built: Built, seed: int, *, linear: bool = False) -> dict[str, Direction]:
    """One for each way in which data move, and all of them together."""
    rng = np.random.default_rng(seed)
    parameters = {p: float(rng.standard_normal()) for p in built.p}
    functions = {}
    for i in built.rows:
        m = built.model.get(ot.ConstraintSet(), i).dimension
        rows = [random_function(built, rng, 1) for _ in range(m)]
        functions[i] = ot.vectorize(rows) if i.kind[1].is_vector else rows[0]
    sets: dict[Any, ot.Set] = {reduced_cost(built.p[0]): ot.Parameter(0.7)}
    for i in built.rows:
        now = built.model.get(ot.ConstraintSet(), i)
        if now.fields:
            numbers = np.where(np.isfinite(now.numbers), rng.standard_normal(now.numbers.shape), 0.0)
            sets[i] = type(now).build(now.shape, numbers)
    objective = random_function(built, rng, 1 if linear else 2)
    return {
        "parameters": Direction(parameters),
        "functions": Direction(functions=functions),
        "sets": Direction(sets=sets),
        "objective": Direction(objective=objective),
        "everything": Direction(parameters, functions, sets, objective),
    }


MOVES = ("parameters", "functions", "sets", "objective", "everything")


@pytest.mark.parametrize(
    ("name", "sense", "move"),
    [(name, "max", move) for name in CASES for move in MOVES]
    + [(name, "min", move) for name in CASES for move in ("parameters", "everything")],
)
def test_derivatives(name: str, sense: str, move: str) -> None:
    """In both modes: of x, of all duals (those of the parameters too) and of the objective, however the data move."""
    built = CASES[name].build(ot.diff_optimizer(ot.solvers.Clarabel), sense)
    case = CASES[name]
    check(built.model, directions(built, 3, linear=case.linear)[move], TOLERANCE[case.curved])


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.curved])
def test_one_program_by_both_diff_models(name: str) -> None:
    """ConicDiff takes linear rows with products as well, and agrees with QuadraticDiff."""
    results = []
    for diff_model in (ot.QuadraticDiff, ot.ConicDiff):
        built = CASES[name].build(ot.diff_optimizer(ot.solvers.HiGHS), "max")
        built.model.set(ot.ModelConstructor(), diff_model)
        built.model.optimize()
        direction = directions(built, 4)["everything"]
        tangent = forward(built.model, direction)
        check_adjoint(built.model, direction)
        results.append(np.append(tangent, built.model.get(ot.ReverseParameterValue(), built.p)))
    np.testing.assert_allclose(results[0], results[1], rtol=1e-9, atol=1e-9)


# ---------------------------------------------------------------------- one by one
def solved(name: str, sense: str = "min") -> Built:
    """A case, solved and with a reverse pass of seeds of everything."""
    built = CASES[name].build(ot.diff_optimizer(ot.solvers.Clarabel), sense)
    built.model.optimize()
    reverse(built.model, 11)
    return built


@pytest.mark.parametrize("name", CASES)
def test_the_gradient_of_a_parameter_is_that_of_its_set(name: str) -> None:
    """`ReverseParameterValue`, one by one and as a vector, `ReverseConstraintSet` and the constant agree."""
    built = solved(name)
    every = built.model.get(ot.ReverseParameterValue(), built.p)
    for p, expected in zip(built.p, every, strict=True):
        assert built.model.get(ot.ReverseParameterValue(), p) == expected
        assert built.model.get(ot.ReverseConstraintSet(), reduced_cost(p)).value == pytest.approx(expected, abs=1e-12)
        function = built.model.get(ot.ReverseConstraintFunction(), reduced_cost(p))
        assert function.constant == pytest.approx(-expected, abs=1e-12)
    some = built.model.get(ot.ReverseParameterValue(), built.p[::-1])
    np.testing.assert_array_equal(some, every[::-1])


def test_seeds_of_the_objective_alone_give_the_reduced_costs() -> None:
    """The gradient of the optimal value in the parameters is the duals of their constraints (negated to maximize)."""
    for name, sense in BOTH:
        built = CASES[name].build(ot.diff_optimizer(ot.solvers.Clarabel), sense)
        built.model.optimize()
        built.model.set(ot.ReverseObjectiveValue(), 1.0)
        built.model.reverse_differentiate()
        slopes = np.array([built.model.meta_solver.polished(i) for i in built.parameters])
        gradient = built.model.get(ot.ReverseParameterValue(), built.p)
        np.testing.assert_allclose(gradient, slopes if sense == "min" else -slopes, rtol=1e-9, atol=1e-9)


def parts(built: Built) -> Iterator[tuple[Any, Any, Any]]:
    """(what is moved, tangent, gradient read) of products' coefficients."""
    model, v, p = built.model, built.v, built.p
    products: list[tuple[Any, ...]] = [(p[0], v[1]), (p[1], v[0]), (p[0], p[1]), (p[0], p[1], v[2]), (p[0], p[0], v[3])]
    for index in built.rows:
        gradient = model.get(ot.ReverseConstraintFunction(), index)
        for factors in products:
            f = 1.0 * factors[0]
            for one in factors[1:]:
                f = f * one
            if index.kind[1].is_vector:
                m = model.get(ot.ConstraintSet(), index).dimension
                f = ot.vectorize([*([0.0 * v[0]] * (m - 1)), f])
                yield index, f, gradient.coefficient(m - 1, *factors)
            else:
                yield index, f, gradient.coefficient(*factors)


@pytest.mark.parametrize("name", ["coefficients of rows", "powers", "intervals and boxes", "semidefinite"])
def test_gradients_of_the_coefficients_of_products(name: str) -> None:
    """``coefficient(p, x)``, ``coefficient(p, q, x)``, ... of reverse functions are what forward tangents say."""
    built = CASES[name].build(ot.diff_optimizer(ot.solvers.Clarabel), "max")
    built.model.optimize()
    seeds = reverse(built.model, 12)
    found = [(Direction(functions={i: tangent}), value) for i, tangent, value in parts(built)]
    for direction, value in found:
        assert value == pytest.approx(seeds @ forward(built.model, direction), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", ["coefficients of rows", "powers", "matrix times vector", "second-order cone"])
def test_many_directions_are_the_single_ones(name: str) -> None:
    """`directional_derivatives` knows products too, pushed or pulled, with other tangents beside."""
    built = CASES[name].build(ot.diff_optimizer(ot.solvers.Clarabel), "max")
    model, v, p = built.model, built.v, built.p
    model.optimize()
    many: list[dict[Any, Any]] = [
        {p[0]: 1.0},
        {p[1]: -2.0, ot.ForwardObjectiveFunction(): v[0] + 0.3 * v[1]},
        {p[0]: 0.5, p[1]: 0.25},
        {ot.ForwardObjectiveFunction(): 1.0 * v[2]},
        {p[1]: 1.0, built.rows[-1]: _shift(built, built.rows[-1])},
        {},
    ]
    singles = []
    for direction in many:
        tell = Direction({k: value for k, value in direction.items() if isinstance(k, ot.VariableIndex)})
        tell.objective = direction.get(ot.ForwardObjectiveFunction())
        tell.functions = {k: value for k, value in direction.items() if isinstance(k, ot.ConstraintIndex)}
        tell.tell(model)
        model.forward_differentiate()
        singles.append(model.get(ot.ForwardVariablePrimal(), v))
    for some in (v, v[:2]):
        found = model.directional_derivatives(some, many)
        np.testing.assert_allclose(found, np.array(singles)[:, : len(some)], rtol=1e-9, atol=1e-9)


def _shift(built: Built, index: Any) -> Any:
    m = built.model.get(ot.ConstraintSet(), index).dimension
    f = 0.2 * built.v[1] + 0.1
    return ot.vectorize([f] * m) if index.kind[1].is_vector else f


def test_tangents_of_a_parameters_own_function() -> None:
    """``p + t(x) = θ``: moved functions of parameters' constraints against the program with p eliminated."""

    def eliminated(t: float) -> tuple[float, Array]:
        """Min x² + y² + p q with x - p q >= 1, y - p >= 0 for p = 2 - t (1 + x - 2 y); q = 0.5."""
        model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
        x, y = model.add_variables(2)
        p = 2.0 - t * (1.0 + x - 2.0 * y)
        rows = [
            model.add_constraint(x - 0.5 * p, ot.GreaterThan(1.0)),
            model.add_constraint(y - p, ot.GreaterThan(0.0)),
        ]
        model.minimize(x * x + y * y + 0.5 * p)
        model.optimize()
        model.set(ot.ForwardObjectiveFunction(), 0.0 * x)
        model.forward_differentiate()
        point = model.meta_solver.polished(ot.VectorOfVariables([x, y]))
        theta = 2.0 - t * (1.0 + point[0] - 2.0 * point[1])
        value = point @ point + 0.5 * theta
        duals = [model.meta_solver.polished(i) for i in rows]
        # stationarity in p and in q of the whole program
        of_p = 0.5 + 0.5 * duals[0] + duals[1]
        return float(value), np.array([*point, *duals, of_p, theta + duals[0] * theta])

    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    v, p, q = model.add_variables(2), model.add_parameter(2.0), model.add_parameter(0.5)
    rows = [
        model.add_constraint(v[0] - p * q, ot.GreaterThan(1.0)),
        model.add_constraint(v[1] - p, ot.GreaterThan(0.0)),
    ]
    model.minimize(v @ v + p * q)
    model.optimize()
    tangent = 1.0 + v[0] - 2.0 * v[1]
    model.set(ot.ForwardConstraintFunction(), reduced_cost(p), tangent)
    model.forward_differentiate()
    duals = [model.get(ot.ForwardConstraintDual(), i) for i in (*rows, reduced_cost(p), reduced_cost(q))]
    found = np.array([*model.get(ot.ForwardVariablePrimal(), v), *duals])
    (f1, high), (f0, low) = eliminated(STEP), eliminated(-STEP)
    np.testing.assert_allclose(found, (high - low) / (2.0 * STEP), rtol=1e-6, atol=1e-6)
    assert model.get(ot.ForwardObjectiveValue()) == pytest.approx((f1 - f0) / (2.0 * STEP), abs=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_adjoints_of_parameters_own_functions(name: str) -> None:
    """The adjoint identity for tangents of the functions of parameters' constraints, in variables and parameters."""
    built = CASES[name].build(ot.diff_optimizer(ot.solvers.Clarabel), "max")
    built.model.optimize()
    rng = np.random.default_rng(6)
    direction = directions(built, 5)["everything"]
    for p in built.p:
        t = rng.standard_normal(4) @ built.v + rng.standard_normal(len(built.p)) @ built.p + 0.3
        direction.functions[reduced_cost(p)] = t
    forward(built.model, direction)
    check_adjoint(built.model, direction)


# ---------------------------------------------------------------------- through time
def test_derivatives_follow_the_values() -> None:
    """After each move of the parameters the derivatives are those of the new point, in both modes."""
    built = CASES["powers"].build(ot.diff_optimizer(ot.solvers.Clarabel), "min")
    for factor in (1.0, 1.1, 0.9):
        built.model.set_parameter_value(built.p, factor * np.array(CASES["powers"].theta))
        check(built.model, directions(built, 3)["everything"], 1e-6)
    built.model.set_parameter_value(built.p[0], 1.3)
    with pytest.raises(ot.NotOptimized):
        built.model.get(ot.ReverseParameterValue(), built.p)


def test_inputs_of_one_pass_do_not_leak_into_the_next() -> None:
    """Tangents with products that were taken back leave nothing behind, nor do seeds of parameters' duals."""
    built = CASES["powers"].build(ot.diff_optimizer(ot.solvers.Clarabel), "min")
    built.model.optimize()
    plain = directions(built, 3)["parameters"]
    first = forward(built.model, plain)
    forward(built.model, directions(built, 4)["everything"])
    reverse(built.model, 1)
    np.testing.assert_array_equal(forward(built.model, plain), first)
    v, p = built.v, built.p
    for _ in range(2):
        built.model.empty_input_sensitivities()
        built.model.set(ot.ReverseVariablePrimal(), v[0], 1.0)
        built.model.reverse_differentiate()
        gradient = built.model.get(ot.ReverseParameterValue(), p)
        reverse(built.model, 2)
    built.model.empty_input_sensitivities()
    built.model.set(ot.ReverseVariablePrimal(), v[0], 1.0)
    built.model.reverse_differentiate()
    np.testing.assert_array_equal(built.model.get(ot.ReverseParameterValue(), p), gradient)


@pytest.mark.parametrize("name", CASES)
def test_the_refined_point_starts_from_the_solvers(name: str) -> None:
    """The duals handed to the diff model are without what products add, so that little is left to refine."""
    built = CASES[name].build(ot.diff_optimizer(ot.solvers.Clarabel), "max")
    built.model.optimize()
    forward(built.model, Direction())
    assert built.model.get(ot.SolutionRefinement()).before <= 1e-5


def test_matrices_of_parameters() -> None:
    """Derivatives in the entries of a matrix of parameters, dense and sparse: forward, reverse, all at once."""
    rng = np.random.default_rng(2)
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    v = model.add_variables(3, "v")
    G, P, h = (
        model.add_parameters(rng.standard_normal((2, 3))),
        model.add_parameters(np.eye(3)),
        model.add_parameters([1.0, 2.0]),
    )
    model.add_constraint(G @ v >= h)
    model.minimize(v @ (P @ v) + h @ (G @ v))
    ids = np.concatenate([G.ids.ravel(), P.ids.ravel(), h.ids])
    direction = Direction({ot.VariableIndex(int(i)): float(rng.standard_normal()) for i in ids})
    check(model, direction, 1e-6)
    gradient = model.get(ot.ReverseParameterValue(), G)
    assert gradient.shape == (2, 3)
    assert gradient[1, 2] == model.get(ot.ReverseParameterValue(), G[1, 2])


# ---------------------------------------------------------------------- refusals
def test_tangents_of_too_high_a_degree_are_refused() -> None:
    """A tangent's degree counts in the variables alone: with parameters it is welcome on an affine row."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    x, y, p = model.add_variable(), model.add_variable(), model.add_parameter(2.0)
    row = model.add_constraint(x + y >= 1.0)
    model.minimize(x * x + y * y)
    model.optimize()
    set_function, set_objective = ot.ForwardConstraintFunction(), ot.ForwardObjectiveFunction()
    for tangent in (x * y, p * x * y, x * y * x):
        with pytest.raises(ot.InvalidData, match=r"an affine function of the variables; got a (quadratic|cubic)"):
            model.set(set_function, row, tangent)
    with pytest.raises(ot.InvalidData, match="a quadratic function of the variables; got a cubic"):
        model.set(set_objective, p * x * x * y)
    model.set(set_function, row, p * p * x)
    model.set(set_objective, p * x * y)
    model.forward_differentiate()
    # of min x² + y² + 2 t x y with x + y + 4 t x >= 1
    np.testing.assert_allclose(
        model.get(ot.ForwardVariablePrimal(), ot.VectorOfVariables([x, y])), [0.0, -2.0], atol=1e-9
    )


@pytest.mark.parametrize("name", ["powers", "second-order cone"])
def test_both_modes_side_by_side(name: str) -> None:
    """With tangents and seeds set together, either mode may run first and both results may be read at the end."""
    built = CASES[name].build(ot.diff_optimizer(ot.solvers.Clarabel), "max")
    model = built.model
    model.optimize()
    direction = directions(built, 9)["everything"]
    tangent, seeds = forward(model, direction), reverse(model, 4)
    total = pairing(model, direction)
    gradient = model.get(ot.ReverseParameterValue(), built.p)
    direction.tell(model)
    set_seeds(model, 4)
    for passes in (("forward", "reverse"), ("reverse", "forward"), ("forward", "reverse", "many")):
        for one in passes:
            if one == "many":
                model.directional_derivatives(
                    built.v, [{built.p[0]: 1.0, ot.ForwardObjectiveFunction(): 1.0 * built.v[0]}]
                )
            else:
                getattr(model, f"{one}_differentiate")()
        np.testing.assert_array_equal(outputs(model), tangent)
        assert pairing(model, direction) == total == pytest.approx(seeds @ tangent, rel=1e-9)
        np.testing.assert_array_equal(model.get(ot.ReverseParameterValue(), built.p), gradient)


@pytest.mark.parametrize("vector", [False, True])
def test_a_parameter_that_is_zero_before_a_product(vector: bool) -> None:
    """At q = 0 the row ``q x y + p x + y = 3`` is affine, with exact derivatives in q and the product's coefficient.

    They are compared with differences of the curved program, solved by Newton's method in its optimality conditions.
    """

    def solution(q: float, p: float) -> Array:
        z = np.array([1.0, 1.0, 0.0])
        for _ in range(30):
            x, y, dual = z
            value = np.array([2 * x - dual * (q * y + p), 2 * y - 4 - dual * (q * x + 1), q * x * y + p * x + y - 3])
            bent, gx, gy = -dual * q, q * y + p, q * x + 1
            z = z - np.linalg.solve([[2, bent, -gx], [bent, 2, -gy], [gx, gy, 0]], value)
        return z

    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x, y = v = model.add_variables(2)
    q, p = model.add_parameter(0.0), model.add_parameter(0.7)
    f = q * x * y + p * x + y - 3.0
    c = model.add_constraint(ot.vectorize([f]), ot.Zeros(1)) if vector else model.add_constraint(f, ot.EqualTo(0.0))
    model.minimize(x * x + y * y - 4.0 * y)
    model.optimize()
    product, one = (ot.vectorize([g]) if vector else g for g in (x * y, 0.0 * x + 1.0))
    h = 1e-4
    curved = (solution(h, 0.7) - solution(-h, 0.7)) / (2 * h)
    for direction, expected in (
        (Direction({q: 1.0}), curved),
        (Direction(functions={c: product}), curved),
        (Direction({p: 1.0}), (solution(0.0, 0.7 + h) - solution(0.0, 0.7 - h)) / (2 * h)),
        (Direction({q: 2.0, p: -1.0}, {c: product + 0.5 * one}), None),
    ):
        forward(model, direction)
        assert model.get(ot.DifferentiationStatus()) is ot.DifferentiationStatusCode.EXACT
        if expected is not None:
            duals = np.atleast_1d(model.get(ot.ForwardConstraintDual(), c))
            moved = np.append(model.get(ot.ForwardVariablePrimal(), v), duals)
            np.testing.assert_allclose(moved, expected, rtol=1e-6, atol=1e-6)
        check_adjoint(model, direction)
