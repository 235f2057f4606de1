"""Small quadratic programs in the compiled form: everything but the solver's own call is done for a batch at once.

Solutions come out exact, and with them the systems of their derivatives (`dense_qp`). An item whose solution is not
confirmed there has the solver's own, and is differentiated by `CompiledRoute`, as are those at kinks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from scipy.linalg import lapack

from ...modelkit import attributes as attr
from ...modelkit.convexity import is_positive_semidefinite
from ...modelkit.errors import OptangentError
from ...modelkit.rows import FloatArray
from .compiled_route import NONCONVEX, Answer, CompiledRoute, State
from .dense_qp import DensePoints, DenseQP, Programs
from .form_residuals import FormResiduals
from .single_qp import SinglePoint, SingleQP

__all__ = ["DenseRoute"]

_CODES = attr.TerminationStatusCode
_FINAL = (_CODES.OPTIMAL, _CODES.INFEASIBLE, _CODES.DUAL_INFEASIBLE)
_EXACT = attr.DifferentiationStatusCode.EXACT


@final
@dataclass(eq=False)
class _State:
    """An item's place among points made exact together; a copy sent elsewhere has the solution alone."""

    points: DensePoints | SinglePoint | None
    place: int
    general: State
    is_differentiated: bool = False

    def __getstate__(self) -> State:
        return self.general

    def __setstate__(self, state: State) -> None:
        self.points, self.place, self.general, self.is_differentiated = None, 0, state, False

    @property
    def x(self) -> FloatArray:
        return self.general.x

    @property
    def y(self) -> FloatArray:
        return self.general.y

    @property
    def differentiation_status(self) -> attr.DifferentiationStatusCode | None:
        """What the derivatives are, if there are any yet."""
        return _EXACT if self.is_differentiated else self.general.differentiation_status


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
        self._residuals = FormResiduals(general.form)

    @staticmethod
    def fits(general: CompiledRoute) -> bool:
        """Whether it is one, and its derivatives may be computed by dense systems."""
        return general.linear_algebra is None and DenseQP.fits(general.form)

    # ------------------------------------------------------------------ one item
    def solve(self, theta: FloatArray, warm: Any) -> Answer:
        """The solution, by the first solver that finds one."""
        whole = self._chain.theta(theta)
        data = self._chain.data.data(whole)
        P, q, F, g = self._dense.single(data)
        if self.general.is_curving and lapack.dpotrf(P)[1] and not is_positive_semidefinite(P):
            return _CODES.OTHER_ERROR, NONCONVEX, self._nothing(), None
        programs = Programs(P[None], q[None], F[None], g[None])
        status, reason = _CODES.OTHER_ERROR, ""
        for number in range(self.general.count):
            try:
                result = self._run(number, programs, data[None], [warm])[0]
            except OptangentError as error:
                status, reason = _CODES.OTHER_ERROR, str(error)
                continue
            status, reason, x, y = result.status, result.raw, result.x, result.dual
            if x is not None and y is not None and not result.is_ray:
                point = self._single.point(P, q, F, g, x, y)
                if point is not None:
                    x, y, status = point.x, point.y, _CODES.OPTIMAL
                elif status is _CODES.OPTIMAL:
                    status = self._residuals.checked(P, q, F, g, x, y)
                if status is _CODES.OPTIMAL:
                    value = self._objectives(programs, data[None], x[None]) if self._chain.has_objective else None
                    outputs = self._chain.outputs(whole, x, y, None if value is None else value[0])
                    return status, "", outputs, _State(point, 0, State(x, y))
            if status in _FINAL:
                break
        return status, f"{status.value} ({reason})", self._nothing(), None

    def vjp(self, theta: FloatArray, state: Any, cotangents: FloatArray) -> FloatArray:
        """(K, o) to (K, p): one solve for all."""
        return self._one("vjp", theta, state, cotangents)

    def jvp(self, theta: FloatArray, state: Any, tangents: FloatArray) -> FloatArray:
        """(K, p) to (K, o): one solve for all."""
        return self._one("jvp", theta, state, tangents)

    def _one(self, mode: str, theta: FloatArray, state: Any, directions: FloatArray) -> FloatArray:
        whole, point = self._chain.theta(theta), state.points
        if not isinstance(point, SinglePoint):
            point = self._single.point(*self._dense.single(self._chain.data.data(whole)), state.x, state.y)
        if point is None or not point.is_smooth:
            found: FloatArray = getattr(self.general, mode)(theta, state.general, directions)
            return found
        state.is_differentiated = True
        found = getattr(self._chain, mode)(whole, point.x, point.y, directions, point.solve)
        return found

    # ------------------------------------------------------------------ many
    def solve_batch(self, thetas: FloatArray, warm: Any) -> list[Answer]:
        """The solutions at the rows of (B, p)."""
        if not len(thetas):
            return []
        whole = self._chain.theta(thetas)
        data = self._chain.data.data(whole)
        programs = self._dense.programs(data)
        answers: list[Answer] = [(_CODES.OTHER_ERROR, NONCONVEX, self._nothing(), None)] * len(thetas)
        items = np.arange(len(thetas))
        if self.general.is_curving:
            items = items[_are_convex(programs.P)]
        for number in range(self.general.count):
            if not len(items):
                break
            is_all = len(items) == len(thetas)
            found = self._solved_by(
                number,
                programs if is_all else programs.take(items),
                data if is_all else data[items],
                whole if is_all else whole[items],
                warm and [warm[k] for k in items],
            )
            for k, answer in zip(items.tolist(), found, strict=True):
                answers[k] = answer
            items = items[[answer[0] not in _FINAL for answer in found]]
        return answers

    def _nothing(self) -> FloatArray:
        return np.full(self._chain.size, np.nan)

    def _solved_by(self, number: int, programs: Programs, data: Any, whole: FloatArray, warm: Any) -> list[Answer]:
        """The answers of one solver: exact where they can be made so, checked where not."""
        try:
            results = self._run(number, programs, data, warm)
        except OptangentError as error:
            return [(_CODES.OTHER_ERROR, str(error), self._nothing(), None)] * len(whole)
        has = np.array([r.x is not None and r.dual is not None and not r.is_ray for r in results])
        x, y = np.zeros(programs.q.shape), np.zeros(programs.g.shape)
        for k in np.flatnonzero(has).tolist():
            x[k], y[k] = results[k].x, results[k].dual
        points = self._dense.points(programs, x, y)
        exact, n = (points.exact & has)[:, None], programs.q.shape[1]
        x, y = np.where(exact, points.z[:, :n], x), np.where(exact, points.z[:, n:], y)
        outputs = self._chain.outputs(whole, x, y, self._objectives(programs, data, x))
        answers: list[Answer] = []
        for k, result in enumerate(results):
            status = result.status
            if exact[k, 0]:
                status = _CODES.OPTIMAL
            elif status is _CODES.OPTIMAL:
                P, q, F, g = (part[0] for part in programs.take([k]))
                status = self._residuals.checked(P, q, F, g, x[k], y[k])
            if status is _CODES.OPTIMAL:
                state = _State(points if points.smooth[k] else None, k, State(x[k], y[k]))
                answers.append((status, "", outputs[k], state))
            else:
                answers.append((status, f"{status.value} ({result.raw})", self._nothing(), None))
        return answers

    def _run(self, number: int, programs: Programs, data: FloatArray, warm: Any) -> list[Any]:
        """By a solver that takes arrays all at once, else form by form."""
        known, solver = self.general.borrowed(number)
        solver = solver if solver is not None else self.general.made(number)
        if hasattr(solver, "solve_dense"):
            results: list[Any] = solver.solve_dense(*programs, self._dense.zeros)
            known[number] = solver
            return results
        starts = [None if one is None else (one.x, one.y) for one in warm or [None] * len(data)]
        run, form_at = self.general.run, self.general.form_at
        return [run(number, form_at(numbers), start) for numbers, start in zip(data, starts, strict=True)]

    def _objectives(self, programs: Programs, data: FloatArray, x: FloatArray) -> FloatArray | None:
        if not self._chain.has_objective:
            return None
        r = data[:, self.general.pattern.slices[2].start]
        Px: FloatArray = (programs.P @ x[:, :, None])[:, :, 0]
        return np.asarray(((0.5 * Px + programs.q) * x).sum(axis=1) + r)

    def vjp_batch(self, items: list[tuple[FloatArray, Any]], cotangents: FloatArray) -> FloatArray:
        """(B, o) to (B, p), a cotangent for each item."""
        return self._many("vjp", items, cotangents)

    def jvp_batch(self, items: list[tuple[FloatArray, Any]], tangents: FloatArray) -> FloatArray:
        """(B, p) to (B, o), a tangent for each item."""
        return self._many("jvp", items, tangents)

    def _many(self, mode: str, items: list[tuple[FloatArray, Any]], directions: FloatArray) -> FloatArray:
        states, whole = [state for _, state in items], self._chain.theta(np.array([theta for theta, _ in items]))
        points, n = self._gathered(whole, states), self._dense.n

        def solve(primal: FloatArray, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
            found = points.solve(np.concatenate([primal, rows], axis=1)[:, :, None])[:, :, 0]
            return found[:, :n], found[:, n:]

        with np.errstate(invalid="ignore", over="ignore"):  # of items that are done below
            out: FloatArray = getattr(self._chain, mode)(whole, points.z[:, :n], points.z[:, n:], directions, solve)
        for k, (theta, state) in enumerate(items):
            if points.smooth[k]:
                state.is_differentiated = True
            else:
                out[k] = getattr(self.general, mode)(theta, state.general, directions[k][None])[0]
        return out

    def _gathered(self, whole: FloatArray, states: list[Any]) -> DensePoints:
        """The points of the states, made exact again where they are not together any more."""
        points = states[0].points
        if isinstance(points, DensePoints) and all(state.points is points for state in states):
            places = [state.place for state in states]
            is_all = len(places) == len(points.z) and places == list(range(len(places)))
            return points if is_all else points.take(np.array(places))
        programs = self._dense.programs(self._chain.data.data(whole))
        return self._dense.points(programs, np.array([s.x for s in states]), np.array([s.y for s in states]))


def _are_convex(P: FloatArray) -> Any:
    """(B,) whether they are positive semidefinite, up to rounding error."""
    try:
        np.linalg.cholesky(P)
    except np.linalg.LinAlgError:  # of some, or semidefinite only
        return np.array([is_positive_semidefinite(one) for one in P])
    return np.ones(len(P), bool)
