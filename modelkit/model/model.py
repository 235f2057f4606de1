"""The user's model: the protocol, and the words one likes to write.

The file is long because it is what a user reads: each word with its arguments and an example.
"""

from __future__ import annotations

import copy
import math
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, cast, overload

import numpy as np
import scipy.sparse as sp

from .. import attributes as attr
from ..arrays import FloatArray, IntArray
from ..errors import DifferentiationError, DimensionMismatch, InvalidData
from ..functions import Comparison, Function, ScalarAffineFunction, ScalarFunction, VariableIndex, VectorOfVariables
from ..functions.layout import Layout, ShapedComparison, laid_out
from ..functions.shaped import ArrayFunction, plain_index
from ..indices import ConstraintIndex, ConstraintIndices, no_index, plain
from ..labels import Labels, is_labelled, labels_of, with_labels
from ..numeric import real_array, real_matrix, real_number, real_vector
from ..sets import Integer, Interval, Parameter, PositiveSemidefiniteConeTriangle, Set, ZeroOne
from ..store.block import ConstraintBlock, SetBlock
from ..store.checks import check_name
from ..store.parameters import PARAMETERS, of_ray, parameter_constraints
from ..store.store import Store
from .abstract_meta_solver import AbstractMetaSolver, remade_model
from .bound_handles import change_side, fix, reduced_costs, unfix
from .diagnosed import Diagnosed
from .explained import Explained
from .locking import one_at_a_time
from .passed_on import PassedOn
from .printing import counts, model_html, model_latex, model_text
from .remaking import snapshot
from .shaped_values import each_once, in_place
from .variable_arrays import marks, planned
from .variable_bounds import set_between

__all__ = ["Model"]

_PLAIN = (float, int)
_INF = math.inf


@one_at_a_time("add_variable", "add_constraint", "stand_before", "__init__")
class Model(Explained, Diagnosed, PassedOn):
    """An optimization model: variables, functions in sets, an objective.

    Threads may share a model: each operation waits until the one before has ended. To do several as one, hold `lock`.
    Copies (`copy.deepcopy`) and pickles keep the model, its options, indices, tangents and seeds, and the result; what
    the solver's handle holds beside that (a basis, a warm start) and derivatives are made anew when they are needed.

    Parameters
    ----------
    optimizer : class or callable without arguments, or a list of them, optional
        A solver (``ot.solvers.HiGHS``), an ordered list of solvers, or ``ot.diff_optimizer(...)`` of either to
        differentiate the solution.

    Examples
    --------
    >>> import optangent as ot
    >>> model = ot.Model(ot.solvers.HiGHS)
    >>> x = model.add_variable(name="x", lower=0.0)
    >>> y = model.add_variable(name="y", lower=0.0)
    >>> c = model.add_constraint(x + 2 * y <= 4)
    >>> model.maximize(3 * x + 2 * y)
    >>> model.optimize()
    >>> model.value(x), model.objective_value(), model.dual(c)
    (4.0, 12.0, -3.0)

    Attributes
    ----------
    lock : reentrant lock
        ``with model.lock:`` keeps other threads from changing or solving the model until the block has ended, as
        between ``optimize()`` and ``value(x)``.
    """

    backend: ClassVar[type[AbstractMetaSolver]]
    """What keeps the model and asks solvers and diff models; the package's face sets it."""

    file_writer: ClassVar[Callable[[AbstractMetaSolver, Any], None]]
    """What writes files; the package's face sets it."""

    def __init__(self, optimizer: Any = None) -> None:
        makers = optimizer if isinstance(optimizer, (list, tuple)) else [] if optimizer is None else [optimizer]
        for maker in makers:
            if not callable(maker):
                raise InvalidData(
                    f"Model takes a solver class or a callable that makes a solver, got {maker!r}; "
                    "write ot.Model(lambda: ot.solvers.HiGHS(...)) to give options."
                )
        made = [maker() for maker in makers]
        if len(made) == 1 and isinstance(made[0], AbstractMetaSolver):
            self.stand_before(made[0])
        elif any(isinstance(one, AbstractMetaSolver) for one in made):
            raise InvalidData("Give the list to diff_optimizer: ot.Model(ot.diff_optimizer([solver, ...])).")
        else:
            self.stand_before(type(self).backend(*made, differentiates=False))

    def stand_before(self, meta_solver: AbstractMetaSolver) -> None:
        """Take a meta-solver, which keeps the model."""
        self.lock = threading.RLock()
        self.meta_solver = meta_solver

    def __reduce__(self) -> Any:
        """Pickle and deepcopy keep the model, its options, indices, tangents and seeds, and the result.

        They drop the solver's handle, and with it its basis and what a warm start would need, and derivatives.
        """
        with self.lock:  # others may go on with the model before what is returned here is written
            return remade_model, snapshot(self._parts())

    def __deepcopy__(self, memo: dict[int, Any]) -> Model:
        with self.lock:
            made: Model = remade_model(*copy.deepcopy(self._parts(), memo))
        return made

    def _parts(self) -> tuple[Any, ...]:
        """What `remade_model` makes a copy of."""
        return type(self), self.meta_solver.recipe()

    def __copy__(self) -> Model:
        return copy.deepcopy(self)

    @property
    def store(self) -> Store:
        """The model as written."""
        return self.meta_solver.store

    # ------------------------------------------------------------------ variables
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

    # ------------------------------------------------------------------ bounds
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

    def reduced_cost(self, x: Any) -> Any:
        """The dual of the bounds of variables, in their shape: of two bounds the sum, without bounds zero.

        It is what the objective of a minimization rises by as the bound in force is raised by one; in a maximization,
        what it falls by. Of a parameter it is that of its value.

        Raises
        ------
        NotOptimized
            If there is no dual solution: not solved, or a model with whole numbers.

        Examples
        --------
        >>> import optangent as ot
        >>> model = ot.Model(ot.solvers.HiGHS)
        >>> X = model.add_variables((2, 2), lower=0.0, upper=1.0)
        >>> model.minimize((np.array([[1.0, 2.0], [3.0, -4.0]]) * X).sum())
        >>> model.optimize()
        >>> model.reduced_cost(X)
        array([[ 1.,  2.],
               [ 3., -4.]])
        """
        costs, labels = reduced_costs(self.meta_solver, x)
        return with_labels(costs, labels) if costs.ndim else float(costs)

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

    # ------------------------------------------------------------------ attributes of arrays of variables
    def get(self, attribute: attr.Attribute, index: Any = None) -> Any:
        """Value of an attribute; of an array of variables in its shape."""
        if isinstance(index, ArrayFunction):
            return np.reshape(self.meta_solver.get(attribute, plain_index(index)), index.ids.shape)
        return self.meta_solver.get(attribute, index if index is None else plain(index))

    def set(self, attribute: attr.Attribute, *index_and_value: Any) -> None:
        """Set an attribute; of an array of variables, or a constraint with a shape, from an array of that shape."""
        if len(index_and_value) != 2:
            self.meta_solver.set(attribute, *index_and_value)
            return
        index, value = index_and_value
        if isinstance(index, ArrayFunction):
            value = value if np.ndim(value) == 0 and not is_labelled(value) else index.at_places(value)
        elif isinstance(index, ConstraintIndex) and not isinstance(attribute, attr.ConstraintLayout):
            layout = self._layout(index)
            if layout is not None:
                value = layout.rows_of(value, adjoint=isinstance(attribute, attr.ReverseConstraintDual))
            elif isinstance(value, ArrayFunction) and value.ndim == 1:
                value = value.flat
        value = value.to_numpy() if is_labelled(value) else value
        self.meta_solver.set(attribute, *each_once(attribute, plain(index), value))

    def is_valid(self, index: Any) -> bool:
        """Whether the model holds the variable or constraint, or all variables of an array."""
        return self.meta_solver.is_valid(plain_index(index))

    def delete(self, index: Any) -> None:
        """Delete a variable or constraint, a sequence of them, or an array of variables."""
        self.meta_solver.delete(plain_index(index))

    def _layout(self, constraint: Any) -> Layout | None:
        """How a constraint's rows stand in an array, if it came in one."""
        found: Layout | None = self.store.values_of(attr.ConstraintLayout()).get(constraint)
        return found

    def _parameters(self, p: Any) -> ConstraintIndices:
        """The constraints that make variables parameters."""
        chosen = plain(p, "a parameter, or a vector or matrix of them")
        chosen = [chosen] if isinstance(chosen, VariableIndex) else chosen
        ids = chosen.ids if hasattr(chosen, "ids") else np.array([one.value for one in chosen], np.int64)
        return parameter_constraints(self.store, ids)

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

    def add_constraints(self, functions: Any, sets: Any) -> ConstraintIndices:
        """Add many constraints of one kind at once.

        Parameters
        ----------
        functions : sequence of functions of one type; or a vector or array of functions, whose rows are dealt out
        sets : sequence of sets of one type, or one set for all

        Examples
        --------
        >>> import optangent as ot
        >>> model = ot.Model()
        >>> X = model.add_variables((2, 2))
        >>> len(model.add_constraints(X + X.T, ot.LessThan(1.0)))
        4
        """
        return super().add_constraints(functions.flat if isinstance(functions, ArrayFunction) else functions, sets)

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

    # ------------------------------------------------------------------ results
    def value(self, what: Any) -> Any:
        """Value at the solution.

        Parameters
        ----------
        what : variable (a float), array of variables (an array of its shape), function, or constraint (f(x))
            Or a sequence of those, of which the array of values is made. What has labels comes as a ``Series`` or
            ``DataFrame``.

        Raises
        ------
        NotOptimized
            If there is no result: not solved, changed since, or no solution found.
        """
        if isinstance(what, (VariableIndex, VectorOfVariables)):
            return self.get(attr.VariablePrimal(), what)
        if isinstance(what, Function):
            self.store.check_variables(what.rows)
            is_ray = self.get(attr.PrimalStatus()) is attr.ResultStatusCode.INFEASIBILITY_CERTIFICATE
            rows = of_ray(self.store, what.rows) if is_ray else what.rows
            values = rows.evaluate(self._by_identifier(attr.VariablePrimal(), len(rows.coef) + len(rows.qcoef)))
            return values if what.is_vector else float(values[0])
        if isinstance(what, ArrayFunction):
            return in_place(what, self.value(what.entries))
        if isinstance(what, (ConstraintIndex, ConstraintIndices)):
            return self._in_shape(what, self.get(attr.ConstraintPrimal(), what))
        if isinstance(what, (str, bytes, Mapping)) or not isinstance(what, (Iterable, np.ndarray)):
            raise no_index(what, "a variable, function or constraint, or a sequence of them")
        every = list(what)
        if every and all(type(one) is VariableIndex for one in every):
            return self.value(VectorOfVariables(every))
        return np.array([self.value(one) for one in every])

    def _by_identifier(self, attribute: attr.Attribute, terms: int) -> Callable[[IntArray], FloatArray]:
        """Values of variables by identifier; where there are many terms, of all variables at once."""
        store = self.store
        if terms <= store.variable_count:
            return lambda ids: np.asarray(self.get(attribute, VectorOfVariables.of_ids(ids)))
        ids, x = store.variable_ids(), np.zeros(store.variable_count)
        x[ids - store.base] = self.get(attribute, VectorOfVariables.of_ids(ids))
        return lambda ids: x[ids - store.base]

    def _in_shape(self, constraint: Any, rows: Any) -> Any:
        """Numbers of a constraint's rows, in its shape."""
        layout = self._layout(constraint) if isinstance(constraint, ConstraintIndex) else None
        return rows if layout is None else layout.arranged(rows)

    def dual(self, constraint: ConstraintIndex | ConstraintIndices) -> Any:
        """Dual of a constraint, a float or an array of its rows in its shape; raises like `value`.

        The sign depends on the set alone: <= 0 for `LessThan`, >= 0 for `GreaterThan`, in the dual cone for a cone.
        Of a matrix that is positive semidefinite it is the matrix Y with ``trace(Y @ X)`` as the inner product.
        """
        return self._in_shape(constraint, self.get(attr.ConstraintDual(), constraint))

    def objective_value(self) -> float:
        """Objective at the solution; raises like `value`."""
        return float(self.get(attr.ObjectiveValue()))

    def termination_status(self) -> attr.TerminationStatusCode:
        """Why the solver stopped; its ``value`` says it in words."""
        status: attr.TerminationStatusCode = self.get(attr.TerminationStatus())
        return status

    def polished(self, what: Any) -> Any:
        """Value at the solution made exact (`PolishedPrimal`), of a constraint its dual there (`PolishedDual`).

        Parameters
        ----------
        what : variable, vector of variables, function, or constraint

        Raises
        ------
        DifferentiationError
            If there is no solution, none that Newton steps make exact, or the model only solves.

        Examples
        --------
        >>> import optangent as ot
        >>> model = ot.Model(ot.diff_optimizer(lambda: ot.solvers.SCS(eps_abs=1e-4, eps_rel=1e-4)))
        >>> x = model.add_variable()
        >>> c = model.add_constraint(3 * x >= 1)
        >>> model.minimize(x * x)
        >>> model.optimize()
        >>> abs(model.polished(x) - 1 / 3) < 1e-15, abs(model.polished(c) - 2 / 9) < 1e-15
        (True, True)
        """
        self._differentiating("polished")
        if isinstance(what, Function) and not isinstance(what, (VariableIndex, VectorOfVariables)):
            self.store.check_variables(what.rows)
            rows = what.rows
            values = rows.evaluate(self._by_identifier(attr.PolishedPrimal(), len(rows.coef) + len(rows.qcoef)))
            return values if what.is_vector else float(values[0])
        if isinstance(what, ArrayFunction):
            return in_place(what, self.polished(what.entries))
        is_constraint = isinstance(what, (ConstraintIndex, ConstraintIndices))
        return self._in_shape(what, self.get(attr.PolishedDual() if is_constraint else attr.PolishedPrimal(), what))

    # ------------------------------------------------------------------ differentiation
    def lowering(self, constraint: ConstraintIndex, *, differentiated: bool = False) -> Any:
        """What bridges make of a constraint for the solver: ``A f + B u + c`` in sets that it takes, as data.

        Parameters
        ----------
        constraint : ConstraintIndex
        differentiated : whether to show what the diff model takes instead, at the solution

        Returns
        -------
        LoweredConstraint
            It prints what it holds: the bridges (``way``) and the ``parts`` that stand for the constraint, with
            matrices ``A``, ``A_transposed``, ``B``, ``C``, ``N`` and constants ``c``; all parts together have them too.

        Examples
        --------
        >>> import optangent as ot
        >>> model = ot.Model(ot.solvers.HiGHS)
        >>> v = model.add_variables(2, "v")
        >>> c = model.add_constraint(2.0 * v, ot.NormInfinityCone(2), name="norm")
        >>> model.lowering(c)
        'norm' for HiGHS:
          VectorAffineFunction-in-NormInfinityCone  by NormInfinityToLinear
              VectorAffineFunction-in-Nonnegatives  (native)
        A f in Nonnegatives(2)
        A = [[ 1. -1.]
             [ 1.  1.]]
        """
        with self.lock:
            return self.meta_solver.lowered(constraint, differentiated=differentiated)

    def forward_differentiate(self) -> None:
        """Push the tangents that were set to the solution; see `ForwardVariablePrimal`."""
        self._differentiating("forward_differentiate")()

    def reverse_differentiate(self) -> None:
        """Pull the seeds that were set back to the data; see `ReverseConstraintFunction`."""
        self._differentiating("reverse_differentiate")()

    def empty_input_sensitivities(self) -> None:
        """Forget all tangents and seeds."""
        self._differentiating("empty_input_sensitivities")()

    def directional_derivatives(self, outputs: VectorOfVariables, directions: Sequence[Any]) -> FloatArray:
        """Derivatives of variables along many directions at once; see `MetaSolver.directional_derivatives`."""
        differentiate = self._differentiating("directional_derivatives")
        derivatives: FloatArray = differentiate(plain_index(outputs), directions)
        return derivatives

    def _differentiating(self, name: str) -> Callable[..., Any]:
        if not self.meta_solver.differentiates:
            raise DifferentiationError(
                "This model only solves. To differentiate, make it with ot.Model(ot.diff_optimizer(solver))."
            )
        method: Callable[..., Any] = getattr(self.meta_solver, name)
        return method

    # ------------------------------------------------------------------ files
    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the model to an MPS or LP file, which `ot.read` and most solvers read.

        Parameters
        ----------
        path : ending in ``.mps`` or ``.lp``, or in one of these and ``.gz``; a file that is there is replaced

        Raises
        ------
        UnsupportedConstraint, UnsupportedObjective
            If the model holds what such a file cannot, cones or quadratic rows; nothing is written.
        InvalidData
            If the name tells no format, there are no variables, or a constraint contradicts itself.

        Notes
        -----
        It is the form that HiGHS is given: parameters have their present values, and what bridges rewrite (norms,
        indicators, special ordered sets) is rewritten. Numbers keep all their digits, but for one side of a range in an
        MPS file, which holds the width instead (the last digit may differ).

        Names stay, as far as the format knows them: white space becomes ``_``, in LP files brackets become round
        (``v[0]`` is ``v(0)``) and signs that mean something ``_``, a name that comes again gets a number. Rows without
        a name are ``c1``, ``c2``, those of a vector ``name[0]``, ``name[1]``; a bound has no name in a file.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> import optangent as ot
        >>> model = ot.Model()
        >>> x = model.add_variable("x", upper=4.0, integer=True)
        >>> c = model.add_constraint(2 * x, ot.Interval(1.0, 5.0), name="c")
        >>> model.maximize(3 * x + 1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "model.mps")
        ...     model.write(path)
        ...     print(ot.read(path))
        maximize 3 x + 1
          x <= 4
          x is integer
          c: 1 <= 2 x <= 5
        """
        with self.lock:
            type(self).file_writer(self.meta_solver, path)

    # ------------------------------------------------------------------ names, in words
    def variable_by_name(self, name: str) -> VariableIndex:
        """The variable of this name.

        Raises
        ------
        InvalidIndex
            If no variable has the name, or several have.

        Examples
        --------
        >>> import optangent as ot
        >>> model = ot.Model()
        >>> x = model.add_variable("x")
        >>> model.variable_by_name("x") == x
        True
        """
        found: VariableIndex = self.store.by_name(attr.VariableName(), name)
        return found

    def constraint_by_name(self, name: str) -> ConstraintIndex:
        """The constraint of this name; raises `InvalidIndex` like `variable_by_name`."""
        found: ConstraintIndex = self.store.by_name(attr.ConstraintName(), name)
        return found

    def name_of(self, identifier: int) -> str:
        """Name of a variable by identifier."""
        return self.store.name_of(identifier)

    def __str__(self) -> str:
        return model_text(self.store)

    def _repr_latex_(self) -> str:
        return model_latex(self.store)

    def _repr_html_(self) -> str:
        return model_html(self.store)

    def __repr__(self) -> str:
        constraints = ", ".join(counts(self.store)) or "no constraints"
        return f"Model({self.store.variables_alive} variables, {constraints}; {self.termination_status().name})"


def _checked_parameter(value: float) -> Parameter:
    number = real_number(value, "A parameter")
    if not np.isfinite(number):
        raise InvalidData(f"A parameter has a finite value, got {value!r}.")
    return Parameter(number)
