r"""Points of the central path, whose derivatives stand in for those of solutions.

For :math:`\mu > 0` the conditions with :math:`y \circ s = \mu e` in the place of complementarity (row by row
:math:`y_i s_i = \mu`, in cones the Jordan product) are those of the program with a logarithmic barrier, and smooth. In
v = y - s they say :math:`y = \varphi_\mu(v)`, with :math:`\varphi_\mu(\lambda) = \tfrac12 (\lambda + \sqrt{\lambda^2 +
4 \mu})` of the eigenvalues, where a solution has the projection :math:`y = \Pi(v)`: the same system with other slopes
(docs/design.md, section 6), :math:`\varphi'` and, between two eigenvalues, their divided difference

.. math:: \delta = \frac{\varphi_\mu(a) + \varphi_\mu(b)}{\sqrt{a^2 + 4\mu} + \sqrt{b^2 + 4\mu}}.

In exponential and power cones, which have no eigenvalues, :math:`y = -\mu F'(s)` with their barriers F: then s is the
smoothed projection of s - y, see `modelkit.sets.barrier`, and the slopes are the eigenvalues of its derivative.

No inequality is left in (x, v), so that Newton's method with a line search goes to the point from anywhere (M.
Fukushima, Z.-Q. Luo, P. Tseng, *Smoothing functions for second-order-cone complementarity problems*, SIAM J.
Optimization 12 (2002), 436-460; J. Kanzow, C. Nagel, *Semidefinite programs: new search directions, smoothing-type
methods, and numerical results*, SIAM J. Optimization 13 (2002), 1-23).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, final

import numpy as np

from ..modelkit.arrays import FloatArray
from ..modelkit.errors import DifferentiationError
from ..modelkit.form.matrix_form import MatrixForm
from ..modelkit.sets import ExponentialCone, PowerCone, ScaledPositiveSemidefiniteConeTriangle, Zeros
from ..modelkit.sets.barrier import barrier_spectrum
from ..modelkit.sets.cone import MoreauCone
from ..modelkit.sets.triangles import triangle_of
from .cone_rows import ConeRows, Rotation
from .conic_system import Conditions, Inverse, Iterate

__all__ = ["CentralPoint"]

_WITH_BARRIER = (ExponentialCone, PowerCone, MoreauCone)
# Newton steps, relative to the largest number of a point, at which it is found, and up to which it counts as one.
_TARGET = 1e-14
_ENOUGH = 1e-8
# Part of a slack's least eigenvalue that its row may leave: where slacks cannot but be zero they fall below it.
_PART = 1e-6
_STEPS = 200
_HALVINGS = 40
_ARMIJO = 1e-4


@final
class CentralPoint:
    """A point of the central path, and its derivative.

    Parameters
    ----------
    rows : the program, in one-sided rows
    x, y : a point from which to look for it, a solution
    mu : of y ∘ s, in units of the objective
    solve_with : how KKT systems are solved, see `kkt`

    Attributes
    ----------
    x, y : (n,) and (m,)

    Raises
    ------
    DifferentiationError
        If there is no such point, as where no point satisfies all inequalities strictly.
    """

    def __init__(self, rows: MatrixForm, x: FloatArray, y: FloatArray, mu: float, solve_with: Any) -> None:
        conditions = Conditions(rows, x, y)
        units = conditions.units
        conditions.cones = cones = _SmoothedRows(rows, units.value * mu)
        x, y = units.primal(x), units.dual(y)
        self._at, self._inverse, error = _newton(Iterate(conditions, x, y - conditions.rows(x)), solve_with)
        inside = cones.least_slacks(self._at.v)
        if not (error <= _ENOUGH and self._at.residual <= _ENOUGH and (np.abs(self._at.r2) <= _PART * inside).all()):
            raise DifferentiationError(
                f"There is no point of the central path with mu = {mu:g} to differentiate: some inequalities cannot "
                "hold strictly, or the solutions go to infinity. Drop inequalities that are equations in disguise, or "
                "set DifferentiationPolicy() to another policy."
            )
        self.x, self.y = units.given_primal(self._at.x), units.given_dual(self._at.y)

    def solve(self, primal: Any, rows: Any = None) -> tuple[FloatArray, FloatArray]:
        """(dx, dy) from right-hand sides (n, K) and (m, K), or (w_x, w_y) from seeds."""
        at, units = self._at, self._at.conditions.units
        lower = np.zeros((len(at.y), primal.shape[1])) if rows is None else rows
        Z = self._inverse.solve(np.concatenate([units.slopes(primal), units.slacks(lower)]))
        n = len(at.x)
        return units.given_primal(Z[:n]), units.given_dual(at.rotation.derivative(Z[n:]))


@final
class _SmoothedRows(ConeRows):
    """Cones with φ in the place of the projection."""

    def __init__(self, form: MatrixForm, mu: float) -> None:
        super().__init__(form)
        self._mu = mu

    def rotation(self, v: FloatArray) -> Rotation:
        """The axes and slopes of φ at v."""
        image, spectra = v.copy(), []
        for group in self.groups:
            spectrum, image[group.rows] = _smoothed(group.cone, v[group.rows], self._mu)
            spectra.append((group.rows, spectrum))
        return Rotation(self.m, spectra, image)

    def least_slacks(self, v: FloatArray) -> FloatArray:
        """(m,): the least eigenvalue of the slack of each row's cone; infinity in equations.

        In cones without eigenvalues, how far from it a Dikin ellipsoid reaches.
        """
        found = np.full(self.m, np.inf)
        for group in self.groups:
            if isinstance(group.cone, _WITH_BARRIER):
                found[group.rows] = _by_barrier(group.cone, v[group.rows], self._mu)[2][:, None]
            elif not isinstance(group.cone, Zeros):
                z = group.cone.spectrum_dual(v[group.rows]).rotate(v[group.rows])
                values, _ = _phi(-z[:, _eigenvalues(group.cone)] * _scale(group.cone), self._mu)
                found[group.rows] = values.min(axis=1)[:, None]
        return found


def _smoothed(cone: Any, v: FloatArray, mu: float) -> tuple[Any, FloatArray]:
    """Axes and slopes of φ for k equal cones, and its values (k, d)."""
    if isinstance(cone, _WITH_BARRIER):
        return _by_barrier(cone, v, mu)[:2]
    spectrum = cone.spectrum_dual(v)
    if isinstance(cone, Zeros):
        return spectrum, v
    z = spectrum.rotate(v)
    delta, image, at, scale = np.empty_like(z), np.zeros_like(z), _eigenvalues(cone), _scale(cone)
    value, root = _phi(scale * z[:, at], mu)
    image[:, at] = value / scale
    if isinstance(cone, ScaledPositiveSemidefiniteConeTriangle):
        delta = triangle_of((value[:, :, None] + value[:, None, :]) / (root[:, :, None] + root[:, None, :]))
    else:
        delta[:, at] = value / root
        delta[:, at.stop :] = (value.sum(axis=1) / root.sum(axis=1))[:, None]
    none = np.zeros(delta.shape, bool)
    spectrum = replace(spectrum, delta=delta, kink=none)
    return spectrum, spectrum.unrotate(image)


def _by_barrier(cone: Any, v: FloatArray, mu: float) -> tuple[Any, FloatArray, FloatArray]:
    """The same for cones without eigenvalues, and how far from their slacks Dikin ellipsoids reach, (k,)."""
    if isinstance(cone, MoreauCone):  # the dual is in a cone with a barrier, the slack has the conjugate one
        own: Any = cone.dual_set()
        spectrum, y, values = barrier_spectrum(own.barrier, np.array(own.inside), v, mu)
        return spectrum, y, mu * values.min(axis=1)
    spectrum, s, values = barrier_spectrum(cone.barrier, np.array(cone.inside), -v, mu)
    return spectrum.complement(), v + s, 1.0 / values.max(axis=1)


def _eigenvalues(cone: Any) -> Any:
    """Where the eigenvalues of a point stand among its coordinates in its axes."""
    if isinstance(cone, ScaledPositiveSemidefiniteConeTriangle):
        return np.cumsum(np.arange(1, cone.side + 1)) - 1  # the diagonal
    return slice(0, min(2, cone.dimension))


def _scale(cone: Any) -> float:
    """What these are multiplied by: the idempotents of a second-order cone are not of length one."""
    is_matrix = isinstance(cone, ScaledPositiveSemidefiniteConeTriangle)
    return 1.0 if is_matrix or cone.dimension == 1 else float(np.sqrt(2.0))


def _phi(values: FloatArray, mu: float) -> tuple[FloatArray, FloatArray]:
    """φ without cancellation, and the root in it."""
    root = np.sqrt(values**2 + 4.0 * mu)
    return np.where(values > 0.0, 0.5 * (values + root), 2.0 * mu / (root + np.abs(values))), root


def _newton(at: Iterate, solve_with: Any) -> tuple[Iterate, Inverse, float]:
    """Newton's method, its steps halved until the residual falls enough.

    Returns the last point, the inverse there, and how far the next step would go beside its largest number: where there
    is no point steps go to infinity, while the residual falls beside the numbers that grow.
    """
    n = len(at.x)
    for _ in range(_STEPS):
        inverse = Inverse(at, solve_with)
        step = inverse.solve(-np.concatenate([at.r1, at.r2])[:, None])[:, 0]
        error = float(np.abs(step).max(initial=0.0)) / max(at.largest, np.finfo(np.float64).tiny)
        if not error > _TARGET:
            break
        now, length = _size(at), 1.0
        for _ in range(_HALVINGS):
            trial = at.moved(length * step[:n], length * step[n:])
            if _size(trial) <= (1.0 - _ARMIJO * length) * now:
                break
            length *= 0.5
        else:
            break
        at = trial
    return at, inverse, error


def _size(at: Iterate) -> float:
    return float(np.hypot(np.linalg.norm(at.r1), np.linalg.norm(at.r2)))
