"""Diff models of convex programs; what QuadraticDiff and ConicDiff have in common.

minimize ``½xᵀPx + cᵀx`` subject to ``A x + s = b``, ``s in K``; here ``A = -F`` and ``b = g`` of the one-sided rows
``F x + g`` of a form. Whatever K is, a solution comes with one symmetric KKT system that answers every direction of
both modes (docs/design.md, section 6); a diff model says how the solution is made exact and the system set up.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, final

import numpy as np

from ..modelkit.arrays import FloatArray
from ..modelkit.errors import DifferentiationError
from ..modelkit.form.matrix_form import MatrixForm
from ..modelkit.indices import Kind
from .policies import Generalized, Policy
from .solution_point import SolutionPoint

__all__ = ["ACCURATE", "ConvexDiff", "require_accurate"]

ACCURATE = 1e-6
"""Largest relative residual at which a solution that could not be refined further is still differentiated."""


class ConvexDiff(ABC):
    """What makes a solution of a form exact, with the system that its derivatives are read from.

    Class attributes (to be declared by a diff model)
    -------------------------------------------------
    name : of the diff model
    kinds : (function type, set type) of the one-sided rows that it takes, in the order in which it wants them

    Attributes
    ----------
    linear_algebra, allow_inaccurate, policy : the user's choices
    """

    name: ClassVar[str]
    kinds: ClassVar[tuple[Kind, ...]]

    def __init__(self) -> None:
        self.linear_algebra: Any = None
        self.allow_inaccurate = False
        self.policy: Policy = Generalized()

    @abstractmethod
    def polish(self, form: MatrixForm, x: FloatArray, y: FloatArray, activity: FloatArray | None) -> SolutionPoint:
        """The exact solution near (x, y); `activity` is nonzero in the rows that a solver's basis calls active."""

    @final
    def exact(
        self, form: MatrixForm, x: FloatArray, y: FloatArray, activity: FloatArray | None = None
    ) -> SolutionPoint:
        """The exact solution near (x, y) with its factorization.

        Raises
        ------
        DifferentiationError
            If the solution cannot be made accurate.
        """
        point = self.polish(form, x, y, activity)
        require_accurate(point.refinement.after, self.allow_inaccurate)
        return point


def require_accurate(residual: float, allow_inaccurate: bool) -> None:
    """Raise `DifferentiationError` for a point with too large residuals, unless the user allows it."""
    if not (residual <= ACCURATE or (allow_inaccurate and np.isfinite(residual))):
        raise DifferentiationError(
            f"The solution is not accurate enough to differentiate: its relative residuals are {residual:.1e} and "
            f"could not be refined below {ACCURATE:g}. Solve to tighter tolerances, scale the data, use another "
            "solver, or set AllowInaccurateSolution() to True."
        )
