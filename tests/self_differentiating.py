"""Solvers that differentiate their solutions themselves: right ones, and some that are wrong in one way each.

`SUBJECTS` are those that the suites take to be right: a double, and every solver of the package that
says that it differentiates. `TRUNCATED` are those whose answers are as good as they say; a solver with an option for
that is added there, as `Subject(lambda: ot.solvers.Mine(tolerance=1e-3))`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import optangent as ot
from optangent.diffmodels.form_point import FormPoint
from optangent.modelkit.form import Abilities, Form, Journal
from optangent.solvers import OwnDerivative, Result, Solver, Start

Array = NDArray[np.float64]
CODES = ot.DifferentiationStatusCode


class OfPoint(OwnDerivative):
    """What a diff model makes of a solution, behind the interface of a solver."""

    def __init__(self, form: Form, result: Result) -> None:
        model = ot.ConicDiff() if form.cones else ot.QuadraticDiff()
        assert result.x is not None
        assert result.dual is not None
        point = FormPoint.polished(form, model, result.x, result.dual)
        self.x, self.y, self.status = point.x, point.y, point.solution.status
        self.at_fault = np.zeros(len(self.y))
        self.at_fault[point.layout.slot[point.solution.rows_at_fault]] = 1.0
        self._slope = point.slope(lambda: (self.status, ""))

    def push(self, primal: Array, slots: Array) -> tuple[Array, Array]:
        """By the factors of the point."""
        dx, (low, high) = self._slope.push_by_sides(primal, (slots, slots), True)
        return dx, low + high

    def pull(self, primal: Array, slots: Array) -> tuple[Array, Array]:
        """The same."""
        w, (low, high) = self._slope.pull(primal, (slots, slots))
        return w, low + high


class TooLong(OfPoint):
    """Moves that are a little too large, in both modes."""

    def push(self, primal: Array, slots: Array) -> tuple[Array, Array]:
        """By a ten-thousandth."""
        dx, dy = super().push(primal, slots)
        return 1.0001 * dx, 1.0001 * dy

    pull = push


class NotTransposed(OfPoint):
    """A reverse mode of its own, which forgets a part of the seeds."""

    def pull(self, primal: Array, slots: Array) -> tuple[Array, Array]:
        """Those of the duals."""
        return super().pull(primal, 0.0 * slots)


class Elsewhere(OfPoint):
    """Derivatives at a point that is none."""

    def __init__(self, form: Form, result: Result) -> None:
        super().__init__(form, result)
        self.x = self.x + 1e-8 * (1.0 + np.abs(self.x))


class Halved(OfPoint):
    """Iterations that halve the error each time and stop at a tolerance."""

    tolerance, says = 1e-4, 1.0

    def __init__(self, form: Form, result: Result) -> None:
        super().__init__(form, result)
        self.status = CODES.TRUNCATED

    def push(self, primal: Array, slots: Array) -> tuple[Array, Array]:
        """From zero, so that what is missing is known."""
        steps = int(np.ceil(-np.log2(self.tolerance)))
        left = 0.5**steps
        self.error = left * self.says
        dx, dy = super().push(primal, slots)
        return (1.0 - left) * dx, (1.0 - left) * dy

    pull = push


class Overconfident(Halved):
    """The same, which says that its error is much less than it is."""

    says = 1e-6


class Differentiating(Solver):
    """Clarabel, with derivatives that are said to be its own."""

    name = "Differentiating"
    abilities = Abilities(cones=frozenset({ot.SecondOrderCone}))
    differentiates = True
    derivative: type[OfPoint] = OfPoint

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.asked = 0

    def option_names(self) -> list[str]:
        """None of interest."""
        return []

    def load(self, form: Form) -> None:
        """Load the solver within."""
        self.within = ot.solvers.Clarabel()
        self.within.load(form)

    def update(self, form: Form, journal: Journal) -> bool:
        """Change what it has loaded."""
        return self.within.update(form, journal)

    def run(self, form: Form, start: Start | None = None) -> Result:
        """Have it run."""
        return self.within.reconsidered(form, self.within.run(form, start))

    def differentiate(self, form: Form, result: Result) -> OwnDerivative:
        """By a point of the form."""
        self.asked += 1
        return self.derivative(form, result)


def with_derivatives(derivative: type[OfPoint]) -> type[Differentiating]:
    """The solver with other derivatives."""
    return type(derivative.__name__, (Differentiating,), {"derivative": derivative, "name": derivative.__name__})


@dataclass(frozen=True)
class Subject:
    """A maker of solvers that differentiate.

    Attributes
    ----------
    make : see above
    linear : whether they solve linear programs, to all digits, too
    hands_over : whether they leave some solutions to a diff model, which they do not in ordinary quadratic programs
    """

    make: Callable[[], Any]
    linear: bool = True
    hands_over: bool = False

    def __str__(self) -> str:
        return str(self.make().name)


SUBJECTS = [
    Subject(Differentiating),
    Subject(lambda: ot.solvers.OSQP(differentiates=True), linear=False, hands_over=True),
    *(Subject(one, hands_over=True) for one in ot.solvers.wrappers() if one.differentiates),
]
"""Solvers whose derivatives are exact."""
TRUNCATED = [
    Subject(with_derivatives(Halved)),
    Subject(lambda: ot.solvers.AltDiff(exact=False, tolerance=1e-9)),
    Subject(lambda: ot.solvers.PDG(exact=False, tolerance=1e-9)),
    Subject(lambda: ot.solvers.PDHG(exact=False, tolerance=1e-9)),
]
"""Solvers whose derivatives are as good as they say."""
WRONG = {one.__name__: with_derivatives(one) for one in (TooLong, NotTransposed, Elsewhere, Overconfident)}
"""Solvers whose derivatives are wrong."""
