"""What is said of nonlinear models: by the user's names, and refused in words where it is not theirs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import optangent as ot

pytest.importorskip("casadi")


@pytest.fixture
def solved() -> ot.Model:
    """A model of operators with a binding row."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Ipopt))
    x, p = model.add_variable("x"), model.add_parameter(1.0, name="p")
    model.add_constraint(np.exp(x) <= p + 1.0, name="c")
    model.minimize((x - 2) ** 2 + np.cos(x))
    model.optimize()
    return model


def test_tables(solved: ot.Model) -> None:
    """Lifted variables and graphs of operators are nobody's news."""
    assert "nonlinear program" in repr(solved.summary())
    assert "EXACT" in repr(solved.diff_report())
    table = solved.sensitivities()
    assert set(table["name"]) == {"c", "p"}
    x, p = solved.variable_by_name("x"), solved.variable_by_name("p")
    assert solved.jacobian(of=x, wrt=p).toarray()[0, 0] == pytest.approx(0.5, rel=1e-10)
    assert "in their graphs" in repr(solved.explain(solved.constraint_by_name("c")))
    predicted = solved.predict({p: 1.01})
    assert np.isnan(predicted.error) and predicted.objective == pytest.approx(solved.objective_value(), rel=0.1)


def test_refusals(solved: ot.Model, tmp_path: Path) -> None:
    """Ranges, paths and files are of other programs."""
    p = solved.variable_by_name("p")
    for ask in (solved.ranges, lambda: solved.path(p, 1.0, 2.0)):
        with pytest.raises(ot.Unsupported, match="linear and convex quadratic programs"):
            ask()
    with pytest.raises(ot.UnsupportedConstraint, match=r"'c'.*no nonlinear functions"):
        solved.write(tmp_path / "model.lp")


def test_solvers_side_by_side(solved: ot.Model) -> None:
    """The local solver is among those that are compared, of models that need it alone."""
    frame = solved.compare_solvers()
    assert frame.loc["Ipopt", "status"] == "LOCALLY_SOLVED" and frame.loc["HiGHS", "status"] == "not taken"
