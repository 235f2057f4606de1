"""Affine rewritings of models, and the layer that applies them."""

from .base import Bridge, Lift, Target
from .layer import BridgeOptimizer

__all__ = ["Bridge", "BridgeOptimizer", "Lift", "Target"]
