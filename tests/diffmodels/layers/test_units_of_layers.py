"""What a layer calls optimal is so in whatever units the program is stated: against programs built backwards."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.diffmodels.layers.batch import Batch
from optangent.diffmodels.layers.program import Program

from .. import oracle
from ..units import UNITS, units

OPTIMAL = ot.TerminationStatusCode.OPTIMAL
SOC, PSD, EXP = ot.SecondOrderCone(4), ot.ScaledPositiveSemidefiniteConeTriangle(3), ot.ExponentialCone()
PROGRAMS = {
    "quadratic 11": (oracle.program(11, "min", n=9), 11),
    "quadratic 19": (oracle.program(19, "min", n=9), 19),
    "linear 2": (oracle.program(2, "max", n=10, quadratic=False), 7),
    "linear 17": (oracle.program(17, "min", n=9, quadratic=False), 17),
    "SOC": (oracle.conic_program(SOC, 1, "min"), 7),
    "PSD": (oracle.conic_program(PSD, 2, "max"), 7),
    "exp": (oracle.conic_program(EXP, 3, "min"), 7),
    "a mixture": (oracle.mixed_program([SOC, PSD, EXP, ot.Nonnegatives(3)], 5, "min"), 7),
    "a linear mixture": (oracle.mixed_program([SOC, SOC, ot.Nonnegatives(3), PSD], 3, "min", quadratic=False), 7),
}
"""Programs, and the seeds of their units."""
NAMES = list(PROGRAMS)
CASES = [
    (ot.solvers.Clarabel, NAMES, 90),
    (ot.solvers.SCS, NAMES[4:], 56),
    (ot.solvers.HiGHS, NAMES[:4], 32),
    (ot.solvers.OSQP, NAMES[:4], 32),
    (ot.solvers.PIQP, NAMES[:4], 32),
    (ot.solvers.DAQP, NAMES[:4], 32),
]
"""Solvers, their programs, and of how many items, two of each in each of the units, they find the solution."""


def layer(p: oracle.Program, solver: Any) -> Program:
    """The program with its linear costs as parameters."""
    model = ot.Model(ot.diff_optimizer(solver))
    v, q = model.add_variables(len(p.q)), model.add_parameters(p.q)
    for c in p.rows:
        model.add_constraint(c.function(v), c.set)
    cost = 0.5 * (v @ (p.P @ v)) + q @ v if p.P.any() else q @ v
    (model.minimize if p.sense == "min" else model.maximize)(cost)
    return Program(model, [q], [v])


@pytest.mark.parametrize(("solver", "names", "least"), CASES, ids=[case[0].name for case in CASES])
def test_what_is_called_optimal_is_so_in_its_own_units(solver: Any, names: list[str], least: int) -> None:
    """Alone and in a stack, in units of 1e±6, OPTIMAL items are within 1e-6 of the solution; most are OPTIMAL."""
    found = 0
    for name in names:
        p, seed = PROGRAMS[name]
        for kind in UNITS:
            u = units(p, kind, seed)
            scaled = u.of(p)
            program = layer(scaled, solver)
            for item in (program.solve(scaled.q), *program.solve_batch(np.stack([scaled.q] * 2))[1:]):
                if item.status is OPTIMAL:
                    found += 1
                    error = np.abs(item.outputs * u.columns - p.x).max()
                    assert error <= 1e-6, (name, kind, error)
    assert found >= least


@pytest.mark.parametrize("status", ["INACCURATE", "WEAKLY_ACTIVE"])
def test_a_warning_says_what_is_the_matter(status: str) -> None:
    """Derivatives that are not accurate say nothing of the solution; at a kink it is not differentiable."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    v, q = model.add_variables(2), model.add_parameters(np.zeros(2))
    model.minimize(v @ v + q @ v)
    what = "derivatives of item 1 are not accurate" if status == "INACCURATE" else "item 1 is not differentiable in the"
    codes = ot.DifferentiationStatusCode
    with pytest.warns(ot.DifferentiationWarning, match=f"{what}.*{status}"):
        Batch.of(model, [q], [v]).warn([codes.EXACT, codes[status]])
