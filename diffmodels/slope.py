"""A derivative at a point of a form, whichever the user asked for: tangents in, tangents out, and seeds back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np
from numpy.typing import ArrayLike

from ..bridges.lowering.travel import Sided
from ..modelkit.arrays import FloatArray
from ..modelkit.form.stacked import Stacked
from .slot_tangents import SlotTangents

__all__ = ["Answers", "Frame", "Push", "Slope", "Solve", "StackedFrame"]

Solve = Callable[[ArrayLike, ArrayLike | None], tuple[FloatArray, FloatArray]]
"""From right-hand sides (n, K) and (m, K), in the rows of a frame, to (dx, dy); from seeds to (w_x, w_y)."""
Push = Callable[[FloatArray, FloatArray, bool], tuple[FloatArray, FloatArray]]
"""The same of directions, and whether coefficients of rows may be among what they move."""


class Frame(Protocol):
    """The rows in which a diff model answers, and how the slots of a form are told in them."""

    def by_sides(self, duals: FloatArray) -> Sided:
        """Duals of the rows, (m, ...), over the slots."""

    def seeds(self, sided: Sided) -> FloatArray:
        """Values over the slots, (slots, K) by sides, as the rows have them: the adjoint."""

    def moves(self, rows: FloatArray, lower: FloatArray, upper: FloatArray) -> FloatArray:
        """Right-hand sides of the rows, (m, K), from those of the slots and moves of their sides."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class StackedFrame:
    """One-sided rows.

    Attributes
    ----------
    layout : where they stand
    """

    layout: Stacked

    def by_sides(self, duals: FloatArray) -> Sided:
        """Duals of the rows, (m, ...), over the slots."""
        return self.layout.by_sides(duals)

    def seeds(self, sided: Sided) -> FloatArray:
        """Values over the slots, (slots, K) by sides, as the rows have them: the adjoint."""
        at = self.layout
        rows: FloatArray = np.where(at.is_upper[:, None], -sided[1][at.slot], sided[0][at.slot])
        return rows

    def moves(self, rows: FloatArray, lower: FloatArray, upper: FloatArray) -> FloatArray:
        """Right-hand sides of the rows, (m, K), from those of the slots and moves of their sides."""
        both: FloatArray = self.layout.signed(rows) - self.seeds((lower, upper))
        return both


@final
@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """A point in the rows of a frame, and what is answered there.

    Attributes
    ----------
    x, y : (n,) and (m,)
    frame : these rows
    pull : reverse mode
    push : forward mode where that is something else
    is_linear : whether it is linear in the direction, and `pull` its transpose
    """

    x: FloatArray
    y: FloatArray
    frame: Frame
    pull: Solve
    push: Push | None = None
    is_linear: bool = True


@final
class Slope:
    """The same for the slots of a form.

    Parameters
    ----------
    answers : in some rows

    Attributes
    ----------
    x, y : the point, (n,) and (slots,)
    y_sided : y by sides
    is_linear : whether pushing is linear in the direction, and pulling its transpose
    is_symmetric : whether one symmetric system answers both
    """

    def __init__(self, answers: Answers) -> None:
        self._answers, self._frame = answers, answers.frame
        self.x, self.y_sided = answers.x, self._frame.by_sides(answers.y)
        self.y: FloatArray = self.y_sided[0] + self.y_sided[1]
        self.is_linear, self.is_symmetric = answers.is_linear, answers.push is None

    def push(self, tangents: SlotTangents) -> tuple[FloatArray, Sided]:
        """Dx (n, K), and dy (slots, K) by sides."""
        primal, rows, lower, upper = tangents.dense()
        return self._push(primal, self._frame.moves(rows, lower, upper), tangents.turns)

    def push_by_sides(self, primal: FloatArray, rows: Sided, turns: bool) -> tuple[FloatArray, Sided]:
        """The same for right-hand sides (n, K), and (slots, K) of rows by sides; `turns` as for `Push`."""
        return self._push(primal, self._frame.seeds(rows), turns)

    def _push(self, primal: FloatArray, rows: FloatArray, turns: bool) -> tuple[FloatArray, Sided]:
        answers = self._answers
        dx, dy = answers.pull(primal, rows) if answers.push is None else answers.push(primal, rows, turns)
        return dx, self._frame.by_sides(dy)

    def pull(self, primal: FloatArray, duals: Sided | None) -> tuple[FloatArray, Sided]:
        """W (n, K) and wy (slots, K) by sides, for seeds (n, K) of x and (slots, K) of y by sides, None for zeros.

        The gradient with respect to the constants of functions is wy.
        """
        w, wy = self._answers.pull(primal, None if duals is None else self._frame.seeds(duals))
        return w, self._frame.by_sides(wy)
