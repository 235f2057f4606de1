"""Bounds of rows, from the bounds of the variables in them: what big-M rewritings are made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

import numpy as np

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.checks import UPPER_OR_LOWER
from ..modelkit.errors import UnsupportedModification
from ..modelkit.functions import VariableIndex
from ..modelkit.protocol import AbstractModel
from ..modelkit.rows import Rows
from ..modelkit.sets import Semicontinuous, Semiinteger, Set, ZeroOne
from .leaf import Leaf

__all__ = ["RowBounds"]


@final
class RowBounds:
    """Asks a model for the bounds of its variables, and remembers which ones were relied upon.

    A bound that was relied upon must not move: whoever would change or delete it asks `check_free` first, which
    refuses, so that a cache builds the model anew.

    Parameters
    ----------
    inner : the model with the variables
    """

    def __init__(self, inner: AbstractModel) -> None:
        self._inner = inner
        self._relied_on: set[int] = set()

    def __call__(self, rows: Rows) -> tuple[FloatArray, FloatArray]:
        """Lower and upper bounds of affine rows, infinite where a variable has none."""
        rows = rows.canonical()
        ids = rows.variables()
        low, high = self._variable_bounds(ids)
        self._relied_on.update(ids.tolist())
        at = np.searchsorted(ids, rows.var)
        ends = rows.coef * low[at], rows.coef * high[at]
        lower, upper = rows.constant.copy(), rows.constant.copy()
        np.add.at(lower, rows.row, np.minimum(*ends))
        np.add.at(upper, rows.row, np.maximum(*ends))
        return lower, upper

    def _variable_bounds(self, ids: IntArray) -> tuple[FloatArray, FloatArray]:
        low, high = np.full(len(ids), -np.inf), np.full(len(ids), np.inf)
        inner, place = self._inner, {int(i): at for at, i in enumerate(ids)}
        kinds: list[type[Set]] = [*UPPER_OR_LOWER, ZeroOne]
        for set_type in kinds:
            if not inner.supports_constraint(VariableIndex, set_type):
                continue
            for index in inner.get(attr.ListOfConstraintIndices(VariableIndex, set_type)):
                at = place.get(inner.get(attr.ConstraintFunction(), index).value)
                if at is not None:
                    box = _box(inner.get(attr.ConstraintSet(), index))
                    low[at], high[at] = max(low[at], box[0]), min(high[at], box[1])
        return low, high

    def check_free(self, leaves: Iterable[tuple[Leaf, IntArray]]) -> None:
        """Raise if one of these native constraints is a bound that was relied upon."""
        if not self._relied_on:
            return
        for leaf, items in leaves:
            if leaf.indices.kind[0] is VariableIndex and not self._relied_on.isdisjoint(self._variables(leaf, items)):
                raise UnsupportedModification(
                    "The bounds of a variable that constraints with binary variables rely on change only with a "
                    "rebuilt model."
                )

    def _variables(self, leaf: Leaf, items: IntArray) -> list[int]:
        return [self._inner.get(attr.ConstraintFunction(), index).value for index in leaf.at(items)]


def _box(chosen: Set) -> tuple[float, float]:
    if isinstance(chosen, ZeroOne):
        return 0.0, 1.0
    if isinstance(chosen, (Semicontinuous, Semiinteger)):
        return min(chosen.lower, 0.0), max(chosen.upper, 0.0)
    box = chosen.bounds(chosen.numbers)
    assert box is not None
    return float(box[0][0]), float(box[1][0])
