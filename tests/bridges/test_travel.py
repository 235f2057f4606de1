"""What travels down is the adjoint of what travels up, through real nodes and through chains of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import optangent as ot
from optangent.bridges import BridgeOptimizer
from optangent.modelkit.block import SetBlock
from optangent.modelkit.functions import VectorOfVariables
from optangent.modelkit.indices import ConstraintIndices, Kind, describe_kind
from optangent.modelkit.rows import Rows
from optangent.modelkit.sets import Set

from .mocks import Recorder
from .subjects import (
    DISCRETE,
    EXAMPLES,
    FUNCTIONS,
    SUBJECTS,
    Subject,
    has_matrices,
    is_box,
    model_for,
    random_block,
    random_dual,
    random_rows,
)

VAF, SAF = ot.VectorAffineFunction, ot.ScalarAffineFunction
PROFILES: dict[str, tuple[Sequence[Kind], dict[str, Any]]] = {
    "cones": ([(VAF, ot.Nonnegatives), (VAF, ot.Zeros)], {}),
    "only nonnegatives": ([(VAF, ot.Nonnegatives)], {}),
    "intervals": ([(SAF, ot.Interval)], {}),
    "one side": ([(SAF, ot.LessThan)], {}),
    "bounds and equalities": ([(SAF, ot.EqualTo), (ot.VariableIndex, ot.Interval)], {}),
    "rectangles": ([(VAF, ot.HyperRectangle)], {}),
    "quadratic": ([(ot.ScalarQuadraticFunction, ot.LessThan), (ot.ScalarQuadraticFunction, ot.EqualTo)], {}),
    "curved cones": (
        [
            *((VAF, s) for s in (ot.Zeros, ot.Nonnegatives, ot.SecondOrderCone, ot.ExponentialCone, ot.PowerCone)),
            (VAF, ot.ScaledPositiveSemidefiniteConeTriangle),
        ],
        {},
    ),
    "other curved cones": (
        [
            *((VAF, s) for s in (ot.Zeros, ot.Nonnegatives, ot.DualExponentialCone, ot.DualPowerCone)),
            (VAF, ot.PositiveSemidefiniteConeTriangle),
        ],
        {},
    ),
    "standard form": ([(VAF, ot.Zeros)], {"free": False, "made": [ot.Nonnegatives]}),
    "negative standard form": ([(VAF, ot.Zeros)], {"free": False, "made": [ot.Nonpositives]}),
}


def inner_of(layer: Any) -> Recorder:
    """The recorder below one or more layers."""
    while isinstance(layer, BridgeOptimizer):
        layer = layer.inner
    assert isinstance(layer, Recorder)
    return layer


def expressions(layer: BridgeOptimizer, v: VectorOfVariables) -> tuple[sp.csr_array, np.ndarray]:
    """T and the inner identifiers with ``x = T z``."""
    rows = v.rows
    here: Any = layer
    while isinstance(here, BridgeOptimizer):
        rows, here = here._lifter.variables.rewrite(rows), here.inner
    ids = np.arange(here.variable_count) + here.base
    return rows.matrix(lambda i: i - here.base, len(ids)), ids


def check_travel(layer: BridgeOptimizer, v: VectorOfVariables, kind: Kind, index: Any) -> None:
    """The three adjoint identities, for one constraint or many."""
    inner, rng = inner_of(layer), np.random.default_rng(5)
    many = isinstance(index, ConstraintIndices)
    one_by_one = list(index) if many else [index]
    dims = np.array([layer.get(ot.ConstraintSet(), i).dimension for i in one_by_one])
    m, q = int(dims.sum()), len(kind[1].fields)
    as_many = index if many else ConstraintIndices(kind, np.array([index.value]))

    def inner_product(attribute: Any, result: Any) -> float:
        return sum(
            float(np.sum(payload * inner.get(result, ConstraintIndices(i.kind, np.array([i.value])))))
            for i, payload in inner.rows_pushed(attribute)
        )

    # dual seeds and duals
    inner.pushed.clear()
    seed = rng.standard_normal(m)
    layer.set(ot.ReverseConstraintDual(), index, seed if many or kind[1].is_vector else seed[0])
    dual = layer.get(ot.ForwardConstraintDual(), index)
    assert isinstance(dual, float) or dual.shape == (m,)
    assert np.sum(seed * dual) == pytest.approx(
        inner_product(ot.ReverseConstraintDual(), ot.ForwardConstraintDual()), abs=1e-12, rel=1e-12
    )
    # set tangents and gradients; first column: what goes to the constant
    shift = rng.standard_normal((m, 1 + q))
    layer.set(ot.ForwardConstraintSet(), as_many, shift)
    gradient = layer.get(ot.ReverseConstraintSet(), as_many)
    assert gradient.shape == shift.shape
    assert np.sum(shift * gradient) == pytest.approx(
        inner_product(ot.ForwardConstraintSet(), ot.ReverseConstraintSet()), abs=1e-12, rel=1e-12
    )
    if not many and kind[1] not in DISCRETE:  # a set-shaped direction is the same without the first column
        direction = kind[1].build(layer.get(ot.ConstraintSet(), index).shape, shift[:, 1:])
        inner.pushed.clear()
        layer.set(ot.ForwardConstraintSet(), index, direction)
        assert np.sum(direction.numbers * gradient[:, 1:]) == pytest.approx(
            inner_product(ot.ForwardConstraintSet(), ot.ReverseConstraintSet()), abs=1e-12, rel=1e-12
        )
    # function tangents and gradients: the gradient is L Rᵀ, in inner variables with R, in outer ones with T R
    for K in (1, 3):
        inner.pushed.clear()
        tangent = random_rows(K * m, v, rng)
        layer.set(ot.ForwardConstraintFunction(), as_many, tangent)
        T, ids = expressions(layer, v)
        R = rng.standard_normal((len(ids) + 1, 2))
        outer = np.concatenate([T @ R[:-1], R[-1:]])
        left = layer.get(ot.ReverseConstraintFunction(), as_many)
        D = dense(tangent, lambda i: np.searchsorted(v.ids, i), len(v))
        expected = np.array([np.sum((block @ outer) * left) for block in np.split(D, K)])
        found = np.zeros(K)
        for i, rows in inner.rows_pushed(ot.ForwardConstraintFunction()):
            mine = dense(rows, lambda ids: ids - inner.base, len(ids)).reshape(K, -1, len(ids) + 1)
            L = inner.get(ot.ReverseConstraintFunction(), ConstraintIndices(i.kind, np.array([i.value])))
            found += [np.sum((block @ R) * L) for block in mine]
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)


def dense(rows: Rows, column: Any, n: int) -> np.ndarray:
    """Coefficients and constant, row by row."""
    return np.concatenate([rows.matrix(column, n).toarray(), rows.constant[:, None]], axis=1)


def check_start(layer: BridgeOptimizer, kind: Kind, indices: ConstraintIndices, sets: Sequence[Set]) -> None:
    """A dual start of the right sign goes down to duals that come back up as it was (of cones: test_cones.py)."""
    if not is_box(kind[1]):
        return
    inner, block = inner_of(layer), SetBlock.of(sets)
    start = random_dual(kind[1], block.numbers, np.random.default_rng(6))
    inner.pushed.clear()
    layer.set(ot.ConstraintDualStart(), indices, start)
    for i, payload in inner.rows_pushed(ot.ConstraintDualStart()):
        inner._preset[ot.ConstraintDual(), i] = payload
    np.testing.assert_allclose(layer.get(ot.ConstraintDual(), indices), start, atol=1e-12)


def fill(layer: BridgeOptimizer, v: VectorOfVariables, kind: Kind, sets: Sequence[Set]) -> ConstraintIndices:
    """A random block of the constraints."""
    return layer.add_block(random_block(kind, tuple(sets), v, np.random.default_rng(7)))


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_one_bridge(subject: Subject) -> None:
    """The identities hold through one bridge, for the block at once, for a part of it, and one by one."""
    _, layer, v = model_for(subject)
    indices = fill(layer, v, subject.kind, subject.sets)
    check_travel(layer, v, subject.kind, indices)
    check_travel(layer, v, subject.kind, indices[::-2])
    check_travel(layer, v, subject.kind, indices[-1])
    if subject.kind[1] not in DISCRETE:
        check_start(layer, subject.kind, indices, subject.sets)


def is_chain_of_matrices(layer: BridgeOptimizer, kind: Kind) -> bool:
    """Whether the inner model is reached, without a bridge that looks for more than the set."""
    if not layer.supports_constraint(*kind):
        return False
    bridge = layer.graph.bridge(kind)
    if bridge is None:
        return True
    return has_matrices(bridge) and all(is_chain_of_matrices(layer, k) for k in bridge.reach(*kind) or ())


KINDS = [(f, s) for s in EXAMPLES for f in FUNCTIONS if f.is_vector == s.is_vector]
CHAINS = [
    pytest.param(profile, kind, id=f"{profile}: {describe_kind(kind)}")
    for profile, (native, options) in PROFILES.items()
    for kind in KINDS
    if is_chain_of_matrices(BridgeOptimizer(Recorder(native, **options)), kind)
]


@pytest.mark.parametrize(("profile", "kind"), CHAINS)
def test_chains_of_bridges(profile: str, kind: Kind) -> None:
    """The identities hold through the chains that the graph chooses, and through two bridge layers."""
    native, options = PROFILES[profile]
    for example in EXAMPLES[kind[1]]:
        for layers in (1, 2) if example is EXAMPLES[kind[1]][-1] else (1,):
            layer = BridgeOptimizer(Recorder(native, **options))
            if layers == 2:
                layer = BridgeOptimizer(layer)
            v = layer.add_variables(20)
            indices = fill(layer, v, kind, example)
            check_travel(layer, v, kind, indices)
            check_travel(layer, v, kind, indices[0])
            check_start(layer, kind, indices, example)


@pytest.mark.parametrize("profile", PROFILES)
def test_blocks_added_one_after_the_other(profile: str) -> None:
    """Constraints of one kind that were added at different times travel together."""
    native, options = PROFILES[profile]
    layer = BridgeOptimizer(Recorder(native, **options))
    rng = np.random.default_rng(8)
    v = layer.add_variables(20)
    kind: Kind = (VAF, ot.HyperRectangle)
    sets: list[Set] = []
    added = []
    for example in EXAMPLES[ot.HyperRectangle]:
        sets += example
        added.append(layer.add_block(random_block(kind, tuple(example), v, rng)))
    indices = ConstraintIndices(kind, np.concatenate([i.values for i in added]))
    check_travel(layer, v, kind, indices)
    check_start(layer, kind, indices, sets)
    turned = np.random.default_rng(9).permutation(len(indices))
    check_travel(layer, v, kind, ConstraintIndices(kind, indices.values[turned]))


def test_several_directions_of_duals() -> None:
    """Duals of several directions at once come up as a table, also past rows that have no stand-in."""
    inner = Recorder([(VAF, ot.Nonnegatives), (VAF, ot.Zeros)])
    layer = BridgeOptimizer(inner)
    x = layer.add_variable()
    sets = [ot.Interval(-np.inf, np.inf), ot.Interval(0.0, 1.0), ot.Interval(1.0, 1.0)]
    indices = layer.add_constraints([2.0 * x] * 3, sets)
    for kind in inner.kinds():
        for i in inner.get(ot.ListOfConstraintIndices(*kind)):
            m = inner.get(ot.ConstraintSet(), i).dimension
            inner._preset[ot.ForwardConstraintDual(), i] = np.ones((m, 4)) * np.arange(4)
    up = layer.get(ot.ForwardConstraintDual(), indices)
    np.testing.assert_array_equal(up, [[0, 0, 0, 0], [0, 0, 0, 0], [0, 1, 2, 3]])
    np.testing.assert_array_equal(layer.get(ot.ForwardConstraintDual(), indices[0]), 0.0)
