"""From the result of one bridge layer to the starts of another: duals and extra variables of the same model.

A diff model takes other sets than the solver, or the same by another way. Where both have the same bridge, what stands
below it in one is what stands below it in the other, and so the multipliers of the stand-ins are the solver's own: they
lie in their dual cones and balance the extra variables, which those found from the user's duals alone need not do.
Where the ways part, the dual goes up from there in one layer and down in the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..modelkit import attributes as attr
from ..modelkit.arrays import IntArray
from ..modelkit.functions import VectorOfVariables
from .base import Lift
from .bundle import Bundle
from .leaf import Piece, is_plain
from .nodes import Node

__all__ = ["hand_over"]


def hand_over(source: Bundle, items: IntArray, target: Bundle, starting: IntArray) -> None:
    """Start constraints of one bundle at the duals of the same constraints in another, in the same order."""
    for piece, mine, other, theirs in _paired(source, items, target, starting):
        if isinstance(piece, Node) and isinstance(other, Node) and _alike(piece, other):
            _hand_over_extra(piece, mine, other, theirs)
            below = zip(piece.below(mine), other.below(theirs), strict=True)
            for (_, child, there), (_, same, here) in below:
                hand_over(child, there, same, here)
            continue
        duals = piece.pull(attr.ConstraintDual(), mine)
        if duals is None:  # no stand-in at all
            duals = np.zeros(int(piece.dims[mine].sum()))
        other.push(attr.ConstraintDualStart(), theirs, duals)


def _paired(
    source: Bundle, items: IntArray, target: Bundle, starting: IntArray
) -> list[tuple[Piece, IntArray, Piece, IntArray]]:
    """(piece, items there, piece there, items there) of the constraints that share both pieces."""
    (at, mine), (to, theirs) = source.places(items), target.places(starting)
    both = at * len(target.pieces) + to
    found = []
    for one in np.unique(both):
        k = np.flatnonzero(both == one)
        found.append((source.pieces[int(at[k[0]])], mine[k], target.pieces[int(to[k[0]])], theirs[k]))
    return found


def _alike(one: Node, other: Node) -> bool:
    """Whether the same stands below both."""
    return one.bridge is other.bridge and (one.lift is other.lift or _equal(one.lift, other.lift))


def _equal(one: Lift, other: Lift) -> bool:
    if len(one.targets) != len(other.targets) or one.extra != other.extra:
        return False
    return all(
        t.kind == u.kind and t.shapes == u.shapes and _same(t.A, u.A) and _same(t.B, u.B)
        for t, u in zip(one.targets, other.targets, strict=True)
    )


def _same(M: Any, N: Any) -> bool:
    if M is None or N is None:
        return M is N
    return bool(M.shape == N.shape and (M != N).nnz == 0)


def _hand_over_extra(piece: Node, mine: IntArray, other: Node, theirs: IntArray) -> None:
    """Start the extra variables at the values of the others."""
    if not piece.lift.extra:
        return
    rows = other.extra_of(theirs)
    if is_plain(rows):
        primal = attr.VariablePrimal()
        values = piece.extra_of(mine).evaluate(lambda ids: piece.inner.get(primal, VectorOfVariables.of_ids(ids)))
        ids = VectorOfVariables.of_ids(rows.var[np.argsort(rows.row)])
        other.inner.set(attr.VariablePrimalStart(), ids, values)
