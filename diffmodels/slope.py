"""A derivative at a point of a form, whichever the user asked for: tangents in, tangents out, and seeds back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from ..bridges.lowering.travel import Sided
from ..modelkit.arrays import FloatArray
from ..modelkit.form.stacked import Stacked
from .slot_tangents import SlotTangents

__all__ = ["Answers", "Push", "Slope", "Solve", "one_sided"]

Solve = Callable[[ArrayLike, ArrayLike | None], tuple[FloatArray, FloatArray]]
"""From right-hand sides (n, K) and (m, K), in one-sided rows, to (dx, dy); from seeds to (w_x, w_y)."""
Push = Callable[[FloatArray, FloatArray, bool], tuple[FloatArray, FloatArray]]
"""The same of directions, and whether coefficients of rows may be among what they move."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """A point in one-sided rows, and what is answered there.

    Attributes
    ----------
    x, y : (n,) and (m,)
    pull : reverse mode
    push : forward mode where that is something else
    is_linear : whether it is linear in the direction, and `pull` its transpose
    """

    x: FloatArray
    y: FloatArray
    pull: Solve
    push: Push | None = None
    is_linear: bool = True


@final
class Slope:
    """The same for the slots of a form.

    Parameters
    ----------
    layout : where the one-sided rows stand
    answers : in these rows

    Attributes
    ----------
    x, y : the point, (n,) and (slots,)
    y_sided : y by sides
    is_linear : whether pushing is linear in the direction, and pulling its transpose
    """

    def __init__(self, layout: Stacked, answers: Answers) -> None:
        self._layout, self._answers = layout, answers
        self.x, self.y_sided = answers.x, layout.by_sides(answers.y)
        self.y: FloatArray = self.y_sided[0] + self.y_sided[1]
        self.is_linear = answers.is_linear

    def push(self, tangents: SlotTangents) -> tuple[FloatArray, Sided]:
        """Dx (n, K), and dy (slots, K) by sides."""
        primal, rows, lower, upper = tangents.dense()
        return self._push(primal, one_sided(self._layout, rows, lower, upper), tangents.turns)

    def push_by_sides(self, primal: FloatArray, rows: Sided, turns: bool) -> tuple[FloatArray, Sided]:
        """The same for right-hand sides (n, K), and (slots, K) of rows by sides; `turns` as for `Push`."""
        return self._push(primal, self._rows(rows), turns)

    def _push(self, primal: FloatArray, rows: FloatArray, turns: bool) -> tuple[FloatArray, Sided]:
        answers = self._answers
        dx, dy = answers.pull(primal, rows) if answers.push is None else answers.push(primal, rows, turns)
        return dx, self._layout.by_sides(dy)

    def pull(self, primal: FloatArray, duals: Sided | None) -> tuple[FloatArray, Sided]:
        """W (n, K) and wy (slots, K) by sides, for seeds (n, K) of x and (slots, K) of y by sides, None for zeros.

        The gradient with respect to the constants of functions is wy.
        """
        w, wy = self._answers.pull(primal, None if duals is None else self._rows(duals))
        return w, self._layout.by_sides(wy)

    def _rows(self, sided: Sided) -> FloatArray:
        layout = self._layout
        rows: FloatArray = np.where(layout.is_upper[:, None], -sided[1][layout.slot], sided[0][layout.slot])
        return rows


def one_sided(layout: Stacked, rows: FloatArray, lower: FloatArray, upper: FloatArray) -> FloatArray:
    """Right-hand sides of the one-sided rows, (m, K), from those of the slots and moves of their sides."""
    sides = np.where(layout.is_upper[:, None], -upper[layout.slot], lower[layout.slot])
    both: FloatArray = layout.signed(rows) - sides
    return both
