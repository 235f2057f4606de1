"""From any solver's answer to the exact solution of a conic program, and the inverse that differentiates it.

Newton's method on the optimality conditions (solution refinement: E. Busseti, W. M. Moursi, S. Boyd, *Solution
refinement at regular points of conic problems*, Computational Optimization and Applications 74 (2019), 627-643; here
without their embedding) solves the very system that derivatives need, `conic_system`. The system is factorized once,
at the solver's answer: later steps, and the derivatives at the solution, use that factorization as an approximate
inverse and refine against the derivative at hand; it is renewed only where that does not converge fast.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from ..modelkit.arrays import FloatArray
from ..modelkit.attributes import DifferentiationStatusCode, Refinement
from ..modelkit.matrix_form import MatrixForm
from .conic_system import Conditions, Inverse, Iterate
from .kkt import ACCEPTED_RESIDUAL, Mask, automatic
from .kkt.factors import refine

__all__ = ["ConicPoint", "polish"]

_TARGET = 1e-13
_ROUNDS = 15
# Distance from the cones, relative to the multipliers, up to which a solver's duals are taken as they are; and the most
# projections that bring others there.
_INSIDE = 1e-6
_PROJECTIONS = 50
# A step with an old factorization that does not divide the residual by this calls for a new one.
_FAST = 30.0


@final
class ConicPoint:
    """A solution of a conic program, with what differentiates it.

    Attributes
    ----------
    x, y, s : (n,), (m,), (m,)
    refinement : largest relative violation of the optimality conditions at the given point and here
    """

    def __init__(self, at: Iterate, inverse: Inverse, given: float, solve_with: Any) -> None:
        self._at = at
        self._inverse = inverse
        self._solve_with = solve_with
        self.x, self.y, self.s = at.x, at.y, at.s
        self.refinement = Refinement(given, at.residual)
        kept = inverse.at.rotation
        if inverse.at is not at and (
            (kept.active != at.rotation.active).any() or at.rotation.kink.any() or not inverse.is_regular
        ):
            self._renew()

    def _renew(self) -> None:
        self._inverse = Inverse(self._at, self._solve_with)

    @property
    def status(self) -> DifferentiationStatusCode:
        """What the derivatives are."""
        return self._inverse.kkt.status(weakly_active=bool(self._at.rotation.kink.any()))

    @property
    def weakly_active(self) -> Mask:
        """(m,): the rows of cones at a kink."""
        return self._at.rotation.kink

    def on_kinks(self, values: FloatArray) -> FloatArray:
        """(m, k) projected on the axes in which the derivative at a kink is not unique."""
        rotation = self._at.rotation
        projected: FloatArray = rotation.up(rotation.down(values) * rotation.kink_axes[:, None])
        return projected

    @property
    def freedom(self) -> tuple[FloatArray, FloatArray]:
        """How x and y can move: (n, p) and (m, d), null vectors of the system."""
        rotation, (primal, dual) = self._at.rotation, self._inverse.kkt.null_vectors
        rotated = np.zeros((len(self.y), dual.shape[1]))
        rotated[rotation.active] = dual
        return primal, rotation.without_noise(rotation.up(rotated))

    @property
    def rows_at_fault(self) -> Mask:
        """(m,): rows of cones at a kink, and those in which dependent rotated rows lie."""
        rotation = self._at.rotation
        dependent = np.zeros(len(self.y))
        dependent[np.flatnonzero(rotation.active)[self._inverse.kkt.dependent_rows]] = 1.0
        fault: Mask = rotation.kink | (np.abs(rotation.up(dependent)) > 1e-8)
        return fault

    def solve(self, primal: ArrayLike, rows: ArrayLike | None = None) -> tuple[FloatArray, FloatArray]:
        """(dx, dy) from right-hand sides (n,) or (n, K) and (m,) or (m, K); likewise (w_x, w_y) from seeds."""
        upper = np.asarray(primal, np.float64)
        lower = np.zeros((len(self.y), *upper.shape[1:])) if rows is None else np.asarray(rows, np.float64)
        R = np.concatenate([upper, lower]).reshape(len(self.x) + len(self.y), -1)
        Z = self._solve(R)
        dy = self._at.rotation.derivative(Z[len(self.x) :])
        return Z[: len(self.x)].reshape(upper.shape), dy.reshape(lower.shape)

    def _solve(self, R: FloatArray) -> FloatArray:
        at, inverse = self._at, self._inverse
        if inverse.at is at:
            return inverse.solve(R)
        Z, residual = refine(at.apply, inverse.solve, R, at.norm)
        if residual.max(initial=0.0) <= ACCEPTED_RESIDUAL:
            return Z
        self._renew()
        return self._solve(R)


def polish(form: MatrixForm, x: FloatArray, y: FloatArray, solve_with: Any = None) -> ConicPoint:
    """The exact solution near (x, y), by Newton steps as long as they help.

    Parameters
    ----------
    form : a conic program
    x, y : a solver's answer, (n,) and (m,)
    solve_with : how KKT systems are solved, see `kkt`; None to choose by the estimated cost

    Returns
    -------
    ConicPoint
        Never with larger residuals than the given point's.
    """
    conditions = Conditions(form)
    y = _into_cones(conditions, x, y, solve_with or automatic)
    at = Iterate(conditions, x, y - conditions.rows(x))
    given = at.residual
    inverse = Inverse(at, solve_with)
    for _ in range(_ROUNDS):
        if at.residual <= _TARGET:
            break
        better = _step(at, inverse)
        is_new = inverse.at is at
        if better is None or not (is_new or at.residual > _FAST * better.residual):
            if is_new:
                break
            inverse = Inverse(at if better is None else better, solve_with)
        at = better or at
    return ConicPoint(at, inverse, given, solve_with)


def _into_cones(conditions: Conditions, x: FloatArray, y: FloatArray, solve_with: Any) -> FloatArray:
    """Multipliers in their cones, where those given are not: duals of a bridge's targets are only guesses.

    By projections in turn on the cones and on ``Aᵀy = -(Px + c)`` (J. von Neumann 1933; H. H. Bauschke, J. M. Borwein,
    *On projection algorithms for solving convex feasibility problems*, SIAM Review 38 (1996), 367-426).
    """
    project = conditions.cones.project_dual
    inside = project(y)
    size = 1.0 + float(np.abs(y).max(initial=0.0))
    if float(np.abs(inside - y).max(initial=0.0)) <= _INSIDE * size:
        return y
    form, At = conditions.form, sp.csr_array(conditions.A(x).T)
    gradient = form.P @ x + form.q
    balance = solve_with(sp.eye_array(form.m, format="csc"), At)
    right = np.zeros(form.m + form.n)
    for _ in range(_PROJECTIONS):
        right[form.m :] = -(gradient + At @ inside)
        y = inside + balance.solve(right)[: form.m]
        inside = project(y)
        if float(np.abs(inside - y).max(initial=0.0)) <= _INSIDE * size:
            break
    return inside


def _step(at: Iterate, inverse: Inverse) -> Iterate | None:
    """A Newton step, shortened until it helps; None where it does not."""
    n = len(at.x)
    step = inverse.solve(-np.concatenate([at.r1, at.r2])[:, None])[:, 0]
    for length in (1.0, 0.5, 0.1):
        trial = at.moved(length * step[:n], length * step[n:])
        if trial.residual < 0.9 * at.residual:
            return trial
    return None
