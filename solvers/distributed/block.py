"""What a worker holds: blocks of data, each with its factorization, and what is asked of them.

Vectors of n numbers come in and go out. The data (A, b) are made where they are needed, by calling the block's source,
and never travel: not even a pickled block holds more than its source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ...modelkit.arrays import FloatArray
from ...modelkit.errors import DimensionMismatch, InvalidData
from .factors import Factor, factorized, factorized_gram

__all__ = ["Block", "Parts", "Seat", "Source", "Unprepared", "added"]

Source = Callable[[], tuple[Any, Any]]
"""Makes (A, b) of a block: shapes (m, n), dense or of SciPy's sparse kinds, and (m,)."""

Parts = tuple[Any, ...]
"""What blocks answer: arrays and numbers, which add up over the blocks, and tables by block number, which merge."""


class Unprepared(Exception):
    """A block that was loaded anew does not know the scale of the penalty yet."""


def added(answers: Sequence[Parts]) -> Parts:
    """The sum of answers of equal kind.

    Examples
    --------
    >>> added([(1.0, {0: (5, 2)}), (2.0, {1: (7, 2)})])
    (3.0, {0: (5, 2), 1: (7, 2)})
    """
    return tuple(
        {key: value for one in same for key, value in one.items()}
        if isinstance(same[0], dict)
        else sum(same[1:], same[0])
        for same in zip(*answers, strict=True)
    )


@final
class Block:
    """½‖Aᵢx − bᵢ‖² on the worker that holds it, with its state in the consensus iteration.

    The penalty of the iteration is ρ/2 ‖x − z + uᵢ‖² in the norm of the diagonal matrix `scale`, with uᵢ the scaled
    multiplier. A block without a state, because it is new or loaded again, takes uᵢ = −∇fᵢ(z)/(ρ scale), which is where
    the iteration would end if z were the solution: a worker that is lost late costs hardly any progress.

    Parameters
    ----------
    number : of the block, for messages
    source : makes the data

    Raises
    ------
    DimensionMismatch
        If A is no matrix, or b has another number of rows.
    InvalidData
        If the source does not give two arrays of numbers, or numbers are not finite.
    """

    def __init__(self, number: int, source: Source) -> None:
        self.number = number
        self.A, self.b = _checked(number, source())
        self.tall = not sp.issparse(self.A) and self.A.shape[0] >= self.A.shape[1]
        self.gram: FloatArray | None = self.A.T @ self.A if self.tall else None
        self.linear: FloatArray = self.A.T @ self.b
        self.scale: FloatArray | None = None
        self.rho = self.relaxation = 1.0
        self.iteration = -1
        self.u: FloatArray | None = None
        self.relaxed: FloatArray = np.zeros(0)
        self.answer: Parts = ()
        self._factors: dict[tuple[bytes, float, float], Factor] = {}

    def __sizeof__(self) -> int:
        data = self.A.data.nbytes + self.A.indices.nbytes if sp.issparse(self.A) else self.A.nbytes
        return int(data + self.b.nbytes + (0 if self.gram is None else 3 * self.gram.nbytes))

    def describe(self) -> Parts:
        """The shape, by number."""
        return ({self.number: self.A.shape},)

    def measure(self) -> Parts:
        """The diagonal of AᵀA, and ‖b‖²."""
        return _squares(self.A), float(self.b @ self.b)

    def prepare(self, scale: FloatArray, rho: float, relaxation: float) -> Parts:
        """Take over the penalty's scale (n,), ρ and the relaxation."""
        self.scale, self.rho, self.relaxation = scale, rho, relaxation
        return ()

    def reset(self) -> Parts:
        """Forget the state of the iteration."""
        self.u, self.iteration = None, -1
        return ()

    def step(self, iteration: int, z: FloatArray) -> Parts:
        """Take over z, minimize fᵢ and the penalty, and answer x̂ᵢ + uᵢ.

        The same iteration, asked for twice, has the same answer: what a lost worker owed is asked of all again.
        """
        if iteration == self.iteration:
            return self.answer
        weight = self.rho * self._scale()
        u = (self.linear - self._product(z)) / weight if self.u is None else self.u + (self.relaxed - z)
        factor = self._factor(np.ones(len(z), dtype=bool), self.rho, 0.0)
        x = factor(self.linear + weight * (z - u))
        self.relaxed = self.relaxation * x + (1.0 - self.relaxation) * z
        self.u, self.iteration, self.answer = u, iteration, (self.relaxed + u,)
        return self.answer

    def gradient(self, x: FloatArray) -> Parts:
        """Aᵀ(Ax − b) and ‖Ax − b‖², by products with A itself: that of AᵀA would lose half of the digits."""
        residual = self.A @ x - self.b
        return self.A.T @ residual, float(residual @ residual)

    def quick_gradient(self, x: FloatArray) -> Parts:
        """The same by AᵀA, where it is at hand: in n² operations, and good for a guess."""
        if self.gram is None:
            return self.gradient(x)
        moved = self.gram @ x
        return moved - self.linear, float(x @ (moved - 2.0 * self.linear) + self.b @ self.b)

    def product(self, vectors: FloatArray) -> Parts:
        """AᵀA V for vectors (n, k)."""
        return (self._product(vectors),)

    def precondition(self, vectors: FloatArray, support: NDArray[np.bool_], delta: float, ridge: float) -> Parts:
        """(AᵀA + δ scale + ridge I)⁻¹ V on the support, zero elsewhere, for vectors (n, k)."""
        found = np.zeros_like(vectors)
        found[support] = self._factor(support, delta, ridge)(vectors[support])
        return (found,)

    def push(self, tangent: FloatArray | Callable[[], FloatArray]) -> Parts:
        """Aᵀ ḃ for a tangent (m,) of b, or what makes it.

        Raises
        ------
        DimensionMismatch
            If it has another shape.
        """
        made = np.asarray(tangent() if callable(tangent) else tangent, dtype=np.float64)
        if made.shape != self.b.shape:
            raise DimensionMismatch(
                f"The tangent of b in block {self.number} has shape {made.shape}; b has {self.b.shape}."
            )
        return (self.A.T @ made,)

    def pull(self, directions: FloatArray) -> Parts:
        """A W for directions (n, k)."""
        return ({self.number: self.A @ directions},)

    def _product(self, vectors: FloatArray) -> FloatArray:
        return self.A.T @ (self.A @ vectors) if self.gram is None else self.gram @ vectors

    def _scale(self) -> FloatArray:
        if self.scale is None:
            raise Unprepared
        return self.scale

    def _factor(self, support: NDArray[np.bool_], delta: float, ridge: float) -> Factor:
        """That of AᵀA + δ scale + ridge I on the support; the iteration's own and the last other one are kept."""
        key = (support.tobytes(), delta, ridge)
        if key not in self._factors:
            keep = (np.ones(len(support), dtype=bool).tobytes(), self.rho, 0.0)
            self._factors = {one: factor for one, factor in self._factors.items() if one == keep}
            diagonal = delta * self._scale()[support] + ridge
            if self.gram is not None:
                G = self.gram if support.all() else self.gram[np.ix_(support, support)]
                self._factors[key] = factorized_gram(G, diagonal)
            else:
                self._factors[key] = factorized(self.A[:, support], diagonal)
        return self._factors[key]


@final
class Seat:
    """The blocks of one worker's thread; they are loaded when they are first asked.

    What is pickled are the sources, so that a seat which is moved, or put on disk for want of memory, loads anew.

    Parameters
    ----------
    sources : by the number of the block
    """

    def __init__(self, sources: Mapping[int, Source]) -> None:
        self.sources = dict(sources)
        self.blocks: dict[int, Block] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return Seat, (self.sources,)

    def __sizeof__(self) -> int:  # dask asks, to see how much memory a worker has left
        return object.__sizeof__(self) + sum(block.__sizeof__() for block in self.blocks.values())

    def ask(self, method: str, arguments: Parts, own: Mapping[int, Any] | None) -> Parts:
        """The sum of the blocks' answers; with `own`, of those named there, each with an argument of its own."""
        for number in self.sources.keys() - self.blocks.keys():
            self.blocks[number] = Block(number, self.sources[number])
        if own is None:
            return added([getattr(block, method)(*arguments) for block in self.blocks.values()])
        return added([getattr(self.blocks[number], method)(*arguments, one) for number, one in own.items()])


def _checked(number: int, made: Any) -> tuple[Any, FloatArray]:
    """Data as float64, A dense or in CSR form."""
    if not (isinstance(made, tuple) and len(made) == 2):
        raise InvalidData(f"The source of block {number} must return (A, b), got {type(made).__name__}.")
    try:
        A = made[0].tocsr().astype(np.float64) if sp.issparse(made[0]) else np.asarray(made[0], dtype=np.float64)
        b = np.asarray(made[1], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidData(f"The source of block {number} must return arrays of numbers: {error}.") from None
    if A.ndim != 2 or b.shape != A.shape[:1]:
        raise DimensionMismatch(
            f"Block {number} has A of shape {A.shape} and b of shape {b.shape}; expected (m, n) and (m,)."
        )
    for name, numbers in (("A", A.data if sp.issparse(A) else A), ("b", b)):
        if not np.isfinite(numbers).all():
            raise InvalidData(
                f"{name} of block {number} has entries that are not finite; look at what its source makes."
            )
    return A, b


def _squares(A: Any) -> FloatArray:
    """Squared norms of the columns."""
    return np.asarray(A.multiply(A).sum(axis=0)).ravel() if sp.issparse(A) else np.einsum("ij,ij->j", A, A)
