"""What is done to some items of a batch at a time, here or in another process: solve them, differentiate them.

The first argument is always the programs: the model's own, and those with other solvers for what it gives up on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from ...modelkit.attributes import DifferentiationStatusCode
from ...modelkit.errors import OptangentError
from ...modelkit.rows import FloatArray
from .failures import worth_another_try

__all__ = ["Found", "Mode", "derivative_batch", "differentiate_items", "solve_items"]

Mode = Literal["vjp", "jvp"]
Found = tuple[FloatArray | str, DifferentiationStatusCode | None]
"""A derivative or why there is none, and what it is."""


def solve_items(programs: Sequence[Any], thetas: FloatArray, warm: Sequence[Any] | None) -> list[Any]:
    """The items at (B, p) parameters by the first program; those that fail are tried with the next ones."""
    items = list(_solve_batch(programs[0], thetas, warm))
    for program in programs[1:]:
        failed = [k for k, item in enumerate(items) if worth_another_try(item)]
        if failed:
            for k, item in zip(failed, _solve_batch(program, thetas[failed], None), strict=True):
                if not item.reason:
                    items[k] = item
                else:  # the first solver's status stays
                    items[k].reason += f"; another solver: {item.reason}"
    return items


def _solve_batch(program: Any, thetas: FloatArray, warm: Sequence[Any] | None) -> list[Any]:
    if hasattr(program, "solve_batch"):
        return list(program.solve_batch(thetas, warm))
    return [program.solve(theta, warm[k] if warm else None) for k, theta in enumerate(thetas)]


def derivative_batch(program: Any, mode: Mode, items: Sequence[Any], vectors: FloatArray) -> FloatArray:
    """The derivatives of items of one program applied to a vector each, (K, ...)."""
    if hasattr(program, f"{mode}_batch"):
        return np.asarray(getattr(program, f"{mode}_batch")(items, vectors))
    return np.array([getattr(item, mode)(vector) for item, vector in zip(items, vectors, strict=True)])


def differentiate_items(
    programs: Sequence[Any], mode: Mode, items: Sequence[Any], places: Sequence[int], vectors: FloatArray
) -> list[Found]:
    """The derivative of item ``places[k]`` applied to ``vectors[k]``, or why there is none, for each k."""
    found: list[Found] = [("", None)] * len(places)
    for program in programs:
        rows = [k for k, place in enumerate(places) if items[place].program is program]
        order: dict[int, list[int]] = {}
        for k in rows:
            order.setdefault(places[k], []).append(k)
        if rows and len(order) == len(rows):  # one direction an item
            try:
                mine = vectors if len(rows) == len(places) else vectors[rows]
                derivatives = derivative_batch(program, mode, [items[place] for place in order], mine)
            except OptangentError:
                pass  # which one was it?
            else:
                for k, derivative in zip(rows, derivatives, strict=True):
                    found[k] = derivative, _status(items[places[k]])
                continue
        for place, its_rows in order.items():
            try:
                found_here = list(getattr(items[place], mode)(vectors[its_rows]))
            except OptangentError as error:
                found_here = [str(error)] * len(its_rows)
            for k, derivative in zip(its_rows, found_here, strict=True):
                found[k] = derivative, _status(items[place])
    return found


def _status(item: Any) -> DifferentiationStatusCode | None:
    return getattr(item, "differentiation_status", None)
