"""Terms with parameters are told from the others, whether all terms of a kind have them or some."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.bridges.lowering.terms import ProductTable, split
from optangent.modelkit.parameters import Parameters

RNG = np.random.default_rng(3)


def made(order: str) -> tuple[Any, Any, Any]:
    """A model with three variables x and twelve parameters p, made in an order."""
    model = ot.Model()
    if order == "between":
        first, x, last = model.add_parameters(RNG.standard_normal(5)), model.add_variables(3), None
        last = model.add_parameters(RNG.standard_normal(7))
        return model, x, ot.vectorize([first, last])
    if order == "before":
        return model, model.add_variables(3), model.add_parameters(RNG.standard_normal(12))
    p = model.add_parameters(RNG.standard_normal(12))
    return model, model.add_variables(3), p


def functions(x: Any, p: Any) -> list[Any]:
    """Functions of which all terms have a parameter, some, and none."""
    matrix = [p[3 * k : 3 * k + 3] for k in range(3)]
    return [
        ot.vectorize([one @ x for one in matrix]),
        ot.vectorize([matrix[0] @ x + 1.0, x[0] + x[1] + 2.0, 3.0 * p[4]]),
        x @ ot.vectorize([one @ x for one in matrix]),
        x @ x + p[0] * x[1] * x[2] + p[1] * p[2] * x[0] + p[3] * x[0],
        p[9] * p[9] * x[0] + p[0] * p[1] * p[2] + 2.0 * x[1],
    ]


@pytest.mark.parametrize("order", ["before", "after", "between"])
@pytest.mark.parametrize("number", range(5))
def test_both_parts_have_the_values_of_the_whole(number: int, order: str) -> None:
    """The fixed rows and the terms that move add up to the function, and no parameter is left in the former."""
    model, x, p = made(order)
    parameters = Parameters(model.store)
    rows = functions(x, p)[number].rows
    table, point = ProductTable(), RNG.standard_normal(15)
    point[parameters.ids - model.store.base] = parameters.values
    fixed, moving = split(rows, parameters, table)

    def value(ids: np.ndarray) -> np.ndarray:
        return np.where(ids < 0, 1.0, point[np.maximum(ids - model.store.base, 0)])

    codes = table.factors(12)[table.rows(moving.code, 12)]
    products = np.append(parameters.values, 1.0)[codes].prod(axis=1)
    terms = moving.coef * products * value(moving.first) * value(moving.second)
    both = fixed.evaluate(value) + np.bincount(moving.row, terms, rows.m)
    np.testing.assert_allclose(both, rows.evaluate(value), rtol=1e-12)
    assert (parameters.places(fixed.variables()) < 0).all()
    assert (parameters.places(moving.first) < 0).all() and (parameters.places(moving.second) < 0).all()
    assert not ((moving.first < 0) & (moving.second >= 0)).any()


@pytest.mark.parametrize("order", ["before", "after", "between"])
def test_places_of_parameters(order: str) -> None:
    """Those of what is none, of fillers and of variables made since are -1."""
    model, x, p = made(order)
    parameters = Parameters(model.store)
    assert parameters.places(p.ids).tolist() == list(range(12))
    later = model.add_variables(2)
    for others in (x.ids, later.ids, np.array([-1, 0, 3])):
        assert (parameters.places(others) == -1).all()
    both = np.stack([p.ids[:3], x.ids]).T
    assert parameters.places(both).tolist() == [[0, -1], [1, -1], [2, -1]]
