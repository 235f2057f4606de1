"""Every error the library raises, in one tree.

::

    OptangentError
    ├── InvalidIndex                an index that is deleted, or belongs to another model
    ├── InvalidData                 NaN, infinite or contradictory numbers
    │   ├── DimensionMismatch       sizes that do not fit together
    │   ├── NonconvexObjective      curvature of the wrong sign where convexity is needed
    │   └── MalformedFile           a file that is none of a model: cut off, of another kind, with a word too many
    ├── Unsupported                 this model will never take it
    │   ├── UnsupportedConstraint
    │   ├── UnsupportedObjective
    │   └── UnsupportedAttribute
    ├── NotAllowed                  supported, but not in the present state
    │   ├── UnsupportedModification the model cannot change this in place
    │   └── BoundAlreadySet         a variable has one lower and one upper bound at most
    ├── NotOptimized                a result was asked for that does not exist (yet)
    │   └── UnsolvedItems           some items of a layer's batch have no solution or derivatives (diffmodels)
    ├── DifferentiationError        no derivative can be computed here
    ├── WorkerLost                  a worker of a cluster or pool died, and nobody can take its place
    └── MissingDependency           an extra has to be installed

`Unsupported` is part of the design: where it is raised the next solver, or the next diff model, is asked.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "BoundAlreadySet",
    "DifferentiationError",
    "DimensionMismatch",
    "InvalidData",
    "InvalidIndex",
    "MalformedFile",
    "MissingDependency",
    "NonconvexObjective",
    "NotAllowed",
    "NotOptimized",
    "OptangentError",
    "Unsupported",
    "UnsupportedAttribute",
    "UnsupportedConstraint",
    "UnsupportedModification",
    "UnsupportedObjective",
    "WorkerLost",
]


class OptangentError(Exception):
    """Base of every error raised by optangent."""


class InvalidIndex(OptangentError, LookupError):
    """A variable or constraint index that this model does not hold (deleted, or of another model)."""


class InvalidData(OptangentError, ValueError):
    """A number, bound or matrix that makes no sense in a model."""


class DimensionMismatch(InvalidData):
    """Sizes that do not fit together."""


class NonconvexObjective(InvalidData):
    """A quadratic function whose curvature has the wrong sign for a convex method."""


class MalformedFile(InvalidData):
    """A file that cannot be read as a model.

    Parameters
    ----------
    path : of the file
    reason : what is wrong, and what was expected
    line : where, counted from 1, or None where it is not known

    Attributes
    ----------
    path, reason, line : as given
    """

    def __init__(self, path: str, reason: str, line: int | None = None) -> None:
        super().__init__(path, reason, line)
        self.path, self.reason, self.line = path, reason, line

    def __str__(self) -> str:
        place = "" if self.line is None else f", line {self.line}"
        return f"{self.path}{place}: {self.reason}"


class Unsupported(OptangentError):
    """Something this model will never take."""


class UnsupportedConstraint(Unsupported):
    """A function-in-set that neither the model nor any chain of bridges takes."""


class UnsupportedObjective(Unsupported):
    """An objective function type that neither the model nor any bridge takes."""


class UnsupportedAttribute(Unsupported):
    """An attribute that this model does not know."""


class NotAllowed(OptangentError):
    """Something the model supports, but not in its present state."""


class UnsupportedModification(NotAllowed):
    """A change that cannot be made in place; build the model anew."""


class BoundAlreadySet(NotAllowed):
    """A second lower (or upper) bound on one variable."""


class NotOptimized(OptangentError):
    """A result was asked for that does not exist: not solved yet, changed since, or no solution found."""


class DifferentiationError(OptangentError):
    """The solution cannot be differentiated."""


class WorkerLost(OptangentError, RuntimeError):
    """What a model stands on has gone: workers of a cluster or pool, and none can take their place.

    Attributes
    ----------
    x : where the computation had come to, or None: it can start there again
    """

    x: Any = None


class MissingDependency(OptangentError, ImportError):
    """An optional package is not installed; the message names the extra that brings it."""
