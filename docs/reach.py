"""Which solver takes which set, and by which bridges otherwise: writes docs/reach.md from the registries.

python docs/reach.py            # rewrite the page
python docs/reach.py --check    # fail if it is not up to date
"""

from __future__ import annotations

import sys
from inspect import isabstract
from pathlib import Path

import optangent as ot
from optangent.bridges.lowering import Lowering
from optangent.diffmodels.differentiating import DIFF_MODELS, abilities_of
from optangent.modelkit import sets

PAGE = Path(__file__).parent / "reach.md"
HEAD = """# Which set reaches which solver

Made by `docs/reach.py` from what the solvers and bridges declare. *native*: affine functions in the set are rows,
bounds or cones of the form that the solver takes. Otherwise the bridges on the cheapest way are named, in the order in
which they apply. A dash: the set does not reach the solver (quadratic objectives and constraints and integrality
apart). Parameters are numbers of every form.
"""


def way(lowering: Lowering, kind: tuple[type, type]) -> str:
    """The first bridge and those of the sets that it leads to, down to the native ones."""
    if not lowering.takes(kind):
        return "–"
    names, queue = {}, [kind]
    for now in queue:
        step = lowering.graph.bridge(now)
        if step is not None:
            names[repr(step)] = None
            queue += [reached for reached in step.reach(*now) or () if reached not in queue]
    return " → ".join(names) or "*native*"


def rows(base: type) -> list[str]:
    """The lines of the table of all sets of a base class."""
    solvers, diff_models = ot.solvers.wrappers(), [make() for make in DIFF_MODELS]
    names = [one.name for one in (*solvers, *diff_models)]
    lowerings = [Lowering(one) for one in (*(s.abilities for s in solvers), *map(abilities_of, diff_models))]
    lines = ["| set | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    function = ot.VectorAffineFunction if base is ot.VectorSet else ot.ScalarAffineFunction
    for name in sorted(sets.__all__):
        kind = getattr(sets, name)
        if (
            isinstance(kind, type)
            and issubclass(kind, base)
            and kind not in (base, ot.Parameter)
            and not isabstract(kind)
        ):
            lines.append(f"| `{name}` | " + " | ".join(way(one, (function, kind)) for one in lowerings) + " |")
    return lines


def page() -> str:
    """The whole page."""
    parts = [HEAD, "## Sets of numbers\n", *rows(ot.ScalarSet), "\n## Sets of vectors\n", *rows(ot.VectorSet)]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.read_text() == page() else f"{PAGE.name} is out of date: run python docs/reach.py")
    PAGE.write_text(page())
