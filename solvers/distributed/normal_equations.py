"""Sums over all blocks, by vectors of n numbers: gradients, products and solutions of the normal equations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ...modelkit.arrays import FloatArray
from ...modelkit.errors import DimensionMismatch
from .block import Parts, Unprepared
from .conjugate_gradients import Solved, conjugate_gradients
from .engine import Engine

__all__ = ["NormalEquations"]

_RELAXATION = 1.6
"""Of the iteration: beyond 1 and below 2 (Boyd et al. 2011, section 3.4.3)."""
_DELTA = 1e-2
"""What is added to a block's AᵀA, in parts of the mean block's diagonal, before it is inverted as a preconditioner.
Less gives blocks that do not see some columns too much weight, more makes all of them alike."""


@final
class NormalEquations:
    """Σ AᵢᵀAᵢ and its kin, of blocks that stand on an engine.

    Parameters
    ----------
    engine : where the blocks are
    rho : penalty of the consensus iteration, in parts of the mean block's curvature

    Attributes
    ----------
    blocks, rows, n : numbers of blocks, of rows of each block and of columns
    squares : (n,), the diagonal of the sum, with ones in the places of zeros: units of the columns
    scale : (n,), that of the mean block: the norm in which blocks are held together
    norm : of all b

    Raises
    ------
    DimensionMismatch
        If blocks have different numbers of columns.
    """

    def __init__(self, engine: Engine, rho: float) -> None:
        self.engine, self.rho = engine, rho
        (shapes,) = engine.reduce("describe")
        self.rows = [shapes[k][0] for k in range(len(shapes))]
        self.blocks, self.n = len(shapes), shapes[0][1]
        for k in range(self.blocks):
            if shapes[k][1] != self.n:
                raise DimensionMismatch(
                    f"Block {k} has {shapes[k][1]} columns and block 0 has {self.n}; all blocks share one x."
                )
        squares, norm = engine.reduce("measure")
        self.squares: FloatArray = np.where(squares > 0.0, squares, 1.0)
        self.scale: FloatArray = self.squares / self.blocks
        self.norm = float(np.sqrt(norm))
        self._prepare()

    def step(self, iteration: int, z: FloatArray) -> FloatArray:
        """The mean of x̂ᵢ + uᵢ in one iteration."""
        (total,) = self.ask("step", iteration, z)
        return np.asarray(total) / self.blocks

    def gradient(self, x: FloatArray) -> tuple[FloatArray, float]:
        """Σ Aᵢᵀ(Aᵢx − bᵢ) and ‖Ax − b‖²."""
        total, squared = self.ask("gradient", x)
        return total, float(squared)

    def quick_gradient(self, x: FloatArray) -> tuple[FloatArray, float]:
        """The same with half of the digits, for guesses."""
        total, squared = self.ask("quick_gradient", x)
        return total, max(float(squared), 0.0)

    def product(self, vectors: FloatArray) -> FloatArray:
        """Σ AᵢᵀAᵢ V, for V (n, k)."""
        (total,) = self.ask("product", vectors)
        return np.asarray(total)

    def solve(self, rhs: FloatArray, support: NDArray[np.bool_], ridge: float, tolerance: float, limit: int) -> Solved:
        """(Σ AᵢᵀAᵢ + ridge I) X = R on the support, where all else is zero.

        The preconditioner is what one sweep of the consensus iteration does: every block solves with its own
        factors, and the answers are averaged. Where blocks are samples of the same thing that is nearly the inverse.

        Parameters
        ----------
        rhs : R (n, k); what is not on the support does not count
        support : (n,)
        ridge : not negative
        tolerance, limit : of conjugate gradients
        """
        R = np.where(support[:, None], rhs, 0.0)
        if not support.any():
            return Solved(np.zeros_like(R), np.zeros(R.shape[1]), 0, 1.0)

        def product(vectors: FloatArray) -> FloatArray:
            return np.where(support[:, None], self.product(vectors) + ridge * vectors, 0.0)

        def precondition(vectors: FloatArray) -> FloatArray:
            (total,) = self.ask("precondition", vectors, support, _DELTA, ridge / self.blocks)
            return np.asarray(total) / self.blocks**2

        return conjugate_gradients(product, precondition, R, 1.0 / self.squares, tolerance, limit)

    def least_norm(self, rhs: FloatArray, support: NDArray[np.bool_], ridge: float, limit: int) -> Solved:
        """The least-squares solution of least norm of a singular system: of K² X = K R, from zero on."""
        R = np.where(support[:, None], rhs, 0.0)

        def product(vectors: FloatArray) -> FloatArray:
            return np.where(support[:, None], self.product(vectors) + ridge * vectors, 0.0)

        return conjugate_gradients(
            lambda V: product(product(V)), lambda V: V, product(R), np.ones(self.n), 1e-12, limit
        )

    def ask(self, method: str, *arguments: Any, own: Mapping[int, Any] | None = None) -> Parts:
        """`Engine.reduce`, after which blocks that were loaded anew in between know the scale."""
        while True:
            try:
                return self.engine.reduce(method, *arguments, own=own)
            except Unprepared:
                self._prepare()

    def _prepare(self) -> None:
        self.engine.reduce("prepare", self.scale, self.rho, _RELAXATION)
