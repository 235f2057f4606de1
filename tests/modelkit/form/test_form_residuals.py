"""Residuals of a form against the formulas in dense arrays, in whatever units it is stated, and proofs by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import optangent as ot
from optangent.modelkit.form import Cones, Discreteness, Form
from optangent.modelkit.form.point_errors import PointErrors
from optangent.modelkit.form.proofs import farkas_error, ray_error
from optangent.modelkit.form.residuals import checked, dual_objective, largest, residuals
from optangent.modelkit.form.slot_rows import SlotRows
from optangent.modelkit.sets import PositiveSemidefiniteConeTriangle, SecondOrderCone
from optangent.modelkit.store.block import SetBlock

from .test_stacked import N, some_form

POINT, PROOF, NONE = (
    ot.ResultStatusCode.FEASIBLE_POINT,
    ot.ResultStatusCode.INFEASIBILITY_CERTIFICATE,
    ot.ResultStatusCode.NO_SOLUTION,
)
S = ot.TerminationStatusCode


def form_of(A: Any, row_lower: Any, row_upper: Any, lower: Any, upper: Any, q: Any, P: Any = None) -> Any:
    """A form of dense arrays."""
    form = Form()
    form.add_columns(len(q))
    form.set_bounds(np.arange(len(q)), np.array(lower, float), np.array(upper, float))
    form.add_rows(sp.csr_array(np.array(A, float)), np.array(row_lower, float), np.array(row_upper, float))
    form.set_objective(None if P is None else sp.csc_array(np.array(P, float)), np.array(q, float), 0.0)
    return form


def restated(form: Any, column: Any, row: Any, unit: Any) -> Any:
    """The same without cones, in other units: columns, rows and the objective times powers of two."""
    A = form.A.toarray() * column * row[:, None]
    P = unit * form.P.toarray() * column * column[:, None]
    sides = row * form.row_lower, row * form.row_upper, form.lower / column, form.upper / column
    return form_of(A, *sides, unit * column * form.q, P)


@pytest.mark.parametrize("curved", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_stated_errors_are_the_formulas(seed: Any, curved: Any) -> None:
    """At a random point: distances, stationarity and gap written out with dense matrices."""
    form, rng = some_form(seed, curved=curved), np.random.default_rng(seed)
    x, y = rng.standard_normal(N), rng.standard_normal(form.slots.size)
    J = np.vstack([form.A.toarray(), np.eye(N), form.F.toarray()])
    quadratic, H = np.zeros(len(J)), np.zeros((len(J), N, N))
    if curved:
        for row, i, j, coef in zip(
            *(getattr(form.curvature, k) for k in ("row", "first", "second", "coef")), strict=True
        ):
            H[row, i, j] += coef
            H[row, j, i] += coef
            quadratic[row] += coef * x[i] * x[j]
    f = J @ x + quadratic
    lower = np.concatenate([form.row_lower, form.lower, np.full(form.k, -np.inf)])
    upper = np.concatenate([form.row_upper, form.upper, np.full(form.k, np.inf)])
    sided = form.slots.sided
    primal = max(np.max(np.maximum(np.maximum(lower - f, f - upper), 0.0) / (1.0 + np.abs(f))), 0.0)
    s, duals = f[sided:] + form.g, y[sided:]
    dual_far = 0.0
    for cones in form.cones:
        for item in range(cones.sets.count):
            at, cone = slice(*cones.starts[item : item + 2]), cones.sets.set(item)
            terms = np.max([np.abs(J[sided:][at] @ x), np.abs(form.g[at])])
            primal = max(primal, np.linalg.norm(s[at] - cone.project(s[at][None])[0]) / (1.0 + terms))
            far = np.linalg.norm(duals[at] - cone.project_dual(duals[at][None])[0])
            dual_far = max(dual_far, far / (1.0 + np.abs(duals[at]).max()))
    total = (J + H @ x).T @ y
    stationarity = form.P @ x + form.q - total
    size = max(np.abs(v).max() for v in (form.P @ x, form.q, total))
    wrong = np.where((y > 0) & (lower == -np.inf) | (y < 0) & (upper == np.inf), np.abs(y), 0.0)[:sided]
    dual = max(np.abs(stationarity).max() / (1.0 + size), wrong.max() / (1.0 + np.abs(y).max()), dual_far)
    side = np.concatenate([np.where(y > 0, lower, upper)[:sided], -form.g])
    terms = np.where(np.isfinite(side), y * side, 0.0) + y * quadratic
    xPx, qx = x @ form.P @ x, form.q @ x
    gap = abs(xPx + qx - terms.sum()) / (1.0 + max(abs(xPx), abs(qx), np.abs(terms).sum()))
    np.testing.assert_allclose(PointErrors(SlotRows(form), x, y).stated(), [primal, dual, gap], rtol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_own_errors_do_not_depend_on_units(seed: Any) -> None:
    """They see an error of a thousandth in all units alike, within a few powers of two."""
    rng = np.random.default_rng(seed)
    A, x = rng.standard_normal((6, 4)), rng.standard_normal(4)
    values = A @ x
    y, z = np.array([1.0, 2.0, -1.0, 0.0, 0.0, 0.0]), np.array([0.5, 0.0, 0.0, -2.0])
    sides = np.where(y > 0, values, values - 2.0), np.where(y < 0, values, values + 3.0)
    box = np.where(z > 0, x, -5.0), np.where(z < 0, x, np.inf)
    P = np.diag([1.0, 0.0, 2.0, 0.0])
    form = form_of(A, *sides, *box, A.T @ y + z - P @ x, P)
    dual = np.concatenate([y, z])
    assert largest(SlotRows(form), x, dual) < 1e-14
    for decades in (0, 6):
        column = np.exp2(np.round(rng.uniform(-decades, decades, 4) * 3.3))
        row, unit = np.exp2(np.round(rng.uniform(-decades, decades, 6) * 3.3)), 2.0**-20
        rows = SlotRows(restated(form, column, row, unit))
        own = unit * np.concatenate([y / row, z * column])
        assert max(PointErrors(rows, x / column, own).own()) < 1e-12
        assert max(PointErrors(rows, x * 1.001 / column, own).own()) > 1e-5
        assert max(PointErrors(rows, x / column, own * 1.001).own()) > 1e-5


def test_weights_count_off_diagonals_twice() -> None:
    """Minimize a + c over [[a, b], [b, c]] with b = 1: the dual [1, -1, 1] of the triangle takes 2 of the bound."""
    form = form_of(np.zeros((0, 3)), [], [], [-np.inf, 1.0, -np.inf], [np.inf, 1.0, np.inf], [1.0, 0.0, 1.0])
    cones = [Cones(SetBlock.of([PositiveSemidefiniteConeTriangle(2)]), slice(0, 3))]
    form.set_cones(sp.csr_array(np.eye(3)), np.zeros(3), cones)
    rows, x = SlotRows(form), np.ones(3)
    right, wrong = np.array([0.0, 2.0, 0.0, 1.0, -1.0, 1.0]), np.array([0.0, 1.0, 0.0, 1.0, -1.0, 1.0])
    assert largest(rows, x, right) < 1e-14
    np.testing.assert_allclose(PointErrors(rows, x, wrong).stated()[1], 0.5, rtol=1e-14)
    np.testing.assert_allclose(dual_objective(rows, x, right), 2.0, rtol=1e-14)


def test_free_rows_and_fixed_columns_hold_of_themselves() -> None:
    """A deleted row, free with entries out of scale, and a column fixed at zero change no residual."""
    form = form_of([[1.0, 1.0], [1e9, 0.0]], [2.0, -np.inf], [np.inf, np.inf], [0.0, 0.0], [np.inf, 0.0], [1.0, 5.0])
    rows = SlotRows(form)
    assert largest(rows, np.array([2.0, 0.0]), np.array([1.0, 0.0, 0.0, 4.0])) < 1e-15
    assert largest(rows, np.array([2.0, 0.0]), np.array([1.0, 1e-3, 0.0, 4.0])) > 1e-4


def test_columns_with_gaps() -> None:
    """Whole numbers, binaries and semicontinuous columns: the distance from the values that they may have."""
    kinds = [Discreteness.INTEGER, Discreteness.INTEGER, Discreteness.SEMICONTINUOUS, Discreteness.SEMIINTEGER]
    form = form_of(np.zeros((0, 4)), [], [], [-9.0, -9.0, 2.0, 2.0], [9.0, 9.0, 3.0, 4.0], np.ones(4))
    for column, kind in enumerate(kinds):
        form.set_discreteness(np.array([column]), kind, binary=column == 1)
    rows = SlotRows(form)
    for good in ([-2.0, 1.0, 0.0, 0.0], [3.0, 0.0, 2.5, 3.0]):
        found = residuals(rows, np.array(good), None, POINT, NONE)
        assert found.worst == 0.0 and checked(S.OPTIMAL, found) is S.OPTIMAL
    for column, value in ((0, 0.5), (0, 10.0), (1, 2.0), (1, -1.0), (2, 1.0), (2, 3.5), (3, 2.5), (3, 1.0)):
        x = np.array([-2.0, 1.0, 0.0, 0.0])
        x[column] = value
        assert checked(S.OPTIMAL, residuals(rows, x, None, POINT, NONE)) is S.ALMOST_OPTIMAL, (column, value)


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_proofs_of_infeasibility(size: Any) -> None:
    """A sum of at least 3 of columns of at most 1, between ranges: the true proof passes, others do not."""
    form = form_of([[1.0, 1.0]], [3.0], [9.0], [-5.0, -5.0], [1.0, 1.0], [0.0, 0.0])
    rows, y = SlotRows(form), size * np.array([1.0, -1.0, -1.0])
    assert farkas_error(rows, y) < 1e-15
    for wrong in (0.0 * y, -y, y * np.array([1.0, -1.0, 1.0]), y * np.array([1.0, 0.99, 1.0]), y * np.nan):
        found = residuals(rows, None, wrong, NONE, PROOF)
        assert checked(S.INFEASIBLE, found) is S.OTHER_ERROR
    assert checked(S.INFEASIBLE, residuals(rows, None, y, NONE, PROOF)) is S.INFEASIBLE
    assert dual_objective(rows, None, y) == pytest.approx(size, rel=1e-14)


def test_proofs_in_cones() -> None:
    """The cone holds (t, t + 1) for no t."""
    form = form_of(np.zeros((0, 1)), [], [], [-np.inf], [np.inf], [0.0])
    cones = [Cones(SetBlock.of([SecondOrderCone(2)]), slice(0, 2))]
    form.set_cones(sp.csr_array(np.ones((2, 1))), np.array([0.0, 1.0]), cones)
    assert farkas_error(SlotRows(form), np.array([0.0, 1.0, -1.0])) < 1e-15
    assert farkas_error(SlotRows(form), np.array([0.0, 1.0, -1.1])) > 1e-3


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_improving_rays(size: Any) -> None:
    """Along the ray the objective falls, and no side, range or square is in its way."""
    P = np.diag([0.0, 0.0, 1.0])
    form = form_of([[1.0, -1.0, 0.0]], [-1.0], [2.0], [0.0, -np.inf, -1.0], [np.inf] * 3, [-1.0, 0.0, 0.0], P)
    rows = SlotRows(form)
    assert ray_error(rows, size * np.array([1.0, 1.0, 0.0])) < 1e-15
    for wrong in ([-1.0, -1.0, 0.0], [1.0, 0.9, 0.0], [1.0, 1.0, 0.1], [0.0, 0.0, 0.0], [1.0, 1.0, np.nan]):
        found = residuals(rows, size * np.array(wrong), None, PROOF, NONE)
        assert checked(S.DUAL_INFEASIBLE, found) is S.OTHER_ERROR, wrong


def test_numbers_that_are_none() -> None:
    """A point with NaN has no residuals; one that overflows has an infinite one."""
    form = some_form(0)
    rows, y = SlotRows(form), np.zeros(form.slots.size)
    assert checked(S.OPTIMAL, residuals(rows, np.full(N, np.nan), y, POINT, POINT)) is S.OTHER_ERROR
    assert largest(rows, np.full(N, 1e300), y) == np.inf
    assert checked(S.OPTIMAL, residuals(rows, np.zeros(N), y * np.nan, POINT, POINT)) is S.OTHER_ERROR


@pytest.mark.parametrize("unit", [2.0**-40, 2.0**-20, 1.0, 2.0**20])
def test_duals_that_cancel_hide_no_wrong_gradient(unit: Any) -> None:
    """Of a row stated twice the duals may be huge and opposite; what is left of the gradient is none the smaller."""
    free = [-np.inf] * 2, [np.inf] * 2
    form = form_of([[1.0, 1.0], [1.0, 1.0]], [1.0, 1.0], [1.0, 1.0], *free, [1.0, 2.0], np.eye(2))
    form = restated(form, np.full(2, unit), np.ones(2), 1.0)
    for x, is_optimal in (([1.0, 0.0], True), ([0.9, 0.1], False)):
        for huge in (0.0, 2.0**43):
            y = np.array([2.0 + huge, -huge, 0.0, 0.0])
            worst = largest(SlotRows(form), np.array(x) / unit, y)
            assert worst <= 1e-12 if is_optimal else worst > 1e-5
