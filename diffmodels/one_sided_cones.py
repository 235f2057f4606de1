r"""One-sided derivatives of conic programs.

At a kink the projection still has a derivative in each direction: in the axes of the spectrum it is ``δ`` times the
move as elsewhere, but for the axes of the kink, in which it is itself a projection, onto a half-line (of an inequality,
and of a cone on its boundary), onto a whole cone (at its apex), or onto the semidefinite matrices
over the eigenvalues that are zero (J. F. Bonnans, A. Shapiro, *Perturbation Analysis of Optimization Problems*, 2000,
section 5.3; D. Sun, J. Sun, *Semismooth matrix-valued functions*, Mathematics of Operations Research 27 (2002),
150-169; J. V. Outrata, D. Sun, *On the coderivative of the projection operator onto the second-order cone*, Set-Valued
Analysis 16 (2008), 999-1014). So with A in these axes, the solution moves as that of

.. math::

    \min_{d,u} \tfrac12 d^TPd - r_1^T d + \tfrac12 \|u\|^2 \quad \text{subject to} \quad
    A_S d - C^{1/2} u = r_2, \quad r_2 - A_K d \in K,

P the Hessian of the Lagrangian, S the axes with δ > 0, C = diag(1/δ - 1), and K what is projected on at the kinks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.errors import DifferentiationError, Unsupported
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
from .cone_rows import ConeGroup
from .conic_point import ConicPoint
from .conic_point import polish as polish_cones
from .kkt import Mask, automatic

__all__ = ["OneSidedCones"]

_EXACT = 1e-10
_BARRIERS = (1e-4, 1e-7, 1e-10)
"""Points of the central path, for a direction of length one, from which Newton's method is tried."""


@final
class OneSidedCones:
    """The one-sided derivative at a solution of a conic program.

    Parameters
    ----------
    solution : which is at a kink

    Raises
    ------
    Unsupported
        If the multipliers are not unique.
    """

    def __init__(self, solution: ConicPoint) -> None:
        at, near = solution.kinked
        self._at, self._near = at, near
        kink = near.kink_axes
        soft = np.flatnonzero(near.active & ~kink & (near.delta < 1.0))
        hard = np.flatnonzero(near.active & ~kink & (near.delta >= 1.0))
        blocks = [
            one
            for g, (_, spectrum) in zip(at.conditions.cones.groups, near.spectra, strict=True)
            for one in _blocks(g, spectrum, kink)
        ]
        lines = [axes for cone, axes in blocks if cone is None]
        others = sorted(
            ((cone, axes) for cone, axes in blocks if cone is not None), key=lambda one: type(one[0]).__name__
        )
        self._axes: IntArray = np.concatenate([hard, soft, *lines, *(axes for _, axes in others)]).astype(np.int64)
        A = sp.csr_array(near.rotated(at.A))[self._axes]
        P = at.P
        self._n = P.shape[0]
        if automatic(P, A[np.flatnonzero(~np.isin(self._axes, soft))]).dual_nullity:
            raise Unsupported(
                "One-sided derivatives of programs with cones are those of one small program only where the duals are "
                "unique, which they are not here: active rows depend on one another. Drop one of them, or set "
                "DifferentiationPolicy() to 'smoothed' or 'generalized'."
            )
        self._root = np.sqrt(1.0 / near.delta[soft] - 1.0)
        aside = sp.coo_array(
            (-self._root, (len(hard) + np.arange(len(soft)), np.arange(len(soft)))), shape=(len(self._axes), len(soft))
        )
        self._P = sp.csc_array(sp.block_diag([P, sp.eye_array(len(soft))]))
        self._F = sp.csr_array(-sp.hstack([A, aside]))
        self._parts = _parts(len(hard) + len(soft), len(lines), [cone for cone, _ in others])
        self._free = automatic(self._P, -self._F[: len(hard) + len(soft)])  # without the kinks: where to start

    def push(self, primal: FloatArray, rows: FloatArray, turns: bool) -> tuple[FloatArray, FloatArray]:
        """(dx, dy) from right-hand sides (n, K) and (m, K).

        Raises
        ------
        DifferentiationError
            If the moved program has no solution nearby.
        """
        units = self._at.conditions.units
        upper, lower = units.slopes(primal), self._near.down(units.slacks(rows))[self._axes]
        dx, eta = np.zeros_like(upper), np.zeros((len(self._near.delta), upper.shape[1]))
        for k in range(upper.shape[1]):
            size = max(np.abs(upper[:, k]).max(initial=0.0), np.abs(lower[:, k]).max(initial=0.0))
            if size > 0.0:
                d, y = self._along(upper[:, k] / size, lower[:, k] / size)
                dx[:, k], eta[self._axes, k] = size * d, size * y
        return units.given_primal(dx), units.given_dual(self._near.up(eta))

    def _along(self, primal: FloatArray, g: FloatArray) -> tuple[FloatArray, FloatArray]:
        """One direction of length one."""
        q = np.concatenate([-primal, np.zeros(len(self._root))])
        form = MatrixForm(self._P, q, 0.0, self._F, g, self._parts)
        free = self._free.solve(np.concatenate([-q, g[: self._free.m]]))
        x, y = free[: len(q)], np.zeros(len(g))
        y[: self._free.m] = free[len(q) :]
        best = polish_cones(form, x, y)
        for mu in _BARRIERS:
            if best.refinement.after <= _EXACT:
                return best.x[: self._n], best.y
            try:
                central = CentralPoint(form, x, y, mu, automatic)
            except DifferentiationError:
                continue
            x, y = central.x, central.y
            best = polish_cones(form, x, y)
        if best.refinement.after <= _EXACT:
            return best.x[: self._n], best.y
        raise DifferentiationError(
            "There is no one-sided derivative in this direction: as soon as the data move along it, the model has no "
            "solution, or none near this one."
        )


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
