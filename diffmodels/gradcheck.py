"""Derivatives of a model checked by solving it again on both sides of the present data."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray
from ..modelkit.errors import DifferentiationError, InvalidData, OptangentError
from ..modelkit.model.model import Model
from .checking.numbers import Number, numbers_of
from .checking.outputs import Outputs
from .checking.slopes import Slopes
from .checking.verdicts import CheckedNumber, GradCheck, Verdict

__all__ = ["gradcheck"]

_ROUNDING = 1e-12
"""Least relative error of a refined solution."""


def gradcheck(
    model: Model,
    numbers: Any = None,
    outputs: Any = None,
    *,
    tolerance: float = 1e-5,
    steps: Sequence[float] = (1e-4, 1e-5, 1e-6, 1e-3),
    refine: bool = True,
    most: int = 50,
    seed: int = 0,
    show: int = 10,
    raises: bool = False,
) -> GradCheck:
    """Check the derivatives of a model against central differences of solutions, and both modes against each other.

    The model is left as it is: a copy is solved with each number moved up and down. Where a constraint becomes active
    or inactive within a step, a smaller one is taken; a disagreement that is left is explained, where it can be, by
    degeneracy or by the solver's tolerance.

    Parameters
    ----------
    model : made with `diff_optimizer`
    numbers : what to move
        Parameters (one, a vector or a matrix), constraints (all numbers of function and set), ``ObjectiveFunction()``,
        or a list of such. By default all parameters or, in a model without, everything.
    outputs : what to look at
        Variables, constraints (their duals), ``ObjectiveValue()``, or a list of such. By default everything.
    tolerance : relative error up to which a derivative agrees
    steps : tried in this order, in units of one plus the number's size, until all derivatives agree
    refine : compare solutions made exact by Newton steps; if False, the solver's own answers
    most, seed : of more numbers than that, so many are chosen at random
    show : print so many rows of the table; nothing if zero
    raises : raise `DifferentiationError`, with the table, if a derivative is wrong

    Returns
    -------
    GradCheck
        With `passed`, `worst` and `table`.

    Examples
    --------
    >>> import optangent as ot
    >>> model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    >>> x, p = model.add_variable("x"), model.add_parameter(2.0, "p")
    >>> c = model.add_constraint(p * x >= 3, name="demand")
    >>> model.minimize(x * x)
    >>> result = ot.gradcheck(model, [p], [x])
    gradcheck: 1 number, 1 output each, at an EXACT solution
      number  output  derivative  difference    error
      p       x            -0.75       -0.75  < 1e-06
    passed: every derivative is the difference, to a relative 1e-05
    >>> result.passed
    True
    """
    if not steps or not all(0.0 < step < np.inf for step in steps):
        raise InvalidData(f"Steps are positive numbers, got {steps!r}.")
    twin = copy.deepcopy(model)  # which is moved
    twin.empty_input_sensitivities()  # raises for a model that only solves
    chosen, of = _some(numbers_of(twin, numbers), most, seed)
    watched = Outputs(twin, outputs)
    twin.meta_solver.warns = False  # the result tells
    twin.optimize()
    if twin.get(attr.TerminationStatus()) is attr.TerminationStatusCode.LOCALLY_SOLVED:
        watched.start_here()  # there may be other local solutions
    twin.forward_differentiate()  # raises where there is nothing to differentiate
    status = twin.get(attr.DifferentiationStatus())
    exact, own = watched.values(refined=True), watched.values(refined=False)
    solver_error = float(np.max(np.abs(own - exact) / (1.0 + np.abs(exact)), initial=0.0))
    rounding = max(_ROUNDING, twin.get(attr.SolutionRefinement()).after)
    start, noise = (exact, rounding) if refine else (own, max(solver_error, rounding))
    forward = [watched.tangents(one) for one in chosen]
    seeds = np.random.default_rng(seed).standard_normal(len(start))
    watched.pull(seeds)
    reverse = [one.gradient(twin) for one in chosen]
    found: list[CheckedNumber] = []
    for one, derivative, gradient in zip(chosen, forward, reverse, strict=True):
        slopes = Slopes(derivative, start, noise * (1.0 + np.abs(start)), tolerance)
        _take_steps(one, watched, slopes, steps, refine)
        name = one.name(twin)
        pair = (
            _worst(name, watched, slopes, status),
            _of_modes(name, gradient, float(seeds @ derivative), tolerance),
        )
        found.append(min(pair, key=lambda one: one.rank))
    table = tuple(sorted(found, key=lambda one: one.rank))
    result = GradCheck(table, tolerance, status, of, len(start), solver_error)
    if show:
        print(result.text(show))
    if raises and result.wrong:
        raise DifferentiationError(result.text(show or 10))
    return result


def _some(numbers: list[Number], most: int, seed: int) -> tuple[list[Number], int]:
    """At most so many of them, chosen at random; and how many there are."""
    if len(numbers) <= most:
        return numbers, len(numbers)
    chosen = np.sort(np.random.default_rng(seed).choice(len(numbers), most, replace=False))
    return [numbers[k] for k in chosen.tolist()], len(numbers)


def _take_steps(number: Number, watched: Outputs, slopes: Slopes, steps: Sequence[float], refine: bool) -> None:
    """Solve on both sides, step by step, until all derivatives agree."""
    model, size = watched.model, 1.0 + abs(number.value)
    for step in steps:
        sides: list[FloatArray | None] = []
        for sign in (1.0, -1.0):
            try:
                number.move(model, sign * step * size)
                model.optimize()
                sides.append(watched.values(refined=refine))
            except OptangentError:  # infeasible there, or outside of what the set can be
                sides.append(None)
        if slopes.add(step * size, *sides):
            break
    number.move(model, 0.0)


def _worst(name: str, watched: Outputs, slopes: Slopes, status: attr.DifferentiationStatusCode) -> CheckedNumber:
    """The output whose derivative fits worst."""
    judged = slopes.judge()
    if not len(slopes.derivative):
        return CheckedNumber(name, "nothing", 0.0, 0.0, 0.0, Verdict.AGREES)
    every = []
    for k in range(len(slopes.derivative)):
        if judged.unsolved:
            verdict = Verdict.UNSOLVED
        elif judged.error[k] <= slopes.tolerance:
            verdict = Verdict.AGREES
        elif status is not attr.DifferentiationStatusCode.EXACT or judged.kinked[k]:
            verdict = Verdict.DEGENERATE
        else:
            verdict = Verdict.TOLERANCE if judged.noisy[k] else Verdict.WRONG
        numbers = float(slopes.derivative[k]), float(judged.difference[k]), float(judged.error[k])
        every.append(CheckedNumber(name, str(k), *numbers, verdict))
    worst = min(every, key=lambda one: one.rank)
    return replace(worst, output=watched.name(int(worst.output)))


def _of_modes(name: str, reverse: float, forward: float, tolerance: float) -> CheckedNumber:
    """Whether both modes agree on a random combination of all outputs."""
    error = abs(reverse - forward) / (1.0 + abs(forward))
    verdict = Verdict.AGREES if error <= tolerance else Verdict.WRONG
    return CheckedNumber(name, "all, in reverse mode", reverse, forward, error, verdict)
