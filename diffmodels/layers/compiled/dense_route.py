"""Small quadratic programs in the compiled form: everything but the solver's own call is done for a batch at once.

Solutions come out exact, and with them the systems of their derivatives (`dense_qp`). An item whose solution is not
confirmed there is refined and differentiated by `CompiledRoute`; those at kinks are differentiated there, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
from scipy.linalg import lapack

from ....modelkit import attributes as attr
from ....modelkit.arrays import FloatArray, IntArray
from ..blas_threads import one_blas_thread_for
from ..route import Answer, Mode
from .compiled_route import CompiledRoute
from .dense_qp import DensePoints, DenseQP, Mask, Programs
from .single_qp import SinglePoint, SingleQP
from .state import State

__all__ = ["DenseRoute"]

_CODES = attr.TerminationStatusCode
_PIECE = 2**22
"""Entries in the systems of a piece of a batch: 32 MB."""
_KEPT = 8
"""Pieces whose systems wait for derivatives; those of the others are made again."""
_ORDINARY = 1e4
"""Ratio of the entries of a matrix up to which what is small beside the whole program is small in its own unit."""
_EXACT = attr.DifferentiationStatusCode.EXACT


@final
class DenseRoute:
    """A compiled model that is a small quadratic program.

    Parameters
    ----------
    general : the compiled model, for which `fits` holds
    """

    def __init__(self, general: CompiledRoute) -> None:
        self.general, self._chain = general, general.chain
        self._dense = DenseQP(general.form, general.chain.data)
        self._single = SingleQP(self._dense.n, self._dense.m, self._dense.zeros)
        self._size = self._dense.n + self._dense.m
        slices = general.chain.data.pattern.slices
        self._matrices = slices[0], slices[3]

    @staticmethod
    def fits(general: CompiledRoute) -> bool:
        """Whether it is one, and its derivatives may be computed by dense systems."""
        return general.linear_algebra is None and not general.is_chosen and DenseQP.fits(general.form)

    # ------------------------------------------------------------------ one item
    def solve(self, theta: FloatArray, warm: State | None) -> Answer:
        """The solution: a candidate made exact, or that of the general way made exact if it can be."""
        with one_blas_thread_for(self._size):
            return self._solve(theta, warm)

    def _solve(self, theta: FloatArray, warm: State | None) -> Answer:
        whole = self._chain.theta(theta)
        data = self._chain.data.data(whole)
        P, q, F, g = self._dense.program(data)
        if not self.general.is_curving or lapack.dpotrf(P)[1] == 0:
            # where the rows that are active did not change, one system gives the solution
            point = None if warm is None else self._single.point(P, q, F, g, warm.x, warm.y)
            if point is None:
                candidate = self.general.candidates(Programs(P[None], q[None], F[None], g[None]), self._dense.zeros)[0]
                point = None if candidate is None else self._single.point(P, q, F, g, *candidate)
            if point is not None and self._is_solution(data, point.x, point.y):
                return self._exact_answer(whole, data, point)
        found = self.general.found(theta, warm)
        state = found[2]
        point = None if state is None else self._single.point(P, q, F, g, state.x, state.y)
        if point is None or not self._is_solution(data, point.x, point.y):
            return self.general.answer(theta, *found)
        return self._exact_answer(whole, data, point)

    def _is_solution(self, data: FloatArray, x: FloatArray, y: FloatArray) -> bool:
        """Whether a point that is exact beside the whole program is so in the units of its rows and variables."""
        if self._are_ordinary(data[None])[0]:
            return True
        return self.general.is_solution(self.general.form_at(data), x, y)

    def _are_ordinary(self, data: FloatArray) -> Mask:
        """Of which of the numbers (B, D) the matrices have entries of about the same size."""
        ordinary = np.ones(len(data), bool)
        for at in self._matrices:
            sizes = np.abs(data[:, at])
            least = np.where(sizes > 0.0, sizes, np.inf).min(axis=1, initial=np.inf)
            ordinary &= sizes.max(axis=1, initial=0.0) <= _ORDINARY * least
        return ordinary

    def _exact_answer(self, whole: FloatArray, data: FloatArray, point: SinglePoint) -> Answer:
        x, y, value = point.x, point.y, None
        if self._chain.has_objective:
            value = self.general.objective(self.general.form_at(data), x)
        return _CODES.OPTIMAL, "", self._chain.outputs(whole, x, y, value), State(x, y, point)

    def derivative(self, mode: Mode, theta: FloatArray, state: State, directions: FloatArray) -> FloatArray:
        """Cotangents (K, o) pulled back to (K, p), or tangents (K, p) pushed to (K, o): one solve for all."""
        with one_blas_thread_for(self._size):
            return self._derivative(mode, theta, state, directions)

    def _derivative(self, mode: Mode, theta: FloatArray, state: State, directions: FloatArray) -> FloatArray:
        whole, point = self._chain.theta(theta), state.dense
        if not isinstance(point, SinglePoint):
            point = self._single.point(*self._dense.program(self._chain.data.data(whole)), state.x, state.y)
        if point is None or not point.is_smooth:
            return self.general.derivative(mode, theta, state, directions)
        state.differentiation_status = _EXACT
        return self._chain.derivative(mode, whole, point.x, point.y, directions, point.solve)

    # ------------------------------------------------------------------ many
    def solve_batch(self, thetas: FloatArray, warm: Sequence[State | None]) -> list[Answer]:
        """The solutions at the rows of (B, p), as those of single items."""
        answers: list[Answer] = []
        with one_blas_thread_for(self._size):
            for number, piece in enumerate(self._pieces(len(thetas))):
                answers += self._solve_piece(thetas[piece], warm[piece], number < _KEPT)
        return answers

    def _pieces(self, count: int) -> list[slice]:
        """So many items in pieces whose systems do not fill the memory."""
        size = max(1, _PIECE // self._size**2)
        return [slice(start, min(start + size, count)) for start in range(0, count, size)]

    def _solve_piece(self, thetas: FloatArray, warm: Sequence[State | None], keeps: bool) -> list[Answer]:
        whole = self._chain.theta(thetas)
        data = self._chain.data.data(whole)
        programs = self._dense.programs(data)
        answers: list[Any] = [None] * len(thetas)
        if not self.general.is_curving or _are_convex(programs.P):
            starts = {k: (start.x, start.y) for k, start in enumerate(warm) if start is not None}
            self._put_exact(answers, list(starts), list(starts.values()), whole, data, programs)
            rest = [k for k, answer in enumerate(answers) if answer is None]
            chosen = programs if len(rest) == len(answers) else programs.take(rest)
            candidates = self.general.candidates(chosen, self._dense.zeros) if rest else []
            guessed = {k: candidate for k, candidate in zip(rest, candidates, strict=True) if candidate is not None}
            self._put_exact(answers, list(guessed), list(guessed.values()), whole, data, programs)
        found = {k: self.general.found(thetas[k], warm[k]) for k, answer in enumerate(answers) if answer is None}
        solved = {k: state for k, (*_, state) in found.items() if state is not None}
        self._put_exact(answers, list(solved), [(s.x, s.y) for s in solved.values()], whole, data, programs)
        for k, one in found.items():
            if answers[k] is None:
                answers[k] = self.general.answer(thetas[k], *one)
        for state in (answer[3] for answer in answers if answer[3] is not None and not keeps):
            state.dense = state.point = None
        return answers

    def _put_exact(
        self, answers: list[Any], items: list[int], found: list[Any], whole: FloatArray, data: FloatArray, programs: Any
    ) -> None:
        """Make what was found for items exact and put those for which it succeeds into the answers."""
        if not items:
            return
        if len(items) < len(answers):
            whole, data, programs = whole[items], data[items], programs.take(items)
        points = self._dense.points(programs, np.array([x for x, _ in found]), np.array([y for _, y in found]))
        x, y = points.z[:, : self._dense.n], points.z[:, self._dense.n :]
        value = None
        if self._chain.has_objective:
            Px: FloatArray = (programs.P @ x[:, :, None])[:, :, 0]
            value = ((0.5 * Px + programs.q) * x).sum(axis=1) + data[:, self._chain.data.pattern.slices[2].start]
        outputs = self._chain.outputs(whole, x, y, value)
        ordinary = self._are_ordinary(data)
        for k in np.flatnonzero(points.exact).tolist():
            if not (ordinary[k] or self._is_solution(data[k], x[k], y[k])):
                continue
            answers[items[k]] = _CODES.OPTIMAL, "", outputs[k], State(x[k], y[k], points, k)

    def derivative_batch(
        self, mode: Mode, thetas: FloatArray, states: Sequence[State], directions: FloatArray
    ) -> FloatArray:
        """Cotangents (B, o) pulled back to (B, p), or tangents (B, p) pushed to (B, o), one for each item."""
        pieces = self._pieces(len(thetas))
        with one_blas_thread_for(self._size):
            parts = [self._piece(mode, thetas[piece], states[piece], directions[piece]) for piece in pieces]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _piece(self, mode: Mode, thetas: FloatArray, states: Sequence[State], directions: FloatArray) -> FloatArray:
        whole = self._chain.theta(thetas)
        points, members = self._gathered(whole, states)
        members, n = members[points.smooth], self._dense.n
        if len(members) < len(points.z):
            points = points.take(np.flatnonzero(points.smooth))

        def solve(primal: FloatArray, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
            found = points.solve(np.concatenate([primal, rows], axis=1)[:, :, None])[:, :, 0]
            return found[:, :n], found[:, n:]

        is_all = len(members) == len(states)
        whole, chosen = (whole, directions) if is_all else (whole[members], directions[members])
        found = self._chain.derivative(mode, whole, points.z[:, :n], points.z[:, n:], chosen, solve)
        for k in members.tolist():
            states[k].differentiation_status = _EXACT
        if is_all:
            return found
        out = np.empty((len(states), found.shape[1]))
        out[members] = found
        for k in np.setdiff1d(np.arange(len(states)), members).tolist():
            out[k] = self._derivative(mode, thetas[k], states[k], directions[k][None])[0]
        return out

    def _gathered(self, whole: FloatArray, states: Sequence[State]) -> tuple[DensePoints, IntArray]:
        """Points that states share, and which states these are; all made exact again if none share any."""
        points = next((state.dense for state in states if isinstance(state.dense, DensePoints)), None)
        if points is None:
            programs = self._dense.programs(self._chain.data.data(whole))
            points = self._dense.points(programs, np.array([s.x for s in states]), np.array([s.y for s in states]))
            return points, np.arange(len(states))
        members = [k for k, state in enumerate(states) if state.dense is points]
        places = [states[k].place for k in members]
        is_all = places == list(range(len(points.z)))
        return points if is_all else points.take(np.array(places)), np.array(members)


def _are_convex(P: FloatArray) -> bool:
    """Whether all are positive definite; semidefinite ones are judged with more care in the general way."""
    try:
        np.linalg.cholesky(P)
    except np.linalg.LinAlgError:
        return False
    return True
