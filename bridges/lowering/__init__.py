"""What the bridges make of a store for one target: a form, and the maps between the two, as data."""

from .lowering import Lowering

__all__ = ["Lowering"]
