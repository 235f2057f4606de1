"""What travels between constraints and the slots of a form: duals and gradients up, tangents and seeds down.

Each is one array operation with the matrices of what stands for the constraints (`composite`): for one constraint of m
rows that is ``A f + B u + C θ + c0 in S2(N θ + n0)``,

* duals come up by the adjoint of A in the inner products of the sets, seeds of duals go down by its transpose,
* gradients with respect to functions come up by Aᵀ, tangents of functions go down by A,
* gradients with respect to numbers θ come up by Cᵀ and Nᵀ, tangents of θ go down by C and N.

Values of constraints are arrays whose first axis is their rows, one below the other. Values over slots come in two
parts, through lower and through upper sides, which add up to the whole; those of cones are among the former. A
constraint that owns one side of a column has to do with one of them alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from ...modelkit.arrays import FloatArray, IntArray, segments
from ...modelkit.functions.rows import Rows
from ...modelkit.indices import Kind
from ..bridge import Matrix
from .chunks import Chunk, Place
from .mapped_form import MappedForm
from .reach import is_box

__all__ = [
    "Sided",
    "dual_matrix",
    "duals_up",
    "functions_down",
    "gradients_up",
    "seeds_down",
    "set_gradients_up",
    "set_tangents_down",
    "split",
]

Sided = tuple[FloatArray, FloatArray]
"""Values over all slots: what comes through lower sides and cones, and what comes through upper sides."""


def _parts(
    lowering: MappedForm, kind: Kind, numbers: IntArray, dims: IntArray
) -> Iterator[tuple[Chunk, IntArray, IntArray, IntArray | slice]]:
    """(chunk, places among the constraints, items, rows among theirs) of all that stands for constraints with rows."""
    starts = None
    for chunk in lowering.chunks.get(kind, ()):
        if chunk.place is Place.KINDS or not chunk.p:
            continue
        places, items = lowering.items_in(chunk, kind, numbers)
        if not len(items):
            continue
        if len(places) == len(numbers):
            yield chunk, places, items, slice(None)
            continue
        if starts is None:
            starts = np.cumsum(dims) - dims
        yield chunk, places, items, segments(starts[places], dims[places])


def _apply(M: Matrix, values: FloatArray, copies: int) -> FloatArray:
    """``kron(I, M)`` on the first axis."""
    p, q = M.shape
    tail = values.shape[1:]
    width = int(np.prod(tail, dtype=np.int64))
    flat = np.moveaxis(values.reshape(copies, q, width), 1, 0).reshape(q, copies * width)
    out: FloatArray = np.moveaxis((M @ flat).reshape(p, copies, width), 1, 0)
    return out.reshape(copies * p, *tail)


def _slots(lowering: MappedForm, chunk: Chunk, items: IntArray) -> IntArray:
    whole = len(items) == chunk.count
    return chunk.slots(lowering.form.slots, slice(None) if whole else chunk.rows_of(items))


# ---------------------------------------------------------------------- up
def split(values: FloatArray) -> Sided:
    """Duals over slots by their signs."""
    lower = np.maximum(values, 0.0)
    return lower, values - lower


def _own(chunk: Chunk, values: Sided, at: IntArray) -> FloatArray:
    """What belongs to a chunk of the values at its slots."""
    if chunk.sides == 3:
        own: FloatArray = values[0][at] + values[1][at]
        return own
    return values[chunk.sides - 1][at]


def duals_up(lowering: MappedForm, kind: Kind, numbers: IntArray, dims: IntArray, values: Sided) -> FloatArray:
    """Duals of constraints, (rows, ...), from those over all slots, (slots, ...) each.

    Parameters
    ----------
    kind, numbers, dims : of the constraints: kind, numbers in their block, and dimensions
    """
    out = np.zeros((int(dims.sum()), *values[0].shape[1:]))
    for chunk, _, items, rows in _parts(lowering, kind, numbers, dims):
        mine, one = _own(chunk, values, _slots(lowering, chunk, items)), chunk.stand_in
        out[rows] += mine if one.is_identity else _apply(one.adjoint, mine, len(items))
    return out


def dual_matrix(lowering: MappedForm, kind: Kind, numbers: IntArray, dims: IntArray) -> sp.csr_array:
    """The same as a matrix (rows, 2 slots): of the values through lower sides and cones, then through upper sides."""
    size, m = lowering.form.slots.size, int(dims.sum())
    own = np.arange(m)
    row, column, data = [own[:0]], [own[:0]], [np.zeros(0)]
    for chunk, _, items, rows in _parts(lowering, kind, numbers, dims):
        one, k = chunk.stand_in, np.arange(len(items))[:, None]
        adjoint = sp.eye_array(chunk.p, format="coo") if one.is_identity else sp.coo_array(one.adjoint)
        above, below = ((k * count + at).ravel() for count, at in zip(adjoint.shape, adjoint.coords, strict=True))
        for side in range(2):
            if chunk.sides & (1 << side):
                row.append(own[rows][above])
                column.append(_slots(lowering, chunk, items)[below] + side * size)
                data.append(np.tile(adjoint.data, len(items)))
    places = np.concatenate(row), np.concatenate(column)
    return sp.csr_array(sp.coo_array((np.concatenate(data), places), shape=(m, 2 * size)))


def gradients_up(lowering: MappedForm, kind: Kind, numbers: IntArray, dims: IntArray, values: Sided) -> FloatArray:
    """The same by the plain transpose, of entrywise gradients."""
    out = np.zeros((int(dims.sum()), *values[0].shape[1:]))
    for chunk, _, items, rows in _parts(lowering, kind, numbers, dims):
        mine, one = _own(chunk, values, _slots(lowering, chunk, items)), chunk.stand_in
        out[rows] += mine if one.is_identity else _apply(one.A_transposed, mine, len(items))
    return out


def set_gradients_up(lowering: MappedForm, kind: Kind, numbers: IntArray, dims: IntArray, values: Sided) -> FloatArray:
    """Gradients with respect to the numbers of sets, (rows, q, ...), from those in the constants of functions."""
    q, tail = len(kind[1].fields), values[0].shape[1:]
    out = np.zeros((int(dims.sum()), q, *tail))
    if not q:
        return out
    for chunk, _, items, rows in _parts(lowering, kind, numbers, dims):
        at, one, k = _slots(lowering, chunk, items), chunk.stand_in, len(items)
        low, high = values[0][at], values[1][at]
        found = np.zeros((k * one.N.shape[1], *tail))
        if one.C.nnz:
            found += _apply(one.C.T, low + high, k)
        if is_box(one.kind[1]) and one.N.nnz:
            sides = _columns(one.kind)
            below = np.zeros((len(at), len(one.kind[1].fields), *tail))
            if chunk.sides & 1 and sides[0] is not None:
                below[:, sides[0]] -= low
            if chunk.sides & 2 and sides[1] is not None:
                below[:, sides[1]] -= high
            flat = below.reshape(-1, *tail)
            found += flat if one.is_identity else _apply(one.N.T, flat, k)
        out[rows] += found.reshape(-1, q, *tail)
    return out


def _columns(kind: Kind) -> tuple[int | None, int | None]:
    """Which numbers of a box are its lower and its upper bounds."""
    probe = kind[1].bounds(np.arange(1.0, len(kind[1].fields) + 1.0)[None])
    assert probe is not None
    low, high = (float(side[0]) for side in probe)
    return (
        int(low) - 1 if 1.0 <= low < np.inf else None,
        int(high) - 1 if 1.0 <= high < np.inf else None,
    )


# ---------------------------------------------------------------------- down
def seeds_down(
    lowering: MappedForm, kind: Kind, numbers: IntArray, dims: IntArray, seeds: FloatArray, out: Sided
) -> None:
    """Add seeds of duals, (rows,), to those over all slots."""
    for chunk, _, items, rows in _parts(lowering, kind, numbers, dims):
        mine, one = seeds[rows], chunk.stand_in
        mine = mine if one.is_identity else _apply(one.adjoint_transposed, mine, len(items))
        for side, into in enumerate(out):
            if chunk.sides & (1 << side):
                np.add.at(into, _slots(lowering, chunk, items), mine)


def functions_down(
    lowering: MappedForm, kind: Kind, numbers: IntArray, dims: IntArray, tangents: Rows
) -> Iterator[tuple[IntArray, Rows]]:
    """(slots, rows in columns) of tangents of functions of some constraints.

    Parameters
    ----------
    tangents : in columns; K times as many rows as the constraints have for K directions, one direction below the other

    Returns
    -------
    Iterator of slots (p,) and K p rows
    """
    m = int(dims.sum())
    copies = tangents.m // m if m else 1
    for chunk, _, items, rows in _parts(lowering, kind, numbers, dims):
        mine = tangents
        if not isinstance(rows, slice):
            mine = tangents.take((np.arange(copies)[:, None] * m + rows).ravel())
        one = chunk.stand_in
        if not one.is_identity:
            mine = mine.without_curvature().mapped(one.A, copies * len(items))
        yield _slots(lowering, chunk, items), mine


def set_tangents_down(
    lowering: MappedForm, kind: Kind, numbers: IntArray, dims: IntArray, tangents: FloatArray
) -> Iterator[tuple[IntArray, FloatArray, FloatArray, FloatArray]]:
    """(slots, moves of constants, of lower and of upper sides) of tangents (rows, q, K) of numbers of sets."""
    tail = tangents.shape[2:]
    for chunk, _, items, rows in _parts(lowering, kind, numbers, dims):
        one, k = chunk.stand_in, len(items)
        mine = tangents[rows].reshape(-1, *tail)
        at = _slots(lowering, chunk, items)
        constants = _apply(one.C, mine, k) if one.C.nnz else np.zeros((len(at), *tail))
        low, high = np.zeros_like(constants), np.zeros_like(constants)
        if is_box(one.kind[1]) and one.N.nnz:
            width = len(one.kind[1].fields)
            below = (mine if one.is_identity else _apply(one.N, mine, k)).reshape(-1, width, *tail)
            lower, upper = _columns(one.kind)
            if lower is not None and chunk.sides & 1:
                low = below[:, lower]
            if upper is not None and chunk.sides & 2:
                high = below[:, upper]
        yield at, constants, low, high
