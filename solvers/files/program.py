"""What a file of either format holds: a linear or quadratic program with names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ...modelkit import attributes as attr
from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.errors import InvalidData
from ...modelkit.form import BINARY_BOX, Discreteness
from ...modelkit.form.named_form import NamedForm
from ...modelkit.functions import ScalarAffineFunction, ScalarFunction, VariableIndex
from ...modelkit.functions.abstract_function import build
from ...modelkit.functions.rows import Rows
from ...modelkit.model.model import Model
from ...modelkit.sets import (
    EqualTo,
    GreaterThan,
    Integer,
    Interval,
    LessThan,
    Semicontinuous,
    Semiinteger,
    Set,
    ZeroOne,
)
from ...modelkit.store.block import ConstraintBlock, SetBlock

__all__ = ["INFINITE", "Program", "crossing", "model_of", "program_of"]

INFINITE = 1e20
"""Sides and bounds from here on are none, for HiGHS and most others who read such files."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """min or max ½ xᵀPx + qᵀx + r  s.t.  row_lower <= A x <= row_upper,  lower <= x <= upper.

    Attributes
    ----------
    name : str
    columns, rows : their names
    maximizes : bool
    P : csc_array (n, n), symmetric; q : (n,); r : float
    A : csr_array (m, n); row_lower, row_upper : (m,)
    lower, upper : (n,); kinds : (n,) of `Discreteness`
    """

    name: str
    columns: list[str]
    rows: list[str]
    maximizes: bool
    P: sp.csc_array
    q: FloatArray
    r: float
    A: sp.csr_array
    row_lower: FloatArray
    row_upper: FloatArray
    lower: FloatArray
    upper: FloatArray
    kinds: Any

    @property
    def n(self) -> int:
        """Number of columns."""
        return len(self.q)

    @property
    def binary(self) -> Any:
        """Mask (n,) of the whole columns between 0 and 1."""
        zero, one = BINARY_BOX
        return (self.kinds == Discreteness.INTEGER) & (self.lower == zero) & (self.upper == one)


def program_of(named: NamedForm) -> Program:
    """The program that a form is, in the sense of the model."""
    form, kept, sign = named.form, named.columns, named.sign
    lower, upper, binary = form.lower[kept], form.upper[kept], form.binary[kept]
    P, A = sp.csc_array(form.P[kept][:, kept]), sp.csr_array(form.A[:, kept])
    for matrix in (P, A):
        matrix.eliminate_zeros()
        matrix.sort_indices()
    P.data *= sign
    return Program(
        named.name,
        named.column_names,
        named.row_names,
        sign < 0,
        P,
        sign * form.q[kept] + 0.0,
        sign * form.r + 0.0,
        A,
        form.row_lower,
        form.row_upper,
        np.where(binary, np.maximum(lower, BINARY_BOX[0]), lower),
        np.where(binary, np.minimum(upper, BINARY_BOX[1]), upper),
        form.discreteness[kept],
    )


def crossing(lower: FloatArray, upper: FloatArray) -> int | None:
    """Where a lower side is above the upper one, or a side infinite on the wrong side, first; None without."""
    found = np.flatnonzero((lower > upper) | (lower == np.inf) | (upper == -np.inf))
    return int(found[0]) if len(found) else None


def model_of(program: Program, optimizer: Any) -> Model:
    """A model of the program: plain bounds of variables, and affine functions in sets with one or two numbers."""
    model = Model(optimizer)
    v = model.add_variables(program.n)
    model.set(attr.VariableName(), v, program.columns)
    if program.name:
        model.set(attr.Name(), program.name)
    _add_memberships(model, program, v.ids)
    _add_rows(model, program, v.ids)
    _set_objective(model, program, v.ids)
    return model


def _between(lower: FloatArray, upper: FloatArray) -> list[tuple[type[Set], Any, FloatArray]]:
    """The sets that say so: of each type a mask of those whose it is, and their numbers; of what is free none."""
    below, above, equal = np.isfinite(lower), np.isfinite(upper), lower == upper
    sides = np.stack([lower, upper], axis=1)
    return [
        (EqualTo, equal, sides[:, :1]),
        (GreaterThan, below & ~above, sides[:, :1]),
        (LessThan, ~below & above, sides[:, 1:]),
        (Interval, below & above & ~equal, sides),
    ]


def _add_memberships(model: Model, program: Program, ids: IntArray) -> None:
    """Bounds, and what makes variables whole or semicontinuous."""
    kinds, box = program.kinds, np.stack([program.lower, program.upper], axis=1)
    semi = np.isin(kinds, (Discreteness.SEMICONTINUOUS, Discreteness.SEMIINTEGER))
    bounded = ~(semi | program.binary)
    memberships: list[tuple[type[Set], Any, FloatArray]] = [
        *((kind, mask & bounded, numbers) for kind, mask, numbers in _between(program.lower, program.upper)),
        (Integer, (kinds == Discreteness.INTEGER) & ~program.binary, box[:, :0]),
        (ZeroOne, program.binary, box[:, :0]),
        (Semicontinuous, kinds == Discreteness.SEMICONTINUOUS, box),
        (Semiinteger, kinds == Discreteness.SEMIINTEGER, box),
    ]
    for kind, mask, numbers in memberships:
        chosen = np.flatnonzero(mask)
        if len(chosen):
            sets = SetBlock.scalar(kind, numbers[chosen])
            model.add_block(ConstraintBlock(VariableIndex, Rows.of_variables(ids[chosen]), sets))


def _add_rows(model: Model, program: Program, ids: IntArray) -> None:
    lower, upper = program.row_lower, program.row_upper
    kinds = _between(lower, upper)
    kinds.append((Interval, (lower == -np.inf) & (upper == np.inf), np.stack([lower, upper], axis=1)))
    for kind, mask, numbers in kinds:
        chosen = np.flatnonzero(mask)
        if not len(chosen):
            continue
        A = program.A[chosen]
        row = np.repeat(np.arange(len(chosen)), np.diff(A.indptr))
        rows = Rows(np.zeros(len(chosen)), row, ids[A.indices], A.data.copy())
        made = model.add_block(ConstraintBlock(ScalarAffineFunction, rows, SetBlock.scalar(kind, numbers[chosen])))
        model.set(attr.ConstraintName(), made, [program.rows[i] for i in chosen.tolist()])


def _set_objective(model: Model, program: Program, ids: IntArray) -> None:
    terms = np.flatnonzero(program.q)
    nothing = np.zeros(len(terms), np.int64)
    upper = sp.triu(program.P, format="coo")
    i, j = upper.coords
    rows = Rows(
        np.array([program.r]),
        nothing,
        ids[terms],
        program.q[terms],
        np.zeros(len(i), np.int64),
        ids[i],
        ids[j],
        np.where(i == j, 0.5, 1.0) * upper.data,
    )
    function = build(rows, vector=False)
    if not isinstance(function, ScalarFunction):
        raise InvalidData(f"An objective is a scalar function, got {function!r}.")
    (model.maximize if program.maximizes else model.minimize)(function)
