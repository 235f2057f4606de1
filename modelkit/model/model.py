"""The user's model: how it is made, copied, differentiated and written to a file.

Its other words are in `declared` (what it consists of), `adjusted` (numbers that change), `answered` (results),
`explained` and `diagnosed` (what they mean), each with its arguments and an example.
"""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from .. import attributes as attr
from ..arrays import FloatArray
from ..errors import DifferentiationError, InvalidData
from ..functions import Function, VariableIndex, VectorOfVariables
from ..functions.operations import evaluated
from ..functions.shaped import ArrayFunction
from ..indices import ConstraintIndex, ConstraintIndices
from .abstract_meta_solver import AbstractMetaSolver, remade_model
from .adjusted import Adjusted
from .answered import Answered
from .declared import Declared
from .diagnosed import Diagnosed
from .explained import Explained
from .locking import one_at_a_time
from .printing import counts, model_html, model_latex, model_text
from .remaking import snapshot
from .shaped_values import in_place

__all__ = ["Model"]


@one_at_a_time("add_variable", "add_constraint", "stand_before", "__init__")
class Model(Explained, Diagnosed, Declared, Adjusted, Answered):
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

    # ------------------------------------------------------------------ differentiation
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
            values = evaluated(rows, self._by_identifier(attr.PolishedPrimal(), len(rows.coef) + len(rows.qcoef)))
            return values if what.is_vector else float(values[0])
        if isinstance(what, ArrayFunction):
            return in_place(what, self.polished(what.entries))
        is_constraint = isinstance(what, (ConstraintIndex, ConstraintIndices))
        return self._in_shape(what, self.get(attr.PolishedDual() if is_constraint else attr.PolishedPrimal(), what))

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

    def directional_derivatives(self, outputs: Any, directions: Sequence[Mapping[Any, Any]]) -> FloatArray:
        """Derivatives of outputs along many directions at once, with one factorization: forward mode, without `set`.

        Parameters
        ----------
        outputs : variables, affine functions, constraints (their duals), or ``ObjectiveValue()``
            Arrays and lists of these, as in `jacobian`.
        directions : K mappings from what moves to how it moves
            A parameter to a number; a constraint, or a row of it as ``(c, row)``, to a tangent of its function,
            quadratic too; ``ForwardObjectiveFunction()`` to one of the objective; ``(ForwardConstraintSet(), c)`` to a
            set that is the direction of its numbers.

        Returns
        -------
        array (K, N)

        Raises
        ------
        DifferentiationError
            If there is no solution with duals.
        InvalidData, InvalidIndex, DimensionMismatch
            If something is no output or cannot move so.

        See Also
        --------
        Model.gradients : reverse mode

        Examples
        --------
        >>> import optangent as ot
        >>> model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
        >>> x = model.add_variable("x")
        >>> c = model.add_constraint(2 * x, ot.GreaterThan(3.0))
        >>> model.minimize(x * x)
        >>> model.optimize()
        >>> moves = [{c: 1.0 * x}, {(ot.ForwardConstraintSet(), c): ot.GreaterThan(1.0)}]
        >>> model.directional_derivatives([x, c, ot.ObjectiveValue()], moves)
        array([[-0.75, -1.5 , -2.25],
               [ 0.5 ,  0.5 ,  1.5 ]])
        """
        derivatives: FloatArray = self._differentiating("directional_derivatives")(outputs, directions)
        return derivatives

    def gradients(self, data: Any, losses: Sequence[Mapping[Any, Any]]) -> FloatArray:
        """Derivatives of many losses in the data at once, with one factorization: reverse mode, without `set`.

        Parameters
        ----------
        data : parameters, constraints (right-hand sides), variables (costs), `Coefficients` and `SetNumbers`
            Arrays and lists of these, as in `jacobian`.
        losses : K mappings from what a loss depends on to its derivative in that
            A variable, a row of a constraint as ``(c, row)`` (its dual) or ``ObjectiveValue()`` to a number, a
            constraint to as many as it has rows.

        Returns
        -------
        array (K, N)

        Raises
        ------
        DifferentiationError
            If there is no solution with duals.
        InvalidData, InvalidIndex, DimensionMismatch
            If something is no datum, or nothing that a loss depends on.

        See Also
        --------
        Model.directional_derivatives : forward mode

        Examples
        --------
        >>> import optangent as ot
        >>> model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
        >>> x = model.add_variable("x")
        >>> c = model.add_constraint(2 * x, ot.GreaterThan(3.0))
        >>> model.minimize(x * x)
        >>> model.optimize()
        >>> model.gradients([ot.Coefficients(c), ot.SetNumbers(c)], [{x: 1.0}, {c: 1.0}, {ot.ObjectiveValue(): 1.0}])
        array([[-0.75,  0.5 ],
               [-1.5 ,  0.5 ],
               [-2.25,  1.5 ]])
        """
        found: FloatArray = self._differentiating("gradients")(data, losses)
        return found

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
