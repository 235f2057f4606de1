"""Bounds, fixed variables and parameters of a `Model`: numbers that one changes between solves."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from .. import attributes as attr
from ..errors import DimensionMismatch, InvalidData
from ..functions import VariableIndex, VectorOfVariables
from ..functions.shaped import ArrayFunction
from ..indices import ConstraintIndices, plain
from ..labels import Labels, is_labelled, labels_of, with_labels
from ..numeric import real_array, real_matrix, real_number, real_vector
from ..sets import Parameter
from ..store.block import ConstraintBlock, SetBlock
from ..store.checks import check_name
from ..store.parameters import PARAMETERS, parameter_constraints
from .bound_handles import change_side, fix, unfix
from .in_shape import InShape
from .variable_arrays import marks

__all__ = ["Adjusted"]


class Adjusted(InShape):
    """Numbers of a model by the names of their variables."""

    def set_lower(self, x: Any, value: Any) -> None:
        """Give variables another lower bound, or none.

        Parameters
        ----------
        x : variable, or array of variables
        value : a number or an array that broadcasts to the shape of x; None and -inf are none

        Raises
        ------
        InvalidData
            If a value is no number, or lies above the upper bound.
        BoundAlreadySet
            If x is fixed, a parameter, semicontinuous or semi-integer: both its bounds are one constraint then.

        Notes
        -----
        The constraint that holds the bound gets another number, `GreaterThan` or the lower side of an `Interval`. Where
        there is none, `GreaterThan` is added; where there is none any more, it is deleted, and an `Interval` has an
        infinite side. A call that raises has changed nothing.

        Examples
        --------
        >>> import optangent as ot
        >>> model = ot.Model()
        >>> v = model.add_variables(2, "v", lower=0.0, upper=[1.0, 2.0])
        >>> x = model.add_variable("x")
        >>> model.set_lower(v, [0.5, -np.inf])
        >>> model.set_lower(x, 3.0)
        >>> print(model)
        feasibility 0
          0.5 <= v[0] <= 1
          v[1] <= 2
          x >= 3
        """
        change_side(self.meta_solver, x, value, upper=False)

    def set_upper(self, x: Any, value: Any) -> None:
        """Give variables another upper bound, or none (None or inf); see `set_lower`.

        Examples
        --------
        >>> import optangent as ot
        >>> model = ot.Model()
        >>> x = model.add_variable("x", lower=0.0)
        >>> model.set_upper(x, 3.0)
        >>> print(model)
        feasibility 0
          x >= 0
          x <= 3
        """
        change_side(self.meta_solver, x, value, upper=True)

    def fix(self, x: Any, value: Any) -> None:
        """Hold variables at values until `unfix`.

        One in an `Interval` stays in it, both numbers the value. Others are in `EqualTo` meanwhile, and their bounds
        are put aside: those constraints are deleted, with names, starts, tangents and seeds of theirs, and `unfix` adds
        them again, under the same indices.

        Parameters
        ----------
        x : variable, or array of variables; one that is fixed already gets another value
        value : a number or an array that broadcasts to the shape of x, within the bounds

        Raises
        ------
        InvalidData
            If a value is no finite number, or outside of the bounds.
        BoundAlreadySet
            If x is a parameter, semicontinuous or semi-integer.

        Examples
        --------
        >>> import optangent as ot
        >>> model = ot.Model(ot.solvers.HiGHS)
        >>> v = model.add_variables(2, lower=0.0, upper=4.0)
        >>> model.maximize(v.sum())
        >>> model.fix(v[0], 1.0)
        >>> model.optimize()
        >>> model.value(v), model.reduced_cost(v)
        (array([1., 4.]), array([-1., -1.]))
        >>> model.unfix(v[0])
        >>> model.optimize()
        >>> model.value(v)
        array([4., 4.])
        """
        fix(self.meta_solver, x, value)

    def unfix(self, x: Any) -> None:
        """Free variables that `fix` holds, or that are in `EqualTo`; bounds that `fix` put aside come back.

        Raises
        ------
        InvalidData
            If one is not fixed; nothing is changed then.

        Examples
        --------
        >>> import optangent as ot
        >>> model = ot.Model()
        >>> x = model.add_variable("x", lower=0.0)
        >>> model.fix(x, 2.0)
        >>> model.unfix(x)
        >>> print(model)
        feasibility 0
          x >= 0
        """
        unfix(self.meta_solver, x)

    # ------------------------------------------------------------------ parameters
    def add_parameter(self, value: float, name: str = "") -> VariableIndex:
        """Add a variable that is data: held at a value, and differentiable in it."""
        check_name(name)
        chosen = _checked_parameter(value)
        self.meta_solver.require(VariableIndex, Parameter)
        p, _ = self.meta_solver.add_constrained_variable(chosen)
        if name:
            self.set(attr.VariableName(), p, name)
        return p

    def add_parameters(self, values: Any, name: str = "") -> Any:
        """Add a vector, a matrix or a larger array of parameters.

        Parameters
        ----------
        values : array_like, a ``Series`` or ``DataFrame``, or a sparse array
            Of a sparse array the stored entries are parameters, row by row, and the others zero.
        name : str
            Of the whole; entries are called ``name[k]``, ``name[i,j]``, with labels ``name[label]``.

        Returns
        -------
        VectorOfVariables or ArrayFunction
            Which multiply: ``q @ v``, ``G @ v``, ``v @ (P @ v)``.

        Raises
        ------
        InvalidData
            If a value is no finite number.

        Examples
        --------
        >>> import optangent as ot
        >>> model = ot.Model(ot.solvers.HiGHS)
        >>> v = model.add_variables(2, lower=0.0)
        >>> G, h = model.add_parameters(np.eye(2)), model.add_parameters([1.0, 2.0])
        >>> c = model.add_constraint(G @ v >= h)
        >>> model.minimize(v.sum())
        >>> model.optimize()
        >>> model.value(v)
        array([1., 2.])
        """
        table = sp.csr_array(real_matrix(values, "A parameter")) if sp.issparse(values) else None
        labels: Labels | None = labels_of(values) if is_labelled(values) else None
        if table is not None:
            table.sum_duplicates()
        array = real_array(values if table is None else table.data, "A parameter")
        if not array.ndim:
            raise DimensionMismatch("add_parameters takes an array; add_parameter makes a single one.")
        if not np.isfinite(array).all():
            raise InvalidData(f"A parameter has a finite value, got {array[~np.isfinite(array)][0]!r}.")
        check_name(name)
        self.meta_solver.require(VariableIndex, Parameter)
        with self.meta_solver.together():
            v = self.meta_solver.add_variables(array.size)
            if array.size:
                sets = SetBlock.scalar(Parameter, array.reshape(-1, 1))
                self.meta_solver.add_block(ConstraintBlock(VariableIndex, v.rows, sets))
        shape, place = array.shape, None
        if table is not None:
            shape = table.shape
            row, column = (c.astype(np.int64) for c in sp.coo_array(table).coords)
            place = row * shape[1] + column
            order = np.argsort(place)
            made: Any = ArrayFunction(v[order], shape, place[order])
        else:
            made = v if array.ndim == 1 and labels is None else ArrayFunction(v, shape, None, labels)
        if name:
            names = [f"{name}[{mark}]" for mark in marks(shape, labels or (None,) * len(shape), place)]
            self.set(attr.VariableName(), v, names)
        return made

    def set_parameter_value(self, p: VariableIndex | VectorOfVariables | ArrayFunction, value: Any) -> None:
        """Give a parameter, or a vector or matrix of them, other values.

        An infinite value means no bound; parameters take it that are right-hand sides of inequalities alone. The row
        is none then: its dual and gradients are zero, and its value is that of the rest of its function.

        Examples
        --------
        >>> import optangent as ot
        >>> model = ot.Model()
        >>> p = model.add_parameter(2.0)
        >>> model.set_parameter_value(p, 3.0)
        >>> model.parameter_value(p)
        3.0
        """
        if isinstance(p, ArrayFunction):
            value = p.at_places(value)
        parameters = self._parameters(p)
        values = real_vector(value, len(parameters), "value")
        if np.isnan(values).any():
            raise InvalidData("A parameter has a finite value (or an infinite one where it is a bound), got nan.")
        self.meta_solver.set_numbers(parameters, values[:, None])

    def parameter_value(self, p: VariableIndex | VectorOfVariables | ArrayFunction) -> Any:
        """The present value of a parameter, or the array of those of a vector or matrix of them, in its shape."""
        parameters = self._parameters(p)
        values = np.zeros(0)
        if len(parameters):
            values = self.store.block(PARAMETERS).all_numbers[self.store.numbers(parameters), 0]
        if isinstance(p, VariableIndex):
            return float(values[0])
        array = values.reshape(np.shape(getattr(p, "ids", p)))
        return with_labels(array, p.labels) if isinstance(p, ArrayFunction) and p.is_dense else array

    def _parameters(self, p: Any) -> ConstraintIndices:
        """The constraints that make variables parameters."""
        chosen = plain(p, "a parameter, or a vector or matrix of them")
        chosen = [chosen] if isinstance(chosen, VariableIndex) else chosen
        ids = chosen.ids if hasattr(chosen, "ids") else np.array([one.value for one in chosen], np.int64)
        return parameter_constraints(self.store, ids)


def _checked_parameter(value: float) -> Parameter:
    number = real_number(value, "A parameter")
    if not np.isfinite(number):
        raise InvalidData(f"A parameter has a finite value, got {value!r}.")
    return Parameter(number)
