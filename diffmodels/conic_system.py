"""The optimality conditions of a conic program at a point, their derivative, and its inverse.

In (x, v), v = y - s, the conditions are

    P x + A(x)ᵀ y + c = 0,   s = h(x) = F x + g,   y = Π_K*(v),  s = y - v,   A(x) = -h'(x),

and their derivative, with D = U diag(δ) Uᵀ the derivative of the projection, is

    J (dx, dv) = (P dx + Aᵀ D dv,  A dx + (D - I) dv).

Its inverse is that of the KKT matrix (docs/design.md, section 6): rows of A rotated into U, those with δ = 0 left out,
C = diag(1/δ - 1) and η = δ ∘ Uᵀdv::

    [ P    A₁ᵀ ] [dx]   [ r₁     ]
    [ A₁  -C   ] [η ] = [ U₁ᵀ r₂ ].

Rows may have (concave) quadratic terms: then A is -h' at x and P the Hessian of the Lagrangian, ``P - Σ yᵢ hᵢ''``,
as for nonlinear programs, and the same system is exact again; no factorization of a quadratic form is differentiated.
"""

from __future__ import annotations

import copy
from functools import cached_property
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ..modelkit.arrays import FloatArray
from ..modelkit.form.matrix_form import MatrixForm
from .certainty import MatrixTerms, Sizes
from .cone_columns import ConeColumns
from .cone_rows import ConeRows, Rotation
from .conic_units import ConicUnits
from .kkt import IterativeKKT, KKTSystem, choose

__all__ = ["Conditions", "Inverse", "Iterate"]

_NEAR = 1e-8
"""Distance, relative to the size of a point of a cone, of kinks nearby."""


@final
class Conditions:
    """The data of the conditions, in units that equilibrate them.

    Parameters
    ----------
    form : a conic program
    x, y : near a solution, (n,) and (m,)

    Attributes
    ----------
    units : in which everything else here is
    cones : of the rows
    q, g : (n,) and (m,)
    """

    def __init__(self, form: MatrixForm, x: FloatArray, y: FloatArray) -> None:
        self.cones = ConeRows(form)
        self._curvature = form.curvature
        P, A = form.P, sp.csr_array(-form.F)
        if form.curvature is not None:
            P = sp.csc_array(P - form.curvature.hessian(y))
            A = sp.csr_array(A - form.curvature.jacobian(x))
        self.units = units = ConicUnits.of(P, form.q, A, form.g, self.cones.numbers, (x, y))
        self.q = units.slopes(form.q)
        self.g = units.slacks(form.g)
        self._P, self._A = units.hessian(form.P), units.matrix(sp.csr_array(-form.F))

    def rows(self, x: FloatArray) -> FloatArray:
        """h(x)."""
        linear: FloatArray = self.g - self._A @ x
        if self._curvature is None:
            return linear
        return linear + self.units.slacks(self._curvature.values(self.units.given_primal(x)))

    def A(self, x: FloatArray) -> sp.csr_array:
        """``-h'(x)``."""
        if self._curvature is None:
            return self._A
        return sp.csr_array(self._A - self.units.matrix(self._curvature.jacobian(self.units.given_primal(x))))

    def P(self, y: FloatArray) -> sp.csc_array:
        """Hessian of the Lagrangian."""
        if self._curvature is None:
            return self._P
        return sp.csc_array(self._P - self.units.hessian(self._curvature.hessian(self.units.given_dual(y))))

    def gradient(self, x: FloatArray) -> FloatArray:
        """Px + c."""
        return np.asarray(self._P @ x + self.q)

    def sizes(self, at: Iterate) -> tuple[FloatArray, FloatArray]:
        """What counts as one in each condition, (n,) and (m,); see `certainty`.

        The rows of a cone share the largest, and v is one of their terms: the projection mixes them.
        """
        one = np.ones(len(at.x)), np.ones(len(at.y))
        sizes = Sizes(MatrixTerms(self._P, at.A, *one), self.q, self.g, at.x, at.y)
        return sizes.gradient_bound, self.cones.largest(sizes.rows_bound + np.abs(at.v))


@final
class Iterate:
    """A point with its residuals and the derivative of the conditions, in the units of the conditions.

    Parameters
    ----------
    conditions : of the program
    x, v : (n,) and (m,)

    Attributes
    ----------
    y, s : (m,), in the cones up to rounding
    r1, r2 : (n,) and (m,), what the conditions leave
    sizes : (n + m,), what counts as one in each condition
    residual : the largest of what the conditions leave, relative to these sizes
    rotation : axes and slopes of the projection at v
    """

    def __init__(self, conditions: Conditions, x: FloatArray, v: FloatArray) -> None:
        self.conditions = conditions
        self.x, self.v = x, v
        self.A = conditions.A(x)
        self.rotation = conditions.cones.rotation(v)
        self.y = y = self.rotation.image(v)
        self.s = s = y - v
        self.r1, self.r2 = conditions.gradient(x) + self.A.T @ y, s - conditions.rows(x)
        self.sizes = np.concatenate(conditions.sizes(self))
        self.residual = _ratio(np.concatenate([self.r1, self.r2]), self.sizes)

    @cached_property
    def P(self) -> sp.csc_array:
        """Hessian of the Lagrangian."""
        return self.conditions.P(self.y)

    @cached_property
    def kinks(self) -> Rotation:
        """The axes at all kinks nearby."""
        return self.conditions.cones.kinks(self.v, _NEAR, self.sizes[len(self.x) :])

    def turned(self, rotation: Rotation) -> Iterate:
        """The same point with other axes and slopes."""
        other = copy.copy(self)
        other.rotation = rotation
        return other

    def apply(self, Z: FloatArray) -> FloatArray:
        """J applied to (n + m, k)."""
        dx, dv = Z[: len(self.x)], Z[len(self.x) :]
        dy = self.rotation.derivative(dv)
        return np.concatenate([self.P @ dx + self.A.T @ dy, self.A @ dx + dy - dv])

    @cached_property
    def norm(self) -> float:
        """A bound of the size of J: its largest absolute column sum, with D taken as I."""
        sums = [1.0 + float(abs(self.A).sum(axis=1).max()) if self.A.nnz else 1.0]
        if len(self.x):
            sums.append(float((abs(self.P).sum(axis=0) + abs(self.A).sum(axis=0)).max()))
        return max(sums)

    @property
    def largest(self) -> float:
        """The largest entry of x and v."""
        return float(max(np.abs(self.x).max(initial=0.0), np.abs(self.v).max(initial=0.0)))

    def moved(self, dx: FloatArray, dv: FloatArray) -> Iterate:
        """The iterate beside this one."""
        return Iterate(self.conditions, self.x + dx, self.v + dv)


def _ratio(residual: FloatArray, size: FloatArray) -> float:
    """The largest residual relative to its size; infinity where it is not finite, or not zero and the size is."""
    if not np.isfinite(residual).all():
        return np.inf
    wrong = residual != 0.0
    with np.errstate(divide="ignore"):
        return float((np.abs(residual[wrong]) / size[wrong]).max(initial=0.0))


@final
class Inverse:
    """J⁻¹ at an iterate, by its factorized KKT matrix.

    Parameters
    ----------
    at : the iterate
    solve_with : how KKT systems are solved, see `kkt`; None to choose by the estimated cost
    damping : added to C: a little of it makes a singular matrix regular, and keeps steps to the face of the multipliers
    """

    def __init__(self, at: Iterate, solve_with: Any = None, damping: float = 0.0) -> None:
        self.at, self.damping = at, damping
        rotation = at.rotation
        rows = np.flatnonzero(rotation.active)
        C = 1.0 / rotation.delta[rows] - 1.0 + damping
        self._columns: ConeColumns | None = ConeColumns(rotation, at.A, at.P)
        solve_with = solve_with or choose(*self._cost())
        if isinstance(solve_with, IterativeKKT):
            self._columns = None
            self.kkt: KKTSystem = solve_with(at.P, rotation.operator(at.A, rows), C)
            return
        shared = rotation.hard_together(rows)
        if self._columns:
            turned = rotation.rotated(self._columns.others(at.A))
            own = self._columns.own()
            turned = turned + (own.toarray() if isinstance(turned, np.ndarray) else own)
            self.kkt = solve_with(self._columns.curvature(at.P), turned[rows], C, shared=shared)
            if self.is_regular:
                return
            # The least solution of a singular system is meant in the model's own variables.
        self._columns = None
        self.kkt = solve_with(at.P, rotation.rotated(at.A)[rows], C, shared=shared)

    def _cost(self) -> tuple[float, int]:
        """Estimated entries and order of the KKT matrix, without the rows that leave it by hand."""
        assert self._columns is not None
        at, by_hand = self.at, self._columns.rows
        kept = at.rotation.active.copy()
        kept[by_hand] = False
        flat = int((at.rotation.delta[by_hand] == 1.0).sum())
        entries = at.P.nnz + 2 * (at.rotation.entries(at.A, kept) + self._columns.entries(at.A))
        return float(entries), len(at.x) - flat + int(kept.sum())

    @property
    def is_regular(self) -> bool:
        """Whether there is one solution for each right-hand side."""
        return not (self.kkt.primal_nullity or self.kkt.dual_nullity)

    def solve(self, R: FloatArray) -> FloatArray:
        """(dx, dv), below each other, from right-hand sides (n + m, k)."""
        at, rotation = self.at, self.at.rotation
        n, active = len(at.x), rotation.active
        upper = R[:n] if self._columns is None else self._columns.down(R[:n])
        answer = self.kkt.solve(np.concatenate([upper, rotation.down(R[n:])[active]]))
        dx = answer[:n] if self._columns is None else self._columns.up(answer[:n])
        eta = np.zeros((len(active), R.shape[1]))
        eta[active] = answer[n:]
        # Uᵀdv from whichever of η = δ Uᵀdv and (1 - δ) Uᵀdv = Uᵀ(A dx - r₂) loses nothing
        slack = rotation.down(at.A @ dx - R[n:])
        delta = rotation.delta[:, None]
        flat = delta < 0.5
        move = np.where(flat, slack / np.where(flat, 1.0 - delta, 1.0), eta / np.where(flat, 1.0, delta))
        return np.concatenate([dx, rotation.up(move)])
