"""Which bridges are chosen, and what is said about it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.bridges.bridge import REGISTRY, Bridge, Lift
from optangent.bridges.graph import BridgeGraph
from optangent.modelkit.functions import Function
from optangent.modelkit.indices import Kind
from optangent.modelkit.sets import Set

SAF, VAF, X = ot.ScalarAffineFunction, ot.VectorAffineFunction, ot.VariableIndex
S = {name: (SAF, getattr(ot, name)) for name in ("GreaterThan", "LessThan", "EqualTo", "Interval", "ZeroOne")}


def edge(source: str, targets: Sequence[str], price: float) -> Bridge:
    """A bridge of a price, not registered."""

    class _Edge(Bridge):
        cost = price

        def reach(self, function_type: type[Function], set_type: type[Set]) -> Sequence[Kind] | None:
            return [S[t] for t in targets] if (function_type, set_type) == S[source] else None

        def lift(self, function_type: type[Function], example: Set) -> Lift:
            raise NotImplementedError

        def __repr__(self) -> str:
            return f"{source}->{'+'.join(targets)}"

    return _Edge()


def graph(native: Sequence[str], *bridges: Bridge) -> BridgeGraph:
    """A graph on some kinds."""
    return BridgeGraph(lambda kind: kind in [S[n] for n in native], bridges)


def test_the_cheapest_path_is_taken() -> None:
    """Two cheap bridges beat a dear one; the costs of all targets count."""
    g = graph(
        ["LessThan"],
        edge("Interval", ["LessThan"], 5.0),
        edge("Interval", ["GreaterThan"], 1.0),
        edge("GreaterThan", ["LessThan"], 2.0),
        edge("EqualTo", ["Interval"], 1.0),
        edge("EqualTo", ["GreaterThan", "GreaterThan", "LessThan"], 1.0),
    )
    assert g.cost(S["Interval"]) == 3.0 and repr(g.bridge(S["Interval"])) == "Interval->GreaterThan"
    assert g.cost(S["EqualTo"]) == 4.0 and repr(g.bridge(S["EqualTo"])) == "EqualTo->Interval"
    assert g.cost(S["LessThan"]) == 0.0 and g.bridge(S["LessThan"]) is None and g.is_native(S["LessThan"])
    assert g.path(S["EqualTo"]) == [
        "ScalarAffineFunction-in-EqualTo  by EqualTo->Interval, cost 4",
        "    ScalarAffineFunction-in-Interval  by Interval->GreaterThan, cost 3",
        "        ScalarAffineFunction-in-GreaterThan  by GreaterThan->LessThan, cost 2",
        "            ScalarAffineFunction-in-LessThan  (native)",
    ]


def test_ties_go_to_the_earlier_bridge() -> None:
    """Of equal costs the bridge defined first is chosen, whatever was asked for first."""
    first, second = edge("Interval", ["LessThan"], 2.0), edge("Interval", ["GreaterThan"], 1.0)
    flip = edge("GreaterThan", ["LessThan"], 1.0)
    for bridges in ((first, second, flip), (first, flip, second)):
        g = graph(["LessThan"], *bridges)
        g.cost(S["GreaterThan"])
        assert g.bridge(S["Interval"]) is first
    g = graph(["LessThan", "GreaterThan"], edge("Interval", ["LessThan"], 1.0), second)
    assert repr(g.bridge(S["Interval"])) == "Interval->LessThan"


def test_a_bridge_without_targets_or_cost_is_a_bridge() -> None:
    """No targets cost nothing more; a bridge of cost zero is still taken."""
    g = graph([], edge("Interval", [], 1.0), edge("EqualTo", ["Interval"], 0.0))
    assert g.cost(S["Interval"]) == 1.0
    free = graph(["LessThan"], edge("GreaterThan", ["LessThan"], 0.0))
    assert free.cost(S["GreaterThan"]) == 0.0 and free.bridge(S["GreaterThan"]) is not None


def test_unreachable_kinds() -> None:
    """Cycles reach nothing, and a bridge that lacks one of its targets is none."""
    g = graph(
        ["LessThan"],
        edge("GreaterThan", ["EqualTo"], 1.0),
        edge("EqualTo", ["GreaterThan"], 1.0),
        edge("Interval", ["LessThan", "GreaterThan"], 1.0),
    )
    for name in ("GreaterThan", "EqualTo", "Interval", "ZeroOne"):
        assert g.cost(S[name]) == float("inf") and g.bridge(S[name]) is None and not g.is_native(S[name])
    assert g.path(S["ZeroOne"]) == ["ScalarAffineFunction-in-ZeroOne  (unreachable)"]
    assert "lead only to an affine function in other sets (" in g.missing(S["GreaterThan"], "Ours")
    assert "(GreaterThan, EqualTo), and Ours takes none of these." in g.missing(S["GreaterThan"], "Ours")
    assert g.missing(S["LessThan"]) == "ScalarAffineFunction-in-LessThan can be bridged."


def test_missing_names_the_shortest_path() -> None:
    """Down to the kind that no bridge rewrites, past longer ways and reachable targets."""
    g = graph(
        ["LessThan"],
        edge("Interval", ["GreaterThan"], 1.0),
        edge("GreaterThan", ["ZeroOne"], 1.0),
        edge("Interval", ["LessThan", "EqualTo"], 9.0),
    )
    assert g.missing(S["Interval"], "Ours") == (
        "Interval->LessThan+EqualTo would need EqualTo on an affine function, no bridge rewrites it, "
        "and Ours does not take it."
    )


def refusal(solver: Any, function: Any, chosen: Any) -> str:
    """The message of a constraint that does not get there."""
    model = ot.Model(solver)
    x = model.add_variable()
    with pytest.raises(ot.UnsupportedConstraint) as caught:
        model.add_constraint(function(x), chosen)
    assert model.get(ot.ListOfConstraintTypesPresent()) == []
    return str(caught.value)


def test_refusals_in_words() -> None:
    """What stands against a constraint is said in one sentence, naming the solver."""
    advice = "Rewrite the constraint, or choose a solver that takes it."
    assert refusal(ot.solvers.OSQP, lambda x: x, ot.ZeroOne()) == (
        "VariableIndex-in-ZeroOne is not supported by OSQP, nor through bridges: "
        f"no bridge rewrites ZeroOne on a plain variable, and OSQP does not take it. {advice}"
    )
    assert refusal(ot.solvers.OSQP, lambda x: 2.0 * x, ot.Integer()) == (
        "ScalarAffineFunction-in-Integer is not supported by OSQP, nor through bridges: ScalarSlack would need Integer "
        f"on a plain variable, no bridge rewrites it, and OSQP does not take it. {advice}"
    )
    quadratic = refusal(ot.solvers.HiGHS, lambda x: x * x, ot.LessThan(1.0))
    assert quadratic.startswith("ScalarQuadraticFunction-in-LessThan is not supported by HiGHS, nor through bridges: ")
    assert "affine functions" in quadratic and "SecondOrderCone" in quadratic and "HiGHS takes none" in quadratic
    assert len(quadratic) < 500


def test_a_lazy_gradient_is_refused_in_words() -> None:
    """No bridge rewrites the functions that reverse differentiation returns: they are read, not constrained."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    v = model.add_variables(2)
    c = model.add_constraint(v >= [1.0, 2.0])
    model.minimize(v @ v)
    model.optimize()
    model.set(ot.ReverseVariablePrimal(), v, [1.0, 2.0])
    model.reverse_differentiate()
    lazy = model.get(ot.ReverseConstraintFunction(), c)
    with pytest.raises(ot.UnsupportedConstraint, match="no bridge rewrites Nonnegatives on"):
        model.add_constraint(lazy, ot.Nonnegatives(2))


def printed(model: ot.Model) -> str:
    """What `print_bridges` says."""
    out = io.StringIO()
    ot.print_bridges(model, out)
    return out.getvalue()


def test_print_bridges_of_solver_and_diff_model() -> None:
    """Both are printed once there is a diff model; without an optimizer it says so; parameters are numbers."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    v, p = model.add_variables(2), model.add_parameter(4.0)
    model.add_constraint(p * v[0] + v[1] >= 1)
    model.add_constraint(v[0], ot.Interval(0.0, 2.0))
    model.add_constraint(v, ot.RotatedSecondOrderCone(2))
    model.add_constraint(v[0] * v[0] + v[1] <= 9)
    model.minimize(v[0] * v[0] + v[1] * v[1])
    before = printed(model)
    ways = [
        "  VariableIndex-in-Interval  (native)",
        "  VectorOfVariables-in-RotatedSecondOrderCone  by RotatedToSecondOrder, cost 1",
        "      VectorAffineFunction-in-SecondOrderCone  (native)",
    ]
    cone = [
        "  ScalarQuadraticFunction-in-LessThan  by factors of its curvature, where it has one",
        "      VectorAffineFunction-in-RotatedSecondOrderCone  by RotatedToSecondOrder, cost 1",
        "          VectorAffineFunction-in-SecondOrderCone  (native)",
    ]
    lines = before.splitlines()
    assert lines[0] == "Clarabel:" and "  ScalarAffineFunction-in-GreaterThan  (native)" in lines
    assert set(ways) | set(cone) <= set(lines) and "Parameter" not in before and "Diff" not in before
    model.optimize()
    model.set(ot.ForwardObjectiveFunction(), v[0])
    model.forward_differentiate()
    after = printed(model)
    assert after.startswith(before) and after.count("ConicDiff:\n") == 1
    rest = after[len(before) :].splitlines()
    assert set(ways) <= set(rest) and "  ScalarQuadraticFunction-in-LessThan  (native)" in rest
    assert printed(ot.Model()) == "There is nothing to bridge to in this model: it has no optimizer.\n"


def test_print_bridges_of_several_solvers() -> None:
    """Each is told apart, with what it does not take."""
    model = ot.Model([ot.solvers.HiGHS, ot.solvers.SCS])
    model.add_constraint(model.add_variables(3), ot.SecondOrderCone(3))
    assert printed(model).splitlines() == [
        "HiGHS:",
        "  VectorOfVariables-in-SecondOrderCone  (unreachable)",
        "SCS:",
        "  VectorOfVariables-in-SecondOrderCone  (native)",
    ]


# ---------------------------------------------------------------------- what stands for one constraint
def test_the_lowering_of_a_constraint_is_shown() -> None:
    """Matrices, constants and words, such that ``A f + B u + c`` is what the solver gets."""
    model = ot.Model(ot.solvers.HiGHS)
    v = model.add_variables(3, lower=-1.0, upper=2.0)
    norm = model.add_constraint(2.0 * v + 1.0, ot.NormOneCone(3), name="norm")
    shown = model.lowering(norm)
    assert (shown.name, shown.target, shown.extra) == ("'norm'", "HiGHS", 2)
    (part,) = shown.parts
    assert part.sets == (ot.Nonnegatives(5),) and not shown.c.any()
    form, x = model.meta_solver.lowerings[0][1].form, np.arange(5.0)
    f = 2.0 * x[:3] + 1.0
    below = form.A.toarray() @ x - form.row_lower
    np.testing.assert_allclose(shown.A @ f + shown.B @ x[3:] + shown.c, below)
    np.testing.assert_array_equal(shown.A_transposed.toarray(), shown.A.toarray().T)
    assert "A f + B u in Nonnegatives(5)" in repr(shown) and "by NormOneToLinear" in repr(shown)
    gap = model.add_constraint(v[0] + v[1], ot.Semicontinuous(1.5, 3.0))
    parts = model.lowering(gap).parts
    assert [type(part.sets[0]) for part in parts] == [ot.ZeroOne, ot.GreaterThan, ot.LessThan]
    np.testing.assert_array_equal(model.lowering(gap).B.toarray(), [[1.0], [-1.5], [-3.0]])
    bound = model.get(ot.ListOfConstraintIndices(ot.VariableIndex, ot.Interval))[0]
    assert model.lowering(bound).way == ("VariableIndex-in-Interval  (native)",)
    assert model.lowering(bound).N.toarray().tolist() == [[1.0, 0.0], [0.0, 1.0]]
    nothing = model.add_constraint(v[:1], ot.SOS1([1.0]))
    assert model.lowering(nothing).parts == () and repr(model.lowering(nothing)).endswith("it asks for nothing")
    model.minimize(v.sum())
    model.optimize()
    assert model.value(v[0]) >= -1.0


def test_the_lowering_of_the_diff_model_and_of_curvature() -> None:
    """A quadratic row is a cone for the solver, and itself for the diff model; wrong indices are refused."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    v = model.add_variables(2)
    disc = model.add_constraint(v @ v <= 4, name="disc")
    model.minimize(v.sum())
    solver = model.lowering(disc)
    assert solver.parts[0].sets == (ot.SecondOrderCone(4),) and "½ |Ux|²" in repr(solver)
    with pytest.raises(ot.DifferentiationError):
        model.lowering(disc, differentiated=True)
    model.optimize()
    shown = model.lowering(disc, differentiated=True)
    assert (shown.target, shown.way) == ("ConicDiff", ("ScalarQuadraticFunction-in-LessThan  (native)",))
    other = ot.Model()
    foreign = other.add_constraint(other.add_variable() + 0.0 <= 1)
    with pytest.raises(ot.InvalidIndex):
        model.lowering(foreign)
    with pytest.raises(ot.NotOptimized, match="no optimizer"):
        other.lowering(foreign)


def test_registry_is_whole() -> None:
    """Every bridge has a docstring with its formula, and costs something."""
    for bridge in REGISTRY:
        assert bridge.cost > 0 and (type(bridge).__doc__ or "").strip(), bridge
        for method in (bridge.reach, bridge.lift):
            assert (method.__doc__ or "").strip(), (bridge, method)
