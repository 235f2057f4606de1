"""Small quadratic programs: everything but the solver's own call is done for a batch at once.

Solutions come out exact, and with them the systems of their derivatives (`dense_qp`). An item whose solution is not
confirmed there is refined and differentiated by `FormRoute`; those at kinks are differentiated there, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
import scipy.sparse as sp
from scipy.linalg import lapack

from ....modelkit import attributes as attr
from ....modelkit.arrays import FloatArray, IntArray
from ....modelkit.form.linear_map import LinearMap
from ..blas_threads import one_blas_thread_for
from ..chain_rule import ChainRule
from ..form_route import FormRoute
from ..route import Answer, Mode
from ..state import State
from .clearly_solved import is_clearly_solved
from .dense_numbers import DenseNumbers, Programs
from .dense_qp import DensePoints, DenseQP
from .dense_state import DenseState
from .single_qp import SinglePoint, SingleQP

__all__ = ["DenseRoute"]

_CODES = attr.TerminationStatusCode
_PIECE = 2**22
"""Entries in the systems of a piece of a batch: 32 MB."""
_KEPT = 8
"""Pieces whose systems wait for derivatives; those of the others are made again."""
_EXACT = attr.DifferentiationStatusCode.EXACT


@final
class DenseRoute:
    """A model that is a small quadratic program.

    Parameters
    ----------
    general : the form of the model, for which `fits` holds
    """

    def __init__(self, general: FormRoute) -> None:
        self.general, layout = general, general.layout
        form, moving = general.form, general.moving
        moving.take_back(form)
        self._numbers = DenseNumbers(form, moving, layout)
        n, m, zeros = self._numbers.n, self._numbers.m, self._numbers.zeros
        self._dense, self._single, self._size = DenseQP(n, m, zeros), SingleQP(n, m, zeros), n + m
        slots = form.slots.size
        places = layout.slot + slots * (layout.sign < 0.0)
        to_sides = sp.csr_array(sp.coo_array((layout.sign, (places, np.arange(m))), shape=(2 * slots, m)))
        self._to_sides = LinearMap(to_sides)
        self._chain = ChainRule(moving, form, general.maps, general.sign, general.present, general.places, to_sides)

    @staticmethod
    def fits(general: FormRoute) -> bool:
        """Whether it is one, and its derivatives may be computed by dense systems."""
        return (
            not general.why
            and general.is_shared
            and general.linear_algebra is None
            and (general.has_points or not general.is_own)
            and not general.is_chosen
            and general.policy.is_of_kinks
            and bool(np.isfinite(np.delete(general.present, general.places)).all())
            and DenseQP.fits(general.layout, general.form.n)
        )

    # ------------------------------------------------------------------ between this way and the general one
    def _of_general(self, state: State | DenseState) -> DenseState:
        """A solution in one-sided rows."""
        if isinstance(state, DenseState):
            return state
        return DenseState(state.x, self.general.layout.down(state.dual), general=state)

    def _for_general(self, state: State | DenseState) -> State:
        """A solution over the slots."""
        if isinstance(state, State):
            return state
        if state.general is None:
            state.general = State(state.x, self._to_sides(state.y))
        return state.general

    # ------------------------------------------------------------------ one item
    def solve(self, theta: FloatArray, warm: State | DenseState | None) -> Answer:
        """The solution: a candidate made exact, or that of the general way made exact if it can be."""
        with one_blas_thread_for(self._size):
            return self._solve(theta, warm)

    def _solve(self, theta: FloatArray, warm: State | DenseState | None) -> Answer:
        whole = self._chain.theta(theta)
        data = self._numbers.data(whole)
        P, q, F, g = self._numbers.program(data)
        is_convex = not self.general.is_curving or lapack.dpotrf(P)[1] == 0
        if is_convex:
            # where the rows that are active did not change, one system gives the solution
            start = None if warm is None else self._of_general(warm)
            point = None if start is None else self._single.point(P, q, F, g, start.x, start.y)
            if point is None:
                programs = Programs(P[None], q[None], F[None], g[None])
                candidate = self.general.candidates(programs, self._dense.zeros)[0]
                point = None if candidate is None else self._single.point(P, q, F, g, *candidate)
            if point is not None and self._is_solution(theta, data, point.x, point.y):
                return self._exact_answer(whole, data, point)
        known = None if warm is None else self._for_general(warm)
        first, point = self.general.first(theta, known, is_convex=is_convex), None
        if first[1] is not None:
            near = self._of_general(first[1])
            point = self._single.point(P, q, F, g, near.x, near.y)
        if point is None or not self._is_solution(theta, data, point.x, point.y):
            return self.general.solve(theta, known, first)
        return self._exact_answer(whole, data, point)

    def _is_solution(self, theta: FloatArray, data: FloatArray, x: FloatArray, y: FloatArray) -> bool:
        """Whether a point that is exact beside the whole program is so in the units of its rows and variables."""
        if self._numbers.are_ordinary(data[None])[0]:
            return True
        if is_clearly_solved(self._numbers.programs(data[None]), x[None], y[None], self._dense.zeros)[0]:
            return True
        half = self.general.form.slots.size
        sided = self._to_sides(y)
        return self.general.is_solution_at(theta, x, sided[:half] + sided[half:])

    def _exact_answer(self, whole: FloatArray, data: FloatArray, point: SinglePoint) -> Answer:
        x, y, value = point.x, point.y, None
        if self._chain.has_objective:
            P, q, _, _ = self._numbers.program(data)
            value = float(0.5 * (x @ (P @ x)) + q @ x + self._numbers.constant(data))
        return _CODES.OPTIMAL, "", self._chain.outputs(whole, x, y, value), DenseState(x, y, point)

    def derivative(
        self, mode: Mode, theta: FloatArray, state: State | DenseState, directions: FloatArray
    ) -> FloatArray:
        """Cotangents (K, o) pulled back to (K, p), or tangents (K, p) pushed to (K, o): one solve for all."""
        with one_blas_thread_for(self._size):
            return self._derivative(mode, theta, state, directions)

    def _derivative(
        self, mode: Mode, theta: FloatArray, state: State | DenseState, directions: FloatArray
    ) -> FloatArray:
        whole, near = self._chain.theta(theta), self._of_general(state)
        point = near.dense
        if not isinstance(point, SinglePoint):
            point = self._single.point(*self._numbers.program(self._numbers.data(whole)), near.x, near.y)
        if point is None or not point.is_smooth:
            general = self._for_general(state)
            try:
                return self.general.derivative(mode, theta, general, directions)
            finally:
                state.differentiation_status = general.differentiation_status
        state.differentiation_status = _EXACT
        return self._chain.derivative(mode, whole, point.x, point.y, directions, point.solve)

    # ------------------------------------------------------------------ many
    def solve_batch(self, thetas: FloatArray, warm: Sequence[State | DenseState | None]) -> list[Answer]:
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

    def _solve_piece(self, thetas: FloatArray, warm: Sequence[State | DenseState | None], keeps: bool) -> list[Answer]:
        whole = self._chain.theta(thetas)
        data = self._numbers.data(whole)
        programs = self._numbers.programs(data)
        answers: list[Any] = [None] * len(thetas)
        # who factorizes P knows, and has no point where it is not convex
        is_convex = not self.general.is_curving or self.general.has_points or _are_convex(programs.P)
        if is_convex:
            near = {k: self._of_general(start) for k, start in enumerate(warm) if start is not None}
            starts = [(start.x, start.y) for start in near.values()]
            self._put_exact(answers, list(near), starts, thetas, whole, data, programs)
            rest = [k for k, answer in enumerate(answers) if answer is None]
            chosen = programs if len(rest) == len(answers) else programs.take(rest)
            if rest and self.general.has_points:
                self._put(answers, rest, self.general.points(chosen, self._dense.zeros), thetas, whole, data, programs)
                is_convex = not self.general.is_curving
            elif rest:
                candidates = self.general.candidates(chosen, self._dense.zeros)
                guessed = {k: candidate for k, candidate in zip(rest, candidates, strict=True) if candidate is not None}
                self._put_exact(answers, list(guessed), list(guessed.values()), thetas, whole, data, programs)
        rest = [k for k, answer in enumerate(answers) if answer is None]
        known = {k: None if (start := warm[k]) is None else self._for_general(start) for k in rest}
        found = {k: self.general.first(thetas[k], known[k], is_convex=is_convex) for k in rest}
        solved = {k: self._of_general(state) for k, (_, state) in found.items() if state is not None}
        points = [(s.x, s.y) for s in solved.values()]
        self._put_exact(answers, list(solved), points, thetas, whole, data, programs)
        for k in rest:
            if answers[k] is None:
                answers[k] = self.general.solve(thetas[k], known[k], found[k])
        for state in (answer[3] for answer in answers if answer[3] is not None and not keeps):
            if isinstance(state, DenseState):
                state.dense = state.general = None
            else:
                state.point = None
        return answers

    def _put_exact(
        self,
        answers: list[Any],
        items: list[int],
        found: list[Any],
        thetas: FloatArray,
        whole: FloatArray,
        data: FloatArray,
        programs: Programs,
    ) -> None:
        """Make what was found for items exact and put those for which it succeeds into the answers."""
        if items:
            chosen = programs.take(items) if len(items) < len(answers) else programs
            points = self._dense.points(chosen, np.array([x for x, _ in found]), np.array([y for _, y in found]))
            self._put(answers, items, points, thetas, whole, data, programs)

    def _put(
        self,
        answers: list[Any],
        items: list[int],
        points: DensePoints,
        thetas: FloatArray,
        whole: FloatArray,
        data: FloatArray,
        programs: Programs,
    ) -> None:
        """Put points of items into the answers, where they are exact."""
        if len(items) < len(answers):
            thetas, whole, data, programs = thetas[items], whole[items], data[items], programs.take(items)
        x, y = points.z[:, : self._dense.n], points.z[:, self._dense.n :]
        value = None
        if self._chain.has_objective:
            Px: FloatArray = (programs.P @ x[:, :, None])[:, :, 0]
            value = ((0.5 * Px + programs.q) * x).sum(axis=1) + self._numbers.constant(data)
        outputs = self._chain.outputs(whole, x, y, value)
        sure = self._numbers.are_ordinary(data)
        if not sure.all():
            sure = sure | is_clearly_solved(programs, x, points.z[:, self._dense.n :], self._dense.zeros)
        for k in np.flatnonzero(points.exact).tolist():
            if not (sure[k] or self._is_solution(thetas[k], data[k], x[k], y[k])):
                continue
            answers[items[k]] = _CODES.OPTIMAL, "", outputs[k], DenseState(x[k], y[k], points, k)

    def derivative_batch(
        self, mode: Mode, thetas: FloatArray, states: Sequence[State | DenseState], directions: FloatArray
    ) -> FloatArray:
        """Cotangents (B, o) pulled back to (B, p), or tangents (B, p) pushed to (B, o), one for each item."""
        pieces = self._pieces(len(thetas))
        with one_blas_thread_for(self._size):
            parts = [self._piece(mode, thetas[piece], states[piece], directions[piece]) for piece in pieces]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _piece(
        self, mode: Mode, thetas: FloatArray, states: Sequence[State | DenseState], directions: FloatArray
    ) -> FloatArray:
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

    def _gathered(self, whole: FloatArray, states: Sequence[State | DenseState]) -> tuple[DensePoints, IntArray]:
        """Points that states share, and which states these are; all made exact again if none share any."""
        known = [state.dense if isinstance(state, DenseState) else None for state in states]
        points = next((one for one in known if one is not None and not isinstance(one, SinglePoint)), None)
        if points is None:
            programs, near = self._numbers.programs(self._numbers.data(whole)), [self._of_general(s) for s in states]
            points = self._dense.points(programs, np.array([s.x for s in near]), np.array([s.y for s in near]))
            return points, np.arange(len(states))
        members = [k for k, one in enumerate(known) if one is points]
        places = [states[k].place for k in members]  # type: ignore[union-attr]
        is_all = places == list(range(len(points.z)))
        return points if is_all else points.take(np.array(places)), np.array(members)


def _are_convex(P: FloatArray) -> bool:
    """Whether all are positive definite; semidefinite ones are judged with more care in the general way."""
    try:
        np.linalg.cholesky(P)
    except np.linalg.LinAlgError:
        return False
    return True
