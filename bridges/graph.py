"""Which bridge for which constraint: shortest paths in the graph of kinds.

The cost of a kind is 0 where the inner model takes it, else that of a bridge plus the costs of all kinds the
bridge leads to. Kinds are explored from the one asked for; the least costs are the fixed point that
Bellman-Ford sweeps reach.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import final

from ..modelkit.indices import Kind, describe_kind
from .base import Bridge

__all__ = ["BridgeGraph"]


@final
class BridgeGraph:
    """Cheapest bridges towards the kinds that a model takes.

    Parameters
    ----------
    native : tells whether the inner model takes a kind
    bridges : those to choose from; of equal costs the earlier one wins
    """

    def __init__(self, native: Callable[[Kind], bool], bridges: Sequence[Bridge]) -> None:
        self._native = native
        self._bridges = bridges
        self._cost: dict[Kind, float] = {}
        self._choice: dict[Kind, Bridge] = {}
        self._edges: dict[Kind, list[tuple[Bridge, tuple[Kind, ...]]]] = {}

    def cost(self, kind: Kind) -> float:
        """Least cost of a kind; infinite if no path reaches the inner model."""
        if kind not in self._cost:
            self._explore(kind)
        return self._cost[kind]

    def bridge(self, kind: Kind) -> Bridge | None:
        """The first bridge on the cheapest path; None where the inner model takes the kind itself."""
        return self._choice.get(kind) if self.cost(kind) else None

    def _explore(self, start: Kind) -> None:
        new, stack = [], [start]
        while stack:
            kind = stack.pop()
            if kind in self._cost:
                continue
            self._cost[kind] = 0.0 if self._native(kind) else math.inf
            new.append(kind)
            if self._cost[kind] == 0.0:
                continue
            self._edges[kind] = []
            for bridge in self._bridges:
                reached = bridge.reach(*kind)
                if reached is not None:
                    self._edges[kind].append((bridge, tuple(reached)))
                    stack.extend(reached)
        improved = True
        while improved:
            improved = False
            for kind in new:
                for bridge, reached in self._edges.get(kind, ()):
                    cost = bridge.cost + sum(self._cost[k] for k in reached)
                    if cost < self._cost[kind]:
                        self._cost[kind], self._choice[kind] = cost, bridge
                        improved = True

    def path(self, kind: Kind, indent: str = "") -> list[str]:
        """The chosen bridges from a kind down, a line each."""
        name = indent + describe_kind(kind)
        if self.cost(kind) == 0.0:
            return [f"{name}  (native)"]
        bridge = self._choice.get(kind)
        if bridge is None:
            return [f"{name}  (unreachable)"]
        lines = [f"{name}  by {bridge!r}, cost {self.cost(kind):g}"]
        for reached in bridge.reach(*kind) or ():
            lines += self.path(reached, indent + "    ")
        return lines

    def missing(self, kind: Kind) -> str:
        """Why a kind cannot be reached: the path that fails for the fewest kinds, in words."""
        if self.cost(kind) < math.inf:
            return f"{describe_kind(kind)} can be bridged."
        best: tuple[int, str] | None = None
        for bridge, reached in self._edges.get(kind, []):
            lacking = [k for k in reached if self._cost[k] == math.inf]
            words = f"{bridge!r} would need {' and '.join(describe_kind(k) for k in lacking)}"
            if best is None or len(lacking) < best[0]:
                best = (len(lacking), words)
        if best is None:
            return "no bridge rewrites it."
        return f"the nearest bridge, {best[1]}, which cannot be reached either."
