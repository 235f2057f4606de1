"""Sparse matrices of parameters, given by their entries or as whole matrices of any layout."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import optangent as ot
from optangent.diffmodels.layers.patterns import Pattern

# PyTorch's own, of the layout CSR
pytestmark = pytest.mark.filterwarnings("ignore:Sparse CSR tensor support", "ignore:Sparse invariant checks")

PATTERNS = {
    "five of six": sp.csr_array([[1.0, 0.5, 2.0], [0.7, 0.0, 3.0]]),
    "as many as columns": sp.csr_array([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]]),
    "a diagonal": sp.csr_array(np.diag([1.0, 2.0, 3.0])),
    "an empty row": sp.csr_array([[1.0, 0.0, 2.0, 0.5], [0.0, 0.0, 0.0, 0.0], [0.0, 3.0, 1.0, 0.0]]),
    "none": sp.csr_array((2, 3)),
}


def parts(pattern: Any) -> tuple[ot.Model, list[Any], list[Any]]:
    """The problem min ½|x|² + q'x over A x <= 1."""
    m, n = pattern.shape
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    x, A, q = model.add_variables(n), model.add_parameters(pattern), model.add_parameters(np.zeros(n))
    model.add_constraint(A @ x <= np.ones(m))
    model.minimize(0.5 * (x @ x) + q @ x)
    return model, [A, q], [x]


def cost(pattern: Any) -> np.ndarray:
    """Where several rows are active."""
    return -1.3 * np.arange(1.0, pattern.shape[1] + 1.0)


# ---------------------------------------------------------------------- PyTorch
@pytest.fixture(params=PATTERNS)
def pattern(request: pytest.FixtureRequest) -> Any:
    """Of each kind one."""
    return PATTERNS[request.param]


def pulled(layer: Any, given: Any, q: Any) -> tuple[Any, Any]:
    """The output at a matrix, and the gradient of its sum of squares in the matrix."""
    given = given.requires_grad_()
    (x,) = layer(given, q)
    x.square().sum().backward()
    return x.detach(), given.grad


def test_tensors_of_any_layout(pattern: Any) -> None:
    """Dense, CSR and COO tensors, in batches too, give what the entries give; gradients have their shape and layout."""
    torch = pytest.importorskip("torch")
    layer, q = ot.layers.TorchLayer(*parts(pattern)), torch.tensor(cost(pattern))
    layer = pickle.loads(pickle.dumps(layer))
    expected, of_entries = pulled(layer, torch.tensor(pattern.data), q)
    row, column = pattern.tocoo().coords
    whole = torch.tensor(pattern.toarray())
    for made in (whole.clone, whole.to_sparse_csr, whole.to_sparse_coo, whole.to_sparse_csr().to_sparse_coo):
        given = made()
        x, gradient = pulled(layer, given, q)
        torch.testing.assert_close(x, expected)
        assert gradient.layout is given.layout and gradient.shape == given.shape and gradient.dtype is given.dtype
        dense = gradient.to_dense()
        torch.testing.assert_close(dense[row, column], of_entries)
        dense[row, column] = 0.0
        assert not dense.any()
    many = torch.stack([whole, 0.9 * whole])
    expected, of_many = pulled(layer, many, q)
    assert expected.shape == (2, pattern.shape[1])
    for given in (many.detach().to_sparse_csr(), many.detach().to_sparse_coo()):
        x, gradient = pulled(layer, given, q)
        torch.testing.assert_close(x, expected)
        assert gradient.layout is given.layout
        torch.testing.assert_close(gradient.to_dense(), of_many)


def test_repeated_and_missing_entries() -> None:
    """Entries of a COO tensor that repeat are summed, missing ones are zero, stored zeros outside are harmless."""
    torch = pytest.importorskip("torch")
    pattern = PATTERNS["five of six"]
    layer, q = ot.layers.TorchLayer(*parts(pattern)), torch.tensor(cost(pattern))
    places = torch.tensor([[0, 0, 1, 1, 1], [0, 0, 2, 1, 0]])
    given = torch.sparse_coo_tensor(places, torch.tensor([0.5, 0.5, 3.0, 0.0, 0.7], dtype=torch.float64), (2, 3))
    dense = given.to_dense()
    expected, of_dense = pulled(layer, dense.clone(), q)
    x, gradient = pulled(layer, given, q)
    torch.testing.assert_close(x, expected)
    here = (gradient.to_dense() != 0) | (dense != 0)
    torch.testing.assert_close(gradient.to_dense()[here], of_dense[here])


def test_under_transformations_and_the_compiler() -> None:
    """Dense matrices are taken by vmap, grad and torch.compile; there a number outside makes the item fail."""
    torch = pytest.importorskip("torch")
    pattern = PATTERNS["as many as columns"]
    layer, q = ot.layers.TorchLayer(*parts(pattern), on_failure="nan"), torch.tensor(cost(pattern))
    whole = torch.tensor(pattern.toarray())
    expected, gradient = pulled(layer, whole.clone(), q)

    def loss(A: Any) -> Any:
        return layer(A, q)[0].square().sum()

    torch.testing.assert_close(torch.func.grad(loss)(whole), gradient)
    torch.testing.assert_close(torch.func.vmap(lambda A: layer(A, q)[0])(whole[None])[0], expected)
    torch._dynamo.reset()
    compiled = torch.compile(lambda A: layer(A, q)[0], backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(whole), expected)
    wrong = whole + torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    assert torch.isnan(compiled(wrong)).all() and layer.reasons == ["parameter 0 is nan at (0,)"]


def test_what_is_outside_the_pattern_is_refused(pattern: Any) -> None:
    """In every layout the error names the place and the number; wrong shapes and layouts are named as well."""
    torch = pytest.importorskip("torch")
    layer, q = ot.layers.TorchLayer(*parts(pattern)), torch.tensor(cost(pattern))
    wrong = pattern.toarray()
    row, column = np.argwhere(wrong == 0.0)[-1]
    wrong[row, column] = 7.0
    tensor = torch.tensor(wrong)
    for given in (wrong, sp.coo_array(wrong), tensor, tensor.to_sparse_csr(), tensor.to_sparse_coo(), tensor[None]):
        with pytest.raises(ot.InvalidData, match=rf"Parameter 0 is .* at \({row}, {column}\), got 7\.0 there"):
            layer(given, q)
    for given in (tensor[:1, :2], tensor[:, :2].to_sparse_csr(), sp.csr_array(wrong[:, :2])):
        with pytest.raises(ot.DimensionMismatch, match="Parameter 0 "):
            layer(given, q)
    with pytest.raises(ot.InvalidData, match=r"got the layout torch\.sparse_csc"):
        layer(tensor.to_sparse_csc(), q)
    assert layer(pattern, q)[0].shape == (pattern.shape[1],)


# ---------------------------------------------------------------------- JAX
def test_arrays_of_jax(pattern: Any) -> None:
    """Dense and sparse matrices give what the entries give, traced or not; what is outside is refused or NaN."""
    jax = pytest.importorskip("jax")
    layer, q = ot.layers.JaxLayer(*parts(pattern)), cost(pattern)
    whole, wrong = pattern.toarray().astype(np.float32), pattern.toarray().astype(np.float32)
    (expected,) = layer(pattern.data.astype(np.float32), q)

    def loss(A: Any) -> Any:
        return (layer(A, q)[0] ** 2).sum()

    row, column = pattern.tocoo().coords
    of_entries = jax.grad(loss)(pattern.data.astype(np.float32))
    for given in (whole, pattern, jax.experimental.sparse.BCOO.fromdense(whole)):
        np.testing.assert_allclose(layer(given, q)[0], expected, atol=1e-6)
    for gradient in (jax.grad(loss)(whole), jax.jit(jax.grad(loss))(whole), jax.vmap(jax.grad(loss))(whole[None])[0]):
        np.testing.assert_allclose(gradient[row, column], of_entries, atol=1e-5)
        assert np.count_nonzero(gradient) <= pattern.nnz
    place = tuple(np.argwhere(wrong == 0.0)[-1])
    wrong[place] = 7.0
    with pytest.raises(ot.InvalidData, match=rf"at \({place[0]}, {place[1]}\), got 7\.0 there"):
        layer(wrong, q)
    if pattern.nnz:
        assert np.isnan(jax.jit(layer)(wrong, q)[0]).all()


def test_the_example_of_a_pattern() -> None:
    """Entries in any order, and their places."""
    pattern = Pattern("A", np.array([1, 0, 1]), np.array([2, 1, 0]), (2, 3))
    np.testing.assert_array_equal(pattern.places(np.array([0, 1, 1, 0]), np.array([1, 0, 2, 0])), [1, 2, 0, -1])
    np.testing.assert_array_equal(pattern.outside, [0, 2, 4])
