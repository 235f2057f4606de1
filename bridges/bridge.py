"""What a bridge is: matrices, declared once.

A bridge replaces ``f in S`` by constraints ``A f + B u + c in S2`` with extra free variables u. The numbers θ
of the set (bounds, right-hand sides; row-major, one row of numbers a row of f) enter linearly: ``c = C θ + c0``
and the target's own numbers ``θ2 = N θ + n0``. These matrices are a `Target`; a `Lift` is the targets together,
for one constraint. A block of k constraints of one shape is ``kron(I_k, ·)`` of it. How everything travels
(docs/design.md, section 3) follows from the matrices and is written once, in `lowering.travel`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, TypeAlias, final

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla

from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.functions import (
    Function,
    ScalarAffineFunction,
    ScalarQuadraticFunction,
    VariableIndex,
    VectorAffineFunction,
    VectorOfVariables,
    VectorQuadraticFunction,
)
from ..modelkit.functions.rows import Rows
from ..modelkit.indices import Kind
from ..modelkit.sets import Set
from ..modelkit.store.block import ConstraintBlock, SetBlock

__all__ = [
    "REGISTRY",
    "SCALARS",
    "VECTORS",
    "Bridge",
    "Lift",
    "Target",
    "affine",
    "grouped",
    "identity",
    "of_degree",
]

Matrix: TypeAlias = Any
"""A `csr_array`."""

_DEPENDENT = 1e-12
"""Pivots up to this, relative to the largest, are zero: A leaves a line of S out, and its duals lie in a subspace."""


def identity(m: int, factor: float = 1.0) -> Matrix:
    """``factor * I`` of size m."""
    return sp.csr_array((np.full(m, factor), np.arange(m), np.arange(m + 1)), shape=(m, m))


@final
@dataclass(frozen=True, eq=False)
class Target:
    """Constraints ``A f + B u + C θ + c0 in S2(N θ + n0)``, p rows in all, for one ``f in S`` of m rows.

    Parameters
    ----------
    kind : (function type, set type) of the constraints
    A : (p, m)
    shapes : of the vector sets, one after the other; by default there is one, whose shape is its dimension p
    B : (p, number of extra variables), default none
    C : (p, m q) with q numbers a row of S, default zero
    c0 : (p,), default zero
    N : (p q2, m q) with q2 numbers a row of S2, default zero
    n0 : (p q2,), default zero
    weights, target_weights : of the inner products of S (m,) and S2 (p,), None for ones; a bridge need not give
        them, `Lift.weighted` asks the sets

    Attributes
    ----------
    dims : rows of each of the constraints, adding up to p: all ones for scalar sets
    """

    kind: Kind
    A: Matrix
    shapes: tuple[tuple[float, ...], ...] | None = None
    B: Matrix | None = None
    C: Matrix | None = None
    c0: FloatArray | None = None
    N: Matrix | None = None
    n0: FloatArray | None = None
    weights: FloatArray | None = None
    target_weights: FloatArray | None = None
    dims: IntArray = field(init=False)

    def __post_init__(self) -> None:
        set_type = self.kind[1]
        if not set_type.is_vector:
            dims = np.ones(self.p, np.int64)
        elif self.shapes is None or len(self.shapes) == 1:
            dims = np.array([self.p])
            object.__setattr__(self, "shapes", self.shapes or ((self.p,),))
        else:  # several sets stand together only where they have no numbers
            dims = np.array([set_type.build(shape, np.zeros((0, 0))).dimension for shape in self.shapes])
        object.__setattr__(self, "dims", dims)

    @property
    def count(self) -> int:
        """Number of constraints."""
        return len(self.dims)

    def sets(self, numbers: FloatArray) -> SetBlock:
        """The sets of k targets, by their numbers (k, p q2)."""
        k = len(numbers)
        shapes = None if self.shapes is None else self.shapes * k
        numbers = numbers.reshape(k * self.p, len(self.kind[1].fields))
        return SetBlock(self.kind[1], np.tile(self.dims, k), numbers, shapes)

    def set_weights(self) -> FloatArray | None:
        """The weights of the sets S2, one set below the other; None for ones."""
        if self.kind[1].weights is Set.weights:
            return None
        block = self.sets(np.zeros((1, self.p * len(self.kind[1].fields))))
        return np.concatenate([w for i in range(block.count) if (w := block.set(i).weights) is not None])

    @property
    def p(self) -> int:
        """Number of rows."""
        return int(self.A.shape[0])

    @cached_property
    def adjoint(self) -> Matrix:
        """``W1⁻¹ Aᵀ W2``, of shape (m, p): how duals travel up."""
        adjoint = sp.csr_array(self.A.T)
        if self.target_weights is not None:
            adjoint = sp.csr_array(adjoint * self.target_weights[None, :])
        if self.weights is not None:
            adjoint = sp.csr_array(adjoint * (1.0 / self.weights)[:, None])
        return adjoint

    def constants(self, g: FloatArray, numbers: FloatArray) -> FloatArray:
        """Constants of the targets' functions: (k, m) and (k, m q) to (k, p)."""
        out = kron(self.A, g)
        if self.C is not None:
            out = out + kron(self.C, numbers)
        return out if self.c0 is None else out + self.c0

    def numbers(self, numbers: FloatArray) -> FloatArray:
        """Numbers of the targets' sets: (k, m q) to (k, p q2)."""
        width = len(self.kind[1].fields)
        out = np.zeros((len(numbers), self.p * width)) if self.N is None else kron(self.N, numbers)
        return out if self.n0 is None else out + self.n0

    @cached_property
    def is_membership(self) -> bool:
        """Whether this is ``u in S2`` for the extra variables u alone, which can then be made in S2 at once."""
        plain = self.kind[0] is VectorOfVariables and not self.A.nnz and self.C is None and self.c0 is None
        return plain and self.B is not None and (identity(self.p) != self.B).nnz == 0


def kron(M: Matrix, values: FloatArray) -> FloatArray:
    """Apply M to each row of an array: (k, columns of M) to (k, rows of M)."""
    out: FloatArray = (M @ values.T).T
    return out


@final
@dataclass(frozen=True, eq=False)
class Lift:
    """All that stands in for one constraint.

    Parameters
    ----------
    targets : the constraints
    """

    targets: tuple[Target, ...]

    @cached_property
    def extra(self) -> int:
        """Number of extra free variables u."""
        return max((int(t.B.shape[1]) for t in self.targets if t.B is not None), default=0)

    def weighted(self, source: Set) -> Lift:
        """The lift with the weights of the inner products of the source and of the targets' sets."""
        w1, w2 = source.weights, [t.set_weights() for t in self.targets]
        if w1 is None and not any(w is not None for w in w2):
            return self
        return Lift(tuple(replace(t, weights=w1, target_weights=w) for t, w in zip(self.targets, w2, strict=True)))

    @cached_property
    def _dual_system(self) -> tuple[Matrix, Callable[[FloatArray], FloatArray]]:
        """The duals' way up above ``Bᵀ W2``, M of shape (m + extra, sum of p), and the solver of ``M Mᵀ``."""
        blocks = [[t.adjoint for t in self.targets]]
        if self.extra:
            balance = []
            for t in self.targets:
                Bt = sp.csr_array((self.extra, t.p)) if t.B is None else t.B.T
                balance.append(Bt if t.target_weights is None else Bt * t.target_weights[None, :])
            blocks.append(balance)
        M = sp.csr_array(sp.vstack([sp.hstack(row) for row in blocks]))
        gram = sp.csc_array(M @ M.T)
        diagonal = gram.diagonal()
        if gram.nnz == np.count_nonzero(diagonal):
            positive = np.where(diagonal > 0.0, diagonal, 1.0)
            return M, lambda right: right / positive[:, None]
        try:
            factors = spla.splu(gram)
            pivots = np.abs(factors.U.diagonal())
            if pivots.min() > _DEPENDENT * pivots.max():
                return M, factors.solve
        except RuntimeError:  # exactly singular
            pass
        inverse = np.linalg.pinv(gram.toarray(), rcond=_DEPENDENT, hermitian=True)
        return M, lambda right: inverse @ right

    def dual_start(self, dual: FloatArray) -> FloatArray:
        """The least duals of all targets, (k, sum of p), that give those of the source, (k, m), on their way up.

        They balance the extra variables: ``Bᵀ W2 y2 = 0``.
        """
        if not self.targets:
            return np.zeros((len(dual), 0))
        M, solve = self._dual_system
        right = np.zeros((M.shape[0], len(dual)))
        right[: dual.shape[1]] = dual.T
        start: FloatArray = (M.T @ solve(right)).T
        return start


def grouped(keys: Sequence[Hashable]) -> list[IntArray]:
    """Positions of equal keys, in order of first occurrence."""
    found: dict[Hashable, list[int]] = {}
    for item, key in enumerate(keys):
        found.setdefault(key, []).append(item)
    return [np.array(items) for items in found.values()]


REGISTRY: list[Bridge] = []
"""Every constraint bridge, in order of definition; equal costs go to the earlier one."""


class Bridge(ABC):
    """An affine rewriting of constraints of some kinds. Subclasses register themselves, unless told not to.

    A subclass declares `reach` (types only, for the graph) and `lift` (the matrices); the few whose matrices are made
    of more than the set write `lifts` instead.
    """

    cost: ClassVar[float] = 1.0
    looks_at_functions: ClassVar[bool] = False
    """Whether the stand-ins depend on more than the set, so that a changed function is lowered again."""

    def __init_subclass__(cls, register: bool = True) -> None:
        if register and not cls.__name__.startswith("_"):
            REGISTRY.append(cls())

    @abstractmethod
    def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
        """The kinds of constraint that stand in for one of this kind; None where the bridge is none for it."""

    def lift(self, function_type: type[Function], example: Set) -> Lift:
        """The matrices for one constraint in a set like the example (of its group)."""
        raise TypeError(f"The matrices of {self!r} depend on the functions: there is no lift of {example!r} alone.")

    def lifts(
        self, block: ConstraintBlock, bounds: Callable[[Rows], tuple[FloatArray, FloatArray]]
    ) -> Sequence[tuple[IntArray, Lift]] | None:
        """(items, lift) of each group of a block, by a bridge that looks at the functions; None by all others.

        The lifts need not be `weighted`.

        Parameters
        ----------
        bounds : gives lower and upper bounds of affine rows, from those of the variables
        """
        return None

    def groups(self, sets: SetBlock) -> list[IntArray]:
        """The items of a block, grouped."""
        if sets.shapes is None or sets.shapes.count(sets.shapes[0]) == sets.count:
            return [np.arange(sets.count)]
        return grouped(sets.shapes)

    def extra_start(self, example: Set, values: FloatArray) -> FloatArray | None:
        """Extra variables, (k, extra), that go with values in the set of the functions, (k, m); None if not known."""
        return None

    def dual_start(self, lift: Lift, dual: FloatArray) -> FloatArray:
        """Duals of all targets, (k, sum of p), from those of the source, (k, m); the least ones by default."""
        return lift.dual_start(dual)

    def __repr__(self) -> str:
        return type(self).__name__


SCALARS: tuple[type[Function], ...] = (VariableIndex, ScalarAffineFunction, ScalarQuadraticFunction)
"""The types of scalar functions that bridges know, by degree."""
VECTORS: tuple[type[Function], ...] = (VectorOfVariables, VectorAffineFunction, VectorQuadraticFunction)
"""Those of vector functions."""


def of_degree(function_type: type[Function], degree: int) -> type[Function]:
    """The type of another degree, scalar or vector as the given one."""
    return (VECTORS if function_type.is_vector else SCALARS)[degree]


def affine(function_type: type[Function]) -> type[Function]:
    """The type of ``A f + c``: plain variables become affine."""
    return function_type if function_type.degree else of_degree(function_type, 1)
