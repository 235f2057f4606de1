"""The small program whose solution is the one-sided derivative of a conic program, see `one_sided_cones`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.errors import DifferentiationError
from ..modelkit.form.matrix_form import MatrixForm, Part
from ..modelkit.functions import VectorAffineFunction
from ..modelkit.indices import Kind
from ..modelkit.sets import (
    Nonnegatives,
    RotatedSecondOrderCone,
    ScaledPositiveSemidefiniteConeTriangle,
    Set,
    Zeros,
)
from ..modelkit.sets.second_order import ReflectionSpectrum
from ..modelkit.sets.semidefinite import CongruenceSpectrum
from ..modelkit.sets.spectrum import FrameSpectrum
from ..modelkit.store.block import SetBlock
from .central_path import CentralPoint
from .cone_rows import ConeGroup, Rotation
from .conic_point import polish
from .conic_system import Iterate
from .kkt import Mask, automatic

__all__ = ["ConeProgram", "Curvature", "cones_of_kinks"]

_EXACT = 1e-10
_BARRIERS = (1e-4, 1e-7, 1e-10)
"""Points of the central path, for a direction of length one, from which Newton's method is tried."""


@final
class Curvature:
    """What bends the Lagrangian at a multiplier: its Hessian, and the boundary of the cones.

    Parameters
    ----------
    at : the solution with the multiplier
    axes : at the kinks nearby
    """

    def __init__(self, at: Iterate, axes: Rotation) -> None:
        self.P, self._axes = at.P, axes
        self.soft: IntArray = np.flatnonzero(axes.active & ~axes.kink_axes & (axes.delta < 1.0))
        self.A = sp.csr_array(axes.rotated(at.A))[self.soft]
        self.root: FloatArray = np.sqrt(1.0 / axes.delta[self.soft] - 1.0)

    def down(self, rows: FloatArray) -> FloatArray:
        """The bent axes of (m,)."""
        return self._axes.down(rows)[self.soft]

    def up(self, values: FloatArray) -> FloatArray:
        """(m,) from the bent axes."""
        eta = np.zeros(len(self._axes.delta))
        eta[self.soft] = values
        return self._axes.up(eta)

    def of(self, d: FloatArray, rows: FloatArray) -> float:
        """Half the second-order term along d (n,), when the rows are moved by (m,)."""
        bent = (self.A @ d - self.down(rows)) / self.root
        return float(0.5 * (d @ (self.P @ d)) + 0.5 * (bent @ bent))


@final
class ConeProgram:
    """The program, for any direction.

    Parameters
    ----------
    at : the solution
    axes : at its kinks, and of its active rows
    curvature : at the multiplier that counts

    Attributes
    ----------
    A : (k, n) the active rows, of slope one and of kinks
    """

    def __init__(self, at: Iterate, axes: Rotation, curvature: Curvature) -> None:
        self._axes, self._curvature = axes, curvature
        kink = axes.kink_axes
        hard = np.flatnonzero(axes.active & ~kink & (axes.delta >= 1.0))
        blocks = cones_of_kinks(at, axes, kink)
        lines = [own for cone, own in blocks if cone is None]
        others = sorted(
            ((cone, own) for cone, own in blocks if cone is not None), key=lambda one: type(one[0]).__name__
        )
        self._rows: IntArray = np.concatenate([hard, *lines, *(own for _, own in others)]).astype(np.int64)
        self.A = sp.csr_array(axes.rotated(at.A))[self._rows]
        self._n, self._hard, soft = at.P.shape[0], len(hard), len(curvature.soft)
        aside = sp.csr_array(sp.diags_array(-curvature.root))
        self._P = sp.csc_array(sp.block_diag([curvature.P, sp.eye_array(soft)]))
        A = sp.block_array(
            [[self.A[: len(hard)], None], [curvature.A, aside], [self.A[len(hard) :], None]], format="csr"
        )
        self._F = sp.csr_array(-A)
        self._parts = _parts(len(hard) + soft, len(lines), [cone for cone, _ in others])
        self._free = automatic(self._P, -self._F[: len(hard) + soft])  # without the kinks: where to start

    def along(self, primal: FloatArray, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
        """How x and y move, from right-hand sides (n,) and (m,) of about size one.

        Raises
        ------
        DifferentiationError
            If there is no solution nearby.
        """
        first, own = self._hard, self._axes.down(rows)[self._rows]
        bent = len(self._curvature.soft)
        d, y = self._solved(primal, np.concatenate([own[:first], self._curvature.down(rows), own[first:]]))
        eta = np.zeros(len(self._axes.delta))
        eta[self._rows] = np.concatenate([y[:first], y[first + bent :]])
        return d, self._axes.up(eta) + self._curvature.up(y[first : first + bent])

    def _solved(self, primal: FloatArray, g: FloatArray) -> tuple[FloatArray, FloatArray]:
        q = np.concatenate([-primal, np.zeros(len(self._curvature.soft))])
        form = MatrixForm(self._P, q, 0.0, self._F, g, self._parts)
        free = self._free.solve(np.concatenate([-q, g[: self._free.m]]))
        x, y = free[: len(q)], np.zeros(len(g))
        y[: self._free.m] = free[len(q) :]
        best = polish(form, x, y)
        for mu in _BARRIERS:
            if best.refinement.after <= _EXACT:
                return best.x[: self._n], best.y
            try:
                central = CentralPoint(form, x, y, mu, automatic)
            except DifferentiationError:
                continue
            x, y = central.x, central.y
            best = polish(form, x, y)
        if best.refinement.after <= _EXACT:
            return best.x[: self._n], best.y
        raise DifferentiationError(
            "There is no one-sided derivative in this direction: as soon as the data move along it, the model has no "
            "solution, or none near this one."
        )


def cones_of_kinks(at: Iterate, axes: Rotation, kink: Mask) -> list[tuple[Any, IntArray]]:
    """What moves are projected on in rotated rows (m,) of kinks: cones, None for half-lines, and their rows."""
    groups = zip(at.conditions.cones.groups, axes.spectra, strict=True)
    return [one for group, (_, spectrum) in groups for one in _blocks(group, spectrum, kink)]


def _blocks(group: ConeGroup, spectrum: Any, kink: Mask) -> Iterator[tuple[Any, IntArray]]:
    """The cones on which moves are projected at kinks of equal cones, None for half-lines, and the rotated rows."""
    rows = group.rows
    for item in np.flatnonzero(kink[rows].any(axis=1)).tolist():
        axes = rows[item][kink[rows[item]]]
        if isinstance(spectrum, CongruenceSpectrum) and len(axes) > 1:
            yield ScaledPositiveSemidefiniteConeTriangle(int(np.sqrt(2 * len(axes)))), axes
        elif isinstance(spectrum, ReflectionSpectrum) and len(axes) > 2:
            yield RotatedSecondOrderCone(len(axes)), axes
        elif isinstance(spectrum, FrameSpectrum) and len(axes) == rows.shape[1]:
            yield group.cone, axes
        else:
            yield from ((None, one) for one in axes[:, None])


def _parts(zeros: int, lines: int, cones: list[Set]) -> dict[Kind, Part]:
    found: dict[Kind, Part] = {}
    start = 0
    sets: list[list[Set]] = [[Zeros(zeros)] if zeros else [], [Nonnegatives(lines)] if lines else []]
    kinds = dict.fromkeys(type(cone) for cone in cones)
    sets += [[cone for cone in cones if type(cone) is kind] for kind in kinds]
    for each in filter(None, sets):
        block = SetBlock.of(each)
        starts = block.starts + start
        found[VectorAffineFunction, type(each[0])] = Part(slice(start, int(starts[-1])), block, starts)
        start = int(starts[-1])
    return found
