"""Which solver takes which set, and by which bridges otherwise: writes docs/reach.md from the registries.

python docs/reach.py            # rewrite the page
python docs/reach.py --check    # fail if it is not up to date
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import optangent as ot
from optangent.modelkit import sets

PAGE = Path(__file__).parent / "reach.md"
SOLVERS = (ot.solvers.HiGHS, ot.solvers.OSQP, ot.solvers.SCS, ot.solvers.Clarabel, ot.solvers.PIQP, ot.solvers.DAQP)
DIFF_MODELS = (ot.QuadraticDiff, ot.ConicDiff)
HEAD = """# Which set reaches which solver

Made by `docs/reach.py` from what the solvers and bridges declare. *native*: the solver takes affine functions in the
set as they are. Otherwise the bridges on the cheapest way are named, in the order in which they apply. A dash: the set
does not reach the solver (quadratic objectives and constraints and integrality apart).
"""


def way(layer: ot.BridgeOptimizer, kind: tuple[type, type]) -> str:
    """The first bridge and the sets it leads to, down to the native ones."""
    if layer.graph.cost(kind) == math.inf:
        return "–"
    bridge = layer.graph.bridge(kind)
    if bridge is None:
        return "*native*"
    names, queue, seen = [], [kind], set()
    while queue:
        now = queue.pop(0)
        step = layer.graph.bridge(now)
        if step is None or now in seen:
            continue
        seen.add(now)
        if repr(step) not in names:
            names.append(repr(step))
        queue += step.reach(*now) or ()
    return " → ".join(names)


def rows(scalar: bool) -> list[str]:
    """The lines of one table."""
    models = [make() for make in (*SOLVERS, *DIFF_MODELS)]
    layers = [ot.BridgeOptimizer(model) for model in models]
    names = [str(model.get(ot.SolverName())) for model in models]
    lines = ["| set | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for name in sorted(sets.__all__):
        kind = getattr(sets, name)
        if not (isinstance(kind, type) and issubclass(kind, ot.ScalarSet if scalar else ot.VectorSet)):
            continue
        if kind.__abstractmethods__ or kind in (ot.ScalarSet, ot.VectorSet):
            continue
        function = ot.ScalarAffineFunction if scalar else ot.VectorAffineFunction
        lines.append(f"| `{name}` | " + " | ".join(way(layer, (function, kind)) for layer in layers) + " |")
    return lines


def page() -> str:
    """The whole page."""
    parts = [HEAD, "## Sets of numbers\n", *rows(True), "\n## Sets of vectors\n", *rows(False)]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.read_text() == page() else f"{PAGE.name} is out of date: run python docs/reach.py")
    PAGE.write_text(page())
