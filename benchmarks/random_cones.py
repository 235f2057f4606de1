"""Derivatives of random programs of every native cone against central differences.

    python benchmarks/random_cones.py [--instances 200]

The forward derivatives of x and of all duals of random strictly complementary programs with two equal cones, in every
part of their data at once, are compared with central differences of re-solves that are made exact by Newton's method
(best of three steps). Ends with 1 if the worst exceeds 1e-6 (nonnegative, second-order) or 1e-5 (other cones).
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path
from typing import Any

import threads  # noqa: F401 - before NumPy

# isort: split
import numpy as np
from measuring import load, relative

import optangent as ot

STEPS = (1e-4, 1e-5, 1e-6)
CONES: list[tuple[Any, float]] = [
    (ot.Nonnegatives(3), 1e-6),
    (ot.SecondOrderCone(4), 1e-6),
    (ot.ScaledPositiveSemidefiniteConeTriangle(3), 1e-5),
    (ot.ExponentialCone(), 1e-5),
    (ot.DualExponentialCone(), 1e-5),
    (ot.PowerCone(0.3), 1e-5),
    (ot.DualPowerCone(0.7), 1e-5),
]


def solved(p: Any) -> tuple[ot.Model, Any, Any]:
    """A program as a solved model, its variables and its constraints."""
    model, v, indices = p.build(lambda: ot.solvers.SCS(eps_abs=1e-10, eps_rel=1e-10))
    model.set(ot.ModelConstructor(), ot.ConicDiff)
    model.optimize()
    return model, v, indices


def exact(p: Any) -> np.ndarray:
    """The polished solution: x and all duals."""
    model, v, indices = solved(p)
    model.set(ot.ForwardObjectiveFunction(), 0.0 * v[0])
    model.forward_differentiate()
    return np.concatenate(
        [model.meta_solver.polished(v), *(np.atleast_1d(model.meta_solver.polished(i)) for i in indices)]
    )


def error_of(oracle: Any, cone: Any, goal: float, seed: int) -> tuple[float, bool]:
    """The error of one program's derivative, and whether its status is EXACT."""
    p = oracle.conic_program(cone, seed, "max" if seed % 2 else "min")
    d = oracle.direction(p, "everything", seed + 1000)
    model, v, indices = solved(p)
    oracle.set_tangents(model, v, indices, p, d)
    model.forward_differentiate()
    fine = model.get(ot.DifferentiationStatus()) is ot.DifferentiationStatusCode.EXACT
    dx, dy, _ = oracle.tangents(model, v, indices)
    ours, error = np.concatenate([dx, *dy]), np.inf
    for step in STEPS:
        difference = (exact(p.moved(step, d)) - exact(p.moved(-step, d))) / (2 * step)
        error = min(error, relative(ours, difference))
        if error <= 1e-2 * goal:
            break
    return error, fine


def table(instances: int) -> bool:
    """A row for every cone; whether the goals are met."""
    oracle = load(Path(__file__).parent.parent / "tests" / "diffmodels" / "oracle.py")
    print("| cone | instances | median | worst (seed) | goal | not EXACT or refused |")
    print("|---|---|---|---|---|---|")
    good = True
    for cone, goal in CONES:
        errors, odd = {}, []
        for seed in range(instances):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ot.DifferentiationWarning)
                    errors[seed], fine = error_of(oracle, cone, goal, seed)
            except ot.OptangentError as error:
                errors[seed], fine = np.inf, False
                print(f"{cone!r} seed {seed}: {type(error).__name__}: {str(error)[:150]}", file=sys.stderr)
            if not fine:
                odd.append(seed)
        worst = max(errors, key=lambda seed: errors[seed])
        good &= errors[worst] <= goal
        print(
            f"| {cone!r} | {len(errors)} | {np.median(list(errors.values())):.0e} | {errors[worst]:.0e} ({worst}) "
            f"| {goal:g} | {odd or 'none'} |",
            flush=True,
        )
    return good


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--instances", type=int, default=200)
    return 0 if table(parser.parse_args().instances) else 1


if __name__ == "__main__":
    sys.exit(main())
