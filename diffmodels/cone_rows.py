"""The rows of a conic program, cone by cone: projection onto the dual cones, and rotation into the derivative's axes.

With v = y - s, optimality is y = Π_K*(v) and s = y - v. The derivative of the projection is D = U diag(δ) Uᵀ block
by block. As the projection onto a cone is homogeneous, it is also the projection: Π_K*(v) = D v (Euler).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.form.matrix_form import MatrixForm
from .kkt import Mask, RowOperator

__all__ = ["ROUNDING", "ConeGroup", "ConeRows", "Rotation", "row_maxima", "used_columns"]

_BLOCK_DIAGONAL = 64
"""Largest cone whose rotation is held as a block of a sparse matrix; larger ones rotate dense columns."""
_MOSTLY_FULL = 0.3
"""Share of entries in rotated rows of large cones from which UᵀA is held as an ndarray."""
_NEGLIGIBLE = 1e-13
"""Slopes up to this are zero."""
ROUNDING = 1e-12
"""Entries up to this, relative to the length of their column in the cone, are rounding errors."""
_NOISE = 1e-8
"""Rows of slope one up to this, relative to the largest entry in their cone, are rounding errors: scaled up, such a row
would be a constraint."""
_ROUNDOFF = 1e-15
_BISECTIONS = 50
_TURNED = 0.1
"""Part of a vector by which another derivative's answer to it differs much."""


@final
@dataclass(frozen=True)
class ConeGroup:
    """k equal cones: one set of them, and their rows, shape (k, d)."""

    cone: Any
    rows: IntArray


class ConeRows:
    """The cones of a matrix form, grouped by type and shape.

    Parameters
    ----------
    form : the model
    """

    def __init__(self, form: MatrixForm) -> None:
        self.m = form.m
        self.groups: list[ConeGroup] = []
        for part in form.parts.values():
            shapes = part.sets.shapes or ((1,),) * part.sets.count
            starts = part.starts[:-1]
            for shape in dict.fromkeys(shapes):
                items = np.array([i for i, s in enumerate(shapes) if s == shape], np.int64)
                d = int(part.sets.dims[items[0]])
                cone: Any = part.sets.type.build(shape, np.zeros((d, 0)))
                rows = starts[items][:, None] + np.arange(d)
                if cone.is_product:  # zeros, nonnegatives: each row is a cone of its own
                    rows, cone = rows.reshape(-1, 1), part.sets.type.build((1,), np.zeros((1, 0)))
                self.groups.append(ConeGroup(cone, rows))

    def project_dual(self, v: FloatArray) -> FloatArray:
        """Π_K*(v)."""
        y = v.copy()
        for group in self.groups:
            y[group.rows] = group.cone.project_dual(v[group.rows])
        return y

    def rotation(self, v: FloatArray) -> Rotation:
        """The axes and slopes of the projection at v; kinks are those that v cannot be told from."""
        return Rotation(self.m, [(g.rows, g.cone.spectrum_dual(v[g.rows], tolerance=_ROUNDOFF)) for g in self.groups])

    def kinks(self, v: FloatArray, tolerance: float, sizes: FloatArray) -> Rotation:
        """The axes at the kinks near v, in which moves are projected, and slopes.

        The tolerance is relative to v, or to sizes (m,) that are larger, the same for all rows of a cone.
        """
        spectra = [
            (g.rows, g.cone.kinked_dual(v[g.rows], tolerance=tolerance, scale=sizes[g.rows[:, 0]])) for g in self.groups
        ]
        return Rotation(self.m, spectra)

    def changes(self, v: FloatArray, moves: FloatArray) -> Mask:
        """(m,): the rows of cones whose derivative is of another kind at v ± a column of `moves` (m, k) than at v.

        The kind is how many slopes are 0 and how many are 1: the signs of a row or of the eigenvalues of a matrix, on
        which side of the cone and of its polar v is.
        """
        found: Mask = np.zeros(self.m, bool)
        for rows, spectrum in self._beside(v, moves):
            found[rows] = _other_kind(spectrum, rows.shape)[:, None]
        return found

    def doubts(self, v: FloatArray, moves: FloatArray) -> Mask:
        """`changes`, and the rows of cones whose derivative is much another one there, though it is of one kind.

        At the apex of a second-order cone, and where eigenvalues of a matrix are zero together, the kind may stay while
        the axes turn.
        """
        found: Mask = np.zeros(self.m, bool)
        draw = np.random.default_rng(30).standard_normal(self.m)
        for rows, spectrum in self._beside(v, moves):
            found[rows] = _other_kind(spectrum, rows.shape)[:, None]
            if rows.shape[1] > 1:
                own = np.tile(draw[rows], (1 + 2 * moves.shape[1], 1))
                image = spectrum.unrotate(spectrum.delta * spectrum.rotate(own)).reshape(-1, *rows.shape)
                turned = np.linalg.norm(image[1:] - image[:1], axis=2) > _TURNED * np.linalg.norm(draw[rows], axis=1)
                found[rows] |= turned.any(axis=0)[:, None]
        return found

    def reach(self, v: FloatArray, along: FloatArray) -> tuple[float, IntArray]:
        """The step t > 0 at which v + t `along` gets where a derivative is of another kind, and the rows of that cone.

        The first one seen at steps from 1e-9 to 1e3, the finer below 1, then by bisection; infinite, and no rows, where
        there is none.
        """
        steps = np.unique(np.concatenate([np.geomspace(1e-9, 1e3, 49), np.linspace(0.0, 1.0, 17)]))
        found: tuple[float, IntArray] = np.inf, np.zeros(0, np.int64)
        for group in self.groups:
            rows, cone = group.rows, group.cone
            points = v[rows] + steps[:, None, None] * along[rows]
            spectrum = cone.spectrum_dual(points.reshape(-1, rows.shape[1]), tolerance=_ROUNDOFF)
            kinds = _kinds(spectrum.delta.reshape(points.shape))
            others = (kinds[1:] != kinds[0]).any(axis=2)
            mine = np.flatnonzero(others.any(axis=0))
            if not len(mine):
                continue
            first = np.argmax(others[:, mine], axis=0)
            low, high, here = steps[first], steps[first + 1], kinds[0, mine]
            for _ in range(_BISECTIONS):
                middle = 0.5 * (low + high)
                at = v[rows[mine]] + middle[:, None] * along[rows[mine]]
                other = (_kinds(cone.spectrum_dual(at, tolerance=_ROUNDOFF).delta) != here).any(axis=1)
                low, high = np.where(other, low, middle), np.where(other, middle, high)
            least = int(np.argmin(high))
            found = min(found, (float(high[least]), rows[mine[least]]), key=lambda one: one[0])
        return found

    def _beside(self, v: FloatArray, moves: FloatArray) -> Iterator[tuple[IntArray, Any]]:
        """Rows (k, d) of equal cones, and spectra at v and at v ± the columns of `moves`, one point after the other."""
        points = np.concatenate([v[:, None], v[:, None] + moves, v[:, None] - moves], axis=1)
        for group in self.groups:
            stacked = points[group.rows].transpose(2, 0, 1).reshape(-1, group.rows.shape[1])
            yield group.rows, group.cone.spectrum_dual(stacked, tolerance=_ROUNDOFF)

    def largest(self, values: FloatArray) -> FloatArray:
        """Each row's value (m,) replaced by the largest in its cone."""
        out = values.copy()
        for group in self.groups:
            out[group.rows] = values[group.rows].max(axis=1, keepdims=True)
        return out

    @property
    def numbers(self) -> IntArray:
        """The number of the cone of each row, (m,)."""
        out = np.zeros(self.m, np.int64)
        first = 0
        for group in self.groups:
            out[group.rows] = first + np.arange(len(group.rows))[:, None]
            first += len(group.rows)
        return out


def _other_kind(spectrum: Any, shape: tuple[int, ...]) -> Mask:
    """(k,) whether some point has other numbers of slopes 0 and 1 than the first one."""
    kinds = _kinds(spectrum.delta.reshape(-1, *shape))
    return np.asarray((kinds[1:] != kinds[:1]).any(axis=(0, 2)))


def _kinds(delta: FloatArray) -> IntArray:
    """(..., 2) how many of the slopes (..., d) are 0, and how many are 1."""
    return np.stack([(delta <= _NEGLIGIBLE).sum(axis=-1), (delta >= 1.0 - _NEGLIGIBLE).sum(axis=-1)], axis=-1)


@final
class Rotation:
    """U and δ of the derivative D = U diag(δ) Uᵀ of the projection onto the dual cones.

    Attributes
    ----------
    delta : (m,) slopes, in the order of the rotated rows
    active : (m,) mask of the rotated rows with δ > 0, which stay in the KKT system
    kink : (m,) mask of the rows of cones at whose point the derivative is not unique
    kink_axes : (m,) mask of the rotated rows in which it is not
    spectra : rows (k, d) and spectra of equal cones

    Parameters
    ----------
    m, spectra : number of rows; rows and spectra of equal cones
    image : (m,) values of what is differentiated, where it is not the projection
    """

    def __init__(self, m: int, spectra: list[tuple[IntArray, Any]], image: FloatArray | None = None) -> None:
        self.spectra, self._image = spectra, image
        self.delta: FloatArray = np.zeros(m)
        self.kink: Mask = np.zeros(m, bool)
        self.kink_axes: Mask = np.zeros(m, bool)
        for rows, spectrum in spectra:
            self.delta[rows] = spectrum.delta
            self.kink_axes[rows] = spectrum.kink
            self.kink[rows] = spectrum.kink.any(axis=1)[:, None]
        self.active: Mask = self.delta > _NEGLIGIBLE
        self._small = self._block_diagonal()
        cone = np.concatenate([np.zeros(0, np.int64), *(np.repeat(np.arange(len(r)), r.shape[1]) for r, _ in spectra)])
        first = np.cumsum([0, *(len(r) for r, _ in spectra)])
        cone += np.repeat(first[:-1], [r.size for r, _ in spectra])
        row = np.concatenate([np.zeros(0, np.int64), *(r.ravel() for r, _ in spectra)])
        self._same_cone = sp.csr_array(sp.coo_array((np.ones(len(row)), (row, cone)), shape=(m, int(first[-1]))))

    def without(self, axes: Mask) -> Rotation:
        """The same with slope zero in some rotated rows (m,)."""
        other = copy.copy(self)
        other.delta, other.active = np.where(axes, 0.0, self.delta), self.active & ~axes
        return other

    def _block_diagonal(self) -> sp.csr_array:
        """Uᵀ of the small cones as a sparse matrix; the rows of large ones are empty."""
        m = len(self.delta)
        row, column, value = [], [], []
        for rows, spectrum in self.spectra:
            k, d = rows.shape
            if d > _BLOCK_DIAGONAL:
                continue
            U = spectrum.rotate(np.broadcast_to(np.eye(d), (k, d, d)))
            row.append(np.repeat(rows, d, axis=1).ravel())
            column.append(np.tile(rows, (1, d)).ravel())
            value.append(U.ravel())
        if not row:
            return sp.csr_array((m, m))
        entries = (np.concatenate(value), (np.concatenate(row), np.concatenate(column)))
        matrix = sp.csr_array(sp.coo_array(entries, shape=(m, m)))
        matrix.eliminate_zeros()
        return matrix

    def rotated(self, A: sp.csr_array) -> Any:
        """UᵀA: sparse, or an ndarray where large cones fill much of it.

        What cancels is zero, and so is what a nearly unit vector of U adds: a row of rounding errors would be scaled up
        to count as a row. A row of slope one is a constraint, and is zero where it is but the error of the axes.
        """
        return self._without_noise(self._product(A), A)

    def _without_noise(self, product: Any, A: sp.csr_array) -> Any:
        largest = row_maxima(A)
        for rows, _ in self.spectra:
            largest[rows] = largest[rows].max(axis=1, keepdims=True)
        noise = (self.delta >= 1.0 - _NEGLIGIBLE) & (row_maxima(product) <= _NOISE * largest)
        if isinstance(product, np.ndarray):
            product[noise] = 0.0
            return product
        if noise.any():
            product.data[np.repeat(noise, np.diff(product.indptr))] = 0.0
            product.eliminate_zeros()
        return product

    def _product(self, A: sp.csr_array) -> Any:
        product = self._small @ A
        within = self._same_cone @ (self._same_cone.T @ A.multiply(A))
        small = sp.csr_array(product.multiply(product.multiply(product) > ROUNDING**2 * within))
        blocks = []
        for rows, spectrum in self._each_large():
            used = used_columns(A, rows)
            stacked = A[rows][:, used].toarray()
            turned = spectrum.rotate(stacked[None])[0]
            turned[np.abs(turned) <= ROUNDING * np.linalg.norm(stacked, axis=0)] = 0.0
            blocks.append((rows, used, turned))
        if sum(dense.size for *_, dense in blocks) > _MOSTLY_FULL * A.shape[0] * A.shape[1]:
            full: FloatArray = small.toarray()
            for rows, used, dense in blocks:
                full[np.ix_(rows, used)] = dense
            return full
        if not blocks:
            return small
        row = np.concatenate([np.repeat(rows, len(used)) for rows, used, _ in blocks])
        column = np.concatenate([np.tile(used, len(rows)) for rows, used, _ in blocks])
        value = np.concatenate([dense.ravel() for *_, dense in blocks])
        return small + sp.csr_array(sp.coo_array((value, (row, column)), shape=A.shape))

    def entries(self, A: sp.csr_array, kept: Mask) -> int:
        """A bound of the number of entries of UᵀA in the rows `kept`, without forming it."""
        total = 0
        for rows, _ in self.spectra:
            mine = kept[rows]
            if rows.shape[1] <= _BLOCK_DIAGONAL:
                total += int((np.diff(A.indptr)[rows].sum(axis=1) * mine.sum(axis=1)).sum())
            else:
                total += sum(len(used_columns(A, one)) * int(own.sum()) for one, own in zip(rows, mine, strict=True))
        return total

    def operator(self, A: sp.csr_array, rows: IntArray) -> RowOperator:
        """Some rows of UᵀA, applied but not formed; the mean square of a cone's rows stands for that of each."""
        squares = sp.csr_array(A.multiply(A))

        def row_squares(weights: FloatArray) -> FloatArray:
            of_each = squares @ weights
            for cones, _ in self.spectra:
                of_each[cones] = of_each[cones].mean(axis=1, keepdims=True)
            return np.asarray(of_each[rows])

        def transposed(y: FloatArray) -> FloatArray:
            eta = np.zeros(A.shape[0])
            eta[rows] = y
            return np.asarray(A.T @ self.up(eta))

        columns = np.asarray(squares.sum(axis=0)).ravel()
        return RowOperator((len(rows), A.shape[1]), lambda x: self.down(A @ x)[rows], transposed, columns, row_squares)

    def hard_together(self, rows: IntArray) -> IntArray:
        """Numbers (len(rows),) from 0 on of some rotated rows: one for all of slope one in a cone, its own for others.

        Rows of slope one are the constraints of a face. Which axes of the face they stand for is arbitrary, and what
        is little in one of them only by that must not be scaled up.
        """
        numbers = np.arange(len(self.delta)) + len(self.delta)
        for own, _ in self.spectra:
            hard = self.delta[own] >= 1.0 - _NEGLIGIBLE
            numbers[own] = np.where(hard, own[:, :1], numbers[own])
        return np.asarray(np.unique(numbers[rows], return_inverse=True)[1])

    def derivative(self, values: FloatArray) -> FloatArray:
        """D applied to (m,) or (m, K)."""
        delta = self.delta if values.ndim == 1 else self.delta[:, None]
        return self.up(delta * self.down(values))

    def image(self, v: FloatArray) -> FloatArray:
        """Where v goes, at which this is the derivative: the projection is its derivative times v (Euler)."""
        return self.derivative(v) if self._image is None else self._image

    def down(self, values: FloatArray) -> FloatArray:
        """Uᵀ applied to (m,) or (m, K)."""
        return self._apply(values, self._small, lambda s: s.rotate)

    def up(self, values: FloatArray) -> FloatArray:
        """U applied to (m,) or (m, K)."""
        return self._apply(values, self._small.T, lambda s: s.unrotate)

    def without_noise(self, values: FloatArray) -> FloatArray:
        """(m, K) with what is a rounding error next to the rest of a cone set to zero."""
        out = values.copy()
        for rows, _ in self.spectra:
            own = values[rows]
            out[rows] = np.where(np.abs(own) <= ROUNDING * np.abs(own).max(axis=1, keepdims=True), 0.0, own)
        return out

    def _apply(self, values: FloatArray, small: Any, way: Callable[[Any], Any]) -> FloatArray:
        out: FloatArray = small @ values
        for rows, spectrum in self.large():
            out[rows] = way(spectrum)(values[rows])
        return out

    def large(self) -> list[tuple[IntArray, Any]]:
        """Rows (k, d) and spectra of the cones whose U is never formed."""
        return [(rows, s) for rows, s in self.spectra if rows.shape[1] > _BLOCK_DIAGONAL]

    def _each_large(self) -> Iterator[tuple[IntArray, Any]]:
        """The same, cone by cone: rows (d,)."""
        for rows, spectrum in self.large():
            for item, own in enumerate(rows):
                yield own, spectrum.take([item])


def row_maxima(A: Any) -> FloatArray:
    """The largest absolute entry of each row of a CSR array or an ndarray."""
    if isinstance(A, np.ndarray):
        return np.asarray(np.abs(A).max(axis=1, initial=0.0))
    found = np.zeros(A.shape[0])
    filled = np.flatnonzero(np.diff(A.indptr))
    if len(filled):
        found[filled] = np.maximum.reduceat(np.abs(A.data), A.indptr[filled])
    return found


def used_columns(A: sp.csr_array, rows: IntArray) -> IntArray:
    """The columns in which some rows have entries."""
    return np.flatnonzero(np.bincount(A[rows].indices, minlength=A.shape[1]))
