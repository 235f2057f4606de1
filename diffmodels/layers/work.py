"""What is done to some items of a batch at a time, here or in another process: solve them, differentiate them.

The first argument is always the programs: the model's own, those with other solvers for what it gives up on, and one
for the closest solution where there is none.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...modelkit.arrays import FloatArray
from ...modelkit.attributes import DifferentiationStatusCode
from ...modelkit.errors import OptangentError
from .closest import Closest
from .program import Item, Program
from .route import Mode

__all__ = ["Found", "Programs", "differentiate_items", "solve_items"]

Programs = tuple[Program, *tuple[Program | Closest, ...]]
Found = tuple[FloatArray | str, DifferentiationStatusCode]
"""A derivative or why there is none, and what it is."""


def solve_items(programs: Programs, thetas: FloatArray, warm: Sequence[Item | None] | None) -> list[Item]:
    """The items at (B, p) parameters by the first program; those that fail are tried with the next ones."""
    items = programs[0].solve_batch(thetas, warm)
    for program in programs[1:]:
        failed = [k for k, item in enumerate(items) if program.helps(item)]
        if failed:
            for k, item in zip(failed, program.solve_batch(thetas[failed]), strict=True):
                if not item.reason:
                    items[k] = item
                else:  # the first solver's status stays
                    items[k].reason += f"; {program.called}: {item.reason}"
    return items


def differentiate_items(
    programs: Programs, mode: Mode, items: Sequence[Item], places: Sequence[int], vectors: FloatArray
) -> list[Found]:
    """The derivative of item ``places[k]`` applied to ``vectors[k]``, or why there is none, for each k."""
    found: list[Found] = [("", DifferentiationStatusCode.NOT_DIFFERENTIATED)] * len(places)
    for program in programs:
        rows = [k for k, place in enumerate(places) if items[place].program is program]
        order: dict[int, list[int]] = {}
        for k in rows:
            order.setdefault(places[k], []).append(k)
        if rows and len(order) == len(rows):  # one direction an item
            try:
                mine = vectors if len(rows) == len(places) else vectors[rows]
                derivatives = program.derivatives(mode, [items[place] for place in order], mine)
            except OptangentError:
                pass  # which one was it?
            else:
                for k, derivative in zip(rows, derivatives, strict=True):
                    found[k] = derivative, items[places[k]].differentiation_status
                continue
        for place, its_rows in order.items():
            try:
                found_here: list[FloatArray | str] = list(items[place].derivative(mode, vectors[its_rows]))
            except OptangentError as error:
                found_here = [str(error)] * len(its_rows)
            for k, derivative in zip(its_rows, found_here, strict=True):
                found[k] = derivative, items[place].differentiation_status
    return found
