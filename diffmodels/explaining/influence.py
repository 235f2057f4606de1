"""Which data points move an output: a row for each, with the derivatives in all its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...bridges.lowering.travel import gradients_up
from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.errors import InvalidData
from ...modelkit.functions import VectorOfVariables
from ...modelkit.functions.shaped import ArrayFunction
from ...modelkit.indices import ConstraintIndex, ConstraintIndices
from ...modelkit.store.parameters import PARAMETERS, Parameters
from ..derivative import Derivative
from ..outcome import located
from .frames import frame
from .owners import label
from .sensitivities import Adjoint, adjoint_of, scalar_functions
from .sensitivity_table import sensitivity_table

__all__ = ["influence_table"]

_SHARED = 2
"""Rows in which a variable stands at least, if its coefficient is a number of the data points."""


def influence_table(derivative: Derivative, of: Any, data: Any) -> Any:
    """See `Model.influence`."""
    outputs = list(scalar_functions(of))
    names = [repr(one) for one in outputs]
    adjoint = adjoint_of(derivative, outputs)
    if isinstance(data, (VectorOfVariables, ArrayFunction)):
        points, numbers, gradients = _of_parameters(derivative, data, adjoint)
    else:
        points, numbers, gradients = _of_rows(derivative, data, adjoint)
    if len(outputs) == 1:
        parts = {f"by {name}": gradients[0, :, k] for k, name in enumerate(numbers)}
        words = f"change of {names[0]} when that number of the point grows by {{}}"
    else:
        parts = {name: np.sqrt((part**2).sum(axis=1)) for name, part in zip(names, gradients, strict=True)}
        words = "largest change when the point moves by {}"
    columns: dict[str, Any] = {"influence": np.sqrt((gradients**2).sum(axis=(0, 2)))} | parts
    return sensitivity_table(frame(columns, points), {name: name for name in parts}, words)


def _of_parameters(
    derivative: Derivative, data: VectorOfVariables | ArrayFunction, adjoint: Adjoint
) -> tuple[list[str], list[str], FloatArray]:
    """Parameters (points,) or (points, numbers): gradients (outputs, points, numbers)."""
    ids = data.ids if data.ids.ndim > 1 else data.ids[:, None]
    ids = ids.reshape(len(ids), -1)
    known = derivative.lowering.parameters or Parameters(derivative.store)
    places = known.places(ids.ravel())
    if (places < 0).any():
        name = derivative.store.name_of(int(ids.ravel()[places < 0][0]))
        raise InvalidData(f"Data points are rows of parameters, or constraints; {name} is no parameter.")
    gradients = adjoint.parameters[places].T.reshape(-1, *ids.shape)
    points = [derivative.store.name_of(int(row[0])) for row in ids]
    return points, [str(k) for k in range(ids.shape[1])], gradients


def _of_rows(derivative: Derivative, data: Any, adjoint: Adjoint) -> tuple[list[str], list[str], FloatArray]:
    """Rows of constraints: gradients in the coefficients that they share, and in their constants."""
    store, lowering, slope = derivative.store, derivative.lowering, derivative.slope
    points: list[str] = []
    left: list[FloatArray] = []
    variables: list[IntArray] = []
    for indices in _constraints(data):
        store.check_index(indices)
        if indices.kind == PARAMETERS:
            raise InvalidData("Data points are constraints, or parameters themselves, not the constraints of these.")
        numbers, dims = located(store, indices)
        block = store.block(indices.kind)
        variables.append(block.all_rows().take(block.rows_of(numbers)).canonical().var)
        each = [indices] if isinstance(indices, ConstraintIndex) else list(indices)
        points += [label(store, one, k) for one, d in zip(each, dims.tolist(), strict=True) for k in range(d)]
        low, high = (np.column_stack(parts) for parts in zip(slope.y_sided, adjoint.wy, strict=True))
        found = gradients_up(lowering, indices.kind, numbers, dims, (low, high)).T
        left.append(np.stack(np.broadcast_arrays(found[0], found[1:]), axis=2))  # (outputs, rows, 2): (y, w_y)
    if not points:
        raise InvalidData("There are no data points: give constraints, or an array of parameters.")
    ids, counts = np.unique(np.concatenate(variables), return_counts=True)
    columns = lowering.column_of(ids, store.base)
    shared = (counts >= min(_SHARED, len(points))) & (columns >= 0)
    ids, columns = ids[shared], columns[shared]
    right = np.stack(np.broadcast_arrays(adjoint.w[columns].T, slope.x[columns]), axis=2)
    factors = np.concatenate(left, axis=1)
    gradients = np.concatenate([factors @ right.transpose(0, 2, 1), factors[:, :, 1:]], axis=2)
    return points, [*(store.name_of(i) for i in ids.tolist()), "constant"], gradients


def _constraints(data: Any) -> Iterator[ConstraintIndex | ConstraintIndices]:
    if isinstance(data, (ConstraintIndex, ConstraintIndices)):
        yield data
    elif isinstance(data, (list, tuple)):
        for one in data:
            yield from _constraints(one)
    else:
        raise InvalidData(f"Data points are constraints, or an array of parameters; got {data!r}.")
