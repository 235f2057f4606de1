"""What the derivatives of a model are worth: their status, the rows at fault, and both in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import final

import numpy as np

from ..bridges.lowering import Lowering
from ..bridges.lowering.travel import Sided, duals_up, gradients_up
from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.errors import DifferentiationError
from ..modelkit.indices import ConstraintIndex, ConstraintIndices
from ..modelkit.store.describing import listed
from ..modelkit.store.parameters import PARAMETERS
from ..modelkit.store.store import Store
from .certainty import ACCURACY, ASYMMETRY
from .form_point import FormPoint, SeenBySides
from .outcome import every, located
from .policies import Told

__all__ = ["INACCURATE", "Worth", "require_solution"]

INACCURATE = (
    attr.TerminationStatusCode.ALMOST_OPTIMAL,
    attr.TerminationStatusCode.ALMOST_LOCALLY_SOLVED,
    attr.TerminationStatusCode.SLOW_PROGRESS,
    attr.TerminationStatusCode.ITERATION_LIMIT,
    attr.TerminationStatusCode.TIME_LIMIT,
)
"""Ends with a point that refinement may make a solution."""
_GOLDEN = 0.5 * (5.0**0.5 - 1.0)


@final
class Worth:
    """What is told of the derivatives at a point of a form, in the terms of the model.

    Parameters
    ----------
    store : the model as written
    lowering : to the form
    point : the solution of it
    name : of who made the point
    """

    def __init__(self, store: Store, lowering: Lowering, point: FormPoint, name: str) -> None:
        self._store, self._lowering, self._point, self._name = store, lowering, point, name
        self._seen_now: SeenBySides | None = None

    def told(self) -> Told:
        """Whether the solution is differentiable, and the constraints at fault, in words."""
        return self.known, self.at_fault()

    def _seen(self) -> SeenBySides:
        """The user's variables, and the user's duals: not those of parameters, which move with the others."""
        if self._seen_now is None:
            lowering, store = self._lowering, self._store
            kinds = [(kind, *every(store, kind)) for kind in store.kinds() if kind != PARAMETERS]

            def through(_: FloatArray, dy: Sided) -> FloatArray:
                found = [duals_up(lowering, kind, numbers, dims, dy) for kind, numbers, dims in kinds]
                return np.concatenate([np.zeros((0, dy[0].shape[1])), *found])

            self._seen_now = SeenBySides(lowering.is_user.view.copy(), through)
        return self._seen_now

    @property
    def status(self) -> attr.DifferentiationStatusCode:
        """What the derivatives are."""
        return self._point.policy.status(self.known)

    @property
    def known(self) -> attr.DifferentiationStatusCode:
        """Whether the solution is differentiable; where it is, or is not accurate, it does not matter what is seen."""
        known = self._point.status
        return known if known.is_settled else self._point.verdict(self._seen())[0]

    def degeneracy(self, index: ConstraintIndex | ConstraintIndices) -> FloatArray:
        """1 in the rows at fault, else 0."""
        fault = self._point.verdict(self._seen())[1]
        if index.kind == PARAMETERS:
            return np.zeros(1 if isinstance(index, ConstraintIndex) else len(index))
        # by different numbers, so that rows do not cancel one another on their way up
        weights = 1.0 + np.modf(_GOLDEN * np.arange(len(fault)))[0]
        numbers, dims = located(self._store, index)
        none = np.zeros_like(fault)
        found = gradients_up(self._lowering, index.kind, numbers, dims, (fault * weights, none))
        found += gradients_up(self._lowering, index.kind, numbers, dims, (none, fault * weights))
        at_fault: FloatArray = (found != 0.0).astype(np.float64)
        return at_fault

    def caveats(self, termination: attr.TerminationStatusCode) -> Iterator[str]:
        """Why the derivatives are not what they seem, in sentences."""
        codes, status = attr.DifferentiationStatusCode, self.status
        if status.is_news and status is not codes.INACCURATE:
            yield (
                f"The solution is not differentiable in the ordinary sense, {status.name}: {status.value}"
                f"{self.at_fault()}. DifferentiationStatus tells."
            )
        before, after = self._point.refinement
        own, refined = self._point.own, status is not codes.INACCURATE
        if own is not None and not refined and after <= ACCURACY:
            yield (
                f"The derivatives that {self._name} has of its own do not satisfy the linearized optimality "
                f"conditions: they leave {own.linear_residual:.1e} of their terms. Set ModelConstructor(), to "
                "QuadraticDiff or ConicDiff, for those of the KKT system."
            )
            return
        if termination in INACCURATE or not refined:
            made = "derivatives are those at the refined point" if refined else "derivatives are not accurate"
            yield (
                f"The solver's solution is not accurate ({termination.name}): its relative residuals were "
                f"{before:.1e}, {after:.1e} after refinement; {made}. SolutionRefinement tells."
            )
        mismatch = self._point.mismatch
        if mismatch > ASYMMETRY and status is not codes.TRUNCATED:  # of which the error is told
            yield (
                f"Forward and reverse mode differ by {mismatch:.1e}, relative to their terms: the system of the "
                "derivatives is too ill-conditioned to be solved more accurately. Scale the data, or drop rows that "
                "nearly depend on others."
            )

    def at_fault(self) -> str:
        """The constraints behind the status, in words, those of a kind all at once."""
        store = self._store
        found: list[tuple[ConstraintIndices, IntArray | None]] = []
        for kind in store.kinds():
            numbers, dims = every(store, kind)
            indices = store.indices(kind, numbers)
            rows = np.flatnonzero(self.degeneracy(indices)).astype(np.int64)
            owner: IntArray = np.repeat(np.arange(len(dims), dtype=np.int64), dims)[rows]
            if kind[1].is_vector and kind[1].bounds(np.zeros((1, len(kind[1].fields)))) is not None:
                found.append((store.indices(kind, numbers[owner]), rows - (np.cumsum(dims) - dims)[owner]))
            else:
                found.append((store.indices(kind, numbers[np.unique(owner)]), None))
        words = listed(store, found)
        return f" ({words})" if words else ""


def require_solution(status: attr.TerminationStatusCode, dual: attr.ResultStatusCode) -> None:
    """Raise `DifferentiationError` unless there is a solution with duals."""
    codes = attr.TerminationStatusCode
    if status is codes.OPTIMIZE_NOT_CALLED:
        raise DifferentiationError(
            "Only a solved model can be differentiated: it has not been solved since it was last changed. "
            "Call optimize() first."
        )
    if status not in (codes.OPTIMAL, codes.LOCALLY_SOLVED, *INACCURATE):
        raise DifferentiationError(
            f"A model with termination status {status.name} ({status.value}) has no solution to differentiate."
        )
    results = attr.ResultStatusCode
    if dual not in (results.FEASIBLE_POINT, results.NEARLY_FEASIBLE_POINT, results.UNKNOWN_RESULT_STATUS):
        raise DifferentiationError(
            "The solver gave no dual solution (a model with integer variables has none), "
            "so its solution cannot be differentiated."
        )
