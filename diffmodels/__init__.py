"""Differentiation: the KKT engine, the diff models and the meta-solver."""

from .conic import ConicDiff
from .gradcheck import gradcheck
from .kkt import DirectKKT, IterativeKKT
from .optimizer import DifferentiationWarning, DiffOptimizer, diff_optimizer
from .quadratic import QuadraticDiff

__all__ = [
    "ConicDiff",
    "DiffOptimizer",
    "DifferentiationWarning",
    "DirectKKT",
    "IterativeKKT",
    "QuadraticDiff",
    "diff_optimizer",
    "gradcheck",
]
