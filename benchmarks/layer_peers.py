"""The peers on the layers of workloads W2, W3 and W7, each in a process of its own.

    python benchmarks/layer_peers.py WORKLOADS.py PROBLEM PEER

is how `layers.py` starts it (`peer_process.py`), with the interpreter of `--peers-python`. What the peers need is in
peers.txt. How each is used, in float64:

* cvxpylayers is its torch layer: on its default back end (diffcp, as it comes), on that asked for 1e-11 and its dense
  mode, and on Moreau. The workload's rows are written as ``G x <= h``, since Moreau is not handed simple bounds. On
  diffcp P enters by its Cholesky factor, which is the parameter then, as disciplined parametrized programming asks; its
  gradient is compared with that of the factor. The factor is made beforehand. On Moreau P is a parameter itself.
* Moreau is its compiled solver in NumPy, and its torch solver: matrices and vectors handed over at every call.
* qpth and proxsuite (also with its loop over the batch in parallel, and asked for 1e-11 with as little regularization)
  are torch layers. They give gradients in everything, whether asked for or not.
* jaxopt (OSQP) and qpax (also with its smoothing nearly switched off) are compiled by jax beforehand, over the batch by
  ``vmap``. Their forward and backward pass is one compiled function.
* "PIQP and NumPy" is no layer but what one would write by hand: PIQP's dense solver, program by program, then one LU of
  the KKT matrix of the active rows. The naive floor.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from threads import THREADS

# isort: split
import numpy as np
from layer_workloads import REPETITIONS, Gradients, errors, outer, repeated, samples, symmetric, workload
from measuring import timed
from peer_process import main

ACCURATE = {"tol_gap_abs": 1e-11, "tol_gap_rel": 1e-11, "tol_feas": 1e-11}  # of Clarabel
EQUAL_TO_NOTHING = 1e-5  # a slack below which the naive way calls a row active


@dataclass(frozen=True)
class Peer:
    """A library set up for one problem.

    `forward` gives x, as far as a backward pass needs it to be computed; `both` gives x and the gradients, in whatever
    form it has them, and `read` makes arrays of these.
    """

    forward: Callable[[], Any]
    both: Callable[[], tuple[Any, Any]]
    read: Callable[[Any], Gradients] = dict


# ------------------------------------------------------------------------------------------------ layers of PyTorch
def of_torch(data: dict[str, Any], call: Callable[[dict[str, Any]], Any], values: Gradients) -> Peer:
    """A function from tensors to x, differentiated in all of them."""
    import torch

    torch.set_num_threads(int(THREADS))
    tensors = {name: torch.tensor(value, requires_grad=True) for name, value in values.items()}
    w = torch.tensor(data["w"])

    def both() -> tuple[Any, Any]:
        for tensor in tensors.values():
            tensor.grad = None
        x = call(tensors)
        x.backward(w.reshape(x.shape))
        return x.detach(), {name: tensor.grad for name, tensor in tensors.items()}

    return Peer(lambda: call(tensors).detach(), both, lambda found: {k: g.numpy() for k, g in found.items()})


def by_cvxpylayers(data: dict[str, Any], back_end: str) -> Peer:
    """The torch layer of cvxpylayers on one of its back ends."""
    import cvxpy as cp
    from cvxpylayers.torch import CvxpyLayer

    n, batch = data["q"].shape[-1], data["q"].shape[:-1]
    is_factor = back_end != "moreau"
    x, given, values = cp.Variable(n), {}, {}
    for name in data["names"]:
        shape = data[name].shape[len(batch) :]
        given[name] = cp.Parameter(shape, PSD=True) if name == "P" and not is_factor else cp.Parameter(shape)
        values[name] = data[name]
    if is_factor and "P" in given:
        values["P"] = np.swapaxes(np.linalg.cholesky(data["P"]), -1, -2).copy()
    terms = {name: given.get(name, data[name]) for name in "PqGhAb"}
    if not is_factor:
        quadratic = 0.5 * cp.quad_form(x, terms["P"])
    else:
        quadratic = 0.5 * cp.sum_squares((given["P"] if "P" in given else np.linalg.cholesky(data["P"]).T) @ x)
    rows = [terms["G"] @ x <= terms["h"]]
    if data["b"].shape[-1]:
        rows.append(terms["A"] @ x == terms["b"])
    problem = cp.Problem(cp.Minimize(quadratic + terms["q"] @ x), rows)
    choice: dict[str, Any] = {"solver": "MOREAU"} if back_end == "moreau" else {}
    if back_end == "accurate":
        choice["solver_args"] = {"mode": "dense", "solve_method": "Clarabel", **ACCURATE}
    layer = CvxpyLayer(problem, parameters=list(given.values()), variables=[x], **choice)
    peer = of_torch(data, lambda t: layer(*[t[name] for name in given])[0], values)
    if not is_factor or "P" not in given:
        return peer
    inverse = np.linalg.inv(values["P"])

    def read(found: Any) -> Gradients:
        # P = L'L and a gradient S in P, symmetric: the one in L is 2 L S
        return peer.read(found) | {"P": symmetric(0.5 * inverse @ found["P"].numpy())}

    return Peer(peer.forward, peer.both, read)


def by_qpth(data: dict[str, Any]) -> Peer:
    """OptNet's layer."""
    import torch
    from qpth.qp import QPFunction

    # its default accuracy is 1e-12; its check of P costs eigenvalues
    function, empty = QPFunction(verbose=-1, check_Q_spd=False), torch.empty(0, dtype=torch.float64)
    names = "PqGhAb" if data["b"].shape[-1] else "PqGh"
    everything = repeated(data)

    def call(t: dict[str, Any]) -> Any:
        x = function(t["P"], t["q"], t["G"], t["h"], t.get("A", empty), t.get("b", empty))
        return x.reshape(t["q"].shape)

    return of_torch(data, call, {name: everything[name] for name in names})


def by_proxsuite(data: dict[str, Any], parallel: bool = False, accurate: bool = False) -> Peer:
    """ProxQP's layer."""
    import torch
    from proxsuite.torch.qplayer import QPFunction

    names = ("eps", "eps_backward", "rho_backward", "mu_backward") if accurate else ()
    function = QPFunction(omp_parallel=parallel, **dict.fromkeys(names, 1e-11))
    everything = repeated(data)
    lower = torch.full(everything["h"].shape, -1e20, dtype=torch.float64)

    def call(t: dict[str, Any]) -> Any:
        return function(t["P"], t["q"], t["A"], t["b"], t["G"], lower, t["h"])[0].reshape(t["q"].shape)

    return of_torch(data, call, {name: everything[name] for name in "PqGhAb"})


# ------------------------------------------------------------------------------------------------ Moreau
def by_moreau(data: dict[str, Any], is_torch: bool = False) -> Peer:
    """Moreau's solvers: one pattern, the numbers of each program its own."""
    import moreau

    everything = repeated(data)
    batch, n = data["q"].shape[:-1], data["q"].shape[-1]
    count, equalities, m = math.prod(batch), data["b"].shape[-1], data["b"].shape[-1] + data["h"].shape[-1]
    P, rows = everything["P"], np.concatenate([everything["A"], everything["G"]], axis=-2)
    right = np.concatenate([everything["b"], everything["h"]], axis=-1).reshape(count, m)
    P, rows = P.reshape(count, n, n), rows.reshape(count, m, n)
    in_P, in_rows = (np.abs(M).max(axis=0) > 0 for M in (P, rows))
    structure = {"n": n, "m": m}
    for name, mask in (("P", in_P), ("A", in_rows)):
        structure[f"{name}_row_offsets"] = np.concatenate([[0], np.cumsum(mask.sum(axis=1))])
        structure[f"{name}_col_indices"] = np.nonzero(mask)[1]
    P_values, row_values = P[:, in_P], rows[:, in_rows]
    q, w = data["q"].reshape(count, n), data["w"].reshape(count, n)
    settings = moreau.Settings(device="cpu", batch_size=count, enable_grad=True)
    cones = moreau.Cones(num_zero_cones=equalities, num_nonneg_cones=m - equalities)

    def read(found: Any) -> Gradients:
        dP, drows = np.zeros((count, n, n)), np.zeros((count, m, n))
        dP[:, in_P], drows[:, in_rows] = found["dP_values"], found["dA_values"]
        db = np.asarray(found["db"]).reshape(count, m)
        return {
            "P": dP, "q": np.asarray(found["dq"]), "G": drows[:, equalities:], "h": db[:, equalities:],
            "A": drows[:, :equalities], "b": db[:, :equalities],
        }  # fmt: skip

    if not is_torch:
        compiled = moreau.CompiledSolver(cones=cones, settings=settings, **structure)

        def forward() -> Any:
            compiled.setup(P_values, row_values)
            return compiled.solve(q, right).x

        return Peer(forward, lambda: (forward(), compiled.backward(w)), read)

    import moreau.torch
    import torch

    pattern = {k: torch.tensor(v, dtype=torch.int64) if np.ndim(v) else v for k, v in structure.items()}
    solver = moreau.torch.Solver(cones=cones, settings=settings, **pattern)
    values = {"dP_values": P_values, "dA_values": row_values, "dq": q, "db": right}

    def call(t: dict[str, Any]) -> Any:
        found = solver.solve(t["dP_values"], t["dA_values"], t["dq"], t["db"])
        return getattr(found, "x", None) if hasattr(found, "x") else found[0].x

    peer = of_torch(data | {"w": w}, call, values)
    return Peer(peer.forward, peer.both, lambda found: read(peer.read(found)))


# ------------------------------------------------------------------------------------------------ jax
def of_jax(data: dict[str, Any], solve: Callable[..., Any]) -> Peer:
    """A function of P, q, G, h, A, b, mapped over the batch and compiled."""
    import jax
    import jax.numpy as jnp

    everything, names = repeated(data), data["names"]
    place = ["PqGhAb".index(name) for name in names]
    if data["q"].ndim > 1:
        solve = jax.vmap(solve)
    given, w = [jnp.asarray(everything[name]) for name in "PqGhAb"], jnp.asarray(data["w"])

    def loss(*arguments: Any) -> Any:
        x = solve(*arguments)
        return (w * x).sum(), x

    run = jax.jit(solve).lower(*given).compile()
    slope = jax.jit(jax.value_and_grad(loss, argnums=tuple(place), has_aux=True)).lower(*given).compile()

    def both() -> tuple[Any, Any]:
        (_, x), gradients = jax.block_until_ready(slope(*given))
        return x, dict(zip(names, gradients, strict=True))

    return Peer(
        lambda: run(*given).block_until_ready(), both, lambda found: {k: np.asarray(g) for k, g in found.items()}
    )


def by_jaxopt(data: dict[str, Any], tolerance: float) -> Peer:
    """OSQP written in jax, differentiated implicitly."""
    import jaxopt

    solver, equal = jaxopt.OSQP(tol=tolerance), data["b"].shape[-1] > 0
    return of_jax(
        data,
        lambda P, q, G, h, A, b: solver.run(None, (P, q), (A, b) if equal else None, (G, h)).params.primal,
    )


def by_qpax(data: dict[str, Any], **options: float) -> Peer:
    """An interior-point method in jax, differentiated at a relaxed point."""
    import qpax

    return of_jax(data, lambda P, q, G, h, A, b: qpax.solve_qp_primal(P, q, A, b, G, h, **options))


# ------------------------------------------------------------------------------------------------ by hand
def by_hand(data: dict[str, Any]) -> Peer:
    """PIQP, program by program, and the KKT matrix of the active rows."""
    import piqp

    everything, batch, n = repeated(data), data["q"].shape[:-1], data["q"].shape[-1]
    count = math.prod(batch)
    parts = {name: everything[name].reshape(count, *everything[name].shape[len(batch) :]) for name in "PqGhAb"}
    w, equalities = data["w"].reshape(-1, n), data["b"].shape[-1]
    solver, loaded = piqp.DenseSolver(), False

    def forward() -> Any:
        nonlocal loaded
        found = []
        for P, q, G, h, A, b in zip(*parts.values(), strict=True):
            numbers = {"P": P, "c": q, "A": A, "b": b, "G": G, "h_u": h}
            (solver.update if loaded else solver.setup)(**numbers)
            loaded = True
            if solver.solve() != piqp.PIQP_SOLVED:
                raise RuntimeError("PIQP found no solution")
            result = solver.result
            found.append((np.array(result.x), np.array(result.y), np.array(result.z_u)))
        return [np.stack(kind) for kind in zip(*found, strict=True)]

    def backward(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> Gradients:
        dx, db, dh = np.zeros_like(x), np.zeros_like(y), np.zeros_like(z)
        for k, (P, _, G, h, A, _) in enumerate(zip(*parts.values(), strict=True)):
            active = h - G @ x[k] < EQUAL_TO_NOTHING
            rows = np.vstack([A, G[active]])
            K = np.block([[P, rows.T], [rows, np.zeros((len(rows),) * 2)]])
            u = np.linalg.solve(K, np.concatenate([w[k], np.zeros(len(rows))]))
            dx[k], db[k], dh[k, active] = -u[:n], u[n : n + equalities], u[n + equalities :]
        makers = {
            "P": lambda: symmetric(outer(dx, x)), "q": lambda: dx, "G": lambda: outer(z, dx) - outer(dh, x),
            "h": lambda: dh, "A": lambda: outer(y, dx) - outer(db, x), "b": lambda: db,
        }  # fmt: skip
        return {name: makers[name]() for name in data["names"]}

    def both() -> tuple[Any, Any]:
        x, y, z = forward()
        return x, backward(x, y, z)

    return Peer(lambda: forward()[0], both)


Make = Callable[[dict[str, Any]], Peer]
CVXPYLAYERS, MOREAU = ("cvxpylayers", "cvxpylayers.torch"), ("moreau", "moreau")
PROXSUITE = ("proxsuite", "proxsuite.torch.qplayer")
PEERS: dict[str, tuple[tuple[str, str], Make]] = {  # the distribution, what to import of it, and how it is set up
    "cvxpylayers diffcp": (CVXPYLAYERS, partial(by_cvxpylayers, back_end="default")),
    "cvxpylayers diffcp dense 1e-11": (CVXPYLAYERS, partial(by_cvxpylayers, back_end="accurate")),
    "cvxpylayers moreau": (CVXPYLAYERS, partial(by_cvxpylayers, back_end="moreau")),
    "moreau numpy": (MOREAU, by_moreau),
    "moreau torch": (("moreau", "moreau.torch"), partial(by_moreau, is_torch=True)),
    "qpth": (("qpth", "qpth.qp"), by_qpth),
    "proxsuite": (PROXSUITE, by_proxsuite),
    "proxsuite parallel": (PROXSUITE, partial(by_proxsuite, parallel=True)),
    "proxsuite 1e-11": (PROXSUITE, partial(by_proxsuite, accurate=True)),
    "jaxopt OSQP": (("jaxopt", "jaxopt"), partial(by_jaxopt, tolerance=1e-3)),
    "jaxopt OSQP 1e-8": (("jaxopt", "jaxopt"), partial(by_jaxopt, tolerance=1e-8)),
    "qpax": (("qpax", "qpax"), by_qpax),
    "qpax 1e-8": (("qpax", "qpax"), partial(by_qpax, solver_tol=1e-9, target_kappa=1e-8)),
    "PIQP and NumPy": (("piqp", "piqp"), by_hand),
}


def measure(workloads: Any, name: str, make: Make, tell: Callable[..., None]) -> None:
    """Set-up, errors and times of a peer on a problem."""
    data = workload(workloads, name)
    setup, peer = timed(lambda: make(data))
    tell(setup=setup)
    x, gradients = peer.both()  # what is compiled or allocated once is no matter of a call
    tell(**errors(data, x, peer.read(gradients)))
    tell(total=float(np.median(samples(peer.both, REPETITIONS[name]))))
    tell(forward=float(np.median(samples(peer.forward, REPETITIONS[name]))))


if __name__ == "__main__":
    main(__doc__.splitlines()[0], PEERS, measure)
