"""Tables: pandas where one is asked for, an error that says what to install where there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...modelkit.errors import MissingDependency

__all__ = ["frame"]


def frame(columns: Mapping[str, Any], index: Sequence[Any] | None = None) -> Any:
    """A pandas ``DataFrame`` with these columns."""
    try:
        import pandas
    except ImportError:
        raise MissingDependency('Tables are pandas DataFrames: pip install "optangent[pandas]"') from None
    return pandas.DataFrame(dict(columns), index=index)
