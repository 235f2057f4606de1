"""From parameters through a form's solution to outputs: values, and the chain rule in both modes.

The dual of the constraint that makes a variable a parameter is ``∂L/∂θ = Dᵀℓ``: D the derivative of the map from θ to
the form's numbers, ℓ(x, y) the derivative of the Lagrangian in these. So its derivative has a part Dᵀdℓ, by the
solution's, and a part by the map's second derivative; in reverse mode the transposes of both.

Items come singly, as x (n,), or in a batch, as x (B, n). What solves their KKT systems is given as a function, so that
this is all that the routes have to know about derivatives. Duals come in coordinates of the route's choice, (R,): by
sides of the slots, or those of one-sided rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ...bridges.lowering.moving import MovingNumbers
from ...modelkit.arrays import FloatArray, Places
from ...modelkit.form import Form
from ...modelkit.form.linear_map import LinearMap
from ...modelkit.form.polynomial_map import PolynomialMap
from ..seen import Seen
from .output_maps import OutputMaps
from .route import Mode

__all__ = ["ChainRule", "Solve"]

_SMALL = 40_000
"""Size of a dense matrix with which a product still costs less than the calls that it replaces."""
_ONE = np.ones(1)
Solve = Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]
"""From right-hand sides (K, n) and (K, R) of KKT systems to their solutions, of the same shapes."""


@final
class ChainRule:
    """The maps around the solution of a form.

    Parameters
    ----------
    moving : from all parameters to the form's numbers
    form : whose they are
    maps : the outputs
    sign : -1 where the model is maximized
    present : (q,) values of all parameters of the model
    places : of the layer's parameters among them
    to_sides : sparse (2 slots, R), from the route's duals to those by sides; None where they are these

    Attributes
    ----------
    size : number of numbers in all outputs
    has_objective : whether the objective's value is an output
    """

    def __init__(
        self,
        moving: MovingNumbers,
        form: Form,
        maps: OutputMaps,
        sign: float,
        present: FloatArray,
        places: Places,
        to_sides: Any = None,
    ) -> None:
        slots, n = form.slots, form.n
        self._map, self._sign = moving.map, sign
        self._derivative = moving.derivative(form)
        self._present = present
        self._places = None if isinstance(places, slice) and places == slice(0, len(present)) else places
        self._observed: list[tuple[slice, PolynomialMap]] = maps.observed
        one = sp.eye_array(slots.size, format="csr")
        both, Y = sp.hstack([one, one], format="csr"), maps.Y
        self._total = LinearMap(both if to_sides is None else both @ to_sides)
        Y = Y if to_sides is None else Y @ to_sides
        self._m = 2 * slots.size if to_sides is None else to_sides.shape[1]
        self._seen = np.zeros(n, bool)
        self._seen[sp.coo_array(maps.X).coords[1]] = True
        self._X, self._Y = LinearMap(maps.X), LinearMap(Y) if Y.nnz else None
        self._value = maps.value
        self._costs_out, self._costs_of = maps.costs_out, maps.costs_of
        self.size, self.has_objective = maps.size, bool(maps.value.any())
        self._bilinear = self._as_bilinear(n, self._m, len(present))

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
            or not (self._map.is_linear and self._derivative.is_bilinear)
            or size * (size + 1) * count > _SMALL
        ):
            return None
        theta, none, w = np.zeros(count), np.zeros((1, 1)), np.eye(size)

        def gradients(z: FloatArray) -> FloatArray:
            return self._map.pull(theta, self._gradient(z[:n], z[n:], w[:, :n], w[:, n:], none))

        constant = gradients(np.zeros(size))
        return np.stack([*(gradients(z) - constant for z in np.eye(size)), constant], axis=1).reshape(-1, count)

    def _gradient(self, x: FloatArray, y: FloatArray, w: FloatArray, wy: FloatArray, seeds: FloatArray) -> FloatArray:
        """In the moving numbers, (K, T)."""
        return self._derivative.gradient(x, self._total(y), w, self._total(wy), seeds)

    def _right_hand_sides(
        self, theta: FloatArray, x: FloatArray, y: FloatArray, moves: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Of moves of all parameters (K, q): (K, n), (K, R), and how the objective moves by itself (K,)."""
        numbers_move = self._map.push(theta, moves)
        primal, rows, values = self._derivative.right_hand_sides(x, self._total(y), numbers_move)
        return primal, self._total.transposed(rows), values

    # ------------------------------------------------------------------ values
    def theta(self, given: FloatArray) -> FloatArray:
        """All parameters of the model, given those of the layer: (..., p) to (..., q)."""
        if self._places is None:
            return given
        whole = np.empty((*given.shape[:-1], len(self._present)))
        whole[...] = self._present
        whole[..., self._places] = given
        return whole

    def outputs(self, theta: FloatArray, x: FloatArray, y: FloatArray | None, objective: Any) -> FloatArray:
        """(..., o) at all parameters (..., q), with the form's objective (...), or None if it is no output.

        Without duals y only where none is an output.
        """
        out = self._X(x)
        if out is x:  # which derivatives will need, whatever the user does with the outputs
            out = x.copy()
        if self._Y is not None and y is not None:
            out += self._Y(y)
        if self.has_objective:
            out += self._sign * np.multiply.outer(objective, self._value)
        for place, observed in self._observed:
            out[..., place] = observed(np.concatenate([x, theta], axis=-1))
        if len(self._costs_of) and y is not None:
            costs = self._map.pull(theta, self._of_lagrangian(x, y))
            out[..., self._costs_out] = costs.reshape(theta.shape)[..., self._costs_of]
        return out

    def _of_lagrangian(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Its derivative in the moving numbers, (1, T) or (K, T)."""
        return self._derivative.of_lagrangian(x, self._total(y))

    def seen(self, theta: FloatArray, x: FloatArray, y: FloatArray) -> Seen:
        """The outputs, and what parameters move: a null vector that they are not orthogonal to is seen by them."""

        def through(dx: FloatArray, dy: FloatArray) -> FloatArray:
            w, wy = dx.T, dy.T
            gradient = self._map.pull(theta, self._gradient(x, y, w, wy, np.zeros((1, 1))))
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
            primal, rows, _ = self._right_hand_sides(theta, x, y, moves)
            xbar, ybar = xbar - primal, ybar - rows
            turned = self._map.turn(theta, moves, self._of_lagrangian(x, y))
            direct = turned if direct is None else direct + turned
        w, wy = solve(xbar, ybar)
        gradient = self._map.pull(theta, self._gradient(x, y, w, wy, seeds))
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
        primal, rows, values = self._right_hand_sides(theta, x, y, moved)
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
            of_moves = self._gradient(x, y, -dx, -dy, np.zeros((1, 1)))
            costs = self._map.pull(theta, of_moves) + self._map.turn(theta, moved, self._of_lagrangian(x, y))
            out[:, self._costs_out] = costs[:, self._costs_of]
        return out


def _with_one(x: FloatArray, y: FloatArray) -> FloatArray:
    """(x, y, 1), of one solution or of many."""
    return np.concatenate([x, y, _ONE if x.ndim == 1 else np.ones((len(x), 1))], axis=-1)
