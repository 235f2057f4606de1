"""To which form a layer brings its model: one that its solvers and its diff model take, where there is one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

from ...bridges.lowering import Lowering
from ...modelkit.convexity import is_convex
from ...modelkit.errors import Unsupported
from ...modelkit.form import Abilities
from ...modelkit.indices import Kind, describe_kind
from ...modelkit.store.parameters import kinds_inserted
from ...modelkit.store.store import Store
from ..convex_diff import ConvexDiff
from ..differentiating import DIFF_MODELS, abilities_of
from .form_solvers import Solver

__all__ = ["Lowered", "lowered"]


@final
@dataclass(frozen=True, eq=False)
class Lowered:
    """What was chosen.

    Attributes
    ----------
    lowering : to the form that derivatives are of, in step with the store
    diff_model : makes the diff model that takes it; None where none takes the model
    why : why there is none
    is_shared : whether the solvers take this form; else each has its own, made anew where numbers move
    """

    lowering: Lowering
    diff_model: Callable[[], ConvexDiff] | None
    why: str
    is_shared: bool


def lowered(store: Store, solvers: Sequence[Solver], chosen: Any) -> Lowered:
    """Choose.

    Parameters
    ----------
    store : the model as written
    solvers : that are to be tried, in order
    chosen : the user's diff model, or None

    Raises
    ------
    Unsupported
        If the model is one that no solver takes.
    """
    kinds, abilities = kinds_inserted(store), [solver.abilities for solver in solvers]
    able = [one for one in abilities if all(Lowering(one).takes(kind) for kind in kinds)] or abilities[:1]
    reasons: list[str] = []
    makers: Sequence[Any] = DIFF_MODELS if chosen is None else [chosen]
    for make in makers:
        model = make()
        if not isinstance(model, ConvexDiff):
            reasons.append(f"{model!r} is no diff model: it makes no points of forms")
            continue
        mine = abilities_of(model)
        shared = _synced(store, _common([mine, *able]), kinds)
        is_local = not model.nonconvex and any(one.nonconvex for one in able)
        if isinstance(shared, Lowering) and not shared.reads_numbers and not (is_local and _may_bend(shared)):
            return Lowered(shared, make, "", True)
        own = _synced(store, mine, kinds)
        if not isinstance(own, Lowering):
            reasons.append(f"{model.name}: {own}")
            continue
        if is_local and _may_bend(own):
            reasons.append(f"{model.name} differentiates convex programs, and this one is not, or not always")
            continue
        if own.reads_numbers:
            reasons.append(f"{model.name} takes no curvature that moves with a parameter")
            continue
        if isinstance(shared, Unsupported) and not own.has_moving_curvature:
            raise shared
        return Lowered(own, make, "", False)
    common = _synced(store, _common(able), kinds)
    is_shared = isinstance(common, Lowering) and not common.reads_numbers
    if not isinstance(common, Lowering) or not is_shared:
        common = Lowering(able[0])
        common.sync(store)
    why = "No diff model takes this model: " + "; ".join(reasons) + "."
    if common.form.is_discrete:
        why = f"A model with integer variables, or others whose sets have gaps, has no dual solution. {why}"
    return Lowered(common, None, why, is_shared)


def _may_bend(lowering: Lowering) -> bool:
    """Whether a form may be no convex program, at some parameters: solvers that look for that are not all there are."""
    moves = lowering.has_moving_curvature or lowering.numbers_that_move().moves_curvature
    return moves or not is_convex(lowering.form)


def _synced(store: Store, abilities: Abilities, kinds: Sequence[Kind]) -> Lowering | Unsupported | str:
    """A lowering in step with the store, or why there is none."""
    lowering = Lowering(abilities)
    for kind in kinds:
        if not lowering.takes(kind):
            return f"it takes no {describe_kind(kind)} ({lowering.missing(kind, 'it')})"
    try:
        lowering.sync(store)
    except Unsupported as error:
        return error
    return lowering


def _common(every: Sequence[Abilities]) -> Abilities:
    """What all of them are able to take."""
    return Abilities(
        cones=frozenset.intersection(*(one.cones for one in every)),
        whole=all(one.whole for one in every),
        semi=all(one.semi for one in every),
        quadratic_objective=all(one.quadratic_objective for one in every),
        quadratic_rows=all(one.quadratic_rows for one in every),
        nonconvex=all(one.nonconvex for one in every),
    )
