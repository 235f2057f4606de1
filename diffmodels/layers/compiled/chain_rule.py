"""From parameters through a form's solution to outputs: values, and the chain rule in both modes.

The dual of the constraint that makes a variable a parameter is ``∂L/∂θ = Dᵀℓ``: D the derivative of the map from θ to
the form's numbers, ℓ(x, y) the derivative of the Lagrangian in these. So its derivative has a part Dᵀdℓ, by the
solution's, and a part by the map's second derivative; in reverse mode the transposes of both.

Items come singly, as x (n,), or in a batch, as x (B, n). What solves their KKT systems is given as a function, so that
this is all that the routes of the compiled form have to know about derivatives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ....modelkit import attributes as attr
from ....modelkit.arrays import FloatArray, IntArray
from ....modelkit.form.linear_map import LinearMap
from ....modelkit.form.polynomial_map import PolynomialMap
from ....modelkit.functions.shaped import ids_of
from ....modelkit.indices import ConstraintIndex
from ....modelkit.parameters import PARAMETERS, Parameters
from ....modelkit.rows import Rows
from ...seen import Seen
from ..route import Mode
from .compiling import Compiled, NotCompilable
from .form_derivative import FormDerivative

__all__ = ["ChainRule", "Solve"]

_SMALL = 40_000
"""Size of a dense matrix with which a product still costs less than the calls that it replaces."""
_ONE = np.ones(1)
Solve = Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]
"""From right-hand sides (K, n) and (K, m) of KKT systems to their solutions, of the same shapes."""


@final
class ChainRule:
    """The maps around the solution of a compiled form.

    Parameters
    ----------
    made : the compiled model
    store : the model as written
    present : (q,) values of all parameters of the model
    places : (p,) of the layer's parameters among them
    outputs : see `program.Output`

    Attributes
    ----------
    data : from all parameters to the form's numbers
    size : number of numbers in all outputs
    has_objective : whether the objective's value is an output
    """

    def __init__(self, made: Compiled, store: Any, present: FloatArray, places: IntArray, outputs: list[Any]) -> None:
        self.data, self._sign, n, m = made.data, made.form.sign, made.form.n, made.form.m
        self._derivative = FormDerivative(made.data.pattern, made.data.moving)
        self._present = present
        self._places = None if np.array_equal(places, np.arange(len(present))) else places
        self._observed: list[tuple[slice, PolynomialMap]] = []
        reduced: list[tuple[int, int]] = []
        of_x, of_y, of_value = [sp.csr_array((0, n))], [sp.csr_array((0, m))], [np.zeros(0)]
        for output in outputs:
            start = sum(len(part) for part in of_value)
            columns, rows, value = sp.csr_array((0, n)), sp.csr_array((0, m)), 0.0
            if isinstance(output, attr.ObjectiveValue):
                size, value = 1, 1.0
            elif isinstance(output, tuple):  # (ConstraintPrimal(), constraint)
                written = store.get(attr.ConstraintFunction(), output[1]).rows
                size = written.m
                self._observed.append((slice(start, start + size), _observed(written, made, n + len(present))))
            elif isinstance(output, ConstraintIndex) and output.kind == PARAMETERS:
                size = 1
                reduced.append((start, int(Parameters(store).places(np.array([output.value]))[0])))
            elif isinstance(output, ConstraintIndex):
                rows = made.duals_of(output)
                size = rows.shape[0]
            else:
                wanted = np.ravel(ids_of(output)).tolist()
                if any(i not in made.columns for i in wanted):
                    raise NotCompilable("A parameter is an output.")
                at = np.array([made.columns[i] for i in wanted], np.int64)
                size = len(at)
                columns = sp.csr_array((np.ones(size), at, np.arange(size + 1)), shape=(size, n))
            of_x.append(columns if columns.shape[0] else sp.csr_array((size, n)))
            of_y.append(rows if rows.shape[0] else sp.csr_array((size, m)))
            of_value.append(np.full(size, value))
        X, Y = sp.vstack(of_x), sp.vstack(of_y)
        self._seen = np.zeros(n, bool)
        self._seen[sp.coo_array(X).coords[1]] = True
        self._X, self._Y = LinearMap(X), LinearMap(Y) if Y.nnz else None
        self._value = np.concatenate(of_value)
        self._costs_out, self._costs_of = np.array(reduced, np.int64).reshape(-1, 2).T  # places in outputs and in θ
        self.size, self.has_objective, self._m = len(self._value), bool(self._value.any()), m
        self._bilinear = self._as_bilinear(n, m, len(present))

    def _as_bilinear(self, n: int, m: int, count: int) -> FloatArray | None:
        """What gives gradients from all products of an entry of (w, wy) and one of (x, y, 1), if it is small.

        A gradient is linear in both where the data are linear in the parameters. For a tiny program one product with
        this matrix takes a fifth of the time of the steps that it is made by.
        """
        size = n + m
        if (
            self.has_objective
            or self._observed
            or len(self._costs_of)
            or not self.data.is_linear
            or size * (size + 1) * count > _SMALL
        ):
            return None
        theta, none, w = np.zeros(count), np.zeros((1, 1)), np.eye(size)

        def gradients(z: FloatArray) -> FloatArray:
            of_data = self._derivative.gradient(z[:n], z[n:], w[:, :n], w[:, n:], none)
            return self.data.gradient(theta, of_data)

        constant = gradients(np.zeros(size))
        return np.stack([*(gradients(z) - constant for z in np.eye(size)), constant], axis=1).reshape(-1, count)

    # ------------------------------------------------------------------ values
    def theta(self, given: FloatArray) -> FloatArray:
        """All parameters of the model, given those of the layer: (..., p) to (..., q)."""
        if self._places is None:
            return given
        whole = np.empty((*given.shape[:-1], len(self._present)))
        whole[...] = self._present
        whole[..., self._places] = given
        return whole

    def outputs(self, theta: FloatArray, x: FloatArray, y: FloatArray, objective: Any) -> FloatArray:
        """(..., o) at all parameters (..., q), with the form's objective (...), or None if it is no output."""
        out = self._X(x)
        if out is x:  # which derivatives will need, whatever the user does with the outputs
            out = x.copy()
        if self._Y is not None:
            out += self._Y(y)
        if self.has_objective:
            out += self._sign * np.multiply.outer(objective, self._value)
        for place, observed in self._observed:
            out[..., place] = observed(np.concatenate([x, theta], axis=-1))
        if len(self._costs_of):
            costs = self.data.gradient(theta, self._of_lagrangian(x, y))
            out[..., self._costs_out] = costs.reshape(theta.shape)[..., self._costs_of]
        return out

    def _of_lagrangian(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Its derivative in the moving numbers, (1, T) or (K, T)."""
        none = np.zeros_like(np.atleast_2d(x)), np.zeros_like(np.atleast_2d(y))
        return self._derivative.gradient(x, y, *none, np.ones((1, 1)))

    def seen(self, theta: FloatArray, x: FloatArray, y: FloatArray) -> Seen:
        """The outputs, and what parameters move: a null vector that they are not orthogonal to is seen by them."""

        def through(dx: FloatArray, dy: FloatArray) -> FloatArray:
            w, wy = dx.T, dy.T
            gradient = self.data.gradient(theta, self._derivative.gradient(x, y, w, wy, np.zeros((1, 1))))
            parts = [gradient if self._places is None else gradient[:, self._places], gradient[:, self._costs_of]]
            if self._Y is not None:
                parts.append(self._Y(wy))
            z, none = np.concatenate([x, theta]), np.zeros((len(w), len(theta)))
            parts += [observed.push(z, np.concatenate([w, none], axis=1)) for _, observed in self._observed]
            return np.concatenate(parts, axis=1).T

        return Seen(self._seen, through)

    # ------------------------------------------------------------------ derivatives
    def derivative(
        self, mode: Mode, theta: FloatArray, x: FloatArray, y: FloatArray, directions: FloatArray, solve: Solve
    ) -> FloatArray:
        """Pull cotangents (K, o) back to (K, p), or push tangents (K, p) to (K, o), of one solution or of K."""
        return (self._pulled if mode == "vjp" else self._pushed)(theta, x, y, directions, solve)

    def _pulled(
        self, theta: FloatArray, x: FloatArray, y: FloatArray, cotangents: FloatArray, solve: Solve
    ) -> FloatArray:
        xbar = self._X.transposed(cotangents)
        ybar = np.zeros((len(cotangents), self._m)) if self._Y is None else self._Y.transposed(cotangents)
        if self._bilinear is not None:
            w, wy = solve(xbar, ybar)
            left, right = np.concatenate([w, wy], axis=1), _with_one(x, y)
            products = left[:, :, None] * right[..., None, :]
            gradient = np.asarray(products.reshape(len(cotangents), len(self._bilinear)).dot(self._bilinear))
            return gradient if self._places is None else gradient[:, self._places]
        seeds = (self._sign * cotangents @ self._value)[:, None] if self.has_objective else np.zeros((1, 1))
        direct: Any = None
        for place, observed in self._observed:
            pulled = observed.pull(np.concatenate([x, theta], axis=-1), cotangents[:, place])
            xbar = xbar + pulled[:, : xbar.shape[1]]
            direct = pulled[:, xbar.shape[1] :] + (0.0 if direct is None else direct)
        if len(self._costs_of):
            moves = np.zeros((len(cotangents), len(self._present)))
            np.add.at(moves.T, self._costs_of, cotangents[:, self._costs_out].T)
            primal, rows, _ = self._derivative.right_hand_sides(x, y, self.data.tangent(theta, moves))
            xbar, ybar = xbar - primal, ybar - rows
            turned = self.data.turn(theta, moves, self._of_lagrangian(x, y))
            direct = turned if direct is None else direct + turned
        w, wy = solve(xbar, ybar)
        gradient = self.data.gradient(theta, self._derivative.gradient(x, y, w, wy, seeds))
        if direct is not None:
            gradient = gradient + direct
        return gradient if self._places is None else gradient[:, self._places]

    def _pushed(
        self, theta: FloatArray, x: FloatArray, y: FloatArray, tangents: FloatArray, solve: Solve
    ) -> FloatArray:
        moved = tangents
        if self._places is not None:
            moved = np.zeros((len(tangents), len(self._present)))
            moved[:, self._places] = tangents
        primal, rows, values = self._derivative.right_hand_sides(x, y, self.data.tangent(theta, moved))
        dx, dy = solve(primal, rows)
        out = self._X(dx)
        if self._Y is not None:
            out = out + self._Y(dy)
        if self.has_objective:
            out = out + self._sign * np.multiply.outer(values, self._value)
        for place, observed in self._observed:
            z = np.concatenate([x, theta], axis=-1)
            out[:, place] = observed.push(z, np.concatenate([dx, moved], axis=1))
        if len(self._costs_of):
            of_moves = self._derivative.gradient(x, y, -dx, -dy, np.zeros((1, 1)))
            costs = self.data.gradient(theta, of_moves) + self.data.turn(theta, moved, self._of_lagrangian(x, y))
            out[:, self._costs_out] = costs[:, self._costs_of]
        return out


def _with_one(x: FloatArray, y: FloatArray) -> FloatArray:
    """(x, y, 1), of one solution or of many."""
    return np.concatenate([x, y, _ONE if x.ndim == 1 else np.ones((len(x), 1))], axis=-1)


def _observed(rows: Rows, made: Compiled, size: int) -> PolynomialMap:
    """Functions of the model as polynomials of z = (x, all parameters), of so many entries."""
    n, p = made.form.n, len(made.parameter_ids)
    ids = np.concatenate([np.array(list(made.columns), np.int64), made.parameter_ids])
    places = np.concatenate([np.array(list(made.columns.values()), np.int64), n + np.arange(p)])
    terms = rows.terms().packed()
    order = np.argsort(ids)
    at = order[np.searchsorted(ids[order], terms.factors).clip(max=max(len(order) - 1, 0))]
    factors = np.where(terms.factors >= 0, places[at] if len(at) else 0, -1)
    if not factors.shape[1]:
        factors = np.full((len(factors), 1), -1, np.int64)
    M = sp.coo_array((terms.coef, (terms.row, np.arange(len(factors)))), shape=(rows.m, len(factors)))
    return PolynomialMap(rows.constant, M.tocsr(), factors, size)
