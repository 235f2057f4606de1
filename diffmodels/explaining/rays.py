"""Certificates in words: multipliers that contradict all solutions, directions in which an objective runs away."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any, final

import numpy as np

from ...modelkit import attributes as attr
from ...modelkit.arrays import FloatArray
from ...modelkit.attributes import TerminationStatusCode as Codes
from ...modelkit.errors import NotAllowed, NotOptimized
from ...modelkit.functions import VariableIndex, VectorOfVariables
from ...modelkit.indices import ConstraintIndex
from ...modelkit.model.model import Model
from ...modelkit.store.describing import constraint_text
from ...modelkit.store.parameters import PARAMETERS
from .frames import frame
from .owners import label
from .parts import says, side_of

__all__ = ["Ray", "ray_of"]

_NOISE = 1e-6
"""Part of the largest entry up to which one is left out."""
_SHOWN = 10
_PROOF = attr.ResultStatusCode.INFEASIBILITY_CERTIFICATE


@final
@dataclass(frozen=True, slots=True, eq=False)
class Ray:
    """Why a model is infeasible, or unbounded; the largest entry is 1 or -1.

    Attributes
    ----------
    status : INFEASIBLE or DUAL_INFEASIBLE
    names : of constraints (and rows of them) or of variables
    indices : of the same
    values : their multipliers, or by how much the variables move
    texts : what the constraints say, or how the variables move
    gain : by how much what the constraints add up to is wrong, or the objective improves along the direction
    ends : bounds that would end the direction
    is_maximized : whether the objective is
    """

    status: Codes
    names: tuple[str, ...]
    indices: tuple[VariableIndex | ConstraintIndex, ...]
    values: FloatArray
    texts: tuple[str, ...]
    gain: float
    ends: tuple[str, ...] = ()
    is_maximized: bool = False

    def to_frame(self) -> Any:
        """A row for each constraint or variable."""
        first = "multiplier" if self.status is Codes.INFEASIBLE else "direction"
        return frame({"name": self.names, first: self.values, "says": self.texts})

    def __len__(self) -> int:
        return len(self.names)

    @property
    def _head(self) -> str:
        if self.status is Codes.INFEASIBLE:
            return (
                f"No point satisfies these. Times their multipliers, what they say adds up to 0 >= {self.gain:.6g}:"
                if self.gain
                else "No point satisfies these; their multipliers prove it:"
            )
        moves = [t for t, _ in zip(self.texts, range(_SHOWN), strict=False)]
        more = f", and {len(self.texts) - len(moves)} more variables move" if len(self.texts) > len(moves) else ""
        verb = "grows" if self.is_maximized else "falls"
        return (
            f"{', '.join(moves)}{more}: with each such step, which no constraint ever ends, the objective {verb} by "
            f"{self.gain:.6g}."
        )

    def __str__(self) -> str:
        if self.status is not Codes.INFEASIBLE:
            ends = [*self.ends[:_SHOWN], *(["..."] if len(self.ends) > _SHOWN else [])]
            return f"{self._head}\nTo end it, give {' or '.join(ends)}, or a constraint on them."
        order = np.argsort(-np.abs(self.values), kind="stable").tolist()
        width = max(len(name) for name in self.names)
        lines = [f"  {self.values[k]:>10.6g}  {self.names[k]:<{width}}  {self.texts[k]}" for k in order]
        return "\n".join([self._head, *lines])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        cells = zip(self.names, self.values.tolist(), self.texts, strict=True)
        rows = "".join(f"<tr><td>{escape(n)}</td><td>{v:.6g}</td><td>{escape(t)}</td></tr>" for n, v, t in cells)
        return f"<p>{escape(self._head)}</p><table>{rows}</table>"


def ray_of(model: Model) -> Ray:
    """The certificate that a solve has left."""
    status = model.termination_status()
    if status is Codes.INFEASIBLE and model.get(attr.DualStatus()) is _PROOF:
        return _multipliers(model)
    if status is Codes.DUAL_INFEASIBLE and model.get(attr.PrimalStatus()) is _PROOF:
        return _direction(model)
    if status is Codes.OPTIMIZE_NOT_CALLED:
        raise NotOptimized(
            "There is no ray: the model has not been solved since it was last changed. Call optimize() first."
        )
    if status in (Codes.OPTIMAL, Codes.ALMOST_OPTIMAL):
        raise NotAllowed(f"There is no ray: the model has a solution (its status is {status.name}).")
    more = " model.conflict() finds out why by solving parts of it." if status is Codes.INFEASIBLE else ""
    raise NotOptimized(
        f"There is no ray: the solver ended with {status.name} ({model.get(attr.RawStatusString())}), without a "
        f"certificate.{more}"
    )


def _multipliers(model: Model) -> Ray:
    store = model.store
    found: list[tuple[ConstraintIndex, int, float]] = []
    duals = []
    for kind in store.kinds():
        if kind != PARAMETERS:
            indices = store.indices(kind, store.block(kind).numbers_alive())
            duals.append((indices, np.asarray(model.get(attr.ConstraintDual(), indices), np.float64)))
    size = max(float(np.abs(y).max(initial=0.0)) for _, y in duals)
    for indices, y in duals:
        dims = store.block(indices.kind).dims()[store.numbers(indices)]
        owner = np.repeat(np.arange(len(indices)), dims)
        starts = np.cumsum(dims) - dims
        for at in np.flatnonzero(np.abs(y) > _NOISE * size).tolist():
            k = int(owner[at])
            found.append((indices[k], at - int(starts[k]), float(y[at]) / size))
    names, texts = [], []
    for index, row, value in found:
        names.append(label(store, index, row, upper=value < 0.0))
        side = side_of(store, index, row, upper=value < 0.0)
        texts.append(says(store, index, row, side) if side else constraint_text(store, index))
    gain = abs(float(model.get(attr.DualObjectiveValue()))) / size
    values = np.array([value for _, _, value in found])
    return Ray(Codes.INFEASIBLE, tuple(names), tuple(i for i, _, _ in found), values, tuple(texts), gain)


def _direction(model: Model) -> Ray:
    store = model.store
    ids = store.variable_ids()
    moves = np.asarray(model.get(attr.VariablePrimal(), VectorOfVariables.of_ids(ids)), np.float64)
    size = float(np.abs(moves).max(initial=0.0))
    at = np.flatnonzero(np.abs(moves) > _NOISE * size)
    at = at[np.argsort(-np.abs(moves[at]), kind="stable")]
    values, names = moves[at] / size, [store.name_of(int(i)) for i in ids[at]]
    texts = [f"{n} {'grows' if v > 0.0 else 'falls'} by {abs(v):.6g}" for n, v in zip(names, values, strict=True)]
    ends = [f"{n} {'an upper' if v > 0.0 else 'a lower'} bound" for n, v in zip(names, values, strict=True)]
    indices = tuple(VariableIndex(int(i)) for i in ids[at])
    gain, maximized = abs(model.objective_value()) / size, store.sense is attr.ObjectiveSenseCode.MAX_SENSE
    return Ray(
        Codes.DUAL_INFEASIBLE, tuple(names), indices, values, tuple(texts), gain, tuple(ends), is_maximized=maximized
    )
