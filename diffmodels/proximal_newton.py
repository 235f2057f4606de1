r"""Global convergence for the polish: the proximal method of multipliers with semismooth Newton steps.

From :math:`(x_k, y_k)`, one outer iteration minimizes the strongly convex, piecewise quadratic

.. math::

    \varphi(x) = \tfrac12 x^T P x + c^T x + \tfrac\rho2 \|x - x_k\|^2
               + \tfrac1{2\delta} \|\Pi(Ax - b + \delta y_k)\|^2,

with :math:`\Pi` the identity on equality rows and the positive part on the others, and sets
:math:`y_{k+1} = \Pi(A x_{k+1} - b + \delta y_k) / \delta`. A Newton step solves
``[[P + rho I, A_J'], [A_J, -delta I]]`` with J the rows where :math:`\Pi` is positive (never singular,
whatever the degeneracy), followed by an exact line search, so it ends after finitely many steps. Many rows
enter and leave at once. As rho and delta fall the outer iteration converges superlinearly.

References
----------
R. T. Rockafellar, *Augmented Lagrangians and applications of the proximal point algorithm in convex
programming*, Mathematics of Operations Research 1 (1976), 97-116.
B. Hermans, A. Themelis, P. Patrinos, *QPALM: a proximal augmented Lagrangian method for nonconvex quadratic
programs*, Mathematical Programming Computation 14 (2022), 497-541.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ..modelkit.arrays import FloatArray
from .kkt import KKTFactorization, Mask

__all__ = ["OneSidedRows", "proximal_newton"]

_FIRST_PENALTY = 1e-3
_LAST_PENALTY = 1e-7
_PENALTY_FACTOR = 0.1
_OUTER_STEPS = 30
_NEWTON_STEPS = 60
_ALL_NEWTON_STEPS = 300
_GRADIENT_TOLERANCE = 1e-12


@final
@dataclass(frozen=True, slots=True, eq=False)
class OneSidedRows:
    """The program min ½ xᵀPx + cᵀx, A x + s = b, with s zero in the first rows and at least zero in the others.

    Attributes
    ----------
    P : symmetric positive semidefinite (n, n), sparse CSC, both triangles
    c : (n,)
    A : (m, n), sparse CSR
    b : (m,), finite
    zero_rows : the number of equality rows, which come first
    """

    P: Any
    c: FloatArray
    A: Any
    b: FloatArray
    zero_rows: int


def proximal_newton(form: OneSidedRows, x: FloatArray, y: FloatArray) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield the points (x, y) after each outer iteration; `form` should be equilibrated."""
    A = sp.csr_array(form.A)
    identity = sp.eye_array(form.c.size, format="csc")
    inequality = np.arange(form.b.size) >= form.zero_rows
    penalty, steps_left = _FIRST_PENALTY, _ALL_NEWTON_STEPS
    for _ in range(_OUTER_STEPS):
        center, shift = x, form.b - penalty * y
        P = sp.csc_array(form.P) + penalty * identity
        for _ in range(min(_NEWTON_STEPS, steps_left)):
            steps_left -= 1
            excess = A @ x - shift
            active = ~inequality | (excess > 0.0)
            multiplier = np.where(active, excess, 0.0) / penalty
            gradient = form.P @ x + form.c + penalty * (x - center) + A.T @ multiplier
            size = np.abs(form.c).max(initial=1.0) + np.abs(form.P @ x).max(initial=0.0)
            if np.abs(gradient).max(initial=0.0) <= _GRADIENT_TOLERANCE * size:
                break
            rows = A[np.flatnonzero(active)]
            kkt = KKTFactorization(P, rows, np.full(rows.shape[0], penalty))
            step = kkt.solve(np.concatenate([-gradient, np.zeros(rows.shape[0])]))[: x.size]
            slope = A @ step
            curvature = float(step @ (form.P @ step) + penalty * step @ step)
            descent = float(step @ (form.P @ x + form.c + penalty * (x - center)))
            length = _line_search(curvature, descent, excess, slope, inequality, penalty)
            x = x + length * step
        excess = A @ x - shift
        y = np.where(~inequality | (excess > 0.0), excess, 0.0) / penalty
        yield x, y
        if steps_left <= 0:
            return
        penalty = max(_PENALTY_FACTOR * penalty, _LAST_PENALTY)


def _line_search(
    curvature: float,
    descent: float,
    excess: FloatArray,
    slope: FloatArray,
    inequality: Mask,
    penalty: float,
) -> float:
    """Return the t > 0 where ``descent + t curvature + slope' Pi(excess + t slope) / penalty`` is zero.

    The function is increasing and piecewise linear: its pieces are visited in the order of their breakpoints
    by cumulative sums.
    """
    on = ~inequality | (excess > 0.0) | ((excess == 0.0) & (slope > 0.0))
    value = descent + float(slope[on] @ excess[on]) / penalty
    growth = curvature + float(slope[on] @ slope[on]) / penalty
    crossing = inequality & (slope != 0.0) & ((excess > 0.0) == (slope < 0.0)) & (excess != 0.0)
    times = -excess[crossing] / slope[crossing]
    order = np.argsort(times, kind="stable")
    times, a, e = times[order], slope[crossing][order], excess[crossing][order]
    sign = np.where(a > 0.0, 1.0, -1.0) / penalty
    values = value + np.concatenate([[0.0], np.cumsum(sign * a * e)])
    growths = growth + np.concatenate([[0.0], np.cumsum(sign * a * a)])
    at_ends = values[:-1] + growths[:-1] * times
    piece = int(np.argmax(at_ends >= 0.0)) if (at_ends >= 0.0).any() else times.size
    if growths[piece] <= 0.0:
        return 1.0
    return float(max(-values[piece] / growths[piece], 0.0))
