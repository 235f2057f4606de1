"""What README.md shows is so: its blocks run in order and print what they say, its figure and files are there."""

from __future__ import annotations

import contextlib
import io
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks() -> list[tuple[str, str]]:
    """(language, code): ``python`` needs nothing but the package, ``py`` the extra that the text names before it."""
    return re.findall(r"^```(python|py)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def numbers(text: str) -> list[float]:
    """All numbers in a line, and nothing else is in it but brackets."""
    words = re.sub(r"[\[\](),]", " ", text).split()
    return [float(word) for word in words]


def run(code: str, names: dict[str, Any]) -> None:
    """Run a block; each of its lines that prints has its output as a comment."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), names)
    expected = re.findall(r"^print\(.*\) *# (.*)$", code, re.MULTILINE)
    assert len(expected) == len(re.findall(r"\bprint\(", code))
    for line, comment in zip(printed.getvalue().splitlines(), expected, strict=True):
        np.testing.assert_allclose(numbers(line), numbers(comment), rtol=0, atol=1e-6)


def test_every_block_runs_and_prints_what_its_comments_say() -> None:
    """All blocks, one after the other; those that need PyTorch where it is installed."""
    names: dict[str, Any] = {}
    found = blocks()
    assert [language for language, _ in found] == ["python", "python", "python", "py", "py", "py", "python"]
    for language, code in found:
        if language == "python":
            run(code, names)
    pytest.importorskip("torch", reason="make test installs PyTorch, pip install optangent[test] does not")
    for language, code in found:
        if language == "py":
            run(code, names)


def test_what_it_links_to_is_there() -> None:
    """Every relative link and figure, and every file and folder of the table."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT)
    places = re.findall(r"^\| `([a-z/]+/)` \|", TEXT, re.MULTILINE)
    assert "docs/svm_sensitivity.png" in links and len(places) == 9
    for place in [*links, *places]:
        assert (ROOT / place).exists(), place


def test_the_table_of_extras_is_that_of_the_package() -> None:
    """Every extra for users is in the table, and none that is not there."""
    extras = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    )
    table = TEXT[TEXT.index("| extra | for |") : TEXT.index("## Try it")]
    named = {name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(.*?)`", row)}
    assert named == extras - {"test", "lint", "docs", "bench"}
