"""Derivatives of any outputs in any data, forward and back, a block of directions at once with one factorization.

With the right-hand sides B of the data's moves and the rows C of the outputs, the derivative is :math:`C K^{-1} B` for
the one symmetric system K (docs/design.md, section 6): a block of directions costs a solve with the factors of K.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..modelkit.arrays import FloatArray
from .data import Data, Pulled, data_of
from .derivative import Derivative
from .directions import Direction, stack_directions
from .inputs import Tangents
from .losses import Loss, stack_losses
from .outputs import Moved, Outputs, outputs_of
from .slot_tangents import Adjoint, SlotTangents

__all__ = ["directional", "gradients", "pulled", "pushed"]


def pushed(derivative: Derivative, outputs: Outputs, tangents: Tangents, directions: int) -> FloatArray:
    """How N outputs move along K directions, (N, K)."""
    sides, moves, direct = derivative.slot_tangents(tangents, directions, derivative.slope)
    return _pushed(derivative, outputs, sides, moves, direct)


def _pushed(
    derivative: Derivative, outputs: Outputs, sides: SlotTangents, moves: FloatArray, direct: FloatArray
) -> FloatArray:
    dx, dy = derivative.slope.push(sides)
    costs = direct
    if outputs.has_duals_of_parameters:
        costs = derivative.dual_tangents(dx, dy[0] + dy[1], moves, direct)
    return outputs.of_moves(Moved(dx, dy, moves, costs, sides.objective_values()))


def pulled(derivative: Derivative, outputs: Outputs, data: Data, U: FloatArray) -> FloatArray:
    """The gradients of K combinations of the outputs, (N, K), in the data, (D, K)."""
    seeds = outputs.seeds(U)
    w, wy, theta = derivative.pulled_back(seeds.x, seeds.y, seeds.value, seeds.costs)
    return data.gradients(derivative, Pulled(w, wy, theta + seeds.theta, seeds.costs, seeds.value))


def directional(derivative: Derivative, of: Any, directions: Sequence[Direction]) -> FloatArray:
    """See `Model.directional_derivatives`.

    With fewer outputs than directions the outputs are pulled back instead: the system is symmetric, so it takes as many
    solves as there are outputs or directions, whichever is less.
    """
    start = time.perf_counter()
    slope, outputs = derivative.slope, outputs_of(derivative.store, derivative.lowering, of)
    tangents = stack_directions(directions, derivative.store)
    sides, moves, direct = derivative.slot_tangents(tangents, len(directions), slope)
    if outputs.solves >= len(directions) or outputs.has_duals_of_parameters or not slope.is_linear:
        found = _pushed(derivative, outputs, sides, moves, direct)
    else:
        seeds = outputs.seeds(np.eye(outputs.count))
        adjoint = Adjoint.of(*slope.pull(seeds.x, seeds.y if outputs.duals else None))
        along = sides.along(adjoint)
        found = (along + moves @ seeds.theta.T + np.outer(sides.objective_values(), seeds.value)).T
    derivative.seconds = time.perf_counter() - start
    return found.T


def gradients(derivative: Derivative, wrt: Any, losses: Sequence[Loss]) -> FloatArray:
    """See `Model.gradients`."""
    start = time.perf_counter()
    data = data_of(derivative.store, derivative.lowering, wrt)
    of, U = stack_losses(losses, derivative.store)
    found = pulled(derivative, outputs_of(derivative.store, derivative.lowering, of), data, U)
    derivative.seconds = time.perf_counter() - start
    return found.T
