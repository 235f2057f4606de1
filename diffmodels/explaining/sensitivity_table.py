"""The table of sensitivities: a DataFrame whose ``plot`` also draws tornadoes and heat maps.

Its classes are made when the first table is, since pandas is optional; pickles find them by their names here.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...modelkit.errors import InvalidData
from .figures import draw_heatmap, draw_tornado
from .frames import frame

__all__ = ["sensitivity_table"]


def sensitivity_table(columns: Mapping[str, Any], outputs: Mapping[str, str]) -> Any:
    """A `SensitivityTable`.

    Parameters
    ----------
    columns : of the table
    outputs : from the columns of influences to what they are influences on
    """
    table = _table_class()(frame(columns))
    table.attrs["outputs"] = dict(outputs)
    return table


@functools.cache
def _table_class() -> Any:
    from pandas import DataFrame
    from pandas.plotting import PlotAccessor

    class SensitivityPlot(PlotAccessor):  # type: ignore[misc]
        """The drawings of pandas, and those of sensitivities."""

        def tornado(self, ax: Any = None, *, of: str | None = None, change: Any = 1.0, top: int = 10) -> Any:
            """What a change of each number does to the output, the strongest on top.

            By the derivative. Where the table has ranges, bars are pale from where other constraints become active.

            Parameters
            ----------
            ax : axes to draw on; a new figure's by default
            of : which of several outputs
            change : of each number up and down; one for all, or one for each row of the table
            top : how many bars at most

            Returns
            -------
            Axes
            """
            table, outputs = self._parent, _outputs(self._parent)
            if of is None and len(outputs) > 1:
                raise InvalidData(f"Say of which output, tornado(of=...): {', '.join(map(repr, outputs))}.")
            output = next(iter(outputs)) if of is None else of
            if output not in outputs:
                raise InvalidData(f"There is no output {of!r}, but {', '.join(map(repr, outputs))}.")
            change = np.broadcast_to(np.asarray(change, np.float64), len(table))
            room = [table["value"] - table["low"], table["high"] - table["value"]]
            return draw_tornado(ax, _names(table), outputs[output], output, change, room, top)

        def heatmap(self, ax: Any = None, *, change: Any = 1.0, top: int = 20) -> Any:
            """What a change of each number does to each output, the strongest numbers from the top, by the derivative.

            Parameters
            ----------
            ax : axes to draw on; a new figure's by default
            change : of each number; one for all, or one for each row of the table
            top : how many rows at most

            Returns
            -------
            Axes
            """
            table, outputs = self._parent, _outputs(self._parent)
            influences = np.stack(list(outputs.values()), axis=1)
            change = np.broadcast_to(np.asarray(change, np.float64), len(table))
            return draw_heatmap(ax, _names(table), list(outputs), influences, change, top)

    class SensitivityTable(DataFrame):  # type: ignore[misc]
        """See `Model.sensitivities`."""

        @property
        def _constructor(self) -> Any:
            return SensitivityTable

        @property
        def plot(self) -> SensitivityPlot:
            """Drawings: those of pandas, ``tornado`` and ``heatmap``."""
            return SensitivityPlot(self)

    SensitivityTable.__qualname__ = "SensitivityTable"
    return SensitivityTable


def __getattr__(name: str) -> Any:
    if name == "SensitivityTable":
        return _table_class()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _names(table: Any) -> list[str]:
    return [str(name) for name in table.get("name", table.index)]


def _outputs(table: Any) -> dict[str, Any]:
    """The influences by what they are on."""
    found = {label: table[name].to_numpy() for name, label in table.attrs.get("outputs", {}).items() if name in table}
    if not found:
        raise InvalidData("This part of the table has no influences to draw.")
    return found
