"""The contract of a solver: a form goes in, a result comes out, and no model is kept.

A wrapper declares what it is able to take, hands a form to its library, changes what is loaded by a journal of changes,
and runs. Everything else is the business of those who ask it: bridges bring a model to a form that it takes, the
meta-solver keeps the form, and what an answer is worth is judged here, the same way for all.
"""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import isabstract
from typing import Any, ClassVar, Self, final

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray
from ..modelkit.errors import UnsupportedAttribute, UnsupportedConstraint, UnsupportedObjective
from ..modelkit.form import Abilities, Discreteness, Form, Journal
from .judging.without_library import answer_without_library
from .options import Option, check_common, version_of
from .own_derivative import OwnDerivative
from .result import Result, Status

__all__ = ["Solver", "Start"]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """Where a run may start.

    Attributes
    ----------
    x : (n,) values of the columns, NaN where nothing is said, or None
    dual : (slots,) duals, NaN where nothing is said, or None
    """

    x: FloatArray | None = None
    dual: FloatArray | None = None


class Solver(ABC):
    """A solver library behind forms.

    Class attributes (to be declared by a wrapper)
    ----------------------------------------------
    name : the solver's name
    library : the distribution that brings its library, which is asked for the version; "" for none
    abilities : what forms it takes
    standard_options : common attribute -> `Option`
    releases_gil : whether other Python threads run while the library works (then layers solve in threads)
    reloads_for_options : whether a changed option asks for the form to be loaded anew
    checks_convexity : whether `run` raises `NonconvexObjective` by itself; then nobody else looks at P
    differentiates : whether it differentiates its solutions itself; then it is asked before any diff model

    Parameters
    ----------
    **options
        Options by the library's own names.
    """

    name: ClassVar[str]
    library: ClassVar[str] = ""
    abilities: ClassVar[Abilities]
    standard_options: ClassVar[Mapping[type[attr.Attribute], Option]] = {}
    releases_gil: ClassVar[bool] = True
    reloads_for_options: ClassVar[bool] = True
    checks_convexity: ClassVar[bool] = False
    differentiates: bool = False
    arguments: tuple[tuple[Any, ...], dict[str, Any]]
    """What it was made with, so that another one can be made like it."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Keep the arguments; a wrapper that lacks a declaration is no solver."""
        missing = [name for name in ("name", "abilities") if not hasattr(cls, name)]
        if missing and not isabstract(cls):
            raise TypeError(f"{cls.__name__} is a solver without {' and '.join(missing)}: declare them in the class.")
        solver = super().__new__(cls)
        solver.arguments = args, kwargs
        return solver

    def __init__(self, **options: Any) -> None:
        self.options: dict[str, Any] = {}
        self.common: dict[type[attr.Attribute], Any] = {}
        for name, value in options.items():
            self.set_option(attr.RawOptimizerAttribute(name), value)

    # ------------------------------------------------------------------ what a wrapper writes
    @abstractmethod
    def option_names(self) -> Sequence[str]:
        """All option names that the library knows."""

    @abstractmethod
    def load(self, form: Form) -> None:
        """Hand a form to the library; what was loaded before is gone."""

    def update(self, form: Form, journal: Journal) -> bool:
        """Change what is loaded to be `form`, which differs by `journal`; if False, it is loaded anew."""
        return False

    @abstractmethod
    def run(self, form: Form, start: Start | None = None) -> Result:
        """Solve what is loaded; `Result.x` is (n,), `Result.dual` and `Result.activity` are over the form's slots."""

    def fetch(self, result: Result) -> None:
        """Fill in what `run` left out of a result until somebody asks."""
        return

    def differentiate(self, form: Form, result: Result) -> OwnDerivative | None:
        """What differentiates a solution, of a solver that `differentiates`; None where a diff model does it better.

        It is asked right after the solve in layers, where nothing need be factorized anew. A copy of a model asks a
        solver that never solved the form: the result, and the form, are all that it can rely on then.

        Parameters
        ----------
        form : that was solved, convex and continuous
        result : an answer of this solver to it, with x and dual

        Raises
        ------
        DifferentiationError
            If the solution has no derivatives.
        """
        raise NotImplementedError(f"{self.name} does not differentiate its solutions.")

    @final
    def version(self) -> str:
        """Version of the library; raises `UnsupportedAttribute` where it is not known."""
        return version_of(self.name, self.library)

    def reconsidered(self, form: Form, result: Result) -> Result:
        """What the answer of a run is worth: it looks into claims that cannot be checked."""
        return result

    def reload(self, form: Form) -> None:
        """Load a form with the patterns of the one that is loaded, such that nothing is left of that one's numbers."""
        self.load(form)

    def option_changed(self, name: str, value: Any) -> None:
        """Look at a value for one of the library's options, and raise `InvalidData` if it does not take it."""
        return

    # ------------------------------------------------------------------ solving
    @final
    def solve(self, form: Form, journal: Journal | None = None, start: Start | None = None) -> Result:
        """Solve a form.

        Parameters
        ----------
        form : of which it takes all kinds (`abilities`), convex (`require_convex`) unless it `checks_convexity`
        journal : what changed of the form since this solver solved it last; None to load it anew
        start : where to start

        Raises
        ------
        UnsupportedConstraint, UnsupportedObjective
            If the form holds what the solver does not declare.
        """
        self._require(form)
        answer = answer_without_library(form)
        if answer is not None:
            self.unload()
            return answer
        if journal is None or not self._is_loaded:
            self._is_loaded = False
            self.load(form)
        elif journal:
            self._is_loaded = False  # until all has gone well
            if not self.update(form, journal):
                self.load(form)
        self._is_loaded = True
        return self.reconsidered(form, self.run(form, start))

    @final
    def solve_anew(self, form: Form, start: Start | None = None) -> Result:
        """Solve one of many forms of equal patterns, such that the answer does not depend on those solved before.

        An optimum is passed on without a second look: whoever has many forms checks answers anyway.
        """
        self._require(form)
        answer = answer_without_library(form)
        if answer is not None:
            return answer
        was_loaded, self._is_loaded = self._is_loaded, False  # until all has gone well
        if was_loaded:
            self.reload(form)
        else:
            self.load(form)
        self._is_loaded = True
        result = self.run(form, start)
        return result if result.status is Status.OPTIMAL else self.reconsidered(form, result)

    def _require(self, form: Form) -> None:
        """Raise unless the solver takes all kinds of what is in a form."""
        abilities, kinds = self.abilities, form.discreteness
        lacking = sorted({cones.type.__name__ for cones in form.cones if cones.type not in abilities.cones})
        if kinds.any():
            if not abilities.whole and (kinds == Discreteness.INTEGER).any():
                lacking.append("integer columns")
            if not abilities.semi and (kinds >= Discreteness.SEMICONTINUOUS).any():
                lacking.append("semicontinuous columns")
        if not abilities.quadratic_rows and form.has_curved_rows:
            lacking.append("quadratic rows")
        advice = "use it through a model, ot.Model(solver), for its bridges, or choose another one."
        if lacking:
            raise UnsupportedConstraint(f"{self.name} by itself takes no {', no '.join(lacking)}: {advice}")
        if not abilities.quadratic_objective and form.P.data.any():
            raise UnsupportedObjective(f"{self.name} takes no quadratic objective: choose another solver.")

    _is_loaded = False

    @final
    def unload(self) -> None:
        """Load anew at the next solve."""
        self._is_loaded = False

    # ------------------------------------------------------------------ options
    @final
    def supports_option(self, attribute: attr.Attribute) -> bool:
        """Whether it has an option."""
        if isinstance(attribute, attr.RawOptimizerAttribute):
            return attribute.name in self.option_names()
        return type(attribute) in self.standard_options

    @final
    def set_option(self, attribute: attr.Attribute, value: Any) -> None:
        """Set an option; raises `UnsupportedAttribute` for one that there is not, `InvalidData` for a bad value."""
        if isinstance(attribute, attr.RawOptimizerAttribute):
            names = self.option_names()
            if attribute.name not in names:
                near = difflib.get_close_matches(attribute.name, names, 3, 0.5)
                hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
                raise UnsupportedAttribute(f"{self.name} has no option {attribute.name!r}.{hint}")
            self.option_changed(attribute.name, value)
            self.options[attribute.name] = value
        elif type(attribute) in self.standard_options:
            check_common(attribute, value)
            option = self.standard_options[type(attribute)]
            if value is not None:
                self.option_changed(option.name, option.convert(value))
            self.common[type(attribute)] = value
        else:
            raise UnsupportedAttribute(f"{attribute!r} cannot be set on {self.name}.")
        if self.reloads_for_options:
            self.unload()

    @final
    def another(self) -> Self:
        """A solver like this one, with its options and nothing loaded."""
        args, kwargs = self.arguments
        twin = type(self)(*args, **kwargs)
        twin.common, twin.options = dict(self.common), dict(self.options)
        return twin

    @final
    def effective_options(self) -> dict[str, Any]:
        """The options to give the library: common attributes by its names, then its own."""
        effective: dict[str, Any] = {}
        for kind, option in self.standard_options.items():
            value = self.common.get(kind, kind is attr.Silent or None)  # all are silent until told otherwise
            if value is not None:
                effective[option.name] = option.convert(value)
        return effective | self.options
