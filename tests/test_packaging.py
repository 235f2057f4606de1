"""What a user gets: a wheel with the four packages and nothing else, at peace with their own `solvers.py`."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("modelkit", "bridges", "diffmodels", "solvers")
BUILD = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
BUILD += ["--disable-pip-version-check"]
NOT_SOURCE = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist")


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command, fail with all it said, and return its output."""
    done = subprocess.run(command, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of the sources, offline."""
    assert int(version("setuptools").split(".")[0]) >= 77, "pip install -e '.[test]' brings setuptools>=77"
    place = tmp_path_factory.mktemp("packaging")
    shutil.copytree(ROOT, place / "source", ignore=NOT_SOURCE)
    run(*BUILD, "--wheel-dir", place, place / "source", cwd=place)
    (built,) = place.glob("*.whl")
    return built


def test_no_link_is_needed() -> None:
    """No file of the sources is a symbolic link: a checkout or an archive without links is whole."""
    assert [path for folder in ("src", *FOLDERS) for path in (ROOT / folder).rglob("*") if path.is_symlink()] == []


def test_every_folder_is_named() -> None:
    """The list of packages is that of the folders with an `__init__.py`."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    found = [path.parent for folder in FOLDERS for path in (ROOT / folder).rglob("__init__.py")]
    assert sorted(listed) == sorted(
        ["optangent", *(".".join(("optangent", *p.relative_to(ROOT).parts)) for p in found)]
    )


def test_a_missing_folder_ends_the_build_in_words(tmp_path: Path) -> None:
    """Without one of the four folders there is no wheel, and the message names it."""
    shutil.copytree(ROOT, tmp_path / "source", ignore=NOT_SOURCE)
    shutil.rmtree(tmp_path / "source" / "bridges")
    command = [*BUILD, "--wheel-dir", tmp_path, tmp_path / "source"]
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=tmp_path)
    assert done.returncode != 0 and "bridges" in done.stdout and not list(tmp_path.glob("*.whl"))


def test_wheel_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    """Every module of the four folders is in the wheel, under `optangent`, and nothing beside it."""
    names = zipfile.ZipFile(wheel).namelist()
    modules = {
        f"optangent/{path.relative_to(ROOT).as_posix()}" for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")
    }
    face = {f"optangent/{path.name}" for path in (ROOT / "src" / "optangent").glob("*.py")}
    assert modules >= {f"optangent/{folder}/__init__.py" for folder in FOLDERS}
    packaged = {name for name in names if not re.match(r"optangent-[^/]+\.dist-info/", name)}
    assert packaged == modules | {"optangent/py.typed"} | face


def test_wheel_works_without_the_sources(wheel: Path, tmp_path: Path) -> None:
    """The unpacked wheel imports, also where the user has a `solvers.py` and a `bridges/` of their own."""
    (tmp_path / "solvers.py").write_text("mine = True\n")
    (tmp_path / "bridges").mkdir()
    (tmp_path / "bridges" / "__init__.py").write_text("mine = True\n")
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    program = f"""
import sys
sys.path[:0] = [{str(tmp_path)!r}, {str(site)!r}]
import bridges, solvers, optangent
from optangent import bridges as b, diffmodels, modelkit, solvers as s
assert bridges.mine and solvers.mine
for module in (optangent, b, diffmodels, modelkit, s):
    assert module.__file__.startswith({str(site)!r}), module.__file__
"""
    run(sys.executable, "-I", "-W", "error", "-c", program, cwd=tmp_path)
