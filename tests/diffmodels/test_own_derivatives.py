"""Solvers that differentiate themselves, through models and layers: what users see is what a diff model would tell.

Whoever is in `tests/self_differentiating.py` is run through all of it.
"""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.diffmodels.layers.program import Program as LayerProgram
from optangent.diffmodels.own_solution import OwnSolution

from ..self_differentiating import (
    CODES,
    SUBJECTS,
    TRUNCATED,
    WRONG,
    Differentiating,
    Subject,
)
from .accurate import accurate_solver
from .moves import along, check_adjoint, forward, pairing, reverse
from .oracle import (
    SLOTS,
    Array,
    Program,
    differences,
    direction,
    linear_tangents,
    program,
    set_tangents,
    tangents,
    together,
)
from .own_models import MODELS, ranges
from .units import UNITS, units

EVERY = pytest.mark.parametrize("subject", SUBJECTS, ids=str)


def is_own(model: ot.Model) -> bool:
    """Whether the derivative at hand is the solver's."""
    return isinstance(model.meta_solver.point.solution, OwnSolution)


def is_asked(model: ot.Model, subject: Subject) -> bool:
    """Whether the derivative at hand is the solver's, or one that it may leave to a diff model."""
    return is_own(model) or subject.hands_over


def compared(p: Program, d: Program, subject: Subject, tolerance: float = 1e-8) -> ot.Model:
    """Tangents along a direction are those in closed form, and both modes agree."""
    model, v, indices = p.build(subject.make)
    model.optimize()
    set_tangents(model, v, indices, p, d)
    model.forward_differentiate()
    assert is_asked(model, subject)
    assert model.get(ot.DifferentiationStatus()) is CODES.EXACT
    (dx, dy, df), (ex, ey, ef) = tangents(model, v, indices), linear_tangents(p, d)
    found, expected = np.concatenate([dx, *dy, [df]]), np.concatenate([ex, *ey, [ef]])
    np.testing.assert_allclose(found, expected, atol=tolerance * np.abs(expected).max())
    check_adjoint(model, along(v, indices, p, d))
    return model


@EVERY
@pytest.mark.parametrize("sense", ["min", "max"])
@pytest.mark.parametrize("slot", SLOTS)
def test_every_slot(slot: str, sense: str, subject: Subject) -> None:
    """Equalities, ranges, bounds, active and inactive rows: each slot of the data, in both modes."""
    p = program(0, sense)
    assert is_own(compared(p, direction(p, slot, 100), subject))


@pytest.mark.parametrize("subject", [one for one in SUBJECTS if one.linear], ids=str)
def test_a_vertex(subject: Subject) -> None:
    """The same of a linear program."""
    p = program(1, "min", quadratic=False)
    compared(p, direction(p, "everything", 100), subject)


@EVERY
def test_central_differences(subject: Subject) -> None:
    """Derivatives are the slopes of accurate solutions nearby."""
    p = program(2, "min")
    d = direction(p, "everything", 103)
    model, v, indices = p.build(subject.make)
    model.optimize()
    set_tangents(model, v, indices, p, d)
    model.forward_differentiate()
    dx, dy, df = tangents(model, v, indices)
    fx, fy, ff = differences(p, d, accurate_solver, 1e-5)
    theirs = np.concatenate([fx, *fy, [ff]])
    assert np.linalg.norm(np.concatenate([dx, *dy, [df]]) - theirs) <= 1e-6 * (1.0 + np.linalg.norm(theirs))


@EVERY
def test_a_sparse_program(subject: Subject) -> None:
    """Twenty programs beside one another."""
    pieces = [program(seed, "max") for seed in range(20)]
    p = together(pieces)
    compared(p, together([direction(piece, "everything", 102) for piece in pieces]), subject)


@EVERY
def test_odd_units(subject: Subject) -> None:
    """Rows, columns and the objective a million times larger or smaller: right, or not EXACT, where it solves that."""
    p, compared = program(0, "min"), 0
    d = direction(p, "everything", 100)
    (ex, *_), size = linear_tangents(p, d), len(p.x)
    for which in UNITS:
        u = units(p, which, 0)
        q = u.of(p)
        model, v, indices = q.build(subject.make)
        with warnings.catch_warnings(action="ignore"):
            model.optimize()
            if np.abs(model.value(v) * u.columns - p.x).max() > 1e-3:
                continue
            set_tangents(model, v, indices, q, u.of(d))
            model.forward_differentiate()
        assert is_asked(model, subject)
        dx, status = tangents(model, v, indices)[0] * u.columns, model.get(ot.DifferentiationStatus())
        assert dx.shape == (size,)
        if status is CODES.EXACT:
            np.testing.assert_allclose(dx, ex, atol=1e-6 * np.abs(ex).max())
        compared += status is CODES.EXACT
    assert compared >= 4


def told(written: Any, make: Any, chosen: Any) -> tuple[ot.Model, Array, Array]:
    """Tangents of all variables and duals along the parameters, and the gradients of random seeds in these."""
    model, p = written(make)
    model.set(ot.ModelConstructor(), chosen)
    model.optimize()
    pushed = []
    for k in range(len(p)):
        model.empty_input_sensitivities()
        model.set(ot.ForwardParameterValue(), p[k], 1.0)
        model.forward_differentiate()
        v = model.get(ot.ListOfVariableIndices())
        every = [i for kind in model.store.kinds() for i in model.get(ot.ListOfConstraintIndices(*kind))]
        duals = [np.atleast_1d(model.get(ot.ForwardConstraintDual(), i)) for i in every]
        pushed.append(np.concatenate([model.get(ot.ForwardVariablePrimal(), v), *duals]))
    reverse(model, 5)
    return model, np.array(pushed), np.array([model.get(ot.ReverseParameterValue(), one) for one in p])


@EVERY
@pytest.mark.parametrize("written", MODELS.values(), ids=MODELS)
def test_what_the_diff_model_tells(written: Any, subject: Subject) -> None:
    """Parameters, their duals, and bridges: both modes as by the KKT system, which `ModelConstructor` asks for."""
    own, pushed, pulled = told(written, subject.make, None)
    assert is_asked(own, subject)
    assert own.get(ot.DifferentiationStatus()) is CODES.EXACT
    by_system, expected, gradients = told(written, accurate_solver, ot.ConicDiff)
    assert not is_own(by_system)
    np.testing.assert_allclose(pushed, expected, atol=1e-7 * (1.0 + np.abs(expected).max()))
    np.testing.assert_allclose(pulled, gradients, atol=1e-7 * (1.0 + np.abs(gradients).max()))


@EVERY
def test_the_user_decides(subject: Subject) -> None:
    """`ModelConstructor`, `LinearAlgebraSolver` and policies that need a system ask a diff model; unset, the solver."""
    model, p = ranges(subject.make)
    model.optimize()
    settings: list[tuple[Any, Any]] = [
        (ot.ModelConstructor(), ot.QuadraticDiff),
        (ot.LinearAlgebraSolver(), ot.DirectKKT()),
        *((ot.DifferentiationPolicy(), word) for word in ("directional", "least_norm", "smoothed")),
    ]
    for attribute, value in settings:
        before = model.get(attribute)
        for chosen, own in ((value, False), (before, True)):
            model.set(attribute, chosen)
            model.set(ot.ForwardParameterValue(), p[0], 1.0)
            model.forward_differentiate()
            assert is_own(model) is own
    model.set(ot.DifferentiationPolicy(), "exact")
    model.forward_differentiate()
    assert is_own(model)


@EVERY
def test_what_asks_for_a_system_gets_one(subject: Subject) -> None:
    """Ranges, paths and predictions beside a derivative of the solver's own, and its report."""
    model, p = ranges(subject.make)
    model.optimize()
    report = model.diff_report()
    assert report.status is CODES.EXACT
    assert report.active == report.rank == 3
    assert "not known" in str(report)
    assert is_own(model)
    expected, q = ranges(ot.solvers.Clarabel)
    expected.optimize()
    assert str(model.ranges()) == str(expected.ranges())
    assert model.predict({p[0]: 1.1}).validity == pytest.approx(expected.predict({q[0]: 1.1}).validity)
    assert is_own(model)
    pairs = ((model, p), (expected, q))
    ours, theirs = (one.jacobian(one.get(ot.ListOfVariableIndices())[:3], r).toarray() for one, r in pairs)
    np.testing.assert_allclose(ours, theirs, atol=1e-9)


@EVERY
def test_copies_ask_a_solver_that_solved_nothing(subject: Subject) -> None:
    """A copied and a pickled model differentiate the result that they have."""
    found = []
    twins: list[Callable[[ot.Model], ot.Model]] = [lambda m: m, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
    for twin in twins:
        model, p = ranges(subject.make)
        model.optimize()
        model = twin(model)
        model.set(ot.ForwardParameterValue(), p[0], 1.0)
        model.forward_differentiate()
        assert is_own(model)
        found.append(model.get(ot.ForwardVariablePrimal(), model.get(ot.ListOfVariableIndices())[:3]))
    np.testing.assert_allclose(found[1:], [found[0]] * 2, atol=1e-12)


@EVERY
@pytest.mark.filterwarnings("ignore::optangent.DifferentiationWarning")
def test_kinks_are_told(subject: Subject) -> None:
    """A weakly active bound, two rows with one normal, one variable with two owners of equal bounds: never EXACT."""

    def weak(x: Any, model: ot.Model) -> None:
        model.add_constraint(1.0 * x[0] >= 0.0)
        model.minimize(x @ x - x[1])

    def dependent(x: Any, model: ot.Model) -> None:
        model.add_constraint(x[0] + x[1] >= 1.0)
        model.add_constraint(2.0 * x[0] + 2.0 * x[1] >= 2.0)
        model.minimize(x @ x)

    def owners(x: Any, model: ot.Model) -> None:
        model.add_constraint(x[0], ot.GreaterThan(1.0))
        model.add_constraint(x[0], ot.LessThan(1.0))
        model.minimize(x @ x)

    for written in (weak, dependent, owners):
        model = ot.Model(ot.diff_optimizer(subject.make))
        x = model.add_variables(2)
        written(x, model)
        model.optimize()
        model.set(ot.ReverseVariablePrimal(), x, [1.0, 2.0])
        model.reverse_differentiate()
        assert is_asked(model, subject)
        assert model.get(ot.DifferentiationStatus()) not in (CODES.EXACT, CODES.NOT_DIFFERENTIATED), written.__name__
        assert np.isfinite(model.get(ot.ReverseObjectiveFunction()).coefficients(x)).all()


@EVERY
def test_gradcheck(subject: Subject) -> None:
    """The check that users run finds nothing."""
    model, _ = ranges(subject.make)
    model.optimize()
    assert ot.gradcheck(model, tolerance=1e-5)


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_not_exact(wrong: str) -> None:
    """Answers that are wrong by a ten-thousandth, modes that are no transposes, a point that is none: INACCURATE."""
    p = program(0, "min")
    model, v, indices = p.build(WRONG[wrong])
    model.optimize()
    set_tangents(model, v, indices, p, direction(p, "everything", 100))
    with pytest.warns(ot.DifferentiationWarning):
        model.forward_differentiate()
    assert model.get(ot.DifferentiationStatus()) is CODES.INACCURATE
    assert not model.diff_report().is_fine
    model.set(ot.DifferentiationPolicy(), "exact")
    with pytest.raises(ot.DifferentiationError, match="There is no derivative here"):
        model.forward_differentiate()
    made, q = ranges(WRONG[wrong])
    layer = LayerProgram(made, [q], [made.get(ot.ListOfVariableIndices())[0]])
    item = layer.solve(np.array([1.0, 2.0, 0.5]))
    item.vjp(np.ones(1))
    assert item.state.differentiation_status is CODES.INACCURATE


@pytest.mark.parametrize("subject", TRUNCATED, ids=str)
def test_truncated_iterations(subject: Subject) -> None:
    """The status says so, without a warning; the error is within ten times its estimate, and modes are transposes."""
    p = program(0, "min")
    d = direction(p, "everything", 100)
    model, v, indices = p.build(subject.make)
    model.optimize()
    found = forward(model, along(v, indices, p, d))
    assert is_own(model)
    assert model.get(ot.DifferentiationStatus()) is CODES.TRUNCATED
    error = model.diff_report().error
    assert 0.0 < error <= 1e-2
    dx, dy, df = linear_tangents(p, d)
    expected = np.concatenate([dx, *dy, [df]])
    assert np.abs(found - expected).max() <= 10.0 * error * np.abs(expected).max()
    assert "estimated" in str(model.diff_report())
    reverse(model, 3)
    assert np.isfinite(pairing(model, along(v, indices, p, d)))
    model.set(ot.ModelConstructor(), ot.QuadraticDiff)
    np.testing.assert_allclose(forward(model, along(v, indices, p, d)), expected, atol=1e-8 * np.abs(expected).max())


def test_the_next_solver_is_asked_for_its_own() -> None:
    """Of a list, the one that found the solution differentiates it, or a diff model where that one does not."""

    class Fails(Differentiating):
        name = "Fails"

        def run(self, form: Any, start: Any = None) -> Any:
            return ot.solvers.Result(ot.TerminationStatusCode.NUMERICAL_ERROR, "no", seconds=0.0)

    for second, own in ((ot.solvers.Clarabel, False), (Differentiating, True)):
        model, p = ranges([Fails, second])
        with pytest.warns(ot.SolverFallbackWarning):
            model.optimize()
        model.set(ot.ForwardParameterValue(), p[0], 1.0)
        model.forward_differentiate()
        assert is_own(model) is own


def test_a_solver_is_asked_once_for_each_solution() -> None:
    """Whatever is set, pushed and pulled; a change of the model asks again."""
    model, p = ranges(Differentiating)
    for asked in (1, 2):
        model.set_parameter_value(p[0], 1.0 + 0.1 * asked)
        model.optimize()
        for k in range(3):
            model.set(ot.ForwardParameterValue(), p[k], 1.0)
            model.forward_differentiate()
        model.reverse_differentiate()
        assert model.meta_solver.optimizer.asked == asked
