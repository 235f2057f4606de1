"""What all solver wrappers share.

A wrapper holds the model it was given in a store, hands it over when it is solved, and afterwards passes
changes on in place as far as the library allows. It says which kinds of constraint the library takes;
everything else is the bridges' business. For libraries that take the whole model as matrices there is
`MatrixSolver` (matrix_solver.py).
"""

from __future__ import annotations

import difflib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from inspect import isabstract
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.block import ConstraintBlock
from ..modelkit.convexity import require_convex
from ..modelkit.errors import (
    NotOptimized,
    UnsupportedAttribute,
    UnsupportedConstraint,
    UnsupportedObjective,
)
from ..modelkit.functions import Function, VariableIndex, VectorOfVariables
from ..modelkit.indices import ConstraintIndex, ConstraintIndices, IndexMap, Kind, describe_kind
from ..modelkit.matrix_form import MatrixForm
from ..modelkit.modifications import Modification, ScalarConstantChange, VectorConstantChange
from ..modelkit.protocol import AbstractModel
from ..modelkit.residuals import WITH_GAPS
from ..modelkit.rows import Rows
from ..modelkit.sets import Set
from ..modelkit.store import Store
from .options import Option, check_common, version_of
from .result import FINAL, STATUSES, Result

__all__ = ["Change", "Solver"]


class Change:
    """What a modification touched."""

    OBJECTIVE = "objective"  # any of P, q, r, sense
    NUMBERS = "numbers"  # constants of functions, numbers of sets
    COEFFICIENTS = "coefficients"  # entries of F


class Solver(AbstractModel):
    """A solver library behind the protocol of all models.

    Class attributes (to be declared by a wrapper)
    ----------------------------------------------
    name : the solver's name
    library : the distribution that brings its library, which is asked for the version; "" for none
    kinds : the constraints it takes natively, in the order in which the library wants their rows
    form_kinds : the rows of forms that it takes from layers (`MatrixSolver.load`), in that order; () for none
    objectives : types of objective it takes
    standard_options : common attribute -> `Option`
    releases_gil : whether other Python threads run while the library works (then layers solve in threads)

    Parameters
    ----------
    **options
        Options by the library's own names.
    """

    name: ClassVar[str]
    library: ClassVar[str] = ""
    kinds: ClassVar[tuple[Kind, ...]]
    form_kinds: ClassVar[tuple[Kind, ...]] = ()
    objectives: ClassVar[tuple[type[Function], ...]]
    standard_options: ClassVar[Mapping[type[attr.Attribute], Option]] = {}
    releases_gil: ClassVar[bool] = True
    arguments: tuple[tuple[Any, ...], dict[str, Any]]
    """What it was made with, so that another one can be made like it."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Keep the arguments; a wrapper that lacks a declaration is no solver."""
        missing = [name for name in ("name", "kinds", "objectives") if not hasattr(cls, name)]
        if missing and not isabstract(cls):
            raise TypeError(f"{cls.__name__} is a solver without {' and '.join(missing)}: declare them in the class.")
        solver = super().__new__(cls)
        solver.arguments = args, kwargs
        return solver

    def of_forms(self) -> Any:
        """A solver that takes forms, of the same library and with the same options."""
        from .libraries import form_solvers

        names = [one.__name__ for one in type(self).__mro__]
        found = [made for made in form_solvers() if made.__name__ in names]
        if not found:
            raise UnsupportedAttribute(f"{self.name} takes no forms, as layers need it.")
        solver = found[0]()
        for attribute, value in self.store.optimizer_attributes().items():
            if solver.supports_option(attribute):
                solver.set_option(attribute, value)
        for name, value in self.options.items():
            solver.set_option(attr.RawOptimizerAttribute(name), value)
        return solver

    def __init__(self, **options: Any) -> None:
        self.store = Store()
        self.options: dict[str, Any] = {}
        self._result: Result | None = None
        for name, value in options.items():
            self.set(attr.RawOptimizerAttribute(name), value)

    # ------------------------------------------------------------------ what a wrapper writes
    def reconsidered(self, form: MatrixForm, result: Result) -> Result:
        """What the answer of a run to a form, of layers, is worth: it looks into claims that there is no solution."""
        return result

    @abstractmethod
    def option_names(self) -> Sequence[str]:
        """All option names that the library knows."""

    @abstractmethod
    def _solve(self) -> Result:
        """Pass on what the library does not know yet, and solve."""

    @abstractmethod
    def _restructured(self) -> None:
        """The loaded model is no longer of use: load anew at the next solve. Called after the change."""

    @abstractmethod
    def _columns(self, ids: IntArray) -> IntArray:
        """Positions of variables in `Result.x`."""

    @abstractmethod
    def _constraint_dual(self, dual: FloatArray, index: ConstraintIndex | ConstraintIndices) -> FloatArray:
        """The entries of `Result.dual` that belong to one constraint, or to many of one kind."""

    @abstractmethod
    def _objective_at(self, x: FloatArray, *, ray: bool) -> float:
        """The objective in the user's sense; of a ray, its linear part."""

    def _fetch(self, result: Result) -> None:
        """Fill what `_solve` left out of the result until somebody asks."""

    def _grew(self) -> None:
        """Variables or constraints were added; a wrapper may know better than to load anew."""
        self._restructured()

    def _changed(self, what: str, index: ConstraintIndex | None = None, changes: Sequence[Modification] = ()) -> None:
        """Numbers changed in the store, the structure did not.

        Parameters
        ----------
        what : one of `Change`
        index : the constraint where it was one
        changes : what `modify` was given; empty when a whole function or set was replaced
        """
        self._restructured()

    def _functions_changed(self, indices: ConstraintIndices) -> None:
        """Functions of many constraints were replaced in the store."""
        for index in indices:
            self._changed(Change.COEFFICIENTS, index)

    def _numbers_changed(self, indices: ConstraintIndices) -> None:
        """Numbers and constants of many constraints were replaced in the store."""
        for index in indices:
            self._changed(Change.NUMBERS, index)

    def _option_changed(self, attribute: attr.Attribute, value: Any) -> None:
        """A changed option is a change: load anew (a wrapper may know better)."""
        self._restructured()

    # ------------------------------------------------------------------ building: the store, and what changed
    def add_variables(self, count: int) -> VectorOfVariables:
        """Add free variables."""
        self._result = None
        added = self.store.add_variables(count)
        self._grew()
        return added

    def add_block(self, block: ConstraintBlock) -> ConstraintIndices:
        """Add many constraints of a native kind."""
        if not self.supports_constraint(*block.kind):
            raise UnsupportedConstraint(
                f"{self.name} does not take {describe_kind(block.kind)} by itself; "
                "use it through ot.Model, which bridges."
            )
        added = self.store.add_block(block)
        self._result = None
        self._grew()
        return added

    def modify(
        self, target: ConstraintIndex | attr.ObjectiveFunction, change: Modification | Sequence[Modification]
    ) -> None:
        """Change coefficients or constants."""
        self.store.modify(target, change)
        self._result = None
        changes = [change] if isinstance(change, Modification) else change
        if isinstance(target, attr.ObjectiveFunction):
            self._changed(Change.OBJECTIVE, None, changes)
        elif all(isinstance(c, (ScalarConstantChange, VectorConstantChange)) for c in changes):
            self._changed(Change.NUMBERS, target, changes)
        else:
            self._changed(Change.COEFFICIENTS, target, changes)

    def set_functions(self, indices: ConstraintIndices, rows: Rows) -> None:
        """Give many constraints of one kind other functions, whose rows stand one below the other."""
        self.store.set_functions(indices, rows)
        self._result = None
        self._functions_changed(indices)

    def set_numbers(self, indices: ConstraintIndices, numbers: FloatArray, constants: FloatArray | None = None) -> None:
        """Give many constraints other numbers, and their functions other constants."""
        self.store.set_numbers(indices, numbers, constants)
        self._result = None
        self._numbers_changed(indices)

    def delete(self, index: Any) -> None:
        """Delete variables or constraints."""
        self.store.delete(index)
        self._result = None
        self._restructured()

    def empty(self) -> None:
        """Drop the model; options stay."""
        self.store.empty()
        self._result = None
        self._restructured()

    # ------------------------------------------------------------------ solving
    def optimize(self) -> None:
        """Solve, passing on only what changed since; a final answer to the same model stays."""
        if self._result is not None and self._result.status in FINAL:
            return
        self._result = None
        self._result = self._solve()

    def check_convex(self, P: sp.csc_array, sign: float) -> None:
        """Refuse a matrix P (of the minimization) that is not convex; solvers often do not notice."""
        require_convex(P, sign, self.name)

    # ------------------------------------------------------------------ asking
    def is_valid(self, index: VariableIndex | ConstraintIndex) -> bool:
        """Whether the model holds the variable or constraint."""
        return self.store.is_valid(index)

    def is_empty(self) -> bool:
        """Whether the model holds nothing."""
        return self.store.is_empty()

    def supports(self, attribute: attr.Attribute) -> bool:
        """Whether the attribute can be set."""
        if isinstance(attribute, attr.RawOptimizerAttribute):
            return attribute.name in self.option_names()
        return type(attribute) in _SETTABLE or type(attribute) in self.standard_options

    def supports_constraint(self, function_type: type[Function], set_type: type[Set]) -> bool:
        """Whether the kind is native."""
        return (function_type, set_type) in self.kinds

    def supports_objective(self, function_type: type[Function]) -> bool:
        """Whether the objective type is native."""
        return function_type in self.objectives

    def set(self, attribute: attr.Attribute, *index_and_value: Any) -> None:
        """Set an option, a start, or data of the model."""
        if attribute.on == attr.On.OPTIMIZER:
            self._set_option(attribute, index_and_value[-1])
            return
        kind = type(attribute)
        if kind not in _SETTABLE:
            raise UnsupportedAttribute(f"{attribute!r} cannot be set on {self.name}.")
        if kind is attr.ObjectiveFunction and not self.supports_objective(type(index_and_value[-1])):
            raise UnsupportedObjective(f"{self.name} takes no {type(index_and_value[-1]).__name__} as objective.")
        self.store.set(attribute, *index_and_value)
        if kind in _CHANGES:
            self._result = None
            targets: Any = index_and_value[:-1] or (None,)
            if targets[0] is not None and not isinstance(targets[0], ConstraintIndex):
                targets = targets[0]
            for target in targets:
                self._changed(_CHANGES[kind], target)

    def _set_option(self, attribute: attr.Attribute, value: Any) -> None:
        if isinstance(attribute, attr.RawOptimizerAttribute):
            names = self.option_names()
            if attribute.name not in names:
                near = difflib.get_close_matches(attribute.name, names, 3, 0.5)
                hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
                raise UnsupportedAttribute(f"{self.name} has no option {attribute.name!r}.{hint}")
            self._option_changed(attribute, value)
            self.options[attribute.name] = value
        elif type(attribute) in self.standard_options:
            check_common(attribute, value)
            self._option_changed(attribute, value)
            self.store.set(attribute, value)
        else:
            raise UnsupportedAttribute(f"{attribute!r} cannot be set on {self.name}.")
        self._result = None

    def effective_options(self) -> dict[str, Any]:
        """The options to give the library: common attributes by its names, then its own."""
        effective: dict[str, Any] = {}
        for kind, option in self.standard_options.items():
            value = self.store.get(kind())
            if value is not None:
                effective[option.name] = option.convert(value)
        return effective | self.options

    def get(self, attribute: attr.Attribute, index: Any = None) -> Any:
        """Value of an attribute: data, option or result."""
        if not attribute.is_result:
            if isinstance(attribute, attr.RawOptimizerAttribute):
                return self.options.get(attribute.name)
            if isinstance(attribute, attr.SolverName):
                return self.name
            if isinstance(attribute, attr.SolverVersion):
                return version_of(self.name, self.library)
            if isinstance(attribute, attr.ListOfOptimizerAttributesSet):
                return [*self.store.attributes_set(attr.On.OPTIMIZER), *map(attr.RawOptimizerAttribute, self.options)]
            return self.store.get(attribute, index)
        result = self._result
        simple = STATUSES.get(type(attribute))
        if simple is not None:
            return simple(result)
        if result is None:
            raise NotOptimized(
                f"{attribute!r}: the model has not been solved since it was last changed; call optimize() first."
            )
        return self._result_value(attribute, index, result)

    def _result_value(self, attribute: attr.Attribute, index: Any, result: Result) -> Any:
        kind = type(attribute)
        if kind is attr.ObjectiveValue:
            if result.objective is None:
                x = self._need("x", result, attribute)
                result.objective = self._objective_at(x, ray=result.is_ray)
            return result.objective
        if kind is attr.VariablePrimal:
            x = self._need("x", result, attribute)
            if isinstance(index, VariableIndex):
                self.store.check_ids([index.value])
                return float(x[self._columns(np.array([index.value]))[0]])
            ids = index.ids if isinstance(index, VectorOfVariables) else np.array([v.value for v in index], np.int64)
            self.store.check_ids(ids)
            return x[self._columns(ids)]
        if attribute.on == attr.On.CONSTRAINT and not isinstance(index, (ConstraintIndex, ConstraintIndices)):
            return [self._result_value(attribute, one, result) for one in index]
        if kind is attr.ConstraintDual or (kind is attr.ConstraintActivity and result.activity is not None):
            dual = self._need("dual" if kind is attr.ConstraintDual else "activity", result, attribute)
            return _one_or_many(self._constraint_dual(dual, index), index)
        if kind is attr.ConstraintPrimal:
            x = self._need("x", result, attribute)
            block = self.store.block(index.kind)
            if isinstance(index, ConstraintIndex):
                rows = block.rows(self.store.number(index))
            else:
                rows = block.all_rows().take(block.rows_of(self.store.numbers(index)))
            values = rows.evaluate(lambda ids: x[self._columns(ids)], constants=not result.is_ray)
            return _one_or_many(values, index)
        if result.iterations is None:
            self._fetch(result)
        iterations = result.iterations or {}
        plain: dict[type[attr.Attribute], float | None] = {
            attr.SolveTimeSec: result.seconds,
            attr.SimplexIterations: iterations.get("simplex"),
            attr.BarrierIterations: iterations.get("barrier"),
            attr.NodeCount: iterations.get("nodes"),
            attr.ObjectiveBound: result.bound,
            attr.RelativeGap: result.gap,
        }
        if plain.get(kind) is None:
            raise UnsupportedAttribute(f"{self.name} gives no {attribute!r} for this solve ({result.raw}).")
        return plain[kind]

    def _need(self, name: str, result: Result, attribute: attr.Attribute) -> FloatArray:
        if getattr(result, name) is None:
            self._fetch(result)
        array: FloatArray | None = getattr(result, name)
        if array is None and name == "dual" and any(kind[1] in WITH_GAPS for kind in self.store.kinds()):
            raise NotOptimized(
                f"There is no {attribute!r}: models with integer variables, and others whose sets have gaps, have no "
                "duals. Solve the relaxation, or fix these variables at their values, for the duals of that."
            )
        if array is None:
            raise NotOptimized(
                f"There is no {attribute!r}: {self.name} stopped with {result.status.name} "
                f"({result.status.value}; in its own words: {result.raw})."
                + (_ADVICE if result.status in _FAILED else "")
            )
        return array

    def copy_to(self, destination: AbstractModel) -> IndexMap:
        """Build the model in another one."""
        return self.store.copy_to(destination)


_FAILED = tuple(
    attr.TerminationStatusCode[name] for name in ("OTHER_ERROR", "NUMERICAL_ERROR", "SLOW_PROGRESS", "ITERATION_LIMIT")
)
_ADVICE = " Another solver may manage: Model and diff_optimizer take a list, tried in order, e.g. [first, second]."


def _one_or_many(values: FloatArray, index: ConstraintIndex | ConstraintIndices) -> Any:
    """A number for one scalar constraint, else an array."""
    if isinstance(index, ConstraintIndex) and not index.kind[1].is_vector:
        return float(values[0])
    return values


_CHANGES: dict[type[attr.Attribute], str] = {
    attr.ConstraintSet: Change.NUMBERS,
    attr.ConstraintFunction: Change.COEFFICIENTS,
    attr.ObjectiveFunction: Change.OBJECTIVE,
    attr.ObjectiveSense: Change.OBJECTIVE,
}
_SETTABLE = frozenset({attr.Name, attr.VariablePrimalStart, attr.ConstraintDualStart, *_CHANGES})
