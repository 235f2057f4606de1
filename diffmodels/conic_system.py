"""The optimality conditions of a conic program at a point, their derivative, and its inverse.

In (x, v), v = y - s, the conditions are

    P x + A(x)ᵀ y + c = 0,   s = h(x) = F x + g,   y = Π_K*(v),  s = y - v,   A(x) = -h'(x),

and their derivative, with D = U diag(δ) Uᵀ the derivative of the projection, is

    J (dx, dv) = (P dx + Aᵀ D dv,  A dx + (D - I) dv).

Its inverse is that of the KKT matrix (DESIGN, section 6): rows of A rotated into U, those with δ = 0 left out,
C = diag(1/δ - 1) and η = δ ∘ Uᵀdv::

    [ P    A₁ᵀ ] [dx]   [ r₁     ]
    [ A₁  -C   ] [η ] = [ U₁ᵀ r₂ ].

Rows may have (concave) quadratic terms: then A is -h' at x and P the Hessian of the Lagrangian, ``P - Σ yᵢ hᵢ''``,
as for nonlinear programs, and the same system is exact again; no factorization of a quadratic form is differentiated.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ..modelkit.arrays import FloatArray
from ..modelkit.matrix_form import MatrixForm
from .cone_columns import ConeColumns
from .cone_rows import ConeRows
from .kkt import IterativeKKT, KKTSystem, choose

__all__ = ["Conditions", "Inverse", "Iterate"]

_LEAST_UNIT = 1e-4


@final
class Conditions:
    """The data of the conditions.

    Parameters
    ----------
    form : a conic program
    """

    def __init__(self, form: MatrixForm) -> None:
        self.form = form
        self.cones = ConeRows(form)
        self._linear = sp.csr_array(-form.F)

    def rows(self, x: FloatArray) -> FloatArray:
        """h(x)."""
        form = self.form
        linear: FloatArray = form.F @ x + form.g
        return linear if form.curvature is None else linear + form.curvature.values(x)

    def A(self, x: FloatArray) -> sp.csr_array:
        """``-h'(x)``."""
        form = self.form
        return self._linear if form.curvature is None else sp.csr_array(self._linear - form.curvature.jacobian(x))

    def units(self, x: FloatArray, A: sp.csr_array) -> FloatArray:
        """What counts as one in each row, (m,): for its slack and for its multiplier, whichever is less.

        A slack is measured by the terms that it is the sum of, a multiplier by what it adds to the gradient next to the
        terms there; neither by less than a small part of the largest in the model.
        """
        form = self.form
        size = abs(A)
        slack = _floored(size @ np.abs(x) + np.abs(form.g))
        gradient = _floored(np.abs(form.P @ x) + np.abs(form.q))
        multiplier = np.full(form.m, np.inf)
        filled = np.flatnonzero(np.diff(size.indptr))
        if len(filled):
            with np.errstate(divide="ignore"):
                ratio = gradient[size.indices] / size.data
            multiplier[filled] = np.minimum.reduceat(ratio, size.indptr[filled])
        return np.asarray(np.minimum(slack, multiplier))

    def P(self, y: FloatArray) -> sp.csc_array:
        """Hessian of the Lagrangian."""
        form = self.form
        return form.P if form.curvature is None else sp.csc_array(form.P - form.curvature.hessian(y))


@final
class Iterate:
    """A point with its residuals and the derivative of the conditions.

    Parameters
    ----------
    conditions : of the program
    x, v : (n,) and (m,)

    Attributes
    ----------
    y, s : (m,), in the cones up to rounding
    r1, r2 : (n,) and (m,), what the conditions leave
    residual : the largest of their entries, relative to one plus the largest term
    rotation : axes and slopes of the projection at v
    """

    def __init__(self, conditions: Conditions, x: FloatArray, v: FloatArray) -> None:
        self._conditions = conditions
        form = conditions.form
        self.x, self.v = x, v
        self.A = conditions.A(x)
        self.rotation = conditions.cones.rotation(v, conditions.units(x, self.A))
        self.y = y = self.rotation.derivative(v)
        self.s = s = y - v
        Px, Aty, h = form.P @ x, self.A.T @ y, conditions.rows(x)
        self.r1, self.r2 = Px + Aty + form.q, s - h
        self.residual = max(_ratio(self.r1, Px, Aty, form.q), _ratio(self.r2, h, s, form.g))

    @cached_property
    def P(self) -> sp.csc_array:
        """Hessian of the Lagrangian."""
        return self._conditions.P(self.y)

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

    def moved(self, dx: FloatArray, dv: FloatArray) -> Iterate:
        """The iterate beside this one."""
        return Iterate(self._conditions, self.x + dx, self.v + dv)


def _floored(sizes: FloatArray) -> FloatArray:
    largest = float(sizes.max(initial=0.0))
    return np.asarray(np.maximum(sizes, _LEAST_UNIT * largest if largest > 0.0 else 1.0))


def _ratio(residual: FloatArray, *terms: FloatArray) -> float:
    size = max(float(np.abs(t).max(initial=0.0)) for t in terms)
    worst = float(np.abs(residual).max(initial=0.0))
    return worst / (1.0 + size) if np.isfinite(worst) else np.inf


@final
class Inverse:
    """J⁻¹ at an iterate, by its factorized KKT matrix.

    Parameters
    ----------
    at : the iterate
    solve_with : how KKT systems are solved, see `kkt`; None to choose by the estimated cost
    """

    def __init__(self, at: Iterate, solve_with: Any = None) -> None:
        self.at = at
        rotation = at.rotation
        rows = np.flatnonzero(rotation.active)
        C = 1.0 / rotation.delta[rows] - 1.0
        self._columns: ConeColumns | None = ConeColumns(rotation, at.A, at.P)
        solve_with = solve_with or choose(*self._cost())
        if isinstance(solve_with, IterativeKKT):
            self._columns = None
            self.kkt: KKTSystem = solve_with(at.P, rotation.operator(at.A, rows), C)
            return
        if self._columns:
            turned = rotation.rotated(self._columns.others(at.A))
            own = self._columns.own()
            turned = turned + (own.toarray() if isinstance(turned, np.ndarray) else own)
            self.kkt = solve_with(self._columns.curvature(at.P), turned[rows], C)
            if self.is_regular:
                return
            # The least solution of a singular system is meant in the model's own variables.
        self._columns = None
        self.kkt = solve_with(at.P, rotation.rotated(at.A)[rows], C)

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
