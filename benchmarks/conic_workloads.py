"""The cone programs of workload W4: what is asked of every library, how it is timed, and how its error is measured.

Shared by `conic_derivatives.py` (ours, the tables) and `conic_peers.py` (the peers, in their own interpreter), so that
all are held to the same definitions. Nothing here needs a library but NumPy and SciPy.

A workload is ``min c'x, b - A x in K`` with the rows of K in the order of SCS, built from a known solution. It asks for

* a JVP: the derivative of x along its direction (dA, db, dc);
* a VJP: the gradients of w'x with respect to c and b, or to the numbers that stand for data in the model that it is
  (the features of logistic regression, which are entries of A; the moments of entropy maximization, a part of b).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from measuring import timed

PROBLEMS: dict[str, tuple[str, tuple[int, ...]]] = {
    "socp": ("socp", ()),
    "sdp30": ("sdp", (30,)),
    "sdp60": ("sdp", (60,)),
    "logistic": ("logistic", ()),
    "entropy": ("entropy", ()),
}
REPETITIONS, AGAIN = 5, 3
BUDGET = 5.0  # seconds after which a derivative is not repeated any more


def workload(module: Any, name: str) -> dict[str, Any]:
    """The data of a problem, with the order of the triangle that Clarabel and ours have, for each semidefinite cone."""
    function, arguments = PROBLEMS[name]
    data: dict[str, Any] = getattr(module, function)(*arguments)
    data["upper"] = [module.scs_to_clarabel_perm(side) for side in data["cone"].get("s", [])]
    return data


def upper_triangles(data: dict[str, Any]) -> np.ndarray:
    """All rows, those of semidefinite cones in the order of the upper triangle, column by column."""
    cone = data["cone"]
    start = cone.get("z", 0) + cone.get("l", 0) + sum(cone.get("q", []))
    order = np.arange(len(data["b"]))
    for within in data["upper"]:
        order[start : start + len(within)] = start + within
        start += len(within)
    return order


# ------------------------------------------------------------------------------------------------ what is asked
def references(data: dict[str, Any]) -> dict[str, np.ndarray]:
    """The exact solution, JVP and VJP, as far as the workload knows them."""
    vjp = data["ref_grad"] if "ref_grad" in data else np.concatenate([data["ref_dc"], data["ref_db"]])
    return {"x": data["x_part"] if "part" in data else data["x"], "jvp": data["ref_dx"], "vjp": vjp}


def known(data: dict[str, Any], x: np.ndarray) -> np.ndarray:
    """The entries of x, or of its derivative, for which there is a reference."""
    return x[: data.get("part", len(x))]


def wanted(data: dict[str, Any], dA: Any, db: np.ndarray, dc: np.ndarray) -> np.ndarray:
    """The gradients that the workload asks for, taken from those of A (sparse), b and c."""
    if "grad_rows" in data:
        return np.asarray(sp.csr_array(dA)[data["grad_rows"], data["grad_cols"]]).ravel()
    return db[data["grad_b"]] if "grad_b" in data else np.concatenate([dc, db])


# ------------------------------------------------------------------------------------------------ how it is timed
def samples(derivative: Callable[[], Any], fresh: Callable[[], Any]) -> tuple[list[float], list[float], Any]:
    """Seconds of first and of repeated derivatives, and the answer.

    ``fresh`` leaves nothing but the solution; the derivative after it is a first one, those that follow have what the
    library keeps. Repeated until the number or the time is enough; a derivative that takes all the time stands alone.
    """
    first: list[float] = []
    again: list[float] = []
    start = time.perf_counter()
    for _ in range(REPETITIONS):
        fresh()
        seconds, answer = timed(derivative)
        first.append(seconds)
        if time.perf_counter() - start > BUDGET:
            break
        again.extend(timed(derivative)[0] for _ in range(AGAIN))
    return first, again or first, answer
