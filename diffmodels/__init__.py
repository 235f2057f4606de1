"""Differentiation: the KKT engine, the diff models and the meta-solver."""

from .conic_diff import ConicDiff
from .gradcheck import gradcheck
from .kkt import DirectKKT, IterativeKKT
from .meta_solver import DifferentiationWarning, MetaSolver, diff_optimizer
from .policies import Smoothed
from .quadratic_diff import QuadraticDiff

__all__ = [
    "ConicDiff",
    "DifferentiationWarning",
    "DirectKKT",
    "IterativeKKT",
    "MetaSolver",
    "QuadraticDiff",
    "Smoothed",
    "diff_optimizer",
    "gradcheck",
]
