"""Items solved and differentiated in the compiled form: after the first, no Python object for a constraint is made."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ...modelkit import attributes as attr
from ...modelkit.convexity import is_positive_semidefinite
from ...modelkit.errors import OptangentError
from ...modelkit.functions.matrices import ids_of
from ...modelkit.indices import ConstraintIndex
from ...modelkit.matrix_form import MatrixForm
from ...modelkit.parameters import Parameters
from ...modelkit.remaking import recipe, remade
from ...modelkit.rows import FloatArray, IntArray
from ..conic import ConicDiff
from ..convex import ConvexDiff, SolutionPoint
from ..quadratic import QuadraticDiff
from .compiling import Compiled, NotCompilable, compiled
from .data_map import DataMap, workable
from .dense_qp import DenseQP, Stacked
from .form_residuals import FormResiduals
from .observed import Observed

__all__ = ["CompiledRoute", "State"]

_CODES = attr.TerminationStatusCode


@final
@dataclass(eq=False)
class State:
    """What is kept of an item: its solution, and with it what differentiates it once that is asked for."""

    x: FloatArray
    y: FloatArray
    data: FloatArray | None = field(default=None, repr=False)
    point: SolutionPoint | None = field(default=None, repr=False)
    status: attr.DifferentiationStatusCode | None = None

    def __getstate__(self) -> tuple[FloatArray, FloatArray]:
        return self.x, self.y

    def __setstate__(self, state: tuple[FloatArray, FloatArray]) -> None:
        self.x, self.y = state
        self.data = self.point = self.status = None

    @property
    def differentiation_status(self) -> attr.DifferentiationStatusCode | None:
        """What the derivatives are, if there are any yet."""
        return self.status if self.point is None else self.point.status


@final
class CompiledRoute:
    """A compiled model with the solvers of the model, tried in order, made anew in each thread.

    Parameters
    ----------
    model : of which the present values of other parameters are kept
    ids : of the layer's parameters
    outputs : see `program.Output`

    Raises
    ------
    NotCompilable
        If the model has no compiled form, or none of its solvers takes matrices.
    """

    def __init__(self, model: Any, ids: IntArray, outputs: list[Any]) -> None:
        store = model.store
        self._solvers = [recipe(one.inner) for one in model.cache.candidates if hasattr(one.inner, "load")]
        if not self._solvers:
            raise NotCompilable("The solver takes no matrices; Clarabel, SCS and OSQP do.")
        made, self.diff_model = self._compile(store, [one.inner for one in model.cache.candidates])
        self.form: MatrixForm = made.form
        self.data: DataMap = made.data
        parameters = Parameters(store)
        self._present = parameters.values.copy()
        self._places = parameters.places(ids)
        self._read_outputs(store, made, outputs)
        self._residuals = FormResiduals(self.form)
        self._dense = DenseQP(self.form, self.data) if DenseQP.fits(self.form) else None
        self._check_convex = self.data.curves
        if not self._check_convex:
            self._convex(self.data.numbers(self.data.data(self._present)).P)
        self._options = (model.get(attr.LinearAlgebraSolver()), model.get(attr.AllowInaccurateSolution()))
        self._local = threading.local()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_local"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._local = threading.local()

    @staticmethod
    def _compile(store: Any, solvers: list[Any]) -> tuple[Compiled, type[ConvexDiff]]:
        """The form for the narrowest diff model whose sets the solvers take."""
        reason = ""
        for diff_model in (QuadraticDiff, ConicDiff):
            kinds = [
                k
                for k in diff_model.kinds
                if k[0].degree < 2 and all(k in s.kinds for s in solvers if hasattr(s, "load"))
            ]
            try:
                return compiled(store, kinds), diff_model
            except NotCompilable as error:
                reason = str(error)
        raise NotCompilable(reason)

    def _read_outputs(self, store: Any, made: Compiled, outputs: list[Any]) -> None:
        """The outputs as ``X x + Y y + objective``, and values of functions."""
        self._observed: list[tuple[slice, Observed]] = []
        n, m = self.form.n, self.form.m
        of_x, of_y, of_value = [sp.csr_array((0, n))], [sp.csr_array((0, m))], [np.zeros(0)]
        for output in outputs:
            if isinstance(output, attr.ObjectiveValue):
                of_x.append(sp.csr_array((1, n)))
                of_y.append(sp.csr_array((1, m)))
                of_value.append(np.ones(1))
                continue
            if isinstance(output, tuple):  # (ConstraintPrimal(), constraint)
                rows = store.get(attr.ConstraintFunction(), output[1]).rows
                observed = Observed(rows, *self._known(made), n + len(self._present))
                start = sum(len(part) for part in of_value)
                self._observed.append((slice(start, start + observed.m), observed))
                of_x.append(sp.csr_array((observed.m, n)))
                of_y.append(sp.csr_array((observed.m, m)))
                of_value.append(np.zeros(observed.m))
                continue
            if isinstance(output, ConstraintIndex):
                rows = made.duals_of(output)
                of_x.append(sp.csr_array((rows.shape[0], n)))
                of_y.append(rows)
            else:
                wanted = np.ravel(ids_of(output)).tolist()
                if any(i not in made.columns for i in wanted):
                    raise NotCompilable("A parameter is an output.")
                column = np.array([made.columns[i] for i in wanted], np.int64)
                k = len(column)
                of_x.append(sp.csr_array((np.ones(k), column, np.arange(k + 1)), shape=(k, n)))
                of_y.append(sp.csr_array((k, m)))
            of_value.append(np.zeros(of_x[-1].shape[0]))
        self._X, self._Y = workable(sp.csr_array(sp.vstack(of_x))), workable(sp.csr_array(sp.vstack(of_y)))
        self._value = np.concatenate(of_value)

    def _known(self, made: Compiled) -> tuple[IntArray, IntArray]:
        """Identifiers of variables and parameters, and their places in (x, all parameters)."""
        variables = np.array(list(made.columns), np.int64)
        places = np.array(list(made.columns.values()), np.int64)
        parameters = self.form.n + np.arange(len(made.parameter_ids))
        return np.concatenate([variables, made.parameter_ids]), np.concatenate([places, parameters])

    # ------------------------------------------------------------------ solving
    def _theta(self, theta: FloatArray) -> FloatArray:
        """All parameters of the model, given those of the layer: (..., p)."""
        if theta.ndim == 1:
            whole = self._present.copy()
            whole[self._places] = theta
            return whole
        many = np.tile(self._present, (len(theta), 1))
        many[:, self._places] = theta
        return many

    def _form(self, data: FloatArray) -> MatrixForm:
        """The form with these numbers."""
        numbers = self.data.numbers(data)
        return self.form.with_numbers(numbers.P, numbers.q, numbers.r, numbers.F, numbers.g)

    @staticmethod
    def _convex(P: Any) -> None:
        if P.nnz and not is_positive_semidefinite(P):
            raise OptangentError("the quadratic objective has curvature of the wrong sign for its sense")

    def solve(self, theta: FloatArray, warm: Any) -> tuple[attr.TerminationStatusCode, str, FloatArray, State | None]:
        """The solution, by the first solver that finds one."""
        data = self.data.data(self._theta(theta))
        form, nothing = self._form(data), np.full(len(self._value), np.nan)
        status, reason = _CODES.OTHER_ERROR, ""
        matrices = form.P, form.q, form.F, form.g
        if self._dense is not None:
            P, q, F, g = self._dense.matrices(data[None])
            matrices = P[0], q[0], F[0], g[0]
        try:
            if self._check_convex:
                self._convex(form.P)
            for number in range(len(self._solvers)):
                result = self._run(number, form)
                status, reason = result.status, result.raw
                if status is _CODES.OPTIMAL:
                    status = self._residuals.checked(*matrices, result.x, result.dual)
                if status is _CODES.OPTIMAL:
                    state = State(result.x, result.dual, data)
                    return status, "", self._outputs(form, theta, state), state
                if status in (_CODES.INFEASIBLE, _CODES.DUAL_INFEASIBLE):
                    break
        except OptangentError as error:
            return _CODES.OTHER_ERROR, str(error), nothing, None
        return status, f"{status.value} ({reason})", nothing, None

    def _run(self, number: int, form: MatrixForm) -> Any:
        """The answer of one of the solvers, its data changed in place where it can."""
        known = self._local.__dict__.setdefault("solvers", {})
        is_loaded = number in known
        solver = known[number] if is_loaded else remade(self._solvers[number])
        answer = solver.solve_without_library(form)
        if answer is not None:
            return answer
        known.pop(number, None)  # until all has gone well
        # anew each time: answers shall not depend on what was solved before
        solver.reload(form) if is_loaded else solver.load(form)
        answer = solver.run(form)
        known[number] = solver
        return answer

    def _outputs(self, form: MatrixForm, theta: FloatArray, state: State) -> FloatArray:
        out: FloatArray = np.asarray(self._X @ state.x + self._Y @ state.y)
        if self._value.any():
            value = 0.5 * (state.x @ (form.P @ state.x)) + form.q @ state.x + form.r
            out = out + self._value * float(form.sign * value)
        for place, observed in self._observed:
            out[place] = observed.value(np.concatenate([state.x, self._theta(theta)]))
        return out

    # ------------------------------------------------------------------ derivatives
    def _point(self, theta: FloatArray, state: State) -> tuple[MatrixForm, SolutionPoint]:
        """The form, and the exact solution with its factorization, made when it is first asked for."""
        form = self._form(self._data(theta, state))
        if state.point is None:
            model = self.diff_model()
            model.linear_algebra, model.allow_inaccurate = self._options
            state.point = model.exact(form, state.x, state.y)
        return form, state.point

    def vjp(self, theta: FloatArray, state: State, cotangents: FloatArray) -> FloatArray:
        """(K, o) to (K, p): one solve for all."""
        xbar, ybar, seeds = self._seeds(cotangents)
        whole = self._theta(theta)
        direct: Any = 0.0
        for place, observed in self._observed:
            pulled = observed.pull(np.concatenate([state.x, whole]), cotangents[:, place])
            xbar, direct = xbar + pulled[:, : self.form.n], direct + pulled[:, self.form.n :]
        x, y, w, wy = self._solved(theta, state, xbar.T, ybar.T)
        gradient = self._data_gradient(x, y, w.T, wy.T - np.outer(seeds, y), seeds)
        return np.asarray((self.data.gradient(whole, gradient) + direct)[:, self._places])

    def vjp_batch(self, items: list[tuple[FloatArray, State]], cotangents: FloatArray) -> FloatArray:
        """(B, o) to (B, p), a cotangent for each item: small quadratic programs by stacked systems."""
        xbar, ybar, seeds = self._seeds(cotangents)
        whole, states = self._theta(np.stack([theta for theta, _ in items])), [state for _, state in items]
        data = np.stack([self._data(*item) for item in items])
        quick = self._quick(states, data, xbar[:, :, None], ybar[:, :, None])
        if quick is None or self._observed:
            return np.concatenate([self.vjp(*item, one[None]) for item, one in zip(items, cotangents, strict=True)])
        wy = quick.wy[:, :, 0] - seeds[:, None] * quick.y
        with np.errstate(invalid="ignore", over="ignore"):  # of items that are done below
            gradient = self._data_gradient(quick.x, quick.y, quick.w[:, :, 0], wy, seeds)
            out = self.data.gradient(whole, gradient)[:, self._places]
        for item in np.flatnonzero(~quick.good):
            out[item] = self.vjp(*items[item], cotangents[item][None])[0]
        for item in np.flatnonzero(quick.good):
            states[item].status = attr.DifferentiationStatusCode.EXACT
        return out

    def _seeds(self, cotangents: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Of x (K, n), y (K, m) and the form's objective (K,)."""
        seeds: FloatArray = self.form.sign * (cotangents @ self._value)
        return np.asarray(cotangents @ self._X), np.asarray(cotangents @ self._Y), seeds

    def _solved(
        self, theta: FloatArray, state: State, primal: FloatArray, rows: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """The exact solution, and right-hand sides (n, K), (m, K) solved there: a small quadratic program by itself."""
        if self._may_be_quick([state]):
            assert self._dense is not None
            quick = self._dense.solve_one(self._data(theta, state), state.x, state.y, primal, rows)
            if quick is not None:
                state.status = attr.DifferentiationStatusCode.EXACT
                return quick
        _, point = self._point(theta, state)
        return point.x, point.y, *point.solve(primal, rows)

    def _may_be_quick(self, states: list[State]) -> bool:
        return self._dense is not None and self._options[0] is None and all(s.point is None for s in states)

    def _data(self, theta: FloatArray, state: State) -> FloatArray:
        """The numbers of an item."""
        if state.data is None:
            state.data = self.data.data(self._theta(theta))
        return state.data

    def _quick(self, states: list[State], data: FloatArray, primal: FloatArray, rows: FloatArray) -> Stacked | None:
        """Right-hand sides (B, n, k), (B, m, k) solved for small quadratic programs by dense systems; else None."""
        if not self._may_be_quick(states):
            return None
        assert self._dense is not None
        x, y = np.stack([state.x for state in states]), np.stack([state.y for state in states])
        return self._dense.solve(data, x, y, primal, rows)

    def _data_gradient(self, x: Any, y: Any, w: FloatArray, wy: FloatArray, seed: FloatArray) -> FloatArray:
        """Gradients in the entries of P, q, r, F and g, (K, D), of K adjoints (w, wy) at solutions (n,) or (K, n)."""
        p = self.data.pattern
        i, j = p.P_indices, p.P_columns
        xi, xj = x[..., i], x[..., j]
        P = 0.5 * (seed[:, None] * xi * xj - w[:, i] * xj - xi * w[:, j])
        r, c = p.F_rows, p.F_indices
        F = y[..., r] * w[:, c] + wy[:, r] * x[..., c]
        return np.concatenate([P, seed[:, None] * x - w, seed[:, None], F, wy], axis=1)

    def jvp(self, theta: FloatArray, state: State, tangents: FloatArray) -> FloatArray:
        """(K, p) to (K, o): one solve for all."""
        x, y, *_ = self._solved(theta, state, np.zeros((self.form.n, 0)), np.zeros((self.form.m, 0)))
        moved = np.zeros((len(tangents), len(self._present)))
        moved[:, self._places] = tangents
        moves = self.data.tangent(np.broadcast_to(self._theta(theta), moved.shape), moved)
        primal, rows, values = self._right_hand_sides(x, y, moves)
        *_, dx, dy = self._solved(theta, state, primal.T, rows.T)
        out: FloatArray = (self._X @ dx + self._Y @ dy).T + np.outer(self.form.sign * values, self._value)
        for place, observed in self._observed:
            z = np.concatenate([x, self._theta(theta)])
            out[:, place] = observed.push(z, np.concatenate([dx.T, moved], axis=1))
        return out

    def jvp_batch(self, items: list[tuple[FloatArray, State]], tangents: FloatArray) -> FloatArray:
        """(B, p) to (B, o), a tangent for each item: small quadratic programs by stacked systems."""
        states = [state for _, state in items]
        whole = self._theta(np.stack([theta for theta, _ in items]))
        none = np.zeros((len(items), self.form.n, 0)), np.zeros((len(items), self.form.m, 0))
        data = np.stack([self._data(*item) for item in items])
        exact = self._quick(states, data, *none)
        if exact is None or self._observed:
            return np.stack([self.jvp(*item, one[None])[0] for item, one in zip(items, tangents, strict=True)])
        moved = np.zeros((len(tangents), len(self._present)))
        moved[:, self._places] = tangents
        primal, rows, values = self._right_hand_sides(exact.x, exact.y, self.data.tangent(whole, moved))
        found = self._quick(states, data, primal[:, :, None], rows[:, :, None])
        assert found is not None
        dx, dy = found.w[:, :, 0], found.wy[:, :, 0]
        out: FloatArray = (self._X @ dx.T + self._Y @ dy.T).T + np.outer(self.form.sign * values, self._value)
        for item in np.flatnonzero(~found.good):
            out[item] = self.jvp(*items[item], tangents[item][None])[0]
        return out

    def _right_hand_sides(self, x: Any, y: Any, moves: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """From moves of the numbers (K, D): ``dFᵀy - dP x - dq`` (K, n), ``dF x + dg`` (K, m), objectives (K,)."""
        p = self.data.pattern
        P, q, r, F, g = (moves[:, part] for part in p.slices)
        Px = _summed(P * x[..., p.P_columns], p.P_indices, p.n)
        Fx = _summed(F * x[..., p.F_indices], p.F_rows, p.m)
        Fty = _summed(F * y[..., p.F_rows], p.F_indices, p.n)
        values = (0.5 * Px + q) @ x if x.ndim == 1 else ((0.5 * Px + q) * x).sum(axis=1)
        rows = Fx + g
        values = values + r[:, 0] - (rows @ y if y.ndim == 1 else (rows * y).sum(axis=1))
        return Fty - Px - q, rows, values


def _summed(values: FloatArray, place: Any, count: int) -> FloatArray:
    """Sums of the columns of (K, T) at places."""
    spread = sp.csr_array((np.ones(len(place)), (place, np.arange(len(place)))), shape=(count, len(place)))
    return np.asarray((spread @ values.T).T)
