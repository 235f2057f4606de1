"""Sentences in the sources: what they advise exists, and their grammar holds."""

from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import optangent as ot

ROOT = Path(__file__).parents[1]
SOURCES = [
    p
    for folder in ("modelkit", "bridges", "solvers", "diffmodels", "src", "tutorials")
    for p in (ROOT / folder).rglob("*.py")
]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
LAYERS = ("TorchLayer", "JaxLayer", "CvxpyLayer", "CvxpylayersSolver")


def _distribution(requirement: str) -> str:
    return re.split(r"[\[<>=~! ]", requirement)[0]


DISTRIBUTIONS = {_distribution(one) for one in [*PROJECT["dependencies"], *(r for of in EXTRAS.values() for r in of)]}


def check_advice(text: str) -> list[str]:
    """The extras and distributions that a text advises to install; each must exist."""
    advised = re.findall(r"pip install (?:-\S+ )*\\?[\"']?([\w.-]+)(\[[^\]]*\])?", text)
    for name, extras in advised:
        if name == PROJECT["name"]:
            wanted = [one.strip() for one in extras.strip("[]").split(",") if one]
            assert set(wanted) <= set(EXTRAS), f"there is no extra {wanted}"
        else:
            assert name in DISTRIBUTIONS, f"{name} is none of the dependencies"
    return [name for name, _ in advised]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_advice_to_install_exists(path: Path) -> None:
    """Every extra and distribution that a source tells to install is one of pyproject.toml's."""
    written = re.sub(
        r"pip install \{name\}|optangent\[\{(library|name)\}\]", "", path.read_text()
    )  # made at run time, below
    check_advice(written)


@pytest.mark.parametrize(
    "solver", [one for one in ot.solvers.wrappers() if one.library != "optangent"], ids=lambda s: s.name
)
def test_advice_of_solvers_exists(solver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a solver says to install when its library is missing."""
    original = importlib.import_module

    def without(name: str, package: str | None = None) -> Any:
        if name == solver.library:
            raise ImportError("not here")
        return original(name, package)

    monkeypatch.setattr(importlib, "import_module", without)
    model = ot.Model(solver)
    model.minimize(model.add_variable(lower=0.0))
    with pytest.raises(ot.MissingDependency) as raised:
        model.optimize()
    assert check_advice(str(raised.value)) == [solver.library]


@pytest.mark.parametrize("layer", LAYERS)
def test_advice_of_layers_exists(layer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a layer says to install when its framework is missing."""

    def without(name: str, package: str | None = None) -> Any:
        raise ModuleNotFoundError(name=name)

    monkeypatch.delitem(vars(ot.layers), layer, raising=False)
    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(ot.MissingDependency) as raised:
        getattr(ot.layers, layer)
    assert check_advice(str(raised.value)) == ["optangent"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_articles(path: Path) -> None:
    """No sentence has "a" before a name made at run time that may begin with a vowel, nor before one that does."""
    text = path.read_text()
    assert not re.search(r"\b[Aa] \{[\w.\[\]()]*__name__\}", text)
    assert not re.search(r"\b[Aa] (EqualTo|Interval|Integer|Indicator|ExponentialCone|SOS[12])\b", text)
