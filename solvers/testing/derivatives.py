"""The checks of a solver that differentiates its solutions itself: in dense arrays, against equations and differences.

Programs are smooth at their solutions: active rows are independent, with multipliers and slacks that are not small.
What a solver calls EXACT is right to many digits; what it calls TRUNCATED may be wrong by ten times what it says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ...modelkit.arrays import FloatArray
from ...modelkit.attributes import DifferentiationStatusCode
from ...modelkit.form import Form
from ...modelkit.sets.cone import NativeCone
from ..contract import Solver
from ..own_derivative import OwnDerivative
from ..result import Status
from .answers import check_solution, dense, require
from .programs import CONES, INF, form_of, random_form

__all__ = ["derivative_checks"]

_CODES = DifferentiationStatusCode
_POINT, _EXACT, _ADJOINT, _DIFFERENCES = 1e-9, 1e-7, 1e-9, 1e-5
_STEP = 1e-5
_CLEAR = 0.05
"""Multipliers and slacks of smooth programs are at least this."""


def derivative_checks(make: Callable[[], Solver], seeds: int) -> dict[str, Callable[[], None]]:
    """The checks by their names; each makes its own solvers.

    Parameters
    ----------
    make : makes a solver that differentiates
    seeds : random programs of each sort
    """
    suite = _Derivatives(make, seeds)
    checks = {
        "derivatives: equations": suite.equations,
        "derivatives: units": suite.units,
        "derivatives: differences": suite.differences,
        "derivatives: what is not there": suite.what_is_not_there,
        "derivatives: at kinks": suite.kinks,
        "derivatives: of any result": suite.of_any_result,
    }
    for kind in (kind for kind in CONES if kind in make().abilities.cones):
        checks[f"derivatives: {kind.__name__}"] = lambda kind=kind: suite.cones(CONES[kind])  # type: ignore[misc]
    return checks


@final
@dataclass(frozen=True, slots=True)
class _Derivatives:
    """The checks of one solver."""

    make: Callable[[], Solver]
    seeds: int

    def at(self, form: Form) -> OwnDerivative | None:
        """The derivative at the solution of a form, by a fresh solver, with all that it must have; or None."""
        solver = self.make()
        result = solver.solve(form)
        found = (Status.OPTIMAL, Status.ALMOST_OPTIMAL)  # which iterations reach that stop at a tolerance
        require(result.status in found, f"an optimum was expected, got {result.status.name}")
        own = solver.differentiate(form, result)
        if own is None:
            return None
        is_good = result.status is Status.OPTIMAL or own.status is _CODES.TRUNCATED
        require(is_good, f"an optimum was expected, got {result.status.name}")
        for name, count in (("x", form.n), ("y", form.slots.size), ("at_fault", form.slots.size)):
            values = getattr(own, name, None)
            fits = isinstance(values, np.ndarray) and values.shape == (count,) and np.isfinite(values).all()
            require(fits, f"{name} of a derivative is a finite array of shape ({count},)")
        near = 1e-4 if own.status is not _CODES.TRUNCATED else 1.0
        if own.status is _CODES.EXACT:
            check_solution(form, replace(result, x=own.x, dual=own.y), _POINT)
        moved = np.abs(own.x - np.asarray(result.x)).max(initial=0.0)
        require(
            moved <= near * (1.0 + np.abs(own.x).max(initial=0.0)), f"its point is {moved:.1e} away from the result"
        )
        return own

    # ------------------------------------------------------------------ what is asked of one derivative
    def _smooth(self, form: Form) -> tuple[OwnDerivative, float]:
        """At a smooth solution, and what is allowed in the place of zero."""
        own = self.at(form)
        require(own is not None, "a smooth solution has a derivative, got None")
        assert own is not None
        is_told = own.status in (_CODES.EXACT, _CODES.TRUNCATED)
        require(is_told, f"a smooth solution is differentiable, exactly or TRUNCATED; its status is {own.status.name}")
        require(not own.at_fault.any(), "no row is at fault at a smooth solution")
        return own, 0.0 if own.status is _CODES.EXACT else 10.0

    def _transposes(self, form: Form, own: OwnDerivative, slack: float) -> None:
        """<push(u), v> = <u, pull(v)>, which needs no truth to compare with."""
        rng = np.random.default_rng(1)
        u, v = (
            (rng.standard_normal((form.n, 3)), rng.standard_normal((form.slots.size, 3)) * _moving(form, own)[:, None])
            for _ in range(2)
        )
        (dx, dy), estimate = _answer("push", own.push, *u), own.error
        w, wy = _answer("pull", own.pull, *v)
        one, other = dx.T @ v[0] + dy.T @ v[1], u[0].T @ w + u[1].T @ wy
        size = np.abs(dx).T @ np.abs(v[0]) + np.abs(dy).T @ np.abs(v[1])
        off = (np.abs(one - other) / size).max(initial=0.0)
        allowed = max(_ADJOINT, slack * max(estimate, own.error))
        require(off <= allowed, f"push and pull are no transposes: they differ by {off:.1e} of their terms")

    def _equations(self, form: Form) -> None:
        """``P dx - Gᵀ dy = p``, ``G dx + r = 0`` in active slots, ``dy = 0`` in others; of a program without cones."""
        own, slack = self._smooth(form)
        rng, (G, *_) = np.random.default_rng(2), dense(form)
        active, P = _moving(form, own), form.P.toarray()
        dual = _scale(form)[:, None]
        units = np.concatenate([_units(P)[:, None], dual])
        p, r = rng.standard_normal((form.n, 3)) / _units(P)[:, None], rng.standard_normal((len(dual), 3)) / dual
        for name, way in (("push", own.push), ("pull", own.pull)):
            dx, dy = _answer(name, way, p, r)
            left = np.concatenate([P @ dx - G.T @ dy - p, np.where(active[:, None], G @ dx + r, 0.0)])
            size = np.concatenate([abs(P) @ abs(dx) + abs(G.T) @ abs(dy) + abs(p), abs(G) @ abs(dx) + abs(r)])
            allowed = max(_EXACT, slack * own.error)
            if slack:  # an estimate is one in the largest norm
                size = np.full_like(size, (size * units).max(initial=0.0)) / units
            off = (np.abs(left) / np.where(size > 0.0, size, 1.0)).max(initial=0.0)
            require(off <= allowed, f"{name} leaves {off:.1e} of the linearized optimality conditions")
            moves = np.abs(dy / dual)
            stray = moves[~active].max(initial=0.0)
            require(stray <= allowed * (1.0 + moves.max(initial=0.0)), f"{name} moves duals of inactive slots")
        self._transposes(form, own, slack)

    def _differences(self, form: Form) -> None:
        """Solutions nearby, on both sides of a move of all numbers."""
        own, slack = self._smooth(form)
        rng, (J, *_), k = np.random.default_rng(4), dense(form), form.k
        M = rng.standard_normal((form.n, form.n))
        pattern = form.P.toarray() != 0.0
        dP, dq = (M + M.T) * pattern if form.P.nnz else 0.0 * M, rng.standard_normal(form.n)
        dG = rng.standard_normal(J.shape) * (J != 0.0)
        dG[form.m : form.slots.sided] = 0.0
        dl, dg = rng.standard_normal(form.slots.sided), rng.standard_normal(k)

        def moved(t: float) -> OwnDerivative:
            sides = [
                np.concatenate([low, high]) + t * dl
                for low, high in ((form.row_lower, form.lower), (form.row_upper, form.upper))
            ]
            A, F = form.A.toarray() + t * dG[: form.m], form.F.toarray() + t * dG[form.slots.sided :]
            near = form_of(A, [s[: form.m] for s in sides], [s[form.m :] for s in sides], form.q + t * dq)
            near.set_objective(sp.csc_array(form.P.toarray() + t * dP), near.q, 0.0)
            if form.cones:
                near.set_cones(sp.csr_array(F), form.g + t * dg, form.cones)
            return self._smooth(near)[0]

        p = dG.T @ own.y - dP @ own.x - dq
        r = dG @ own.x + np.concatenate([-dl, dg])
        dx, dy = _answer("push", own.push, p[:, None], r[:, None])
        after, before = moved(_STEP), moved(-_STEP)
        ours = np.concatenate([dx[:, 0], dy[:, 0]])
        theirs = np.concatenate([after.x - before.x, after.y - before.y]) / (2.0 * _STEP)
        off = np.abs(ours - theirs).max() / (1.0 + np.abs(theirs).max())
        allowed = max(_DIFFERENCES, slack * own.error) if own.status is _CODES.EXACT else max(1e-2, slack * own.error)
        require(off <= allowed, f"a derivative differs from differences of solutions by {off:.1e}")

    # ------------------------------------------------------------------ checks
    def equations(self) -> None:
        """Ranges, equalities, bounds, fixed columns, free rows; with little and with much curvature."""
        for seed in range(self.seeds):
            self._equations(_smooth_form(seed))

    def units(self) -> None:
        """The same with rows and columns out of scale."""
        rng, form = np.random.default_rng(3), _smooth_form(0)
        D, E = 10.0 ** rng.uniform(-2.0, 2.0, form.n), 10.0 ** rng.uniform(-2.0, 2.0, form.m)
        rows, box = (form.row_lower * E, form.row_upper * E), (form.lower / D, form.upper / D)
        A, P = E[:, None] * form.A.toarray() * D, D[:, None] * form.P.toarray() * D
        self._equations(form_of(A, rows, box, form.q * D, P))

    def differences(self) -> None:
        """Derivatives in all numbers at once."""
        for seed in range(self.seeds):
            self._differences(_smooth_form(seed))

    def cones(self, cones: Sequence[NativeCone]) -> None:
        """Cones beside rows and bounds: transposes, and differences."""
        form, x = random_form(np.random.default_rng(0), 8, 2, cones=[cones[0]])
        form.set_objective(sp.csc_array(form.P.toarray() + np.eye(form.n)), form.q - x, 0.0)
        own, slack = self._smooth(form)
        self._transposes(form, own, slack)
        self._differences(form)

    def what_is_not_there(self) -> None:
        """No rows and no bounds; equalities alone; rows that hold nothing."""
        P, q, free = np.diag([2.0, 1.0, 3.0]) + 0.1, [1.0, -1.0, 0.5], ([-INF] * 3, [INF] * 3)
        for A, rows, box in (
            (np.zeros((0, 3)), ([], []), free),
            ([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0]], ([1.0, 0.5],) * 2, free),
            ([[1.0, 1.0, 1.0]], ([-50.0], [70.0]), ([-60.0] * 3, [80.0] * 3)),
        ):
            form = form_of(A, rows, box, q, P)
            self._equations(form)
            self._differences(form)

    def kinks(self) -> None:
        """At a weakly active bound, and with an equation twice, answers are finite, and modes are transposes."""
        P = np.eye(2)
        weak = form_of([[1.0, 1.0]], ([-INF], [9.0]), ([0.0, -9.0], [INF, 9.0]), [0.0, -1.0], P)
        twice = form_of([[1.0, 1.0], [2.0, 2.0]], ([1.0, 2.0],) * 2, ([-9.0] * 2, [9.0] * 2), [0.0, -1.0], P)
        for form in (weak, twice):
            own = self.at(form)
            if own is None:  # a diff model is asked
                continue
            for way in (own.push, own.pull):
                _answer("a derivative at a kink", way, np.ones((2, 1)), np.ones((form.slots.size, 1)))
        own = self.at(twice)
        require(
            own is None or own.status is not _CODES.EXACT,
            "an equation that is there twice has no unique duals: not EXACT",
        )

    def of_any_result(self) -> None:
        """A solver that solved nothing differentiates a result, and forms may change in place afterwards."""
        form, solver = _smooth_form(0), self.make()
        result = solver.solve(form)
        one, other = solver.differentiate(form, result), self.make().differentiate(form, result)
        assert one is not None
        assert other is not None
        right = np.ones((form.n, 1)), np.ones((form.slots.size, 1))
        expected = other.push(*right)
        allowed = max(_EXACT, 10.0 * other.error)
        form.set_objective(sp.csc_array(2.0 * form.P.toarray()), 3.0 * form.q, 0.0)
        form.set_sides(np.arange(form.m), form.row_lower - 1.0, form.row_upper + 1.0)
        solver.solve(form)
        for found, wanted in zip(one.push(*right), expected, strict=True):
            off = np.abs(found - wanted).max(initial=0.0) / (1.0 + np.abs(wanted).max(initial=0.0))
            require(off <= allowed, f"an answer depends on who solved the form, or changes with it: by {off:.1e}")


def _moving(form: Form, own: OwnDerivative) -> Any:
    """Slots of a smooth program that move its solution: with a multiplier, or equal sides; cones all."""
    _, lower, upper = dense(form)
    moving = (np.abs(own.y) > 0.2 * _CLEAR * _scale(form)) | (lower == upper)
    moving[form.slots.sided :] = True
    return moving


def _answer(name: str, way: Any, p: FloatArray, r: FloatArray) -> tuple[FloatArray, FloatArray]:
    """One that has the shapes of its right-hand sides, and is finite."""
    answer: tuple[FloatArray, FloatArray] = way(p, r)
    shapes = [part.shape for part in answer]
    require(shapes == [p.shape, r.shape], f"{name} answers in the shapes of right-hand sides, got {shapes}")
    require(all(np.isfinite(part).all() for part in answer), f"{name} answers in finite numbers")
    return answer


def _units(P: FloatArray) -> FloatArray:
    """Of columns: in them the curvature of each is one; all of these programs are curved."""
    return 1.0 / np.sqrt(np.diag(P))


def _scale(form: Form) -> FloatArray:
    """What counts as one for duals, (slots,): one over the size of their rows, in the units of the columns."""
    size = np.abs(dense(form)[0] * _units(form.P.toarray())).max(axis=1, initial=0.0)
    return 1.0 / np.where(size > 0.0, size, 1.0)


def _smooth_form(seed: int) -> Form:
    """A random program whose solution is smooth: curved, with independent active rows and nothing small."""
    for attempt in range(1000):
        rng = np.random.default_rng([seed, attempt])
        form, x = random_form(rng, 8, 6)
        form.set_objective(sp.csc_array(form.P.toarray() + np.eye(form.n)), form.q - x, 0.0)
        G, lower, upper = dense(form)
        slack = np.minimum(G @ x - lower, upper - G @ x)
        active = slack == 0.0
        small = (slack > 0.0) & (slack < _CLEAR)
        if small.any() or active.sum() > 5:
            continue
        on = G[active]
        if np.linalg.svd(on, compute_uv=False).min(initial=1.0) < 0.2:
            continue
        gradient = form.P.toarray() @ x + form.q
        y = np.linalg.lstsq(on.T, gradient, rcond=None)[0]
        if np.abs(y).min(initial=1.0) >= 4.0 * _CLEAR and active.sum() >= 2:
            return form
    raise AssertionError("no random program is smooth")
