"""A layer believes no solver that there is no solution: claims without a proof go on to the next one."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

import optangent as ot
from optangent.modelkit.matrix_form import MatrixForm
from optangent.solvers.matrix_solver import MatrixSolver
from optangent.solvers.result import Result, Status


class Liar(MatrixSolver):
    """Calls every program unbounded, along the first variable."""

    name = "Liar"
    kinds = ot.solvers.Clarabel.kinds
    form_kinds = kinds
    standard_options: ClassVar[dict[Any, Any]] = {}

    def option_names(self) -> list[str]:
        """None."""
        return []

    def load(self, form: MatrixForm) -> None:
        """Nothing to do."""

    def run(self, form: MatrixForm) -> Result:
        """The claim, with a direction."""
        return Result.of(Status.DUAL_INFEASIBLE, "unbounded", -np.eye(form.n)[0], None, seconds=0.0)


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
