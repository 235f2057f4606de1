r"""ADMM for quadratic programs, in the form whose linearization is alternating differentiation.

With :math:`C` the rows and the bounds, :math:`R = \rho W` and a state (x, v), v beside its projection
:math:`w = \Pi_{[l, u]}(v)` and the multipliers :math:`y = R(w - v)`:

.. math::

    \tilde x &= (P + \sigma I + C^TRC)^{-1} (\sigma x - q + C^T(Rw + y)), \\
    x^+ &= \alpha \tilde x + (1 - \alpha) x, \qquad v^+ = v + \alpha (C\tilde x - w).

One factorization serves all steps, the forward derivative (Sun et al. 2023, theorem 4.2, is the linearization of the
step) and the transposed one. Rows that are equations weigh more, as in OSQP (Stellato et al. 2020, section 5.2), where
the rule for :math:`\rho` is from, too.

References
----------
J. Eckstein, D. P. Bertsekas, *On the Douglas-Rachford splitting method and the proximal point algorithm for maximal
monotone operators*, Mathematical Programming 55 (1992), 293-318.
B. Stellato, G. Banjac, P. Goulart, A. Bemporad, S. Boyd, *OSQP: an operator splitting solver for quadratic programs*,
Mathematical Programming Computation 12 (2020), 637-672.
H. Sun, Y. Shi, J. Wang, H. D. Tuan, H. V. Poor, D. Tao, *Alternating differentiation for optimization layers*, ICLR
(2023).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import scipy.sparse as sp

from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.form.products import workable
from .arrays import Place
from .fixed_point_solver import FixedPointSolver
from .normal_matrix import NormalMatrix
from .operator import Linearization, Operator, Triple
from .program import Program, Sides
from .settings import COMMON, Setting, positive, share

__all__ = ["AltDiff", "AlternatingDirections"]

_FIRST_RHO = 0.1
_EQUATION = 1e3
"""How much more a row weighs that is an equation."""
_OFF = 5.0
"""Factor by which ρ must be wrong before it is changed, which takes a factorization."""
_LEAST, _MOST = 1e-6, 1e6
_CHANGES = 12


class AlternatingDirections(Operator):
    """The operator; its states are (x, v), v over the rows and then over the bounded columns."""

    def __init__(self, program: Program, place: Place, options: Mapping[str, Any]) -> None:
        self.reflects = not program.P.nnz
        self._sigma, self._alpha = options["sigma"], 1.0 if self.reflects else options["relaxation"]
        rho = options["rho"]
        self._adapts, self.rho = rho is None, _FIRST_RHO if rho is None else float(rho)
        self._P, self._A = workable(program.P), workable(program.A)
        self._A_T = sp.csr_array(self._A.T) if sp.issparse(self._A) else self._A.T
        super().__init__(program, place, options)
        self._factorize()

    def load_sides(self, sides: Sides) -> None:
        """Take other costs and sides; which columns have bounds, and which rows are equations, stays."""
        super().load_sides(sides)
        if not hasattr(self, "bounded"):
            self.bounded: IntArray = np.flatnonzero(((sides.lower > -np.inf) | (sides.upper < np.inf)).any(axis=1))
            self._is_equation = self._lower_upper(equal=True)
        self._lower, self._upper = self._lower_upper()

    def _lower_upper(self, *, equal: bool = False) -> Any:
        s = self.sides
        lower = np.concatenate([s.row_lower, s.lower[self.bounded]])
        upper = np.concatenate([s.row_upper, s.upper[self.bounded]])
        return (lower == upper).all(axis=1) if equal else (lower, upper)

    def keep(self, columns: Any) -> None:
        """Go on with some of the programs."""
        super().keep(columns)
        self._lower, self._upper = self._lower_upper()

    def _factorize(self) -> None:
        self.R: FloatArray = self.rho * np.where(self._is_equation, _EQUATION, 1.0)[:, None]
        m = self.program.m
        diagonal = np.full(self.n, self._sigma)
        diagonal[self.bounded] += self.R[m:, 0]
        self._matrix = self._factorized(diagonal, self.R[:m, 0])
        self.factorizations += 1

    def _factorized(self, diagonal: FloatArray, weights: FloatArray) -> NormalMatrix:
        return NormalMatrix(self._P, self._A, diagonal, weights)

    # ------------------------------------------------------------------ C and its transpose
    def times(self, x: FloatArray) -> FloatArray:
        """C x, (m + bounded, K)."""
        return np.concatenate([self._A @ x, x[self.bounded]])

    def transposed(self, v: FloatArray) -> FloatArray:
        """Cᵀ v, (n, K)."""
        m = self.program.m
        found: FloatArray = self._A_T @ v[:m]
        found[self.bounded] += v[m:]
        return found

    def over_rows(self, triple: Triple) -> FloatArray:
        """Numbers of rows and bounds as C has them."""
        return np.concatenate([triple.y, triple.z[self.bounded]])

    def apart(self, x: FloatArray, rows: FloatArray) -> Triple:
        """The contrary."""
        z, m = np.zeros((self.n, rows.shape[1])), self.program.m
        z[self.bounded] = rows[m:]
        return Triple(x, rows[:m], z)

    # ------------------------------------------------------------------ steps
    def start(self, point: Triple) -> Any:
        """With v where its projection is C x and the multipliers are those given."""
        w = self.between(self.times(point.x), self._lower, self._upper)
        return np.concatenate([point.x, w - self.over_rows(point) / self.R])

    def split(self, state: FloatArray) -> tuple[FloatArray, FloatArray]:
        """X and v."""
        return state[: self.n], state[self.n :]

    def step(self, state: FloatArray) -> FloatArray:
        """The next state."""
        x, v = self.split(state)
        w = self.between(v, self._lower, self._upper)
        near = self.minimized(self._sigma * x - self.sides.q + self.transposed(self.R * (2.0 * w - v)), x)
        return np.concatenate([self._alpha * near + (1.0 - self._alpha) * x, v + self._alpha * (self.times(near) - w)])

    def minimized(self, right: FloatArray, x: FloatArray) -> FloatArray:
        """The x with ``(P + σI + CᵀRC) x`` on the right-hand side, (n, B); `x` is near it."""
        return self._matrix.solve(right)

    def point(self, state: FloatArray) -> Triple:
        """X and ``R(w - v)``."""
        x, v = self.split(state)
        return self.apart(x, self.R * (self.between(v, self._lower, self._upper) - v))

    def ray(self, difference: FloatArray) -> Triple:
        """X, and ``-R v``: the projection moves no more."""
        x, v = self.split(difference)
        return self.apart(x, -self.R * v)

    def size(self, difference: FloatArray) -> FloatArray:
        """``(σ ‖x‖² + ‖v‖²_R)^½``."""
        x, v = self.split(difference)
        squares: FloatArray = np.sqrt(self._sigma * (x * x).sum(axis=0) + (self.R * v * v).sum(axis=0))
        return squares

    def tuned(self, state: FloatArray, moved: FloatArray, residuals: tuple[FloatArray, FloatArray]) -> FloatArray:
        """Rho as large as the root of the ratio of the residuals says, one for all; the multipliers stay."""
        if not self._adapts or self.factorizations > _CHANGES:
            return state
        ratio = float(np.exp(np.median(np.log((residuals[0] + 1e-14) / (residuals[1] + 1e-14)))))
        tuned = min(max(self.rho * ratio**0.5, _LEAST), _MOST)
        if 1.0 / _OFF < tuned / self.rho < _OFF:
            return state
        x, v = self.split(state)
        w = self.between(v, self._lower, self._upper)
        y = self.R * (w - v)
        self.rho = tuned
        self._factorize()
        return np.concatenate([x, w - y / self.R])

    def linearized(self, state: FloatArray) -> Linearization:
        """The derivative there."""
        _, v = self.split(state)
        return Linearized(self, self._matrix, self.R, self.inside(v, self._lower, self._upper))

    @property
    def relaxation(self) -> tuple[float, float]:
        """Sigma and alpha."""
        return self._sigma, self._alpha


@final
@dataclass(frozen=True, slots=True, eq=False)
class Linearized(Linearization):
    """With the rows that are not met as ones, and with ρ as it was."""

    of: AlternatingDirections
    matrix: NormalMatrix
    R: FloatArray
    free: FloatArray

    def push(self, dz: FloatArray, right: Triple) -> FloatArray:
        """See `Linearization`."""
        of, (sigma, alpha), (dx, dv) = self.of, self.of.relaxation, self.of.split(dz)
        dw = self.free * dv - (1.0 - self.free) * of.over_rows(right)
        near = self.matrix.solve(sigma * dx + right.x + of.transposed(self.R * (2.0 * dw - dv)))
        return np.concatenate([alpha * near + (1.0 - alpha) * dx, dv + alpha * (of.times(near) - dw)])

    def read(self, dz: FloatArray, right: Triple) -> Triple:
        """See `Linearization`."""
        of, (dx, dv) = self.of, self.of.split(dz)
        return of.apart(dx, -(1.0 - self.free) * self.R * (dv + of.over_rows(right)))

    def seed(self, seeds: Triple) -> FloatArray:
        """See `Linearization`."""
        of = self.of
        return np.concatenate([seeds.x, -(1.0 - self.free) * self.R * of.over_rows(seeds)])

    def _inner(self, w: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What reaches the right-hand side of the step in x, and through it ``2 dw - dv``."""
        of, (_, alpha), (wx, wv) = self.of, self.of.relaxation, self.of.split(w)
        inner = self.matrix.solve(alpha * (of.transposed(wv) + wx))
        return inner, self.R * of.times(inner)

    def pull(self, w: FloatArray) -> FloatArray:
        """See `Linearization`."""
        (sigma, alpha), (wx, wv) = self.of.relaxation, self.of.split(w)
        inner, turned = self._inner(w)
        back = wv - alpha * self.free * wv + (2.0 * self.free - 1.0) * turned
        return np.concatenate([(1.0 - alpha) * wx + sigma * inner, back])

    def gradients(self, w: FloatArray, seeds: Triple) -> Triple:
        """See `Linearization`."""
        of, (_, alpha), (_, wv) = self.of, self.of.relaxation, self.of.split(w)
        inner, turned = self._inner(w)
        met = 1.0 - self.free
        return of.apart(inner, met * (alpha * wv - 2.0 * turned - self.R * of.over_rows(seeds)))


@final
class AltDiff(FixedPointSolver):
    """ADMM whose derivative is that of its own steps: alternating differentiation.

    Parameters
    ----------
    **options
        ``rho`` : the weight of the rows' squares, a positive number; by default it starts at 0.1 and adapts
        ``relaxation`` (1.6) : between 0 and 2
        ``sigma`` (1e-6) : the weight of the distance from the last x
        and those of `FixedPointSolver`

    Examples
    --------
    >>> from optangent.solvers.testing.programs import form_of
    >>> form = form_of([[1.0, 1.0]], ([1.0], [np.inf]), ([0.0, 0.0], [np.inf, np.inf]), [1.0, 1.0], np.eye(2))
    >>> AltDiff().solve(form).x.round(9)
    array([0.5, 0.5])
    """

    name = "AltDiff"
    settings: ClassVar[Mapping[str, Setting]] = {
        **COMMON,
        "rho": positive(None, "to find it"),
        "relaxation": share(1.6, 0.0, 2.0),
        "sigma": positive(1e-6),
    }
    operator_type: ClassVar[type[Operator]] = AlternatingDirections
