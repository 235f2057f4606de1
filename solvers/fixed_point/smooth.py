r"""Alternating differentiation of smooth convex objectives: :math:`f(x) + q^Tx` over linear rows and bounds.

The step in x is Newton's method on :math:`f(x) + q^Tx + \tfrac{\sigma}{2}\|x\|^2 + \tfrac12 \|Cx\|^2_R - r^Tx`, and its
derivative is that of a quadratic program with the Hessian of f there (Sun et al. 2023, section 4). The exact step is
sequential quadratic programming on the sides that are met: a few quadratic programs, of which the last one's system
has the derivative.
"""

from __future__ import annotations

import copy
from typing import Any, Protocol, final

import numpy as np
import scipy.sparse as sp

from ...modelkit.arrays import FloatArray
from ...modelkit.errors import InvalidData
from ...modelkit.form import Form
from ..own_derivative import OwnDerivative
from .alt_diff import AltDiff, AlternatingDirections
from .arrays import Place
from .derivatives import ExactDerivative, IteratedDerivative
from .exact_step import ExactPoint, exact_point, guessed
from .iterating import Iteration
from .measures import Errors, errors
from .normal_matrix import NormalMatrix
from .operator import Linearization, Triple
from .program import Program, Sides
from .settings import checked, defaults

__all__ = ["Entropy", "Smooth", "differentiated"]

_NEWTON_STEPS = 50
_HALVINGS = 60
_SQP_STEPS = 20


class Smooth(Protocol):
    """A smooth convex function."""

    def contains(self, x: FloatArray) -> bool:
        """Whether a point (n,) is in its open domain."""

    def inside(self, n: int) -> FloatArray:
        """A point (n,) of its domain."""

    def gradient(self, x: FloatArray) -> FloatArray:
        """Its gradient (n,)."""

    def hessian(self, x: FloatArray) -> Any:
        """Its Hessian (n, n), positive semidefinite, sparse or full."""


@final
class Entropy:
    """``Σ weight · x log x``, whose minimum with ``-cᵀx`` over a simplex is the softmax of c / weight.

    Parameters
    ----------
    weight : positive
    """

    def __init__(self, weight: float = 1.0) -> None:
        if not 0.0 < weight < np.inf:
            raise InvalidData(f"The weight of an entropy must be a positive number; got {weight!r}.")
        self._weight = weight

    def contains(self, x: FloatArray) -> bool:
        """Whether it is positive."""
        return bool((x > 0.0).all())

    def inside(self, n: int) -> FloatArray:
        """All 1 / n."""
        return np.full(n, 1.0 / n)

    def gradient(self, x: FloatArray) -> FloatArray:
        """``weight (1 + log x)``."""
        found: FloatArray = self._weight * (1.0 + np.log(x))
        return found

    def hessian(self, x: FloatArray) -> Any:
        """``weight / x`` on the diagonal."""
        return sp.csr_array(sp.diags_array(self._weight / x))


@final
class _SmoothDirections(AlternatingDirections):
    """ADMM with Newton's method for the step in x, of one program."""

    def __init__(self, objective: Smooth, program: Program, options: dict[str, Any]) -> None:
        self._objective = objective
        super().__init__(program, Place(), options)
        self.reflects, self._alpha = False, options["relaxation"]

    def _factorized(self, diagonal: FloatArray, weights: FloatArray) -> NormalMatrix:
        self._parts = diagonal, weights
        return self._at(self._objective.inside(self.n) / self.program.column)

    def _at(self, x: FloatArray) -> NormalMatrix:
        return NormalMatrix(hessian(self._objective, self.program, x), self._A, *self._parts)

    def minimized(self, right: FloatArray, x: FloatArray) -> FloatArray:
        """By Newton's method with steps that stay in the domain and do not make the gradient larger."""
        objective, program = self._objective, self.program
        column, size = program.column, 1.0 + float(np.abs(right).max(initial=0.0))
        x = x[:, 0] if objective.contains(column * x[:, 0]) else objective.inside(self.n) / column

        def left(x: FloatArray) -> FloatArray:
            rows = self.transposed(self.R * self.times(x[:, None]))[:, 0]
            found: FloatArray = program.gradient * objective.gradient(column * x) + self._sigma * x + rows
            return right[:, 0] - found

        rest = left(x)
        for _ in range(_NEWTON_STEPS):
            if np.abs(rest).max(initial=0.0) <= 1e-13 * size:
                break
            step, share = self._at(x).solve(rest[:, None])[:, 0], 1.0
            for _ in range(_HALVINGS):
                if objective.contains(column * (x + share * step)):
                    new = left(x + share * step)
                    if np.linalg.norm(new) < np.linalg.norm(rest):
                        break
                share *= 0.5
            else:
                break  # to rounding
            x, rest = x + share * step, new
        return x[:, None]

    def linearized(self, state: FloatArray) -> Linearization:
        """With the Hessian where the state is, or within the domain where it is not."""
        x = state[: self.n, 0]
        if not self._objective.contains(self.program.column * x):
            x = self.minimized(np.zeros((self.n, 1)), x[:, None])[:, 0]
        self._matrix = self._at(x)
        return super().linearized(state)


def hessian(objective: Smooth, program: Program, x: FloatArray) -> Any:
    """That of f in the program's units, at a point in them."""
    found = sp.csr_array(objective.hessian(program.column * x))
    scaled = found.data * program.column[found.indices] * np.repeat(program.gradient, np.diff(found.indptr))
    return sp.csr_array((scaled, found.indices, found.indptr), shape=found.shape)


def differentiated(objective: Smooth, form: Form, **options: Any) -> OwnDerivative:
    """The solution of ``min f(x) + qᵀx`` over the rows and bounds of a form, and its derivative.

    Parameters
    ----------
    objective : f
    form : linear rows, bounds and q; without a quadratic objective
    **options
        those of `AltDiff`

    Returns
    -------
    OwnDerivative
        EXACT by default; TRUNCATED with ``exact=False``, or where the sides that are met could not be confirmed

    Raises
    ------
    InvalidData
        If an option is out of range, the form has an objective that is quadratic, or the iteration does not come to
        its tolerance; it says what was reached.

    Examples
    --------
    >>> from optangent.solvers.testing.programs import form_of
    >>> form = form_of([[1.0, 1.0]], ([1.0], [1.0]), ([-np.inf] * 2, [np.inf] * 2), [0.0, -np.log(3.0)])
    >>> differentiated(Entropy(), form).x.round(9)
    array([0.25, 0.75])
    """
    for name, value in options.items():
        if name not in AltDiff.settings:
            raise InvalidData(f"There is no option {name!r}; there are {', '.join(sorted(AltDiff.settings))}.")
        try:
            checked(AltDiff.settings, name, value)
        except ValueError as error:
            raise InvalidData(f"The option {name!r} cannot be {value!r}: {error}") from None
    if form.P.data.any() or form.k or form.is_discrete or form.has_curved_rows:
        raise InvalidData("Of a smooth objective the form has linear rows, bounds and q alone.")
    chosen = defaults(AltDiff.settings) | options
    program = Program(form)
    of = _SmoothDirections(objective, program, chosen)
    n, m = program.n, program.m
    x = (objective.inside(n) / program.column)[:, None]
    iteration = Iteration(of, of.start(Triple(x, np.zeros((m, 1)), np.zeros((n, 1)))))
    while True:
        moved = iteration.advance(int(chosen["check_every"]))
        point = of.point(iteration.state)
        found = _errors(objective, program, point)
        worst = float(found.worst[0])
        if chosen["exact"] and worst <= 1e-2:
            exact = _exact(objective, program, point)
            if exact is not None:
                return ExactDerivative(*exact)
        if worst <= chosen["tolerance"]:
            break
        if iteration.count >= chosen["max_iterations"]:
            raise InvalidData(
                f"The tolerance {chosen['tolerance']:g} was not met in {iteration.count} iterations: reached primal "
                f"{found.primal[0]:.1e}, dual {found.dual[0]:.1e}. Ask for less, or state the program in other units."
            )
        iteration.reconsider(moved, (found.primal, found.dual))
    tolerance = chosen["derivative_tolerance"] or chosen["tolerance"]
    return IteratedDerivative(of, iteration.state, tolerance, int(chosen["derivative_iterations"]))


def _errors(objective: Smooth, program: Program, point: Triple) -> Errors:
    """Of sides and of the gradient; infinite outside of the domain. There is no gap: the conjugate is not known."""
    x = point.x[:, 0]
    if not objective.contains(program.column * x):
        return Errors(*(np.full(1, np.inf) for _ in range(3)))
    local, sides = _quadratic(objective, program, x)
    found = errors(local, sides, point)
    return found._replace(gap=np.zeros(1))


def _quadratic(objective: Smooth, program: Program, x: FloatArray) -> tuple[Program, Sides]:
    """The quadratic program that agrees with this one to second order at x."""
    local = copy.copy(program)
    local.P = hessian(objective, program, x)
    slope = program.gradient * objective.gradient(program.column * x) - local.P @ x
    s = program.sides
    return local, Sides(s.q + slope[:, None], s.row_lower, s.row_upper, s.lower, s.upper)


def _exact(objective: Smooth, program: Program, point: Triple) -> tuple[Program, Sides, ExactPoint] | None:
    """The solution that quadratic programs lead to, and the last of them."""
    for _ in range(_SQP_STEPS):
        local, sides = _quadratic(objective, program, point.x[:, 0])
        found = exact_point(local, sides, point, guessed(local, sides, point))
        if found is None or not objective.contains(program.column * found.point.x[:, 0]):
            return None
        moved = float(np.abs(found.point.x - point.x).max(initial=0.0))
        point = found.point
        if moved <= 1e-13 * (1.0 + float(np.abs(point.x).max(initial=0.0))):
            return local, sides, found
    return None
