"""Affine rewritings of constraints, and the lowering that composes them from a store to a form."""

from .bridge import Bridge, Lift, Target
from .lowering import Lowering

__all__ = ["Bridge", "Lift", "Lowering", "Target"]
