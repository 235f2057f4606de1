"""Affine rewritings of constraints, and the lowering that composes them from a store to a form."""

from .base import Bridge, Lift, Target
from .lowering import Lowering

__all__ = ["Bridge", "Lift", "Lowering", "Target"]
