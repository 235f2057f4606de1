r"""A KKT system whose rows with a single entry have left: each fixes a variable, before anything is factorized.

Let R be such rows of :math:`A_1`, one for each column of X, :math:`A_{RX} = \mathrm{diag}(a)`, and let U and O be the
other columns and rows. Of the system with right-hand sides (b, r) they take :math:`x_X = r_R / a` at once, leave

.. math::

    \begin{pmatrix} P_{UU} & A_{OU}^T \\ A_{OU} & 0 \end{pmatrix} \begin{pmatrix} x_U \\ y_O \end{pmatrix} =
    \begin{pmatrix} b_U - P_{UX} x_X \\ r_O - A_{OX} x_X \end{pmatrix},

and at last :math:`a\, y_R = b_X - P_X x - A_{OX}^T y_O`. Every step is exact but for rounding, in all units, so it is
the smaller system alone whose solution is refined. Active bounds are such rows: where most are active, little is left.
It is singular exactly if K is, and then K as a whole is asked, whose null vectors count.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.form.products import diagonal_matrix, workable
from .system import KKTSystem, Mask

__all__ = ["Fixing", "WithoutFixed", "fixing", "like", "with_units", "without_bounds", "without_fixed"]

_LEAST = 200
"""Order up to which there is nothing to gain: such a system is factorized as a dense one."""
_MANY = 0.2
"""Share of coordinates from which it pays to take them out."""


def without_fixed(
    make: Callable[..., KKTSystem],
    P: Any,
    A1: Any,
    C: ArrayLike | None,
    scale: FloatArray | None,
    shared: IntArray | None,
) -> KKTSystem:
    """The system that `make` makes, of what rows that fix variables leave where they are many, again and again."""
    found = fixing(P, A1) if C is None and shared is None else None
    if found is None:
        return make(P, A1, C, scale, shared)
    rows = sp.csr_array(A1)[found.kept]
    return WithoutFixed(P, rows, found, make, partial(make, P, A1, None, scale, None), scale)


def without_bounds(
    make: Callable[..., KKTSystem], P: Any, A1: Any, bounds: IntArray, scale: FloatArray | None
) -> KKTSystem:
    """The system of rows and, below them, of the unit rows of some columns, in order, which leave.

    Parameters
    ----------
    make : makes systems, with the parameters of `KKTFactorization`
    P, A1 : (n, n) and (m, n), arrays or sparse
    bounds : (k,) the columns
    scale : positive (n + m + k,), a first guess of the equilibration, or None
    """
    (m, n), k = A1.shape, len(bounds)
    if not k:
        return without_fixed(make, P, like(P, A1), None, scale, None)
    whole = partial(_with_units, make, P, A1, bounds, scale)
    if n + m + k <= _LEAST:
        return whole()
    found = Fixing(m + np.arange(k), bounds, np.ones(k), n, m + k)
    return WithoutFixed(P, A1, found, make, whole, scale)


def _with_units(
    make: Callable[..., KKTSystem], P: Any, A1: Any, bounds: IntArray, scale: FloatArray | None
) -> KKTSystem:
    return make(P, with_units(like(P, A1), bounds), None, scale, None)


def with_units(A: Any, columns: IntArray) -> Any:
    """Rows A, and below them those of the unit matrix for some columns; an array if A is one."""
    k, n = len(columns), A.shape[1]
    if isinstance(A, np.ndarray):
        units = np.zeros((k, n))
        units[np.arange(k), columns] = 1.0
        return np.concatenate([A, units])
    units = sp.csr_array((np.ones(k), columns, np.arange(k + 1)), shape=(k, n))
    return sp.vstack([A, units], format="csr") if A.shape[0] else units


@final
class Fixing:
    """The rows that leave, and the columns that leave with them.

    Parameters
    ----------
    rows, columns, entries : a row, its only column and the entry there, (k,) each; no column twice
    n, m : numbers of columns and rows
    """

    def __init__(self, rows: IntArray, columns: IntArray, entries: FloatArray, n: int, m: int) -> None:
        self.rows, self.columns, self.entries = rows, columns, entries
        leaves = np.zeros(n + m, bool)
        leaves[columns] = True
        leaves[n + rows] = True
        self.others: IntArray = np.flatnonzero(~leaves)
        self.free = self.others[: n - len(columns)]
        self.kept = self.others[n - len(columns) :] - n


def fixing(P: Any, A1: Any) -> Fixing | None:
    """The rows that fix variables, if they are many; none where two fix the same one, as K is singular then."""
    (m, n), size = A1.shape, A1.shape[0] + A1.shape[1]
    if size <= _LEAST or not (sp.issparse(A1) and sp.issparse(P)):
        return None
    A = A1.tocsr()
    rows = np.flatnonzero(np.diff(A.indptr) == 1)
    if 2 * len(rows) < _MANY * size:
        return None
    first = A.indptr[rows]
    columns, entries = A.indices[first].astype(np.int64), A.data[first]
    if not entries.all() or np.bincount(columns, minlength=n).max() > 1:
        return None
    return Fixing(rows, columns, entries, n, m)


@final
class WithoutFixed(KKTSystem):
    """The system of a matrix, by that of what its `Fixing` leaves.

    Parameters
    ----------
    P : (n, n), sparse or an array
    A : the rows that stay, with all columns, in CSR or as an array
    fixing : what leaves
    make : makes systems, with the parameters of `KKTFactorization`
    whole : makes that of all rows
    scale : positive (n + m,), a first guess of the equilibration, or None
    """

    def __init__(
        self,
        P: Any,
        A: Any,
        fixing: Fixing,
        make: Callable[..., KKTSystem],
        whole: Callable[[], KKTSystem],
        scale: FloatArray | None = None,
    ) -> None:
        self.n, self.m = P.shape[0], len(fixing.kept) + len(fixing.rows)
        self._fixing, self._of_whole = fixing, whole
        self._whole: KKTSystem | None = None
        self._kept, self._rows = _run(self.n + fixing.kept), _run(self.n + fixing.rows)
        core, self._P_fixed, mixed = _blocks(P, fixing.free, fixing.columns)
        self._P_mixed = None if mixed is None else workable(mixed)
        self._A_fixed = workable(A[:, fixing.columns])
        start, of_free = None if scale is None else scale[fixing.others], A[:, fixing.free]
        self._core = without_fixed(make, core, like(core, of_free), None, start, None)
        self.probes = self._core.probes

    def condition(self) -> float:
        """Of what is left once the fixed variables are known; of K as a whole if it is singular."""
        return (self._singular or self._core).condition()

    @property
    def _singular(self) -> KKTSystem | None:
        """K as a whole if it is singular, else None."""
        if self._whole is None and self._core._loose.any():
            self._whole = self._of_whole()
        return self._whole

    def _solve_columns(self, columns: FloatArray) -> tuple[FloatArray, float]:
        if self._singular is not None:
            return self._singular._solve_columns(columns)
        # Each right-hand side stands in a row here: numbers are found many times faster that lie side by side.
        given, at, free = columns.T, self._fixing, len(self._fixing.free)
        fixed = given[:, self._rows] / at.entries
        right = np.concatenate([np.take(given, at.free, axis=1), given[:, self._kept]], axis=1)
        if self._P_mixed is not None:
            right[:, :free] -= (self._P_mixed @ fixed.T).T
        right[:, free:] -= (self._A_fixed @ fixed.T).T
        found, residual = self._core._solve_columns(right.T)
        pull = np.take(given, at.columns, axis=1)
        pull -= self._P_fixed * fixed if self._P_fixed.ndim == 1 else (self._P_fixed @ fixed.T).T
        if self._P_mixed is not None:
            pull -= (self._P_mixed.T @ found[:free]).T
        pull -= (self._A_fixed.T @ found[free:]).T
        pull /= at.entries
        solution = np.empty((len(given), self.size))
        for row, of_free, of_fixed in zip(
            solution, found.T[:, :free], fixed, strict=True
        ):  # NumPy at once takes longer
            row[at.free], row[at.columns] = of_free, of_fixed
        solution[:, self._kept], solution[:, self._rows] = found.T[:, free:], pull
        return solution.T, residual

    # ------------------------------------------------------------------ what is singular
    @property
    def _loose(self) -> Mask:
        return np.zeros(self.size, bool) if self._singular is None else self._singular._loose

    @property
    def null_vectors(self) -> tuple[FloatArray, FloatArray]:
        """Of the two factors of the null space."""
        whole = self._singular
        return (np.zeros((self.n, 0)), np.zeros((self.m, 0))) if whole is None else whole.null_vectors

    @property
    def primal_null_basis(self) -> FloatArray | None:
        """Orthonormal basis (n, p) of {u : P u = 0, A1 u = 0}; None if too large to compute."""
        whole = self._singular
        return np.zeros((self.n, 0)) if whole is None else whole.primal_null_basis


def _blocks(P: Any, free: IntArray, fixed: IntArray) -> tuple[Any, Any, Any]:
    """P on the free columns, on those that are fixed, if diagonal as (k,), and between the two, if that is not zero."""
    if isinstance(P, np.ndarray):
        return P[np.ix_(free, free)], P[np.ix_(fixed, fixed)], P[np.ix_(free, fixed)]
    P = P.tocsc()
    if is_diagonal(P):
        diagonal = P.diagonal()
        return diagonal_matrix(diagonal[free]), diagonal[fixed], None
    of_fixed = P[:, fixed]
    mixed = of_fixed[free]
    return sp.csc_array(P[:, free][free]), workable(of_fixed[fixed]), mixed if mixed.nnz else None


def _run(at: IntArray) -> Any:
    """Places as a slice, if they follow one another."""
    if len(at) and int(at[-1]) - int(at[0]) == len(at) - 1 and (np.diff(at) == 1).all():
        return slice(int(at[0]), int(at[-1]) + 1)
    return at


def like(P: Any, A: Any) -> Any:
    """Rows A as an array only if P is one."""
    return sp.csr_array(A) if sp.issparse(P) and not sp.issparse(A) else A


def is_diagonal(P: Any) -> bool:
    """Whether a CSC matrix stores nothing beside its diagonal."""
    n = P.shape[0]
    if len(P.indices) == n and np.array_equal(P.indices, np.arange(n)):
        return bool((np.diff(P.indptr) == 1).all())
    return bool(np.array_equal(P.indices, np.repeat(np.arange(n), np.diff(P.indptr))))
