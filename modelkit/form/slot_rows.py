"""The rows of a form as those see them who check an answer: all slots in one order, with sides, cones and weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..arrays import FloatArray, IntArray, segments
from ..sets import OperatorGraph, VectorSet
from ..sets.cone import NativeCone
from ..sizes import ratio
from .form import Cones, Discreteness, Form
from .graph_rows import normal_distances
from .matrix_form import Curvature
from .units import Lines

__all__ = ["SlotRows"]


class FormLines(NamedTuple):
    """The sizes of the entries of a form's matrices."""

    A: Lines
    F: Lines
    P: Lines


@final
class SlotRows:
    """The functions ``(A x + c(x), x, F x)`` of the slots of a form, where they must be, and what weighs in products.

    Parameters
    ----------
    form : Form

    Attributes
    ----------
    form : the form
    lower, upper : (slots,) sides; infinite in cones, and where columns are zero or between their bounds
    is_held : (slots,) whether there is a side or a cone; the other slots hold of themselves
    weights : (slots,) of the inner products
    g : (slots,) constants of the functions, zero where they are moved to the sides
    curvature : quadratic terms of the rows, or None
    cones : the different cones, each with its slots, (count, dimension)
    """

    def __init__(self, form: Form) -> None:
        self.weights = np.ones(form.slots.size)
        self.cones: list[tuple[VectorSet, IntArray]] = []
        for cones in form.cones:
            for cone, slots in _groups(cones, form.slots.sided):
                self.cones.append((cone, slots))
                if cone.weights is not None:
                    self.weights[slots] = cone.weights
        self._take(form)

    def _take(self, form: Form) -> None:
        self._lines: FormLines | None = None
        self.form, self.curvature, self.g = form, form.curvature, np.zeros(form.slots.size)
        lower, upper, free = form.lower, form.upper, np.full(form.k, np.inf)
        if form.is_discrete:
            has_gap = (form.discreteness == Discreteness.SEMICONTINUOUS) | (
                form.discreteness == Discreteness.SEMIINTEGER
            )
            lower, upper = np.where(has_gap, -np.inf, lower), np.where(has_gap, np.inf, upper)
        self.lower = np.concatenate([form.row_lower, lower, -free])
        self.upper = np.concatenate([form.row_upper, upper, free])
        self.g[form.slots.sided :] = form.g
        self.is_held: NDArray[np.bool_] = (self.lower > -np.inf) | (self.upper < np.inf)
        self.is_held[form.slots.sided :] = True

    @property
    def lines(self) -> FormLines:
        """The sizes of the entries of the form's matrices, made when they are first asked for."""
        if self._lines is None:
            form, sizes = self.form, self.form.products.sizes
            pairs = (form.A, sizes.A), (form.F, sizes.F), (form.P, sizes.P)
            self._lines = FormLines(*(Lines(matrix, of_entries) for matrix, of_entries in pairs))
        return self._lines

    def with_form(self, form: Form) -> SlotRows:
        """The rows of a form with other numbers in the same cones."""
        rows = copy.copy(self)
        rows._take(form)
        return rows

    # ------------------------------------------------------------------ functions, and their adjoint
    def linear(self, x: FloatArray) -> FloatArray:
        """Their linear parts at x, (slots,)."""
        products = self.form.products
        return np.concatenate([products.A @ x, x, products.F @ x])

    def curved(self, x: FloatArray) -> FloatArray:
        """Their quadratic parts at x, (slots,)."""
        values = np.zeros(self.form.slots.size)
        if self.curvature is not None:
            values[: self.form.m] = self.curvature.values(x)
        return values

    def curved_sizes(self, X: FloatArray) -> FloatArray:
        """Sums of the sizes of their quadratic terms where columns have the sizes X, (slots,)."""
        values = np.zeros(self.form.slots.size)
        c = self.curvature
        if c is not None:
            values[: self.form.m] = Curvature(c.shape, c.row, c.first, c.second, np.abs(c.coef)).values(X)
        return values

    def jacobian(self, x: FloatArray) -> sp.csr_array:
        """The derivative of the rows' functions at x, (m, n)."""
        return self.form.A if self.curvature is None else sp.csr_array(self.form.A + self.curvature.jacobian(x))

    def adjoint(self, Wy: FloatArray, x: FloatArray | None = None) -> FloatArray:
        """The duals, weighted, times the derivatives: at x, or of the linear parts alone."""
        y, z, w = self.form.slots.parts(Wy)
        products = self.form.products
        pull = products.A_T if x is None or self.curvature is None else self.jacobian(x).T
        total: FloatArray = pull @ y + z + products.F_T @ w
        return total

    # ------------------------------------------------------------------ where they must be
    def wrong(self, y: FloatArray) -> FloatArray:
        """Duals of sides that are not there, (slots,); zero in cones."""
        bad = (y > 0.0) & (self.lower == -np.inf) | (y < 0.0) & (self.upper == np.inf)
        bad[self.form.slots.sided :] = False
        return np.where(bad, np.abs(y), 0.0)

    def relative_cone_distance(self, points: FloatArray, sizes: FloatArray, least: float, *, dual: bool) -> float:
        """The largest distance from a cone, relative to `least` plus the largest of `sizes` in it."""
        return self.largest_in_cones(self.cone_distances(points, dual=dual), sizes, least)

    def cone_distances(self, points: FloatArray, *, dual: bool) -> list[FloatArray]:
        """How far points (slots,) are from the cones, or from their dual cones: for each of `cones` (count,)."""
        return [_distances(cone, points[slots], dual) for cone, slots in self.cones]

    def dual_distances(self, y: FloatArray, values: FloatArray) -> list[FloatArray]:
        """How far duals (slots,) are from the dual cones, in graphs of operators from the normals at the values."""
        return [
            normal_distances(cone, values[slots], y[slots])
            if isinstance(cone, OperatorGraph)
            else _distances(cone, y[slots], dual=True)
            for cone, slots in self.cones
        ]

    @property
    def in_graphs(self) -> IntArray:
        """The slots of graphs of operators, in which duals and values are not complementary."""
        parts = [slots.ravel() for cone, slots in self.cones if isinstance(cone, OperatorGraph)]
        return np.concatenate([np.zeros(0, np.int64), *parts])

    def largest_in_cones(self, distances: list[FloatArray], sizes: FloatArray, least: float) -> float:
        """The largest of `cone_distances`, relative to `least` plus the largest of `sizes` in its cone."""
        worst = 0.0
        for far, (_, slots) in zip(distances, self.cones, strict=True):
            scale = least + sizes[slots].max(axis=1, initial=0.0)
            worst = max(worst, float(ratio(far, scale).max(initial=0.0)))
        return worst

    def dual_terms(self, y: FloatArray) -> FloatArray:
        """``W y · side``, the side that the sign of y names (zero where infinite), or ``-g`` in a cone; (slots,)."""
        side = np.where(y > 0.0, self.lower, self.upper)
        side[self.form.slots.sided :] = -self.form.g
        side[np.isinf(side)] = 0.0
        side *= y
        side *= self.weights
        return side

    def constants(self) -> FloatArray:
        """The sizes of the numbers that stand in the rows beside the variables, (slots,)."""
        found = np.abs(self.g)
        for side in (self.lower, self.upper):
            sizes = np.abs(side)
            sizes[np.isinf(sizes)] = 0.0
            np.maximum(found, sizes, out=found)
        return found


def _groups(cones: Cones, first: int) -> Iterator[tuple[VectorSet, IntArray]]:
    """The different cones of one type, each with its slots, shape (count, dimension)."""
    shapes, starts, dims = cones.sets.shapes, cones.starts[:-1] + first, cones.sets.dims
    assert shapes is not None
    items: dict[tuple[float, ...], list[int]] = {}
    for item, shape in enumerate(shapes):
        items.setdefault(shape, []).append(item)
    for shape, chosen in items.items():
        cone: Any = cones.type.build(shape, np.zeros((int(dims[chosen[0]]), 0)))
        yield cone, segments(starts[chosen], dims[chosen]).reshape(len(chosen), cone.dimension)


def _distances(cone: VectorSet, points: FloatArray, dual: bool) -> FloatArray:
    """Distance of each of k points, (k,), from the cone or from its dual cone."""
    if not np.isfinite(points).all():
        return np.full(len(points), np.inf)
    if isinstance(cone, NativeCone):
        nearest = cone.project_dual(points) if dual else cone.project(points)
        return np.asarray(np.linalg.norm(points - nearest, axis=1), np.float64)
    if isinstance(cone, OperatorGraph):
        values = cone.operator.value(*points.T[1:])
        return np.where(np.isfinite(values), np.abs(points[:, 0] - values), np.inf)
    distance = cone.dual_violation if dual else cone.violation
    return np.array([distance(point) for point in points], np.float64)
