"""Terms with parameters are told from the others, whether all terms of a kind have them or some."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import optangent as ot
from optangent.bridges.lowering import Lowering
from optangent.bridges.lowering.making import with_places
from optangent.bridges.lowering.terms import ProductTable, split
from optangent.modelkit.store.parameters import Parameters

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


@pytest.mark.parametrize("count", [1, 3, 12])
def test_places_for_entries_that_move(count: int) -> None:
    """A matrix keeps its entries and has the wanted ones beside, in order, whether they are few or most."""
    n, size = 5, RNG.integers(0, 5, (2, count))
    P = np.zeros((n, n))
    P[1, 2] = P[2, 1] = P[4, 4] = 3.0
    found = with_places(sp.csc_array(P), *size)
    np.testing.assert_array_equal(found.toarray(), P)
    expected = P != 0.0
    expected[size[0], size[1]] = expected[size[1], size[0]] = True
    assert found.has_canonical_format and found.nnz == expected.sum()
    pattern = sp.csc_array((np.ones(found.nnz), found.indices, found.indptr), shape=(n, n))
    np.testing.assert_array_equal(pattern.toarray() != 0.0, expected)


@pytest.mark.parametrize("n", [4, 160])
def test_numbers_of_matrices_of_parameters(n: int) -> None:
    """A form has the matrices of parameters at their values, and their gradients at their places, small and large."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.PIQP))
    x = model.add_variables(n)
    P, G = RNG.standard_normal((n, n)), RNG.standard_normal((3, n))
    p, g, h = model.add_parameters(P), model.add_parameters(G), model.add_parameters(np.arange(3.0))
    model.add_constraint(g @ x - h, ot.Nonpositives(3))
    model.minimize(0.5 * (x @ (p @ x)) + x.sum())
    lowering = Lowering(ot.solvers.PIQP().abilities)
    form, moving = lowering.sync(model.store), lowering.moving
    assert moving is not None
    np.testing.assert_allclose(form.P.toarray(), 0.5 * (P + P.T), atol=1e-15)
    np.testing.assert_array_equal(form.A.toarray(), G)
    np.testing.assert_array_equal(form.row_upper, np.arange(3.0))
    model.set_parameter_value(p, P + np.eye(n))
    model.set_parameter_value(h, np.array([5.0, 6.0, np.inf]))
    lowering.sync(model.store)
    np.testing.assert_allclose(form.P.toarray(), 0.5 * (P + P.T) + np.eye(n), atol=1e-15)
    np.testing.assert_array_equal(form.row_upper, [5.0, 6.0, np.inf])
    seeds = RNG.standard_normal(moving.map.size)
    theta = np.concatenate([P.ravel(), G.ravel(), np.arange(3.0)])
    pulled = moving.map.pull(theta, seeds)
    moves = RNG.standard_normal(len(theta))
    assert pulled @ moves == pytest.approx(seeds @ moving.map.push(theta, moves), rel=1e-9)
    of_P = moving.map.push(theta, np.concatenate([P.ravel(), np.zeros(3 * n + 3)]))[: n * n]
    np.testing.assert_allclose(of_P.reshape(n, n), 0.5 * (P + P.T), atol=1e-15)
