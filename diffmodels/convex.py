"""Derivatives of convex programs in standard form; what QuadraticDiff and ConicDiff have in common.

minimize ``½xᵀPx + cᵀx`` subject to ``A x + s = b``, ``s in K``; here ``A = -F`` and ``b = g`` of the rows
``F x + g``. Whatever K is, a solution comes with one symmetric KKT system that answers every direction of both
modes (DESIGN, section 6); a subclass says how the solution is made exact and the system set up.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.convexity import require_convex
from ..modelkit.errors import DifferentiationError, NotOptimized
from ..modelkit.indices import ConstraintIndices
from ..modelkit.matrix_form import MatrixForm
from .base import DiffModel
from .certainty import ASYMMETRY
from .kkt import Mask
from .right_hand_sides import RightHandSides

__all__ = ["ACCURATE", "ConvexDiff", "SolutionPoint"]

ACCURATE = 1e-6
_GOLDEN = 0.5 * (5.0**0.5 - 1.0)
"""Largest relative residual at which a solution that could not be refined further is still differentiated."""


class SolutionPoint(Protocol):
    """A solution with its factorized KKT system."""

    @property
    def x(self) -> FloatArray:
        """(n,)."""

    @property
    def y(self) -> FloatArray:
        """(m,)."""

    @property
    def status(self) -> attr.DifferentiationStatusCode:
        """What the derivatives are."""

    @property
    def refinement(self) -> attr.Refinement:
        """Largest relative violation of the optimality conditions, of the given point and of this one."""

    @property
    def mismatch(self) -> float:
        """Relative difference of forward and reverse mode at random right-hand sides."""

    @property
    def rows_at_fault(self) -> Mask:
        """(m,): the rows that keep the status from being EXACT."""

    def solve(self, primal: ArrayLike, rows: ArrayLike | None = None) -> tuple[FloatArray, FloatArray]:
        """(dx, dy) from the right-hand sides of one or many directions, or (w_x, w_y) from seeds."""


class ConvexDiff(DiffModel):
    """A diff model of convex programs."""

    def __init__(self) -> None:
        super().__init__()
        self._starts: dict[type[attr.Attribute], list[tuple[Any, Any]]] = {}
        self._solved: tuple[MatrixForm, SolutionPoint] | None = None
        self._forward: tuple[FloatArray, FloatArray, FloatArray] | None = None
        self._reverse: tuple[FloatArray, FloatArray, float] | None = None

    @abstractmethod
    def polish(self, form: MatrixForm, x: FloatArray, y: FloatArray, activity: FloatArray | None) -> SolutionPoint:
        """The exact solution near (x, y); `activity` is nonzero in the rows that a solver's basis calls active."""

    # ------------------------------------------------------------------ the solution
    def receive(self, attribute: attr.Attribute, index: Any, value: Any) -> None:
        """Take a part of the solution."""
        self._starts.setdefault(type(attribute), []).append((index, value))
        self._solved = None

    def solution(self) -> tuple[MatrixForm, SolutionPoint]:
        """The matrix form, and the exact solution with its factorization; computed once."""
        if self._solved is None:
            form = MatrixForm(self.store, self.kinds)
            require_convex(form.P, form.sign, self.name)
            x, y, activity = np.zeros(form.n), np.zeros(form.m), np.zeros(form.m)
            for v, value in self._starts.get(attr.VariablePrimalStart, []):
                x[form.columns(v.ids)] = value
            for indices, value in self._starts.get(attr.ConstraintDualStart, []):
                y[form.rows_of(indices)] = value
            hints = self._starts.get(attr.ConstraintActivityStart, [])
            for indices, value in hints:
                activity[form.rows_of(indices)] = value
            self._solved = form, self.exact(form, x, y, activity if hints else None)
        return self._solved

    def exact(
        self, form: MatrixForm, x: FloatArray, y: FloatArray, activity: FloatArray | None = None
    ) -> SolutionPoint:
        """The exact solution near (x, y) with its factorization.

        Raises
        ------
        DifferentiationError
            If the solution cannot be made accurate.
        """
        point = self.polish(form, x, y, activity)
        residual = point.refinement.after
        if not (residual <= ACCURATE or (self.allow_inaccurate and np.isfinite(residual))):
            raise DifferentiationError(
                f"The solution is not accurate enough to differentiate: its relative residuals are {residual:.1e} and "
                f"could not be refined below {ACCURATE:g}. Solve to tighter tolerances, scale the data, use another "
                "solver, or set AllowInaccurateSolution() to True."
            )
        return point

    def caveats(self) -> list[str]:
        """That forward and reverse mode differ, if they do."""
        mismatch = self.solution()[1].mismatch
        if mismatch <= ASYMMETRY:
            return []
        return [
            f"Forward and reverse mode differ by {mismatch:.1e}, relative to their terms: the system of the "
            "derivatives is too ill-conditioned to be solved more accurately. Scale the data, or drop rows that nearly "
            "depend on others."
        ]

    # ------------------------------------------------------------------ forward
    def _right_hand_sides(self) -> RightHandSides:
        form, point = self.solution()
        sides = RightHandSides(form, point.x, point.y)
        if self.objective_tangent is not None:
            sides.add_objective(self.objective_tangent)
        for indices, rows in self.function_tangents:
            sides.add_functions(form.rows_of(indices), rows)
        for indices, shift in self.set_tangents:
            sides.add_shifts(form.rows_of(indices), shift[:, 0])
        return sides

    def forward(self) -> None:
        """Push the tangents to the solution."""
        form, point = self.solution()
        sides = self._right_hand_sides()
        dx, dy = point.solve(sides.primal().toarray(), sides.rows().toarray())
        self._forward = dx, dy, form.sign * sides.objective_values()

    def directional(self, outputs: IntArray) -> FloatArray:
        """Derivatives of some variables in all directions, shape (K, outputs).

        With fewer outputs than directions the outputs are pulled back instead: the system is symmetric, so
        ``Eᵀ K⁻¹ R`` needs as many solves as E or R has columns, whichever is less.
        """
        form, point = self.solution()
        sides = self._right_hand_sides()
        columns = form.columns(outputs)
        if len(columns) >= sides.directions:
            dx, _ = point.solve(sides.primal().toarray(), sides.rows().toarray())
            return np.ascontiguousarray(dx[columns].T)
        seeds = np.zeros((form.n, len(columns)))
        seeds[columns, np.arange(len(columns))] = 1.0
        w, wy = point.solve(seeds)
        return np.asarray(sides.primal().T @ w + sides.rows().T @ wy)

    # ------------------------------------------------------------------ reverse
    def reverse(self) -> None:
        """Pull the seeds back to the data, in one solve."""
        form, point = self.solution()
        primal, dual = np.zeros(form.n), np.zeros(form.m)
        for ids, values in self.primal_seeds:
            np.add.at(primal, form.columns(ids), values)
        for indices, seed in self.dual_seeds:
            dual[form.rows_of(indices)] += seed
        envelope = form.sign * self.objective_seed
        w, wy = np.zeros(form.n), np.zeros(form.m)
        if primal.any() or dual.any():
            w, wy = point.solve(primal, dual)
        # the envelope theorem: d f* = ½xᵀdP x + dcᵀx + yᵀ(dA x - db)
        self._reverse = w, wy - envelope * point.y, envelope

    # ------------------------------------------------------------------ results
    def result(self, attribute: attr.Attribute, index: Any) -> Any:
        """What `forward` or `reverse` left, or what is known of the solution."""
        kind = type(attribute)
        form, point = self.solution()
        if kind is attr.DifferentiationStatus:
            return point.status
        if kind is attr.SolutionRefinement:
            return point.refinement
        if kind is attr.VariablePrimal:
            return point.x[form.columns(index.ids)]
        if kind is attr.ConstraintDual:
            return point.y[form.rows_of(index)]
        if kind is attr.ConstraintDegeneracy:
            # by different numbers, so that rows do not cancel one another on their way up
            weights = 1.0 + np.modf(_GOLDEN * np.arange(form.m))[0]
            return np.where(point.rows_at_fault, weights, 0.0)[form.rows_of(index)]
        if kind is attr.ForwardVariablePrimal:
            return self._pushed(attribute)[0][form.columns(index.ids), 0]
        if kind is attr.ForwardConstraintDual:
            return self._pushed(attribute)[1][form.rows_of(index), 0]
        if kind is attr.ForwardObjectiveValue:
            return float(self._pushed(attribute)[2][0])
        if self._reverse is None:
            raise NotOptimized(f"There is no {attribute!r}; call reverse_differentiate() first.")
        w, wy, seed = self._reverse
        if kind is attr.ReverseVariableAdjoint:
            return w[form.columns(index.ids)]
        if kind is attr.ReverseObjectiveFunction:
            return seed, form.sign
        if isinstance(index, ConstraintIndices):
            at = form.rows_of(index)
            if kind is attr.ReverseConstraintFunction:
                return np.stack([point.y[at], wy[at]], axis=1)
            if kind is attr.ReverseConstraintSet:
                return wy[at][:, None]
        raise DifferentiationError(f"{attribute!r} is not a result of {self.name}.")

    def _pushed(self, attribute: attr.Attribute) -> tuple[FloatArray, FloatArray, FloatArray]:
        if self._forward is None:
            raise NotOptimized(f"There is no {attribute!r}; call forward_differentiate() first.")
        return self._forward
