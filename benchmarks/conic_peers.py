"""The peers on the cone programs of workload W4, each in a process of its own.

    python benchmarks/conic_peers.py WORKLOADS.py PROBLEM PEER

is how `conic_derivatives.py` starts it (`peer_process.py`), with the interpreter of `--peers-python`. What the peers
need is in peers.txt: an environment of its own, since some need torch and jax. `diffqcp` needs Python 3.12 (it has a
``type`` statement, whatever its metadata say) and lineax 0.1.0. How each is used:

* diffcp and cvxpylayers solve with SCS (1e-11), with Clarabel (1e-12) on entropy, where SCS is off by 1e-5 or more:
  of the two, the one that gives the better derivatives. (On the SDPs diffcp after Clarabel is wrong by a factor.) What
  diffcp prepares while it solves, in dense mode the dense matrix, counts to its solve. Mode lpgd is a difference of
  re-solves, with a step for which its own and the solver's error balance; its one-sided variants are worse.
* cvxpylayers is the torch layer, whose parameters are the data that the workload asks for, all else being constant.
  Its set-up is cvxpy's canonicalization. Backward only: its torch functions have no forward mode.
* diffqcp has no solver: it is given the same solutions. Its structure is built and its derivatives are compiled
  beforehand, once for all data of that shape; the set-up is that. Mode lu is its dense direct solve.
* Moreau is its compiled solver (interior point, 1e-12, exact differentiation). Backward only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from threads import THREADS

# isort: split
import numpy as np
import scipy.sparse as sp
from conic_workloads import known, references, samples, upper_triangles, wanted, workload
from measuring import relative, timed
from peer_process import main

SCS = {"eps_abs": 1e-11, "eps_rel": 1e-11, "max_iters": 1_000_000}
INTERIOR = {"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12}  # Clarabel and Moreau
BY_CLARABEL = ("entropy",)
MODES = ("lsqr", "lsmr", "dense", "lpgd")
STEP = 1e-5  # of lpgd


@dataclass(frozen=True)
class Peer:
    """A library set up for one problem: its solve gives x, its derivatives those of the solution found last."""

    solved_with: str
    solve: Callable[[], np.ndarray]
    vjp: Callable[[], np.ndarray]
    jvp: Callable[[], np.ndarray] | None = None


def solver(name: str) -> tuple[str, dict[str, Any]]:
    """The solver for peers that have none of their own, and its options."""
    return ("Clarabel", INTERIOR) if name in BY_CLARABEL else ("SCS", SCS)


def described(solver: str) -> str:
    """A solver and its tolerance, for the table."""
    return f"{solver} {SCS['eps_abs'] if solver == 'SCS' else INTERIOR['tol_feas']:g}"


# ------------------------------------------------------------------------------------------------ the peers
def by_diffcp(name: str, data: dict[str, Any], mode: str) -> Peer:
    """Diffcp in one of its modes."""
    import diffcp

    method, options = solver(name)
    if mode == "lpgd":
        options = {**options, "derivative_kwargs": {"tau": STEP, "rho": 0.0}}
    A, dA, zero = sp.csc_matrix(data["A"]), sp.csc_matrix(data["dA"]), np.zeros(len(data["b"]))
    last: dict[str, Any] = {}

    def solve() -> np.ndarray:
        x, _, _, last["derivative"], last["adjoint"] = diffcp.solve_and_derivative(
            A.copy(), data["b"], data["c"], dict(data["cone"]), mode=mode, solve_method=method, **options
        )
        return np.asarray(x)

    def vjp() -> np.ndarray:
        return wanted(data, *last["adjoint"](data["w"], zero, zero))

    def jvp() -> np.ndarray:
        return known(data, last["derivative"](dA, data["dbv"], data["dcv"])[0])

    return Peer(described(method), solve, vjp, jvp)


def cone_constraints(cp: Any, cone: dict[str, Any], slack: Any) -> list[Any]:
    """The rows in their cones, as constraints of cvxpy; equal second-order cones and all exponential ones as one."""
    found, start = [], 0

    def columns(height: int, count: int) -> Any:
        nonlocal start
        rows, start = slack[start : start + height * count], start + height * count
        return cp.reshape(rows, (height, count), order="F")

    if cone.get("z"):
        found.append(columns(cone["z"], 1) == 0)
    if cone.get("l"):
        found.append(columns(cone["l"], 1) >= 0)
    for size in dict.fromkeys(cone.get("q", [])):
        block = columns(size, cone["q"].count(size))
        found.append(cp.SOC(block[0], block[1:], axis=0))
    for side in cone.get("s", []):
        column, row = np.triu_indices(side)  # the lower triangle, column by column
        entries = np.arange(len(row))
        scale = np.where(row == column, 0.5, np.sqrt(0.5))  # the diagonal is met twice
        triangle = sp.csr_array((scale, (row + side * column, entries)), shape=(side * side, len(row)))
        mirrored = sp.csr_array((scale, (column + side * row, entries)), shape=(side * side, len(row)))
        whole = (triangle + mirrored) @ columns(len(row), 1)
        found.append(cp.reshape(whole, (side, side), order="F") >> 0)
    if cone.get("ep"):
        block = columns(3, cone["ep"])
        found.append(cp.ExpCone(block[0], block[1], block[2]))
    return found


def by_cvxpylayers(name: str, data: dict[str, Any], back_end: str) -> Peer:
    """The torch layer of cvxpylayers: on diffcp in one of its modes, or on Moreau."""
    import cvxpy as cp
    import torch
    from cvxpylayers.torch import CvxpyLayer

    torch.set_num_threads(int(THREADS))
    A, b, c = sp.csr_array(data["A"]), data["b"], data["c"]
    x = cp.Variable(A.shape[1])
    if "grad_rows" in data:  # a dense block of A
        rows, columns = np.unique(data["grad_rows"]), np.unique(data["grad_cols"])
        values = [A[rows][:, columns].toarray()]
        parameters = [cp.Parameter(values[0].shape)]
        place = sp.csr_array((np.ones(len(rows)), (rows, np.arange(len(rows)))), shape=(len(b), len(rows)))
        pick = sp.csr_array((np.ones(len(columns)), (np.arange(len(columns)), columns)), shape=(len(columns), len(c)))
        rest = A - place @ sp.csr_array(values[0]) @ pick
        rest.eliminate_zeros()
        slack, objective = b - rest @ x - place @ (parameters[0] @ x[columns]), c @ x
    elif "grad_b" in data:  # the beginning of b
        count = data["cone"]["z"]
        values, parameters = [b[:count]], [cp.Parameter(count)]
        slack, objective = cp.hstack([parameters[0], b[count:]]) - A @ x, c @ x
    else:
        values, parameters = [c, b], [cp.Parameter(len(c)), cp.Parameter(len(b))]
        slack, objective = parameters[1] - A @ x, parameters[0] @ x
    if back_end == "moreau":
        solved_with = f"Moreau {INTERIOR['tol_feas']:g}"
        choice: dict[str, Any] = {"solver": "MOREAU", "solver_args": {"ipm_settings": INTERIOR}}
    else:
        method, options = solver(name)
        solved_with = described(method)
        choice = {"solver_args": {"mode": back_end, "solve_method": method, **options}}
    problem = cp.Problem(cp.Minimize(objective), cone_constraints(cp, data["cone"], slack))
    layer = CvxpyLayer(problem, parameters=parameters, variables=[x], **choice)
    tensors = [torch.tensor(value, requires_grad=True) for value in values]
    w = torch.tensor(data["w"])
    last: dict[str, Any] = {}

    def solve() -> np.ndarray:
        (last["x"],) = layer(*tensors)
        return np.asarray(last["x"].detach())

    def vjp() -> np.ndarray:
        gradients = torch.autograd.grad(last["x"], tensors, w, retain_graph=True)
        whole = np.concatenate([np.ravel(g) for g in gradients])
        return whole[data["grad_b"]] if "grad_b" in data else whole

    return Peer(solved_with, solve, vjp)


def solution(name: str, data: dict[str, Any]) -> list[np.ndarray]:
    """(x, y, s) by the solver itself, for a peer that has none."""
    A, cone = sp.csc_matrix(data["A"]), data["cone"]
    if solver(name)[0] == "SCS":
        import scs

        found = scs.solve({"A": A, "b": data["b"], "c": data["c"]}, dict(cone), verbose=False, **SCS)
        return [found["x"], found["y"], found["s"]]
    import clarabel

    settings = clarabel.DefaultSettings()
    settings.verbose = False
    for option, value in INTERIOR.items():
        setattr(settings, option, value)
    cones = [clarabel.ZeroConeT(cone["z"])] + [clarabel.ExponentialConeT()] * cone["ep"]
    P = sp.csc_matrix((A.shape[1], A.shape[1]))
    answer = clarabel.DefaultSolver(P, data["c"], A, data["b"], cones, settings).solve()
    return [np.array(answer.x), np.array(answer.z), np.array(answer.s)]


def by_diffqcp(name: str, data: dict[str, Any], mode: str) -> Peer:
    """Diffqcp on the host, LSMR or dense LU, everything that depends on shapes alone compiled beforehand."""
    import jax
    import jax.numpy as jnp
    from diffqcp import HostQCP, QCPStructureCPU
    from jax.experimental.sparse import BCOO

    method = {"lsmr": "jax-lsmr", "lu": "jax-lu"}[mode]
    A = sp.coo_array(sp.csr_array(data["A"]))
    (m, n), b, c, w = A.shape, jnp.asarray(data["b"]), jnp.asarray(data["c"]), jnp.asarray(data["w"])
    db, dc = jnp.asarray(data["dbv"]), jnp.asarray(data["dcv"])
    values = jnp.asarray(A.data)
    d_values = jnp.asarray(np.asarray(sp.csr_array(data["dA"])[A.row, A.col]).ravel())
    places = jnp.asarray(np.column_stack([A.row, A.col]))
    P = BCOO((jnp.zeros(n), jnp.column_stack([jnp.arange(n)] * 2)), shape=(n, n))
    structure = QCPStructureCPU(P, BCOO((values, places), shape=(m, n)), dict(data["cone"]))

    def program(values: Any, b: Any, c: Any, x: Any, y: Any, s: Any) -> Any:
        return HostQCP(P, BCOO((values, places), shape=(m, n)), c, b, x, y, s, structure)

    def adjoint(w: Any, *given: Any) -> Any:
        zero = jnp.zeros(m)
        _, dA, dq, db = program(*given).vjp(w, zero, zero, solve_method=method)
        return dA.data, db, dq

    def derivative(d_values: Any, db: Any, dc: Any, *given: Any) -> Any:
        dA = BCOO((d_values, places), shape=(m, n))
        return program(*given).jvp(P, dA, dc, db, solve_method=method)[0]

    shapes = [values, b, c, jnp.zeros(n), jnp.zeros(m), jnp.zeros(m)]
    run_vjp = jax.jit(adjoint).lower(w, *shapes).compile()
    run_jvp = jax.jit(derivative).lower(d_values, db, dc, *shapes).compile()
    last: dict[str, Any] = {}

    def solve() -> np.ndarray:
        found = solution(name, data)
        last["given"] = [values, b, c, *map(jnp.asarray, found)]
        return found[0]

    def vjp() -> np.ndarray:
        dA, db, dc = map(np.asarray, run_vjp(w, *last["given"]))
        return wanted(data, sp.coo_array((dA, (A.row, A.col)), shape=(m, n)), db, dc)

    def jvp() -> np.ndarray:
        return known(data, np.asarray(run_jvp(d_values, db, dc, *last["given"])))

    return Peer(described(solver(name)[0]), solve, vjp, jvp)


def by_moreau(name: str, data: dict[str, Any]) -> Peer:
    """Moreau's compiled solver."""
    import moreau

    cone, order = data["cone"], upper_triangles(data)
    A, b = sp.csr_array(data["A"])[order], data["b"][order]
    A.sort_indices()
    m, n = A.shape
    rows, columns = order[np.repeat(np.arange(m), np.diff(A.indptr))], A.indices
    compiled = moreau.CompiledSolver(
        n=n, m=m, P_row_offsets=np.zeros(n + 1, np.int64), P_col_indices=np.zeros(0, np.int64),
        A_row_offsets=A.indptr, A_col_indices=A.indices,
        cones=moreau.Cones(
            num_zero_cones=cone.get("z", 0), num_nonneg_cones=cone.get("l", 0), so_cone_dims=cone.get("q", []),
            psd_dims=cone.get("s", []), num_exp_cones=cone.get("ep", 0),
        ),
        settings=moreau.Settings(
            device="cpu", solver="ipm", enable_grad=True,
            ipm_settings=moreau.IPMSettings(diff_method="exact", **INTERIOR),
        ),
    )  # fmt: skip

    def solve() -> np.ndarray:
        compiled.setup(np.zeros((1, 0)), A.data[None])
        return np.asarray(compiled.solve(data["c"][None], b[None]).x)[0]

    def vjp() -> np.ndarray:
        found = {key: np.asarray(value)[0] for key, value in compiled.backward(data["w"][None]).items()}
        db = np.empty(m)
        db[order] = found["db"]
        return wanted(data, sp.coo_array((found["dA_values"], (rows, columns)), shape=(m, n)), db, found["dq"])

    return Peer(f"Moreau {INTERIOR['tol_feas']:g}", solve, vjp)


Make = Callable[[str, dict[str, Any]], Peer]
CVXPYLAYERS = ("cvxpylayers", "cvxpylayers.torch")
PEERS: dict[str, tuple[tuple[str, str], Make]] = {  # the distribution, what to import of it, and how it is set up
    **{f"diffcp {mode}": (("diffcp", "diffcp"), partial(by_diffcp, mode=mode)) for mode in MODES},
    "cvxpylayers diffcp lsqr": (CVXPYLAYERS, partial(by_cvxpylayers, back_end="lsqr")),
    "cvxpylayers diffcp lsmr": (CVXPYLAYERS, partial(by_cvxpylayers, back_end="lsmr")),
    "cvxpylayers moreau": (CVXPYLAYERS, partial(by_cvxpylayers, back_end="moreau")),
    "diffqcp lsmr": (("diffqcp", "diffqcp"), partial(by_diffqcp, mode="lsmr")),
    "diffqcp lu": (("diffqcp", "diffqcp"), partial(by_diffqcp, mode="lu")),
    "moreau": (("moreau", "moreau"), by_moreau),
}


def measure(workloads: Any, name: str, make: Make, tell: Callable[..., None]) -> None:
    """Set-up, solve and derivatives of a peer on a problem."""
    data = workload(workloads, name)
    expected = references(data)
    setup, peer = timed(lambda: make(name, data))
    tell(setup=setup, solved_with=peer.solved_with)
    solves = [timed(peer.solve)]
    tell(solve=solves[0][0], x=relative(known(data, solves[0][1]), expected["x"]))
    for which, derivative in (("jvp", peer.jvp), ("vjp", peer.vjp)):
        if derivative is not None:
            first, again, answer = samples(derivative, lambda: solves.append(timed(peer.solve)))
            medians = [float(np.median(first)), float(np.median(again))]
            tell(solve=float(np.median([s for s, _ in solves])))
            tell(**{which: [*medians, relative(answer, expected[which])]})


if __name__ == "__main__":
    main(__doc__.splitlines()[0], PEERS, measure)
