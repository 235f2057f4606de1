r"""The exact solution path in one parameter: pieces on which the active rows stay the same, and where they change.

With a parameter that stands in right-hand sides and costs alone, solution and duals of a linear or convex quadratic
program are piecewise linear in it, and the optimal value is piecewise quadratic (T. Gal, *Postoptimal Analyses,
Parametric Programming, and Related Topics*, 1995; for the lasso, B. Efron, T. Hastie, I. Johnstone, R. Tibshirani,
*Least angle regression*, Annals of Statistics 32, 2004). A piece is found from any point inside it, and its ends by a
ratio test, so they are exact. Where many rows change at once, at a degenerate breakpoint, nothing has to be known of
them: the next piece is looked for beyond, and closer to the breakpoint until it begins there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.errors import InvalidData
from .figures import COLOURS, draw_path
from .frames import frame

__all__ = ["PathPlot", "Piece", "SolutionPath", "followed"]

_FIRST = 1e-3
"""Part of the whole, beyond a breakpoint, at which the next piece is looked for first."""
_CLOSE = 1e-12
"""Part of the whole up to which two ends are the same breakpoint."""
_TOLERATED = 1e-6
"""Part of the rest, beyond an end, at which a solver may still call a model feasible."""
_HALVINGS = 60
_MOST_PIECES = 100_000
_DRAWN = 33
"""Points of a curved piece in a drawing."""
_ZERO = 1e-12
"""Part of the largest number up to which a line of a drawing is zero."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Where the active rows stay the same.

    Attributes
    ----------
    start, stop : of the parameter
    at : the parameter at which the numbers below are; they move by t times their derivatives
    values, moves : of the variables, (n,) each
    duals, dual_moves : of the rows of constraints, (r,) each
    objective, slope, bend : the optimal value and its first and second derivative
    event : which constraint becomes active at the end, or no longer is
    """

    start: float
    stop: float
    at: float
    values: FloatArray
    moves: FloatArray
    duals: FloatArray
    dual_moves: FloatArray
    objective: float
    slope: float
    bend: float
    event: str

    def objective_at(self, t: Any) -> Any:
        """The optimal value."""
        step = t - self.at
        return self.objective + self.slope * step + 0.5 * self.bend * step * step

    def slope_at(self, t: Any) -> Any:
        """The derivative of the optimal value."""
        return self.slope + self.bend * (t - self.at)


def followed(piece_at: Callable[[float], Piece | str], start: float, stop: float) -> tuple[list[Piece], str]:
    """The pieces between two values of a parameter, and why they end before the second, if they do.

    Parameters
    ----------
    piece_at : from a value of the parameter to the piece around it, or to the reason why there is no solution
    """
    whole = stop - start
    if not (np.isfinite(whole) and whole > 0.0):
        raise InvalidData(f"A path goes from a start to a larger stop, got {start} and {stop}.")
    close = _CLOSE * max(abs(start), abs(stop), whole)
    pieces: list[Piece] = []
    now = start
    while now < stop - close:
        found = _next(piece_at, now, stop, close)
        if isinstance(found, str):
            return pieces, found
        if pieces and _continues(pieces[-1], found):
            last = pieces.pop()
            found = _between(found, last.start, found.stop)
        pieces.append(_between(found, max(found.start, start) if pieces else start, min(found.stop, stop)))
        if found.stop <= now + close or len(pieces) > _MOST_PIECES:
            return pieces, f"the active constraints change again and again near {now:.15g}"
        now = found.stop
    return pieces, ""


def _next(piece_at: Callable[[float], Piece | str], now: float, stop: float, close: float) -> Piece | str:
    """The piece that begins at a breakpoint, or why there is none."""
    step, reason = _FIRST * (stop - now), f"no piece begins at {now:.15g}"
    for _ in range(_HALVINGS):
        found = piece_at(now + step)
        if isinstance(found, str):
            reason = found
            if step <= _TOLERATED * (stop - now):
                break
            step *= 0.5
        elif found.stop < now + step - close:  # an answer within the solver's tolerance of the piece before
            break
        elif found.start <= now + close:
            return found
        else:
            step = min(0.5 * (found.start - now), 0.5 * step)
    return reason


def _between(piece: Piece, start: float, stop: float) -> Piece:
    names = ("at", "values", "moves", "duals", "dual_moves", "objective", "slope", "bend", "event")
    return Piece(start, stop, *(getattr(piece, name) for name in names))


def _continues(one: Piece, other: Piece) -> bool:
    """Whether nothing that a user sees changes between two pieces."""
    return all(
        np.allclose(a, b, rtol=1e-9, atol=1e-12 * (1.0 + float(np.abs(a).max(initial=0.0))))
        for a, b in ((one.moves, other.moves), (one.dual_moves, other.dual_moves))
    ) and np.allclose(
        one.duals + one.dual_moves * (one.stop - one.at),
        other.duals + other.dual_moves * (one.stop - other.at),
        rtol=1e-9,
        atol=1e-12 * (1.0 + float(np.abs(one.duals).max(initial=0.0))),
    )


@final
class SolutionPath:
    """The solution of a model as a function of one of its parameters, exact between and at its breakpoints.

    Attributes
    ----------
    name : of the parameter
    pieces : in order; ``ends`` why they end early, "" if they do not
    variables, rows : names of what `values` and `duals` give
    """

    def __init__(self, name: str, pieces: list[Piece], ends: str, variables: list[str], rows: list[str]) -> None:
        self.name, self.pieces, self.ends = name, pieces, ends
        self.variables, self.rows = variables, rows

    @property
    def breakpoints(self) -> FloatArray:
        """Where the active constraints change, without both ends."""
        return np.array([piece.stop for piece in self.pieces[:-1]])

    @property
    def start(self) -> float:
        """Where it begins."""
        return self.pieces[0].start

    @property
    def stop(self) -> float:
        """Where it ends."""
        return self.pieces[-1].stop

    def values(self, t: Any) -> Any:
        """Values of the variables, (n,) or of several t (k, n)."""
        return self._linear(t, "values", "moves")

    def duals(self, t: Any) -> Any:
        """Duals of the rows of the constraints, (r,) or (k, r); at a breakpoint those of the piece before it."""
        return self._linear(t, "duals", "dual_moves")

    def slope(self, t: Any) -> Any:
        """The derivative of the optimal value in the parameter, a number or (k,)."""
        return self._linear(t, "slope", "bend")

    def objective(self, t: Any) -> Any:
        """The optimal value, a number or (k,)."""
        which, step = self._located(t)
        f, slope, bend = (self._of_pieces(name)[which] for name in ("objective", "slope", "bend"))
        return (f + slope * step + 0.5 * bend * step * step)[()]

    def _linear(self, t: Any, value: str, move: str) -> Any:
        which, step = self._located(t)
        values, moves = self._of_pieces(value)[which], self._of_pieces(move)[which]
        return (values + step.reshape(step.shape + (1,) * (values.ndim - step.ndim)) * moves)[()]

    def _of_pieces(self, name: str) -> FloatArray:
        return np.array([getattr(piece, name) for piece in self.pieces])

    def _located(self, t: Any) -> tuple[IntArray, FloatArray]:
        """The piece of each t, and how far it is from where the piece's numbers are."""
        asked = np.asarray(t, np.float64)
        outside = ~((asked >= self.start) & (asked <= self.stop))
        if outside.any():
            raise InvalidData(
                f"The path of {self.name} goes from {self.start:.15g} to {self.stop:.15g}, got "
                f"{float(asked[outside].flat[0])!r}."
            )
        which: IntArray = np.minimum(np.searchsorted(self._of_pieces("stop"), asked), len(self.pieces) - 1)
        return which, asked - self._of_pieces("at")[which]

    @property
    def plot(self) -> PathPlot:
        """Drawings of the path: ``path.plot(ax, of, names)``, see `PathPlot`."""
        return PathPlot(self)

    def to_frame(self) -> Any:
        """A pandas ``DataFrame`` with a row for each piece."""
        pieces = self.pieces
        return frame(
            {
                "start": [p.start for p in pieces],
                "stop": [p.stop for p in pieces],
                "objective_start": [p.objective_at(p.start) for p in pieces],
                "objective_stop": [p.objective_at(p.stop) for p in pieces],
                "slope_start": [p.slope_at(p.start) for p in pieces],
                "slope_stop": [p.slope_at(p.stop) for p in pieces],
                "at_stop": [p.event for p in pieces],
            }
        )

    def __repr__(self) -> str:
        count = len(self.breakpoints)
        points = ", ".join(f"{point:.6g}" for point in self.breakpoints[:6]) + (", ..." if count > 6 else "")
        ends = f"; {self.ends}" if self.ends else ""
        return (
            f"SolutionPath({self.name} from {self.start:.6g} to {self.stop:.6g}, {count} breakpoint"
            f"{'' if count == 1 else 's'}{': ' + points if count else ''}{ends})"
        )


@final
@dataclass(frozen=True, slots=True)
class PathPlot:
    """Draws a `SolutionPath` by matplotlib.

    Parameters
    ----------
    of_path : what is drawn
    """

    of_path: SolutionPath

    def __call__(self, ax: Any = None, *, of: str = "values", names: Sequence[str] | None = None) -> Any:
        """Draw the path, exact between breakpoints, with a dot wherever a line bends or jumps.

        Parameters
        ----------
        ax : axes to draw on; a new figure's by default
        of : "values", "duals", "objective" or "slope"
        names : which variables, or rows of duals; by default all that are not zero throughout, the largest in colour

        Returns
        -------
        Axes
        """
        path = self.of_path
        pieces, words = path.pieces, {"x": path.name, "stop": _word(path.ends)}
        sides = np.array([[piece.start, piece.stop] for piece in pieces])
        ends = np.append(sides[:, 0], path.stop)
        if of in ("objective", "slope"):
            curved = of == "objective" and any(piece.bend for piece in pieces)
            places = np.linspace(sides[:, 0], sides[:, 1], _DRAWN if curved else 2, axis=1)
            read = Piece.objective_at if of == "objective" else Piece.slope_at
            lines = np.array([read(piece, t) for piece, t in zip(pieces, places, strict=True)])[:, :, None]
            y = "optimal value" if of == "objective" else f"slope of the optimal value in {path.name}"
            return draw_path(ax, ends, places, lines, [y], y=y, **words)
        if of not in ("values", "duals"):
            raise InvalidData(f'A path is drawn of "values", "duals", "objective" or "slope", got {of!r}.')
        known, move = (path.variables, "moves") if of == "values" else (path.rows, "dual_moves")
        steps = (sides - np.array([[piece.at] for piece in pieces]))[:, :, None]
        lines = (
            np.array([getattr(p, of) for p in pieces])[:, None]
            + steps * np.array([getattr(p, move) for p in pieces])[:, None]
        )
        sizes = np.abs(lines).max(axis=(0, 1), initial=0.0)
        if names is None:
            chosen = np.argsort(-sizes, kind="stable")
            chosen = chosen[sizes[chosen] > _ZERO * sizes.max(initial=0.0)]
            labels = [known[k] for k in chosen[: len(COLOURS)]]
        else:
            chosen = np.array([_position(known, name) for name in names], np.int64)
            labels = list(names)
        return draw_path(ax, ends, sides, lines[:, :, chosen], labels, y=labels[0] if len(labels) == 1 else of, **words)

    path = __call__


def _position(known: Sequence[str], name: str) -> int:
    if name not in known:
        raise InvalidData(f"There is no {name!r} on this path, but {', '.join(map(repr, known[:20]))}.")
    return known.index(name)


def _word(ends: str) -> str:
    """Why a path ends early, for a drawing: "INFEASIBLE at 230 (...)" is "infeasible"."""
    status = ends.partition(" at ")[0]
    return status.replace("_", " ").lower() if status.isupper() else "ends here" if ends else ""
