"""Whether an answer to a form is one: a claim that there is no solution has a proof, a solution fits in every unit."""

from __future__ import annotations

import numpy as np

from ..modelkit.claims import farkas_error, ray_error
from ..modelkit.form_rows import FormRows, is_box
from ..modelkit.matrix_form import MatrixForm
from ..modelkit.own_units import point_errors
from ..modelkit.units import Units
from .rays import improving_ray, infeasibility_ray
from .result import Result, ResultStatus, Status

__all__ = ["PROOF_ERROR", "has_proof", "is_solution", "prove"]

PROOF_ERROR = 1e-6
"""The largest error of a proof, relative to what it is made of."""
_SOLUTION_ERROR = 1e-7
CERTIFICATE = ResultStatus.INFEASIBILITY_CERTIFICATE


def has_proof(form: MatrixForm, result: Result) -> bool:
    """Whether a result that says INFEASIBLE or DUAL_INFEASIBLE holds the proof."""
    rows = FormRows(form)
    with np.errstate(over="ignore", invalid="ignore"):  # a proof with terms that overflow is none
        if result.status is Status.INFEASIBLE:
            y = result.dual if result.dual_status is CERTIFICATE else None
            return y is not None and farkas_error(rows, y) <= PROOF_ERROR
        d = result.x if result.primal_status is CERTIFICATE else None
        return d is not None and ray_error(rows, d) <= PROOF_ERROR


def is_solution(form: MatrixForm, result: Result) -> bool:
    """Whether a result that says OPTIMAL is a solution in all units that may occur."""
    x, y = result.x, result.dual
    if x is None or y is None or not (np.isfinite(x).all() and np.isfinite(y).all()):
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return max(point_errors(FormRows(form), x, y)) <= _SOLUTION_ERROR


def prove(form: MatrixForm, result: Result) -> bool:
    """Look for a proof of what a result claims, or of the contrary claim, and put it there; whether there is one.

    There may be one where all rows are linear.
    """
    if not all(is_box(kind) for kind in form.parts):
        return False
    rows, units = FormRows(form), Units(FormRows(form), alone=True)
    D, E = units.column, units.row
    A = form.F.multiply(D).multiply(E[:, None]).tocsr()
    lower, upper = E * rows.lower, E * rows.upper
    for status in sorted((Status.INFEASIBLE, Status.DUAL_INFEASIBLE), key=lambda one: one is not result.status):
        if status is Status.INFEASIBLE:
            y = infeasibility_ray(A, lower, upper)
            found = None if y is None else Result.of(status, result.raw, None, E * y, seconds=0.0)
        else:
            P = form.P.multiply(D).multiply(D[:, None]).tocsr()
            d = improving_ray(P, D * form.q, A, lower, upper)
            found = None if d is None else Result.of(status, result.raw, D * d, None, seconds=0.0)
        if found is not None and has_proof(form, found):
            result.status, result.primal_status, result.dual_status = (
                found.status,
                found.primal_status,
                found.dual_status,
            )
            result.x, result.dual = found.x, found.dual
            return True
    return False
