"""QuadraticDiff: derivatives of linear and convex quadratic programs.

At a solution with active rows A₁ (docs/design.md, section 6)::

    [ P   A₁ᵀ ] [dx ]   [ -(dP x + dAᵀy + dc) ]
    [ A₁  0   ] [dy₁] = [ -(dA x - db)        ]

is one symmetric system for all directions of both modes. It is that of OptNet (Amos & Kolter 2017, eq. 6) with
the inactive rows eliminated and the rows of the multipliers divided by them, which makes it symmetric. Rows are the
form's own, and the bounds of its columns: of two sides at most one is active.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ..bridges.lowering.travel import Sided
from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray
from ..modelkit.form import Form
from ..modelkit.form.form import Stamp
from ..modelkit.form.matrix_form import MatrixForm
from ..modelkit.form.stacked import Stacked
from ..modelkit.functions import VectorAffineFunction
from ..modelkit.sets import Nonnegatives, Zeros
from .active_set import polish
from .convex_diff import ConvexDiff
from .ground import Ground
from .kkt import Mask
from .one_sided_solution import OneSidedSolution
from .polished_solution import PolishedSolution
from .slope import Answers
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
        self._last: tuple[Stamp, sp.csr_array, Matrices] | None = None

    def ground(self, form: Form, x: FloatArray, y: FloatArray, activity: FloatArray | None) -> Ground:
        """The exact solution on the right active rows."""
        if self._last is None or self._last[0] is not form.stamp:
            self._last = None  # it may be large
            A = form.A.copy()  # whose numbers the form may change
            self._last = form.stamp, A, Matrices(form.P, A, bounds=True)
        _, A, matrices = self._last
        lower, upper = np.concatenate([form.row_lower, form.lower]), np.concatenate([form.row_upper, form.upper])
        equal = lower == upper
        equal[form.m :] &= ~form.split
        standard = StandardForm(matrices.P, form.q.copy(), A, lower, upper, equal)
        # Multipliers of a form push upwards where those of the standard form push down.
        hints = None if activity is None else -activity
        polished = polish(standard, x, -y, hints, self.linear_algebra, matrices)
        m = form.m
        as_it_is = form.with_numbers(
            q=standard.c, lower=lower[m:], upper=upper[m:], row_lower=lower[:m], row_upper=upper[:m], A=A.data
        )
        return _SlotGround(as_it_is, polished, self)


@final
class _SlotGround(Ground):
    """A solution in the slots of a form."""

    def __init__(self, form: Form, polished: PolishedSolution, model: QuadraticDiff) -> None:
        self._form, self._polished, self._given = form, polished, model.layout
        self._order = [kind[1] for kind in model.kinds]
        self.solve_with = model.linear_algebra
        self.answers = self._answers(polished.solve)

    @property
    def status(self) -> attr.DifferentiationStatusCode:
        """What the derivatives are."""
        return self._polished.status

    @property
    def refinement(self) -> attr.Refinement:
        """Largest relative violation of the optimality conditions, of the given point and of this one."""
        return self._polished.refinement

    @property
    def mismatch(self) -> float:
        """Relative difference of forward and reverse mode at random right-hand sides."""
        return self._polished.mismatch

    @property
    def at_fault(self) -> Mask:
        """(slots,): those that keep the status from being EXACT."""
        return self._polished.rows_at_fault

    @property
    def has_kinks(self) -> bool:
        """Whether some row is at a kink."""
        return bool(self._polished.weak.any())

    def without_kinks(self) -> Answers:
        """Those without the rows at a kink; of least norm where the others leave something open."""
        return self._answers(self._polished.without_kinks())

    def _answers(self, solve: Any) -> Answers:
        return Answers(self._polished.x, self._polished.y, _Slots(self._polished.at_upper), solve)

    @cached_property
    def layout(self) -> Stacked:
        """Where the one-sided rows of the form stand."""
        given = self._given
        return given if given is not None and given.fits(self._form) else Stacked(self._form, self._order)

    @cached_property
    def rows(self) -> MatrixForm:
        """These rows."""
        return self.layout.matrices(self._form)

    @cached_property
    def solution(self) -> OneSidedSolution:
        """The solution in these rows."""
        return OneSidedSolution(self.layout, self._polished)


@final
class _Slots:
    """Slots with a multiplier that pushes upper sides; of an equation it is the lower side that is told."""

    def __init__(self, at_upper: Mask) -> None:
        self._upper = at_upper

    def _is_upper(self, values: FloatArray) -> Mask:
        return self._upper if values.ndim == 1 else self._upper[:, None]

    def by_sides(self, duals: FloatArray) -> Sided:
        """Duals of the rows, (m, ...), over the slots."""
        upper = np.where(self._is_upper(duals), -duals, 0.0)
        return -duals - upper, upper

    def seeds(self, sided: Sided) -> FloatArray:
        """Values over the slots, (slots, K) by sides, as the rows have them: the adjoint."""
        return -np.where(self._is_upper(sided[0]), sided[1], sided[0])

    def moves(self, rows: FloatArray, lower: FloatArray, upper: FloatArray) -> FloatArray:
        """Right-hand sides of the rows, (m, K), from those of the slots and moves of their sides."""
        moved: FloatArray = np.where(self._is_upper(rows), upper, lower) - rows
        return moved
