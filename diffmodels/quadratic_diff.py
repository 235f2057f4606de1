"""QuadraticDiff: derivatives of linear and convex quadratic programs.

At a solution with active rows A₁ (docs/design.md, section 6)::

    [ P   A₁ᵀ ] [dx ]   [ -(dP x + dAᵀy + dc) ]
    [ A₁  0   ] [dy₁] = [ -(dA x - db)        ]

is one symmetric system for all directions of both modes. It is that of OptNet (Amos & Kolter 2017, eq. 6) with
the inactive rows eliminated and the rows of the multipliers divided by them, which makes it symmetric.
"""

from __future__ import annotations

from typing import Any, final

from ..modelkit.arrays import FloatArray
from ..modelkit.form.matrix_form import MatrixForm
from ..modelkit.form.products import with_entries
from ..modelkit.functions import VectorAffineFunction
from ..modelkit.sets import Nonnegatives, Zeros
from .active_set import PolishedSolution, polish
from .convex_diff import ConvexDiff
from .standard_form import Matrices, StandardForm

__all__ = ["QuadraticDiff"]


@final
class QuadraticDiff(ConvexDiff):
    """The diff model of linear and convex quadratic programs.

    It keeps what belongs to the matrices of the last form: those of the next one are often the same.
    """

    name = "QuadraticDiff"
    kinds = ((VectorAffineFunction, Zeros), (VectorAffineFunction, Nonnegatives))

    def __init__(self) -> None:
        super().__init__()
        self._last: tuple[Any, Any, Matrices] | None = None

    def polish(self, form: MatrixForm, x: FloatArray, y: FloatArray, activity: FloatArray | None) -> PolishedSolution:
        """The exact solution on the right active rows."""
        equalities = form.parts.get(self.kinds[0])
        zero_rows = equalities.rows.stop if equalities else 0
        if self._last is None or self._last[0] is not form.P or self._last[1] is not form.F:
            self._last = None  # it may be large
            self._last = form.P, form.F, Matrices(form.P, with_entries(form.F, -form.F.data))
        matrices = self._last[2]
        standard = StandardForm(matrices.P, form.q, matrices.A, form.g, zero_rows)
        return polish(standard, x, y, activity, self.linear_algebra, matrices)
