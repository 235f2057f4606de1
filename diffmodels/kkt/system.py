r"""What is asked of the one linear system behind every derivative of a convex program, however it is solved.

.. math::

    K = \begin{pmatrix} P & A_1^T \\ A_1 & -C \end{pmatrix}, \qquad
    P \succeq 0, \quad C = \mathrm{diag}(c) \succeq 0,

with P the Hessian (n, n), :math:`A_1` the active rows (m, n) of the constraints and c the curvature of the
cone's boundary (zero for linear constraints). K is symmetric, so it serves forward and reverse mode alike.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...modelkit.arrays import FloatArray
from ...modelkit.attributes import DifferentiationStatusCode

__all__ = ["ACCEPTED_RESIDUAL", "KKTSystem", "Mask"]

Mask = NDArray[np.bool_]

ACCEPTED_RESIDUAL = 1e-9
"""Relative residual up to which a solution counts as one."""


class KKTSystem(ABC):
    """The system of the module's docstring; a subclass solves it and finds its null space.

    Attributes
    ----------
    n, m : numbers of variables and of active rows
    residual : largest relative residual over the columns of the last `solve`
    probes : right-hand sides that are cheap enough to ask how sure a solution is
    """

    n: int
    m: int
    residual: float = 0.0
    probes: int = 3

    @property
    def size(self) -> int:
        """The order N = n + m of the system."""
        return self.n + self.m

    def solve(self, R: ArrayLike) -> FloatArray:
        """Return ``K^-1 R``, or the minimum-norm least-squares solution ``pinv(K) R`` if K is singular.

        Parameters
        ----------
        R : right-hand sides of shape (N,) or (N, k)

        Returns
        -------
        ndarray
            Of the shape of R.

        Raises
        ------
        ValueError
            If R has another shape.
        DifferentiationError
            If an iterative solution stays above its tolerance.
        """
        right = np.asarray(R, dtype=np.float64)
        if right.shape[:1] != (self.size,) or right.ndim > 2:
            raise ValueError(f"A right-hand side has shape {right.shape}; expected ({self.size},) or ({self.size}, k).")
        if not right.size:
            self.residual = 0.0
            return np.zeros(right.shape)
        solution, self.residual = self._solve_columns(right.reshape(self.size, -1))
        return solution.reshape(right.shape)

    @abstractmethod
    def _solve_columns(self, columns: FloatArray) -> tuple[FloatArray, float]:
        """The solutions for right-hand sides (N, k), and their largest relative residual."""

    def condition(self) -> float:
        """Estimate of the condition of the equilibrated matrix in the 1-norm, by a few solves; nan without a factor."""
        return float("nan")

    # ------------------------------------------------------------------ what is singular
    @property
    @abstractmethod
    def _loose(self) -> Mask:
        """Coordinates (N,) in which some null vector is not zero."""

    @property
    def undetermined_variables(self) -> Mask:
        """Which entries of x (n,) can move without changing optimality."""
        return self._loose[: self.n]

    @property
    def dependent_rows(self) -> Mask:
        """Which rows of A1 (m,) take part in a dependence."""
        return self._loose[self.n :]

    @cached_property
    def primal_nullity(self) -> bool:
        """Whether some u != 0 has P u = 0 and A1 u = 0: the solution x is not unique."""
        return bool(self.undetermined_variables.any())

    @cached_property
    def dual_nullity(self) -> bool:
        """Whether some v != 0 has A1' v = 0, C v = 0: dependent rows, multipliers not unique."""
        return bool(self.dependent_rows.any())

    @property
    @abstractmethod
    def null_vectors(self) -> tuple[FloatArray, FloatArray]:
        """(n, p) in {u : P u = 0, A1 u = 0} and (m, d) in {v : A1' v = 0, C v = 0}.

        They span these spaces, or are random vectors of them where they are too large; rounding errors are zero.
        """

    @property
    def primal_null_basis(self) -> FloatArray | None:
        """Orthonormal basis (n, p) of {u : P u = 0, A1 u = 0}; None if too large to compute."""
        return None

    def status(self, *, weakly_active: bool) -> DifferentiationStatusCode:
        """What derivatives by this system are, at a solution with or without weakly active rows."""
        if self.primal_nullity:
            return DifferentiationStatusCode.NONUNIQUE
        if weakly_active:
            return DifferentiationStatusCode.WEAKLY_ACTIVE
        return DifferentiationStatusCode.DEPENDENT_ROWS if self.dual_nullity else DifferentiationStatusCode.EXACT
