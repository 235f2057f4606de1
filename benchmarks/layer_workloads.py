"""The layers of the shared workloads: what is asked of every library, how it is timed, and how its error is measured.

Shared by `layers.py` (ours, the tables) and `layer_peers.py` (the peers, in their own interpreter), so that all are
held to the same definitions. Nothing here needs a library but NumPy.

A workload is ``min ½ x'Px + q'x, Gx <= h, Ax = b``, alone or in a batch, built from a known solution, with the loss
``w'x``. It asks for x and for the gradient of the loss in each of its parameters:

==========  ======================================================  ==========================================
problem     size                                                    parameters
==========  ======================================================  ==========================================
tiny (W7)   5 variables, 3 rows                                     P, q, G, h
batch (W3)  128 programs of 100 variables, 50 rows, 10 equalities   P, q, G, h, A, b, of each program its own
energy (W2) 64 schedules of 24 hours: 24 variables, 94 rows         q (the demand); the rest is shared
==========  ======================================================  ==========================================

The references are exact: the workload has the gradients in q, h and b from one KKT solve with the known active set, and
those in the matrices follow from them. With dx, dh and db the gradients in q, h and b, the Lagrangian gives

    dP = (dx x' + x dx') / 2,    dG = z dx' - dh x',    dA = y dx' - db x'.

A gradient in P is made symmetric before it is compared: P is symmetric, and libraries differ in how they share out what
belongs to both halves.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from measuring import relative, timed

PROBLEMS: dict[str, tuple[str, tuple[str, ...]]] = {  # the function of the workloads' module, and the parameters
    "tiny": ("tiny_qp", ("P", "q", "G", "h")),
    "batch": ("batch_qp", ("P", "q", "G", "h", "A", "b")),
    "energy": ("energy_batch", ("q",)),
}
REPETITIONS = {"tiny": 500, "batch": 7, "energy": 30}
BUDGET = 5.0  # seconds after which nothing is repeated any more

Gradients = dict[str, np.ndarray]


def workload(module: Any, name: str) -> dict[str, Any]:
    """The data of a problem, with the names of its parameters and their exact gradients."""
    function, names = PROBLEMS[name]
    data: dict[str, Any] = getattr(module, function)()
    return data | {"names": names, "expected": references(data, names)}


def repeated(data: dict[str, Any]) -> dict[str, Any]:
    """The same data, what the batch shares repeated for each of its items."""
    shape = data["q"].shape[:-1]
    ranks = {"P": 2, "q": 1, "G": 2, "h": 1, "A": 2, "b": 1}
    more = {
        key: np.broadcast_to(data[key], (*shape, *data[key].shape[data[key].ndim - rank :])).copy()
        for key, rank in ranks.items()
    }
    return data | more


# ------------------------------------------------------------------------------------------------ what is asked
def outer(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The product a b' of each item."""
    return a[..., :, None] * b[..., None, :]


def references(data: dict[str, Any], names: tuple[str, ...]) -> Gradients:
    """The exact gradients."""
    x, dx = data["x"], data["ref_dq"]
    found = {"q": dx}
    if "P" in names:
        found["P"] = symmetric(outer(dx, x))
    if "G" in names:
        found["h"], found["G"] = data["ref_dh"], outer(data["z"], dx) - outer(data["ref_dh"], x)
    if "A" in names:
        found["b"], found["A"] = data["ref_db"], outer(data["y"], dx) - outer(data["ref_db"], x)
    return {name: found[name] for name in names}


def symmetric(matrix: np.ndarray) -> np.ndarray:
    """The symmetric part, of each item."""
    return 0.5 * (matrix + np.swapaxes(matrix, -1, -2))


def errors(data: dict[str, Any], x: Any, gradients: Gradients) -> dict[str, Any]:
    """The error of x, the largest among those of the gradients in the parameters, and in which it is."""
    found = {}
    for name, expected in data["expected"].items():
        gradient = np.reshape(gradients[name], expected.shape)
        found[name] = relative(symmetric(gradient) if name == "P" else gradient, expected)
    worst = max(found, key=lambda name: (not np.isfinite(found[name]), found[name]))
    return {"x": relative(x, data["x"]), "gradient": found[worst], "worst": worst}


# ------------------------------------------------------------------------------------------------ how it is timed
def samples(run: Callable[[], Any], repetitions: int, budget: float = BUDGET) -> list[float]:
    """Seconds of so many calls, or of those that there is time for."""
    seconds: list[float] = []
    start = time.perf_counter()
    while len(seconds) < repetitions and (not seconds or time.perf_counter() - start < budget):
        seconds.append(timed(run)[0])
    return seconds
