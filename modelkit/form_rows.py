"""The rows of a form as those see them who check an answer: boxes with their bounds, cones with their weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from .arrays import FloatArray, IntArray, segments
from .indices import Kind
from .matrix_form import MatrixForm, Part
from .sets import VectorSet
from .sets.cone import NativeCone
from .sizes import ratio

__all__ = ["FormRows", "is_box"]


class FormRows:
    """The rows of a form of convex sets.

    Parameters
    ----------
    form : MatrixForm

    Attributes
    ----------
    form : MatrixForm
    filled : (m,) whether the row has entries
    boxes : (m,) whether the row is one of a box
    lower, upper : (m,) bounds of the functions without their constants; infinite in cones
    weights : (m,) of the inner products
    cones : the different cones, each with its rows, (count, dimension)
    """

    def __init__(self, form: MatrixForm) -> None:
        self.form = form
        self.filled = np.diff(form.F.indptr) > 0
        self.boxes = np.zeros(form.m, bool)
        self.lower, self.upper = form.bounds()
        self.weights = np.ones(form.m)
        self.cones: list[tuple[VectorSet, IntArray]] = []
        for kind, part in form.parts.items():
            if is_box(kind):
                self.boxes[part.rows] = True
                continue
            for cone, rows in _groups(part):
                self.cones.append((cone, rows))
                if cone.weights is not None:
                    self.weights[rows] = cone.weights

    def with_form(self, form: MatrixForm) -> FormRows:
        """The rows of a form with the same pattern and other numbers (`MatrixForm.with_numbers`)."""
        rows = copy.copy(self)
        rows.form, (rows.lower, rows.upper) = form, form.bounds()
        return rows

    def wrong(self, y: FloatArray) -> FloatArray:
        """Duals of bounds that are not there, (m,); zero in cones."""
        bad = (y > 0.0) & (self.lower == -np.inf) | (y < 0.0) & (self.upper == np.inf)
        wrong: FloatArray = np.where(bad & self.boxes, np.abs(y), 0.0)
        return wrong

    def relative_cone_distance(self, points: FloatArray, sizes: FloatArray, least: float, *, dual: bool) -> float:
        """The largest distance from a cone, relative to `least` plus the largest of `sizes` in it."""
        return self.largest_in_cones(self.cone_distances(points, dual=dual), sizes, least)

    def cone_distances(self, points: FloatArray, *, dual: bool) -> list[FloatArray]:
        """How far points (m,) are from the cones, or from their dual cones: for each of `cones` (count,)."""
        return [_distances(cone, points[rows], dual) for cone, rows in self.cones]

    def largest_in_cones(self, distances: list[FloatArray], sizes: FloatArray, least: float) -> float:
        """The largest of `cone_distances`, relative to `least` plus the largest of `sizes` in its cone."""
        worst = 0.0
        for far, (_, rows) in zip(distances, self.cones, strict=True):
            scale = least + sizes[rows].max(axis=1, initial=0.0)
            worst = max(worst, float(ratio(far, scale).max(initial=0.0)))
        return worst

    def dual_terms(self, y: FloatArray) -> FloatArray:
        """``W y · bound``, the bound that the sign of y names (zero where infinite), or ``-g`` in a cone."""
        bound = np.where(self.boxes, np.where(y > 0, self.lower, self.upper), -self.form.g)
        return np.where(np.isfinite(bound), self.weights * y * np.where(np.isfinite(bound), bound, 0.0), 0.0)

    def constants(self) -> FloatArray:
        """The sizes of the numbers that stand in the rows beside the variables, (m,)."""
        bounds = [np.where(np.isfinite(b), np.abs(b), 0.0) for b in (self.lower, self.upper)]
        return np.maximum(np.abs(self.form.g), np.maximum(*bounds))


def is_box(kind: Kind) -> bool:
    """Whether the sets of a kind are boxes."""
    return kind[1].bounds(np.zeros((1, len(kind[1].fields)))) is not None


def _groups(part: Part) -> Iterator[tuple[VectorSet, IntArray]]:
    """The different cones of a part, each with its rows in the form, shape (count, dimension)."""
    shapes, starts, dims = part.sets.shapes, part.starts[:-1], part.sets.dims
    assert shapes is not None
    items: dict[tuple[float, ...], list[int]] = {}
    for item, shape in enumerate(shapes):
        items.setdefault(shape, []).append(item)
    for shape, chosen in items.items():
        cone: Any = part.sets.type.build(shape, np.zeros((int(dims[chosen[0]]), 0)))
        yield cone, segments(starts[chosen], dims[chosen]).reshape(len(chosen), cone.dimension)


def _distances(cone: VectorSet, points: FloatArray, dual: bool) -> FloatArray:
    """Distance of each of k points, (k,), from the cone or from its dual cone."""
    if not np.isfinite(points).all():
        return np.full(len(points), np.inf)
    if isinstance(cone, NativeCone):
        nearest = cone.project_dual(points) if dual else cone.project(points)
        return np.asarray(np.linalg.norm(points - nearest, axis=1), np.float64)
    distance = cone.dual_violation if dual else cone.violation
    return np.array([distance(point) for point in points], np.float64)
