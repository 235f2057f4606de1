"""Derivatives that solvers have of their own, beside those of the KKT system: errors and times.

    python benchmarks/own_derivatives.py [--seeds 5] [--seconds 100]

Dense quadratic programs of n variables, n/2 inequalities, half of them active, and n/5 equations, made from their
solutions, so that derivatives are known in closed form. One seed of x and of all duals is pulled back. OSQP's adjoint
is measured as it comes, at its polished solution and without polishing, for seeds of about one and of about 1e-6, and
as `ot.solvers.OSQP(differentiates=True)` refines it; beside it the exact point of `QuadraticDiff`, from OSQP's answer.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from measuring import relative, timed

import optangent as ot
from optangent.diffmodels.form_point import FormPoint
from optangent.solvers import Form
from optangent.solvers.testing import form_of

Array = Any


def program(n: int, seed: int) -> tuple[Form, Array, Array, Array]:
    """A form, its solution x and y over the slots, and its active rows."""
    rng, inequalities, equations = np.random.default_rng(seed), n // 2, n // 5
    M, m = rng.standard_normal((n, n)), inequalities + equations
    P, A, x = M @ M.T / n + 0.1 * np.eye(n), rng.standard_normal((m, n)), rng.standard_normal(n)
    active = np.arange(m) >= inequalities // 2
    lower, upper, y = np.full(m, -np.inf), A @ x + np.where(active, 0.0, rng.uniform(0.5, 1.0, m)), np.zeros(m)
    lower[inequalities:] = upper[inequalities:]
    y[:inequalities] = -rng.uniform(0.5, 1.0, inequalities) * active[:inequalities]
    y[inequalities:] = rng.standard_normal(equations)
    free = np.full(n, np.inf)
    form = form_of(A, (lower, upper), (-free, free), A.T @ y - P @ x, P)
    return form, x, np.concatenate([y, np.zeros(n)]), np.flatnonzero(active)


def solved(solver: ot.solvers.Solver, form: Form) -> Any:
    """The result, which is an optimum."""
    result = solver.solve(form)
    if result.x is None or result.dual is None:
        raise SystemExit(f"{solver.name} does not solve this: {result.raw}.")
    return result


def measured(n: int, seed: int) -> dict[str, tuple[float, float]]:
    """Error and seconds of each way."""
    form, _, y, active = program(n, seed)
    rng, A = np.random.default_rng([seed, 1]), form.A.toarray()[active]
    seeds = rng.standard_normal((n, 1)), rng.standard_normal((form.slots.size, 1)) * (y != 0.0)[:, None]
    K = np.block([[form.P.toarray(), -A.T], [-A, np.zeros((len(A), len(A)))]])
    truth = np.linalg.solve(K, np.concatenate([seeds[0], seeds[1][active]]))[:n]
    found: dict[str, tuple[float, float]] = {}
    for name, size, options in (
        ("as it comes", 1.0, {}),
        ("seeds of 1e-6", 1e-6, {}),
        ("without polishing", 1.0, {"polishing": False}),
    ):
        solver = ot.solvers.OSQP(differentiates=True, **options)
        result = solved(solver, form)
        library, held, scale = solver._solver, solver._held, solver._scale
        of_duals = np.where(result.dual[held] > 0.0, 1.0, -1.0) * scale * seeds[1][held, 0]

        def adjoint(
            library: Any = library, of_x: Array = size * seeds[0][:, 0], of_y: Array = size * of_duals
        ) -> Array:
            library.adjoint_derivative_compute(of_x, of_y)
            return -library.adjoint_derivative_get_vec()[0]

        seconds, w = timed(adjoint)
        found[f"OSQP's adjoint, {name}"] = relative(w / size, truth[:, 0]), seconds
    solver = ot.solvers.OSQP(differentiates=True)
    result = solved(solver, form)

    def pull() -> tuple[Array, Array]:
        own = solver.differentiate(form, result)
        if own is None:
            raise SystemExit("OSQP has no derivative that is accurate.")
        return own.pull(*seeds)

    seconds, pulled = timed(pull)
    found["refined, as OSQP(differentiates=True)"] = relative(pulled[0], truth), seconds
    result = solved(ot.solvers.OSQP(), form)
    start = time.perf_counter()
    point = FormPoint.polished(form, ot.QuadraticDiff(), result.x, result.dual)
    w, _ = point.slope(lambda: (point.status, "")).pull(seeds[0], (seeds[1], seeds[1]))
    found["the point of QuadraticDiff"] = relative(w, truth), time.perf_counter() - start
    return found


def main() -> None:
    """Print a table; exit with 1 if a derivative that is taken is worse than 1e-10."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seeds", type=int, default=5)
    arguments.add_argument("--seconds", type=float, default=100.0, help="no larger size is begun after these")
    chosen, start, is_good = arguments.parse_args(), time.perf_counter(), True
    print(f"{'n':>5s}  {'':42s}{'median error':>14s}{'largest':>10s}{'ms (least)':>12s}")
    for n in (20, 100, 300):
        if time.perf_counter() - start > chosen.seconds:
            break
        every = [measured(n, seed) for seed in range(chosen.seeds)]
        for name in every[0]:
            errors, seconds = zip(*(one[name] for one in every), strict=True)
            print(f"{n:5d}  {name:42s}{np.median(errors):14.1e}{max(errors):10.1e}{1e3 * min(seconds):12.2f}")
            is_good &= "adjoint" in name or max(errors) <= 1e-10
    raise SystemExit(0 if is_good else 1)


if __name__ == "__main__":
    main()
