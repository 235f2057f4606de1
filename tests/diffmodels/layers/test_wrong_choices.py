"""Whatever is no choice of a layer or of differentiation is refused when it is given, by an error that repeats it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import optangent as ot

from .small_models import interval

LAYERS = [pytest.param(layer, marks=pytest.mark.skipif(importlib.util.find_spec(library) is None, reason=library))
          for layer, library in (("TorchLayer", "torch"), ("JaxLayer", "jax"))]  # fmt: skip
WRONG: dict[str, Any] = {
    "nothing": None, "a word": "gpu", "a truth value": True, "an integer": 3, "a number": 1.5, "a list": [None],
    "a dictionary": {"a": 1}, "an object": object(), "an array": np.ones(2), "a function": lambda: 1,
    "a class": ot.solvers.SCS, "a solver": ot.solvers.SCS(),
}  # fmt: skip
RIGHT = {  # what they stand for is one of the choices
    "executor": {"nothing"},
    "retry": {"nothing"},
    "warm_start": {"a truth value"},
    "keep": {"an integer"},
    "ModelConstructor": {"nothing"},
    "LinearAlgebraSolver": {"nothing", "a function"},
    "AllowInaccurateSolution": {"a truth value"},
    "AllowObjectiveAndSolutionInput": {"a truth value"},
    "DifferentiationPolicy": set(),
    "retry with": {"a class"},
}


def refused(what: str, wrong: str, make: Callable[[Any], Any]) -> None:
    """Check that a wrong choice is refused, by an error that says what was given."""
    if wrong in RIGHT.get(what, ()):
        return
    value = WRONG[wrong]
    with pytest.raises(ot.OptangentError) as caught:
        make(value)
    members = list(value) if isinstance(value, (list, dict, np.ndarray)) else []
    assert any(repr(one) in str(caught.value) for one in (value, *members)), caught.value


def one_option(layer: str, option: str, value: Any) -> Any:
    """A layer with one option."""
    return getattr(ot.layers, layer)(*interval(), **{option: value})


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("layer", LAYERS)
def test_of_layers(layer: str, wrong: str) -> None:
    """Models, lists, their members, and every option, of the layers of both frameworks."""
    made, (model, parameters, outputs) = getattr(ot.layers, layer), interval()
    refused("model", wrong, lambda value: made(value, parameters, outputs))
    refused("parameters", wrong, lambda value: made(model, value, outputs))
    refused("outputs", wrong, lambda value: made(model, parameters, value))
    refused("a parameter", wrong, lambda value: made(model, [parameters[0], value], outputs))
    refused("an output", wrong, lambda value: made(model, parameters, [*outputs, value]))
    for option in ("on_failure", "executor", "retry", "warm_start" if layer == "TorchLayer" else "keep"):
        refused(option, wrong, partial(one_option, layer, option))
    refused("retry with", wrong, lambda value: made(model, parameters, outputs, retry=[value]))
    assert made(model, parameters, outputs)(1.0, 3.0)[0].item() == pytest.approx(1.0)


@pytest.mark.parametrize("layer", LAYERS)
def test_what_belongs_to_another_model(layer: str) -> None:
    """Foreign parameters and outputs, variables as parameters, and repeated ones are named."""
    made, (model, parameters, outputs), (_, foreign, others) = getattr(ot.layers, layer), interval(), interval()
    for given in ([foreign[0]], [parameters[0], foreign[1]]):
        with pytest.raises(ot.InvalidIndex, match=f"number {len(given) - 1}: Variable .* belongs to another model"):
            made(model, given, outputs)
    with pytest.raises(ot.InvalidIndex, match="belongs to another model"):
        made(model, parameters, others)
    with pytest.raises(ot.InvalidIndex, match=r"x\[0\], in number 1, is not a parameter"):
        made(model, [parameters[0], outputs[0]], outputs)
    with pytest.raises(ot.InvalidIndex, match=r"x\[1\] is named twice"):
        made(model, [parameters[0], parameters[0]], outputs)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("wrong", [None, "two", [[1.0], [1.0, 2.0]], object()])
def test_arguments_of_a_call(layer: str, wrong: Any) -> None:
    """What is no array is refused by number, and the next call works."""
    made = getattr(ot.layers, layer)(*interval())
    with pytest.raises(ot.InvalidData, match=r"Parameter 1 of a layer is .* got"):
        made(1.0, wrong)
    assert made(1.0, 3.0)[0].item() == pytest.approx(1.0)


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", [name for name in RIGHT if hasattr(ot, name)])
def test_of_differentiation(name: str, wrong: str) -> None:
    """Every attribute that says how to differentiate refuses wrong values at once, and keeps what it was."""
    model, attribute = interval()[0], getattr(ot, name)()
    before = model.get(attribute)
    refused(name, wrong, lambda value: model.set(attribute, value))
    assert model.get(attribute) is before
    with pytest.raises(ot.InvalidIndex, match="takes no index"):
        model.set(attribute, model.get(ot.ListOfVariableIndices())[0], before)


def test_every_such_attribute_is_among_them() -> None:
    """What a diff optimizer calls a setting is tried here."""
    settings: Any = interval()[0].meta_solver
    assert {kind.__name__ for kind in settings.settings} == {name for name in RIGHT if hasattr(ot, name)}


def test_a_maker_of_something_else() -> None:
    """A callable that makes no solver is found out when the model is made."""
    with pytest.raises(ot.InvalidData, match="made 1"):
        ot.Model(ot.diff_optimizer(lambda: 1))
