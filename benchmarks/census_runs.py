"""One run of `census.py`: a program in some units by one solver, on both routes, and what it counts as."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from census_families import instance, units
from census_truth import Array, Direction, Program, Units, direction, direction_in_units, in_units
from public_problems import CONES, load

import optangent as ot

SECONDS = 5.0
"""The solver's own limit."""
OPTIMAL_WITHIN = 1e-5
"""Of an optimum called OPTIMAL, relative to the sizes of the objective's terms."""
FEASIBLE_WITHIN = 1e-4
"""Violation of rows in plain units at a point called OPTIMAL, where numbers are of size 1."""
EXACT_WITHIN = 1e-6
"""Relative error of a derivative called EXACT."""

Record = dict[str, Any]


# ---------------------------------------------------------------------- a program as a model
def _empty(solver: str) -> Any:
    model = ot.Model(ot.diff_optimizer(getattr(ot.solvers, solver)))
    if model.supports(ot.TimeLimitSec()):
        model.set(ot.TimeLimitSec(), SECONDS)
    return model


def build(p: Program, solver: str, *, parameters: bool) -> tuple[Any, Any, list[Any], list[Any]]:
    """The model, its variables, constraints and parameters (q, g of the blocks, F of the first one)."""
    model = _empty(solver)
    v = model.add_variables(len(p.q))
    q = model.add_parameters(p.q) if parameters else p.q
    constraints, found = [], [q]
    for k, b in enumerate(p.blocks):
        if b.plain:
            constraints.append(
                [
                    model.add_constraint(v[j], ot.Interval(*map(float, ends)))
                    for j, ends in zip(b.F.argmax(axis=1), b.numbers, strict=True)
                ]
            )
            continue
        F: Any = sp.csr_array(b.F) if p.sparse else b.F
        g = b.g
        if parameters:
            g = model.add_parameters(b.g)
            found.append(g)
            if k == 0 and not p.sparse:
                F = model.add_parameters(b.F)
                found.append(F)
        constraints.append(model.add_constraint(F @ v + g, b.make(b.numbers)))
    P: Any = sp.csr_array(p.P) if p.sparse else p.P
    objective = q @ v + 0.5 * (v @ (P @ v)) if p.P.any() else q @ v + 0.0
    (model.minimize if p.sign > 0 else model.maximize)(objective)
    return model, v, constraints, found


def claim(p: Program, u: Units, model: Any, v: Any) -> Record:
    """What the solver says, and whether it is true."""
    status = model.get(ot.TerminationStatus()).name
    if status in ("INFEASIBLE", "DUAL_INFEASIBLE"):
        told = {"infeasible": "INFEASIBLE", "unbounded": "DUAL_INFEASIBLE"}.get(p.truth)
        return {"status": status, "claim": "right" if told == status else "false"}
    if status != "OPTIMAL":
        return {"status": status, "claim": "unsure"}
    if p.truth in ("infeasible", "unbounded"):
        return {"status": status, "claim": "false"}
    x = model.value(v) * u.columns
    error = abs(0.5 * x @ p.P @ x + p.q @ x - p.value) / p.size_of_value
    violation = 0.0
    for b in p.blocks:
        violation = max(violation, float(b.make(b.numbers).violation(b.F @ x + b.g)))
    good = error <= OPTIMAL_WITHIN and violation <= FEASIBLE_WITHIN
    return {"status": status, "claim": "right" if good else "false", "objective": error, "violation": violation}


# ---------------------------------------------------------------------- derivatives on the two routes
def by_the_model(
    p: Program, u: Units, scaled: Program, model: Any, v: Any, constraints: list[Any], seed: int
) -> Record:
    """Forward and reverse mode of the solved model."""
    rng = np.random.default_rng(seed)
    d = direction(p, rng)
    dx, dy = _forward(u, model, v, constraints, scaled, direction_in_units(p, d, u))
    found: Record = {"status": model.get(ot.DifferentiationStatus()).name}
    if p.truth == "smooth":
        found |= _errors(p, d, dx, dy)
    w, wy = rng.standard_normal(len(dx)), [rng.standard_normal(len(part)) for part in dy]
    model.set(ot.ReverseVariablePrimal(), v, u.columns * w)
    for c, b, e, part in zip(constraints, p.blocks, u.rows, wy, strict=True):
        seeds = part * _dual_units(b, e, u)
        for one, value in zip(c, seeds, strict=True) if b.plain else [(c, seeds)]:
            model.set(ot.ReverseConstraintDual(), one, value)
    model.reverse_differentiate()
    pulled = _pulled(model, v, constraints, scaled, direction_in_units(p, d, u))
    pushed = w @ dx + sum(a @ b for a, b in zip(wy, dy, strict=True))
    found["adjoint"] = abs(pulled - pushed) / _norm([dx, *dy]) / _norm([w, *wy])
    if p.truth == "dependent" and found["status"] == "DEPENDENT_ROWS":  # of the objective's data it is exact
        model.empty_input_sensitivities()
        d = direction(p, rng, only_objective=True)
        dx, _ = _forward(u, model, v, constraints, scaled, direction_in_units(p, d, u))
        expected = p.derivative(d)[0]
        found["dx"] = float(np.linalg.norm(dx - expected) / (np.linalg.norm(expected) + 1e-3))
    return found


def _dual_units(b: Any, e: Array, u: Units) -> Array:
    """A multiplier in the plain units is this times that of the program in its units."""
    return (1.0 / u.columns[b.F.argmax(axis=1)] if b.plain else e) / u.objective


def _forward(
    u: Units, model: Any, v: Any, constraints: list[Any], scaled: Program, d: Direction
) -> tuple[Array, list[Array]]:
    """The tangents dx and dy in plain units along a direction in the program's."""
    objective = d.q @ v + (0.5 * (v @ (sp.csr_array(d.P) @ v)) if d.P.any() else 0.0)
    model.set(ot.ForwardObjectiveFunction(), objective)
    for c, b, dF, dg in zip(constraints, scaled.blocks, d.F, d.g, strict=True):
        if not b.plain:
            model.set(ot.ForwardConstraintFunction(), c, sp.csr_array(dF) @ v + dg)
    model.forward_differentiate()
    dx = u.columns * model.get(ot.ForwardVariablePrimal(), v)
    dy = [
        np.atleast_1d(model.get(ot.ForwardConstraintDual(), c)) * _dual_units(b, e, u)
        for c, b, e in zip(constraints, scaled.blocks, u.rows, strict=True)
    ]
    return dx, dy


def _pulled(model: Any, v: Any, constraints: list[Any], scaled: Program, d: Direction) -> float:
    """The gradients contracted with a direction."""
    h = model.get(ot.ReverseObjectiveFunction())
    total = float(h.coefficients(v) @ d.q)
    i, j = np.nonzero(np.triu(d.P))
    if len(i):
        total += float(h.coefficients(v[i], v[j]) @ (d.P[i, j] * np.where(i == j, 0.5, 1.0)))
    for c, b, dF, dg in zip(constraints, scaled.blocks, d.F, d.g, strict=True):
        if b.plain:
            continue
        G = model.get(ot.ReverseConstraintFunction(), c)
        rows, columns = np.nonzero(dF)
        total += float(np.atleast_1d(G.constants) @ dg + G.coefficients(rows, v[columns]) @ dF[rows, columns])
    return total


def _errors(p: Program, d: Direction, dx: Array, dy: list[Array]) -> Record:
    """Relative errors in plain units."""
    true_x, true_y = p.derivative(d)
    found = {"dx": float(np.linalg.norm(dx - true_x) / np.linalg.norm(true_x))}
    size = _norm(true_y) if true_y else 0.0
    found["dy"] = _norm([a - b for a, b in zip(dy, true_y, strict=True)]) / size if size > 0 else 0.0
    return found


def _norm(parts: list[Array]) -> float:
    return float(np.linalg.norm(np.concatenate(parts)))


def by_a_layer(p: Program, u: Units, scaled: Program, solver: str, seed: int) -> Record:
    """The same through a layer, its parameters q, all g and the first F."""
    import torch

    model, v, constraints, parameters = build(scaled, solver, parameters=True)
    moving = [(k, c, b) for k, (c, b) in enumerate(zip(constraints, p.blocks, strict=True)) if not b.plain]
    layer = ot.layers.TorchLayer(model, parameters, [v, *(c for _, c, _ in moving), ot.ObjectiveValue()])
    values, tangents = [scaled.q], []
    d = direction(p, np.random.default_rng(seed), matrices=0 if p.sparse else 1)
    in_its = direction_in_units(p, d, u)
    tangents.append(in_its.q)
    for k, b in enumerate(scaled.blocks):
        if b.plain:
            continue
        values.append(b.g)
        tangents.append(in_its.g[k])
        if k == 0 and not p.sparse:
            values.append(b.F)
            tangents.append(in_its.F[k])
    inputs = [torch.tensor(np.asarray(value), requires_grad=True) for value in values]
    outputs = layer(*inputs)
    found: Record = {"answer": getattr(layer.status[0] if isinstance(layer.status, list) else layer.status, "name", "")}
    rng = np.random.default_rng(seed + 1)
    seeds = [rng.standard_normal(tuple(o.shape)) for o in outputs]
    scales = [1.0 / u.columns, *(1.0 / _dual_units(b, u.rows[k], u) for k, _, b in moving), u.objective]
    total = sum((o * torch.tensor(w / scale)).sum() for o, w, scale in zip(outputs, seeds, scales, strict=True))
    gradients = torch.autograd.grad(total, inputs)
    found["status"] = _status_of(layer)
    pulled = sum(float((g * torch.tensor(t)).sum()) for g, t in zip(gradients, tangents, strict=True))
    with torch.autograd.forward_ad.dual_level():
        duals = [
            torch.autograd.forward_ad.make_dual(a.detach(), torch.tensor(t))
            for a, t in zip(inputs, tangents, strict=True)
        ]
        moved = [torch.autograd.forward_ad.unpack_dual(o).tangent.numpy() for o in layer(*duals)]
    plain = [np.atleast_1d(m / scale) for m, scale in zip(moved, scales, strict=True)]
    pushed = sum(float(np.sum(w * m)) for w, m in zip(seeds, plain, strict=True))
    found["adjoint"] = abs(pulled - pushed) / _norm(plain) / _norm([np.atleast_1d(w) for w in seeds])
    if p.truth == "smooth":
        true_x, true_y = p.derivative(d)
        found["dx"] = float(np.linalg.norm(plain[0] - true_x) / np.linalg.norm(true_x))
        wanted = [true_y[k] for k, _, _ in moving]
        size = _norm(wanted) if wanted else 0.0
        found["dy"] = _norm([a - b for a, b in zip(plain[1:-1], wanted, strict=True)]) / size if size else 0.0
    return found


def _status_of(layer: Any) -> str:
    status = layer.differentiation_status
    return str((status[0] if isinstance(status, list) else status).name)


def verdict(p: Program, found: Record) -> str:
    """What a derivative counts as."""
    if "exception" in found:
        return "unsolved" if found["exception"] == "UnsolvedItems" else "refused"
    status = found["status"]
    good = max(found.get("dx", 0.0), found.get("dy", 0.0)) <= EXACT_WITHIN  # NaN is not
    if p.truth != "smooth":
        return "wrong" if status == "EXACT" or not good else "kink"
    if status != "EXACT":
        return "flagged"
    return "exact" if good else "wrong"


# ---------------------------------------------------------------------- runs
def run(key: str) -> Record | None:
    """One random program in some units by one solver; None where the solver does not take it."""
    family, number, name, solver = key.split("/", 2)[:2] + key.split("/", 2)[2].rsplit("/", 1)
    seed = int(number)
    p = instance(family, seed)
    u = units(name, p, seed + 7)
    scaled = in_units(p, u)
    try:
        model, v, constraints, _ = build(scaled, solver, parameters=False)
        model.optimize()
        record = claim(p, u, model, v)
    except (ot.UnsupportedConstraint, ot.UnsupportedAttribute):
        return None
    except Exception as error:  # any at all: that is what is counted
        return {"status": type(error).__name__, "claim": "refused", "words": str(error)[:300]}
    if p.truth in ("infeasible", "unbounded"):
        return record
    routes: dict[str, Callable[[], Record]] = {
        "layer": lambda: by_a_layer(p, u, scaled, solver, seed),
    }
    if record["status"] in ("OPTIMAL", "ALMOST_OPTIMAL"):
        routes["model"] = lambda: by_the_model(p, u, scaled, model, v, constraints, seed)
    for route, take in routes.items():
        found = _caught(take)
        record[route] = found | {"verdict": verdict(p, found)}
    return record


def _caught(take: Callable[[], Record]) -> Record:
    try:
        return take()
    except Exception as error:  # any at all: that is what is counted
        return {"exception": type(error).__name__, "words": str(error)[:300]}


def public(folder: Path | None, key: str) -> Record | None:
    """A public problem by one solver: its optimum, and what the derivative is called."""
    assert folder is not None
    _, name, solver = key.split("/")
    entry = next(e for e in json.loads((folder / "index.json").read_text(encoding="utf-8")) if e["name"] == name)
    problem = load(folder / entry["file"])
    model = _empty(solver)
    q = problem["q"] if "q" in problem else problem["c"]
    x = model.add_variables(len(q))
    A, tangents = problem["A"].tocsr(), []
    rng = np.random.default_rng(0)
    try:
        if "cones" not in problem:
            c = model.add_constraint(A @ x, ot.HyperRectangle(problem["l"], problem["u"]))
            tangents.append((c, rng.standard_normal(A.shape[0])))
        else:
            start = 0
            for kind, parameter in json.loads(str(problem["cones"])):
                cone = CONES[kind](parameter)
                rows = slice(start, start := start + cone.dimension)
                c = model.add_constraint(problem["b"][rows] - A[rows] @ x, cone)
                tangents.append((c, rng.standard_normal(cone.dimension)))
        objective = q @ x + float(problem["r"])
        if "P" in problem and problem["P"].nnz:
            objective = 0.5 * (x @ (problem["P"] @ x)) + objective
        model.minimize(objective)
        model.optimize()
    except (ot.UnsupportedConstraint, ot.UnsupportedAttribute):
        return None
    except Exception as error:  # any at all: that is what is counted
        return {"status": type(error).__name__, "claim": "refused", "words": str(error)[:300]}
    status = model.get(ot.TerminationStatus()).name
    if entry["expected_status"] != "optimal":
        told = {"INFEASIBLE": "right", "OPTIMAL": "false", "DUAL_INFEASIBLE": "false"}.get(status, "unsure")
        return {"status": status, "claim": told}
    if status in ("INFEASIBLE", "DUAL_INFEASIBLE"):
        return {"status": status, "claim": "false"}
    if status not in ("OPTIMAL", "ALMOST_OPTIMAL"):
        return {"status": status, "claim": "unsure"}
    error = abs(model.objective_value() - entry["known_optimum"]) / max(1.0, abs(entry["known_optimum"]))
    told = "unsure" if status != "OPTIMAL" else "right" if error <= OPTIMAL_WITHIN else "false"
    record: Record = {"status": status, "claim": told, "objective": error}

    def differentiate() -> Record:
        dq, w = rng.standard_normal(len(q)), rng.standard_normal(len(q))
        model.set(ot.ForwardObjectiveFunction(), dq @ x)
        for c, dg in tangents:
            model.set(ot.ForwardConstraintFunction(), c, sp.csr_array((len(dg), len(x))) @ x + dg)
        model.forward_differentiate()
        dx = model.get(ot.ForwardVariablePrimal(), x)
        model.set(ot.ReverseVariablePrimal(), x, w)
        model.reverse_differentiate()
        pulled = float(model.get(ot.ReverseObjectiveFunction()).coefficients(x) @ dq)
        pulled += sum(float(model.get(ot.ReverseConstraintFunction(), c).constants @ dg) for c, dg in tangents)
        size = np.linalg.norm(w) * np.linalg.norm(dx)
        found = {
            "status": model.get(ot.DifferentiationStatus()).name,
            "adjoint": abs(pulled - w @ dx) / max(size, 1e-12),
        }
        return found | {"verdict": "exact" if found["status"] == "EXACT" else "kink"}

    record["model"] = {"verdict": "refused"} | _caught(differentiate)
    return record
