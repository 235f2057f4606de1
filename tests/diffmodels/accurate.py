"""Programs solved and differentiated by ConicDiff, whatever their cones, and solutions to all digits."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

import optangent as ot

from .oracle import Array, Program


def accurate_solver() -> Any:
    """An accurate one that takes every cone which ConicDiff takes."""
    return ot.solvers.SCS(eps_abs=1e-10, eps_rel=1e-10)


def solved(p: Program, solver: Any = accurate_solver, diff_model: Any = ot.ConicDiff) -> tuple[ot.Model, Any, Any]:
    """The program, solved and ready for derivatives by ConicDiff."""
    model, v, indices = p.build(solver)
    model.set(ot.ModelConstructor(), diff_model)
    model.optimize()
    return model, v, indices


def polished(model: ot.Model, v: Any, indices: Any) -> Array:
    """X and the duals at which a model was differentiated."""
    return np.concatenate(
        [model.meta_solver.polished(v), *(np.atleast_1d(model.meta_solver.polished(i)) for i in indices)]
    )


def exact(p: Program) -> Array:
    """X and the duals after Newton's method on the optimality conditions, from an accurate solve."""
    model, v, indices = solved(p)
    model.set(ot.ForwardObjectiveFunction(), 0.0 * v[0])
    with warnings.catch_warnings(action="ignore", category=ot.DifferentiationWarning):  # the solution is wanted
        model.forward_differentiate()
    return polished(model, v, indices)
