"""The problems of Hock and Schittkowski: solved from their starts, and differentiated."""

from __future__ import annotations

import warnings

import pytest

import optangent as ot

from .hock_schittkowski import PROBLEMS, STATUS, Problem

pytest.importorskip("casadi")

FOUND = {"rel": 1e-5, "abs": 1e-6}


def numbered(one: Problem) -> str:
    """How a problem is called."""
    return str(one.number)


def solved(model: ot.Model) -> float:
    """The objective at the solution, which is a local one."""
    model.optimize()
    assert model.termination_status() is ot.TerminationStatusCode.LOCALLY_SOLVED
    return model.objective_value()


@pytest.mark.parametrize("one", PROBLEMS, ids=numbered)
def test_optimum_and_derivatives(one: Problem) -> None:
    """The stated optimum (or a local one that the table tells), and derivatives that are the differences."""
    model = one.model()
    assert solved(model) == pytest.approx(one.optimum if one.local is None else one.local, **FOUND)
    with warnings.catch_warnings():
        if one.status is not STATUS.EXACT:
            warnings.simplefilter("ignore", ot.DifferentiationWarning)
        result = ot.gradcheck(model, most=4, show=0)
    assert result.status is one.status
    assert result.passed or one.status is not STATUS.EXACT, result


@pytest.mark.parametrize("one", [one for one in PROBLEMS if one.local is not None], ids=numbered)
def test_the_optimum_from_near_by(one: Problem) -> None:
    """Where the start leads to another local minimum, a start near the optimum leads there."""
    assert one.local is not None and one.local > one.optimum
    assert solved(one.model(one.near)) == pytest.approx(one.optimum, **FOUND)


def test_the_table() -> None:
    """No problem twice, and a reason for each that is not exact."""
    assert len({one.number for one in PROBLEMS}) == len(PROBLEMS) >= 40
    assert all(bool(one.why) == (one.status is not STATUS.EXACT) for one in PROBLEMS)
