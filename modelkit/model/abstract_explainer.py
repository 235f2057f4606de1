"""Who answers a `Model` that is asked what its solution means."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from ..indices import ConstraintIndex

__all__ = ["AbstractExplainer"]


class AbstractExplainer(ABC):
    """What is known of a model beyond its values; the words are those of `Explained`, where they are described."""

    @abstractmethod
    def __init__(self, model: Any) -> None: ...

    @abstractmethod
    def ranges(self) -> Any:
        """Ranges of right-hand sides, bounds, costs and parameters."""

    @abstractmethod
    def path(self, parameter: Any, start: float, stop: float) -> Any:
        """The solution as a function of a parameter."""

    @abstractmethod
    def sensitivities(self, of: Any = None) -> Any:
        """What each constraint and parameter is worth."""

    @abstractmethod
    def predict(self, changes: Any) -> Any:
        """The solution of a changed model, by the derivative."""

    @abstractmethod
    def summary(self) -> Any:
        """The model at a glance."""

    @abstractmethod
    def explain(self, constraint: ConstraintIndex) -> Any:
        """How a constraint gets to the solver and its derivative back."""

    @abstractmethod
    def compare_solvers(self, solvers: Sequence[Any] | None = None) -> Any:
        """The model by every solver."""

    @abstractmethod
    def jacobian(self, of: Any, wrt: Any) -> Any:
        """The derivative as a linear operator."""

    @abstractmethod
    def conflict(self, *, time_limit: float | None = None, progress: Any = None) -> Any:
        """Why there is no solution."""

    @abstractmethod
    def rays(self) -> Any:
        """The certificate of an infeasible or unbounded model."""

    @abstractmethod
    def relax(self, constraints: Any = None, penalties: Any = None, norm: int = 1, *, weight: float = 0.0) -> Any:
        """The least change that makes the model feasible."""

    @abstractmethod
    def influence(self, of: Any, data: Any) -> Any:
        """Which data points move an output."""

    @abstractmethod
    def diff_report(self) -> Any:
        """The certificate of the derivative."""
