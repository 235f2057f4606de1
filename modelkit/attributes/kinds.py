"""What an attribute is, and on what it is attached."""

from __future__ import annotations

import enum
from typing import ClassVar

__all__ = [
    "Attribute",
    "ConstraintAttribute",
    "ConstraintResult",
    "ModelAttribute",
    "ModelResult",
    "On",
    "OptimizerAttribute",
    "VariableAttribute",
    "VariableResult",
]


class On(enum.Enum):
    """What an attribute is attached to."""

    OPTIMIZER = "optimizer"  # survives `empty`
    MODEL = "model"
    VARIABLE = "variable"
    CONSTRAINT = "constraint"


class Attribute:
    """Base of all attributes; equal when of one class with equal parameters."""

    on: ClassVar[On]
    is_result: ClassVar[bool] = False
    """Whether `optimize` sets it, so that a changed model has none."""
    settable: ClassVar[bool] = True

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, vars(self).values()))})"


class OptimizerAttribute(Attribute):
    """Of the optimizer."""

    on = On.OPTIMIZER


class ModelAttribute(Attribute):
    """Of the model."""

    on = On.MODEL


class VariableAttribute(Attribute):
    """Of variables."""

    on = On.VARIABLE


class ConstraintAttribute(Attribute):
    """Of constraints."""

    on = On.CONSTRAINT


class ModelResult(ModelAttribute):
    """Of a solved model."""

    is_result = True
    settable = False


class VariableResult(VariableAttribute):
    """Of variables of a solved model."""

    is_result = True
    settable = False


class ConstraintResult(ConstraintAttribute):
    """Of constraints of a solved model."""

    is_result = True
    settable = False
