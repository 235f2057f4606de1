"""What a user gets: a wheel with the four packages and nothing else, at peace with their own `solvers.py`."""

import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "optangent"
FOLDERS = ("modelkit", "bridges", "diffmodels", "solvers")
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
    shutil.copytree(ROOT, place / "source", symlinks=True, ignore=NOT_SOURCE)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    run(sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", place, place / "source", cwd=place)
    (built,) = place.glob("*.whl")
    return built


def test_wheel_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    """Every module of the four folders is in the wheel, under `optangent`, and nothing beside it."""
    names = zipfile.ZipFile(wheel).namelist()
    modules = {
        f"optangent/{path.relative_to(PACKAGE).as_posix()}"
        for folder in FOLDERS
        for path in (PACKAGE / folder).rglob("*.py")
    }
    assert modules >= {f"optangent/{folder}/__init__.py" for folder in FOLDERS}
    packaged = {name for name in names if not re.match(r"optangent-[^/]+\.dist-info/", name)}
    assert packaged == modules | {"optangent/__init__.py", "optangent/py.typed"}


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
