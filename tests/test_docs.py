"""Pages made from the registries are those of the present registries."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def test_the_page_of_sets_and_solvers_is_up_to_date() -> None:
    """docs/reach.md says what the solvers and bridges declare now."""
    path = Path(__file__).parents[1] / "docs" / "reach.py"
    spec = importlib.util.spec_from_file_location("reach", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text() == module.page(), "run python docs/reach.py"
