"""What HiGHS' method for quadratic programs calls a solution, looked at; and how it is run again where it is none."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import numpy as np

from ...modelkit.arrays import sums
from ...modelkit.form import Form
from .highs_loaded import Loaded
from .highs_runs import FAR

__all__ = ["is_doubtful", "limit_iterations", "try_again"]

_WRONG, _LEAST = 1e-6, 0.1
"""What is no solution: residuals above so much of their terms, of the gradient not below 1e-7."""
_ITERATIONS = "qp_iteration_limit"
_GAVE_UP = ("kNotset", "kSolveError", "kUnknown")
_FURTHER_TRIES: tuple[dict[str, Any], ...] = (
    {"qp_regularization_value": 1e-7},
    {"qp_regularization_value": 1e-11, "user_bound_scale": 10, "user_objective_scale": 10},
)
"""Options under which the QP method is tried again where it gave up.

It gives up on some singular Hessians, as of variables in nothing; the library's own bit of regularization may carry it.
And it sets the variables and rows of its first point to zero where they are below 1e-4, so that constraints with small
numbers stay violated. In units 2**10 times smaller (exact: constants and duals are scaled, P and A stay) none is small
that is above the feasibility tolerance. Neither is for every solve: the first shows in the solution, and in small units
the method cycles on more singular Hessians; a bit of regularization, that does not show, keeps it from some.
"""


def limit_iterations(handle: Any, size: int, given: Set[str]) -> None:
    """Have the QP method, which may cycle, stop at last, unless the user has said when."""
    if _ITERATIONS not in given:
        handle.setOptionValue(_ITERATIONS, 1_000 + 20 * size)


def is_doubtful(raw: str, form: Form, loaded: Loaded, given: Set[str]) -> bool:
    """Whether the QP method gave up, calls a model unbounded, or optimal what is not, or is very far off."""
    if raw == "kOptimal":
        x = np.array(loaded.handle.getSolution().col_value)
        return bool(np.abs(x).max(initial=0.0) >= FAR) or _worst(form, loaded) > _WRONG
    return raw in _GAVE_UP or raw == "kUnbounded" or (raw == "kIterationLimit" and _ITERATIONS not in given)


def _worst(form: Form, loaded: Loaded) -> float:
    """The worst residual of rows, bounds and gradient; infinite where HiGHS speaks of no optimum.

    In its units and in those of the form: a far bound, or one large number, may make either too large for the others.
    An entry of the gradient is compared with its own terms: a column whose entries are small may move far.
    """
    if loaded.handle.getModelStatus().name != "kOptimal":
        return np.inf
    found, to_form, A = loaded.handle.getSolution(), loaded.translation(), form.A
    x = to_form.point(np.array(found.col_value))
    dual = to_form.duals(np.array(found.row_dual), np.array(found.col_dual))
    y, z = dual[: form.m], dual[form.m :]
    Px, Aty = form.P @ x, sums(A.indices, A.data * np.repeat(y, np.diff(A.indptr)), form.n)
    terms = np.maximum(np.maximum(np.abs(Px), np.abs(form.q)), np.abs(Aty))
    left = np.abs(Px + form.q - Aty - z)
    values = np.concatenate([A @ x, x])
    sides = np.concatenate([form.row_lower, form.lower]), np.concatenate([form.row_upper, form.upper])
    away = np.maximum(sides[0] - values, values - sides[1])
    sizes = np.abs(values)
    units = np.concatenate([loaded.row, 1.0 / loaded.column]), loaded.unit * loaded.column
    worst = 0.0
    for of_values, of_gradient in (units, (1.0, 1.0)) if loaded.in_other_units else ((1.0, 1.0),):
        beyond = of_values * away / (1.0 + of_values * sizes)
        gradient = of_gradient * left / (_LEAST + of_gradient * terms)
        worst = max(worst, float(beyond.max(initial=0.0)), float(gradient.max(initial=0.0)))
    return worst


def try_again(raw: str, form: Form, loaded: Loaded, given: Set[str]) -> tuple[str, bool]:
    """Run the QP method under `_FURTHER_TRIES`, but for options that the user has given, until one has an answer.

    Where none has, the handle is left with what comes nearest to one of all that HiGHS called optimal. Returned are
    HiGHS' word, and whether there is an answer.
    """
    tries: list[dict[str, Any]] = [{}, *(options for options in _FURTHER_TRIES if not options.keys() & given)]
    distances = [_worst(form, loaded)]
    for options in tries[1:]:
        distances.append(_try(form, loaded, options))
        if distances[-1] <= _WRONG:
            return "kOptimal", True
    nearest = int(np.argmin(distances))
    if not np.isfinite(distances[nearest]):
        return raw, False
    if nearest != len(tries) - 1:
        _try(form, loaded, tries[nearest])
    return "kOptimal", distances[nearest] <= _WRONG


def _try(form: Form, loaded: Loaded, options: dict[str, Any]) -> float:
    """Run with options in the place of the usual ones; the worst residual."""
    handle = loaded.handle
    usual = {name: handle.getOptionValue(name)[1] for name in options}
    for name, value in options.items():
        handle.setOptionValue(name, value)
    handle.run()
    for name, value in usual.items():
        handle.setOptionValue(name, value)
    return _worst(form, loaded)
