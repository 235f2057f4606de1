"""How KKT systems are solved: by a factorization, or by iterations where one would cost too much.

The values of the attribute `LinearAlgebraSolver`; with None, `choose` decides by an estimate of the cost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, final

from numpy.typing import ArrayLike

from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.errors import InvalidData
from .definite import definite
from .factorization import KKTFactorization, count
from .fill import LARGEST_DENSE, SPARSE_RATE, TooExpensive, is_open
from .fixing import like, with_units, without_bounds, without_fixed
from .krylov import KrylovSystem
from .system import KKTSystem

__all__ = ["DirectKKT", "IterativeKKT", "automatic", "choose", "with_bounds"]

_LARGEST_ENTRIES = 2.5e8
"""Entries of a sparse matrix from which iterations are taken: 4 GB with its indices."""
_LONGEST = 100.0
"""Estimated seconds of a factorization from which iterations are taken."""


@final
@dataclass(frozen=True)
class DirectKKT:
    """Factorize the KKT matrix, whatever it costs.

    Examples
    --------
    >>> import optangent as ot
    >>> model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    >>> model.set(ot.LinearAlgebraSolver(), ot.DirectKKT())
    """

    def __call__(
        self,
        P: Any,
        A1: Any,
        C: ArrayLike | None = None,
        scale: FloatArray | None = None,
        shared: IntArray | None = None,
    ) -> KKTSystem:
        """The factorization of ``[[P, A1'], [A1, -diag(C)]]``."""
        return without_fixed(_factorized, P, A1, C, scale, shared)


@final
@dataclass(frozen=True)
class IterativeKKT:
    """Solve KKT systems by MINRES, or LSMR where they are singular, and never form their matrix.

    Slower than a factorization where there is room for one: each direction is solved anew.

    Parameters
    ----------
    tolerance : relative residual, in Euclidean norms, that each solution must reach; else `DifferentiationError`
    max_iterations : of each run, or None for ten times the size of the system and a thousand

    Examples
    --------
    >>> import optangent as ot
    >>> model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    >>> model.set(ot.LinearAlgebraSolver(), ot.IterativeKKT(tolerance=1e-9))
    """

    tolerance: float = 1e-8
    max_iterations: int | None = None

    def __post_init__(self) -> None:
        if not (isinstance(self.tolerance, Real) and 0.0 < self.tolerance < 1.0):
            raise InvalidData(f"The tolerance of IterativeKKT is a number between 0 and 1, got {self.tolerance!r}.")
        limit = self.max_iterations
        if limit is not None and not (isinstance(limit, Integral) and limit > 0):
            raise InvalidData(f"max_iterations of IterativeKKT is a positive integer or None, got {limit!r}.")

    def __call__(
        self,
        P: Any,
        A1: Any,
        C: ArrayLike | None = None,
        scale: FloatArray | None = None,
        shared: IntArray | None = None,
    ) -> KrylovSystem:
        """The system ``[[P, A1'], [A1, -diag(C)]]``; what is said of its equilibration is of no use here."""
        return KrylovSystem(P, A1, C, self.tolerance, self.max_iterations)


def _factorized(P: Any, A1: Any, C: Any, scale: FloatArray | None, shared: IntArray | None) -> KKTSystem:
    found = definite(P, A1, C, scale) if shared is None else None
    return KKTFactorization(P, A1, C, scale, shared) if found is None else found


def choose(entries: float, size: int) -> Callable[..., KKTSystem]:
    """What to do with a matrix of a size and (estimated) number of entries.

    `DirectKKT` where a factorization cannot take long, `IterativeKKT` where none can end in time: it has at least the
    entries of the matrix, and takes the sum of the squares of its columns' entries. Between these `automatic`, which
    counts what a factorization will have.
    """
    if entries > _LARGEST_ENTRIES:
        return IterativeKKT()
    if size <= LARGEST_DENSE or not is_open(entries, size):
        return DirectKKT()
    return IterativeKKT() if (entries / 2.0) ** 2 / size / SPARSE_RATE > _LONGEST else automatic


def automatic(
    P: Any,
    A1: Any,
    C: ArrayLike | None = None,
    scale: FloatArray | None = None,
    shared: IntArray | None = None,
) -> KKTSystem:
    """The KKT system, factorized unless that costs too much."""
    return without_fixed(_affordable, P, A1, C, scale, shared)


def with_bounds(
    solve_with: Callable[..., KKTSystem], P: Any, A1: Any, bounds: IntArray, scale: FloatArray | None = None
) -> KKTSystem:
    """The KKT system of rows A1 and, below them, of the bounds of some columns.

    Parameters
    ----------
    solve_with : `automatic`, or what the user chose
    P, A1 : (n, n) and (m, n), arrays or sparse
    bounds : (k,) the columns, in order
    scale : positive (n + m + k,), a first guess of the equilibration, or None
    """
    if solve_with is automatic:
        return without_bounds(_affordable, P, A1, bounds, scale)
    if isinstance(solve_with, DirectKKT):
        return without_bounds(_factorized, P, A1, bounds, scale)
    A1 = like(P, A1)
    return solve_with(P, with_units(A1, bounds) if len(bounds) else A1, scale=scale)


def _affordable(P: Any, A1: Any, C: Any, scale: FloatArray | None, shared: IntArray | None) -> KKTSystem:
    size = P.shape[0] + A1.shape[0]
    chosen = choose(count(P) + 2 * count(A1) if size > LARGEST_DENSE else 0, size)  # else whatever there is of them
    if chosen is not automatic:
        return chosen(P, A1, C, scale, shared)
    try:
        return KKTFactorization(P, A1, C, scale, shared, _LONGEST)
    except TooExpensive:
        return IterativeKKT()(P, A1, C)
