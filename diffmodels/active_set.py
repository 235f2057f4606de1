r"""From any solver's answer to the exact solution of a quadratic program and its active rows.

The solution of :math:`\min \tfrac12 x^TPx + c^Tx,\ Ax + s = b,\ s \in \{0\}^p \times R_+^{m-p}` is that of a
linear system once the active rows are known. `polish` guesses them by comparing each multiplier with its
slack in equilibrated units, takes a Newton step on the optimality conditions (the solution of that system),
corrects the guess (active rows whose multiplier has the wrong sign leave, violated rows enter, of rows that
contradict one another one leaves) and repeats.
Its last factorization is the one every derivative at the solution uses.

Where the guesses cycle or the system they define has no solution, a globally convergent method takes over
until its iterates identify the active rows (`proximal_newton`).

References
----------
E. Busseti, W. M. Moursi, S. Boyd, *Solution refinement at regular points of conic problems*, Computational
Optimization and Applications 74 (2019), 627-643.
D. Goldfarb, A. Idnani, *A numerically stable dual method for solving strictly convex quadratic programs*,
Mathematical Programming 27 (1983), 1-33.
M. Hintermueller, K. Ito, K. Kunisch, *The primal-dual active set strategy as a semismooth Newton method*,
SIAM J. Optimization 13 (2002), 865-888.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike
from scipy.sparse.csgraph import connected_components

from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.attributes import DifferentiationStatusCode, Refinement
from ..modelkit.errors import DifferentiationError
from .certainty import DATA_MOVE, Sizes, in_doubt, verdict
from .kkt import KKTSystem, Mask, automatic
from .proximal_newton import proximal_newton
from .slope import Solve
from .standard_form import Magnitudes, Matrices, StandardForm, Units
from .weak_rows import is_unique, makes_unique, spanning_rows

__all__ = ["PolishedSolution", "polish"]

# Relative violation at which a row is moved before it is known how exact the point is, and residual of a point found.
_TOLERANCE = 1e-10
# Relative size below which a solver's slack and multiplier do not tell whether a row is active.
_UNDECIDED = 1e-9
# Part of a direction up to which it is rounding error.
_NOISE = 1e-9
# Residuals below this are rounding errors: no point is worse than another for them.
_ROUNDOFF = 1e-14
# The same of each condition, relative to the sizes of its terms: corrections have nothing left to correct.
_LEAST_RESIDUAL = 16.0 * float(np.finfo(np.float64).eps)
_ROUNDS = 12
_ROUNDS_AFTER_PROXIMAL = 3
_CORRECTIONS = 3


@final
@dataclass(frozen=True, slots=True)
class PolishedSolution:
    """A solution with its active rows and the factorization that differentiates it.

    Attributes
    ----------
    x, y : solution (n,) and multipliers (m,)
    active : mask (m,) of the rows in `kkt`: equalities, strongly active rows, and the chosen weakly active ones,
        without those inequalities on which equalities would depend, so that tangents can follow these
    weakly_active : mask (m,) of the inequality rows with y = s = 0, for all that is known (`certainty`)
    kkt : factorization of ``[[P, A1'], [A1, 0]]``, A1 the active rows
    tight : mask (m,) of the active rows with those inequalities, and their system
    margin : by how much, relative to their terms, the data may move before a row is at its kink; and which row, or -1
    status : what the derivatives are
    refinement : largest relative violation of the optimality conditions, of the given point and of this one
    mismatch : relative difference of forward and reverse mode, see `certainty.Probe`
    strong : the system of the rows that are active beyond doubt, whose null vectors x may move along
    system_of : the system of any rows
    """

    x: FloatArray
    y: FloatArray
    active: Mask
    weakly_active: Mask
    kkt: KKTSystem
    tight: tuple[Mask, KKTSystem]
    status: DifferentiationStatusCode
    refinement: Refinement
    mismatch: float
    strong: KKTSystem
    margin: tuple[float, int]
    system_of: Callable[[Mask], KKTSystem]

    @property
    def polished(self) -> bool:
        """Whether the point is that of active rows found; if not, it is the best one seen."""
        return self.refinement.after <= _TOLERANCE

    def solve(self, primal: ArrayLike, rows: ArrayLike | None = None) -> tuple[FloatArray, FloatArray]:
        r"""Solve the KKT system on the active rows; inactive rows of the answer are zero.

        Forward mode: ``primal`` :math:`= -(dP\,x + dA^T y + dc)` and ``rows`` :math:`= -(dA\,x - db)` give
        (dx, dy). Reverse mode: the seeds :math:`(\bar x, \bar y)` give :math:`(w_x, w_y)`, with
        :math:`\bar c = -w_x, \bar b = w_y, \bar A = -(y w_x^T + w_y x^T)` and
        :math:`\bar P = -\tfrac12(w_x x^T + x w_x^T)`.

        Parameters
        ----------
        primal : (n,) or (n, k)
        rows : (m,) or (m, k); None for zeros
        """
        return _solve_on(self.kkt, self.active, np.asarray(primal, np.float64), rows)

    def without_kinks(self) -> Solve:
        """`solve` by the rows that are active beyond doubt; of least norm where these leave something open."""
        active = self.active & ~self.weakly_active
        kkt = self.system_of(active)
        return lambda primal, rows: _solve_on(kkt, active, np.asarray(primal, np.float64), rows)

    @property
    def system(self) -> KKTSystem:
        """That of all active rows."""
        return self.tight[1]

    def bends(self, columns: Mask) -> bool:
        """Whether the derivative of some variables depends on the multipliers: rows are linear, so never."""
        return False

    def on_kinks(self, values: FloatArray) -> FloatArray:
        """(m, k) in the weakly active rows alone."""
        return values * self.weakly_active[:, None]

    @property
    def freedom(self) -> tuple[FloatArray, FloatArray]:
        """How x and y can move: (n, p) and (m, d), null vectors of the system."""
        tight, kkt = self.tight
        (primal, _), (_, dual) = self.strong.null_vectors, kkt.null_vectors
        rows = np.zeros((tight.size, dual.shape[1]))
        rows[tight] = dual
        return primal, rows

    @property
    def rows_at_fault(self) -> Mask:
        """Mask (m,) of the rows that keep the status from being EXACT: weakly active or dependent ones."""
        mask = self.weakly_active.copy()
        tight, kkt = self.tight
        mask[np.flatnonzero(tight)[kkt.dependent_rows]] = True
        return mask


def _solve_on(kkt: KKTSystem, active: Mask, upper: FloatArray, rows: ArrayLike | None) -> tuple[FloatArray, FloatArray]:
    at, n = np.flatnonzero(active), len(upper)
    lower = np.zeros((at.size, *upper.shape[1:])) if rows is None else np.asarray(rows, np.float64)[at]
    answer = kkt.solve(np.concatenate([upper, lower]))
    dy = np.zeros((active.size, *upper.shape[1:]))
    dy[at] = answer[n:]
    return answer[:n], dy


@final
@dataclass(frozen=True, slots=True)
class _Point:
    """A point with s and y in their cones, the rows taken to be active, and ``left = (Px + Aᵀy + c, Ax + s - b)``."""

    x: FloatArray
    y: FloatArray
    s: FloatArray
    active: Mask
    left: tuple[FloatArray, FloatArray]
    residual: float


@final
@dataclass(frozen=True, slots=True)
class _Judgement:
    """What is known of a point.

    Attributes
    ----------
    residual : componentwise
    moves : (m,) by how much multipliers of active rows and slacks of others may be off
    rounding : the part of it that is rounding error
    mismatch : of both modes
    """

    residual: float
    moves: FloatArray
    rounding: float
    mismatch: float


def polish(
    form: StandardForm,
    x: ArrayLike,
    y: ArrayLike,
    basis: ArrayLike | None = None,
    solve_with: Any = None,
    matrices: Matrices | None = None,
) -> PolishedSolution:
    """Return the exact solution near an approximate one, and its active rows.

    Parameters
    ----------
    form : the quadratic program
    x, y : a solver's answer (n,), (m,), of any accuracy
    basis : numbers (m,), nonzero for the rows that are active in the solver's basis: chooses among weakly active rows,
        which makes the derivative an element of the B-subdifferential. Without it, weakly active rows are kept only as
        far as x would not be unique without them.
    solve_with : how KKT systems are solved, see `kkt`; None to choose by the estimated cost
    matrices : of the form, if they are known from another one

    Returns
    -------
    PolishedSolution
        Never with larger residuals than the given point's.
    """
    chosen = None if basis is None else np.asarray(basis) != 0
    units = Units(form, Matrices(form.P, form.A) if matrices is None else matrices)
    return _Polish(units, chosen, solve_with or automatic).run(_finite(x), _finite(y))


def _finite(values: ArrayLike) -> FloatArray:
    """A solver that failed may answer NaN: any finite start is better."""
    start = np.asarray(values, dtype=np.float64)
    return start if np.isfinite(start).all() else np.where(np.isfinite(start), start, 0.0)


class _Polish:
    """The steps of `polish`."""

    def __init__(self, units: Units, basis: Mask | None, solve_with: Any) -> None:
        self.units = units
        self.inequality = units.inequality
        self.basis = basis
        self._solve_with = solve_with
        self._last: tuple[FloatArray, FloatArray, Sizes] | None = None

    def run(self, x: FloatArray, y: FloatArray) -> PolishedSolution:
        given = best = self._given(x, y)
        point = self._newton(x, y, given.active, _ROUNDS)
        if point is None:
            point, best = self._globally(given)
        if point is None or point.residual > max(given.residual, _ROUNDOFF):
            point = best
        return self._finish(point, given)

    def factorization(self, active: Mask) -> KKTSystem:
        """Of the system of some rows; of the last ones it is there."""
        return self.units.matrices.system(active, self._solve_with)

    # ------------------------------------------------------------------ classification

    def _given(self, x: FloatArray, y: FloatArray) -> _Point:
        """The given point, its multipliers and slacks moved into their cones, and its classification."""
        form = self.units.form
        y = form.in_dual_cone(y)
        slack = self.units.slack(x)
        unit = self.units.magnitudes(x, np.arange(form.zero_rows))
        y_hat, s_hat = y / self.units.row / unit.multiplier, slack * self.units.row / unit.slack
        active = ~self.inequality | (y_hat > s_hat)
        if self.basis is not None:
            undecided = self.inequality & (y_hat <= _UNDECIDED) & (np.abs(s_hat) <= _UNDECIDED)
            active = np.where(undecided, self.basis, active)
        s = np.maximum(slack, 0.0)
        s[: form.zero_rows] = 0.0
        left = self.units.gradient(x, y), s - slack
        return _Point(x, y, s, active, left, self.units.residual(y, s, left, unit))

    # ------------------------------------------------------------------ local steps

    def _newton(self, x: FloatArray, y: FloatArray, active: Mask, rounds: int) -> _Point | None:
        """Newton steps from (x, y) with corrected guesses of the active rows; None if they do not settle.

        Each step starts from the given point: where the system is singular, its minimum-norm solution then
        stays near that point. Rows are moved while they are clearly on the wrong side; of a point without such, it is
        known how exact it is, and then those are moved that are on the wrong side by more than that.
        """
        seen: set[bytes] = set()
        found: _Point | None = None
        for _ in range(rounds):
            if active.tobytes() in seen:
                break
            seen.add(active.tobytes())
            x_new, y_new, gradient, slack = self._solution_on(active, x, y)
            if not (np.isfinite(x_new).all() and np.isfinite(y_new).all()):
                break
            unit = self.units.magnitudes(x_new, np.flatnonzero(active))
            leaving = active & self.inequality & (y_new / self.units.row < -_TOLERANCE * unit.multiplier)
            entering = ~active & (slack * self.units.row < -_TOLERANCE * unit.slack)
            moved = leaving | entering
            if not moved.any():
                moved = self._contradicting(active, slack, y_new, unit)
            if not moved.any():
                inside = self.units.form.in_dual_cone(y_new)
                if (inside != y_new).any():
                    gradient = self.units.gradient(x_new, inside)
                else:
                    inside = y_new
                s = np.maximum(slack, 0.0)
                s[active] = 0.0
                left = gradient, s - slack
                residual = self.units.residual(inside, s, left, unit)
                if residual > _TOLERANCE:
                    break
                found = _Point(x_new, inside, s, active, left, residual)
                side = np.where(active, y_new, slack)
                wrong = self.inequality & (side < 0.0)
                if wrong.any():
                    wrong &= ~in_doubt(side, self._judge(found).moves)
                if not wrong.any():
                    break
                moved = wrong
            active = active ^ moved
        return found

    def _contradicting(self, active: Mask, slack: FloatArray, y: FloatArray, unit: Magnitudes) -> Mask:
        """Return the rows that leave where no x meets all active rows: none, where one does.

        The slacks of the active rows are then those of a least-squares solution: A1'slack = 0, so multipliers that
        move along -slack keep the gradient, and the dual objective grows. As in the dual method of Goldfarb and
        Idnani (1983), the row whose multiplier is zero first leaves; one in each group of rows without a common
        variable. A solver within its tolerance answers so, where two rows differ by less than that.
        """
        leaving = np.zeros(active.size, dtype=bool)
        off = np.flatnonzero(active & (np.abs(slack) * self.units.row > _TOLERANCE * unit.slack))
        if off.size:
            A = sp.csr_array(self.units.A[off])
            _, label = connected_components(sp.block_array([[None, A], [A.T, None]]), directed=False)
            group = label[: off.size]
            blocks = self.inequality[off] & (slack[off] > 0.0)
            time = np.where(blocks, y[off] / np.where(blocks, slack[off], 1.0), np.inf)
            order = np.lexsort((time, group))
            first = order[np.unique(group[order], return_index=True)[1]]
            leaving[off[first[np.isfinite(time[first])]]] = True
        return leaving

    def _solution_on(
        self, active: Mask, x: FloatArray, y: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Solve P x + A1'y1 + c = 0, A1 x = b1 for the correction to (x, y); y is zero on the other rows.

        Returns x and y, the gradient and the slacks there.
        """
        units, n = self.units, x.size
        kkt, rows = self.factorization(active), np.flatnonzero(active)
        y = np.where(active, y, 0.0)
        gradient, slack = units.gradient(x, y), units.slack(x)
        last = np.inf
        for corrections in range(_CORRECTIONS):
            if corrections and self._is_rounding(x, y, gradient, np.where(active, slack, 0.0)):
                break
            right = np.concatenate([-gradient, slack[rows]])
            size = float(np.abs(right).max(initial=0.0))
            if size == 0.0 or not size < 0.5 * last:
                break
            last = size
            step = kkt.solve(right)
            x, y = x + step[:n], y.copy()
            y[rows] += step[n:]
            gradient, slack = units.gradient(x, y), units.slack(x)
        return x, y, gradient, slack

    def _is_rounding(self, x: FloatArray, y: FloatArray, r1: FloatArray, r2: FloatArray) -> bool:
        """Whether what the conditions leave at a point is rounding error."""
        return self._sizes(x, y).residual(r1, r2) <= _LEAST_RESIDUAL

    def _sizes(self, x: FloatArray, y: FloatArray) -> Sizes:
        """Of the terms at a point; of the last one they are there."""
        last, form = self._last, self.units.form
        if last is None or last[0] is not x or last[1] is not y:
            self._last = last = x, y, Sizes(self.units.matrices.terms, form.c, form.b, x, y)
        return last[2]

    # ------------------------------------------------------------------ global fallback

    def _globally(self, given: _Point) -> tuple[_Point | None, _Point]:
        """Follow `proximal_newton` until it identifies the solution; also return the best point seen."""
        best = given
        column, row = self.units.column, self.units.row
        iterates = proximal_newton(self.units.scaled_form(), given.x / column, given.y / row)
        for x_hat, y_hat in iterates:
            x, y = x_hat * column, y_hat * row
            if not (np.isfinite(x).all() and np.isfinite(y).all()):
                break
            active = ~self.inequality | (y > 0.0)
            point = self._newton(x, y, active, _ROUNDS_AFTER_PROXIMAL)
            if point is not None:
                return point, best
            candidate = self._given(x, y)
            if candidate.residual < best.residual:
                best = candidate
        return None, best

    # ------------------------------------------------------------------ what the derivative is

    def _judge(self, point: _Point) -> _Judgement:
        """How far the point may be off, by the factorization on its active rows."""
        kkt, sizes = self.factorization(point.active), self._sizes(point.x, point.y)
        try:
            probe = sizes.probe(*point.left, np.flatnonzero(point.active), kkt.solve, kkt.probes)
        except DifferentiationError:  # an iterative solution that is not accurate enough tells nothing
            return _Judgement(float("inf"), np.zeros(point.y.size), 1.0, 0.0)
        return _Judgement(sizes.residual(*point.left), probe.moves, probe.rounding, probe.mismatch)

    def _finish(self, point: _Point, given: _Point) -> PolishedSolution:
        judged, values = self._judge(point), np.where(point.active, point.y, point.s)
        weak = self.inequality & in_doubt(values, judged.moves)
        # Where a row is more than rounding errors from its kink, the side on which it is makes the derivative.
        open_rows = self.inequality & in_doubt(values, judged.rounding * judged.moves) if weak.any() else weak
        strong = point.active & ~open_rows
        active, unique = self._choose(strong, open_rows)
        kkt = self.factorization(active)
        of_strong = kkt if unique else self.factorization(strong)
        status = kkt.status(weakly_active=bool(weak.any())) if unique else DifferentiationStatusCode.NONUNIQUE
        status = verdict(status, judged.residual)
        refinement = Refinement(given.residual, point.residual)
        tight = active, kkt
        followed = self._followed(active, kkt, point.y)
        if followed is not active:
            active, kkt = followed, self.factorization(followed)
        margin = self._margin(values, judged.moves)
        return PolishedSolution(
            point.x,
            point.y,
            active,
            weak,
            kkt,
            tight,
            status,
            refinement,
            judged.mismatch,
            of_strong,
            margin,
            self.factorization,
        )

    def _margin(self, values: FloatArray, moves: FloatArray) -> tuple[float, int]:
        """How far the data may move until a multiplier of an active row, or the slack of another, may be zero."""
        sizes = np.abs(values)
        margins = np.full(len(values), np.inf)
        at = self.inequality & (moves > 0.0)
        margins[at] = DATA_MOVE * sizes[at] / moves[at]
        margins[self.inequality & (sizes == 0.0)] = 0.0
        if not len(margins) or not np.isfinite(margins.min()):
            return float("inf"), -1
        return float(margins.min()), int(margins.argmin())

    def _followed(self, active: Mask, kkt: KKTSystem, y: FloatArray) -> Mask:
        """Active rows without inequalities on which an equality depends: a tangent of its side could not be followed.

        The multipliers go along a vector v with ``A1'v = 0`` until one is zero, whose row leaves; what the rows span
        stays the same, and so does what moves of the objective do to x.
        """
        zeros = self.units.form.zero_rows
        if not zeros or not kkt.dual_nullity:
            return active
        rows = np.flatnonzero(active)
        free = self.inequality[rows]
        V, y = np.array(kkt.null_vectors[1]), y[rows].copy()
        gone = np.zeros(len(rows), bool)
        for k in range(V.shape[1]):
            v = np.where(gone, 0.0, V[:, k])
            v[np.abs(v) <= _NOISE * np.abs(v).max(initial=0.0)] = 0.0
            if not (v[~free].any() and v[free].any()):
                continue
            sides = np.where(free & (v != 0.0), y / np.where(v != 0.0, np.abs(v), 1.0), np.inf)
            r = int(np.argmin(sides))
            y = np.where(free, np.maximum(y - y[r] / v[r] * v, 0.0), y)
            gone[r] = True
            V[:, k + 1 :] -= np.outer(v, V[r, k + 1 :] / v[r])
        if not gone.any():
            return active
        followed = active.copy()
        followed[rows[gone]] = False
        return followed

    def _choose(self, strong: Mask, weak: Mask) -> tuple[Mask, bool]:
        """Return the rows to differentiate with, and whether x is unique."""
        if not weak.any():
            return strong, True
        kkt = self.factorization(strong)
        candidates = np.flatnonzero(weak)
        if not kkt.primal_nullity:
            unique, needed = True, candidates[:0]
        elif kkt.primal_null_basis is None:
            # Too many free directions to choose by: keep every row, dependent or not.
            unique = not self.factorization(strong | weak).primal_nullity and is_unique(
                self.units.P, self.units.A[np.flatnonzero(strong)], self.units.A[candidates]
            )
            needed = candidates if unique else candidates[:0]
        else:
            G = self._directions(candidates, kkt.primal_null_basis)
            unique = makes_unique(G)
            needed = candidates[spanning_rows(G)] if unique else candidates[:0]
        if self.basis is not None:
            basic = strong | (weak & self.basis)
            factorization = self.factorization(basic)
            if not factorization.primal_nullity and (not factorization.dual_nullity or kkt.dual_nullity):
                return basic, unique
        chosen = strong.copy()
        chosen[needed] = True
        return chosen, unique

    def _directions(self, rows: IntArray, basis: FloatArray) -> FloatArray:
        """Rows of A, normalized, times a basis of directions; rounding noise set to zero."""
        A = self.units.A[rows]
        norms = np.sqrt(np.asarray((A * A).sum(axis=1)).ravel())
        G = np.asarray(A @ basis) / np.where(norms > 0.0, norms, 1.0)[:, None]
        return np.where(np.abs(G) <= _NOISE, 0.0, G)
