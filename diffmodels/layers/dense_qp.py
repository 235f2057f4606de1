r"""Derivatives of many small quadratic programs of one structure at once, by stacked dense systems.

minimize :math:`\tfrac12 x^TPx + q^Tx` subject to :math:`Fx + g \in \{0\}^p \times R_+^{m-p}`. Each item has its active
rows A, filled up with rows of zeros to as many as any item has, where d is one:

.. math:: K = \begin{pmatrix} P & -A^T \\ -A & -\mathrm{diag}(d) \end{pmatrix}.

One factorization gives the exact solution (a Newton step on the optimality conditions, DESIGN section 6) beside
the derivatives. An item is left to the general way where that step does not confirm its active rows with a margin,
or K is nearly singular.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from ...modelkit.matrix_form import MatrixForm
from ...modelkit.sets import Nonnegatives, Zeros
from .data_map import DataMap

__all__ = ["DenseQP", "Stacked"]

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

_LARGEST = 400
"""Order of K up to which dense systems win over sparse ones, one at a time."""
_EXACT = 1e-10
"""Relative residual after the step."""
_MARGIN = 1e-7
"""Relative size of the slack or multiplier of every inequality."""
_LARGEST_INVERSE = 1e9
"""Growth of a random right-hand side from which K is called nearly singular."""


@final
@dataclass(frozen=True, eq=False)
class Stacked:
    """Exact solutions and solved right-hand sides of B items.

    Attributes
    ----------
    x, y : (B, n) and (B, m)
    w, wy : (B, n, k) and (B, m, k)
    good : (B,) whether the item is confirmed; what is not must be done otherwise
    """

    x: FloatArray
    y: FloatArray
    w: FloatArray
    wy: FloatArray
    good: Mask


@final
class DenseQP:
    """The structure of the items.

    Parameters
    ----------
    form : with rows in zero and nonnegative cones only
    data : map to its numbers
    """

    def __init__(self, form: MatrixForm, data: DataMap) -> None:
        self.n, self.m = form.n, form.m
        p = data.pattern
        self._slices = p.slices
        self._P_at = np.asarray(p.P_indices, np.int64) * self.n + p.P_columns
        self._F_at = p.F_rows * self.n + np.asarray(p.F_indices, np.int64)
        self._P_full = np.array_equal(self._P_at, np.arange(self.n * self.n))
        self._F_full = np.array_equal(self._F_at, np.arange(self.m * self.n))
        self._free = np.zeros(self.m, bool)
        for kind, part in form.parts.items():
            self._free[part.rows] = kind[1] is Zeros
        rng = np.random.default_rng(40)
        self._probe = rng.standard_normal(self.n + self.m)

    @staticmethod
    def fits(form: MatrixForm) -> bool:
        """Whether the form is such a program, and small."""
        plain = all(kind[1] in (Zeros, Nonnegatives) for kind in form.parts)
        return plain and 0 < form.n + form.m <= _LARGEST

    def matrices(self, data: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """(P, q, F, g) of the numbers (B, D)."""
        P, q, _, F, g = (data[:, part] for part in self._slices)
        return (
            self._dense(P, self._P_at, self._P_full, self.n),
            q,
            self._dense(F, self._F_at, self._F_full, self.m),
            g,
        )

    def _dense(self, entries: FloatArray, at: NDArray[np.int64], full: bool, rows: int) -> FloatArray:
        if full:
            return entries.reshape(len(entries), rows, self.n)
        flat = np.zeros((len(entries), rows * self.n))
        flat[:, at] = entries
        return flat.reshape(len(entries), rows, self.n)

    def solve(
        self, data: FloatArray, x: FloatArray, y: FloatArray, primal: FloatArray, rows: FloatArray | None = None
    ) -> Stacked:
        """Solve K for right-hand sides beside the step to the exact solution.

        Parameters
        ----------
        data : (B, D)
        x, y : (B, n) and (B, m), solvers' answers
        primal, rows : (B, n, k) and (B, m, k)
        """
        B, n, k = len(data), self.n, primal.shape[2]
        P, q, F, g = self.matrices(data)
        s = (F @ x[:, :, None])[:, :, 0] + g
        active = self._free | (y > s)
        y = np.where(active, y, 0.0)
        # the active rows of each item first, as many as the most that one has
        most = int(active.sum(axis=1).max(initial=0))
        chosen = np.argsort(~active, axis=1, kind="stable")[:, :most]
        at = np.arange(B)[:, None], chosen
        held = active[at]
        A = F[at] * np.where(held, -1.0, 0.0)[:, :, None]
        K = np.zeros((B, n + most, n + most))
        K[:, :n, :n], K[:, n:, :n], K[:, :n, n:] = P, A, A.transpose(0, 2, 1)
        diagonal = np.arange(n, n + most)
        K[:, diagonal, diagonal] = held - 1.0
        right = np.zeros((B, n + most, k + 2))
        right[:, :n, :k] = primal
        right[:, :n, k] = -self._gradient(P, q, F, x, y)
        right[:, n:, k] = s[at] * held
        if rows is not None:
            right[:, n:, :k] = rows[at] * held[:, :, None]
        right[:, :, k + 1] = self._probe[: n + most]
        Z = _solved(K, right)
        spread = np.zeros((B, self.m, k + 1))
        spread[at] = Z[:, n:, : k + 1] * held[:, :, None]
        new_x, new_y = x + Z[:, :n, k], y + spread[:, :, k]
        good = self._confirmed(P, q, F, g, new_x, new_y, active)
        good &= np.abs(Z[:, :, k + 1]).max(axis=1) * np.abs(K).max(axis=(1, 2)) <= _LARGEST_INVERSE
        return Stacked(new_x, new_y, Z[:, :n, :k], spread[:, :, :k], good)

    def solve_one(
        self, data: FloatArray, x: FloatArray, y: FloatArray, primal: FloatArray, rows: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray] | None:
        """The same for one item, without the stacking: (x, y, w, wy), or None where it is not confirmed.

        Parameters
        ----------
        data : (D,)
        x, y : (n,) and (m,), a solver's answer
        primal, rows : (n, k) and (m, k)
        """
        n = self.n
        P, q, F, g = (part[0] for part in self.matrices(data[None]))
        s = F @ x + g
        held = np.flatnonzero(self._free | (y > s))
        A, duals = F[held], y[held]
        size = n + len(held)
        K = np.zeros((size, size), order="F")
        K[:n, :n] = P
        K[n:, :n] = -A
        K[:n, n:] = K[n:, :n].T
        right = np.empty((size, primal.shape[1] + 2), order="F")
        right[:n, :-2], right[n:, :-2] = primal, rows[held]
        right[:n, -2], right[n:, -2] = duals @ A - P @ x - q, s[held]
        right[:, -1] = self._probe[:size]
        _, _, Z, info = lapack.dgesv(K, right)
        if info or max(Z[:, -1].max(), -Z[:, -1].min()) * max(K.max(), -K.min()) > _LARGEST_INVERSE:
            return None
        x, duals = x + Z[:n, -2], duals + Z[n:, -2]
        # confirmed: exact, each inequality clearly active or clearly not
        Fx = F @ x
        s = Fx + g
        gradient = P @ x + q - duals @ A
        slack_unit = 1.0 + max(_size(Fx), _size(g))
        dual_unit = max(_size(q), _size(duals)) or 1.0
        margin = s / slack_unit
        exact = _size(s[held]) <= _EXACT * slack_unit and _size(gradient) <= _EXACT * (1.0 + dual_unit)
        margin[held] = duals / dual_unit
        margin[self._free] = np.inf
        if not exact or not margin.min(initial=np.inf) > _MARGIN:
            return None
        new_y, wy = np.zeros(self.m), np.zeros((self.m, primal.shape[1]))
        new_y[held], wy[held] = duals, Z[n:, :-2]
        return x, new_y, Z[:n, :-2], wy

    @staticmethod
    def _gradient(P: FloatArray, q: FloatArray, F: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
        return (P @ x[:, :, None])[:, :, 0] + q - (y[:, None, :] @ F)[:, 0, :]

    def _confirmed(
        self, P: FloatArray, q: FloatArray, F: FloatArray, g: FloatArray, x: FloatArray, y: FloatArray, active: Mask
    ) -> Mask:
        """Whether the conditions hold exactly, each inequality clearly active or clearly not."""
        Fx = (F @ x[:, :, None])[:, :, 0]
        s = Fx + g
        slack_unit = 1.0 + np.maximum(np.abs(Fx), np.abs(g)).max(axis=1, initial=0.0)
        dual_unit = np.maximum(np.abs(q).max(axis=1, initial=0.0), np.abs(y).max(axis=1, initial=0.0))
        dual_unit = np.where(dual_unit > 0.0, dual_unit, 1.0)
        gradient = np.abs(self._gradient(P, q, F, x, y)).max(axis=1, initial=0.0)
        held = np.abs(np.where(active, s, 0.0)).max(axis=1, initial=0.0)
        margin = np.where(active, y / dual_unit[:, None], s / slack_unit[:, None])
        least = np.where(self._free, np.inf, margin).min(axis=1, initial=np.inf)
        with np.errstate(invalid="ignore"):
            exact = (gradient <= _EXACT * (1.0 + dual_unit)) & (held <= _EXACT * slack_unit)
            return np.asarray(exact & (least > _MARGIN))


def _size(values: FloatArray) -> float:
    return max(float(values.max()), -float(values.min())) if values.size else 0.0


def _solved(K: FloatArray, right: FloatArray) -> FloatArray:
    """``K^-1 right`` of each item; NaN where K is singular."""
    try:
        return np.asarray(np.linalg.solve(K, right), np.float64)
    except np.linalg.LinAlgError:
        pass
    Z = np.full(right.shape, np.nan)
    for item in range(len(K)):
        try:
            Z[item] = np.linalg.solve(K[item], right[item])
        except np.linalg.LinAlgError:
            continue
    return Z
