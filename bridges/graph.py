"""Which bridge for which constraint: shortest paths in the graph of kinds.

The cost of a kind is 0 where the target takes it, else that of a bridge plus the costs of all kinds the
bridge leads to. Kinds are explored from the one asked for; the least costs are the fixed point that
Bellman-Ford sweeps reach.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import final

from ..modelkit.functions import (
    Function,
    ScalarAffineFunction,
    ScalarQuadraticFunction,
    VariableIndex,
    VectorAffineFunction,
    VectorOfVariables,
    VectorQuadraticFunction,
)
from ..modelkit.indices import Kind, describe_kind
from .bridge import Bridge

__all__ = ["BridgeGraph"]

_NEAREST = 8
"""So many sets are named where none of many is taken."""
_WORDS: dict[type[Function], str] = {
    VariableIndex: "a plain variable",
    VectorOfVariables: "plain variables",
    ScalarAffineFunction: "an affine function",
    VectorAffineFunction: "affine functions",
    ScalarQuadraticFunction: "a quadratic function",
    VectorQuadraticFunction: "quadratic functions",
}


@final
class BridgeGraph:
    """Cheapest bridges towards the kinds that a model takes.

    Parameters
    ----------
    native : tells whether the target takes a kind
    bridges : those to choose from; of equal costs the earlier one wins
    """

    def __init__(self, native: Callable[[Kind], bool], bridges: Sequence[Bridge]) -> None:
        self._native = native
        self._bridges = bridges
        self._cost: dict[Kind, float] = {}
        self._choice: dict[Kind, Bridge] = {}
        self._edges: dict[Kind, list[tuple[Bridge, tuple[Kind, ...]]]] = {}

    def cost(self, kind: Kind) -> float:
        """Least cost of a kind; infinite if no path reaches the target."""
        if kind not in self._cost:
            self._explore(kind)
        return self._cost[kind]

    def bridge(self, kind: Kind) -> Bridge | None:
        """The first bridge on the cheapest path; None where the target takes the kind, or nothing does."""
        self.cost(kind)
        return self._choice.get(kind)

    def is_native(self, kind: Kind) -> bool:
        """Whether the target takes the kind itself."""
        self.cost(kind)
        return kind not in self._edges

    def _explore(self, start: Kind) -> None:
        new, stack = [], [start]
        while stack:
            kind = stack.pop()
            if kind in self._cost:
                continue
            if self._native(kind):
                self._cost[kind] = 0.0
                continue
            self._cost[kind] = math.inf
            new.append(kind)
            self._edges[kind] = []
            # No bridge rewrites polynomials: with the parameters in them inserted they are quadratic, or refused.
            for bridge in self._bridges if kind[0] in _WORDS else ():
                reached = bridge.reach(*kind)
                if reached is not None:
                    self._edges[kind].append((bridge, tuple(reached)))
                    stack.extend(reached)
        improved = True
        while improved:
            improved = False
            for kind in new:
                for bridge, reached in self._edges[kind]:
                    cost = bridge.cost + sum(self._cost[k] for k in reached)
                    if cost < self._cost[kind]:
                        self._cost[kind], self._choice[kind] = cost, bridge
                        improved = True

    # ------------------------------------------------------------------ in words
    def path(self, kind: Kind, indent: str = "") -> list[str]:
        """The chosen bridges from a kind down, a line each."""
        name = indent + describe_kind(kind)
        bridge = self.bridge(kind)
        if bridge is None:
            return [f"{name}  ({'native' if self.is_native(kind) else 'unreachable'})"]
        lines = [f"{name}  by {bridge!r}, cost {self.cost(kind):g}"]
        for reached in bridge.reach(*kind) or ():
            lines += self.path(reached, indent + "    ")
        return lines

    def missing(self, kind: Kind, name: str = "the model below") -> str:
        """Why a kind cannot be reached: the shortest path of bridges to a kind that no bridge rewrites.

        Parameters
        ----------
        kind : (function type, set type)
        name : of the target
        """
        if not self.is_lacking(kind):
            return f"{describe_kind(kind)} can be bridged."
        paths: dict[Kind, list[tuple[Bridge, Kind]]] = {kind: []}
        queue = [kind]
        for here in queue:
            lacking = [(b, k) for b, reached in self._edges[here] for k in reached if self.is_lacking(k)]
            if not lacking:
                steps = [f"{bridge!r} would need {_in_words(k)}" for bridge, k in paths[here]]
                what = "it" if steps else _in_words(here)
                return ", ".join([*steps, f"no bridge rewrites {what}"]) + f", and {name} does not take it."
            for bridge, k in lacking:
                if k not in paths:
                    paths[k] = [*paths[here], (bridge, k)]
                    queue.append(k)
        near: dict[str, None] = {}  # the nearest sets, each once
        types: dict[str, None] = {}
        for function_type, set_type in queue:
            if set_type.__name__ in near or len(near) < _NEAREST:
                near[set_type.__name__] = types[_WORDS.get(function_type, function_type.__name__)] = None
        more = ", ..." if len({s for _, s in queue}) > len(near) else ""
        return (
            f"its bridges lead only to {' and '.join(types)} in other sets ({', '.join(near)}{more}), "
            f"and {name} takes none of these."
        )

    def is_lacking(self, kind: Kind) -> bool:
        """Whether no path reaches the target."""
        return self.cost(kind) == math.inf


def _in_words(kind: Kind) -> str:
    """``ZeroOne on a plain variable``."""
    return f"{kind[1].__name__} on {_WORDS.get(kind[0], kind[0].__name__)}"
