"""Forms with an answer that no library is needed for, and on which libraries differ."""

from __future__ import annotations

import numpy as np

from ...modelkit.form import Form
from ...modelkit.form.proofs import crossing
from ...modelkit.form.slot_rows import SlotRows
from ...modelkit.sets.cone import NativeCone
from ..result import Result, ResultStatus, Status, constant_result

__all__ = ["answer_without_library"]


def answer_without_library(form: Form) -> Result | None:
    """The answer to a form without columns, or with a lower side above the upper one; else None."""
    if form.n and not _cross(form):
        return None
    slot = crossing(SlotRows(form))
    if slot is not None:
        return Result(
            Status.INFEASIBLE,
            "not passed on: a lower side is above the upper one",
            dual_status=ResultStatus.INFEASIBILITY_CERTIFICATE,
            dual=np.zeros(form.slots.size),
            crossed=slot,
            seconds=0.0,
        )
    return None if form.n else constant_result(_duals_of_constants(form))


def _cross(form: Form) -> bool:
    return bool((form.lower > form.upper).any() or (form.row_lower > form.row_upper).any())


def _duals_of_constants(form: Form) -> np.ndarray:
    """The y of `constant_result`: what violates a side, and projections of -g onto the dual cones."""
    y = np.zeros(form.slots.size)
    y[: form.m] = np.maximum(form.row_lower, 0.0) + np.minimum(form.row_upper, 0.0)
    for cone, slots in SlotRows(form).cones:
        if not isinstance(cone, NativeCone):
            raise TypeError(f"{cone!r} has no projection: it is no cone for solvers of forms.")
        y[slots] = cone.project_dual(-form.g[slots - form.slots.sided])
    return y
