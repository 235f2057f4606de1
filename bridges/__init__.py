"""Affine rewritings of models, and the layer that applies them."""

from .base import Bridge, Lift, Target
from .lowering import Lowering

__all__ = ["Bridge", "Lift", "Lowering", "Target"]
