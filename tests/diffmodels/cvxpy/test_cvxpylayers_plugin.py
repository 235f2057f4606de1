"""optangent as the solver of cvxpylayers' layers: with cvxpylayers, and in what it asks of a solver without it."""

from __future__ import annotations

import sys
import types
import warnings
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import optangent as ot
from optangent.diffmodels.layers.cvxpy_problems import cvxpy_model, cvxpylayers_plugin

from .exact import pull, run_examples, tensors, values_of, weights
from .problems import GEOMETRIC, PROBLEMS, VERSION, Array, cp, numbers

# CVXPY's own canonicalization reads sparse values the way that it warns of
pytestmark = [
    pytest.mark.filterwarnings("ignore:Reading from a sparse CVXPY expression"),
    pytest.mark.skipif(VERSION < (1, 8), reason="cvxpylayers 1.2 needs CVXPY 1.8"),
]

DIAGONAL = {"diagonal_and_sparse"}  # whose parameters cvxpylayers does not take


# ---------------------------------------------------------------------- with cvxpylayers
def theirs() -> Any:
    """The layer of cvxpylayers for PyTorch."""
    with warnings.catch_warnings(action="ignore"):
        module = pytest.importorskip("cvxpylayers.torch", reason="cvxpylayers is not installed")
    return module.CvxpyLayer


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Converting a tensor")  # cvxpylayers' own
@pytest.mark.parametrize("name", [name for name in PROBLEMS if name not in DIAGONAL])
def test_an_existing_layer_changes_its_solver(name: str) -> None:
    """Values and gradients of a layer of cvxpylayers with this solver are those of our own layer; batches as well."""
    layer_class = theirs()
    import torch

    problem, gp = PROBLEMS[name](), name in GEOMETRIC
    outputs = list(problem.variables())
    kinds = (cp.constraints.PSD, cp.constraints.Equality, cp.constraints.Inequality)
    outputs += [c.dual_variables[0] for c in problem.constraints if isinstance(c, kinds)]
    arguments = dict(parameters=problem.parameters(), variables=outputs, gp=gp)
    layers = (
        layer_class(problem, **arguments, solver=ot.layers.CvxpylayersSolver()),
        ot.layers.CvxpyLayer(problem, **arguments),
    )
    found, gradients = [], []
    for layer in layers:
        given = tensors(values_of(problem.parameters()))
        at = layer(*given)
        pull(weights([a.detach().numpy() for a in at]), at)
        found.append([a.detach().numpy() for a in at])
        gradients.append([g.grad.numpy() for g in given])
    for mine, its in zip(found[1] + gradients[1], found[0] + gradients[0], strict=True):
        np.testing.assert_allclose(its, mine, atol=2e-5)
    batch = layers[0](*(torch.stack([g, g]) for g in tensors(values_of(problem.parameters()))), solver_args={})
    for several, one in zip(batch, found[0], strict=True):
        np.testing.assert_allclose(several.detach().numpy(), np.stack([one, one]), atol=2e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Converting a tensor")  # cvxpylayers' own
def test_one_solver_of_several_layers() -> None:
    """A solver may be that of several layers, in any order of calls, and solver arguments reach it."""
    layer_class = theirs()
    import torch

    solver = ot.layers.CvxpylayersSolver(ot.solvers.SCS)
    made = []
    for size in (2, 3):
        x, a = cp.Variable(size), cp.Parameter(size)
        problem = cp.Problem(cp.Minimize(cp.sum_squares(x - a)), [x >= 0])
        made.append(layer_class(problem, parameters=[a], variables=[x], solver=solver))
    for layer, size in [(made[0], 2), (made[1], 3), (made[0], 2)]:
        (found,) = layer(torch.arange(size, dtype=torch.float64) - 0.5, solver_args={"eps": 1e-11})
        np.testing.assert_allclose(found.numpy(), np.maximum(np.arange(size) - 0.5, 0.0), atol=1e-6)
    with pytest.raises(ot.layers.UnsolvedItems):
        made[0](torch.tensor([0.3, -0.2]), solver_args={"max_iters": 1})


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # cvxpylayers' own
def test_example() -> None:
    """The example in the documentation runs."""
    theirs()
    run_examples(ot.layers.CvxpylayersSolver)


# ---------------------------------------------------------------------- without
class Stub:
    """cvxpylayers' `SolverInterface`, of which nothing is needed here but the name."""


@pytest.fixture
def solver(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A solver, whether or not cvxpylayers is installed."""
    for name in ("cvxpylayers", "cvxpylayers.interfaces", "cvxpylayers.interfaces.base"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules["cvxpylayers.interfaces.base"].SolverInterface = Stub
    return cvxpylayers_plugin.layer_class()()


def context(problem: Any, gp: bool) -> tuple[Any, Any]:
    """What a layer of cvxpylayers hands over once, and CVXPY's data at the problem's parameters."""
    data, _, _ = cp.Problem(problem.objective, problem.constraints).get_problem_data("SCS", gp=gp)
    program = data["param_prob"]
    for reduced in (program.reduced_P, program.reduced_A):
        reduced.cache()
    names = {name: getattr(program, name) for name in ("reduced_P", "reduced_A", "q")}
    return types.SimpleNamespace(**names, cone_dims=data["dims"]), program


def numbers_at(ctx: Any, theta: Array) -> tuple[Any, Array, Array]:
    """The numbers of P, q and A that cvxpylayers makes of a batch of parameters."""
    parameters = np.column_stack([theta, np.ones(len(theta))]).T
    P = None if ctx.reduced_P.reduced_mat is None else np.asarray(ctx.reduced_P.reduced_mat @ parameters).T
    return P, np.asarray(ctx.q @ parameters).T, np.asarray(ctx.reduced_A.reduced_mat @ parameters).T


def theta_of(program: Any) -> Array:
    """The parameters of CVXPY's cone program, without the last one, which is 1."""
    theta = np.zeros(program.total_param_size + 1)
    for p in program.parameters:
        start = program.param_id_to_col[p.id]
        theta[start : start + p.size] = np.ravel(p.value, order="F")
    return theta[:-1]


@pytest.mark.parametrize("name", [name for name in PROBLEMS if name not in DIAGONAL])
def test_point_meets_the_optimality_conditions(solver: Any, name: str) -> None:
    """Primal and dual, in the order of CVXPY's rows, satisfy P x + q = Aᵀ y and have no gap."""
    problem = PROBLEMS[name]()
    ctx, program = context(problem, name in GEOMETRIC)
    solver.setup(ctx)
    theta = theta_of(program)[None]
    P, q, A = numbers_at(ctx, theta)
    (x,), (y,), _ = solver.solve_numpy_batch(P, q, A, ctx.cone_dims, {}, True)
    n = len(x)
    full = sp.csc_array((A[0], *ctx.reduced_A.problem_data_index[:2]), shape=(len(y), n + 1)).toarray()
    curved = np.zeros((n, n))
    if P is not None:
        curved = sp.csc_array((P[0], *ctx.reduced_P.problem_data_index[:2]), shape=(n, n)).toarray()
    rows = full[:, :n] @ x + full[:, n]
    np.testing.assert_allclose(curved @ x + q[0, :n] - full[:, :n].T @ y, 0.0, atol=1e-6)
    assert y @ rows == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("name", ["bounded_least_squares", "maximized_return", "symmetric_matrices"])
def test_gradients_of_the_numbers(solver: Any, name: str) -> None:
    """Pulled back through cvxpylayers' maps, gradients with respect to the numbers are central differences."""
    problem = PROBLEMS[name]()
    ctx, program = context(problem, False)
    solver.setup(ctx)
    theta = theta_of(program)

    def solved(thetas: Array) -> Any:
        return solver.solve_numpy_batch(*numbers_at(ctx, thetas), ctx.cone_dims, {}, True)

    primal, dual, state = solved(np.stack([theta, 1.01 * theta]))
    dprimal, ddual = numbers(*primal.shape), numbers(*dual.shape, seed=1)
    found = solver.derivative_numpy_batch(dprimal, ddual, state)
    maps = (ctx.reduced_P.reduced_mat, ctx.q, ctx.reduced_A.reduced_mat)
    gradient = sum(np.asarray(M.T @ d[0]) for M, d in zip(maps, found, strict=True) if d is not None)[:-1]
    h = 1e-4
    steps = h * np.eye(len(theta))
    (up, up_dual, _), (down, down_dual, _) = solved(theta + steps), solved(theta - steps)
    differences = ((up - down) @ dprimal[0] + (up_dual - down_dual) @ ddual[0]) / (2 * h)
    np.testing.assert_allclose(gradient, differences, rtol=1e-4, atol=1e-5)


def test_without_numbers(solver: Any) -> None:
    """A linear objective has no P and gets no gradient of one; a problem without rows works too."""
    x, a = cp.Variable(2), cp.Parameter(2, value=[1.0, 2.0])
    ctx, program = context(cp.Problem(cp.Minimize(a @ x), [x >= a]), False)
    solver.setup(ctx)
    P, q, A = numbers_at(ctx, theta_of(program)[None])
    assert P is None
    primal, dual, state = solver.solve_numpy_batch(P, q, A, ctx.cone_dims, {}, True)
    np.testing.assert_allclose(primal, [[1.0, 2.0]], atol=1e-7)
    dP, dq, dA = solver.derivative_numpy_batch(np.ones((1, 2)), np.zeros_like(dual), state)
    assert dP is None and dq.shape == q.shape and dA.shape == A.shape

    ctx, program = context(cp.Problem(cp.Minimize(cp.quad_form(x, np.eye(2)) - 2 * a @ x)), False)
    solver.setup(ctx)
    P, q, _ = numbers_at(ctx, theta_of(program)[None])
    primal, dual, state = solver.solve_numpy_batch(P, q, np.zeros((1, 0)), ctx.cone_dims, {}, True)
    np.testing.assert_allclose(primal, [[1.0, 2.0]], atol=1e-7)
    dP, dq, dA = solver.derivative_numpy_batch(np.ones((1, 2)), dual, state)
    assert dP.shape == P.shape and dA.shape == (1, 0)
    np.testing.assert_allclose(dq, [[-0.5, -0.5, 0.0]], atol=1e-7)


def test_refusals(solver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cones that are not known are named, and so is a missing solver."""
    dims = types.SimpleNamespace(zero=0, nonneg=0, soc=[], psd=[], exp=0, p3d=[], pnd=[[0.2, 0.3, 0.5]])
    with pytest.raises(ot.Unsupported, match="more than three dimensions"):
        cvxpylayers_plugin._cones(dims)
    monkeypatch.setattr(cvxpy_model, "DEFAULT_SOLVERS", [])
    with pytest.raises(ot.InvalidData, match="Name a solver"):
        type(solver)()
