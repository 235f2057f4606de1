"""Pages made from the registries are up to date, and what the pages tell to run can be run."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("modelkit", "bridges", "solvers", "diffmodels", "tests", "tutorials", "benchmarks", "docs")
SECTIONS = set(
    re.findall(r"^##+ ([0-9.]+?)\.? ", (ROOT / "docs" / "design.md").read_text(encoding="utf-8"), re.MULTILINE)
)
FILES = [path.relative_to(ROOT).as_posix() for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")]


def test_the_page_of_sets_and_solvers_is_up_to_date() -> None:
    """docs/reach.md says what the solvers and bridges declare now."""
    path = ROOT / "docs" / "reach.py"
    spec = importlib.util.spec_from_file_location("reach", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text() == module.page(), "run python docs/reach.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_files_of_a_page_exist(page: Path) -> None:
    """Code in pages is for the shell, but for what test_readme.py and test_contributing.py run; files are there."""
    text = page.read_text(encoding="utf-8")
    languages = set(re.findall(r"^```(\S+)", text, re.MULTILINE))
    assert languages <= (
        {"python", "py"} if page.name in ("README.md", "CONTRIBUTING.md") and page.parent == ROOT else {"sh"}
    )
    assert ">>>" not in text
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:^ {4}|`)make ([a-z]+)\b", text, re.MULTILINE)) <= targets
    for name in re.findall(r"(?:`|\bpython )((?:[a-z_]+/)+[a-z_]+\.py)\b", text):
        assert any(f"/{path}".endswith(f"/{name}") for path in FILES), name


def test_the_design_has_every_section() -> None:
    """Sections 1 to 11 are there, 2.1 and 6.1."""
    assert {"2.1", "6.1", *map(str, range(1, 12))} == SECTIONS


@pytest.mark.parametrize("path", [*FILES, *(page.relative_to(ROOT).as_posix() for page in PAGES)])
def test_sections_of_the_design_that_are_cited_are_there(path: str) -> None:
    """A file cites docs/design.md by sections that it has, always in the same words."""
    text = " ".join((ROOT / path).read_text(encoding="utf-8").split())
    cited = re.findall(r"docs/design\.md, section ([0-9]+(?:\.[0-9]+)?)", text)
    assert set(cited) <= SECTIONS
    if path != "tests/test_docs.py":
        assert not re.search(r"\bDESIGN\b", text)
        assert len(cited) == len(re.findall(r"docs/design\.md, section", text))
