"""A solver's proofs are checked: residuals of cones and certificates by hand, and fakes that prove nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot

from .test_residuals import box, solved

# ---------------------------------------------------------------------- cones, and certificates
Codes, Point = ot.TerminationStatusCode, ot.ResultStatusCode
INFEASIBLE, UNBOUNDED = Codes.INFEASIBLE, Codes.DUAL_INFEASIBLE


def claims(fake: Any, status: Codes, x: Any = None, y: Any = None) -> Any:
    """A fake that answers with this point, and with these duals, given for each type of set."""
    return fake(x=x, status=status, duals=y)


def soc(model: ot.Model) -> None:
    """Minimize t over (t, 3, 4) in the cone."""
    t = model.add_variables(1)
    model.add_constraint(np.array([[1.0], [0.0], [0.0]]) @ t + np.array([0.0, 3.0, 4.0]), ot.SecondOrderCone(3))
    model.minimize(t.sum())


def psd(model: ot.Model) -> None:
    """Minimize the trace of [[a, b], [b, c]] with b = 1."""
    v = model.add_variables(3)
    model.add_constraint(v, ot.PositiveSemidefiniteConeTriangle(2))
    model.add_constraint(v[1] == 1)
    model.minimize(v[0] + v[2])


def exp(model: ot.Model) -> None:
    """Minimize z over (1, 1, z) in the cone."""
    z = model.add_variables(1)
    model.add_constraint(np.array([[0.0], [0.0], [1.0]]) @ z + np.array([1.0, 1.0, 0.0]), ot.ExponentialCone())
    model.minimize(z.sum())


def curved(model: ot.Model) -> None:
    """Minimize -x over x^2 <= 4."""
    x = model.add_variable()
    model.add_constraint(x * x, ot.LessThan(4.0))
    model.minimize(-1.0 * x)


SOLUTIONS: dict[str, tuple[Any, list[float], dict[Any, list[float]]]] = {
    "soc": (soc, [5.0], {ot.SecondOrderCone: [1.0, -0.6, -0.8]}),
    "psd": (psd, [1.0, 1.0, 1.0], {ot.PositiveSemidefiniteConeTriangle: [1.0, -1.0, 1.0], ot.EqualTo: [2.0]}),
    "exp": (exp, [np.e], {ot.ExponentialCone: [-np.e, 0.0, 1.0]}),
    "curved": (curved, [2.0], {ot.LessThan: [-0.25]}),
}


@pytest.mark.parametrize("name", SOLUTIONS)
def test_solutions_in_cones(fake: Any, name: str) -> None:
    """The solution passes, and none that is off by a thousandth in one number of the point or of the duals."""
    build, x, y = SOLUTIONS[name]
    model = solved(claims(fake, Codes.OPTIMAL, x, y), build)
    assert model.termination_status() is Codes.OPTIMAL and model.meta_solver.residuals().worst < 1e-12
    for step in (-1e-3, 1e-3):
        for i in range(len(x)):
            wrong = [value + step * (i == j) for j, value in enumerate(x)]
            assert solved(claims(fake, Codes.OPTIMAL, wrong, y), build).termination_status() is Codes.ALMOST_OPTIMAL
        for kind, values in y.items():
            for i in range(len(values)):
                off = {**y, kind: [value + step * (i == j) for j, value in enumerate(values)]}
                model = solved(claims(fake, Codes.OPTIMAL, x, off), build)
                assert model.termination_status() is Codes.ALMOST_OPTIMAL, (kind, i)


def test_off_diagonals_count_twice(fake: Any) -> None:
    """A dual that solves the equations without the weights is none."""
    build, x, y = SOLUTIONS["psd"]
    model = solved(claims(fake, Codes.OPTIMAL, x, {**y, ot.EqualTo: [1.0]}), build)
    assert model.meta_solver.residuals().dual == pytest.approx(0.5, rel=1e-12)  # |0 - (2 * -1 + 1)|, |q| = |F'Wy| = 1


def test_many_cones_of_several_shapes(fake: Any) -> None:
    """Each cone of a kind is compared with its own set."""
    model = ot.Model()
    v = model.add_variables(9)
    for first, stop in ((0, 3), (3, 5), (5, 8)):
        model.add_constraint(v[first:stop], ot.SecondOrderCone(stop - first))
    for wrong in (None, 2, 4, 7):
        x = np.array([5.0, 3.0, 4.0, 1.0, -1.0, 5.0, 4.0, 3.0, 9.0])
        if wrong is not None:
            x[wrong] += np.copysign(0.01, x[wrong])
        model.meta_solver.reset_optimizer(fake(x=x, duals=None))
        model.optimize()
        assert model.termination_status() is (Codes.OPTIMAL if wrong is None else Codes.ALMOST_OPTIMAL)


def no_soc(model: ot.Model) -> None:
    """The cone holds (t, t + 1) for no t."""
    t = model.add_variables(1)
    model.add_constraint(np.ones((2, 1)) @ t + np.array([0.0, 1.0]), ot.SecondOrderCone(2))


def no_psd(model: ot.Model) -> None:
    """[[v, v + 1], [v + 1, v]] has the eigenvalue -1."""
    v = model.add_variables(1)
    model.add_constraint(np.ones((3, 1)) @ v + np.array([0.0, 1.0, 0.0]), ot.PositiveSemidefiniteConeTriangle(2))


def no_exp(model: ot.Model) -> None:
    """The exponential of 1 is not below 2."""
    exp(model)
    z = model.get(ot.ListOfVariableIndices())[0]
    model.add_constraint(z, ot.LessThan(2.0))


def no_box(model: ot.Model) -> None:
    """Sum at least 3 of two variables, each at most 1."""
    v = model.add_variables(2)
    model.add_constraint(v, ot.HyperRectangle([-np.inf, -np.inf], [1.0, 1.0]))
    model.add_constraint(v.sum() >= 3)


INFEASIBILITIES: dict[str, tuple[Any, dict[Any, list[float]]]] = {
    "soc": (no_soc, {ot.SecondOrderCone: [1.0, -1.0]}),
    "psd": (no_psd, {ot.PositiveSemidefiniteConeTriangle: [1.0, -1.0, 1.0]}),
    "exp": (no_exp, {ot.ExponentialCone: [-np.e, 0.0, 1.0], ot.LessThan: [-1.0]}),
    "box": (no_box, {ot.HyperRectangle: [-1.0, -1.0], ot.GreaterThan: [1.0]}),
}


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("name", INFEASIBILITIES)
def test_certificates_of_infeasibility(fake: Any, name: str, size: float) -> None:
    """A true one passes whatever its size; zero, the negative one and each that is too low by a hundredth do not."""
    build, y = INFEASIBILITIES[name]

    def status(scaled: dict[Any, Any]) -> Any:
        given = {kind: size * np.array(values) for kind, values in scaled.items()}
        return solved(claims(fake, INFEASIBLE, None, given), build).termination_status()

    assert status(y) is INFEASIBLE
    for factor in (0.0, -1.0, np.nan):
        assert status({kind: factor * np.array(values) for kind, values in y.items()}) is Codes.OTHER_ERROR
    for kind, values in y.items():
        for i in range(len(values)):
            wrong = {**y, kind: [value - 0.01 * (i == j) for j, value in enumerate(values)]}
            assert status(wrong) is Codes.OTHER_ERROR, (kind, i)


def test_a_feasible_model_has_no_certificate(fake: Any) -> None:
    """However small what is wrong with it, it is not smaller than what it claims to prove."""
    for wrong in (1e-3, 1e-6, 1e-9):
        y = {ot.GreaterThan: [1.0], ot.LessThan: [-1.0 + wrong]}

        def build(model: ot.Model) -> None:
            x = model.add_variable()
            model.add_constraint(1.0 * x, ot.GreaterThan(1.0))
            model.add_constraint(1.0 * x, ot.LessThan(1.0))

        assert solved(claims(fake, INFEASIBLE, None, y), build).termination_status() is Codes.OTHER_ERROR


def free(cone: Any, coefficients: list[float]) -> Any:
    """Minimize a linear function of the points of a cone."""

    def build(model: ot.Model) -> None:
        v = model.add_variables(len(coefficients))
        model.add_constraint(v, cone)
        model.minimize(np.array(coefficients) @ v)

    return build


def half_free(model: ot.Model) -> None:
    """Minimize -x over x >= 2, -1 <= y <= 1 and z^2 <= 1, with w^2 in the objective."""
    v = model.add_variables(4)
    model.add_constraint(v[0], ot.GreaterThan(2.0))
    model.add_constraint(v[1], ot.Interval(-1.0, 1.0))
    model.add_constraint(v[2] * v[2], ot.LessThan(1.0))
    model.minimize(v[3] * v[3] - v[0])


RAYS: dict[str, tuple[Any, list[float], list[list[float]]]] = {
    "soc": (free(ot.SecondOrderCone(2), [-1.0, 0.0]), [1.0, 0.5], [[1.0, 1.1], [-1.0, 0.0], [np.nan, 0.0]]),
    "psd": (
        free(ot.PositiveSemidefiniteConeTriangle(2), [-1.0, 0.0, -1.0]),
        [1.0, 0.9, 1.0],
        [[1.0, 1.1, 1.0], [0.0, 0.0, 0.0]],
    ),
    "exp": (free(ot.ExponentialCone(), [0.0, 0.0, -1.0]), [-1.0, 1.0, 1.0], [[1.0, 1.0, 1.0], [-1.0, 1.0, 0.3]]),
    "box": (
        half_free,
        [1.0, 0.0, 0.0, 0.0],
        [[-1.0, 0.0, 0.0, 0.0], *([1.0, *(0.01 * (i == j) for j in range(3))] for i in range(3))],
    ),
}


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("name", RAYS)
def test_improving_rays(fake: Any, name: str, size: float) -> None:
    """A true one passes whatever its size; those that leave the set or do not improve are refused."""
    build, good, bad = RAYS[name]
    for ray, status in [(good, UNBOUNDED), *((b, Codes.OTHER_ERROR) for b in bad)]:
        model = solved(claims(fake, UNBOUNDED, size * np.array(ray), None), build)
        assert model.termination_status() is status, ray


@pytest.mark.parametrize("status", [INFEASIBLE, UNBOUNDED])
def test_without_a_certificate_the_word_stands(fake: Any, status: Codes) -> None:
    """There is nothing to check; and of curved or whole-numbered models a certificate is not judged."""
    assert solved(claims(fake, status), box).termination_status() is status
    for chosen in (ot.Integer(), ot.ZeroOne()):

        def build(model: ot.Model, chosen: Any = chosen) -> None:
            box(model)
            model.add_constraint(model.get(ot.ListOfVariableIndices())[1], chosen)

        y = {ot.GreaterThan: [1.0, 1.0]}
        assert solved(claims(fake, INFEASIBLE, None, y), build).termination_status() is INFEASIBLE


def proof_cases() -> list[Any]:
    """(solver, model, the status that is true)."""
    conic = [(s, n) for s in ("Clarabel", "SCS") for n in ("soc", "psd", "exp", "box")]
    every = [*conic, ("HiGHS", "box")]
    return [
        *((s, SOLUTIONS[n][0], Codes.OPTIMAL) for s, n in conic if n != "box"),
        *((s, curved, Codes.OPTIMAL) for s in ("Clarabel", "SCS")),
        *((s, INFEASIBILITIES[n][0], INFEASIBLE) for s, n in every),
        *((s, RAYS[n][0], UNBOUNDED) for s, n in conic),
        ("HiGHS", free(ot.HyperRectangle([0.0, 0.0], [np.inf, 1.0]), [-1.0, 1.0]), UNBOUNDED),
    ]


@pytest.mark.parametrize(("solver", "build", "status"), proof_cases())
def test_true_words_of_solvers_pass(solver: str, build: Any, status: Codes) -> None:
    """Solutions and certificates of real solvers, through the bridges, pass our check."""
    model = ot.Model(getattr(ot.solvers, solver))
    build(model)
    model.optimize()
    assert model.termination_status() is status
    if solver != "HiGHS":
        assert model.meta_solver.residuals().worst < 1e-6


def constant_row(function: Any, chosen: Any) -> Any:
    """A row without variables that is false, beside a bounded variable."""

    def build(model: ot.Model) -> None:
        x = model.add_variable()
        model.add_constraint(x, ot.Interval(0.0, 2.0))
        model.add_constraint(function(x), chosen)
        model.minimize(x * x)

    return build


ONE = ot.ScalarAffineFunction((), (), 1.0)
CONSTANT_ROWS: dict[str, Any] = {
    "no terms": constant_row(lambda x: ONE, ot.LessThan(0.0)),
    "a zero": constant_row(lambda x: 0.0 * x + 1.0, ot.EqualTo(0.0)),
    "of a product": constant_row(lambda x: ot.vectorize([-1.0 * ONE, x + 1.0]), ot.Nonnegatives(2)),
    "a whole cone": constant_row(lambda x: ot.vectorize([ONE, 2.0 * ONE]), ot.SecondOrderCone(2)),
    "part of a cone": constant_row(lambda x: ot.vectorize([ONE, x + 2.0]), ot.SecondOrderCone(2)),
}


TAKERS = [
    *((solver, name) for solver in ("Clarabel", "SCS") for name in CONSTANT_ROWS),
    *((solver, name) for solver in ("OSQP", "HiGHS", "PIQP") for name in CONSTANT_ROWS if "cone" not in name),
]


@pytest.mark.parametrize(("solver", "name"), TAKERS)
def test_false_rows_without_variables(solver: str, name: str) -> None:
    """The model is infeasible, and whoever gives a certificate gives one that passes."""
    if solver == "PIQP":
        pytest.importorskip("piqp")
    model = solved(getattr(ot.solvers, solver)(), CONSTANT_ROWS[name])
    assert model.termination_status() is INFEASIBLE
    if model.get(ot.DualStatus()) is ot.ResultStatusCode.INFEASIBILITY_CERTIFICATE:
        assert model.meta_solver.residuals().dual < 1e-6
    else:
        assert solver in ("HiGHS", "PIQP")


@pytest.mark.parametrize("name", ["true row", "true cone", "wrong sign"])
def test_rows_without_variables_prove_nothing_if_they_hold(fake: Any, name: str) -> None:
    """Neither do they with the wrong sign, nor a true proof beside duals that do not cancel."""
    false = name == "wrong sign"

    def build(model: ot.Model) -> None:
        x = model.add_variable()
        model.add_constraint(x, ot.Interval(0.0, 2.0))
        if name == "true cone":
            model.add_constraint(ot.vectorize([2.0 * ONE, ONE]), ot.SecondOrderCone(2))
        else:
            model.add_constraint(ONE, ot.LessThan(0.0 if false else 2.0))

    given: dict[Any, list[float]] = {
        ot.Interval: [-1e-10],
        **({ot.SecondOrderCone: [1.0, -1.0]} if name == "true cone" else {ot.LessThan: [1.0 if false else -1.0]}),
    }
    assert solved(claims(fake, INFEASIBLE, None, given), build).termination_status() is Codes.OTHER_ERROR
    if false:
        for noise, status in ((1e-10, INFEASIBLE), (1e-3, Codes.OTHER_ERROR)):
            given = {ot.Interval: [-noise], ot.LessThan: [-1.0]}
            assert solved(claims(fake, INFEASIBLE, None, given), build).termination_status() is status


@pytest.mark.parametrize("status", [INFEASIBLE, UNBOUNDED])
def test_a_refuted_certificate_is_none(fake: Any, status: Codes) -> None:
    """Neither the primal nor the dual status calls a certificate what proves nothing."""
    x, y = ([1.0, -1.0], None) if status is UNBOUNDED else (None, {ot.GreaterThan: [1.0]})
    model = solved(claims(fake, status, x, y), box)
    assert model.termination_status() is Codes.OTHER_ERROR
    asked = ot.PrimalStatus() if status is UNBOUNDED else ot.DualStatus()
    assert model.get(asked) is Point.UNKNOWN_RESULT_STATUS
