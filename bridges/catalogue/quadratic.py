"""Convex quadratic constraints as second-order cones: the one rewriting that is not affine.

    ½ xᵀQx + aᵀx + g <= b   <=>   (1, b - g - aᵀx, Ux) in RotatedSecondOrderCone,   Q = UᵀU

(F. Alizadeh, D. Goldfarb, *Second-order cone programming*, Mathematical Programming 95 (2003), section 2.) At a
solution the cone's multiplier is a multiple of (b - g - aᵀx, 1, -Ux), so that the gradient of the Lagrangian holds
``y_1 (a + Qx)``: the multiplier of the row is -y_1. With ``>=`` all signs turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn, final

import numpy as np
import qdldl
import scipy.linalg.lapack
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from ...modelkit import attributes as attr
from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.block import ConstraintBlock, SetBlock
from ...modelkit.convexity import is_positive_semidefinite
from ...modelkit.errors import UnsupportedAttribute, UnsupportedConstraint, UnsupportedModification
from ...modelkit.functions import Function, ScalarQuadraticFunction, VectorAffineFunction
from ...modelkit.indices import Kind
from ...modelkit.rows import Rows
from ...modelkit.sets import GreaterThan, LessThan, RotatedSecondOrderCone, Set
from ..base import Bridge, Matrix
from ..bundle import Bundle
from ..leaf import Leaf

__all__ = ["QuadraticPiece", "QuadraticToCone", "cone_of_row", "square_root"]

_LARGE = 500
"""Connected parts of a matrix with more rows are first tried by a sparse factorization."""
_LARGEST_SPECTRUM = 2000


def square_root(Q: Matrix) -> Matrix:
    """U with ``UᵀU = Q``, and as many rows as the rank of Q.

    Part by part of the variables that Q connects: by Cholesky's factorization with pivots (LAPACK's dpstrf, N. J.
    Higham 1990) of the part scaled to a unit diagonal, whose rank does not depend on the units of the variables;
    large ones by a sparse L D Lᵀ if that shows them definite.

    Raises
    ------
    UnsupportedConstraint
        If Q is not positive semidefinite; the message names the eigenvalue.

    Examples
    --------
    >>> U = square_root(sp.csr_array([[4.0, 0.0, 2.0], [0.0, 9.0, 0.0], [2.0, 0.0, 1.0]]))
    >>> (U.T @ U).toarray()
    array([[4., 0., 2.],
           [0., 9., 0.],
           [2., 0., 1.]])
    """
    n = Q.shape[0]
    count, label = connected_components(Q, directed=False)
    order = np.argsort(label, kind="stable")
    ends = np.cumsum(np.bincount(label, minlength=count))
    alone = np.diff(ends, prepend=0) == 1
    single = order[ends[alone] - 1]
    diagonal = Q.diagonal()[single]
    if (diagonal < 0.0).any():
        _refuse(Q)
    single, diagonal = single[diagonal > 0.0], diagonal[diagonal > 0.0]
    k = np.arange(len(single))
    found = [sp.csr_array((np.sqrt(diagonal), (k, single)), shape=(len(single), n))]
    for end, size in zip(ends[~alone], np.diff(ends, prepend=0)[~alone], strict=True):
        mine = np.sort(order[end - size : end])
        part = sp.csc_array(Q[mine][:, mine])
        if not is_positive_semidefinite(part):
            _refuse(Q)
        U = sp.coo_array(_sparse_root(part) if size > _LARGE else _dense_root(part.toarray()))
        found.append(sp.csr_array((U.data, (U.row, mine[U.col])), shape=(U.shape[0], n)))
    return sp.csr_array(sp.vstack(found))


def _dense_root(Q: FloatArray) -> FloatArray:
    n = len(Q)
    scale = np.sqrt(np.maximum(Q.diagonal(), 0.0))
    kept = np.flatnonzero(scale)
    S = Q[np.ix_(kept, kept)] / np.outer(scale[kept], scale[kept])
    factor, pivots, rank, _ = scipy.linalg.lapack.dpstrf(S, tol=10 * n * np.finfo(float).eps, lower=0)
    U = np.zeros((rank, n))
    U[:, kept[pivots - 1]] = np.triu(factor)[:rank]
    return U * scale


def _sparse_root(Q: Any) -> Any:
    size = Q.diagonal()
    if (size > 0.0).all():
        scale = sp.diags_array(1.0 / np.sqrt(size), format="csc")
        try:
            L, D, order = qdldl.Solver(sp.triu(scale @ Q @ scale, format="csc"), upper=True).factors()
        except (RuntimeError, ValueError):  # QDLDL's for a zero pivot, which is not definite, and for an empty matrix
            return _dense_root(Q.toarray())
        if (D > 1e-10).all():
            back = np.empty(len(D), np.int64)
            back[order] = np.arange(len(D))
            U = sp.diags_array(np.sqrt(D)) @ (sp.csc_array(L) + sp.eye_array(len(D))).T
            return sp.csc_array(U)[:, back] @ sp.diags_array(np.sqrt(size))
    return _dense_root(Q.toarray())


def _refuse(Q: Any) -> NoReturn:
    words, hint = "a negative eigenvalue", ""
    if Q.shape[0] <= _LARGEST_SPECTRUM:
        values = np.linalg.eigvalsh(Q.toarray())
        words = f"the eigenvalue {values[0]:.3g}"
        small = 1e-8 * np.abs(values).max()
        if np.sum(values < -small) == 1 and values[-1] > small:  # as of norm(x)^2 - t^2 and norm(x)^2 - 2 t u
            hint = " If it says t >= norm(x) or 2 t u >= norm(x)^2, write it in SecondOrderCone or its rotated form."
    raise UnsupportedConstraint(
        f"A quadratic constraint that is not convex cannot be solved here: the matrix Q of its quadratic part "
        f"½ xᵀQx, written with <=, has {words}. (An equality is two inequalities, one of which is not convex.){hint}"
    )


class QuadraticToCone(Bridge):
    """``½ xᵀQx + aᵀx + g <= b  <=>  (1, b - g - aᵀx, Ux) in RotatedSecondOrderCone``, Q = UᵀU; likewise ``>=``."""

    looks_at_functions = True

    def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
        """A rotated second-order cone."""
        if function_type is not ScalarQuadraticFunction or set_type not in (LessThan, GreaterThan):
            return None
        return [(VectorAffineFunction, RotatedSecondOrderCone)]

    def stand_in(self, block: ConstraintBlock, add: Callable[[ConstraintBlock], Any]) -> QuadraticPiece:
        """The cones of a block."""
        sign = 1.0 if block.sets.type is LessThan else -1.0
        numbers = block.sets.numbers[:, 0]
        cones = [cone_of_row(block.rows.take(np.array([i])), sign, float(b)) for i, b in enumerate(numbers)]
        dims = np.array([rows.m for rows in cones])
        sets = SetBlock(RotatedSecondOrderCone, dims, np.zeros((int(dims.sum()), 0)), tuple((int(d),) for d in dims))
        child: Bundle = add(ConstraintBlock(VectorAffineFunction, Rows.stack(cones), sets))
        return QuadraticPiece(sign, child)


def cone_of_row(row: Rows, sign: float, bound: float) -> Rows:
    """The rows (1, b - g - aᵀx, Ux)."""
    ids = np.unique(np.concatenate([row.qvar1, row.qvar2]))
    i, j = np.searchsorted(ids, row.qvar1), np.searchsorted(ids, row.qvar2)
    half = sp.csr_array(sp.coo_array((sign * row.qcoef, (i, j)), shape=(len(ids), len(ids))))
    Q = sp.csr_array(half + half.T)
    Q.eliminate_zeros()
    U = sp.coo_array(square_root(Q)) if len(ids) else sp.coo_array((0, 0))
    constant = np.zeros(2 + U.shape[0])
    constant[:2] = 1.0, sign * (bound - row.constant[0])
    return Rows(
        constant,
        np.concatenate([np.ones(len(row.var), np.int64), 2 + U.row.astype(np.int64)]),
        np.concatenate([row.var, ids[U.col]]),
        np.concatenate([-sign * row.coef, U.data]),
    )


@final
@dataclass(eq=False)
class QuadraticPiece:
    """k quadratic rows behind as many cones: solved and warm started, not differentiated.

    Parameters
    ----------
    sign : 1 of ``<=``, -1 of ``>=``
    child : the cones
    """

    sign: float
    child: Bundle
    has_extra: ClassVar[bool] = False

    @property
    def dims(self) -> IntArray:
        """One row each."""
        return np.ones(len(self.child.dims), np.int64)

    def _second_rows(self, items: IntArray) -> tuple[IntArray, int]:
        """Where the second rows of some cones are, one cone below the other, and the number of all rows."""
        dims = self.child.dims[items]
        return np.cumsum(dims) - dims + 1, int(dims.sum())

    def pull(self, attribute: attr.Attribute, items: IntArray) -> FloatArray | None:
        """The dual -y_1, or y_1 of ``>=``."""
        if not isinstance(attribute, attr.ConstraintDual):
            _refuse_derivatives(attribute)
        values = self.child.pull(attribute, items)
        return None if values is None else -self.sign * values[self._second_rows(items)[0]]

    def push(self, attribute: attr.Attribute, items: IntArray, payload: Any) -> None:
        """A dual start, as (0, -y, 0)."""
        if not isinstance(attribute, attr.ConstraintDualStart):
            _refuse_derivatives(attribute)
        at, total = self._second_rows(items)
        start = np.zeros(total)
        start[at] = -self.sign * payload
        self.child.push(attribute, items, start)

    def clear(self, attribute: attr.Attribute, items: IntArray) -> None:
        """Take back what was set."""
        self.child.clear(attribute, items)

    def start_extra(self, items: IntArray, values: FloatArray) -> None:
        """There are none."""

    def change_numbers(self, items: IntArray, constants: FloatArray, numbers: FloatArray) -> None:
        """Other bounds or constants."""
        for item, bound in zip(items, self.sign * (numbers - constants), strict=True):
            below = np.zeros(int(self.child.dims[item]))
            below[:2] = 1.0, bound
            self.child.change_numbers(np.array([item]), below, np.zeros(0))

    def change_function(self, items: IntArray, rows: Rows) -> None:
        """Needs another factorization."""
        raise UnsupportedModification(
            "A quadratic function behind a second-order cone changes only with a rebuilt model."
        )

    def change_column(self, item: int, variable: Any, rows: IntArray, column: FloatArray) -> None:
        """Needs a rebuilt model."""
        self.change_function(np.array([item]), Rows(column))

    def leaves(self, items: IntArray) -> Iterator[tuple[Leaf, IntArray]]:
        """The native constraints that stand for some constraints."""
        yield from self.child.leaves(items)

    def delete(self, items: IntArray) -> None:
        """Delete the cones."""
        self.child.delete(items)


def _refuse_derivatives(attribute: attr.Attribute) -> NoReturn:
    raise UnsupportedAttribute(
        f"{attribute!r} does not travel through the factorization of a quadratic constraint; the diff models take "
        "quadratic constraints as they are."
    )
