"""Every public function of NumPy on functions of variables: what it does to their values, or a refusal in words."""

from __future__ import annotations

import copy
import itertools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import optangent as ot
from optangent.modelkit.functions.layout import ShapedComparison
from optangent.modelkit.functions.operations import evaluated

RNG = np.random.default_rng(7)
MODEL = ot.Model()
V = MODEL.add_variables(3)
G = MODEL.add_parameters(np.zeros((3, 3)))
S = MODEL.add_parameters(sp.csr_array(np.array([[0.0, 1.0, 0.0], [2.0, 0.0, 3.0], [0.0, 0.0, 4.0]])))
T = MODEL.add_variables((2, 3, 3))
X = V[0]
OURS: dict[str, Any] = {
    "x": X,
    "v": V,
    "f": np.array([[1.0, 2.0, 0.0], [0.0, -1.0, 0.5], [0.0, 0.0, 2.0]]) @ V + np.array([1.0, 0.0, -1.0]),
    "G": G,
    "S": S,
    "T": T,
    "R": (T[:, 1] * np.array([2.0, -1.0, 0.5]) + V).T,
    "[x, f]": [X, 2.0 * V[1] - 1.0],
    "[v, f]": [V, 2.0 * V + 1.0],
    "[[x, 1], [2, x]]": [[X, 1.0], [2.0, X]],
}
NUMBERS: dict[str, Any] = {"2": 2, "mask": [True, False, True], "q": np.array([1.0, 2.0, -0.5]), "A": np.eye(3)}
EVERY = [*V, *G.ravel(), *S.entries, *T.ravel()]
POINT = dict(zip([x.value for x in EVERY], RNG.uniform(0.5, 2.0, len(EVERY)), strict=True))


def at_point(what: Any) -> Any:
    """What stands in a result, with numbers for the variables."""
    if isinstance(what, ot.Function):
        values = evaluated(what.rows, lambda ids: np.array([POINT[int(i)] for i in ids]))
        return values if what.is_vector else float(values[0])
    if isinstance(what, ot.ArrayFunction):
        values = np.zeros(what.size)
        values[what.place] = at_point(what.entries)
        return values.reshape(what.shape)
    if isinstance(what, np.ndarray) and what.dtype == object:
        return np.array([at_point(one) for one in what.flat], np.float64).reshape(what.shape)
    if isinstance(what, (list, tuple)):
        parts = [at_point(one) for one in what]
        return type(what)(*parts) if hasattr(what, "_fields") else type(what)(parts)
    return copy.deepcopy(what)


def same(got: Any, want: Any) -> bool:
    """Whether two results are equal, in shape and to rounding."""
    if isinstance(want, (list, tuple)):
        return len(got) == len(want) and all(itertools.starmap(same, zip(got, want, strict=True)))
    if isinstance(want, Exception):
        return False
    if isinstance(want, (np.ndarray, np.number, float, int)):
        return np.shape(got) == np.shape(want) and np.allclose(
            np.asarray(got, np.float64), want, 1e-12, 1e-12, equal_nan=True
        )
    return got is want or bool(got == want)


UNASKED = {
    "test", "show_config", "show_runtime", "info", "get_include", "setbufsize", "seterr", "seterrcall", "errstate",
    "set_printoptions", "save", "savez", "savez_compressed", "savetxt", "fromfile", "put", "place", "putmask", "copyto",
    "isscalar", "iterable", "shares_memory", "may_share_memory", "get_printoptions", "bmat", "typename", "dtype",
    "put_along_axis", "fill_diagonal", "frompyfunc", "printoptions", "empty_like", "min_scalar_type", "from_dlpack",
    "isfortran", "logical_and", "logical_or", "diag_indices",
}  # fmt: skip
"""Without arithmetic: files, settings, memory, questions about Python's objects, and what writes into its arguments.
(`np.logical_and` of lists of objects is Python's own ``and``, `np.diag_indices` its ``tuple * n``; of functions
themselves no ufunc is defined.)"""
PUBLIC = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in (np, np.linalg)
    for name in dir(module)
    if not name.startswith("_") and name not in UNASKED
    if callable(getattr(module, name)) and not isinstance(getattr(module, name), type)
}


def calls() -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Arguments with something of ours in every position."""
    few = ("x", "v", "G", "T", "[v, f]")
    yield from ((key, (one,)) for key, one in OURS.items())
    for a, b in itertools.product([*OURS, *NUMBERS], repeat=2):
        if ({a, b} <= {*few, *NUMBERS} and {a, b} & {*few}) or (a in OURS and b in ("2", "q")):
            yield f"{a}, {b}", ((OURS | NUMBERS)[a], (OURS | NUMBERS)[b])
    for keys in itertools.product(["v", "2", "mask", "q"], repeat=3):
        if "v" in keys:
            yield ", ".join(keys), tuple((OURS | NUMBERS)[key] for key in keys)


CALLS = list(calls())


@pytest.mark.parametrize("name", PUBLIC)
def test_what_it_does_to_arrays_or_a_refusal(name: str) -> None:
    """Substituted into the result, numbers give what NumPy makes of the numbers; or it raises a TypeError or ours."""
    wrong = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's own, of the numbers
        for words, args in CALLS:
            if name == "numpy.correlate" and "[v" in words:
                continue  # its C code takes a list of objects for one dimension, whatever they are
            try:
                got = PUBLIC[name](*copy.deepcopy(args))
            except (TypeError, ot.OptangentError):
                continue
            except Exception as error:
                got = error
            try:
                want = PUBLIC[name](*at_point(args))
            except Exception as error:
                want = error
            if isinstance(got, (ot.Comparison, ShapedComparison)):  # a constraint, whose set holds what is true
                right = name.removeprefix("numpy.") in ("equal", "less_equal", "greater_equal")
            elif isinstance(got, Exception):  # of lists, NumPy says in its own way what it cannot do to objects
                right = isinstance(want, Exception) or "[" in words
            else:
                right = same(at_point(got), want)
            if not right:
                wrong.append(f"{name}({words}): {got!r} instead of {want!r}")
    assert not wrong, "\n".join(wrong[:20])


Q, A = np.array([1.0, 2.0, -0.5]), np.array([[1.0, 2.0, 0.0], [0.0, -1.0, 3.0], [4.0, 0.0, 0.5]])
F = OURS["f"]
EXPRESSIONS: dict[str, Callable[..., Any]] = {
    "keepdims": lambda v, f, G: np.sum(v, axis=0, keepdims=True),
    "where of a sum": lambda v, f, G: np.sum(f, where=[True, False, True], initial=1.0),
    "initial": lambda v, f, G: np.sum(v, initial=2.0),
    "columns": lambda v, f, G: np.mean(G, axis=0),
    "rows by keyword": lambda v, f, G: np.sum(a=G, axis=-1),
    "weights": lambda v, f, G: np.average(f, weights=Q),
    "weights of a matrix": lambda v, f, G: np.average(G, axis=1, weights=Q),
    "einsum": lambda v, f, G: np.einsum("i,ij,j->", Q, G, v),
    "einsum of a quadratic": lambda v, f, G: np.einsum("i,ij,j", v, A, f),
    "einsum, transposed": lambda v, f, G: np.einsum("ij->ji", G),
    "tensordot": lambda v, f, G: np.tensordot(A, f, axes=(0, 0)),
    "multi_dot": lambda v, f, G: np.linalg.multi_dot([Q, A, v]),
    "trapezoid": lambda v, f, G: np.trapezoid(f, dx=0.5),
    "differences": lambda v, f, G: np.diff(f, n=2),
    "moving averages": lambda v, f, G: np.convolve(f, [0.5, 0.5], mode="valid"),
    "stacked columns": lambda v, f, G: np.stack([v, Q, f], axis=1),
    "a block matrix": lambda v, f, G: np.block([[G, A], [A, G]]),
    "padded": lambda v, f, G: np.pad(f, (1, 2), constant_values=3.0),
    "some of either": lambda v, f, G: np.where([True, False, True], v, Q),
    "reshaped by columns": lambda v, f, G: np.reshape(G, -1, order="F"),
    "in parts": lambda v, f, G: np.array_split(f, 2),
    "by method": lambda v, f, G: (
        G.reshape(9)[2:8].reshape(2, -1).T.ravel().dot(np.arange(6.0)) + f.mean() + G.sum(0)[1]
    ),
    "of a sum of lists": lambda v, f, G: np.sum([v, f]),
    "of a list of scalars": lambda v, f, G: np.mean([v[0], f[1], 2.0]),
    "an array of functions": lambda v, f, G: np.array([v, f]) @ Q,
    "an array of functions times functions": lambda v, f, G: np.array([v, f]) @ v,
    "functions times an array of functions": lambda v, f, G: f @ np.array([v, f]).T,
    "two matrices": lambda v, f, G: (G @ G) @ Q,
    "numbers times a matrix": lambda v, f, G: ((A @ G - 2.0 * G) / 4.0) @ f,
    "a matrix and a function": lambda v, f, G: (f[0] - G) @ Q + (G / A.clip(1.0)) @ Q,
    "a NumPy number first": lambda v, f, G: np.float64(2.0) * v + np.int64(3) - np.float32(0.5) * f,
    "an array plus one": lambda v, f, G: sum([Q, v, f]) + sum(f),
} | {
    f"{kind.__name__} @": lambda v, f, G, kind=kind: kind(A) @ f + (kind(A) @ G) @ v
    for kind in (sp.csr_array, sp.csc_array, sp.coo_array, sp.bsr_array, sp.dia_array, sp.lil_array, sp.csr_matrix)
}


@pytest.mark.parametrize("what", EXPRESSIONS)
def test_expressions_of_numpy_and_scipy(what: str) -> None:
    """Keywords, sums of products, stacks, arrays of functions and sparse arrays give what they give for numbers."""
    args = (V, F, G)
    got = EXPRESSIONS[what](*args)
    assert same(at_point(got), EXPRESSIONS[what](*at_point(args)))


def test_large_functions_move_as_arrays() -> None:
    """What only moves entries, sums or stacks them does not make an object of each."""
    v = ot.Model().add_variables(200_000)
    made: list[None] = []
    init = ot.VariableIndex.__init__
    try:
        ot.VariableIndex.__init__ = lambda self, value: made.append(init(self, value))  # type: ignore[method-assign]
        f = np.concatenate([np.flip(np.roll(v, 1)), np.reshape(v, (400, 500)).T.ravel()])
        total = np.dot(np.ones(400_000), f) + np.mean(v) + np.sum(v.reshape(400, 500), axis=0)[0]
        total += (sp.eye_array(200_000, format="csr") @ v).sum()
    finally:
        ot.VariableIndex.__init__ = init  # type: ignore[method-assign]
    assert total.coefficient(v[1]) == pytest.approx(3 + 1 / 200_000) and not made


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: np.max(V), "numpy.max is not defined.*t minimized"),
        (lambda: np.linalg.norm(V), "numpy.linalg.norm.*SecondOrderCone"),
        (lambda: np.linalg.solve(A, V), r"np.linalg.inv\(A\) @ f"),
        (lambda: np.sort(V), "numpy.sort.*model.value"),
        (lambda: np.allclose(V, F), "An equation is a constraint"),
        (lambda: np.add(V, 1.0, out=np.zeros(3)), "numpy.add.*no `out`"),
        (lambda: np.floor(V), "numpy.floor is not defined.*register_operator"),
        (lambda: np.add.reduce(V), "numpy.add.*no further arguments"),
        (lambda: np.sum(V, out=np.zeros(())), "cannot write"),
        (lambda: np.mean(V, where=[True, False, True]), "with `initial` only"),
        (lambda: np.where(V, V, 1.0), "no truth value"),
        (lambda: np.asarray(V, float), "no float64.*model.value"),
        (lambda: bool(X), "no truth value"),
        (lambda: bool(V), "no truth value"),
        (lambda: bool(G), "no truth value"),
        (lambda: G < A, "no strict inequality"),
        (lambda: G != A, "no constraint `!=`"),
    ],
)
def test_refusals_say_what_to_write(make: Callable[[], Any], words: str) -> None:
    """A refusal names the function of NumPy, and what to write instead."""
    with pytest.raises(TypeError, match=words):
        make()


def test_masked_numbers_beside_functions_are_refused() -> None:
    """What hides under a mask does not enter a stack."""
    with pytest.raises(ot.InvalidData, match=r"numpy\.concatenate was given masked entries"):
        np.concatenate([V, np.ma.array([1.0, 2.0], mask=[True, False])])


def test_shapes() -> None:
    """Scalars, vectors and matrices have the shapes of their values."""
    for f, shape in ((X, ()), (V, (3,)), (F, (3,)), (G, (3, 3)), (S, (3, 3)), (G[0], (3,)), (V * V, (3,))):
        assert f.shape == np.shape(f) == np.asarray(f).shape == shape
        assert f.ndim == np.ndim(f) == len(shape) and f.size == np.size(f) == np.prod(shape)
    assert np.zeros_like(V).tolist() == [0.0] * 3 and np.full_like(V, 2).dtype == np.float64
    assert len(np.array([V, F])) == 2 and np.array([X, X]).shape == (2,)
