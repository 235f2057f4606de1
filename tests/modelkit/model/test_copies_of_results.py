"""Copies of solved models: what was found travels along, until something is changed."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import optangent as ot

WAYS = {"pickle": lambda one: pickle.loads(pickle.dumps(one)), "deepcopy": copy.deepcopy, "copy": copy.copy}
WAY = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
EVERY = pytest.mark.parametrize("solver", ot.solvers.wrappers(), ids=lambda s: s.name)
Codes = ot.TerminationStatusCode


def program(solver: Any) -> tuple[Any, ...]:
    """A solved quadratic program with an active row, bounds and a parameter in a product; with seeds and tangents."""
    model = ot.Model(ot.diff_optimizer(solver))
    gone = model.add_variable()
    v, p = model.add_variables(3, "v", lower=0.0), model.add_parameter(2.0, "p")
    model.delete(gone)
    row = model.add_constraint(p * v[0] + v[1] >= 3, name="row")
    block = model.add_constraint(np.eye(2) @ v[:2] <= [1.0, 5.0])
    model.minimize(v @ v + v[1] + v[2] + p)
    model.set(ot.ReverseVariablePrimal(), v, [1.0, 2.0, 3.0])
    model.set(ot.ForwardParameterValue(), p, 1.0)
    model.optimize()
    return model, v, p, row, block


@WAY
@EVERY
def test_a_copy_has_the_result(solver: Any, way: Any) -> None:
    """Statuses, values, duals, objectives and counts of a copy are the original's, to the last digit, unsolved."""
    model, v, p, row, block = program(solver)
    twin = way(model)
    twin.optimize()  # a solution of the unchanged model is kept
    assert not twin.meta_solver.optimizer._is_loaded  # the copy's solver has seen nothing
    assert twin.termination_status() is Codes.OPTIMAL
    for attribute in (ot.PrimalStatus(), ot.DualStatus(), ot.RawStatusString(), ot.ResultCount(), ot.SolveTimeSec()):
        assert twin.get(attribute) == model.get(attribute)
    for what in (v, v[1], p, p * v[0] + 1, row, block):
        np.testing.assert_array_equal(twin.value(what), model.value(what))
    for c in (row, block):
        np.testing.assert_array_equal(twin.dual(c), model.dual(c))
    assert twin.objective_value() == model.objective_value()
    assert twin.get(ot.DualObjectiveValue()) == model.get(ot.DualObjectiveValue())
    bounds = model.get(ot.ListOfConstraintIndices(ot.VariableIndex, ot.GreaterThan))
    np.testing.assert_array_equal(twin.get(ot.ConstraintDual(), bounds), model.get(ot.ConstraintDual(), bounds))
    assert twin.dual(bounds[1]) == model.dual(bounds[1])


@WAY
@EVERY
def test_a_copy_has_seeds_and_tangents(solver: Any, way: Any) -> None:
    """Both modes give the same at once in a copy, from the copied solution and inputs; the inputs are its own."""
    model, v, p, row, _ = program(solver)
    twin = way(model)
    for one in (model, twin):
        one.reverse_differentiate()
        one.forward_differentiate()
    assert twin.get(ot.ReverseParameterValue(), p) == model.get(ot.ReverseParameterValue(), p)
    assert twin.get(ot.ForwardConstraintDual(), row) == model.get(ot.ForwardConstraintDual(), row)
    moved = [one.get(ot.ForwardVariablePrimal(), v) for one in (twin, model)]
    if solver is ot.solvers.PDHG:  # whose exact step in the copy begins at other roundings
        np.testing.assert_allclose(*moved, rtol=1e-12, atol=1e-15)
    else:
        np.testing.assert_array_equal(*moved)
    twin.empty_input_sensitivities()
    assert model.get(ot.ReverseVariablePrimal(), v[0]) == 1.0 and twin.get(ot.ReverseVariablePrimal(), v[0]) is None


CHANGES: dict[str, Any] = {
    "a number": lambda m, v, p, row, block: m.set_parameter_value(p, 3.0),
    "an addition": lambda m, v, p, row, block: m.add_constraint(v[2] >= 1),
    "another variable": lambda m, v, p, row, block: m.add_variable(),
    "a deletion": lambda m, v, p, row, block: m.delete(row),
    "a coefficient": lambda m, v, p, row, block: m.modify(block, ot.MultirowChange(v[0], [(0, 2.0)])),
    "the objective": lambda m, v, p, row, block: m.minimize(v @ v),
    "an option": lambda m, v, p, row, block: m.set(ot.Silent(), True),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_copy_has_no_result(change: Any) -> None:
    """Whatever changes the model takes the copied result away, as it does in the original; then it solves anew."""
    model, *indices = program(ot.solvers.Clarabel)
    twin = copy.deepcopy(model)
    for one in (model, twin):
        change(one, *indices)
        assert one.termination_status() is Codes.OPTIMIZE_NOT_CALLED
        with pytest.raises(ot.NotOptimized):
            one.value(indices[0])
        one.optimize()
    np.testing.assert_allclose(twin.value(indices[0]), model.value(indices[0]), atol=1e-6)


@WAY
def test_certificates_and_their_absence_travel_too(way: Any) -> None:
    """A copy of an infeasible, an unbounded and a mixed-integer model answers like the original, errors included."""
    infeasible = ot.Model(ot.solvers.HiGHS)
    x = infeasible.add_variable(lower=0.0)
    c = infeasible.add_constraint(1.0 * x <= -1)
    infeasible.minimize(1.0 * x)
    infeasible.optimize()
    twin = way(infeasible)
    assert twin.termination_status() is Codes.INFEASIBLE and twin.dual(c) == infeasible.dual(c) < 0
    with pytest.raises(ot.NotOptimized, match="INFEASIBLE"):
        twin.value(x)
    unbounded = ot.Model(ot.solvers.HiGHS)
    x = unbounded.add_variable(lower=0.0)
    unbounded.maximize(1.0 * x)
    unbounded.optimize()
    twin = way(unbounded)
    assert twin.termination_status() is Codes.DUAL_INFEASIBLE and twin.value(x) == unbounded.value(x) > 0
    whole = ot.Model(ot.solvers.HiGHS)
    x = whole.add_variable(integer=True, upper=2.5)
    c = whole.add_constraint(2.0 * x <= 7)
    whole.maximize(1.0 * x)
    whole.optimize()
    twin = way(whole)
    assert twin.value(x) == 2.0 and twin.get(ot.ObjectiveBound()) == 2.0 and twin.get(ot.RelativeGap()) == 0.0
    with pytest.raises(ot.NotOptimized, match="integer"):
        twin.dual(c)
    for one in (whole, twin):
        with pytest.raises(ot.UnsupportedAttribute, match="VariableBasisStatus"):
            one.get(ot.VariableBasisStatus(), x)


@WAY
@pytest.mark.parametrize("asked", [False, True], ids=["unasked", "asked"])
def test_a_basis_travels_too(way: Any, asked: bool) -> None:
    """What a solver leaves out of its answer until somebody asks is in the copy, whether somebody had asked or not."""
    model = ot.Model(ot.solvers.HiGHS)
    v = model.add_variables(2, lower=0.0)
    c = model.add_constraint(v[0] + 2.0 * v[1] >= 3)
    model.minimize(v[0] + v[1])
    model.optimize()
    if asked:
        model.get(ot.ConstraintBasisStatus(), c)
    twin = way(model)
    model.delete(c)
    assert twin.get(ot.ConstraintBasisStatus(), c) is ot.BasisStatusCode.NONBASIC_AT_LOWER
    codes = [twin.get(ot.VariableBasisStatus(), x) for x in v]
    assert codes == [ot.BasisStatusCode.NONBASIC_AT_LOWER, ot.BasisStatusCode.BASIC]


def test_a_copy_of_a_copy_and_a_second_pickle() -> None:
    """Results go through any number of copies."""
    model, v, *_ = program(ot.solvers.HiGHS)
    twin = pickle.loads(pickle.dumps(copy.deepcopy(model)))
    assert twin.termination_status() is Codes.OPTIMAL
    np.testing.assert_array_equal(twin.value(v), model.value(v))


@WAY
def test_a_copy_with_cones_is_differentiated_like_the_original(way: Any) -> None:
    """Behind bridges of cones the solver's own duals are wanted: the copy is solved again, and says the same."""
    A = np.random.default_rng(0).normal(size=(8, 3))
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    w, t, b = model.add_variables(8, lower=0.0), model.add_variable(), model.add_parameters([1.0])
    rows = [sum(float(A[k, i] * A[k, j]) * w[k] for k in range(8)) for j in range(3) for i in range(j + 1)]
    model.add_constraint(ot.vectorize([1.0 * t, 0 * t + 1.0, *rows]), ot.LogDetConeTriangle(3))
    model.add_constraint(np.ones((1, 8)) @ w == b)
    model.maximize(t)
    model.set(ot.ReverseVariablePrimal(), t, 1.0)
    model.optimize()
    twin = way(model)
    assert twin.value(t) == model.value(t)
    twin.reverse_differentiate()
    assert twin.get(ot.ReverseParameterValue(), b)[0] == pytest.approx(3.0, abs=1e-5)
    assert twin.value(t) == pytest.approx(model.value(t), abs=1e-7)
