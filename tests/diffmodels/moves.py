"""How all data of a model move at once, and the judges of its derivatives: differences and the adjoint identity.

Solutions are compared at the polished point, so that central differences are accurate to about 1e-9.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import optangent as ot

from .oracle import Program

Array = np.ndarray

STEP = 1e-5
EXACT = ot.DifferentiationStatusCode.EXACT


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


def along(v: Any, indices: list[ot.ConstraintIndex], p: Program, d: Program) -> Direction:
    """The same as `oracle.set_tangents` sets."""
    rows = list(zip(indices, p.rows, d.rows, strict=True))
    functions = {index: c.function(v, e.F, e.g) for index, c, e in rows}
    sets = {index: e.set for index, c, e in rows if c.set_type.fields}
    return Direction(functions=functions, sets=sets, objective=0.5 * (v @ (d.P @ v)) + d.q @ v + d.r)


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
    x = dict(zip(v.ids.tolist(), model.meta_solver.polished(v), strict=True))
    value = model.get(ot.ObjectiveFunction()).rows.evaluate(lambda ids: np.array([x[i] for i in ids.tolist()]))
    return flat([list(x.values()), *(model.meta_solver.polished(i) for i in indices), value])


def forward(model: ot.Model, direction: Direction) -> Array:
    """The tangents of the same."""
    direction.tell(model)
    model.forward_differentiate()
    return outputs(model)


def outputs(model: ot.Model) -> Array:
    """What forward mode left: of x, all duals and the objective."""
    v = model.get(ot.ListOfVariableIndices())
    duals = [model.get(ot.ForwardConstraintDual(), i) for i in constraints(model)]
    return flat([model.get(ot.ForwardVariablePrimal(), v), *duals, model.get(ot.ForwardObjectiveValue())])


def reverse(model: ot.Model, seed: int) -> Array:
    """Pull back random seeds; these, in the order of `forward`."""
    model.empty_input_sensitivities()
    seeds = set_seeds(model, seed)
    model.reverse_differentiate()
    return seeds


def set_seeds(model: ot.Model, seed: int) -> Array:
    """Random seeds of x, all duals and the objective value."""
    rng, v = np.random.default_rng(seed), model.get(ot.ListOfVariableIndices())
    seeds = [rng.standard_normal(len(v))]
    model.set(ot.ReverseVariablePrimal(), v, seeds[0])
    for i in constraints(model):
        seeds.append(rng.standard_normal(model.get(ot.ConstraintSet(), i).dimension))
        model.set(ot.ReverseConstraintDual(), i, seeds[-1] if i.kind[1].is_vector else float(seeds[-1][0]))
    seeds.append(rng.standard_normal(1))
    model.set(ot.ReverseObjectiveValue(), float(seeds[-1][0]))
    return flat(seeds)


def pairing(model: ot.Model, direction: Direction) -> float:
    """The sum over all data of gradient times direction."""
    return sum(products(model, direction))


def products(model: ot.Model, direction: Direction) -> list[float]:
    """Gradient times direction, of each part of the data."""
    parts = []
    for p, value in direction.parameters.items():
        parts.append(model.get(ot.ReverseParameterValue(), p) * value)
    for index, tangent in direction.functions.items():
        parts.append(inner(model.get(ot.ReverseConstraintFunction(), index), tangent))
    for index, tangent in direction.sets.items():
        parts.append(float((model.get(ot.ReverseConstraintSet(), index).numbers * tangent.numbers).sum()))
    if direction.objective is not None:
        parts.append(inner(model.get(ot.ReverseObjectiveFunction()), direction.objective))
    return parts


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
    check_adjoint(model, direction)


def check_adjoint(model: ot.Model, direction: Direction, tolerance: float = 1e-9) -> None:
    """<J u, v> = <u, Jᵀ v> over all data and all results: u is the direction that was pushed, v is random."""
    pushed = outputs(model)
    seeds = reverse(model, 7)
    assert pairing(model, direction) == pytest.approx(seeds @ pushed, rel=tolerance, abs=tolerance)


def asymmetry(model: ot.Model, direction: Direction) -> float:
    """How far the same identity is from holding, relative to its terms: in units in which these differ by powers."""
    pushed = outputs(model)
    seeds = reverse(model, 7)
    parts = products(model, direction)
    return abs(sum(parts) - seeds @ pushed) / (np.abs(seeds) @ np.abs(pushed) + np.abs(parts).sum())
