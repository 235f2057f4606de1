r"""PDG: primal-dual gradient steps on the augmented Lagrangian of a linear or quadratic program, matrix-free.

.. math::

    \hat y(x, y) &= y - \rho A x + \rho\,\Pi_{[l, u]}(A x - y / \rho), \\
    x^+ &= \Pi_{[\text{lower}, \text{upper}]}(x - \tau (Px + q - A^T \hat y(x, y))), \qquad y^+ = \hat y(x^+, y),

a gradient step in x and one in y of the function that is convex in x and concave in y. With
:math:`\tau (\|P\| + \rho \|A\|^2) \le 1` it converges for every convex program (Xu 2021, theorem 4, where it is the
linearized augmented Lagrangian method).

References
----------
G. Qu, N. Li, *On the exponential stability of primal-dual gradient dynamics*, IEEE Control Systems Letters 3 (2019).
Y. Xu, *First-order methods for constrained convex programming based on linearized augmented Lagrangian function*,
INFORMS Journal on Optimization 3 (2021), 89-117.
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

__all__ = ["PDG", "PrimalDualGradient"]


@final
class PrimalDualGradient(GradientSteps):
    """The operator; its states are (x, y)."""

    def __init__(self, program: Program, place: Place, options: Mapping[str, Any]) -> None:
        super().__init__(program, place, options)
        rho, self._share = options["rho"], options["step_size"]
        self._adapts = rho is None
        start = 1.0 / max(self.norm_A, 1e-6) if rho is None else rho
        self.reflects, self._norm = not program.P.nnz, max(self.norm_A, 1e-6)
        self.rho = self.xp.ones_like(self.sides.q[:1]) * start
        self._step = place.compiled(self._stepped)

    def _tau(self, rho: Any) -> Any:
        return self._share / (self.norm_P + rho * max(self.norm_A**2, 1e-12))

    def step(self, state: Any) -> Any:
        """The next state."""
        return self._step(state, self.rho, *(getattr(self.sides, name) for name in self.sides.__slots__))

    def _stepped(self, state: Any, rho: Any, q: Any, l: Any, u: Any, lower: Any, upper: Any) -> Any:
        x, y = self.split(state)
        moved = self.A @ x - y / rho
        near = rho * (self.between(moved, l, u) - moved)
        x = self.between(x - self._tau(rho) * (self.times_P(x) + q - self.A_T @ near), lower, upper)
        moved = self.A @ x - y / rho
        return self.xp.concat([x, rho * (self.between(moved, l, u) - moved)])

    def size(self, difference: Any) -> Any:
        """``(‖x‖² / τ + ‖y‖² / ρ)^½``."""
        x, y = self.split(difference)
        return self.xp.sqrt(self.xp.sum(x * x, axis=0) / self._tau(self.rho) + self.xp.sum(y * y, axis=0) / self.rho)

    def tuned(self, state: Any, moved: Any, residuals: tuple[Any, Any]) -> Any:
        """Rho nearer to how far y came over how far x came, as in PDHG, whose ``σ`` it is."""
        if self._adapts:
            self.rho = self.balanced(self.rho * self._norm, moved) / self._norm
        return state

    def keep(self, columns: Any) -> None:
        """Go on with some of the programs."""
        super().keep(columns)
        self.rho = self.rho[:, columns]

    def linearized(self, state: Any) -> Linearization:
        """The derivative there."""
        sides, rho, tau = self.sides, self.rho, self._tau(self.rho)
        x, y = self.split(state)
        moved = self.A @ x - y / rho
        near = rho * (self.between(moved, sides.row_lower, sides.row_upper) - moved)
        before = x - tau * (self.times_P(x) + sides.q - self.A_T @ near)
        met = 1.0 - self.inside(moved, sides.row_lower, sides.row_upper)
        new = self.between(before, sides.lower, sides.upper)
        then = 1.0 - self.inside(self.A @ new - y / rho, sides.row_lower, sides.row_upper)
        return _Linearized(self, tau, rho, self.inside(before, sides.lower, sides.upper), met, then)


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Linearized(Linearization):
    """With the columns between their sides, and the rows that are met before and after the step in x, as ones."""

    of: PrimalDualGradient
    tau: Any
    rho: Any
    free: Any
    met: Any
    then: Any

    def push(self, dz: Any, right: Triple) -> Any:
        of, (dx, dy) = self.of, self.of.split(dz)
        near = self.met * (dy - self.rho * (of.A @ dx + right.y))
        new = self.free * (dx - self.tau * (of.times_P(dx) - right.x - of.A_T @ near)) - (1.0 - self.free) * right.z
        return of.xp.concat([new, self.then * (dy - self.rho * (of.A @ new + right.y))])

    def read(self, dz: Any, right: Triple) -> Triple:
        of, (dx, dy) = self.of, self.of.split(dz)
        return Triple(dx, dy, (1.0 - self.free) * (of.times_P(dx) - of.A_T @ dy - right.x))

    def seed(self, seeds: Triple) -> Any:
        of, bound = self.of, (1.0 - self.free) * seeds.z
        return of.xp.concat([seeds.x + of.times_P(bound), seeds.y - of.A @ bound])

    def _inner(self, w: Any) -> tuple[Any, Any, Any]:
        """What reaches x after the step, the rows then, and the rows before."""
        of, (wx, wy) = self.of, self.of.split(w)
        then = self.then * wy
        into = wx - self.rho * (of.A_T @ then)
        return into, then, self.met * (self.tau * (of.A @ (self.free * into)))

    def pull(self, w: Any) -> Any:
        of = self.of
        into, then, before = self._inner(w)
        inner = self.free * into
        back = inner - self.tau * of.times_P(inner) - self.rho * (of.A_T @ before)
        return of.xp.concat([back, then + before])

    def gradients(self, w: Any, seeds: Triple) -> Triple:
        into, then, before = self._inner(w)
        fixed = 1.0 - self.free
        return Triple(self.tau * self.free * into - fixed * seeds.z, -self.rho * (then + before), -fixed * into)


@final
class PDG(FixedPointSolver):
    """Primal-dual gradient steps on the augmented Lagrangian of a linear or quadratic program, matrix-free.

    Parameters
    ----------
    **options
        ``rho`` : the weight of the rows' squares, a positive number; by default it is found
        ``step_size`` (0.998) : part of the longest step with which the method converges, between 0 and 1
        ``arrays`` ("numpy") and ``device`` : "numpy", "torch" or "jax", and where its arrays live
        and those of `FixedPointSolver`

    Examples
    --------
    >>> import numpy as np
    >>> from optangent.solvers.testing.programs import form_of
    >>> form = form_of([[1.0, 1.0]], ([1.0], [np.inf]), ([0.0, 0.0], [np.inf, np.inf]), [1.0, 1.0], np.eye(2))
    >>> PDG().solve(form).x.round(9)
    array([0.5, 0.5])
    """

    name = "PDG"
    settings: ClassVar[Mapping[str, Setting]] = {
        **COMMON,
        **ARRAYS,
        "rho": positive(None, "to find it"),
        "step_size": share(0.998, 0.0, 1.0),
    }
    operator_type: ClassVar[type[Operator]] = PrimalDualGradient
