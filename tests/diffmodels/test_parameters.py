"""Derivatives in parameters wherever they stand, mixed with every other tangent and seed.

Two judges: central differences of the polished solution (accurate to about 1e-9), and the adjoint identity.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import optangent as ot

from ..parametric import CASES, Built, reduced_cost

Array = np.ndarray

STEP = 1e-5
TOLERANCE = {False: 1e-6, True: 1e-5}
"""Of differences, relative to one plus the derivative: without and with curved cones."""
EXACT = ot.DifferentiationStatusCode.EXACT
BOTH = [(name, sense) for name in CASES for sense in ("min", "max")]


# ---------------------------------------------------------------------- the model and how it moves
@dataclass
class Direction:
    """How the data of a model move; what is not named stays."""

    parameters: dict[Any, float] = field(default_factory=dict)
    functions: dict[Any, Any] = field(default_factory=dict)
    sets: dict[Any, ot.Set] = field(default_factory=dict)
    objective: Any = None

    def tell(self, model: ot.Model) -> None:
        """Set the tangents."""
        model.empty_input_sensitivities()
        for p, value in self.parameters.items():
            model.set(ot.ForwardParameterValue(), p, value)
        for index, tangent in self.functions.items():
            model.set(ot.ForwardConstraintFunction(), index, tangent)
        for index, tangent in self.sets.items():
            model.set(ot.ForwardConstraintSet(), index, tangent)
        if self.objective is not None:
            model.set(ot.ForwardObjectiveFunction(), self.objective)

    def step(self, model: ot.Model, t: float) -> tuple[ot.Model, dict[Any, Any]]:
        """A copy of the model a step along the direction, and its indices for those of the model."""
        twin, new = copy.deepcopy(model), {i: i for i in constraints(model)}
        for p, value in self.parameters.items():
            twin.set_parameter_value(p, twin.parameter_value(p) + t * value)
        for index, tangent in self.sets.items():
            now = twin.get(ot.ConstraintSet(), index)
            twin.set(ot.ConstraintSet(), index, type(now).build(now.shape, now.numbers + t * tangent.numbers))
        for index, tangent in self.functions.items():
            f, chosen = twin.get(ot.ConstraintFunction(), index), twin.get(ot.ConstraintSet(), index)
            twin.delete(index)
            new[index] = twin.add_constraint(f + t * tangent, chosen)
        if self.objective is not None:
            twin.set(ot.ObjectiveFunction(), twin.get(ot.ObjectiveFunction()) + t * self.objective)
        return twin, new


def constraints(model: ot.Model) -> list[ot.ConstraintIndex]:
    """All of them, those of the parameters too."""
    return [i for kind in model.store.kinds() for i in model.get(ot.ListOfConstraintIndices(*kind))]


def flat(parts: Any) -> Array:
    """One vector."""
    return np.concatenate([np.atleast_1d(part) for part in parts])


def exact(model: ot.Model, indices: Any) -> Array:
    """X, duals and objective of a model at its polished, unique solution."""
    model.optimize()
    v = model.get(ot.ListOfVariableIndices())
    model.set(ot.ForwardObjectiveFunction(), 0.0 * v[0])
    model.forward_differentiate()
    assert model.get(ot.DifferentiationStatus()) is EXACT
    x = dict(zip(v.ids.tolist(), model.inner.polished(v), strict=True))
    value = model.get(ot.ObjectiveFunction()).rows.evaluate(lambda ids: np.array([x[i] for i in ids.tolist()]))
    return flat([list(x.values()), *(model.inner.polished(i) for i in indices), value])


def forward(model: ot.Model, direction: Direction) -> Array:
    """The tangents of the same."""
    direction.tell(model)
    model.forward_differentiate()
    v = model.get(ot.ListOfVariableIndices())
    duals = [model.get(ot.ForwardConstraintDual(), i) for i in constraints(model)]
    return flat([model.get(ot.ForwardVariablePrimal(), v), *duals, model.get(ot.ForwardObjectiveValue())])


def reverse(model: ot.Model, seed: int) -> Array:
    """Pull back random seeds of x, all duals and the objective value; the seeds, in the order of `forward`."""
    rng, v = np.random.default_rng(seed), model.get(ot.ListOfVariableIndices())
    model.empty_input_sensitivities()
    seeds = [rng.standard_normal(len(v))]
    model.set(ot.ReverseVariablePrimal(), v, seeds[0])
    for i in constraints(model):
        seeds.append(rng.standard_normal(model.get(ot.ConstraintSet(), i).dimension))
        model.set(ot.ReverseConstraintDual(), i, seeds[-1] if i.kind[1].is_vector else float(seeds[-1][0]))
    seeds.append(rng.standard_normal(1))
    model.set(ot.ReverseObjectiveValue(), float(seeds[-1][0]))
    model.reverse_differentiate()
    return flat(seeds)


def pairing(model: ot.Model, direction: Direction) -> float:
    """The sum over all data of gradient times direction."""
    total = 0.0
    for p, value in direction.parameters.items():
        total += model.get(ot.ReverseParameterValue(), p) * value
    for index, tangent in direction.functions.items():
        total += inner(model.get(ot.ReverseConstraintFunction(), index), tangent)
    for index, tangent in direction.sets.items():
        total += float((model.get(ot.ReverseConstraintSet(), index).numbers * tangent.numbers).sum())
    if direction.objective is not None:
        total += inner(model.get(ot.ReverseObjectiveFunction()), direction.objective)
    return total


def inner(gradient: Any, tangent: Any) -> float:
    """The sum over the coefficients of a tangent of gradient times coefficient."""
    rows = tangent.rows.canonical()
    terms = rows.terms()
    constants = gradient.constants if tangent.is_vector else np.array([gradient.constant])
    total = float(constants @ rows.constant)
    for row, factors, coef in zip(terms.row.tolist(), terms.factors.tolist(), terms.coef.tolist(), strict=True):
        product = [ot.VariableIndex(i) for i in factors if i >= 0]
        total += coef * (gradient.coefficient(row, *product) if tangent.is_vector else gradient.coefficient(*product))
    return total


def check(model: ot.Model, direction: Direction, tolerance: float) -> None:
    """Forward against central differences; reverse by the adjoint identity, to 1e-9."""
    model.optimize()
    tangent = forward(model, direction)
    assert model.get(ot.DifferentiationStatus()) is EXACT
    ends = []
    for t in (STEP, -STEP):
        twin, new = direction.step(model, t)
        ends.append(exact(twin, [new[i] for i in constraints(model)]))
    difference = (ends[0] - ends[1]) / (2.0 * STEP)
    np.testing.assert_allclose(tangent, difference, rtol=tolerance, atol=tolerance)
    seeds = reverse(model, 7)
    assert pairing(model, direction) == pytest.approx(seeds @ tangent, rel=1e-9, abs=1e-9)


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


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize(("name", "sense"), BOTH)
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
        seeds = reverse(built.model, 8)
        assert pairing(built.model, direction) == pytest.approx(seeds @ tangent, rel=1e-9, abs=1e-9)
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
        slopes = np.array([built.model.inner.polished(i) for i in built.parameters])
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
    for outputs in (v, v[:2]):
        found = model.directional_derivatives(outputs, many)
        np.testing.assert_allclose(found, np.array(singles)[:, : len(outputs)], rtol=1e-9, atol=1e-9)


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
        point = model.inner.polished(ot.VectorOfVariables([x, y]))
        theta = 2.0 - t * (1.0 + point[0] - 2.0 * point[1])
        value = point @ point + 0.5 * theta
        duals = [model.inner.polished(i) for i in rows]
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
    tangent = forward(built.model, direction)
    seeds = reverse(built.model, 13)
    assert pairing(built.model, direction) == pytest.approx(seeds @ tangent, rel=1e-9, abs=1e-9)


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
