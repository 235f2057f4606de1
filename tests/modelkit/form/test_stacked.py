"""One-sided rows of a form against the rows written out one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from optangent.modelkit.form import Cones, Form, Stacked
from optangent.modelkit.functions import VectorAffineFunction, VectorQuadraticFunction
from optangent.modelkit.sets import ExponentialCone, Nonnegatives, SecondOrderCone, Zeros
from optangent.modelkit.store.block import SetBlock

N, M = 5, 9


def sides(rng: Any, count: Any) -> Any:
    """Lower and upper sides: none, one, both, equal."""
    lower, upper = np.sort(rng.standard_normal((2, count)), axis=0)
    kind = rng.integers(5, size=count)
    lower[kind == 1], upper[kind == 2] = -np.inf, np.inf
    lower[kind == 3], upper[kind == 3] = -np.inf, np.inf
    upper[kind == 4] = lower[kind == 4]
    return lower, upper


def some_form(seed: Any, *, curved: Any = False) -> Any:
    """A form with every kind of side and two types of cones, unsorted rows among them."""
    rng = np.random.default_rng(seed)
    form = Form()
    form.add_columns(N)
    dense = rng.standard_normal((M, N)) * (rng.random((M, N)) < 0.6)
    form.add_rows(sp.csr_array(dense), *sides(rng, M))
    form.set_row(2, np.array([3, 0]), np.array([1.5, -2.0]))
    form.set_bounds(np.arange(N), *sides(rng, N))
    P = rng.standard_normal((N, N))
    form.set_objective(sp.csc_array(P @ P.T), rng.standard_normal(N), 0.5)
    cones = (
        Cones(SetBlock.of([ExponentialCone()]), slice(0, 3)),
        Cones(SetBlock.of([SecondOrderCone(2), SecondOrderCone(3)]), slice(3, 8)),
    )
    form.set_cones(sp.csr_array(rng.standard_normal((8, N))), rng.standard_normal(8), cones)
    if curved:
        form.set_sides(np.array([0, 4]), np.array([-np.inf, -1.0]), np.array([1.0, np.inf]))
        terms = [(np.array([0, 4]), np.array([1, 2]), np.array([1, 2]), np.array([1.0, -3.0]))]
        form.set_row_curvature(terms)
    return form


def written_out(form: Any, curved: Any) -> Any:
    """(slot, sign, coefficients, constant) of the one-sided rows, one after the other."""
    A = np.vstack([form.A.toarray(), np.eye(form.n)])
    lower, upper = np.concatenate([form.row_lower, form.lower]), np.concatenate([form.row_upper, form.upper])
    linear = [i for i in range(len(A)) if i not in curved]
    equal = [(i, 1.0, A[i], -lower[i]) for i in linear if lower[i] == upper[i]]
    below = [(i, 1.0, A[i], -lower[i]) for i in linear if np.isfinite(lower[i]) and lower[i] != upper[i]]
    above = [(i, -1.0, -A[i], upper[i]) for i in linear if np.isfinite(upper[i]) and lower[i] != upper[i]]
    order = [*range(3, 8), *range(3)]  # second-order cones first
    cones = [(len(A) + i, 1.0, form.F.toarray()[i], form.g[i]) for i in order]
    bent = [(i, 1.0, A[i], -lower[i]) for i in curved if np.isfinite(lower[i])]
    bent += [(i, -1.0, -A[i], upper[i]) for i in curved if np.isfinite(upper[i])]
    return [*equal, *below, *above, *cones, *bent], len(equal), len(below) + len(above)


@pytest.mark.parametrize("curved", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_rows_are_those_written_out(seed: Any, curved: Any) -> None:
    """Slots, signs, coefficients and constants are those of the definition, also of other numbers."""
    form = some_form(seed, curved=curved)
    layout = Stacked(form, (SecondOrderCone, ExponentialCone))
    for _ in range(2):
        rows, zeros, nonnegatives = written_out(form, [0, 4] if curved else [])
        stacked = layout.matrices(form)
        assert layout.slot.tolist() == [row[0] for row in rows]
        assert layout.sign.tolist() == [row[1] for row in rows]
        np.testing.assert_array_equal(stacked.F.toarray(), [row[2] for row in rows])
        np.testing.assert_array_equal(stacked.g, [row[3] for row in rows])
        assert (layout.zeros, layout.linear, layout.m) == (zeros, zeros + nonnegatives, len(rows))
        kinds = [(VectorAffineFunction, Zeros)] * (zeros > 0) + [(VectorAffineFunction, Nonnegatives)]
        kinds += [(VectorAffineFunction, SecondOrderCone), (VectorAffineFunction, ExponentialCone)]
        assert list(stacked.parts) == kinds + [(VectorQuadraticFunction, Nonnegatives)] * curved
        form.set_bounds(np.arange(N), form.lower - 1.0, form.upper - 1.0)
        form.set_row(5, np.array([1]), np.array([7.0]))
        assert layout.fits(form)


@pytest.mark.parametrize("seed", range(4))
def test_curved_rows_have_their_values(seed: Any) -> None:
    """At a random point the one-sided rows have the values of the form's, less the side."""
    form = some_form(seed, curved=True)
    stacked = Stacked(form).matrices(form)
    x = np.random.default_rng(seed).standard_normal(N)
    values = form.A @ x + form.curvature.values(x)
    own = stacked.F @ x + stacked.g + stacked.curvature.values(x)
    np.testing.assert_allclose(own[-2:], [values[4] + 1.0, 1.0 - values[0]], rtol=1e-14)


@pytest.mark.parametrize("shape", [(), (3,)])
def test_duals_up_and_down(shape: Any) -> None:
    """Duals that are no sums come back, `signed` is the adjoint of `up`, and stationarity means the same."""
    form = some_form(1)
    layout = Stacked(form)
    stacked, rng = layout.matrices(form), np.random.default_rng(2)
    y, values = rng.standard_normal((layout.m, *shape)), rng.standard_normal((form.slots.size, *shape))
    np.testing.assert_allclose(np.sum(layout.up(y) * values), np.sum(y * layout.signed(values)), rtol=1e-13)
    rows, bounds, cones = form.slots.parts(layout.up(y))
    np.testing.assert_allclose(form.A.T @ rows + bounds + form.F.T @ cones, stacked.F.T @ y, atol=1e-13)
    lower, upper = np.concatenate([form.row_lower, form.lower]), np.concatenate([form.row_upper, form.upper])
    duals = values.copy()
    sided = duals[: form.slots.sided]
    sided[lower == -np.inf] = np.minimum(sided[lower == -np.inf], 0.0)
    sided[upper == np.inf] = np.maximum(sided[upper == np.inf], 0.0)
    down = layout.down(duals)
    np.testing.assert_array_equal(layout.up(down), duals)
    assert (down[layout.zeros : layout.linear] >= 0.0).all()


def test_other_signature_does_not_fit() -> Any:
    """Another finite side, an equality, a column, another cone: each is another layout."""

    def changed(change: Any) -> Any:
        form = some_form(0)
        layout = Stacked(form)
        assert layout.fits(form)
        change(form)
        return layout.fits(form)

    free = int(np.flatnonzero(some_form(0).upper == np.inf)[0])
    apart = some_form(0).row_upper - some_form(0).row_lower
    both = int(np.flatnonzero(np.isfinite(apart) & (apart > 0.0))[0])
    assert not changed(lambda form: form.set_bounds(np.array([free]), upper=100.0))
    assert not changed(lambda form: form.set_sides(np.array([both]), -1.0, np.inf))
    assert not changed(lambda form: form.set_sides(np.array([both]), 3.25, 3.25))
    assert not changed(lambda form: form.add_columns(1))
    cone = (Cones(SetBlock.of([SecondOrderCone(8)]), slice(0, 8)),)
    assert not changed(lambda form: form.set_cones(form.F, form.g, cone))
    assert not changed(lambda form: form.set_row_curvature([(np.array([0]), *[np.array([1])] * 2, np.ones(1))]))


def test_empty() -> None:
    """A form without rows and columns has no one-sided rows; one without bounds none for its columns."""
    form = Form()
    stacked = Stacked(form).matrices(form)
    assert (stacked.n, stacked.m, stacked.parts) == (0, 0, {})
    form.add_columns(3)
    stacked = Stacked(form).matrices(form)
    assert (stacked.n, stacked.F.shape) == (3, (0, 3))
    assert stacked.g.shape == (0,)
