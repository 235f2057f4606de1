"""Forward and reverse mode are transposes of one linear map, whatever is dependent.

Random programs with products of parameters, of parameters and variables, in the objective, in linear rows and in
quadratic ones, are built backwards from a solution. Their active rows are dependent: each comes twice, at another scale
and with other parameters, so that the copy stops to be one as soon as a parameter moves.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.diffmodels.layers.program import Program

from ..parametric import reduced_cost
from .moves import Direction, check, check_adjoint, constraints

STATUS = ot.DifferentiationStatusCode
N, P = 4, 3
SEEDS = range(6)


@dataclass
class Built:
    """A program and its parts."""

    model: ot.Model
    x: Any
    p: Any
    rows: list[ot.ConstraintIndex]
    bowl: ot.ConstraintIndex | None


def mixed(rng: Any, x: Any, p: Any, degree: int) -> Any:
    """A function with every kind of product: parameters alone, with a variable, with two."""
    f = rng.standard_normal(N) @ x + rng.standard_normal(P) @ p + 0.3 * rng.standard_normal() * p[0] * x[1]
    f = f + 0.3 * rng.standard_normal() * p[0] * p[1] * x[2] + 0.3 * rng.standard_normal() * p[2] * p[2] * x[0]
    f = f + rng.standard_normal() * p[0] * p[2]
    if degree > 1:
        f = (
            f
            + 0.1 * rng.standard_normal() * p[1] * x[0] * x[3]
            + 0.1 * rng.standard_normal() * p[1] * p[2] * x[2] * x[2]
        )
    return f


def value_and_gradient(f: Any, point: dict[int, float], x: Any) -> tuple[float, np.ndarray]:
    """Of a function at a point, in x."""
    terms = f.rows.terms()
    value, slope = float(f.rows.constant[0]), dict.fromkeys(x.ids.tolist(), 0.0)
    for factors, coef in zip(terms.factors.tolist(), terms.coef.tolist(), strict=True):
        ids = [i for i in factors if i >= 0]
        value += coef * float(np.prod([point[i] for i in ids]))
        for k, i in enumerate(ids):
            if i in slope:
                slope[i] += coef * float(np.prod([point[j] for l, j in enumerate(ids) if l != k]))
    return value, np.array(list(slope.values()))


def build(seed: int, sense: str, *, quadratic: bool, dependent: bool) -> Built:
    """A random program at its solution.

    Parameters
    ----------
    quadratic : whether it has quadratic rows, and so is conic
    dependent : whether each active row comes twice
    """
    rng = np.random.default_rng(seed)
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x, theta, at = model.add_variables(N), rng.uniform(0.5, 1.5, P), rng.standard_normal(N)
    p = model.add_parameters(theta)
    point = dict(zip([*x.ids.tolist(), *p.ids.tolist()], [*at.tolist(), *theta.tolist()], strict=True))
    sign, gradient, rows = (1.0 if sense == "min" else -1.0), np.zeros(N), []

    def add(f: Any, chosen: Any, dual: float, slack: float = 0.0) -> None:
        value, slope = value_and_gradient(f, point, x)
        rows.append(model.add_constraint(f, chosen(value + slack)))
        gradient[:] += dual * slope

    equal, above = mixed(rng, x, p, 1), mixed(rng, x, p, 1)
    bowl = 0.5 * (x @ x) + mixed(rng, x, p, 2) if quadratic else None
    add(equal, ot.EqualTo, rng.standard_normal())
    add(above, ot.GreaterThan, rng.uniform(0.5, 1.5))
    add(mixed(rng, x, p, 1), ot.LessThan, 0.0, 1.0)
    if bowl is not None:
        add(bowl, ot.LessThan, -rng.uniform(0.5, 1.5))
    curved_row = rows[-1] if quadratic else None
    if dependent:
        # equal at the parameters' values: 2 f + (p q - θ θ) f
        moved = p[1] * p[2] - float(theta[1] * theta[2])
        add(2.0 * equal + moved * x[3], ot.EqualTo, rng.standard_normal())
        add(0.5 * above + moved * (x[0] + p[0]), ot.GreaterThan, rng.uniform(0.5, 1.5))
        rows.append(model.add_constraint(x[3] - p[0], ot.EqualTo(float(at[3] - theta[0]))))
        rows.append(model.add_constraint(1.0 * x[3], ot.EqualTo(float(at[3]))))
    curved = 0.5 * (x @ x) + 0.3 * mixed(rng, x, p, 2)
    _, slope = value_and_gradient(curved, point, x)
    cost = curved + (gradient - slope) @ x
    (model.minimize if sense == "min" else model.maximize)(sign * cost)
    model.optimize()
    np.testing.assert_allclose(model.value(x), at, atol=1e-5)
    return Built(model, x, p, rows, curved_row)


def directions(built: Built, seed: int) -> list[Direction]:
    """Each way in which data move, and all together."""
    rng, model = np.random.default_rng(seed), built.model
    parameters = {q: float(rng.standard_normal()) for q in built.p}
    functions = {i: mixed(rng, built.x, built.p, 2 if i is built.bowl else 1) for i in built.rows}
    own = {reduced_cost(q): rng.standard_normal(N) @ built.x + rng.standard_normal(P) @ built.p + 0.3 for q in built.p}
    sets = {i: type(model.get(ot.ConstraintSet(), i))(float(rng.standard_normal())) for i in constraints(model)}
    objective = mixed(rng, built.x, built.p, 2)
    return [
        Direction(parameters),
        Direction(functions=functions),
        Direction(functions=own),
        Direction(sets=sets),
        Direction(objective=objective),
        Direction(parameters, functions | own, sets, objective),
    ]


@pytest.mark.parametrize("quadratic", [False, True], ids=["linear rows", "quadratic rows"])
@pytest.mark.parametrize("sense", ["min", "max"])
@pytest.mark.parametrize("seed", SEEDS)
def test_the_modes_are_transposes(seed: int, sense: str, quadratic: bool) -> None:
    """To 1e-9, for every tangent against seeds of x, of all duals, those of the parameters too, and of the value."""
    built = build(seed, sense, quadratic=quadratic, dependent=True)
    for direction in directions(built, seed + 100):
        direction.tell(built.model)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ot.DifferentiationWarning)
            built.model.forward_differentiate()
            check_adjoint(built.model, direction)
    assert built.model.get(ot.DifferentiationStatus()) is not STATUS.EXACT


@pytest.mark.parametrize("quadratic", [False, True], ids=["linear rows", "quadratic rows"])
@pytest.mark.parametrize("sense", ["min", "max"])
@pytest.mark.parametrize("seed", SEEDS[:3])
def test_where_it_is_smooth_they_are_the_derivative(seed: int, sense: str, quadratic: bool) -> None:
    """Central differences of exact solutions, to 1e-6."""
    built = build(seed, sense, quadratic=quadratic, dependent=False)
    everything = directions(built, seed + 100)[-1]
    functions = {i: f for i, f in everything.functions.items() if i in built.rows}
    check(built.model, replace(everything, functions=functions), 1e-6)


@pytest.mark.parametrize("dependent", [False, True], ids=["smooth", "dependent"])
@pytest.mark.parametrize("quadratic", [False, True], ids=["linear rows", "quadratic rows"])
@pytest.mark.parametrize("sense", ["min", "max"])
@pytest.mark.parametrize("seed", SEEDS[:3])
def test_layers_are_transposes_and_agree_with_the_model(
    seed: int, sense: str, quadratic: bool, dependent: bool
) -> None:
    """Of x, duals of rows and of parameters, and the value: ⟨Ju, v⟩ = ⟨u, Jᵀv⟩ to 1e-9, J that of the model to 1e-7."""
    built = build(seed, sense, quadratic=quadratic, dependent=dependent)
    model, rng = built.model, np.random.default_rng(seed)
    duals = [*built.rows, *(reduced_cost(q) for q in built.p)]
    program = Program(model, [built.p], [built.x, *duals, ot.ObjectiveValue()])
    item = program.solve(model.parameter_value(built.p))
    assert item.status is ot.TerminationStatusCode.OPTIMAL, item.reason
    expected = np.concatenate([model.value(built.x), [model.dual(i) for i in duals], [model.objective_value()]])
    unique = np.isin(np.arange(len(expected)), [*range(N), len(expected) - 1]) | (not dependent)
    np.testing.assert_allclose(item.outputs[unique], expected[unique], atol=1e-5)
    u, v = rng.standard_normal(program.parameter_size), rng.standard_normal(program.output_size)
    pushed = item.jvp(u)
    assert pushed @ v == pytest.approx(u @ item.vjp(v), rel=1e-9, abs=1e-9)
    many = program.solve_batch(np.stack([item.theta] * 2))
    np.testing.assert_allclose(program.vjp_batch(many, np.stack([v, v]))[1], item.vjp(v), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(program.jvp_batch(many, np.stack([u, u]))[1], pushed, rtol=1e-9, atol=1e-9)
    if dependent:  # and so the duals are not unique
        return
    Direction(dict(zip(built.p, u.tolist(), strict=True))).tell(model)
    model.forward_differentiate()
    moved = [model.get(ot.ForwardConstraintDual(), i) for i in duals]
    dx = model.get(ot.ForwardVariablePrimal(), built.x)
    ours = np.concatenate([dx, moved, [model.get(ot.ForwardObjectiveValue())]])
    np.testing.assert_allclose(pushed, ours, rtol=1e-7, atol=1e-7)
