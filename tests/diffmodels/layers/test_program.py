"""Programs as functions: as the model itself; derivatives are right, batches equal single items, everything pickles."""

from __future__ import annotations

import pickle
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import optangent as ot
from optangent.diffmodels.layers.dense.dense_route import DenseRoute
from optangent.diffmodels.layers.form_route import FormRoute
from optangent.diffmodels.layers.program import Program

from .by_model import ByModel

Built = tuple[ot.Model, list[Any], list[Any], np.ndarray]


def clarabel() -> Any:
    """An accurate solver."""
    return ot.solvers.Clarabel(tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12)


def quadratic(seed: int = 0) -> Built:
    """Parameters in every part of a QP, products of parameters among them; bounds, rows of both signs, equalities."""
    rng = np.random.default_rng(seed)
    model = ot.Model(ot.diff_optimizer(clarabel))
    v = model.add_variables(4)
    G, h, q = (model.add_parameters(np.zeros(shape)) for shape in ((3, 4), 3, 4))
    root, scale = model.add_parameters(np.zeros(4)), model.add_parameter(1.0)
    rows = model.add_constraint(G @ v - h, ot.Nonpositives(3))
    box = model.add_constraint(1.0 * v, ot.HyperRectangle(-np.ones(4), 2.0 * np.ones(4)))
    total = model.add_constraint(scale * v.sum() - scale * h[0] == 0.3)
    model.minimize(0.5 * (v @ v) + 0.5 * ((root @ v) * (root @ v)) + q @ v + scale * scale * h[1])
    theta = np.concatenate([rng.standard_normal(12), rng.uniform(0.2, 1.0, 3), rng.standard_normal(8), [1.5]])
    return (
        model,
        [G, h, q, root, scale],
        [v, rows, box, total, (ot.ConstraintPrimal(), rows), ot.ObjectiveValue()],
        theta,
    )


def maximized(seed: int = 1) -> Built:
    """A linear program to be maximized, with a sparse matrix of parameters."""
    rng = np.random.default_rng(seed)
    model = ot.Model(ot.diff_optimizer(clarabel))
    v = model.add_variables(3)
    pattern = sp.csr_array(np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 1.0, 0.0]]))
    A, b = model.add_parameters(pattern), model.add_parameters(np.ones(3))
    rows = model.add_constraint(A @ v <= b)
    positive = model.add_constraint(v >= np.zeros(3))
    model.maximize(v[0] + 0.9 * v[1] + 1.1 * v[2])
    return model, [A, b], [v, rows, positive, ot.ObjectiveValue()], rng.uniform(0.8, 1.2, 9)


def conic(seed: int = 2) -> Built:
    """Second-order, exponential and semidefinite cones with parametric entries, through bridges."""
    rng = np.random.default_rng(seed)
    model = ot.Model(ot.diff_optimizer(lambda: ot.solvers.SCS(eps_abs=1e-11, eps_rel=1e-11)))
    v = model.add_variables(3)
    a, t = model.add_parameters(np.zeros(3)), model.add_parameter(1.0)
    ball = model.add_constraint(ot.vectorize([1.0 * t, a[0] * v[0], v[1] - a[1], v[2]]), ot.SecondOrderCone(4))
    grow = model.add_constraint(ot.vectorize([1.0 * v[0], t + 0.0 * v[0], 3.0 + v[1]]), ot.ExponentialCone())
    matrix = model.add_constraint(
        ot.vectorize([1.0 + v[2], a[2] * v[1], 2.0 - v[0]]), ot.PositiveSemidefiniteConeTriangle(2)
    )
    model.minimize(0.1 * (v @ v) - v[0] - 0.5 * v[1] + a @ v)
    return (
        model,
        [a, t],
        [v, ball, grow, matrix, ot.ObjectiveValue()],
        np.concatenate([rng.uniform(0.5, 1.0, 3), [1.2]]),
    )


BUILDERS = pytest.mark.parametrize("build", [quadratic, maximized, conic])


def solved(build: Callable[[], Built]) -> tuple[Program, Any, np.ndarray]:
    """Program, item, parameters."""
    model, parameters, outputs, theta = build()
    program = Program(model, parameters, outputs)
    item = program.solve(theta)
    assert item.status is ot.TerminationStatusCode.OPTIMAL, item.reason
    assert isinstance(program.route, FormRoute | DenseRoute)
    return program, item, theta


@BUILDERS
def test_derivatives_equal_central_differences(build: Callable[[], Built]) -> None:
    """Tangents of all outputs along random moves of all parameters, to 1e-6."""
    program, item, theta = solved(build)
    rng = np.random.default_rng(5)
    for move in rng.standard_normal((3, len(theta))):
        up, down = (program.solve(theta + t * move).outputs for t in (1e-4, -1e-4))
        np.testing.assert_allclose(item.jvp(move), (up - down) / 2e-4, rtol=1e-6, atol=2e-6)


@BUILDERS
def test_adjoint_identity(build: Callable[[], Built]) -> None:
    """<J u, v> = <u, Jᵀ v> to 1e-9, for several directions at once."""
    program, item, theta = solved(build)
    rng = np.random.default_rng(6)
    u, w = rng.standard_normal((4, len(theta))), rng.standard_normal((4, program.output_size))
    np.testing.assert_allclose((item.jvp(u) * w).sum(axis=1), (item.vjp(w) * u).sum(axis=1), rtol=1e-9, atol=1e-9)
    assert item.differentiation_status is ot.DifferentiationStatusCode.EXACT


@BUILDERS
def test_the_model_itself_agrees(build: Callable[[], Built]) -> None:
    """The model, changed, solved and differentiated by hand, has the same outputs (1e-7) and gradients (1e-8)."""
    model, parameters, outputs, theta = build()
    plain = [output for output in outputs if not isinstance(output, tuple)]
    program = Program(model, parameters, plain)
    item = program.solve(theta)
    by_hand = ByModel(model, parameters, plain, theta)
    assert by_hand.status is item.status
    np.testing.assert_allclose(by_hand.outputs, item.outputs, atol=1e-7)
    rng = np.random.default_rng(7)
    w, u = rng.standard_normal((2, program.output_size)), rng.standard_normal((2, len(theta)))
    np.testing.assert_allclose(by_hand.vjp(w), item.vjp(w), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(by_hand.jvp(u), item.jvp(u), rtol=1e-8, atol=1e-8)


@BUILDERS
def test_batches_equal_single_items(build: Callable[[], Built]) -> None:
    """Outputs of a batch are those of single calls to 1e-13, derivatives to 1e-10; sizes 0 and 1 work."""
    program, _, theta = solved(build)
    rng = np.random.default_rng(8)
    thetas = theta + 0.02 * rng.standard_normal((5, len(theta)))
    items = program.solve_batch(thetas)
    for one, item in zip(thetas, items, strict=True):
        np.testing.assert_allclose(program.solve(one).outputs, item.outputs, rtol=1e-13, atol=1e-13)
    w, u = rng.standard_normal((5, program.output_size)), rng.standard_normal((5, len(theta)))
    pulled, pushed = program.vjp_batch(items, w), program.jvp_batch(items, u)
    for k, one in enumerate(program.solve_batch(thetas)):
        np.testing.assert_allclose(pulled[k], one.vjp(w[k]), rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(pushed[k], one.jvp(u[k]), rtol=1e-10, atol=1e-10)
    assert program.solve_batch(thetas[:0]) == []
    assert program.vjp_batch([], w[:0]).shape == (0, len(theta))
    assert program.jvp_batch(items[:1], u[:1]).shape == (1, program.output_size)


@BUILDERS
def test_items_pickle(build: Callable[[], Built]) -> None:
    """A copy through pickle differentiates to the same numbers, without the factorization having travelled."""
    program, item, theta = solved(build)
    w = np.random.default_rng(9).standard_normal(program.output_size)
    before = item.vjp(w)
    copied = pickle.loads(pickle.dumps(item))
    assert getattr(copied.state, "point", None) is None
    np.testing.assert_allclose(copied.vjp(w), before, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(copied.program.solve(theta).outputs, item.outputs)


def test_items_that_are_not_solved() -> None:
    """Infeasible, not finite, not convex: a status and a reason, NaN outputs, and no derivatives; the next is fine."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x = model.add_variable()
    low, high, bend = model.add_parameter(0.0), model.add_parameter(1.0), model.add_parameter(1.0)
    model.add_constraint(x - low >= 0)
    model.add_constraint(x - high <= 0)
    model.minimize(bend * x * x)
    program = Program(model, [low, high, bend], [x])
    codes = ot.TerminationStatusCode
    for theta, status, words in (
        ([5.0, 1.0, 1.0], codes.INFEASIBLE, "no point satisfies"),
        ([0.0, np.nan, 1.0], codes.INVALID_MODEL, "parameter 1 is nan"),
        ([0.0, 1.0, -1.0], codes.OTHER_ERROR, "eigenvalue of the wrong sign"),
    ):
        item = program.solve(np.array(theta))
        assert item.status is status and words in item.reason, item.reason
        assert np.isnan(item.outputs).all()
        with pytest.raises(ot.InvalidData, match="without a solution"):
            item.vjp(np.ones(1))
    assert program.solve(np.array([0.5, 1.0, 2.0])).outputs[0] == pytest.approx(0.5, abs=1e-7)


CHOSEN = pytest.mark.parametrize("chosen", [None, ot.QuadraticDiff], ids=["dense", "general"])


@CHOSEN
def test_a_kink_is_told(chosen: Any) -> None:
    """At x = max(p, 0) with p = 0 the status is WEAKLY_ACTIVE, and the gradient finite, alone and in a batch."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    model.set(ot.ModelConstructor(), chosen)
    x, p = model.add_variable(), model.add_parameter(0.0)
    model.add_constraint(1.0 * x >= 0)
    model.minimize(x * x - 2.0 * p * x)
    program = Program(model, [p], [x])
    assert isinstance(program.route, DenseRoute if chosen is None else FormRoute)
    codes = ot.DifferentiationStatusCode
    for differentiate in (
        lambda items: program.vjp_batch(items, np.ones((3, 1))),
        lambda items: np.stack([item.jvp(np.ones(1)) for item in items]),
    ):
        items = program.solve_batch(np.array([[0.0], [1.0], [-1.0]]))
        assert {item.differentiation_status for item in items} == {codes.NOT_DIFFERENTIATED}
        found = differentiate(items)
        assert np.isfinite(found).all()
        np.testing.assert_allclose(found[1:], [[1.0], [0.0]], atol=1e-9)
        assert [item.differentiation_status for item in items] == [codes.WEAKLY_ACTIVE, codes.EXACT, codes.EXACT]


@CHOSEN
def test_dependent_rows_that_do_not_matter(chosen: Any) -> None:
    """Of x alone, moved by the objective, the derivative is exact; not of a dual, nor where a parameter moves a row."""
    codes = ot.DifferentiationStatusCode
    for in_row, with_dual in ((False, False), (True, False), (False, True)):
        model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
        model.set(ot.ModelConstructor(), chosen)
        x, p = model.add_variables(2), model.add_parameter(1.0)
        rows = [model.add_constraint(x[0] + x[1] - (p if in_row else 1.0) == 0), model.add_constraint(2 * x.sum() == 2)]
        model.minimize((x[0] - p) * (x[0] - p) + x[1] * x[1])
        program = Program(model, [p], [x, *rows] if with_dual else [x])
        (item,) = program.solve_batch(np.ones((1, 1)))
        tangent = item.jvp(np.ones(1))
        expected = codes.DEPENDENT_ROWS if in_row or with_dual else codes.EXACT
        assert item.differentiation_status is expected
        if not in_row:
            np.testing.assert_allclose(tangent[:2], [0.5, -0.5], atol=1e-9)


def test_other_solvers() -> None:
    """All of ours are asked, those with derivatives of their own by the form, and a list of solvers falls back."""
    for solver in ot.solvers.wrappers():
        model = ot.Model(ot.diff_optimizer(solver))
        x, p = model.add_variable(), model.add_parameter(2.0)
        model.add_constraint(p * x >= 3.0)
        model.minimize(1.0 * x)
        program = Program(model, [p], [x])
        assert program.general.is_own or isinstance(program.route, DenseRoute)
        item = program.solve(np.array([4.0]))
        assert item.outputs[0] == pytest.approx(0.75, abs=1e-6)
        assert item.vjp(np.ones(1))[0] == pytest.approx(-3.0 / 16.0, abs=1e-8)
    model = ot.Model(ot.diff_optimizer([lambda: ot.solvers.Clarabel(max_iter=1), ot.solvers.SCS]))
    x, p = model.add_variable(), model.add_parameter(2.0)
    model.add_constraint(x - p >= 0.0)
    model.minimize(1.0 * x)
    assert Program(model, [p], [x]).solve(np.array([4.0])).outputs[0] == pytest.approx(4.0, abs=1e-6)


def test_refusals() -> None:
    """What is no parameter, no output, or named twice, is refused before anything is made of it."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x, p = model.add_variable(), model.add_parameter(2.0)
    model.add_constraint(x - p >= 0.0)
    model.minimize(1.0 * x)
    with pytest.raises(ot.InvalidIndex, match="is not a parameter"):
        Program(model, [x], [x])
    with pytest.raises(ot.InvalidIndex, match="named twice"):
        Program(model, [p, p], [x])
    with pytest.raises(ot.InvalidIndex, match="An output of a layer"):
        Program(model, [p], ["x"])
    with pytest.raises(ot.DimensionMismatch, match="1 values"):
        Program(model, [p], [x]).solve(np.ones(2))


def test_a_large_sparse_program_compiles_in_proportion() -> None:
    """5,000 variables and every nonzero of A a parameter: far less than a gigabyte."""
    n, m = 5000, 2500
    rng = np.random.default_rng(10)
    pattern = sp.random_array((m, n), density=10 / n, rng=rng, format="csr")
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    v = model.add_variables(n)
    A = model.add_parameters(pattern)
    model.add_constraint(A @ v <= np.ones(m))
    model.minimize(0.5 * (v @ v) - v.sum())
    tracemalloc.start()
    program = Program(model, [A], [v])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(program.route, FormRoute | DenseRoute)
    assert peak < 1e9
    item = program.solve(pattern.data)
    w = rng.standard_normal(n)
    gradient, move = item.vjp(w), rng.standard_normal(pattern.nnz)
    assert w @ item.jvp(move) == pytest.approx(gradient @ move, rel=1e-9)
