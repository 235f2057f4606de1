"""Least squares of which no computer holds all the data, by consensus of the workers that hold a block each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, final

import numpy as np

from ...modelkit.arrays import FloatArray
from ...modelkit.attributes import DifferentiationStatusCode, TerminationStatusCode
from ...modelkit.errors import DimensionMismatch, InvalidData, NotOptimized, WorkerLost
from .block import Source
from .dask_engine import DaskEngine
from .derivative import ConsensusGradient, Derivative
from .engine import Engine, Traffic
from .exact_step import Candidate
from .executor_engine import ExecutorEngine
from .normal_equations import NormalEquations
from .regularizer import Pattern, Regularizer
from .run import Run

__all__ = ["ConsensusLeastSquares", "ConsensusSolution"]


@final
@dataclass(frozen=True, slots=True)
class ConsensusSolution:
    """What a run came to.

    Attributes
    ----------
    x : (n,)
    objective : at x
    status : OPTIMAL, or why not: SLOW_PROGRESS where rounding leaves no more digits, ITERATION_LIMIT
    message : the same in words, with what was reached
    residual : the largest violation of the conditions of optimality in x, an entry's in parts of its terms
        ``‖aⱼ‖ (‖b‖ + ‖Ax − b‖) + ridge |xⱼ| + lasso``, with aⱼ the column of all blocks
    iterations : of the consensus iteration
    reloads : blocks that were loaded again meanwhile, because their worker was lost
    traffic : what was sent, for conditions and exact steps too
    """

    x: FloatArray
    objective: float
    status: TerminationStatusCode
    message: str
    residual: float
    iterations: int
    reloads: int
    traffic: Traffic


@final
class ConsensusLeastSquares:
    """min Σᵢ ½‖Aᵢx − bᵢ‖² + ½ridge ‖x‖² + lasso ‖x‖₁ over x >= 0 or all x, with the blocks (Aᵢ, bᵢ) on workers.

    A block's data are made on its worker, by its source, and never leave it, nor does its factorization: what travels
    are vectors of n numbers. A worker that dies on a dask cluster is replaced: its blocks are loaded again from their
    sources, elsewhere, and the run goes on.

    The consensus iteration (ADMM) finds which entries are not zero. With ``D = diag(Σ AᵢᵀAᵢ)/N`` for N blocks and α =
    1.6, block i answers to z with ``xᵢ = (AᵢᵀAᵢ + ρD)⁻¹ (Aᵢᵀbᵢ + ρD (z − uᵢ))`` and ``x̂ᵢ = αxᵢ + (1−α)z``; the next z
    minimizes ``R(z) + Nρ/2 ‖z − mean(x̂ᵢ + uᵢ)‖²_D``, and ``uᵢ += x̂ᵢ − z``. On the entries found the normal equations
    are solved to rounding, by conjugate gradients whose preconditioner is the mean of the blocks' own inverses; signs
    and multipliers tell whether the entries were the right ones. The same system, which is its own transpose, gives
    both derivatives.

    Parameters
    ----------
    sources : callables without arguments, one a block, that return (A, b): (m, n), dense or a SciPy sparse matrix, and
        (m,). They are called on the workers, again if a worker is lost, and must return the same then; for workers in
        other processes they are pickled.
    executor : a ``dask.distributed.Client``, or a `concurrent.futures.Executor` whose workers are on this machine
    nonnegative : whether x >= 0
    ridge, lasso : weights, not negative
    rho : ρ, positive; 1 means the curvature of the mean block
    workers : how many of the executor's threads or processes take part, or None for all
    patience : seconds to wait for workers that are busy, or for one to come back when none is left

    Raises
    ------
    InvalidData
        If numbers are not finite (the message tells the block) or out of their range, the cluster has no workers, or
        this is no executor.
    DimensionMismatch
        If blocks have different numbers of columns, or A and b of a block do not fit.
    WorkerLost
        If workers died and nobody can take their place; its ``x`` is where the run had come to. All methods that ask
        the workers raise it.
    MissingDependency
        If dask.distributed is not installed.

    References
    ----------
    S. Boyd, N. Parikh, E. Chu, B. Peleato, J. Eckstein, *Distributed optimization and statistical learning via the
    alternating direction method of multipliers*, Foundations and Trends in Machine Learning 3 (2011), sections 3.4 and
    7.1. What docs/consensus.md tells: messages, costs, and why there is one multiplier for each *copy of x*.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> def loader(k):
    ...     rng = np.random.default_rng(k)
    ...     A = rng.standard_normal((50, 3))
    ...     return lambda: (A, A @ [1.0, 0.0, 2.0] - 5 * A @ [0.0, 1.0, 0.0])
    >>> with ThreadPoolExecutor(2) as pool, ConsensusLeastSquares([loader(k) for k in range(4)], pool) as problem:
    ...     solution = problem.solve()
    ...     gradient = problem.vjp([0.0, 0.0, 1.0])
    ...     [b] = gradient.b([0])
    >>> solution.status.name, (solution.x > 0).tolist(), gradient.status.name, b.shape
    ('OPTIMAL', [True, False, True], 'EXACT', (50,))
    """

    def __init__(
        self,
        sources: Sequence[Source],
        executor: Any,
        *,
        nonnegative: bool = True,
        ridge: float = 0.0,
        lasso: float = 0.0,
        rho: float = 1.0,
        workers: int | None = None,
        patience: float = 60.0,
    ) -> None:
        sources = list(sources)
        if not sources or not all(map(callable, sources)):
            raise InvalidData(
                "Give one source for each block, a callable that returns (A, b); "
                f"got {len(sources)} things of which {sum(map(callable, sources))} are callable."
            )
        if workers is not None and not (isinstance(workers, (int, np.integer)) and workers >= 1):
            raise InvalidData(f"workers must be a whole number from 1 up, or None for all; got {workers!r}.")
        checked_rho = _positive("rho", rho, "; 1 is the curvature of the mean block, and a good choice")
        self._regularizer = Regularizer(bool(nonnegative), _weight("ridge", ridge), _weight("lasso", lasso))
        self._engine = _engine(executor, sources, workers, _positive("patience", patience, " of seconds"))
        self._found: tuple[Candidate, Pattern] | None = None
        self._derivative: Derivative | None = None
        try:
            with self._engine.session():
                self._system = NormalEquations(self._engine, checked_rho)
        except BaseException:
            self._engine.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the blocks on the workers."""
        self._engine.close()
        self._forget()

    @property
    def n(self) -> int:
        """The number of columns."""
        return int(self._system.n)

    @property
    def rows(self) -> tuple[int, ...]:
        """The number of rows of each block."""
        return tuple(self._system.rows)

    @property
    def traffic(self) -> Traffic:
        """What was sent so far."""
        return self._engine.traffic.copy()

    @property
    def ridge(self) -> float:
        """The weight of ½‖x‖²; a new one keeps the blocks' factors, and takes the solution back."""
        return self._regularizer.ridge

    @ridge.setter
    def ridge(self, value: float) -> None:
        self._regularizer = Regularizer(self._regularizer.nonnegative, _weight("ridge", value), self.lasso)
        self._forget()

    @property
    def lasso(self) -> float:
        """The weight of ‖x‖₁; a new one keeps the blocks' factors, and takes the solution back."""
        return self._regularizer.lasso

    @lasso.setter
    def lasso(self, value: float) -> None:
        self._regularizer = Regularizer(self._regularizer.nonnegative, self.ridge, _weight("lasso", value))
        self._forget()

    def solve(self, *, tolerance: float = 1e-10, max_iterations: int = 1000, start: Any = None) -> ConsensusSolution:
        """Find x.

        Parameters
        ----------
        tolerance : for the residual (`ConsensusSolution.residual`); exact steps go on to rounding anyway
        max_iterations : of the consensus iteration
        start : (n,), where to begin, or None for zero

        Raises
        ------
        InvalidData, DimensionMismatch
            If numbers are out of range or `start` has another shape.
        WorkerLost
            If workers died and nobody can take their place.
        """
        tolerance = _positive("tolerance", tolerance)
        if not (isinstance(max_iterations, (int, np.integer)) and max_iterations >= 1):
            raise InvalidData(f"max_iterations must be a whole number from 1 up, got {max_iterations!r}.")
        z = np.zeros(self.n) if start is None else self._vector("start", start)
        self._forget()
        before, reloads = self._engine.traffic.copy(), self._engine.reloads
        with self._engine.session():
            run = Run(self._system, self._regularizer, np.maximum(z, 0.0) if self._regularizer.nonnegative else z)
            try:
                point, pattern = run.to(tolerance, int(max_iterations))
            except WorkerLost as error:
                lost = WorkerLost(f"{error} {run.iterations} iterations had been made.")
                lost.x = run.z
                raise lost from error
        self._found = point, pattern
        return ConsensusSolution(
            point.x,
            0.5 * point.squared + self._regularizer.value(point.x),
            run.status,
            run.message(point, pattern, tolerance),
            point.residual,
            run.iterations,
            self._engine.reloads - reloads,
            self._engine.traffic.since(before),
        )

    def jvp(
        self,
        b: Mapping[int, FloatArray | Callable[[], FloatArray]] | None = None,
        *,
        ridge: float = 0.0,
        lasso: float = 0.0,
    ) -> FloatArray:
        """How x moves, (n,), with tangents of the data: forward mode.

        Parameters
        ----------
        b : by the number of the block, a tangent (m,) of its b, or a callable that makes it on the worker
        ridge, lasso : tangents of the weights

        Raises
        ------
        NotOptimized
            If there is no solution.
        InvalidData, DimensionMismatch
            If there is no such block, or a tangent has another shape.
        """
        derivative = self._at_solution()
        tangents = dict(b or {})
        if wrong := [number for number in tangents if number not in range(self._system.blocks)]:
            raise InvalidData(f"There is no block {wrong[0]!r}; they are numbered from 0 to {self._system.blocks - 1}.")
        with self._engine.session():
            rhs = -ridge * derivative.point.x - lasso * derivative.pattern.signs
            if tangents:
                rhs = rhs + self._system.ask("push", own=tangents)[0]
            return np.asarray(derivative.solve(rhs[:, None])[:, 0])

    def vjp(self, x: Any) -> ConsensusGradient:
        """The gradient of losses in the data: reverse mode.

        Parameters
        ----------
        x : (n,), the gradient of a loss in x, or (n, k), those of k losses

        Raises
        ------
        NotOptimized
            If there is no solution.
        InvalidData, DimensionMismatch
            If `x` has another shape or is not finite.
        """
        seeds = np.asarray(x, dtype=np.float64)
        if seeds.ndim == 2:
            for column in seeds.T:
                self._vector("x", column)
        else:
            self._vector("x", seeds)
        derivative = self._at_solution()
        with self._engine.session():
            found = derivative.solve(seeds.reshape(self.n, -1)).reshape(seeds.shape)
        ridge_bar, lasso_bar = -(derivative.point.x @ found), -(derivative.pattern.signs @ found)
        return ConsensusGradient(ridge_bar, lasso_bar, found, derivative.status, self._system)

    @property
    def differentiation_status(self) -> DifferentiationStatusCode:
        """What derivatives at the solution are; NOT_DIFFERENTIATED as long as nobody asked for one."""
        return DifferentiationStatusCode.NOT_DIFFERENTIATED if self._derivative is None else self._derivative.status

    def _at_solution(self) -> Derivative:
        if self._found is None:
            raise NotOptimized(
                "There is no solution to differentiate; call solve() first, after each change of a weight too."
            )
        if self._derivative is None:
            with self._engine.session():
                self._derivative = Derivative(self._system, self._regularizer, *self._found)
        return self._derivative

    def _forget(self) -> None:
        self._found = self._derivative = None

    def _vector(self, name: str, value: Any) -> FloatArray:
        vector = np.array(value, dtype=np.float64)
        if vector.shape != (self.n,):
            raise DimensionMismatch(f"{name} has shape {vector.shape}; expected ({self.n},).")
        if not np.isfinite(vector).all():
            raise InvalidData(f"{name} has entries that are not finite.")
        return vector


def _engine(executor: Any, sources: Sequence[Source], workers: int | None, patience: float) -> Engine:
    client = getattr(executor, "_client", executor)  # a dask client's executor
    if hasattr(client, "nthreads") and hasattr(client, "scatter"):
        return DaskEngine(client, sources, workers, patience)
    if isinstance(executor, Executor):
        return ExecutorEngine(executor, sources, workers, patience)
    raise InvalidData(
        "The executor must be a dask.distributed.Client or a concurrent.futures.Executor (a ThreadPoolExecutor, a "
        f"ProcessPoolExecutor); got {executor!r}."
    )


def _positive(name: str, value: Any, hint: str = "") -> float:
    if not _is_number(value) or not 0 < value < np.inf:
        raise InvalidData(f"{name} must be a positive, finite number{hint}; got {value!r}.")
    return float(value)


def _weight(name: str, value: Any) -> float:
    if not _is_number(value) or not 0 <= value < np.inf:
        raise InvalidData(f"{name} must be a finite number, not negative; got {value!r}.")
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
