"""Differentiation: the KKT engine, the diff models and the meta-solver."""

from .optimizer import DifferentiationWarning, DiffOptimizer, diff_optimizer
from .quadratic import QuadraticDiff

__all__ = ["DiffOptimizer", "DifferentiationWarning", "QuadraticDiff", "diff_optimizer"]
