"""What stands for one constraint in the form of a solver or diff model, to be looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ...modelkit.arrays import FloatArray
from ...modelkit.errors import InvalidData
from ...modelkit.indices import ConstraintIndex
from ...modelkit.store.describing import described
from ...modelkit.store.store import Store
from ..bridge import Matrix
from .chunks import Chunk
from .composite import StandIn
from .lowering import Lowering
from .making import constants_of, numbers_of

__all__ = ["LoweredConstraint", "LoweredPart", "lowered"]

_MOST_ENTRIES = 400


@final
@dataclass(frozen=True, eq=False)
class LoweredPart:
    """``A f + B u + c in S``: one of those that together stand for ``f in S0``, with extra variables u.

    Attributes
    ----------
    kind : types of its functions and sets
    sets : the sets, one below the other
    A, B : csr_arrays; c : (p,)
    C, c0 : ``c = C θ + c0`` in the numbers θ of S0, row by row
    N, n0 : the numbers of the sets, ``N θ + n0``
    adjoint : how duals come up: ``Aᵀ`` in the inner products of the sets
    of_cone : whether f is ``(1, b - g - aᵀx, Ux)``, made of a quadratic row with ½ xᵀUᵀUx as its curvature
    """

    kind: Any
    sets: tuple[Any, ...]
    A: Matrix
    B: Matrix
    c: FloatArray
    C: Matrix
    c0: FloatArray
    N: Matrix
    n0: FloatArray
    adjoint: Matrix
    of_cone: bool = False

    @property
    def A_transposed(self) -> Matrix:
        """``Aᵀ``: how gradients of functions come up."""
        return sp.csr_array(self.A.T)

    def __str__(self) -> str:
        sets = ", ".join(f"{count} x {one!r}" if count > 1 else repr(one) for one, count in _counted(self.sets))
        words = " + ".join([*(["A f"] if self.A.nnz else []), *(["B u"] if self.B.nnz else [])])
        moves = [*(["c"] if self.c.any() else [])]
        head = f"{' + '.join([words, *moves]) if words else 'c'} in {sets or 'nothing'}"
        if self.of_cone:
            head += "   with f = (1, b - g - aᵀx, Ux), where the row is ½ |Ux|² + aᵀx + g <= b"
        lines = [head]
        lines += [f"A = {_text(self.A)}"] if self.A.nnz else []
        lines += [f"B = {_text(self.B)}"] if self.B.nnz else []
        lines += [f"c = {self.c}"] if self.c.any() else []
        lines += [f"C = {_text(self.C)}"] if self.C.nnz else []
        lines += [f"N = {_text(self.N)}"] if self.N.nnz else []
        return "\n".join(lines)


@final
@dataclass(frozen=True, eq=False)
class LoweredConstraint:
    """What stands for one constraint, as `Model.lowering` shows it.

    Attributes
    ----------
    name : of the constraint, in words
    target : of whose form this is
    way : the bridges, a line a step
    parts : what stands for it
    extra : number of extra variables u that all parts share
    """

    name: str
    target: str
    way: tuple[str, ...]
    parts: tuple[LoweredPart, ...]
    extra: int

    @property
    def A(self) -> Matrix:
        """Of all parts, one below the other, as are the others."""
        return self._stacked("A")

    @property
    def A_transposed(self) -> Matrix:
        """``Aᵀ``: how gradients of functions come up."""
        return sp.csr_array(self.A.T)

    @property
    def B(self) -> Matrix:
        """Coefficients of the extra variables."""
        return self._stacked("B")

    @property
    def C(self) -> Matrix:
        """How the constants c depend on the numbers of the set."""
        return self._stacked("C")

    @property
    def N(self) -> Matrix:
        """How the numbers of the sets depend on those of the set."""
        return self._stacked("N")

    @property
    def c(self) -> FloatArray:
        """Constants."""
        return np.concatenate([np.zeros(0), *(part.c for part in self.parts)])

    def _stacked(self, name: str) -> Matrix:
        found = [getattr(part, name) for part in self.parts]
        if len({matrix.shape[1] for matrix in found}) != 1:
            raise InvalidData(f"The parts for {self.name} have no {name} of one width; look at each of its `parts`.")
        return sp.csr_array(sp.vstack(found, format="csr"))

    def __repr__(self) -> str:
        extra = f", with {self.extra} extra variable{'s' if self.extra > 1 else ''} u" if self.extra else ""
        lines = [f"{self.name} for {self.target}{extra}:", *("  " + line for line in self.way)]
        if not self.parts:
            return "\n".join([*lines, "nothing: it asks for nothing"])
        return "\n".join([*lines, *map(str, self.parts)])


def lowered(store: Store, lowering: Lowering, index: ConstraintIndex, target: str) -> LoweredConstraint:
    """What stands for a constraint in a form that is in step with the store.

    Parameters
    ----------
    target : the name of whose form it is
    """
    number = store.number(index)
    block = store.block(index.kind)
    theta = block.set(number).numbers.reshape(1, -1)
    found, way, extra = [], lowering.path(index.kind), 0
    for chunk in lowering.chunks.get(index.kind, ()):
        _, items = lowering.items_in(chunk, index.kind, np.array([number]))
        if not len(items):
            continue
        extra = chunk.extra.shape[1]
        if not chunk.sign and chunk.composite.root.bridge is not None:
            way = list(chunk.composite.root.words())
        if chunk.p:
            found.append(_part(chunk, chunk.stand_in, int(items[0]), theta))
    return LoweredConstraint(described(store, index), target, tuple(way), tuple(found), extra)


def _part(chunk: Chunk, one: StandIn, item: int, theta: FloatArray) -> LoweredPart:
    set_type = one.kind[1]
    width = len(set_type.fields)
    numbers = np.ascontiguousarray(numbers_of(one, theta)).reshape(-1, width) if width else None
    if set_type.is_vector and one.shapes:
        sets = []
        block = one.sets(1)
        for k, shape in enumerate(one.shapes):
            mine = slice(int(block.starts[k]), int(block.starts[k + 1]))
            own = np.zeros((mine.stop - mine.start, 0)) if numbers is None else numbers[mine]
            sets.append(set_type.build(shape, own))
    else:
        rows = np.zeros((one.p, 0)) if numbers is None else numbers
        sets = [set_type.build((), row[None]) for row in rows]
    A, C, c0 = one.A, one.C, one.c0
    if chunk.sign:  # of the rows of the cone; the numbers of the quadratic row are among these
        root = chunk.composite.root
        matching = next(s for s in chunk.composite.stand_ins if s.kind == one.kind)
        A, C, c0 = matching.A, sp.csr_array((one.p, theta.shape[1])), np.zeros(one.p)
        assert root.example.dimension == A.shape[1]
        return LoweredPart(one.kind, tuple(sets), A, one.B, c0, C, c0, one.N, one.n0, one.adjoint, True)
    m = A.shape[1]
    c = constants_of(one, np.zeros((1, m)), np.where(np.isfinite(theta), theta, 0.0))[0]
    return LoweredPart(one.kind, tuple(sets), A, one.B, c, C, c0, one.N, one.n0, one.adjoint)


def _counted(sets: tuple[Any, ...]) -> list[tuple[Any, int]]:
    found: list[tuple[Any, int]] = []
    for one in sets:
        if found and found[-1][0] == one:
            found[-1] = one, found[-1][1] + 1
        else:
            found.append((one, 1))
    return found


def _text(matrix: Matrix) -> str:
    rows, columns = matrix.shape
    if rows * columns > _MOST_ENTRIES:
        return f"{rows} x {columns} with {matrix.nnz} entries"
    return np.array2string(matrix.toarray(), prefix="A = ")
