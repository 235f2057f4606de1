"""A solution that its solver differentiates, judged as every other: by what point and answers leave of the system.

The solver brings the point and the solves (`solvers.own_derivative`), and they are put into the optimality conditions
and their linearization (`own_judges`).

* The point's residuals decide as for other points (docs/design.md, section 7).
* What each answer leaves of its right-hand sides tells whether it is the derivative; nothing that the solver says of
  itself counts.
* Roundings of the data, pushed and pulled, tell the rows in doubt and whether both modes are transposes.

What iterations answer that stop at a tolerance has such residuals, by as much as the solver says it is wrong: a
residual that shows a larger error than the one estimated makes the derivative INACCURATE.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Protocol, final

import numpy as np
from numpy.typing import ArrayLike

from ..modelkit.arrays import FloatArray
from ..modelkit.attributes import DifferentiationStatusCode, Refinement
from ..modelkit.form import Form
from ..modelkit.form.matrix_form import MatrixForm
from ..modelkit.form.stacked import Stacked
from ..modelkit.sets import NativeCone
from .certainty import ACCURACY, ASYMMETRY, verdict
from .kkt import ACCEPTED_RESIDUAL, Mask
from .own_judges import Judgement, judge_of

__all__ = ["OwnDerivative", "OwnSolution", "differentiates_itself"]

_CODES = DifferentiationStatusCode
# How many times the estimated error of an answer its residual may be: norms, and units, of both differ.
_SLACK = 10.0


class OwnDerivative(Protocol):
    """See `solvers.own_derivative`, which diff models do not import."""

    x: FloatArray
    y: FloatArray
    status: DifferentiationStatusCode
    at_fault: FloatArray
    error: float

    def push(self, primal: FloatArray, slots: FloatArray) -> tuple[FloatArray, FloatArray]:
        """From right-hand sides (n, K) and (slots, K) to moves (dx, dy)."""

    def pull(self, primal: FloatArray, slots: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The transpose."""


def differentiates_itself(solver: Any, form: Form, policy: Any) -> bool:
    """Whether a solver is asked for derivatives of a form: it has some, and they do, and can be judged.

    A form without columns reaches no solver.
    """
    can_be_checked = all(issubclass(cones.type, NativeCone) for cones in form.cones)
    return getattr(solver, "differentiates", False) and not policy.needs_system and form.n > 0 and can_be_checked


@final
class OwnSolution:
    """A solution in one-sided rows.

    Parameters
    ----------
    own : what the solver differentiates
    layout, rows : the one-sided rows of the form, and their numbers
    x, y : what the solver gave as its result, (n,) and (slots,)

    Attributes
    ----------
    x, y : the point at which it is differentiated, (n,) and (m,)
    refinement : largest relative violation of the optimality conditions at the result and here
    linear_residual : the largest that answers so far left, relative to J and to themselves; nan before the first
    """

    def __init__(self, own: OwnDerivative, layout: Stacked, rows: MatrixForm, x: FloatArray, y: FloatArray) -> None:
        self._own, self._layout = own, layout
        self._is_on = _sides_on(layout, rows, own.x, own.y)
        self._shared = _shared(layout, rows)
        self.x, self.y = own.x, self._down(own.y[:, None])[:, 0]
        self._judge = judge_of(rows, self.x, self.y)
        before = self._judge.residual
        if not (np.array_equal(own.x, x) and np.array_equal(own.y, y)):
            before = judge_of(rows, x, layout.down(y)).residual
        self.refinement = Refinement(before, self._judge.residual)
        self.linear_residual = float("nan")
        self._overconfident = False

    # ------------------------------------------------------------------ between slots and one-sided rows
    def _down(self, slots: FloatArray) -> FloatArray:
        """Values of slots (slots, K) at the sides where they are active, (m, K)."""
        layout = self._layout
        values: FloatArray = slots[layout.slot] * (layout.sign * self._is_on)[:, None]
        return values

    def _up(self, rows: FloatArray) -> FloatArray:
        return self._layout.up(rows * self._is_on[:, None])

    def solve(self, primal: ArrayLike, rows: ArrayLike | None = None) -> tuple[FloatArray, FloatArray]:
        """(w_x, w_y) from seeds (n,) or (n, K) and (m,) or (m, K)."""
        return self._answer(primal, rows, push=False)

    def push(self, primal: FloatArray, rows: FloatArray, turns: bool = False) -> tuple[FloatArray, FloatArray]:
        """(dx, dy) from right-hand sides; the transpose of `solve`, though not always the same map."""
        return self._answer(primal, rows, push=True)

    def _answer(self, primal: ArrayLike, rows: ArrayLike | None, *, push: bool) -> tuple[FloatArray, FloatArray]:
        upper = np.asarray(primal, np.float64)
        lower = np.zeros((len(self.y), *upper.shape[1:])) if rows is None else np.asarray(rows, np.float64)
        K = upper.shape[1] if upper.ndim > 1 else 1
        R, S = upper.reshape(len(self.x), K), lower.reshape(len(self.y), K)
        dx, slots = (self._own.push if push else self._own.pull)(R, self._up(S))
        dy = self._down(slots)
        left = self._judge.left(R, S, dx, dy)
        self.linear_residual = left if np.isnan(self.linear_residual) else max(left, self.linear_residual)
        if left > _SLACK * max(float(self._own.error), self._judge.residual, ACCEPTED_RESIDUAL):
            self._overconfident = True
        return dx.reshape(upper.shape), dy.reshape(lower.shape)

    # ------------------------------------------------------------------ what it is worth
    @property
    def is_truncated(self) -> bool:
        """Whether the solver says that its iterations stop at a tolerance."""
        return self._own.status is _CODES.TRUNCATED

    @property
    def error(self) -> float:
        """What the solver says of the relative error of its last answer."""
        return float(self._own.error)

    @cached_property
    def _judgement(self) -> Judgement:
        return self._judge.judge(self.push, self.solve)

    @property
    def mismatch(self) -> float:
        """Relative difference of forward and reverse mode at random right-hand sides."""
        return self._judgement.mismatch

    @property
    def _doubtful(self) -> Mask:
        return self._judgement.doubtful & ~self._shared

    @property
    def status(self) -> DifferentiationStatusCode:
        """What the derivatives are: what the solver says, as far as point and answers bear it out."""
        said = self._own.status
        if said is _CODES.TRUNCATED:
            return _CODES.INACCURATE if self._overconfident else said
        said = verdict(said, self._judge.residual)
        if said is not _CODES.EXACT:
            return said
        doubtful = bool(self._doubtful.any())
        if doubtful or self._shared.any():
            return _CODES.WEAKLY_ACTIVE if doubtful else _CODES.DEPENDENT_ROWS
        borne_out = self.linear_residual <= ACCEPTED_RESIDUAL and self.mismatch <= ASYMMETRY
        return _CODES.EXACT if borne_out else _CODES.INACCURATE

    @property
    def rows_at_fault(self) -> Mask:
        """(m,): the rows that keep the status from being EXACT."""
        fault: Mask = (self._own.at_fault[self._layout.slot] > 0.0) & self._is_on
        if self._own.status is _CODES.EXACT and self._judge.residual <= ACCURACY:
            fault = fault | self._doubtful | self._shared
        return fault

    @cached_property
    def margin(self) -> tuple[float, int]:
        """By how much, relative to their terms, the data may move before a row is at its kink; and which, or -1."""
        return self._judge.margin(self.push)

    @property
    def active(self) -> Mask:
        """(m,): the rows that move the solution, of a cone as many as it has axes that do."""
        return self._judge.active


def _two_sided(layout: Stacked) -> Mask:
    """(m,): the rows of slots that have two."""
    return np.bincount(layout.slot)[layout.slot] > 1 if layout.m else np.zeros(0, bool)


def _shared(layout: Stacked, rows: MatrixForm) -> Mask:
    """(m,): both rows of slots whose sides are equal and of two owners, which makes them dependent."""
    pairs = _two_sided(layout)
    width = layout.up(np.where(pairs, rows.g * layout.sign, 0.0))
    both: Mask = pairs & (width[layout.slot] <= 0.0)
    return both


def _sides_on(layout: Stacked, rows: MatrixForm, x: FloatArray, y: FloatArray) -> Mask:
    """(m,): the one-sided rows that a slot's numbers are those of: of two sides the one that pushes, or is nearer."""
    pairs = _two_sided(layout)
    if not pairs.any():
        return ~pairs
    slack = rows.F @ x + rows.g
    if rows.curvature is not None:
        slack = slack + rows.curvature.values(x)
    slack[~pairs] = 0.0
    nearer = layout.up(slack) > 0.0  # above the middle of both sides
    is_upper = (y < 0.0) | ((y == 0.0) & nearer)
    on: Mask = ~pairs | (is_upper[layout.slot] == layout.is_upper)
    return on
