"""What the columns and rows of a form are called in the model that it was made of."""

from __future__ import annotations

import numpy as np

from ...modelkit.attributes import Name
from ...modelkit.errors import InvalidIndex, UnsupportedConstraint
from ...modelkit.form.named_form import NamedForm
from ...modelkit.functions import NONLINEAR
from ...modelkit.indices import ConstraintIndex, Kind, describe_kind
from ...modelkit.store.describing import described
from ...modelkit.store.parameters import Parameters, kinds_inserted
from ...modelkit.store.store import Store
from .chunks import Place
from .lowering import Lowering

__all__ = ["named_form"]


def named_form(store: Store, lowering: Lowering, target: str) -> NamedForm:
    """The form, brought up to date, with names: a constraint of one row gives it its own, of more ``name[k]``.

    Raises
    ------
    Unsupported, NotAllowed, InvalidData
        If something in the store does not reach the target, which is named by these words.
    """
    for kind in kinds_inserted(store):
        if not lowering.takes(kind):
            raise UnsupportedConstraint(
                f"{described(store, _first_of(store, kind))} ({describe_kind(kind)}) does not fit in {target}, nor "
                f"through bridges: {lowering.missing(kind, target)} Rewrite the constraint, or pickle the model."
            )
    form = lowering.sync(store)
    columns: list[str | None] = [""] * form.n
    dead, base = store.dead_variables, store.base
    for number, column in enumerate(lowering.columns.view.tolist()):
        if column >= 0:
            columns[column] = None if number in dead else store.name_of(base + number)
    kept = [j for j, name in enumerate(columns) if name is not None]
    rows = [""] * form.m
    for kind in lowering.chunks:
        _name_rows(store, lowering, kind, rows)
    return NamedForm(
        form,
        store.get(Name()),
        lowering.sign,
        np.array(kept, np.int64),
        [name for name in columns if name is not None],
        rows,
    )


def _first_of(store: Store, inserted: Kind) -> ConstraintIndex:
    """The first constraint that is of this kind once the parameters are inserted."""
    parameters = Parameters(store)
    for function_type, set_type in store.kinds():
        block, numbers = store.block((function_type, set_type)).snapshot()
        if function_type.degree == NONLINEAR and (function_type, set_type) == inserted:
            return store.indices(inserted, numbers[:1])[0]
        for items, became in parameters.lowered(block):
            if (became, set_type) == inserted:
                return store.indices((function_type, set_type), numbers[items[:1]])[0]
    raise InvalidIndex(f"There is no {describe_kind(inserted)}.")


def _name_rows(store: Store, lowering: Lowering, kind: Kind, rows: list[str]) -> None:
    """Write the names of the rows that stand for the constraints of a kind."""
    of_each: dict[int, list[int]] = {}
    for chunk in lowering.chunks[kind]:
        if chunk.place is Place.ROWS:
            positions = chunk.positions.reshape(chunk.count, -1).tolist()
            for number, mine in zip(chunk.numbers.tolist(), positions, strict=True):
                of_each.setdefault(number, []).extend(mine)
    values = store.indices(kind, np.array(list(of_each), np.int64)).values.tolist()
    for value, mine in zip(values, of_each.values(), strict=True):
        name = store.name_of_constraint(ConstraintIndex(kind, value))
        if name:
            for k, row in enumerate(mine):
                rows[row] = name if len(mine) == 1 else f"{name}[{k}]"
