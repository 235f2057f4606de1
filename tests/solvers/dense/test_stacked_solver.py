"""Dense programs in stacks: exact solutions, their derivatives, and proofs that there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.solvers.dense.arrays import namespace_of
from optangent.solvers.dense.program import Programs
from optangent.solvers.dense.rays import proves_infeasible, proves_unbounded
from optangent.solvers.dense.stacked_solver import Ending, solve

from .stacks import known_programs, moved

KINDS = {
    "definite": {},
    "semidefinite": {"rank": 4},
    "linear": {"curved": False},
    "without equalities": {"e": 0},
    "equalities alone": {"m": 3, "e": 3},
    "without rows": {"m": 0, "e": 0},
    "many rows": {"n": 5, "m": 40, "e": 0},
}


def of_kind(kind: str, seed: int) -> tuple[Programs, np.ndarray, np.ndarray]:
    """Such programs."""
    if KINDS[kind].get("m", 12) < 9:
        return unhindered(seed, **KINDS[kind])  # type: ignore[arg-type]
    return known_programs(seed, **KINDS[kind])  # type: ignore[arg-type]


def unhindered(seed: int, m: int, e: int, B: int = 6, n: int = 8) -> tuple[Programs, np.ndarray, np.ndarray]:
    """Programs with equalities alone, by their linear system."""
    rng = np.random.default_rng(seed)
    M, C, b = rng.standard_normal((B, n, n)), rng.standard_normal((B, e, n)), rng.standard_normal((B, m))
    P, q = M @ M.swapaxes(1, 2) + 0.1 * np.eye(n), rng.standard_normal((B, n))
    K = np.block([[P, -C.swapaxes(1, 2)], [C, np.zeros((B, e, e))]])
    z = np.linalg.solve(K, np.concatenate([-q, b], axis=1)[:, :, None])[:, :, 0]
    return Programs(P, q, C, b, b, e), z[:, :n], z[:, n:]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_known_solutions(kind: str, seed: int) -> None:
    """The known solution and its multipliers are found to rounding, all items confirmed."""
    programs, x, y = of_kind(kind, seed)
    found = solve(programs)
    assert (found.ending == Ending.EXACT).all()
    np.testing.assert_allclose(found.x, x, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.y, y, rtol=1e-8, atol=1e-8)
    residuals = programs.residuals(found.x, found.y)
    assert residuals.dual.max() <= 1e-12
    assert residuals.primal.max(initial=0.0) <= 1e-12
    if kind in ("definite", "without equalities", "equalities alone", "without rows", "many rows"):
        assert found.is_smooth.all()


def test_an_active_set_that_takes_many_steps() -> None:
    """Programs that no first guess solves are solved by interior points, as exactly."""
    rng = np.random.default_rng(3)
    M, C = rng.standard_normal((20, 20, 20)), rng.standard_normal((20, 60, 20))
    w = (C @ rng.standard_normal((20, 20, 1)))[:, :, 0]
    lower, upper = w - rng.uniform(0.0, 1.0, w.shape), w + rng.uniform(0.0, 1.0, w.shape)
    programs = Programs(M @ M.swapaxes(1, 2), 10.0 * rng.standard_normal((20, 20)), C, lower, upper)
    found = solve(programs)
    assert found.steps > 3
    assert (found.ending == Ending.EXACT).all()
    residuals = programs.residuals(found.x, found.y)
    assert max(residuals.dual.max(), residuals.primal.max()) <= 1e-13
    assert (found.y * (found.side >= 0) <= 0.0).all()
    assert (found.y * (found.side <= 0) >= 0.0).all()


def test_a_stack_is_its_items() -> None:
    """Items have the answers that they have alone, to rounding, matrices shared or not."""
    programs, _, _ = known_programs(7)
    found = solve(programs)
    for k in range(len(programs.q)):
        alone = solve(programs.take(np.array([k])))
        np.testing.assert_allclose(alone.x[0], found.x[k], rtol=0.0, atol=1e-12)
        np.testing.assert_array_equal(alone.side[0], found.side[k])
    rng = np.random.default_rng(8)
    first = programs.take(np.array([0]))
    shifted = first.q + 0.3 * rng.standard_normal((5, 8))
    sides = np.repeat(first.lower, 5, axis=0), np.repeat(first.upper, 5, axis=0)
    shared = solve(Programs(first.P, shifted, first.C, *sides, 2))
    repeated = Programs(np.repeat(first.P, 5, axis=0), shifted, np.repeat(first.C, 5, axis=0), *sides, 2)
    np.testing.assert_allclose(shared.x, solve(repeated).x, rtol=0.0, atol=1e-12)


def test_units_of_rows_and_variables() -> None:
    """The same programs in units that differ by a million have the same solutions."""
    programs, x, _ = known_programs(9)
    rng = np.random.default_rng(10)
    D, E = 10.0 ** rng.uniform(-3.0, 3.0, 8), 10.0 ** rng.uniform(-3.0, 3.0, 12)
    scaled = Programs(
        D[:, None] * programs.P * D,
        D * programs.q,
        E[:, None] * programs.C * D,
        E * programs.lower,
        E * programs.upper,
        2,
    )
    found = solve(scaled)
    assert (found.ending == Ending.EXACT).all()
    np.testing.assert_allclose(D * found.x, x, rtol=1e-8, atol=1e-8)


def test_derivatives() -> None:
    """One solve with the factors at hand gives tangents as central differences do, and both modes are one map."""
    programs, _, _ = known_programs(11)
    rng, found = np.random.default_rng(12), solve(programs)
    dq, dC = rng.standard_normal(programs.q.shape), rng.standard_normal(programs.C.shape)
    dP, db = rng.standard_normal(programs.P.shape), rng.standard_normal(programs.lower.shape)
    dP = dP + dP.swapaxes(1, 2)

    def at(h: float) -> Any:
        lower, upper = programs.lower + h * db, programs.upper + h * db
        return solve(Programs(programs.P + h * dP, programs.q + h * dq, programs.C + h * dC, lower, upper, 2))

    h = 1e-6
    ahead, behind = at(h), at(-h)
    upper = (dC.swapaxes(1, 2) @ found.y[:, :, None])[:, :, 0] - dq - (dP @ found.x[:, :, None])[:, :, 0]
    rows = db - (dC @ found.x[:, :, None])[:, :, 0]
    dx, dl = found.rows.solve(upper[:, None], rows[:, None])
    np.testing.assert_allclose(dx[:, 0], (ahead.x - behind.x) / (2.0 * h), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(-dl[:, 0], (ahead.y - behind.y) / (2.0 * h), rtol=1e-5, atol=1e-5)
    u, v = rng.standard_normal((6, 2, 8)), rng.standard_normal((6, 2, 12))
    wx, wy = found.rows.solve(u, v)
    active = np.concatenate([np.ones((6, 2)), found.side != 0], axis=1)
    left = (u[:, 0] * wx[:, 1]).sum() + (v[:, 0] * active * wy[:, 1]).sum()
    right = (u[:, 1] * wx[:, 0]).sum() + (v[:, 1] * active * wy[:, 0]).sum()
    assert left == pytest.approx(right, rel=1e-10)


def test_dependent_rows_are_solved_but_not_smooth() -> None:
    """Rows that stand twice have many multipliers: the solution is exact, no derivative is promised."""
    programs, x, _ = known_programs(13)
    twice = moved(
        programs,
        C=np.concatenate([programs.C, programs.C[:, 2:]], axis=1),
        lower=np.concatenate([programs.lower, programs.lower[:, 2:]], axis=1),
        upper=np.concatenate([programs.upper, programs.upper[:, 2:]], axis=1),
    )
    found = solve(twice)
    assert (found.ending == Ending.EXACT).all()
    np.testing.assert_allclose(found.x, x, atol=1e-9)
    assert not found.is_smooth.any()
    C, lower = programs.C.copy(), programs.lower.copy()
    C[:, 1], lower[:, 1] = 2.0 * C[:, 0], 2.0 * lower[:, 0]
    upper = np.concatenate([lower[:, :2], programs.upper[:, 2:]], axis=1)
    found = solve(moved(programs, C=C, lower=lower, upper=upper))
    assert (found.ending == Ending.EXACT).all()
    assert not found.is_smooth.any()


def test_a_weakly_active_row_is_no_smooth_solution() -> None:
    """A row through the solution that pushes nothing makes a kink, and is seen."""
    programs, x, _ = known_programs(14, B=2)
    lower, upper = programs.lower.copy(), programs.upper.copy()
    free = int(np.flatnonzero(solve(programs).side[0] == 0)[0]) + 2
    upper[0, free] = programs.C[0, free] @ x[0]
    found = solve(moved(programs, lower=lower, upper=upper))
    assert (found.ending <= Ending.CLOSE).all()
    assert found.is_smooth.tolist() == [False, True]


def test_proofs_leave_the_neighbours_alone() -> None:
    """Infeasible, unbounded, nonconvex and spoiled items are told apart, with proofs; the other items are solved."""
    programs, x, _ = known_programs(15, B=6)
    P, q, C = programs.P.copy(), programs.q.copy(), programs.C.copy()
    lower, upper = programs.lower.copy(), programs.upper.copy()
    C[0, 5] = -(C[0, 6] + C[0, 7])
    lower[0, 5:8], upper[0, 5:8] = [-1.0, 1.0, 1.0], np.inf  # their sum is zero, and at least one
    C[1, 1], lower[1, 1] = C[1, 0], lower[1, 0] + 1.0
    upper[1, 1] = lower[1, 1]
    P[2] = 0.0
    C[2], lower[2], upper[2] = np.abs(C[2]), -np.inf, 1e3
    q[2], lower[2, :2], C[2, :2], upper[2, :2] = 1.0, 0.0, np.eye(8)[[0, 0]] - np.eye(8)[[1, 1]], 0.0
    P[3, 0, 0] -= 100.0
    q[4, 0] = np.nan
    found = solve(Programs(P, q, C, lower, upper, 2))
    endings = [Ending(int(k)) for k in found.ending]
    assert endings == [
        *(Ending.INFEASIBLE, Ending.INFEASIBLE, Ending.UNBOUNDED, Ending.NONCONVEX, Ending.NOT_FINITE, Ending.EXACT)
    ]
    stack = Programs(P, q, C, lower, upper, 2)
    assert proves_infeasible(stack, found.y)[:2].all()
    assert proves_unbounded(stack, found.x)[2]
    np.testing.assert_allclose(found.x[5], x[5], atol=1e-9)


def test_too_few_steps_are_told() -> None:
    """A limit that does not suffice leaves the item unfinished, never wrong."""
    rng = np.random.default_rng(3)
    M, C = rng.standard_normal((4, 20, 20)), rng.standard_normal((4, 60, 20))
    w = (C @ rng.standard_normal((4, 20, 1)))[:, :, 0]
    programs = Programs(M @ M.swapaxes(1, 2), 10.0 * rng.standard_normal((4, 20)), C, w - 0.1, w + 0.1)
    assert (solve(programs, limit=1).ending == Ending.STALLED).any()
    assert (solve(programs, seconds=0.0).ending == Ending.STALLED).all()


def test_tensors() -> None:
    """PyTorch's arrays give what NumPy's do, to rounding, and stay tensors."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("array_api_compat")
    for kind in ("definite", "semidefinite", "equalities alone", "without rows"):
        programs, _, _ = of_kind(kind, 16)
        names = "P", "q", "C", "lower", "upper"
        same = solve(moved(programs, **{name: torch.tensor(getattr(programs, name)) for name in names}))
        found = solve(programs)
        assert isinstance(same.x, torch.Tensor)
        assert same.x.dtype == torch.float64
        np.testing.assert_allclose(same.x.numpy(), found.x, rtol=0.0, atol=1e-11)
        np.testing.assert_array_equal(same.ending.numpy(), found.ending)
        w = np.random.default_rng(17).standard_normal((6, 2, 8))
        none = np.zeros((6, 2, programs.lower.shape[1]))
        pulled = same.rows.solve(torch.tensor(w), torch.tensor(none))[0]
        np.testing.assert_allclose(pulled.numpy(), found.rows.solve(w, none)[0], rtol=0.0, atol=1e-8)


def test_foreign_arrays() -> None:
    """Arrays of two libraries are refused, with their names."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("array_api_compat")
    with pytest.raises(ot.InvalidData, match="torch"):
        namespace_of(np.zeros(1), torch.zeros(1))
