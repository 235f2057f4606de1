"""Derivatives of convex programs in standard form; what QuadraticDiff and ConicDiff have in common.

minimize ``½xᵀPx + cᵀx`` subject to ``A x + s = b``, ``s in K``; here ``A = -F`` and ``b = g`` of the rows
``F x + g``. Whatever K is, a solution comes with one symmetric KKT system that answers every direction of both
modes (DESIGN, section 6); a subclass says how the solution is made exact and the system set up.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.convexity import require_convex
from ..modelkit.errors import DifferentiationError, NotOptimized
from ..modelkit.indices import ConstraintIndices
from ..modelkit.matrix_form import MatrixForm
from .base import DiffModel
from .certainty import ASYMMETRY
from .held import Held, HeldPoint
from .kkt import Mask
from .right_hand_sides import RightHandSides
from .seen import Seen, verdict_seen
from .solution_point import SolutionPoint

__all__ = ["ACCURATE", "ConvexDiff"]

ACCURATE = 1e-6
"""Largest relative residual at which a solution that could not be refined further is still differentiated."""
_GOLDEN = 0.5 * (5.0**0.5 - 1.0)


class ConvexDiff(DiffModel):
    """A diff model of convex programs.

    Attributes
    ----------
    seen : from the form to what is seen of its solution, which the status is about; None for all of it
    """

    def __init__(self) -> None:
        super().__init__()
        self._starts: dict[type[attr.Attribute], list[tuple[Any, Any]]] = {}
        self._solved: tuple[MatrixForm, SolutionPoint] | None = None
        self._judged: tuple[attr.DifferentiationStatusCode, Mask] | None = None
        self._shown: FloatArray | None = None
        self.seen: Callable[[MatrixForm], Seen] | None = None
        self._forward: tuple[FloatArray, FloatArray, FloatArray] | None = None
        self._reverse: tuple[FloatArray, FloatArray, float] | None = None

    @abstractmethod
    def polish(self, form: MatrixForm, x: FloatArray, y: FloatArray, activity: FloatArray | None) -> SolutionPoint:
        """The exact solution near (x, y); `activity` is nonzero in the rows that a solver's basis calls active."""

    # ------------------------------------------------------------------ the solution
    def receive(self, attribute: attr.Attribute, index: Any, value: Any) -> None:
        """Take a part of the solution."""
        self._starts.setdefault(type(attribute), []).append((index, value))
        self._solved = self._judged = None

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
            self._solved = form, self._exact_whole(form, x, y, activity if hints else None)
        return self._solved

    def _exact_whole(
        self, form: MatrixForm, x: FloatArray, y: FloatArray, activity: FloatArray | None
    ) -> SolutionPoint:
        """The exact solution of a form with parameters, which leave it by hand."""
        rows = [np.arange(form.m)[form.rows_of(indices)] for indices in self.held]
        if not rows:
            return self.exact(form, x, y, activity)
        held = Held(form, np.concatenate(rows))
        hints = None if activity is None else activity[held.kept_rows]
        return HeldPoint(held, self.exact(held.form, x[held.kept_columns], y[held.kept_rows], hints))

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

    # ------------------------------------------------------------------ what it is worth
    @contextmanager
    def showing(self, moves: FloatArray) -> Iterator[None]:
        """Give moves of the rows' multipliers, (m, k), for the duals."""
        self._shown = moves
        yield
        self._shown = None

    def _verdict(self) -> tuple[attr.DifferentiationStatusCode, Mask]:
        """What the derivatives of what is seen are, and the rows at fault."""
        if self._judged is None:
            form, point = self.solution()
            self._judged = verdict_seen(point, form, None if self.seen is None else self.seen(form))
        return self._judged

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
            return self._verdict()[0]
        if kind is attr.SolutionRefinement:
            return point.refinement
        if kind is attr.VariablePrimal:
            return point.x[form.columns(index.ids)]
        if kind is attr.ConstraintDual:
            return (point.y if self._shown is None else self._shown)[form.rows_of(index)]
        if kind is attr.ConstraintDegeneracy:
            # by different numbers, so that rows do not cancel one another on their way up
            weights = 1.0 + np.modf(_GOLDEN * np.arange(form.m))[0]
            return np.where(self._verdict()[1], weights, 0.0)[form.rows_of(index)]
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
