"""A model at a glance: what it is, how large, and how its last solve went."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ...bridges.lowering.reach import is_box
from ...modelkit import attributes as attr
from ...modelkit.errors import NotOptimized, UnsupportedAttribute
from ...modelkit.functions import VariableIndex
from ...modelkit.indices import describe_kind
from ...modelkit.model.model import Model
from ...modelkit.sets import SOS1, SOS2, Indicator, Integer, Semicontinuous, Semiinteger, ZeroOne
from ...modelkit.store.graphs import GRAPHS
from ...modelkit.store.parameters import PARAMETERS, kinds_inserted
from ...modelkit.store.store import Store
from ..meta_solver import MetaSolver
from .frames import frame

__all__ = ["Lines", "class_of", "summary_of"]


@final
@dataclass(frozen=True)
class Lines:
    """Facts, each a name and a text; printed below each other.

    Attributes
    ----------
    title : what they are of
    facts : (name, text) in order
    """

    title: str
    facts: tuple[tuple[str, str], ...]

    def __getitem__(self, name: str) -> str:
        return dict(self.facts)[name]

    def __str__(self) -> str:
        width = max((len(name) for name, _ in self.facts), default=0)
        below = "\n" + " " * (width + 4)
        return "\n".join([self.title, *(f"  {n:<{width}}  {t.replace(chr(10), below)}" for n, t in self.facts)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        cell = "<th style='text-align:left'>{}</th><td style='text-align:left'>{}</td>"
        rows = "".join(
            f"<tr>{cell.format(html.escape(name), html.escape(text).replace(chr(10), '<br>'))}</tr>"
            for name, text in self.facts
        )
        return f"<table><caption>{html.escape(self.title)}</caption>{rows}</table>"

    def to_frame(self) -> Any:
        """A pandas ``DataFrame`` with a row for each fact."""
        return frame({"value": [text for _, text in self.facts]}, [name for name, _ in self.facts])


_DISCRETE = (Integer, ZeroOne, Semicontinuous, Semiinteger, SOS1, SOS2, Indicator)


def class_of(store: Store) -> str:
    """Linear, quadratic or conic program, with parameters at their values; of whole numbers, mixed-integer.

    Examples
    --------
    >>> import optangent as ot
    >>> model = ot.Model()
    >>> x = model.add_variable("x", lower=0, integer=True)
    >>> model.minimize((x - 0.4) * (x - 0.4))
    >>> class_of(model.store)
    'mixed-integer quadratic program'
    """
    kinds = [kind for kind in kinds_inserted(store) if kind != PARAMETERS]
    block = store.objective_block
    if GRAPHS in store.every_kind():
        word = "nonlinear"
    elif any(kind[1] not in _DISCRETE and not is_box(kind[1]) for kind in kinds):
        word = "conic"
    elif any(kind[0].degree > 1 for kind in kinds):
        word = "quadratically constrained"
    else:
        word = "quadratic" if block is not None and len(block.all_rows().qrow) else "linear"
    return f"{'mixed-integer ' if any(kind[1] in _DISCRETE for kind in kinds) else ''}{word} program"


def summary_of(model: Model) -> Lines:
    """See `Model.summary`."""
    store, solver = model.store, model.meta_solver
    assert isinstance(solver, MetaSolver)
    kinds = [kind for kind in store.kinds() if kind != PARAMETERS]
    bounds = [kind for kind in kinds if kind[0] is VariableIndex]
    rows = [kind for kind in kinds if kind[0] is not VariableIndex]
    parameters = len(store.block(PARAMETERS)) if PARAMETERS in store.kinds() else 0
    facts = [("class", class_of(store)), ("sense", store.sense.value)]
    facts.append(("variables", f"{store.variables_alive - parameters:,}" + _of_kinds(store, bounds, ", ")))
    if parameters:
        facts.append(("parameters", f"{parameters:,}"))
    facts.append(("constraints", f"{sum(len(store.block(k)) for k in rows):,}" + _of_kinds(store, rows, "\n")))
    for name, lowering in solver.lowerings:
        form = lowering.form
        if form.n:
            size = f"{form.m:,} rows, {form.n:,} columns, {form.A.nnz:,} coefficients"
            cones = f", {form.F.shape[0]:,} rows of cones" if form.F.shape[0] else ""
            facts.append((f"form for {name}", size + cones + (f", {form.P.nnz:,} squares" if form.P.nnz else "")))
    status = model.termination_status()
    facts.append(("status", f"{status.name}: {status.value}"))
    if model.get(attr.PrimalStatus()) is not attr.ResultStatusCode.NO_SOLUTION:
        facts += _of_result(model, solver)
    return Lines("Model" + (f" {store.get(attr.Name())!r}" if store.get(attr.Name()) else ""), tuple(facts))


def _of_kinds(store: Store, kinds: list[Any], between: str) -> str:
    words = [f"{len(store.block(kind)):,} {describe_kind(kind)}" for kind in kinds]
    if not words:
        return ""
    return f" ({', '.join(words)})" if between == ", " else "\n" + between.join(words)


def _of_result(model: Model, solver: MetaSolver) -> list[tuple[str, str]]:
    facts = []
    if model.termination_status() is attr.TerminationStatusCode.OPTIMAL:
        facts.append(("objective", f"{model.objective_value():.12g}"))
    facts.append(("solver", str(model.get(attr.SolverName()))))
    for name, attribute in (("seconds", attr.SolveTimeSec()), ("differentiation", attr.DifferentiationStatus())):
        try:
            found = model.get(attribute)
        except (NotOptimized, UnsupportedAttribute):
            continue
        facts.append((name, f"{found:.3g}" if isinstance(found, float) else f"{found.name}: {found.value}"))
    worst = solver.residuals()
    words = {"primal": worst.primal, "dual": worst.dual, "gap": worst.gap}
    facts.append(
        ("residuals", ", ".join(f"{name} {value:.1e}" for name, value in words.items() if not np.isnan(value)))
    )
    return facts
