"""Parameters: variables that are data. Products with them are inserted before a solver sees a function.

A parameter is a variable in `Parameter(value)`. Where it stands alone, ``x - p >= 0``, it goes to the solver as a
variable held at its value; where it multiplies, ``p * x >= 1``, the product is a term of lower degree with the
parameter's present value in its coefficient. So what a solver and a diff model must take is decided by the degree
in the other variables.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray, IntArray
from ..errors import InvalidData, InvalidIndex, Unsupported, UnsupportedConstraint, UnsupportedObjective
from ..functions import NONLINEAR, Function, VariableIndex
from ..functions.abstract_function import class_of
from ..functions.monomials import Monomials
from ..functions.rows import Rows
from ..indices import ConstraintIndex, ConstraintIndices, Kind
from ..sets import Parameter
from .block import ConstraintBlock
from .tables import Tables

__all__ = [
    "PARAMETERS",
    "Parameters",
    "inserted_blocks",
    "kinds_inserted",
    "of_ray",
    "parameter_constraint",
    "parameter_constraints",
]

PARAMETERS: Kind = (VariableIndex, Parameter)
"""The kind of constraint that makes variables parameters."""


@final
class Parameters:
    """The parameters of a store, with their present values.

    Parameters
    ----------
    store : the model

    Attributes
    ----------
    ids : identifiers of the parameters, (p,); values : (p,)
    """

    def __init__(self, store: Tables) -> None:
        self._base = store.base
        self._name_of = store.name_of
        self.ids: IntArray = np.zeros(0, np.int64)
        self.values: FloatArray = np.zeros(0)
        if PARAMETERS in store.kinds():
            block, _ = store.block(PARAMETERS).snapshot()
            self.ids, self.values = block.rows.var, block.sets.numbers[:, 0]
        # mostly they were made one after the other: then there is nothing to look up
        self._are_consecutive = len(self.ids) > 0 and bool((self.ids[1:] - self.ids[:-1] == 1).all())
        self._place: IntArray = np.zeros(0, np.int64)
        if not self._are_consecutive:
            self._place = np.full(store.variable_count + 1, -1, np.int64)
            self._place[self.ids - self._base] = np.arange(len(self.ids))

    def __bool__(self) -> bool:
        return bool(len(self.ids))

    def places(self, ids: IntArray) -> IntArray:
        """The numbers of variables among the parameters, -1 for what is none: for -1, and for variables made since."""
        if self._are_consecutive:
            found: IntArray = ids - self.ids[0]
            found[(found < 0) | (found >= len(self.ids))] = -1
            return found
        numbers = ids - self._base
        known = (numbers >= 0) & (numbers < len(self._place) - 1)
        places: IntArray = self._place[np.where(known, numbers, -1)]  # the last entry is -1
        return places

    def among(self, ids: IntArray) -> NDArray[np.bool_]:
        """Which of some variables are parameters."""
        if self._are_consecutive:
            found: NDArray[np.bool_] = (ids >= self.ids[0]) & (ids <= self.ids[-1])
            return found
        return self.places(ids) >= 0

    def products(self, rows: Rows) -> Monomials:
        """The terms of degree two and more with a parameter among their factors."""
        if rows.degree < 2 or not self:
            return _NO_TERMS
        terms = rows.terms()
        terms = terms.take(terms.degrees > 1)
        return terms.take((self.places(terms.factors) >= 0).any(axis=1))

    def insert(self, rows: Rows) -> Rows:
        """The rows with the parameters' values in their products; parameters that stand alone stay."""
        if rows.degree < 2 or not self:
            return rows
        terms = rows.terms()
        return Rows.of_terms(rows.constant, self.filled(terms, terms.degrees > 1))

    def filled(self, terms: Monomials, which: Any = True) -> Monomials:
        """Terms of lower degree, with the parameters' values for the parameters in all of them, or in some (a mask)."""
        if not self:
            return terms
        place = self.places(terms.factors)
        mine = (place >= 0) & np.reshape(which, (-1, 1))
        with np.errstate(over="ignore"):
            numbers = np.where(mine, self.values[place], 1.0).prod(axis=1) * terms.coef
        if not np.isfinite(numbers).all():
            self._refuse_overflow(terms, place, mine, numbers)
        return Monomials(terms.row, np.where(mine, -1, terms.factors), numbers)

    def _refuse_overflow(self, terms: Monomials, place: IntArray, mine: Any, numbers: FloatArray) -> None:
        at = int(np.argmin(np.isfinite(numbers)))
        named = [
            f"{self._name_of(int(i))} = {self.values[k]}"
            for i, k, m in zip(terms.factors[at], place[at], mine[at], strict=True)
            if m
        ]
        raise InvalidData(
            f"The product of {' and '.join(named)} with the coefficient {terms.coef[at]} is too large: {numbers[at]}."
        )

    def check_inserted(self, rows: Rows, error: type[Unsupported] = UnsupportedConstraint) -> int:
        """`check_degree` of the rows after insertion, which are made only to say what is wrong; their degree."""
        degree = int(self.degrees(rows).max(initial=0))
        if degree > 2 or self._may_overflow(rows):
            self.check_degree(self.insert(rows), error)
        return degree

    def _may_overflow(self, rows: Rows) -> bool:
        """Whether products of the parameters' values and coefficients may be too large, by the largest of either."""
        if not self or rows.degree < 2:
            return False
        value = max(float(np.abs(self.values).max()), 1.0)
        most = max(float(np.abs(coef).max(initial=0.0)) for _, _, coef in rows.products())
        factors = max(len(columns) for _, columns, _ in rows.products())
        return not (most < _MODERATE and value < _MODERATE ** (1.0 / factors))

    def degrees(self, rows: Rows) -> IntArray:
        """The degree of each row in the variables that are not multiplied as parameters, (m,)."""
        degrees = np.zeros(rows.m, np.int64)
        degrees[rows.row] = 1
        if not self and rows.higher is None:
            degrees[rows.qrow] = 2
            return degrees
        for row, columns, _ in rows.products():
            others = np.zeros(len(row), np.int8)
            for factor in columns:
                others += (factor != -1) & ~self.among(factor)
            for degree in range(1, int(others.max(initial=0)) + 1):
                at = row[others == degree]
                degrees[at] = np.maximum(degrees[at], degree)
        return degrees

    # ------------------------------------------------------------------ what functions become
    def lowered(self, block: ConstraintBlock, takes_squares: bool = False) -> list[tuple[IntArray, type[Function]]]:
        """(items, type of function after insertion) of the constraints of a block, see `inserted_blocks`."""
        function_type = block.function_type
        if function_type.degree < 2:
            return [(np.arange(block.count), function_type)]
        constraint = np.repeat(np.arange(block.count), block.sets.dims)
        # the degree of the terms that there are, zeros included: deletions may have left none
        now = np.ones(block.count, np.int64)
        np.maximum.at(now, constraint, self.degrees(block.rows))
        if takes_squares and function_type.degree == 2:
            has_products = np.zeros(block.count, bool)
            has_products[constraint[self.products(block.rows).row]] = True
            now[~has_products] = 2
        vector = function_type.is_vector
        return [(np.flatnonzero(now == d), class_of(vector=vector, degree=int(d))) for d in np.unique(now)]

    def type_of(
        self, function_type: type[Function], rows: Rows, error: type[Unsupported] = UnsupportedConstraint
    ) -> type[Function]:
        """The type of a function after insertion; see `check_inserted` for the arguments and what is refused."""
        if function_type.degree < 2 or function_type.degree == NONLINEAR:
            return function_type
        return class_of(vector=function_type.is_vector, degree=max(self.check_inserted(rows, error), 1))

    def check_degree(self, rows: Rows, error: type[Unsupported] = UnsupportedConstraint) -> Rows:
        """The rows, which are the inserted ones, or a refusal that names the term of too high a degree."""
        if rows.higher is not None:
            factors = rows.higher.packed().factors[0]
            term = "*".join(self._name_of(int(i)) for i in factors if i >= 0)
            raise error(
                f"The term {term} is of degree {int((factors >= 0).sum())} in the variables after the parameters have "
                "got their values, and solvers here take at most quadratic ones: introduce a variable for a product, "
                "or make a factor a parameter."
            )
        return rows


def parameter_constraint(store: Tables, p: VariableIndex) -> ConstraintIndex:
    """The constraint that makes a variable a parameter; raises `InvalidIndex` where there is none."""
    store.check_index(p)
    index = ConstraintIndex(PARAMETERS, p.value)
    if not store.is_valid(index):
        raise InvalidIndex(
            f"{store.name_of(p.value)} is a variable, not a parameter; "
            "make parameters with add_parameter, or with add_constraint(x, ot.Parameter(value))."
        )
    return index


def parameter_constraints(store: Tables, ids: IntArray) -> ConstraintIndices:
    """Those of many variables, by identifiers; raises likewise."""
    found = ConstraintIndices(PARAMETERS, ids)
    try:
        store.numbers(found)
    except InvalidIndex:
        for identifier in ids.tolist():  # which is none? raises
            parameter_constraint(store, VariableIndex(identifier))
    return found


_MODERATE = 1e150
"""The product of two numbers below it is finite."""
_NO_TERMS = Monomials(np.zeros(0, np.int64), np.zeros((0, 1), np.int64), np.zeros(0))


def kinds_inserted(store: Tables) -> list[Kind]:
    """The kinds of constraint that a store has for those below, the parameters inserted.

    Raises
    ------
    UnsupportedConstraint, UnsupportedObjective
        If a term is of too high a degree, as it may be once a parameter has become a variable.
    """
    kinds, objective = store.kinds(), store.objective_block
    if objective is not None and objective.function_type.degree == 3:
        parameters = Parameters(store)
        parameters.check_inserted(objective.all_rows(), UnsupportedObjective)
    if all(kind[0].degree < 2 for kind in kinds):
        return list(kinds)
    parameters = Parameters(store)
    found: dict[Kind, None] = {}
    for kind in kinds:
        if kind[0].degree < 2 or kind[0].degree == NONLINEAR:
            found[kind] = None
            continue
        block, _ = store.block(kind).snapshot()
        if kind[0].degree > 2:
            parameters.check_inserted(block.rows)
        for _, function_type in parameters.lowered(block):
            found[function_type, kind[1]] = None
    return list(found)


def inserted_blocks(
    parameters: Parameters, block: ConstraintBlock, takes_squares: bool = False
) -> list[tuple[IntArray, ConstraintBlock]]:
    """(items, constraints as those below take them) of a block.

    Parameters
    ----------
    parameters : with their values
    block : constraints as they were written
    takes_squares : whether those below take the block as it was written; then what never had products stays so, also
        where its squares were deleted
    """
    if block.function_type.degree < 2:
        return [(np.arange(block.count), block)]
    rows = parameters.check_degree(parameters.insert(block.rows))
    whole = ConstraintBlock(block.function_type, rows, block.sets)
    found = []
    for items, function_type in parameters.lowered(block, takes_squares):
        part = whole if len(items) == block.count else whole.take(items)
        found.append((items, ConstraintBlock(function_type, part.rows, part.sets)))
    return found


def of_ray(store: Tables, rows: Rows) -> Rows:
    """What of some rows a ray moves: products at the parameters' values, as those do not move, and no constants."""
    rows = Parameters(store).insert(rows)
    return rows.with_constants(np.zeros(rows.m))
