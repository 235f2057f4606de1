"""Variables, constraints and the objective of a `Model`, in the words that one likes to write."""

from __future__ import annotations

import math
from typing import Any, cast, overload

import numpy as np

from .. import attributes as attr
from ..errors import InvalidData
from ..functions import Comparison, ScalarAffineFunction, ScalarFunction, VariableIndex, VectorOfVariables
from ..functions.layout import ShapedComparison, laid_out
from ..functions.shaped import ArrayFunction
from ..indices import ConstraintIndex
from ..numeric import real_number
from ..sets import Integer, Interval, PositiveSemidefiniteConeTriangle, Set, ZeroOne
from ..store.block import ConstraintBlock
from ..store.checks import check_name
from .in_shape import InShape
from .variable_arrays import planned
from .variable_bounds import set_between

__all__ = ["Declared"]

_PLAIN = (float, int)
_INF = math.inf


class Declared(InShape):
    """What a model consists of."""

    def add_variable(
        self,
        name: str = "",
        *,
        lower: float | None = None,
        upper: float | None = None,
        start: float | None = None,
        integer: bool = False,
        binary: bool = False,
    ) -> VariableIndex:
        """Add a variable.

        Parameters
        ----------
        name : str
        lower, upper : bounds, added as constraints ``VariableIndex`` in `GreaterThan`, `LessThan` or `Interval`
            (equal ones: in `EqualTo`); infinite ones are none.
        start : where a solver may start
        integer, binary : whether it is in `Integer` or `ZeroOne`

        Raises
        ------
        InvalidData
            If a bound or the start is no number, or the bounds contradict one another; no variable is added.
        UnsupportedConstraint
            If the solver does not take one of the sets; no variable is added.
        """
        if start is None and not (name or integer or binary):  # the hot path
            if lower is None and upper is None:
                with self.lock:
                    return self.meta_solver.add_variable()
            low, high = cast(float, lower), cast(float, upper)
            if type(low) in _PLAIN and type(high) in _PLAIN and -_INF < low < high < _INF:
                with self.lock:
                    return self.meta_solver.add_variable_in(Interval, (float(low), float(high)))
        with self.lock:
            return self._add_variable(name, lower, upper, start, integer, binary)

    def _add_variable(
        self, name: str, lower: float | None, upper: float | None, start: float | None, integer: bool, binary: bool
    ) -> VariableIndex:
        sets: list[Set] = [*set_between(lower, upper)]
        if integer and binary:
            raise InvalidData("A binary variable is a whole number already; give one of integer and binary.")
        if start is not None and not np.isfinite(real_number(start, "A start")):
            raise InvalidData(f"A start must be finite, got {start!r}.")
        check_name(name)
        sets += [*([Integer()] if integer else []), *([ZeroOne()] if binary else [])]
        for one in sets:
            self.meta_solver.require(VariableIndex, type(one))
        x = self.meta_solver.add_variable()
        for one in sets:
            self.meta_solver.add_constraint(x, one)
        if name:
            self.set(attr.VariableName(), x, name)
        if start is not None:
            self.set(attr.VariablePrimalStart(), x, start)
        return x

    @overload
    def add_variables(
        self,
        shape: int,
        name: str = "",
        *,
        lower: Any = None,
        upper: Any = None,
        integer: bool = False,
        binary: bool = False,
    ) -> VectorOfVariables: ...
    @overload
    def add_variables(
        self,
        shape: Any = None,
        name: str = "",
        *,
        lower: Any = None,
        upper: Any = None,
        integer: bool = False,
        binary: bool = False,
        symmetric: bool = False,
        psd: bool = False,
        index: Any = None,
        columns: Any = None,
    ) -> Any: ...
    def add_variables(
        self,
        shape: Any = None,
        name: str = "",
        *,
        lower: Any = None,
        upper: Any = None,
        integer: bool = False,
        binary: bool = False,
        symmetric: bool = False,
        psd: bool = False,
        index: Any = None,
        columns: Any = None,
    ) -> Any:
        """Add a vector, a matrix or a larger array of variables.

        Parameters
        ----------
        shape : int or tuple of ints; or labels, a pandas ``Index``, ``Series`` or ``DataFrame``
        name : str
            Of the whole; variables are called ``name[k]``, ``name[i,j]``, with labels ``name[label]``.
        lower, upper : numbers, or arrays (or ``Series``, ``DataFrame``) that broadcast to the shape; infinite entries
            bound nothing
        integer, binary : whether they are in `Integer` or `ZeroOne`
        symmetric : whether entries across the diagonal of a square matrix are one variable
        psd : whether a symmetric matrix is positive semidefinite, in `PositiveSemidefiniteConeTriangle`
        index, columns : labels of rows and columns, in place of a shape

        Returns
        -------
        VectorOfVariables or ArrayFunction
            A vector for one axis without labels, else an array.

        Raises
        ------
        InvalidData, DimensionMismatch
            If the shape is none, or bounds do not fit it or contradict one another; no variable is added.
        UnsupportedConstraint
            If the solver does not take one of the sets; no variable is added.

        Notes
        -----
        Labels go with variables through +, -, *, /, `@`, `np.dot`, `np.inner`, `np.vdot`, sums, transposes, indexing of
        single axes (by position) and ``.loc`` (by label), and come back in `value`, `dual`, `reduced_cost`,
        `parameter_value`. Where two axes with labels meet, the second is taken in the order of the first; different
        labels are refused. What has none goes by position.

        Examples
        --------
        >>> import optangent as ot
        >>> model = ot.Model()
        >>> v = model.add_variables(2, "v", lower=0.0, upper=[1.0, 2.0])
        >>> print(model)
        feasibility 0
          0 <= v[0] <= 1
          0 <= v[1] <= 2
        >>> X = model.add_variables((2, 2), "X", symmetric=True)
        >>> (np.array([[1.0, 2.0], [2.0, 5.0]]) * X).sum()
        X[0,0] + 4 X[0,1] + 5 X[1,1]
        """
        plan = planned(shape, index, columns, lower, upper, integer=integer, binary=binary, symmetric=symmetric or psd)
        check_name(name)
        for block in plan.sets:
            self.meta_solver.require(VariableIndex, block.type)
        cone = PositiveSemidefiniteConeTriangle(plan.shape[0]) if psd else None
        if cone is not None:
            self.meta_solver.require(VectorOfVariables, type(cone))
        with self.meta_solver.together():
            v = self.meta_solver.add_variables(plan.count)
            if name:
                self.set(attr.VariableName(), v, plan.names(name))
            for block in plan.sets:
                if plan.count:
                    self.meta_solver.add_block(ConstraintBlock(VariableIndex, v.rows, block))
            made = plan.arranged(v)
            if cone is not None:
                self._add_shaped(laid_out(made, cone))
        return made

    # ------------------------------------------------------------------ constraints and objective
    def add_constraint(self, function: Any, set: Set | None = None, name: str = "") -> ConstraintIndex:
        """Add a constraint.

        Parameters
        ----------
        function : a comparison such as ``2 * x + y <= 3`` or ``A @ v >= b``, or a function
        set : the set of the function; left out with a comparison
        name : str

        Returns
        -------
        ConstraintIndex
            By which its dual, derivatives and changes are named.

        Notes
        -----
        A comparison moves the number to the set: ``2 * x + 1 >= 4`` is ``2 * x`` in ``GreaterThan(3)``. A function
        given with its set is kept as written, constant included. Comparisons of vectors and of larger arrays are
        differences in `Nonnegatives`, `Nonpositives` or `Zeros`; `value` and `dual` give theirs in the shape.

        ``X >> Y`` says that the square matrix ``X - Y`` is positive semidefinite: by the upper triangle if it is
        symmetric, by all entries otherwise (`PositiveSemidefiniteConeTriangle`, `PositiveSemidefiniteConeSquare`, which
        take a matrix of functions, too). A set has no labels: its numbers go by position.

        Examples
        --------
        >>> import optangent as ot
        >>> model = ot.Model(ot.solvers.Clarabel)
        >>> X = model.add_variables((2, 2), symmetric=True)
        >>> c = model.add_constraint(X >> np.array([[2.0, 1.0], [1.0, 2.0]]))
        >>> model.minimize(np.trace(X))
        >>> model.optimize()
        >>> model.value(X).round(5), model.dual(c).round(5)
        (array([[2., 1.],
               [1., 2.]]), array([[1., 0.],
               [0., 1.]]))
        """
        if type(function) is Comparison and set is None and not name:  # the hot path
            with self.lock:
                return self.meta_solver.add_constraint(function.function, function.set)
        with self.lock:
            return self._add_constraint(function, set, name)

    def _add_constraint(self, function: Any, set: Set | None, name: str) -> ConstraintIndex:
        if name:
            check_name(name)
        if isinstance(function, Comparison):
            if set is not None:
                raise InvalidData(f"{function!r} is a constraint already; leave out the set {set!r}.")
            if isinstance(function, ShapedComparison):
                index = self._add_shaped(function)
            else:
                index = self.meta_solver.add_constraint(function.function, function.set)
        elif set is None:
            raise InvalidData(
                f"add_constraint takes a comparison (2 * x <= 3) or a function and a set, got {function!r} alone. "
                "(A comparison of two plain numbers is True or False, and of two plain variables their identity; "
                "write x - y == 0.)"
            )
        elif isinstance(function, ArrayFunction):
            index = self._add_shaped(laid_out(function, set))
        else:
            index = self.meta_solver.add_constraint(function, set)
        if name:
            self.set(attr.ConstraintName(), index, name)
        return index

    def _add_shaped(self, constraint: ShapedComparison) -> ConstraintIndex:
        """Add a constraint and remember its shape."""
        index = self.meta_solver.add_constraint(constraint.function, constraint.set)
        self.meta_solver.set(attr.ConstraintLayout(), index, constraint.layout)
        return index

    def minimize(self, function: Any) -> None:
        """Set the objective, a scalar function or a number, to be minimized."""
        self._set_objective(attr.ObjectiveSenseCode.MIN_SENSE, function)

    def maximize(self, function: Any) -> None:
        """Set the objective, a scalar function or a number, to be maximized."""
        self._set_objective(attr.ObjectiveSenseCode.MAX_SENSE, function)

    def _set_objective(self, sense: attr.ObjectiveSenseCode, function: Any) -> None:
        if isinstance(function, (int, float, np.integer, np.floating)):
            function = ScalarAffineFunction((), (), float(function))
        if not isinstance(function, ScalarFunction):
            raise InvalidData(f"An objective is a scalar function of the variables or a number, got {function!r}.")
        self.set(attr.ObjectiveFunction(), function)
        self.set(attr.ObjectiveSense(), sense)
