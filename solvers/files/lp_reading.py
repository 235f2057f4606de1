"""LP files, which HiGHS reads."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from ...modelkit.errors import MalformedFile, UnsupportedConstraint
from ...modelkit.warning import warn_user
from ..libraries.highs_runs import matrix_of
from ..options import load_library
from .lp_writing import RANGE_ENDS
from .program import Program

__all__ = ["read_lp"]

_PLACE = re.compile(r"\n\s*--> .*?:(\d+):\d+\n")
_HINT = re.compile(r"\^+ (.*)")
_HELP = re.compile(r"= help: (.*)")
_HARMLESS = "are summed"
_LIMITS = {"small_matrix_value": 1e-12, "large_matrix_value": 1e300, "infinite_cost": 1e300}


def read_lp(path: str, source: str) -> Program:
    """The program that a file holds.

    Parameters
    ----------
    path : what the file is called in messages
    source : where HiGHS finds it, its name ending in ``.lp``

    Raises
    ------
    MalformedFile
        With the line, where HiGHS tells it (from 1.16 on), and the reason.
    UnsupportedConstraint
        If it has what is no linear or quadratic program.
    """
    highspy = load_library("highspy")
    handle, said = highspy._Highs(), []
    handle.setOptionValue("log_to_console", False)
    for option, value in _LIMITS.items():
        handle.setOptionValue(option, value)
    handle.setCallback(lambda kind, message, out, answer, data: said.append(message), None)
    handle.startCallback(highspy.cb.HighsCallbackType.kCallbackLogging)
    status = handle.readModel(source)
    for message in said:
        _judge(path, message)
    if int(status) < 0:
        raise MalformedFile(path, "HiGHS cannot read it as an LP file, and does not say why; from 1.16 on it does.")
    lp = handle.getLp()
    if not lp.num_col_:
        raise MalformedFile(path, "there are no variables in it: an LP file has an objective, constraints and bounds.")
    return _joined(_program(handle, lp))


def _judge(path: str, message: str) -> None:
    """Raise for what HiGHS cannot read or leaves out, warn of what else it warns of."""
    level, _, rest = message.partition(":")
    if level not in ("ERROR", "WARNING") or "Parser error reading" in rest:
        return
    place, more = _PLACE.search(rest), [found[1] for found in (_HINT.search(rest), _HELP.search(rest)) if found]
    reason = rest.strip().split("\n")[0]
    line = int(place[1]) if place else None
    if "not supported by HiGHS" in reason:
        raise UnsupportedConstraint(
            f"{path}{f', line {line}' if line else ''}: {reason.replace(' supported by HiGHS', ' read from files')}; a "
            "file holds a linear or quadratic program, with whole and semicontinuous variables. Write them in Python."
        )
    reason = "; ".join([reason, *more])
    if level == "ERROR" or (place and _HARMLESS not in reason):
        raise MalformedFile(path, f"{reason}.", line)
    if _HARMLESS not in reason:
        warn_user(f"{path}: {reason}", UserWarning)


def _program(handle: Any, lp: Any) -> Program:
    n, m = lp.num_col_, lp.num_row_
    hessian = handle.getModel().hessian_
    P = sp.csc_array((n, n))
    if hessian.dim_:
        half = sp.csc_array(
            (np.array(hessian.value_), np.array(hessian.index_, np.int32), np.array(hessian.start_, np.int32)),
            shape=(n, n),
        )
        P = sp.csc_array(half + half.T - sp.diags_array(half.diagonal()))
    kinds = np.array([int(kind) for kind in lp.integrality_] or np.zeros(n), np.uint8)
    return Program(
        "",
        list(lp.col_names_),
        list(lp.row_names_) or [""] * m,
        lp.sense_.name == "kMaximize",
        P,
        np.array(lp.col_cost_, np.float64),
        lp.offset_,
        sp.csr_array(matrix_of(lp)),
        np.array(lp.row_lower_, np.float64),
        np.array(lp.row_upper_, np.float64),
        np.array(lp.col_lower_, np.float64),
        np.array(lp.col_upper_, np.float64),
        kinds,
    )


def _joined(program: Program) -> Program:
    """Two rows ``NAMElo`` and ``NAMEup`` of one function, one with a lower and one with an upper side, are a range."""
    A, names, lower, upper = program.A, program.rows, program.row_lower.copy(), program.row_upper.copy()
    A.sort_indices()
    low, high = RANGE_ENDS
    gone = []
    for i in range(len(names) - 1):
        stem = names[i].removesuffix(low)
        if stem == names[i] or names[i + 1] != stem + high:
            continue
        if upper[i] < np.inf or lower[i + 1] > -np.inf or lower[i] > upper[i + 1]:
            continue
        one, two = (slice(A.indptr[k], A.indptr[k + 1]) for k in (i, i + 1))
        if np.array_equal(A.indices[one], A.indices[two]) and np.array_equal(A.data[one], A.data[two]):
            upper[i], names[i] = upper[i + 1], stem
            gone.append(i + 1)
    if not gone:
        return program
    kept = np.setdiff1d(np.arange(len(names)), gone)
    return replace(
        program,
        rows=[names[i] for i in kept.tolist()],
        A=sp.csr_array(A[kept]),
        row_lower=lower[kept],
        row_upper=upper[kept],
    )
