"""Models as MPS and LP files."""

from .doors import read, write

__all__ = ["read", "write"]
