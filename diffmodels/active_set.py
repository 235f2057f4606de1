r"""From any solver's answer to the exact solution of a quadratic program and its active rows.

The solution of :math:`\min \tfrac12 x^TPx + c^Tx,\ l \le Bx \le u` (`standard_form`) is that of a
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

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike
from scipy.sparse.csgraph import connected_components

from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.attributes import DifferentiationStatusCode, Refinement
from ..modelkit.errors import DifferentiationError
from ..modelkit.sizes import largest_size
from .certainty import Sizes, in_doubt, verdict
from .kkt import KKTSystem, Mask, automatic
from .polished_solution import FOUND, Kinks, PolishedSolution
from .proximal_newton import proximal_newton
from .standard_form import Magnitudes, Matrices, Sides, StandardForm, Units
from .weak_rows import is_unique, makes_unique, spanning_rows

__all__ = ["polish"]

# Relative size below which a solver's slack and multiplier do not tell whether a row is active.
_UNDECIDED = 1e-9
# Part of a direction up to which it is rounding error.
_NOISE = 1e-9
# Residuals below this are rounding errors: no point is worse than another for them.
_ROUNDOFF = 1e-14
# The same of each condition, relative to the sizes of its terms: corrections have nothing left to correct.
_LEAST_RESIDUAL = 16.0 * float(np.finfo(np.float64).eps)
_LARGEST = float(np.finfo(np.float64).max)
_ROUNDS = 12
_ROUNDS_AFTER_PROXIMAL = 3
_CORRECTIONS = 3


@final
@dataclass(frozen=True, slots=True)
class _Point:
    """A point with multipliers of the right signs, and the sides at which rows are taken to be active.

    ``left`` are Px + Bᵀy + c and by how much rows are off their sides, or beyond any; `values` are Bx.
    """

    x: FloatArray
    y: FloatArray
    sides: Sides
    values: FloatArray
    left: tuple[FloatArray, FloatArray]
    residual: float


@final
@dataclass(frozen=True, slots=True)
class _Judgement:
    """What is known of a point.

    Attributes
    ----------
    residual : componentwise
    moves, slacks : (m,) by how much multipliers of active rows and slacks of others may be off; slacks of active ones
    rounding : the part of it that is rounding error
    mismatch : of both modes
    """

    residual: float
    moves: FloatArray
    slacks: FloatArray
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
    basis : numbers (m,), positive for the rows that are active at their upper side in the solver's basis, negative for
        those at their lower one: chooses among weakly active rows, which makes the derivative an element of the
        B-subdifferential. Without it, weakly active rows are kept only as far as x would not be unique without them.
    solve_with : how KKT systems are solved, see `kkt`; None to choose by the estimated cost
    matrices : of the form, if they are known from another one

    Returns
    -------
    PolishedSolution
        Never with larger residuals than the given point's.
    """
    chosen = None if basis is None else np.sign(np.asarray(basis)).astype(np.int8)
    units = Units(form, Matrices(form.P, form.A, bounds=form.has_bounds) if matrices is None else matrices)
    return _Polish(units, chosen, solve_with or automatic).run(_finite(x), _finite(y))


def _finite(values: ArrayLike) -> FloatArray:
    """A solver that failed may answer NaN: any finite start is better."""
    start = np.asarray(values, dtype=np.float64)
    return start if np.isfinite(start).all() else np.where(np.isfinite(start), start, 0.0)


class _Polish:
    """The steps of `polish`."""

    def __init__(self, units: Units, basis: Sides | None, solve_with: Any) -> None:
        self.units = units
        self.basis = basis
        self._solve_with = solve_with
        self._last: tuple[FloatArray, FloatArray, Sizes] | None = None

    def run(self, x: FloatArray, y: FloatArray) -> PolishedSolution:
        given = best = self._given(x, y)
        point = self._newton(x, y, given.sides, _ROUNDS)
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
        """The given point, its multipliers moved into their cones, and its classification."""
        units = self.units
        y, values = units.in_dual_cone(y), units.values(x)
        below, above = units.slacks(values)
        equal = units.form.equal
        unit = units.magnitudes(x, np.where(equal, units.form.upper, 0.0))
        pushes_up = y > 0.0
        slack, nearest = np.where(pushes_up, above, below), np.minimum(below, above)
        # Active is the side that is pushed, by more than there is room, or one that is beyond.
        y_hat, room = np.abs(y) / (units.row * unit.multiplier), slack * (units.row / unit.slack)
        sides = np.where(pushes_up, np.int8(1), np.int8(-1))
        sides *= y_hat > room
        beyond = np.flatnonzero((nearest < 0.0) & (sides == 0))
        sides[beyond] = np.where(above[beyond] < below[beyond], 1, -1)
        if self.basis is not None:
            one = units.row / unit.slack
            chosen = np.where(self.basis > 0, above, below) * one
            undecided = (y_hat <= _UNDECIDED) & (np.abs(nearest * one) <= _UNDECIDED)
            told = self.basis != 0
            sides = np.where(undecided & (~told | (np.abs(chosen) <= _UNDECIDED)), self.basis, sides)
        sides[equal], slack[equal] = 1, 0.0
        left = units.gradient(x, y), np.minimum(nearest, 0.0, out=nearest)
        gap = largest_size(y * np.clip(slack, 0.0, _LARGEST, out=slack))
        return _Point(x, y, sides, values, left, units.residual(left, unit, gap))

    # ------------------------------------------------------------------ local steps

    def _newton(self, x: FloatArray, y: FloatArray, sides: Sides, rounds: int) -> _Point | None:
        """Newton steps from (x, y) with corrected guesses of the active rows; None if they do not settle.

        Each step starts from the given point: where the system is singular, its minimum-norm solution then
        stays near that point. Rows are moved while they are clearly on the wrong side; of a point without such, it is
        known how exact it is, and then those are moved that are on the wrong side by more than that.
        """
        units, seen = self.units, set[bytes]()
        found: _Point | None = None
        for _ in range(rounds):
            if sides.tobytes() in seen:
                break
            seen.add(sides.tobytes())
            at = units.at(sides)
            x_new, y_new, gradient, values = self._solution_on(sides, at, x, y)
            if not (np.isfinite(x_new).all() and np.isfinite(y_new).all()):
                break
            unit, active = units.magnitudes(x_new, at), sides != 0
            below, above = units.slacks(values)
            slack, pull = np.minimum(below, above), sides * y_new
            leaving = units.inequality & (pull < -FOUND * unit.multiplier * units.row)
            entering = ~active & (slack * units.row < -FOUND * unit.slack)
            if not (leaving.any() or entering.any()):
                leaving = self._contradicting(sides, at - values, pull, unit)
            if not (leaving.any() or entering.any()):
                inside, outside = y_new, units.inequality & (pull < 0.0)
                if outside.any():
                    inside = np.where(outside, 0.0, y_new)
                    gradient = units.gradient(x_new, inside)
                left = gradient, np.where(active, values - at, np.minimum(slack, 0.0))
                residual = units.residual(left, unit)
                if residual > FOUND:
                    break
                found = _Point(x_new, inside, sides, values, left, residual)
                side = np.where(active, pull, slack)
                wrong = units.inequality & (side < 0.0)
                if wrong.any():
                    wrong &= ~in_doubt(side, self._judge(found).moves)
                if not wrong.any():
                    break
                leaving, entering = wrong & active, wrong & ~active
            sides = np.where(leaving, 0, np.where(entering, np.where(above < below, 1, -1), sides)).astype(np.int8)
        return found

    def _contradicting(self, sides: Sides, off: FloatArray, pull: FloatArray, unit: Magnitudes) -> Mask:
        """Return the rows that leave where no x meets all active rows: none, where one does.

        What active rows are off (m,) is then that of a least-squares solution: B1'off = 0, so multipliers that
        move along -off keep the gradient, and the dual objective grows. As in the dual method of Goldfarb and
        Idnani (1983), the row whose multiplier is zero first leaves; one in each group of rows without a common
        variable. A solver within its tolerance answers so, where two rows differ by less than that.
        """
        leaving = np.zeros(sides.size, dtype=bool)
        at = np.flatnonzero((sides != 0) & (np.abs(off) * self.units.row > FOUND * unit.slack))
        if at.size:
            B = sp.csr_array(self.units.matrices.rows(at))
            _, label = connected_components(sp.block_array([[None, B], [B.T, None]]), directed=False)
            group, slack = label[: at.size], sides[at] * off[at]
            blocks = self.units.inequality[at] & (slack > 0.0)
            time = np.where(blocks, pull[at] / np.where(blocks, slack, 1.0), np.inf)
            order = np.lexsort((time, group))
            first = order[np.unique(group[order], return_index=True)[1]]
            leaving[at[first[np.isfinite(time[first])]]] = True
        return leaving

    def _solution_on(
        self, sides: Sides, at: FloatArray, x: FloatArray, y: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """The solution of the equations of the active rows near (x, y), y zero on the other rows.

        Returns x and y, and the gradient and the values of all rows there; `at` are the sides (m,).
        """
        units, n = self.units, x.size
        kkt, rows = self.factorization(sides != 0), np.flatnonzero(sides)
        y, at = np.where(sides != 0, y, 0.0), at[rows]
        gradient, values = units.gradient(x, y), units.values(x)
        last = np.inf
        for corrections in range(_CORRECTIONS):
            off = at - values[rows]
            if corrections and self._is_rounding(x, y, rows, at, gradient, off):
                break
            right = np.concatenate([-gradient, off])
            size = largest_size(right)
            if size == 0.0 or not size < 0.5 * last:
                break
            last = size
            step = kkt.solve(right)
            x, y = x + step[:n], y.copy()
            y[rows] += step[n:]
            gradient, values = units.gradient(x, y), units.values(x)
        return x, y, gradient, values

    def _is_rounding(
        self, x: FloatArray, y: FloatArray, rows: IntArray, at: FloatArray, r1: FloatArray, r2: FloatArray
    ) -> bool:
        """Whether what the conditions leave at a point, r2 on the active rows, is rounding error."""
        sides, off = np.zeros((2, len(y)))
        sides[rows], off[rows] = at, r2
        return self._sizes(x, y, sides).residual(r1, off) <= _LEAST_RESIDUAL

    def _sizes(self, x: FloatArray, y: FloatArray, at: FloatArray) -> Sizes:
        """Of the terms at a point whose active rows stand at these sides (m,); of the last one they are there."""
        last, form = self._last, self.units.form
        if last is None or last[0] is not x or last[1] is not y:
            self._last = last = x, y, Sizes(self.units.matrices.terms, form.c, at, x, y)
        return last[2]

    # ------------------------------------------------------------------ global fallback

    def _globally(self, given: _Point) -> tuple[_Point | None, _Point]:
        """Follow `proximal_newton` until it identifies the solution; also return the best point seen."""
        best = given
        column, units = self.units.column, self.units
        rows, of, sign = units.one_sided()
        pushes = sign * given.y[of] / units.row[of]
        pushes[rows.zero_rows :] = np.maximum(pushes[rows.zero_rows :], 0.0)
        for x_hat, y_hat in proximal_newton(rows, given.x / column, pushes):
            x, y = x_hat * column, np.bincount(of, sign * y_hat, len(given.y)) * units.row
            if not (np.isfinite(x).all() and np.isfinite(y).all()):
                break
            sides = np.where(units.form.equal, 1, np.sign(y)).astype(np.int8)
            point = self._newton(x, y, sides, _ROUNDS_AFTER_PROXIMAL)
            if point is not None:
                return point, best
            candidate = self._given(x, y)
            if candidate.residual < best.residual:
                best = candidate
        return None, best

    # ------------------------------------------------------------------ what the derivative is

    def _judge(self, point: _Point) -> _Judgement:
        """How far the point may be off, by the factorization on its active rows."""
        kkt, rows = self.factorization(point.sides != 0), np.flatnonzero(point.sides)
        sizes = self._sizes(point.x, point.y, self.units.at(point.sides))
        try:
            probe = sizes.probe(*point.left, rows, kkt.solve, kkt.probes)
        except DifferentiationError:  # an iterative solution that is not accurate enough tells nothing
            return _Judgement(float("inf"), np.zeros(point.y.size), np.zeros(rows.size), 1.0, 0.0)
        residual = sizes.residual(*point.left)
        return _Judgement(residual, probe.moves, probe.slacks, probe.rounding, probe.mismatch)

    def _finish(self, point: _Point, given: _Point) -> PolishedSolution:
        judged, inequality = self._judge(point), self.units.inequality
        slacks = self.units.slacks(point.values)
        kinks = Kinks(inequality, point.sides, point.y, *slacks, judged.moves, judged.slacks)
        weak = kinks.doubtful()
        # Where a row is more than rounding errors from its kink, the side on which it is makes the derivative.
        is_weak = bool(weak.any())
        open_sides = kinks.doubtful(judged.rounding) if is_weak else weak
        own = np.where(point.sides > 0, open_sides[1], open_sides[0])
        strong = np.where(own, 0, point.sides).astype(np.int8) if is_weak else point.sides
        sides, unique = self._choose(strong, open_sides) if is_weak else (strong, True)
        kkt = self.factorization(sides != 0)
        of_strong = kkt if unique else self.factorization(strong != 0)
        status = kkt.status(weakly_active=is_weak) if unique else DifferentiationStatusCode.NONUNIQUE
        status = verdict(status, judged.residual)
        refinement = Refinement(given.residual, point.residual)
        tight = sides, kkt
        followed = self._followed(sides, kkt, point.y)
        if followed is not sides:
            sides, kkt = followed, self.factorization(followed != 0)
        return PolishedSolution(
            point.x,
            point.y,
            sides,
            inequality,
            weak,
            kkt,
            tight,
            status,
            refinement,
            judged.mismatch,
            of_strong,
            kinks,
            self.factorization,
        )

    def _followed(self, sides: Sides, kkt: KKTSystem, y: FloatArray) -> Sides:
        """Active rows without inequalities on which an equality depends: a tangent of its side could not be followed.

        The multipliers go along a vector v with ``B1'v = 0`` until one is zero, whose row leaves; what the rows span
        stays the same, and so does what moves of the objective do to x.
        """
        if not kkt.dual_nullity or not self.units.form.equal.any():
            return sides
        rows = np.flatnonzero(sides)
        free, sign = self.units.inequality[rows], sides[rows]
        V, y = kkt.null_vectors[1] * sign[:, None], y[rows] * sign
        gone = np.zeros(len(rows), bool)
        for k in range(V.shape[1]):
            v = np.where(gone, 0.0, V[:, k])
            v[np.abs(v) <= _NOISE * np.abs(v).max(initial=0.0)] = 0.0
            if not (v[~free].any() and v[free].any()):
                continue
            steps = np.where(free & (v != 0.0), y / np.where(v != 0.0, np.abs(v), 1.0), np.inf)
            r = int(np.argmin(steps))
            y = np.where(free, np.maximum(y - y[r] / v[r] * v, 0.0), y)
            gone[r] = True
            V[:, k + 1 :] -= np.outer(v, V[r, k + 1 :] / v[r])
        if not gone.any():
            return sides
        followed = sides.copy()
        followed[rows[gone]] = 0
        return followed

    def _choose(self, strong: Sides, weak: Mask) -> tuple[Sides, bool]:
        """Return the rows to differentiate with, and whether x is unique, where sides (2, m) are weakly active."""
        kkt = self.factorization(strong != 0)
        upper, candidates = np.nonzero(weak & (strong == 0))
        sign = 2 * upper.astype(np.int8) - 1
        if not kkt.primal_nullity:
            unique, needed = True, candidates[:0]
        elif kkt.primal_null_basis is None:
            # Too many free directions to choose by: keep every row, dependent or not.
            rows, every = self.units.matrices.rows, strong.copy()
            every[candidates] = sign
            at = np.unique(candidates)
            of_weak = sp.csr_array(rows(at))[np.searchsorted(at, candidates)]
            unique = not self.factorization(every != 0).primal_nullity and is_unique(
                self.units.matrices.P,
                rows(np.flatnonzero(strong)),
                sp.diags_array(sign.astype(np.float64)) @ of_weak,
            )
            needed = np.arange(len(candidates)) if unique else candidates[:0]
        else:
            G = sign[:, None] * self._directions(candidates, kkt.primal_null_basis)
            unique = makes_unique(G)
            needed = spanning_rows(G) if unique else candidates[:0]
        if self.basis is not None:
            own = np.where(self.basis > 0, weak[1], weak[0]) & (strong == 0)
            basic = np.where(own, self.basis, strong).astype(np.int8)
            factorization = self.factorization(basic != 0)
            if not factorization.primal_nullity and (not factorization.dual_nullity or kkt.dual_nullity):
                return basic, unique
        chosen = strong.copy()
        chosen[candidates[needed]] = sign[needed]
        return chosen, unique

    def _directions(self, rows: IntArray, basis: FloatArray) -> FloatArray:
        """Rows of B, normalized, times a basis of directions; rounding noise set to zero."""
        at, place = np.unique(rows, return_inverse=True)
        B = self.units.matrices.rows(at)
        norms = np.sqrt(np.asarray((B * B).sum(axis=1)).ravel())
        G = np.asarray(B @ basis) / np.where(norms > 0.0, norms, 1.0)[:, None]
        directions: FloatArray = np.where(np.abs(G) <= _NOISE, 0.0, G)[place]
        return directions
