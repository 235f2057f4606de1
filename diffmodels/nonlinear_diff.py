"""NonlinearDiff: derivatives of nonlinear programs at local solutions."""

from __future__ import annotations

from typing import final

from ..modelkit.arrays import FloatArray
from ..modelkit.form.matrix_form import MatrixForm
from ..modelkit.functions import VectorAffineFunction, VectorQuadraticFunction
from ..modelkit.sets import Nonnegatives, OperatorGraph, Zeros
from .convex_diff import StackedDiff
from .local_program import RowPlaces
from .nonlinear_point import NonlinearPoint, polished

__all__ = ["NonlinearDiff"]


@final
class NonlinearDiff(StackedDiff):
    """The diff model of nonlinear programs, and of quadratic ones that are not convex.

    At a local solution with independent active rows, multipliers that are not zero and curvature in the directions that
    the rows leave, the solution is a differentiable function of the data (Fiacco & McCormick 1968), whose derivatives
    are those of a quadratic program.
    """

    name = "NonlinearDiff"
    kinds = (
        *((VectorAffineFunction, kind) for kind in (Zeros, Nonnegatives, OperatorGraph)),
        *((VectorQuadraticFunction, kind) for kind in (Nonnegatives, Zeros)),
    )
    nonconvex = True

    def polish(self, form: MatrixForm, x: FloatArray, y: FloatArray, activity: FloatArray | None) -> NonlinearPoint:
        """The exact solution by Newton steps on its quadratic programs."""
        return polished(form, RowPlaces(form), x, y, activity, self.linear_algebra)
