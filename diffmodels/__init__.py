"""Differentiation: the KKT engine, the diff models and the meta-solver."""

from .optimizer import DiffOptimizer, DifferentiationWarning, diff_optimizer
from .quadratic import QuadraticDiff

__all__ = ["DiffOptimizer", "DifferentiationWarning", "QuadraticDiff", "diff_optimizer"]
