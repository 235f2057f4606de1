"""QuadraticDiff: derivatives of linear and convex quadratic programs.

minimize ``½xᵀPx + cᵀx`` subject to ``A x + s = b``, s zero or nonnegative; here ``A = -F`` and ``b = g`` of the
rows ``F x + g``. At a solution with active rows A₁ (DESIGN, section 6)::

    [ P   A₁ᵀ ] [dx ]   [ -(dP x + dAᵀy + dc) ]
    [ A₁  0   ] [dy₁] = [ -(dA x - db)        ]

is one symmetric system for all directions of both modes. It is that of OptNet (Amos & Kolter 2017, eq. 6) with
the inactive rows eliminated and the rows of the multipliers divided by them, which makes it symmetric.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ..modelkit import attributes as attr
from ..modelkit.convexity import is_positive_semidefinite
from ..modelkit.errors import DifferentiationError, NonconvexObjective, NotOptimized
from ..modelkit.functions import VectorAffineFunction
from ..modelkit.indices import ConstraintIndices
from ..modelkit.matrix_form import MatrixForm, objective_matrices
from ..modelkit.rows import FloatArray, IntArray, Rows
from ..modelkit.sets import Nonnegatives, Zeros
from .active_set import PolishedSolution, polish
from .base import DiffModel
from .standard_form import StandardForm

__all__ = ["QuadraticDiff"]


@final
class QuadraticDiff(DiffModel):
    """The diff model of linear and convex quadratic programs."""

    name = "QuadraticDiff"
    kinds = ((VectorAffineFunction, Zeros), (VectorAffineFunction, Nonnegatives))

    def __init__(self) -> None:
        super().__init__()
        self._starts: dict[type[attr.Attribute], list[tuple[Any, Any]]] = {}
        self._solved: tuple[MatrixForm, PolishedSolution] | None = None
        self._forward: tuple[FloatArray, FloatArray, FloatArray] | None = None
        self._reverse: tuple[FloatArray, FloatArray, float] | None = None

    # ------------------------------------------------------------------ the solution
    def receive(self, attribute: attr.Attribute, index: Any, value: Any) -> None:
        """Take a part of the solution."""
        self._starts.setdefault(type(attribute), []).append((index, value))
        self._solved = None

    def solution(self) -> tuple[MatrixForm, PolishedSolution]:
        """The matrix form and the exact solution with its factorization; computed once."""
        if self._solved is None:
            form = MatrixForm(self.store, self.kinds)
            if form.P.nnz and not is_positive_semidefinite(form.P):
                raise NonconvexObjective(
                    "QuadraticDiff differentiates convex programs; the quadratic objective has curvature of the "
                    "wrong sign for its sense."
                )
            x, y = np.zeros(form.n), np.zeros(form.m)
            activity = np.zeros(form.m)
            for v, value in self._starts.get(attr.VariablePrimalStart, []):
                x[form.columns(v.ids)] = value
            for indices, value in self._starts.get(attr.ConstraintDualStart, []):
                y[form.rows_of(indices)] = value
            hints = self._starts.get(attr.ConstraintActivityStart, [])
            for indices, value in hints:
                activity[form.rows_of(indices)] = value
            equalities = form.parts.get(self.kinds[0])
            zero_rows = equalities.rows.stop if equalities else 0
            standard = StandardForm(form.P, form.q, -form.F, form.g, zero_rows)
            point = polish(standard, x, y, activity.astype(np.int64) if hints else None)
            if not point.polished and not point.residuals.largest <= _ACCEPTED:
                raise DifferentiationError(
                    f"The solution is not accurate enough to differentiate: its relative residuals are "
                    f"{point.residuals.largest:.1e} and could not be polished below {_ACCEPTED:g}. "
                    "Solve to tighter tolerances, scale the data, or use another solver."
                )
            self._solved = form, point
        return self._solved

    # ------------------------------------------------------------------ forward
    def right_hand_sides(self) -> tuple[sp.csc_array, sp.csc_array, FloatArray]:
        """The right-hand sides for all tangents: (n, K) and (m, K), and the objective's tangent values (K,).

        The first is ``-(dP x + dAᵀy + dc)``, the second ``-(dA x - db)``.
        """
        form, point = self.solution()
        x, y = point.x, point.y
        upper: list[tuple[IntArray, IntArray, FloatArray]] = []
        lower: list[tuple[IntArray, IntArray, FloatArray]] = []
        values: list[tuple[IntArray, FloatArray]] = [(np.zeros(0, np.int64), np.zeros(0))]
        if self.objective_tangent is not None:
            rows: Rows = self.objective_tangent
            for direction in range(rows.m):
                one = rows if rows.m == 1 else rows.take(np.array([direction]))
                dP, dc, dr = objective_matrices(one.scaled(np.full(1, form.sign)), form.columns, form.n)
                gradient = dP @ x + dc
                at = np.flatnonzero(gradient)
                upper.append((at, np.full(len(at), direction), -gradient[at]))
                change = 0.5 * x @ (dP @ x) + dc @ x + dr
                values.append((np.array([direction]), np.array([change])))
        for indices, rows in self.function_tangents:
            at = np.arange(form.m)[form.rows_of(indices)]
            direction, local = np.divmod(rows.row, len(at))
            row = at[local]
            column = form.columns(rows.var)
            upper.append((column, direction, rows.coef * y[row]))
            lower.append((row, direction, rows.coef * x[column]))
            values.append((direction, -rows.coef * x[column] * y[row]))
            constants = np.flatnonzero(rows.constant)
            direction, local = np.divmod(constants, len(at))
            lower.append((at[local], direction, rows.constant[constants]))
            values.append((direction, -rows.constant[constants] * y[at[local]]))
        for indices, shift in self.set_tangents:
            at = np.arange(form.m)[form.rows_of(indices)]
            constant = shift[:, 0].reshape(len(at), -1)
            local, direction = np.nonzero(constant)
            lower.append((at[local], direction, constant[local, direction]))
            values.append((direction, -constant[local, direction] * y[at[local]]))
        count = self._directions()
        total = np.zeros(count)
        for direction, change in values:
            total += np.bincount(direction, change, count)
        return _sparse(upper, form.n, count), _sparse(lower, form.m, count), total

    def _directions(self) -> int:
        form, _ = self.solution()
        counts = [1]
        if self.objective_tangent is not None:
            counts.append(self.objective_tangent.m)
        for indices, rows in self.function_tangents:
            width = len(np.arange(form.m)[form.rows_of(indices)])
            counts.append(rows.m // width if width else 1)
        for _, shift in self.set_tangents:
            counts.append(shift.shape[2] if shift.ndim > 2 else 1)
        return max(counts)

    def forward(self) -> None:
        """Push the tangents to the solution, all directions in one solve."""
        form, point = self.solution()
        upper, lower, values = self.right_hand_sides()
        dx, dy = point.solve(upper.toarray(), lower.toarray())
        self._forward = dx, dy, form.sign * values

    def directional(self, outputs: IntArray) -> FloatArray:
        """Derivatives of some variables in all directions, shape (K, outputs).

        With fewer outputs than directions the outputs are pulled back instead: the system is symmetric, so
        ``Eᵀ K⁻¹ R`` needs as many solves as E or R has columns, whichever is less.
        """
        form, point = self.solution()
        upper, lower, _ = self.right_hand_sides()
        columns = form.columns(outputs)
        if len(columns) >= upper.shape[1]:
            dx, _ = point.solve(upper.toarray(), lower.toarray())
            return np.ascontiguousarray(dx[columns].T)
        seeds = np.zeros((form.n, len(columns)))
        seeds[columns, np.arange(len(columns))] = 1.0
        w, wy = point.solve(seeds)
        return np.asarray(upper.T @ w + lower.T @ wy)

    # ------------------------------------------------------------------ reverse
    def reverse(self) -> None:
        """Pull the seeds back to the data, in one solve."""
        form, point = self.solution()
        primal, dual = np.zeros(form.n), np.zeros(form.m)
        if self.primal_seeds:
            ids, values = zip(*self.primal_seeds, strict=True)
            np.add.at(primal, form.columns(np.array(ids, np.int64)), values)
        for indices, seed in self.dual_seeds:
            dual[form.rows_of(indices)] += seed
        seed = form.sign * self.objective_seed
        w, wy = np.zeros(form.n), np.zeros(form.m)
        if primal.any() or dual.any():
            w, wy = point.solve(primal, dual)
        # the envelope theorem: d f* = ½xᵀdP x + dcᵀx + yᵀ(dA x - db)
        self._reverse = w, wy - seed * point.y, seed

    # ------------------------------------------------------------------ results
    def result(self, attribute: attr.Attribute, index: Any) -> Any:
        """What `forward` or `reverse` left."""
        kind = type(attribute)
        form, point = self.solution()
        if kind is attr.DifferentiationStatus:
            return attr.DifferentiationStatusCode[point.status.name]
        if kind is attr.VariablePrimal:
            return point.x[form.columns(index.ids)]
        if kind is attr.ConstraintDual:
            return point.y[form.rows_of(index)]
        if kind is attr.ConstraintDegeneracy:
            return point.rows_at_fault[form.rows_of(index)].astype(np.float64)
        if kind in _FORWARD:
            if self._forward is None:
                raise NotOptimized(f"There is no {attribute!r}; call forward_differentiate() first.")
            dx, dy, values = self._forward
            if kind is attr.ForwardObjectiveValue:
                return float(values[0])
            if kind is attr.ForwardVariablePrimal:
                return dx[form.columns(index.ids), 0]
            return dy[form.rows_of(index), 0]
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


_ACCEPTED = 1e-6
_FORWARD = (attr.ForwardVariablePrimal, attr.ForwardConstraintDual, attr.ForwardObjectiveValue)


def _sparse(parts: list[tuple[IntArray, IntArray, FloatArray]], rows: int, columns: int) -> sp.csc_array:
    if not parts:
        return sp.csc_array((rows, columns))
    row, column, value = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return sp.csc_array(sp.coo_array((value, (row, column)), shape=(rows, columns)))
