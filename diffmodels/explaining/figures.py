"""Drawings by matplotlib: paths, tornadoes, heat maps, in the look of the tutorials."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...modelkit.arrays import FloatArray
from ...modelkit.errors import MissingDependency

__all__ = ["COLOURS", "amount", "draw_heatmap", "draw_path", "draw_tornado"]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "black")
"""Told apart by all kinds of colour vision (M. Okabe, K. Ito, *Color universal design*, 2008)."""
_LOOK: Any = {"font.size": 11, "axes.spines.top": False, "axes.spines.right": False}
_FLAT = 1e-9
"""Part of the largest number up to which one is zero."""
_DASHES = ("-", "--", ":")
_DENSE = 40
"""Breakpoints from which they are not marked."""
_NUMBERS = 12
"""Columns of a heat map up to which its numbers are written."""
_LETTERS, _LETTER = 9, 0.085
"""Letters of a name that fit under a column, and inches that one takes."""


@contextmanager
def _canvas(ax: Any, size: tuple[float, float]) -> Iterator[Any]:
    """The user's axes as they are, or new ones."""
    try:
        import matplotlib
        from matplotlib import pyplot
    except ImportError:
        raise MissingDependency('Figures are drawn by matplotlib: pip install "optangent[plot]"') from None
    if ax is not None:
        yield ax
        return
    with matplotlib.rc_context(_LOOK):
        yield pyplot.subplots(figsize=size, layout="constrained")[1]


def draw_path(
    ax: Any, ends: FloatArray, places: FloatArray, values: FloatArray, names: Sequence[str], **words: str
) -> Any:
    """Lines over a parameter, exact on each piece, with a dot wherever one bends or jumps.

    Parameters
    ----------
    ax : axes, or None for new ones
    ends : (pieces + 1,) where pieces begin and end
    places : (pieces, k) parameters on each piece, both ends among them
    values : (pieces, k, lines)
    names : of the lines; those without one, the last, are grey
    words : ``x`` and ``y``, what the axes are, and ``stop``, why the path ends early
    """
    with _canvas(ax, (7.5, 4.8)) as axes:
        for t in ends[1:-1] if len(ends) < _DENSE else ():
            axes.axvline(t, color="0.85", lw=0.9, ls=(0, (2, 2)), zorder=0)
        bends, flat = _bends(places, values), places.ravel()
        for k in reversed(range(values.shape[2])):  # the first above the others
            line = values[:, :, k].ravel()
            if k >= len(names):
                axes.plot(flat, line, color="0.8", lw=1.0, zorder=1)
                continue
            colour, dashes = COLOURS[k % len(COLOURS)], _DASHES[k // len(COLOURS) % len(_DASHES)]
            axes.plot(flat, line, color=colour, ls=dashes, lw=2.0, label=names[k], zorder=3)
            at = np.flatnonzero(bends[:, k])
            if len(at) < _DENSE:
                axes.scatter(ends[1:-1][at], values[1:, 0, k][at], s=22, color=colour, zorder=4)
        axes.set_xlabel(words["x"])
        axes.set_ylabel(words["y"])
        if words["stop"]:
            axes.axvline(ends[-1], color="0.25", lw=1.2, zorder=1)
            axes.annotate(
                words["stop"],
                (ends[-1], 0.5),
                xycoords=axes.get_xaxis_transform(),
                xytext=(4, 0),
                textcoords="offset points",
                rotation=90,
                va="center",
                fontsize="small",
            )
        if len(names) > 1:
            lines, labels = axes.get_legend_handles_labels()
            axes.legend(lines[::-1], labels[::-1], frameon=False)
        return axes


def _bends(places: FloatArray, values: FloatArray) -> Any:
    """Whether each line bends or jumps at each breakpoint, (pieces - 1, lines)."""
    size = np.abs(values).max(axis=(0, 1))
    steps = values[:, [0, -1]]
    slopes = (steps[:, 1] - steps[:, 0]) / (places[:, -1] - places[:, 0])[:, None]
    jumps = np.abs(steps[1:, 0] - steps[:-1, 1]) > _FLAT * size
    length = float(places[-1, -1] - places[0, 0])
    return jumps | (np.abs(np.diff(slopes, axis=0)) * length > _FLAT * size)


def draw_tornado(
    ax: Any,
    names: Sequence[str],
    influence: FloatArray,
    output: str,
    change: FloatArray,
    room: Sequence[Any],
    top: int,
) -> Any:
    """Bars of what a change up and one down do, pale beyond the room that each number has below and above.

    Parameters
    ----------
    ax : axes, or None for new ones
    names, influence, change : of the rows, (r,)
    output : what they influence
    room : how far each may go down and up, (r,) each; NaN where that is not known
    top : how many bars
    """
    shown = _strongest(np.abs(influence * change), top)[::-1]
    with _canvas(ax, (7.5, 1.4 + 0.36 * max(len(shown), 2))) as axes:
        if not len(shown):
            return _empty(axes)
        heights, step = np.arange(len(shown)), change[shown]
        is_pale = False
        for way, sign, colour in (("less", -1.0, COLOURS[0]), ("more", 1.0, COLOURS[1])):
            far = np.asarray(room[0 if sign < 0 else 1], np.float64)[shown]
            sure = np.where(np.isnan(far), step, np.minimum(step, np.maximum(far, 0.0)))
            effect = sign * influence[shown]
            is_pale |= bool((sure < step).any())
            axes.barh(heights, effect * step, height=0.72, color=colour, alpha=0.25, lw=0)
            axes.barh(heights, effect * sure, height=0.72, color=colour, lw=0, label=f"{amount(step)}{way}")
        if is_pale:
            axes.barh([0.0], [0.0], color="0.25", alpha=0.25, label="beyond its range")
        axes.axvline(0.0, color="0.25", lw=1.2)
        axes.set_yticks(heights, [names[k] for k in shown])
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(-0.6, len(shown) - 0.4)
        axes.set_xlabel(f"change of {output}")
        axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, borderaxespad=0.0)
        return axes


def amount(change: FloatArray) -> str:
    """How much each number changes, where that is the same for all."""
    return f"{change[0]:g} " if (change == change[0]).all() else ""


def draw_heatmap(
    ax: Any,
    names: Sequence[str],
    outputs: Sequence[str],
    influences: FloatArray,
    change: FloatArray,
    words: str,
    top: int,
) -> Any:
    """Effects of changes as colours from blue, below zero, to red, with their numbers.

    Parameters
    ----------
    ax : axes, or None for new ones
    names, outputs : of rows and columns
    influences, change : (r, K) and (r,)
    words : what the colours are
    top : how many rows
    """
    effects = influences * change[:, None]
    shown = _strongest(np.abs(effects).max(axis=1), top)
    effects = effects[shown]
    K = len(outputs)
    written, longest = K <= _NUMBERS, max(map(len, outputs), default=0)
    upright = K > 6 or longest > _LETTERS
    beside = 1.0 + _LETTER * max((len(names[k]) for k in shown), default=0)
    height = 1.4 + 0.36 * max(len(shown), 2) + (_LETTER * longest if upright else 0.0)
    with _canvas(ax, (beside + 0.85 * min(K, _NUMBERS), height)) as axes:
        if not len(shown):
            return _empty(axes)
        from matplotlib.colors import LinearSegmentedColormap

        colours = LinearSegmentedColormap.from_list("influence", [COLOURS[0], "white", COLOURS[1]])
        most = float(np.abs(effects).max())
        image = axes.imshow(effects, cmap=colours, vmin=-most, vmax=most, aspect="auto")
        axes.set_xticks(range(K), outputs, rotation=90 if upright else 0)
        axes.set_yticks(range(len(shown)), [names[k] for k in shown])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel(textwrap.fill(words, max(24, 10 * min(K, _NUMBERS))))
        if written:
            for i, k in np.argwhere(np.abs(effects) > _FLAT * most).tolist():
                dark = abs(effects[i, k]) > 0.7 * most
                axes.text(
                    k,
                    i,
                    f"{effects[i, k]:.3g}",
                    ha="center",
                    va="center",
                    fontsize="small",
                    color="white" if dark else "black",
                )
        else:
            axes.figure.colorbar(image, ax=axes)
        return axes


def _empty(axes: Any) -> Any:
    """Axes that say why there is nothing on them."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.5, 0.5, "no number has an influence", transform=axes.transAxes, ha="center", va="center")
    return axes


def _strongest(sizes: FloatArray, top: int) -> Any:
    """Rows by size, the largest first, without those that are zero."""
    order = np.argsort(-sizes, kind="stable")[:top]
    return order[sizes[order] > _FLAT * sizes.max(initial=0.0)]
