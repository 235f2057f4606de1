"""Differentiation: the KKT engine, the diff models and the meta-solver."""

from .conic import ConicDiff
from .optimizer import DifferentiationWarning, DiffOptimizer, diff_optimizer
from .quadratic import QuadraticDiff

__all__ = ["ConicDiff", "DiffOptimizer", "DifferentiationWarning", "QuadraticDiff", "diff_optimizer"]
