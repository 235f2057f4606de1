"""The tutorials run, draw, and find what they say they find."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")

FOLDER = Path(__file__).parents[2] / "tutorials"


def run(name: str, folder: Path) -> Any:
    """The report of a tutorial's `main`, which holds the tutorial's own assertions."""
    spec = importlib.util.spec_from_file_location(f"tutorial_{name}", FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, spec.name, module)  # dataclasses look their module up
        spec.loader.exec_module(module)
        return module.main(folder)


def assert_is_picture(path: Path) -> None:
    """The file is a PNG with something drawn on it."""
    from matplotlib.image import imread

    pixels = imread(path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert min(pixels.shape[:2]) > 500 and pixels[..., :3].std() > 0.01


def test_svm(tmp_path: Path) -> None:
    """Each of the 569 patients has a derivative, right where the machine is trained again."""
    report = run("svm_sensitivity", tmp_path / "made")
    found, status = report.influences, report.machine.status
    assert found.influence.shape == (569,) and found.derivative.shape == found.along_ones.shape == (569, 31)
    np.testing.assert_allclose(np.linalg.norm(found.direction[status != "beyond"], axis=1), 1)
    assert np.all(np.linalg.norm(found.along_ones, axis=1) <= found.influence + 1e-9)
    assert report.top.shape == (10,) and np.all(np.diff(found.influence[report.top]) <= 0)
    assert report.relative_error <= 1e-5
    # a patient inside the margin pushes with full force, one beyond it with none
    penalty = report.machine.duals.max()
    np.testing.assert_allclose(report.machine.duals[status == "inside"], penalty, rtol=1e-6)
    np.testing.assert_allclose(report.machine.duals[status == "beyond"], 0, atol=1e-8)
    assert_is_picture(report.figure)


def test_ridge(tmp_path: Path) -> None:
    """Both tables and the gradient of the error on new patients agree with the formulas."""
    report = run("ridge_sensitivity", tmp_path / "made")
    count, width = report.data.X.shape
    assert report.by_response.shape == (count, width + 1) and report.by_point.shape == (count, width, width + 1)
    assert report.gradient.points.shape == (count, width)
    again = report.errors.pop("dL/dx, fitted again")
    assert again <= 1e-5 and max(report.errors.values()) <= 1e-8
    assert 1 < report.leverage.sum() < width + 1
    assert_is_picture(report.figure)


@pytest.mark.parametrize("name", ["svm_sensitivity", "ridge_sensitivity"])
def test_missing_libraries_are_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without scikit-learn the message says what to install."""
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"optangent\[tutorials\]"):
        run(name, tmp_path)
