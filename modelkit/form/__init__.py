"""The numbers of a model: what solvers are given, what diff models differentiate."""

from .abilities import Abilities
from .form import BINARY_BOX, Cones, Discreteness, Form
from .journal import Journal
from .slots import Slots
from .stacked import Stacked, rows_at

__all__ = ["BINARY_BOX", "Abilities", "Cones", "Discreteness", "Form", "Journal", "Slots", "Stacked", "rows_at"]
