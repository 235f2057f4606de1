"""Attributes of a model as it is written: names, functions, sets, starts, lists of what there is."""

from __future__ import annotations

from typing import Any, final

from .kinds import ConstraintAttribute, ModelAttribute, VariableAttribute

__all__ = [
    "BoundsPutAside",
    "ConstraintActivityStart",
    "ConstraintDualStart",
    "ConstraintFunction",
    "ConstraintLayout",
    "ConstraintName",
    "ConstraintPrimalStart",
    "ConstraintSet",
    "ListOfConstraintAttributesSet",
    "ListOfConstraintIndices",
    "ListOfConstraintTypesPresent",
    "ListOfModelAttributesSet",
    "ListOfVariableAttributesSet",
    "ListOfVariableIndices",
    "Name",
    "NumberOfConstraints",
    "NumberOfVariables",
    "ObjectiveFunction",
    "ObjectiveSense",
    "VariableName",
    "VariablePrimalStart",
]


@final
class Name(ModelAttribute):
    """Name of the model."""


@final
class ObjectiveSense(ModelAttribute):
    """An `ObjectiveSenseCode`; setting FEASIBILITY_SENSE erases the objective."""


@final
class ObjectiveFunction(ModelAttribute):
    """The objective, a scalar function."""


class _List(ModelAttribute):
    settable = False


@final
class NumberOfVariables(_List):
    """How many variables the model has."""


@final
class ListOfVariableIndices(_List):
    """All variables in order of creation, a `VectorOfVariables`."""


@final
class ListOfConstraintTypesPresent(_List):
    """The kinds (function type, set type) of which the model has constraints."""


class _OfKind(_List):
    def __init__(self, function_type: Any, set_type: Any) -> None:
        self.kind = (function_type, set_type)


@final
class NumberOfConstraints(_OfKind):
    """How many constraints of one kind the model has."""


@final
class ListOfConstraintIndices(_OfKind):
    """The constraints of one kind in order of creation, a `ConstraintIndices`."""


@final
class ListOfModelAttributesSet(_List):
    """The attributes of the model that were set, a list."""


@final
class ListOfVariableAttributesSet(_List):
    """The attributes of variables that were set on any of them, a list."""


@final
class ListOfConstraintAttributesSet(_OfKind):
    """The attributes of constraints of one kind that were set on any of them, a list."""


@final
class VariableName(VariableAttribute):
    """Name of a variable, a string."""


@final
class VariablePrimalStart(VariableAttribute):
    """Where a solver may start, a number or None."""


@final
class ConstraintName(ConstraintAttribute):
    """Name of a constraint, a string."""


@final
class BoundsPutAside(ConstraintAttribute):
    """Of a variable that `Model.fix` holds at a value, the sets of its bounds, which `Model.unfix` gives back."""


@final
class ConstraintLayout(ConstraintAttribute):
    """How the rows of a constraint that was written with arrays stand in its shape (a `Layout`), else None."""


@final
class ConstraintFunction(ConstraintAttribute):
    """The function of a constraint, as written."""


@final
class ConstraintSet(ConstraintAttribute):
    """The set of a constraint."""


@final
class ConstraintPrimalStart(ConstraintAttribute):
    """Where a solver may start f(x), an array or None."""


@final
class ConstraintDualStart(ConstraintAttribute):
    """Where a solver may start the dual, an array or None."""


@final
class ConstraintActivityStart(ConstraintAttribute):
    """Which rows are active in a solver's basis: positive at a lower bound, negative at an upper, 0 inactive."""
