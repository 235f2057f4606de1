"""Models as functions of JAX: values, derivatives in both modes, transformations, floating types, failures."""

import copy
import doctest
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.diffmodels.layers.batch import Call

from .small_models import projection

jax = pytest.importorskip("jax", reason='JAX is optional and not installed here: pip install "optangent[jax]"')
jnp = jax.numpy

OPTIMAL, INFEASIBLE = ot.TerminationStatusCode.OPTIMAL, ot.TerminationStatusCode.INFEASIBLE
Q, T = np.array([1.0, 1.4]), np.array(1.0)
QS = np.array([[1.0, 1.4], [0.3, 0.2], [2.0, 1.6]])  # the second one has room to spare
TS = np.array([1.0, 2.0, 0.7])


def make(**options: Any) -> Any:
    """(q, t) -> (x, dual, value) of: minimize |x|²/2 - q'x subject to x1 + x2 <= t, x >= 0; none for t < 0."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x = model.add_variables(2)
    q, t = model.add_parameters(np.zeros(2)), model.add_parameter(1.0)
    budget = model.add_constraint(t - x[0] - x[1] >= 0)
    model.add_constraint(x, ot.Nonnegatives(2))
    model.minimize(0.5 * (x @ x) - q @ x)
    return ot.layers.JaxLayer(model, [q, t], [x, budget, ot.ObjectiveValue()], **options)


@pytest.fixture(scope="module")
def layer() -> Any:
    """One for all tests that do not look at what it remembers."""
    return make()


@pytest.fixture(autouse=True)
def x64() -> Iterator[None]:
    """All tests compute in float64, but for those that switch it off."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


@pytest.fixture
def solved(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many items were solved, a number for each time that some were."""
    counts: list[int] = []
    solve = Call.solve

    def counting(call: Call, thetas: Any) -> Any:
        counts.append(len(thetas))
        return solve(call, thetas)

    monkeypatch.setattr(Call, "solve", counting)
    return counts


def loss_of(layer: Any) -> Callable[..., Any]:
    """(q, t) -> a number that depends on all outputs; a sum over the batch."""

    def loss(q: Any, t: Any) -> Any:
        x, dual, value = layer(q, t)
        return (x**2).sum() + 2.0 * dual.sum() + (value * dual).sum()

    return loss


def differences(function: Callable[..., Any], q: Any, t: Any, h: float = 0.05) -> Any:
    """The Jacobian in (q, t) side by side; exact up to rounding for what is quadratic."""
    columns = []
    for k in range(3):
        step = h * np.eye(3)[k]
        up, down = function(q + step[:2], t + step[2]), function(q - step[:2], t - step[2])
        columns.append((np.hstack([*map(np.ravel, up)]) - np.hstack([*map(np.ravel, down)])) / (2 * h))
    return np.stack(columns, axis=1)


def side_by_side(jacobian: Any) -> Any:
    """The same of what `jacfwd` and `jacrev` return for all outputs and both arguments."""
    return np.vstack([np.hstack([np.reshape(q, (-1, 2)), np.reshape(t, (-1, 1))]) for q, t in jacobian])


# ---------------------------------------------------------------------- values and derivatives
def test_outputs_are_those_of_the_model(layer: Any) -> None:
    """One item gives the projection, the multiplier and the value that one finds by hand, and its status."""
    x, dual, value = layer(Q, T)
    assert x.shape == (2,) and dual.shape == value.shape == ()
    np.testing.assert_allclose(x, [0.3, 0.7], atol=1e-7)
    np.testing.assert_allclose([dual, value], [0.7, -0.99], atol=1e-7)
    assert layer.status == [OPTIMAL] and layer.reasons == [""]


@pytest.mark.parametrize("q", [Q, QS[1]], ids=["tight", "loose"])
def test_jacobians_match_central_differences(layer: Any, q: Any) -> None:
    """Forward and reverse mode give the same Jacobian of all outputs in all parameters, and it is the right one."""
    forward = side_by_side(jax.jacfwd(layer, argnums=(0, 1))(q, T))
    reverse = side_by_side(jax.jacrev(layer, argnums=(0, 1))(q, T))
    np.testing.assert_allclose(forward, reverse, atol=1e-9)
    np.testing.assert_allclose(reverse, differences(layer, q, T), atol=1e-6)


def test_parameters_may_be_matrices() -> None:
    """With a matrix among the parameters both modes agree with each other and with a difference in one direction."""
    layer = ot.layers.JaxLayer(*projection())
    rng = np.random.default_rng(3)
    at = rng.standard_normal((3, 4)), np.full(3, -1.0), rng.standard_normal(4)
    v = tuple(rng.standard_normal(a.shape) for a in at)
    pushed = jax.jvp(layer, at, v)[1]
    for rows, push in zip(jax.jacrev(layer, argnums=(0, 1, 2))(*at), pushed, strict=True):
        pulled = sum(np.sum(row * a, axis=tuple(range(-a.ndim, 0))) for row, a in zip(rows, v, strict=True))
        np.testing.assert_allclose(pulled, push, atol=1e-9)
    up, down = (layer(*(a + h * b for a, b in zip(at, v, strict=True))) for h in (1e-4, -1e-4))
    for push, one, other in zip(pushed, up, down, strict=True):
        np.testing.assert_allclose(push, (one - other) / 2e-4, atol=1e-5)


def test_transformations_compose(layer: Any) -> None:
    """grad, value_and_grad, jit, vmap and checkpoint give the gradients of single items in any order."""
    loss = loss_of(layer)
    grad = jax.grad(loss, argnums=(0, 1))
    expected = [np.stack(part) for part in zip(*(grad(q, t) for q, t in zip(QS, TS, strict=True)), strict=True)]
    of_sum = jax.grad(lambda q, t: jax.vmap(loss)(q, t).sum(), argnums=(0, 1))
    for transformed in (
        jax.vmap(grad),
        jax.jit(jax.vmap(grad)),
        jax.vmap(jax.jit(grad)),
        of_sum,
        jax.jit(of_sum),
        lambda q, t: jax.jit(jax.vmap(jax.value_and_grad(loss, argnums=(0, 1))))(q, t)[1],
        jax.vmap(jax.grad(jax.checkpoint(loss), argnums=(0, 1))),
        jax.vmap(jax.jacfwd(loss, argnums=(0, 1))),
        jax.grad(loss, argnums=(0, 1)),  # the dimensions in front, without vmap
    ):
        for found, right in zip(transformed(QS, TS), expected, strict=True):
            np.testing.assert_allclose(found, right, atol=1e-10)


def test_adjoint_identity(layer: Any) -> None:
    """<w, J v> = <J'w, v>, by jvp, linearize and vjp."""
    rng = np.random.default_rng(0)
    v = rng.standard_normal((3, 2)), rng.standard_normal(3)
    outputs, pushed = jax.jvp(layer, (QS, TS), v)
    _, linear = jax.linearize(layer, QS, TS)
    w = tuple(rng.standard_normal(o.shape) for o in outputs)
    pulled = jax.vjp(layer, QS, TS)[1](w)
    left, right = (sum(np.vdot(a, b) for a, b in zip(*pair, strict=True)) for pair in ((w, pushed), (pulled, v)))
    assert abs(left - right) < 1e-9
    for one, other in zip(pushed, linear(*v), strict=True):
        np.testing.assert_array_equal(one, other)


def test_shared_parameters_get_the_sum_of_gradients(layer: Any) -> None:
    """A parameter without the batch's dimensions is shared, by broadcasting and by vmap alike."""
    loss = loss_of(layer)
    each = jax.vmap(jax.grad(loss, argnums=(0, 1)), in_axes=(None, 0))(Q, TS)
    together = jax.grad(loss, argnums=(0, 1))(Q, TS)
    np.testing.assert_allclose(together[0], each[0].sum(axis=0), atol=1e-10)
    np.testing.assert_allclose(together[1], each[1], atol=1e-10)
    grid = layer(QS[:, None], TS)
    np.testing.assert_allclose(grid[0], jax.vmap(jax.vmap(layer, (None, 0)), (0, None))(QS, TS)[0], atol=1e-12)
    assert grid[0].shape == (3, 3, 2) and grid[1].shape == (3, 3)
    assert [o.shape for o in layer(np.zeros((0, 2)), T)] == [(0, 2), (0,), (0,)]


def test_mapped_axis_may_be_any(layer: Any) -> None:
    """Mapping over a last axis, with results in a last axis, is mapping over the first one."""
    found = jax.vmap(layer, in_axes=(1, 0), out_axes=(1, 0, 0))(QS.T, TS)
    for one, other in zip(found, layer(QS, TS), strict=True):
        np.testing.assert_array_equal(one.T, other)


def test_second_derivatives_are_refused(layer: Any) -> None:
    """A derivative of a derivative in the inputs raises; the derivative is linear in tangents, and that has one."""
    loss = loss_of(layer)
    with pytest.raises(ot.DifferentiationError, match="first derivatives only"):
        jax.hessian(loss)(Q, T)
    push = lambda v: jax.jvp(loss, (Q, T), (v, 0.0))[1]  # noqa: E731
    np.testing.assert_allclose(jax.jacfwd(push)(Q), jax.grad(loss)(Q, T), atol=1e-10)
    np.testing.assert_allclose(jax.grad(push)(Q), jax.grad(loss)(Q, T), atol=1e-10)


# ---------------------------------------------------------------------- calls of the host
def test_mapped_call_is_one_call_and_not_repeated_for_derivatives(solved: list[int]) -> None:
    """However often one maps, items are solved together, once, and equal ones once; their derivatives solve nothing."""
    layer = make()
    nested = jax.vmap(jax.vmap(jax.grad(loss_of(layer), argnums=(0, 1)), (0, None)), (None, 0))
    jax.block_until_ready(jax.jit(nested)(QS, TS))
    assert solved == [9]
    jax.jacrev(layer)(QS, T + 3.0)
    jax.block_until_ready(jax.jit(jax.jacfwd(layer))(QS, T + 4.0))
    assert solved == [9, 3, 3]
    layer(np.tile(QS, (4, 1)), T + 5.0)
    assert solved == [9, 3, 3, 3]


def test_forgotten_items_are_solved_again(solved: list[int]) -> None:
    """A layer that keeps nothing but the last call gives the same gradients, at the price of solving again."""

    def path(layer: Any) -> Callable[[Any], Any]:
        def step(q: Any, t: Any) -> Any:
            x = layer(q, t)[0]
            return q + 0.1 * x, x.sum()

        return lambda q: jax.lax.scan(step, q, jnp.array([1.0, 1.1, 0.9, 1.3]))[1] @ jnp.arange(1.0, 5.0)

    keeps, forgets = path(make()), path(make(keep=0))
    expected = jax.block_until_ready(jax.jit(jax.grad(keeps))(Q))
    assert solved == [1] * 4
    np.testing.assert_allclose(jax.jit(jax.grad(forgets))(Q), expected, atol=1e-9)
    assert solved == [1] * (4 + 7)  # the last one forward is the first one back
    lost = differences(lambda q, _: [keeps(q)], Q, T, 1e-3)[0, :2]
    np.testing.assert_allclose(expected, lost, atol=1e-5)


def test_calls_in_flight_do_not_mix() -> None:
    """Several compiled calls whose derivatives are taken later, in another order, each keep their own items."""
    layer = make(keep=2)
    pullbacks = [jax.vjp(jax.jit(lambda q, t: layer(q, t)[0]), QS * scale, TS)[1] for scale in (1.0, 0.9, 1.1)]
    seed = np.ones((3, 2))
    for pullback, scale in zip(pullbacks[::-1], (1.1, 0.9, 1.0), strict=True):
        expected = jax.grad(lambda q: make()(q, TS)[0].sum())(QS * scale)
        np.testing.assert_allclose(pullback(seed)[0], expected, atol=1e-9)


def test_executors_do_not_change_results(layer: Any) -> None:
    """Items solved by threads are the same, from within a compiled function too."""
    threaded = make(executor="threads")
    one, other = (jax.jit(jax.value_and_grad(loss_of(each)))(QS, TS) for each in (layer, threaded))
    np.testing.assert_allclose(one[0], other[0], rtol=1e-9)
    np.testing.assert_allclose(one[1], other[1], atol=1e-9)


# ---------------------------------------------------------------------- floating types
def test_float32_in_float32_out(layer: Any) -> None:
    """Outputs have the type that the inputs promote to, gradients that of their input; inside is float64."""
    q, t = jnp.asarray(Q, jnp.float32), jnp.asarray(T, jnp.float32)
    outputs, codes = jax.jit(layer.with_status)(q, t)
    assert {o.dtype.name for o in outputs} == {"float32"} and codes.dtype.name == "int32"
    exact = layer(np.asarray(q, np.float64), T)
    np.testing.assert_array_equal(outputs[0], np.asarray(exact[0], np.float32))  # no digit is lost on the way
    gradients = jax.grad(loss_of(layer), argnums=(0, 1))(q, T)
    assert [g.dtype.name for g in gradients] == ["float32", "float64"]
    assert layer(q, 1)[0].dtype.name == layer(q, 1.0)[0].dtype.name == "float32"
    assert layer(q.astype(jnp.bfloat16), 1)[0].dtype.name == "bfloat16"
    assert layer(np.array([1, 2]), 1)[0].dtype.name == "float64"


def test_without_x64_all_is_float32(layer: Any) -> None:
    """Without jax_enable_x64 the layer takes and gives float32, and integers still say the status."""
    jax.config.update("jax_enable_x64", False)
    outputs, codes = layer.with_status(Q, 1)
    assert {o.dtype.name for o in outputs} == {"float32"} and codes.dtype.name == "int32"
    gradient = jax.jit(jax.vmap(jax.grad(loss_of(layer))))(QS, TS)
    assert gradient.dtype.name == "float32"
    jax.config.update("jax_enable_x64", True)
    np.testing.assert_allclose(gradient, jax.grad(loss_of(layer))(QS, TS), rtol=1e-5)


# ---------------------------------------------------------------------- failures
def test_infeasible_item_is_nan_with_zero_gradient() -> None:
    """Items without a solution are NaN, say so, have zero gradients, and leave the others as they are alone."""
    layer = make()
    ts = np.array([1.0, -1.0, np.nan])
    function = jax.jit(jax.vmap(layer.with_status, (None, 0)))
    (x, dual, value), codes = jax.block_until_ready(function(Q, ts))
    assert [layer.codes[code] for code in codes] == layer.status == [OPTIMAL, INFEASIBLE, layer.status[2]]
    assert layer.status[2] is ot.TerminationStatusCode.INVALID_MODEL and "nan" in layer.reasons[2].lower()
    assert np.isnan(x[1:]).all() and np.isnan(dual[1:]).all() and np.isnan(value[1:]).all()
    np.testing.assert_array_equal(x[0], layer(Q, T)[0])

    def guarded(q: Any, t: Any) -> Any:
        (x, *_), code = layer.with_status(q, t)
        return jnp.where(code == layer.codes.index(OPTIMAL), x.sum(-1), 0.0).sum()

    in_q, in_t = jax.jit(jax.grad(guarded, argnums=(0, 1)))(Q, ts)
    np.testing.assert_allclose(in_q, [0.0, 0.0], atol=1e-9)
    np.testing.assert_allclose(in_t, [1.0, 0.0, 0.0], atol=1e-9)
    _, pushed = jax.jvp(lambda t: layer(Q, t)[0], (ts,), (np.ones(3),))
    np.testing.assert_allclose(pushed, [[0.5, 0.5], [0.0, 0.0], [0.0, 0.0]], atol=1e-9)


def test_zero_gradient_keeps_the_loss_finite() -> None:
    """With on_failure="zero_gradient" outputs are finite where there is no solution, and gradients zero."""
    layer = make(on_failure="zero_gradient")
    value, gradient = jax.jit(jax.value_and_grad(loss_of(layer), argnums=1))(Q, np.array([1.0, -1.0]))
    assert np.isfinite(value) and gradient[1] == 0.0 and gradient[0] != 0.0


def test_nothing_is_raised_inside_a_compiled_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever breaks while solving or differentiating makes NaN and a reason, and is forgotten by the next call."""
    layer = make()
    gradient = jax.jit(jax.grad(loss_of(layer)))

    def broken(*_: Any) -> Any:
        raise RuntimeError("a worker died")

    with monkeypatch.context() as patch:
        patch.setattr(Call, "derivative", broken)
        assert np.isnan(gradient(Q, T)).all()
        assert layer.status == [OPTIMAL] and layer.reasons == ["RuntimeError: a worker died"]
    with monkeypatch.context() as patch:
        patch.setattr(Call, "solve", broken)
        assert np.isnan(jax.jit(layer)(Q, T + 1.0)[0]).all()
        assert layer.status == [ot.TerminationStatusCode.OTHER_ERROR] and "a worker died" in layer.reasons[0]
    assert np.isfinite(gradient(Q, T + 1.0)).all() and layer.reasons == [""]


def test_wrong_use_is_refused_while_tracing(layer: Any) -> None:
    """Wrong numbers and shapes of arrays, complex ones, and a policy that JAX cannot have are named at once."""
    with pytest.raises(ot.DimensionMismatch, match="2 parameters, got 1"):
        jax.jit(layer)(Q)
    with pytest.raises(ot.DimensionMismatch, match="Parameter 0 has shape"):
        jax.jit(layer)(np.ones(3), T)
    with pytest.raises(ot.InvalidData, match="complex"):
        layer(Q * 1j, T)
    with pytest.raises(ot.InvalidData, match="cannot raise"):
        make(on_failure="raise")
    with pytest.raises(ot.InvalidData, match="keep is a number of items, got -1"):
        make(keep=-1)
    np.testing.assert_allclose(layer(Q, T)[0], [0.3, 0.7], atol=1e-7)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_copies_work_and_are_independent(copied: Any, solved: list[int]) -> None:
    """A copy and a pickle give the same values and gradients, compiled too, and remember nothing that was solved."""
    layer = make(keep=7, on_failure="zero_gradient")
    expected = jax.value_and_grad(loss_of(layer))(QS, TS)
    before = len(solved)
    other = copied(layer)
    assert type(other) is type(layer) and other.status == [] and other._host.keep == 7
    for found in (jax.value_and_grad(loss_of(other))(QS, TS), jax.jit(jax.value_and_grad(loss_of(other)))(QS, TS)):
        np.testing.assert_allclose(found[0], expected[0], rtol=1e-12)
        np.testing.assert_allclose(found[1], expected[1], rtol=1e-9, atol=1e-12)
    assert len(solved) == before + 1 and len(other.status) == len(layer.status) == 3
    assert other(Q, -1.0)[0].tolist() == layer(Q, -1.0)[0].tolist()


def test_example_in_the_docstring_is_right() -> None:
    """The example of `JaxLayer`, which doctest does not find as the class is made on demand, runs as written."""
    jax.config.update("jax_enable_x64", False)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    (example,) = doctest.DocTestFinder(recurse=False).find(ot.layers.JaxLayer, "JaxLayer", globs={})
    assert runner.run(example) == doctest.TestResults(0, len(example.examples))
