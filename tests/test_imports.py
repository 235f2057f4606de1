"""Who may import whom in the four folders, and what the face exports."""

import ast
import importlib
import types
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import pytest

import optangent as ot

ROOT = Path(__file__).parents[1]

MAY_IMPORT = {
    "modelkit": {"modelkit"},
    "bridges": {"bridges", "modelkit"},
    "solvers": {"solvers", "modelkit"},
    "diffmodels": {"diffmodels", "bridges", "modelkit"},
}
SOLVER_LIBRARIES = {"highspy", "osqp", "scs", "clarabel", "piqp", "daqp"}
OPTIONAL_LIBRARIES = {
    "casadi",
    "cvxpy",
    "dask",
    "distributed",
    "jax",
    "joblib",
    "matplotlib",
    "pandas",
    "sklearn",
    "torch",
}


def sources() -> dict[str, str]:
    """Path -> source of every module in the four folders."""
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for folder in MAY_IMPORT
        for path in sorted((ROOT / folder).rglob("*.py"))
    }


def violations(sources: Mapping[str, str]) -> list[str]:
    """Say which imports break a rule, one line each; `sources` maps 'modelkit/sets.py' to its text."""
    found = []
    for path, text in sources.items():
        folder = path.split("/")[0]
        tree = ast.parse(text, filename=path)
        at_import = set(executed_at_import(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                for written, target in imported(path, node):
                    if problem := complaint(folder, written, target, node in at_import):
                        found.append(f"{path}:{node.lineno}: imports {written}: {problem}")
    return found


def complaint(folder: str, written: str, target: str, at_import: bool) -> str:
    """Say what is wrong with a module of `folder` importing `target`, or nothing."""
    root, _, rest = target.partition(".")
    other = rest.partition(".")[0]
    if root in MAY_IMPORT or (root == "optangent" and not written.startswith(".")):
        return "inside the folders our own imports are relative"
    if root == "optangent" and other not in MAY_IMPORT:
        return "the face is above the folders"
    if root == "optangent" and other not in MAY_IMPORT[folder]:
        return f"{folder} must not know {other}"
    if root in SOLVER_LIBRARIES and folder != "solvers":
        return "a solver library belongs in solvers/"
    if root in OPTIONAL_LIBRARIES and at_import:
        return "it is optional, import it in the function that uses it"
    return ""


def imported(path: str, node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """Yield (name as written, absolute name) of everything that one statement imports."""
    match node:
        case ast.Import():
            for alias in node.names:
                yield alias.name, alias.name
        case ast.ImportFrom(level=0):
            yield node.module or "", node.module or ""
        case ast.ImportFrom():
            package = ["optangent", *path.split("/")[:-1]]
            base = ".".join(package[: len(package) - node.level + 1])
            dots = "." * node.level
            for name in [node.module] if node.module else [alias.name for alias in node.names]:
                yield dots + name, f"{base}.{name}"


def executed_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what runs when the module is imported: no function bodies, nothing for type checkers."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                continue
            case ast.If(test=ast.Name("TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                for statement in child.orelse:
                    yield statement
                    yield from executed_at_import(statement)
            case _:
                yield child
                yield from executed_at_import(child)


def test_imports_run_one_way() -> None:
    """No module of the four folders breaks a rule."""
    found = sources()
    assert {path.split("/")[0] for path in found} == set(MAY_IMPORT)
    assert not violations(found), "\n".join(violations(found))


def dependencies(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """Path -> paths of the modules that it imports anywhere, for type checkers and within functions too."""
    modules = {
        f"optangent.{path.removesuffix('.py').removesuffix('/__init__').replace('/', '.')}": path for path in sources
    }
    found: dict[str, set[str]] = {}
    for path, text in sources.items():
        statements = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Import | ast.ImportFrom)]
        targets = (target for node in statements for _, target in imported(path, node))
        found[path] = {modules[target] for target in targets if target in modules}
    return found


def test_imports_make_no_circle() -> None:
    """The modules of the four folders stand in an order in which each imports earlier ones only."""
    TopologicalSorter(dependencies(sources())).prepare()
    with pytest.raises(CycleError):
        TopologicalSorter(
            dependencies({"modelkit/a.py": "from .b import f", "modelkit/b.py": "from . import a"})
        ).prepare()


@pytest.mark.parametrize("path", sorted(sources()))
def test_modules_say_what_they_export(path: str) -> None:
    """Each has an `__all__`, without repeats, of names that are there."""
    dotted = f"optangent.{path.removesuffix('.py').removesuffix('/__init__').replace('/', '.')}"
    module = importlib.import_module(dotted)
    assert len(set(module.__all__)) == len(module.__all__)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


FORBIDDEN = [
    ("modelkit/model/model.py", "from ...bridges.graph import BridgeGraph", "modelkit must not know bridges"),
    ("modelkit/model/model.py", "def f():\n    from ...solvers import HiGHS", "modelkit must not know solvers"),
    ("modelkit/functions/vector.py", "from ...diffmodels import kkt", "must not know diffmodels"),
    ("bridges/graph.py", "from .. import diffmodels", "bridges must not know diffmodels"),
    ("solvers/contract.py", "from ..bridges.lowering import Lowering", "solvers must not know bridges"),
    ("diffmodels/meta_solver.py", "from ..solvers.libraries.highs import HiGHS", "diffmodels must not know solvers"),
    ("diffmodels/meta_solver.py", "from .. import Model", "the face is above the folders"),
    ("bridges/graph.py", "import optangent", "our own imports are relative"),
    ("bridges/graph.py", "import optangent.modelkit.sets", "our own imports are relative"),
    ("bridges/graph.py", "from optangent import modelkit", "our own imports are relative"),
    ("bridges/graph.py", "from modelkit.sets import Zeros", "our own imports are relative"),
    ("diffmodels/meta_solver.py", "import highspy", "a solver library belongs in solvers/"),
    ("modelkit/model/model.py", "def f():\n    import osqp", "a solver library belongs in solvers/"),
    ("diffmodels/layers/torch_layer.py", "import numpy, torch", "it is optional"),
    ("diffmodels/layers/torch_layer.py", "try:\n    import jax.numpy\nexcept ImportError:\n    pass", "it is optional"),
    ("diffmodels/layers/torch_layer.py", "class A:\n    from torch import nn", "it is optional"),
]
ALLOWED = [
    ("modelkit/functions/vector.py", "from ..sets import Zeros\nfrom . import scalar\nfrom .scalar import f"),
    ("modelkit/functions/__init__.py", "from .vector import f\nfrom ..sets import Zeros"),
    ("bridges/__init__.py", "from ..modelkit import sets\nfrom .graph import BridgeGraph"),
    ("bridges/graph.py", "from .. import modelkit"),
    ("diffmodels/convex_diff.py", "import numpy as np\nimport qdldl\nfrom ..bridges.lowering import Lowering"),
    ("solvers/libraries/highs.py", "import highspy\nfrom ...modelkit.attributes import Silent"),
    ("diffmodels/layers/torch_layer.py", "def f():\n    import torch"),
    ("diffmodels/layers/torch_layer.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch"),
]


@pytest.mark.parametrize(("path", "text", "problem"), FORBIDDEN)
def test_planted_violation_is_found(path: str, text: str, problem: str) -> None:
    """The checker complains, once and in the right words, about each kind of forbidden import."""
    (found,) = violations({path: text})
    assert found.startswith(f"{path}:") and problem in found


@pytest.mark.parametrize(("path", "text"), ALLOWED)
def test_allowed_import_is_let_through(path: str, text: str) -> None:
    """The checker is silent about imports that the rules allow."""
    assert not violations({path: text})


def test_face_names_what_it_exports() -> None:
    """`optangent.__all__` has no duplicates, names only what exists, and misses no public name."""
    exported = list(ot.__all__)
    assert len(exported) == len(set(exported))
    assert not [name for name in exported if not hasattr(ot, name)]
    own_modules = {
        name
        for name, value in vars(ot).items()
        if isinstance(value, types.ModuleType) and value.__name__.startswith("optangent.")
    }
    public = {name for name in vars(ot) if not name.startswith("_")}
    assert not sorted(public - own_modules - set(exported))


def test_parts_of_the_face_are_imported_as_modules() -> None:
    """`import optangent.layers` and `from optangent.testing import ...` give what `ot.layers` and `ot.testing` are."""
    for name in ("layers", "testing"):
        assert importlib.import_module(f"optangent.{name}") is getattr(ot, name)
    scope: dict[str, Any] = {}
    exec("from optangent.testing import check_solver", scope)  # type checkers do not see what is put there
    assert scope["check_solver"] is ot.testing.check_solver
