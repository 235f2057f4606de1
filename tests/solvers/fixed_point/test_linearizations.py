"""What is written of an operator: its step, the derivative of that, and the transpose."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from optangent.solvers.fixed_point.alt_diff import AltDiff
from optangent.solvers.fixed_point.arrays import Place
from optangent.solvers.fixed_point.iterating import Iteration, affine_fixed_point, alternate
from optangent.solvers.fixed_point.operator import Operator, Triple
from optangent.solvers.fixed_point.pdg import PDG
from optangent.solvers.fixed_point.pdhg import PDHG
from optangent.solvers.fixed_point.program import Program, Sides
from optangent.solvers.fixed_point.settings import defaults

from .regular_programs import regular_form

SOLVERS = pytest.mark.parametrize("solver", [AltDiff, PDG, PDHG], ids=lambda one: one.name)


def operator_of(solver: Any, form: Any, **options: Any) -> tuple[Operator, Any]:
    """An operator and a state of it after some steps."""
    program = Program(form)
    operator = solver.operator_type(program, Place(), defaults(solver.settings) | options)
    zero = Triple(*(np.zeros((size, 1)) for size in (program.n, program.m, program.n)))
    state = operator.start(zero)
    for _ in range(400):
        state = operator.step(state)
    return operator, state


def triples(operator: Operator, count: int) -> tuple[Triple, Triple]:
    """Random right-hand sides and seeds; columns without bounds have none of the third kind."""
    rng, program = np.random.default_rng(3), operator.program
    has_bounds = np.isfinite(program.sides.lower) | np.isfinite(program.sides.upper)

    def drawn() -> Triple:
        x, y, z = (rng.standard_normal((size, count)) for size in (program.n, program.m, program.n))
        return Triple(x, y, z * has_bounds)

    return drawn(), drawn()


@SOLVERS
@pytest.mark.parametrize("linear", [False, True], ids=["quadratic", "linear"])
def test_the_linearization_is_the_derivative_of_the_step(solver: Any, linear: bool) -> None:
    """In states, by central differences; in costs and sides, by solving with moved ones."""
    form = regular_form(1, linear=linear)
    operator, state = operator_of(solver, form)
    linearized, step = operator.linearized(state), 1e-6
    rng = np.random.default_rng(2)
    d = rng.standard_normal(state.shape)
    zero = Triple(*(np.zeros((size, 1)) for size in (operator.n, operator.program.m, operator.n)))
    wanted = (operator.step(state + step * d) - operator.step(state - step * d)) / (2.0 * step)
    np.testing.assert_allclose(linearized.push(d, zero), wanted, atol=1e-7 * np.abs(wanted).max())
    right, _ = triples(operator, 1)
    moved = []
    for sign in (step, -step):
        s = operator.program.sides
        # a move of the constants of rows by r₂ is one of their sides by -r₂
        operator.load_sides(
            Sides(
                s.q - sign * right.x,
                s.row_lower - sign * right.y,
                s.row_upper - sign * right.y,
                s.lower - sign * right.z,
                s.upper - sign * right.z,
            )
        )
        moved.append(operator.step(state))
    operator.load_sides(operator.program.sides)
    wanted = (moved[0] - moved[1]) / (2.0 * step)
    np.testing.assert_allclose(linearized.push(0.0 * d, right), wanted, atol=1e-7 * np.abs(wanted).max())


@SOLVERS
def test_pull_is_the_transpose_of_push(solver: Any) -> None:
    """Of the step and of what is read from a state, to rounding."""
    operator, state = operator_of(solver, regular_form(2))
    linearized, rng = operator.linearized(state), np.random.default_rng(4)
    right, seeds = triples(operator, 3)
    dz, w = rng.standard_normal((len(state), 3)), rng.standard_normal((len(state), 3))
    forward = (linearized.push(dz, right) * w).sum()
    forward += sum((one * other).sum() for one, other in zip(linearized.read(dz, right), seeds, strict=True))
    back = (dz * (linearized.pull(w) + linearized.seed(seeds))).sum()
    back += sum((one * other).sum() for one, other in zip(linearized.gradients(w, seeds), right, strict=True))
    assert forward == pytest.approx(back, rel=1e-12)


@SOLVERS
def test_programs_side_by_side(solver: Any) -> None:
    """Columns of a state are iterated as each would be alone, and some of them can go on without the others."""
    form = regular_form(3)
    operator, _ = operator_of(solver, form, rho=0.2) if solver is not PDHG else operator_of(solver, form)
    s, rng = operator.program.sides, np.random.default_rng(5)
    q = s.q + 0.1 * rng.standard_normal((operator.n, 3))
    wide = Sides(q, *(np.repeat(getattr(s, name), 3, axis=1) for name in Sides.__slots__[1:]))
    zero = Triple(*(np.zeros((size, 3)) for size in (operator.n, operator.program.m, operator.n)))

    def iterated(sides: Sides, columns: int) -> Any:
        operator, _ = operator_of(solver, form, rho=0.2) if solver is not PDHG else operator_of(solver, form)
        operator.load_sides(sides)
        if solver is not AltDiff:
            name = "weight" if solver is PDHG else "rho"
            setattr(operator, name, np.repeat(getattr(operator, name), columns, axis=1))
        start = operator.start(Triple(*(part[:, :columns] for part in zero)))
        return Iteration(operator, start)

    together = iterated(wide, 3)
    for _ in range(6):
        moved = together.advance(20)
        together.reconsider(moved, (np.ones(3), np.ones(3)))
    together.keep(np.array([0, 2]))
    together.advance(20)
    for column, at in ((0, 0), (2, 1)):
        alone = iterated(wide.only(np.array([column])), 1)
        for _ in range(6):
            moved = alone.advance(20)
            alone.reconsider(moved, (np.ones(1), np.ones(1)))
        alone.advance(20)
        np.testing.assert_allclose(together.state[:, at], alone.state[:, 0], atol=1e-9)


def _same(right: Triple, _: Triple) -> Triple:
    """Right-hand sides that are the same at every point."""
    return right


def test_derivatives_beside_the_solve_err_as_iterates_do() -> None:
    """The error of the derivative over that of x stays bounded (Sun et al. 2023, theorem 4.3)."""
    for seed in range(5):
        form = regular_form(seed)
        operator, _ = operator_of(AltDiff, form, rho=3.0, relaxation=1.0)
        program = operator.program
        zero = Triple(*(np.zeros((size, 1)) for size in (program.n, program.m, program.n)))
        right = Triple(np.eye(program.n), np.zeros((program.m, program.n)), np.zeros((program.n, program.n)))
        run = alternate(operator, operator.start(zero), partial(_same, right))
        found = [(point.x[:, 0], move.x) for _, (_, point, move) in zip(range(400), run, strict=False)]
        one = AltDiff()
        derivative = one.differentiate(form, one.solve(form))
        x, dx = program.point_down(derivative.x[:, None], derivative.y[:, None])[0][:, 0], None
        moved, _ = derivative.push(np.diag(1.0 / program.gradient), np.zeros((form.slots.size, form.n)))
        dx = moved / program.column[:, None]
        far = np.array([[np.linalg.norm(at - x), np.linalg.norm(move - dx)] for at, move in found])
        assert far[-1, 0] < 1e-5 * far[0, 0]
        assert (far[:, 1] / far[:, 0]).max() < 1e3


def test_affine_fixed_points_tell_their_error() -> None:
    """The estimate is at least a third of the error, at every tolerance; a map without fixed point is told so."""
    rng = np.random.default_rng(7)
    J = rng.standard_normal((30, 30))
    J *= 0.97 / np.abs(np.linalg.eigvals(J)).max()
    b = rng.standard_normal((30, 2))
    exact = np.linalg.solve(np.eye(30) - J, b)
    for tolerance in (1e-1, 1e-3, 1e-6, 1e-10):
        for memory in (0, 12):
            answer = affine_fixed_point(lambda z: J @ z + b, np.zeros((30, 2)), np, tolerance, 100_000, memory)
            error = (np.linalg.norm(answer.fixed - exact, axis=0) / np.linalg.norm(exact, axis=0)).max()
            assert answer.error <= tolerance
            assert error <= 3.0 * tolerance
    J = np.diag([1.0, 0.5])
    answer = affine_fixed_point(lambda z: J @ z + 1.0, np.zeros((2, 1)), np, 1e-6, 500)
    assert answer.error > 1e-3
