"""What each constraint is worth: values, slacks, duals, ranges, and what moves the optimal value or a chosen output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ...bridges.lowering.reach import is_box
from ...bridges.lowering.travel import Sided, duals_up, gradients_up
from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.errors import InvalidData
from ...modelkit.functions import ScalarFunction, VariableIndex, VectorFunction
from ...modelkit.functions.shaped import ArrayFunction
from ...modelkit.indices import Kind
from ...modelkit.store.parameters import PARAMETERS
from ..derivative import Derivative
from ..outcome import every
from .frames import frame
from .owners import label
from .ranges import Line, Ranging
from .sensitivity_table import sensitivity_table

__all__ = ["Adjoint", "Outputs", "Sensitivities", "adjoint_of", "checked_outputs", "scalar_functions"]


Outputs = dict[str, ScalarFunction | None]
INFLUENCE_ON = "influence on "


@final
@dataclass(frozen=True, slots=True, eq=False)
class Adjoint:
    """How K outputs answer to the data of a form: the right factors of all their gradients.

    Attributes
    ----------
    w : (n, K) of the columns, wy : (slots, K) by sides; the gradient in the constants of functions is wy
    parameters : (p, K) the gradient in the parameters
    """

    w: FloatArray
    wy: Sided
    parameters: FloatArray


def adjoint_of(derivative: Derivative, outputs: Sequence[ScalarFunction | None]) -> Adjoint:
    """The adjoint of outputs: affine functions of the solution, or the optimal value (None)."""
    lowering, point = derivative.lowering, derivative.point
    K = len(outputs)
    primal, duals, seeds = np.zeros((len(point.x), K)), np.zeros((len(point.y), K)), np.zeros(K)
    direct = np.zeros((len(derivative.theta), K))
    for k, of in enumerate(outputs):
        if of is None:
            seeds[k] = lowering.sign
            continue
        rows = of.rows
        if rows.degree > 1:
            raise InvalidData(f"Outputs are affine functions of the variables, got {of!r}.")
        derivative.store.check_variables(rows)
        columns = lowering.column_of(rows.var, derivative.store.base)
        np.add.at(primal[:, k], columns[columns >= 0], rows.coef[columns >= 0])
        if lowering.parameters is not None:
            np.add.at(direct[:, k], lowering.parameters.places(rows.var[columns < 0]), rows.coef[columns < 0])
    w, wy, theta = derivative.pulled_back(primal, (duals, duals), seeds, np.zeros((K, len(direct))))
    return Adjoint(w, wy, direct + theta.T)


def scalar_functions(of: Any) -> Iterator[ScalarFunction]:
    """The outputs that a user means by a function, an array of them, or a list of these."""
    if isinstance(of, (list, tuple)):
        for one in of:
            yield from scalar_functions(one)
    elif isinstance(of, ArrayFunction):
        yield from scalar_functions(of.flat)
    elif isinstance(of, VectorFunction):
        yield from (of[i] for i in range(of.output_dimension))
    elif isinstance(of, ScalarFunction):
        yield of
    else:
        raise InvalidData(f"Outputs are affine functions of the variables, got {of!r}.")


def checked_outputs(of: Any) -> Outputs:
    """The outputs that a user asks for, by the columns of their influences."""
    if of is None or isinstance(of, ScalarFunction):
        return {"influence": of}
    outputs: Outputs = {}
    if isinstance(of, Mapping):
        for name, one in of.items():
            if not (one is None or isinstance(one, ScalarFunction)):
                raise InvalidData(f"Outputs are affine functions of the variables, got {one!r}.")
            outputs[f"{INFLUENCE_ON}{name}"] = one
    else:
        outputs |= {f"{INFLUENCE_ON}{one}": one for one in scalar_functions(of)}
    if not outputs:
        raise InvalidData("There are no outputs: give affine functions of the variables.")
    return outputs


@final
class Sensitivities:
    """The table of `Model.sensitivities`.

    Parameters
    ----------
    derivative : at the solution
    outputs : affine functions of the variables, or None for the optimal value, by the columns of their influences
    ranging : of linear and convex quadratic programs, else None
    """

    def __init__(self, derivative: Derivative, outputs: Outputs, ranging: Ranging | None) -> None:
        self._derivative, self._outputs = derivative, outputs
        self._adjoint = adjoint_of(derivative, list(outputs.values()))
        self._ranges: dict[Any, Line] = {}  # of sides that have a price, else of any
        for line in () if ranging is None else (*ranging.sides(), *ranging.parameters()):
            known = self._ranges.get(line.owner)
            if known is None or abs(line.slope) > abs(known.slope):
                self._ranges[line.owner] = line

    def table(self) -> Any:
        """A DataFrame with a row for each row of each constraint, and for each parameter."""
        store = self._derivative.store
        parts = [self._of_kind(kind) for kind in store.kinds() if kind != PARAMETERS]
        parts.append(self._parameters())
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        labels = {column: column.removeprefix(INFLUENCE_ON) for column in self._outputs}
        if "influence" in self._outputs:
            of = self._outputs["influence"]
            labels["influence"] = "the optimal value" if of is None else str(of)
        return sensitivity_table(frame(columns), labels)

    def _of_kind(self, kind: Kind) -> dict[str, Any]:
        derivative, store, lowering = self._derivative, self._derivative.store, self._derivative.lowering
        numbers, dims = every(store, kind)
        indices = store.indices(kind, numbers)
        base = store.base
        value = np.atleast_1d(store.evaluate(indices, lambda ids: derivative.values[ids - base]))
        lower, upper = self._box(kind, numbers, value)
        if kind[1].is_vector and not kind[1].fields and is_box(kind[1]):  # the constants are the right-hand sides
            block = store.block(kind)
            constants = block.constants[block.rows_of(numbers)]
            value, lower, upper = value - constants, lower - constants, upper - constants
        names = [label(store, index, k) for index, d in zip(indices, dims.tolist(), strict=True) for k in range(d)]
        slack = np.minimum(value - lower, upper - value)
        what = "bound" if kind[0] is VariableIndex else "constraint"
        keys = [(kind, number, k) for number, d in zip(numbers.tolist(), dims.tolist(), strict=True) for k in range(d)]
        low, high = self._ends(keys)
        return {
            "what": [what] * len(names),
            "name": names,
            "value": value,
            "lower": lower,
            "upper": upper,
            "slack": slack,
            "dual": duals_up(lowering, kind, numbers, dims, derivative.point.y_sided),
            **self._influences(-gradients_up(lowering, kind, numbers, dims, self._adjoint.wy) + 0.0),
            "low": low,
            "high": high,
        }

    def _box(self, kind: Kind, numbers: IntArray, value: FloatArray) -> tuple[FloatArray, FloatArray]:
        if not is_box(kind[1]):
            return np.full(len(value), np.nan), np.full(len(value), np.nan)
        block = self._derivative.store.block(kind)
        sides = kind[1].bounds(block.all_numbers[block.rows_of(numbers)])
        assert sides is not None
        return sides

    def _ends(self, owners: list[Any]) -> tuple[FloatArray, FloatArray]:
        """The ranges of rows and parameters, NaN where there are none."""
        lines = [self._ranges.get(owner) for owner in owners]
        low = np.array([np.nan if line is None else line.low for line in lines])
        return low, np.array([np.nan if line is None else line.high for line in lines])

    def _influences(self, found: FloatArray) -> dict[str, FloatArray]:
        return dict(zip(self._outputs, found.T, strict=True))

    def _parameters(self) -> dict[str, Any]:
        parameters, store = self._derivative.lowering.parameters, self._derivative.store
        ids: list[int] = [] if parameters is None else parameters.ids.tolist()
        names = [store.name_of(i) for i in ids]
        nothing = np.full(len(ids), np.nan)
        low, high = self._ends(ids)
        return {
            "what": ["parameter"] * len(ids),
            "name": names,
            "value": np.zeros(0) if parameters is None else parameters.values,
            "lower": nothing,
            "upper": nothing,
            "slack": nothing,
            "dual": self._derivative.costs if ids else np.zeros(0),
            **self._influences(self._adjoint.parameters),
            "low": low,
            "high": high,
        }
