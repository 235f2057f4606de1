"""Diff models of convex programs; what QuadraticDiff and ConicDiff have in common.

minimize ``½xᵀPx + cᵀx`` subject to ``A x + s = b``, ``s in K``. Whatever K is, a solution comes with one symmetric KKT
system that answers every direction of both modes (docs/design.md, section 6); a diff model says how the solution is
made exact and the system set up.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, final

import numpy as np

from ..modelkit.arrays import FloatArray
from ..modelkit.errors import DifferentiationError
from ..modelkit.form import Form
from ..modelkit.form.matrix_form import MatrixForm
from ..modelkit.form.stacked import Stacked
from ..modelkit.functions import VectorQuadraticFunction
from ..modelkit.indices import Kind
from ..modelkit.sets import Zeros
from .ground import Ground, StackedGround
from .policies import Generalized, Policy
from .solution_point import SolutionPoint

__all__ = ["ACCURATE", "ConvexDiff", "StackedDiff", "require_accurate"]

ACCURATE = 1e-6
"""Largest relative residual at which a solution that could not be refined further is still differentiated."""


class ConvexDiff(ABC):
    """What makes a solution of a form exact, with the system that its derivatives are read from.

    Class attributes (to be declared by a diff model)
    -------------------------------------------------
    name : of the diff model
    kinds : (function type, set type) of the one-sided rows that it takes, in the order in which it wants them
    nonconvex : whether the program need not be convex

    Attributes
    ----------
    linear_algebra, allow_inaccurate, policy : the user's choices
    layout : one-sided rows of an earlier form, which are taken again if they are those of the next one
    """

    name: ClassVar[str]
    kinds: ClassVar[tuple[Kind, ...]]
    nonconvex: ClassVar[bool] = False

    def __init__(self) -> None:
        self.linear_algebra: Any = None
        self.allow_inaccurate = False
        self.policy: Policy = Generalized()
        self.layout: Stacked | None = None

    @classmethod
    def stacked(cls, form: Form) -> Stacked:
        """Where the one-sided rows of forms of this signature stand."""
        bent = (VectorQuadraticFunction, Zeros) in cls.kinds
        return Stacked(form, [kind[1] for kind in cls.kinds], has_bent_equalities=bent)

    @abstractmethod
    def ground(self, form: Form, x: FloatArray, y: FloatArray, activity: FloatArray | None) -> Ground:
        """The exact solution near (x, y).

        Parameters
        ----------
        form : the form
        x, y : (n,) and (slots,)
        activity : (slots,) as `Result.activity`, or None where there is no basis
        """

    @final
    def exact(self, form: Form, x: FloatArray, y: FloatArray, activity: FloatArray | None = None) -> Ground:
        """The same, refused if it is not exact.

        Raises
        ------
        DifferentiationError
            If the solution cannot be made accurate.
        """
        ground = self.ground(form, x, y, activity)
        require_accurate(ground.refinement.after, self.allow_inaccurate)
        return ground


class StackedDiff(ConvexDiff):
    """A diff model that works with one-sided rows ``F x + g`` in cones; here ``A = -F`` and ``b = g``."""

    @abstractmethod
    def polish(self, form: MatrixForm, x: FloatArray, y: FloatArray, activity: FloatArray | None) -> SolutionPoint:
        """The exact solution near (x, y); `activity` is nonzero in the rows that a solver's basis calls active."""

    @final
    def ground(self, form: Form, x: FloatArray, y: FloatArray, activity: FloatArray | None) -> Ground:
        """The exact solution near (x, y)."""
        layout = self.layout
        if layout is None or not layout.fits(form):
            self.layout = layout = self.stacked(form)
        rows = layout.matrices(form)
        hints = None if activity is None else layout.down(activity)
        return StackedGround(layout, rows, self.polish(rows, x, layout.down(y), hints), self.linear_algebra)


def require_accurate(residual: float, allow_inaccurate: bool) -> None:
    """Raise `DifferentiationError` for a point with too large residuals, unless the user allows it."""
    if not (residual <= ACCURATE or (allow_inaccurate and np.isfinite(residual))):
        raise DifferentiationError(
            f"The solution is not accurate enough to differentiate: its relative residuals are {residual:.1e} and "
            f"could not be refined below {ACCURATE:g}. Solve to tighter tolerances, scale the data, use another "
            "solver, or set AllowInaccurateSolution() to True."
        )
