"""Whether an answer to a form is one: a claim that there is no solution has a proof, a solution fits in every unit."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from ...modelkit.arrays import FloatArray
from ...modelkit.form import rows_at
from ...modelkit.form.point_errors import PointErrors
from ...modelkit.form.proofs import farkas_error, ray_error
from ...modelkit.form.scales import Scales
from ...modelkit.form.slot_rows import SlotRows
from ..result import Result, ResultStatus, Status
from .rays import improving_ray, infeasibility_ray

__all__ = ["has_proof", "is_solution", "prove"]

_PROOF_ERROR = 1e-6
"""The largest error of a proof, relative to what it is made of."""
_SOLUTION_ERROR = 1e-7
_CERTIFICATE = ResultStatus.INFEASIBILITY_CERTIFICATE


def has_proof(rows: SlotRows, result: Result) -> bool:
    """Whether a result that says INFEASIBLE or DUAL_INFEASIBLE holds the proof."""
    with np.errstate(over="ignore", invalid="ignore"):  # a proof with terms that overflow is none
        if result.status is Status.INFEASIBLE:
            y = result.dual if result.dual_status is _CERTIFICATE else None
            return y is not None and farkas_error(rows, y) <= _PROOF_ERROR
        d = result.x if result.primal_status is _CERTIFICATE else None
        return d is not None and ray_error(rows, d) <= _PROOF_ERROR


def is_solution(rows: SlotRows, result: Result) -> bool:
    """Whether a result that says OPTIMAL is a solution in all units that may occur."""
    x, y = result.x, result.dual
    if x is None or y is None or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return max(PointErrors(rows, x, y).own()) <= _SOLUTION_ERROR


def prove(rows: SlotRows, result: Result) -> bool:
    """Look for a proof of what a result claims, or of the contrary claim, and put it there; whether there is one.

    There may be one where all rows are linear.
    """
    form = rows.form
    if form.k or rows.curvature is not None:
        return False
    scales, held = Scales(rows, alone=True), np.flatnonzero(rows.is_held)
    D, E = scales.column, scales.row[held]
    A = rows_at(form, held).multiply(D).multiply(E[:, None]).tocsr()
    lower, upper = E * rows.lower[held], E * rows.upper[held]
    size = _size(np.concatenate([lower, upper]))  # the matrices do not tell that of the solution, the sides do
    for status in sorted((Status.INFEASIBLE, Status.DUAL_INFEASIBLE), key=lambda one: one is not result.status):
        if status is Status.INFEASIBLE:
            ray = infeasibility_ray(A, lower / size, upper / size)
            y = np.zeros(form.slots.size)
            y[held] = 0.0 if ray is None else E * ray
            found = None if ray is None else Result.of(status, result.raw, None, y, seconds=0.0)
        else:
            P = sp.csr_array(form.P.multiply(D).multiply(D[:, None]))
            q = D * form.q
            d = improving_ray(P / _size(P.data), q / _size(q), A, lower, upper)
            found = None if d is None else Result.of(status, result.raw, D * d, None, seconds=0.0)
        if found is not None and has_proof(rows, found):
            result.status, result.primal_status, result.dual_status = (
                found.status,
                found.primal_status,
                found.dual_status,
            )
            result.x, result.dual = found.x, found.dual
            return True
    return False


def _size(numbers: FloatArray) -> float:
    """The largest of the finite ones; 1 if all are zero."""
    return float(np.abs(numbers[np.isfinite(numbers)]).max(initial=0.0)) or 1.0
