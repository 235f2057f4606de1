"""A form with what its columns and rows are called: what is written to a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from ..arrays import IntArray
from .form import Form

__all__ = ["NamedForm"]


@final
@dataclass(frozen=True, slots=True, eq=False)
class NamedForm:
    """A form in step with a model, and names.

    Attributes
    ----------
    form : Form
    name : of the model, "" without
    sign : of the model's objective in the form's, -1 for a maximization
    columns : (c,) positions of the columns that are something, those of deleted variables left out
    column_names : c names, "" for variables that bridges brought
    row_names : of all rows, "" where the constraint has none
    """

    form: Form
    name: str
    sign: float
    columns: IntArray
    column_names: list[str]
    row_names: list[str]
