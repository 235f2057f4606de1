"""Tables of what moves what: DataFrames whose ``plot`` also draws tornadoes and heat maps.

They have a column for each output (`Model.sensitivities`, `Model.influence`), or a row for each and a column for each
number that moves (`Jacobian.to_frame`). Their class is made when the first table is, since pandas is optional; pickles
find it by its name here.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...modelkit.arrays import FloatArray
from ...modelkit.errors import InvalidData
from .figures import amount, draw_heatmap, draw_tornado

__all__ = ["sensitivity_table"]

_GROWS = "change when the number on the left grows by {}"


def sensitivity_table(table: Any, outputs: Mapping[str, str] | None, words: str = _GROWS) -> Any:
    """A `SensitivityTable`.

    Parameters
    ----------
    table : the DataFrame
    outputs : from the columns of influences to what they are influences on; None where each row is an output
    words : what a heat map shows, with ``{}`` for the change
    """
    made = _table_class()(table)
    made.attrs |= {"outputs": None if outputs is None else dict(outputs), "words": words}
    return made


@functools.cache
def _table_class() -> Any:
    from pandas import DataFrame
    from pandas.plotting import PlotAccessor

    class SensitivityPlot(PlotAccessor):  # type: ignore[misc]
        """The drawings of pandas, and those of influences."""

        def tornado(self, ax: Any = None, *, of: str | None = None, change: Any = 1.0, top: int = 10) -> Any:
            """What a change of each number does to the output, the strongest on top.

            By the derivative. Where the table has ranges, bars are pale from where other constraints become active.

            Parameters
            ----------
            ax : axes to draw on; a new figure's by default
            of : which of several outputs
            change : of each number up and down; one for all, or one for each number
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
            names = _names(table)
            change = np.broadcast_to(np.asarray(change, np.float64), len(names))
            return draw_tornado(ax, names, outputs[output], output, change, _room(table, len(names)), top)

        def heatmap(self, ax: Any = None, *, change: Any = 1.0, top: int = 20) -> Any:
            """What a change of each number does to each output, the strongest numbers on top, by the derivative.

            Of the table of an output by `Model.influence`: what a change of each number of a data point does to it.

            Parameters
            ----------
            ax : axes to draw on; a new figure's by default
            change : of each number; one for all, or one for each number
            top : how many rows at most

            Returns
            -------
            Axes
            """
            table, outputs = self._parent, _outputs(self._parent)
            influences, names = np.stack(list(outputs.values()), axis=1), _names(table)
            change = np.broadcast_to(np.asarray(change, np.float64), len(names))
            words = table.attrs["words"].format(amount(change) or "its change").rstrip()
            return draw_heatmap(ax, names, list(outputs), influences, change, words, top)

    class SensitivityTable(DataFrame):  # type: ignore[misc]
        """See `Model.sensitivities`, `Model.influence` and `Model.jacobian`."""

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
    """Of the numbers that move."""
    if table.attrs["outputs"] is None:
        return [str(name) for name in table.columns]
    return [str(name) for name in table.get("name", table.index)]


def _outputs(table: Any) -> dict[str, Any]:
    """The influences by what they are on."""
    columns = table.attrs.get("outputs", {})
    if columns is None:
        found = {str(label): row for label, row in zip(table.index, table.to_numpy(), strict=True)}
    else:
        found = {label: table[name].to_numpy() for name, label in columns.items() if name in table}
    if not found:
        raise InvalidData("This part of the table has no influences to draw.")
    return found


def _room(table: Any, count: int) -> list[FloatArray]:
    """How far each number may go down and up, where the table has ranges."""
    if not {"value", "low", "high"} <= set(table.columns):
        return [np.full(count, np.nan)] * 2
    return [(table["value"] - table["low"]).to_numpy(), (table["high"] - table["value"]).to_numpy()]
