"""The loop: iterations that find the support, and steps that are exact on it."""

from __future__ import annotations

import math
from typing import final

from ...modelkit.arrays import FloatArray
from ...modelkit.attributes import TerminationStatusCode
from .exact_step import Candidate, exact_step, judged
from .normal_equations import NormalEquations
from .regularizer import Pattern, Regularizer

__all__ = ["Run"]

_FIRST_GUESS, _PAUSE = 5, 1.5
"""The iteration after which a support is guessed, and the factor to the next one."""


@final
class Run:
    """The consensus iteration from z on, with guesses of the support in between.

    Parameters
    ----------
    system, regularizer : of the problem
    z : (n,), allowed

    Attributes
    ----------
    z : of the last iteration
    iterations : so far
    status : of the run
    """

    def __init__(self, system: NormalEquations, regularizer: Regularizer, z: FloatArray) -> None:
        self.system, self.regularizer, self.z = system, regularizer, z
        self.iterations = 0
        self.status = TerminationStatusCode.ITERATION_LIMIT

    def to(self, tolerance: float, most: int) -> tuple[Candidate, Pattern]:
        """The solution, or the last z, to a tolerance of the residual, in so many iterations at the most."""
        system, regularizer = self.system, self.regularizer
        tried: Pattern | None = None
        look = 0 if regularizer.smooth else _FIRST_GUESS
        system.ask("reset")
        while True:
            if self.iterations >= min(look, most):
                look = math.ceil(_PAUSE * look) + 1
                pattern = regularizer.pattern(self.z)
                if pattern != tried:
                    found, settled = exact_step(system, regularizer, self.z, pattern)
                    if found is not None:
                        better = found.residual <= tolerance
                        self.status = TerminationStatusCode.OPTIMAL if better else TerminationStatusCode.SLOW_PROGRESS
                        return found, settled
                    tried = pattern
                point = judged(system, regularizer, self.z)
                if point.residual <= tolerance:
                    self.status = TerminationStatusCode.OPTIMAL
                if point.residual <= tolerance or self.iterations >= most:
                    return point, pattern
            self.z = regularizer.nearest(system.step(self.iterations, self.z), system.rho * system.squares)
            self.iterations += 1

    def message(self, point: Candidate, pattern: Pattern, tolerance: float) -> str:
        """What was reached, in a sentence."""
        reached = (
            f"the conditions of optimality hold to {point.residual:.1e} of their terms after {self.iterations} "
            f"iterations, with {int(pattern.support.sum())} of {self.system.n} entries in the support"
        )
        if self.status is TerminationStatusCode.OPTIMAL:
            return f"Optimal: {reached}."
        why = (
            "rounding leaves no more digits"
            if self.status is TerminationStatusCode.SLOW_PROGRESS
            else "there were no more iterations"
        )
        return f"The tolerance {tolerance:g} was not met, {why}: {reached}."
