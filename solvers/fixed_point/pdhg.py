r"""PDHG: the primal-dual hybrid gradient method for linear and quadratic programs, matrix-free.

.. math::

    x^+ &= \Pi_{[\text{lower}, \text{upper}]}(x - \tau (Px + q - A^Ty)), \\
    y^+ &= y - \sigma A\tilde x + \sigma\,\Pi_{[l, u]}(A\tilde x - y/\sigma), \qquad \tilde x = 2x^+ - x,

with :math:`\sigma = \omega / \|A\|` and :math:`1/\tau = \|P\| + \|A\|\omega` (Condat 2013; of a linear objective
:math:`\tau\sigma\|A\|^2 = 1`). The primal weight :math:`\omega` balances how far x and y come between restarts
(Applegate et al. 2021, section 3.3), one for each program of a batch.

References
----------
D. Applegate et al., *Practical large-scale linear programming using primal-dual hybrid gradient*, NeurIPS (2021).
A. Chambolle, T. Pock, *A first-order primal-dual algorithm for convex problems*, J. Math. Imaging Vision 40 (2011).
L. Condat, *A primal-dual splitting method for convex optimization involving Lipschitzian, proximable and linear
composite terms*, J. Optim. Theory Appl. 158 (2013), 460-479.
H. Lu, J. Yang, *Restarted Halpern PDHG for linear programming*, arXiv:2407.16144 (2024).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from .arrays import Place
from .fixed_point_solver import FixedPointSolver
from .gradient_steps import GradientSteps
from .operator import Linearization, Operator, Triple
from .program import Program
from .settings import ARRAYS, COMMON, Setting, positive, share

__all__ = ["PDHG", "HybridGradient"]


@final
class HybridGradient(GradientSteps):
    """The operator; its states are (x, y)."""

    reflects = True

    def __init__(self, program: Program, place: Place, options: Mapping[str, Any]) -> None:
        super().__init__(program, place, options)
        weight, self._share = options["primal_weight"], options["step_size"]
        self._adapts = weight is None
        self._norm = max(self.norm_A, 1e-3 * self.norm_P, 1e-12)
        self.weight = self.xp.ones_like(self.sides.q[:1]) * (1.0 if weight is None else weight)
        self._step = place.compiled(self._stepped)

    def _steps(self, weight: Any) -> tuple[Any, Any]:
        """Tau and sigma, (1, B)."""
        return self._share / (self.norm_P + self._norm * weight), self._share * weight / self._norm

    def step(self, state: Any) -> Any:
        """The next state."""
        return self._step(state, self.weight, *(getattr(self.sides, name) for name in self.sides.__slots__))

    def _stepped(self, state: Any, weight: Any, q: Any, l: Any, u: Any, lower: Any, upper: Any) -> Any:
        tau, sigma = self._steps(weight)
        x, y = self.split(state)
        new = self.between(x - tau * (self.times_P(x) + q - self.A_T @ y), lower, upper)
        moved = self.A @ (2.0 * new - x) - y / sigma
        return self.xp.concat([new, sigma * (self.between(moved, l, u) - moved)])

    def size(self, difference: Any) -> Any:
        """``(ω ‖x‖² + ‖y‖² / ω)^½``."""
        x, y = self.split(difference)
        squares = self.xp.sum(x * x, axis=0) * self.weight + self.xp.sum(y * y, axis=0) / self.weight
        return self.xp.sqrt(squares)

    def tuned(self, state: Any, moved: Any, residuals: tuple[Any, Any]) -> Any:
        """The primal weight nearer to how far y came over how far x came."""
        if self._adapts:
            self.weight = self.balanced(self.weight, moved)
        return state

    def keep(self, columns: Any) -> None:
        """Go on with some of the programs."""
        super().keep(columns)
        self.weight = self.weight[:, columns]

    def linearized(self, state: Any) -> Linearization:
        """The derivative there."""
        tau, sigma = self._steps(self.weight)
        x, y = self.split(state)
        sides, before = self.sides, x - tau * self.gradient(x, y)
        free = self.inside(before, sides.lower, sides.upper)
        moved = self.A @ (2.0 * self.between(before, sides.lower, sides.upper) - x) - y / sigma
        return _Linearized(self, tau, sigma, free, 1.0 - self.inside(moved, sides.row_lower, sides.row_upper))


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Linearized(Linearization):
    """With the columns between their sides, and the rows that are met, as ones."""

    of: HybridGradient
    tau: Any
    sigma: Any
    free: Any
    met: Any

    def push(self, dz: Any, right: Triple) -> Any:
        of, (dx, dy) = self.of, self.of.split(dz)
        new = self.free * (dx - self.tau * (of.times_P(dx) - right.x - of.A_T @ dy)) - (1.0 - self.free) * right.z
        return of.xp.concat([new, self.met * (dy - self.sigma * (of.A @ (2.0 * new - dx) + right.y))])

    def read(self, dz: Any, right: Triple) -> Triple:
        of, (dx, dy) = self.of, self.of.split(dz)
        return Triple(dx, dy, (1.0 - self.free) * (of.times_P(dx) - of.A_T @ dy - right.x))

    def seed(self, seeds: Triple) -> Any:
        of, bound = self.of, (1.0 - self.free) * seeds.z
        return of.xp.concat([seeds.x + of.times_P(bound), seeds.y - of.A @ bound])

    def pull(self, w: Any) -> Any:
        of, (wx, wy) = self.of, self.of.split(w)
        met = self.met * wy
        turn = -self.sigma * (of.A_T @ met)
        inner = self.free * (wx + 2.0 * turn)
        return of.xp.concat([inner - self.tau * of.times_P(inner) - turn, met + self.tau * (of.A @ inner)])

    def gradients(self, w: Any, seeds: Triple) -> Triple:
        of, (wx, wy) = self.of, self.of.split(w)
        met, fixed = self.met * wy, 1.0 - self.free
        into = wx - 2.0 * self.sigma * (of.A_T @ met)
        return Triple(self.tau * self.free * into - fixed * seeds.z, -self.sigma * met, -fixed * into)


@final
class PDHG(FixedPointSolver):
    """PDHG for linear and quadratic programs: equilibrated, by restarted reflected Halpern steps, matrix-free.

    Parameters
    ----------
    **options
        ``primal_weight`` : a positive number; by default it is found
        ``step_size`` (0.998) : part of the longest step with which the method converges, between 0 and 1
        ``arrays`` ("numpy") and ``device`` : "numpy", "torch" or "jax", and where its arrays live
        and those of `FixedPointSolver`

    Examples
    --------
    >>> import numpy as np
    >>> from optangent.solvers.testing.programs import form_of
    >>> form = form_of([[1.0, 1.0]], ([1.0], [np.inf]), ([0.0, 0.0], [np.inf, np.inf]), [1.0, 2.0])
    >>> PDHG().solve(form).x.round(9)
    array([1., 0.])
    """

    name = "PDHG"
    settings: ClassVar[Mapping[str, Setting]] = {
        **COMMON,
        **ARRAYS,
        "primal_weight": positive(None, "to find it"),
        "step_size": share(0.998, 0.0, 1.0),
    }
    operator_type: ClassVar[type[Operator]] = HybridGradient
