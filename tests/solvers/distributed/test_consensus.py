"""Consensus least squares: answers and derivatives against SciPy's, and what cannot be answered."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import optangent as ot
from optangent.solvers.distributed import executor_engine

from .blocks import KINDS, Blocks, blocks, by_nnls, sources, stacked

WEIGHTS = [(True, 0.0, 0.0), (True, 0.3, 0.2), (False, 0.3, 0.0), (False, 0.1, 0.5)]
EXACT = ot.DifferentiationStatusCode.EXACT


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    """Two threads."""
    with ThreadPoolExecutor(2) as executor:
        yield executor


def problem(pool: Any, data: Blocks, **options: Any) -> ot.distributed.ConsensusLeastSquares:
    """Of some blocks; patience short enough for a test."""
    return ot.distributed.ConsensusLeastSquares(sources(data), pool, **{"patience": 20.0, **options})


def units(data: Blocks) -> np.ndarray:
    """Lengths of the columns."""
    return np.linalg.norm(stacked(data)[0], axis=0)


@pytest.mark.parametrize(("nonnegative", "ridge", "lasso"), WEIGHTS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_answer_is_that_of_the_stacked_problem(
    pool: ThreadPoolExecutor, kind: str, nonnegative: bool, ridge: float, lasso: float
) -> None:
    """To 1e-8 in units of the columns, optimal, with the objective's value, in every kind of data."""
    data = blocks(kind)
    with problem(pool, data, nonnegative=nonnegative, ridge=ridge, lasso=lasso) as made:
        solution = made.solve()
    expected, scale = by_nnls(data, nonnegative, ridge, lasso), units(data)
    assert solution.status is ot.TerminationStatusCode.OPTIMAL, solution.message
    assert np.linalg.norm(scale * (solution.x - expected)) <= 1e-8 * np.linalg.norm(scale * expected)
    assert np.array_equal(solution.x != 0.0, expected != 0.0)
    A, b = stacked(data)
    value = 0.5 * np.sum((A @ expected - b) ** 2) + 0.5 * ridge * expected @ expected + lasso * abs(expected).sum()
    assert solution.objective == pytest.approx(value, rel=1e-10)
    assert solution.residual <= 1e-14


@pytest.mark.parametrize(("nonnegative", "ridge", "lasso"), WEIGHTS)
@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_are_those_of_differences(
    pool: ThreadPoolExecutor, kind: str, nonnegative: bool, ridge: float, lasso: float
) -> None:
    """Both modes in b and both weights: exact, equal to central differences, and adjoint to each other."""
    data, rng, scale = blocks(kind), np.random.default_rng(1), units(blocks(kind))
    moves = [0.1 * rng.standard_normal(len(b)) for _, b in data]
    d_ridge, d_lasso = 0.2 * ridge, 0.3 * lasso  # a weight of zero has one side only

    def moved(h: float) -> np.ndarray:
        there = [(A, b + h * move) for (A, b), move in zip(data, moves, strict=True)]
        return by_nnls(there, nonnegative, ridge + h * d_ridge, lasso + h * d_lasso)

    with problem(pool, data, nonnegative=nonnegative, ridge=ridge, lasso=lasso) as made:
        made.solve()
        tangent = made.jvp(dict(enumerate(moves)), ridge=d_ridge, lasso=d_lasso)
        seed = rng.standard_normal(made.n) * scale
        gradient = made.vjp(seed)
        pulled = gradient.b()
        assert made.differentiation_status is EXACT and gradient.status is EXACT
    differences = [(moved(h) - moved(-h)) / (2 * h) for h in (1e-2, 1e-3, 1e-4)]
    size = np.linalg.norm(scale * tangent)
    assert min(np.linalg.norm(scale * (one - tangent)) for one in differences) <= 1e-7 * size
    back = sum(float(g @ move) for g, move in zip(pulled, moves, strict=True))
    assert back + gradient.ridge * d_ridge + gradient.lasso * d_lasso == pytest.approx(seed @ tangent, rel=1e-9)


def test_many_seeds_are_answered_at_a_time(pool: ThreadPoolExecutor) -> None:
    """Seeds (n, k) give what they give one by one, in fewer reductions; a block's part is asked by number."""
    data = blocks("plain")
    with problem(pool, data, lasso=0.1, ridge=0.1) as made:
        made.solve()
        seeds = np.random.default_rng(0).standard_normal((made.n, 3))
        one_by_one = [made.vjp(seed) for seed in seeds.T]
        before = made.traffic.reductions
        together = made.vjp(seeds)
        assert made.traffic.reductions - before < 60
        np.testing.assert_allclose(together.direction, np.stack([g.direction for g in one_by_one], axis=1), atol=1e-12)
        np.testing.assert_allclose(together.lasso, [g.lasso for g in one_by_one], rtol=1e-9)
        np.testing.assert_allclose(together.ridge, [g.ridge for g in one_by_one], rtol=1e-9)
        (third,) = together.b([2])
        np.testing.assert_allclose(third, data[2][0] @ together.direction, atol=1e-12)
        assert together.b([]) == []


def test_a_weight_that_changes_keeps_the_blocks(pool: ThreadPoolExecutor) -> None:
    """A path of lasso weights, each from the last one: right, and the solution is taken back with the weight."""
    data = blocks("plain")
    with problem(pool, data, lasso=0.1) as made:
        x = None
        for lasso in (0.1, 0.5, 2.0):
            made.lasso = lasso
            with pytest.raises(ot.NotOptimized, match="solve"):
                made.vjp(np.ones(made.n))
            x = made.solve(start=x).x
            np.testing.assert_allclose(x, by_nnls(data, True, 0.0, lasso), atol=1e-9)
        made.lasso, made.ridge = 0.0, 0.7
        np.testing.assert_allclose(made.solve().x, by_nnls(data, True, 0.7, 0.0), atol=1e-9)
        assert (made.ridge, made.lasso, made.rows) == (0.7, 0.0, (40,) * 4)


@pytest.mark.parametrize("rho", [1e-6, 1.0, 1e6])
def test_any_penalty_leads_there(pool: ThreadPoolExecutor, rho: float) -> None:
    """The penalty of the iteration is a matter of speed, not of the answer."""
    data = blocks("correlated")
    with problem(pool, data, rho=rho) as made:
        np.testing.assert_allclose(made.solve().x, by_nnls(data), rtol=1e-8, atol=1e-10)


def test_the_iteration_alone_converges(pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without exact steps the iteration has the right fixed point, and the objective of no other problem."""
    monkeypatch.setattr("optangent.solvers.distributed.run.exact_step", lambda *given: (None, given[-1]))
    data = blocks("plain")
    with problem(pool, data, lasso=0.2) as made:
        short = made.solve(max_iterations=10)
        solution = made.solve(tolerance=1e-13)
    np.testing.assert_allclose(solution.x, by_nnls(data, True, 0.0, 0.2), atol=1e-10)
    assert solution.status is ot.TerminationStatusCode.OPTIMAL and 10 < solution.iterations < 100
    assert short.status is ot.TerminationStatusCode.ITERATION_LIMIT and short.iterations == 10
    assert "was not met" in short.message and f"{short.residual:.1e}" in short.message


def test_a_tolerance_that_cannot_be_met_says_what_was_reached(pool: ThreadPoolExecutor) -> None:
    """Below rounding the run ends with SLOW_PROGRESS and the residual in words; the answer is as good as can be."""
    data = blocks("plain")
    with problem(pool, data) as made:
        solution = made.solve(tolerance=1e-30)
        assert solution.status is ot.TerminationStatusCode.SLOW_PROGRESS
        assert "1e-30 was not met" in solution.message and f"{solution.residual:.1e}" in solution.message
        np.testing.assert_allclose(solution.x, by_nnls(data), atol=1e-10)
        assert made.vjp(np.ones(made.n)).status is EXACT


# ---------------------------------------------------------------------- kinks
def test_a_kink_is_told(pool: ThreadPoolExecutor) -> None:
    """Where b is met by an x with zeros, multipliers are zero too: WEAKLY_ACTIVE, by any units of the columns."""
    x = np.array([1.0, 0.0, 2.0])
    for units_of_columns in (np.ones(3), np.array([1e6, 1.0, 1e-6])):
        rng = np.random.default_rng(0)
        A = [rng.standard_normal((10, 3)) * units_of_columns for _ in range(2)]
        with problem(pool, [(a, a @ (x / units_of_columns)) for a in A]) as made:
            assert made.solve().status is ot.TerminationStatusCode.OPTIMAL
            assert made.vjp(np.ones(3)).status is ot.DifferentiationStatusCode.WEAKLY_ACTIVE


@pytest.mark.parametrize("nonnegative", [True, False])
def test_equal_columns_have_no_unique_solution(pool: ThreadPoolExecutor, nonnegative: bool) -> None:
    """NONUNIQUE, with the answer of least norm: half a seed for each of two equal columns; ridge makes it EXACT."""
    data = [(np.hstack([A, A[:, :1]]), A @ np.ones(15) + b) for A, b in blocks("plain")]
    A, _ = stacked(data)
    with problem(pool, data, nonnegative=nonnegative) as made:
        assert made.solve().status is ot.TerminationStatusCode.OPTIMAL
        seed = np.random.default_rng(2).standard_normal(16)
        gradient = made.vjp(seed)
        assert gradient.status is ot.DifferentiationStatusCode.NONUNIQUE
        np.testing.assert_allclose(gradient.direction, np.linalg.pinv(A.T @ A) @ seed, rtol=1e-6, atol=1e-9)
        made.ridge = 0.1
        made.solve()
        assert made.vjp(seed).status is EXACT


def test_zeros(pool: ThreadPoolExecutor) -> None:
    """Zero b, columns of zeros and data of zeros have a solution, zero where nothing draws, and no warning."""
    data = blocks("plain")
    with problem(pool, [(A, 0.0 * b) for A, b in data], nonnegative=False) as made:
        assert made.solve().x.tolist() == [0.0] * 15 and made.vjp(np.ones(15)).status is EXACT
    with problem(pool, [(A * (np.arange(15) != 3), b) for A, b in data], nonnegative=False) as made:
        solution = made.solve()
        assert solution.x[3] == 0.0 and solution.status is ot.TerminationStatusCode.OPTIMAL
        assert made.vjp(np.ones(15)).status is ot.DifferentiationStatusCode.NONUNIQUE
    with problem(pool, [(0.0 * A, b) for A, b in data]) as made:
        assert made.solve().x.tolist() == [0.0] * 15
    with problem(pool, data, lasso=1e9, nonnegative=False) as made:
        assert made.solve().x.tolist() == [0.0] * 15 and made.vjp(np.ones(15)).status is EXACT


def test_data_without_digits_are_called_inaccurate(pool: ThreadPoolExecutor) -> None:
    """Two columns that differ by 1e-9 leave no digits in the normal equations: neither OPTIMAL nor EXACT is said."""
    rng = np.random.default_rng(0)
    data = []
    for _ in range(3):
        A = rng.standard_normal((20, 6))
        A[:, 1] = A[:, 0] + 1e-9 * A[:, 1]
        data.append((A, rng.standard_normal(20)))
    with problem(pool, data, nonnegative=False) as made:
        solution = made.solve(tolerance=1e-13)
        assert solution.status is ot.TerminationStatusCode.SLOW_PROGRESS and solution.residual > 1e-13
        assert made.vjp(np.ones(6)).status is not EXACT


# ---------------------------------------------------------------------- bad input
def test_bad_data_name_their_block(pool: ThreadPoolExecutor) -> None:
    """NaN, infinite numbers, wrong shapes, and things that are no data, in dense and sparse blocks."""
    good = blocks("plain")

    def with_block(block: Any) -> None:
        problem(pool, [*good[:2], block, good[3]])

    A, b = good[2]
    for broken, name in ((np.nan, "A"), (np.inf, "A"), (np.nan, "b")):
        spoiled, spoiled_b = A.copy(), b.copy()
        (spoiled if name == "A" else spoiled_b)[3] = broken
        with pytest.raises(ot.InvalidData, match=rf"{name} of block 2 .* not finite"):
            with_block((spoiled, spoiled_b))
    with pytest.raises(ot.InvalidData, match="A of block 2"):
        with_block((sp.csr_array([[np.nan] * 15]), [1.0]))
    with pytest.raises(ot.DimensionMismatch, match="Block 2 has 14 columns and block 0 has 15"):
        with_block((A[:, 1:], b))
    with pytest.raises(ot.DimensionMismatch, match=r"Block 2 has A of shape \(40, 15\) and b of shape \(39,\)"):
        with_block((A, b[1:]))
    with pytest.raises(ot.InvalidData, match=r"source of block 2 must return \(A, b\), got list"):
        with_block([A, b])
    with pytest.raises(ot.InvalidData, match="source of block 2 must return arrays of numbers"):
        with_block((A, ["a"] * 40))
    with pytest.raises(ZeroDivisionError):
        ot.distributed.ConsensusLeastSquares([lambda: 1 / 0], pool)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rho": 0.0}, "rho must be a positive, finite number.*curvature"),
        ({"rho": -1.0}, "rho"),
        ({"rho": np.nan}, "rho"),
        ({"rho": "auto"}, "rho"),
        ({"ridge": -1.0}, "ridge must be a finite number, not negative; got -1.0"),
        ({"lasso": np.inf}, "lasso"),
        ({"workers": 0}, "workers must be a whole number"),
        ({"workers": 1.5}, "workers"),
        ({"patience": 0}, "patience"),
    ],
)
def test_numbers_out_of_range_are_refused(pool: ThreadPoolExecutor, options: dict[str, Any], words: str) -> None:
    """By name, with what was given and what is expected, before anything is loaded."""
    with pytest.raises(ot.InvalidData, match=words):
        ot.distributed.ConsensusLeastSquares([lambda: pytest.fail("loaded")], pool, **options)


def test_wrong_calls_leave_the_problem_as_it_was(pool: ThreadPoolExecutor) -> None:
    """Of solve, jvp, vjp and the weights: refused with the reason, and the solution stays."""
    data = blocks("plain")
    with pytest.raises(ot.InvalidData, match="0 things"):
        ot.distributed.ConsensusLeastSquares([], pool)
    with pytest.raises(ot.InvalidData, match="one source for each block"):
        ot.distributed.ConsensusLeastSquares(data, pool)
    with pytest.raises(ot.InvalidData, match=r"must be a dask\.distributed.Client or"):
        ot.distributed.ConsensusLeastSquares(sources(data), "threads")
    with problem(pool, data) as made:
        with pytest.raises(ot.NotOptimized, match="no solution to differentiate"):
            made.jvp()
        made.solve()
        refused: list[tuple[type[Exception], str, Any]] = [
            (ot.InvalidData, "tolerance", lambda: made.solve(tolerance=-1)),
            (ot.InvalidData, "max_iterations", lambda: made.solve(max_iterations=0)),
            (ot.DimensionMismatch, r"start has shape \(3,\)", lambda: made.solve(start=np.ones(3))),
            (ot.InvalidData, "start", lambda: made.solve(start=np.full(15, np.nan))),
            (ot.InvalidData, "no block 4", lambda: made.jvp({4: np.ones(40)})),
            (ot.DimensionMismatch, r"block 1 has shape \(3,\)", lambda: made.jvp({1: np.ones(3)})),
            (ot.DimensionMismatch, r"expected \(15,\)", lambda: made.vjp(np.ones(14))),
            (ot.InvalidData, "not finite", lambda: made.vjp(np.full((15, 2), np.inf))),
            (ot.InvalidData, "no block 7", lambda: made.vjp(np.ones(15)).b([7])),
            (ot.InvalidData, "lasso", lambda: setattr(made, "lasso", -1.0)),
            (ot.InvalidData, "cannot be sent", lambda: made.jvp({0: lambda: np.ones(40)})),
        ]
        for error, words, call in refused:
            with pytest.raises(error, match=words):
                call()
        tangent = made.jvp({1: np.ones(40)})
        np.testing.assert_array_equal(made.jvp({1: partial(np.ones, 40)}), tangent)
        assert np.any(tangent)


def test_an_unprepared_block_is_told_the_scale(pool: ThreadPoolExecutor) -> None:
    """A block that comes anew into a run takes up the iteration where it stands."""
    data = blocks("plain")
    with problem(pool, data) as made:
        expected = made.solve().x
        (held,) = (mine for mine in executor_engine._HELD.values() if len(mine) == 4)
        block = held[1]
        block.scale = None
        block.reset()
        np.testing.assert_allclose(made.solve().x, expected, atol=1e-12)
        assert block.scale is not None
