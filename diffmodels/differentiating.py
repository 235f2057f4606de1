"""The derivative at a solution, and who makes it: the solver itself, or the first diff model that takes the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..bridges.lowering import Lowering
from ..modelkit import attributes as attr
from ..modelkit.convexity import is_convex
from ..modelkit.errors import DifferentiationError, Unsupported
from ..modelkit.form import Abilities, Stacked
from ..modelkit.indices import describe_kind
from ..modelkit.model.caching_states import CachingOptimizerMode
from ..modelkit.sets import Nonnegatives, Zeros
from ..modelkit.store.parameters import kinds_inserted
from .conic_diff import ConicDiff
from .convex_diff import ConvexDiff
from .derivative import Derivative
from .form_point import FormPoint
from .nonlinear_diff import NonlinearDiff
from .own_solution import differentiates_itself
from .policies import policy_of
from .quadratic_diff import QuadraticDiff
from .settings import DEFAULTS
from .solving import Solving
from .starting import dual_of_other
from .worth import require_solution

__all__ = ["DIFF_MODELS", "Differentiating", "abilities_of"]

DIFF_MODELS: list[Callable[[], ConvexDiff]] = [QuadraticDiff, ConicDiff, NonlinearDiff]
"""Diff models to choose from, the first that takes the model's constraints."""


def abilities_of(diff_model: type[ConvexDiff] | ConvexDiff) -> Abilities:
    """What forms a diff model takes."""
    sets = [kind[1] for kind in diff_model.kinds if kind[0].degree < 2]
    return Abilities(
        cones=frozenset(s for s in sets if s not in (Zeros, Nonnegatives)),
        quadratic_rows=any(kind[0].degree == 2 for kind in diff_model.kinds),
        nonconvex=diff_model.nonconvex,
    )


class Differentiating(Solving):
    """A model that is solved, and differentiated at its solution.

    Attributes
    ----------
    settings : values of the attributes of differentiation that belong to the whole model
    """

    def __init__(self, *solvers: Any, mode: CachingOptimizerMode) -> None:
        self.settings: dict[type[attr.Attribute], Any] = dict(DEFAULTS)
        self._layout: Stacked | None = None  # of the form whose solver differentiated it last
        self._diff: tuple[Any, ConvexDiff] | None = None
        super().__init__(*solvers, mode=mode)

    def _forget(self) -> None:
        super()._forget()
        self._derivative: Derivative | None = None
        self._by_system: Derivative | None = None

    @property
    def point(self) -> FormPoint | None:
        """The exact solution that derivatives are of, once one was asked for."""
        return None if self._derivative is None else self._derivative.point

    def derivative(self) -> Derivative:
        """The derivative at the solution; raises `DifferentiationError` if there is none."""
        return self._at_solution()

    def derivative_by_system(self) -> Derivative:
        """The same by a diff model, for those who ask for its system; the solver may have one of its own."""
        current = self._at_solution()
        if current.point.own is None:
            return current
        if self._by_system is None:
            self._by_system = self._of_diff_model()
        return self._by_system

    def _at_solution(self) -> Derivative:
        if self._derivative is not None and self._derivative.is_current:
            return self._derivative
        status = self.get(attr.TerminationStatus())
        require_solution(status, self.get(attr.DualStatus()))
        self._derivative = made = self._of_solver() or self._of_diff_model()
        return made

    def _of_solver(self) -> Derivative | None:
        """The derivative that the solver has of its own; None where it has none, or the user asks for another."""
        outcome, policy = self._outcome, policy_of(self.settings[attr.DifferentiationPolicy])
        assert outcome is not None
        named = [one for one in (self.optimizer, *self.solvers) if one is not None and one.name == outcome.solver_name]
        is_chosen = any(self.settings[kind] is not None for kind in (attr.ModelConstructor, attr.LinearAlgebraSolver))
        if not named or is_chosen or not differentiates_itself(named[0], outcome.form, policy):
            return None
        x, y, _ = outcome.get_arrays()
        own = named[0].differentiate(outcome.form, outcome.result)
        if own is None:
            return None
        point = FormPoint.of_solver(
            outcome.form,
            own,
            (x, y),
            policy,
            allow_inaccurate=self.settings[attr.AllowInaccurateSolution],
            layout=self._layout,
        )
        self._layout = point.layout
        return Derivative(self.store, outcome.lowering, point, outcome.solver_name)

    def _of_diff_model(self) -> Derivative:
        """The derivative at the solution as a diff model makes it exact."""
        assert self._outcome is not None
        lowering, model = self._diff_model()
        x, y, activity = dual_of_other(self.store, self._outcome, lowering)
        point = FormPoint.polished(lowering.form, model, x, y, activity)
        return Derivative(self.store, lowering, point, model.name)

    def _diff_model(self) -> tuple[Lowering, ConvexDiff]:
        """The form and the diff model that takes it: the first of ours that does, or the chosen one."""
        assert self._outcome is not None
        chosen, reasons = self.settings[attr.ModelConstructor], []
        kinds = kinds_inserted(self.store)
        for make in DIFF_MODELS if chosen is None else [chosen]:
            model = self._made(make)
            abilities = abilities_of(model)
            lowering = self._lowering(abilities)
            lacking = [kind for kind in kinds if not lowering.takes(kind)]
            if lacking:
                words = (f"{describe_kind(k)} ({lowering.missing(k, model.name)})" for k in lacking)
                reasons += [f"{model.name} takes no {one}" for one in words]
                continue
            if self._outcome.lowering.serves(abilities, lowering):
                lowering = self._outcome.lowering
            else:
                try:
                    self._in_step(lowering)
                except Unsupported as error:
                    reasons.append(str(error))
                    continue
            # convex solvers have refused what is not convex; of a local solver's solution only the program can tell
            is_told = model.nonconvex or not self._outcome.lowering.abilities.nonconvex
            if is_told or is_convex(lowering.form):
                return lowering, model
            reasons.append(f"{model.name} differentiates convex programs, and this one is not; NonlinearDiff takes it")
        raise DifferentiationError("No diff model takes this model: " + "; ".join(reasons) + ".")

    def _made(self, make: Callable[[], ConvexDiff]) -> ConvexDiff:
        """A diff model with the user's settings: the last one, if it is of this maker, with what it has kept."""
        if self._diff is None or self._diff[0] is not make:
            model = make()
            if not isinstance(model, ConvexDiff):
                raise DifferentiationError(f"{model!r} is no diff model: it makes no points of forms.")
            model.linear_algebra = self.settings[attr.LinearAlgebraSolver]
            model.allow_inaccurate = self.settings[attr.AllowInaccurateSolution]
            model.policy = policy_of(self.settings[attr.DifferentiationPolicy])
            self._diff = make, model
        return self._diff[1]
