"""From any solver's answer to the exact solution of a conic program, and the inverse that differentiates it.

Newton's method on the optimality conditions (solution refinement: E. Busseti, W. M. Moursi, S. Boyd, *Solution
refinement at regular points of conic problems*, Computational Optimization and Applications 74 (2019), 627-643; here
without their embedding) solves the very system that derivatives need, `conic_system`. The system is factorized once,
at the solver's answer: later steps, and the derivatives at the solution, use that factorization as an approximate
inverse and refine against the derivative at hand; it is renewed only where that does not converge fast.
"""

from __future__ import annotations

import copy
from functools import cached_property
from typing import Any, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from ..modelkit.arrays import FloatArray
from ..modelkit.attributes import DifferentiationStatusCode, Refinement
from ..modelkit.form.matrix_form import MatrixForm
from .certainty import ACCURACY, verdict
from .cone_rows import Rotation
from .conic_certainty import Probe, curvature_depends, least_multipliers, nearest_kink, probe
from .conic_system import Conditions, Inverse, Iterate
from .kkt import ACCEPTED_RESIDUAL, KKTSystem, Mask, automatic
from .kkt.factors import refine
from .slope import Solve

__all__ = ["ConicPoint", "polish"]

_TARGET = 1e-13
_ROUNDS = 15
# Distance from the cones, relative to the multipliers, up to which a solver's duals are taken as they are, or that from
# stationarity, of the nearest ones in the cones; and the most projections that bring others there.
_INSIDE = 1e-6
_PROJECTIONS = 50
# A step with an old factorization that does not divide the residual by this calls for a new one.
_FAST = 30.0
_DAMPING = 1e-8
# How many times larger than a solver's answer and the data the exact solution may be, in equilibrated units.
_RUNAWAY = 1e4


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
        units = at.conditions.units
        self.x, self.y, self.s = units.given_primal(at.x), units.given_dual(at.y), units.given_slacks(at.s)
        self.refinement = Refinement(given, at.residual)
        kept = inverse.at.rotation
        if inverse.damping or (
            inverse.at is not at
            and ((kept.active != at.rotation.active).any() or at.rotation.kink.any() or not inverse.is_regular)
        ):
            self._renew()

    def _renew(self) -> None:
        self._inverse = Inverse(self._at, self._solve_with)

    @cached_property
    def _probe(self) -> Probe:
        return probe(self._at, self._solve)

    @property
    def mismatch(self) -> float:
        """Relative difference of forward and reverse mode at random right-hand sides."""
        return self._probe.mismatch

    @property
    def system(self) -> KKTSystem:
        """The factorized system, in the axes of the cones."""
        return self._inverse.kkt

    @cached_property
    def margin(self) -> tuple[float, int]:
        """By how much, relative to their terms, the data may move before a row is at its kink; and which, or -1."""
        return nearest_kink(self._at, self._solve)

    def bends(self, columns: Mask) -> bool:
        """Whether the derivative of some variables (n,) depends on which of many multipliers was found."""
        return self._inverse.kkt.dual_nullity and curvature_depends(self._at, self._inverse, self._solve_with, columns)

    @cached_property
    def status(self) -> DifferentiationStatusCode:
        """What the derivatives are."""
        weakly_active = bool(self._probe.doubtful.any())
        if not weakly_active and not self._inverse.kkt.primal_nullity:
            weakly_active = self.bends(np.ones(len(self.x), bool))
        return verdict(self._inverse.kkt.status(weakly_active=weakly_active), self._at.residual)

    @property
    def weakly_active(self) -> Mask:
        """(m,): the rows of cones at a kink, or that roundings could bring to one."""
        return self._probe.doubtful

    @property
    def active(self) -> Mask:
        """(m,): the rotated rows in the system."""
        return self._at.rotation.active

    def on_kinks(self, values: FloatArray) -> FloatArray:
        """(m, k) projected on the axes in which the derivative at a kink is not unique; on all where it is unclear."""
        near = self._at.kinks
        axes = near.kink_axes | (self._probe.doubtful & ~near.kink)
        projected: FloatArray = near.up(near.down(values) * axes[:, None])
        return projected

    @cached_property
    def kinked(self) -> tuple[Iterate, Rotation]:
        """The point, in units that equilibrate it, and its axes, of those in doubt all that are near a kink."""
        axes = copy.copy(self._at.kinks)
        axes.kink_axes = axes.kink_axes & self._probe.doubtful
        return self._at, axes

    @property
    def freedom(self) -> tuple[FloatArray, FloatArray]:
        """How x and y can move: (n, p) and (m, d), null vectors of the system."""
        rotation, (primal, dual) = self._at.rotation, self._inverse.kkt.null_vectors
        rotated = np.zeros((len(self.y), dual.shape[1]))
        rotated[rotation.active] = dual
        units = self._at.conditions.units
        return units.given_primal(primal), units.given_dual(rotation.without_noise(rotation.up(rotated)))

    @property
    def rows_at_fault(self) -> Mask:
        """(m,): rows of cones at a kink, and those in which dependent rotated rows lie."""
        rotation = self._at.rotation
        dependent = np.zeros(len(self.y))
        dependent[np.flatnonzero(rotation.active)[self._inverse.kkt.dependent_rows]] = 1.0
        fault: Mask = self._probe.doubtful | (np.abs(rotation.up(dependent)) > 1e-8)
        return fault

    def solve(self, primal: ArrayLike, rows: ArrayLike | None = None) -> tuple[FloatArray, FloatArray]:
        """(dx, dy) from right-hand sides (n,) or (n, K) and (m,) or (m, K); likewise (w_x, w_y) from seeds."""
        upper = np.asarray(primal, np.float64)
        lower = np.zeros((len(self.y), *upper.shape[1:])) if rows is None else np.asarray(rows, np.float64)
        units, n = self._at.conditions.units, len(self.x)
        R = np.concatenate([units.slopes(upper), units.slacks(lower)]).reshape(n + len(self.y), -1)
        Z = self._solve(R)
        dx, dy = units.given_primal(Z[:n]), units.given_dual(self._at.rotation.derivative(Z[n:]))
        return dx.reshape(upper.shape), dy.reshape(lower.shape)

    def without_kinks(self) -> Solve:
        """`solve` without the axes in which the derivative is not unique."""
        off = copy.copy(self)
        _, axes = self.kinked
        off._at = self._at.turned(axes.without(axes.kink_axes))
        off._renew()
        return off.solve

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
    conditions = Conditions(form, x, y)
    x, y = conditions.units.primal(x), conditions.units.dual(y)
    y = _into_cones(conditions, x, y, solve_with or automatic)
    start = Iterate(conditions, x, y - conditions.rows(x))
    # A point that runs away is none: where there is no solution, residuals shrink beside numbers that grow for ever.
    limit = _RUNAWAY * max(start.largest, _largest(conditions.q), _largest(conditions.g))
    at, inverse = _careful_steps(start, limit, solve_with)
    if at.residual > ACCURACY:
        far = _whole_steps(start, limit, solve_with)
        if far.residual < at.residual:
            at, inverse = _careful_steps(far, limit, solve_with)
    if inverse.damping:
        at = least_multipliers(at, solve_with)
    return ConicPoint(at, inverse, start.residual, solve_with)


def _careful_steps(at: Iterate, limit: float, solve_with: Any) -> tuple[Iterate, Inverse]:
    """Newton steps as long as they help, and the inverse of the last ones."""
    inverse = _inverse(at, solve_with)
    for _ in range(_ROUNDS):
        if at.residual <= _TARGET:
            break
        better = _step(at, inverse, limit)
        is_new = inverse.at is at
        if better is None or not (is_new or at.residual > _FAST * better.residual):
            if is_new:
                break
            inverse = _inverse(at if better is None else better, solve_with)
        at = better or at
    return at, inverse


def _whole_steps(at: Iterate, limit: float, solve_with: Any) -> Iterate:
    """The best point of Newton's method without care: from far away steps may help only after the next kinks."""
    best, n = at, len(at.x)
    for _ in range(_ROUNDS):
        step = Inverse(at, solve_with).solve(-np.concatenate([at.r1, at.r2])[:, None])[:, 0]
        if not np.isfinite(step).all():
            break
        at = at.moved(step[:n], step[n:])
        if not (np.isfinite(at.residual) and at.largest <= limit):
            break
        best = at if at.residual < best.residual else best
        if at.residual <= ACCURACY:
            break
    return best


def _largest(values: FloatArray) -> float:
    return float(np.abs(values).max(initial=0.0))


def _inverse(at: Iterate, solve_with: Any) -> Inverse:
    """The inverse for a step: a little damped where the multipliers are not unique.

    The least step leaves the face of the multipliers, which is curved off it; the damped one moves on the face as
    little as the residual demands, and is as fast.
    """
    inverse = Inverse(at, solve_with)
    return inverse if inverse.is_regular else Inverse(at, solve_with, _DAMPING)


def _into_cones(conditions: Conditions, x: FloatArray, y: FloatArray, solve_with: Any) -> FloatArray:
    """Multipliers in their cones, where those given are not: duals of a bridge's targets are only guesses.

    By projections in turn on the cones and on ``Aᵀy = -(Px + c)`` (J. von Neumann 1933; H. H. Bauschke, J. M. Borwein,
    *On projection algorithms for solving convex feasibility problems*, SIAM Review 38 (1996), 367-426).
    """
    project = conditions.cones.project_dual
    inside = project(y)
    size = float(np.abs(np.concatenate([y, conditions.q])).max(initial=0.0))
    if float(np.abs(inside - y).max(initial=0.0)) <= _INSIDE * size:
        return y
    At, m = sp.csr_array(conditions.A(x).T), len(y)
    gradient = conditions.gradient(x)
    if float(np.abs(gradient + At @ inside).max(initial=0.0)) <= _INSIDE * size:
        return inside
    balance = solve_with(sp.eye_array(m, format="csc"), At)
    right = np.zeros(m + len(x))
    for _ in range(_PROJECTIONS):
        right[m:] = -(gradient + At @ inside)
        y = inside + balance.solve(right)[:m]
        inside = project(y)
        if float(np.abs(inside - y).max(initial=0.0)) <= _INSIDE * size:
            break
    return inside


def _step(at: Iterate, inverse: Inverse, limit: float) -> Iterate | None:
    """A Newton step, shortened until it helps; None where it does not, or leads to numbers above the limit."""
    n = len(at.x)
    step = inverse.solve(-np.concatenate([at.r1, at.r2])[:, None])[:, 0]
    for length in (1.0, 0.5, 0.1):
        trial = at.moved(length * step[:n], length * step[n:])
        if trial.residual < 0.9 * at.residual and trial.largest <= limit:
            return trial
    return None
