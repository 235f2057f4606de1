"""Certificates of HiGHS, also where its main run found none; and how Ctrl-C stops it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp

from ...modelkit.arrays import FloatArray
from ..judging.rays import infeasibility_ray
from ..options import load_library

__all__ = ["FAR", "farkas_dual", "improving_ray", "matrix_of", "stop_when"]

TINY = 1e-9
"""Entries of a ray below this share of its largest are noise."""
_PROOF, _ROUNDING = 1e-7, 1e-13
"""What should vanish in a proof of largest entry one; what it proves must be larger than this part of its terms."""
FAR = 1e9
"""A minimum so far off is none."""


def stop_when(caught: list[Any], handle: Any) -> None:
    """Have HiGHS stop, when it looks up from its work, if something stands in the list."""

    # holds the list and not the handle, which would then never be freed
    def look_up(kind: Any, message: str, out: Any, answer: Any, data: Any) -> None:
        if caught:
            answer.user_interrupt = True

    handle.setCallback(look_up, None)
    kinds = load_library("highspy").cb.HighsCallbackType
    for kind in (kinds.kCallbackSimplexInterrupt, kinds.kCallbackIpmInterrupt, kinds.kCallbackMipInterrupt):
        handle.startCallback(kind)


def matrix_of(lp: Any) -> sp.csc_array:
    """The coefficients of the rows of a program that HiGHS has."""
    a = lp.a_matrix_
    shape = (lp.num_row_, lp.num_col_)
    data = (np.array(a.value_), np.array(a.index_, np.int32), np.array(a.start_, np.int32))
    return (
        sp.csc_array(data, shape=shape)
        if a.format_.name == "kColwise"
        else sp.csc_array(sp.csr_array(data, shape=shape))
    )


def farkas_dual(handle: Any, new_handle: Callable[[], Any]) -> tuple[FloatArray, FloatArray] | None:
    """A proof that the loaded linear rows and bounds contradict each other, or None.

    Rows y and bounds z with ``Aᵀy + z = 0``, positive at lower bounds and negative at upper ones, for which
    the bounds add up to something positive.
    """
    lp = handle.getLp()
    box = np.array([lp.row_lower_, lp.row_upper_]), np.array([lp.col_lower_, lp.col_upper_])
    A = matrix_of(lp)
    for y in _dual_rays(lp, A, handle, new_handle):
        y = np.asarray(y) / max(np.abs(y).max(initial=0.0), 1e-300)
        for sign in (1.0, -1.0):
            row = _on_bounds(sign * y, box[0])
            z = _on_bounds(-(A.T @ row), box[1])
            left = np.abs(A.T @ row + z).max(initial=0.0)
            terms = np.concatenate([_bound_terms(row, box[0]), _bound_terms(z, box[1])])
            bounds = np.abs(terms[terms != 0.0]) / np.abs(np.concatenate([row, z]))[terms != 0.0]
            # no point that is a thousand times as large as the bounds used contradicts it
            enough = max(1e3 * left * bounds.max(initial=0.0), _ROUNDING * np.abs(terms).sum())
            if left <= _PROOF and terms.sum() > enough:
                return row, z
    return None


def _dual_rays(lp: Any, A: sp.csc_array, handle: Any, new_handle: Callable[[], Any]) -> Iterator[FloatArray]:
    """What may be the rows' part of a proof."""
    _, found, y = handle.getDualRay()
    if found:
        yield y
    # presolve, interior point and branch and bound find no ray: once more, simplex without presolve
    other = _bare(lp, new_handle)
    other.changeColsCost(lp.num_col_, np.arange(lp.num_col_, dtype=np.int32), np.zeros(lp.num_col_))
    other.run()
    _, found, y = other.getDualRay()
    if found:
        yield y
    rows = sp.csr_array(sp.vstack([A, sp.eye_array(lp.num_col_)]))
    bounds = [np.concatenate(two) for two in ((lp.row_lower_, lp.col_lower_), (lp.row_upper_, lp.col_upper_))]
    y = infeasibility_ray(rows, *bounds)
    if y is not None:
        yield y[: lp.num_row_]


def _on_bounds(y: FloatArray, box: FloatArray) -> FloatArray:
    """Without noise, and without entries that stand at an infinite bound."""
    y = np.where(np.abs(y) > TINY * np.abs(y).max(initial=0.0), y, 0.0)
    return np.where(np.isfinite(np.where(y > 0, box[0], box[1])), y, 0.0)


def _bound_terms(y: FloatArray, box: FloatArray) -> FloatArray:
    active = y != 0
    return np.where(active, y * np.where(active, np.where(y > 0, box[0], box[1]), 0.0), 0.0)


def improving_ray(handle: Any, new_handle: Callable[[], Any], P: sp.csc_array | None) -> FloatArray | None:
    """A direction d in which the (minimized) objective falls for ever, or None.

    With integer variables it is one of the relaxation, which for rational data proves as much.
    """
    lp = handle.getLp()
    A, q = matrix_of(lp), np.array(lp.col_cost_)
    for ray in _primal_rays(lp, handle, new_handle, P):
        d = np.asarray(ray) / max(np.abs(ray).max(initial=0.0), 1e-300)
        d = np.where(np.abs(d) > TINY, d, 0.0)
        moves = ((d, lp.col_lower_, lp.col_upper_), (A @ d, lp.row_lower_, lp.row_upper_))
        away = max(_away(*move) for move in moves)
        Pd = np.zeros(len(d)) if P is None else P @ d
        # of a square with small curvature the bottom is far off, not nowhere
        if max(away, np.abs(Pd).max(initial=0.0)) <= _PROOF and -q @ d > max(
            TINY * np.abs(q * d).sum(), FAR * (d @ Pd), 0.0
        ):
            return d
    return None


def _primal_rays(lp: Any, handle: Any, new_handle: Callable[[], Any], P: sp.csc_array | None) -> Iterator[FloatArray]:
    """What may be such a direction."""
    status, found, ray = handle.getPrimalRay()
    if found and status.name == "kOk":
        yield ray
    # the QP method and branch and bound give none: minimize qᵀd over the recession cone, -1 <= d <= 1, Pd = 0
    n, m = lp.num_col_, lp.num_row_
    other, columns = _bare(lp, new_handle), np.arange(n, dtype=np.int32)
    other.changeColsBounds(n, columns, *_recession(lp.col_lower_, lp.col_upper_, 1.0))
    other.changeRowsBounds(m, np.arange(m, dtype=np.int32), *_recession(lp.row_lower_, lp.row_upper_, np.inf))
    if P is not None and P.nnz:
        R = sp.csr_array(P)
        indptr, indices = R.indptr[:-1].astype(np.int32), R.indices.astype(np.int32)
        other.addRows(n, np.zeros(n), np.zeros(n), R.nnz, indptr, indices, R.data)
    other.run()
    if other.getModelStatus().name == "kOptimal":
        yield np.array(other.getSolution().col_value)


def _away(moved: FloatArray, lower: Any, upper: Any) -> float:
    """How far a movement leads beyond bounds."""
    below, above = np.where(np.isfinite(lower), -moved, 0.0), np.where(np.isfinite(upper), moved, 0.0)
    return float(np.maximum(below, above).max(initial=0.0))


def _recession(lower: Any, upper: Any, limit: float) -> tuple[FloatArray, FloatArray]:
    return np.where(np.isfinite(lower), 0.0, -limit), np.where(np.isfinite(upper), 0.0, limit)


def _bare(lp: Any, new_handle: Callable[[], Any]) -> Any:
    """Another handle with the continuous linear program alone, for simplex without presolve."""
    other = new_handle()
    other.setOptionValue("presolve", "off")
    other.setOptionValue("solver", "simplex")
    other.passModel(lp)
    other.changeObjectiveOffset(0.0)
    other.changeColsIntegrality(lp.num_col_, np.arange(lp.num_col_, dtype=np.int32), np.zeros(lp.num_col_, np.uint8))
    return other
