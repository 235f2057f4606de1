"""ConicDiff: derivatives of conic programs with linear or convex quadratic objectives."""

from __future__ import annotations

from typing import final

from ..modelkit.arrays import FloatArray
from ..modelkit.form.matrix_form import MatrixForm
from ..modelkit.functions import VectorAffineFunction, VectorQuadraticFunction
from ..modelkit.sets import (
    DualExponentialCone,
    DualPowerCone,
    ExponentialCone,
    Nonnegatives,
    PowerCone,
    ScaledPositiveSemidefiniteConeTriangle,
    SecondOrderCone,
    Zeros,
)
from .conic_point import ConicPoint, polish
from .convex_diff import StackedDiff

__all__ = ["ConicDiff"]


@final
class ConicDiff(StackedDiff):
    """The diff model of conic programs.

    Takes affine functions in zero, nonnegative, second-order, scaled semidefinite, exponential and power cones and
    the duals of the last two, and concave quadratic functions in nonnegative cones; bridges bring every other convex
    set of the library to these. Matrix cones arrive in scaled coordinates, where inner products are plain.
    """

    name = "ConicDiff"
    kinds = (
        *((VectorAffineFunction, cone) for cone in (Zeros, Nonnegatives, SecondOrderCone)),
        (VectorAffineFunction, ScaledPositiveSemidefiniteConeTriangle),
        *((VectorAffineFunction, cone) for cone in (ExponentialCone, DualExponentialCone, PowerCone, DualPowerCone)),
        (VectorQuadraticFunction, Nonnegatives),
    )

    def polish(self, form: MatrixForm, x: FloatArray, y: FloatArray, activity: FloatArray | None) -> ConicPoint:
        """The exact solution by Newton steps on the KKT system."""
        return polish(form, x, y, self.linear_algebra)
