"""Solvers that take the whole model as matrices: OSQP, Clarabel and their like."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.errors import InvalidData
from ..modelkit.functions import ScalarAffineFunction, ScalarQuadraticFunction
from ..modelkit.indices import ConstraintIndex, ConstraintIndices
from ..modelkit.matrix_form import MatrixForm
from ..modelkit.modifications import Modification
from .accuracy import judged
from .base import Change, Solver
from .matrices import row_scale
from .other_ways import is_odd
from .reconsidering import CLAIMS, DOUBTFUL, is_settled, reconsidered
from .result import Result, Status, constant_result

__all__ = ["Candidate", "MatrixSolver"]

Candidate = tuple[FloatArray, FloatArray] | None
"""x and duals of what is probably the solution."""
REFUSALS = (TypeError, ValueError, KeyError, OverflowError, ImportError)
"""What libraries raise for an option that they do not take."""


class MatrixSolver(Solver):
    """A wrapper that sees its model as a `MatrixForm`, with the rows of `kinds` in that order.

    `Result.x` and `Result.dual` are in the order of the form's columns and rows.

    A solver for small quadratic programs may have a method ``candidates(P, q, F, g, zeros)``, for layers. It takes many
    programs ``min ½ xᵀPx + qᵀx`` with rows ``F x + g`` in zero cones, the first `zeros` of them, and in nonnegative
    ones, as stacks (B, n, n), (B, n), (B, m, n) and (B, m) in C order; P and F have length 1 where all programs have
    the same. It returns a `Candidate` for each, as fast as it can: the caller checks them and runs the form if in
    doubt.

    Attributes
    ----------
    start : (x, dual) to start the next run from, for forms that no store stands behind
    is_plain : whether to run the library as it comes, without our defaults and scaling
    """

    objectives = (ScalarAffineFunction, ScalarQuadraticFunction)
    start: tuple[FloatArray, FloatArray] | None = None
    is_plain = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "kinds" in vars(cls) and "form_kinds" not in vars(cls):  # a base of several solvers may have neither
            cls.form_kinds = cls.kinds

    def __init__(self, **options: Any) -> None:
        self._form: MatrixForm | None = None
        self._loaded = False
        self._changes: set[str] = set()
        self._is_odd: bool | None = None  # whether the form's units are, once known
        super().__init__(**options)

    # ------------------------------------------------------------------ what a wrapper writes
    @abstractmethod
    def load(self, form: MatrixForm) -> None:
        """Hand the whole model to the library."""

    def update(self, form: MatrixForm, changes: set[str]) -> bool:
        """Change the loaded model in place to be `form`; if False, it is loaded anew."""
        return False

    def reload(self, form: MatrixForm) -> None:
        """Load a form with the patterns of the one that is loaded, such that nothing is left of that one's numbers."""
        self.load(form)

    @abstractmethod
    def run(self, form: MatrixForm) -> Result:
        """Solve what is loaded."""

    def reconsidered(self, form: MatrixForm, result: Result) -> Result:
        """What the answer of a run to a form is worth: a claim without proof is looked into, and a failure, too."""
        result = judged(form, result)
        if result.status is Status.OPTIMAL or result.status not in (*CLAIMS, *DOUBTFUL):
            return result
        return result if is_settled(form, result) else reconsidered(self, form, result)

    def _try_option(self, name: str, value: Any) -> None:
        """Have the library look at one of its options: it raises `REFUSALS` if it does not take the value."""

    # ------------------------------------------------------------------ options
    def _all_options(self, defaults: Mapping[str, Any]) -> dict[str, Any]:
        """The options of a run: our defaults, but for a plain one, and the user's."""
        return ({} if self.is_plain else dict(defaults)) | self.effective_options()

    def _row_scale(self, A: sp.csc_matrix, starts: IntArray | None = None) -> FloatArray:
        """See `row_scale`; ones for a plain run."""
        return np.ones(A.shape[0]) if self.is_plain else row_scale(A, starts)

    def _option_changed(self, attribute: attr.Attribute, value: Any) -> None:
        if isinstance(attribute, attr.RawOptimizerAttribute):
            try:
                self._try_option(attribute.name, value)
            except REFUSALS as error:
                raise self._refusal(attribute.name, value, error) from None
        self._restructured()

    def _write_options(self, settings: Any, options: Mapping[str, Any]) -> Any:
        """Options as attributes of a library's settings, which are returned."""
        for name, value in options.items():
            try:
                setattr(settings, name, value)
            except REFUSALS as error:
                raise self._refusal(name, value, error) from None
        return settings

    def _refusal(self, name: str, value: Any, error: Exception) -> InvalidData:
        return InvalidData(f"{self.name} refuses {value!r} for its option {name!r}: {error}")

    # ------------------------------------------------------------------ what changed, and solving
    def solve_without_library(self, form: MatrixForm) -> Result | None:
        """The answer to a model without variables, which few libraries take; else None."""
        if form.n:
            return None
        y = np.zeros(form.m)
        for (_, set_type), part in form.parts.items():
            g, box = form.g[part.rows], set_type.bounds(part.sets.numbers)
            if box is not None:
                y[part.rows] = np.maximum(box[0] - g, 0.0) + np.minimum(box[1] - g, 0.0)
                continue
            for item, (start, stop) in enumerate(pairwise(part.starts.tolist())):
                cone: Any = part.sets.set(item)
                y[start:stop] = cone.project_dual(-form.g[start:stop][None])[0]
        return constant_result(y)

    def _restructured(self) -> None:
        self._loaded = False
        self._changes.clear()

    def _changed(self, what: str, index: ConstraintIndex | None = None, changes: Sequence[Modification] = ()) -> None:
        self._changes.add(what)

    def _numbers_changed(self, indices: ConstraintIndices) -> None:
        self._changes.add(Change.NUMBERS)

    def _solve(self) -> Result:
        form, changes = self._form, set(self._changes)
        if not self._loaded or changes - {Change.NUMBERS}:
            self._is_odd = None
        if form is None or not self._loaded:
            form = self._fresh_form()
        elif changes:
            self._loaded = False  # until all has gone well
            if Change.COEFFICIENTS in changes:
                form = self._fresh_form()
            else:
                if Change.OBJECTIVE in changes:
                    form.read_objective()
                    self.check_convex(form.P, form.sign)
                if Change.NUMBERS in changes:
                    form.read_numbers()
            self._loaded = self.update(form, changes)
        self._form = form
        self._changes.clear()
        answer = self.solve_without_library(form)
        if answer is not None:
            self._loaded = False
            return answer
        if not self._loaded:
            self.load(form)
            self._loaded = True
        result = self.run(form)
        if result.status is not Status.OPTIMAL:
            return self.reconsidered(form, result)
        if self._is_odd is None:
            self._is_odd = is_odd(form)
        return reconsidered(self, form, result) if self._is_odd and not is_settled(form, result) else result

    def _fresh_form(self) -> MatrixForm:
        form = MatrixForm(self.store, self.kinds)
        self.check_convex(form.P, form.sign)
        return form

    def _start_at(self, form: MatrixForm) -> tuple[FloatArray | None, FloatArray | None]:
        """Where the user wants the solve to start: x and duals, None for either where nothing is said."""
        if self.start is not None:
            return self.start
        xs = self.store.values_of(attr.VariablePrimalStart())
        ys = self.store.values_of(attr.ConstraintDualStart())
        x, y = np.zeros(form.n), np.zeros(form.m)
        for variable, value in xs.items():
            x[form.columns(np.array([variable.value]))] = value
        for index, value in ys.items():
            y[form.rows_of(index)] = value
        return x if xs else None, y if ys else None

    # ------------------------------------------------------------------ reading
    def _columns(self, ids: IntArray) -> IntArray:
        assert self._form is not None
        return self._form.columns(ids)

    def _constraint_dual(self, dual: FloatArray, index: ConstraintIndex | ConstraintIndices) -> FloatArray:
        assert self._form is not None
        return dual[self._form.rows_of(index)]

    def _objective_at(self, x: FloatArray, *, ray: bool) -> float:
        form = self._form
        assert form is not None
        value = form.q @ x if ray else 0.5 * (x @ (form.P @ x)) + form.q @ x + form.r
        return form.sign * float(value)
