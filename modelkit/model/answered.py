"""What a `Model` answers once it is solved: values, duals, statuses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from .. import attributes as attr
from ..arrays import FloatArray, IntArray
from ..functions import Function, VariableIndex, VectorOfVariables
from ..functions.operations import evaluated
from ..functions.shaped import ArrayFunction
from ..indices import ConstraintIndex, ConstraintIndices, no_index, plain
from ..labels import with_labels
from ..store.parameters import of_ray
from .bound_handles import reduced_costs
from .in_shape import InShape
from .shaped_values import in_place

__all__ = ["Answered"]


class Answered(InShape):
    """Results by the indices and in the shapes of what was written."""

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
            known = self._by_identifier(attr.VariablePrimal(), len(rows.coef) + len(rows.qcoef))
            values = evaluated(rows, known)
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
        ids, x = store.every_variable_id(), np.zeros(store.variable_count)
        x[ids - store.base] = self.get(attribute, VectorOfVariables.of_ids(ids))
        return lambda ids: x[ids - store.base]

    def dual(self, constraint: ConstraintIndex | ConstraintIndices) -> Any:
        """Dual of a constraint, a float or an array of its rows in its shape; raises like `value`.

        The sign depends on the set alone: <= 0 for `LessThan`, >= 0 for `GreaterThan`, in the dual cone for a cone.
        Of a matrix that is positive semidefinite it is the matrix Y with ``trace(Y @ X)`` as the inner product.
        """
        return self._in_shape(constraint, self.meta_solver.get(attr.ConstraintDual(), plain(constraint)))

    def objective_value(self) -> float:
        """Objective at the solution; raises like `value`."""
        return float(self.get(attr.ObjectiveValue()))

    def termination_status(self) -> attr.TerminationStatusCode:
        """Why the solver stopped; its ``value`` says it in words."""
        status: attr.TerminationStatusCode = self.get(attr.TerminationStatus())
        return status

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
