"""CVXPY problems as layers of PyTorch and of JAX."""

from __future__ import annotations

import copy
import importlib.util
import pickle
import warnings
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import optangent as ot
from optangent.diffmodels.layers.cvxpy_problems import cvxpy_layer
from optangent.diffmodels.layers.cvxpy_problems.cvxpy_model import from_cvxpy

from .exact import Exact, pull, run_examples, tensors, values_of, weighted_sum, weights
from .problems import GEOMETRIC, PROBLEMS, cp, definite

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed (an extra)")

# CVXPY's own canonicalization reads sparse values the way that it warns of
pytestmark = pytest.mark.filterwarnings("ignore:Reading from a sparse CVXPY expression")


def projection() -> tuple[Any, Any, Any]:
    """(problem, a, x): the point x nearest to a in the nonnegative orthant, of at most one in sum."""
    x, a = cp.Variable(3, name="x"), cp.Parameter(3, name="a")
    return cp.Problem(cp.Minimize(cp.sum_squares(x - a)), [x >= 0, cp.sum(x) <= 1]), a, x


@pytest.mark.parametrize("name", PROBLEMS)
def test_gradients_are_those_of_the_problem(name: str) -> None:
    """In the user's shapes, values are exact solutions and gradients central differences of them, in a batch too."""
    problem, gp = PROBLEMS[name](), name in GEOMETRIC
    values = values_of(problem.parameters())
    outputs = [*problem.variables(), *(d for c in problem.constraints for d in c.dual_variables)]
    layer = ot.layers.CvxpyLayer(problem, parameters=problem.parameters(), variables=outputs, gp=gp)
    given = tensors(values)
    found = layer(*given)
    assert [tuple(f.shape) for f in found] == [v.shape for v in outputs]

    exact = Exact(from_cvxpy(problem, gp=gp), problem.parameters(), outputs)
    at = exact(*values)
    for f, e in zip(found, at, strict=True):
        np.testing.assert_allclose(f.detach().numpy(), e, atol=1e-4)
    given_weights = weights(at)
    pull(given_weights, found)
    differences = exact.gradients(weighted_sum(given_weights), *values)
    for tensor, expected in zip(given, differences, strict=True):
        np.testing.assert_allclose(tensor.grad.numpy(), expected, rtol=2e-5, atol=2e-5)

    batch = layer(*(torch.stack([g, g]) for g in given))
    for b, f in zip(batch, found, strict=True):
        np.testing.assert_allclose(b.detach().numpy(), np.stack([f.detach().numpy()] * 2), atol=2e-5)


def test_call_signature_of_cvxpylayers() -> None:
    """Batched and shared parameters mix, single precision stays, and the result is always a tuple."""
    problem, a, x = projection()
    scale = cp.Parameter(nonneg=True, name="scale")
    problem = cp.Problem(problem.objective + cp.Minimize(scale * cp.sum(x)), problem.constraints)
    layer = ot.layers.CvxpyLayer(problem, parameters=[scale, a], variables=[x])
    points = torch.tensor([[0.2, 0.3, -1.0], [2.0, 0.1, 0.0]], requires_grad=True)
    cost = torch.tensor(0.2, requires_grad=True)
    (found,) = layer(cost, points, solver_args={"eps": 1e-3, "max_iters": 20_000, "acceleration_lookback": 0})
    assert found.dtype is torch.float32 and found.shape == (2, 3)
    np.testing.assert_allclose(found.detach().numpy(), [[0.1, 0.2, 0.0], [1.0, 0.0, 0.0]], atol=1e-6)
    found.sum().backward()
    np.testing.assert_allclose(points.grad.numpy(), [[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]], atol=1e-6)
    assert cost.grad.item() == pytest.approx(-1.0)
    assert [s.name for s in layer.status] == ["OPTIMAL"] * 2 and layer.reasons == ["", ""]
    (plain,) = layer(0.2, np.array([0.2, 0.3, -1.0]))
    np.testing.assert_allclose(plain.numpy(), [0.1, 0.2, 0.0], atol=1e-6)


def test_symmetric_parameter_is_read_in_its_upper_triangle() -> None:
    """As in cvxpylayers and CVXPY: there the gradient stands, and it is that of both entries together."""
    X, C = cp.Variable((2, 2), symmetric=True, name="X"), cp.Parameter((2, 2), symmetric=True, name="C")
    layer = ot.layers.CvxpyLayer(cp.Problem(cp.Minimize(cp.sum_squares(X - C))), [C], [X])
    (given,) = tensors([definite(2)])
    (found,) = layer(given)
    (found * torch.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    np.testing.assert_allclose(given.grad.numpy(), [[1.0, 5.0], [0.0, 4.0]], atol=1e-9)


def test_solver_arguments() -> None:
    """Options hold for the calls that name them, by names of the solver or of cvxpylayers; unknown ones are refused."""
    problem, a, x = projection()
    layer = ot.layers.CvxpyLayer(problem, [a], [x], solver=ot.solvers.SCS, solver_args={"max_iters": 5000})
    point = torch.tensor([0.2, 0.3, -1.0], dtype=torch.float64)
    expected = layer(point)[0].numpy()
    with pytest.raises(ot.layers.UnsolvedItems):
        layer(point, solver_args={"max_iters": 1, "acceleration_interval": 1})
    np.testing.assert_allclose(layer(point)[0].numpy(), expected, atol=1e-9)
    with pytest.raises(ot.OptangentError, match="no_such_option"):
        layer(point, solver_args={"no_such_option": 1})
    np.testing.assert_allclose(layer(point)[0].numpy(), expected, atol=1e-9)


def test_options_of_the_layer_inside() -> None:
    """What to do about failures, and training or evaluation, reach the layer that solves."""
    x, a = cp.Variable(name="x"), cp.Parameter(name="a")
    problem = cp.Problem(cp.Minimize(cp.square(x - a)), [x <= a - 1, x >= 0])
    layer = ot.layers.CvxpyLayer(problem, [a], [x], on_failure="nan")
    layer.eval()
    found = layer(torch.tensor([0.5, 3.0]))[0]
    assert torch.isnan(found).tolist() == [True, False] and found[1].item() == pytest.approx(2.0)
    assert not any(child.training for child in layer.children())
    layer.train()
    assert all(child.training for child in layer.children()) and not list(layer.parameters())


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_copies(copied: Any) -> None:
    """Copies and pickles give the same, with other solver arguments as well; so do those of a layer not yet called."""
    problem, a, x = projection()
    point = torch.tensor([0.2, 0.9, -1.0], dtype=torch.float64)
    layer = ot.layers.CvxpyLayer(problem, [a], [x, problem.constraints[0].dual_variables[0]])
    fresh = copied(layer)
    expected = [f.numpy() for f in layer(point)]
    used = copied(layer)
    for one in (fresh, used):
        for solver_args in ({}, {"max_iter": 77}):
            for f, e in zip(one(point, solver_args=solver_args), expected, strict=True):
                np.testing.assert_allclose(f.numpy(), e, atol=1e-9)


def test_refusals() -> None:
    """Wrong lists, shapes and solvers are refused in words, before and at a call; the layer works afterwards."""
    problem, a, x = projection()
    made = ot.layers.CvxpyLayer
    with pytest.raises(ot.InvalidData, match=r"each parameter of the problem once, \['a'\].*got \[\]"):
        made(problem, parameters=[], variables=[x])
    with pytest.raises(ot.InvalidData, match="variables of a layer are a list"):
        made(problem, parameters=[a], variables=x)
    with pytest.raises(ot.Unsupported, match="no dual of a constraint"):
        made(problem, parameters=[a], variables=[cp.Variable(name="other")])
    with pytest.raises(ot.InvalidData, match=r"ot.solvers.SCS, got 'MPAX'"):
        made(problem, parameters=[a], variables=[x], solver="MPAX")
    with pytest.raises(ot.InvalidData, match=r"Expected a cvxpy.Problem"):
        made(None, parameters=[a], variables=[x])
    layer = made(problem, parameters=[a], variables=[x], solver="DIFFCP")
    with pytest.raises(ot.InvalidData, match=r"an array for each of \['a'\], got 2"):
        layer(torch.ones(3), torch.ones(3))
    with pytest.raises(ot.DimensionMismatch, match=r"a has the shape \(3,\)"):
        layer(torch.ones(2))
    np.testing.assert_allclose(layer(torch.full((3,), 0.1))[0].numpy(), [0.1] * 3, atol=1e-6)


def test_arrays_of_jax() -> None:
    """Arrays of JAX come back as such, compiled and differentiated; values and gradients are PyTorch's."""
    jax = pytest.importorskip("jax", reason="JAX is not installed (an extra)")
    problem = PROBLEMS["diagonal_and_sparse"]()
    values = values_of(problem.parameters())
    layer = ot.layers.CvxpyLayer(problem, problem.parameters(), problem.variables())
    given = tensors(values)
    found = layer(*given)
    given_weights = weights([f.detach().numpy() for f in found])
    pull(given_weights, found)

    def loss(*arrays: Any) -> Any:
        return sum((w * f).sum() for w, f in zip(given_weights, layer(*arrays), strict=True))

    arrays = [jax.numpy.asarray(v) for v in values]
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # JAX's own
        gradients = jax.jit(jax.grad(loss))(*arrays)
        outputs = layer(*arrays)
    assert all(isinstance(f, jax.Array) for f in outputs)
    for mine, its in zip(outputs, found, strict=True):
        np.testing.assert_allclose(mine, its.detach().numpy(), atol=1e-5)
    for mine, tensor in zip([gradients], given, strict=True):
        np.testing.assert_allclose(mine, tensor.grad.numpy(), atol=1e-5)


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_the_framework_of_numpy_arrays(framework: str) -> None:
    """What `framework` says holds for arrays of NumPy and numbers; an array of the other is refused."""
    jax = pytest.importorskip("jax", reason="JAX is not installed (an extra)")
    problem, a, x = projection()
    scale = cp.Parameter(nonneg=True, name="scale")
    problem = cp.Problem(problem.objective + cp.Minimize(scale * cp.sum(x)), problem.constraints)
    layer = ot.layers.CvxpyLayer(problem, [a, scale], [x], framework=framework)
    kind, other = (torch.Tensor, jax.numpy.ones(3)) if framework == "torch" else (jax.Array, torch.ones(3))
    (found,) = layer(np.array([0.2, 0.3, -1.0]), 0)
    assert isinstance(found, kind)
    np.testing.assert_allclose(np.asarray(found), [0.2, 0.3, 0.0], atol=1e-6)
    with pytest.raises(ot.InvalidData, match=f'is of framework="{framework}", got an array of'):
        layer(other, 0)
    (again,) = copy.deepcopy(layer)(np.array([0.2, 0.3, -1.0]), 0)
    assert isinstance(again, kind)
    if framework == "jax":
        with pytest.raises(ot.InvalidData, match="warm_start is for PyTorch"):
            layer(np.ones(3), 0, warm_start=True)


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@pytest.mark.parametrize("name", ["diagonal_and_sparse", *sorted(GEOMETRIC)[:1]])
def test_a_fresh_layer_compiles(name: str, backend: str) -> None:
    """In one graph, with gathers, logarithms, sparse matrices and duals around it: values and gradients."""
    problem, gp = PROBLEMS[name](), name in GEOMETRIC
    outputs = [*problem.variables(), *(d for c in problem.constraints for d in c.dual_variables)]
    layer, plain = (ot.layers.CvxpyLayer(problem, problem.parameters(), outputs, gp=gp) for _ in range(2))
    torch._dynamo.reset()
    with warnings.catch_warnings(action="ignore"):  # PyTorch's own
        compiled = torch.compile(lambda *given: layer(*given), backend=backend, fullgraph=True)
        for count in (1, 1, 2):
            given, same = (
                [torch.stack([t.detach()] * count).requires_grad_() for t in tensors(values_of(problem.parameters()))]
                for _ in range(2)
            )
            found, expected = compiled(*given), plain(*same)
            given_weights = weights([f.detach().numpy() for f in expected])
            pull(given_weights, found)
            pull(given_weights, expected)
            for f, e in zip((*found, *(t.grad for t in given)), (*expected, *(t.grad for t in same)), strict=True):
                torch.testing.assert_close(f, e)
        assert [s.name for s in layer.status] == ["OPTIMAL"] * 2
        copied = pickle.loads(pickle.dumps(layer))
        again = torch.compile(lambda *given: copied(*given), backend=backend, fullgraph=True)
        torch.testing.assert_close(again(*given)[0], expected[0])
    torch._dynamo.reset()


def test_a_compiled_layer_complains_as_others_do() -> None:
    """Wrong arguments and other solver arguments leave the graph."""
    problem, a, x = projection()
    layer = ot.layers.CvxpyLayer(problem, [a], [x])
    torch._dynamo.reset()
    with warnings.catch_warnings(action="ignore"):  # PyTorch's own
        compiled = torch.compile(lambda *given, **args: layer(*given, **args)[0], backend="eager")
        point = torch.tensor([0.2, 0.3, -1.0], dtype=torch.float64)
        expected = compiled(point)
        with pytest.raises(ot.DimensionMismatch, match="a has the shape"):
            compiled(torch.ones(2))
        with pytest.raises(ot.InvalidData, match="an array for each of"):
            compiled(point, point)
        torch.testing.assert_close(compiled(point, solver_args={"max_iter": 77}), expected)
        torch.testing.assert_close(compiled(point, warm_start=True), expected)
    torch._dynamo.reset()


def test_sparse_and_diagonal_matrices() -> None:
    """Matrices of any layout for parameters with a pattern; numbers elsewhere are refused by the parameter's name."""
    places = (np.array([0, 1, 1]), np.array([1, 0, 2]))
    A, D = cp.Parameter((2, 3), sparsity=places, name="A"), cp.Parameter((3, 3), diag=True, name="D")
    x = cp.Variable(3, name="x")
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x) + cp.sum(D @ x)), [A @ x >= 1])
    layer = ot.layers.CvxpyLayer(problem, [A, D], [x])
    a, d = np.zeros((2, 3)), np.diag([0.1, 0.2, 0.3])
    a[places] = [1.0, 2.0, 0.5]
    dense = [torch.tensor(one, requires_grad=True) for one in (a, d)]
    (expected,) = layer(*dense)
    expected.square().sum().backward()
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # PyTorch's own, of its sparse layouts
        for make in (torch.Tensor.to_sparse_csr, torch.Tensor.to_sparse_coo):
            given = [make(one.detach()).requires_grad_() for one in dense]
            (found,) = layer(*given)
            torch.testing.assert_close(found, expected)
            found.square().sum().backward()
            for one, like in zip(given, dense, strict=True):
                assert one.grad.layout is one.layout
                torch.testing.assert_close(one.grad.to_dense(), like.grad)
        torch.testing.assert_close(layer(sp.csr_array(a), sp.dia_array(d))[0], expected.detach())
        wrong = d + np.eye(3, k=1)
        for given in (wrong, sp.csr_array(wrong), torch.tensor(wrong).to_sparse_csr()):
            with pytest.raises(ot.InvalidData, match=r"D is a .* an entry at \(0, 1\), got 1.0 there"):
                layer(a, given)


def test_wrong_choices_are_refused() -> None:
    """At once, by an error that repeats them."""
    problem, a, x = projection()
    for name, value in (
        ("gp", "yes"), ("verbose", "no"), ("framework", "tensorflow"), ("framework", True), ("canon_backend", "GPU"),
        ("canon_backend", 3), ("solver_args", 3), ("solver_args", {3: 4}), ("solver", 3), ("solver", lambda: 1),
        ("on_failure", "ignore"), ("executor", "gpu"), ("warm_start", "yes"), ("retry", 3),
    ):  # fmt: skip
        with pytest.raises(ot.OptangentError, match=r"got|made"):
            ot.layers.CvxpyLayer(problem, [a], [x], **{name: value})
    with pytest.raises(ot.InvalidData, match="no option colour; those of the layer inside are"):
        ot.layers.CvxpyLayer(problem, [a], [x], colour="red")
    for parameters, variables in (([None], [x]), ([a], [None]), (["a"], [x])):
        with pytest.raises(ot.InvalidData, match="parameters and variables of CVXPY, got"):
            ot.layers.CvxpyLayer(problem, parameters, variables)
    layer = ot.layers.CvxpyLayer(problem, [a], [x])
    for wrong in (None, "point"):
        with pytest.raises(ot.InvalidData, match="a of a layer is an array or numbers, got"):
            layer(wrong)


def test_example() -> None:
    """The example in the documentation runs."""
    run_examples(ot.layers.CvxpyLayer)


def test_without_frameworks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where PyTorch is not installed the layer is no module of it, and says what it needs when it is called."""
    problem, a, x = projection()
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else find(name))
    made = cvxpy_layer.layer_class()
    layer = made(problem, [a], [x])
    assert not isinstance(layer, torch.nn.Module) and layer.status == []
    with pytest.raises(ot.MissingDependency, match=r'pip install "optangent\[torch\]" or \[jax\]'):
        layer(np.ones(3))
