"""What becomes of the items of a batch that have no solution.

========================  =================================================  ==========
on_failure                outputs of such an item                            gradients
========================  =================================================  ==========
``"raise"``               none: `UnsolvedItems` names all of them
``"nan"``                 NaN, so that a loss which uses them shows it       zero
``"zero_gradient"``       the point at which the solver stopped, entry by    zero
                          entry; 0 where there is none, so that a loss
                          stays finite
``"closest"``             of an infeasible one the closest feasible          its own
                          solution (`closest`), of others NaN
========================  =================================================  ==========

The other items are not touched in any way: they are what single calls give, to the last digits but one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...modelkit.arrays import FloatArray
from ...modelkit.attributes import TerminationStatusCode
from ...modelkit.errors import NotOptimized
from .choices import require_word
from .program import Item

__all__ = ["UnsolvedItems", "check_policy", "outputs_of"]

_POLICIES = ("raise", "nan", "zero_gradient", "closest")
_NAMED = 5


class UnsolvedItems(NotOptimized):
    """Some items of a batch have no solution, or no derivatives.

    Attributes
    ----------
    indices : list of int
        Their places in the batch, counted through all its dimensions.
    statuses : list of TerminationStatusCode
    reasons : list of str

    Examples
    --------
    >>> import optangent as ot
    >>> error = UnsolvedItems("solution", 3, [1], [ot.TerminationStatusCode.INFEASIBLE], ["no feasible point"])
    >>> print(str(error).partition(". ")[0])
    1 of 3 items has no solution: item 1 (no feasible point)
    """

    def __init__(
        self,
        lacking: str,
        count: int,
        indices: Sequence[int],
        statuses: Sequence[TerminationStatusCode],
        reasons: Sequence[str],
    ) -> None:
        self.indices, self.statuses, self.reasons = list(indices), list(statuses), list(reasons)
        self._made_of = lacking, count, indices, statuses, reasons
        named = [f"item {i} ({why.rstrip('.')})" for i, why in zip(indices[:_NAMED], reasons, strict=False)]
        others = len(indices) - len(named)
        super().__init__(
            f"{len(indices)} of {count} items {'has' if len(indices) == 1 else 'have'} no {lacking}: "
            f"{', '.join(named)}{f' and {others} others' if others else ''}. "
            "A layer with on_failure='nan' or 'zero_gradient' goes on with the rest."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._made_of


def check_policy(on_failure: str) -> None:
    """Raise unless it is the name of a policy."""
    require_word(on_failure, "on_failure", _POLICIES)


def outputs_of(items: Sequence[Item], on_failure: str, size: int) -> FloatArray:
    """(B, o) what the batch shows of items: their outputs, each of a size, or what the policy puts there."""
    shown = [item.outputs if not item.reason else _put(item.outputs, on_failure) for item in items]
    return np.array(shown).reshape(len(shown), size)


def _put(outputs: FloatArray, on_failure: str) -> FloatArray:
    if on_failure == "zero_gradient":
        return np.where(np.isfinite(outputs), outputs, 0.0)
    return np.full_like(outputs, np.nan)
