r"""The least change of chosen rows that makes a model feasible, and the closest feasible solution.

With a slack t in each chosen row, :math:`f(x) + t \in S`, and penalties w,

.. math:: \min_{x, t} \sum_i w_i |t_i| \quad\text{or}\quad \min_{x, t} \sum_i w_i t_i^2

under all other constraints. The first moves as few rows as it can (J. W. Chinneck, *Feasibility and Infeasibility in
Optimization*, 2008, chapter 6); of the second t is unique, and depends on data differentiably. In a cone of matrices
entries count as in its inner product, so that the second is the distance to it in the Frobenius norm.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ...modelkit import attributes as attr
from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.attributes import TerminationStatusCode as Codes
from ...modelkit.errors import InvalidData, NotAllowed, NotOptimized
from ...modelkit.functions import ScalarAffineFunction, ScalarFunction, VectorOfVariables
from ...modelkit.indices import ConstraintIndex
from ...modelkit.model.model import Model
from .conflict import own_copy
from .frames import frame
from .owners import label
from .slack import ChosenRows

__all__ = ["Change", "Relaxation", "least_change", "relaxed"]

_NOISE = 1e-7
"""Part of the largest change up to which one is left out, and of a side with which it is compared."""


@final
@dataclass(frozen=True, slots=True)
class Change:
    """A row that has to move.

    Attributes
    ----------
    name : what tables call it
    side : "lower", "upper" or "equal" of a row with sides, "" of one in a cone
    value, needed : the side as it is and as it has to be, NaN in a cone
    change : their difference; in a cone, what is added to the function
    price : by how much the total falls for each unit by which somebody else moves the side
    cost : what the change adds to the total
    index, row : the constraint, and the row within it
    """

    name: str
    side: str
    value: float
    needed: float
    change: float
    price: float
    cost: float
    index: ConstraintIndex
    row: int


@final
@dataclass(frozen=True, slots=True, eq=False)
class Relaxation:
    """The least change that makes a model feasible.

    Attributes
    ----------
    model : the relaxed model, solved: its variables are those of the model, and slacks
    changes : of `Change`, the most expensive first
    total : the sum of their costs
    """

    model: Model
    changes: tuple[Change, ...]
    total: float
    _slacks: VectorOfVariables
    _moved: FloatArray
    _objective: tuple[Any, Any]

    @property
    def values(self) -> dict[str, float]:
        """The variables at the closest feasible point, by name."""
        slacks = {int(i) for i in self._slacks.ids}
        ids = [int(i) for i in self.model.store.variable_ids() if int(i) not in slacks]
        found = self.model.value(VectorOfVariables.of_ids(np.array(ids, np.int64)))
        return {self.model.name_of(i): float(value) for i, value in zip(ids, found, strict=True)}

    def value(self, what: Any) -> Any:
        """Of variables or functions of the model at the closest feasible point."""
        return self.model.value(what)

    def changed(self) -> Model:
        """A copy of the model with the changes made, and its own objective: to be solved."""
        made = copy.deepcopy(self.model)
        made.fix(self._slacks, self._moved)
        sense, function = self._objective
        made.set(attr.ObjectiveSense(), attr.ObjectiveSenseCode.FEASIBILITY_SENSE)
        if function is not None:
            made.set(attr.ObjectiveFunction(), function)
            made.set(attr.ObjectiveSense(), sense)
        return made

    def to_frame(self) -> Any:
        """A row for each change."""
        columns = ("name", "side", "value", "needed", "change", "price", "cost")
        return frame({name: [getattr(one, name) for one in self.changes] for name in columns})

    def __len__(self) -> int:
        return len(self.changes)

    def __str__(self) -> str:
        if not self.changes:
            return "No change is needed: there is a feasible point."
        width = max(len(one.name) for one in self.changes)
        lines = [f"These changes make it feasible, at a cost of {self.total:.6g}:"]
        for one in self.changes:
            moved = (
                f"{one.change:+.6g}"
                if np.isnan(one.value)
                else f"{one.value:.6g} -> {one.needed:.6g}{f' ({one.side})' if one.side != 'equal' else ''}"
            )
            lines.append(f"  {one.name:<{width}}  {moved}")
        return "\n".join(lines)

    __repr__ = __str__


def _with_slack(model: Model, chosen: ChosenRows, norm: int) -> tuple[VectorOfVariables, IntArray, FloatArray, Any]:
    """Slacks in a copy of a model: the variables, their rows and signs, and what the constraints are called there."""
    if norm == 2:
        row, sign = np.arange(len(chosen)), np.ones(len(chosen))
        slacks = model.add_variables(len(chosen))
    else:
        down, up = chosen.upper != np.inf, chosen.lower != -np.inf  # both in cones
        row = np.concatenate([np.flatnonzero(up), np.flatnonzero(down)])
        sign = np.repeat([1.0, -1.0], [up.sum(), down.sum()])
        slacks = model.add_variables(len(row), lower=0.0)
    return slacks, row, sign, chosen.loosen(model, row, slacks.ids, sign)


def relaxed(model: Model, constraints: Any, penalties: Any, norm: Any, weight: float) -> Relaxation:
    """See `Model.relax`."""
    if norm not in (1, 2):
        raise InvalidData(f"norm is 1 (absolute changes) or 2 (squares of changes), got {norm!r}.")
    if not 0.0 <= weight < np.inf:
        raise InvalidData(f"The weight of the model's own objective is a number from zero up, got {weight!r}.")
    store = model.store
    chosen = ChosenRows.of(store, constraints, penalties)
    sense = store.sense
    has_own = store.objective_block is not None
    own = model.get(attr.ObjectiveFunction()) if has_own else None
    made = own_copy(model)
    made.meta_solver.differentiates = True
    slacks, row, sign, below = _with_slack(made, chosen, norm)
    cost = (chosen.penalty * chosen.weight)[row]
    towards = -weight if sense is attr.ObjectiveSenseCode.MAX_SENSE else weight
    made.minimize(least_change(slacks, cost, norm=norm, own=own, weight=towards))
    made.optimize()
    _require(made, constraints is None)
    moved = made.value(slacks)
    if norm == 1:
        moved = np.maximum(moved, 0.0)
    t = np.zeros(len(chosen))
    np.add.at(t, row, sign * moved)
    changes = _changes(model, made, chosen, t, below, norm)
    return Relaxation(made, changes, float(sum(one.cost for one in changes)), slacks, moved, (sense, own))


def least_change(
    slacks: VectorOfVariables, cost: FloatArray, *, norm: int, own: Any = None, weight: float = 0.0
) -> ScalarFunction:
    """What slacks cost, by themselves or squared, and so much of the model's own objective."""
    total: Any = cost @ slacks if norm == 1 else slacks @ (cost * slacks)
    if own is not None and weight:
        total = total + weight * own
    return total if isinstance(total, ScalarFunction) else ScalarAffineFunction((), (), float(total))


def _require(made: Model, every: bool) -> None:
    status = made.termination_status()
    if status in (Codes.OPTIMAL, Codes.LOCALLY_SOLVED):
        return
    if status is Codes.INFEASIBLE:
        advice = "bounds of variables or integers" if every else "those that were not chosen"
        raise NotAllowed(
            f"However much these rows move, there is no feasible point: {advice} contradict one another. "
            "model.conflict() tells which; choose some of them, too."
        )
    raise NotOptimized(
        f"The least change was not found: the relaxed model ended with {status.name} "
        f"({made.get(attr.RawStatusString())})."
    )


def _changes(model: Model, made: Model, chosen: ChosenRows, t: FloatArray, below: Any, norm: int) -> tuple[Change, ...]:
    store, box = model.store, chosen.is_box
    side = np.where(t > 0.0, chosen.lower, chosen.upper)
    size = np.maximum(_NOISE * np.abs(t).max(initial=0.0), _NOISE * (1.0 + np.abs(np.where(box, side, 0.0))))
    costs = chosen.penalty * chosen.weight * (np.abs(t) if norm == 1 else t * t)
    has_duals = made.get(attr.DualStatus()) is attr.ResultStatusCode.FEASIBLE_POINT
    found = []
    for k in np.flatnonzero(np.abs(t) > size).tolist():
        index, row = chosen.constraints[int(chosen.index[k])], int(chosen.row[k])
        equal = chosen.lower[k] == chosen.upper[k]
        word = "" if not box[k] else "equal" if equal else "lower" if t[k] > 0.0 else "upper"
        change = float(-t[k] if box[k] else t[k])
        y = np.atleast_1d(made.get(attr.ConstraintDual(), below[int(chosen.index[k])]))[row] if has_duals else np.nan
        name = label(store, index, row, upper=bool(t[k] < 0.0))
        value = float(side[k]) if box[k] else float("nan")
        price = float(abs(y)) * float(chosen.weight[k])
        found.append(Change(name, word, value, value + change, change, price, float(costs[k]), index, row))
    return tuple(sorted(found, key=lambda one: -one.cost))
