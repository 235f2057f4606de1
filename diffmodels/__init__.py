"""Differentiation: the KKT engine, the diff models and the meta-solver."""

from . import accessors
from .accessors import *  # noqa: F403
from .conic_diff import ConicDiff
from .gradcheck import gradcheck
from .kkt import DirectKKT, IterativeKKT
from .meta_solver import DifferentiationWarning, MetaSolver, diff_optimizer
from .nonlinear_diff import NonlinearDiff
from .policies import Smoothed
from .quadratic_diff import QuadraticDiff

__all__ = [
    "ConicDiff",
    "DifferentiationWarning",
    "DirectKKT",
    "IterativeKKT",
    "MetaSolver",
    "NonlinearDiff",
    "QuadraticDiff",
    "Smoothed",
    "diff_optimizer",
    "gradcheck",
    *accessors.__all__,
]
