"""A layer believes no solver: claims without a proof, and points that are no solutions, go on to the next one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.diffmodels.layers.program import Program
from optangent.modelkit.form import Form
from optangent.solvers.array_solver import ArraySolver
from optangent.solvers.libraries.clarabel import Clarabel
from optangent.solvers.result import Result, Status

from .. import oracle

CONES = [ot.Nonnegatives(4), ot.SecondOrderCone(4), ot.ExponentialCone(), ot.ScaledPositiveSemidefiniteConeTriangle(3)]


class Liar(ArraySolver):
    """Calls every program unbounded, along the first variable."""

    name = "Liar"
    abilities = Clarabel.abilities

    def option_names(self) -> list[str]:
        """None."""
        return []

    def load_arrays(self, form: Form) -> None:
        """Nothing to do."""

    def run(self, form: Form, start: Any = None) -> Result:
        """The claim, with a direction."""
        return Result.of(Status.DUAL_INFEASIBLE, "unbounded", -np.eye(form.n)[0], None, seconds=0.0)


class Boaster(Liar):
    """Calls a point optimal that is far from it, or no number."""

    name = "Boaster"
    far = 1.0

    def run(self, form: Form, start: Any = None) -> Result:
        """The claim, with a point and duals."""
        rng = np.random.default_rng(form.n)
        x, y = self.far * rng.standard_normal(form.n), self.far * rng.standard_normal(form.slots.size)
        return Result.of(Status.OPTIMAL, "solved", x, y, seconds=0.0)


class Dreamer(Boaster):
    """The same, with NaN."""

    name = "Dreamer"
    far = np.nan


def projection(*solvers: Any) -> tuple[ot.Model, Any, Any]:
    """The point of a half-space nearest to parameters."""
    model = ot.Model(ot.diff_optimizer(list(solvers)))
    x, p = model.add_variables(2), model.add_parameters([2.0, 2.0])
    model.add_constraint(x.sum() <= 2)
    model.minimize((x - p) @ (x - p))
    return model, x, p


@pytest.mark.parametrize("by", ["list", "retry"])
def test_a_false_claim_is_not_the_last_word(by: str) -> None:
    """The next solver of the list, or of `retry`, is asked, and its solution is the answer."""
    torch = pytest.importorskip("torch")
    model, x, p = projection(Liar, *([ot.solvers.Clarabel] if by == "list" else []))
    layer = ot.layers.TorchLayer(model, [p], [x], retry=[ot.solvers.Clarabel] if by == "retry" else None)
    (out,) = layer(torch.tensor([2.0, 4.0], dtype=torch.float64))
    np.testing.assert_allclose(out, [0.0, 2.0], atol=1e-6)
    assert layer.status == [ot.TerminationStatusCode.OPTIMAL] or layer.status is ot.TerminationStatusCode.OPTIMAL


def test_a_claim_without_proof_is_said_to_be_one() -> None:
    """With no other solver the item fails, with neither INFEASIBLE nor DUAL_INFEASIBLE as its status."""
    torch = pytest.importorskip("torch")
    model, x, p = projection(Liar)
    with pytest.raises(ot.layers.UnsolvedItems, match="no certificate") as caught:
        ot.layers.TorchLayer(model, [p], [x])(torch.tensor([2.0, 4.0], dtype=torch.float64))
    assert caught.value.statuses == [ot.TerminationStatusCode.NUMERICAL_ERROR]


@pytest.mark.parametrize("solver", [Boaster, Dreamer])
@pytest.mark.parametrize("cone", CONES, ids=repr)
def test_what_is_called_optimal_is_so_whoever_says_it(cone: Any, solver: Any) -> None:
    """From points that are no solutions a layer refines to the solution or asks the next solver of the list."""
    p = oracle.conic_program(cone, 3, "min")
    for solvers in ([solver], [solver, ot.solvers.Clarabel]):
        model = ot.Model(ot.diff_optimizer(solvers))
        v, q = model.add_variables(len(p.q)), model.add_parameters(p.q)
        for c in p.rows:
            model.add_constraint(c.function(v), c.set)
        model.minimize(0.5 * (v @ (p.P @ v)) + q @ v)
        item = Program(model, [q], [v]).solve(p.q)
        assert item.status is ot.TerminationStatusCode.OPTIMAL or len(solvers) == 1
        if item.status is ot.TerminationStatusCode.OPTIMAL:
            np.testing.assert_allclose(item.outputs, p.x, rtol=0.0, atol=1e-6)
