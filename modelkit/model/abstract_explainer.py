"""Who answers a `Model` that is asked what its solution means."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

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
