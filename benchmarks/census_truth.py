"""Programs whose solution and derivative are known without a solver, in any units: what `census.py` counts over.

A program is built backwards from a pair s in K, y in K* with ⟨s, y⟩ = 0 in each of its blocks ``F x + g in K``. Its
derivative solves the linearized conditions of optimality, a dense system written down here on its own: stationarity
``sign (P x + q) = Σ Fᵀ z``, z = W y with the weights W of K's inner product, and of each block d linear equations
``R ds + T dz = 0`` between the motions of its value and of its multiplier:

* a row that holds stays, ``ds = 0``, one that does not has ``dz = 0``;
* where K = {f_i(s) >= 0} near s with smooth f_i that all hold, z = Σ μ_i ∇f_i(s): the motions have ``∇f_i ds = 0``,
  and ``dz - Σ μ_i ∇²f_i ds`` is a combination of the gradients;
* semidefinite matrices: the symmetric part of ``S dY + dS Y`` vanishes (Alizadeh, Haeberly and Overton 1998, eq. (3)).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

Array = Any
Smooth = Callable[[Array], Any]
"""A function of the cone's entries, analytic at s: complex steps differentiate it."""

ANY_MATRIX = 1e7
"""Condition number of the system, of unit rows, up to which its solution is a reference to 1e-9."""


@dataclass(frozen=True)
class Block:
    """``F x + g in make(numbers)``; at the solution its value is s and its multiplier W⁻¹ z.

    ``R ds + T dz = 0`` are the motions that it allows. `rows` tells that each of its rows has units of its own, and
    `plain` that the rows are variables with bounds.
    """

    make: Callable[[Array], Any]
    F: Array
    g: Array
    z: Array
    W: Array
    R: Array
    T: Array
    rows: bool = False
    plain: bool = False
    numbers: Array = None


@dataclass(frozen=True)
class Units:
    """What the numbers of a program are multiplied with: rows block by block, columns, objective."""

    rows: tuple[Array, ...]
    columns: Array
    objective: float


@dataclass(frozen=True)
class Program:
    """Minimize (sign 1) or maximize (-1) ½xᵀPx + qᵀx over blocks; `truth` says what is known of the answer.

    ``"smooth"``: x, z and their derivatives; ``"weak"``, ``"dependent"``, ``"nonunique"``: x (not the last) and the
    kink there; ``"infeasible"``, ``"unbounded"``: that.
    """

    sign: float
    P: Array
    q: Array
    blocks: tuple[Block, ...]
    x: Array
    truth: str = "smooth"
    sparse: bool = False

    @property
    def value(self) -> float:
        """The optimum."""
        return float(0.5 * self.x @ self.P @ self.x + self.q @ self.x)

    @property
    def size_of_value(self) -> float:
        """What an error of the optimum is compared with."""
        return float(1.0 + abs(0.5 * self.x @ self.P @ self.x) + np.abs(self.q * self.x).sum())

    def matrix(self) -> Array:
        """Of the equations for dx and all dz."""
        F = np.concatenate([b.F for b in self.blocks]) if self.blocks else np.zeros((0, len(self.q)))
        R, T = (_diagonal([getattr(b, part) for b in self.blocks]) for part in "RT")
        return np.block([[self.sign * self.P, -F.T], [R @ F, T]])

    def condition(self) -> float:
        """The condition number of the matrix, its rows brought to length 1."""
        K = self.matrix()
        with np.errstate(all="ignore"):
            K = K / np.linalg.norm(K, axis=1, keepdims=True)
        return float(np.linalg.cond(K)) if np.isfinite(K).all() else np.inf

    def derivative(self, d: Direction) -> tuple[Array, list[Array]]:
        """dx, and dy of each block, along a direction; of least norm where rows are dependent."""
        upper = -self.sign * (d.P @ self.x + d.q) + sum(
            (dF.T @ b.z for dF, b in zip(d.F, self.blocks, strict=True)), 0.0
        )
        lower = [-b.R @ (dF @ self.x + dg) for b, dF, dg in zip(self.blocks, d.F, d.g, strict=True)]
        right = np.concatenate([upper, *lower])
        K = self.matrix()
        found = np.linalg.lstsq(K, right, rcond=1e-11)[0] if self.truth == "dependent" else np.linalg.solve(K, right)
        n = len(self.q)
        ends = n + np.cumsum([len(b.g) for b in self.blocks])
        return found[:n], [dz / b.W for b, dz in zip(self.blocks, np.split(found, [n, *ends])[1:-1], strict=True)]


@dataclass(frozen=True)
class Direction:
    """A motion of the data: ½xᵀPx + qᵀx of the objective, F and g of each block."""

    P: Array
    q: Array
    F: tuple[Array, ...]
    g: tuple[Array, ...]


def direction(
    p: Program, rng: np.random.Generator, *, matrices: int | None = None, only_objective: bool = False
) -> Direction:
    """Random, on the nonzeros of the data; of P and of the F of the first `matrices` blocks (None: of all)."""
    many = len(p.blocks) if matrices is None else matrices

    def like(M: Array, wanted: bool) -> Array:
        return rng.standard_normal(M.shape) * (M != 0.0) * wanted

    S = like(p.P, matrices is None)
    F = [like(b.F, k < many and not b.plain and not only_objective) for k, b in enumerate(p.blocks)]
    g = [rng.standard_normal(len(b.g)) * (not b.plain and not only_objective) for b in p.blocks]
    return Direction((S + S.T) / 2.0, rng.standard_normal(len(p.q)), tuple(F), tuple(g))


def in_units(p: Program, u: Units) -> Program:
    """The same program in other units: its x is x / columns, its y is objective * y / rows."""
    blocks = tuple(
        replace(b, F=e[:, None] * b.F * u.columns, g=e * b.g, numbers=None if b.numbers is None else _times(b, e, u))
        for b, e in zip(p.blocks, u.rows, strict=True)
    )
    if any(b.plain for b in p.blocks):  # a variable's bound has the units of the variable
        blocks = tuple(replace(b, F=(b.F != 0.0) * 1.0) if b.plain else b for b in blocks)
    P, q = u.objective * u.columns[:, None] * p.P * u.columns, u.objective * u.columns * p.q
    return replace(p, P=P, q=q, blocks=blocks, x=p.x / u.columns)


def direction_in_units(p: Program, d: Direction, u: Units) -> Direction:
    """The direction of the program in other units."""
    F = tuple(e[:, None] * dF * u.columns for e, dF in zip(u.rows, d.F, strict=True))
    g = tuple(e * dg for e, dg in zip(u.rows, d.g, strict=True))
    return Direction(u.objective * u.columns[:, None] * d.P * u.columns, u.objective * u.columns * d.q, F, g)


def _times(b: Block, e: Array, u: Units) -> Array:
    return b.numbers * (1.0 / u.columns[b.F.argmax(axis=1)] if b.plain else e)[:, None]


def _diagonal(parts: Sequence[Array]) -> Array:
    size = sum(map(len, parts))
    M, at = np.zeros((size, size)), 0
    for part in parts:
        M[at : at + len(part), at : at + len(part)] = part
        at += len(part)
    return M


# ---------------------------------------------------------------------- relations between ds and dz
def gradient(f: Smooth, s: Array) -> Array:
    """By complex steps, exact to rounding."""
    return np.array([np.imag(f(s + 1e-30j * unit)) / 1e-30 for unit in np.eye(len(s))])


def hessian(f: Smooth, s: Array) -> Array:
    """By central differences of order 6 of the gradient: to about 1e-12."""
    h = 2e-3
    weights = {1: 3.0 / 4.0, 2: -3.0 / 20.0, 3: 1.0 / 60.0}
    rows = [
        sum(w * (gradient(f, s + k * h * unit) - gradient(f, s - k * h * unit)) for k, w in weights.items()) / h
        for unit in np.eye(len(s))
    ]
    H = np.array(rows)
    return (H + H.T) / 2.0


def smooth_relation(functions: Sequence[Smooth], s: Array, multipliers: Array) -> tuple[Array, Array, Array]:
    """(z, R, T) of a point where all the functions are 0, with their multipliers."""
    G = np.array([gradient(f, s) for f in functions])
    H = sum(mu * hessian(f, s) for mu, f in zip(multipliers, functions, strict=True))
    Q = np.linalg.svd(G)[2][len(G) :]  # orthogonal to the gradients
    zero = np.zeros(G.shape)
    return multipliers @ G, np.concatenate([G, -Q @ H]), np.concatenate([zero, Q])


def matrix_relation(
    matrix: Callable[[Array], Array], entries: Callable[[Array], Array], s: Array, y: Array
) -> tuple[Array, Array]:
    """(R, T_y) for semidefinite matrices with these entries: T_y is for dy."""
    S, Y = matrix(s), matrix(y)

    def half(A: Array, B: Array) -> Array:
        return entries(A @ B + (A @ B).conj().T)

    units = np.eye(len(s))
    return np.array([half(matrix(e), Y) for e in units]).T, np.array([half(S, matrix(e)) for e in units]).T
