"""What a status is about: the user's variables and duals, or a layer's outputs and parameters.

Bridges add variables and split multipliers. Where those are free, or at a kink, the derivative of what the user sees
may be none the worse (docs/design.md, section 7): an epigraph variable between two bounds that are not active
can move, and no one cares. With null vectors u of the variables and v of the rows,

* the user's solution is not unique if some u is seen, the user's multipliers are not if some v is;
* a kink that a hidden direction leads away from, ``A u < 0`` on its rows, is none;
* whatever multipliers w and slacks z the rows at a kink add to the equations, these stay solvable, ``uᵀAᵀw = 0`` and
  ``vᵀz = 0``, and both are orthogonal to the point y - s of their cone; where no such ``J⁻¹(Aᵀw, z)`` moves what is
  seen, all sides of the kink have the same derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
import scipy.optimize as spo
import scipy.sparse as sp

from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.attributes import DifferentiationStatusCode
from ..modelkit.form.matrix_form import MatrixForm
from ..modelkit.sets import Nonnegatives, Zeros
from .kkt import Mask
from .solution_point import SolutionPoint

__all__ = ["Seen", "verdict_seen"]

_STATUS = DifferentiationStatusCode
_PRESENT = 1e-7
"""Share of its terms below which a sum cancels."""
_NOISE = 1e-11
"""The same next to the largest of all moves."""
_TINY = 1e-300
_DRAWS = 3


@final
@dataclass(frozen=True, eq=False)
class Seen:
    """What is seen of moves of a form's solution.

    Attributes
    ----------
    columns : (n,) mask of the variables that are seen as they are
    through : from moves (n, k) and (m, k) to what else is seen of them (r, k), linear
    """

    columns: Mask
    through: Callable[[FloatArray, FloatArray], FloatArray]

    def is_any(self, dx: FloatArray, dy: FloatArray) -> Mask:
        """(k,) whether a move is seen at all: sums that cancel are not."""
        found: Mask = (dx[self.columns] != 0.0).any(axis=0)
        values = np.abs(self.through(dx, dy))
        rng, terms = np.random.default_rng(50), np.zeros_like(values)
        for _ in range(_DRAWS):  # other multiples of the same terms do not cancel
            sx, sy = rng.uniform(0.5, 1.5, (len(dx), 1)), rng.uniform(0.5, 1.5, (len(dy), 1))
            np.maximum(terms, np.abs(self.through(sx * dx, sy * dy)), out=terms)
        floor = _NOISE * np.concatenate([np.abs(dx), np.abs(dy)]).max(axis=0, initial=0.0)
        return np.asarray(found | (values > _PRESENT * terms + floor).any(axis=0))


def verdict_seen(point: SolutionPoint, form: MatrixForm, seen: Seen | None) -> tuple[DifferentiationStatusCode, Mask]:
    """What the derivatives of what is seen are, and (m,) the rows at fault."""
    status = point.status
    if seen is None or status not in (_STATUS.NONUNIQUE, _STATUS.WEAKLY_ACTIVE, _STATUS.DEPENDENT_ROWS):
        return status, point.rows_at_fault
    U, V = point.freedom
    free = seen.is_any(U, np.zeros((form.m, U.shape[1])))
    if free.any() and not _is_free(point, form, seen, U):
        free[:] = False
    dependent = seen.is_any(np.zeros((form.n, V.shape[1])), V)
    weak = _kinks(point, form, seen, U[:, ~free], V[:, ~dependent])
    fault = weak | (np.abs(_without_noise(V[:, dependent])) > 0.0).any(axis=1)
    if free.any():
        return _STATUS.NONUNIQUE, fault
    if weak.any() or (V.shape[1] and point.bends(seen.columns)):
        return _STATUS.WEAKLY_ACTIVE, fault
    return (_STATUS.DEPENDENT_ROWS if dependent.any() else _STATUS.EXACT), fault


def _is_free(point: SolutionPoint, form: MatrixForm, seen: Seen, U: FloatArray) -> bool:
    """Whether a combination of null vectors that is seen leaves weakly active rows on their side."""
    F, alone = _jacobian(point, form), _single(form)
    rows = np.flatnonzero(point.weakly_active & alone)
    if not len(rows) or (point.weakly_active & ~alone).any():
        return True
    moves = np.concatenate([U[seen.columns], seen.through(U, np.zeros((form.m, U.shape[1])))])
    slopes = np.random.default_rng(70).standard_normal(len(moves)) @ (moves / np.maximum(np.abs(moves).max(), _TINY))
    G = _normalized(F[rows] @ U)
    for sign in (1.0, -1.0):
        answer = spo.linprog(sign * slopes, A_ub=-G, b_ub=np.zeros(len(G)), bounds=(-1.0, 1.0), method="highs")
        if answer.status != 0 or abs(answer.fun) > _PRESENT:
            return True
    return False


def _jacobian(point: SolutionPoint, form: MatrixForm) -> sp.csr_array:
    if form.curvature is None:
        return sp.csr_array(form.F)
    return sp.csr_array(form.F + form.curvature.jacobian(point.x))


def _single(form: MatrixForm) -> Mask:
    """(m,) the rows that are inequalities of their own."""
    alone = np.zeros(form.m, bool)
    for kind, part in form.parts.items():
        alone[part.rows] = kind[1] is Nonnegatives
    return alone


def _kinks(point: SolutionPoint, form: MatrixForm, seen: Seen, U: FloatArray, V: FloatArray) -> Mask:
    """(m,) the rows at a kink whose two sides have other derivatives of what is seen, given the hidden freedom."""
    weak = point.weakly_active.copy()
    if not weak.any():
        return weak
    F, alone = _jacobian(point, form), _single(form)
    if U.shape[1]:  # rows in the system hold the derivative: only what is not can be left behind
        rows, others = np.flatnonzero(weak & alone), np.flatnonzero(weak & ~alone)
        if form.curvature is None and all(kind[1] in (Zeros, Nonnegatives) for kind in form.parts):
            left = rows[_left_behind_of(form, point.active & ~weak, rows, seen)]
        else:
            left = rows[_left_behind(F[rows] @ U, F[others] @ U)]
        weak[left[~point.active[left]]] = False
    rows = np.flatnonzero(weak)
    if len(rows):
        kept = np.hstack([F @ U, V, _axes(point, form, weak & ~alone)])
        if not _is_moved(point, F, weak, seen, kept):
            weak[rows] = False
    return weak


def _axes(point: SolutionPoint, form: MatrixForm, weak: Mask) -> FloatArray:
    """(m, cones) the points y - s of cones at a kink: Π is homogeneous, so all its derivatives there agree on these."""
    s = form.F @ point.x + form.g
    if form.curvature is not None:
        s = s + form.curvature.values(point.x)
    rows = np.flatnonzero(weak)
    starts = np.sort(np.concatenate([np.zeros(1, np.int64), *(part.starts[:-1] for part in form.parts.values())]))
    cones, column = np.unique(np.searchsorted(starts, rows, side="right"), return_inverse=True)
    axes = np.zeros((form.m, len(cones)))
    axes[rows, column] = (point.y - s)[rows]
    return axes


def _left_behind(slopes: FloatArray, fixed: FloatArray) -> Mask:
    """Which slacks can grow together, ``slopes c > 0``, with ``fixed c = 0`` and no other one shrinking.

    They form a cone, so each can grow by at least one or not at all: a linear program.
    """
    G = _normalized(slopes)
    k, count = slopes.shape[1], len(slopes)
    if not count or not G.any():
        return np.zeros(count, bool)
    answer = spo.linprog(
        np.concatenate([np.zeros(k), -np.ones(count)]),
        A_ub=np.hstack([-G, np.eye(count)]),
        b_ub=np.zeros(count),
        A_eq=np.hstack([_without_noise(fixed), np.zeros((len(fixed), count))]) if len(fixed) else None,
        b_eq=np.zeros(len(fixed)) if len(fixed) else None,
        bounds=[(None, None)] * k + [(0.0, 1.0)] * count,
        method="highs",
    )
    return answer.x[k:] > 0.5 if answer.status == 0 else np.zeros(count, bool)


def _left_behind_of(form: MatrixForm, strong: Mask, rows: IntArray, seen: Seen) -> Mask:
    """The same of rows of a quadratic program, whose null space may be too large for a basis: by a sparse program."""
    hidden = np.flatnonzero(~seen.columns)
    held = sp.vstack([form.P, form.F[np.flatnonzero(strong)]], format="csc")[:, hidden].tocsr()
    held = held[np.flatnonzero(np.diff(held.indptr))]
    count, k = len(rows), len(hidden)
    answer = spo.linprog(
        np.concatenate([np.zeros(k), -np.ones(count)]),
        A_ub=sp.hstack([-form.F[rows][:, hidden], sp.eye_array(count)], format="csr"),
        b_ub=np.zeros(count),
        A_eq=sp.hstack([held, sp.csr_array((held.shape[0], count))], format="csr") if held.shape[0] else None,
        b_eq=np.zeros(held.shape[0]) if held.shape[0] else None,
        bounds=[(None, None)] * k + [(0.0, 1.0)] * count,
        method="highs",
    )
    if answer.status != 0:
        return np.zeros(count, bool)
    move = np.zeros((form.n, 1))
    move[hidden, 0] = answer.x[:k]
    if seen.is_any(move, np.zeros((form.m, 1))).any():
        return np.zeros(count, bool)
    return np.asarray(answer.x[k:] > 0.5)


def _is_moved(point: SolutionPoint, F: sp.csr_array, weak: Mask, seen: Seen, kept: FloatArray) -> bool:
    """Whether what rows at a kink add to the equations, orthogonal to columns `kept`, moves what is seen."""

    def on_kinks(values: FloatArray) -> FloatArray:
        return point.on_kinks(values * weak[:, None]) * weak[:, None]

    rng = np.random.default_rng(60)
    size = np.sqrt(F.multiply(F).sum(axis=1))
    given, kept = kept[weak], on_kinks(kept)[weak]
    kept = kept[:, np.linalg.norm(kept, axis=0) > _PRESENT * np.linalg.norm(given, axis=0)]  # the rest is rounding

    def drawn(unit: FloatArray) -> FloatArray:
        free = on_kinks(rng.standard_normal((len(weak), _DRAWS)) * unit[:, None])
        w = free.copy()
        if kept.shape[1]:
            w[weak] -= kept @ np.linalg.lstsq(kept, free[weak], rcond=_PRESENT)[0]
            w = on_kinks(w)
        return np.where(np.abs(w) <= _NOISE * np.abs(free), 0.0, w)

    one = np.where(size > 0.0, size, 1.0)
    multipliers, slacks = drawn(1.0 / one), drawn(one)

    def moved(changed: Callable[[FloatArray], FloatArray]) -> FloatArray:
        dx, dy = point.solve(changed(-(F.T @ multipliers)), changed(slacks))
        dy = dy - changed(multipliers)
        sizes.extend([np.abs(dx).max(), np.abs(dy).max(initial=0.0)])
        return np.concatenate([dx[seen.columns], seen.through(dx, dy)])

    sizes: list[float] = []
    values = np.abs(moved(lambda v: v))
    terms = np.zeros_like(values)
    for _ in range(_DRAWS):
        np.maximum(terms, np.abs(moved(lambda v: v * rng.uniform(0.5, 1.5, v.shape))), out=terms)
    return bool((values > _PRESENT * terms + _NOISE * max(sizes)).any())


def _normalized(slopes: FloatArray) -> FloatArray:
    size = np.abs(slopes).max(axis=1, initial=0.0)
    return _without_noise(slopes / np.where(size > 0.0, size, 1.0)[:, None])


def _without_noise(values: FloatArray) -> FloatArray:
    return np.where(np.abs(values) <= _PRESENT * np.abs(values).max(initial=0.0), 0.0, values)
