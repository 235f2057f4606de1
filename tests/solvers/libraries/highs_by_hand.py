"""A form given to highspy by hand, and what optimality means, both from the arrays alone."""

from __future__ import annotations

from typing import Any

import highspy
import numpy as np
import scipy.sparse as sp

from optangent.modelkit.form import Discreteness

TYPES = {
    Discreteness.CONTINUOUS: highspy.HighsVarType.kContinuous,
    Discreteness.INTEGER: highspy.HighsVarType.kInteger,
    Discreteness.SEMICONTINUOUS: highspy.HighsVarType.kSemiContinuous,
    Discreteness.SEMIINTEGER: highspy.HighsVarType.kSemiInteger,
}


def solved(form: Any) -> Any:
    """A fresh handle with the form in it, run; rows that are free and columns fixed at zero are left out."""
    kept = np.flatnonzero((form.lower != 0.0) | (form.upper != 0.0))
    rows = np.flatnonzero(np.isfinite(form.row_lower) | np.isfinite(form.row_upper))
    A = sp.csc_array(form.A.tocsr()[rows][:, kept])
    A.eliminate_zeros()
    model = highspy.HighsModel()
    lp = model.lp_
    lp.num_col_, lp.num_row_, lp.offset_ = len(kept), len(rows), form.r
    lp.col_cost_ = form.q[kept]
    binary = form.binary[kept]
    lp.col_lower_ = np.where(binary, np.maximum(form.lower[kept], 0.0), form.lower[kept])
    lp.col_upper_ = np.where(binary, np.minimum(form.upper[kept], 1.0), form.upper[kept])
    lp.row_lower_, lp.row_upper_ = form.row_lower[rows], form.row_upper[rows]
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = A.indptr, A.indices, A.data
    if form.discreteness.any():
        lp.integrality_ = [TYPES[Discreteness(kind)] for kind in form.discreteness[kept]]
    P = sp.csc_array(sp.tril(form.P.tocsr()[kept][:, kept], format="csc"))
    P.eliminate_zeros()
    handle = highspy._Highs()
    handle.setOptionValue("output_flag", False)
    handle.passModel(model)
    if P.nnz:
        handle.passHessian(len(kept), P.nnz, 1, P.indptr, P.indices, P.data)
    handle.run()
    return handle


def assert_optimal(form: Any, x: Any, dual: Any, tolerance: Any) -> None:
    """Feasibility, stationarity, signs of duals and complementarity."""
    y, z = dual[: form.m], dual[form.m :]
    f = form.A @ x
    lower, upper = np.append(form.row_lower, form.lower), np.append(form.row_upper, form.upper)
    values, duals = np.append(f, x), np.append(y, z)
    assert np.maximum(lower - values, values - upper).max(initial=0.0) <= tolerance
    left = form.P @ x + form.q - form.A.T @ y - z
    assert np.abs(left).max(initial=0.0) <= tolerance
    away = np.where(duals > 0.0, values - lower, upper - values)
    assert np.all((np.abs(duals) <= tolerance) | (away <= tolerance))


def assert_is_contradiction(form: Any, result: Any) -> None:
    """Farkas: a combination of sides that no point satisfies."""
    dual = np.where(np.abs(result.dual) > 1e-9, result.dual, 0.0)
    y, z = dual[: form.m], dual[form.m :]
    np.testing.assert_allclose(form.A.T @ y + z, 0.0, atol=1e-9)
    lower, upper = np.append(form.row_lower, form.lower), np.append(form.row_upper, form.upper)
    used = dual != 0.0
    assert (dual[used] * np.where(dual > 0.0, lower, upper)[used]).sum() > 1e-6


def assert_is_improving(form: Any, d: Any) -> None:
    """A direction that no side stops and no curvature bends, along which the objective falls."""
    for moved, lower, upper in ((form.A @ d, form.row_lower, form.row_upper), (d, form.lower, form.upper)):
        assert np.all((moved >= -1e-9) | ~np.isfinite(lower))
        assert np.all((moved <= 1e-9) | ~np.isfinite(upper))
    np.testing.assert_allclose(form.P @ d, 0.0, atol=1e-9)
    assert form.q @ d < -1e-6
