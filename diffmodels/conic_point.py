"""From any solver's answer to the exact solution of a conic program, and its factorized KKT system.

Newton's method on the optimality conditions in (x, v), v = y - s (solution refinement: Busseti, Moursi and Boyd
2019, here without their embedding)::

    P x + A(x)ᵀ y + c = 0,   s = h(x) = F x + g,   y = Π_K*(v),  s = y - v,   A(x) = -h'(x).

A step solves the very system that derivatives need (DESIGN, section 6): with D = U diag(δ) Uᵀ the derivative of the
projection, rows of A rotated into U, those with δ = 0 left out, and C = diag(1/δ - 1)::

    [ P    A₁ᵀ ] [dx]   [ -r₁     ]
    [ A₁  -C   ] [η ] = [ -U₁ᵀ r₂ ].

Rows may have (concave) quadratic terms: then A is -h' at x and P the Hessian of the Lagrangian, ``P - Σ yᵢ hᵢ''``,
as for nonlinear programs, and the same system is exact again; no factorization of a quadratic form is differentiated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from ..modelkit.attributes import DifferentiationStatusCode
from ..modelkit.matrix_form import MatrixForm
from ..modelkit.rows import FloatArray
from .cone_rows import ConeRows, Rotation
from .kkt import KKTFactorization, factorize

__all__ = ["ConicPoint", "refine"]

_TARGET = 1e-13
_ROUNDS = 15


@final
@dataclass(frozen=True)
class ConicPoint:
    """A solution of a conic program, with the factorization that differentiates it.

    Attributes
    ----------
    x, y, s : (n,), (m,), (m,)
    rotation : axes and slopes of the projection at y - s
    kkt : factorization of ``[[P, A₁ᵀ], [A₁, -C]]``
    largest_residual : largest relative violation of the optimality conditions
    gained : the residual of the given point divided by that one
    """

    x: FloatArray
    y: FloatArray
    s: FloatArray
    rotation: Rotation
    kkt: KKTFactorization
    largest_residual: float
    gained: float

    @property
    def status(self) -> DifferentiationStatusCode:
        """What the derivatives are."""
        if self.kkt.primal_nullity:
            return DifferentiationStatusCode.NONUNIQUE
        if self.rotation.kink.any():
            return DifferentiationStatusCode.WEAKLY_ACTIVE
        if self.kkt.dual_nullity:
            return DifferentiationStatusCode.DEPENDENT_ROWS
        return DifferentiationStatusCode.EXACT

    @property
    def rows_at_fault(self) -> NDArray[np.bool_]:
        """(m,): rows of cones at a kink, and those in which dependent rotated rows lie."""
        dependent = np.zeros(len(self.y))
        dependent[np.flatnonzero(self.rotation.active)[self.kkt.dependent_rows]] = 1.0
        fault: NDArray[np.bool_] = self.rotation.kink | (np.abs(self.rotation.up(dependent)) > 1e-8)
        return fault

    def solve(self, primal: ArrayLike, rows: ArrayLike | None = None) -> tuple[FloatArray, FloatArray]:
        """(dx, dy) from right-hand sides (n,) or (n, K) and (m,) or (m, K); likewise (w_x, w_y) from seeds."""
        upper = np.asarray(primal, np.float64)
        active = self.rotation.active
        lower = np.zeros((int(active.sum()), *upper.shape[1:]))
        if rows is not None:
            lower = self.rotation.down(np.asarray(rows, np.float64))[active]
        answer = self.kkt.solve(np.concatenate([upper, lower]))
        eta = np.zeros((len(active), *upper.shape[1:]))
        eta[active] = answer[len(upper) :]
        return answer[: len(upper)], self.rotation.up(eta)


@final
class _Conditions:
    """The optimality conditions of a form, with their sizes."""

    def __init__(self, form: MatrixForm) -> None:
        self.form = form
        self.cones = ConeRows(form)
        self._last: tuple[FloatArray, FloatArray] | None = None

    def project(self, v: FloatArray) -> FloatArray:
        """Π_K*(v), kept for the v last asked for; neither is ever written to."""
        if self._last is None or self._last[0] is not v:
            self._last = v, self.cones.project_dual(v)
        return self._last[1]

    def rows(self, x: FloatArray) -> FloatArray:
        """h(x)."""
        form = self.form
        linear: FloatArray = form.F @ x + form.g
        return linear if form.curvature is None else linear + form.curvature.values(x)

    def A(self, x: FloatArray) -> sp.csr_array:
        """``-h'(x)``."""
        form = self.form
        return -form.F if form.curvature is None else sp.csr_array(-(form.F + form.curvature.jacobian(x)))

    def P(self, y: FloatArray) -> sp.csc_array:
        """Hessian of the Lagrangian."""
        form = self.form
        return form.P if form.curvature is None else sp.csc_array(form.P - form.curvature.hessian(y))

    def residuals(self, x: FloatArray, v: FloatArray) -> tuple[FloatArray, FloatArray, float]:
        """(r₁, r₂, largest relative entry) at (x, v)."""
        form = self.form
        y = self.project(v)
        s = y - v
        Px, Aty, h = form.P @ x, self.A(x).T @ y, self.rows(x)
        r1, r2 = Px + Aty + form.q, s - h
        relative = max(_ratio(r1, Px, Aty, form.q), _ratio(r2, h, s, form.g))
        return r1, r2, relative


def _ratio(residual: FloatArray, *terms: FloatArray) -> float:
    size = max(float(np.abs(t).max(initial=0.0)) for t in terms)
    worst = float(np.abs(residual).max(initial=0.0))
    return worst / (1.0 + size) if np.isfinite(worst) else np.inf


def refine(form: MatrixForm, x: FloatArray, y: FloatArray, solve_with: Any = factorize) -> ConicPoint:
    """The exact solution near (x, y), by Newton steps as long as they help.

    Parameters
    ----------
    form : a conic program
    x, y : a solver's answer, (n,) and (m,)
    solve_with : how KKT systems are factorized

    Returns
    -------
    ConicPoint
        Never with larger residuals than the given point's.
    """
    conditions = _Conditions(form)
    v = y - conditions.rows(x)
    r1, r2, size = conditions.residuals(x, v)
    given = size
    rotation, kkt = _system(conditions, x, v, solve_with)
    for _ in range(_ROUNDS):
        if size <= _TARGET:
            break
        better = _step(conditions, x, v, r1, r2, size, rotation, kkt)
        if better is None:
            break
        x, v, (r1, r2, size) = better
        rotation, kkt = _system(conditions, x, v, solve_with)
    y = conditions.project(v)
    return ConicPoint(x, y, y - v, rotation, kkt, size, given / max(size, np.finfo(float).tiny))


def _system(
    conditions: _Conditions, x: FloatArray, v: FloatArray, solve_with: Any
) -> tuple[Rotation, KKTFactorization]:
    rotation = conditions.cones.rotation(v)
    active = rotation.active
    A1 = rotation.rotated(conditions.A(x))[np.flatnonzero(active)]
    return rotation, solve_with(conditions.P(conditions.project(v)), A1, 1.0 / rotation.delta[active] - 1.0)


def _step(
    conditions: _Conditions,
    x: FloatArray,
    v: FloatArray,
    r1: FloatArray,
    r2: FloatArray,
    size: float,
    rotation: Rotation,
    kkt: KKTFactorization,
) -> tuple[FloatArray, FloatArray, tuple[FloatArray, FloatArray, float]] | None:
    """A Newton step, shortened until it helps; None where it does not."""
    n, active, delta = len(x), rotation.active, rotation.delta
    answer = kkt.solve(np.concatenate([-r1, -rotation.down(r2)[active]]))
    dx, eta = answer[:n], np.zeros(len(v))
    eta[active] = answer[n:]
    # Uᵀdv from whichever of η = δ Uᵀdv and (1 - δ) Uᵀdv = Uᵀ(A dx + r₂) loses nothing
    slack = rotation.down(conditions.A(x) @ dx + r2)
    flat = delta < 0.5
    move = np.where(flat, slack / np.where(flat, 1.0 - delta, 1.0), eta / np.where(flat, 1.0, delta))
    dv = rotation.up(move)
    for length in (1.0, 0.5, 0.1):
        trial_x, trial_v = x + length * dx, v + length * dv
        trial = conditions.residuals(trial_x, trial_v)
        if trial[2] < 0.9 * size:
            return trial_x, trial_v, trial
    return None
